//! What a sync asks for, done on the cluster.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use api::argocd::{Application, SyncPhase, names};
use clock::Clock;
use cluster::{ApplyOptions, ClusterError, FieldConflict, Patch, PatchOptions, Propagation};
use engine::sync::{Action, Outcome, Verb};
use engine::{Claims, HookDeletePolicy, Permitted, Removal};
use failpoint::Point;
use futures::{FutureExt, future};
use object::{LiveObject, Manifest, ResourceKey};
use serde_json::{Value, json};

use crate::context::Context;
use crate::facts::{About, Fact};
use crate::reach::Hand;
use crate::sites::Site;
use crate::stays::{self, Going};

/// Between two waves, so that controllers see the first one (Argo CD's `ARGOCD_SYNC_WAVE_DELAY`).
const BETWEEN_WAVES: Duration = Duration::from_secs(2);
/// How often an object that is deleted to be created anew is asked for, and how often in all.
const GONE_EVERY: Duration = Duration::from_millis(500);
const GONE_TRIES: usize = 120;
/// How often a new definition is asked for until its kind is served, and how often in all.
const ESTABLISHED_EVERY: Duration = Duration::from_millis(100);
const ESTABLISHED_TRIES: usize = 30;

/// Whose actions they are.
pub(crate) struct Party<'a> {
    pub(crate) app: &'a Application,
    pub(crate) about: About,
    pub(crate) claims: Claims,
}

/// Does all actions at the same time; the outcomes are in their order.
pub(crate) async fn execute(cx: &Context, site: &Site, party: &Party<'_>, actions: Vec<Action>) -> Vec<Outcome> {
    // boxed: the compiler cannot see otherwise that the futures may move between threads
    let all: Vec<_> = actions.into_iter().map(|action| perform(cx, site, party, action).boxed()).collect();
    future::join_all(all).await
}

async fn perform(cx: &Context, site: &Site, party: &Party<'_>, action: Action) -> Outcome {
    let point = point_of(&action);
    point.into_iter().for_each(failpoint::before);
    let done = match action {
        Action::EndWave { last: true, .. } => Ok(String::new()),
        Action::EndWave { last: false, .. } => {
            cx.lending(cx.clock.sleep(BETWEEN_WAVES)).await;
            Ok(String::new())
        }
        Action::Delete { object, propagation, prune } => delete(cx, site, party, &object, propagation, prune).await,
        Action::SetFinalizers { object, finalizers } => {
            let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
            match site.hand(&object).patch(&patch, manager()).await {
                Ok(_) | Err(ClusterError::NotFound { .. }) => Ok(String::new()),
                Err(error) => Err(error.to_string()),
            }
        }
        Action::Write { object, verb, dry_run, force, server_side, validate } => {
            let write = Write { hand: site.hand(&object), verb, dry_run, force, server_side, validate };
            write.run(cx, site, party).await
        }
    };
    point.into_iter().for_each(failpoint::after);
    match done {
        Ok(words) => Outcome::Done(words),
        Err(reason) => Outcome::Failed(reason),
    }
}

/// Where a test may end the process.
fn point_of(action: &Action) -> Option<Point> {
    match action {
        Action::Write { dry_run: true, .. } | Action::EndWave { .. } | Action::SetFinalizers { .. } => None,
        Action::Write { object, .. } => {
            let phases = engine::hook_phases(object.object());
            let after = phases.contains(&SyncPhase::PostSync);
            let hook = if after { Point::PostSync } else { Point::PreSync };
            Some(if engine::is_hook(object.object()) { hook } else { Point::Apply })
        }
        Action::Delete { prune, .. } => Some(if *prune { Point::Prune } else { Point::HookDelete }),
    }
}

fn manager() -> PatchOptions<'static> {
    PatchOptions { manager: names::FIELD_MANAGER, ..PatchOptions::default() }
}

/// A Namespace goes only while nothing else goes with it, also of what came into it since it was compared.
async fn may_go(cx: &Context, site: &Site, app: &Application, key: &ResourceKey, prune: bool) -> Result<(), String> {
    if !stays::is_namespace(key) {
        return Ok(());
    }
    let going = if prune { Going::Own } else { Going::OwnHooks };
    match stays::of_namespace(cx, site, app, &key.name, going).await {
        Ok(None) => Ok(()),
        Ok(Some(stay)) => Err(format!("Namespace/{} stays: {stay}", key.name)),
        Err(error) => Err(error.to_string()),
    }
}

async fn delete(
    cx: &Context,
    site: &Site,
    party: &Party<'_>,
    object: &Permitted<Removal>,
    propagation: engine::sync::Propagation,
    prune: bool,
) -> Result<String, String> {
    may_go(cx, site, party.app, object.key(), prune).await?;
    let propagation = match propagation {
        engine::sync::Propagation::Foreground => Propagation::Foreground,
        engine::sync::Propagation::Background => Propagation::Background,
        engine::sync::Propagation::Orphan => Propagation::Orphan,
    };
    match site.hand(object).delete(propagation).await {
        // another object of that name is not ours to delete
        Ok(_) | Err(ClusterError::Conflict { .. } | ClusterError::UnknownKind { .. }) => {}
        Err(error) => return Err(error.to_string()),
    }
    site.live.note_deleted(object.key());
    if prune {
        cx.facts.tell(&Fact::Pruned { app: party.about.clone(), object: object.key().clone() });
    }
    Ok("pruned".to_owned())
}

