//! Puts the loops together and runs them.

use std::sync::Arc;
use std::time::Duration;

use clock::after;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::context::{Context, ControllerConfig};
use crate::inventory::{AppChange, AppKey, Inventory, follow};
use crate::metrics::Metrics;
use crate::queue::{Depth, Request};
use crate::reconcile::{Next, reconcile};
use crate::repositories::Repositories;
use crate::timeline::Timeline;

/// Waits between attempts at something that does not work, doubled each time.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(180);

/// One control plane: the loops for Applications and for promotions. Clones share it.
#[derive(Debug, Clone)]
pub struct Controller {
    pub(crate) context: Arc<Context>,
}

impl Controller {
    /// Nothing runs yet. Needs a tokio runtime.
    pub fn new(config: ControllerConfig) -> Self {
        let context = Arc::new(Context::new(config));
        let weak = Arc::downgrade(&context);
        context.repositories.on_moved(Arc::new(move |url| match weak.upgrade() {
            Some(context) => repository_moved(&context, url),
            None => false,
        }));
        Self { context }
    }

    pub fn inventory(&self) -> &Inventory {
        &self.context.inventory
    }

    /// Pipelines, Releases and Promotions as they are now.
    pub fn board(&self) -> &Board {
        &self.context.board
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

    /// Reconciles until `shutdown`. What is in work then is cut off: every step is written down before and after.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut loops = JoinSet::new();
        let context = || Arc::clone(&self.context);
        loops.spawn(follow_inventory(context()));
        loops.spawn(live_changes(context()));
        loops.spawn(crate::promotions::run(context()));
        loops.spawn(work(context()));
        tokio::select! {
            // a loop ends only by a defect: better to stop and be started again than to go on without it
            _ = loops.join_next() => tracing::error!("a loop of the controller ended"),
            () = shutdown.cancelled() => {}
        }
    }

    /// Reads everything once and goes on watching, without reconciling: enough for the actions that only look.
    pub async fn load(&self) {
        tokio::spawn(follow_inventory(Arc::clone(&self.context)));
        self.context.inventory.ready().await;
        self.context.board.ready().await;
    }
}

async fn follow_inventory(context: Arc<Context>) {
    let (inventory, cluster) = (context.inventory.clone(), context.cluster.clone());
    let namespace = context.namespace.clone();
    follow(inventory, cluster, namespace, move |change| match change {
        AppChange::Wake(key, depth) => context.queue.add(&key, depth),
        AppChange::Gone(key) => context.forget(&key),
        AppChange::Everything => wake_all(&context, Depth::Latest),
    })
    .await;
}

fn wake_all(context: &Context, depth: Depth) {
    for app in context.inventory.applications() {
        context.queue.add_behind(&AppKey::of(&app), depth);
    }
}

/// Takes what is next whenever a turn is free, for ever.
async fn work(context: Arc<Context>) {
    context.inventory.ready().await;
    let mut working = JoinSet::new();
    loop {
        tokio::select! {
            (turn, key, request) = next(&context) => {
                working.spawn(work_on(Arc::clone(&context), key, request, turn));
            }
            Some(ended) = working.join_next() => if ended.is_err() {
                return;
            }
        }
    }
}

async fn next(context: &Context) -> (Option<OwnedSemaphorePermit>, AppKey, Request) {
    let turn = Arc::clone(&context.turns).acquire_owned().await.ok();
    let (key, request) = context.queue.next().await;
    (turn, key, request)
}

async fn work_on(context: Arc<Context>, key: AppKey, request: Request, _turn: Option<OwnedSemaphorePermit>) {
    let next = reconcile(&context, &key, request).await;
    context.metrics.reconciles.inc();
    context.queue.done(&key);
    match next {
        Next::Nothing => {}
        Next::At(time) => context.queue.add_at(&key, time, Depth::Live),
        Next::Retry => {
            context.metrics.reconcile_errors.inc();
            let failures = context.memory(&key).lock().await.fail();
            let wait = RETRY_MAX.min(RETRY_FIRST * 2_u32.pow(failures.min(10)));
            let wait = wait + context.ids.jitter(wait / 10);
            context.queue.add_at(&key, after(context.clock.now(), wait), request.depth.min(Depth::Latest));
        }
    }
}

/// Wakes the Applications whose live objects change.
async fn live_changes(context: Arc<Context>) {
    let mut touches = context.live.touches();
    loop {
        match touches.recv().await {
            Ok(touch) => {
                if touch.key.kind == "CustomResourceDefinition" {
                    context.cluster.forget_unknown_kinds().await;
                }
                for owner in touch.owners {
                    context.queue.add(&key_of(&context, &owner), Depth::Live);
                }
            }
            Err(RecvError::Lagged(_)) => wake_all(&context, Depth::Live),
            Err(RecvError::Closed) => return,
        }
    }
}

/// `web` is in the control plane's namespace, `team_web` in `team`.
fn key_of(context: &Context, instance: &str) -> AppKey {
    match instance.split_once('_') {
        Some((namespace, name)) => AppKey::new(namespace, name),
        None => AppKey::new(&context.namespace, instance),
    }
}

/// Wakes the Applications of a repository, those that read something that changed before the others. Answers whether
/// there are any.
fn repository_moved(context: &Arc<Context>, url: &str) -> bool {
    let apps = context.inventory.applications();
    let uses = |app: &api::argocd::Application| {
        app.spec.all_sources().iter().any(|source| api::argocd::same_git_url(&source.repo_url, url))
    };
    let keys: Vec<AppKey> = apps.iter().filter(|app| uses(app)).map(|app| AppKey::of(app)).collect();
    for key in &keys {
        context.queue.add_behind(key, Depth::Latest);
    }
    !keys.is_empty()
}
