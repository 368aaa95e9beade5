//! Every gate of the registry is documented, and refused by name where it is written wrongly.

use api::gantline::{GateKind, Pipeline};
use promotion::Judge;
use promotion::gates::awaits_people;
use serde_json::json;

#[test]
fn every_gate_has_its_page() {
    let page = include_str!("../../../../docs/gates.md");
    for kind in GateKind::WRITTEN {
        let section = page.split("\n## ").find(|section| section.starts_with(&format!("`{kind}`\n")));
        let section = section.unwrap_or_else(|| panic!("docs/gates.md has no section {kind}"));
        assert!(
            section.contains(&format!("\n- {}\n", kind.example())),
            "its section has no example {}",
            kind.example()
        );
        assert!(section.contains(&format!("\n{}", kind.about())), "its section does not say {:?}", kind.about());
    }
}

#[test]
fn every_example_is_a_gate_without_a_slip() {
    for kind in GateKind::WRITTEN {
        let gate = object::yaml::value(kind.example()).unwrap();
        let pipeline = json!({"metadata": {"name": "shop"}, "spec": {"images": [{"name": "shop"}], "environments": [
            {"name": "staging", "application": "s"}, {"name": "production", "application": "p", "gates": [gate]}]}});
        assert_eq!(Pipeline::problems(&pipeline), [], "{kind}");
        let pipeline = Pipeline::from_value(pipeline).unwrap();
        let gate = &pipeline.spec.environments[1].gates[0];
        assert_eq!(gate.kind(), *kind);
        assert!(!gate.says().is_empty(), "{kind}");
        // whom it waits for is what it says itself, by its kind as by what is written
        assert_eq!(gate.awaits_people(), !gate.groups().is_empty(), "{kind}");
        assert_eq!(awaits_people(*kind), gate.awaits_people(), "{kind}");
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
