//! What a sync asks for, done on the cluster.

use std::time::Duration;

use api::argocd::names;
use cluster::{ApplyOptions, ClusterError, DeleteOptions, FieldConflict, Patch, PatchOptions, Propagation};
use engine::sync::{Action, Outcome, Verb};
use futures::{FutureExt, future};
use object::{LiveObject, Manifest, ResourceKey};
use serde_json::{Value, json};

use crate::context::Context;
use crate::facts::{About, Fact};
use crate::sites::Site;

/// Between two waves, so that controllers see the first one (Argo CD's `ARGOCD_SYNC_WAVE_DELAY`).
const BETWEEN_WAVES: Duration = Duration::from_secs(2);
/// How often an object that is deleted to be created anew is asked for, and how often in all.
const GONE_EVERY: Duration = Duration::from_millis(500);
const GONE_TRIES: usize = 120;

/// Does all actions at the same time; the outcomes are in their order.
pub(crate) async fn execute(cx: &Context, site: &Site, app: &About, actions: Vec<Action>) -> Vec<Outcome> {
    // boxed: the compiler cannot see otherwise that the futures may move between threads
    let all: Vec<_> = actions.into_iter().map(|action| perform(cx, site, app, action).boxed()).collect();
    future::join_all(all).await
}

async fn perform(cx: &Context, site: &Site, app: &About, action: Action) -> Outcome {
    let done = match action {
        Action::EndWave { last: true, .. } => Ok(String::new()),
        Action::EndWave { last: false, .. } => {
            cx.lending(cx.clock.sleep(BETWEEN_WAVES)).await;
            Ok(String::new())
        }
        Action::Delete { key, uid, propagation, prune } => delete(cx, site, app, &key, uid, propagation, prune).await,
        Action::SetFinalizers { key, finalizers } => {
            let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
            match site.cluster.patch(&key, &patch, manager()).await {
                Ok(_) | Err(ClusterError::NotFound { .. }) => Ok(String::new()),
                Err(error) => Err(error.to_string()),
            }
        }
        Action::Write { key, manifest, verb, dry_run, force, server_side, validate } => {
            let write = Write { key, manifest, verb, dry_run, force, server_side, validate };
            write.run(cx, site, app).await
        }
    };
    match done {
        Ok(words) => Outcome::Done(words),
        Err(reason) => Outcome::Failed(reason),
    }
}

fn manager() -> PatchOptions<'static> {
    PatchOptions { manager: names::FIELD_MANAGER, ..PatchOptions::default() }
}

async fn delete(
    cx: &Context,
    site: &Site,
    app: &About,
    key: &ResourceKey,
    uid: String,
    propagation: engine::sync::Propagation,
    prune: bool,
) -> Result<String, String> {
    let propagation = match propagation {
        engine::sync::Propagation::Foreground => Propagation::Foreground,
        engine::sync::Propagation::Background => Propagation::Background,
        engine::sync::Propagation::Orphan => Propagation::Orphan,
    };
    let options = DeleteOptions { propagation, uid: Some(uid), ..DeleteOptions::default() };
    match site.cluster.delete(key, &options).await {
        // another object of that name is not ours to delete
        Ok(_) | Err(ClusterError::Conflict { .. } | ClusterError::UnknownKind { .. }) => {}
        Err(error) => return Err(error.to_string()),
    }
    site.live.note_deleted(key);
    if prune {
        cx.facts.tell(&Fact::Pruned { app: app.clone(), object: key.clone() });
    }
    Ok("pruned".to_owned())
}

struct Write {
    key: ResourceKey,
    manifest: Manifest,
    verb: Verb,
    dry_run: bool,
    force: bool,
    server_side: bool,
    validate: bool,
}

