//! From an Application's sources to the manifests that it wants.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::argocd::{
    Application, ApplicationSource, Condition, ConditionType, DirectorySource, HelmSource, KustomizeSource, Settings,
    SyncStatusCode,
};
use engine::DesiredSet;
use failpoint::Point;
use jiff::Timestamp;
use object::{FileTree, Manifest, ReadSet, shown_address};
use render::kustomize::{BuildOptions, HelmFlags, LoadRestrictor, Reorder};
use render::{DirectoryOptions, KustomizeOptions, KustomizePatch, RemoteRevision, RemoteTree, Source, ToolChoice};
use serde_json::Value;

use crate::charts;
use crate::context::Context;
use crate::left_out;
use crate::memory::{Again, Memory, SourceRender};
use crate::overrides;
use crate::proven::{Proven, is_asked, proven, recorded, shown};
use crate::queue::{Depth, Queue, Request};
use crate::repositories::{Address, Resolved, Unavailable};
use crate::stores::AppKey;
use crate::wake::Key;
use crate::workers::{Ended, Output, Subject};

/// What an Application wants, at which commits.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) set: DesiredSet,
    /// One commit for each source.
    pub(crate) commits: Vec<String>,
    /// The tool of each source, as `status.sourceType` has it.
    pub(crate) tools: Vec<String>,
    /// What is outdated or doubtful in the sources.
    warnings: Vec<String>,
}

/// More warnings than these are counted only.
const WARNINGS_SHOWN: usize = 5;

impl Wanted {
    /// What somebody has at hand, of no commit: it can be compared, and nothing is proven by it.
    pub(crate) fn at_hand(manifests: Vec<Manifest>) -> Self {
        let set = DesiredSet::new(manifests, Vec::new(), "");
        Self { set, commits: Vec::new(), tools: Vec::new(), warnings: Vec::new() }
    }

    /// The condition for what is doubtful in the sources.
    pub(crate) fn doubts(&self) -> Option<Condition> {
        let shown = self.warnings.iter().take(WARNINGS_SHOWN).cloned().collect::<Vec<_>>().join("; ");
        let more = self.warnings.len().saturating_sub(WARNINGS_SHOWN);
        let more = if more == 0 { String::new() } else { format!("; and {more} more") };
        (!shown.is_empty()).then(|| Condition::new(ConditionType::SourceWarning, format!("{shown}{more}")))
    }
}

/// The sources of an Application and the revisions to use, which an operation may override.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub(crate) list: Vec<ApplicationSource>,
    /// Whether they are at the Application's own revisions.
    pub(crate) own: bool,
}

impl Sources {
    pub(crate) fn of(app: &Application) -> Self {
        Self { list: app.spec.all_sources().to_vec(), own: true }
    }
}

