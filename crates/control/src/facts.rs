//! What happened, as values. The timeline, Kubernetes Events and the metrics are sinks: each takes from a fact what it
//! shows. Nobody waits for a fact, and nothing wakes up because of one.

use std::fmt;
use std::sync::Arc;

use api::argocd::{APPLICATION_API_VERSION, APPLICATION_KIND, Application, HealthStatusCode, SyncStatusCode};
use api::gantline;
use api::meta::ObjectMeta;
use clock::Clock;
use engine::operation;
use jiff::Timestamp;
use object::ResourceKey;

use crate::stores::Stores;

/// The object that a fact is about, as an Event names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
}

impl About {
    fn of(api_version: &str, kind: &str, meta: &ObjectMeta) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
        }
    }
}

impl About {
    /// Of an object that may not have the shape of its kind.
    pub(crate) fn at(key: &ResourceKey, uid: &str) -> Self {
        let version = match key.group.as_str() {
            "" => "v1",
            gantline::GROUP => gantline::API_VERSION,
            _ => APPLICATION_API_VERSION,
        };
        let (namespace, name, uid) = (key.namespace.to_string(), key.name.to_string(), uid.to_owned());
        let of = ObjectMeta { namespace, name, uid, ..ObjectMeta::default() };
        Self::of(version, &key.kind, &of)
    }

    pub(crate) fn pipeline(meta: &ObjectMeta) -> Self {
        Self::of(gantline::API_VERSION, "Pipeline", meta)
    }
}

impl From<&Application> for About {
    fn from(app: &Application) -> Self {
        Self::of(APPLICATION_API_VERSION, APPLICATION_KIND, &app.metadata)
    }
}

/// Everything that can happen. Whoever has something new to tell adds a case, and each sink says what it makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    SyncChanged {
        app: About,
        was: SyncStatusCode,
        is: SyncStatusCode,
        because: String,
        revision: String,
    },
    HealthChanged {
        app: About,
        was: HealthStatusCode,
        is: HealthStatusCode,
        because: String,
        revision: String,
    },
    /// An operation was written down as begun or as ended, and what it is about to take back.
    Operation {
        app: About,
        told: operation::Fact,
    },
    Pruned {
        app: About,
        object: ResourceKey,
    },
    /// Another controller owns fields that the Application wants; nothing was written.
    Conflicted {
        app: About,
        with: String,
        message: String,
    },
    /// The Application is gone, and what it deployed as far as that was to go.
    ApplicationDeleted {
        app: About,
    },
    RepositoryLost {
        url: String,
        because: String,
    },
    RepositoryBack {
        url: String,
        lost_since: Timestamp,
    },
    /// It, or a part of it, cannot be read: nothing is done by it.
    Unread {
        about: About,
        why: String,
    },
    ReadAgain {
        about: About,
    },
    /// About releases, promotions, pins and quarantines.
    Pipeline {
        told: promotion::Fact,
        /// The Pipeline, and the Release and the Promotion that it is about, as far as they are there.
        about: Vec<About>,
    },
}

impl Fact {
    pub(crate) fn of_pipeline(stores: &Stores, told: promotion::Fact) -> Self {
        let of = |kind, meta: &ObjectMeta| About::of(gantline::API_VERSION, kind, meta);
        let pipeline = stores.pipeline(&told.pipeline).map(|pipeline| of("Pipeline", &pipeline.metadata));
        let release = stores.release(&told.release).map(|release| of("Release", &release.metadata));
        let promotion = stores.promotion(&told.promotion).map(|promotion| of("Promotion", &promotion.metadata));
        Self::Pipeline { told, about: [pipeline, release, promotion].into_iter().flatten().collect() }
    }
}

/// Takes what happened, at once and without waiting.
pub(crate) trait Sink: Send + Sync {
    fn take(&self, fact: &Fact, at: Timestamp);
}

/// Where facts are told. Clones share the sinks.
#[derive(Clone)]
pub(crate) struct Facts {
    clock: Arc<dyn Clock>,
    sinks: Arc<[Box<dyn Sink>]>,
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("sinks", &self.sinks.len()).finish_non_exhaustive()
    }
}

impl Facts {
    pub(crate) fn new(clock: Arc<dyn Clock>, sinks: Vec<Box<dyn Sink>>) -> Self {
        Self { clock, sinks: sinks.into() }
    }

    pub(crate) fn tell(&self, fact: &Fact) {
        let now = self.clock.now();
        self.sinks.iter().for_each(|sink| sink.take(fact, now));
    }
}

/// Who meddled, for people.
pub(crate) fn names(managers: &[String]) -> String {
    if managers.is_empty() { "somebody".to_owned() } else { managers.join(", ") }
}

/// `Deployment/web`
pub(crate) fn short(object: &ResourceKey) -> String {
    format!("{}/{}", object.kind, object.name)
}
