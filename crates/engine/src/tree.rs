//! The objects that grew out of an Application's own, by owner references.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::argocd::{HealthStatus, HealthStatusCode};
use jiff::Timestamp;
use object::{LiveObject, ResourceKey};
use serde::Serialize;
use serde_json::Value;

use crate::health::{HealthOf, waiting_problem};
use crate::images::images;
use crate::live::LiveState;
use crate::permit::Permits;

/// One object with what hangs below it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceNode {
    pub key: ResourceKey,
    pub version: String,
    pub uid: String,
    /// Keys of the owners that are in the tree; none for the Application's own objects.
    pub parents: Vec<ResourceKey>,
    pub health: Option<HealthStatus>,
    pub images: Vec<String>,
    /// Short facts for people, such as `Containers: 1/2`.
    pub info: Vec<(String, String)>,
    pub created_at: Option<Timestamp>,
}

/// Nodes from the roots down, owners before what they own.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ResourceTree {
    pub nodes: Vec<ResourceNode>,
}

impl ResourceTree {
    pub fn children<'t>(&'t self, parent: &'t ResourceKey) -> impl Iterator<Item = &'t ResourceNode> {
        self.nodes.iter().filter(move |node| node.parents.contains(parent))
    }

    /// Everything below `root`, root excluded.
    pub fn descendants(&self, root: &ResourceKey) -> Vec<&ResourceNode> {
        let mut found = Vec::new();
        let mut open = vec![root.clone()];
        let mut seen = BTreeSet::from([root.clone()]);
        while let Some(next) = open.pop() {
            for node in self.nodes.iter().filter(|node| node.parents.contains(&next)) {
                if seen.insert(node.key.clone()) {
                    open.push(node.key.clone());
                    found.push(node);
                }
            }
        }
        found
    }

    /// All images in the tree, sorted.
    pub fn images(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.nodes.iter().flat_map(|node| &node.images).collect();
        all.into_iter().cloned().collect()
    }

    /// Why an object is not healthy, in the words of the worst object below it: a Deployment that waits because its
    /// pods cannot pull their image says so.
    pub fn cause(&self, root: &ResourceKey) -> Option<(&ResourceNode, &HealthStatus)> {
        let below = self.descendants(root).into_iter().filter_map(|node| Some((node, node.health.as_ref()?)));
        // a pod that only starts has nothing to say
        let is_stuck = |node: &ResourceNode, health: &HealthStatus| {
            node.key.kind == "Pod" && health.status == HealthStatusCode::Progressing && !health.message.is_empty()
        };
        let is_bad = |health: &HealthStatus| health.status == HealthStatusCode::Degraded;
        let bad = below.filter(|(node, health)| is_bad(health) || is_stuck(node, health));
        bad.max_by_key(|(node, health)| (!health.message.is_empty(), is_bad(health), node.created_at))
    }
}

/// Builds the tree of the `roots` from all live objects of the cluster's namespaces, as far as `permits` let somebody touch
/// them: whoever writes a name into Git, or an owner into an object, would see what is there. Objects owned by uid only;
/// owners that form a circle are left out of further descent. Their health is as `health` tells it.
pub fn tree(live: &LiveState, roots: &BTreeSet<ResourceKey>, permits: &Permits, health: HealthOf<'_>) -> ResourceTree {
    // only of what would be in it: there may be many objects and many patterns
    let is_permitted = |object: &LiveObject| permits.check(&object.key()).is_ok();
    let mut by_owner: BTreeMap<String, Vec<&Arc<LiveObject>>> = BTreeMap::new();
    for object in live.iter() {
        for owner in object.owner_references() {
            by_owner.entry(owner.uid).or_default().push(object);
        }
    }
    let mut nodes: Vec<ResourceNode> = Vec::new();
    let mut index: BTreeMap<String, usize> = BTreeMap::new();
    let roots = roots.iter().rev().filter_map(|key| live.get(key)).filter(|root| is_permitted(root));
    let mut open: Vec<(&Arc<LiveObject>, Option<ResourceKey>)> = roots.map(|object| (object, None)).collect();
    while let Some((object, parent)) = open.pop() {
        if let Some(&at) = index.get(object.uid()).filter(|_| !object.uid().is_empty()) {
            let known = &mut nodes[at].parents;
            known.extend(parent.filter(|parent| !known.contains(parent)));
            continue;
        }
        index.insert(object.uid().to_owned(), nodes.len());
        nodes.push(node(object, parent, health(object)));
        let below = by_owner.get(object.uid()).into_iter().flatten();
        let below = below.filter(|child| may_own(object, child) && is_permitted(child));
        open.extend(below.rev().map(|child| (*child, Some(object.key()))));
    }
    ResourceTree { nodes }
}

