//! Ingresses: each gets an address, as from a controller that serves every class.

use serde_json::{Value, json};

use super::fields::list;
use super::outcome::{Outcome, manager};
use crate::store::Key;

/// For documentation (RFC 5737): nothing answers there.
const ADDRESS: &str = "192.0.2.80";

pub(super) fn reconcile(key: &Key, ingress: &Value) -> Outcome {
    let mut outcome = Outcome::default();
    if !list(ingress, "/status/loadBalancer/ingress").is_empty() {
        return outcome;
    }
    let status = json!({ "loadBalancer": { "ingress": [{ "ip": ADDRESS }] } });
    outcome.status(key, ingress, status, manager::CONTROLLERS);
    outcome
}
