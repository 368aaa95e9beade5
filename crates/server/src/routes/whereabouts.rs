//! Which environments run an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::argocd::Application;
use api::gantline::{EnvironmentStatus, Pipeline, Release, ReleaseImage};
use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::Query;
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
        asker.applications().into_iter().map(|app| (asker.name_of(&app), app)).collect();
    let releases: BTreeMap<String, Arc<Release>> =
        asker.releases(None).into_iter().map(|release| (release.metadata.name.clone(), release)).collect();
    let pipelines = asker.pipelines();
    let mut items: Vec<Place> =
        pipelines.iter().flat_map(|pipeline| in_pipeline(pipeline, &releases, &apps, text)).collect();
    // Applications that no Pipeline moves run images too
    let others = apps.iter().filter(|(name, _)| items.iter().all(|place| place.application != **name));
    let others: Vec<Place> = others.flat_map(|(name, app)| in_application(name, app, text)).collect();
    items.extend(others);
    let note = if items.is_empty() && digits(text).len() < SHORTEST { too_short(text) } else { String::new() };
    Ok(Json(Whereabouts { image: text.to_owned(), items, note }))
}

fn too_short(text: &str) -> String {
    format!("{text} may be the beginning of a tag or digest, which is looked for from {SHORTEST} characters on")
}

fn in_pipeline(
    pipeline: &Pipeline,
    releases: &BTreeMap<String, Arc<Release>>,
    apps: &BTreeMap<String, Arc<Application>>,
    text: &str,
) -> Vec<Place> {
    let all = pipeline.status.environments.iter();
    let running = all.flat_map(|status| images(pipeline, releases.get(&status.release), status, text));
    running.map(|(status, image)| place(pipeline, status, &image, apps.get(&status.application))).collect()
}

/// The images that an environment runs and that are meant: those of its release; else what its status says of them.
fn images<'a>(
    pipeline: &Pipeline,
    release: Option<&Arc<Release>>,
    status: &'a EnvironmentStatus,
    text: &str,
) -> Vec<(&'a EnvironmentStatus, ReleaseImage)> {
    let first = || pipeline.spec.images.first().map_or_else(String::new, |image| image.name.clone());
    let told = || {
        let digest = status.digest.clone();
        digest
            .map(|digest| ReleaseImage { name: first(), tag: status.tag.clone(), digest, parts: Vec::new() })
            .into_iter()
            .collect()
    };
    let all = release.map_or_else(told, |release| release.spec.images.clone());
    let is_digest = status.digest.as_ref().is_some_and(|digest| digest.as_str() == text);
    // what people call a release means all that travels together
    let whole = text == status.release || text == status.tag || is_digest;
    let meant = |image: &ReleaseImage| whole || matches(text, &image.name, &image.tag, image.digest.as_str());
    all.into_iter().filter(meant).map(|image| (status, image)).collect()
}

/// Whose Application may not be seen shows nothing of it.
fn place(
    pipeline: &Pipeline,
    status: &EnvironmentStatus,
    image: &ReleaseImage,
    app: Option<&Arc<Application>>,
) -> Place {
    let of_app = |text: fn(&Application) -> String| app.map_or_else(String::new, |app| text(app));
    Place {
        pipeline: pipeline.metadata.name.clone(),
        environment: status.name.clone(),
        application: app.map_or_else(String::new, |_| status.application.clone()),
        namespace: of_app(|app| app.spec.destination.namespace.clone()),
        cluster: of_app(|app| app.spec.destination.cluster().to_owned()),
        image: image.name.clone(),
        tag: image.tag.clone(),
        digest: image.digest.to_string(),
        since: status.since,
        sync: of_app(|app| app.status.sync.status.to_string()),
        health: of_app(|app| app.status.health.status.to_string()),
        release: status.release.clone(),
    }
}

fn in_application(name: &str, app: &Application, text: &str) -> Vec<Place> {
    let place = |image: &String| Place {
        application: name.to_owned(),
        namespace: app.spec.destination.namespace.clone(),
        cluster: app.spec.destination.cluster().to_owned(),
        image: image.clone(),
        sync: app.status.sync.status.to_string(),
        health: app.status.health.status.to_string(),
        ..Place::default()
    };
    app.status.summary.images.iter().filter(|image| runs(text, image)).map(place).collect()
}

/// Of the beginning of a tag or digest.
const SHORTEST: usize = 6;

/// Of a digest; anything else is as it was.
fn digits(text: &str) -> &str {
    text.trim_start_matches("sha256:")
}

fn matches(text: &str, image: &str, tag: &str, digest: &str) -> bool {
    let (name, rest) = split(text);
    let named = |name: &str| image == name || image.ends_with(&format!("/{name}"));
    match rest {
        Some(rest) => named(name) && (tag == rest || digits(digest) == digits(rest)),
        None => {
            let start = digits(text);
            let begins = start.len() >= SHORTEST && (tag.starts_with(text) || digits(digest).starts_with(start));
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
            matches(text, name, tag.unwrap_or_default(), digest)
        }
        None => matches(text, name, rest.unwrap_or_default(), ""),
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
            assert_eq!(matches(text, "ghcr.io/acme/shop", "v15.0.1", &digest), expected, "{text}");
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
        check("sha256:ababab", true);
        check("sha256:", false);
        check("sha256:ab", false);
        check("ghcr.io/acme/other", false);
        check("other:v15.0.1", false);
        check("op", false);
        assert!(runs("shop:1", "ghcr.io/acme/shop:1"));
        assert!(runs("v15.0.1", &format!("localhost:5000/shop:v15.0.1@{digest}")));
    }

    #[test]
    fn every_image_of_a_release_is_found() {
        let image = |name: &str, tag: &str, digit: &str| ReleaseImage {
            name: name.into(),
            tag: tag.into(),
            digest: format!("sha256:{}", digit.repeat(64)).parse().unwrap(),
            parts: Vec::new(),
        };
        let mut release = Release::default();
        release.spec.images = vec![image("shop", "v1", "1"), image("ghcr.io/acme/worker", "w2", "2")];
        let release = Arc::new(release);
        let (name, tag) = ("shop-abc".to_owned(), "v1 + w2".to_owned());
        let status = EnvironmentStatus { release: name, tag, ..EnvironmentStatus::default() };
        let check = |text: &str, expected: &[&str]| {
            let found = images(&Pipeline::default(), Some(&release), &status, text);
            let found: Vec<String> = found.into_iter().map(|(_, image)| image.name).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("worker", &["ghcr.io/acme/worker"]);
        check("w2", &["ghcr.io/acme/worker"]);
        check("shop:v1", &["shop"]);
        check("worker:v1", &[]);
        check("22222222", &["ghcr.io/acme/worker"]);
        check("v1 + w2", &["shop", "ghcr.io/acme/worker"]);
        check("shop-abc", &["shop", "ghcr.io/acme/worker"]);
    }
}
