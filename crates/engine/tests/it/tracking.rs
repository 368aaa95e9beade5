use api::argocd::TrackingMethod;
use engine::{Tracking, TrackingId, truncated_label};
use object::Manifest;
use serde_json::{Value, json};

use super::{Case, check, equal};

#[test]
fn tracking() {
    check("tracking", 104, agrees);
}

fn agrees(case: &Case) -> Result<(), String> {
    let text = |key: &str| case.input[key].as_str().unwrap_or_default();
    let tracking = Tracking {
        method: TrackingMethod::parse(text("trackingMethod")),
        label_key: case.input["labelKey"].as_str().unwrap_or("app.kubernetes.io/instance").to_owned(),
        installation_id: case.input["installationID"].as_str().map(str::to_owned),
    };
    let object = || Manifest::new(case.input["object"].clone()).unwrap();
    let found: Option<Value> = match text("op") {
        "parse" => TrackingId::parse(text("value")).ok().map(|id| {
            json!({"app": id.application, "group": id.key.group, "kind": id.key.kind,
                "namespace": id.key.namespace, "name": id.key.name})
        }),
        "truncate" => Some(json!({"label": truncated_label(text("value"))})),
        "instanceName" => {
            let mut application = api::argocd::Application::default();
            application.metadata.name = text("app").to_owned();
            application.metadata.namespace = text("appNamespace").to_owned();
            Some(json!({"instance": application.instance_name("argocd")}))
        }
        "set" => {
            let mut object = object();
            tracking.set(&mut object, text("app"), text("namespace"));
            Some(json!({"object": object}))
        }
        "get" => Some(json!({"app": tracking.application_of(&object()).unwrap_or_default()})),
        "remove" => {
            let mut object = object();
            tracking.remove(&mut object);
            Some(json!({"object": object}))
        }
        other => return Err(format!("the operation {other} is new")),
    };
    match (&found, &case.output) {
        (None, None) => Ok(()),
        (Some(found), Some(expected)) => {
            let mut expected = expected.clone();
            let known = found.as_object().unwrap();
            expected.as_object_mut().unwrap().retain(|key, _| known.contains_key(key));
            equal(found, &expected)
        }
        _ => Err(format!("found {found:?}, expected {:?}", case.output)),
    }
}
