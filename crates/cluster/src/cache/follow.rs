//! How the watches of one kind come into a cache, and how far they are.

use std::collections::BTreeMap;
use std::sync::Weak;

use futures::StreamExt;
use futures::stream::select_all;
use jiff::Timestamp;
use object::GroupKind;
use tokio::sync::watch;

use super::Inner;
use crate::{Cluster, ClusterError, Scope, WatchEvent};

/// How far a kind's watches are.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    Starting,
    /// Without a break since then.
    Current {
        since: Timestamp,
    },
    Lost {
        since: Timestamp,
        error: ClusterError,
    },
}

/// How far the watches of a kind are, each by its namespace; an empty one is that of the whole cluster.
#[derive(Debug, Clone)]
pub(super) struct Watches(BTreeMap<String, Progress>);

impl Watches {
    pub(super) fn starting(places: &[String]) -> Self {
        Self(places.iter().map(|place| (place.clone(), Progress::Starting)).collect())
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Progress> {
        self.0.values()
    }

    /// Of those that tell of objects in the namespaces: what others may not see, or lose, is nothing to these. `None`: no
    /// watch tells of them.
    pub(super) fn of(&self, namespaces: impl Fn(&str) -> bool) -> Option<Progress> {
        whole(self.0.iter().filter(|(place, _)| place.is_empty() || namespaces(place)).map(|(_, progress)| progress))
    }

    /// Whether it was lost until now, and all are back that may be.
    fn set(&mut self, place: &str, progress: Progress) -> bool {
        let back = matches!(progress, Progress::Current { .. });
        let before = self.0.insert(place.to_owned(), progress);
        let out = |progress: &Progress| matches!(progress, Progress::Lost { error, .. } if error.is_outage());
        back && matches!(before, Some(Progress::Lost { .. })) && !self.each().any(out)
    }

    /// Whether another one was refused already: once is enough to be said.
    fn knows_refusal(&self) -> bool {
        self.each().any(|progress| matches!(progress, Progress::Lost { error: ClusterError::Forbidden { .. }, .. }))
    }
}

/// Feeds one kind's watches, one for each place, into the cache for as long as the cache lives.
pub(super) async fn follow(cache: Weak<Inner>, kind: GroupKind, places: Vec<String>, progress: watch::Sender<Watches>) {
    let Some(cluster) = cache.upgrade().map(|cache| cache.cluster.clone()) else { return };
    let watches = places.iter().map(|place| {
        cluster.watch(Scope::namespaced(kind.clone(), place.as_str())).map(move |event| (place.as_str(), event))
    });
    let mut events = select_all(watches.collect::<Vec<_>>());
    while let Some((place, event)) = events.next().await {
        if kind.kind == "CustomResourceDefinition" {
            cluster.forget_unknown_kinds().await;
            defined_anew(&cluster, &event);
        }
        let Some(cache) = cache.upgrade() else { return };
        let since = cluster.clock().now();
        let part = match event {
            WatchEvent::Lost(error) => {
                if error.is_outage() || !progress.borrow().knows_refusal() {
                    tracing::warn!(%kind, namespace = place, address = cluster.address(), %error, "live objects may be old");
                }
                Progress::Lost { since, error }
            }
            WatchEvent::Resumed => Progress::Current { since },
            WatchEvent::Listed { objects, at } => {
                cache.listed(&kind, place, objects, at);
                Progress::Current { since }
            }
            WatchEvent::Applied(object) => {
                cache.applied(&kind, place, object);
                continue;
            }
            WatchEvent::Deleted(object) => {
                cache.deleted(&kind, place, &object);
                continue;
            }
        };
        let mut returned = false;
        progress.send_modify(|watches| returned = watches.set(place, part));
        if returned {
            cache.returned(&kind);
        }
    }
}

/// Kinds that are known move to the versions that their definitions say, though no watch of them ends.
fn defined_anew(cluster: &Cluster, event: &WatchEvent) {
    let definitions = match event {
        WatchEvent::Applied(definition) => std::slice::from_ref(definition),
        WatchEvent::Listed { objects, .. } => objects,
        WatchEvent::Deleted(_) | WatchEvent::Lost(_) | WatchEvent::Resumed => &[],
    };
    for definition in definitions.iter().filter(|definition| !cluster.serves(definition.value())) {
        let (cluster, definition) = (cluster.clone(), definition.value().clone());
        tokio::spawn(async move { cluster.discover_as_defined(&definition).await });
    }
}

/// What is lost anywhere is lost; what is current everywhere is so since the last one came.
fn whole<'a>(parts: impl Iterator<Item = &'a Progress>) -> Option<Progress> {
    let together = |a: Progress, b: Progress| match (a, b) {
        (Progress::Lost { since, error }, Progress::Lost { since: other, .. }) if since <= other => {
            Progress::Lost { since, error }
        }
        (_, lost @ Progress::Lost { .. }) | (lost @ Progress::Lost { .. }, _) => lost,
        (Progress::Current { since }, Progress::Current { since: other }) => {
            Progress::Current { since: since.max(other) }
        }
        _ => Progress::Starting,
    };
    parts.cloned().reduce(together)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_current_when_all_its_watches_are() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let current = |second| Progress::Current { since: at(second) };
        let lost = |second| Progress::Lost { since: at(second), error: ClusterError::NotFound { object: "x".into() } };
        for (parts, expected) in [
            (vec![current(1), current(3), current(2)], current(3)),
            (vec![current(1), Progress::Starting], Progress::Starting),
            (vec![Progress::Starting, lost(5), current(1)], lost(5)),
            (vec![lost(5), lost(4), Progress::Starting], lost(4)),
        ] {
            assert_eq!(format!("{:?}", whole(parts.iter())), format!("{:?}", Some(expected)));
        }
        assert!(whole([].iter()).is_none(), "what nobody watches is not known to be absent");
    }
}
