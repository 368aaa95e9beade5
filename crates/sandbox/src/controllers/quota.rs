//! ResourceQuotas: what their namespaces use. (Refusing what is too much is the API's admission.)

use serde_json::{Map, Value, json};

use super::fields::{list, namespace, text};
use super::outcome::{Outcome, manager};
use super::replicaset::is_active;
use super::snapshot::Snapshot;
use crate::quantity::Quantity;
use crate::store::Key;

pub(super) fn reconcile(view: &Snapshot, key: &Key, quota: &Value) -> Outcome {
    let mut outcome = Outcome::default();
    let hard = &quota["spec"]["hard"];
    let names = hard.as_object().into_iter().flatten().map(|(name, _)| name);
    let used: Map<String, Value> =
        names.filter_map(|name| Some((name.clone(), json!(used(view, quota, name)?)))).collect();
    outcome.status(key, quota, json!({ "hard": hard, "used": used }), manager::CONTROLLERS);
    outcome
}

/// The used amount of a resource; `None` for what is not counted here.
fn used(view: &Snapshot, quota: &Value, resource: &str) -> Option<String> {
    let place = namespace(quota);
    let count = |storage: &str| view.list(storage, place).count().to_string();
    if let Some(counted) = resource.strip_prefix("count/") {
        return Some(count(counted));
    }
    let services =
        |kind: &str| view.list("services", place).filter(|service| service["spec"]["type"] == kind).count().to_string();
    match resource {
        "pods" => Some(view.list("pods", place).filter(|pod| !ended(pod)).count().to_string()),
        "services.loadbalancers" => Some(services("LoadBalancer")),
        "services.nodeports" => Some(services("NodePort")),
        "requests.storage" => {
            let claims = view.list("persistentvolumeclaims", place);
            Some(sum(claims.filter_map(|claim| Quantity::of(&claim["spec"]["resources"]["requests"]["storage"]))))
        }
        "services"
        | "secrets"
        | "configmaps"
        | "persistentvolumeclaims"
        | "replicationcontrollers"
        | "resourcequotas" => Some(count(resource)),
        other => {
            let (part, name) = other.split_once('.').unwrap_or(("requests", other));
            let known = matches!(part, "requests" | "limits") && matches!(name, "cpu" | "memory" | "ephemeral-storage");
            known.then(|| {
                let pods = view.list("pods", place).filter(|pod| is_active(pod) && !ended(pod));
                sum(pods.flat_map(|pod| amounts(pod, part, name)))
            })
        }
    }
}

fn ended(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

fn amounts(pod: &Value, part: &str, name: &str) -> Vec<Quantity> {
    list(pod, "/spec/containers")
        .iter()
        .filter_map(|container| Quantity::of(&container["resources"][part][name]))
        .collect()
}

/// The sum in the form of the first amount.
fn sum(amounts: impl Iterator<Item = Quantity>) -> String {
    let total = amounts.reduce(|mut total, amount| {
        total.nano += amount.nano;
        total
    });
    total.map_or_else(|| "0".to_owned(), Quantity::canonical)
}
