//! A control plane in this process: controller, API and page on a cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids};
use cluster::{ApplyOptions, Cluster};
use control::workers::{Pool, Renderer};
use control::{AtStep, Connector, Controller, ControllerConfig, GitRemotes, Replica};
use object::Manifest;
use serde_json::Value;
use server::{Access, Server, ServerConfig};
use tokio_util::sync::CancellationToken;

use crate::commands::render_worker::Rendering;
use crate::commands::unpack_worker::unpackers;
use crate::failure::Failure;

/// What a control plane is made of.
pub(crate) struct Plan {
    pub(crate) cluster: Cluster,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    pub(crate) namespace: String,
    /// Copies of remote repositories.
    pub(crate) cache: PathBuf,
    pub(crate) registry: git::RegistryClient,
    pub(crate) poll: Duration,
    pub(crate) speed: f64,
    pub(crate) simulated: bool,
    pub(crate) tls: bool,
    pub(crate) access: Access,
    /// Which of several processes this is; without it the only one.
    pub(crate) replica: Option<Replica>,
    pub(crate) client_side_apply: bool,
    pub(crate) at_step: Option<AtStep>,
    pub(crate) rendering: Rendering,
    /// How other clusters are reached; as their Secrets say, unless they are in this process.
    pub(crate) connector: Option<Arc<dyn Connector>>,
}

/// Controller and server; nothing runs until [`Plane::run`].
pub(crate) struct Plane {
    pub(crate) controller: Controller,
    pub(crate) server: Server,
}

/// Argo CD's default.
const SESSION: Duration = Duration::from_secs(24 * 3600);

impl Plane {
    pub(crate) fn new(plan: Plan) -> Self {
        let remotes = Arc::new(GitRemotes::new(plan.cache).unpacking_by(Arc::new(unpackers())));
        let renderer = Renderer::Processes(Pool::new(plan.rendering.pool()));
        let mut config =
            ControllerConfig::new(Arc::clone(&plan.clock), plan.ids.clone(), plan.cluster.clone(), remotes, renderer);
        config.namespace.clone_from(&plan.namespace);
        config.poll = plan.poll;
        config.jitter = plan.poll / 3;
        config.registry = Some(plan.registry);
        config.replica = plan.replica;
        config.client_side_apply = plan.client_side_apply;
        config.at_step = plan.at_step;
        if let Some(connector) = plan.connector {
            config.connector = connector;
        }
        let controller = Controller::new(config);
        let server = Server::new(ServerConfig {
            controller: controller.clone(),
            cluster: plan.cluster,
            clock: plan.clock,
            ids: plan.ids,
            namespace: plan.namespace,
            access: plan.access,
            tls: plan.tls,
            session: SESSION,
            speed: plan.speed,
            simulated: plan.simulated,
        });
        Self { controller, server }
    }

    /// Reconciles until `stop`.
    pub(crate) fn run(&self, stop: CancellationToken) -> tokio::task::JoinHandle<()> {
        let controller = self.controller.clone();
        tokio::spawn(async move { controller.run(stop).await })
    }
}

/// The kinds that a cluster must know.
pub(crate) fn definitions() -> Vec<Value> {
    let mut all = vec![api::argocd::application_crd(), api::argocd::project_crd()];
    all.extend(api::gantline::crds());
    all
}

/// Server-side applies objects as Gantline's own.
///
/// # Errors
/// When the cluster refuses one.
pub(crate) async fn apply(cluster: &Cluster, objects: impl IntoIterator<Item = Value>) -> Result<(), Failure> {
    for object in objects {
        let manifest = Manifest::new(object)?;
        let options = ApplyOptions { manager: "gantline", force: true, dry_run: false, validate: true };
        cluster.apply(&manifest, options).await?;
    }
    Ok(())
}

/// Applies the definitions and waits until the API serves them.
///
/// # Errors
/// When the cluster refuses one, or does not serve it within half a minute.
pub(crate) async fn install_definitions(cluster: &Cluster, clock: &dyn Clock) -> Result<(), Failure> {
    apply(cluster, definitions()).await?;
    for definition in definitions() {
        let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = object::GroupKind::new(text("/spec/group"), text("/spec/names/kind"));
        for _ in 0..300 {
            cluster.forget_unknown_kinds().await;
            if cluster.resource(&kind).await.is_ok() {
                break;
            }
            clock.sleep(Duration::from_millis(100)).await;
        }
        cluster.resource(&kind).await?;
    }
    Ok(())
}
