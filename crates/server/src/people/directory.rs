//! Who exists and what they may: accounts, passwords, policy and ended sessions.

use std::sync::{Arc, Mutex, PoisonError};

use api::Secret;
use api::argocd::{Account, AccountSecrets, Policy};
use control::{ACCOUNTS_SECRET, SESSIONS_SECRET, Stores};

use super::accounts::COST;
use super::ended::Ended;
use super::session::{Capability, Claims, SessionError};

/// What the stores say about people.
#[derive(Debug)]
pub(crate) struct Directory {
    stores: Stores,
    ended: Mutex<Option<Read>>,
}

/// The list of ended sessions, and what it was read from.
#[derive(Debug)]
struct Read {
    list: Arc<Secret>,
    key: Vec<u8>,
    ended: Option<Arc<Ended>>,
}

impl Directory {
    pub(crate) fn new(stores: Stores) -> Self {
        Self { stores, ended: Mutex::default() }
    }

    /// Whether somebody set up this account, whatever it may do.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.stores.settings().account(name).is_some()
    }

    /// Whether the account may log in with a password now, and with which.
    pub(crate) fn login_of(&self, name: &str) -> Option<AccountSecrets> {
        self.account(name, Capability::Login).filter(|secrets| !secrets.password_hash.is_empty())
    }

    /// What `argocd-secret` holds for an enabled account that may do this.
    fn account(&self, name: &str, capability: Capability) -> Option<AccountSecrets> {
        let may = |account: &&Account| match capability {
            Capability::Login => account.login,
            Capability::ApiKey => account.api_key,
        };
        self.stores.settings().account(name).filter(|account| account.enabled).filter(may)?;
        Some(AccountSecrets::of(name, &self.stores.secret(ACCOUNTS_SECRET).data))
    }

    /// Whether what a token says holds now.
    ///
    /// # Errors
    /// When its account or its list does not stand for it any more.
    pub(crate) fn vouch(&self, claims: &Claims, key: &[u8]) -> Result<(), SessionError> {
        let capability = claims.capability().ok_or(SessionError::Invalid)?;
        let account = self.account(claims.account(), capability).ok_or(SessionError::Revoked)?;
        if account.password_modified.is_some_and(|changed| claims.iat < changed.as_second()) {
            return Err(SessionError::Revoked);
        }
        match capability {
            Capability::ApiKey if account.tokens.contains(&claims.jti) => Ok(()),
            Capability::ApiKey => Err(SessionError::Unlisted { account: claims.account().to_owned() }),
            Capability::Login => {
                let ended = self.ended(key).ok_or(SessionError::Revoked)?;
                let over = ended.epoch != claims.epoch || claims.exp.is_none() || ended.has(&claims.jti);
                if over { Err(SessionError::Revoked) } else { Ok(()) }
            }
        }
    }

    /// None when there is no list that holds: then no session does.
    pub(crate) fn ended(&self, key: &[u8]) -> Option<Arc<Ended>> {
        let list = self.stores.secret(SESSIONS_SECRET);
        let mut last = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = last.as_ref().filter(|read| Arc::ptr_eq(&read.list, &list) && read.key == key) {
            return read.ended.clone();
        }
        let ended = Ended::read(&list.data, key).map(Arc::new);
        *last = Some(Read { list, key: key.to_owned(), ended: ended.clone() });
        ended
    }

    /// `None` until `argocd-secret` has one: then nobody can log in.
    pub(crate) fn signing_key(&self) -> Option<Vec<u8>> {
        let accounts = self.stores.secret(ACCOUNTS_SECRET);
        let key = accounts.data.get("server.secretkey").filter(|key| !key.is_empty())?;
        Some(key.clone().into_bytes())
    }

    /// A hash that costs what the hash of admin does, of a password that nobody knows: an account that does not exist
    /// takes as long to refuse as one that does.
    pub(crate) fn nobody(&self) -> String {
        let admin = AccountSecrets::of("admin", &self.stores.secret(ACCOUNTS_SECRET).data).password_hash;
        let cost = admin.split('$').nth(2).and_then(|cost| cost.parse().ok()).filter(|cost| (4..=14).contains(cost));
        format!("$2b${:02}$7EqJtq98hPqEX7fNZaFWoOhi5BWX4YfFpQmL9l0NoXQzfxzuRZ5xG", cost.unwrap_or(COST))
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.stores.policy()
    }
}
