//! Puts the loops together and runs them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use api::argocd::Application;
use api::gantline::Pipeline;
use cluster::Touch;
use promotion::Observed;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::ControllerConfig;
use crate::context::Context;
use crate::default_project;
use crate::driver::{Driver, Next, Parts, Work};
use crate::metrics::Metrics;
use crate::queue::Request;
use crate::reconcile::reconcile;
use crate::repositories::Repositories;
use crate::stores::{AppKey, Stores};
use crate::timeline::Timeline;
use crate::wake::{Key, News};
use crate::{answers, history, owned, pipelines, readers, records, stays, unread};

/// For how long an Application is looked for.
const LOOK: Duration = Duration::from_secs(3);

/// One control plane: the loops for Applications and for promotions. Clones share it.
#[derive(Debug, Clone)]
pub struct Controller {
    pub(crate) context: Arc<Context>,
}

impl Controller {
    /// Nothing is worked on yet. Needs a tokio runtime.
    pub fn new(config: ControllerConfig) -> Self {
        let context = Arc::new(Context::new(config));
        let weak = Arc::downgrade(&context);
        context.repositories.on_told(Arc::new(move |place, remote, news| {
            let weak = Weak::clone(&weak);
            Box::pin(async move {
                let Some(context) = weak.upgrade() else { return false };
                readers::told(&context, &place, &*remote, news).await;
                context.readers.uses(&place)
            })
        }));
        Self { context }
    }

    /// What people wrote, as it is now.
    pub fn stores(&self) -> &Stores {
        &self.context.stores
    }

    /// Looks for an Application that no watch told of yet: who has just written one asks for it at once.
    pub async fn look_for(&self, key: &AppKey) {
        let looked = self.context.stores.applications.look_for(&self.context.cluster, &key.namespace, &key.name);
        // without an answer it is not there, as far as can be told
        let _ = timeout(LOOK, looked).await;
    }

    /// What decisions about a Pipeline are made of, as it is now; `None`: there is no such Pipeline that can be read.
    pub fn observed(&self, pipeline: &str) -> Option<Observed> {
        let pipeline = self.context.stores.pipeline(pipeline)?;
        Some(pipelines::observe::told(&self.context, pipeline))
    }

    /// Once all is known that decisions about Pipelines rest on.
    pub async fn ready(&self) {
        self.context.stores.ready().await;
        self.context.load_seal().await;
    }

    /// The Pipelines whose environments an Application deploys.
    pub fn deployed_by(&self, app: &Application) -> Vec<Arc<Pipeline>> {
        self.context.stores.deployed_by(&AppKey::of(app))
    }

    /// Whether images come to an Application by promotions.
    pub fn is_owned(&self, app: &Application) -> bool {
        let guards = self.context.stores.guarded_by(&AppKey::of(app));
        guards.iter().any(|pipeline| promotion::is_owned(pipeline, &app.metadata.name))
    }

    /// The Applications whose gates a sync of this one may come to at a revision, or at its own where that is empty: its own,
    /// and those of its neighbours. One that is missing is as it was.
    pub async fn owners_near(&self, app: &Application, revision: &str) -> Vec<Arc<Application>> {
        owned::owners_near(&self.context, app, revision).await
    }

    pub fn timeline(&self) -> &Timeline {
        &self.context.timeline
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.context.metrics
    }

    pub fn repositories(&self) -> &Repositories {
        &self.context.repositories
    }

    /// The commit of its first source at which the Application is known to be what its status says: the status keeps the
    /// first such commit. `None` while it is looked at, or when that cannot be said for pushes to come.
    pub fn proven_at(&self, key: &AppKey) -> Option<String> {
        self.context.readers.proven_at(key)
    }

    /// Reconciles until `shutdown`. What is in work then is cut off: every step is written down before and after.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut loops = JoinSet::new();
        let context = || Arc::clone(&self.context);
        tokio::select! {
            () = history::recall(&self.context) => {}
            () = shutdown.cancelled() => return,
        }
        loops.spawn(live_changes(context()));
        loops.spawn(work(context()));
        loops.spawn(answers::run(context()));
        loops.spawn(unread::tell(context()));
        self.listen(&mut loops);
        let shares = self.context.shares.clone();
        loops.spawn(async move { shares.keep().await });
        tokio::select! {
            // a loop ends only by a defect: better to stop and be started again than to go on without it
            _ = loops.join_next() => tracing::error!("a loop of the controller ended"),
            () = shutdown.cancelled() => {
                loops.shutdown().await;
                self.context.shares.release().await;
            }
        }
    }

    /// Hears of every change of what is kept in stores.
    fn listen(&self, loops: &mut JoinSet<()>) {
        let context = Arc::clone(&self.context);
        self.context.stores.listen(loops, move |news: News| {
            if let News::Application(change) = &news {
                context.metrics.moved(change.old.as_deref(), change.new.as_deref());
            }
            records::hear(&context, &news);
            context.hear(&news);
        });
    }
}

/// What is done for each kind of key.
struct Looks(Arc<Context>);

impl Work for Looks {
    type Key = Key;

    async fn run(&self, key: &Key, ask: Request) -> Next {
        let Self(context) = self;
        match key {
            Key::Application(key) => reconcile(context, key, ask).await,
            Key::Pipeline { name, .. } => pipelines::look(context, name).await,
            Key::Promotion { name, .. } => pipelines::write(context, name).await,
        }
    }

    fn remembered(&self) -> Vec<Key> {
        self.0.remembered().into_iter().map(Key::Application).collect()
    }

    fn forget(&self, key: &Key) {
        if let Key::Application(key) = key {
            self.0.leave(key);
        }
    }
}

/// Works on what is woken, once everything is known.
async fn work(context: Arc<Context>) {
    context.stores.ready().await;
    let default_project = default_project::made(Arc::clone(&context)).await;
    let sealing = {
        let context = Arc::clone(&context);
        async move { context.load_seal().await }
    };
    let driver = Driver::new(Parts {
        queue: Arc::clone(&context.queue),
        turns: Arc::clone(&context.turns),
        share: Arc::new(context.shares.clone()),
        clock: Arc::clone(&context.clock),
        ids: context.ids.clone(),
        work: Looks(context),
    });
    tokio::join!(Arc::new(driver).run(), default_project, sealing);
}

/// Hears of live objects that change.
async fn live_changes(context: Arc<Context>) {
    let mut touches = context.sites.touches();
    loop {
        match touches.recv().await {
            Ok(touch) => context.hear(&News::Touched { owners: concerned(&context, touch) }),
            Err(RecvError::Lagged(_)) => context.hear(&News::Missed),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Whom an object belongs to. A namespace belongs to nobody, but there are Applications that keep its labels.
fn concerned(context: &Context, Touch { key, mut owners, .. }: Touch) -> Vec<Arc<str>> {
    if stays::is_namespace(&key) {
        let keep = context.stores.applications.by(&Application::BY_KEPT_NAMESPACE, &key.name);
        owners.extend(keep.iter().map(|app| Arc::from(app.instance_name(&context.namespace))));
    }
    owners
}
