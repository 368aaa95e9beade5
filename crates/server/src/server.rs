//! The server: what it is made of, and its routes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clock::{Clock, Ids};
use cluster::Cluster;
use control::Controller;

use crate::overview::{self, Look, Snapshot};
use crate::people::directory::Directory;
use crate::people::passwords::Passwords;
use crate::people::throttle::Throttle;
use crate::routes;
use crate::streams::Streams;

/// Who is let in, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Local accounts: reading needs a login, changing needs rights.
    Accounts,
    /// Everybody who can call the router acts as this user with all rights: for commands that go straight to the
    /// cluster with the caller's own kubeconfig.
    Core { user: String },
}

/// What a server is made of.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    pub controller: Controller,
    pub cluster: Cluster,
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    /// Where Applications, Pipelines and Argo CD's settings live.
    pub namespace: String,
    pub access: Access,
    /// The server itself speaks TLS: cookies are for TLS only.
    pub tls: bool,
    /// How long a session lasts; Argo CD's default is 24 hours.
    pub session: Duration,
    /// How fast the clock runs; 1 is real time. The page's clocks run as fast.
    pub speed: f64,
    /// The cluster is a sandbox: the page says so.
    pub simulated: bool,
}

/// HTTP API and page on top of a controller. Clones share it.
#[derive(Debug, Clone)]
pub struct Server(pub(crate) Arc<State>);

#[derive(Debug)]
pub struct State {
    pub(crate) config: ServerConfig,
    pub(crate) directory: Directory,
    pub(crate) throttle: Throttle,
    pub(crate) passwords: Passwords,
    pub(crate) streams: Streams,
    pub(crate) look: Look,
}

impl Server {
    /// Needs a tokio runtime.
    pub fn new(config: ServerConfig) -> Self {
        let directory = Directory::new(config.controller.stores().clone());
        let first = Snapshot::new(config.ids.suffix(8), config.simulated, config.speed);
        let (look, questions) = Look::new(first);
        let (throttle, passwords, streams) = Default::default();
        let state = Arc::new(State { directory, throttle, passwords, streams, look, config });
        tokio::spawn(overview::keep(Arc::downgrade(&state), questions));
        Self(state)
    }

    /// Returns when everything that answers are made of was read once.
    pub async fn ready(&self) {
        self.0.stores().ready().await;
    }

    /// The API, the event stream, the metrics and the page.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }
}

impl std::ops::Deref for Server {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}
