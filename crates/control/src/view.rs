//! One Application looked at closely: its objects with their differences, the tree below them, and why it is not green.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::argocd::{Application, Condition, ConditionType, SyncOperation};
use cluster::{Cause, ClusterError};
use engine::sync::SyncOptions;
use engine::{ExplainInput, Explanation, Foreseen, LiveState, Reason, ResourceTree, explain, tree};
use object::{GroupKind, LiveObject, Manifest, ResourceKey};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::context::Context;
use crate::controller::Controller;
use crate::live::{Compared, belonging, compared, kinds_of, live_of, site_of, visible, watch_resources};
use crate::memory::Memory;
use crate::patience::within;
use crate::queue::{Depth, Request};
use crate::reconcile::{Judged, judge};
use crate::sites::Site;
use crate::source::{Sources, Wanted, wanted};
use crate::stores::AppKey;
use crate::sync;

/// How long somebody who looks on waits for repositories and clusters.
const PATIENCE: Duration = Duration::from_secs(10);

/// One object of an Application, as it should be and as it is. Secret values are replaced.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedResource {
    pub group: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub hook: bool,
    /// It differs, is missing, or is to be pruned.
    pub modified: bool,
    pub requires_pruning: bool,
    pub desired: Option<Value>,
    pub live: Option<Value>,
    pub fields: Vec<FieldChange>,
    /// What a sync does with it, with the object before and after; absent where it does nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ResourceChange>,
    /// Why the API server would refuse the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What a sync does with an object, without what the API server writes by itself.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceChange {
    /// `create`, `update` or `prune`.
    pub action: &'static str,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// What an Application's objects are compared with.
#[derive(Debug, Clone, Default)]
pub enum Against {
    /// What it wants.
    #[default]
    Itself,
    /// Its source at another revision.
    Revision(String),
    /// What somebody has at hand.
    Manifests(Vec<Manifest>),
}

/// A field that is not as it should be.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Value>,
    /// The field manager who wrote it, where the object tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
}

impl Controller {
    /// The Application that people call `web`, or `team/web` outside the control plane's namespace.
    pub fn application(&self, name: &str) -> Option<Arc<Application>> {
        self.context.stores.application(&self.key(name))
    }

    fn key(&self, name: &str) -> AppKey {
        AppKey::said(name, &self.context.namespace)
    }

    /// Every object that the Application wants or has, compared now.
    ///
    /// # Errors
    /// The conditions that say why it cannot be compared.
    pub async fn managed_resources(
        &self,
        app: &Application,
        against: Against,
    ) -> Result<Vec<ManagedResource>, Vec<Condition>> {
        let compared = match against {
            Against::Itself => self.judged(app).await?.0.compared,
            Against::Revision(revision) => in_time(app, self.compared_at(app, &revision)).await?,
            Against::Manifests(manifests) => in_time(app, self.compared_with(app, manifests)).await?,
        };
        let sync = SyncOperation { sync_options: app.spec.sync_options().to_vec(), ..SyncOperation::default() };
        let (comparison, options) = (&compared.comparison, SyncOptions::new(&sync, false));
        let foreseen = |object| comparison.foreseen(object, &compared.options.ignore, |live| options.keeps(live));
        Ok(comparison.objects.iter().map(|object| managed(object, foreseen(object))).collect())
    }

    /// Nothing of it is remembered: the next look is at what the Application wants again.
    async fn compared_at(&self, app: &Application, revision: &str) -> Result<Compared, Vec<Condition>> {
        let (cx, mut memory) = (&self.context, Memory::default());
        let site = site_of(cx, app)?;
        let wanted = wanted_at(cx, app, revision, &mut memory).await?;
        compared(cx, &site, app, &wanted, &mut memory).await.map_err(|condition| vec![condition])
    }

