//! Desired against live, by server-side apply: what our field manager owns is compared, what others own is not.
//!
//! Two pure steps with one round of input between them: [`needs_dry_run`] lists the objects whose verdict only the API
//! server can give, the caller asks it, [`compare`] judges.

mod foreseen;
mod there;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use api::argocd::{Condition, ConditionType, ResourceIgnoreDifferences, ResourceStatus, SyncStatusCode, names};
use object::{LiveObject, Manifest, ResourceKey};
use serde_json::Value;

use crate::annotations::{has_option, has_sync_option, is_hook, is_skipped, sync_wave};
use crate::apply::{client_side, merge_patch};
use crate::claims::{Claims, Owner};
use crate::desired::{CompleteSet, Incomplete, KeptNamespace, Targets};
use crate::fields::{FieldDiff, ManagedFields, additions, differences};
use crate::ignore::{IgnoreRules, unsupported};
use crate::live::LiveState;
use crate::permit::{Denied, Permits};
use crate::scope::Scopes;
use crate::stay::{Other, Stay};
use crate::sync::is_by_server;
use crate::tracking::Tracking;

pub use foreseen::{Change, Foreseen};
use there::{There, comparable};

/// What a comparison goes by.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// The instance name of the Application, as in tracking ids.
    pub application: String,
    /// As people are told it: `argocd/web`; empty: as in tracking ids.
    pub qualified: String,
    pub tracking: Tracking,
    pub ignore: Vec<ResourceIgnoreDifferences>,
    /// The field manager that syncs; empty means `argocd-controller`.
    pub manager: String,
    /// Objects are applied by the client, where their own options do not say otherwise.
    pub client_side: bool,
    /// What may be touched.
    pub permits: Permits,
    pub scopes: Scopes,
    /// The destination's namespace, where a sync makes it: it is wanted without a manifest.
    pub own_namespace: Option<ResourceKey>,
    /// Other Applications by their instance names. An object that carries the mark of one of them is shared; the mark of an
    /// Application that is gone is no claim. `None`: every mark counts.
    pub applications: Option<BTreeMap<String, Other>>,
}

impl CompareOptions {
    fn manager(&self) -> &str {
        if self.manager.is_empty() { names::FIELD_MANAGER } else { &self.manager }
    }

    fn claims(&self) -> Claims {
        let (application, tracking) = (self.application.clone(), self.tracking.clone());
        Claims { application, tracking, others: self.applications.clone() }
    }

    fn qualified(&self) -> &str {
        if self.qualified.is_empty() { &self.application } else { &self.qualified }
    }
}

/// Objects that were found in sync, so that unchanged ones need no second look.
#[derive(Debug, Clone, Default)]
pub struct InSyncMarks {
    marks: BTreeMap<ResourceKey, (u64, u64)>,
}

/// What the API server says an apply would make of the object, or why it refuses.
pub type Prediction = Result<LiveObject, String>;

/// What the caller should ask the server with `dryRun=All`: a server-side apply with `force=true`, or, where the object
/// is applied by the client, a JSON merge patch.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    pub key: ResourceKey,
    pub manifest: Manifest,
    pub patch: Option<Value>,
}

/// One object of the Application.
#[derive(Debug, Clone)]
pub struct Compared {
    pub key: ResourceKey,
    pub version: String,
    /// `None`: to be pruned.
    pub target: Option<Manifest>,
    /// `None`: to be created.
    pub live: Option<Arc<LiveObject>>,
    /// What an apply would make of it, where the server was asked.
    pub predicted: Option<LiveObject>,
    pub differences: Vec<FieldDiff>,
    /// `None` for hooks, skipped objects and copies: they have no effect.
    pub status: Option<SyncStatusCode>,
    pub hook: bool,
    /// Extra, but not counted against the Application (`IgnoreExtraneous`).
    pub extraneous: bool,
    /// The object may not be touched: a sync is refused, and the object's own status is Unknown.
    pub forbidden: Option<Denied>,
    /// The other Application that the live object belongs to.
    pub shared_with: Option<Owner>,
    /// Why the API server would refuse the object.
    pub refused: Option<String>,
}

impl Compared {
    /// The instance name of the other Application that it belongs to.
    pub fn owner(&self) -> Option<&str> {
        self.shared_with.as_ref().map(|owner| owner.instance.as_str())
    }

    pub fn requires_pruning(&self) -> bool {
        self.target.is_none() && self.live.is_some() && self.status.is_some()
    }

