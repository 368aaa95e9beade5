//! A pinned environment takes nothing by itself.

use api::gantline::{EnvironmentStatus, Pin, Pipeline, Promotion, PromotionSpec, Release};
use jiff::Timestamp;
use promotion::{Answers, Decision, Evidence, evaluate};
use serde_json::json;

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
    let (environment, release) = (pipeline.environment("production").unwrap(), Release::default());
    let now = Timestamp::UNIX_EPOCH;
    let spec = PromotionSpec { requested_by: requested_by.to_owned(), ..PromotionSpec::default() };
    let promotion = Promotion { spec, ..Promotion::default() };
    let evidence = Evidence {
        pipeline: &pipeline,
        environment,
        release: &release,
        promotion: &promotion,
        change_set: &promotion::ChangeSet::default(),
        members: &promotion::Members::default(),
        blind: &[],
        now,
    };
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
