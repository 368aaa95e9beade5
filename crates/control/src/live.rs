//! The live side of a comparison: which kinds to watch, what is there, and what only the API server can say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use api::argocd::{AppProject, Application, Condition, ConditionType, ManagedNamespaceMetadata, ResourceStatus, names};
use cluster::ClusterError;
use engine::sync::by_server;
use engine::{
    CompareOptions, Comparison, DryRun, Keepers, LiveState, Other, Permits, Prediction, Scopes, Targets, Tracking,
    compare, is_kept, needs_dry_run, targets,
};
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use object::{GroupKind, LiveObject, ResourceKey};

use crate::context::Context;
use crate::memory::Memory;
use crate::sites::Site;
use crate::source::{Wanted, not_permitted};
use crate::stays::{stays, told_by_mark, wanted_elsewhere};
use crate::stores::AppKey;

/// How many objects of one Application are asked about at once.
const AT_ONCE: usize = 8;

/// A comparison with all that it was made from.
#[derive(Debug)]
pub(crate) struct Compared {
    /// Where it was compared, and nowhere else may it be written.
    pub(crate) site: Arc<Site>,
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
    site: &Arc<Site>,
    app: &Application,
    wanted: &Wanted,
    memory: &mut Memory,
) -> Result<Compared, Condition> {
    site.patiently(&cx.turns, compared_at(cx, site, app, wanted, memory)).await
}

async fn compared_at(
    cx: &Context,
    site: &Arc<Site>,
    app: &Application,
    wanted: &Wanted,
    memory: &mut Memory,
) -> Result<Compared, Condition> {
    discover(site, wanted).await?;
    let mut options = options(cx, site, app, wanted);
    let targets = targets_of(cx, site, app, wanted, &options).await?;
    if let Some(refused) = targets.objects.iter().find_map(|object| site.refuses(&object.key())) {
        return Err(not_loaded(&refused));
    }
    let live = gather(cx, site, app, &targets, &options.permits).await?;
    options.applications = Some(claimants(cx, app, &live, &options.tracking));
    let predictions = predictions(site, &targets, &live, &options, memory).await?;
    let comparison = compare(&targets, &live, &options, &memory.marks, &predictions);
    let extra: Vec<ResourceKey> = comparison.extra().cloned().collect();
    let is_kept = |key: &&ResourceKey| live.get(key).is_some_and(|live| is_kept(live, "Prune=false"));
    let going: Vec<ResourceKey> = extra.iter().filter(|key| !is_kept(key)).cloned().collect();
    let mut stays = stays(cx, site, app, &extra, &going).await.map_err(|error| unreadable(site, &error))?;
    let hooks: Vec<ResourceKey> = comparison.becoming_hooks().cloned().collect();
    stays.extend(wanted_elsewhere(cx, site, app, &hooks));
    let comparison = comparison.leaving(stays);
    memory.marks = Arc::new(comparison.marks.clone());
    Ok(Compared { site: Arc::clone(site), comparison, live, options })
}

/// What is wanted, without what the settings exclude, with the namespace where its labels are kept.
///
/// # Errors
/// When others keep its labels, too, and it cannot be read.
async fn targets_of(
    cx: &Context,
    site: &Site,
    app: &Application,
    wanted: &Wanted,
    options: &CompareOptions,
) -> Result<Targets, Condition> {
    let namespace = &app.spec.destination.namespace;
    let targets = targets(&wanted.set, &options.application, namespace, &options.tracking, &options.scopes);
    let excluded = excluded(cx, site);
    let key = namespace_of(app);
    let is_kept = !namespace.is_empty() && site.refuses(&key).is_none() && !excluded(&key.group_kind());
    let targets = targets.without(excluded);
    let Some(own) = app.spec.kept_namespace_metadata().filter(|_| is_kept) else { return Ok(targets) };
    let mut kept = kept_by_others(cx, site, app, own);
    if kept.is_empty() {
        return Ok(targets.with_namespace(namespace, own));
    }
    kept.insert(options.application.clone(), own.clone());
    let live = site.live.get(&key).await.map_err(|error| unreadable(site, &error))?;
    let owner = live.as_ref().and_then(|live| options.tracking.application_of(live));
    let application = &options.application;
    let (own, lost) = Keepers { namespace, application, kept: &kept, owner, live: live.as_ref() }.settle();
    let mut targets = targets.with_namespace(namespace, &own);
    targets.conditions.extend(lost);
    Ok(targets)
}

