//! What all loops of one controller share.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use api::argocd::{Application, HealthStatus};
use clock::{Clock, Ids};
use cluster::Cluster;
use failpoint::Point;
use object::LiveObject;
use promotion::{Seal, WriteStep};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use crate::answers::Answers;
use crate::config::{AtStep, ControllerConfig};
use crate::events::Events;
use crate::facts::{Fact, Facts, Sink};
use crate::history::Past;
use crate::memory::{Memories, Memory};
use crate::metrics::Metrics;
use crate::patience::uncounted;
use crate::queue::{Depth, Queue};
use crate::readers::Readers;
use crate::records::Seen;
use crate::repositories::Repositories;
use crate::shares::{Figures, Shares};
use crate::sites::Sites;
use crate::stores::{AppKey, Stores};
use crate::timeline::Timeline;
use crate::turns::{Lent, SOON};
use crate::unread;
use crate::wake::{Key, News, woken};
use crate::workers::{Ended, FromAnswer, Renderer, Running};

/// When the key of the records cannot be had.
const SEAL_AGAIN: Duration = Duration::from_secs(2);

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
    pub(crate) client_side_apply: bool,
    pub(crate) at_step: Option<AtStep>,
    memories: Memories,
    seal: Arc<OnceCell<Seal>>,
    pub(crate) records_seen: Seen,
    pub(crate) past: Arc<Past>,
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
            client_side_apply,
            at_step,
        } = config;
        let stores = Stores::follow(&cluster, &namespace);
        let (timeline, metrics) = (Timeline::new(&namespace), Arc::new(Metrics::default()));
        let seal = Arc::new(OnceCell::new());
        metrics.with_registry(|registry| renderer.register(registry));
        let events = Events::start(cluster.clone(), &namespace, ids.clone(), Arc::clone(&seal));
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
            let registry = registry.sub_registry_with_prefix("gantline");
            registry.register_collector(Box::new(figures));
            registry.register_collector(Box::new(unread::Figures(stores.clone())));
        });
        Self {
            sites: Sites::new(cluster.clone(), stores.clone(), connector, tracker(stores.clone())),
            facts,
            queue: Arc::new(Queue::new(Arc::clone(&clock))),
            readers: Readers::default(),
            answers: Answers::default(),
            memories: Memories::default(),
            seal,
            records_seen: Seen::default(),
            past: Arc::default(),
            shares,
            registry,
            client_side_apply,
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

    /// Asks for the key that seals records, until it is there, and wakes whom it kept waiting.
    pub(crate) async fn load_seal(&self) {
        while let Err(error) = self.seal.get_or_try_init(|| crate::records::seal(self)).await {
            tracing::warn!(%error, "nothing about releases can be written down without the key of the records");
            self.clock.sleep(SEAL_AGAIN).await;
        }
        self.hear(&News::Sealed);
    }

    /// Seals and tells apart what Gantline writes down; `None` until the key is there.
    pub(crate) fn seal(&self) -> Option<&Seal> {
        self.seal.get()
    }

    /// The answer of a job. One that is slow does not keep others from being worked on.
    pub(crate) async fn patiently<T: FromAnswer>(&self, mut job: Running<T>) -> Result<T, Ended> {
        let answer = async {
            if let Some(answer) = job.soon().await {
                return answer;
            }
            let lent = Lent::new(&self.turns);
            let answer = job.end().await;
            lent.back().await;
            answer
        };
        uncounted(answer).await
    }

    /// The Application that an object's mark names.
    pub(crate) fn key_of(&self, instance: &str) -> AppKey {
        AppKey::of_instance(instance, &self.namespace)
    }

    /// How the health of an object is told: as `argocd-cm` has it for its kind, else by our rules.
    pub(crate) fn health(&self) -> impl Fn(&LiveObject) -> Option<HealthStatus> + '_ {
        let scripts = self.stores.health_scripts();
        move |live| engine::health_or(live, |live| scripts.health(live, self.clock.now()))
    }

    /// Whether there is such an Application, even if nobody can read it now.
    pub(crate) fn exists(&self, instance: &str) -> bool {
        let AppKey { namespace, name } = self.key_of(instance);
        self.stores.applications.exists(&namespace, &name)
    }

    /// What is remembered of an Application.
    pub(crate) fn memory(&self, key: &AppKey) -> Memory {
        self.memories.of(key)
    }

    /// After a look: as long as it is this process that looks.
    pub(crate) fn remember(&self, key: &AppKey, memory: Memory) {
        self.memories.keep(key, memory, || self.shares.owns(&Key::Application(key.clone()).to_string()));
    }

    /// The Applications of which something is remembered.
    pub(crate) fn remembered(&self) -> Vec<AppKey> {
        self.memories.keys()
    }

    /// Somebody else works on it.
    pub(crate) fn leave(&self, key: &AppKey) {
        self.memories.forget(key);
        self.readers.forget(key);
    }

    /// It is gone.
    pub(crate) fn forget(&self, key: &AppKey) {
        self.leave(key);
        self.queue.forget(&Key::Application(key.clone()));
    }

    /// The Application that an environment of a Pipeline names.
    pub(crate) fn application(&self, name: &str) -> Option<Arc<Application>> {
        self.stores.application(&self.stores.of_environment(name))
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
        if let Some(point) = point_of(step) {
            if before { failpoint::before(point) } else { failpoint::after(point) }
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
}

/// Where a step of a promotion may end the process; of a push, `git` knows more.
fn point_of(step: WriteStep) -> Option<Point> {
    match step {
        WriteStep::Claimed => Some(Point::Claim),
        WriteStep::Searched => Some(Point::Search),
        WriteStep::GatesRepeated => Some(Point::Gates),
        WriteStep::Pushed => None,
        WriteStep::Recorded => Some(Point::Record),
        WriteStep::Refreshed => Some(Point::Refresh),
        WriteStep::Converged => Some(Point::Terminal),
    }
}

/// Whom a live object belongs to: the Application whose mark it carries, unless the mark is a copy.
fn tracker(stores: Stores) -> cluster::Tracker {
    Arc::new(move |object| {
        let tracking = engine::Tracking::from(&*stores.settings());
        tracking.application_of(object).filter(|_| tracking.is_self_referenced(object)).map(Arc::from)
    })
}
