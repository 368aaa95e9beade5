//! The transformers of one kustomization, in kustomize's order (5.8.1), whatever the order in the file.

use std::sync::Arc;

use object::yaml::{self, NodeKind};

use super::build::{Builder, Gathered, Layer, end_step};
use super::config::{self, TransformerConfig};
use super::error::Result;
use super::fields::{self, ImageChange};
use super::fieldspec::{self, FieldSpec};
use super::history::Step;
use super::names::{self, Affix, NamespaceChange};
use super::node::{Fault, Place};
use super::patch::{Inline, Loaded};
use super::resource::Resource;
use super::sources::{Role, Source};
use super::{plugins, replacement};

impl Builder {
    /// Runs the transformers over everything that the kustomization gathered.
    ///
    /// # Errors
    /// The first transformer that does not fit the objects.
    pub(crate) fn transform(&mut self, layer: &Layer, all: &mut Gathered) -> Result<()> {
        let config = Arc::clone(&all.config);
        let resources = &mut all.resources;
        // bad patches are found before any is applied, as in kustomize
        let strategic = self.strategic_patches(layer)?;
        let patches = self.patches(layer)?;
        let json = self.json_patches(layer)?;
        self.patch_strategically(layer, resources, &strategic)?;
        self.patch(layer, resources, &patches, "PatchTransformer", "patches")?;
        self.set_namespace(layer, resources, &config)?;
        self.add_affixes(layer, resources, &config)?;
        self.label(layer, resources, &config)?;
        self.annotate(layer, resources, &config)?;
        self.patch(layer, resources, &json, "PatchJson6902Transformer", "patchesJson6902")?;
        self.scale(layer, resources, &config)?;
        self.set_images(layer, resources, &config)?;
        self.replace(layer, resources)?;
        plugins::transform(self, layer, resources)?;
        if layer.file.validators.is_empty() {
            return Ok(());
        }
        Err(layer.fail("validators are programs, which are not run here").hint("remove validators:"))
    }

    fn patch_strategically(&mut self, layer: &Layer, resources: &mut Vec<Resource>, patches: &[Loaded]) -> Result<()> {
        if layer.file.patches_strategic_merge.as_ref().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        if patches.iter().all(Loaded::is_empty) {
            return Err(layer.fail("patchesStrategicMerge: the patches are empty"));
        }
        patches.iter().try_for_each(|p| p.apply(resources, &self.schema))?;
        self.ran(layer, resources, "PatchStrategicMergeTransformer", "patchesStrategicMerge", None);
        Ok(())
    }

    fn patch(
        &mut self,
        layer: &Layer,
        resources: &mut Vec<Resource>,
        patches: &[Loaded],
        name: &str,
        field: &str,
    ) -> Result<()> {
        for (i, patch) in patches.iter().enumerate() {
            patch.apply(resources, &self.schema)?;
            self.ran(layer, resources, name, field, Some(i));
        }
        Ok(())
    }

    fn set_namespace(
        &mut self,
        layer: &Layer,
        resources: &mut Vec<Resource>,
        config: &TransformerConfig,
    ) -> Result<()> {
        if layer.file.namespace.is_empty() {
            return Ok(());
        }
        let change = NamespaceChange {
            namespace: layer.file.namespace.clone(),
            specs: config.namespace.clone(),
            ..NamespaceChange::default()
        };
        change.apply(resources, &self.schema, layer.folder.file())?;
        self.ran(layer, resources, "NamespaceTransformer", "namespace", None);
        Ok(())
    }

    fn add_affixes(&mut self, layer: &Layer, resources: &mut Vec<Resource>, config: &TransformerConfig) -> Result<()> {
        for (affix, text, specs, name, field) in [
            (Affix::Prefix, &layer.file.name_prefix, &config.name_prefix, "PrefixTransformer", "namePrefix"),
            (Affix::Suffix, &layer.file.name_suffix, &config.name_suffix, "SuffixTransformer", "nameSuffix"),
        ] {
            if !text.is_empty() {
                names::add_affix(resources, affix, text, specs, &self.schema).map_err(|f| layer.fail(&f))?;
                self.ran(layer, resources, name, field, None);
            }
        }
        Ok(())
    }