    /// The object that annotations are read from: the target, else the live one.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.target.as_ref().or(self.live.as_ref().map(|live| live.manifest()))
    }

    /// The object's line in `status.resources`, without health.
    pub fn resource_status(&self) -> ResourceStatus {
        let manifest = self.manifest();
        let confirm = |option| manifest.is_some_and(|m| has_sync_option(m, option));
        ResourceStatus {
            group: self.key.group.clone(),
            version: self.version.clone(),
            kind: self.key.kind.clone(),
            namespace: self.key.namespace.clone(),
            name: self.key.name.clone(),
            status: self.status,
            health: None,
            hook: self.hook,
            // what a hook left is in Argo CD's eyes no part of what is wanted
            requires_pruning: self.requires_pruning() || (self.hook && self.live.is_some()),
            sync_wave: manifest.map_or(0, sync_wave),
            requires_deletion_confirmation: confirm("Delete=confirm") || confirm("Prune=confirm"),
        }
    }
}

/// The verdict on one Application.
#[derive(Debug, Clone)]
pub struct Comparison {
    pub status: SyncStatusCode,
    /// Sorted by group, kind, namespace, name.
    pub objects: Vec<Compared>,
    pub conditions: Vec<Condition>,
    pub proof: Option<CompleteSet>,
    /// Why nothing may be pruned, when there is no proof.
    pub incomplete: Option<Incomplete>,
    /// The destination's namespace, where it is wanted without a manifest that describes it.
    pub(crate) kept_namespace: Option<KeptNamespace>,
    pub(crate) permits: Permits,
    pub(crate) claims: Claims,
    /// Objects that nobody here wants any more, and why they stay all the same: from whoever can look around.
    pub(crate) stays: BTreeMap<ResourceKey, Stay>,
    /// Give these to the next comparison.
    pub marks: InSyncMarks,
}

impl Comparison {
    pub fn get(&self, key: &ResourceKey) -> Option<&Compared> {
        self.objects.iter().find(|object| object.key == *key)
    }

    /// Objects that carry another Application's mark and that it still wants, as `resources_of` its instance name says.
    /// An automated sync leaves them alone: two Applications would undo each other for ever. What the other one does
    /// not want any more is taken over.
    pub fn contested<'a>(&self, resources_of: impl Fn(&str) -> Option<&'a [ResourceStatus]>) -> BTreeSet<ResourceKey> {
        let wants = |object: &&Compared| {
            let resources = object.owner().and_then(&resources_of).unwrap_or_default();
            resources.iter().any(|resource| resource.wants(&object.key))
        };
        self.objects.iter().filter(wants).map(|object| object.key.clone()).collect()
    }

    /// Own objects that are to be hooks now: what a hook says would delete them.
    pub fn becoming_hooks(&self) -> impl Iterator<Item = &ResourceKey> {
        let is_plain =
            |object: &&Compared| object.live.as_ref().is_some_and(|live| !is_hook(live) && self.claims.is_own(live));
        let hooks = self.objects.iter().filter(|object| object.hook && object.target.is_some());
        hooks.filter(is_plain).map(|object| &object.key)
    }

    /// What tells the Application's objects from those of others.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The same where some of what would be pruned stays.
    #[must_use]
    pub fn leaving(mut self, stays: BTreeMap<ResourceKey, Stay>) -> Self {
        let said = stays.iter().map(|(ResourceKey { kind, name, .. }, stay)| {
            Condition::new(ConditionType::SharedResourceWarning, format!("{kind}/{name} stays: {stay}"))
        });
        self.conditions.extend(said);
        self.stays = stays;
        self
    }

    /// Objects that nobody here wants any more and for which nothing is to be done: others need them, or they are being
    /// deleted already.
    pub fn let_be(&self) -> impl Iterator<Item = &ResourceKey> {
        let is_going = |object: &&Compared| {
            object.requires_pruning() && object.live.as_ref().is_some_and(|live| live.deletion_timestamp().is_some())
        };
        self.stays.keys().chain(self.objects.iter().filter(is_going).map(|object| &object.key))
    }

    /// Objects that would be pruned.
    pub fn extra(&self) -> impl Iterator<Item = &ResourceKey> {
        self.objects.iter().filter(|object| object.requires_pruning()).map(|object| &object.key)
    }

    /// Objects that are not as they should be.
    pub fn out_of_sync(&self) -> impl Iterator<Item = &Compared> {
        self.objects.iter().filter(|object| object.status == Some(SyncStatusCode::OutOfSync))
    }
}

/// The objects that only a dry run can judge: something differs by text, but perhaps not by meaning (`1000m` is `1`).
pub fn needs_dry_run(
    targets: &Targets,
    live: &LiveState,
    options: &CompareOptions,
    marks: &InSyncMarks,
) -> Vec<DryRun> {
    let ask = |target: &Manifest| {
        let key = target.key();
        let found = live.get(&key).filter(|_| options.permits.check(&key).is_ok())?;
        let unsure = has_status(target) && matches!(local_verdict(target, found, options, marks), Local::Different(_));
        let patch = || merge_patch(found.value(), &by_client(target, found, options)?);
        unsure.then(|| DryRun { key, manifest: target.clone(), patch: patch() })
    };
    targets.objects.iter().filter_map(ask).collect()
}

