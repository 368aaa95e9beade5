//! A folder that holds a sandbox: its objects, images and repositories, and how to reach it while it runs.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids, ScaledClock, after};
use cluster::{Cluster, Target};
use jiff::Timestamp;
use sandbox::{
    Door, OnDamage, Registry, Sandbox, SandboxOptions, StoreError, StoreFolder, private_file, private_folder,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::commands::serve::survive_full_disks;
use crate::failure::Failure;
use crate::output;

/// How the sandbox of a folder is to start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Starting {
    pub(crate) speed: f64,
    /// Also where it is damaged: what is whole is kept, the rest is listed.
    pub(crate) recover: bool,
    /// What it may be called beside localhost and its address.
    pub(crate) names: Vec<String>,
}

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

impl Running {
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(ScaledClock::new(self.origin, self.starts_at, self.speed))
    }
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
    stop: CancellationToken,
}

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const STORE: &str = "cluster";
const RUNNING: &str = "sandbox.json";
const KUBECONFIG: &str = "kubeconfig";
/// Where the time stood that the sandbox had reached, before it stood in the store.
const TIME: &str = "time";
/// So often (on the wall's clock) the sandbox's time is noted.
const NOTE_EVERY: Duration = Duration::from_secs(1);
/// So far ahead, so that no clock goes back behind what anybody has seen, though a note may come late.
const AHEAD: u32 = 3;

/// What another process needs to act in a sandbox that runs.
pub(crate) struct Joined {
    pub(crate) registry_url: String,
    pub(crate) clock: Arc<dyn Clock>,
}

impl SandboxFolder {
    /// Looks on at the sandbox that another process serves from this folder.
    ///
    /// # Errors
    /// When none runs there.
    pub(crate) async fn joined(path: &Path) -> Result<Joined, Failure> {
        let none = || {
            Failure::new(format!("no demo runs from {}", path.display())).hint("start one: gantline demo --keep DIR")
        };
        let text = std::fs::read_to_string(path.join(RUNNING)).map_err(|_| none())?;
        let running: Running = serde_json::from_str(&text)?;
        // what a process that was killed has left says so too
        reqwest::get(format!("{}/v2/", running.registry)).await.map_err(|_| none())?;
        let clock = running.clock();
        Ok(Joined { registry_url: running.registry, clock })
    }

    /// Joins the sandbox that runs from this folder, or starts it.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub(crate) async fn open(path: &Path, starting: &Starting) -> Result<Self, Failure> {
        match starting.store(path) {
            Ok(store) => Self::serve(path, store, starting).await,
            Err(used @ StoreError::InUse { .. }) => Self::join(path, used).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Starts the sandbox of this folder, where its time stopped.
    ///
    /// # Errors
    /// When the folder cannot be used, or another process uses it.
    pub(crate) async fn start(path: &Path, starting: &Starting) -> Result<Self, Failure> {
        Self::serve(path, starting.store(path)?, starting).await
    }

    /// The sandbox that another process serves from this folder.
    async fn join(path: &Path, used: StoreError) -> Result<Self, Failure> {
        // it is there when that process has got so far
        let Ok(text) = std::fs::read_to_string(path.join(RUNNING)) else { return Err(used.into()) };
        let running: Running = serde_json::from_str(&text)?;
        let clock = running.clock();
        let kubeconfig = path.join(KUBECONFIG);
        let cluster = connect(&kubeconfig, &clock).await?;
        if let Err(error) = cluster.version().await {
            return Err(Failure::new(format!("{used}; it does not answer at {}: {error}", running.server)));
        }
        Ok(Self {
            path: path.to_owned(),
            cluster,
            clock,
            ids: Ids::random(),
            speed: running.speed,
            registry: None,
            registry_url: running.registry,
            kubeconfig,
            sandbox: None,
            stop: CancellationToken::new(),
        })
    }

    async fn serve(path: &Path, store: StoreFolder, starting: &Starting) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("{}: {error}", path.display())).hint("name a folder that can be written")
        };
        survive_full_disks()?;
        tell_of_lost(&store);
        // what a process that was killed has left
        let _ = std::fs::remove_file(path.join(RUNNING));
        let scaled = clock_after(reached(path, &store), starting.speed);
        let clock: Arc<dyn Clock> = Arc::new(scaled);
        let ids = Ids::random();
        let registry = Registry::open(&path.join("registry"), ["*"])?;
        let options = SandboxOptions {
            clock: Arc::clone(&clock),
            ids: ids.clone(),
            folder: None,
            images: Arc::new(registry.clone()),
        };
        let sandbox = Sandbox::resume(store, options);
        let stop = CancellationToken::new();
        note_time(sandbox.clone(), scaled, &stop);
        let entrance = sandbox.listen_safely(LOOPBACK, &starting.names).await?;
        let registry_url = format!("http://{}", serve_registry(&registry, &starting.names).await?);
        let kubeconfig = path.join(KUBECONFIG);
        private_file(&kubeconfig, entrance.kubeconfig().as_bytes()).map_err(failed)?;
        let running = Running {
            server: entrance.url(),
            registry: registry_url.clone(),
            origin: scaled.origin(),
            starts_at: scaled.starts_at(),
            speed: scaled.speed(),
        };
        private_file(&path.join(RUNNING), &serde_json::to_vec_pretty(&running)?).map_err(failed)?;
        let cluster = connect(&kubeconfig, &clock).await?;
        let (path, registry, sandbox) = (path.to_owned(), Some(registry), Some(sandbox));
        let speed = scaled.speed();
        Ok(Self { path, cluster, clock, ids, speed, registry, registry_url, kubeconfig, sandbox, stop })
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
        self.stop.cancel();
        sandbox.stop();
        sandbox.note_time(self.clock.now());
        let _ = std::fs::remove_file(self.path.join(RUNNING));
    }
}

