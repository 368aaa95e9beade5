//! What people look at, and that changed: for pictures of it that follow what changes.

use std::collections::BTreeSet;

use api::argocd::Application;
use api::gantline::{Pipeline, Promotion, Release};
use cluster::Change;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::stores::{AppKey, Stores};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Touched {
    Application(AppKey),
    /// By its name: itself, a release or a promotion of it, or an Application of one of its environments.
    Pipeline(String),
}

/// What was touched since it was last asked for; at first, everything. Who does not ask any more drops it.
#[derive(Debug)]
pub struct Touches {
    stores: Stores,
    applications: UnboundedReceiver<Change<Application>>,
    pipelines: UnboundedReceiver<Change<Pipeline>>,
    releases: UnboundedReceiver<Change<Release>>,
    promotions: UnboundedReceiver<Change<Promotion>>,
}

impl Touches {
    pub(crate) fn of(stores: &Stores) -> Self {
        Self {
            stores: stores.clone(),
            applications: stores.applications.changes(),
            pipelines: stores.pipelines.changes(),
            releases: stores.releases.changes(),
            promotions: stores.promotions.changes(),
        }
    }

    /// Waits for something to be touched, and gives all of it that is known by then. Nothing is lost by who stops waiting.
    pub async fn next(&mut self) -> BTreeSet<Touched> {
        let mut touched = BTreeSet::new();
        tokio::select! {
            Some(change) = self.applications.recv() => of_application(&self.stores, &change, &mut touched),
            Some(change) = self.pipelines.recv() => of_pipeline(&change, &mut touched),
            Some(change) = self.releases.recv() => of_release(&change, &mut touched),
            Some(change) = self.promotions.recv() => of_promotion(&change, &mut touched),
            else => std::future::pending().await,
        }
        self.take(&mut touched);
        touched
    }

    /// Adds all that was touched by now.
    pub fn take(&mut self, touched: &mut BTreeSet<Touched>) {
        while let Ok(change) = self.applications.try_recv() {
            of_application(&self.stores, &change, touched);
        }
        while let Ok(change) = self.pipelines.try_recv() {
            of_pipeline(&change, touched);
        }
        while let Ok(change) = self.releases.try_recv() {
            of_release(&change, touched);
        }
        while let Ok(change) = self.promotions.try_recv() {
            of_promotion(&change, touched);
        }
    }
}

fn of_application(stores: &Stores, change: &Change<Application>, touched: &mut BTreeSet<Touched>) {
    let key = AppKey::new(&change.key.namespace, &change.key.name);
    touched.extend(stores.deployed_by(&key).iter().map(|pipeline| Touched::Pipeline(pipeline.metadata.name.clone())));
    touched.insert(Touched::Application(key));
}

fn of_pipeline(change: &Change<Pipeline>, touched: &mut BTreeSet<Touched>) {
    touched.insert(Touched::Pipeline(change.key.name.clone()));
}

fn of_release(change: &Change<Release>, touched: &mut BTreeSet<Touched>) {
    let sides = change.old.iter().chain(&change.new);
    touched.extend(sides.map(|release| Touched::Pipeline(release.spec.pipeline.clone())));
}

fn of_promotion(change: &Change<Promotion>, touched: &mut BTreeSet<Touched>) {
    let sides = change.old.iter().chain(&change.new);
    touched.extend(sides.map(|promotion| Touched::Pipeline(promotion.spec.pipeline.clone())));
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use object::LiveObject;
    use serde_json::{Value, json};

    use super::*;

    fn live(kind: &str, version: &str, name: &str, spec: &Value) -> LiveObject {
        let metadata = json!({ "name": name, "namespace": "argocd", "uid": name, "resourceVersion": "1" });
        LiveObject::new(json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })).unwrap()
    }

    #[test]
    fn an_application_touches_the_pipelines_that_it_deploys() {
        let app = |name: &str| {
            let spec = json!({ "project": "shop", "destination": {}, "source": { "repoURL": "r" } });
            live("Application", "argoproj.io/v1alpha1", name, &spec)
        };
        let environments = json!([
            { "name": "staging", "application": "web" },
            // there is none of this name
            { "name": "other", "application": "team/web" },
        ]);
        let spec = json!({ "images": [{ "name": "shop" }], "environments": environments });
        let pipeline = |name: &str| live("Pipeline", "gantline.dev/v1alpha1", name, &spec);
        let stores = Stores::holding("argocd", [app("web"), app("other")], [pipeline("shop")]);
        let mut touches = Touches::of(&stores);
        let told = |touched: BTreeSet<Touched>| touched.into_iter().map(|it| format!("{it:?}")).collect::<String>();
        let mut at_first = BTreeSet::new();
        touches.take(&mut at_first);
        assert_eq!(at_first.len(), 3, "{at_first:?}");

        let waits = pin!(touches.next()).poll(&mut Context::from_waker(Waker::noop()));
        assert!(waits.is_pending(), "nothing was touched");
        let change = |name: &str| Change {
            key: std::sync::Arc::new(object::ResourceKey::new("argoproj.io", "Application", "argocd", name)),
            old: None,
            new: None,
        };
        let of = |name: &str| {
            let mut touched = BTreeSet::new();
            of_application(&stores, &change(name), &mut touched);
            told(touched)
        };
        assert!(of("web").contains("Pipeline(\"shop\")") && of("web").contains("\"web\""), "{}", of("web"));
        assert!(!of("other").contains("Pipeline"), "{}", of("other"));
        let mut elsewhere = change("web");
        elsewhere.key = std::sync::Arc::new(object::ResourceKey::new("argoproj.io", "Application", "team", "web"));
        let mut touched = BTreeSet::new();
        of_application(&stores, &elsewhere, &mut touched);
        assert_eq!(touched, BTreeSet::from([Touched::Application(AppKey::new("team", "web"))]));
    }
}
