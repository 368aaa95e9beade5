//! Which keys of the values feed the images of containers.

use object::yaml::edit::{Step, shown};
use serde_json::Value;

use super::keys::{Leaf, Leaves};
use super::origin::{ChartImage, ImageKey, ImagePart};
use super::probe::Object;
use super::variants::variants;
use super::written::{Writers, Written};
use super::{Traced, parts};
use crate::{ImageOrigin, ImageOriginKind};

/// The most keys that are tried for one image, of each rank.
const TRIES: usize = 40;

/// An image of one container.
struct Found<'a> {
    object: usize,
    container: &'a str,
    pointer: String,
    image: &'a str,
}

impl Traced {
    pub(crate) fn images(&self) -> Vec<ImageOrigin> {
        let mut origins = Vec::new();
        for (at, object) in self.first.objects.iter().enumerate() {
            let written = Written::of(&self.first, object);
            let mut found = Vec::new();
            containers(&object.value, &mut String::new(), &mut |pointer, container, image| {
                found.push(Found { object: at, container, pointer, image });
            });
            origins.extend(found.iter().map(|image| self.origin(object, written.as_ref(), image)));
        }
        origins
    }

    fn origin(&self, object: &Object, written: Option<&Written<'_>>, found: &Found<'_>) -> ImageOrigin {
        let bytes = written.and_then(|written| written.bytes(&found.pointer));
        let writers = written.zip(bytes.clone()).map(|(w, bytes)| w.writers(&bytes)).unwrap_or_default();
        let keys = written.zip(bytes).map(|(w, bytes)| self.keys(w, &bytes, found)).unwrap_or_default();
        let image = self.chart_image(writers, keys);
        let decides = image.keys.iter().find(|key| key.parts.iter().any(|part| *part != ImagePart::Name));
        let (file, path) = match decides {
            Some(key) => (key.from.place().0, shown(&key.path)),
            None => (image.template.file.clone(), format!("line {}", image.template.line)),
        };
        ImageOrigin {
            object: object.key.clone(),
            container: found.container.to_owned(),
            pointer: found.pointer.clone(),
            image: found.image.to_owned(),
            file,
            path,
            kind: ImageOriginKind::Chart(Box::new(image)),
        }
    }

    fn chart_image(&self, writers: Writers, keys: Vec<ImageKey>) -> ChartImage {
        let chart = &self.first.root.chart;
        ChartImage {
            template: writers.template,
            included: writers.included,
            keys,
            value_files: self.layers.files.clone(),
            chart_values: (!chart.packed).then(|| object::path::child(&chart.location, "values.yaml")),
            packed: chart.packed,
        }
    }

    /// Tries the keys that may feed an image, the likely ones first.
    fn keys(&self, written: &Written<'_>, bytes: &std::ops::Range<usize>, found: &Found<'_>) -> Vec<ImageKey> {
        let near = self.first.keys.leaves(&written.reads(bytes));
        let file = self.first.keys.leaves(written.all_reads());
        let shows = |leaf: &&Leaf| !leaf.text().is_empty() && found.image.contains(&leaf.text());
        let is_set = |leaf: &&Leaf| !leaf.text().is_empty() && !leaf.value.is_boolean();
        let mut keys = Vec::new();
        self.prove(near.values().filter(shows), found, &mut keys);
        if !is_complete(&keys, found.image) {
            self.prove(file.values().filter(shows), found, &mut keys);
        }
        if !keys.iter().any(feeds_version) {
            self.prove(near.values().filter(|leaf| is_set(leaf) && !shows(leaf)), found, &mut keys);
        }
        // a key without a value feeds an image only where no other one does
        if !keys.iter().any(feeds_version) {
            let beside: Vec<&Leaf> = file.values().filter(|leaf| !shows(leaf) && is_beside(leaf, &keys)).collect();
            self.prove(beside.into_iter(), found, &mut keys);
        }
        if !keys.iter().any(feeds_version) {
            self.prove(near.values().filter(|leaf| leaf.text().is_empty()), found, &mut keys);
        }
        if !keys.iter().any(feeds_version) {
            let all: Leaves = self.first.keys.all();
            self.prove(all.values().filter(|leaf| shows(leaf) && leaf.text().len() > 1), found, &mut keys);
        }
        keys
    }

    fn prove<'l>(&self, leaves: impl Iterator<Item = &'l Leaf>, found: &Found<'_>, keys: &mut Vec<ImageKey>) {
        let known: Vec<Vec<Step>> = keys.iter().map(|key| key.path.clone()).collect();
        for leaf in leaves.filter(|leaf| !known.contains(&leaf.path)).take(TRIES) {
            keys.extend(self.key(leaf, found));
        }
    }

    /// The leaf as a key of the image, if the image changes with it.
    fn key(&self, leaf: &Leaf, found: &Found<'_>) -> Option<ImageKey> {
        let object = self.first.objects.get(found.object)?;
        let tried = variants(&leaf.value).into_iter().find_map(|variant| {
            let changes = self.probe.changes(&self.first, &object.template, &leaf.path, &variant)?;
            let change = changes.iter().find(|c| c.object == found.object && c.pointer == found.pointer)?;
            Some((variant, change.value.as_str()?.to_owned()))
        });
        let (variant, image) = tried?;
        let variant = Leaf { path: Vec::new(), value: variant }.text();
        Some(ImageKey {
            path: leaf.path.clone(),
            parts: parts::changed(found.image, &image),
            value: leaf.value.clone(),
            from: self.layers.decide(&leaf.path, &leaf.value),
            changed: (variant, image),
        })
    }
}

/// Whether the tag and the digest that an image has are each fed by a key.
fn is_complete(keys: &[ImageKey], image: &str) -> bool {
    let versions = parts::ranges(image).into_iter().map(|(part, _)| part).filter(|part| *part != ImagePart::Name);
    keys.iter().any(feeds_version) && versions.into_iter().all(|part| keys.iter().any(|key| key.parts.contains(&part)))
}

fn feeds_version(key: &ImageKey) -> bool {
    key.parts.iter().any(|part| *part != ImagePart::Name)
}

/// Whether a leaf stands in the same mapping as one of the keys.
fn is_beside(leaf: &Leaf, keys: &[ImageKey]) -> bool {
    let above = |path: &[Step]| path.split_last().map(|(_, above)| above.to_vec());
    keys.iter().any(|key| above(&key.path) == above(&leaf.path))
}

/// Calls `found` with pointer, container name and image of every container anywhere in an object.
fn containers<'v>(value: &'v Value, pointer: &mut String, found: &mut dyn FnMut(String, &'v str, &'v str)) {
    let length = pointer.len();
    match value {
        Value::Object(map) => {
            for (key, below) in map {
                pointer.push('/');
                pointer.push_str(&object::path::pointer_part(key));
                if matches!(key.as_str(), "containers" | "initContainers" | "ephemeralContainers") {
                    for (at, container) in below.as_array().into_iter().flatten().enumerate() {
                        let text = |key: &str| container.get(key).and_then(Value::as_str);
                        if let Some(image) = text("image") {
                            found(format!("{pointer}/{at}/image"), text("name").unwrap_or_default(), image);
                        }
                    }
                }
                containers(below, pointer, found);
                pointer.truncate(length);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{at}"));
                containers(item, pointer, found);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}
