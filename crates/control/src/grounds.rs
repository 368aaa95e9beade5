//! Where the environments of a Pipeline are, and were when they were entered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::argocd::Application;
use api::gantline::Pipeline;
use promotion::Ledger;

use crate::context::Context;
use crate::ledger;
use crate::live::namespaces_of;
use crate::stores::AppKey;

/// A Pipeline with the environments to which it promotes.
#[derive(Debug)]
pub(crate) struct Grounds {
    pub(crate) pipeline: Arc<Pipeline>,
    ledger: Arc<Ledger>,
    pub(crate) owners: Vec<Ground>,
}

/// What belongs to the environments of one Application.
#[derive(Debug)]
pub(crate) struct Ground {
    /// As it was, with no uid, where it is missing.
    pub(crate) owner: Arc<Application>,
    /// The namespaces, by the address of the cluster.
    places: BTreeMap<String, BTreeSet<String>>,
}

impl Ground {
    pub(crate) fn has(&self, cluster: &str, namespace: &str) -> bool {
        self.places.get(cluster).is_some_and(|there| there.contains(namespace))
    }

    /// Whether it is in one of the namespaces.
    pub(crate) fn meets(&self, cluster: &str, namespaces: &BTreeSet<String>) -> bool {
        self.places.get(cluster).is_some_and(|there| !there.is_disjoint(namespaces))
    }
}

impl Grounds {
    pub(crate) fn of(cx: &Context, pipeline: Arc<Pipeline>) -> Self {
        let (ledger, _) = ledger::of(cx, &pipeline);
        Self::by(cx, pipeline, ledger)
    }

    pub(crate) fn by(cx: &Context, pipeline: Arc<Pipeline>, ledger: Arc<Ledger>) -> Self {
        let owners = promotion::owners(&pipeline).into_iter();
        let owners = owners.filter_map(|name| ground(cx, &pipeline, &ledger, name)).collect();
        Self { pipeline, ledger, owners }
    }

    /// Of the Pipelines whose environments an Application deploys.
    pub(crate) fn deployed_by(cx: &Context, app: &Application) -> Vec<Self> {
        let pipelines = cx.stores.guarded_by(&AppKey::of(app)).into_iter();
        pipelines.map(|pipeline| Self::of(cx, pipeline)).collect()
    }

    /// Whether an environment that the Application deploys is in a namespace, and not only an object of it: its destination
    /// says so, and said so when the environment was entered. Who says no namespace is where it was then.
    fn is_home(&self, app: &Application, cluster: &str, namespace: &str) -> bool {
        let (said, places) = (app.spec.destination.namespace.as_str(), &self.ledger.places);
        let was = |name: &str| places.of(name).is_none() || places.has(name, cluster, namespace);
        // what is in no namespace is beside nobody
        let is = |name: &str| namespace.is_empty() || (said.is_empty() || said == namespace) && was(name);
        environments(&self.pipeline, &app.metadata.name).any(is)
    }

    /// Whether the Application deploys an environment of a Pipeline in a namespace, and so is judged by that one's gates, and
    /// not by those of the others there. Between Pipelines nobody's gates stand for another's: anybody may make one more.
    pub(crate) fn any_home(own: &[Self], app: &Application, cluster: &str, namespace: &str, of: &Pipeline) -> bool {
        let same = own.iter().find(|own| own.pipeline.metadata.name == of.metadata.name);
        same.is_some_and(|own| own.is_home(app, cluster, namespace))
    }
}

/// `None` where the Application is missing and nothing is known of where it was.
fn ground(cx: &Context, pipeline: &Pipeline, ledger: &Ledger, name: &str) -> Option<Ground> {
    let entered = || environments(pipeline, name).filter_map(|environment| ledger.places.of(environment));
    let (app, mut places) = (cx.application(name), BTreeMap::<String, BTreeSet<String>>::new());
    for (cluster, namespaces) in entered().flat_map(|entered| &entered.namespaces) {
        places.entry(cluster.clone()).or_default().extend(namespaces.iter().cloned());
    }
    if let Some((app, site)) = app.as_ref().and_then(|app| Some((app, cx.sites.at(&app.spec.destination).ok()?))) {
        places.entry(site.server().to_owned()).or_default().extend(namespaces_of(app));
    }
    let owner = match app {
        Some(app) => app,
        None => Arc::new(missing(cx, name, &entered().next()?.project)),
    };
    Some(Ground { owner, places })
}

/// Enough of it to know what is its own, and who may go past its gates.
fn missing(cx: &Context, name: &str, project: &str) -> Application {
    let mut app = Application::default();
    (app.metadata.name, app.metadata.namespace) = (name.to_owned(), cx.namespace.clone());
    project.clone_into(&mut app.spec.project);
    app
}

fn environments<'a>(pipeline: &'a Pipeline, application: &'a str) -> impl Iterator<Item = &'a str> {
    let own = pipeline.spec.environments.iter().filter(move |environment| environment.application == application);
    own.map(|environment| environment.name.as_str())
}
