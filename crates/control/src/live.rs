//! The live side of a comparison: which kinds to watch, what is there, and what only the API server can say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::argocd::{Application, Condition, ConditionType, Destination, names};
use cluster::{ApplyOptions, ClusterError};
use engine::{
    CompareOptions, Comparison, DryRun, LiveState, Prediction, Scopes, Targets, Tracking, compare, needs_dry_run,
    targets,
};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use object::{GroupKind, LiveObject, ResourceKey};

use crate::context::Context;
use crate::memory::Memory;
use crate::source::Wanted;
use crate::status::condition;

/// How many objects of one Application are asked about at once.
const AT_ONCE: usize = 8;

/// A comparison with all that it was made from.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) comparison: Comparison,
    pub(crate) live: LiveState,
    pub(crate) options: CompareOptions,
}

/// Compares what is wanted with what is there.
///
/// # Errors
/// The condition that says why that is not possible now.
pub(crate) async fn compared(
    cx: &Context,
    app: &Application,
    wanted: &Wanted,
    memory: &mut Memory,
) -> Result<Compared, Condition> {
    for manifest in wanted.set.manifests() {
        // asks the server when the kind is new
        let _ = cx.cluster.resource(&manifest.gvk().group_kind()).await;
    }
    let mut options = options(cx, app, wanted);
    let targets =
        targets(&wanted.set, &options.application, &app.spec.destination.namespace, &options.tracking, &options.scopes);
    let live = gather(cx, app, &targets).await?;
    options.applications = Some(claimants(cx, &live, &options.tracking));
    let predictions = predictions(cx, &targets, &live, &options, memory).await?;
    let comparison = compare(&targets, &live, &options, &memory.marks, &predictions);
    memory.marks = comparison.marks.clone();
    Ok(Compared { comparison, live, options })
}

fn options(cx: &Context, app: &Application, wanted: &Wanted) -> CompareOptions {
    let kinds: BTreeSet<GroupKind> = wanted.set.manifests().iter().map(|m| m.gvk().group_kind()).collect();
    let known = |kind: GroupKind| cx.cluster.known_resource(&kind).map(|resource| (kind, resource.namespaced));
    let project = cx.stores.project(app.spec.project_name()).ok();
    CompareOptions {
        application: app.instance_name(&cx.namespace),
        tracking: Tracking::from(&*cx.stores.settings()),
        ignore: app.spec.ignore_differences.clone(),
        manager: names::FIELD_MANAGER.to_owned(),
        project: project.map(|project| project.spec.clone()),
        scopes: Scopes::new(kinds.into_iter().filter_map(known)),
        applications: None,
    }
}

/// The Applications that exist of those whose marks the objects carry.
fn claimants(cx: &Context, live: &LiveState, tracking: &Tracking) -> BTreeSet<String> {
    let marks: BTreeSet<String> = live.iter().filter_map(|object| tracking.application_of(object)).collect();
    marks.into_iter().filter(|instance| cx.exists(instance)).collect()
}

/// Everything that the Application wants, has, or had when its status was written.
async fn gather(cx: &Context, app: &Application, targets: &Targets) -> Result<LiveState, Condition> {
    let mut kinds: BTreeSet<GroupKind> = targets.objects.iter().map(|m| m.gvk().group_kind()).collect();
    kinds.extend(app.status.resources.iter().map(|r| GroupKind::new(r.group.clone(), r.kind.clone())));
    let results = app.status.operation_state.iter().filter_map(|state| state.sync_result.as_ref());
    kinds.extend(results.flat_map(|result| &result.resources).map(|r| GroupKind::new(r.group.clone(), r.kind.clone())));
    kinds.insert(GroupKind::new("", "Namespace"));
    watch(cx, &kinds).await?;
    live_of(cx, app, targets.objects.iter().map(|m| m.key()).collect()).await.map_err(|error| unreadable(&error))
}

