//! The kustomization file and the other configuration that a build reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use object::Gvk;
use object::yaml;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::chart_entry::{FREE_FIELDS, HELM_CHART, HELM_GLOBALS, HelmChart, HelmGlobals, OLD_HELM_CHART, OldHelmChart};
use super::error::{KustomizeError, Result};
use super::fieldspec::{self, FieldSpec};
use super::node::Fault;
use super::shape::Shape::{Bool, Int, List, Struct, Text, Texts};
use super::shape::{Reader, Shape};

/// A kustomization or component file. Field names are kustomize's.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Kustomization {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) openapi: BTreeMap<String, String>,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) namespace: String,
    pub(crate) common_labels: Option<BTreeMap<String, String>>,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_annotations: BTreeMap<String, String>,
    pub(crate) patches_strategic_merge: Option<Vec<Option<String>>>,
    pub(crate) patches_json6902: Option<Vec<Patch>>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) image_tags: Option<Vec<Image>>,
    pub(crate) replacements: Vec<Replacement>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) vars: Option<Vec<Var>>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) resources: Vec<Option<String>>,
    pub(crate) components: Vec<Option<String>>,
    pub(crate) crds: Vec<String>,
    pub(crate) bases: Option<Vec<Option<String>>>,
    pub(crate) config_map_generator: Vec<Generator>,
    pub(crate) secret_generator: Vec<Generator>,
    pub(crate) helm_globals: Option<HelmGlobals>,
    pub(crate) helm_charts: Vec<HelmChart>,
    pub(crate) helm_chart_inflation_generator: Vec<OldHelmChart>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) configurations: Vec<String>,
    pub(crate) generators: Vec<String>,
    pub(crate) transformers: Vec<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) build_metadata: Vec<String>,
    pub(crate) metadata: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Label {
    pub(crate) pairs: BTreeMap<String, String>,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Patch {
    pub(crate) path: String,
    pub(crate) patch: String,
    pub(crate) target: Option<Selector>,
    pub(crate) options: PatchOptions,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PatchOptions {
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Selector {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) annotation_selector: String,
    pub(crate) label_selector: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Var {
    pub(crate) name: String,
    pub(crate) objref: ObjectReference,
    pub(crate) fieldref: FieldReference,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ObjectReference {
    pub(crate) api_version: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl ObjectReference {
    pub(crate) fn gvk(&self) -> Gvk {
        match self.api_version.split('/').collect::<Vec<_>>().as_slice() {
            [group, version] => Gvk::new(*group, *version, self.kind.clone()),
            [version] if !version.is_empty() => Gvk::new(self.group.clone(), *version, self.kind.clone()),
            _ => Gvk::new(self.group.clone(), self.version.clone(), self.kind.clone()),
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct FieldReference {
    pub(crate) field_path: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy_sort_options: Option<LegacySortOptions>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct LegacySortOptions {
    pub(crate) order_first: Vec<String>,
    pub(crate) order_last: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Generator {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) env: String,
    pub(crate) options: Option<GeneratorOptions>,
    /// Of Secrets only.
    pub(crate) r#type: String,
    /// Name and namespace of a generator given as an object.
    pub(crate) metadata: Option<Metadata>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) namespace: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Replacement {
    pub(crate) path: String,
    pub(crate) source: Option<ReplacementSource>,
    pub(crate) targets: Option<Vec<Option<ReplacementTarget>>>,
    pub(crate) source_value: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ReplacementSource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) field_path: String,
    pub(crate) options: Option<FieldOptions>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ReplacementTarget {
    pub(crate) select: Option<Selector>,
    pub(crate) reject: Vec<Selector>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: Option<FieldOptions>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) create: bool,
}

/// Which fields the transformers touch: the built-in ones and those of `configurations` and `crds`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TransformerConfig {
    pub(crate) name_prefix: Vec<FieldSpec>,
    pub(crate) name_suffix: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) name_reference: Vec<NameReference>,
    pub(crate) var_reference: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
}

/// The fields that name an object of some kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct NameReference {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) field_specs: Vec<FieldSpec>,
}

impl TransformerConfig {
    /// # Errors
    /// When two specs for one field disagree.
    pub(crate) fn merge(&mut self, other: &Self) -> std::result::Result<(), Fault> {
        for (into, from) in [
            (&mut self.name_prefix, &other.name_prefix),
            (&mut self.name_suffix, &other.name_suffix),
            (&mut self.namespace, &other.namespace),
            (&mut self.common_labels, &other.common_labels),
            (&mut self.labels, &other.labels),
            (&mut self.template_labels, &other.template_labels),
            (&mut self.common_annotations, &other.common_annotations),
            (&mut self.var_reference, &other.var_reference),
            (&mut self.images, &other.images),
            (&mut self.replicas, &other.replicas),
        ] {
            fieldspec::merge(into, from)?;
            into.sort_by_cached_key(|s| super::order::reference_rank(&s.group, &s.version, &s.kind));
        }
        for reference in &other.name_reference {
            let same = |r: &&mut NameReference| {
                (&r.group, &r.version, &r.kind) == (&reference.group, &reference.version, &reference.kind)
            };
            match self.name_reference.iter_mut().find(same) {
                Some(known) => fieldspec::merge(&mut known.field_specs, &reference.field_specs)?,
                None => self.name_reference.push(reference.clone()),
            }
        }
        self.name_reference.sort_by_cached_key(|r| super::order::reference_rank(&r.group, &r.version, &r.kind));
        Ok(())
    }
}

/// Shared merge: nothing is copied while both are the built-in configuration.
///
/// # Errors
/// As [`TransformerConfig::merge`].
pub(crate) fn merge_configs(
    into: &mut Arc<TransformerConfig>,
    from: &Arc<TransformerConfig>,
) -> std::result::Result<(), Fault> {
    if Arc::ptr_eq(into, from) {
        return Ok(());
    }
    if into.name_prefix.is_empty() && Arc::ptr_eq(from, &super::defaults::config()) {
        *into = Arc::clone(from);
        return Ok(());
    }
    // special specs come first, and hide a general one for the same field from here on
    let merged = Arc::make_mut(into);
    merged.merge(from)
}

const FIELD_SPEC: Shape =
    Struct(&[("group", &Text), ("version", &Text), ("kind", &Text), ("path", &Text), ("create", &Bool)]);
pub(crate) const FIELD_SPECS: Shape = List(&FIELD_SPEC);
const SELECTOR_FIELDS: &[(&str, &Shape)] = &[
    ("group", &Text),
    ("version", &Text),
    ("kind", &Text),
    ("name", &Text),
    ("namespace", &Text),
    ("annotationSelector", &Text),
    ("labelSelector", &Text),
];
pub(crate) const SELECTOR: Shape = Struct(SELECTOR_FIELDS);
const PATCH_OPTIONS: Shape = Struct(&[("allowNameChange", &Bool), ("allowKindChange", &Bool)]);
const PATCHES: Shape =
    List(&Struct(&[("path", &Text), ("patch", &Text), ("target", &SELECTOR), ("options", &PATCH_OPTIONS)]));
pub(crate) const PATCH_FIELDS: Shape =
    Struct(&[("path", &Text), ("patch", &Text), ("target", &SELECTOR), ("options", &PATCH_OPTIONS), ("jsonOp", &Text)]);
pub(crate) const IMAGE: Shape =
    Struct(&[("name", &Text), ("newName", &Text), ("tagSuffix", &Text), ("newTag", &Text), ("digest", &Text)]);
const FIELD_OPTIONS: Shape = Struct(&[("delimiter", &Text), ("index", &Int), ("encoding", &Text), ("create", &Bool)]);
const REPLACEMENT_SOURCE: Shape = Struct(&[
    ("group", &Text),
    ("version", &Text),
    ("kind", &Text),
    ("name", &Text),
    ("namespace", &Text),
    ("fieldPath", &Text),
    ("options", &FIELD_OPTIONS),
]);
const REPLACEMENT_TARGET: Shape = Struct(&[
    ("select", &SELECTOR),
    ("reject", &List(&SELECTOR)),
    ("fieldPaths", &List(&Text)),
    ("options", &FIELD_OPTIONS),
]);
pub(crate) const REPLACEMENT: Shape = Struct(&[
    ("path", &Text),
    ("source", &REPLACEMENT_SOURCE),
    ("targets", &List(&REPLACEMENT_TARGET)),
    ("sourceValue", &Text),
]);
pub(crate) const REPLICA: Shape = Struct(&[("name", &Text), ("count", &Int)]);
const OBJECT_REFERENCE: Shape = Struct(&[
    ("apiVersion", &Text),
    ("group", &Text),
    ("version", &Text),
    ("kind", &Text),
    ("name", &Text),
    ("namespace", &Text),
]);
const VAR: Shape =
    Struct(&[("name", &Text), ("objref", &OBJECT_REFERENCE), ("fieldref", &Struct(&[("fieldPath", &Text)]))]);
const SORT_OPTIONS: Shape = Struct(&[
    ("order", &Text),
    ("legacySortOptions", &Struct(&[("orderFirst", &List(&Text)), ("orderLast", &List(&Text))])),
]);
const GENERATOR_OPTIONS: Shape =
    Struct(&[("labels", &Texts), ("annotations", &Texts), ("disableNameSuffixHash", &Bool), ("immutable", &Bool)]);
const CONFIG_MAP: Shape = Struct(&[
    ("namespace", &Text),
    ("name", &Text),
    ("behavior", &Text),
    ("literals", &List(&Text)),
    ("files", &List(&Text)),
    ("envs", &List(&Text)),
    ("env", &Text),
    ("options", &GENERATOR_OPTIONS),
]);
const SECRET: Shape = Struct(&[
    ("namespace", &Text),
    ("name", &Text),
    ("behavior", &Text),
    ("literals", &List(&Text)),
    ("files", &List(&Text)),
    ("envs", &List(&Text)),
    ("env", &Text),
    ("options", &GENERATOR_OPTIONS),
    ("type", &Text),
]);
/// A generator written as an object of its own.
pub(crate) const GENERATOR_OBJECT: Shape = Struct(&[
    ("metadata", &Struct(&[("name", &Text), ("namespace", &Text)])),
    ("namespace", &Text),
    ("name", &Text),
    ("behavior", &Text),
    ("literals", &List(&Text)),
    ("files", &List(&Text)),
    ("envs", &List(&Text)),
    ("env", &Text),
    ("options", &GENERATOR_OPTIONS),
    ("type", &Text),
]);
const LABEL: Shape =
    Struct(&[("pairs", &Texts), ("includeSelectors", &Bool), ("includeTemplates", &Bool), ("fields", &FIELD_SPECS)]);
const METADATA: Shape = Struct(&[("name", &Text), ("namespace", &Text), ("labels", &Texts), ("annotations", &Texts)]);
const KUSTOMIZATION: Shape = Struct(&[
    ("apiVersion", &Text),
    ("kind", &Text),
    ("metadata", &METADATA),
    ("openapi", &Texts),
    ("namePrefix", &Text),
    ("nameSuffix", &Text),
    ("namespace", &Text),
    ("commonLabels", &Texts),
    ("labels", &List(&LABEL)),
    ("commonAnnotations", &Texts),
    ("patchesStrategicMerge", &List(&Text)),
    ("patchesJson6902", &PATCHES),
    ("patches", &PATCHES),
    ("images", &List(&IMAGE)),
    ("imageTags", &List(&IMAGE)),
    ("replacements", &List(&REPLACEMENT)),
    ("replicas", &List(&REPLICA)),
    ("vars", &List(&VAR)),
    ("sortOptions", &SORT_OPTIONS),
    ("resources", &List(&Text)),
    ("components", &List(&Text)),
    ("crds", &List(&Text)),
    ("bases", &List(&Text)),
    ("configMapGenerator", &List(&CONFIG_MAP)),
    ("secretGenerator", &List(&SECRET)),
    ("helmGlobals", &HELM_GLOBALS),
    ("helmCharts", &List(&HELM_CHART)),
    ("helmChartInflationGenerator", &List(&OLD_HELM_CHART)),
    ("generatorOptions", &GENERATOR_OPTIONS),
    ("configurations", &List(&Text)),
    ("generators", &List(&Text)),
    ("transformers", &List(&Text)),
    ("validators", &List(&Text)),
    ("buildMetadata", &List(&Text)),
]);
const TRANSFORMER_CONFIG: Shape = Struct(&[
    ("namePrefix", &FIELD_SPECS),
    ("nameSuffix", &FIELD_SPECS),
    ("namespace", &FIELD_SPECS),
    ("commonLabels", &FIELD_SPECS),
    ("labels", &FIELD_SPECS),
    ("templateLabels", &FIELD_SPECS),
    ("commonAnnotations", &FIELD_SPECS),
    (
        "nameReference",
        &List(&Struct(&[("group", &Text), ("version", &Text), ("kind", &Text), ("fieldSpecs", &FIELD_SPECS)])),
    ),
    ("varReference", &FIELD_SPECS),
    ("images", &FIELD_SPECS),
    ("replicas", &FIELD_SPECS),
]);

/// Reads a document of a known shape.
///
/// # Errors
/// Syntax, unknown fields (when strict) and wrong types, with their place.
pub(crate) fn read<T: DeserializeOwned + Default>(text: &str, shape: &Shape, reader: Reader<'_>) -> Result<T> {
    match yaml::first_document(text).map_err(|e| KustomizeError::yaml(reader.file, &e))? {
        Some(node) => typed(reader.read(&node, shape, "")?, reader.file),
        None => Ok(T::default()),
    }
}

fn typed<T: DeserializeOwned + Default>(mut value: Value, file: &str) -> Result<T> {
    strip_nulls(&mut value);
    if value.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(value).map_err(|e| KustomizeError::new(file, e.to_string()))
}

/// Null in a list of structures or texts is an empty one for Go.
fn strip_nulls(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.iter_mut().filter(|(k, _)| !FREE_FIELDS.contains(&k.as_str())).for_each(|(_, v)| strip_nulls(v));
        }
        _ => {}
    }
}

/// Reads a kustomization file, with its tree of nodes.
///
/// # Errors
/// Syntax, unknown fields and wrong types, a kind or version that is none of kustomize's.
pub(crate) fn kustomization(text: &str, file: &str) -> Result<(Kustomization, Option<yaml::Node>)> {
    let (read, document) = kustomization_of_any_kind(text, file)?;
    check_kind(&read, file)?;
    Ok((read, document))
}

/// As [`kustomization`], but without a look at kind and version: kustomize edits files that it does not build.
///
/// # Errors
/// Syntax, unknown fields and wrong types.
pub(crate) fn kustomization_of_any_kind(text: &str, file: &str) -> Result<(Kustomization, Option<yaml::Node>)> {
    let document = yaml::first_document(text).map_err(|e| KustomizeError::yaml(file, &e))?;
    super::load::check_escapes(text, document.as_slice(), file)?;
    let reader = Reader { file, strict: true, coerce: false };
    let mut read: Kustomization = match &document {
        Some(node) => typed(handed_on(reader.read(node, &KUSTOMIZATION, "")?, file)?, file)?,
        None => Kustomization::default(),
    };
    if read.kind.is_empty() {
        read.kind = "Kustomization".to_owned();
    }
    Ok((read, document))
}

/// The fields that kustomize writes out as YAML for its transformers and generators, as these read them.
const HANDED_ON: [&str; 16] = [
    "patchesStrategicMerge",
    "patches",
    "patchesJson6902",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "labels",
    "commonLabels",
    "commonAnnotations",
    "replicas",
    "images",
    "replacements",
    "configMapGenerator",
    "secretGenerator",
    "helmCharts",
    "helmChartInflationGenerator",
];

fn handed_on(mut value: Value, file: &str) -> Result<Value> {
    for field in HANDED_ON {
        if let Some(field_value) = value.get_mut(field) {
            *field_value = super::reread::reread(field_value.take())
                .map_err(|fault| KustomizeError::new(file, format!("{field}: {fault}")))?;
        }
    }
    Ok(value)
}

fn check_kind(read: &Kustomization, file: &str) -> Result<()> {
    let version = match read.kind.as_str() {
        "Kustomization" => "kustomize.config.k8s.io/v1beta1",
        "Component" => "kustomize.config.k8s.io/v1alpha1",
        other => {
            return Err(KustomizeError::new(file, format!("kind {other:?} is not known here"))
                .hint("kind is Kustomization or Component"));
        }
    };
    if !read.api_version.is_empty() && read.api_version != version {
        return Err(KustomizeError::new(file, format!("apiVersion {:?} does not fit {}", read.api_version, read.kind))
            .hint(format!("write apiVersion: {version}")));
    }
    Ok(())
}

/// Reads a file of `configurations`.
///
/// # Errors
/// Syntax and wrong types.
pub(crate) fn transformer_config(text: &str, file: &str) -> Result<TransformerConfig> {
    read(text, &TRANSFORMER_CONFIG, Reader { file, strict: true, coerce: true })
}
