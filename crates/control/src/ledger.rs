//! What outlives the records of Pipelines, in Secrets of the control plane beside the key that seals them: who may write
//! there could forge all of it. One entry for each Pipeline, by its name; entries are never taken away.

mod entry;

use std::sync::Arc;

use api::argocd::secret_data;
use api::gantline::Pipeline;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cluster::{ClusterError, Patch, PatchOptions};
use object::{LiveObject, Manifest, ResourceKey};
use promotion::Ledger;
use serde_json::json;

use crate::context::Context;

use entry::fitting;
pub(crate) use entry::{bytes, read};

/// The Secrets that have them: a Secret has room for a megabyte, and who writes one entry waits for those who write others
/// of the same Secret. What they are called does not depend on what there is, so that rights can name them.
pub const LEDGER_SECRETS: [&str; 16] = [
    "gantline-ledger-0",
    "gantline-ledger-1",
    "gantline-ledger-2",
    "gantline-ledger-3",
    "gantline-ledger-4",
    "gantline-ledger-5",
    "gantline-ledger-6",
    "gantline-ledger-7",
    "gantline-ledger-8",
    "gantline-ledger-9",
    "gantline-ledger-a",
    "gantline-ledger-b",
    "gantline-ledger-c",
    "gantline-ledger-d",
    "gantline-ledger-e",
    "gantline-ledger-f",
];
/// The Secrets are watched by this label.
pub(crate) const LEDGER_LABEL: &str = "gantline.dev/ledger";
/// Bytes of the 1 MiB of a Secret. What goes beyond is shortened to what each entry would have of them.
const CROWDED: usize = 850 * 1024;
/// Other Pipelines write into the same Secret.
const TRIES: usize = 10;

/// The Secret that has the entry of a Pipeline, whichever version asks.
pub(crate) fn secret_of(pipeline: &str) -> &'static str {
    let hash = pipeline.bytes().fold(0_u8, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte));
    LEDGER_SECRETS[usize::from(hash) % LEDGER_SECRETS.len()]
}

/// The ledger of a Pipeline as it is known now; of one that cannot be read, the safest there could be, and why.
pub(crate) fn of(cx: &Context, pipeline: &Pipeline) -> (Arc<Ledger>, Option<String>) {
    match cx.stores.ledger_of(&pipeline.metadata.name) {
        None => (Arc::default(), None),
        Some(Ok(ledger)) => (ledger, None),
        Some(Err(why)) => (Arc::new(Ledger::closed(pipeline)), Some(why)),
    }
}

/// That there will be no room soon, in the Secret that has the entry of a Pipeline. The API server refuses what is larger,
/// and then nothing goes on in any Pipeline that has its entry there.
pub(crate) fn crowded(cx: &Context, pipeline: &str) -> Option<String> {
    let (name, size) = (secret_of(pipeline), cx.stores.ledger_bytes(pipeline));
    (size > CROWDED).then(|| {
        format!(
            "the Secret {name} is almost full: {} of 1024 KiB; entries of Pipelines that are gone for good may be taken out, \
             with what they quarantine",
            size / 1024
        )
    })
}

/// Writes a ledger in the place of the one that was seen.
///
/// # Errors
/// [`ClusterError::Conflict`] when that is not the one that stands there, or others write all the time.
pub(crate) async fn write(cx: &Context, pipeline: &str, seen: &Ledger, new: &Ledger) -> Result<(), ClusterError> {
    let put = |ledger: &mut Ledger| {
        let is_seen = *ledger == *seen;
        if is_seen {
            ledger.clone_from(new);
        }
        is_seen
    };
    if change(cx, pipeline, put).await? { Ok(()) } else { Err(written_meanwhile(&key(cx, pipeline), pipeline)) }
}

/// Changes a ledger as it stands there now, if that changes anything; what the change says of it.
///
/// # Errors
/// When it cannot be read or written, or others write all the time.
pub(crate) async fn change<T>(
    cx: &Context,
    pipeline: &str,
    change: impl Fn(&mut Ledger) -> T,
) -> Result<T, ClusterError> {
    let key = key(cx, pipeline);
    for _ in 0..TRIES {
        let live = cx.cluster.get(&key).await?;
        let mut others = live.as_ref().map(|live| secret_data(live.value())).unwrap_or_default();
        let known = others.remove(pipeline).map_or(Ok(Ledger::default()), |text| read(pipeline, &text));
        let known = known.map_err(|why| malformed(&key, why))?;
        let mut new = known.clone();
        let told = change(&mut new);
        if new == known {
            live.map(|live| cx.stores.ledgers.note(live));
            return Ok(told);
        }
        let text = fitting(&new, &others).map_err(|error| malformed(&key, error))?;
        match put(cx, &key, live.as_ref(), pipeline, &text).await {
            Ok(written) => {
                cx.stores.ledgers.note(written);
                return Ok(told);
            }
            Err(ClusterError::AlreadyExists { .. } | ClusterError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(written_meanwhile(&key, pipeline))
}

fn written_meanwhile(key: &ResourceKey, pipeline: &str) -> ClusterError {
    let message = format!("the ledger of Pipeline {pipeline} was written meanwhile");
    ClusterError::Conflict { object: key.to_string(), message, owners: Vec::new() }
}

async fn put(
    cx: &Context,
    key: &ResourceKey,
    live: Option<&LiveObject>,
    pipeline: &str,
    text: &str,
) -> Result<LiveObject, ClusterError> {
    let data = json!({ pipeline: STANDARD.encode(text) });
    if let Some(live) = live {
        let patch = json!({ "metadata": { "resourceVersion": live.resource_version() }, "data": data });
        return cx.cluster.patch(key, &Patch::Merge(patch), PatchOptions::default()).await;
    }
    let metadata = json!({ "name": key.name, "namespace": cx.namespace,
        "labels": { "app.kubernetes.io/part-of": "gantline", LEDGER_LABEL: "" },
        "annotations": { "gantline.dev/about": "what is quarantined, what was entered and who was behind it, whatever becomes of Releases" } });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data });
    cx.cluster.create(&Manifest::new(secret).map_err(|error| malformed(key, error))?).await
}

fn malformed(key: &ResourceKey, why: impl ToString) -> ClusterError {
    ClusterError::Malformed { object: key.to_string(), message: why.to_string() }
}

fn key(cx: &Context, pipeline: &str) -> ResourceKey {
    ResourceKey::new("", "Secret", cx.namespace.as_str(), secret_of(pipeline))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn entries_are_spread_and_stay_where_they_are() {
        assert_eq!(secret_of("shop"), "gantline-ledger-6");
        let mut counts = BTreeMap::<&str, usize>::new();
        for number in 0..1_600 {
            *counts.entry(secret_of(&format!("team-{}-shop-{number}", number % 7))).or_default() += 1;
        }
        assert!(counts.len() == 16 && counts.values().all(|count| (50..200).contains(count)), "{counts:?}");
    }
}