impl Write {
    async fn run(&self, cx: &Context, site: &Site, app: &About) -> Result<String, String> {
        let written = match self.verb {
            Verb::Apply if self.server_side => self.apply(cx, site, app).await,
            Verb::Apply => self.apply_by_client(site).await,
            Verb::Create => self.create(site).await,
            Verb::Update => self.put(site).await,
            Verb::Replace => self.replace(site).await,
        };
        let written = match written {
            Err(ClusterError::Invalid { .. }) if self.force && !self.dry_run => cx.lending(self.anew(site)).await,
            other => other,
        };
        match written {
            Ok((object, word)) => {
                if !self.dry_run {
                    // a kind that this sync brought has not been watched yet
                    let _ = site.live.ensure(&self.key.group_kind()).await;
                    site.live.note(object);
                }
                Ok(format!("{} {word}", self.title()))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// `deployment.apps/web`
    fn title(&self) -> String {
        let kind = self.key.kind.to_lowercase();
        let kind = if self.key.group.is_empty() { kind } else { format!("{kind}.{}", self.key.group) };
        format!("{kind}/{}", self.key.name)
    }

    /// Takes fields back from people and their tools; from another controller that applies the same object, or that
    /// scales it, it does not: they would undo each other for ever.
    async fn apply(&self, cx: &Context, site: &Site, app: &About) -> Result<(LiveObject, &'static str), ClusterError> {
        let options = ApplyOptions {
            manager: names::FIELD_MANAGER,
            force: self.force,
            dry_run: self.dry_run,
            validate: self.validate,
        };
        let refused = match site.cluster.apply(&self.manifest, options).await {
            Err(ClusterError::Conflict { owners, message, object }) if !owners.is_empty() => (owners, message, object),
            other => return other.map(|object| (object, "serverside-applied")),
        };
        let (owners, message, object) = refused;
        let live = site.cluster.get(&self.key).await?;
        let rivals: Vec<&FieldConflict> =
            owners.iter().filter(|owner| live.as_ref().is_some_and(|live| is_rival(live, &owner.manager))).collect();
        if rivals.is_empty() {
            let forced = site.cluster.apply(&self.manifest, ApplyOptions { force: true, ..options }).await?;
            return Ok((forced, "serverside-applied"));
        }
        let named: Vec<String> =
            rivals.iter().map(|owner| format!("{} owns {}", owner.manager, owner.fields.join(", "))).collect();
        let message = format!(
            "conflict: {}; nothing was changed: take these fields out of Git, or stop the other controller, or set the \
             annotation argocd.argoproj.io/sync-options: Force=true on the object to take them over ({message})",
            named.join("; ")
        );
        if !self.dry_run {
            let with = rivals[0].manager.clone();
            cx.facts.tell(&Fact::Conflicted { app: app.clone(), with, message: message.clone() });
        }
        Err(ClusterError::Conflict { object, message, owners })
    }

    /// As `kubectl apply` does without `--server-side`.
    async fn apply_by_client(&self, site: &Site) -> Result<(LiveObject, &'static str), ClusterError> {
        let mut wanted = self.manifest.clone();
        let text = serde_json::to_string(self.manifest.value()).unwrap_or_default();
        wanted.set_annotation(LAST_APPLIED, &text);
        let Some(live) = site.cluster.get(&self.key).await? else {
            return Ok((self.created(site, &wanted).await?, "created"));
        };
        let last = live.annotation(LAST_APPLIED).and_then(|text| serde_json::from_str::<Value>(text).ok());
        let mut patch = wanted.value().clone();
        if let Some(last) = last {
            forget_removed(&last, &mut patch);
        }
        let custom = self.key.group.contains('.') && !self.key.group.ends_with(".k8s.io");
        let patch = if custom { Patch::Merge(patch) } else { Patch::Strategic(patch) };
        let options = PatchOptions { dry_run: self.dry_run, ..manager() };
        let patched = site.cluster.patch(&self.key, &patch, options).await?;
        let same = patched.resource_version() == live.resource_version();
        Ok((patched, if same { "unchanged" } else { "configured" }))
    }

    async fn created(&self, site: &Site, manifest: &Manifest) -> Result<LiveObject, ClusterError> {
        if self.dry_run {
            let options =
                ApplyOptions { manager: names::FIELD_MANAGER, force: true, dry_run: true, validate: self.validate };
            return site.cluster.apply(manifest, options).await;
        }
        site.cluster.create(manifest).await
    }

    async fn create(&self, site: &Site) -> Result<(LiveObject, &'static str), ClusterError> {
        Ok((self.created(site, &self.manifest).await?, "created"))
    }

    async fn put(&self, site: &Site) -> Result<(LiveObject, &'static str), ClusterError> {
        let options = PatchOptions { dry_run: self.dry_run, ..manager() };
        let mut wanted = self.manifest.clone();
        if let Some(live) = site.cluster.get(&self.key).await?
            && let Some(Value::Object(metadata)) = wanted.value_mut().get_mut("metadata")
        {
            metadata.insert("resourceVersion".to_owned(), live.resource_version().into());
        }
        Ok((site.cluster.replace(&wanted, options).await?, "replaced"))
    }

    /// An update, or where the kind refuses that, a new object.
    async fn replace(&self, site: &Site) -> Result<(LiveObject, &'static str), ClusterError> {
        match self.put(site).await {
            Err(ClusterError::Invalid { .. }) if !self.dry_run => self.anew(site).await,
            other => other,
        }
    }

    async fn anew(&self, site: &Site) -> Result<(LiveObject, &'static str), ClusterError> {
        if let Some(live) = site.cluster.get(&self.key).await? {
            let uid = Some(live.uid().to_owned());
            let options = DeleteOptions { propagation: Propagation::Foreground, uid, ..DeleteOptions::default() };
            site.cluster.delete(&self.key, &options).await?;
        }
        for _ in 0..GONE_TRIES {
            if site.cluster.get(&self.key).await?.is_none() {
                break;
            }
            site.cluster.clock().sleep(GONE_EVERY).await;
        }
        Ok((site.cluster.create(&self.manifest).await?, "replaced"))
    }
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Puts a null where the last applied state had a field that is not wanted any more.
fn forget_removed(last: &Value, wanted: &mut Value) {
    let (Value::Object(last), Value::Object(wanted)) = (last, wanted) else { return };
    for (name, old) in last {
        match wanted.get_mut(name) {
            Some(new) => forget_removed(old, new),
            None => drop(wanted.insert(name.clone(), Value::Null)),
        }
    }
}

/// Whether the manager is a program that would set its fields again: it applies, or it scales. kubectl never does so by
/// itself.
fn is_rival(live: &LiveObject, manager: &str) -> bool {
    live.managed_fields().iter().any(|entry| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let returns = text("operation") == "Apply" || text("subresource") == "scale";
        text("manager") == manager && returns && !manager.starts_with("kubectl")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_no_rivals_and_controllers_are() {
        let entry = |manager: &str, operation: &str, subresource: &str| json!({"manager": manager, "operation": operation, "subresource": subresource});
        let live = LiveObject::new(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x",
            "managedFields": [entry("kubectl-edit", "Update", ""), entry("kubectl", "Apply", ""),
                entry("kubectl", "Update", "scale"), entry("flux", "Apply", ""), entry("hpa", "Update", "scale"), entry("helm", "Update", "")]}}))
        .unwrap();
        for (manager, rival) in
            [("kubectl-edit", false), ("kubectl", false), ("flux", true), ("hpa", true), ("helm", false), ("x", false)]
        {
            assert_eq!(is_rival(&live, manager), rival, "{manager}");
        }
    }

    #[test]
    fn removed_fields_become_null() {
        let mut wanted = json!({"a": {"b": 1}});
        forget_removed(&json!({"a": {"b": 1, "c": 2}, "d": 3}), &mut wanted);
        assert_eq!(wanted, json!({"a": {"b": 1, "c": null}, "d": null}));
    }
}