/// Resolves, reads and renders every source. A source whose last render read nothing that has changed is not rendered
/// again.
///
/// # Errors
/// The condition that says why the desired state is not known; nothing may be synced or pruned then.
pub(crate) async fn wanted(
    cx: &Context,
    app: &Application,
    sources: &Sources,
    memory: &mut Memory,
    request: Request,
) -> Result<Wanted, Condition> {
    permitted(cx, app, &sources.list)?;
    let settings = cx.stores.settings();
    memory.renders.resize_with(sources.list.len(), || None);
    let mut wanted =
        Wanted { set: DesiredSet::default(), commits: Vec::new(), tools: Vec::new(), warnings: Vec::new() };
    let (mut manifests, mut problems) = (Vec::new(), Vec::new());
    let mut commits = Vec::with_capacity(sources.list.len());
    let mut known = std::mem::take(&mut memory.proven);
    known.resize_with(sources.list.len(), Proven::default);
    for (source, last) in sources.list.iter().enumerate().zip(&memory.renders) {
        commits.push(resolve(cx, app, source, last.as_deref(), &known[source.0], request).await?);
    }
    let references = references(&sources.list, &commits);
    let exact: Vec<String> = sources.list.iter().zip(&commits).map(|(s, r)| charts::exact(s, r)).collect();
    let mut anew = false;
    for ((source, resolved), last) in sources.list.iter().enumerate().zip(&commits).zip(&mut memory.renders) {
        let (index, source) = source;
        if is_reference_only(source) {
            *last = None;
            wanted.tools.push(String::new());
            continue;
        }
        let job = Job { app, source, resolved, settings: &settings, references: &references };
        anew |= render_source(cx, &job, last, request).await?;
        let Some(render) = last else { continue };
        problems.extend(render.problems.iter().cloned());
        problems.extend(left_out::lost(cx, app, (index, source), resolved, &render.left_out).await);
        match render.manifests() {
            Ok(rendered) => manifests.extend(rendered),
            Err(problem) => problems.push(problem),
        }
        wanted.warnings.extend(render.warnings.iter().cloned());
        let (at, project) = (Address::of(source), app.spec.project_name());
        wanted.warnings.extend(cx.repositories.ambiguity(at, project, source.revision()));
        wanted.tools.push(render.tool.clone());
    }
    let project = cx.stores.project(app.spec.project_name());
    wanted.warnings.extend(project.map(|project| project.slips()).unwrap_or_default());
    if !problems.is_empty() {
        let message = format!(
            "Failed to load target state: {}. The last good state stays and nothing is pruned until it is corrected",
            problems.join("; ")
        );
        return Err(Condition::new(ConditionType::ComparisonError, message));
    }
    if anew {
        known.fill_with(Proven::default);
    }
    for (index, (source, resolved)) in sources.list.iter().zip(commits).enumerate() {
        let proven = proven(cx, app, (index, source), resolved.commit, &known[index], memory).await;
        memory.proven.push(proven);
    }
    let asked = request.depth >= Depth::Forced || is_asked(app) || !sources.own;
    wanted.commits = shown(app, &memory.proven, asked);
    wanted.set = DesiredSet::new(manifests, problems, exact.join(","));
    Ok(wanted)
}

/// The commits that sources are at now, one for each.
///
/// # Errors
/// The condition that says why that is not known.
pub(crate) async fn resolved_sources(
    cx: &Context,
    app: &Application,
    sources: &[ApplicationSource],
) -> Result<Vec<String>, Condition> {
    permitted(cx, app, sources)?;
    let (project, mut commits) = (app.spec.project_name(), Vec::with_capacity(sources.len()));
    for source in sources {
        let at = cx.repositories.resolve(Address::of(source), project, source.revision(), cx.clock.now());
        commits.push(at.await.map_err(|error| not_loaded(source, &error))?.commit);
    }
    Ok(commits)
}

/// Also an operation may only use what the project permits.
fn permitted(cx: &Context, app: &Application, sources: &[ApplicationSource]) -> Result<(), Condition> {
    let project = app.spec.project_name();
    let invalid = |why: String| Condition::new(ConditionType::InvalidSpecError, why);
    let known = cx.stores.project(project).map_err(|none| invalid(none.to_string()))?;
    match sources.iter().find(|source| !known.spec.permits_source(source)) {
        Some(source) => Err(invalid(not_permitted(source, project))),
        None => Ok(()),
    }
}

pub(crate) fn not_permitted(source: &ApplicationSource, project: &str) -> String {
    format!("application repo {} is not permitted in project '{project}'", object::shown_address(&source.repo_url))
}

/// Whether a repository has to be asked before the sources can be resolved. It is asked meanwhile, and the Application is
/// parked until it has answered: a host that hangs costs nobody a turn.
pub(crate) fn is_asked_first(cx: &Context, app: &Application, memory: &Memory, request: Request) -> bool {
    let key = Key::Application(AppKey::of(app));
    let project = app.spec.project_name();
    let then = |on: &str| {
        let waits = cx.queue.park(&key, request, on);
        waits.then(|| Waiting { queue: Arc::clone(&cx.queue), key: key.clone(), on: on.to_owned() })
    };
    // each is asked, not only the first
    let asked: Vec<bool> = unresolved(cx, app, memory, request)
        .map(|(at, fresh)| cx.repositories.asks_first(at, project, fresh, then))
        .collect();
    asked.contains(&true)
}

/// Goes on when it is dropped, whatever became of the one who was asked.
struct Waiting {
    queue: Arc<Queue<Key>>,
    key: Key,
    on: String,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.queue.unpark(&self.key, &self.on);
    }
}

