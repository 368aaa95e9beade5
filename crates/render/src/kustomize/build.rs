//! The build: resources, generators and components are gathered depth first, each kustomization's transformers run over
//! what it gathered, and the top one hashes names, follows references, resolves variables and sorts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use object::yaml::{self, NodeKind};
use object::{FileTree, path};

use super::config::{self, GeneratorOptions, Kustomization, TransformerConfig, Var};
use super::error::{KustomizeError, Result};
use super::fields;
use super::fieldspec::FieldSpec;
use super::generate::{self, What};
use super::history::History;
use super::load::{self, Entry, Folder, Reach};
use super::node::Fault;
use super::plugins;
use super::resource::{self, Behavior, OriginNote, Resource};
use super::schema::Schema;
use super::sources::Sources;
use super::{BuildOptions, Reorder, chart_entry, crds, defaults, helm_charts, nameref, order, overrides, vars};
use crate::remote::Remotes;
use crate::{KustomizeOptions, Problem};

/// The version whose behaviour this is; it is written by `--enable-managedby-label`.
const VERSION: &str = "v5.8.1";
const NESTING_MAX: usize = 100;
const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";

/// What a build has in hand.
pub(crate) struct Builder {
    pub(crate) options: BuildOptions,
    pub(crate) sources: Sources,
    pub(crate) warnings: Vec<Problem>,
    pub(crate) schema: Arc<Schema>,
    schema_set: bool,
    /// What each step changed, for a trace.
    pub(crate) history: Option<History>,
    kustomizations: HashMap<String, (Kustomization, Option<Arc<yaml::Node>>)>,
}

/// Objects with the configuration and variables of the kustomizations they came through.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) resources: Vec<Resource>,
    pub(crate) config: Arc<TransformerConfig>,
    vars: BTreeMap<String, Var>,
}

/// One kustomization on the way.
pub(crate) struct Layer {
    pub(crate) folder: Folder,
    pub(crate) file: Kustomization,
    pub(crate) document: Option<Arc<yaml::Node>>,
    /// Path from the top folder, when `buildMetadata` asks for it.
    origin: Option<OriginNote>,
    /// Entries of `images` from here on are not in the file.
    pub(crate) own_images: usize,
    /// `namespace` of the nearest kustomization above that sets one: charts render for it.
    namespace_above: String,
}

/// A finished build.
pub(crate) struct Finished {
    pub(crate) resources: Vec<Resource>,
    pub(crate) builder: Builder,
}

/// Builds the kustomization in the folder `root`.
///
/// # Errors
/// The first problem.
pub(crate) fn run(tree: &FileTree, root: &str, options: &KustomizeOptions, remotes: &Remotes) -> Result<Finished> {
    build(tree, root, options, remotes, false)
}

/// As [`run`], keeping what each step changed.
///
/// # Errors
/// The first problem.
pub(crate) fn run_traced(
    tree: &FileTree,
    root: &str,
    options: &KustomizeOptions,
    remotes: &Remotes,
) -> Result<Finished> {
    build(tree, root, options, remotes, true)
}

fn build(tree: &FileTree, root: &str, options: &KustomizeOptions, remotes: &Remotes, traced: bool) -> Result<Finished> {
    let mut builder = Builder {
        options: options.build.clone(),
        sources: Sources::default(),
        warnings: Vec::new(),
        schema: Schema::built_in(),
        schema_set: false,
        history: traced.then(History::default),
        kustomizations: HashMap::new(),
    };
    let resolved = tree.resolve(root).map_err(|e| KustomizeError::tree(root, &e))?;
    let folder = Folder::open(tree, &resolved, Reach::new(options.build.load_restrictor, remotes))?;
    let mut top = builder.layer(folder, None, Some(options))?;
    if !top.file.build_metadata.is_empty() {
        top.origin = Some(OriginNote::default());
    }
    builder.set_schema(&top)?;
    let mut all = builder.gather(&mut top, Gathered::default())?;
    builder.finish(&top, &mut all)?;
    Ok(Finished { resources: all.resources, builder })
}

impl Builder {
    /// Reads the kustomization file of a folder.
    fn layer(
        &mut self,
        folder: Folder,
        origin: Option<OriginNote>,
        options: Option<&KustomizeOptions>,
    ) -> Result<Layer> {
        let (mut file, document) = self.kustomization(&folder)?;
        unify(&mut file);
        let own_images = file.images.len();
        let overridden = options.is_some_and(|o| overrides::apply(&mut file, o, &folder));
        if !overridden && document.as_deref().is_none_or(is_empty) {
            return Err(KustomizeError::new(folder.file(), "the kustomization is empty")
                .hint("list files and folders under resources:"));
        }
        Ok(Layer { folder, file, document, origin, own_images, namespace_above: String::new() })
    }

