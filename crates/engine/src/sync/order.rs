//! In which order tasks run.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use object::GroupKind;

use super::plan::Task;

/// Kinds in the order in which others need them; unknown kinds come last.
const KINDS: [&str; 35] = [
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

fn rank(kind: &str) -> usize {
    KINDS.iter().position(|known| *known == kind).unwrap_or(KINDS.len())
}

fn compare(left: &Task, right: &Task) -> Ordering {
    let order = |task: &Task| (task.phase, task.wave, rank(&task.key.kind));
    order(left).cmp(&order(right)).then_with(|| left.key.name.cmp(&right.key.name))
}

/// Phase, wave, kind, name; then Namespaces before what lives in them and CRDs before their objects.
pub(super) fn sort(tasks: &mut Vec<Task>) {
    tasks.sort_by(compare);
    pull_forward(tasks, |task| task.key.kind == "Namespace", |ns, user| user.namespace() == ns.key.name);
    pull_forward(tasks, |task| task.key.kind == "CustomResourceDefinition", defines);
}

/// Moves each maker right before its first user, into that user's phase and wave.
fn pull_forward(tasks: &mut Vec<Task>, makes: impl Fn(&Task) -> bool, uses: impl Fn(&Task, &Task) -> bool) {
    let mut at = 0;
    while at < tasks.len() {
        let maker = &tasks[at];
        let first = (makes(maker) && !maker.is_prune())
            .then(|| tasks[..at].iter().position(|user| !makes(user) && uses(maker, user)))
            .flatten();
        if let Some(first) = first {
            let mut maker = tasks.remove(at);
            (maker.phase, maker.wave) = (tasks[first].phase, tasks[first].wave);
            tasks.insert(first, maker);
        }
        at += 1;
    }
}

/// Whether the CRD of the first task defines the kind of the second.
pub(super) fn defines(definition: &Task, user: &Task) -> bool {
    defined(definition).is_some_and(|kind| kind == user.key.group_kind())
}

/// The kind that a definition brings.
pub(super) fn defined(definition: &Task) -> Option<GroupKind> {
    let target = definition.target.as_ref().filter(|_| definition.key.kind == "CustomResourceDefinition")?;
    let text = |pointer: &str| target.value().pointer(pointer)?.as_str();
    Some(GroupKind::new(text("/spec/group")?, text("/spec/names/kind")?))
}

/// Swaps the waves of prune tasks end for end: what was made first goes last.
pub(super) fn reverse_prune_waves(tasks: &mut [Task]) {
    let waves: Vec<i64> =
        tasks.iter().filter(|t| t.is_prune()).map(|t| t.wave).collect::<BTreeSet<_>>().into_iter().collect();
    for task in tasks.iter_mut().filter(|task| task.is_prune()) {
        if let Ok(at) = waves.binary_search(&task.wave) {
            task.wave = waves[waves.len() - 1 - at];
        }
    }
}

/// Puts all prune tasks behind the last wave of the phase Sync.
pub(super) fn prune_last(tasks: &mut [Task]) {
    let last = tasks.iter().filter(|t| t.phase == api::argocd::SyncPhase::Sync && !t.is_prune()).map(|t| t.wave).max();
    let last = last.unwrap_or(0).max(0) + 1;
    tasks.iter_mut().filter(|task| task.is_prune()).for_each(|task| task.wave = last);
}
