//! The page and its two files, compiled in and the same for everybody, and what machines ask: version, health, metrics.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};

use crate::Server;
use crate::views::Version;

const HTML: &str = include_str!("../page/index.html");
const STYLE: &str = include_str!("../page/app.css");
const SCRIPT: &str = include_str!("../page/app.js");

type File = ([(HeaderName, &'static str); 2], &'static str);

fn file(kind: &'static str, text: &'static str) -> File {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text)
}

pub(super) async fn html() -> File {
    file("text/html; charset=utf-8", HTML)
}

pub(super) async fn style() -> File {
    file("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> File {
    file("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn health() -> &'static str {
    "ok"
}

pub(super) async fn version() -> Json<Version> {
    Json(Version { version: concat!("v", env!("CARGO_PKG_VERSION")).to_owned(), program: "gantline".to_owned() })
}

pub(super) async fn metrics(State(server): State<Server>) -> ([(HeaderName, &'static str); 1], String) {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], server.config.controller.metrics().text())
}
