//! What the objects of an Application say: what their containers print, and the Events about them. On whatever cluster
//! they are, and of no object that is not the Application's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::argocd::Application;
use cluster::{Cause, ClusterError, LogOptions, Scope};
use engine::{ResourceNode, ResourceTree};
use futures::future::join_all;
use futures::stream::{BoxStream, StreamExt, select_all};
use object::{GroupKind, LiveObject, ResourceKey};
use serde_json::Value;
use tokio::time::timeout;

use crate::controller::Controller;
use crate::reach::Reader;
use crate::requests::RequestError;
use crate::sites::Site;

/// So many pods are listened to at once, and of so many objects Events are read: for more, somebody has to choose.
const MOST: usize = 20;
/// How long somebody who listens waits for what is slow to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Names the container that people mean.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Which objects of an Application; what is empty says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pick {
    pub group: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

impl Pick {
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    fn takes(&self, node: &ResourceNode) -> bool {
        let is = |wanted: &str, said: &str| wanted.is_empty() || wanted == said;
        is(&self.group, &node.key.group)
            && is(&self.kind, &node.key.kind)
            && is(&self.namespace, &node.key.namespace)
            && is(&self.name, &node.key.name)
            && is(&self.uid, &node.uid)
    }
}

/// One line of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub pod: String,
    pub text: String,
}

/// Events, the oldest first, and the objects of which none could be had, with why.
#[derive(Debug)]
pub struct Heard {
    pub events: Vec<LiveObject>,
    pub silent: Vec<Silent>,
}

/// An object of which nothing could be had, and why.
pub type Silent = (ResourceKey, ClusterError);

impl Controller {
    /// What the containers print of the pods that are, or are below, the objects that are meant. Lines of one pod keep
    /// their order.
    ///
    /// # Errors
    /// When there is no such pod, there are too many, or the cluster tells of none of them.
    pub async fn logs(
        &self,
        app: &Application,
        pick: &Pick,
        options: &LogOptions,
    ) -> Result<BoxStream<'static, Line>, RequestError> {
        let tree = self.resource_tree(app).await?;
        let pods = pods_below(&tree, pick);
        few(app, "pods", pods.len())?;
        let site = self.context.sites.at(&app.spec.destination).map_err(ClusterError::from)?;
        let opened = pods.into_iter().map(|pod| in_time(PATIENCE, pod, printed(&site, pod, options)));
        let (all, failed) = some(join_all(opened).await)?;
        let silent =
            failed.into_iter().map(|(pod, error)| Line { text: format!("nothing to be read: {error}"), pod: pod.name });
        Ok(futures::stream::iter(silent).chain(select_all(all)).boxed())
    }

    /// The Events about the objects that are meant; about the Application itself where none is.
    ///
    /// # Errors
    /// When there is no such object, there are too many, or the cluster tells of none of them.
    pub async fn events(&self, app: &Application, pick: &Pick) -> Result<Heard, RequestError> {
        let mut heard = if pick.is_everything() {
            let own = Reader::from(self.context.cluster.clone());
            let events = about(&own, &app.metadata.namespace, &app.metadata.uid).await?;
            Heard { events, silent: Vec::new() }
        } else {
            self.events_of_objects(app, pick).await?
        };
        heard.events.sort_by_key(|event| last_seen(event.value()));
        Ok(heard)
    }

    async fn events_of_objects(&self, app: &Application, pick: &Pick) -> Result<Heard, RequestError> {
        let tree = self.resource_tree(app).await?;
        let objects: Vec<&ResourceNode> = tree.nodes.iter().filter(|node| pick.takes(node)).collect();
        few(app, "objects", objects.len())?;
        let site = self.context.sites.at(&app.spec.destination).map_err(ClusterError::from)?;
        let told =
            objects.into_iter().map(|object| in_time(PATIENCE, &object.key, about_object(&site.cluster, object)));
        let (told, silent) = some(join_all(told).await)?;
        Ok(Heard { events: told.concat(), silent })
    }
}