/// What is resolved before a render, and how old an answer may be.
fn unresolved<'a>(
    cx: &Context,
    app: &'a Application,
    memory: &'a Memory,
    request: Request,
) -> impl Iterator<Item = (Address<'a>, Timestamp)> {
    let recent = recent(cx, request);
    let fresh = if request.depth >= Depth::Forced { request.since } else { recent };
    let renders = memory.renders.iter().flatten();
    let rendered = |index: usize| memory.renders.get(index).is_some_and(Option::is_some);
    let sources = app.spec.all_sources().iter().enumerate();
    let own = sources.filter(move |(index, _)| request.depth > Depth::Live || !rendered(*index));
    let remotes = renders.clone().flat_map(|render| &render.remotes).map(|(revision, _)| Address::from(&revision.url));
    let charts =
        renders.flat_map(|render| &render.charts).map(|(chart, _)| Address::of_chart(&chart.repo, &chart.name));
    let own = own.map(move |(_, source)| (Address::of(source), fresh));
    own.chain(remotes.chain(charts).map(move |at| (at, recent)))
}

/// How old an answer may be that nobody asked for in particular. One that was given since the request is good enough,
/// however long it took.
fn recent(cx: &Context, request: Request) -> Timestamp {
    cx.repositories.recent().min(request.since)
}

/// The commit to use. What this process heard last may be older than what another one synced to: before it goes back
/// behind that, the repository itself is asked.
async fn resolve(
    cx: &Context,
    app: &Application,
    (index, source): (usize, &ApplicationSource),
    last: Option<&SourceRender>,
    known: &Proven,
    request: Request,
) -> Result<Resolved, Condition> {
    let resolved = resolve_known(cx, app, source, last, request).await.map_err(|error| not_loaded(source, &error))?;
    let recorded = recorded(app, index).filter(|_| app.status.sync.status != SyncStatusCode::Unknown);
    let ahead = recorded.is_some_and(|commit| *commit != resolved.commit && !known.at(commit));
    let pinned = source.revision() == resolved.commit;
    if pinned || !ahead || request.depth >= Depth::Forced {
        return Ok(resolved);
    }
    let fresh = cx.repositories.resolve(Address::of(source), app.spec.project_name(), source.revision(), request.since);
    cx.lending(fresh).await.map_err(|error| not_loaded(source, &error))
}

async fn resolve_known(
    cx: &Context,
    app: &Application,
    source: &ApplicationSource,
    last: Option<&SourceRender>,
    request: Request,
) -> Result<Resolved, Unavailable> {
    let project = app.spec.project_name();
    if let (Depth::Live, Some(last)) = (request.depth, last) {
        let tree = cx.repositories.tree(Address::of(source), project, &last.commit).await;
        if let Ok(tree) = tree {
            return Ok(Resolved { commit: last.commit.clone(), tree });
        }
    }
    let fresh = if request.depth >= Depth::Forced { request.since } else { recent(cx, request) };
    cx.lending(cx.repositories.resolve(Address::of(source), project, source.revision(), fresh)).await
}

fn not_loaded(source: &ApplicationSource, error: &Unavailable) -> Condition {
    let message = format!(
        "Failed to load target state: revision {} of {} is not available since {}: {}. The last good state stays and \
         nothing is pruned; it is tried again by itself, or at once by a refresh",
        source.revision(),
        if source.chart.is_empty() {
            shown_address(&source.repo_url).into_owned()
        } else {
            format!("{} of {}", source.chart, shown_address(&source.repo_url))
        },
        api::meta::time::whole_seconds(error.since),
        error.error
    );
    let mut condition = Condition::new(ConditionType::ComparisonError, message);
    condition.last_transition_time = Some(error.since);
    condition
}

/// The files of the sources that others name as `$ref/path`.
pub(crate) fn references(sources: &[ApplicationSource], commits: &[Resolved]) -> BTreeMap<String, FileTree> {
    let named = sources.iter().zip(commits).filter(|(source, _)| !source.reference.is_empty());
    named.map(|(source, resolved)| (source.reference.clone(), resolved.tree.clone())).collect()
}

