//! What templates see as `.`: one scope for each chart of the tree, shared by all of its templates, so that what one
//! template sets is there for the next.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use gotemplate::value::{Map, MapType, Str, Value};
use serde_json::Value as Json;

use super::capabilities::Capabilities;
use super::chart::{Chart, File};
use super::files::Files;
use super::go_values::{from_json, table};
use super::instance::Instance;
use super::metadata::{Dependency, Maintainer, Metadata};
use super::options::TemplateOptions;

const VALUES: MapType = MapType::Named("common.Values");

/// One template file of the tree and what it is rendered with.
#[derive(Debug)]
pub(crate) struct Renderable<'a> {
    pub(crate) chart: &'a Arc<Chart>,
    pub(crate) file: &'a File,
    pub(crate) scope: Map,
    /// Where the chart's templates are: `parent/charts/child/templates`.
    pub(crate) base_path: Rc<str>,
}

impl Renderable<'_> {
    /// `.`, with `.Template` set for this file.
    pub(crate) fn data(&self, name: &str) -> Value {
        let template = Map::typed(VALUES, BTreeMap::new());
        template.insert("Name", Value::string(name));
        template.insert("BasePath", Value::string(&*self.base_path));
        self.scope.insert("Template", Value::Map(template));
        Value::Map(self.scope.convert(VALUES))
    }
}

/// Every template of the tree by its name, `chart/templates/x.yaml`.
pub(crate) type Renderables<'a> = BTreeMap<String, Renderable<'a>>;

/// The templates of `root` and all charts below it. `values` are those of the whole tree.
pub(crate) fn renderables<'a>(root: &'a Instance, values: &Map, options: &TemplateOptions) -> Renderables<'a> {
    let capabilities = Capabilities::new(&options.kube_version, &options.api_versions);
    let parent = Map::default();
    parent.insert("Release", Value::Map(release(options)));
    parent.insert("Capabilities", Value::Object(Rc::new(capabilities)));
    let mut all = Renderables::new();
    add(root, &parent, Some(values), &root.name, &mut all);
    all
}

fn release(options: &TemplateOptions) -> Map {
    let entries: [(&str, Value); 6] = [
        ("Name", options.release_name.as_str().into()),
        ("Namespace", options.namespace.as_str().into()),
        ("IsUpgrade", options.is_upgrade.into()),
        ("IsInstall", (!options.is_upgrade).into()),
        ("Revision", Value::int(1)),
        ("Service", "Helm".into()),
    ];
    entries.into_iter().map(|(key, value)| (Str::from(key), value)).collect()
}

/// Adds the templates of one chart; gives its scope.
fn add<'a>(instance: &'a Instance, parent: &Map, values: Option<&Map>, path: &str, all: &mut Renderables<'a>) -> Map {
    let scope = Map::default();
    let own = values.cloned().or_else(|| table(parent, &format!("Values.{}", instance.name)));
    let subcharts = Map::default();
    scope.insert("Chart", Value::Map(chart_map(instance, values.is_some())));
    scope.insert("Files", Value::Object(Rc::new(Files::new(&instance.chart))));
    for key in ["Release", "Capabilities"] {
        scope.insert(key, parent.get(key.as_bytes()).unwrap_or(Value::Nil));
    }
    scope.insert("Values", Value::Map(own.unwrap_or_default().convert(VALUES)));
    scope.insert("Subcharts", Value::Map(subcharts.clone()));
    for child in &instance.children {
        let inner = add(child, &scope, None, &format!("{path}/charts/{}", child.name), all);
        subcharts.insert(child.name.as_str(), Value::Map(inner));
    }
    let base_path: Rc<str> = format!("{path}/templates").into();
    for file in templates(&instance.chart) {
        let renderable =
            Renderable { chart: &instance.chart, file, scope: scope.clone(), base_path: base_path.clone() };
        all.insert(format!("{path}/{}", file.name), renderable);
    }
    scope
}

/// Of a library, only what others can include.
fn templates(chart: &Chart) -> impl Iterator<Item = &File> {
    let library = chart.metadata.is_library();
    chart.templates.iter().filter(move |f| !library || object::path::file_name(&f.name).starts_with('_'))
}

/// `.Chart`.
fn chart_map(instance: &Instance, is_root: bool) -> Map {
    let Metadata { sources, keywords, maintainers, annotations, deprecated, .. } = &instance.chart.metadata;
    let map = Map::default();
    for (key, text) in texts(&instance.chart.metadata) {
        map.insert(key, text.into());
    }
    map.insert("Name", instance.name.as_str().into());
    map.insert("Sources", text_list(sources));
    map.insert("Keywords", text_list(keywords));
    map.insert("Maintainers", Value::List(maintainers.iter().map(maintainer_map).collect()));
    let annotations = annotations.as_ref().map_or_else(
        || Map::nil(MapType::String),
        |a| Map::typed(MapType::String, a.iter().map(|(k, v)| (Str::from(k.as_str()), v.as_str().into())).collect()),
    );
    map.insert("Annotations", Value::Map(annotations));
    map.insert("Deprecated", (*deprecated).into());
    let dependencies = instance.dependencies.iter().flatten().map(dependency_map);
    map.insert("Dependencies", Value::List(dependencies.collect()));
    map.insert("IsRoot", is_root.into());
    map
}

fn texts(metadata: &Metadata) -> [(&'static str, &str); 10] {
    [
        ("Home", &metadata.home),
        ("Version", &metadata.version),
        ("Description", &metadata.description),
        ("Icon", &metadata.icon),
        ("APIVersion", &metadata.api_version),
        ("Condition", &metadata.condition),
        ("Tags", &metadata.tags),
        ("AppVersion", &metadata.app_version),
        ("KubeVersion", &metadata.kube_version),
        ("Type", &metadata.kind),
    ]
}

fn text_list(texts: &[String]) -> Value {
    Value::List(texts.iter().map(|t| Value::from(t.as_str())).collect())
}

fn maintainer_map(maintainer: &Maintainer) -> Value {
    let Maintainer { name, email, url } = maintainer;
    let entries = [("Name", name), ("Email", email), ("URL", url)];
    Value::Map(entries.into_iter().map(|(key, text)| (Str::from(key), text.as_str().into())).collect())
}

fn dependency_map(dependency: &Dependency) -> Value {
    let map = Map::default();
    for (key, text) in [
        ("Name", &dependency.name),
        ("Version", &dependency.version),
        ("Repository", &dependency.repository),
        ("Condition", &dependency.condition),
        ("Alias", &dependency.alias),
    ] {
        map.insert(key, text.as_str().into());
    }
    map.insert("Tags", text_list(&dependency.tags));
    map.insert("Enabled", dependency.enabled.into());
    map.insert("ImportValues", Value::List(dependency.import_values.iter().map(import_value).collect()));
    Value::Map(map)
}

/// Helm notes what it imported as `map[string]string`.
fn import_value(value: &Json) -> Value {
    match (value, from_json(value)) {
        (Json::Object(_), Value::Map(map)) => Value::Map(map.convert(MapType::String)),
        (_, other) => other,
    }
}
