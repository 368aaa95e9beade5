use std::collections::BTreeMap;

use api::argocd::{Policy, Subject};
use serde_json::{Value, json};

use super::{check, equal};

#[test]
fn policies() {
    // one is on purpose otherwise: a mistyped `DENY`, which Argo CD takes for no denial, denies
    check("rbac", 197, agrees);
}

fn agrees(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    if input["op"] != "enforce" {
        return Err("not offered yet".into());
    }
    let data: BTreeMap<String, String> = serde_json::from_value(input["configMap"].clone()).unwrap_or_default();
    let (policy, problems) = Policy::from_config_map(&data);
    if case.get("error").is_some() {
        return if problems.is_empty() { Err("an error is expected".into()) } else { Ok(()) };
    }
    let groups = input["claims"]["groups"].as_array().into_iter().flatten();
    let subject = Subject {
        user: input["claims"]["sub"].as_str().unwrap_or_default().to_owned(),
        groups: groups.filter_map(|group| group.as_str().map(str::to_owned)).collect(),
    };
    let allowed: Vec<bool> = input["requests"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|request| {
            let text = |key: &str| request[key].as_str().unwrap_or_default();
            policy.allows(&subject, text("resource"), text("action"), text("object"))
        })
        .collect();
    equal(&json!({"allowed": allowed}), &case["output"])
}
