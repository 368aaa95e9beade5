//! Applications, on Argo CD's paths.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::argocd::{Application, normalize_git_url};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control::requests::{self, SyncRequest};
use control::{Against, AppKey};
use object::{LabelSelector, Manifest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::describe::{Described, Part};
use crate::Server;
use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::{Body, Path, Query};
use crate::views::{ApplicationView, Done, Fields, List, ListMeta, ManagedResources, Object, ResourceTree};

/// The Application that path and query name, as Argo CD does.
#[derive(Debug)]
pub(super) struct Named {
    /// `web`, or `team/web` outside of the control plane's namespace.
    name: String,
    project: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase")]
#[into_params(rename_all = "camelCase")]
pub(super) struct Where {
    /// Its namespace; the control plane's own when absent.
    app_namespace: String,
    /// The project that it has to belong to.
    project: String,
}

impl FromRequestParts<Server> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Self, ApiError> {
        // some routes name an object besides
        let Path(names) = Path::<BTreeMap<String, String>>::from_request_parts(parts, server).await?;
        let Query(Where { app_namespace, project }) = Query::from_request_parts(parts, server).await?;
        let name = names.get("name").cloned().unwrap_or_default();
        let name =
            if app_namespace.is_empty() || name.contains('/') { name } else { format!("{app_namespace}/{name}") };
        // this is behind the guard
        if let Some(asker) = parts.extensions.get::<Asker>() {
            asker.look_for(&name).await;
        }
        Ok(Self { name, project })
    }
}

impl Part for Named {
    fn describe(described: &mut Described) {
        Query::<Where>::describe(described);
    }
}

impl Named {
    /// The Application, for what the route does.
    ///
    /// # Errors
    /// As [`Asker::application`]; 400 when it belongs to another project.
    pub(super) fn app(&self, asker: &Asker) -> Result<Arc<Application>, ApiError> {
        let app = asker.application(&self.name)?;
        let (own, said) = (app.spec.project_name(), &self.project);
        if !said.is_empty() && said != own {
            let text = format!("{} belongs to project {own}, not to {said}", self.name);
            return Err(ApiError::invalid(text));
        }
        Ok(app)
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
pub(super) struct GetOptions {
    /// `normal` or `hard`: ask the controller to look again.
    refresh: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase")]
#[into_params(rename_all = "camelCase")]
pub(super) struct ListOptions {
    /// A label selector.
    selector: String,
    /// Names of projects, with commas between, or one each time.
    projects: String,
    /// As `projects`.
    project: String,
    /// The one that is called so.
    name: String,
    /// Those in this namespace.
    app_namespace: String,
    /// Those with a source in this repository.
    repo: String,
    /// How many at most; 0: all.
    limit: usize,
    /// `metadata.continue` of the page before.
    r#continue: String,
    /// What is wanted of each, as `items.metadata.name,items.status.sync.status`; everything when empty.
    fields: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(default)]
pub(super) struct DeleteQuery {
    /// What the Application deployed goes with it.
    cascade: bool,
}

impl Default for DeleteQuery {
    /// As Argo CD: what the Application deployed goes with it unless somebody says otherwise.
    fn default() -> Self {
        Self { cascade: true }
    }
}

/// The body of Argo CD's sync request; what it says beyond these fields is refused, not ignored.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SyncBody {
    name: Option<String>,
    app_namespace: Option<String>,
    project: Option<String>,
    revision: Option<String>,
    prune: bool,
    dry_run: bool,
    /// Past the gates of Pipelines; needs the right to `override` the Applications of their environments.
    r#override: bool,
    resources: Vec<ResourceName>,
    sync_options: Items,
    strategy: Option<Value>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase")]
#[into_params(rename_all = "camelCase")]
pub(super) struct DiffOptions {
    /// Compare with the source at this revision; the Application's own where it is empty.
    revision: String,
}

/// What an Application's objects are compared with.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DiffBody {
    /// Kubernetes objects.
    manifests: Vec<Value>,
}

#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Items {
    items: Vec<String>,
}

#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct ResourceName {
    group: String,
    kind: String,
    name: String,
}

pub(super) async fn list(
    Query(wanted): Query<ListOptions>,
    asker: Asker,
) -> Result<Json<List<ApplicationView>>, ApiError> {
    listed(asker.all_applications(), &wanted, |app| proven_at(&asker, app)).map(Json)
}

fn proven_at(asker: &Asker, app: &Application) -> Option<String> {
    asker.controller().proven_at(&AppKey::of(app))
}

/// As it is now.
fn shown(asker: &Asker, named: &Named) -> Result<Json<Object<ApplicationView>>, ApiError> {
    if let Some(app) = asker.unreadable_application(&named.name) {
        return Ok(Json(Object::of(&ApplicationView { app, proven_at: None })));
    }
    let app = named.app(asker)?;
    let proven_at = proven_at(asker, &app);
    Ok(Json(Object::of(&ApplicationView { app, proven_at })))
}

fn listed(
    mut apps: Vec<Arc<Application>>,
    wanted: &ListOptions,
    proven_at: impl Fn(&Application) -> Option<String>,
) -> Result<List<ApplicationView>, ApiError> {
    let selector = LabelSelector::parse(&wanted.selector).map_err(|error| ApiError::invalid(error.to_string()))?;
    let projects = wanted.projects.split(',').chain(wanted.project.split(','));
    let projects: Vec<&str> = projects.filter(|name| !name.is_empty()).collect();
    apps.retain(|app| projects.is_empty() || projects.contains(&app.spec.project_name()));
    let is = |wanted: &str, said: &str| wanted.is_empty() || wanted == said;
    apps.retain(|app| is(&wanted.name, &app.metadata.name) && is(&wanted.app_namespace, &app.metadata.namespace));
    let repo = normalize_git_url(&wanted.repo);
    let reads = |app: &Application| app.spec.all_sources().iter().any(|it| normalize_git_url(&it.repo_url) == repo);
    apps.retain(|app| wanted.repo.is_empty() || reads(app));
    apps.retain(|app| selector.matches(|key| app.metadata.labels.get(key).map(String::as_str)));
    let (page, metadata) = page(&apps, wanted)?;
    let fields = Fields::of_items(&wanted.fields);
    let shown = |app: &Arc<Application>| {
        let view = ApplicationView { app: Arc::clone(app), proven_at: proven_at(app) };
        fields.as_ref().map_or_else(|| Object::of(&view), |fields| Object::with(&view, fields))
    };
    Ok(List::page(page.iter().map(shown).collect(), metadata))
}

/// The page that is asked for, and how to ask for the next one. A page begins after the last name of the one before,
/// whether that one is still there or not.
fn page<'a>(
    apps: &'a [Arc<Application>],
    wanted: &ListOptions,
) -> Result<(&'a [Arc<Application>], ListMeta), ApiError> {
    let place = |app: &Application| format!("{}/{}", app.metadata.namespace, app.metadata.name);
    let rest = match wanted.r#continue.as_str() {
        "" => apps,
        token => {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = "continue is not what a list said: take metadata.continue of the page before, or begin anew";
            let last = bytes.ok_or_else(|| ApiError::invalid(text))?;
            let (namespace, name) = last.split_once('/').ok_or_else(|| ApiError::invalid(text))?;
            let place = |app: &Arc<Application>| {
                (app.metadata.namespace.as_str(), app.metadata.name.as_str()) <= (namespace, name)
            };
            &apps[apps.partition_point(place)..]
        }
    };
    let (page, after) = rest.split_at(if wanted.limit == 0 { rest.len() } else { wanted.limit.min(rest.len()) });
    let more = page.last().filter(|_| !after.is_empty());
    let metadata = ListMeta {
        next: more.map(|last| URL_SAFE_NO_PAD.encode(place(last))),
        remaining_item_count: more.map(|_| after.len()),
    };
    Ok((page, metadata))
}

