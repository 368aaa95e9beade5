//! Charts in kustomizations (`HelmChartInflationGenerator` of kustomize 5.8.1), rendered in process as by Helm 4.2.4.

use object::yaml::{self, NodeKind};
use object::{FileTree, path};
use serde_json::{Map, Value};

use super::build::{Builder, Layer};
use super::chart_entry::{HelmChart, HelmGlobals};
use super::error::{KustomizeError, Result};
use super::load::{self, Folder};
use super::merge::merge_values;
use super::node::{Fault, Json, Node};
use super::resource::Resource;
use super::sources::Role;
use super::{BuildOptions, HelmFlags};
use crate::helm::{
    self, HelmError, KubeVersion, TemplateOptions, TemplateOutput, ValueSources, ValuesFile, release_name,
};
use crate::remote::{RemoteChart, Remotes};
use crate::{Origin, Problem};

/// The objects of one chart, marked as such.
///
/// # Errors
/// When charts are not enabled, the chart is not there or does not render, or a values file cannot be read.
pub(crate) fn generate(
    builder: &mut Builder,
    layer: &Layer,
    chart: &HelmChart,
    globals: &HelmGlobals,
) -> Result<Vec<Resource>> {
    let flags = enabled(&builder.options, layer)?;
    let inflation = Inflation::new(chart, globals, &layer.folder)?;
    let values = inflation.values(builder)?;
    let options = inflation.options(&flags, values)?;
    let place = &inflation.place;
    let output = helm::template(&place.tree, &place.path, &options).map_err(|error| inflation.failed(error))?;
    builder.warnings.extend(output.problems().into_iter().map(|doubt| inflation.about(doubt)));
    let mut objects = objects(&output, layer, builder)?;
    for object in &mut objects {
        object.file = place.shown(&object.file);
        object.mark_from_chart().map_err(|fault| layer.fail(&fault))?;
    }
    Ok(objects)
}

fn enabled(options: &BuildOptions, layer: &Layer) -> Result<HelmFlags> {
    options.helm.clone().ok_or_else(|| {
        layer
            .fail("the kustomization has charts, and charts are not enabled")
            .hint("build with --enable-helm; for Applications set kustomize.buildOptions: --enable-helm in argocd-cm")
    })
}

/// Where a chart lies.
#[derive(Debug)]
pub(crate) struct ChartPlace {
    pub(crate) tree: FileTree,
    pub(crate) path: String,
    /// What is put in front of paths of `tree`, to tell where they are.
    mount: String,
}

impl ChartPlace {
    fn shown(&self, file: &str) -> String {
        if self.mount.is_empty() || file.is_empty() { file.to_owned() } else { path::child(&self.mount, file) }
    }
}

/// The folder, from the root of the repository, where kustomize looks for a chart before it fetches it.
///
/// # Errors
/// When it lies outside of the repository.
pub(crate) fn local_folder(chart: &HelmChart, globals: &HelmGlobals, folder: &Folder) -> Result<String> {
    let outside = |what: &str| {
        let error = KustomizeError::new(folder.file(), format!("{what} lies outside of the repository"));
        folder.placed(error, &globals.chart_home).hint("chartHome is relative to the folder of the kustomization")
    };
    let home = globals.home();
    if home.starts_with('/') {
        return Err(outside(&format!("the chartHome {home}")));
    }
    let inside = path::join(folder.root(), &local_entry(chart, globals)).filter(|full| folder.is_ours(full));
    inside.ok_or_else(|| outside(&format!("the chart {} in {home}", chart.name)))
}

/// As [`local_folder`], from the kustomization.
fn local_entry(chart: &HelmChart, globals: &HelmGlobals) -> String {
    let HelmChart { name, version, repo, .. } = chart;
    if version.is_empty() || repo.is_empty() {
        return format!("{}/{name}", globals.home());
    }
    format!("{}/{name}-{version}/{name}", globals.home())
}

/// The chart that an entry wants from elsewhere; none when it is in the repository, or nowhere.
pub(crate) fn wanted(chart: &HelmChart, globals: &HelmGlobals, folder: &Folder) -> Option<RemoteChart> {
    let local = local_folder(chart, globals, folder).ok()?;
    let is_here = folder.tree().is_folder(&local).unwrap_or(true);
    let HelmChart { name, version, repo, devel, .. } = chart.clone();
    (!is_here && !repo.is_empty() && !name.is_empty()).then_some(RemoteChart { repo, name, version, devel })
}

/// One chart on its way to objects.
struct Inflation<'a> {
    chart: &'a HelmChart,
    globals: &'a HelmGlobals,
    folder: &'a Folder,
    /// Where the chart would be in the repository.
    local: String,
    place: ChartPlace,
}

