//! All tasks of a sync, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::argocd::{ManagedNamespaceMetadata, ResourceIgnoreDifferences, SyncPhase, SyncStatusCode, names};
use jiff::Timestamp;
use object::{GroupKind, LiveObject, Manifest, ResourceKey};
use serde_json::{Value, json};

use super::options::SyncOptions;
use super::order;
use crate::annotations::{
    HookDeletePolicy, has_sync_option, hook_delete_policies, hook_phases, is_hook, is_skipped, sync_wave,
};
use crate::claims::Claims;
use crate::compare::{Comparison, respecting_ignored};
use crate::desired::{CompleteSet, Incomplete};
use crate::live::LiveState;
use crate::permit::Permits;
use crate::scope::Scopes;
use crate::stay::{Other, Stay};
use crate::tracking;

/// What a sync is made from: a comparison, as values that stay the same for the whole operation.
#[derive(Debug, Clone)]
pub struct SyncInput {
    pub(crate) targets: Vec<Manifest>,
    /// Live objects that no manifest names any more.
    pub(crate) extra: Vec<ResourceKey>,
    pub(crate) in_sync: BTreeSet<ResourceKey>,
    pub(crate) shared: BTreeMap<ResourceKey, Other>,
    pub(crate) claims: Claims,
    pub(crate) permits: Permits,
    pub(crate) proof: Result<CompleteSet, Option<Incomplete>>,
    pub options: SyncOptions,
    /// The destination's namespace.
    pub namespace: String,
    pub namespace_metadata: Option<ManagedNamespaceMetadata>,
    pub ignore: Vec<ResourceIgnoreDifferences>,
    pub scopes: Scopes,
    pub revision: String,
    /// When the operation began; part of the names of hooks.
    pub started_at: Timestamp,
    /// How often the operation was tried before; part of those names as well, as what failed may still be there.
    pub attempt: i64,
    /// The instance name, for messages about shared objects.
    pub application: String,
    /// Objects to leave alone, because another Application still wants them ([`Comparison::contested`]).
    pub contested: BTreeSet<ResourceKey>,
    /// Objects that nobody here wants any more, and why they stay all the same.
    pub(crate) stays: BTreeMap<ResourceKey, Stay>,
    /// Nobody asked for it.
    pub is_automated: bool,
    /// When a person approved pending deletions (`argocd.argoproj.io/deletion-approved`).
    pub deletion_approved_at: Option<Timestamp>,
}

impl SyncInput {
    /// Takes over what the comparison found; the other fields are the operation's own.
    pub fn new(
        comparison: &Comparison,
        options: SyncOptions,
        application: &str,
        namespace: &str,
        started_at: Timestamp,
    ) -> Self {
        let objects = || comparison.objects.iter();
        // a sync makes it first, and by itself
        let kept = comparison.kept_namespace.as_ref().map(|kept| &kept.key);
        let proof = comparison.proof.clone().ok_or_else(|| comparison.incomplete.clone());
        Self {
            targets: objects().filter(|o| Some(&o.key) != kept).filter_map(|o| o.target.clone()).collect(),
            extra: comparison.extra().cloned().collect(),
            in_sync: objects().filter(|o| o.status == Some(SyncStatusCode::Synced)).map(|o| o.key.clone()).collect(),
            shared: objects().filter_map(|o| Some((o.key.clone(), o.shared_with.as_ref()?.told.clone()))).collect(),
            claims: comparison.claims.clone(),
            permits: comparison.permits.clone(),
            revision: proof.as_ref().map(|p| p.revision().to_owned()).unwrap_or_default(),
            proof,
            options,
            namespace: namespace.to_owned(),
            namespace_metadata: None,
            ignore: Vec::new(),
            scopes: Scopes::default(),
            started_at,
            attempt: 0,
            application: application.to_owned(),
            contested: BTreeSet::new(),
            stays: comparison.stays.clone(),
            is_automated: false,
            deletion_approved_at: None,
        }
    }
}

impl SyncInput {
    /// What tells the Application's objects from those of others.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

/// A hook and when its object goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub delete: BTreeSet<HookDeletePolicy>,
}

