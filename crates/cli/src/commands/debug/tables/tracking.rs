//! `tracking`: marks on objects, and what they say.

use api::argocd::{Application, TrackingMethod};
use engine::{Tracking, TrackingId, truncated_label};
use object::Manifest;
use serde_json::{Value, json};

use super::{Answer, text, unknown_op};

pub(super) fn answer(input: &Value) -> Answer {
    match text(input, "op") {
        "parse" => TrackingId::parse(text(input, "value")).map(|id| id_of(&id)).map_err(|error| error.to_string()),
        "truncate" => Ok(json!({"label": truncated_label(text(input, "value")).map_err(|error| error.to_string())?})),
        "instanceName" => {
            let metadata = json!({"name": input["app"], "namespace": input["appNamespace"]});
            let app = Application::from_value(json!({"metadata": metadata})).map_err(|error| error.to_string())?;
            Ok(json!({"instance": app.instance_name("argocd"), "qualified": app.qualified_name()}))
        }
        "set" | "get" | "remove" => marks(input),
        _ => Err(unknown_op(input)),
    }
}

fn id_of(id: &TrackingId) -> Value {
    let key = &id.key;
    json!({"app": id.application, "group": key.group, "kind": key.kind, "namespace": key.namespace, "name": key.name})
}

fn marks(input: &Value) -> Answer {
    let tracking = Tracking {
        method: TrackingMethod::parse(text(input, "trackingMethod")),
        label_key: input["labelKey"].as_str().unwrap_or("app.kubernetes.io/instance").to_owned(),
        installation_id: Some(text(input, "installationID").to_owned()).filter(|id| !id.is_empty()),
    };
    let mut object = Manifest::new(input["object"].clone()).map_err(|error| error.to_string())?;
    match text(input, "op") {
        "set" => tracking.set(&mut object, text(input, "app"), text(input, "namespace")),
        "remove" => tracking.remove(&mut object),
        _ => {
            // only who chose one of these methods asks for the whole id
            let asked = matches!(text(input, "trackingMethod"), "annotation" | "annotation+label");
            let instance = tracking.id(&object).filter(|_| asked).map(|id| id_of(&id));
            return Ok(json!({"app": tracking.application_of(&object).unwrap_or_default(), "instance": instance}));
        }
    }
    .map_err(|error| error.to_string())?;
    Ok(json!({"object": object}))
}
