//! Which environments run an image.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Server;
use crate::error::ApiError;
use crate::people::Identity;

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    image: String,
}

/// By image name, tag, `name:tag`, digest, or the beginning of a digest or tag (6 characters at least).
pub(super) async fn get(
    State(server): State<Server>,
    Query(wanted): Query<Wanted>,
    _: Identity,
) -> Result<Json<Value>, ApiError> {
    let text = wanted.image.trim();
    if text.is_empty() {
        return Err(ApiError::invalid("which image? say ?image=NAME, TAG, NAME:TAG or DIGEST"));
    }
    let mut found = Vec::new();
    let applications = server.config.controller.stores().applications.all();
    let namespace = |name: &str| {
        let app = server.config.controller.application(name);
        app.map_or_else(String::new, |app| app.spec.destination.namespace.clone())
    };
    for pipeline in server.stores().pipelines.all() {
        let images: Vec<&str> = pipeline.spec.images.iter().map(|image| image.name.as_str()).collect();
        for status in pipeline.status.environments.iter().filter(|s| matches(text, &images, &s.tag, &s.digest)) {
            found.push(json!({
                "pipeline": pipeline.metadata.name, "environment": status.name, "application": status.application,
                "namespace": namespace(&status.application),
                "image": images.first(), "tag": status.tag, "digest": status.digest, "since": status.since,
                "sync": status.sync, "health": status.health, "release": status.release,
            }));
        }
    }
    let known: Vec<&Value> = found.iter().filter_map(|row| row.get("application")).collect();
    // Applications that no Pipeline moves run images too
    let mut others = Vec::new();
    for app in &applications {
        let name = json!(app.metadata.name);
        if known.contains(&&name) {
            continue;
        }
        for image in app.status.summary.images.iter().filter(|image| runs(text, image)) {
            others.push(json!({
                "pipeline": "", "environment": "", "application": name, "image": image,
                "sync": app.status.sync.status.to_string(), "health": app.status.health.status.to_string(),
                "namespace": app.spec.destination.namespace,
            }));
        }
    }
    found.extend(others);
    Ok(Json(json!({ "image": text, "items": found })))
}

fn matches(text: &str, images: &[&str], tag: &str, digest: &str) -> bool {
    let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
    let (name, rest) = split(text);
    let named = |name: &str| images.iter().any(|image| *image == name || image.ends_with(&format!("/{name}")));
    match rest {
        Some(rest) => named(name) && (tag == rest || hex(digest) == hex(rest)),
        None => {
            let begins = text.len() >= 6 && (tag.starts_with(text) || hex(digest).starts_with(&hex(text)));
            named(name) || (!tag.is_empty() && tag == text) || begins
        }
    }
}

/// Whether an image as a pod names it is meant.
fn runs(text: &str, image: &str) -> bool {
    let (name, rest) = split(image);
    match image.split_once('@') {
        Some((reference, digest)) => {
            let (name, tag) = split(reference);
            matches(text, &[name], tag.unwrap_or_default(), digest)
        }
        None => matches(text, &[name], rest.unwrap_or_default(), ""),
    }
}

/// `name:tag` and `name@digest` into their halves; a port is part of the name.
fn split(image: &str) -> (&str, Option<&str>) {
    if image.starts_with("sha256:") {
        return (image, None);
    }
    if let Some((name, digest)) = image.split_once('@') {
        return (split(name).0, Some(digest));
    }
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_found_by_what_people_know_of_it() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let check = |text: &str, expected: bool| {
            assert_eq!(matches(text, &["ghcr.io/acme/shop"], "v15.0.1", &digest), expected, "{text}");
        };
        check("ghcr.io/acme/shop", true);
        check("shop", true);
        check("shop:v15.0.1", true);
        check("shop:v14", false);
        check("v15.0.1", true);
        check("v15.0.", true);
        check("v15", false);
        check(&digest, true);
        check("ababababab", true);
        check("ghcr.io/acme/other", false);
        check("other:v15.0.1", false);
        check("op", false);
        assert!(runs("shop:1", "ghcr.io/acme/shop:1"));
        assert!(runs("v15.0.1", &format!("localhost:5000/shop:v15.0.1@{digest}")));
    }
}