/// One object in one phase.
#[derive(Debug, Clone)]
pub struct Task {
    pub phase: SyncPhase,
    pub wave: i64,
    pub key: ResourceKey,
    pub version: String,
    /// `None`: to be pruned.
    pub target: Option<Manifest>,
    pub live: Option<Arc<LiveObject>>,
    pub hook: Option<Hook>,
    /// The kind comes into being in this sync.
    pub(super) skip_dry_run: bool,
    /// What a dry run says against it proves nothing: this sync makes its namespace, or makes or changes its definition.
    pub(super) is_premature: bool,
    /// Why the live object is not to be deleted: the Application did not make it.
    pub(super) foreign: Option<String>,
    /// The kind is known to nobody.
    pub(super) invalid: Option<String>,
    /// Nothing to do: it is in sync (`ApplyOutOfSyncOnly`), or another Application still wants it.
    pub(super) untouched: bool,
}

impl Task {
    pub fn is_prune(&self) -> bool {
        self.target.is_none()
    }

    pub fn is_hook(&self) -> bool {
        self.hook.is_some()
    }

    pub(super) fn namespace(&self) -> &str {
        &self.key.namespace
    }

    /// `apps/Deployment/web`
    pub(super) fn title(&self) -> String {
        format!("{}/{}/{}", self.key.group, self.key.kind, self.key.name)
    }

    pub(super) fn deletes_on(&self, policy: HookDeletePolicy) -> bool {
        self.hook.as_ref().is_some_and(|hook| hook.delete.contains(&policy))
    }
}

/// Tasks of one wave.
#[derive(Debug, Clone)]
pub struct Wave<'a> {
    pub phase: SyncPhase,
    pub number: i64,
    pub tasks: Vec<&'a Task>,
}

/// All tasks, sorted as they run.
#[derive(Debug, Clone)]
pub struct SyncPlan {
    pub tasks: Vec<Task>,
}

impl SyncPlan {
    /// The tasks by phase and wave.
    pub fn waves(&self) -> Vec<Wave<'_>> {
        let mut waves: Vec<Wave<'_>> = Vec::new();
        for task in &self.tasks {
            match waves.last_mut().filter(|wave| (wave.phase, wave.number) == (task.phase, task.wave)) {
                Some(wave) => wave.tasks.push(task),
                None => waves.push(Wave { phase: task.phase, number: task.wave, tasks: vec![task] }),
            }
        }
        waves
    }
}

/// Lists what there is to do, in order. It is computed anew at every step, because live objects come and go.
pub fn plan_sync(input: &SyncInput, live: &LiveState) -> SyncPlan {
    let mut tasks = resources(input, live);
    tasks.extend(prunes(input, live));
    if !input.options.skip_hooks {
        tasks.extend(hooks(input, live));
    }
    tasks.extend(namespace(input, live, &tasks));
    find_premature(input, &mut tasks);
    judge_kinds(input, &mut tasks);
    order::reverse_prune_waves(&mut tasks);
    if input.options.prune_last {
        order::prune_last(&mut tasks);
    } else {
        prune_last_by_annotation(&mut tasks);
    }
    order::sort(&mut tasks);
    SyncPlan { tasks }
}

fn task(phase: SyncPhase, manifest: &Manifest) -> Task {
    Task {
        phase,
        wave: sync_wave(manifest),
        key: manifest.key(),
        version: manifest.gvk().version,
        target: None,
        live: None,
        hook: None,
        skip_dry_run: false,
        is_premature: false,
        foreign: None,
        invalid: None,
        untouched: false,
    }
}

fn resources(input: &SyncInput, live: &LiveState) -> Vec<Task> {
    let plain = input.targets.iter().filter(|target| !is_hook(target) && !is_skipped(target));
    let chosen = plain.filter(|target| input.options.selects(&target.key(), &input.namespace));
    let make = |target: &Manifest| {
        let found = live.get(&target.key()).cloned();
        let applied = match &found {
            Some(there) if input.options.respect_ignore_differences => respecting_ignored(target, there, &input.ignore),
            _ => target.clone(),
        };
        let in_sync = input.options.apply_out_of_sync_only && input.in_sync.contains(&target.key());
        let untouched = in_sync || input.contested.contains(&target.key());
        Task { target: Some(applied), live: found, untouched, ..task(SyncPhase::Sync, target) }
    };
    chosen.map(make).collect()
}

