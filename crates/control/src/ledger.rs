//! What outlives the records of Pipelines, in a Secret of the control plane beside the key that seals them: who may write
//! there could forge all of it. One entry for each Pipeline, by its name; entries are never taken away.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::Secret;
use api::argocd::secret_data;
use api::gantline::Pipeline;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cluster::{ClusterError, Patch, PatchOptions};
use object::{LiveObject, Manifest, ResourceKey};
use promotion::Ledger;
use serde_json::json;

use crate::context::Context;

/// The Secret that has them.
pub const LEDGER_SECRET: &str = "gantline-ledger";
/// Other Pipelines write into the same Secret.
const TRIES: usize = 10;

/// By the name of the Pipeline; why one cannot be read.
pub(crate) type Ledgers = BTreeMap<String, Result<Arc<Ledger>, String>>;

pub(crate) fn read_all(secret: &Secret) -> Ledgers {
    let read = |(name, text): (&String, &String)| (name.clone(), read(name, text).map(Arc::new));
    secret.data.iter().map(read).collect()
}

/// # Errors
/// What it is not, and what to do.
fn read(pipeline: &str, text: &str) -> Result<Ledger, String> {
    serde_json::from_str(text).map_err(|error| {
        format!(
            "data.{pipeline} of the Secret {LEDGER_SECRET} is no ledger: {error}: put the old one back, or take the entry \
             out: then only what Releases and Promotions say counts"
        )
    })
}

/// The ledger of a Pipeline as it is known now; of one that cannot be read, the safest there could be, and why.
pub(crate) fn of(cx: &Context, pipeline: &Pipeline) -> (Arc<Ledger>, Option<String>) {
    match cx.stores.ledgers().get(&pipeline.metadata.name) {
        None => (Arc::default(), None),
        Some(Ok(ledger)) => (Arc::clone(ledger), None),
        Some(Err(why)) => (Arc::new(Ledger::closed(pipeline)), Some(why.clone())),
    }
}

/// Writes a ledger in the place of the one that was seen.
///
/// # Errors
/// [`ClusterError::Conflict`] when that is not the one that stands there, or others write all the time.
pub(crate) async fn write(cx: &Context, pipeline: &str, seen: &Ledger, new: &Ledger) -> Result<(), ClusterError> {
    let key = key(cx);
    for _ in 0..TRIES {
        let live = cx.cluster.get(&key).await?;
        let known = live.as_ref().map(|live| secret_data(live.value())).unwrap_or_default();
        let known = known.get(pipeline).map_or(Ok(Ledger::default()), |text| read(pipeline, text));
        if known.map_err(|why| ClusterError::Malformed { object: key.to_string(), message: why })? != *seen {
            live.map(|live| cx.stores.ledgers.note(live));
            break;
        }
        match put(cx, &key, live.as_ref(), pipeline, new).await {
            Ok(written) => {
                cx.stores.ledgers.note(written);
                return Ok(());
            }
            Err(ClusterError::AlreadyExists { .. } | ClusterError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let message = format!("the ledger of Pipeline {pipeline} was written meanwhile");
    Err(ClusterError::Conflict { object: key.to_string(), message, owners: Vec::new() })
}

async fn put(
    cx: &Context,
    key: &ResourceKey,
    live: Option<&LiveObject>,
    pipeline: &str,
    ledger: &Ledger,
) -> Result<LiveObject, ClusterError> {
    let malformed = |message: String| ClusterError::Malformed { object: key.to_string(), message };
    let text = serde_json::to_vec(ledger).map_err(|error| malformed(error.to_string()))?;
    let data = json!({ pipeline: STANDARD.encode(text) });
    if let Some(live) = live {
        let patch = json!({ "metadata": { "resourceVersion": live.resource_version() }, "data": data });
        return cx.cluster.patch(key, &Patch::Merge(patch), PatchOptions::default()).await;
    }
    let metadata = json!({ "name": LEDGER_SECRET, "namespace": cx.namespace,
        "labels": { "app.kubernetes.io/part-of": "gantline" },
        "annotations": { "gantline.dev/about": "what is quarantined, and what was entered, whatever becomes of Releases" } });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data });
    cx.cluster.create(&Manifest::new(secret).map_err(|error| malformed(error.to_string()))?).await
}

fn key(cx: &Context) -> ResourceKey {
    ResourceKey::new("", "Secret", cx.namespace.as_str(), LEDGER_SECRET)
}