pub(super) async fn get(
    named: Named,
    Query(options): Query<GetOptions>,
    asker: Asker,
) -> Result<Json<Object<ApplicationView>>, ApiError> {
    let refresh =
        async |hard| requests::refresh(asker.controller(), &*named.app(&asker)?, hard).await.map_err(ApiError::from);
    match options.refresh.as_str() {
        "" => {}
        "normal" | "true" => refresh(false).await?,
        "hard" => refresh(true).await?,
        other => return Err(ApiError::invalid(format!("refresh={other:?} is neither normal nor hard"))),
    }
    shown(&asker, &named)
}

pub(super) async fn sync(
    named: Named,
    asker: Asker,
    Body(body): Body<SyncBody>,
) -> Result<Json<Object<ApplicationView>>, ApiError> {
    let app = named.app(&asker)?;
    let elsewhere = body.app_namespace.as_ref().is_some_and(|namespace| *namespace != app.metadata.namespace);
    if elsewhere || body.name.as_ref().is_some_and(|said| *said != app.metadata.name) {
        return Err(ApiError::invalid("the body names another Application than the path"));
    }
    if body.project.as_ref().is_some_and(|project| project != app.spec.project_name()) {
        return Err(ApiError::invalid(format!("{} belongs to project {}", named.name, app.spec.project_name())));
    }
    if body.strategy.as_ref().is_some_and(|strategy| strategy.pointer("/hook/force").is_some_and(|f| f == true)) {
        return Err(ApiError::invalid("strategy.hook.force is not supported yet: set the sync option Force=true"));
    }
    let revision = body.revision.unwrap_or_default();
    let overrides = overridden(&asker, &app, body.r#override, &revision).await?;
    let request = SyncRequest {
        revision,
        overrides,
        prune: body.prune,
        dry_run: body.dry_run,
        resources: body.resources.into_iter().map(|r| (r.group, r.kind, r.name)).collect(),
        sync_options: body.sync_options.items,
    };
    requests::sync(asker.controller(), &app, asker.user(), request).await?;
    shown(&asker, &named)
}

/// Whose gates a sync goes past: those of the Application, and of the neighbours for which the asker has the right.
///
/// # Errors
/// 403 where the right is needed and missing.
async fn overridden(
    asker: &Asker,
    app: &Application,
    asked: bool,
    revision: &str,
) -> Result<Vec<Arc<Application>>, ApiError> {
    let controller = asker.controller();
    let (is_owned, elsewhere) = (controller.is_owned(app), is_elsewhere(app, revision));
    let goes_past = asked || elsewhere && is_owned;
    if is_owned && goes_past || elsewhere && controller.stores().settings().override_for_revisions {
        asker.overrides(app)?;
    }
    if !goes_past {
        return Ok(Vec::new());
    }
    let (may, denied): (Vec<_>, Vec<_>) =
        controller.owners_near(app, revision).await.into_iter().partition(|owner| asker.may_override(owner));
    match denied.iter().find(|owner| asker.may_see(owner)) {
        Some(owner) if may.is_empty() => asker.overrides(owner).map(|()| may),
        _ => Ok(may),
    }
}

/// Whether a revision is another one than what the Application follows, or was compared with.
fn is_elsewhere(app: &Application, revision: &str) -> bool {
    let sources = app.spec.all_sources();
    let follows = sources.len() == 1 && sources[0].revision() == revision;
    !revision.is_empty() && !follows && app.status.sync.revision != revision
}

pub(super) async fn terminate(named: Named, asker: Asker) -> Result<Json<Done>, ApiError> {
    let app = named.app(&asker)?;
    requests::terminate(asker.controller(), &app).await?;
    Ok(Json(Done {}))
}

pub(super) async fn delete(
    named: Named,
    Query(query): Query<DeleteQuery>,
    asker: Asker,
) -> Result<Json<Done>, ApiError> {
    let app = named.app(&asker)?;
    requests::delete(asker.controller(), &app, query.cascade).await?;
    Ok(Json(Done {}))
}

pub(super) async fn managed_resources(
    named: Named,
    Query(options): Query<DiffOptions>,
    asker: Asker,
) -> Result<Json<ManagedResources>, ApiError> {
    let app = named.app(&asker)?;
    let against =
        if options.revision.is_empty() { Against::Itself } else { Against::Revision(options.revision.clone()) };
    compared(&asker, &app, against).await
}

/// Of what a folder renders: some charts have output of a megabyte, and an Application may have several.
pub(super) const MANIFESTS_LIMIT: usize = 16 * 1024 * 1024;

/// Whoever may say what is deployed may see how anything compares with what is there.
pub(super) async fn diff(
    named: Named,
    asker: Asker,
    Body(body): Body<DiffBody>,
) -> Result<Json<ManagedResources>, ApiError> {
    let app = named.app(&asker)?;
    asker.overrides(&app)?;
    let manifests: Result<Vec<Manifest>, _> = body.manifests.into_iter().map(Manifest::new).collect();
    let manifests = manifests.map_err(|error| ApiError::invalid(format!("manifests: {error}")))?;
    compared(&asker, &app, Against::Manifests(manifests)).await
}

async fn compared(asker: &Asker, app: &Application, against: Against) -> Result<Json<ManagedResources>, ApiError> {
    let items = asker.controller().managed_resources(app, against).await.map_err(|conditions| {
        let messages: Vec<String> = conditions.into_iter().map(|condition| condition.message).collect();
        ApiError::new(StatusCode::CONFLICT, messages.join("; "))
    })?;
    Ok(Json(ManagedResources { items: items.into_iter().map(Into::into).collect() }))
}

pub(super) async fn resource_tree(named: Named, asker: Asker) -> Result<Json<ResourceTree>, ApiError> {
    let app = named.app(&asker)?;
    Ok(Json(asker.controller().resource_tree(&app).await?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apps(count: usize) -> Vec<Arc<Application>> {
        let app = |index: usize| {
            let mut app = Application::default();
            (app.metadata.namespace, app.metadata.name) = ("argocd".into(), format!("app-{index:05}"));
            Arc::new(app)
        };
        (0..count).map(app).collect()
    }

    #[test]
    fn pages_follow_each_other_without_gap() {
        let mut all = apps(7);
        let mut wanted = ListOptions { limit: 3, ..ListOptions::default() };
        let mut names = Vec::new();
        for remaining in [Some(4), Some(1), None] {
            let (found, metadata) = page(&all, &wanted).unwrap();
            names.extend(found.iter().map(|app| app.metadata.name.clone()));
            assert_eq!(metadata.remaining_item_count, remaining);
            wanted.r#continue = metadata.next.unwrap_or_default();
        }
        assert_eq!(names, all.iter().map(|app| app.metadata.name.clone()).collect::<Vec<_>>());
        wanted.r#continue = page(&all, &ListOptions { limit: 3, ..ListOptions::default() }).unwrap().1.next.unwrap();
        // the last one of the first page goes
        all.remove(2);
        assert_eq!(page(&all, &wanted).unwrap().0[0].metadata.name, "app-00003");
        assert!(page(&all, &ListOptions { r#continue: "?".into(), ..ListOptions::default() }).is_err());
    }

    #[test]
    fn the_first_page_of_many_is_small() {
        let resource =
            api::argocd::ResourceStatus { kind: "ConfigMap".into(), name: "x".repeat(200), ..Default::default() };
        let full = |app: Arc<Application>| {
            let mut app = Application::clone(&app);
            app.status.resources = vec![resource.clone(); 5];
            Arc::new(app)
        };
        let all: Vec<_> = apps(10_000).into_iter().map(full).collect();
        let fields = "items.metadata.name,items.spec.project,items.status.sync.status,items.status.health.status";
        let check = |limit: usize, fields: &str, kilobytes: std::ops::Range<usize>| {
            let wanted = ListOptions { limit, fields: fields.into(), ..ListOptions::default() };
            let text = serde_json::to_string(&listed(all.clone(), &wanted, |_| Some("c".repeat(40))).unwrap()).unwrap();
            assert!(kilobytes.contains(&(text.len() / 1024)), "{limit} {fields}: {} kB", text.len() / 1024);
        };
        check(500, "", 600..1000);
        check(500, fields, 10..60);
        let wanted = ListOptions { limit: 1, fields: "items.status.provenAt".into(), ..ListOptions::default() };
        let list = serde_json::to_value(listed(all, &wanted, |_| Some("abc".into())).unwrap()).unwrap();
        assert_eq!(list["items"], serde_json::json!([{ "status": { "provenAt": "abc" } }]));
    }
}
