//! Names that people type: never empty, and completed by what the server has.

use std::ffi::OsStr;
use std::time::Duration;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use serde_json::Value;

use crate::args::Reach;
use crate::client::Client;
use crate::output::text;

/// Nobody waits longer for a completion.
const PATIENCE: Duration = Duration::from_secs(2);

/// A name as it was typed.
///
/// # Errors
/// When there is nothing of it: as a part of a path it would name something else.
pub(crate) fn name(typed: &str) -> Result<String, String> {
    let name = typed.trim();
    if name.is_empty() { Err("it is empty: give a name".to_owned()) } else { Ok(name.to_owned()) }
}

pub(crate) fn applications() -> ArgValueCompleter {
    completer("/api/v1/applications?fields=items.metadata.name", |item| named(item, "/metadata/name"))
}

pub(crate) fn pipelines() -> ArgValueCompleter {
    completer("/api/v1/pipelines", |item| named(item, "/metadata/name"))
}

/// Of all Pipelines: which one is meant is not known while a value is typed.
pub(crate) fn environments() -> ArgValueCompleter {
    completer("/api/v1/pipelines", |item| {
        let all = item.pointer("/spec/environments").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|environment| text(environment, "/name")).collect()
    })
}

/// By their names and by the tags of their images.
pub(crate) fn releases() -> ArgValueCompleter {
    completer("/api/v1/releases", |item| {
        let images = item.pointer("/spec/images").and_then(Value::as_array).into_iter().flatten();
        named(item, "/metadata/name").into_iter().chain(images.filter_map(|image| text(image, "/tag"))).collect()
    })
}

/// What can be explained.
pub(crate) fn subjects() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        [applications(), pipelines(), releases()].iter().flat_map(|names| names.complete(typed)).collect()
    })
}

/// What waits for a decision: by Pipeline, or by itself.
pub(crate) fn decisions() -> ArgValueCompleter {
    completer("/api/v1/promotions", |item| match text(item, "/status/phase").as_deref() {
        Some("Waiting") => [named(item, "/spec/pipeline"), named(item, "/metadata/name")].concat(),
        _ => Vec::new(),
    })
}

fn named(item: &Value, pointer: &str) -> Vec<String> {
    text(item, pointer).into_iter().collect()
}

fn completer(path: &'static str, names: fn(&Value) -> Vec<String>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy();
        candidates(&asked(path), names, &typed).into_iter().map(CompletionCandidate::new).collect()
    })
}

/// Each name once that begins as typed.
fn candidates(items: &[Value], names: fn(&Value) -> Vec<String>, typed: &str) -> Vec<String> {
    let mut all: Vec<String> = items.iter().flat_map(names).filter(|name| name.starts_with(typed)).collect();
    all.sort();
    all.dedup();
    all
}

/// What the server says to whoever logged in last; nothing where it does not answer.
fn asked(path: &str) -> Vec<Value> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let asking = async { Client::connect(&Reach::default()).await.ok()?.items(path).await.ok() };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await.ok().flatten() }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_begin_as_typed_are_completed_once() {
        let items = [json!({ "metadata": { "name": "shop" } }), json!({ "metadata": { "name": "shop" } }), json!({})];
        let names = |item: &Value| named(item, "/metadata/name");
        assert_eq!(candidates(&items, names, "sh"), ["shop"]);
        assert_eq!(candidates(&items, names, "x"), [""; 0]);
    }

    #[test]
    fn a_name_has_letters() {
        assert_eq!(name(" web "), Ok("web".to_owned()));
        assert!(name("").is_err() && name("  ").is_err());
    }
}