    /// As [`Self::compared_at`].
    async fn compared_with(&self, app: &Application, manifests: Vec<Manifest>) -> Result<Compared, Vec<Condition>> {
        let (cx, wanted) = (&self.context, Wanted::at_hand(manifests));
        let site = site_of(cx, app)?;
        compared(cx, &site, app, &wanted, &mut Memory::default()).await.map_err(|condition| vec![condition])
    }

    /// What the Application's objects own, with health. It is the only way to what is there besides comparisons, and has
    /// nothing that the project does not permit: logs, Events and explanations go by it.
    ///
    /// # Errors
    /// When the cluster is not known, or had to be asked and did not answer.
    pub async fn resource_tree(&self, app: &Application) -> Result<ResourceTree, ClusterError> {
        let site = self.context.sites.at(&app.spec.destination)?;
        let cx = &self.context;
        let mut keys = roots(app);
        let found = async {
            watch_resources(&site, &kinds_of(cx, &site, app)).await?;
            let visible = visible(cx, &site, app, keys.iter().map(ResourceKey::group_kind).collect());
            keys.retain(|key| visible.check(key).is_ok());
            live_of(cx, &site, app, keys.iter().cloned().collect()).await
        };
        let live = timeout(PATIENCE, found).await.map_err(|_| unanswered(app))??;
        let all = with_descendants(&site, live);
        let visible = visible(cx, &site, app, kinds_in(&all));
        Ok(tree(&all, &keys, &visible, &cx.health()))
    }

    /// Why the Application is not Synced or not Healthy.
    pub async fn explain(&self, app: &Application) -> Explanation {
        let (judged, tree) = tokio::join!(Box::pin(self.judged(app)), Box::pin(self.resource_tree(app)));
        let (judged, tree) = (judged.ok(), tree.ok());
        let comparison = judged.as_ref().map(|(judged, _)| &judged.compared.comparison);
        let now = self.context.clock.now();
        let decision = judged
            .as_ref()
            .map(|(judged, memory)| sync::decision_for(&self.context, app, memory, &judged.compared.comparison, now));
        let explained = explain(&ExplainInput {
            application: app,
            comparison,
            tree: tree.as_ref(),
            decision: decision.as_ref(),
            next_refresh: None,
            now,
        });
        self.with_who_mends(app, explained)
    }

    /// What a cluster does or refuses is not for those who push or deploy to mend.
    fn with_who_mends(&self, app: &Application, explained: Explanation) -> Explanation {
        let site = self.context.sites.at(&app.spec.destination);
        let who = match &site {
            Err(unknown) if unknown.is_unknown() => UNKNOWN_CLUSTER.to_owned(),
            _ => format!("whoever looks after cluster {:?}", app.spec.destination.cluster()),
        };
        let out = site.and_then(|site| site.answers()).is_err();
        let of_cluster =
            |message: &str| (out && message.contains("cluster \"")) || ClusterError::is_told_for_its_keepers(message);
        let mended =
            |reason: Reason| if of_cluster(&reason.message) { Reason { who: who.clone(), ..reason } } else { reason };
        Explanation { reasons: explained.reasons.into_iter().map(mended).collect(), ..explained }
    }

    /// Compared for somebody who looks on, with what is remembered then.
    async fn judged(&self, app: &Application) -> Result<(Judged, Memory), Vec<Condition>> {
        let mut memory = self.context.memory(&AppKey::of(app));
        let request = Request { depth: Depth::Live, since: self.context.clock.now() };
        let judged = in_time(app, judge(&self.context, app, request, &mut memory)).await?;
        Ok((judged, memory))
    }
}

/// What somebody who looks on waits for, and no longer than they would.
async fn in_time<T>(
    app: &Application,
    work: impl Future<Output = Result<T, Vec<Condition>>>,
) -> Result<T, Vec<Condition>> {
    within(PATIENCE, work).await.ok_or_else(|| vec![too_slow(app)])?
}