fn prunes(input: &SyncInput, live: &LiveState) -> Vec<Task> {
    let found = input.extra.iter().filter_map(|key| live.get(key));
    let chosen = found.filter(|object| input.options.selects(&object.key(), &input.namespace));
    let foreign = |object: &LiveObject| {
        let is_own = input.claims.is_own(object);
        (!is_own).then(|| "it does not carry the application's mark any more".to_owned())
    };
    let prune = |object: &Arc<LiveObject>| Task {
        live: Some(object.clone()),
        foreign: foreign(object),
        ..task(SyncPhase::Sync, object)
    };
    chosen.map(prune).collect()
}

fn hooks(input: &SyncInput, live: &LiveState) -> Vec<Task> {
    let mut tasks = Vec::new();
    for target in &input.targets {
        for phase in hook_phases(target) {
            let named = with_hook_name(target, phase, input);
            let hook = Hook { delete: hook_delete_policies(target) };
            let found = live.get(&named.key()).cloned();
            let skeleton = task(phase, &named);
            let foreign = found.as_ref().and_then(|live| in_the_way(input, live));
            tasks.push(Task {
                live: found,
                foreign,
                hook: Some(hook),
                target: Some(with_finalizer(named)),
                ..skeleton
            });
        }
    }
    tasks
}

/// Why a hook may not take the place of what is there.
fn in_the_way(input: &SyncInput, live: &LiveObject) -> Option<String> {
    let needed = || {
        let (key, stay) = input.stays.get_key_value(&live.key()).filter(|_| !is_hook(live))?;
        let ResourceKey { kind, name, .. } = key;
        Some(format!("a hook would replace and delete {kind}/{name}, but {stay}: give the hook another name"))
    };
    input.claims.against_hook(live).or_else(needed)
}

/// Hooks with `generateName` get a name that is the same at every step of one operation, also in another process.
fn with_hook_name(target: &Manifest, phase: SyncPhase, input: &SyncInput) -> Manifest {
    let mut named = target.clone();
    let prefix = generated_from(target).unwrap_or_default().to_owned();
    if prefix.is_empty() {
        return named;
    }
    if let Some(metadata) = named.value_mut().get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("generateName");
        metadata.insert("name".to_owned(), format!("{prefix}{}", hook_suffix(phase, input)).into());
    }
    tracking::complete(&mut named);
    named
}

/// What the API server would make the object's name from.
fn generated_from(target: &Manifest) -> Option<&str> {
    target.value().pointer("/metadata/generateName").and_then(Value::as_str).filter(|_| target.name().is_empty())
}

/// `0123456-presync-1767225600`: in small letters, and without what the version of a chart may have and a name may not.
fn hook_suffix(phase: SyncPhase, input: &SyncInput) -> String {
    let revision: String = input.revision.chars().take(7).collect();
    let again = if input.attempt == 0 { String::new() } else { format!("-{}", input.attempt) };
    let suffix = format!("{revision}-{}-{}{again}", phase.as_str(), input.started_at.as_second()).to_lowercase();
    suffix.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-")
}

/// The finalizer keeps a finished hook readable until the controller has seen its outcome.
fn with_finalizer(mut hook: Manifest) -> Manifest {
    if let Some(metadata) = hook.value_mut().get_mut("metadata").and_then(Value::as_object_mut) {
        let list = metadata.entry("finalizers").or_insert_with(|| json!([]));
        if let Value::Array(items) = list
            && !items.iter().any(|item| item == names::HOOK_FINALIZER)
        {
            items.push(names::HOOK_FINALIZER.into());
        }
    }
    hook
}

