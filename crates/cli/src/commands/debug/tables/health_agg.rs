//! `health-agg`: the health of an Application from that of its objects.

use api::argocd::{HealthStatus, HealthStatusCode};
use engine::{HealthInput, aggregate, health_or};
use object::{LiveObject, Manifest, ResourceKey};
use serde_json::{Value, json};

use super::Answer;

pub(super) fn answer(input: &Value) -> Answer {
    let objects = input["resources"].as_array().into_iter().flatten().map(object).collect::<Result<Vec<_>, _>>()?;
    let said: Vec<_> = objects.iter().map(|(_, live)| live.as_ref().map_or(Ok(None), health_of)).collect();
    let healths: Vec<_> = said.iter().map(|said| said.clone().unwrap_or_else(Some)).collect();
    let pairs = objects.iter().zip(&healths);
    let inputs: Vec<_> = pairs
        .map(|((target, live), health)| HealthInput {
            target: target.as_ref(),
            live: live.as_ref(),
            health: health.as_ref(),
        })
        .collect();
    let own = ResourceKey::new("argoproj.io", "Application", "argocd", "self");
    let (total, stored) = aggregate(&inputs, &own, "uid-self");
    let mut failed = objects.iter().zip(&said).zip(&stored).filter(|(_, stored)| stored.is_some());
    let failed = failed.find_map(|((object, said), _)| Some(failure(object.1.as_ref()?, said.as_ref().err()?)));
    let rows = objects.iter().zip(&said).zip(&stored).map(|(((_, live), said), stored)| match (stored, said, live) {
        // a script that says nothing has said so
        (None, Ok(None), Some(live)) if is_scripted(live) => json!({}),
        (stored, ..) => json!(stored),
    });
    Ok(json!({"health": total.status, "resources": rows.collect::<Vec<_>>(), "error": failed}))
}

fn failure(live: &LiveObject, said: &HealthStatus) -> String {
    let (kind, name, namespace) = (live.kind(), live.name(), live.namespace());
    format!(
        "failed to get resource health for {kind:?} with name {name:?} in namespace {namespace:?}: \
         failed to get resource health for {namespace}/{name}: {}",
        said.message
    )
}

type Object = (Option<Manifest>, Option<LiveObject>);

fn object(value: &Value) -> Result<Object, String> {
    let get = |field: &str| value.get(field).filter(|value| !value.is_null()).cloned();
    let target = get("target").map(Manifest::new).transpose().map_err(|error| error.to_string())?;
    let live = get("live").map(LiveObject::new).transpose().map_err(|error| error.to_string())?;
    Ok((target, live))
}

fn is_scripted(live: &LiveObject) -> bool {
    matches!(live.api_version(), "acme.io/v1" | "argoproj.io/v1alpha1")
        && matches!(live.kind(), "Thing" | "Application")
}

/// The kinds of the table have their health in the object, as a script would say it; `Err` where that fails.
fn health_of(live: &LiveObject) -> Result<Option<HealthStatus>, HealthStatus> {
    let mut failed = false;
    let said = |live: &LiveObject| {
        let said = is_scripted(live).then(|| script(live.value()))?;
        failed = said.is_err();
        Some(said.unwrap_or_else(|()| Some(HealthStatus::new(HealthStatusCode::Unknown, "<string>:1: x"))))
    };
    match health_or(live, said) {
        Some(health) if failed => Err(health),
        health => Ok(health),
    }
}

/// What the script of the table says; nothing where it says no status and no message.
fn script(object: &Value) -> Result<Option<HealthStatus>, ()> {
    let (word, message) = (&object["health"], &object["message"]);
    if word == "error" {
        return Err(());
    }
    let is_text = |value: &Value| value.is_null() || value.is_string();
    if !is_text(word) || !is_text(message) || (word.is_null() && message.is_null()) {
        return Ok(None);
    }
    let status = HealthStatusCode::ALL.into_iter().find(|status| word == status.as_str());
    let said = status.map(|status| HealthStatus::new(status, message.as_str().unwrap_or_default()));
    let none = || HealthStatus::new(HealthStatusCode::Unknown, "Lua returned an invalid health status");
    Ok(Some(said.unwrap_or_else(none)))
}
