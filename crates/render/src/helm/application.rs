//! Charts of Applications, as Argo CD 3.5 renders them (`helmTemplate` in `reposerver/repository`).

use std::collections::BTreeMap;

use object::yaml::{self, Dialect};
use object::{FileTree, ReadSet, path};

use super::capabilities::KubeVersion;
use super::manifests::Document;
use super::options::{TemplateOptions, ValueSources, ValuesFile};
use super::output::TemplateOutput;
use super::release_name::release_name;
use super::template::template;
use super::value_files::Repository;
use crate::environment::expand;
use crate::{HelmOptions, HelmParameter, Origin, Problem, RenderContext, Rendered, RenderedManifest, Tool, directory};

pub(crate) fn render(tree: &FileTree, folder: &str, options: &HelmOptions, context: &RenderContext) -> Rendered {
    let mut rendered = Rendered { tool: Tool::Helm, ..Rendered::default() };
    let references = context.references.iter().map(|(name, tree)| (name.clone(), tree.fresh()));
    let context = RenderContext { references: references.collect(), ..context.clone() };
    let options = template_options(tree, folder, options, &context);
    let output = options.and_then(|options| Ok(template(tree, folder, &options)?));
    match output {
        Ok(output) => collect(&output, &mut rendered),
        Err(problem) => rendered.problems.push(*problem),
    }
    let reads = context.references.iter().map(|(name, tree)| (name.clone(), tree.reads()));
    rendered.reference_reads = reads.filter(|(_, reads)| *reads != ReadSet::default()).collect();
    rendered
}

pub(crate) fn template_options(
    tree: &FileTree,
    folder: &str,
    options: &HelmOptions,
    context: &RenderContext,
) -> Result<TemplateOptions, Box<Problem>> {
    let repository = Repository { tree, folder, context };
    let or = |own: &str, given: &str, default: &str| {
        [own, given, default].into_iter().find(|t| !t.is_empty()).unwrap_or_default().to_owned()
    };
    Ok(TemplateOptions {
        release_name: name(&or(&options.release_name, &context.app_name, "release-name"), context)?,
        namespace: or(&options.namespace, &context.namespace, "default"),
        kube_version: kube_version(&or(&options.kube_version, &context.kube_version, ""))?,
        api_versions: if options.api_versions.is_empty() { &context.api_versions } else { &options.api_versions }
            .clone(),
        values: value_sources(&repository, options)?,
        include_crds: !options.skip_crds,
        skip_tests: options.skip_tests,
        skip_schema_validation: options.skip_schema_validation,
        surroundings: context.surroundings,
        ..TemplateOptions::default()
    })
}

/// Argo CD gives the name as a name template.
fn name(text: &str, context: &RenderContext) -> Result<String, Box<Problem>> {
    match context.surroundings {
        Some(surroundings) if text.contains("{{") => Ok(release_name(text, surroundings)?),
        _ => Ok(text.to_owned()),
    }
}

/// The numbers alone: Argo CD leaves suffixes such as `-gke.1` out.
fn kube_version(text: &str) -> Result<KubeVersion, Box<Problem>> {
    if text.is_empty() {
        return Ok(KubeVersion::default());
    }
    let read = KubeVersion::parse(text)
        .map_err(|reason| Box::new(Problem::error(reason).hint("correct spec.source.helm.kubeVersion")))?;
    Ok(KubeVersion { version: read.normalized.clone(), ..read })
}

fn value_sources(repository: &Repository<'_>, options: &HelmOptions) -> Result<ValueSources, Box<Problem>> {
    let environment = &repository.context.environment;
    let assignments = |force_string: bool| {
        let chosen = last_of_each(options.parameters.iter().filter(move |p| p.force_string == force_string));
        chosen.into_iter().map(|p| format!("{}={}", p.name, escaped(&expand(&p.value, environment)))).collect()
    };
    let mut sources = ValueSources {
        files: repository.value_files(options)?,
        set: assignments(false),
        set_string: assignments(true),
        ..ValueSources::default()
    };
    sources.files.extend(own_values(options));
    let files: BTreeMap<&str, &str> =
        options.file_parameters.iter().map(|p| (p.name.as_str(), p.path.as_str())).collect();
    for (at, (name, path)) in files.into_iter().enumerate() {
        // a name without characters that mean something in the text
        let alias = format!("file{at}");
        sources.set_file.push(format!("{name}={alias}"));
        sources.file_contents.insert(alias, repository.file(path)?);
    }
    Ok(sources)
}

/// Where the Application itself gives values.
pub(crate) const OWN_FIELDS: &str = "spec.source.helm.";

/// The values in the Application itself.
fn own_values(options: &HelmOptions) -> Option<ValuesFile> {
    let file =
        |field: &str, text: &str| ValuesFile { name: format!("{OWN_FIELDS}{field}"), content: text.as_bytes().into() };
    match &options.values_object {
        Some(object) => Some(file("valuesObject", &object.to_string())),
        None if options.values.is_empty() => None,
        None => Some(file("values", &options.values)),
    }
}

/// Of parameters with the same name the last one holds, where it stands.
fn last_of_each<'a>(parameters: impl Iterator<Item = &'a HelmParameter>) -> Vec<&'a HelmParameter> {
    let mut chosen: Vec<&HelmParameter> = Vec::new();
    for parameter in parameters {
        chosen.retain(|p| p.name != parameter.name);
        chosen.push(parameter);
    }
    chosen
}

/// Commas are part of a value, unless it is a list `{a,b}` or they are escaped already.
fn escaped(value: &str) -> String {
    if value.starts_with('{') && value.ends_with('}') {
        return value.to_owned();
    }
    let mut text = String::new();
    let mut before = '\0';
    for c in value.chars() {
        if c == ',' && before != '\\' {
            text.push('\\');
        }
        text.push(c);
        before = c;
    }
    text
}

fn collect(output: &TemplateOutput, rendered: &mut Rendered) {
    rendered.problems.extend(output.problems());
    for document in output.documents() {
        if let Err(problem) = add(document, &mut rendered.manifests) {
            rendered.problems.push(*problem);
        }
    }
}

/// Adds the objects of a document: a whole file of definitions, or one rendered document.
fn add(document: &Document, into: &mut Vec<RenderedManifest>) -> Result<(), Box<Problem>> {
    let origin = &document.origin;
    if document.whole_file {
        let documents = yaml::documents(&document.text, Dialect::Kubernetes);
        for inner in documents.map_err(|e| Box::new(Problem::yaml(&origin.file, &e)))? {
            let origin = Origin { file: origin.file.clone(), line: inner.line };
            directory::unroll(inner.value, &origin, into).map_err(|p| Box::new(p.hint("")))?;
        }
        return Ok(());
    }
    if document.value.is_null() {
        return Ok(());
    }
    let unrolled = directory::unroll(document.value.clone(), origin, into);
    unrolled.map_err(|p| {
        Box::new(p.hint(format!("the template {} has to render Kubernetes objects", path::file_name(&origin.file))))
    })
}
