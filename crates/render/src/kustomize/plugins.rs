//! `transformers` and `generators`: the built-in ones written as objects of their own.

use std::collections::BTreeMap;

use object::yaml;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::build::{Builder, Gathered, Layer, end_step};
use super::chart_entry::{ChartGenerator, HELM_GENERATOR};
use super::config::{self, Generator, Image, Patch, Replacement, Replica, Selector};
use super::error::{KustomizeError, Result};
use super::fields::{self, ImageChange};
use super::fieldspec::FieldSpec;
use super::generate::{self, What};
use super::helm_charts;
use super::load::{self, Entry, Folder};
use super::names::{self, Affix, NamespaceChange, Subjects};
use super::node::{Fault, Kind, Node, Place};
use super::patch::{Inline, Loaded};
use super::replacement;
use super::resource::{OriginNote, Resource};
use super::schema::Schema;
use super::selector::Matcher;
use super::shape::Shape::{Bool, Int, List, Struct, Text, Texts};
use super::shape::{Reader, Shape};
use super::sources::{Role, Sources};

/// Adds the hash of its data to the name of each generated object that wants it.
///
/// # Errors
/// When data cannot be written as JSON.
pub(crate) fn add_hashes(resources: &mut [Resource], schema: &Schema) -> std::result::Result<(), Fault> {
    for resource in resources.iter_mut().filter(|r| r.needs_hash) {
        let hash = generate::hash(resource)?;
        resource.store_previous(schema);
        let name = format!("{}-{hash}", resource.name());
        resource.set_name(&name)?;
    }
    Ok(())
}

/// The united data of two objects, that of `made` winning.
///
/// # Errors
/// When `data` is no mapping.
pub(crate) fn merge_data(old: &Resource, made: &mut Resource, field: &str) -> std::result::Result<(), Fault> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for source in [old, made] {
        let pairs = source.node.get(field).map(Node::pairs).unwrap_or_default();
        let text = |node: &Node| if node.is_null() { String::new() } else { node.text().to_owned() };
        all.extend(pairs.iter().map(|(key, value)| (key.text.clone(), text(value))));
    }
    made.node.remove(field);
    if all.is_empty() {
        return Ok(());
    }
    let map = made.node.get_or_create(field, Kind::Map)?;
    all.into_iter().try_for_each(|(key, value)| map.set_field(&key, Node::string(value)))
}

/// `replacements` with those of files read.
///
/// # Errors
/// When a file cannot be read, or an entry has both a path and a body.
pub(crate) fn load_replacements(entries: &[Replacement], folder: &Folder) -> Result<Vec<Replacement>> {
    let mut all = Vec::new();
    for entry in entries {
        if entry.path.is_empty() {
            all.push(entry.clone());
            continue;
        }
        if entry.source.is_some() || entry.targets.as_ref().is_some_and(|t| !t.is_empty()) {
            return Err(KustomizeError::new(folder.file(), "a replacement has both path and source or targets"));
        }
        let (file, text) = folder.load_text(&entry.path).map_err(|e| folder.placed(e, &entry.path))?;
        let reader = Reader { file: &file, strict: false, coerce: true };
        let is_list = yaml::value(&text).map_err(|e| KustomizeError::yaml(&file, &e))?.is_array();
        if is_list {
            all.extend(config::read::<Vec<Replacement>>(&text, &List(&config::REPLACEMENT), reader)?);
        } else {
            all.push(config::read(&text, &config::REPLACEMENT, reader)?);
        }
    }
    Ok(all)
}

