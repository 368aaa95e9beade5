use api::argocd::{HealthStatus, HealthStatusCode};
use engine::{HealthInput, aggregate, health};
use object::{LiveObject, Manifest, ResourceKey};
use serde_json::{Value, json};

use super::{Case, check, equal};

#[test]
fn health_of_applications() {
    check("health-agg", 48, agrees);
}

/// The kinds of the table whose health is written in the object.
fn health_of(live: &LiveObject) -> Option<HealthStatus> {
    let scripted = live.kind() == "Thing" || live.kind() == "Application";
    if !scripted || live.value().pointer("/metadata/deletionTimestamp").is_some() && !has_finalizer(live) {
        return health(live);
    }
    let word = live.value()["health"].as_str()?;
    let message = live.value()["message"].as_str().unwrap_or_default();
    Some(match serde_json::from_value(word.into()).unwrap_or_default() {
        HealthStatusCode::Unknown if word == "error" => HealthStatus::new(HealthStatusCode::Unknown, "<string>:1: x"),
        HealthStatusCode::Unknown if word != "Unknown" => {
            HealthStatus::new(HealthStatusCode::Unknown, "Lua returned an invalid health status")
        }
        status => HealthStatus::new(status, message),
    })
}

fn has_finalizer(live: &LiveObject) -> bool {
    live.value()["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

fn agrees(case: &Case) -> Result<(), String> {
    let Some(expected) = &case.output else { return Err("an error is expected".into()) };
    let objects: Vec<(Option<Manifest>, Option<LiveObject>)> = case.input["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            let get = |key: &str| r.get(key).filter(|v| !v.is_null()).cloned();
            (get("target").map(|v| Manifest::new(v).unwrap()), get("live").map(|v| LiveObject::new(v).unwrap()))
        })
        .collect();
    let healths: Vec<_> = objects.iter().map(|(_, live)| live.as_ref().and_then(health_of)).collect();
    let inputs: Vec<HealthInput<'_>> = objects
        .iter()
        .zip(&healths)
        .map(|((target, live), health)| HealthInput {
            target: target.as_ref(),
            live: live.as_ref(),
            health: health.as_ref(),
        })
        .collect();
    let own = ResourceKey::new("argoproj.io", "Application", "argocd", "self");
    let (total, stored) = aggregate(&inputs, &own, "uid-self");
    let stored: Vec<Value> = stored.iter().map(|health| health.as_ref().map_or(Value::Null, |h| json!(h))).collect();
    equal(&total.status.as_str().into(), &expected["health"])?;
    // an object without a status word is stored as an empty mapping there, as nothing here
    let wanted = expected["resources"].as_array().cloned().unwrap_or_default();
    let wanted: Vec<Value> = wanted.into_iter().map(|v| if v == json!({}) { Value::Null } else { v }).collect();
    equal(&stored.into(), &wanted.into())
}
