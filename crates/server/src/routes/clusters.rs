//! The clusters that Applications may name.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::Server;
use crate::people::Identity;

/// As Argo CD lists them; credentials are not in it.
pub(super) async fn list(State(server): State<Server>, _: Identity) -> Json<Value> {
    Json(json!({ "items": server.config.controller.clusters() }))
}
