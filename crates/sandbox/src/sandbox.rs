//! The sandbox as a whole: start it, reach it, stop it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use clock::{Clock, Ids};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::bootstrap;
use crate::controllers::driver;
use crate::http::serve;
use crate::registry::ImageSource;
use crate::store::{Store, StoreError};

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
            Some(folder) => Store::open(folder)?,
            None => Store::in_memory(),
        };
        let api = Arc::new(Api::new(store, options.clock, options.ids));
        bootstrap::run(&api);
        let stop = CancellationToken::new();
        driver::start(Arc::clone(&api), options.images, stop.clone());
        Ok(Self { api, stop })
    }

    /// The API as a service: for clients in this process, or to be served.
    pub fn router(&self) -> Router {
        Router::new().fallback(serve).with_state(Arc::clone(&self.api))
    }

    /// Serves plain HTTP; the answer is where. Everybody who reaches it is the administrator: loopback only.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn listen(&self, address: SocketAddr) -> Result<SocketAddr, SandboxError> {
        let failed = |source| SandboxError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        // answers are small and waited for
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection stays slow");
            }
        });
        let (router, stop) = (self.router(), self.stop.clone());
        tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
            if let Err(error) = served.await {
                tracing::error!(%error, "the sandbox does not serve any more");
            }
        });
        Ok(bound)
    }

    /// A kubeconfig for [`Sandbox::listen`].
    pub fn kubeconfig(address: SocketAddr) -> String {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "sandbox", "preferences": {},
            "clusters": [{ "name": "sandbox", "cluster": { "server": format!("http://{address}") } }],
            "users": [{ "name": "admin", "user": {} }],
            "contexts": [{ "name": "sandbox", "context": { "cluster": "sandbox", "user": "admin", "namespace": "default" } }],
        });
        object::yaml::to_string(&config)
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
