//! The first start: a signing key, and the password of `admin`, as Argo CD makes them.

use std::collections::BTreeMap;

use api::argocd::secret_data;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use clock::{Clock, Ids};
use cluster::{Cluster, ClusterError, Patch, PatchOptions};
use control::ACCOUNTS_SECRET;
use object::{LiveObject, Manifest, ManifestError, ResourceKey};
use serde_json::{Value, json};

use super::ended::Book;

/// Where Argo CD leaves the generated password of `admin` for the installer to read.
pub const INITIAL_PASSWORD_SECRET: &str = "argocd-initial-admin-secret";
/// bcrypt's work factor, as Argo CD uses.
pub(crate) const COST: u32 = 10;

/// Of `argocd-secret`: what sessions are signed with.
const SIGNING_KEY: &str = "server.secretkey";
/// Of `argocd-secret`: the hash of admin's password.
const ADMIN_HASH: &str = "admin.password";
/// On the initial password: the version of `argocd-secret` that it was made for.
const MADE_FOR: &str = "gantline.dev/made-for";
/// Whoever else starts now may come first with every write; each then has come one of three writes further.
const ATTEMPTS: usize = 100;

/// Why accounts cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    #[error("the Secrets of the accounts cannot be written: {0}")]
    Cluster(#[from] ClusterError),
    #[error("a password cannot be hashed: {0}")]
    Hash(String),
    #[error(
        "Secret {ACCOUNTS_SECRET} was changed by others {ATTEMPTS} times while it was being completed: see who writes it \
         (kubectl get secret {ACCOUNTS_SECRET} --show-managed-fields -o yaml), and start again"
    )]
    Contended,
}

