//! The sandbox as a whole: start it, reach it, stop it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clock::{Clock, Ids};
use jiff::Timestamp;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::bootstrap;
use crate::controllers::driver;
use crate::door::Door;
use crate::http::serve;
use crate::registry::ImageSource;
use crate::store::{Dropped, OnDamage, Store, StoreError};
use crate::tls::{Certificate, TlsListener};

/// What a sandbox is made of.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    /// Where objects are kept; in memory only when absent.
    pub folder: Option<PathBuf>,
    /// Where nodes get images from.
    pub images: Arc<dyn ImageSource>,
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the sandbox cannot listen on {address}: {source}: choose another address")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the sandbox's certificate for {names} cannot be made: {source}: name it otherwise")]
    Certificate { names: String, source: Box<dyn std::error::Error + Send + Sync> },
}

/// A folder with a sandbox's objects, which this process has for itself.
#[derive(Debug)]
pub struct StoreFolder(Store);

impl StoreFolder {
    /// # Errors
    /// When it cannot be read or written, another process has it, or its journal is damaged.
    pub fn open(folder: &Path, on_damage: OnDamage) -> Result<Self, StoreError> {
        Store::open(folder, on_damage).map(Self)
    }

    /// What the sandbox's clock showed at most when its last process ended: a clock for the next one starts no earlier.
    pub fn reached(&self) -> Option<Timestamp> {
        self.0.reached()
    }

    /// What a recovery could not keep.
    pub fn dropped(&self) -> &[Dropped] {
        self.0.dropped()
    }
}

/// How to reach a sandbox that listens.
#[derive(Clone)]
pub struct Entrance {
    pub address: SocketAddr,
    /// Who signed its certificate, in PEM.
    authority: String,
    token: String,
}

impl fmt::Debug for Entrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entrance").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Entrance {
    /// `https://127.0.0.1:40123`
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// A kubeconfig for the sandbox's administrator: a secret.
    pub fn kubeconfig(&self) -> String {
        let cluster = json!({ "server": self.url(), "certificate-authority-data": STANDARD.encode(&self.authority) });
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "sandbox", "preferences": {},
            "clusters": [{ "name": "sandbox", "cluster": cluster }],
            "users": [{ "name": "admin", "user": { "token": self.token } }],
            "contexts": [{ "name": "sandbox", "context": { "cluster": "sandbox", "user": "admin", "namespace": "default" } }],
        });
        object::yaml::to_string(&config)
    }
}

/// A running sandbox. Clones share it.
#[derive(Clone)]
pub struct Sandbox {
    api: Arc<Api>,
    stop: CancellationToken,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("revision", &self.api.store.revision()).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Opens the store and starts the controllers. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let store = match &options.folder {
            Some(folder) => Store::open(folder, OnDamage::Refuse)?,
            None => Store::in_memory(),
        };
        Ok(Self::run(store, options))
    }

    /// The same in a folder that is open already; `options` need not name it.
    pub fn resume(folder: StoreFolder, options: SandboxOptions) -> Self {
        Self::run(folder.0, options)
    }

    fn run(store: Store, options: SandboxOptions) -> Self {
        let api = Arc::new(Api::new(store, options.clock, options.ids));
        bootstrap::run(&api);
        let stop = CancellationToken::new();
        driver::start(Arc::clone(&api), options.images, stop.clone());
        Self { api, stop }
    }

    /// The API as a service: for clients in this process, or to be served.
    pub fn router(&self) -> Router {
        Router::new().fallback(serve).with_state(Arc::clone(&self.api))
    }

    /// Serves plain HTTP; the answer is where. Every program that reaches it is the administrator: loopback only, and for
    /// tests. See [`Sandbox::listen_safely`].
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn listen(&self, address: SocketAddr) -> Result<SocketAddr, SandboxError> {
        let (listener, bound) = bind(address).await?;
        // answers are small and waited for
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection stays slow");
            }
        });
        self.serve(listener, Door::new(bound, &[]));
        Ok(bound)
    }

    /// Serves HTTPS to whoever has the token of the kubeconfig. `names` are what the sandbox may be called beside the names
    /// of loopback and its address.
    ///
    /// # Errors
    /// When the address is taken, or a name cannot stand in a certificate.
    pub async fn listen_safely(&self, address: SocketAddr, names: &[String]) -> Result<Entrance, SandboxError> {
        let (listener, bound) = bind(address).await?;
        let own = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), bound.ip().to_string()];
        let mut all: Vec<String> = own.into_iter().chain(names.iter().cloned()).collect();
        all.dedup();
        let listed = all.join(", ");
        let certificate =
            Certificate::make(all).map_err(|source| SandboxError::Certificate { names: listed, source })?;
        let token = hex::encode(self.api.ids.key());
        let listener = TlsListener::new(listener, &certificate, self.stop.clone())
            .map_err(|source| SandboxError::Listen { address, source })?;
        self.serve(listener, Door::new(bound, names).with_token(&token));
        Ok(Entrance { address: bound, authority: certificate.authority, token })
    }

    fn serve<L>(&self, listener: L, door: Door)
    where
        L: axum::serve::Listener,
        L::Addr: fmt::Debug,
    {
        let (router, stop) = (door.guard(self.router()), self.stop.clone());
        tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
            if let Err(error) = served.await {
                tracing::error!(%error, "the sandbox does not serve any more");
            }
        });
    }

    /// Notes that the clock will not have passed `time` before the next note: a process that comes after this one, however
    /// this one ends, does not go back behind it. Takes as long as the disk does.
    pub fn note_time(&self, time: Timestamp) {
        if let Err(error) = self.api.store.note_time(time) {
            tracing::debug!(%error, "the time is not noted");
        }
    }

    /// Forgets the history of changes: watches from earlier versions end with 410, as after etcd's compaction.
    pub fn compact(&self) {
        self.api.store.compact();
    }

    /// Stops serving and simulating. What was written stays in the folder.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), SandboxError> {
    let failed = |source| SandboxError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