    /// The kustomization file of a folder, which is read once however often the folder is a base.
    fn kustomization(&mut self, folder: &Folder) -> Result<(Kustomization, Option<Arc<yaml::Node>>)> {
        if let Some(read) = self.kustomizations.get(folder.file()) {
            return Ok(read.clone());
        }
        let (file, document) = config::kustomization(folder.text(), folder.file())?;
        self.warn_of_deprecated(&file, folder);
        let read = (file, document.map(Arc::new));
        self.kustomizations.insert(folder.file().to_owned(), read.clone());
        Ok(read)
    }

    fn warn_of_deprecated(&mut self, file: &Kustomization, folder: &Folder) {
        for (used, old, new) in [
            (file.bases.is_some(), "bases", "resources"),
            (file.common_labels.is_some(), "commonLabels", "labels"),
            (file.image_tags.is_some(), "imageTags", "images"),
            (file.patches_json6902.is_some(), "patchesJson6902", "patches"),
            (file.patches_strategic_merge.is_some(), "patchesStrategicMerge", "patches"),
            (file.vars.is_some(), "vars", "replacements"),
        ] {
            if used {
                let line = folder.text().lines().position(|l| l.starts_with(old)).map_or(0, |l| l + 1);
                let warning = Problem::warning(format!("{old} is deprecated")).in_file(folder.file(), line, 0);
                self.warnings.push(warning.hint(format!("use {new} instead, `gantline kustomize edit fix` does it")));
            }
        }
    }

    /// Takes the OpenAPI document of a kustomization, unless one was taken before.
    fn set_schema(&mut self, layer: &Layer) -> Result<()> {
        let openapi = &layer.file.openapi;
        let document = match openapi.get("path") {
            Some(entry) => {
                let (file, text) = layer.folder.load_text(entry).map_err(|e| layer.folder.placed(e, entry))?;
                Some(yaml::value(&text).map_err(|e| KustomizeError::yaml(&file, &e))?)
            }
            None => None,
        };
        if self.schema_set {
            return Ok(());
        }
        let fail = |message: String| Err(KustomizeError::new(layer.folder.file(), message));
        match (document, openapi.get("version")) {
            (Some(_), Some(_)) => fail("openapi has both path and version".to_owned()),
            (Some(document), None) => {
                let loaded_before = self.sources.any();
                self.schema = Arc::new(Schema::from_openapi(&document, loaded_before));
                self.schema_set = true;
                Ok(())
            }
            (None, Some(version)) if version.is_empty() => Ok(()),
            (None, Some(version)) if version == "v1.21.2" => {
                self.schema_set = true;
                Ok(())
            }
            (None, Some(version)) => fail(format!("openapi.version {version:?} is not built in, only v1.21.2 is")),
            (None, None) => Ok(()),
        }
    }

    /// Everything that a kustomization makes of its own and of `into` (which a component changes as well).
    fn gather(&mut self, layer: &mut Layer, into: Gathered) -> Result<Gathered> {
        let mut all = into;
        let resources: Vec<String> = layer.file.resources.iter().flatten().cloned().collect();
        self.add_resources(layer, &mut all, &resources)?;
        self.add_config(layer, &mut all)?;
        self.generate(layer, &mut all)?;
        all = self.add_components(layer, all)?;
        self.transform(layer, &mut all)?;
        let vars = layer.file.vars.clone().unwrap_or_default();
        vars::add(&mut all.vars, &vars, &mut all.resources, &self.schema).map_err(|f| layer.fail(&f))?;
        Ok(all)
    }

    /// Adds the objects of files and folders.
    pub(crate) fn add_resources(&mut self, layer: &Layer, all: &mut Gathered, entries: &[String]) -> Result<()> {
        let mut added = Vec::new();
        for entry in entries {
            match layer.folder.entry(entry).map_err(|e| layer.folder.placed(e, entry))? {
                Entry::File(file, bytes) => added.extend(self.file_objects(layer, entry, &file, &bytes)?),
                Entry::Folder(root) => {
                    let mut base = self.base(layer, &root, entry)?;
                    if base.file.kind == "Component" {
                        let message = format!("{entry} is a component, it cannot be a resource");
                        let error = KustomizeError::new(layer.folder.file(), message);
                        return Err(layer.folder.placed(error, entry).hint("list it under components:"));
                    }
                    let more = self.gather(&mut base, Gathered::default())?;
                    added.extend(self.absorb(layer, all, more)?);
                }
            }
        }
        if self.history.is_some() {
            History::remember(&mut added);
        }
        // once for all entries: looking for doubles costs as much as there are objects
        resource::append_all(&mut all.resources, added, &self.schema)
    }

