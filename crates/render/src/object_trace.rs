//! Which file and which step of the build set each field of a rendered object.

use object::{FileTree, ResourceKey};
use serde_json::Value;

use crate::kustomize::build::{self, Finished};
use crate::kustomize::history::{ELEMENT_KEYS, History};
use crate::kustomize::load;
use crate::kustomize::node::{Node, Scalar};
use crate::kustomize::resource::Resource;
use crate::kustomize::sources::{Role, Sources};
use crate::trace::{Finder, key_of, read_directory};
use crate::{HelmOptions, Origin, Problem, RenderContext, Source, ToolChoice, helm};

/// A rendered object and what set its fields.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectTrace {
    pub object: ResourceKey,
    pub origin: Origin,
    /// The object as rendered.
    pub value: Value,
    /// Every scalar, in the order of the object.
    pub fields: Vec<FieldTrace>,
}

/// One scalar of a rendered object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldTrace {
    /// JSON pointer in the object.
    pub pointer: String,
    /// For people: `spec.template.spec.containers[shop].image`.
    pub path: String,
    pub value: String,
    /// Everything that set it, the oldest first; the last one decided the value.
    pub steps: Vec<TraceStep>,
}

/// Something that set a scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceStep {
    /// `manifest`, or the field of a kustomization: `patches[0]`, `images[1]`, `namePrefix`.
    pub by: String,
    /// Path in the repository.
    pub file: String,
    /// 1-based; 0 when no line says it: the build itself, or an override of the Application.
    pub line: usize,
    /// The value after this step.
    pub value: String,
}

/// Traces the objects of `source` that are `wanted`, in the order of the render.
///
/// # Errors
/// The problem because of which the source does not render.
pub fn trace_objects(
    tree: &FileTree,
    source: &Source,
    wanted: impl Fn(&ResourceKey) -> bool,
) -> Result<Vec<ObjectTrace>, Box<Problem>> {
    trace_objects_in(tree, source, &RenderContext::default(), wanted)
}

/// As [`trace_objects`], for one Application.
///
/// # Errors
/// As [`trace_objects`].
pub fn trace_objects_in(
    tree: &FileTree,
    source: &Source,
    context: &RenderContext,
    wanted: impl Fn(&ResourceKey) -> bool,
) -> Result<Vec<ObjectTrace>, Box<Problem>> {
    let tree = source.remotes.mounted(tree).fresh();
    let folder = crate::folder_of(&tree, source)?;
    let mut traces = Vec::new();
    let (resources, sources, history) = match crate::source::resolved(&tree, &folder, source) {
        ToolChoice::Kustomize(options) => {
            let Finished { resources, builder } =
                build::run_traced(&tree, &folder, &options, &source.remotes).map_err(|e| e.0)?;
            (resources, builder.sources, builder.history.unwrap_or_default())
        }
        ToolChoice::Directory(options) => {
            let (resources, sources) = read_directory(&tree, &folder, &options);
            (resources, sources, History::default())
        }
        ToolChoice::Helm(options) => {
            let (resources, sources) = definitions(&tree, &folder, &options)?;
            traces = helm::trace_fields(&tree, &folder, &options, context, &wanted)?;
            (resources, sources, History::default())
        }
        other => {
            let message = format!("{folder}: fields of a {other:?} source cannot be traced");
            return Err(Box::new(Problem::error(message)));
        }
    };
    let tracer = Tracer { finder: Finder { tree: &tree, sources: &sources }, sources: &sources, history: &history };
    let plain = resources.iter().filter(|r| wanted(&key_of(r))).map(|r| tracer.object(r));
    Ok(plain.chain(traces).collect())
}

/// The definitions that a chart brings as plain files.
fn definitions(tree: &FileTree, folder: &str, options: &HelmOptions) -> Result<(Vec<Resource>, Sources), Box<Problem>> {
    let (mut resources, mut sources) = (Vec::new(), Sources::default());
    if !options.skip_crds {
        for (file, text) in helm::definitions(tree, folder)? {
            resources.extend(load::objects(&text, &file, Role::Manifest, &mut sources).unwrap_or_default());
        }
    }
    Ok((resources, sources))
}

struct Tracer<'a> {
    finder: Finder<'a>,
    sources: &'a Sources,
    history: &'a History,
}

impl Tracer<'_> {
    fn object(&self, resource: &Resource) -> ObjectTrace {
        let mut fields = Vec::new();
        self.fields(&resource.node, (String::new(), String::new()), &mut fields);
        let value = resource.node.to_value().unwrap_or_default();
        let origin = Origin { file: resource.file.clone(), line: resource.line };
        ObjectTrace { object: key_of(resource), origin, value, fields }
    }

    /// Adds the scalars of a node at a pointer and a path.
    fn fields(&self, node: &Node, (pointer, path): (String, String), found: &mut Vec<FieldTrace>) {
        match node {
            Node::Scalar(scalar) => {
                let steps = self.steps(scalar);
                found.push(FieldTrace { pointer, path, value: scalar.text.clone(), steps });
            }
            Node::Map(pairs) => {
                for (key, value) in pairs {
                    let escaped = object::path::pointer_part(&key.text);
                    self.fields(value, (format!("{pointer}/{escaped}"), below(&path, &key.text)), found);
                }
            }
            Node::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    let at = (format!("{pointer}/{i}"), format!("{path}[{}]", element_name(item, i)));
                    self.fields(item, at, found);
                }
            }
        }
    }

    fn steps(&self, scalar: &Scalar) -> Vec<TraceStep> {
        let (mut steps, mut next) = (Vec::new(), Some(scalar.clone()));
        while let Some(scalar) = next.take() {
            let Role::Changed(index) = self.sources.get(scalar.place.source).role else {
                steps.extend(self.written(&scalar, "manifest"));
                break;
            };
            let Some(change) = self.history.get(index) else { break };
            let own = Scalar { place: change.own, ..scalar.clone() };
            steps.push(self.written(&own, &change.step.name).unwrap_or_else(|| TraceStep {
                by: change.step.name.clone(),
                file: change.step.file.clone(),
                line: change.step.line,
                value: scalar.text.clone(),
            }));
            next.clone_from(&change.before);
        }
        steps.reverse();
        steps
    }

    /// The step for a scalar that is written in a file.
    fn written(&self, scalar: &Scalar, by: &str) -> Option<TraceStep> {
        let (file, line) = self.finder.line_of(scalar)?;
        Some(TraceStep { by: by.to_owned(), file, line, value: scalar.text.clone() })
    }
}