/// Completes `argocd-secret`: the signing key, and a password for `admin` that is also left in
/// `argocd-initial-admin-secret`; and the list of ended sessions. What is there already is never changed. Of several that start at once one comes first
/// with each, and the others take what it wrote.
///
/// # Errors
/// When the cluster refuses.
pub async fn prepare(cluster: &Cluster, namespace: &str, clock: &dyn Clock, ids: &Ids) -> Result<(), AccountsError> {
    let start = FirstStart { cluster, namespace, clock, ids };
    for _ in 0..ATTEMPTS {
        match start.attempt().await {
            Ok(Attempt::Complete { key }) => return Ok(start.list_of_ended_sessions(key.as_bytes()).await?),
            Ok(Attempt::Further) => {}
            // somebody came first: what they wrote counts
            Err(AccountsError::Cluster(ClusterError::AlreadyExists { .. } | ClusterError::Conflict { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Err(AccountsError::Contended)
}

enum Attempt {
    Complete {
        key: String,
    },
    /// Something was written: look again.
    Further,
}

/// Each write is against the version that was looked at, or makes what was not there.
struct FirstStart<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    clock: &'a dyn Clock,
    ids: &'a Ids,
}

impl FirstStart<'_> {
    async fn attempt(&self) -> Result<Attempt, AccountsError> {
        let seen = self.get(ACCOUNTS_SECRET).await?;
        if let Some(seen) = seen.as_ref().filter(|seen| has(seen, SIGNING_KEY) && has(seen, ADMIN_HASH)) {
            let key = secret_data(seen.value()).remove(SIGNING_KEY).unwrap_or_default();
            return Ok(Attempt::Complete { key });
        }
        // In this order. Who is going to replace an initial password knows then that the version of `argocd-secret` that
        // the password was made for has passed without a hash of it, and that no hash of it can be written any more.
        let initial = self.get(INITIAL_PASSWORD_SECRET).await?;
        let Some(accounts) = self.get(ACCOUNTS_SECRET).await? else {
            self.create(ACCOUNTS_SECRET, self.signing_key(), json!({})).await?;
            return Ok(Attempt::Further);
        };
        let mut new = if has(&accounts, SIGNING_KEY) { BTreeMap::new() } else { self.signing_key() };
        if !has(&accounts, ADMIN_HASH) {
            let password = self.initial_password(initial, accounts.resource_version()).await?;
            new.extend(password_entries("admin", &password, self.clock)?);
        }
        self.update(&accounts, new, json!({})).await?;
        Ok(Attempt::Further)
    }

    fn signing_key(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(SIGNING_KEY.to_owned(), STANDARD.encode(self.ids.key()))])
    }

    /// The password that was left for this version of `argocd-secret`; else a new one, which is left for it.
    async fn initial_password(&self, initial: Option<LiveObject>, version: &str) -> Result<String, ClusterError> {
        let left = initial.as_ref().filter(|initial| initial.manifest().annotation(MADE_FOR) == Some(version));
        if let Some(password) = left.and_then(|left| secret_data(left.value()).remove("password")) {
            return Ok(password);
        }
        let password = URL_SAFE.encode(&self.ids.key()[..12]);
        let data = BTreeMap::from([("password".to_owned(), password.clone())]);
        let marks = json!({ MADE_FOR: version });
        match initial {
            Some(initial) => self.update(&initial, data, marks).await?,
            None => self.create(INITIAL_PASSWORD_SECRET, data, marks).await?,
        };
        Ok(password)
    }

    async fn get(&self, name: &str) -> Result<Option<LiveObject>, ClusterError> {
        get(self.cluster, self.namespace, name).await
    }

    async fn create(
        &self,
        name: &str,
        data: BTreeMap<String, String>,
        annotations: Value,
    ) -> Result<LiveObject, ClusterError> {
        create(self.cluster, self.namespace, name, &encoded(data), annotations).await
    }

    /// # Errors
    /// [`ClusterError::Conflict`] when it was changed since.
    async fn update(
        &self,
        seen: &LiveObject,
        data: BTreeMap<String, String>,
        annotations: Value,
    ) -> Result<LiveObject, ClusterError> {
        update(self.cluster, seen, &encoded(data), annotations).await
    }

    /// So that those who log in find an epoch.
    async fn list_of_ended_sessions(&self, key: &[u8]) -> Result<(), ClusterError> {
        let Self { cluster, namespace, ids, .. } = *self;
        Book { cluster, namespace, key, ids }.open().await.map(drop)
    }
}

fn has(secret: &LiveObject, entry: &str) -> bool {
    secret_data(secret.value()).get(entry).is_some_and(|value| !value.is_empty())
}

/// The keys of `argocd-secret` that give an account this password.
///
/// # Errors
/// When bcrypt refuses the password (longer than 72 bytes, or with a NUL).
pub fn password_entries(
    account: &str,
    password: &str,
    clock: &dyn Clock,
) -> Result<BTreeMap<String, String>, AccountsError> {
    let prefix = if account == "admin" { "admin".to_owned() } else { format!("accounts.{account}") };
    let hash = bcrypt::hash(password, COST).map_err(|error| AccountsError::Hash(error.to_string()))?;
    let now = jiff::Timestamp::from_second(clock.now().as_second()).unwrap_or_default();
    Ok(BTreeMap::from([(format!("{prefix}.password"), hash), (format!("{prefix}.passwordMtime"), now.to_string())]))
}

pub(crate) async fn get(cluster: &Cluster, namespace: &str, name: &str) -> Result<Option<LiveObject>, ClusterError> {
    cluster.get(&key(namespace, name)).await
}

/// Sets entries of a Secret of ours that was looked at, or makes it where there was none.
///
/// # Errors
/// [`ClusterError::Conflict`] or [`ClusterError::AlreadyExists`] when somebody else wrote since.
pub(crate) async fn put(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    seen: Option<&LiveObject>,
    data: BTreeMap<String, String>,
) -> Result<LiveObject, ClusterError> {
    match seen {
        Some(seen) => update(cluster, seen, &encoded(data), json!({})).await,
        None => create(cluster, namespace, name, &encoded(data), json!({})).await,
    }
}

async fn update(
    cluster: &Cluster,
    seen: &LiveObject,
    data: &BTreeMap<String, String>,
    annotations: Value,
) -> Result<LiveObject, ClusterError> {
    let metadata = json!({ "resourceVersion": seen.resource_version(), "annotations": annotations });
    let patch = Patch::Merge(json!({ "metadata": metadata, "data": data }));
    cluster.patch(&seen.key(), &patch, PatchOptions::default()).await
}

async fn create(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    data: &BTreeMap<String, String>,
    annotations: Value,
) -> Result<LiveObject, ClusterError> {
    let labels = json!({ "app.kubernetes.io/part-of": "argocd" });
    let metadata = json!({ "name": name, "namespace": namespace, "labels": labels, "annotations": annotations });
    let secret: Value =
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data });
    let malformed = |error: ManifestError| ClusterError::Malformed {
        object: key(namespace, name).to_string(),
        message: error.to_string(),
    };
    cluster.create(&Manifest::new(secret).map_err(malformed)?).await
}

fn key(namespace: &str, name: &str) -> ResourceKey {
    ResourceKey::new("", "Secret", namespace, name)
}

/// As Secrets hold it.
fn encoded(data: BTreeMap<String, String>) -> BTreeMap<String, String> {
    data.into_iter().map(|(entry, value)| (entry, STANDARD.encode(value))).collect()
}
