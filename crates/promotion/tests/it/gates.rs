//! Every gate of the registry is documented, and refused by name where it is written wrongly.

use api::gantline::{GateKind, Pipeline};
use serde_json::json;

#[test]
fn every_gate_has_its_page() {
    let page = include_str!("../../../../docs/gates.md");
    for kind in GateKind::WRITTEN {
        assert!(page.contains(&format!("\n## `{kind}`\n")), "docs/gates.md has no section {kind}");
    }
}

#[test]
fn every_gate_names_its_slips() {
    for kind in GateKind::WRITTEN {
        let gate = json!({kind.as_str(): {"nonsense": 1}});
        let pipeline = json!({"spec": {"images": [{"name": "shop"}],
            "environments": [{"name": "dev", "application": "d", "gates": [gate]}]}});
        let problems = Pipeline::problems(&pipeline);
        let named = problems.iter().any(|problem| problem.message.contains(&format!("{kind}.nonsense is not a field")));
        assert!(named, "{problems:?}");
    }
}
