//! How a cluster is reached.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use clock::Clock;
use http::{Request, Response};
use kube::Config;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tower::{BoxError, Service};

use crate::ClusterError;
use crate::discovery::Discovered;

/// Which API server to talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A kubeconfig file (absent: where kubectl looks) and a context in it (absent: the current one).
    Kubeconfig { path: Option<PathBuf>, context: Option<String> },
    /// The cluster that this process runs in, by its service account.
    InCluster,
}

/// A connection to one Kubernetes API. Clones share it.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: kube::Client,
    pub(crate) discovered: Arc<Discovered>,
    pub(crate) clock: Arc<dyn Clock>,
    address: Arc<str>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Reads the configuration. No request is made yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the configuration cannot be read or names files that are not there.
    pub async fn connect(target: &Target, clock: Arc<dyn Clock>) -> Result<Self, ClusterError> {
        let mut config = configuration(target).await?;
        // watches are renewed by the server within ten minutes; reconcilers do their own retries
        config.read_timeout = Some(std::time::Duration::from_secs(660));
        config.default_retry = false;
        let address = config.cluster_url.to_string();
        let client = kube::Client::try_from(config).map_err(|error| failure(&error))?;
        Ok(Self::with_client(client, clock, &address))
    }

    /// A cluster served by a tower service in this process: an `axum::Router`, or anything that answers like one.
    pub fn from_service<S, B>(service: S, clock: Arc<dyn Clock>) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::with_client(kube::Client::new(service, "default"), clock, "http://in-process")
    }

    fn with_client(client: kube::Client, clock: Arc<dyn Clock>, address: &str) -> Self {
        Self { client, discovered: Arc::default(), clock, address: address.trim_end_matches('/').into() }
    }

    /// The API server's address, for people.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}

async fn configuration(target: &Target) -> Result<Config, ClusterError> {
    match target {
        Target::InCluster => Config::incluster().map_err(|error| failure(&error)),
        Target::Kubeconfig { path, context } => {
            let file = match path {
                Some(path) => Kubeconfig::read_from(path),
                None => Kubeconfig::read(),
            };
            let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
            let file = file.map_err(|error| failure(&error))?;
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| failure(&error))
        }
    }
}

fn failure(error: &dyn std::error::Error) -> ClusterError {
    ClusterError::Config { message: crate::request::chain(error) }
}