    /// `labels`, each on its own, then `commonLabels`.
    fn label(&mut self, layer: &Layer, resources: &mut Vec<Resource>, config: &TransformerConfig) -> Result<()> {
        let file = &layer.file;
        let common = file.common_labels.clone().unwrap_or_default();
        if file.labels.is_empty() && common.is_empty() {
            return Ok(());
        }
        for (i, label) in file.labels.iter().enumerate() {
            let fail = |f: Fault| layer.fail(&format!("labels[{i}]: {f}"));
            let specs = label_specs(label, config).map_err(fail)?;
            fields::set_entries(resources, &label.pairs, &specs).map_err(fail)?;
            self.ran(layer, resources, "LabelTransformer", "labels", Some(i));
        }
        fields::set_entries(resources, &common, &config.common_labels)
            .map_err(|f| layer.fail(&format!("commonLabels: {f}")))?;
        self.ran(layer, resources, "LabelTransformer", "commonLabels", None);
        Ok(())
    }

    fn annotate(&mut self, layer: &Layer, resources: &mut Vec<Resource>, config: &TransformerConfig) -> Result<()> {
        let wanted = &layer.file.common_annotations;
        if wanted.is_empty() {
            return Ok(());
        }
        fields::set_entries(resources, wanted, &config.common_annotations)
            .map_err(|f| layer.fail(&format!("commonAnnotations: {f}")))?;
        self.ran(layer, resources, "AnnotationsTransformer", "commonAnnotations", None);
        Ok(())
    }

    fn scale(&mut self, layer: &Layer, resources: &mut Vec<Resource>, config: &TransformerConfig) -> Result<()> {
        for (i, replica) in layer.file.replicas.iter().enumerate() {
            fields::set_replicas(resources, replica, &config.replicas, &self.schema).map_err(|f| layer.fail(&f))?;
            self.ran(layer, resources, "ReplicaCountTransformer", "replicas", Some(i));
        }
        Ok(())
    }

    fn set_images(&mut self, layer: &Layer, resources: &mut Vec<Resource>, config: &TransformerConfig) -> Result<()> {
        for (i, image) in layer.file.images.iter().enumerate() {
            let change = ImageChange::new(image.clone(), self.image_place(layer, i));
            change.apply(resources, &config.images).map_err(|f| layer.fail(&format!("images[{i}]: {f}")))?;
            self.ran(layer, resources, "ImageTagTransformer", "images", Some(i));
        }
        Ok(())
    }

    fn replace(&mut self, layer: &Layer, resources: &mut Vec<Resource>) -> Result<()> {
        if layer.file.replacements.is_empty() {
            return Ok(());
        }
        let replacements = plugins::load_replacements(&layer.file.replacements, &layer.folder)?;
        replacement::apply(&replacements, resources).map_err(|f| layer.fail(&f))?;
        self.ran(layer, resources, "ReplacementTransformer", "replacements", None);
        Ok(())
    }

    fn strategic_patches(&mut self, layer: &Layer) -> Result<Vec<Loaded>> {
        let entries = layer.file.patches_strategic_merge.iter().flatten().flatten().enumerate();
        entries
            .map(|(i, entry)| {
                let inline = layer.inline("patchesStrategicMerge", i, None);
                Loaded::strategic(entry, &inline, &mut self.sources)
            })
            .collect()
    }

    fn patches(&mut self, layer: &Layer) -> Result<Vec<Loaded>> {
        let entries = layer.file.patches.iter().enumerate();
        entries
            .map(|(i, patch)| Loaded::entry(patch, &layer.inline("patches", i, Some("patch")), &mut self.sources))
            .collect()
    }