/// A source that only lends its files to others deploys nothing itself (Argo CD 3.5).
fn is_reference_only(source: &ApplicationSource) -> bool {
    !source.reference.is_empty() && source.path.is_empty() && source.chart.is_empty()
}

/// One source to render.
pub(crate) struct Job<'a> {
    pub(crate) app: &'a Application,
    pub(crate) source: &'a ApplicationSource,
    pub(crate) resolved: &'a Resolved,
    pub(crate) settings: &'a Settings,
    pub(crate) references: &'a BTreeMap<String, FileTree>,
}

impl Job<'_> {
    /// Whether a render of another time is still what this one would give.
    async fn is_done_by(&self, cx: &Context, render: &SourceRender, fresh: Timestamp) -> bool {
        // a version of a chart may be published again with other content
        let same_commit = render.commit == self.resolved.commit && !Address::of(self.source).is_chart();
        let holds = same_commit || render.reads.holds_in(&self.resolved.tree);
        render.is_of(self.source, &self.settings.kustomize_build_options)
            && holds
            && render.again.is_none_or(|again| cx.clock.now() < again.at)
            && (same_commit || !charts::names_the_commit(self.source))
            && render.references_hold(self.references)
            && cx.lending(remotes_hold(cx, self.app.spec.project_name(), render, fresh)).await
    }
}

/// Makes `last` the render of this commit. Whether it is another one than before.
async fn render_source(
    cx: &Context,
    job: &Job<'_>,
    last: &mut Option<Arc<SourceRender>>,
    request: Request,
) -> Result<bool, Condition> {
    let Job { app, source, resolved, settings, .. } = *job;
    let fresh = recent(cx, request);
    if let Some(render) = last.as_mut().filter(|_| request.depth < Depth::Hard)
        && job.is_done_by(cx, render, fresh).await
    {
        if render.commit != resolved.commit {
            cx.metrics.renders_skipped.inc();
            Arc::make_mut(render).commit.clone_from(&resolved.commit);
        }
        return Ok(false);
    }
    cx.metrics.renders.inc();
    let (mut subject, read) = subject(cx, job).await?;
    failpoint::before(Point::Render);
    let (mut output, again) = match rendered(cx, app.spec.project_name(), &mut subject, fresh).await? {
        Ok(output) => (output, None),
        Err(ended) => (Output::without_answer(&ended, &subject), Some(Again::after(last.as_deref(), cx.clock.now()))),
    };
    failpoint::after(Point::Render);
    output.reads.extend(read);
    let (build_options, remotes) = (&settings.kustomize_build_options, &subject.source.remotes);
    let mut render = SourceRender::new(source, build_options, remotes, &resolved.commit, output);
    render.again = again;
    *last = Some(Arc::new(render));
    Ok(true)
}

/// What a source renders, with the files beside its manifests merged over it, and what was read for that.
///
/// # Errors
/// When such a file cannot be read or does not fit.
pub(crate) async fn subject(cx: &Context, job: &Job<'_>) -> Result<(Subject, ReadSet), Condition> {
    let Job { app, source, resolved, settings, references } = *job;
    let merged = overrides::merged(source, &resolved.tree, &app.instance_name(&cx.namespace));
    let (merged, read) = merged.map_err(|reason| malformed(&reason))?;
    let to_render = to_render(&merged, settings);
    let has_charts = render::has_charts(&resolved.tree, &to_render);
    let context = charts::context(cx, app, &merged, has_charts, &resolved.commit, references.clone()).await?;
    let (name, tree) = (name_of(app, source), resolved.tree.clone());
    Ok((Subject { name, tree, source: to_render, context }, read))
}

fn malformed(reason: &str) -> Condition {
    let message = format!("Failed to load target state: {reason}. The last good state stays and nothing is pruned");
    Condition::new(ConditionType::ComparisonError, message)
}

/// For messages, and to know the source again.
fn name_of(app: &Application, source: &ApplicationSource) -> String {
    let folder = if source.chart.is_empty() { &source.path } else { &source.chart };
    format!("Application {}, {folder} of {}", AppKey::of(app), shown_address(&source.repo_url))
}

