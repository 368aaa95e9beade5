//! From applies by the client to applies by the server: who owns what is handed over, so that what is not wanted any more
//! goes (`csaupgrade` of client-go 1.36, as Argo CD 3.5.1 uses it).

use object::LiveObject;
use serde_json::{Map, Value, json};

use super::LAST_APPLIED;

/// Managers as which clients applied, besides our own.
const CLIENTS: [&str; 1] = ["kubectl-client-side-apply"];

/// The managed fields with those that `manager`, or kubectl, set by applies of the client as what `manager` applies by the
/// server; `None` where there are none.
pub fn migrated(live: &LiveObject, manager: &str) -> Option<Vec<Value>> {
    let fields = handed_over(live, manager)?;
    let all = live.managed_fields();
    let last = all.iter().rfind(|entry| is_by_client(entry, manager))?;
    let united = json!({ "manager": manager, "operation": "Apply", "apiVersion": last["apiVersion"],
        "fieldsType": "FieldsV1", "fieldsV1": fields, "time": last["time"] });
    let rest = all.iter().filter(|entry| !is_by_client(entry, manager) && !is_by_server(entry, manager));
    Some(std::iter::once(united).chain(rest.cloned()).collect())
}

/// The fields that `manager` has by applies of the server after it; `None` where nothing is to be handed over.
pub(crate) fn handed_over(live: &LiveObject, manager: &str) -> Option<Map<String, Value>> {
    live.annotation(LAST_APPLIED)?;
    let all = live.managed_fields();
    if !all.iter().any(|entry| is_by_client(entry, manager)) {
        return None;
    }
    let mut fields = Map::new();
    for entry in all.iter().filter(|entry| is_by_client(entry, manager) || is_by_server(entry, manager)) {
        unite(&mut fields, entry["fieldsV1"].as_object()?);
    }
    Some(fields)
}

fn is_by_client(entry: &Value, manager: &str) -> bool {
    let name = entry["manager"].as_str().unwrap_or_default();
    is(entry, "Update") && (name == manager || CLIENTS.contains(&name))
}

fn is_by_server(entry: &Value, manager: &str) -> bool {
    is(entry, "Apply") && entry["manager"] == manager
}

fn is(entry: &Value, operation: &str) -> bool {
    entry["operation"] == operation && entry["subresource"].is_null()
}

fn unite(all: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (name, below) in more {
        match (all.get_mut(name), below) {
            (Some(Value::Object(known)), Value::Object(below)) => unite(known, below),
            (Some(_), _) => {}
            (None, below) => drop(all.insert(name.clone(), below.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_applied_is_handed_over_and_nothing_else() {
        let entry = |manager: &str, operation: &str, fields: Value| json!({ "manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields });
        let (a, b) = (json!({ "f:data": { "f:a": {} } }), json!({ "f:data": { "f:b": {} } }));
        let others = entry("hpa", "Update", json!({ "f:data": { "f:c": {} } }));
        let live = |entries: &[Value], annotation: &str| {
            let metadata = json!({ "name": "c", "annotations": { annotation: "{}" }, "managedFields": entries });
            LiveObject::new(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata })).unwrap()
        };
        let entries =
            [entry("argocd-controller", "Update", a.clone()), others.clone(), entry("argocd-controller", "Apply", b)];
        let moved = migrated(&live(&entries, LAST_APPLIED), "argocd-controller").unwrap();
        let both = json!({ "f:data": { "f:a": {}, "f:b": {} } });
        assert_eq!((moved.len(), &moved[0]["operation"], &moved[0]["fieldsV1"]), (2, &json!("Apply"), &both));
        assert_eq!(moved[1], others);
        let kubectl = [entry("kubectl-client-side-apply", "Update", a)];
        assert_eq!(migrated(&live(&kubectl, LAST_APPLIED), "argocd-controller").map(|all| all.len()), Some(1));
        assert_eq!(migrated(&live(&kubectl, "x"), "argocd-controller"), None, "nothing was applied by a client");
        assert_eq!(migrated(&live(&[others], LAST_APPLIED), "argocd-controller"), None);
    }
}
