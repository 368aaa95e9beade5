//! What is stored of a record, also of it what this version does not know.

use object::fingerprint;
use serde_json::Value;

/// Fingerprints of a Release or a Promotion as the API server has it: what a seal covers. Of the status without its seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    pub spec: [u8; 32],
    pub status: [u8; 32],
}

impl Stored {
    /// Of an object with `spec` and, perhaps, `status`.
    pub fn of(object: &Value) -> Self {
        let mut status = object.get("status").cloned().unwrap_or_default();
        if let Some(status) = status.as_object_mut() {
            status.remove("seal");
        }
        Self { spec: fingerprint(object.get("spec").unwrap_or(&Value::Null)), status: fingerprint(&status) }
    }
}
