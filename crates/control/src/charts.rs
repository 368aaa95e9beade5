//! What a render may know of its Application and of the cluster; only charts ask for it.

use std::collections::BTreeMap;

use api::argocd::{Application, ApplicationSource, Condition, ConditionType, HelmSource};
use cluster::ClusterError;
use jiff::Timestamp;
use object::FileTree;
use render::helm::Surroundings;
use render::remote::content_digest;
use render::{FetchedChart, HelmFileParameter, HelmOptions, HelmParameter, RemoteChart, RenderContext};

use crate::context::Context;
use crate::repositories::{Address, Resolved, Unavailable};

/// The context of one render. What is no chart does not ask the cluster.
///
/// # Errors
/// When a chart cannot know what the cluster has: with Helm's defaults it might leave objects out.
pub(crate) async fn context(
    cx: &Context,
    app: &Application,
    source: &ApplicationSource,
    has_charts: bool,
    commit: &str,
    references: BTreeMap<String, FileTree>,
) -> Result<RenderContext, Condition> {
    let context = RenderContext {
        app_name: app.metadata.name.clone(),
        namespace: app.spec.destination.namespace.clone(),
        environment: environment(app, source, commit),
        references,
        ..RenderContext::default()
    };
    if !has_charts {
        return Ok(context);
    }
    let now = cx.clock.now();
    let surroundings = Surroundings {
        unix_seconds: now.as_second(),
        nanoseconds: now.subsec_nanosecond().unsigned_abs(),
        seed: cx.ids.key(),
    };
    let (kube_version, api_versions) = capabilities(cx, app).await.map_err(|error| {
        let message = format!("Failed to load target state: a chart has to know what its cluster has: {error}");
        Condition::new(ConditionType::ComparisonError, message)
    })?;
    Ok(RenderContext { kube_version, api_versions, surroundings: Some(surroundings), ..context })
}

async fn capabilities(cx: &Context, app: &Application) -> Result<(String, Vec<String>), ClusterError> {
    let site = cx.sites.at(&app.spec.destination)?;
    site.patiently(&cx.turns, site.capabilities()).await
}

/// The variables of Argo CD's build environment (3.5).
fn environment(app: &Application, source: &ApplicationSource, commit: &str) -> BTreeMap<String, String> {
    let short = |length: usize| commit.get(..length).unwrap_or(commit).to_owned();
    let variables = [
        ("ARGOCD_APP_NAME", app.metadata.name.clone()),
        ("ARGOCD_APP_NAMESPACE", app.spec.destination.namespace.clone()),
        ("ARGOCD_APP_PROJECT_NAME", app.spec.project_name().to_owned()),
        ("ARGOCD_APP_REVISION", commit.to_owned()),
        ("ARGOCD_APP_REVISION_SHORT", short(7)),
        ("ARGOCD_APP_REVISION_SHORT_8", short(8)),
        ("ARGOCD_APP_SOURCE_PATH", source.path.clone()),
        ("ARGOCD_APP_SOURCE_REPO_URL", source.repo_url.clone()),
        ("ARGOCD_APP_SOURCE_TARGET_REVISION", source.target_revision.clone()),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Whether what a source renders to may differ from commit to commit although no file does.
pub(crate) fn names_the_commit(source: &ApplicationSource) -> bool {
    serde_json::to_string(source).is_ok_and(|text| text.contains("ARGOCD_APP_REVISION"))
}

/// A chart that a kustomization names, as its repository told it at `fresh` or later.
pub(crate) async fn fetched(
    cx: &Context,
    project: &str,
    chart: &RemoteChart,
    fresh: Timestamp,
) -> Result<FetchedChart, Unavailable> {
    let at = Address::of_chart(&chart.repo, &chart.name);
    let Resolved { commit, tree } = cx.repositories.resolve(at, project, chart.constraint(), fresh).await?;
    Ok(FetchedChart::new(commit, tree))
}

/// What was resolved, beyond doubt: a version of a chart may be published again with other content.
pub(crate) fn exact(source: &ApplicationSource, resolved: &Resolved) -> String {
    if Address::of(source).is_chart() {
        format!("sha256:{}", content_digest(&resolved.tree))
    } else {
        resolved.commit.clone()
    }
}

/// `spec.source.helm` in the renderer's terms.
pub(crate) fn options(from: &HelmSource) -> HelmOptions {
    let parameter = |p: &api::argocd::HelmParameter| HelmParameter {
        name: p.name.clone(),
        value: p.value.clone(),
        force_string: p.force_string,
    };
    let file = |p: &api::argocd::HelmFileParameter| HelmFileParameter { name: p.name.clone(), path: p.path.clone() };
    HelmOptions {
        release_name: from.release_name.clone(),
        value_files: from.value_files.clone(),
        ignore_missing_value_files: from.ignore_missing_value_files,
        values: from.values.clone(),
        values_object: from.values_object.clone(),
        parameters: from.parameters.iter().map(parameter).collect(),
        file_parameters: from.file_parameters.iter().map(file).collect(),
        skip_crds: from.skip_crds,
        skip_tests: from.skip_tests,
        skip_schema_validation: from.skip_schema_validation,
        namespace: from.namespace.clone(),
        kube_version: from.kube_version.clone(),
        api_versions: from.api_versions.clone(),
    }
}
