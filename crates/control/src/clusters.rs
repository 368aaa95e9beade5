//! The clusters as Argo CD's API tells of them.

use std::time::Duration;

use api::argocd::ClusterSecret;
use cluster::{Cause, ClusterError};
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
        Ok(site) => state(&secret, site).await,
        Err(error) => failed(error.to_string(), None),
    };
    let version = site.ok().and_then(Site::known_version).map(str::to_owned);
    let ClusterSecret { server, name, namespaces, project, .. } = secret;
    ConnectedCluster { server, name, namespaces, project, connection_state, version, applications }
}

async fn state(secret: &ClusterSecret, site: &Site) -> ConnectionState {
    if let Some((since, error)) = site.live.outage() {
        return failed(plainly(&error, secret), Some(since));
    }
    let kinds = site.live.kinds();
    let since = site.live.watched_since(&kinds, |_| true).filter(|_| !kinds.is_empty());
    if since.is_some() && site.known_version().is_some() {
        return successful(since);
    }
    match (timeout(SOON, site.asked_version()).await, since) {
        (Ok(Ok(())), since) | (_, since @ Some(_)) => successful(since),
        (Ok(Err(error)), None) => failed(plainly(&error, secret), None),
        (Err(_), None) => failed(format!("it does not answer within {} s: {NETWORK}", SOON.as_secs()), None),
    }
}

const NETWORK: &str = "look whether it runs, and whether the network lets Gantline reach it";

/// What is wrong and what to do, for who looks after the cluster: what a library says of it stands in the log.
fn plainly(error: &ClusterError, ClusterSecret { server, secret, .. }: &ClusterSecret) -> String {
    tracing::debug!(server, %error, "a cluster does not answer");
    let key = |field: &str| match secret.as_str() {
        "" => "the identity that Gantline runs with".to_owned(),
        secret => format!("{field} of Secret {secret}"),
    };
    match error {
        ClusterError::Unauthorized { .. } => {
            format!("it does not accept the credentials: put ones that hold into {}", key("config"))
        }
        ClusterError::Forbidden { .. } => {
            format!("the account may not look there: give rights to the one that is named by {}", key("config"))
        }
        ClusterError::Config { .. } => format!("it cannot be connected to as it is written: correct {}", key("config")),
        ClusterError::Rejected { code, .. } => format!("it answers with {code}: look at its API server"),
        ClusterError::Unreachable { cause, .. } => unreachable_why(*cause, server, &key),
        _ => format!("it cannot be reached: {NETWORK}"),
    }
}

fn unreachable_why(cause: Cause, server: &str, key: &dyn Fn(&str) -> String) -> String {
    match cause {
        Cause::Untrusted => format!("its certificate is not trusted: correct {}", key("config.tlsClientConfig")),
        Cause::UnknownName => format!("{server} is no name that is known here: correct {}", key("server")),
        Cause::Refused => format!("nothing listens at {server}: {NETWORK}"),
        Cause::Silent => format!("it does not answer in time: {NETWORK}"),
        Cause::Broken => format!("it cannot be reached: {NETWORK}"),
    }
}

fn successful(since: Option<Timestamp>) -> ConnectionState {
    ConnectionState { status: ConnectionStatus::Successful, message: String::new(), since }
}

fn failed(message: String, since: Option<Timestamp>) -> ConnectionState {
    ConnectionState { status: ConnectionStatus::Failed, message, since }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_cluster_is_what_to_do_and_no_error_of_a_library() {
        let secret = ClusterSecret {
            secret: "cluster-prod".into(),
            server: "https://p:6443".into(),
            ..ClusterSecret::in_cluster()
        };
        // whatever the library says: a name in it may be like any of the words that errors have
        let unreachable = |cause: Cause| ClusterError::Unreachable {
            object: "version".into(),
            cause,
            message: "client error (Connect) to refused.tls.within.example: (os error 111): hyper_util::client".into(),
        };
        let message = |text: &str| (String::from("x"), String::from(text));
        let (object, denied) = message("Unauthorized hyper");
        for (error, words) in [
            (unreachable(Cause::Refused), "nothing listens at https://p:6443"),
            (unreachable(Cause::UnknownName), "correct server of Secret cluster-prod"),
            (unreachable(Cause::Untrusted), "config.tlsClientConfig of Secret cluster-prod"),
            (unreachable(Cause::Silent), "in time"),
            (unreachable(Cause::Broken), "it cannot be reached"),
            (ClusterError::Unauthorized { object, message: denied }, "does not accept the credentials"),
        ] {
            let told = plainly(&error, &secret);
            assert!(told.contains(words), "{told}");
            assert!(!["hyper", "kube:", "os error"].iter().any(|leak| told.contains(leak)), "{told}");
        }
        let told = plainly(&unreachable(Cause::UnknownName), &ClusterSecret::in_cluster());
        assert!(told.contains("the identity that Gantline runs with"), "{told}");
    }
}
