//! The health of an Application from its objects.

use api::argocd::{HealthStatus, HealthStatusCode, names};
use object::{LiveObject, Manifest, ResourceKey};

use crate::annotations::{is_hook, is_skipped};

/// One object of the Application: what is wanted, what is there, and how that does.
#[derive(Debug, Clone, Copy)]
pub struct HealthInput<'a> {
    pub target: Option<&'a Manifest>,
    pub live: Option<&'a LiveObject>,
    /// As [`super::health`] says; used when there is a live object.
    pub health: Option<&'a HealthStatus>,
}

/// The health of each object as it is stored, and the worst of those that count. Objects that are not there count only
/// when none is there; hooks, ignored objects, and the Application itself (`own`, with its uid) never do.
pub fn aggregate(
    objects: &[HealthInput<'_>],
    own: &ResourceKey,
    own_uid: &str,
) -> (HealthStatus, Vec<Option<HealthStatus>>) {
    let mut worst = HealthStatusCode::Healthy;
    let mut culprits = Vec::new();
    let mut stored = Vec::with_capacity(objects.len());
    let mut wanted = objects.iter().filter(|object| !is_apart(object)).peekable();
    let is_expected = wanted.peek().is_some();
    let nothing_is_there = is_expected && wanted.all(|object| object.live.is_none());
    for object in objects {
        let health = health_of(object, own, own_uid);
        let counted = object.live.zip(health.as_ref()).filter(|(live, health)| counts(live, health.status));
        if let Some((live, health)) = counted {
            worst = worst.max(health.status);
            culprits.push((health.status, live.key()));
        }
        stored.push(health);
    }
    if nothing_is_there {
        return (HealthStatus::new(HealthStatusCode::Missing, ""), stored);
    }
    (HealthStatus::new(worst, causes(worst, &culprits)), stored)
}

/// What is not of the Application's own state: hooks that are there, and what is not to be synced. (A hook that is not
/// there yet is missing like anything else.)
fn is_apart(object: &HealthInput<'_>) -> bool {
    object.target.is_some_and(is_skipped) || object.live.is_some_and(|live| is_hook(live))
}

/// What is stored of one object.
fn health_of(object: &HealthInput<'_>, own: &ResourceKey, own_uid: &str) -> Option<HealthStatus> {
    let Some(live) = object.live.filter(|_| !is_apart(object)) else {
        return (!is_apart(object)).then(|| HealthStatus::new(HealthStatusCode::Missing, ""));
    };
    let is_own = live.key() == *own && live.uid() == own_uid;
    let ignored = live.annotation(names::IGNORE_HEALTHCHECK) == Some("true");
    object.health.filter(|_| !is_own && !ignored).cloned()
}

/// A child Application that was not reconciled yet does not hold up its parent.
fn counts(live: &LiveObject, status: HealthStatusCode) -> bool {
    let child = live.kind() == "Application" && live.gvk().group == "argoproj.io";
    !(child && matches!(status, HealthStatusCode::Missing | HealthStatusCode::Unknown))
}

/// Names the objects that make the Application as bad as it is, three at most.
fn causes(worst: HealthStatusCode, all: &[(HealthStatusCode, ResourceKey)]) -> String {
    if worst == HealthStatusCode::Healthy {
        return String::new();
    }
    let names: Vec<String> = all
        .iter()
        .filter(|(status, _)| *status == worst)
        .map(|(_, key)| format!("{}:{}/{}", key.kind, key.namespace, key.name))
        .collect();
    let shown = names[..names.len().min(3)].join(", ");
    match names.len().saturating_sub(3) {
        0 => format!("Caused by {shown}"),
        more => format!("Caused by {shown} and {more} more"),
    }
}