/// What other Applications keep on the same namespace, as far as they may deploy there, by their instance names. Empty
/// where all of it is the Application's own as well, as where many share a namespace.
fn kept_by_others(
    cx: &Context,
    site: &Site,
    app: &Application,
    own: &ManagedNamespaceMetadata,
) -> BTreeMap<String, ManagedNamespaceMetadata> {
    let name = app.instance_name(&cx.namespace);
    let mut all = cx.stores.applications.by(&Application::BY_KEPT_NAMESPACE, &app.spec.destination.namespace);
    all.retain(|other| other.metadata.deletion_timestamp.is_none() && other.instance_name(&cx.namespace) != name);
    if all.iter().filter_map(|other| other.spec.kept_namespace_metadata()).all(|kept| kept.is_part_of(own)) {
        return BTreeMap::new();
    }
    all.retain(|other| site_of(cx, other).is_ok_and(|at| at.server() == site.server()));
    let named = |other: &Arc<Application>| {
        Some((other.instance_name(&cx.namespace), other.spec.kept_namespace_metadata()?.clone()))
    };
    all.iter().filter_map(named).collect()
}

/// Which kinds the settings leave alone on the cluster: they are neither watched, nor shown, nor written.
pub(crate) fn excluded(cx: &Context, site: &Site) -> impl Fn(&GroupKind) -> bool + use<> {
    let (settings, server) = (cx.stores.settings(), site.server().to_owned());
    move |kind| settings.excludes(&kind.group, &kind.kind, &server)
}

/// Asks the server about kinds that are new. One that it does not have is told of later, with the object.
async fn discover(site: &Site, wanted: &Wanted) -> Result<(), Condition> {
    for manifest in wanted.set.manifests() {
        match site.cluster.resource(&manifest.gvk().group_kind()).await {
            Ok(_) | Err(ClusterError::UnknownKind { .. }) => {}
            Err(error) => return Err(unreadable(site, &error)),
        }
    }
    Ok(())
}

fn options(cx: &Context, site: &Site, app: &Application, wanted: &Wanted) -> CompareOptions {
    let kinds: BTreeSet<GroupKind> = wanted.set.manifests().iter().map(|m| m.gvk().group_kind()).collect();
    let scopes = scopes(site, kinds);
    let permits = permits(cx, site, app, scopes.clone().with_definitions(wanted.set.manifests()));
    CompareOptions {
        application: app.instance_name(&cx.namespace),
        qualified: AppKey::of(app).to_string(),
        tracking: Tracking::from(&*cx.stores.settings()),
        ignore: app.spec.ignore_differences.clone(),
        manager: names::FIELD_MANAGER.to_owned(),
        client_side: !by_server(!cx.client_side_apply, app.spec.sync_options()),
        permits,
        scopes,
        own_namespace: app.spec.creates_namespace().then(|| namespace_of(app)),
        applications: None,
    }
}

fn namespace_of(app: &Application) -> ResourceKey {
    ResourceKey::new("", "Namespace", "", app.spec.destination.namespace.as_str())
}

/// What the Application may touch, by its project as that is now; nothing without one.
pub(crate) fn permits(cx: &Context, site: &Site, app: &Application, scopes: Scopes) -> Permits {
    let Ok(project) = cx.stores.project(app.spec.project_name()) else { return Permits::default() };
    let own = cx.sites.of_project(&project.metadata.name);
    Permits::of(&project, site.identity(), own, scopes)
}

/// What of the live objects somebody sees by the Application: what it may touch, where it may deploy to at all.
pub(crate) fn visible(cx: &Context, site: &Site, app: &Application, kinds: BTreeSet<GroupKind>) -> Permits {
    let Ok(project) = cx.stores.project(app.spec.project_name()) else { return Permits::default() };
    let is_at_home = project.check_application_namespace(&app.metadata.namespace, &cx.namespace).is_ok();
    if !is_at_home || forbidden(cx, app, site, &project).is_some() {
        return Permits::default();
    }
    permits(cx, site, app, scopes(site, kinds))
}

/// As far as the API server has told.
pub(crate) fn scopes(site: &Site, kinds: impl IntoIterator<Item = GroupKind>) -> Scopes {
    let known = |kind: GroupKind| site.cluster.known_resource(&kind).map(|resource| (kind, resource.namespaced));
    Scopes::new(kinds.into_iter().filter_map(known))
}

/// The other Applications that exist of those whose marks the objects carry.
fn claimants(cx: &Context, app: &Application, live: &LiveState, tracking: &Tracking) -> BTreeMap<String, Other> {
    let marks: BTreeSet<String> = live.iter().filter_map(|object| tracking.application_of(object)).collect();
    marks.into_iter().filter_map(|mark| told_by_mark(cx, app, &mark).map(|other| (mark, other))).collect()
}