/// Judges every desired object and every live one that belongs to the Application.
pub fn compare(
    targets: &Targets,
    live: &LiveState,
    options: &CompareOptions,
    marks: &InSyncMarks,
    predictions: &BTreeMap<ResourceKey, Prediction>,
) -> Comparison {
    let claims = options.claims();
    let mut new_marks = InSyncMarks::default();
    let mut objects = Vec::new();
    let wanted: BTreeSet<ResourceKey> = targets.objects.iter().map(Manifest::key).collect();
    for target in &targets.objects {
        let mut judged = judge(target, live.get(&target.key()), options, marks, predictions, &mut new_marks);
        judged.shared_with = judged.live.as_ref().and_then(|live| claims.other_owner(live));
        objects.push(judged);
    }
    // what may not be touched is not the Application's, whatever mark it carries (Argo CD's `IsLiveResourcePermitted`)
    let is_extra = |object: &&Arc<LiveObject>| {
        let key = object.key();
        !wanted.contains(&key)
            && Some(&key) != options.own_namespace.as_ref()
            && is_own_root(object, options)
            && options.permits.check(&key).is_ok()
    };
    let extra = live.iter().filter(is_extra);
    objects.extend(extra.map(|object| judge_extra(object, options)));
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    let status = total(&objects, targets.kept_namespace.as_ref().map(|kept| &kept.key));
    let forbidden = objects.iter_mut().filter(|object| matches!(object.forbidden, Some(Denied::Kind { .. })));
    forbidden.for_each(|object| object.status = object.status.map(|_| SyncStatusCode::Unknown));
    Comparison {
        status,
        kept_namespace: targets.kept_namespace.clone(),
        permits: options.permits.clone(),
        claims,
        stays: BTreeMap::new(),
        conditions: conditions(targets, &objects, options),
        objects,
        proof: targets.proof.clone(),
        incomplete: targets.incomplete.clone(),
        marks: new_marks,
    }
}

/// A forbidden object counts as missing, as in Argo CD. A namespace that nobody may keep is in no folder, so that nothing
/// is missing without it.
fn total(objects: &[Compared], kept: Option<&ResourceKey>) -> SyncStatusCode {
    let is_left_out =
        |object: &Compared| object.extraneous || (object.forbidden.is_some() && Some(&object.key) == kept);
    objects
        .iter()
        .filter(|object| !is_left_out(object))
        .filter_map(|object| object.status)
        .max()
        .unwrap_or(SyncStatusCode::Synced)
}

fn conditions(targets: &Targets, objects: &[Compared], options: &CompareOptions) -> Vec<Condition> {
    let mut all = targets.conditions.clone();
    all.extend(
        unsupported(&options.ignore).iter().map(|e| Condition::new(ConditionType::ComparisonError, e.to_string())),
    );
    all.extend(objects.iter().filter_map(|object| Some(refused_by_project(object, object.forbidden.as_ref()?))));
    all.extend(objects.iter().filter_map(|object| {
        let other = object.shared_with.as_ref()?.told.beside();
        let ResourceKey { kind, name, .. } = &object.key;
        let message = format!("{kind}/{name} is part of applications {} and {other}", options.qualified());
        Some(Condition::new(ConditionType::SharedResourceWarning, message))
    }));
    all
}

fn refused_by_project(object: &Compared, denied: &Denied) -> Condition {
    let ResourceKey { group, kind, name, .. } = &object.key;
    let message = format!(
        "Resource {group}/{kind} {name} is not permitted: {denied}: every sync is refused until the project permits it, \
         or the object is not wanted any more"
    );
    Condition::new(ConditionType::ExcludedResourceWarning, message)
}

/// What an apply by the client makes of a live object, where it is one. In another version the server has to tell.
fn by_client(target: &Manifest, live: &LiveObject, options: &CompareOptions) -> Option<Value> {
    let is_own = !is_by_server(!options.client_side, target) && target.gvk() == live.gvk();
    is_own.then(|| client_side(target, live))
}

fn has_status(manifest: &Manifest) -> bool {
    !is_hook(manifest) && !is_skipped(manifest)
}

/// Carries our mark and belongs to nobody else in the cluster.
fn is_own_root(object: &LiveObject, options: &CompareOptions) -> bool {
    let ours = options.tracking.application_of(object).as_deref() == Some(&options.application);
    ours && object.owner_references().is_empty()
}

