//! Who exists and what they may: accounts, passwords, policy and ended sessions, kept current by watches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::argocd::{AccountSecrets, Policy, Settings};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cluster::{Cluster, Scope, WatchEvent};
use object::{GroupKind, LiveObject};
use tokio::sync::watch;

/// Argo CD's Secret of accounts and of the key that signs sessions.
pub(crate) const ACCOUNTS_SECRET: &str = "argocd-secret";
/// Ours: the ids of sessions that were ended before they expired, with the second of their expiry.
pub(crate) const SESSIONS_SECRET: &str = "gantline-sessions";

/// Shared and current. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    ready: watch::Sender<u8>,
}

#[derive(Debug)]
struct State {
    settings: Settings,
    policy: Policy,
    secrets: BTreeMap<String, String>,
    ended: BTreeSet<String>,
}

impl Default for State {
    /// As with empty config maps: the account `admin` is there, and has its role.
    fn default() -> Self {
        let nothing = BTreeMap::new();
        Self {
            settings: Settings::from_config_map(&nothing).0,
            policy: Policy::from_config_map(&nothing).0,
            secrets: BTreeMap::new(),
            ended: BTreeSet::new(),
        }
    }
}

/// How many watches must have listed before anybody is let in.
const WATCHES: u8 = 2;

impl Directory {
    /// Follows the cluster for as long as the process runs.
    pub(crate) fn follow(cluster: &Cluster, namespace: &str) -> Self {
        let directory = Self(Arc::new(Shared { state: Mutex::default(), ready: watch::Sender::new(0) }));
        for kind in ["ConfigMap", "Secret"] {
            let mut events = cluster.watch(Scope::namespaced(GroupKind::new("", kind), namespace));
            let directory = directory.clone();
            tokio::spawn(async move {
                let mut listed = false;
                while let Some(event) = events.recv().await {
                    match event {
                        WatchEvent::Listed(all) => {
                            all.iter().for_each(|object| directory.take(kind, object.name(), &data_of(object)));
                            if !std::mem::replace(&mut listed, true) {
                                directory.0.ready.send_modify(|count| *count += 1);
                            }
                        }
                        WatchEvent::Applied(object) => directory.take(kind, object.name(), &data_of(&object)),
                        WatchEvent::Deleted(object) => directory.take(kind, object.name(), &BTreeMap::new()),
                        WatchEvent::Lost(error) => tracing::warn!(%error, "accounts and policies may be old"),
                        WatchEvent::Resumed => {}
                    }
                }
            });
        }
        directory
    }

    /// Returns when everything was read once.
    pub(crate) async fn ready(&self) {
        let mut ready = self.0.ready.subscribe();
        // the sender lives as long as `self`
        let _ = ready.wait_for(|count| *count >= WATCHES).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what an object says now; also from the answer to our own write, before the watch tells of it.
    pub(crate) fn take(&self, kind: &str, name: &str, data: &BTreeMap<String, String>) {
        let mut state = self.state();
        match (kind, name) {
            ("ConfigMap", "argocd-cm") => state.settings = Settings::from_config_map(data).0,
            ("ConfigMap", "argocd-rbac-cm") => {
                let (policy, problems) = Policy::from_config_map(data);
                problems.iter().for_each(|problem| tracing::warn!("argocd-rbac-cm: {problem}"));
                state.policy = policy;
            }
            ("Secret", ACCOUNTS_SECRET) => state.secrets.clone_from(data),
            ("Secret", SESSIONS_SECRET) => state.ended = data.keys().cloned().collect(),
            _ => {}
        }
    }

    /// Whether the account may log in with a password now, and with which.
    pub(crate) fn login_of(&self, name: &str) -> Option<AccountSecrets> {
        let state = self.state();
        state.settings.account(name).filter(|a| a.enabled && a.login)?;
        Some(AccountSecrets::of(name, &state.secrets)).filter(|secrets| !secrets.password_hash.is_empty())
    }

    /// What `argocd-secret` holds for an enabled account.
    pub(crate) fn account(&self, name: &str) -> Option<AccountSecrets> {
        let state = self.state();
        state.settings.account(name).filter(|account| account.enabled)?;
        Some(AccountSecrets::of(name, &state.secrets))
    }

    /// Ends a session here and now; the watch tells the other servers.
    pub(crate) fn end(&self, session: &str) {
        self.state().ended.insert(session.to_owned());
    }

    pub(crate) fn is_ended(&self, session: &str) -> bool {
        self.state().ended.contains(session)
    }

    /// `None` until `argocd-secret` has one: then nobody can log in.
    pub(crate) fn signing_key(&self) -> Option<Vec<u8>> {
        let key = self.state().secrets.get("server.secretkey").filter(|key| !key.is_empty()).cloned()?;
        Some(key.into_bytes())
    }

    pub(crate) fn policy(&self) -> Policy {
        self.state().policy.clone()
    }
}

/// The `data` of a ConfigMap, or of a Secret decoded; keys that are no text are left out.
pub(crate) fn data_of(object: &LiveObject) -> BTreeMap<String, String> {
    let secret = object.gvk().kind == "Secret";
    let map = object.value().get("data").and_then(|data| data.as_object()).into_iter().flatten();
    let decode = |text: &str| match secret {
        false => Some(text.to_owned()),
        true => String::from_utf8(STANDARD.decode(text).ok()?).ok(),
    };
    map.filter_map(|(key, value)| Some((key.clone(), decode(value.as_str()?)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_config_maps_there_is_an_admin() {
        let state = State::default();
        assert!(state.settings.account("admin").is_some_and(|account| account.enabled && account.login));
        let subject = api::argocd::Subject { user: "admin".into(), groups: Vec::new() };
        assert!(state.policy.belongs_to(&subject, "role:admin"));
    }
}
