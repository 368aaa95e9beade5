//! A folder that holds a sandbox: its objects, images and repositories, and how to reach it while it runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::{Clock, Ids, ScaledClock};
use cluster::{Cluster, Target};
use jiff::Timestamp;
use sandbox::{Registry, Sandbox, SandboxOptions};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::failure::Failure;

/// `sandbox.json`: how another process joins.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Running {
    server: String,
    registry: String,
    /// Two processes with the same three values agree on the time.
    origin: Timestamp,
    starts_at: Timestamp,
    speed: f64,
}

/// A sandbox that this process serves, or one that another process does.
pub(crate) struct SandboxFolder {
    pub(crate) path: PathBuf,
    pub(crate) cluster: Cluster,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    pub(crate) speed: f64,
    /// Only where this process serves it.
    pub(crate) registry: Option<Registry>,
    pub(crate) registry_url: String,
    pub(crate) kubeconfig: PathBuf,
    sandbox: Option<Sandbox>,
}

const RUNNING: &str = "sandbox.json";
const KUBECONFIG: &str = "kubeconfig";
/// The time that the sandbox has reached, for the next start.
const TIME: &str = "time";

impl SandboxFolder {
    /// Joins the sandbox that runs from this folder, or starts it.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) async fn open(path: &Path, speed: f64) -> Result<Self, Failure> {
        match Self::join(path).await? {
            Some(joined) => Ok(joined),
            None => Self::start(path, speed).await,
        }
    }

    /// The sandbox that another process serves from this folder, if one does.
    async fn join(path: &Path) -> Result<Option<Self>, Failure> {
        let Ok(text) = std::fs::read_to_string(path.join(RUNNING)) else { return Ok(None) };
        let running: Running = serde_json::from_str(&text)?;
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(running.origin, running.starts_at, running.speed));
        let kubeconfig = path.join(KUBECONFIG);
        let cluster = connect(&kubeconfig, &clock).await?;
        if cluster.version().await.is_err() {
            // left behind by a process that was killed
            return Ok(None);
        }
        Ok(Some(Self {
            path: path.to_owned(),
            cluster,
            clock,
            ids: Ids::random(),
            speed: running.speed,
            registry: None,
            registry_url: running.registry,
            kubeconfig,
            sandbox: None,
        }))
    }

    /// Starts the sandbox of this folder, where its time stopped.
    pub(crate) async fn start(path: &Path, speed: f64) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("{}: {error}", path.display())).hint("name a folder that can be written")
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let mut scaled = ScaledClock::starting_now(speed);
        let reached =
            std::fs::read_to_string(path.join(TIME)).ok().and_then(|text| text.trim().parse::<Timestamp>().ok());
        if let Some(reached) = reached.filter(|reached| *reached > scaled.starts_at()) {
            scaled = ScaledClock::new(scaled.origin(), reached, speed);
        }
        let clock: Arc<dyn Clock> = Arc::new(scaled);
        let ids = Ids::random();
        let registry = Registry::open(&path.join("registry"), ["*"])?;
        let options = SandboxOptions {
            clock: Arc::clone(&clock),
            ids: ids.clone(),
            folder: Some(path.join("cluster")),
            images: Arc::new(registry.clone()),
        };
        let sandbox = Sandbox::start(options)?;
        let address = sandbox.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let registry_url = format!("http://{}", serve_registry(&registry).await?);
        let kubeconfig = path.join(KUBECONFIG);
        std::fs::write(&kubeconfig, Sandbox::kubeconfig(address)).map_err(failed)?;
        let running = Running {
            server: format!("http://{address}"),
            registry: registry_url.clone(),
            origin: scaled.origin(),
            starts_at: scaled.starts_at(),
            speed,
        };
        std::fs::write(path.join(RUNNING), serde_json::to_string_pretty(&running)?).map_err(failed)?;
        let cluster = connect(&kubeconfig, &clock).await?;
        let (registry, sandbox) = (Some(registry), Some(sandbox));
        Ok(Self { path: path.to_owned(), cluster, clock, ids, speed, registry, registry_url, kubeconfig, sandbox })
    }

    /// A registry client for which the sandbox's registry stands for all.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub(crate) fn registry_client(&self) -> Result<git::RegistryClient, Failure> {
        let overrides = BTreeMap::from([("*".to_owned(), self.registry_url.clone())]);
        git::RegistryClient::new(overrides).map_err(Failure::new)
    }

    /// Stops what this process serves, and notes the time that was reached.
    pub(crate) fn stop(&self) {
        let Some(sandbox) = &self.sandbox else { return };
        sandbox.stop();
        let _ = std::fs::write(self.path.join(TIME), self.clock.now().to_string());
        let _ = std::fs::remove_file(self.path.join(RUNNING));
    }
}

async fn connect(kubeconfig: &Path, clock: &Arc<dyn Clock>) -> Result<Cluster, Failure> {
    let target = Target::Kubeconfig { path: Some(kubeconfig.to_owned()), context: None };
    Ok(Cluster::connect(&target, Arc::clone(clock)).await?)
}

async fn serve_registry(registry: &Registry) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = registry.router();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the registry does not serve any more");
        }
    });
    Ok(address)
}