    /// The objects of a manifest file.
    fn file_objects(&mut self, layer: &Layer, entry: &str, file: &str, bytes: &[u8]) -> Result<Vec<Resource>> {
        let text = load::text_of(file, bytes)?;
        let mut objects = load::manifests(text, file, &mut self.sources)?;
        if let Some(origin) = &layer.origin {
            let path = below(&origin.path, entry);
            let note = OriginNote { path, ..OriginNote::default() };
            objects.iter_mut().for_each(|o| o.origin = Some(note.clone()));
        }
        Ok(objects)
    }

    fn base(&mut self, layer: &Layer, root: &str, entry: &str) -> Result<Layer> {
        let folder = layer.folder.below(root, entry)?;
        let depth = folder.depth();
        if depth > NESTING_MAX {
            return Err(layer.fail(&format!("more than {NESTING_MAX} kustomizations are nested")));
        }
        let origin = layer.origin.as_ref().map(|o| OriginNote { path: below(&o.path, entry), ..OriginNote::default() });
        let mut base = self.layer(folder, origin, None)?;
        base.namespace_above = layer.chart_namespace().to_owned();
        self.set_schema(&base)?;
        Ok(base)
    }

    /// Takes over configuration and variables of a base, and gives its objects.
    fn absorb(&mut self, layer: &Layer, all: &mut Gathered, more: Gathered) -> Result<Vec<Resource>> {
        config::merge_configs(&mut all.config, &more.config).map_err(|f| layer.fail(&f))?;
        more.vars.into_values().try_for_each(|v| vars::insert(&mut all.vars, v)).map_err(|f| layer.fail(&f))?;
        Ok(more.resources)
    }

    /// Merges the built-in configuration and that of `configurations` and `crds`.
    fn add_config(&mut self, layer: &Layer, all: &mut Gathered) -> Result<()> {
        let mut own = defaults::config();
        for entry in &layer.file.configurations {
            let (file, text) = layer.folder.load_text(entry).map_err(|e| layer.folder.placed(e, entry))?;
            let more = config::transformer_config(&text, &file)?;
            Arc::make_mut(&mut own).merge(&more).map_err(|f| KustomizeError::new(&file, f))?;
        }
        for entry in &layer.file.crds {
            let (file, text) = layer.folder.load_text(entry).map_err(|e| layer.folder.placed(e, entry))?;
            let document = yaml::value(&text).map_err(|e| KustomizeError::yaml(&file, &e))?;
            let more = crds::config(&document).map_err(|f| KustomizeError::new(&file, f))?;
            Arc::make_mut(&mut own).merge(&more).map_err(|f| KustomizeError::new(&file, f))?;
        }
        config::merge_configs(&mut all.config, &own).map_err(|f| layer.fail(&f))
    }

    fn generate(&mut self, layer: &Layer, all: &mut Gathered) -> Result<()> {
        for (what, generators) in
            [(What::ConfigMap, &layer.file.config_map_generator), (What::Secret, &layer.file.secret_generator)]
        {
            for (i, generator) in generators.iter().enumerate() {
                let options: GeneratorOptions =
                    generate::united(generator.options.as_ref(), layer.file.generator_options.as_ref());
                let mut made = generate::generate(what, generator, &options, &layer.folder)
                    .map_err(|e| layer.folder.placed(e, &generator.name))?;
                made.origin = layer.built_in(&format!("{}Generator", what.kind()));
                add_generated(layer, all, made, &self.schema)?;
                self.note_step(layer, &mut all.resources, what.field(), Some(i));
            }
        }
        self.add_charts(layer, all)?;
        let generators = layer.file.generators.clone();
        for (made, note) in plugins::generate(self, layer, &generators)? {
            let mut made = made;
            made.origin = note;
            add_generated(layer, all, made, &self.schema)?;
        }
        if !generators.is_empty() {
            self.note_step(layer, &mut all.resources, "generators", None);
        }
        Ok(())
    }