/// Renders, once more with other repositories if it wants them: they come into the subject. What is inside is to be
/// remembered with the commit, also that the render was ended.
///
/// # Errors
/// What will pass by itself: no worker could be started, or a remote base is not available.
async fn rendered(
    cx: &Context,
    project: &str,
    subject: &mut Subject,
    fresh: Timestamp,
) -> Result<Result<Output, Ended>, Condition> {
    let mut output = cx.patiently(cx.renderer.render(subject.clone())).await;
    // only a render that failed can want another repository: all others need no second look at their files
    if output.as_ref().is_ok_and(|output| !output.complete()) {
        add_remotes(cx, project, subject, fresh).await?;
        if !subject.source.remotes.is_empty() {
            output = cx.patiently(cx.renderer.render(subject.clone())).await;
        }
    }
    match output {
        Err(ended @ Ended::NotStarted { .. }) => Err(not_rendered(&ended)),
        other => Ok(other),
    }
}

pub(crate) fn not_rendered(ended: &Ended) -> Condition {
    Condition::new(ConditionType::ComparisonError, format!("Failed to load target state: {ended}"))
}

/// Adds the other repositories that the source names, as far as the project permits them. What is not permitted stays
/// away: the render says which entry of which file wants it.
///
/// # Errors
/// When a permitted repository cannot be reached, or lacks the revision, or the names cannot be found out.
pub(crate) async fn add_remotes(
    cx: &Context,
    project: &str,
    subject: &mut Subject,
    fresh: Timestamp,
) -> Result<(), Condition> {
    for _ in 0..render::remote::ROUNDS {
        let wanted = cx.patiently(cx.renderer.wanted_remotes(subject.clone())).await;
        let mut wanted = wanted.map_err(|ended| not_rendered(&ended))?;
        wanted.revisions.retain(|revision| permits(cx, project, &revision.url));
        wanted.charts.retain(|chart| permits(cx, project, &chart.repo));
        if wanted.is_empty() {
            break;
        }
        for revision in wanted.revisions {
            let resolved = cx.repositories.resolve(&revision.url, project, head(&revision), fresh);
            let resolved = cx.lending(resolved).await;
            let Resolved { commit, tree } =
                resolved.map_err(|error| remote_missing(&format!("remote base {revision}"), &error))?;
            subject.source.remotes.insert(revision, RemoteTree { commit, tree });
        }
        for chart in wanted.charts {
            let fetched = cx.lending(charts::fetched(cx, project, &chart, fresh)).await;
            let fetched = fetched.map_err(|error| remote_missing(&format!("chart {chart}"), &error))?;
            subject.source.remotes.insert_chart(chart, fetched);
        }
    }
    Ok(())
}

/// Whether the other repositories that a render used are where they were.
async fn remotes_hold(cx: &Context, project: &str, render: &SourceRender, fresh: Timestamp) -> bool {
    for (revision, commit) in &render.remotes {
        let now = cx.repositories.resolve(&revision.url, project, head(revision), fresh).await;
        if now.is_ok_and(|now| now.commit != *commit) || !permits(cx, project, &revision.url) {
            return false;
        }
    }
    for (chart, digest) in &render.charts {
        let now = charts::fetched(cx, project, chart, fresh).await;
        if now.is_ok_and(|now| now.digest != *digest) || !permits(cx, project, &chart.repo) {
            return false;
        }
    }
    true
}

fn head(revision: &RemoteRevision) -> &str {
    if revision.revision.is_empty() { "HEAD" } else { &revision.revision }
}

fn permits(cx: &Context, project: &str, url: &str) -> bool {
    let source = ApplicationSource { repo_url: url.to_owned(), ..ApplicationSource::default() };
    cx.stores.project(project).is_ok_and(|project| project.spec.permits_source(&source))
}

fn remote_missing(what: &str, error: &Unavailable) -> Condition {
    let message = format!(
        "Failed to load target state: the {what} is not available since {}: {}. The last good state \
         stays and nothing is pruned",
        api::meta::time::whole_seconds(error.since),
        error.error
    );
    Condition::new(ConditionType::ComparisonError, message)
}