    fn json_patches(&mut self, layer: &Layer) -> Result<Vec<Loaded>> {
        let entries = layer.file.patches_json6902.iter().flatten().enumerate();
        entries
            .map(|(i, patch)| {
                Loaded::json(patch, &layer.inline("patchesJson6902", i, Some("patch")), &mut self.sources)
            })
            .collect()
    }

    /// What follows each transformer: `buildMetadata` and the history get to know, objects that were emptied go.
    fn ran(&mut self, layer: &Layer, resources: &mut Vec<Resource>, name: &str, field: &str, index: Option<usize>) {
        end_step(resources, layer.built_in(name).as_ref());
        resources.retain(|r| !r.node.is_nil_or_empty());
        self.note_step(layer, resources, field, index);
    }

    /// Tells the history, if one is kept, that a field of the kustomization was carried out.
    pub(crate) fn note_step(&mut self, layer: &Layer, resources: &mut [Resource], field: &str, index: Option<usize>) {
        if let Some(history) = &mut self.history {
            history.note(resources, &mut self.sources, &layer.step(field, index));
        }
    }

    /// As [`Builder::note_step`] for what every build does, whatever the file says.
    pub(crate) fn note_own_step(&mut self, layer: &Layer, resources: &mut [Resource], name: &str) {
        if let Some(history) = &mut self.history {
            let step = Step { name: name.to_owned(), file: layer.folder.file().to_owned(), line: 0 };
            history.note(resources, &mut self.sources, &step);
        }
    }

    /// Where entry `index` of `images` stands, if it is in the file.
    fn image_place(&mut self, layer: &Layer, index: usize) -> Place {
        let Some(entry) = layer.list_entry("images", index).filter(|_| index < layer.own_images) else {
            return Place::default();
        };
        let source = self.sources.add(Source {
            file: layer.folder.file().to_owned(),
            role: Role::Images(index),
            text: Arc::clone(layer.folder.text()),
            inline: None,
        });
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { source, start: small(entry.start.index), end: small(entry.end.index) }
    }
}

impl Layer {
    /// Where the text of a patch stands in the file.
    fn inline(&self, field: &str, index: usize, key: Option<&str>) -> Inline<'_> {
        let entry = self.list_entry(field, index);
        let node = key.map_or(entry, |key| entry.and_then(|e| e.get(key)));
        Inline { name: format!("{field}[{index}]"), at: node.map_or(0, |n| n.start.index), folder: &self.folder }
    }

    /// A field of the file, or an entry of it, as a step of the build.
    fn step(&self, field: &str, index: Option<usize>) -> Step {
        let place = match index {
            Some(index) => self.list_entry(field, index).map(|n| n.start),
            None => self.pair(field).map(|(key, _)| key.start),
        };
        let name = index.map_or_else(|| field.to_owned(), |i| format!("{field}[{i}]"));
        Step { name, file: self.folder.file().to_owned(), line: place.map_or(0, |p| p.line) }
    }

    /// Key and value of a field of the file; of several, the last counts.
    fn pair(&self, field: &str) -> Option<&(yaml::Node, yaml::Node)> {
        let NodeKind::Mapping(pairs) = &self.document.as_deref()?.kind else { return None };
        pairs.iter().rev().find(|(key, _)| key.as_str().is_some_and(|k| k.eq_ignore_ascii_case(field)))
    }

    fn list_entry(&self, field: &str, index: usize) -> Option<&yaml::Node> {
        self.pair(field)?.1.items().get(index)
    }
}

fn label_specs(label: &config::Label, config: &TransformerConfig) -> std::result::Result<Vec<FieldSpec>, Fault> {
    let mut specs = label.fields.clone();
    fieldspec::merge(&mut specs, &config.labels)?;
    if label.include_selectors {
        fieldspec::merge(&mut specs, &config.common_labels)?;
        return Ok(specs);
    }
    if label.include_templates {
        fieldspec::merge(&mut specs, &config.template_labels)?;
    }
    fieldspec::merge(&mut specs, &[FieldSpec::any("metadata/labels", true)])?;
    Ok(specs)
}