/// What carries the Application's marks, what its manifests name, and the destination's namespace.
///
/// # Errors
/// When the server had to be asked and did not answer.
pub(crate) async fn live_of(
    cx: &Context,
    app: &Application,
    wanted: Vec<ResourceKey>,
) -> Result<LiveState, ClusterError> {
    let mut live = LiveState::new(cx.live.belonging_to(&app.instance_name(&cx.namespace)).into_iter().map(Arc::new));
    let namespace = ResourceKey::new("", "Namespace", "", app.spec.destination.namespace.as_str());
    for key in wanted.into_iter().chain([namespace]) {
        if key.name.is_empty() || live.get(&key).is_some() {
            continue;
        }
        match cx.live.get(&key).await {
            Ok(found) => found.into_iter().for_each(|object| live.insert(Arc::new(object))),
            Err(ClusterError::UnknownKind { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(live)
}

/// Watches the kinds and those of the objects that controllers make from them. A kind that does not exist (yet) has no
/// objects.
async fn watch(cx: &Context, kinds: &BTreeSet<GroupKind>) -> Result<(), Condition> {
    for kind in kinds {
        match cx.live.ensure(kind).await {
            Ok(()) | Err(ClusterError::UnknownKind { .. }) => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    for kind in children(kinds) {
        // the tree is smaller without them, that is all
        if let Err(error) = cx.live.ensure(&kind).await {
            tracing::debug!(%kind, %error, "children not watched");
        }
    }
    Ok(())
}

/// The kinds that the built-in controllers make from these, directly and below. Of custom kinds everything is possible:
/// the usual workloads are looked for.
fn children(kinds: &BTreeSet<GroupKind>) -> BTreeSet<GroupKind> {
    let workloads: &[(&str, &str)] = &[
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "ReplicaSet"),
        ("batch", "Job"),
        ("", "Pod"),
        ("", "Service"),
    ];
    let mut found = BTreeSet::new();
    for kind in kinds {
        let below: &[(&str, &str)] = match (kind.group.as_str(), kind.kind.as_str()) {
            ("apps", "Deployment") => &[("apps", "ReplicaSet"), ("", "Pod")],
            ("apps", _) => &[("", "Pod")],
            ("batch", "CronJob") => &[("batch", "Job"), ("", "Pod")],
            ("batch", _) => &[("", "Pod")],
            ("", "Service") => &[("discovery.k8s.io", "EndpointSlice")],
            (group, _) if group.contains('.') && !group.ends_with(".k8s.io") => workloads,
            _ => &[],
        };
        found.extend(below.iter().map(|(group, kind)| GroupKind::new(*group, *kind)));
    }
    found.retain(|kind| !kinds.contains(kind));
    found
}

/// Asks the API server about the objects that differ by text.
async fn predictions(
    cx: &Context,
    targets: &Targets,
    live: &LiveState,
    options: &CompareOptions,
    memory: &Memory,
) -> Result<BTreeMap<ResourceKey, Prediction>, Condition> {
    let questions = needs_dry_run(targets, live, options, &memory.marks);
    // boxed: the compiler cannot see otherwise that the futures may move between threads
    let answers = questions.into_iter().map(|question| ask(cx, question).boxed());
    let answers: Vec<Result<_, Condition>> = stream::iter(answers).buffer_unordered(AT_ONCE).collect().await;
    answers.into_iter().collect()
}

async fn ask(cx: &Context, question: DryRun) -> Result<(ResourceKey, Prediction), Condition> {
    let apply = ApplyOptions { manager: names::FIELD_MANAGER, force: true, dry_run: true, validate: false };
    match cx.cluster.apply(&question.manifest, apply).await {
        Ok(object) => Ok((question.key, Ok(object))),
        Err(error) if error.is_transient() => Err(unreadable(&error)),
        Err(error) => Ok((question.key, Err(error.to_string()))),
    }
}

fn unreadable(error: &ClusterError) -> Condition {
    condition(ConditionType::ComparisonError, format!("Failed to load live state: {error}"))
}

/// What is wrong with an Application before anything is loaded: its spec, its project, its destination.
pub(crate) fn spec_problems(cx: &Context, app: &Application) -> Vec<Condition> {
    let mut problems = app.spec.problems();
    let Destination { server, name, namespace } = &app.spec.destination;
    if problems.is_empty() && !app.spec.destination.is_in_cluster() {
        let which = if server.is_empty() { name } else { server };
        problems.push(format!(
            "cluster {which:?} is not connected: only {} (in-cluster) can be used as a destination for now",
            Destination::IN_CLUSTER_SERVER
        ));
    }
    let project_name = app.spec.project_name();
    match cx.stores.project(project_name) {
        Err(none) => problems.push(none.to_string()),
        Ok(project) => {
            if let Err(denied) = project.check_application_namespace(&app.metadata.namespace, &cx.namespace) {
                problems.push(denied.to_string());
            }
            let denied = app.spec.all_sources().iter().filter(|source| !project.spec.permits_source(source));
            problems.extend(denied.map(|source| {
                format!("application repo {} is not permitted in project '{project_name}'", source.repo_url)
            }));
            if !project.spec.permits_destination(&identity(), namespace, &[]) {
                problems.push(format!(
                    "application destination server '{}' and namespace '{namespace}' do not match any of the allowed \
                     destinations in project '{project_name}'",
                    Destination::IN_CLUSTER_SERVER
                ));
            }
        }
    }
    problems.into_iter().map(|problem| condition(ConditionType::InvalidSpecError, problem)).collect()
}

fn identity() -> api::argocd::ClusterIdentity {
    api::argocd::ClusterIdentity {
        name: Destination::IN_CLUSTER_NAME.to_owned(),
        server: Destination::IN_CLUSTER_SERVER.to_owned(),
    }
}

/// The live objects that an Application had when its status was written, and what is below them.
pub(crate) fn known_objects(cx: &Context, app: &Application) -> Vec<LiveObject> {
    let keys = app
        .status
        .resources
        .iter()
        .map(|r| ResourceKey::new(r.group.clone(), r.kind.clone(), r.namespace.clone(), r.name.clone()));
    keys.filter_map(|key| cx.live.peek(&key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_workloads_are_watched() {
        let kinds = |list: &[(&str, &str)]| list.iter().map(|(g, k)| GroupKind::new(*g, *k)).collect::<BTreeSet<_>>();
        assert_eq!(children(&kinds(&[("", "ConfigMap")])), kinds(&[]));
        assert_eq!(
            children(&kinds(&[("apps", "Deployment"), ("", "Service")])),
            kinds(&[("apps", "ReplicaSet"), ("", "Pod"), ("discovery.k8s.io", "EndpointSlice")])
        );
        assert!(children(&kinds(&[("example.com", "Database")])).contains(&GroupKind::new("apps", "StatefulSet")));
    }
}