/// Whether Kubernetes knows the one as an owner of the other, which names its uid. Only what is in no namespace owns across
/// namespaces.
fn may_own(owner: &LiveObject, owned: &LiveObject) -> bool {
    let is_near = owner.namespace().is_empty() || owner.namespace() == owned.namespace();
    is_near && !owner.uid().is_empty()
}

fn node(object: &LiveObject, parent: Option<ResourceKey>, mut health: Option<HealthStatus>) -> ResourceNode {
    // the reason in front: `ImagePullBackOff: Back-off pulling image …`
    if let (Some(health), "Pod", Some(problem)) = (&mut health, object.kind(), waiting_problem(object)) {
        health.message = problem;
    }
    ResourceNode {
        key: object.key(),
        version: object.gvk().version,
        uid: object.uid().to_owned(),
        parents: parent.into_iter().collect(),
        health,
        images: images(object).into_iter().map(|image| image.image).collect(),
        info: info(object),
        created_at: object.creation_timestamp(),
    }
}

fn info(object: &LiveObject) -> Vec<(String, String)> {
    let line = |name: &str, value: String| (name.to_owned(), value);
    match object.kind() {
        "Pod" => {
            let statuses = object.value().pointer("/status/containerStatuses").and_then(Value::as_array);
            let ready = |list: &Vec<Value>| list.iter().filter(|status| status["ready"] == true).count();
            let total = object.value().pointer("/spec/containers").and_then(Value::as_array).map_or(0, Vec::len);
            let phase = object.value().pointer("/status/phase").and_then(Value::as_str).unwrap_or("Unknown");
            let reason = waiting_problem(object).and_then(|p| p.split(':').next().map(str::to_owned));
            vec![
                line("Status Reason", reason.unwrap_or_else(|| phase.to_owned())),
                line("Containers", format!("{}/{total}", statuses.map_or(0, ready))),
            ]
        }
        "ReplicaSet" | "ControllerRevision" => {
            let revision = object.annotation("deployment.kubernetes.io/revision").map(str::to_owned);
            let number = object.value().get("revision").map(ToString::to_string);
            revision.or(number).map(|number| line("Revision", format!("Rev:{number}"))).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::health;
    use crate::scope::Scopes;
    use api::argocd::{AppProject, ClusterIdentity};
    use serde_json::json;

    fn object(kind: &str, name: &str, owner: Option<&str>, status: Value) -> Arc<LiveObject> {
        let owners: Vec<Value> = owner
            .map(|uid| json!({"apiVersion": "apps/v1", "kind": "X", "name": "x", "uid": uid}))
            .into_iter()
            .collect();
        let api_version = if kind == "Pod" { "v1" } else { "apps/v1" };
        let value = json!({"apiVersion": api_version, "kind": kind, "status": status,
            "spec": {"restartPolicy": "Always", "containers": [{"name": "a", "image": "x:1"}]},
            "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": owners}});
        Arc::new(LiveObject::new(value).unwrap())
    }

    #[test]
    fn follows_owners_and_names_the_cause() {
        let waiting = json!({"phase": "Pending", "containerStatuses": [{"name": "a", "ready": false,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"x:1\""}}}]});
        let live = LiveState::new([
            object("Deployment", "web", None, json!({})),
            object("ReplicaSet", "web-1", Some("web"), json!({})),
            object("Pod", "web-1-a", Some("web-1"), waiting),
            object("Pod", "stranger", Some("other"), json!({})),
        ]);
        let root = ResourceKey::new("apps", "Deployment", "shop", "web");
        let tree = tree(&live, &BTreeSet::from([root.clone()]), &Permits::everything(), &health);
        let names: Vec<_> = tree.nodes.iter().map(|node| node.key.name.as_str()).collect();
        assert_eq!(names, ["web", "web-1", "web-1-a"]);
        let (node, health) = tree.cause(&root).unwrap();
        assert_eq!(node.key.name, "web-1-a");
        assert_eq!(health.message, "ImagePullBackOff: Back-off pulling image \"x:1\"");
        assert_eq!(tree.images(), ["x:1"]);
    }

    #[test]
    fn a_pod_that_no_node_takes_is_a_cause() {
        let message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
        let unscheduled = json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]});
        let live = LiveState::new([
            object("Deployment", "web", None, json!({})),
            object("ReplicaSet", "web-1", Some("web"), json!({})),
            object("Pod", "web-1-a", Some("web-1"), unscheduled),
        ]);
        let root = ResourceKey::new("apps", "Deployment", "shop", "web");
        let tree = tree(&live, &BTreeSet::from([root.clone()]), &Permits::everything(), &health);
        assert_eq!(tree.cause(&root).unwrap().1.message, format!("Unschedulable: {message}"));
    }

    #[test]
    fn circles_end() {
        let live = LiveState::new([
            object("ReplicaSet", "a", Some("b"), json!({})),
            object("ReplicaSet", "b", Some("a"), json!({})),
        ]);
        let root = ResourceKey::new("apps", "ReplicaSet", "shop", "a");
        assert_eq!(tree(&live, &BTreeSet::from([root]), &Permits::everything(), &health).nodes.len(), 2);
    }

    fn permits(spec: Value) -> Permits {
        let project = json!({"metadata": {"name": "team-a"}, "spec": spec});
        let cluster = ClusterIdentity { name: "in-cluster".into(), server: "https://kubernetes.default.svc".into() };
        Permits::of(&AppProject::from_value(project).unwrap(), cluster, Vec::new(), Scopes::default())
    }

    fn placed(kind: &str, namespace: &str, name: &str, owner: &str) -> Arc<LiveObject> {
        let mut value = object(kind, name, Some(owner), json!({})).value().clone();
        value["metadata"]["namespace"] = json!(namespace);
        Arc::new(LiveObject::new(value).unwrap())
    }

    #[test]
    fn what_the_project_does_not_permit_is_in_no_tree() {
        let live = LiveState::new([
            placed("Deployment", "production", "theirs", ""),
            placed("ReplicaSet", "production", "theirs-1", "theirs"),
            placed("Deployment", "team-a", "own", ""),
            placed("ReplicaSet", "team-a", "own-1", "own"),
            placed("Pod", "team-a", "own-1-a", "own-1"),
            // says that it is owned by something of another namespace
            placed("Pod", "production", "far", "own-1"),
            placed("Pod", "team-b", "near", "own-1"),
        ]);
        let key = |namespace: &str, name: &str| ResourceKey::new("apps", "Deployment", namespace, name);
        let roots = BTreeSet::from([key("production", "theirs"), key("team-a", "own")]);
        let check = |permits: &Permits, expected: &[&str]| {
            let tree = tree(&live, &roots, permits, &health);
            assert_eq!(tree.nodes.iter().map(|node| node.key.name.as_str()).collect::<Vec<_>>(), expected);
        };
        let namespaces =
            |names: &[&str]| -> Value { names.iter().map(|name| json!({"server": "*", "namespace": name})).collect() };
        let a = json!({"destinations": namespaces(&["team-a"])});
        check(&permits(a.clone()), &["own", "own-1", "own-1-a"]);
        // a namesake in another namespace is no child either where both namespaces are permitted
        check(&permits(json!({"destinations": namespaces(&["team-a", "team-b"])})), &["own", "own-1", "own-1-a"]);
        let mut no_pods = a;
        no_pods["namespaceResourceBlacklist"] = json!([{"group": "", "kind": "Pod"}]);
        check(&permits(no_pods), &["own", "own-1"]);
        check(&Permits::default(), &[]);
    }
}