/// What came of a question about an object.
type Answer<T> = (ResourceKey, Result<T, ClusterError>);

/// An answer about an object, or that it takes too long.
async fn in_time<T>(
    patience: Duration,
    object: &ResourceKey,
    answer: impl Future<Output = Result<T, ClusterError>>,
) -> Answer<T> {
    let late = |_| ClusterError::Unreachable {
        object: object.to_string(),
        cause: Cause::Silent,
        message: format!("no answer within {} s", patience.as_secs_f64()),
    };
    (object.clone(), timeout(patience, answer).await.unwrap_or_else(|elapsed| Err(late(elapsed))))
}

/// What could be had, and the objects of which nothing could.
///
/// # Errors
/// When nothing could be had of any: why, of one of them.
fn some<T>(answers: Vec<Answer<T>>) -> Result<(Vec<T>, Vec<Silent>), ClusterError> {
    let (mut had, mut silent) = (Vec::new(), Vec::new());
    for (object, answer) in answers {
        match answer {
            Ok(answer) => had.push(answer),
            Err(error) => silent.push((object, error)),
        }
    }
    match silent.pop() {
        Some((_, error)) if had.is_empty() => Err(error),
        last => {
            silent.extend(last);
            Ok((had, silent))
        }
    }
}

fn few(app: &Application, what: &str, count: usize) -> Result<(), RequestError> {
    let name = &app.metadata.name;
    match count {
        0 => Err(RequestError::Absent(format!(
            "{name} has no such {what} now: `gantline app get {name}` shows what it has"
        ))),
        1..=MOST => Ok(()),
        many => Err(RequestError::Invalid(format!(
            "{name} has {many} such {what}: choose {MOST} at most, by kind and name"
        ))),
    }
}

/// The pods that are meant, or below what is meant.
fn pods_below<'t>(tree: &'t ResourceTree, pick: &Pick) -> Vec<&'t ResourceKey> {
    let known: BTreeMap<&ResourceKey, &ResourceNode> = tree.nodes.iter().map(|node| (&node.key, node)).collect();
    let pods = tree.nodes.iter().filter(|node| node.key.kind == "Pod" && node.key.group.is_empty());
    pods.filter(|pod| is_below(&known, pod, pick)).map(|pod| &pod.key).collect()
}

fn is_below(known: &BTreeMap<&ResourceKey, &ResourceNode>, node: &ResourceNode, pick: &Pick) -> bool {
    // owners may own each other
    let (mut looked, mut open) = (BTreeSet::new(), vec![node]);
    while let Some(node) = open.pop() {
        if pick.takes(node) {
            return true;
        }
        let parents = node.parents.iter().filter_map(|parent| known.get(parent).copied());
        open.extend(parents.filter(|parent| looked.insert(&parent.key)));
    }
    false
}

async fn printed(
    site: &Arc<Site>,
    pod: &ResourceKey,
    options: &LogOptions,
) -> Result<BoxStream<'static, Line>, ClusterError> {
    let container = match options.container.as_str() {
        "" => site.live.peek(pod).map_or_else(String::new, |live| usual_container(live.value())),
        named => named.to_owned(),
    };
    let options = LogOptions { container, ..options.clone() };
    let (lines, name) = (site.cluster.logs(&pod.namespace, &pod.name, &options).await?, pod.name.clone());
    let told = lines.map(move |line| {
        let text = line.unwrap_or_else(|error| format!("nothing more to be read: {error}"));
        Line { pod: name.clone(), text }
    });
    Ok(told.boxed())
}

/// As kubectl has it: the one that the pod says, else the first.
fn usual_container(pod: &Value) -> String {
    let said = pod["metadata"]["annotations"][DEFAULT_CONTAINER].as_str();
    said.or_else(|| pod["spec"]["containers"][0]["name"].as_str()).unwrap_or_default().to_owned()
}

async fn about_object(cluster: &Reader, object: &ResourceNode) -> Result<Vec<LiveObject>, ClusterError> {
    // those about what has no namespace are in this one
    let namespace = if object.key.namespace.is_empty() { "default" } else { &object.key.namespace };
    about(cluster, namespace, &object.uid).await
}