fn judge_extra(live: &Arc<LiveObject>, options: &CompareOptions) -> Compared {
    let counts = has_status(live) && options.tracking.is_self_referenced(live);
    Compared {
        key: live.key(),
        version: live.gvk().version,
        target: None,
        live: Some(live.clone()),
        predicted: None,
        differences: Vec::new(),
        status: counts.then_some(SyncStatusCode::OutOfSync),
        hook: is_hook(live),
        extraneous: has_option(live, names::COMPARE_OPTIONS, "IgnoreExtraneous"),
        forbidden: None,
        shared_with: None,
        refused: None,
    }
}

fn judge(
    target: &Manifest,
    live: Option<&Arc<LiveObject>>,
    options: &CompareOptions,
    marks: &InSyncMarks,
    predictions: &BTreeMap<ResourceKey, Prediction>,
    new_marks: &mut InSyncMarks,
) -> Compared {
    let key = target.key();
    let denied = options.permits.check(&key).err();
    // Argo CD leaves out of the live state what may not be touched
    let live = live.filter(|_| denied.is_none());
    let forbidden = denied.filter(|_| !is_skipped(target));
    let mut compared = Compared {
        version: target.gvk().version,
        target: Some(target.clone()),
        live: live.cloned(),
        predicted: None,
        differences: Vec::new(),
        status: has_status(target).then_some(SyncStatusCode::Synced),
        hook: is_hook(target),
        extraneous: false,
        forbidden,
        shared_with: None,
        refused: None,
        key,
    };
    if compared.status.is_none() {
        return compared;
    }
    let Some(live) = live else {
        compared.status = Some(SyncStatusCode::OutOfSync);
        return compared;
    };
    if let Local::Different(found) = local_verdict(target, live, options, marks) {
        match predictions.get(&compared.key) {
            Some(Ok(predicted)) => {
                let there = There::of(live, options);
                compared.differences = there.predicted(predicted);
                compared.differences.extend(there.lost_by_handing_over(target));
                compared.predicted = Some(predicted.clone());
            }
            Some(Err(reason)) => {
                compared.refused = Some(reason.clone());
                compared.differences = found;
            }
            None => compared.differences = found,
        }
    }
    if compared.differences.is_empty() {
        new_marks.marks.insert(compared.key.clone(), fingerprint(target, live, options));
    } else {
        compared.status = Some(SyncStatusCode::OutOfSync);
    }
    compared
}

enum Local {
    InSync,
    /// By text; the server may see it otherwise.
    Different(Vec<FieldDiff>),
}

fn local_verdict(target: &Manifest, live: &LiveObject, options: &CompareOptions, marks: &InSyncMarks) -> Local {
    if marks.marks.get(&target.key()).is_some_and(|mark| *mark == fingerprint(target, live, options)) {
        return Local::InSync;
    }
    let there = There::of(live, options);
    let found = match by_client(target, live, options) {
        Some(merged) => differences(&there.comparable(&merged), &there.value, &there.managed.list_keys()),
        None => {
            let wanted = there.comparable(target.value());
            let mut found = additions(&wanted, &there.value, &there.managed.list_keys());
            if let Some(applied) = there.managed.applied_by(options.manager()) {
                found.extend(there.abandoned(applied, &wanted, &there.value));
            }
            found
        }
    };
    let mut list = there.named(found);
    if list.is_empty() {
        list = there.lost_by_handing_over(target);
    }
    if list.is_empty() { Local::InSync } else { Local::Different(list) }
}

/// Changes when the target, the rules, the live content or our share of it change; not when only the status does.
fn fingerprint(target: &Manifest, live: &LiveObject, options: &CompareOptions) -> (u64, u64) {
    let mut desired = DefaultHasher::new();
    target.value().hash(&mut desired);
    options.client_side.hash(&mut desired);
    for rule in &options.ignore {
        format!("{rule:?}").hash(&mut desired);
    }
    let mut there = DefaultHasher::new();
    live.uid().hash(&mut there);
    comparable(live.value()).hash(&mut there);
    ManagedFields::of(live).applied_by(options.manager()).map(|own| Value::Object(own.clone())).hash(&mut there);
    (desired.finish(), there.finish())
}

/// The target as a sync applies it: with the live values of ignored fields where `RespectIgnoreDifferences=true`.
pub(crate) fn respecting_ignored(
    target: &Manifest,
    live: &LiveObject,
    ignore: &[ResourceIgnoreDifferences],
) -> Manifest {
    let mut target = target.clone();
    IgnoreRules::for_object(ignore, &target.key()).adopt_live(&mut target, live.value());
    target
}

#[cfg(test)]
mod tests;
