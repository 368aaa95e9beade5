//! The order of objects in the output.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::config::{LegacySortOptions, SortOptions};
use super::go_sort;
use super::node::Fault;
use super::resource::{Id, Resource};
use super::schema::Schema;

const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

fn or<'a>(text: &'a str, empty: &'a str) -> &'a str {
    if text.is_empty() { empty } else { text }
}

fn gvk_key(group: &str, version: &str, kind: &str) -> String {
    format!("{}_{}_{}", or(group, "~G"), or(version, "~V"), or(kind, "~K"))
}

/// Where the fields that name a kind are worked on among those for other kinds.
pub(crate) fn reference_rank(group: &str, version: &str, kind: &str) -> (usize, String) {
    let rank = FIRST
        .iter()
        .position(|k| *k == kind)
        .unwrap_or_else(|| FIRST.len() + LAST.iter().position(|k| *k == kind).map_or(0, |i| i + 1));
    (rank, gvk_key(group, version, kind))
}

/// Sorts by kind, then by group and version, then by namespace and name.
pub(crate) fn legacy(resources: &mut Vec<Resource>, schema: &Schema) {
    let options = LegacySortOptions {
        order_first: FIRST.map(str::to_owned).to_vec(),
        order_last: LAST.map(str::to_owned).to_vec(),
    };
    sort(resources, &options, schema);
}

/// Sorts as `sortOptions` of a kustomization says.
///
/// # Errors
/// When the order is none of kustomize's.
pub(crate) fn by_options(resources: &mut Vec<Resource>, options: &SortOptions, schema: &Schema) -> Result<(), Fault> {
    match (options.order.as_str(), &options.legacy_sort_options) {
        ("fifo", None) => {}
        ("fifo", Some(_)) => return Err("sortOptions.legacySortOptions needs sortOptions.order: legacy".to_owned()),
        ("legacy", None) => legacy(resources, schema),
        ("legacy", Some(options)) => sort(resources, options, schema),
        (other, _) => return Err(format!("sortOptions.order is {other:?}, it must be fifo or legacy")),
    }
    Ok(())
}

fn sort(resources: &mut Vec<Resource>, options: &LegacySortOptions, schema: &Schema) {
    let mut ranks: HashMap<&str, i64> = HashMap::new();
    let number = |n: usize| i64::try_from(n).unwrap_or_default();
    for (i, kind) in options.order_first.iter().enumerate() {
        ranks.insert(kind, number(i) - number(options.order_first.len()));
    }
    for (i, kind) in options.order_last.iter().enumerate() {
        ranks.insert(kind, number(i) + 1);
    }
    let mut keyed: Vec<(Key, Resource)> = resources.drain(..).map(|r| (Key::of(&r.id(schema), &ranks), r)).collect();
    // kinds that are not ranked can go round in a circle where a Namespace is among them
    go_sort::sort(&mut keyed, |(a, _), (b, _)| a.compare(b).is_lt());
    resources.extend(keyed.into_iter().map(|(_, r)| r));
}

struct Key {
    rank: i64,
    core_namespace: bool,
    is_namespace: bool,
    gvk: String,
    id: String,
}

impl Key {
    fn of(id: &Id<'_>, ranks: &HashMap<&str, i64>) -> Self {
        Self {
            rank: ranks.get(id.kind).copied().unwrap_or_default(),
            core_namespace: id.kind == "Namespace" && id.group.is_empty(),
            is_namespace: id.kind == "Namespace",
            gvk: gvk_key(id.group, id.version, id.kind),
            id: format!(
                "{}.{}.{}|{}|{}",
                or(id.kind, "[noKind]"),
                or(id.version, "[noVer]"),
                or(id.group, "[noGrp]"),
                or(id.namespace, "~X"),
                or(id.name, "~N")
            ),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let by_gvk = match self.gvk.cmp(&other.gvk) {
            Ordering::Equal => return self.id.cmp(&other.id),
            order => order,
        };
        let core_first = self.is_namespace && other.is_namespace && (self.core_namespace || other.core_namespace);
        self.rank.cmp(&other.rank).then(if core_first { by_gvk.reverse() } else { by_gvk })
    }
}