pub(crate) fn below(path: &str, key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{key:?}]"),
    }
}

/// What people call an element of a list: its name, or whatever tells it apart, else its index.
fn element_name(item: &Node, index: usize) -> String {
    let name = ELEMENT_KEYS.iter().filter_map(|key| item.get(key)).find(|n| !n.text().is_empty());
    name.map_or_else(|| index.to_string(), |n| n.text().to_owned())
}

/// As [`element_name`], of plain data.
pub(crate) fn field_name(item: &Value) -> Option<&str> {
    ELEMENT_KEYS.iter().filter_map(|key| item.get(key)?.as_str()).find(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;

    const BASE: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\nspec:\n  replicas: 1\n  template:\n    spec:\n      containers:\n      - name: sidecar\n        image: proxy:1\n      - name: shop\n        image: shop:1\n        env:\n        - name: MODE\n          value: dev\n";
    const OVERLAY: &str = "resources:\n- ../base\nnamespace: prod\nnamePrefix: prod-\nlabels:\n- pairs:\n    tier: web\npatches:\n- path: p.yaml\n- target:\n    kind: Deployment\n  patch: |-\n    - op: replace\n      path: /spec/template/spec/containers/0/env/0/value\n      value: prod\nimages:\n- name: shop\n  newTag: \"2\"\nreplicas:\n- name: shop\n  count: 3\nconfigMapGenerator:\n- name: conf\n  literals: [a=b]\n";
    const PATCH: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\nspec:\n  template:\n    spec:\n      containers:\n      - name: shop\n        command: [run]\n";

    /// Traces a field and gives its steps as `by file:line=value`, oldest first.
    fn check(object: &str, path: &str, wanted: &[&str]) {
        let tree = MemoryTree::default()
            .file("base/d.yaml", BASE)
            .file("base/kustomization.yaml", "resources: [d.yaml]\n")
            .file("prod/kustomization.yaml", OVERLAY)
            .file("prod/p.yaml", PATCH)
            .tree();
        let traces = trace_objects(&tree, &Source::auto("prod"), |key| key.kind == object).unwrap();
        let [trace] = traces.as_slice() else { panic!("{traces:?}") };
        let field = trace.fields.iter().find(|f| f.path == path).unwrap_or_else(|| panic!("{path}: {trace:#?}"));
        let steps: Vec<String> =
            field.steps.iter().map(|s| format!("{} {}:{}={}", s.by, s.file, s.line, s.value)).collect();
        assert_eq!(steps, wanted, "{path}");
    }

    #[test]
    fn every_step_is_named() {
        let d = "Deployment";
        let containers = "spec.template.spec.containers";
        check(d, "kind", &["manifest base/d.yaml:2=Deployment"]);
        check(d, "metadata.name", &["manifest base/d.yaml:4=shop", "namePrefix prod/kustomization.yaml:4=prod-shop"]);
        check(d, "metadata.namespace", &["namespace prod/kustomization.yaml:3=prod"]);
        check(d, "metadata.labels.tier", &["labels[0] prod/kustomization.yaml:6=web"]);
        check(d, "spec.replicas", &["manifest base/d.yaml:6=1", "replicas[0] prod/kustomization.yaml:20=3"]);
        let image = ["manifest base/d.yaml:13=shop:1", "images[0] prod/kustomization.yaml:17=shop:2"];
        check(d, &format!("{containers}[shop].image"), &image);
        check(d, &format!("{containers}[sidecar].image"), &["manifest base/d.yaml:11=proxy:1"]);
        check(d, &format!("{containers}[shop].command[0]"), &["patches[0] prod/p.yaml:10=run"]);
        let value = ["manifest base/d.yaml:16=dev", "patches[1] prod/kustomization.yaml:15=prod"];
        check(d, &format!("{containers}[shop].env[MODE].value"), &value);
    }

    #[test]
    fn generated_objects() {
        check("ConfigMap", "data.a", &["configMapGenerator[0] prod/kustomization.yaml:23=b"]);
        let name = [
            "configMapGenerator[0] prod/kustomization.yaml:23=conf",
            "namePrefix prod/kustomization.yaml:4=prod-conf",
            "the hash of the content prod/kustomization.yaml:0=prod-conf-4h2mbtbbt6",
        ];
        check("ConfigMap", "metadata.name", &name);
    }
}
