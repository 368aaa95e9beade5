//! The clusters as Argo CD's API tells of them.

use std::time::Duration;

use api::argocd::ClusterSecret;
use futures::future::join_all;
use jiff::Timestamp;
use tokio::time::timeout;

use crate::controller::Controller;
use crate::sites::{NotConnected, Site};

/// Whoever asks for the clusters does not wait longer for one of them.
const SOON: Duration = Duration::from_secs(3);

/// One cluster that Applications may name. Credentials are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedCluster {
    pub server: String,
    pub name: String,
    /// Empty means all.
    pub namespaces: Vec<String>,
    /// Empty: it belongs to none.
    pub project: String,
    pub connection_state: ConnectionState,
    /// Kubernetes' version; `None`: it has not said so yet.
    pub version: Option<String>,
    /// How many Applications deploy there.
    pub applications: usize,
}

/// Whether a cluster answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionState {
    pub status: ConnectionStatus,
    /// Why it does not; empty where it does.
    pub message: String,
    /// Since when it is so, where that is known.
    pub since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionStatus {
    Successful,
    Failed,
}

impl Controller {
    /// Every cluster, by server. One that nobody watches in this process is asked; that takes three seconds at most.
    pub async fn clusters(&self) -> Vec<ConnectedCluster> {
        let sites = &self.context.sites;
        let apps = self.context.stores.applications.all();
        let counts = sites.count(apps.iter().map(|app| &app.spec.destination));
        let all = sites.all().into_iter().map(|(secret, site)| {
            let applications = counts.get(&secret.server).copied().unwrap_or_default();
            async move { cluster(secret, site.as_deref(), applications).await }
        });
        join_all(all).await
    }
}

async fn cluster(secret: ClusterSecret, site: Result<&Site, &NotConnected>, applications: usize) -> ConnectedCluster {
    let connection_state = match site {
        Ok(site) => state(site).await,
        Err(error) => failed(error.to_string(), None),
    };
    let version = site.ok().and_then(Site::known_version).map(str::to_owned);
    let ClusterSecret { server, name, namespaces, project, .. } = secret;
    ConnectedCluster { server, name, namespaces, project, connection_state, version, applications }
}

async fn state(site: &Site) -> ConnectionState {
    if let Err(out) = site.answers() {
        return failed(out.to_string(), site.live.outage().map(|(since, _)| since));
    }
    let kinds = site.live.kinds();
    let since = site.watched_since(&kinds).filter(|_| !kinds.is_empty());
    if since.is_some() && site.known_version().is_some() {
        return successful(since);
    }
    match (timeout(SOON, site.asked_version()).await, since) {
        (Ok(Ok(())), since) | (_, since @ Some(_)) => successful(since),
        (Ok(Err(error)), None) => failed(error.to_string(), None),
        (Err(_), None) => failed(format!("no answer within {} s", SOON.as_secs()), None),
    }
}

fn successful(since: Option<Timestamp>) -> ConnectionState {
    ConnectionState { status: ConnectionStatus::Successful, message: String::new(), since }
}

fn failed(message: String, since: Option<Timestamp>) -> ConnectionState {
    ConnectionState { status: ConnectionStatus::Failed, message, since }
}
