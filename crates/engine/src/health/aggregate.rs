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
    let missing = objects.iter().filter(|object| object.live.is_none()).count();
    if missing == objects.len() && missing > 0 {
        let each = HealthStatus::new(HealthStatusCode::Missing, "");
        return (each.clone(), vec![Some(each); missing]);
    }
    let mut worst = HealthStatusCode::Healthy;
    let mut culprits = Vec::new();
    let mut stored = Vec::with_capacity(objects.len());
    for object in objects {
        let Some(live) = object.live else {
            stored.push(Some(HealthStatus::new(HealthStatusCode::Missing, "")));
            continue;
        };
        let health = if leaves_out(live, own, own_uid) { None } else { object.health.cloned() };
        if let Some(health) = health.as_ref().filter(|health| counts(live, health.status)) {
            worst = worst.max(health.status);
            culprits.push((health.status, live.key()));
        }
        stored.push(health);
    }
    (HealthStatus::new(worst, causes(worst, &culprits)), stored)
}

fn leaves_out(live: &LiveObject, own: &ResourceKey, own_uid: &str) -> bool {
    let is_own = live.key() == *own && live.uid() == own_uid;
    let ignored = live.annotation(names::IGNORE_HEALTHCHECK) == Some("true");
    is_own || ignored || is_hook(live) || is_skipped(live)
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
