//! The page and its two files, compiled in, and what machines ask: version, health, metrics.

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use serde_json::{Value, json};

use crate::Server;

const HTML: &str = include_str!("../page/index.html");
const STYLE: &str = include_str!("../page/app.css");
const SCRIPT: &str = include_str!("../page/app.js");

pub(super) fn routes() -> Router<Server> {
    Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", HTML) }))
        .route("/app.css", get(|| async { file("text/css; charset=utf-8", STYLE) }))
        .route("/app.js", get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }))
        .route("/healthz", get(|| async { "ok" }))
        .route("/metrics", get(metrics))
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text)
}

pub(super) async fn version() -> Json<Value> {
    Json(json!({ "Version": concat!("v", env!("CARGO_PKG_VERSION")), "Program": "gantline" }))
}

async fn metrics(State(server): State<Server>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], server.config.controller.metrics().text())
}