/// The Application's source in the renderer's terms. A tool named in the source wins over what the files say.
pub fn to_render(source: &ApplicationSource, settings: &Settings) -> Source {
    let build = build_options(&settings.kustomize_build_options);
    let tool = match source {
        ApplicationSource { plugin: Some(plugin), .. } => {
            ToolChoice::Plugin(plugin.get("name").and_then(Value::as_str).unwrap_or_default().to_owned())
        }
        ApplicationSource { kustomize: Some(kustomize), .. } if **kustomize != KustomizeSource::default() => {
            ToolChoice::Kustomize(Box::new(kustomize_options(kustomize, build.clone())))
        }
        ApplicationSource { helm: Some(helm), .. } if **helm != HelmSource::default() => {
            ToolChoice::Helm(Box::new(charts::options(helm)))
        }
        ApplicationSource { chart, .. } if !chart.is_empty() => ToolChoice::Helm(Box::default()),
        ApplicationSource { directory: Some(directory), .. } if **directory != DirectorySource::default() => {
            directory_tool(directory)
        }
        _ => ToolChoice::Auto,
    };
    // a chart that was fetched is its own repository
    let path = if source.chart.is_empty() { source.path.clone() } else { String::new() };
    Source { path, tool, build, ..Source::default() }
}

/// `kustomize.buildOptions` of `argocd-cm`: the flags of `kustomize build` that this renderer knows. Charts are rendered
/// in process, so there is no `--helm-command`.
fn build_options(flags: &str) -> BuildOptions {
    let mut options = BuildOptions::default();
    let mut helm = HelmFlags::default();
    let words: Vec<&str> = flags.split([' ', '=']).filter(|word| !word.is_empty()).collect();
    for (i, word) in words.iter().enumerate() {
        let value = words.get(i + 1).copied().unwrap_or_default();
        match (*word, value) {
            ("--load-restrictor", "LoadRestrictionsNone") => options.load_restrictor = LoadRestrictor::None,
            ("--reorder", "none") => options.reorder = Reorder::None,
            ("--enable-managedby-label", value) => options.enable_managedby_label = value != "false",
            ("--enable-helm", value) => options.helm = (value != "false").then(HelmFlags::default),
            ("--helm-kube-version", value) => value.clone_into(&mut helm.kube_version),
            ("--helm-api-versions", value) => helm.api_versions.push(value.to_owned()),
            _ => {}
        }
    }
    options.helm = options.helm.and(Some(helm));
    options
}

fn directory_tool(directory: &DirectorySource) -> ToolChoice {
    let DirectorySource { recurse, include, exclude, .. } = directory.clone();
    ToolChoice::Directory(DirectoryOptions { recurse, include, exclude })
}

fn kustomize_options(from: &KustomizeSource, build: BuildOptions) -> KustomizeOptions {
    let count = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let patch = |patch: &api::argocd::KustomizePatch| KustomizePatch {
        path: patch.path.clone(),
        patch: patch.patch.clone(),
        target: texts(patch.target.as_ref()),
        options: patch.options.clone(),
    };
    KustomizeOptions {
        name_prefix: from.name_prefix.clone(),
        name_suffix: from.name_suffix.clone(),
        images: from.images.clone(),
        replicas: from.replicas.iter().filter_map(|r| Some((r.name.clone(), count(&r.count)?))).collect(),
        common_labels: from.common_labels.clone(),
        force_common_labels: from.force_common_labels,
        label_without_selector: from.label_without_selector,
        label_include_templates: from.label_include_templates,
        common_annotations: from.common_annotations.clone(),
        force_common_annotations: from.force_common_annotations,
        common_annotations_envsubst: from.common_annotations_envsubst,
        namespace: from.namespace.clone(),
        components: from.components.clone(),
        ignore_missing_components: from.ignore_missing_components,
        patches: from.patches.iter().map(patch).collect(),
        build: with_versions(build, from),
    }
}

/// The versions that charts of the kustomization are rendered for.
fn with_versions(mut build: BuildOptions, from: &KustomizeSource) -> BuildOptions {
    if let Some(helm) = &mut build.helm {
        if !from.kube_version.is_empty() {
            helm.kube_version.clone_from(&from.kube_version);
        }
        if !from.api_versions.is_empty() {
            helm.api_versions.clone_from(&from.api_versions);
        }
    }
    build
}

