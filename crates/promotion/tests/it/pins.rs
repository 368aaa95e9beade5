//! A pinned environment takes nothing by itself.

use api::gantline::{EnvironmentStatus, Pin, Pipeline, Promotion, PromotionSpec, Release};
use promotion::{Answers, Decision, evaluate};
use serde_json::json;

use super::story::evidence;

fn decision(pinned: bool, requested_by: &str) -> Decision {
    let mut pipeline = Pipeline::from_value(json!({"metadata": {"name": "shop"}, "spec": {
        "images": [{"name": "shop"}], "environments": [{"name": "production", "application": "p"}]}}))
    .unwrap();
    let pin = Pin {
        digest: format!("sha256:{}", "d".repeat(64)).parse().ok(),
        by: "tina".into(),
        reason: "rolled back".into(),
        at: None,
        seal: String::new(),
    };
    let status = EnvironmentStatus { name: "production".into(), pinned: pinned.then_some(pin), ..Default::default() };
    pipeline.status.environments.push(status);
    let release = Release::default();
    let spec = PromotionSpec { requested_by: requested_by.to_owned(), ..PromotionSpec::default() };
    let promotion = Promotion { spec, ..Promotion::default() };
    let evidence = evidence(&pipeline, &release, &promotion);
    evaluate(&evidence, &Answers::default())
}

#[test]
fn only_who_asks_passes_a_pin() {
    assert!(matches!(decision(false, ""), Decision::Promote(_)));
    assert!(matches!(decision(true, "theo"), Decision::Promote(_)));
    let waits = decision(true, "");
    assert!(matches!(waits, Decision::Wait(_)));
    let report = &waits.reports()[0];
    assert_eq!(report.value, "pinned by tina: rolled back");
    assert!(report.who_can_act.contains("lifts the pin"));
}