impl<'a> Inflation<'a> {
    fn new(chart: &'a HelmChart, globals: &'a HelmGlobals, folder: &'a Folder) -> Result<Self> {
        let fail = |message: String| KustomizeError::new(folder.file(), message);
        if chart.name.is_empty() {
            return Err(fail("an entry of helmCharts has no name".to_owned()).hint("add name: to the entry"));
        }
        if !matches!(chart.values_merge.as_str(), "" | "override" | "merge" | "replace") {
            let message = format!("valuesMerge of the chart {} is {:?}", chart.name, chart.values_merge);
            return Err(fail(message).hint("valuesMerge is override, merge or replace"));
        }
        let local = local_folder(chart, globals, folder)?;
        let place = Self::place(chart, folder, &local)?;
        Ok(Self { chart, globals, folder, local, place })
    }

    fn place(chart: &HelmChart, folder: &Folder, local: &str) -> Result<ChartPlace> {
        let tree = folder.tree();
        let remotes = folder.remotes();
        if tree.is_folder(local).map_err(|e| KustomizeError::tree(folder.file(), &e))? {
            return Ok(own_place(tree, remotes, local));
        }
        let missing = |message: String, hint: String| Err(KustomizeError::new(folder.file(), message).hint(hint));
        let HelmChart { name, version, repo, devel, .. } = chart.clone();
        if repo.is_empty() {
            let hint = crate::suggest::folders_hint(tree, folder.root(), local);
            return missing(format!("the chart {name} has no repo, and there is no folder {local}"), hint);
        }
        let wanted = RemoteChart { repo, name, version, devel };
        match remotes.chart(&wanted) {
            Some((mount, fetched)) => Ok(ChartPlace { tree: fetched.tree.clone(), path: String::new(), mount }),
            None => missing(
                format!("the chart {wanted} was not fetched"),
                format!(
                    "the AppProject's sourceRepos decides which repositories may be used; or put the chart into {local}"
                ),
            ),
        }
    }

    fn failed(&self, error: HelmError) -> KustomizeError {
        let mut problem = error.into_problem();
        problem.file = self.place.shown(&problem.file);
        KustomizeError(Box::new(problem)).about(self.folder.file())
    }

    fn about(&self, mut problem: Problem) -> Problem {
        problem.message = format!("chart {}: {}", self.chart.name, problem.message);
        problem.in_file(self.folder.file(), 0, 0)
    }

    fn options(&self, flags: &HelmFlags, values: ValueSources) -> Result<TemplateOptions> {
        let chart = self.chart;
        let fail = |reason: String| KustomizeError::new(self.folder.file(), format!("chart {}: {reason}", chart.name));
        // what the kustomization says wins over the flags
        let version = if chart.kube_version.is_empty() { &flags.kube_version } else { &chart.kube_version };
        let kube_version = match version.as_str() {
            "" => KubeVersion::default(),
            text => KubeVersion::parse(text).map_err(fail)?,
        };
        let namespace = if chart.namespace.is_empty() { "default" } else { &chart.namespace };
        Ok(TemplateOptions {
            release_name: self.release_name(flags)?,
            namespace: namespace.to_owned(),
            kube_version,
            api_versions: if chart.api_versions.is_empty() { &flags.api_versions } else { &chart.api_versions }.clone(),
            values,
            include_crds: chart.include_crds,
            skip_tests: chart.skip_tests,
            no_hooks: chart.skip_hooks,
            surroundings: flags.surroundings,
            ..TemplateOptions::default()
        })
    }

    /// `helm template --generate-name`, which kustomize asks for, names the release as if nothing was said.
    fn release_name(&self, flags: &HelmFlags) -> Result<String> {
        let HelmChart { name, release_name: given, name_template: template, .. } = self.chart;
        let fail = |message: String| Err(KustomizeError::new(self.folder.file(), message));
        match (given.as_str(), template.as_str(), flags.surroundings) {
            (name, "", _) if !name.is_empty() => Ok(name.to_owned()),
            ("", "", _) => Ok(TemplateOptions::default().release_name),
            ("", template, Some(surroundings)) => {
                release_name(template, surroundings).map_err(|error| self.failed(error))
            }
            ("", _, None) => fail(format!("chart {name}: nameTemplate needs the time of the render")),
            _ => fail(format!("chart {name} has both releaseName and nameTemplate: remove one of them")),
        }
    }
}

/// The place of a chart in a repository. One in a repository that was fetched sees the files of that one only.
fn own_place(tree: &FileTree, remotes: &Remotes, local: &str) -> ChartPlace {
    match remotes.inside(local) {
        Some((mount, remote, path)) => ChartPlace { tree: remote.clone(), path, mount },
        None => ChartPlace { tree: tree.clone(), path: local.to_owned(), mount: String::new() },
    }
}