fn texts(value: Option<&Value>) -> std::collections::BTreeMap<String, String> {
    let map = value.and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use clock::{Clock, Ids, ManualClock};
    use cluster::Cluster;
    use futures::FutureExt;
    use futures::future::{BoxFuture, pending};
    use object::{LiveObject, MemoryTree};
    use render::Remotes as Bases;
    use serde_json::json;

    use super::*;
    use crate::config::ControllerConfig;
    use crate::repositories::{Access, Remote, RemoteError, Remotes};
    use crate::turns::with_turn;
    use crate::workers::Renderer;

    /// Answers until it hangs.
    #[derive(Debug, Clone, Default)]
    struct Base(Arc<AtomicBool>);

    impl Remotes for Base {
        fn open(&self, _: &str, _: &Access) -> Result<Arc<dyn Remote>, RemoteError> {
            Ok(Arc::new(self.clone()))
        }

        fn open_chart(&self, url: &str, _: &str, access: &Access) -> Result<Arc<dyn Remote>, RemoteError> {
            self.open(url, access)
        }
    }

    impl Remote for Base {
        fn fetch(&self) -> BoxFuture<'_, Result<bool, RemoteError>> {
            if self.0.load(Ordering::SeqCst) { pending().boxed() } else { async { Ok(false) }.boxed() }
        }

        fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<String, RemoteError>> {
            async { Ok("c1".to_owned()) }.boxed()
        }

        fn tree<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<FileTree, RemoteError>> {
            async { Ok(MemoryTree::default().tree()) }.boxed()
        }

        fn changed(&self) -> BoxFuture<'_, ()> {
            pending().boxed()
        }
    }

    #[tokio::test]
    async fn a_base_that_hangs_is_believed_as_it_told_and_holds_no_turn() {
        let clock = ManualClock::starting_at(Timestamp::from_second(100_000).unwrap());
        let nobody = axum::Router::new().fallback(pending::<()>);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let cluster = Cluster::from_service(nobody, Arc::clone(&shared));
        let base = Base::default();
        let config = ControllerConfig {
            workers: 1,
            ..ControllerConfig::new(shared, Ids::seeded(1), cluster, Arc::new(base.clone()), Renderer::InProcess)
        };
        let cx = Context::new(config);
        let project = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
            "metadata": { "name": "default", "namespace": cx.namespace, "uid": "u", "resourceVersion": "1" },
            "spec": { "sourceRepos": ["*"] } });
        cx.stores.projects.note(LiveObject::new(project).unwrap());
        let revision = RemoteRevision { url: "https://git.test/base".to_owned(), ..RemoteRevision::default() };
        let tree = RemoteTree { commit: "c1".to_owned(), tree: MemoryTree::default().tree() };
        let mut remotes = Bases::default();
        remotes.insert(revision, tree);
        let app = Application::default();
        let source = ApplicationSource::default();
        let resolved = Resolved { commit: "a1".to_owned(), tree: MemoryTree::default().tree() };
        let output = Output::default();
        let render = SourceRender::new(&source, "", &remotes, "a1", output);
        let (settings, references) = (Settings::default(), BTreeMap::new());
        let job = Job { app: &app, source: &source, resolved: &resolved, settings: &settings, references: &references };

        let asked = cx.clock.now();
        assert!(job.is_done_by(&cx, &render, asked).await);
        base.0.store(true, Ordering::SeqCst);
        clock.advance(std::time::Duration::from_secs(3600));
        assert!(job.is_done_by(&cx, &render, asked).await, "it told since it was asked for");

        cx.turns.acquire().await.unwrap().forget();
        let others = async {
            tokio::select! {
                _ = with_turn(job.is_done_by(&cx, &render, cx.clock.now())) => panic!("the base hangs"),
                turn = cx.turns.acquire() => turn.is_ok(),
            }
        };
        let others = tokio::time::timeout(std::time::Duration::from_secs(10), others).await;
        assert_eq!(others.ok(), Some(true), "others have the turn");
    }
}