/// The task that makes the destination's namespace, when the option asks for it and no manifest does.
fn namespace(input: &SyncInput, live: &LiveState, tasks: &[Task]) -> Option<Task> {
    let (name, kept) = (&input.namespace, input.namespace_metadata.as_ref());
    let key = crate::namespace::key(name);
    let there = live.get(&key);
    let needed = input.options.create_namespace && !name.is_empty() && (there.is_none() || kept.is_some());
    if !needed || tasks.iter().any(|task| task.key == key) {
        return None;
    }
    let target = crate::namespace::manifest(name, kept)?;
    let untouched = input.contested.contains(&key);
    let skeleton = task(SyncPhase::PreSync, &target);
    Some(Task { live: there.cloned(), target: Some(target), untouched, ..skeleton })
}

/// Finds what the API can judge only after other tasks: objects of a namespace that is not there yet, and of a kind whose
/// definition is new or changes. When nothing is written at all, those of a new namespace are not even tried.
fn find_premature(input: &SyncInput, tasks: &mut [Task]) {
    let dry_run = input.options.dry_run;
    let is_new = |task: &&Task| task.key.kind == "Namespace" && task.live.is_none() && !task.is_prune();
    // the destination's own is made before anything is tried
    let is_in_time = |task: &&Task| dry_run || task.key.name != input.namespace;
    let namespaces: BTreeSet<String> =
        tasks.iter().filter(is_new).filter(is_in_time).map(|task| task.key.name.clone()).collect();
    let changing = tasks.iter().filter(|task| !input.in_sync.contains(&task.key));
    let defined: BTreeSet<GroupKind> = changing.filter_map(order::defined).collect();
    for task in tasks.iter_mut().filter(|task| !task.is_prune()) {
        let homeless = namespaces.contains(&task.key.namespace);
        task.skip_dry_run = homeless && dry_run;
        task.is_premature = homeless || defined.contains(&task.key.group_kind());
    }
}

/// Finds kinds that do not exist: a CRD in the same sync brings them, or an option says to go on.
fn judge_kinds(input: &SyncInput, tasks: &mut [Task]) {
    let unknown = |task: &Task| !task.is_prune() && input.scopes.is_namespaced(&task.key.group_kind()).is_none();
    for at in 0..tasks.len() {
        if let Err(denied) = input.permits.check(&tasks[at].key) {
            tasks[at].invalid = Some(denied.to_string());
        } else if let Some(owner) = input.shared.get(&tasks[at].key).filter(|_| input.options.fail_on_shared) {
            tasks[at].invalid = Some(format!(
                "Shared resource found: {} is part of applications {} and {}",
                tasks[at].key,
                input.application,
                owner.beside()
            ));
        } else if tasks[at].target.as_ref().is_some_and(|target| target.name().is_empty()) {
            tasks[at].invalid = Some(unnamed(&tasks[at].key));
        } else if unknown(&tasks[at]) {
            let brought = tasks.iter().any(|definition| order::defines(definition, &tasks[at]));
            let skips = input.options.skip_dry_run_on_missing
                || tasks[at].target.as_ref().is_some_and(|t| has_sync_option(t, "SkipDryRunOnMissingResource=true"));
            let task = &mut tasks[at];
            task.skip_dry_run |= brought || skips;
            task.invalid = (!(brought || skips)).then(|| {
                format!(
                    "The Kubernetes API could not find {}/{} for requested resource {}/{}. Make sure the {:?} CRD is installed on the destination cluster.",
                    task.key.group, task.key.kind, task.key.namespace, task.key.name, task.key.kind
                )
            });
        }
    }
}

fn unnamed(key: &ResourceKey) -> String {
    let ResourceKey { group, kind, namespace, .. } = key;
    format!(
        "{group}/{kind} in namespace {namespace:?} has no name: give it metadata.name; generateName is for hooks \
         (argocd.argoproj.io/hook), as every sync would make another object"
    )
}

fn prune_last_by_annotation(tasks: &mut [Task]) {
    let last =
        tasks.iter().filter(|t| t.phase == SyncPhase::Sync && !t.is_prune()).map(|t| t.wave).max().unwrap_or(0).max(0)
            + 1;
    for task in tasks.iter_mut().filter(|task| task.is_prune()) {
        if task.live.as_ref().is_some_and(|live| has_sync_option(live, "PruneLast=true")) {
            task.wave = last;
        }
    }
}