/// Everything that the Application wants, has, or had when its status was written.
async fn gather(
    cx: &Context,
    site: &Site,
    app: &Application,
    targets: &Targets,
    permits: &Permits,
) -> Result<LiveState, Condition> {
    let mut kinds: BTreeSet<GroupKind> = targets.objects.iter().map(|m| m.gvk().group_kind()).collect();
    kinds.extend(app.status.resources.iter().map(|r| GroupKind::new(r.group.clone(), r.kind.clone())));
    let results = app.status.operation_state.iter().filter_map(|state| state.sync_result.as_ref());
    kinds.extend(results.flat_map(|result| &result.resources).map(|r| GroupKind::new(r.group.clone(), r.kind.clone())));
    kinds.insert(GroupKind::new("", "Namespace"));
    let mut namespaces = namespaces_of(app);
    namespaces.extend(targets.objects.iter().map(|manifest| manifest.namespace().to_owned()));
    watch(cx, site, kinds, &namespaces).await?;
    // what may not be touched is not looked at either: whoever writes a name into Git would see what is there
    let keys = targets.objects.iter().map(|m| m.key()).filter(|key| permits.check(key).is_ok()).collect();
    live_of(cx, site, app, keys).await.map_err(|error| unreadable(site, &error))
}

/// What carries the Application's marks.
pub(crate) fn belonging(cx: &Context, site: &Site, app: &Application) -> impl Iterator<Item = LiveObject> + use<> {
    let excluded = excluded(cx, site);
    let all = site.live.belonging_to(&app.instance_name(&cx.namespace)).into_iter();
    all.filter(move |object| !excluded(&object.gvk().group_kind()))
}

