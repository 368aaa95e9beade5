//! Which environments run an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::argocd::Application;
use api::gantline::Pipeline;
use axum::Json;
use axum::extract::Query;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::asker::Asker;
use crate::error::ApiError;
use crate::views::{Place, Whereabouts};

#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Wanted {
    /// `NAME`, `TAG`, `NAME:TAG`, `DIGEST`, or the beginning of a digest or tag (6 characters at least).
    image: String,
}

pub(super) async fn get(Query(wanted): Query<Wanted>, asker: Asker) -> Result<Json<Whereabouts>, ApiError> {
    let text = wanted.image.trim();
    if text.is_empty() {
        return Err(ApiError::invalid("which image? say ?image=NAME, TAG, NAME:TAG or DIGEST"));
    }
    let apps: BTreeMap<String, Arc<Application>> =
        asker.applications().into_iter().map(|app| (app.metadata.name.clone(), app)).collect();
    let mut items: Vec<Place> =
        asker.pipelines().iter().flat_map(|pipeline| in_pipeline(pipeline, &apps, text)).collect();
    // Applications that no Pipeline moves run images too
    let others = apps.values().filter(|app| items.iter().all(|place| place.application != app.metadata.name));
    let others: Vec<Place> = others.flat_map(|app| in_application(app, text)).collect();
    items.extend(others);
    Ok(Json(Whereabouts { image: text.to_owned(), items }))
}

fn in_pipeline(pipeline: &Pipeline, apps: &BTreeMap<String, Arc<Application>>, text: &str) -> Vec<Place> {
    let images: Vec<&str> = pipeline.spec.images.iter().map(|image| image.name.as_str()).collect();
    let running = pipeline.status.environments.iter().filter(|s| matches(text, &images, &s.tag, &s.digest));
    let namespace = |name: &str| apps.get(name).map_or_else(String::new, |app| app.spec.destination.namespace.clone());
    let place = |status: &api::gantline::EnvironmentStatus| Place {
        pipeline: pipeline.metadata.name.clone(),
        environment: status.name.clone(),
        application: status.application.clone(),
        namespace: namespace(&status.application),
        image: images.first().map_or_else(String::new, |image| (*image).to_owned()),
        tag: status.tag.clone(),
        digest: status.digest.clone(),
        since: status.since,
        sync: status.sync.map_or_else(String::new, |sync| sync.to_string()),
        health: status.health.map_or_else(String::new, |health| health.to_string()),
        release: status.release.clone(),
    };
    running.map(place).collect()
}

fn in_application(app: &Application, text: &str) -> Vec<Place> {
    let place = |image: &String| Place {
        application: app.metadata.name.clone(),
        namespace: app.spec.destination.namespace.clone(),
        image: image.clone(),
        sync: app.status.sync.status.to_string(),
        health: app.status.health.status.to_string(),
        ..Place::default()
    };
    app.status.summary.images.iter().filter(|image| runs(text, image)).map(place).collect()
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