impl Inflation<'_> {
    /// The chart's values file or the one instead of it with the values of the entry, and further files.
    fn values(&self, builder: &mut Builder) -> Result<ValueSources> {
        let mut files = vec![if self.chart.values_inline.is_empty() {
            self.values_file()?
        } else {
            ValuesFile { name: "valuesInline".to_owned(), content: self.inline_values(builder)?.into_bytes().into() }
        }];
        for entry in &self.chart.additional_values_files {
            let (name, content) = self.folder.load(entry).map_err(|e| self.folder.placed(e, entry))?;
            files.push(ValuesFile { name, content });
        }
        Ok(ValueSources { files, ..ValueSources::default() })
    }

    fn values_file(&self) -> Result<ValuesFile> {
        let own = format!("{}/values.yaml", local_entry(self.chart, self.globals));
        let entry = if self.chart.values_file.is_empty() { &own } else { &self.chart.values_file };
        if let Some(inner) = self.inner_path(entry) {
            let inner = path::join(&self.place.path, &inner).unwrap_or_default();
            let read = self.place.tree.read(&inner).map_err(|e| KustomizeError::tree(entry, &e))?;
            let name = self.place.shown(&inner);
            return match read {
                Some(content) => Ok(ValuesFile { name, content }),
                None => Err(KustomizeError::new(self.folder.file(), format!("the chart has no file {inner}"))),
            };
        }
        let (name, content) = self.folder.load(entry).map_err(|e| self.folder.placed(e, entry))?;
        Ok(ValuesFile { name, content })
    }

    /// The path in a fetched chart of a file that is named as if the chart was in the repository.
    fn inner_path(&self, entry: &str) -> Option<String> {
        if self.place.mount.is_empty() || self.folder.tree().is_folder(&self.local).unwrap_or_default() {
            return None;
        }
        let full = path::join(self.folder.root(), entry)?;
        Some(full.strip_prefix(&self.local)?.strip_prefix('/')?.to_owned())
    }

    /// The text of `valuesInline`, united with the values file as `valuesMerge` says.
    fn inline_values(&self, builder: &Builder) -> Result<String> {
        let inline = Value::Object(self.chart.values_inline.clone());
        if self.chart.values_merge == "replace" {
            return Ok(inline.to_string());
        }
        let file = self.values_file()?;
        let text = String::from_utf8_lossy(&file.content);
        let failed = |fault: Fault| KustomizeError::new(&file.name, format!("valuesInline: {fault}"));
        let document = yaml::first_document(&text).map_err(|e| KustomizeError::yaml(&file.name, &e))?;
        let Some(mut document) = document else {
            return Err(failed("the values file is empty".to_owned()).hint("set valuesMerge: replace"));
        };
        drop_aliases(&mut document, &inline).map_err(failed)?;
        let from_file = Node::from_yaml(&document, 0).map_err(|e| KustomizeError::yaml(&file.name, &e))?;
        let inline = Node::from_value(&inline, Json::Decoded);
        let (target, patch) =
            if self.chart.values_merge == "merge" { (inline, from_file) } else { (from_file, inline) };
        let united = merge_values(target, patch, &builder.schema).and_then(|united| value_of(united.as_ref()));
        Ok(united.map_err(failed)?.to_string())
    }
}

/// Takes away the fields of mappings that are aliases: kustomize loses them when it merges values.
fn drop_aliases(node: &mut yaml::Node, inline: &Value) -> std::result::Result<(), Fault> {
    let NodeKind::Mapping(pairs) = &mut node.kind else { return Ok(()) };
    let is_alias = |node: &yaml::Node| matches!(node.kind, NodeKind::Alias(..));
    for (key, value) in pairs.iter_mut() {
        let name = key.as_str().unwrap_or_default();
        let inline = inline.get(name).unwrap_or(&Value::Null);
        if is_alias(value) && !inline.is_null() {
            return Err(format!("{name} is an alias in the values file, which cannot be merged: write it out"));
        }
        drop_aliases(value, inline)?;
    }
    pairs.retain(|(_, value)| !is_alias(value));
    Ok(())
}

fn value_of(united: Option<&Node>) -> std::result::Result<Value, Fault> {
    united.map_or(Ok(Value::Object(Map::new())), Node::object_value)
}

/// The objects of the text that Helm would print, each with the place in the chart that it comes from.
fn objects(output: &TemplateOutput, layer: &Layer, builder: &mut Builder) -> Result<Vec<Resource>> {
    let (text, places) = output.text_with_places();
    let mut objects = load::objects(&text, layer.folder.file(), Role::Computed, &mut builder.sources)
        .map_err(|error| located(error, &places))?;
    for object in &mut objects {
        let origin = origin_of(object.line, &places);
        (object.file, object.line) = (origin.file, origin.line);
    }
    Ok(objects)
}

fn located(mut error: KustomizeError, places: &[(usize, &Origin)]) -> KustomizeError {
    let origin = origin_of(error.0.line, places);
    if !origin.file.is_empty() {
        (error.0.file, error.0.line, error.0.column) = (origin.file, origin.line, 0);
    }
    error
}

/// The place of the last document that starts on or before a line.
fn origin_of(line: usize, places: &[(usize, &Origin)]) -> Origin {
    let at = places.partition_point(|(start, _)| *start <= line);
    at.checked_sub(1).and_then(|at| places.get(at)).map(|(_, origin)| (*origin).clone()).unwrap_or_default()
}