/// What the Application wants at a revision.
async fn wanted_at(
    cx: &Context,
    app: &Application,
    revision: &str,
    memory: &mut Memory,
) -> Result<Wanted, Vec<Condition>> {
    let mut sources = Sources::of(app);
    match sources.list.as_mut_slice() {
        [source] => source.target_revision = revision.to_owned(),
        several => {
            let (name, count) = (&app.metadata.name, several.len());
            let why =
                format!("{name} has {count} sources: it is not certain which of them {revision:?} is a revision of");
            return Err(vec![Condition::new(ConditionType::InvalidSpecError, why)]);
        }
    }
    sources.own = false;
    let request = Request { depth: Depth::Latest, since: cx.clock.now() };
    wanted(cx, app, &sources, memory, request).await.map_err(|condition| vec![condition])
}

fn unanswered(app: &Application) -> ClusterError {
    let (cluster, seconds) = (app.spec.destination.cluster(), PATIENCE.as_secs());
    let message = format!("cluster {cluster:?} has not answered within {seconds} seconds");
    let object = format!("the objects of {}", app.metadata.name);
    ClusterError::Unreachable { object, cause: Cause::Silent, message }
}

fn too_slow(app: &Application) -> Condition {
    let (cluster, seconds) = (app.spec.destination.cluster(), PATIENCE.as_secs());
    let message = format!(
        "neither cluster {cluster:?} nor the repositories have told within {seconds} seconds how it compares now: what is \
         known stands in its status"
    );
    Condition::new(ConditionType::ComparisonError, message)
}

const UNKNOWN_CLUSTER: &str = "whoever edits the Application, or adds clusters to Gantline";

fn roots(app: &Application) -> BTreeSet<ResourceKey> {
    let key = |r: &api::argocd::ResourceStatus| ResourceKey::new(&*r.group, &*r.kind, &*r.namespace, &*r.name);
    app.status.resources.iter().map(key).collect()
}

/// The pods below an Application that are not ending, as they were last seen.
pub(crate) fn pods(cx: &Context, app: &Application) -> Vec<LiveObject> {
    let Ok(site) = cx.sites.at(&app.spec.destination) else { return Vec::new() };
    let own = LiveState::new(belonging(cx, &site, app).map(Arc::new));
    let visible = visible(cx, &site, app, kinds_in(&own));
    let own = own.iter().filter(|object| visible.check(&object.key()).is_ok()).cloned();
    let all = with_descendants(&site, LiveState::new(own));
    let is_pod = |object: &LiveObject| object.gvk().kind == "Pod" && object.deletion_timestamp().is_none();
    // a project that permits Deployments means their pods, too
    let pods = all.iter().filter(|object| is_pod(object) && visible.reaches(&object.key()));
    pods.map(|pod| LiveObject::clone(pod)).collect()
}

fn kinds_in(live: &LiveState) -> BTreeSet<GroupKind> {
    live.iter().map(|object| object.gvk().group_kind()).collect()
}

/// Adds what the objects own, directly and through others.
fn with_descendants(site: &Site, mut live: LiveState) -> LiveState {
    let children = site.live.owned_by(live.iter().map(|object| object.uid()));
    children.into_iter().for_each(|child| live.insert(Arc::new(child)));
    live
}