    /// Adds what the charts of `helmCharts` render to.
    fn add_charts(&mut self, layer: &Layer, all: &mut Gathered) -> Result<()> {
        let globals = layer.file.helm_globals.clone().unwrap_or_default();
        for (i, chart) in layer.file.helm_charts.iter().enumerate() {
            let mut chart = chart.clone();
            if chart.namespace.is_empty() {
                layer.chart_namespace().clone_into(&mut chart.namespace);
            }
            let made = helm_charts::generate(self, layer, &chart, &globals);
            for mut made in made.map_err(|e| layer.folder.placed(e, &chart.name))? {
                made.origin = layer.built_in("HelmChartInflationGenerator");
                add_generated(layer, all, made, &self.schema)?;
            }
            self.note_step(layer, &mut all.resources, "helmCharts", Some(i));
        }
        Ok(())
    }

    fn add_components(&mut self, layer: &Layer, mut all: Gathered) -> Result<Gathered> {
        for entry in layer.file.components.iter().flatten() {
            let root = layer.folder.component(entry).map_err(|e| layer.folder.placed(e, entry))?;
            let mut component = self.base(layer, &root, entry)?;
            if component.file.kind != "Component" {
                let message = format!("{entry} is no component but a {}", component.file.kind);
                let error = KustomizeError::new(layer.folder.file(), message);
                return Err(layer
                    .folder
                    .placed(error, entry)
                    .hint("list it under resources:, or make it kind: Component"));
            }
            all = self.gather(&mut component, all)?;
        }
        Ok(all)
    }

    /// The steps that only the top kustomization takes.
    fn finish(&mut self, top: &Layer, all: &mut Gathered) -> Result<()> {
        let schema = Arc::clone(&self.schema);
        let resources = &mut all.resources;
        plugins::add_hashes(resources, &schema).map_err(|f| top.fail(&f))?;
        self.note_own_step(top, resources, "the hash of the content");
        nameref::follow(resources, &all.config.name_reference, &schema)?;
        self.note_own_step(top, resources, "the reference to a renamed object");
        let unused = vars::resolve(&all.vars, resources, &all.config.var_reference).map_err(|f| top.fail(&f))?;
        self.note_step(top, resources, "vars", None);
        if !unused.is_empty() {
            let warning = Problem::warning(format!("vars that are used nowhere: {}", unused.join(", ")));
            self.warnings.push(warning.in_file(top.folder.file(), 0, 0));
        }
        for resource in resources.iter() {
            if resource.kind().is_empty() || (resource.name().is_empty() && !resource.kind().ends_with("List")) {
                let error = KustomizeError::new(&resource.file, "an object ends without kind or metadata.name");
                return Err(error.hint("look at the patches for it"));
            }
        }
        resources.retain(|r| r.annotation(LOCAL_CONFIG).is_none_or(|v| v == "false"));
        self.sort(top, resources)?;
        let asked = |name: &str| top.file.build_metadata.iter().any(|m| m == name);
        if self.options.enable_managedby_label || asked("managedByLabel") {
            let label = [("app.kubernetes.io/managed-by".to_owned(), format!("kustomize-{VERSION}"))];
            fields::set_entries(resources, &label.into(), &[FieldSpec::any("metadata/labels", true)])
                .map_err(|f| top.fail(&f))?;
            self.note_own_step(top, resources, "the managed-by label");
        }
        let (origins, transformations) = (asked("originAnnotations"), asked("transformerAnnotations"));
        resources.iter_mut().try_for_each(|r| r.finish(origins, transformations)).map_err(|f| top.fail(&f))
    }

    fn sort(&self, top: &Layer, resources: &mut Vec<Resource>) -> Result<()> {
        match (&top.file.sort_options, self.options.reorder) {
            (Some(options), _) => order::by_options(resources, options, &self.schema).map_err(|f| top.fail(&f)),
            (None, Reorder::Legacy) => {
                order::legacy(resources, &self.schema);
                Ok(())
            }
            (None, Reorder::None) => Ok(()),
        }
    }
}

impl Layer {
    /// The namespace that charts render for unless they name one.
    fn chart_namespace(&self) -> &str {
        if self.file.namespace.is_empty() { &self.namespace_above } else { &self.file.namespace }
    }

    pub(crate) fn fail(&self, message: &str) -> KustomizeError {
        KustomizeError::new(self.folder.file(), message)
    }

    /// What `buildMetadata` says of something that this kustomization does itself.
    pub(crate) fn built_in(&self, name: &str) -> Option<OriginNote> {
        let origin = self.origin.as_ref()?;
        Some(OriginNote {
            configured_in: below(&origin.path, path::file_name(self.folder.file())),
            configured_by: ["builtin".to_owned(), name.to_owned(), String::new(), String::new()],
            ..OriginNote::default()
        })
    }