/// The object as it is then, and what was done to it, as kubectl says it.
type Written = (LiveObject, Cow<'static, str>);

struct Write<'a> {
    hand: Hand<'a, Manifest>,
    verb: Verb,
    dry_run: bool,
    force: bool,
    server_side: bool,
    validate: bool,
}

impl Write<'_> {
    async fn run(&self, cx: &Context, site: &Site, party: &Party<'_>) -> Result<String, String> {
        let written = match self.verb {
            Verb::Apply if self.server_side => match self.migrate(site).await {
                Ok(()) => self.apply(cx, &party.about).await,
                Err(error) => Err(error),
            },
            Verb::Apply => self.apply_by_client(site).await,
            Verb::Create => self.create().await,
            Verb::Update | Verb::Replace => self.put().await,
        };
        let written = match written {
            Err(error @ ClusterError::Invalid { .. }) if self.is_forced() => {
                match self.may_be_made_anew(cx, site, party).await {
                    Ok(()) if self.dry_run => self.tried(site, error).await,
                    Ok(()) => cx.lending(self.anew(site.cluster.clock())).await,
                    Err(why) => Err(refused(error, &why)),
                }
            }
            Err(error) if self.dry_run && self.goes_first(&error) => self.tried(site, error).await,
            other => other,
        };
        match written {
            Ok((object, word)) => {
                if !self.dry_run {
                    self.established(site).await;
                    // a kind that this sync brought has not been watched yet
                    let _ = site.live.ensure(&self.hand.key().group_kind()).await;
                    site.live.note(object);
                }
                Ok(format!("{} {word}", self.title()))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether the old object goes where the API server refuses the change.
    fn is_forced(&self) -> bool {
        self.force || self.verb == Verb::Replace
    }

    /// Whether what the API server has against the change does not count: the hook of before goes before the new one comes.
    fn goes_first(&self, error: &ClusterError) -> bool {
        let object = self.hand.manifest();
        let goes_first = engine::is_hook(object)
            && engine::hook_delete_policies(object).contains(&HookDeletePolicy::BeforeHookCreation);
        goes_first && matches!(error, ClusterError::Invalid { .. } | ClusterError::Conflict { .. })
    }

    /// What the server says of the object where nothing is in its place.
    async fn tried(&self, site: &Site, error: ClusterError) -> Result<Written, ClusterError> {
        let tried = site.cluster.predict_new(self.hand.manifest(), self.validate).await;
        // what it says of an object under another name is not for people
        tried.map(|object| (object, "made anew".into())).map_err(|_| error)
    }

    /// Whether what is there may be deleted: it is the Application's own, and nobody else needs it.
    async fn may_be_made_anew(&self, cx: &Context, site: &Site, party: &Party<'_>) -> Result<(), String> {
        let Some(live) = self.hand.get().await.map_err(|error| error.to_string())? else { return Ok(()) };
        party.claims.against_anew(&live)?;
        let key = std::slice::from_ref(self.hand.key());
        let stay = stays::wanted_elsewhere(cx, site, party.app, key).into_values().next();
        stay.map_or(Ok(()), |stay| Err(format!("it is not made anew (Force, Replace): {stay}")))
    }

    /// After a definition was written: until its kind is served, so that objects of it can follow. One that never is fails
    /// with them.
    async fn established(&self, site: &Site) {
        if self.hand.key().kind != "CustomResourceDefinition" {
            return;
        }
        for _ in 0..ESTABLISHED_TRIES {
            match self.hand.get().await {
                Ok(Some(live)) if !is_established(&live) => site.cluster.clock().sleep(ESTABLISHED_EVERY).await,
                _ => break,
            }
        }
    }

    /// `deployment.apps/web`
    fn title(&self) -> String {
        let ResourceKey { group, kind, name, .. } = self.hand.key();
        let kind = kind.to_lowercase();
        let kind = if group.is_empty() { kind } else { format!("{kind}.{group}") };
        format!("{kind}/{name}")
    }

    /// What was applied by the client before is handed over first, so that what is not wanted any more goes.
    async fn migrate(&self, site: &Site) -> Result<(), ClusterError> {
        let known = site.live.peek(self.hand.key());
        if self.dry_run || known.is_none_or(|live| engine::migrated(&live, names::FIELD_MANAGER).is_none()) {
            return Ok(());
        }
        for _ in 0..PATCH_TRIES {
            let Some(live) = self.hand.get_of().await? else { return Ok(()) };
            let Some(fields) = engine::migrated(&live, names::FIELD_MANAGER) else { return Ok(()) };
            let patch = json!([
                { "op": "replace", "path": "/metadata/managedFields", "value": fields },
                { "op": "replace", "path": "/metadata/resourceVersion", "value": live.resource_version() },
            ]);
            match self.hand.patch_of(&Patch::Json(patch), self.options()).await {
                Err(ClusterError::Conflict { .. }) => {}
                other => return other.map(drop),
            }
        }
        Ok(())
    }

    /// Takes fields back from people and their tools; from another controller that applies the same object, or that
    /// scales it, it does not: they would undo each other for ever.
    async fn apply(&self, cx: &Context, app: &About) -> Result<Written, ClusterError> {
        let options = ApplyOptions {
            manager: names::FIELD_MANAGER,
            force: self.force,
            dry_run: self.dry_run,
            validate: self.validate,
        };
        let refused = match self.hand.apply(options).await {
            Err(ClusterError::Conflict { owners, message, object }) if !owners.is_empty() => (owners, message, object),
            other => return other.map(|object| (object, "serverside-applied".into())),
        };
        let (owners, message, object) = refused;
        let live = self.hand.get().await?;
        let rivals: Vec<&FieldConflict> =
            owners.iter().filter(|owner| live.as_ref().is_some_and(|live| is_rival(live, &owner.manager))).collect();
        if rivals.is_empty() {
            let forced = self.hand.apply(ApplyOptions { force: true, ..options }).await?;
            return Ok((forced, "serverside-applied".into()));
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
    async fn apply_by_client(&self, site: &Site) -> Result<Written, ClusterError> {
        let wanted = engine::with_last_applied(self.hand.manifest());
        let mut tries = 0;
        loop {
            let Some(live) = self.hand.get_of().await? else {
                return Ok((self.created(&wanted).await?, "created".into()));
            };
            let Some(mut patch) = engine::merge_patch(live.value(), &engine::client_side(&wanted, &live)) else {
                return Ok((live, "unchanged".into()));
            };
            // lists are written whole: not over what somebody changed meanwhile
            patch["metadata"]["resourceVersion"] = live.resource_version().into();
            match self.hand.patch_of(&Patch::Merge(patch), self.options()).await {
                Err(ClusterError::Conflict { .. }) if tries < PATCH_TRIES => tries += 1,
                Err(error) => return Err(error),
                Ok(patched) => return Ok((patched, self.configured(site, &live).await?)),
            }
        }
    }

    fn options(&self) -> PatchOptions<'static> {
        let validation = if self.validate { "Strict" } else { "Ignore" };
        PatchOptions { dry_run: self.dry_run, validation, ..manager() }
    }

    /// In the words of kubectl, which calls itself nothing in Argo CD.
    async fn configured(&self, site: &Site, live: &LiveObject) -> Result<Cow<'static, str>, ClusterError> {
        if live.annotation(engine::LAST_APPLIED).is_some() {
            return Ok("configured".into());
        }
        let plural = &site.cluster.resource(&self.hand.key().group_kind()).await?.plural;
        Ok(format!(
            "configured. Warning: resource {plural}/{} is missing the {} annotation which is required by  apply.  apply should \
             only be used on resources created declaratively by either  create --save-config or  apply. The missing \
             annotation will be patched automatically.",
            live.name(),
            engine::LAST_APPLIED
        )
        .into())
    }

    async fn created(&self, manifest: &Manifest) -> Result<LiveObject, ClusterError> {
        self.hand.create(manifest, self.options()).await
    }

    async fn create(&self) -> Result<Written, ClusterError> {
        Ok((self.created(self.hand.manifest()).await?, "created".into()))
    }

    async fn put(&self) -> Result<Written, ClusterError> {
        let mut wanted = self.hand.manifest().clone();
        if let Some(live) = self.hand.get().await?
            && let Some(Value::Object(metadata)) = wanted.value_mut().get_mut("metadata")
        {
            metadata.insert("resourceVersion".to_owned(), live.resource_version().into());
        }
        Ok((self.hand.put(&wanted, self.options()).await?, "replaced".into()))
    }

    async fn anew(&self, clock: &Arc<dyn Clock>) -> Result<Written, ClusterError> {
        if let Some(live) = self.hand.get().await? {
            self.hand.delete_live(&live).await?;
        }
        for _ in 0..GONE_TRIES {
            if self.hand.get().await?.is_none() {
                break;
            }
            clock.sleep(GONE_EVERY).await;
        }
        Ok((self.hand.create(self.hand.manifest(), self.options()).await?, "replaced".into()))
    }
}

/// What the API server has against a change, with why the object does not go for it.
fn refused(error: ClusterError, why: &str) -> ClusterError {
    match error {
        ClusterError::Invalid { object, message } => {
            ClusterError::Invalid { object, message: format!("{message}; {why}") }
        }
        other => other,
    }
}

/// So often a client-side apply is tried against others who write the same object (kubectl 1.36).
const PATCH_TRIES: usize = 5;

fn is_established(definition: &LiveObject) -> bool {
    let conditions = definition.value().pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|it| it["type"] == "Established" && it["status"] == "True")
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
}