fn managed(object: &engine::Compared, foreseen: Option<Foreseen>) -> ManagedResource {
    let key = &object.key;
    let fields = object.differences.iter().map(|difference| FieldChange {
        path: difference.path.clone(),
        desired: difference.desired.clone(),
        live: difference.live.clone(),
        changed_by: difference.owner.as_ref().map(|owner| owner.manager.clone()),
    });
    ManagedResource {
        group: key.group.clone(),
        kind: key.kind.clone(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        hook: object.hook,
        modified: object.status == Some(api::argocd::SyncStatusCode::OutOfSync),
        requires_pruning: object.requires_pruning(),
        desired: object.target.as_ref().map(shown),
        live: object.live.as_ref().map(|live| shown(live.manifest())),
        fields: fields.collect(),
        change: foreseen.map(changed),
        refused: object.refused.clone(),
    }
}

fn changed(foreseen: Foreseen) -> ResourceChange {
    let Foreseen { change, mut before, mut after } = foreseen;
    let is_secret = |value: &Value| value["kind"] == "Secret" && value["apiVersion"] == "v1";
    if before.iter().chain(&after).any(is_secret) {
        hide_both(before.as_mut(), after.as_mut());
    }
    for value in [&mut before, &mut after].into_iter().flatten() {
        without_copy(value);
    }
    ResourceChange { action: change.as_str(), before, after }
}

/// Hides what two states of a Secret keep: that a value changes can still be seen.
fn hide_both(before: Option<&mut Value>, after: Option<&mut Value>) {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (one, other) => return one.into_iter().chain(other).for_each(hide_secret),
    };
    let (was, becomes) = (before.clone(), after.clone());
    hide_secret(before);
    hide_secret(after);
    for part in ["data", "stringData"] {
        for (name, value) in before.get_mut(part).and_then(Value::as_object_mut).into_iter().flatten() {
            if was[part][name.as_str()] != becomes[part][name.as_str()] {
                *value = json!("++++++++++++");
            }
        }
    }
}

/// An object for people: without managed fields, and without what a Secret keeps.
fn shown(manifest: &Manifest) -> Value {
    let mut value = manifest.value().clone();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    without_copy(&mut value);
    if manifest.gvk().kind == "Secret" && manifest.gvk().group.is_empty() {
        hide_secret(&mut value);
    }
    value
}

/// kubectl keeps a copy of the whole object in an annotation.
fn without_copy(value: &mut Value) {
    let annotations = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    annotations.map(|annotations| annotations.remove("kubectl.kubernetes.io/last-applied-configuration"));
}

/// Also what was written in a place or a shape that is wrong.
fn hide_secret(value: &mut Value) {
    let parts = value.as_object_mut().into_iter().flatten();
    let known = |name: &str| matches!(name, "apiVersion" | "kind" | "metadata" | "type" | "immutable");
    parts.filter(|(name, _)| !known(name)).for_each(|(_, part)| hide(part));
}

fn hide(part: &mut Value) {
    match part {
        Value::Object(values) => values.values_mut().for_each(|value| *value = json!("++++++++")),
        other => *other = json!("++++++++"),
    }
}

#[cfg(test)]
mod tests {
    use engine::Change;

    use super::*;

    #[test]
    fn a_change_of_a_secret_is_seen_and_not_shown() {
        let secret = |old: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": old, "b": "hidden"}});
        let change = |before, after| changed(Foreseen { change: Change::Update, before, after });
        let both = change(Some(secret("hidden1")), Some(secret("hidden2")));
        let (before, after) = (both.before.unwrap(), both.after.unwrap());
        assert_ne!(before["data"]["a"], after["data"]["a"]);
        assert_eq!(before["data"]["b"], after["data"]["b"]);
        assert!(before.get("stringData").is_none(), "{before}");
        let created = change(None, Some(secret("hidden3"))).after.unwrap();
        assert!(![before, after, created].iter().any(|shown| shown.to_string().contains("hidden")));
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "managedFields": [],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hidden", "a": "b"}},
            "data": {"password": "aGlkZGVu"}, "stringData": {"token": "hidden"}});
        let text = shown(&Manifest::new(secret).unwrap()).to_string();
        assert!(!text.contains("hidden") && !text.contains("aGlkZGVu"), "{text}");
        for slip in [json!({"data": "hidden"}), json!({"stringdata": {"a": "hidden"}}), json!({"data": ["hidden"]})] {
            let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
            secret.as_object_mut().unwrap().extend(slip.as_object().unwrap().clone());
            let text = shown(&Manifest::new(secret).unwrap()).to_string();
            assert!(!text.contains("hidden"), "{text}");
        }
        assert!(text.contains("password") && text.contains("\"a\":\"b\""), "{text}");
    }
}