/// The objects that configure plugins: written in place, in files or in folders.
fn configurations(builder: &mut Builder, layer: &Layer, entries: &[String]) -> Result<Vec<Resource>> {
    let mut all = Gathered::default();
    let mut paths = Vec::new();
    for entry in entries {
        let read = load::objects(entry, layer.folder.file(), Role::Computed, &mut builder.sources);
        match read {
            Ok(mut objects) => {
                objects.iter_mut().for_each(|o| o.origin = layer.inline_origin());
                let schema = std::sync::Arc::clone(&builder.schema);
                super::resource::append_all(&mut all.resources, objects, &schema)?;
            }
            Err(error) if entry.contains('\n') => return Err(error),
            Err(_) => paths.push(entry.clone()),
        }
    }
    builder.add_resources(layer, &mut all, &paths)?;
    Ok(all.resources)
}

/// Those of the generators of a kustomization that are charts, as far as they can be read: in place, in files, and in
/// the files of folders.
pub(crate) fn chart_generators(folder: &Folder, entries: &[String]) -> Vec<ChartGenerator> {
    let (mut sources, mut all) = (Sources::default(), Vec::new());
    let mut texts: Vec<std::sync::Arc<str>> = entries.iter().map(|entry| entry.as_str().into()).collect();
    for entry in entries {
        match folder.entry(entry) {
            Ok(Entry::File(_, bytes)) => texts.push(String::from_utf8_lossy(&bytes).into()),
            Ok(Entry::Folder(root)) => {
                let Ok(inner) = folder.below(&root, entry) else { continue };
                let inner_entries = super::entries(inner.tree(), inner.root());
                let files = inner_entries.iter().filter_map(|entry| inner.load_text(entry).ok());
                texts.extend(files.map(|(_, text)| text));
            }
            Err(_) => {}
        }
    }
    for text in texts {
        let objects = load::objects(&text, folder.file(), Role::Computed, &mut sources).unwrap_or_default();
        let charts = objects.iter().filter(|o| o.kind() == "HelmChartInflationGenerator");
        all.extend(charts.filter_map(|object| read::<ChartGenerator>(object, &HELM_GENERATOR).ok()));
    }
    all
}

