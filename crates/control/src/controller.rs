//! Puts the loops together and runs them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use api::argocd::{Application, OperationPhase, Refresh};
use clock::after;
use cluster::Change;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::{Context, ControllerConfig};
use crate::metrics::Metrics;
use crate::queue::{Depth, Request};
use crate::readers;
use crate::reconcile::{Next, reconcile};
use crate::repositories::Repositories;
use crate::stores::{AppKey, Stores};
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
        loops.spawn(changes(context()));
        loops.spawn(live_changes(context()));
        loops.spawn(crate::promotions::run(context()));
        loops.spawn(work(context()));
        tokio::select! {
            // a loop ends only by a defect: better to stop and be started again than to go on without it
            _ = loops.join_next() => tracing::error!("a loop of the controller ended"),
            () = shutdown.cancelled() => {}
        }
    }
}

/// Wakes whom changes concern.
async fn changes(context: Arc<Context>) {
    let stores = &context.stores;
    let (mut applications, mut projects) = (stores.applications.changes(), stores.projects.changes());
    let (mut repositories, mut config_maps) = (stores.repositories.revisions(), stores.config_maps.revisions());
    let mut clusters = stores.clusters.revisions();
    for app in stores.applications.all() {
        context.metrics.moved(None, Some(&app));
        context.queue.add(&AppKey::of(&app), Depth::Latest);
    }
    loop {
        tokio::select! {
            Some(change) = applications.recv() => application_changed(&context, &change),
            Some(change) = projects.recv() => wake_project(&context, &change.key.name),
            _ = repositories.changed() => wake_all(&context, Depth::Latest),
            _ = clusters.changed() => wake_all(&context, Depth::Latest),
            _ = config_maps.changed() => wake_all(&context, Depth::Latest),
        }
    }
}

fn application_changed(context: &Context, change: &Change<Application>) {
    let (old, new) = (change.old.as_deref(), change.new.as_deref());
    context.metrics.moved(old, new);
    let key = AppKey::new(&change.key.namespace, &change.key.name);
    match new {
        None => context.forget(&key),
        // what we wrote ourselves is no news
        Some(_) if change.noted => {}
        Some(new) => {
            if let Some(depth) = depth_of(old, new) {
                context.queue.add(&key, depth);
            }
        }
    }
}

fn wake_project(context: &Context, name: &str) {
    for app in context.stores.applications.by(&Application::BY_PROJECT, name) {
        context.queue.add_behind(&AppKey::of(&app), Depth::Latest);
    }
}

fn wake_all(context: &Context, depth: Depth) {
    for app in context.stores.applications.all() {
        context.queue.add_behind(&AppKey::of(&app), depth);
    }
}

/// Takes what is next whenever a turn is free, for ever.
async fn work(context: Arc<Context>) {
    context.stores.ready().await;
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
    let mut touches = context.sites.touches();
    loop {
        match touches.recv().await {
            Ok(touch) => {
                for owner in touch.owners {
                    context.queue.add(&context.key_of(&owner), Depth::Live);
                }
            }
            Err(RecvError::Lagged(_)) => wake_all(&context, Depth::Live),
            Err(RecvError::Closed) => return,
        }
    }
}

/// What a change to an Application asks for; `None` for changes of status alone, which are mostly our own.
fn depth_of(old: Option<&Application>, new: &Application) -> Option<Depth> {
    let Some(old) = old.filter(|old| old.metadata.uid == new.metadata.uid) else { return Some(Depth::Latest) };
    let refresh = match new.requested_refresh() {
        Some(Refresh::Hard) => Some(Depth::Hard),
        Some(Refresh::Normal) => Some(Depth::Forced),
        None => None,
    };
    let terminating = new.status.operation_state.as_ref().is_some_and(|s| s.phase == OperationPhase::Terminating);
    let spec = match () {
        () if old.spec.all_sources() != new.spec.all_sources() => Some(Depth::Forced),
        () if old.spec != new.spec || old.metadata.finalizers != new.metadata.finalizers => Some(Depth::Latest),
        () if new.metadata.deletion_timestamp != old.metadata.deletion_timestamp => Some(Depth::Live),
        () if new.operation != old.operation && new.operation.is_some() => Some(Depth::Live),
        () if terminating => Some(Depth::Live),
        () if old.skips_reconcile() != new.skips_reconcile() => Some(Depth::Latest),
        () => None,
    };
    refresh.filter(|_| new.requested_refresh() != old.requested_refresh()).max(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn app(version: u32, change: Value) -> Application {
        let mut value = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "web", "namespace": "argocd", "uid": "u", "resourceVersion": version.to_string()},
            "spec": {"source": {"repoURL": "r", "path": "p"}}});
        for (pointer, new) in change.as_object().unwrap() {
            let (parent, last) = pointer.rsplit_once('/').unwrap();
            let target = value.pointer_mut(parent).unwrap();
            target[last] = new.clone();
        }
        Application::from_value(value).unwrap()
    }

    fn check(change: Value, expected: Option<Depth>) {
        let new = app(2, change.clone());
        assert_eq!(depth_of(Some(&app(1, json!({}))), &new), expected, "{change}");
        assert_eq!(depth_of(Some(&new), &new.clone()), None, "{change}");
    }

    #[test]
    fn changes_ask_for_as_much_as_they_need() {
        let refresh = |kind: &str| json!({"/metadata/annotations": {"argocd.argoproj.io/refresh": kind}});
        check(refresh("normal"), Some(Depth::Forced));
        check(refresh("hard"), Some(Depth::Hard));
        check(json!({"/spec/source/path": "q"}), Some(Depth::Forced));
        check(json!({"/spec/project": "x"}), Some(Depth::Latest));
        check(json!({"/operation": {"sync": {}}}), Some(Depth::Live));
        check(json!({"/metadata/deletionTimestamp": "2026-01-01T00:00:00Z"}), Some(Depth::Live));
        check(json!({"/status": {"sync": {"status": "Synced"}}}), None);
        assert_eq!(depth_of(None, &app(1, json!({}))), Some(Depth::Latest));
    }
}
