//! What annotations on an object ask of a sync.

use std::collections::BTreeSet;

use api::argocd::{Application, SyncPhase, names};
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

/// A type of hook that there is. Spelled in another way, also in other case, it is none, as in Argo CD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum HookType {
    Phase(SyncPhase),
    Skip,
}

impl HookType {
    fn named(text: &str) -> Option<Self> {
        match text {
            "PreSync" => Some(Self::Phase(SyncPhase::PreSync)),
            "Sync" => Some(Self::Phase(SyncPhase::Sync)),
            "PostSync" => Some(Self::Phase(SyncPhase::PostSync)),
            "SyncFail" => Some(Self::Phase(SyncPhase::SyncFail)),
            "Skip" => Some(Self::Skip),
            _ => None,
        }
    }

    fn named_by_helm(text: &str) -> Option<Self> {
        match text {
            "pre-install" | "pre-upgrade" => Some(Self::Phase(SyncPhase::PreSync)),
            "post-install" | "post-upgrade" => Some(Self::Phase(SyncPhase::PostSync)),
            _ => None,
        }
    }
}

/// The types that are written on the object: by Argo CD's own annotation, or, where that names none, by Helm's.
fn hook_types(manifest: &Manifest) -> BTreeSet<HookType> {
    let of = |name: &str| manifest.annotation(name).into_iter().flat_map(list);
    let own: BTreeSet<HookType> = of(names::HOOK).filter_map(HookType::named).collect();
    if own.is_empty() { of(names::HELM_HOOK).filter_map(HookType::named_by_helm).collect() } else { own }
}

/// Whether the object is a hook: by its annotation, whatever types that names. One with none that a sync runs
/// (`PreDelete`, Helm's `test`, a slip of the pen) is a hook that never runs.
pub fn is_hook(manifest: &Manifest) -> bool {
    match manifest.annotation(names::HOOK) {
        Some(_) => !is_skipped(manifest),
        // so Helm 2 marked definitions
        None => manifest.annotation(names::HELM_HOOK).is_some_and(|types| types != "crd-install"),
    }
}

/// Whether a sync leaves the object alone altogether: `Skip` and nothing else.
pub fn is_skipped(manifest: &Manifest) -> bool {
    hook_types(manifest).into_iter().eq([HookType::Skip])
}

/// The phases in which the hook runs; empty for hooks that no sync runs.
pub fn hook_phases(manifest: &Manifest) -> BTreeSet<SyncPhase> {
    let phase = |kind| match kind {
        HookType::Phase(phase) => Some(phase),
        HookType::Skip => None,
    };
    hook_types(manifest).into_iter().filter_map(phase).collect()
}

/// When the hook's object goes, by Argo CD's annotation and by Helm's; before the next creation where neither says so.
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
    policies.extend(helm.into_iter().flat_map(list).filter_map(helm_policy));
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

/// Whether the object says itself that it stays: by the option, or because Helm is told to keep it.
pub fn is_kept(manifest: &Manifest, option: &str) -> bool {
    has_sync_option(manifest, option) || manifest.annotation(names::HELM_RESOURCE_POLICY) == Some("keep")
}

/// Whether nothing of the Application goes before a person approved it, for this object or for all, as in Argo CD.
pub fn asks_before_deletion(object: &Manifest, app: &Application) -> bool {
    const CONFIRM: &str = "Delete=confirm";
    app.spec.sync_options().iter().any(|option| option == CONFIRM) || has_sync_option(object, CONFIRM)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn annotated(annotations: &[(&str, &str)]) -> Manifest {
        let map: serde_json::Map<_, _> = annotations.iter().map(|(name, text)| ((*name).into(), json!(text))).collect();
        Manifest::new(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "annotations": map}}))
            .unwrap()
    }

    #[test]
    fn types_of_hooks_are_compared_as_argo_cd_does() {
        let check = |own: Option<&str>, helm: Option<&str>, hook: bool, phases: &[SyncPhase]| {
            let own = own.map(|text| (names::HOOK, text));
            let manifest = annotated(&own.into_iter().chain(helm.map(|it| (names::HELM_HOOK, it))).collect::<Vec<_>>());
            let found: Vec<SyncPhase> = hook_phases(&manifest).into_iter().collect();
            assert_eq!((is_hook(&manifest), found.as_slice()), (hook, phases), "{own:?} {helm:?}");
        };
        check(None, None, false, &[]);
        check(Some(" PostSync ,PreSync,"), None, true, &[SyncPhase::PreSync, SyncPhase::PostSync]);
        check(Some("presync"), None, true, &[]);
        check(Some("PreDelete"), None, true, &[]);
        check(Some(""), None, true, &[]);
        check(Some("Skip"), None, false, &[]);
        check(Some("Skip,Sync"), None, true, &[SyncPhase::Sync]);
        check(Some("Nonsense"), Some("post-install"), true, &[SyncPhase::PostSync]);
        check(Some("Sync"), Some("post-install"), true, &[SyncPhase::Sync]);
        check(None, Some("test"), true, &[]);
        check(None, Some("crd-install"), false, &[]);
        check(None, Some(""), true, &[]);
    }

    #[test]
    fn both_annotations_say_when_a_hook_goes() {
        use HookDeletePolicy::{BeforeHookCreation, HookFailed, HookSucceeded};
        let check = |own: &str, helm: &str, expected: &[HookDeletePolicy]| {
            let both = [(names::HOOK_DELETE_POLICY, own), (names::HELM_HOOK_DELETE_POLICY, helm)];
            let found: Vec<HookDeletePolicy> = hook_delete_policies(&annotated(&both)).into_iter().collect();
            assert_eq!(found, expected, "{own} {helm}");
        };
        check("HookSucceeded", "hook-failed", &[HookSucceeded, HookFailed]);
        check("hook-succeeded", "", &[BeforeHookCreation]);
        check("", "before-hook-creation, hook-succeeded", &[HookSucceeded, BeforeHookCreation]);
    }
}