/// What carries the Application's marks, what its manifests name, and the destination's namespace.
///
/// # Errors
/// When the server had to be asked and did not answer.
pub(crate) async fn live_of(
    cx: &Context,
    site: &Site,
    app: &Application,
    wanted: Vec<ResourceKey>,
) -> Result<LiveState, ClusterError> {
    let mut live = LiveState::new(belonging(cx, site, app).map(Arc::new));
    for key in wanted.into_iter().chain([namespace_of(app)]) {
        if key.name.is_empty() || live.get(&key).is_some() {
            continue;
        }
        match site.live.get(&key).await {
            Ok(found) => found.into_iter().for_each(|object| live.insert(Arc::new(object))),
            Err(ClusterError::UnknownKind { .. }) => {}
            // the namespace itself, where only what is in it may be read
            Err(ClusterError::Forbidden { .. }) if site.refuses(&key).is_some() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(live)
}

/// Where the Application deploys to, and where it has objects.
pub(crate) fn namespaces_of(app: &Application) -> BTreeSet<String> {
    let known = app.status.resources.iter().map(|resource| resource.namespace.clone());
    known.chain([app.spec.destination.namespace.clone()]).collect()
}

/// Watches the kinds and those of the objects that controllers make from them. A kind that does not exist (yet) has no
/// objects; one that may not be read in other namespaces concerns other Applications.
async fn watch(
    cx: &Context,
    site: &Site,
    mut kinds: BTreeSet<GroupKind>,
    namespaces: &BTreeSet<String>,
) -> Result<(), Condition> {
    let excluded = excluded(cx, site);
    kinds.retain(|kind| !excluded(kind));
    for kind in &kinds {
        match site.live.ensure_in(kind, namespaces).await {
            Ok(()) | Err(ClusterError::UnknownKind { .. }) => {}
            Err(error) => return Err(unreadable(site, &error)),
        }
    }
    for kind in children(&kinds).into_iter().filter(|kind| !excluded(kind)) {
        // the tree is smaller without them, that is all
        if let Err(error) = site.live.ensure_in(&kind, namespaces).await {
            tracing::debug!(%kind, %error, "children not watched");
        }
    }
    Ok(())
}

/// Watches the kinds, also where another replica works on their Application. A kind that cannot be watched is missing
/// where it is shown.
///
/// # Errors
/// While nothing can be had of the cluster.
pub(crate) async fn watch_resources(site: &Site, kinds: &BTreeSet<GroupKind>) -> Result<(), ClusterError> {
    site.answers()?;
    for kind in kinds {
        match site.live.ensure(kind).await {
            Err(error) if error.is_outage() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The kinds of an Application's objects and of what grows out of them, as far as they may be watched.
pub(crate) fn kinds_of(cx: &Context, site: &Site, app: &Application) -> BTreeSet<GroupKind> {
    let excluded = excluded(cx, site);
    let mut kinds: BTreeSet<GroupKind> =
        app.status.resources.iter().map(|r| GroupKind::new(&*r.group, &*r.kind)).collect();
    kinds.extend(children(&kinds));
    kinds.retain(|kind| !excluded(kind));
    kinds
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
    site: &Site,
    targets: &Targets,
    live: &LiveState,
    options: &CompareOptions,
    memory: &Memory,
) -> Result<BTreeMap<ResourceKey, Prediction>, Condition> {
    let questions = needs_dry_run(targets, live, options, &memory.marks);
    // boxed: the compiler cannot see otherwise that the futures may move between threads
    let answers = questions.into_iter().map(|question| ask(site, question).boxed());
    let answers: Vec<Result<_, Condition>> = stream::iter(answers).buffer_unordered(AT_ONCE).collect().await;
    answers.into_iter().collect()
}

async fn ask(site: &Site, question: DryRun) -> Result<(ResourceKey, Prediction), Condition> {
    let predicted = match &question.patch {
        Some(patch) => site.cluster.predict_patch(&question.key, patch.clone()).await,
        None => site.cluster.predict(&question.manifest).await,
    };
    match predicted {
        Ok(object) => Ok((question.key, Ok(object))),
        Err(error) if error.is_transient() => Err(unreadable(site, &error)),
        Err(error) => Ok((question.key, Err(error.to_string()))),
    }
}

fn unreadable(site: &Site, error: &ClusterError) -> Condition {
    match site.answers() {
        Err(out) => not_loaded(&out),
        Ok(()) if site.is_own() => not_loaded(error),
        Ok(()) => not_loaded(&format!("cluster {:?}: {error}", site.identity().name)),
    }
}

fn not_loaded(why: &dyn fmt::Display) -> Condition {
    Condition::new(ConditionType::ComparisonError, format!("Failed to load live state: {why}"))
}

/// Where an Application deploys to, if its spec and its project permit it and the cluster is there.
///
/// # Errors
/// The conditions that say what is wrong, before anything is loaded.
pub(crate) fn site_of(cx: &Context, app: &Application) -> Result<Arc<Site>, Vec<Condition>> {
    let mut problems = app.spec.problems();
    let site = cx.sites.at(&app.spec.destination);
    if let (Err(error), None) = (&site, app.spec.destination.problem()) {
        problems.push(error.to_string());
    }
    let project_name = app.spec.project_name();
    match cx.stores.project(project_name) {
        Err(none) => problems.push(none.to_string()),
        Ok(project) => {
            if let Err(denied) = project.check_application_namespace(&app.metadata.namespace, &cx.namespace) {
                problems.push(denied.to_string());
            }
            let denied = app.spec.all_sources().iter().filter(|source| !project.spec.permits_source(source));
            problems.extend(denied.map(|source| not_permitted(source, project_name)));
            problems.extend(site.as_ref().ok().and_then(|site| forbidden(cx, app, site, &project)));
        }
    }
    match site {
        Ok(site) if problems.is_empty() => {
            site.answers().map_err(|out| vec![not_loaded(&out)])?;
            Ok(site)
        }
        _ => {
            Err(problems.into_iter().map(|problem| Condition::new(ConditionType::InvalidSpecError, problem)).collect())
        }
    }
}

/// Why the project does not let the Application into the cluster.
fn forbidden(cx: &Context, app: &Application, site: &Site, project: &AppProject) -> Option<String> {
    let (namespace, identity, name) = (&app.spec.destination.namespace, site.identity(), app.spec.project_name());
    if project.spec.permits_destination(&identity, namespace, &cx.sites.of_project(name)) {
        return None;
    }
    let server = if app.spec.destination.name.is_empty() { identity.server } else { identity.name };
    Some(format!(
        "application destination server '{server}' and namespace '{namespace}' do not match any of the allowed \
         destinations in project '{name}'"
    ))
}

/// The live objects that an Application had when its status was written, as far as they are known now and it may touch
/// them.
pub(crate) fn known_objects(cx: &Context, app: &Application) -> Vec<LiveObject> {
    let site = cx.sites.at(&app.spec.destination);
    let Some(site) = site.ok().filter(|site| site.answers().is_ok()) else { return Vec::new() };
    let keys: Vec<ResourceKey> = app.status.resources.iter().map(ResourceStatus::key).collect();
    let visible = visible(cx, &site, app, keys.iter().map(ResourceKey::group_kind).collect());
    keys.iter().filter(|key| visible.check(key).is_ok()).filter_map(|key| site.live.peek(key)).collect()
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