/// Runs the generators of a kustomization.
///
/// # Errors
/// When one is not built in, or cannot be read.
pub(crate) fn generate(
    builder: &mut Builder,
    layer: &Layer,
    entries: &[String],
) -> Result<Vec<(Resource, Option<OriginNote>)>> {
    let mut all = Vec::new();
    for object in configurations(builder, layer, entries)? {
        let what = match built_in(&object)? {
            "IAMPolicyGenerator" => {
                all.push((service_account(&object)?, configured_by(&object)));
                continue;
            }
            "HelmChartInflationGenerator" => {
                let ChartGenerator { globals, chart } = read(&object, &HELM_GENERATOR)?;
                let made = helm_charts::generate(builder, layer, &chart, &globals)?;
                all.extend(made.into_iter().map(|resource| (resource, configured_by(&object))));
                continue;
            }
            "ConfigMapGenerator" => What::ConfigMap,
            "SecretGenerator" => What::Secret,
            other => return Err(unknown(&object, other, "generator")),
        };
        let mut generator: Generator = read(&object, &config::GENERATOR_OBJECT)?;
        let metadata = generator.metadata.take().unwrap_or_default();
        if generator.name.is_empty() {
            generator.name = metadata.name;
        }
        if generator.namespace.is_empty() {
            generator.namespace = metadata.namespace;
        }
        let options = generate::united(generator.options.as_ref(), None);
        let made = generate::generate(what, &generator, &options, &layer.folder)?;
        all.push((made, configured_by(&object)));
    }
    Ok(all)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PolicySettings {
    cloud: String,
    kubernetes_service: config::Metadata,
    service_account: CloudAccount,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CloudAccount {
    name: String,
    project_id: String,
}

const POLICY_SETTINGS: Shape = Struct(&[
    ("cloud", &Text),
    ("kubernetesService", &Struct(&[("name", &Text), ("namespace", &Text)])),
    ("serviceAccount", &Struct(&[("name", &Text), ("projectId", &Text)])),
]);

/// The Kubernetes service account that stands for one of a cloud (`IAMPolicyGenerator`).
fn service_account(object: &Resource) -> Result<Resource> {
    let fail =
        |fault: Fault| KustomizeError::new(&object.file, format!("{} {}: {fault}", object.kind(), object.name()));
    let settings: PolicySettings = read(object, &POLICY_SETTINGS)?;
    if settings.cloud != "gke" {
        return Err(fail(format!("cloud {:?} is not known, only gke is", settings.cloud)));
    }
    let account = &settings.service_account;
    let identity = format!("{}@{}.iam.gserviceaccount.com", account.name, account.project_id);
    let mut node = Node::Map(Vec::new());
    node.set_field("apiVersion", Node::string("v1")).map_err(fail)?;
    node.set_field("kind", Node::string("ServiceAccount")).map_err(fail)?;
    let mut made = Resource::new(node, &object.file, object.line);
    made.set_name(&settings.kubernetes_service.name).map_err(fail)?;
    made.set_namespace(&settings.kubernetes_service.namespace).map_err(fail)?;
    let annotation = ("iam.gke.io/gcp-service-account".to_owned(), identity);
    made.set_metadata_map("annotations", vec![annotation]).map_err(fail)?;
    Ok(made)
}

/// Runs the transformers of a kustomization.
///
/// # Errors
/// When one is not built in, cannot be read, or fails.
pub(crate) fn transform(builder: &mut Builder, layer: &Layer, resources: &mut Vec<Resource>) -> Result<()> {
    let entries = layer.file.transformers.clone();
    for object in configurations(builder, layer, &entries)? {
        one(builder, layer, &object, resources)?;
        end_step(resources, configured_by(&object).as_ref());
        resources.retain(|r| !r.node.is_nil_or_empty());
    }
    if !entries.is_empty() {
        builder.note_step(layer, resources, "transformers", None);
    }
    Ok(())
}

fn built_in(object: &Resource) -> Result<&str> {
    if object.api_version() == "builtin" {
        return Ok(object.kind());
    }
    let message =
        format!("the plugin {} of {} is a program, which is not run here", object.kind(), object.api_version());
    let mut error = KustomizeError::new(&object.file, message);
    error.0.line = object.line;
    Err(error.hint("only built-in plugins work (apiVersion: builtin)"))
}

fn unknown(object: &Resource, kind: &str, role: &str) -> KustomizeError {
    let mut error = KustomizeError::new(&object.file, format!("{kind} is no built-in {role}"));
    error.0.line = object.line;
    error
}

fn configured_by(object: &Resource) -> Option<OriginNote> {
    let origin = object.origin.as_ref()?;
    Some(OriginNote {
        path: String::new(),
        configured_in: origin.path.clone(),
        configured_by: [object.api_version(), object.kind(), object.name(), object.namespace()].map(str::to_owned),
    })
}

fn read<T: DeserializeOwned + Default>(object: &Resource, shape: &Shape) -> Result<T> {
    let value = object.node.to_value().map_err(|f| KustomizeError::new(&object.file, f))?;
    let text = yaml::to_string(&value);
    config::read(&text, shape, Reader { file: &object.file, strict: false, coerce: true })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Settings {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    field_specs: Option<Vec<FieldSpec>>,
    metadata: config::Metadata,
    unset_only: bool,
    set_role_binding_subjects: String,
    prefix: String,
    suffix: String,
    replica: Replica,
    image_tag: Image,
    replacements: Vec<Replacement>,
    paths: Vec<String>,
    patches: String,
    value: String,
    targets: Vec<ValueTarget>,
    target_file_path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ValueTarget {
    selector: Option<Selector>,
    field_path: String,
    file_path_position: i64,
}

const VALUE_TARGETS: Shape =
    List(&Struct(&[("selector", &config::SELECTOR), ("fieldPath", &Text), ("filePathPosition", &Int)]));
const SETTINGS: Shape = Struct(&[
    ("labels", &Texts),
    ("annotations", &Texts),
    ("fieldSpecs", &config::FIELD_SPECS),
    ("metadata", &Struct(&[("name", &Text), ("namespace", &Text)])),
    ("unsetOnly", &Bool),
    ("setRoleBindingSubjects", &Text),
    ("prefix", &Text),
    ("suffix", &Text),
    ("replica", &config::REPLICA),
    ("imageTag", &config::IMAGE),
    ("replacements", &List(&config::REPLACEMENT)),
    ("paths", &List(&Text)),
    ("patches", &Text),
    ("value", &Text),
    ("targets", &VALUE_TARGETS),
    ("targetFilePath", &Text),
]);

fn one(builder: &mut Builder, layer: &Layer, object: &Resource, resources: &mut Vec<Resource>) -> Result<()> {
    let schema = std::sync::Arc::clone(&builder.schema);
    let fail =
        |fault: Fault| KustomizeError::new(&object.file, format!("{} {}: {fault}", object.kind(), object.name()));
    let kind = built_in(object)?;
    if matches!(kind, "PatchTransformer" | "PatchJson6902Transformer") {
        return patch(builder, layer, object, kind, resources);
    }
    let settings: Settings = read(object, &SETTINGS)?;
    let specs = settings.field_specs.as_deref().unwrap_or_default();
    match kind {
        "LabelTransformer" => fields::set_entries(resources, &settings.labels, specs).map_err(fail),
        "AnnotationsTransformer" => fields::set_entries(resources, &settings.annotations, specs).map_err(fail),
        "HashTransformer" => add_hashes(resources, &schema).map_err(fail),
        "ImageTagTransformer" => {
            ImageChange::new(settings.image_tag, Place::default()).apply(resources, specs).map_err(fail)
        }
        "ReplicaCountTransformer" => fields::set_replicas(resources, &settings.replica, specs, &schema).map_err(fail),
        "PrefixTransformer" | "SuffixTransformer" | "PrefixSuffixTransformer" => {
            if settings.field_specs.is_none() {
                return Err(fail("fieldSpecs are missing".to_owned()));
            }
            for (affix, text, other) in [
                (Affix::Prefix, &settings.prefix, "SuffixTransformer"),
                (Affix::Suffix, &settings.suffix, "PrefixTransformer"),
            ] {
                if kind != other {
                    names::add_affix(resources, affix, text, specs, &schema).map_err(fail)?;
                }
            }
            Ok(())
        }
        "NamespaceTransformer" => {
            let change = NamespaceChange {
                namespace: settings.metadata.namespace.clone(),
                specs: specs.to_vec(),
                unset_only: settings.unset_only,
                subjects: subjects(&settings.set_role_binding_subjects).map_err(fail)?,
            };
            change.apply(resources, &schema, &object.file)
        }
        "ReplacementTransformer" => {
            let replacements = load_replacements(&settings.replacements, &layer.folder)?;
            replacement::apply(&replacements, resources).map_err(fail)
        }
        "PatchStrategicMergeTransformer" => strategic(builder, layer, object, &settings, resources),
        "ValueAddTransformer" => add_value(layer, settings, resources, &schema, object),
        other => Err(unknown(object, other, "transformer")),
    }
}

fn subjects(text: &str) -> std::result::Result<Subjects, Fault> {
    match text {
        "" | "defaultOnly" => Ok(Subjects::Default),
        "allServiceAccounts" => Ok(Subjects::ServiceAccounts),
        "none" => Ok(Subjects::None),
        other => {
            Err(format!("setRoleBindingSubjects is {other:?}, it must be defaultOnly, allServiceAccounts or none"))
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PatchSettings {
    #[serde(flatten)]
    patch: Patch,
    json_op: String,
}

fn patch(
    builder: &mut Builder,
    layer: &Layer,
    object: &Resource,
    kind: &str,
    resources: &mut Vec<Resource>,
) -> Result<()> {
    let mut settings: PatchSettings = read(object, &config::PATCH_FIELDS)?;
    let inline = Inline { name: format!("{kind} {}", object.name()), at: 0, folder: &layer.folder };
    let loaded = if kind == "PatchTransformer" {
        Loaded::entry(&settings.patch, &inline, &mut builder.sources)?
    } else {
        settings.patch.patch = settings.json_op;
        Loaded::json(&settings.patch, &inline, &mut builder.sources)?
    };
    loaded.apply(resources, &builder.schema)
}

fn strategic(
    builder: &mut Builder,
    layer: &Layer,
    object: &Resource,
    settings: &Settings,
    resources: &mut Vec<Resource>,
) -> Result<()> {
    let inline = Inline { name: format!("{} {}", object.kind(), object.name()), at: 0, folder: &layer.folder };
    let inner = (!settings.patches.is_empty()).then_some(&settings.patches);
    let mut loaded = Vec::new();
    for entry in settings.paths.iter().chain(inner) {
        loaded.push(Loaded::strategic(entry, &inline, &mut builder.sources)?);
    }
    if loaded.iter().all(Loaded::is_empty) {
        return Err(KustomizeError::new(&object.file, format!("{}: there is no patch", inline.name)));
    }
    loaded.iter().try_for_each(|p| p.apply(resources, &builder.schema))
}

fn add_value(
    layer: &Layer,
    mut settings: Settings,
    resources: &mut [Resource],
    schema: &Schema,
    object: &Resource,
) -> Result<()> {
    let fail =
        |fault: Fault| KustomizeError::new(&object.file, format!("{} {}: {fault}", object.kind(), object.name()));
    let value = match settings.value.trim() {
        "" => object::path::file_name(layer.folder.root()).to_owned(),
        value => value.to_owned(),
    };
    if !settings.target_file_path.is_empty() {
        let (file, text) = layer.folder.load_text(&settings.target_file_path)?;
        let reader = Reader { file: &file, strict: false, coerce: true };
        let more: Settings = config::read(&text, &SETTINGS, reader)?;
        settings.targets.extend(more.targets);
    }
    if settings.targets.is_empty() {
        return Err(fail("there are no targets".to_owned()));
    }
    for target in &settings.targets {
        if target.field_path.is_empty() || target.file_path_position < 0 {
            return Err(fail("a target needs a fieldPath, and no negative filePathPosition".to_owned()));
        }
        let matcher = target.selector.as_ref().map(Matcher::new).transpose().map_err(fail)?;
        for resource in resources.iter_mut().filter(|r| matcher.as_ref().is_none_or(|m| m.selects(r, schema))) {
            write_value(resource, target, &value, schema).map_err(fail)?;
        }
    }
    Ok(())
}

fn write_value(
    resource: &mut Resource,
    target: &ValueTarget,
    value: &str,
    schema: &Schema,
) -> std::result::Result<(), Fault> {
    if target.field_path == "metadata/namespace" {
        let change = NamespaceChange { namespace: value.to_owned(), ..NamespaceChange::default() };
        return change.change(resource, schema);
    }
    let parts = super::fieldspec::split_path(&target.field_path, '/');
    let mut node = &mut resource.node;
    for (i, part) in parts.iter().enumerate() {
        let kind = if i + 1 == parts.len() { Kind::Scalar } else { Kind::Map };
        node = node.get_or_create(part, kind)?;
    }
    let position = usize::try_from(target.file_path_position).unwrap_or_default();
    let text = if position > 0 { insert_part(node.text(), position - 1, value) } else { value.to_owned() };
    let mut new = Node::untagged(text);
    new.quote_if_ambiguous();
    match (node, new) {
        (Node::Scalar(old), Node::Scalar(mut new)) => {
            new.quoted = old.quoted;
            *old = new;
            Ok(())
        }
        _ => Err(format!("{} is no scalar", target.field_path)),
    }
}

/// Puts `part` into a path at a position; behind its end when it is shorter.
fn insert_part(path: &str, position: usize, part: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}
