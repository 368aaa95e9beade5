//! What all loops of one controller share.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::argocd::Application;
use clock::{Clock, Ids};
use cluster::{Cluster, ClusterError, Patch, PatchOptions};
use object::{LiveObject, ResourceKey};
use promotion::WriteStep;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::answers::Answers;
use crate::events::Events;
use crate::facts::{About, Fact, Facts, Sink};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::panics::Killed;
use crate::queue::{Depth, Queue};
use crate::readers::Readers;
use crate::repositories::{Remotes, Repositories};
use crate::shares::{Figures, Replica, Shares};
use crate::sites::{BySecret, Connector, Sites};
use crate::status;
use crate::stores::{AppKey, Stores};
use crate::timeline::Timeline;
use crate::turns::Lent;
use crate::wake::{Key, News, woken};
use crate::workers::{Ended, FromAnswer, Renderer, Running};

/// Who waits longer than this for somebody outside lends the turn.
pub(crate) const SOON: Duration = Duration::from_millis(100);
/// How often a write is tried against others who write the same Application.
const WRITES: usize = 5;

/// What a controller is made of.
#[derive(Debug, Clone)]
pub struct ControllerConfig {
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    /// The cluster that holds the Applications, and that `https://kubernetes.default.svc` means.
    pub cluster: Cluster,
    /// How other clusters are reached.
    pub connector: Arc<dyn Connector>,
    pub remotes: Arc<dyn Remotes>,
    /// Where Applications live.
    pub namespace: String,
    /// The time between two questions to a repository, plus up to `jitter`.
    pub poll: Duration,
    pub jitter: Duration,
    /// How many Applications are worked on at once; those that wait for a slow render do not count.
    pub workers: usize,
    pub renderer: Renderer,
    /// Which of several processes this is; without it everything belongs to this one.
    pub replica: Option<Replica>,
    /// Asked for the digests of tags; without it only what pods report is known.
    pub registry: Option<git::RegistryClient>,
    /// Called before (`true`) and after each durable step of a promotion: where tests stop the process.
    pub at_step: Option<AtStep>,
}

/// See [`ControllerConfig::at_step`].
#[derive(Clone)]
pub struct AtStep(pub Arc<dyn Fn(WriteStep, bool) + Send + Sync>);

impl AtStep {
    /// Where it unwinds, the controller ends at once.
    pub(crate) fn reached(&self, step: WriteStep, before: bool) {
        if catch_unwind(AssertUnwindSafe(|| (self.0)(step, before))).is_err() {
            resume_unwind(Box::new(Killed));
        }
    }
}

impl fmt::Debug for AtStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtStep")
    }
}

impl ControllerConfig {
    /// Namespace `argocd`, repositories asked every three to four minutes, eight workers.
    pub fn new(
        clock: Arc<dyn Clock>,
        ids: Ids,
        cluster: Cluster,
        remotes: Arc<dyn Remotes>,
        renderer: Renderer,
    ) -> Self {
        let (poll, jitter) = (Duration::from_secs(180), Duration::from_secs(60));
        Self {
            connector: Arc::new(BySecret(Arc::clone(&clock))),
            clock,
            ids,
            cluster,
            remotes,
            namespace: "argocd".to_owned(),
            poll,
            jitter,
            workers: 8,
            renderer,
            replica: None,
            registry: None,
            at_step: None,
        }
    }
}

