//! Who exists and what they may: accounts, passwords, policy and ended sessions.

use std::sync::Arc;

use api::argocd::{AccountSecrets, Policy};
use control::{ACCOUNTS_SECRET, SESSIONS_SECRET, Stores};

/// What the stores say about people.
#[derive(Debug)]
pub(crate) struct Directory(Stores);

impl Directory {
    pub(crate) fn new(stores: Stores) -> Self {
        Self(stores)
    }

    /// Whether the account may log in with a password now, and with which.
    pub(crate) fn login_of(&self, name: &str) -> Option<AccountSecrets> {
        self.0.settings().account(name).filter(|account| account.login)?;
        self.account(name).filter(|secrets| !secrets.password_hash.is_empty())
    }

    /// What `argocd-secret` holds for an enabled account.
    pub(crate) fn account(&self, name: &str) -> Option<AccountSecrets> {
        self.0.settings().account(name).filter(|account| account.enabled)?;
        Some(AccountSecrets::of(name, &self.0.secret(ACCOUNTS_SECRET).data))
    }

    pub(crate) fn is_ended(&self, session: &str) -> bool {
        self.0.secret(SESSIONS_SECRET).data.contains_key(session)
    }

    /// `None` until `argocd-secret` has one: then nobody can log in.
    pub(crate) fn signing_key(&self) -> Option<Vec<u8>> {
        let accounts = self.0.secret(ACCOUNTS_SECRET);
        let key = accounts.data.get("server.secretkey").filter(|key| !key.is_empty())?;
        Some(key.clone().into_bytes())
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.0.policy()
    }
}
