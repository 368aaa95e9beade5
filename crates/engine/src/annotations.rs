//! What annotations on an object ask of a sync.

use std::collections::BTreeSet;

use api::argocd::{SyncPhase, names};
use object::Manifest;

/// When a hook's object is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookDeletePolicy {
    HookSucceeded,
    HookFailed,
    BeforeHookCreation,
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

/// The hook types that are written on the object: Argo CD's own annotation, else Helm's.
pub(crate) fn hook_types(manifest: &Manifest) -> BTreeSet<&str> {
    if let Some(text) = manifest.annotation(names::HOOK) {
        return list(text).filter(|kind| !kind.is_empty()).collect();
    }
    let helm = manifest.annotation(names::HELM_HOOK).unwrap_or_default();
    list(helm).filter(|kind| !kind.is_empty() && *kind != "crd-install").collect()
}

/// Whether a sync runs the object as a hook, also when no phase of a sync is meant (`PreDelete`, Helm's `test`).
pub fn is_hook(manifest: &Manifest) -> bool {
    if manifest.annotation(names::HOOK).is_some() {
        let types = hook_types(manifest);
        return types
            .iter()
            .any(|kind| matches!(*kind, "PreSync" | "Sync" | "PostSync" | "SyncFail" | "PreDelete" | "PostDelete"))
            || types.contains("Skip");
    }
    !hook_types(manifest).is_empty()
}

/// Whether a sync leaves the object alone altogether: `Skip` and nothing else.
pub fn is_skipped(manifest: &Manifest) -> bool {
    let types = hook_types(manifest);
    types.len() == 1 && types.contains("Skip")
}

/// The phases in which the hook runs; empty for hooks that no sync runs.
pub fn hook_phases(manifest: &Manifest) -> BTreeSet<SyncPhase> {
    if is_skipped(manifest) {
        return BTreeSet::new();
    }
    let phase = |kind: &str| match kind {
        "PreSync" | "pre-install" | "pre-upgrade" => Some(SyncPhase::PreSync),
        "Sync" => Some(SyncPhase::Sync),
        "PostSync" | "post-install" | "post-upgrade" => Some(SyncPhase::PostSync),
        "SyncFail" => Some(SyncPhase::SyncFail),
        _ => None,
    };
    hook_types(manifest).into_iter().filter_map(phase).collect()
}

/// When the hook's object goes; before the next creation unless something else is written.
pub fn hook_delete_policies(manifest: &Manifest) -> BTreeSet<HookDeletePolicy> {
    let own = manifest.annotation(names::HOOK_DELETE_POLICY);
    let helm = manifest.annotation(names::HELM_HOOK_DELETE_POLICY);
    let policy = |text: &str| match text {
        "HookSucceeded" => Some(HookDeletePolicy::HookSucceeded),
        "HookFailed" => Some(HookDeletePolicy::HookFailed),
        "BeforeHookCreation" => Some(HookDeletePolicy::BeforeHookCreation),
        _ => None,
    };
    let helm_policy = |text: &str| match text {
        "hook-succeeded" => Some(HookDeletePolicy::HookSucceeded),
        "hook-failed" => Some(HookDeletePolicy::HookFailed),
        "before-hook-creation" => Some(HookDeletePolicy::BeforeHookCreation),
        _ => None,
    };
    let mut policies: BTreeSet<_> = own.into_iter().flat_map(list).filter_map(policy).collect();
    if policies.is_empty() {
        policies = helm.into_iter().flat_map(list).filter_map(helm_policy).collect();
    }
    if policies.is_empty() {
        policies.insert(HookDeletePolicy::BeforeHookCreation);
    }
    policies
}

/// The wave of the object: its annotation, else Helm's weight, else 0.
pub fn sync_wave(manifest: &Manifest) -> i64 {
    let number = |name: &str| manifest.annotation(name).and_then(|text| text.parse().ok());
    number(names::SYNC_WAVE).or_else(|| number(names::HELM_HOOK_WEIGHT)).unwrap_or(0)
}

/// Whether a comma-separated annotation holds the option, such as `Prune=false`.
pub(crate) fn has_option(manifest: &Manifest, annotation: &str, option: &str) -> bool {
    manifest.annotation(annotation).is_some_and(|text| list(text).any(|item| item == option))
}

/// As [`has_option`] on `sync-options`.
pub fn has_sync_option(manifest: &Manifest, option: &str) -> bool {
    has_option(manifest, names::SYNC_OPTIONS, option)
}