async fn about(cluster: &Reader, namespace: &str, uid: &str) -> Result<Vec<LiveObject>, ClusterError> {
    let scope = Scope::namespaced(GroupKind::new("", "Event"), namespace);
    cluster.list(&scope.with_fields(format!("involvedObject.uid={uid}"))).await
}

/// Texts of times in UTC come in their order.
fn last_seen(event: &Value) -> String {
    let times = ["/lastTimestamp", "/eventTime", "/firstTimestamp", "/metadata/creationTimestamp"];
    times.iter().find_map(|time| event.pointer(time)?.as_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(kind: &str, name: &str, parents: &[(&str, &str)]) -> ResourceNode {
        let key =
            |kind: &str, name: &str| ResourceKey::new(if kind == "Pod" { "" } else { "apps" }, kind, "shop", name);
        ResourceNode {
            key: key(kind, name),
            version: "v1".into(),
            uid: name.into(),
            parents: parents.iter().map(|(kind, name)| key(kind, name)).collect(),
            health: None,
            images: Vec::new(),
            info: Vec::new(),
            created_at: None,
        }
    }

    #[test]
    fn pods_are_found_by_themselves_and_by_what_owns_them() {
        let tree = ResourceTree {
            nodes: vec![
                node("Deployment", "web", &[]),
                node("ReplicaSet", "web-1", &[("Deployment", "web")]),
                node("Pod", "web-1-a", &[("ReplicaSet", "web-1")]),
                node("Pod", "other", &[]),
                // owners that own each other
                node("Pod", "x", &[("Pod", "y")]),
                node("Pod", "y", &[("Pod", "x")]),
            ],
        };
        let check = |pick: Pick, expected: &[&str]| {
            let found: Vec<&str> = pods_below(&tree, &pick).iter().map(|key| key.name.as_str()).collect();
            assert_eq!(found, expected, "{pick:?}");
        };
        check(Pick::default(), &["web-1-a", "other", "x", "y"]);
        check(Pick { kind: "Deployment".into(), name: "web".into(), ..Pick::default() }, &["web-1-a"]);
        check(Pick { group: "apps".into(), ..Pick::default() }, &["web-1-a"]);
        check(Pick { kind: "Pod".into(), name: "other".into(), ..Pick::default() }, &["other"]);
        check(Pick { namespace: "elsewhere".into(), ..Pick::default() }, &[]);
        check(Pick { uid: "web".into(), ..Pick::default() }, &["web-1-a"]);
    }

    #[test]
    fn the_usual_container_is_the_one_that_the_pod_names() {
        let mut pod = json!({ "metadata": {}, "spec": { "containers": [{ "name": "app" }, { "name": "proxy" }] } });
        assert_eq!(usual_container(&pod), "app");
        pod["metadata"]["annotations"] = json!({ DEFAULT_CONTAINER: "proxy" });
        assert_eq!(usual_container(&pod), "proxy");
    }

    #[tokio::test]
    async fn who_is_slow_to_answer_holds_up_nobody() {
        let keys = ["silent", "quick", "dead"].map(|name| ResourceKey::new("", "Pod", "shop", name));
        let answer = async |key: &ResourceKey| match &*key.name {
            "quick" => Ok("here"),
            _ => std::future::pending().await,
        };
        let patience = Duration::from_millis(50);
        let told = join_all(keys.iter().map(|key| in_time(patience, key, answer(key)))).await;
        let (had, silent) = some(told).unwrap();
        assert_eq!(had, ["here"]);
        let names: Vec<&str> = silent.iter().map(|(key, _)| key.name.as_str()).collect();
        assert_eq!(names, ["silent", "dead"], "who says nothing is named");
        for (_, error) in silent {
            assert!(error.to_string().contains("no answer within 0.05 s"), "{error}");
        }
        let nothing = in_time(patience, &keys[0], answer(&keys[0])).await;
        assert!(some(vec![nothing]).is_err());
    }
}
