//! The key that seals what Gantline writes down: in a Secret of the control plane, made once. Who may read it could forge
//! approvals.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::meta::ObjectMeta;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cluster::{Change, Cluster, ClusterError};
use git::CommitInfo;
use jiff::Timestamp;
use object::{Manifest, ResourceKey};
use promotion::{PROMOTION_ID, PROMOTION_SEAL, Record, Seal, SealedCommit, Trust};
use serde_json::json;

use crate::context::Context;
use crate::wake::News;

const SECRET: &str = "gantline-records";
const KEY: &str = "key";

/// What was seen of each record, by uid: what was believed of it need not be proven again, and nothing is believed that is
/// older than what was seen, though it was sealed once. As it was believed last it is set back to when somebody writes past
/// us. Forgotten with the record, lost with the process.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<String, Known>>);

#[derive(Debug, Clone, Default)]
struct Known {
    version: String,
    holds: bool,
    writes: u64,
    /// Shared with the store, as long as the record stands as it was believed.
    last: Option<Arc<dyn Any + Send + Sync>>,
}

impl Seen {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the record was written, as far as is known.
    pub(crate) fn writes(&self, uid: &str) -> u64 {
        self.all().get(uid).map_or(0, |known| known.writes)
    }

    fn knows(&self, uid: &str) -> bool {
        self.all().contains_key(uid)
    }

    fn forget(&self, uid: &str) {
        self.all().remove(uid);
    }
}

/// Believes what is sealed and not older than what was seen.
pub(crate) struct Believing<'a> {
    pub(crate) seal: &'a Seal,
    pub(crate) seen: &'a Seen,
}

impl Trust for Believing<'_> {
    fn trusts<R: Record>(&self, record: &Arc<R>, now: Timestamp) -> bool {
        let ObjectMeta { uid, resource_version, .. } = record.metadata();
        let (version, writes) = (resource_version.clone(), record.writes());
        let known = self.seen.all().get(uid).cloned().unwrap_or_default();
        let holds = match !record.is_new() && known.version == version {
            true => known.holds,
            false => writes >= known.writes && self.seal.trusts(&**record, now),
        };
        let mut all = self.seen.all();
        let known = all.entry(uid.clone()).or_default();
        (known.version, known.holds) = (version, holds);
        // who looked at the same time may have seen a later one
        if holds && writes >= known.writes {
            (known.writes, known.last) = (writes, Some(Arc::clone(record) as _));
        }
        holds
    }

    fn last<R: Record>(&self, record: &R) -> Option<Arc<R>> {
        let last = self.seen.all().get(&record.metadata().uid)?.last.clone()?;
        last.downcast().ok()
    }
}

/// Hears how records change, so that what is remembered of one is what it said last, whoever wrote it.
pub(crate) fn hear(cx: &Context, news: &News) {
    match news {
        News::Release(change) => {
            changed(cx, change, |key| cx.stores.releases.why_unreadable(&key.namespace, &key.name))
        }
        News::Promotion(change) => {
            changed(cx, change, |key| cx.stores.promotions.why_unreadable(&key.namespace, &key.name));
        }
        _ => {}
    }
}

/// What nobody has looked at yet is not remembered for that. One that cannot be read is there still.
fn changed<R: Record>(cx: &Context, change: &Change<R>, unreadable: impl Fn(&ResourceKey) -> Option<Arc<str>>) {
    let uid = |record: &Arc<R>| record.metadata().uid.clone();
    let [old, new] = [&change.old, &change.new].map(|side| side.as_ref().map(uid));
    if let Some(gone) = old.filter(|old| Some(old) != new.as_ref() && unreadable(&change.key).is_none()) {
        cx.records_seen.forget(&gone);
    }
    let new = change.new.as_ref().filter(|new| cx.records_seen.knows(&new.metadata().uid));
    new.into_iter().for_each(|record| note(cx, record));
}

/// Remembers a record as it is, if it is believed.
pub(crate) fn note<R: Record>(cx: &Context, record: &Arc<R>) {
    if let Some(seal) = cx.seal() {
        Believing { seal, seen: &cx.records_seen }.trusts(record, cx.clock.now());
    }
}

/// Whether a commit is that of the promotion whose it says it is: made here, with its parents and its files.
pub(crate) fn is_promotions(seal: &Seal, commit: &CommitInfo) -> bool {
    let parents: Vec<String> = commit.parents.iter().map(ToString::to_string).collect();
    let said = |key: &str| commit.trailers.get(key).unwrap_or_default();
    let sealed = SealedCommit {
        promotion_id: said(PROMOTION_ID),
        parents: &parents,
        tree: &commit.tree,
        message: &format!("{}\n{}", commit.subject, commit.body),
        second: commit.committer.time.as_second(),
    };
    seal.holds_commit(&sealed, said(PROMOTION_SEAL))
}

/// The seal of this control plane. Of several processes that start at once one makes the key, and the others take it.
///
/// # Errors
/// When the cluster does not answer, or what is in the Secret is no key.
pub(crate) async fn seal(cx: &Context) -> Result<Seal, ClusterError> {
    let name = secret(cx);
    if let Some(seal) = read(&cx.cluster, &name).await? {
        return Ok(seal);
    }
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": SECRET, "namespace": cx.namespace,
            "labels": {"app.kubernetes.io/part-of": "gantline"},
            "annotations": {"gantline.dev/about": "seals approvals and releases: without it all of them count for nothing"}},
        "data": {KEY: STANDARD.encode(cx.ids.key())}});
    let manifest = Manifest::new(secret).map_err(|error| unusable(&name, &error.to_string()))?;
    match cx.cluster.create(&manifest).await {
        Ok(_) | Err(ClusterError::AlreadyExists { .. }) => {}
        Err(error) => return Err(error),
    }
    read(&cx.cluster, &name).await?.ok_or_else(|| unusable(&name, "it was deleted at once"))
}

/// Where the key is kept.
fn secret(cx: &Context) -> ResourceKey {
    ResourceKey::new("", "Secret", cx.namespace.as_str(), SECRET)
}

/// Nothing can be written down, nor believed.
pub(crate) fn no_key(cx: &Context) -> ClusterError {
    ClusterError::NotFound { object: format!("the key that seals records ({})", secret(cx)) }
}

/// `None` where there is no Secret. One without a key is none of ours: nothing is written over it.
async fn read(cluster: &Cluster, name: &ResourceKey) -> Result<Option<Seal>, ClusterError> {
    let Some(secret) = cluster.get(name).await? else { return Ok(None) };
    let key = secret.value().pointer("/data/key").and_then(|key| key.as_str()).unwrap_or_default();
    let key = STANDARD.decode(key).ok().filter(|key| key.len() >= 32);
    let key = key.ok_or_else(|| unusable(name, "data.key is no key of 32 bytes or more: put the old one back"))?;
    Ok(Some(Seal::new(key)))
}

fn unusable(name: &ResourceKey, why: &str) -> ClusterError {
    ClusterError::Malformed { object: name.to_string(), message: why.to_owned() }
}
