//! The page and its two files, compiled in and the same for everybody, and what machines ask: version, health, metrics.

use axum::Json;
use axum::extract::State;

use super::text::{Css, Html, JavaScript, OpenMetrics, Text};
use crate::Server;
use crate::views::Version;

const HTML: &str = include_str!("../page/index.html");
const STYLE: &str = include_str!("../page/app.css");
const SCRIPT: &str = include_str!("../page/app.js");

pub(super) async fn html() -> Text<Html> {
    Text::new(HTML)
}

pub(super) async fn style() -> Text<Css> {
    Text::new(STYLE)
}

pub(super) async fn script() -> Text<JavaScript> {
    Text::new(SCRIPT)
}

pub(super) async fn health() -> &'static str {
    "ok"
}

pub(super) async fn version() -> Json<Version> {
    Json(Version { version: concat!("v", env!("CARGO_PKG_VERSION")).to_owned(), program: "gantline".to_owned() })
}

pub(super) async fn metrics(State(server): State<Server>) -> Text<OpenMetrics> {
    Text::new(server.config.controller.metrics().text())
}