    /// Where an object that is configured in this file for a plugin comes from.
    pub(crate) fn inline_origin(&self) -> Option<OriginNote> {
        let origin = self.origin.as_ref()?;
        Some(OriginNote { path: below(&origin.path, path::file_name(self.folder.file())), ..OriginNote::default() })
    }
}

/// Ends the step of a transformer: twins are made alike, and all objects note that it ran.
pub(crate) fn end_step(resources: &mut [Resource], note: Option<&OriginNote>) {
    resources.iter_mut().for_each(Resource::settle_twins);
    let Some(note) = note else { return };
    for resource in resources {
        match &resource.origin {
            None => resource.origin = Some(note.clone()),
            Some(_) => resource.transformations.push(note.clone()),
        }
    }
}

/// `entry` as seen from the top folder, cleaned as Go's `filepath.Join` does; `..` may stay in front.
fn below(base: &str, entry: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(entry.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// Old fields are moved to those that replace them.
fn unify(file: &mut Kustomization) {
    file.resources.extend(file.bases.take().unwrap_or_default());
    file.images.extend(file.image_tags.take().unwrap_or_default());
    let old = std::mem::take(&mut file.helm_chart_inflation_generator);
    chart_entry::united(&mut file.helm_charts, &mut file.helm_globals, old);
}

/// Whether a kustomization says nothing but its kind.
fn is_empty(document: &yaml::Node) -> bool {
    let NodeKind::Mapping(pairs) = &document.kind else { return true };
    pairs.iter().all(|(key, value)| {
        let key = key.as_str().unwrap_or_default();
        let old = key.eq_ignore_ascii_case("bases") || key.eq_ignore_ascii_case("imageTags");
        key.eq_ignore_ascii_case("apiVersion")
            || key.eq_ignore_ascii_case("kind")
            || matches!(&value.kind, NodeKind::Scalar(text) if matches!(text.as_str(), "" | "~" | "null"))
            || (old && matches!(&value.kind, NodeKind::Sequence(items) if items.is_empty()))
    })
}

/// Adds a generated object, or merges it into the one that its behavior means.
fn add_generated(layer: &Layer, all: &mut Gathered, made: Resource, schema: &Schema) -> Result<()> {
    let wanted = made.id(schema);
    let found: Vec<usize> =
        (0..all.resources.len()).filter(|i| all.resources[*i].any_id(schema, |id| id.same(&wanted))).collect();
    let behavior = made.behavior.unwrap_or_default();
    let joins = matches!(behavior, Behavior::Merge | Behavior::Replace);
    match (found.as_slice(), joins) {
        ([], false) => resource::append_all(&mut all.resources, vec![made], schema),
        ([], true) => {
            let message = format!("there is no {wanted} to merge or replace");
            let error = layer.folder.placed(layer.fail(&message), wanted.name);
            let same: Vec<&str> =
                all.resources.iter().filter(|r| r.kind() == wanted.kind).map(Resource::name).collect();
            Err(error.hint(format!("of that kind there are: {}", same.join(", "))))
        }
        ([at], true) => {
            let joined = joined(&all.resources[*at], made, behavior).map_err(|f| layer.fail(&f))?;
            all.resources[*at] = joined;
            Ok(())
        }
        ([_], false) => {
            let error = layer.folder.placed(layer.fail(&format!("{wanted} is there already")), wanted.name);
            Err(error.hint("set behavior: merge or replace, or give the generator another name"))
        }
        _ => Err(layer.fail(&format!("several objects could be the {wanted} that is merged"))),
    }
}

fn joined(old: &Resource, mut made: Resource, behavior: Behavior) -> std::result::Result<Resource, Fault> {
    for field in ["labels", "annotations"] {
        let mut pairs: BTreeMap<String, String> =
            old.metadata_map(field).into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        pairs.extend(made.metadata_map(field).into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())));
        made.set_metadata_map(field, pairs.into_iter().collect())?;
    }
    made.set_name(old.name())?;
    made.set_namespace(old.namespace())?;
    made.previous.clone_from(&old.previous);
    made.prefixes.clone_from(&old.prefixes);
    made.suffixes.clone_from(&old.suffixes);
    made.vars.clone_from(&old.vars);
    made.transformations.clone_from(&old.transformations);
    if behavior == Behavior::Merge {
        for field in ["data", "binaryData"] {
            plugins::merge_data(old, &mut made, field)?;
        }
        if old.origin.is_some() {
            made.origin.clone_from(&old.origin);
        }
    }
    made.behavior = old.behavior;
    made.needs_hash &= old.needs_hash;
    Ok(made)
}