impl Starting {
    /// Opens the folder's store, which nobody else may have open.
    fn store(&self, path: &Path) -> Result<StoreFolder, StoreError> {
        let failed = |source| StoreError::Io { path: path.to_owned(), source };
        if is_ours(path) {
            private_folder(path).map_err(failed)?;
        }
        let on_damage = if self.recover { OnDamage::Recover } else { OnDamage::Refuse };
        StoreFolder::open(&path.join(STORE), on_damage)
    }
}

/// Whether nobody minds that others may not look into the folder: it is not there, empty, or a sandbox's already.
fn is_ours(path: &Path) -> bool {
    path.join(STORE).is_dir() || std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none())
}

fn tell_of_lost(store: &StoreFolder) {
    let [.., _] = store.dropped() else { return };
    output::line(
        "The sandbox's store was damaged. What is whole is kept, and the damaged file beside it as *.damaged-N. Lost are:",
    );
    store.dropped().iter().for_each(|dropped| output::line(format!("  {dropped}")));
}

/// The time that the sandbox had reached.
fn reached(path: &Path, store: &StoreFolder) -> Option<Timestamp> {
    let old = std::fs::read_to_string(path.join(TIME)).ok().and_then(|text| text.trim().parse().ok());
    store.reached().max(old)
}

/// A clock that goes on where the last one ended; time does not stand still where that was the wall's.
fn clock_after(reached: Option<Timestamp>, speed: f64) -> ScaledClock {
    let now = ScaledClock::starting_now(speed);
    match reached {
        Some(reached) if reached > now.starts_at() => ScaledClock::new(now.origin(), reached, speed),
        _ => now,
    }
}

/// Notes the time again and again: whoever kills this process does not turn it back.
fn note_time(sandbox: Sandbox, clock: ScaledClock, stop: &CancellationToken) {
    let (every, stop) = (NOTE_EVERY.mul_f64(clock.speed()), stop.clone());
    let noting = async move {
        loop {
            let (sandbox, until) = (sandbox.clone(), after(clock.now(), every * AHEAD));
            // the next note is made anyhow
            let _ = tokio::task::spawn_blocking(move || sandbox.note_time(until)).await;
            clock.sleep(every).await;
        }
    };
    tokio::spawn(async move { stop.run_until_cancelled(noting).await });
}

async fn connect(kubeconfig: &Path, clock: &Arc<dyn Clock>) -> Result<Cluster, Failure> {
    let target = Target::Kubeconfig { path: Some(kubeconfig.to_owned()), context: None };
    Ok(Cluster::connect(&target, Arc::clone(clock)).await?)
}

async fn serve_registry(registry: &Registry, names: &[String]) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(LOOPBACK).await?;
    let address = listener.local_addr()?;
    let router = Door::new(address, names).guard(registry.router());
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the registry does not serve any more");
        }
    });
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_never_starts_before_the_last_one_ended() {
        let now = ScaledClock::wall().now();
        let ahead = after(now, Duration::from_secs(36_000));
        assert_eq!(clock_after(Some(ahead), 60.0).starts_at(), ahead);
        assert!(clock_after(Some(ahead), 60.0).now() >= ahead);
        assert!(clock_after(Some(Timestamp::UNIX_EPOCH), 60.0).starts_at() >= now);
        assert!(clock_after(None, 60.0).starts_at() >= now);
    }

    #[test]
    fn only_a_folder_of_a_sandbox_is_closed_to_others() {
        let room = tempfile::tempdir().unwrap();
        let inside = |name: &str| room.path().join(name);
        assert!(is_ours(&inside("not-there")) && is_ours(room.path()));
        std::fs::write(inside("somebody's"), "").unwrap();
        assert!(!is_ours(room.path()));
        std::fs::create_dir(inside(STORE)).unwrap();
        assert!(is_ours(room.path()));
    }
}