/// Shared by the loops for Applications and for promotions.
pub(crate) struct Context {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    /// The control plane's own: where Applications are written down.
    pub(crate) cluster: Cluster,
    pub(crate) sites: Sites,
    pub(crate) stores: Stores,
    pub(crate) repositories: Repositories,
    pub(crate) timeline: Timeline,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) facts: Facts,
    pub(crate) readers: Readers,
    pub(crate) answers: Answers,
    pub(crate) queue: Arc<Queue<Key>>,
    pub(crate) namespace: String,
    /// One for each Application that is worked on.
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) renderer: Renderer,
    pub(crate) shares: Shares,
    pub(crate) registry: Option<git::RegistryClient>,
    pub(crate) at_step: Option<AtStep>,
    memories: Mutex<HashMap<AppKey, Arc<tokio::sync::Mutex<Memory>>>>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("cluster", &self.cluster)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Context {
    pub(crate) fn new(config: ControllerConfig) -> Self {
        let ControllerConfig {
            clock,
            ids,
            cluster,
            connector,
            remotes,
            namespace,
            poll,
            jitter,
            workers,
            renderer,
            replica,
            registry,
            at_step,
        } = config;
        let stores = Stores::follow(&cluster, &namespace);
        let (timeline, metrics) = (Timeline::default(), Arc::new(Metrics::default()));
        metrics.with_registry(|registry| renderer.register(registry));
        let events = Events::start(cluster.clone(), Arc::clone(&clock), ids.clone());
        let sinks: Vec<Box<dyn Sink>> =
            vec![Box::new(timeline.clone()), Box::new(events), Box::new(Arc::clone(&metrics))];
        let facts = Facts::new(Arc::clone(&clock), sinks);
        let repositories = Repositories::new(
            remotes,
            Arc::clone(&clock),
            ids.clone(),
            stores.clone(),
            Arc::clone(&metrics),
            facts.clone(),
            poll,
            jitter,
        );
        let shares = Shares::new(replica, &cluster, &namespace, &ids.uuid());
        let figures = Figures { shares: shares.clone(), stores: stores.clone() };
        metrics.with_registry(|registry| {
            registry.sub_registry_with_prefix("gantline").register_collector(Box::new(figures));
        });
        Self {
            sites: Sites::new(cluster.clone(), stores.clone(), connector, tracker(stores.clone())),
            facts,
            queue: Arc::new(Queue::new(Arc::clone(&clock))),
            readers: Readers::default(),
            answers: Answers::default(),
            memories: Mutex::default(),
            shares,
            registry,
            at_step,
            clock,
            ids,
            cluster,
            stores,
            repositories,
            timeline,
            metrics,
            namespace,
            turns: Arc::new(Semaphore::new(workers.max(1))),
            renderer,
        }
    }

    /// The answer of a job. One that is slow does not keep others from being worked on.
    pub(crate) async fn patiently<T: FromAnswer>(&self, mut job: Running<T>) -> Result<T, Ended> {
        if let Some(answer) = job.soon().await {
            return answer;
        }
        let lent = Lent::new(&self.turns);
        let answer = job.end().await;
        lent.back().await;
        answer
    }

    /// The Application that an object's mark names.
    pub(crate) fn key_of(&self, instance: &str) -> AppKey {
        AppKey::of_instance(instance, &self.namespace)
    }

    /// Whether there is such an Application, even if nobody can read it now.
    pub(crate) fn exists(&self, instance: &str) -> bool {
        let AppKey { namespace, name } = self.key_of(instance);
        self.stores.applications.exists(&namespace, &name)
    }

    /// What is remembered of an Application; locked while it is worked on.
    pub(crate) fn memory(&self, key: &AppKey) -> Arc<tokio::sync::Mutex<Memory>> {
        Arc::clone(self.memories().entry(key.clone()).or_default())
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<AppKey, Arc<tokio::sync::Mutex<Memory>>>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Applications of which something is remembered.
    pub(crate) fn remembered(&self) -> Vec<AppKey> {
        self.memories().keys().cloned().collect()
    }

    /// Somebody else works on it.
    pub(crate) fn leave(&self, key: &AppKey) {
        self.memories().remove(key);
        self.readers.forget(key);
    }

    /// It is gone.
    pub(crate) fn forget(&self, key: &AppKey) {
        self.leave(key);
        self.queue.forget(&Key::Application(key.clone()));
    }

    /// The Application that an environment of a Pipeline names.
    pub(crate) fn application(&self, name: &str) -> Option<Arc<Application>> {
        self.stores.application(&AppKey::new(&self.namespace, name))
    }

    /// The commit of a Promotion is due.
    pub(crate) fn wake_write(&self, pipeline: &str, promotion: &str) {
        let pipeline = Key::pipeline(&self.namespace, pipeline);
        self.queue.add(&Key::Promotion { pipeline: Box::new(pipeline), name: promotion.into() }, Depth::Live);
    }

    pub(crate) fn tell_of_pipeline(&self, told: &promotion::Fact) {
        self.facts.tell(&Fact::of_pipeline(&self.stores, told.clone()));
    }

    /// A durable step of a promotion is about to be taken, or was.
    pub(crate) fn at(&self, step: WriteStep, before: bool) {
        if let Some(hook) = &self.at_step {
            hook.reached(step, before);
        }
    }

    /// Others are worked on while this waits for somebody outside, unless that is over at once.
    pub(crate) async fn lending<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        if let Ok(answer) = timeout(SOON, &mut wait).await {
            return answer;
        }
        let lent = Lent::new(&self.turns);
        let answer = wait.await;
        lent.back().await;
        answer
    }

    /// Wakes whom it concerns.
    pub(crate) fn hear(&self, news: &News) {
        for (key, depth) in woken(news, &self.stores) {
            if news.is_urgent() {
                self.queue.add(&key, depth);
            } else {
                self.queue.add_behind(&key, depth);
            }
        }
    }

    /// Writes what the controller says about an Application, where it says something new. The answer is how the
    /// Application is now. An operation that another process brought on meanwhile is a conflict.
    pub(crate) async fn write(&self, old: &Application, new: Application) -> Result<Arc<Application>, ClusterError> {
        let Some(mut patch) = status::application_patch(old, &new) else { return Ok(Arc::new(old.clone())) };
        // a namesake that was made meanwhile is another Application
        patch["metadata"]["uid"] = old.metadata.uid.clone().into();
        let key = AppKey::of(old).resource_key();
        let live = if status::moves_operation(&patch) {
            self.write_as_only_one(&key, old, patch).await?
        } else {
            self.cluster.patch(&key, &Patch::Merge(patch), PatchOptions::default()).await?
        };
        self.metrics.status_writes.inc();
        self.announce(old, &new);
        self.stores.applications.note(live).ok_or_else(|| ClusterError::Malformed {
            object: key.to_string(),
            message: "the Application that was written cannot be read back".to_owned(),
        })
    }

    /// Writes if nobody wrote since `old`, or if what they wrote leaves the operation alone.
    async fn write_as_only_one(
        &self,
        key: &ResourceKey,
        old: &Application,
        mut patch: Value,
    ) -> Result<LiveObject, ClusterError> {
        let mut version = old.metadata.resource_version.clone();
        for _ in 0..WRITES {
            patch["metadata"]["resourceVersion"] = version.into();
            let refused = match self.cluster.patch(key, &Patch::Merge(patch.clone()), PatchOptions::default()).await {
                Err(refused @ ClusterError::Conflict { .. }) => refused,
                other => return other,
            };
            let now = self.cluster.get(key).await?.and_then(|live| Application::from_value(live.into_value()).ok());
            let same = |now: &Application| {
                now.metadata.uid == old.metadata.uid
                    && now.operation == old.operation
                    && now.status.operation_state == old.status.operation_state
                    && now.status.history == old.status.history
            };
            match now.filter(same) {
                Some(now) => version = now.metadata.resource_version,
                None => return Err(refused),
            }
        }
        Err(ClusterError::Conflict {
            object: key.to_string(),
            message: "it is written too often by others".to_owned(),
            owners: Vec::new(),
        })
    }

    /// Tells what changed in the status.
    fn announce(&self, old: &Application, new: &Application) {
        let (was, is) = (&old.status, &new.status);
        let (app, revision) = (About::from(new), &is.sync.revision);
        if was.sync.status != is.sync.status {
            let reason = is.conditions.iter().find(|c| c.kind.is_error()).map(|c| c.message.clone());
            let (app, revision, because) = (app.clone(), revision.clone(), reason.unwrap_or_default());
            self.facts.tell(&Fact::SyncChanged { app, was: was.sync.status, is: is.sync.status, because, revision });
        }
        if was.health.status != is.health.status {
            let (because, revision) = (is.health.message.clone(), revision.clone());
            let (was, is) = (was.health.status, is.health.status);
            self.facts.tell(&Fact::HealthChanged { app, was, is, because, revision });
        }
    }
}

/// Whom a live object belongs to: the Application whose mark it carries, unless the mark is a copy.
fn tracker(stores: Stores) -> cluster::Tracker {
    Arc::new(move |object| {
        let tracking = engine::Tracking::from(&*stores.settings());
        tracking.application_of(object).filter(|_| tracking.is_self_referenced(object)).map(Arc::from)
    })
}
