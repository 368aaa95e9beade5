//! Options of a sync, from the operation and the objects' annotations.

use api::argocd::{SyncOperation, SyncOperationResource};
use object::{LiveObject, Manifest, ResourceKey};

use super::action::{Propagation, Verb};
use crate::annotations::{has_sync_option, is_kept};

/// Whether the server merges what is applied, as sync options say; `otherwise` where they do not.
pub fn by_server(otherwise: bool, options: &[String]) -> bool {
    let has = |option: &str| options.iter().any(|item| item == option);
    (otherwise || has("ServerSideApply=true")) && !has("ServerSideApply=false")
}

/// The same of one object.
pub(crate) fn is_by_server(otherwise: bool, target: &Manifest) -> bool {
    (otherwise || has_sync_option(target, "ServerSideApply=true")) && !has_sync_option(target, "ServerSideApply=false")
}

/// The options of one operation. Object annotations add to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncOptions {
    pub prune: bool,
    pub dry_run: bool,
    pub validate: bool,
    pub apply_out_of_sync_only: bool,
    pub replace: bool,
    pub force: bool,
    /// Gantline applies by the server unless `ServerSideApply=false` says otherwise.
    pub server_side: bool,
    pub prune_last: bool,
    /// `Prune=false` for the whole Application.
    pub keep_extra: bool,
    /// `Prune=confirm` for the whole Application.
    pub confirm_prune: bool,
    pub propagation: Propagation,
    pub skip_dry_run_on_missing: bool,
    pub create_namespace: bool,
    pub fail_on_shared: bool,
    pub respect_ignore_differences: bool,
    /// A sync of chosen objects, or with the strategy `apply`, runs no hooks.
    pub skip_hooks: bool,
    pub selected: Vec<SyncOperationResource>,
}

impl SyncOptions {
    /// `server_side` is what holds when no option says how to apply.
    pub fn new(operation: &SyncOperation, server_side: bool) -> Self {
        let has = |option: &str| operation.sync_options.iter().any(|item| item == option);
        let strategy = operation.sync_strategy.clone().unwrap_or_default();
        Self {
            prune: operation.prune,
            dry_run: operation.dry_run,
            validate: !has("Validate=false"),
            apply_out_of_sync_only: has("ApplyOutOfSyncOnly=true"),
            replace: has("Replace=true"),
            force: strategy.force(),
            server_side: by_server(server_side, &operation.sync_options),
            prune_last: has("PruneLast=true"),
            keep_extra: has("Prune=false"),
            confirm_prune: has("Prune=confirm"),
            propagation: propagation(&operation.sync_options),
            skip_dry_run_on_missing: has("SkipDryRunOnMissingResource=true"),
            create_namespace: has("CreateNamespace=true"),
            fail_on_shared: has("FailOnSharedResource=true"),
            respect_ignore_differences: has("RespectIgnoreDifferences=true"),
            skip_hooks: operation.is_partial() || strategy.apply.is_some(),
            selected: operation.resources.clone(),
        }
    }

    /// Whether a partial sync chose the object; a full sync chose all.
    pub fn selects(&self, key: &ResourceKey, namespace: &str) -> bool {
        let hit = |item: &SyncOperationResource| {
            let own = if key.namespace.is_empty() { namespace } else { &key.namespace };
            let place = item.namespace.is_empty() || item.namespace == own || key.namespace.is_empty();
            item.group == key.group && item.kind == key.kind && item.name == key.name && place
        };
        let (excluded, included): (Vec<_>, Vec<_>) = self.selected.iter().partition(|item| item.exclude);
        let chosen = included.is_empty() || included.into_iter().any(hit);
        chosen && !excluded.into_iter().any(hit)
    }

    pub(super) fn server_side_for(&self, target: &Manifest) -> bool {
        is_by_server(self.server_side, target)
    }

    pub(super) fn force_for(&self, target: &Manifest, live: Option<&LiveObject>) -> bool {
        self.force || either(target, live, "Force=true")
    }

    pub(super) fn verb_for(&self, target: &Manifest, live: Option<&LiveObject>) -> Verb {
        let replace = self.replace || either(target, live, "Replace=true");
        match (replace, live, target.kind()) {
            (false, ..) => Verb::Apply,
            (true, None, _) => Verb::Create,
            (true, Some(_), "CustomResourceDefinition" | "Namespace") => Verb::Update,
            (true, Some(_), _) => Verb::Replace,
        }
    }

    /// Extra objects that stay: by an option, or because Helm is told to keep them.
    pub fn keeps(&self, live: &Manifest) -> bool {
        (self.keep_extra && !has_sync_option(live, "Prune=true")) || is_kept(live, "Prune=false")
    }
}

fn either(target: &Manifest, live: Option<&LiveObject>, option: &str) -> bool {
    has_sync_option(target, option) || live.is_some_and(|live| has_sync_option(live, option))
}

fn propagation(options: &[String]) -> Propagation {
    let text = options.iter().find_map(|option| option.strip_prefix("PrunePropagationPolicy="));
    match text {
        Some("background") => Propagation::Background,
        Some("orphan") => Propagation::Orphan,
        _ => Propagation::Foreground,
    }
}
