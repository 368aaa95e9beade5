//! The first start: a signing key, and the password of `admin`, as Argo CD makes them.

use std::collections::BTreeMap;

use api::argocd::secret_data;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use clock::{Clock, Ids};
use cluster::{Cluster, ClusterError, Patch, PatchOptions};
use control::ACCOUNTS_SECRET;
use object::{LiveObject, Manifest, ResourceKey};
use serde_json::{Value, json};

/// Where Argo CD leaves the generated password of `admin` for the installer to read.
pub const INITIAL_PASSWORD_SECRET: &str = "argocd-initial-admin-secret";
/// bcrypt's work factor, as Argo CD uses.
const COST: u32 = 10;

/// Why accounts cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    #[error("the Secrets of the accounts cannot be written: {0}")]
    Cluster(#[from] ClusterError),
    #[error("a password cannot be hashed: {0}")]
    Hash(String),
}

/// Completes `argocd-secret`: the signing key, and a password for `admin` that is also left in
/// `argocd-initial-admin-secret`. What is there already is never changed.
///
/// # Errors
/// When the cluster refuses.
pub async fn prepare(cluster: &Cluster, namespace: &str, clock: &dyn Clock, ids: &Ids) -> Result<(), AccountsError> {
    let key = ResourceKey::new("", "Secret", namespace, ACCOUNTS_SECRET);
    let live = cluster.get(&key).await?;
    let known = live.map(|live| secret_data(live.value())).unwrap_or_default();
    let mut new = BTreeMap::new();
    if known.get("server.secretkey").is_none_or(String::is_empty) {
        new.insert("server.secretkey".to_owned(), STANDARD.encode(ids.key()));
    }
    if known.get("admin.password").is_none_or(String::is_empty) {
        let password = URL_SAFE.encode(&ids.key()[..12]);
        let entries = password_entries("admin", &password, clock)?;
        write(cluster, namespace, INITIAL_PASSWORD_SECRET, BTreeMap::from([("password".to_owned(), password)])).await?;
        new.extend(entries);
    }
    if new.is_empty() {
        return Ok(());
    }
    write(cluster, namespace, ACCOUNTS_SECRET, new).await?;
    Ok(())
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

/// Adds keys to a Secret of ours, which is made when it is not there.
pub(crate) async fn write(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    data: BTreeMap<String, String>,
) -> Result<LiveObject, ClusterError> {
    let data: BTreeMap<String, String> = data.into_iter().map(|(k, v)| (k, STANDARD.encode(v))).collect();
    let key = ResourceKey::new("", "Secret", namespace, name);
    match cluster.patch(&key, &Patch::Merge(json!({ "data": data })), PatchOptions::default()).await {
        Err(error) if is_absent(&error) => {
            let labels = json!({ "app.kubernetes.io/part-of": "argocd" });
            let metadata = json!({ "name": name, "namespace": namespace, "labels": labels });
            let secret: Value =
                json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data });
            match Manifest::new(secret) {
                Ok(secret) => cluster.create(&secret).await,
                Err(error) => Err(ClusterError::Malformed { object: key.to_string(), message: error.to_string() }),
            }
        }
        other => other,
    }
}

fn is_absent(error: &ClusterError) -> bool {
    matches!(error, ClusterError::NotFound { .. })
}
