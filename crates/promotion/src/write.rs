//! Where an environment's image is written, and the smallest edit that makes it another one, proven by rendering again.

use std::collections::{BTreeMap, BTreeSet};

use object::{FileTree, ImageRef, ReadSet};
use render::{ImageField, ImageOrigin, ImageOriginKind, Place, RenderContext, Rendered, Source};

use serde::{Deserialize, Serialize};

use crate::prove::{Edited, hash, is_release, prove};
use crate::values;

/// One place that sets the image, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    pub image: ImageRef,
    /// The `ref` of the source in whose repository the file lies; empty: the source's own.
    pub reference: String,
    pub file: String,
    /// For people: `apps/shop/kustomization.yaml:12 (images[0].newTag)`.
    pub place: String,
}

/// Where an image was looked for, and all that was read for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    pub located: Result<Located, WriteError>,
    /// Of the source's own files.
    pub reads: ReadSet,
    /// Of the files of other sources, by their `ref`.
    pub reference_reads: BTreeMap<String, ReadSet>,
}

/// The edit of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritePlan {
    /// The `ref` of the source in whose repository the file lies; empty: the source's own.
    pub reference: String,
    pub file: String,
    pub content: Vec<u8>,
    pub place: String,
    /// Hashes of what is rendered before and after.
    pub rendered: (String, String),
    /// What changes beside the image: labels and the like that show the tag.
    pub beside: Vec<String>,
}

/// Why the image cannot be written. Each names the place and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum WriteError {
    #[error("{path} does not render: {problem}: correct it, then it is tried again")]
    DoesNotRender { path: String, problem: String },
    #[error(
        "{path} runs no container with image {image}: correct spec.images of the Pipeline, or the path of the Application"
    )]
    NotFound { path: String, image: String },
    #[error(
        "the image {image} is set in several places ({places}): give them one place, an `images` entry of the kustomization"
    )]
    Several { image: String, places: String },
    #[error(
        "{file}: {place} sets the image by {what}, which cannot be edited in place: set it by an `images` entry of the kustomization"
    )]
    Computed { file: String, place: String, what: String },
    #[error(
        "{field} of the Application sets {key}, which feeds {image}: it is in the cluster, where a commit does not reach it. Take it out of the Application and write {key} into a value file"
    )]
    InApplication { field: String, key: String, image: String },
    #[error("{template} writes the image {image}, but {reason}: {fix}")]
    NoKey { template: String, image: String, reason: String, fix: String },
    #[error("{file}:{line}: {key} cannot be edited: {reason}")]
    NotEditable { file: String, line: usize, key: String, reason: String },
    #[error("{place}: the text there is not {expected:?} as it was when it was found")]
    Moved { place: String, expected: String },
    #[error("{place} says {text:?}, which has no tag that could be replaced: write one first")]
    NoTag { place: String, text: String },
    #[error("{place}: the edit would change more than the image: {what}")]
    ChangesMore { place: String, what: String },
}

/// The image of `name` that the source renders, and where it is set. The same image in several containers is one.
///
/// # Errors
/// When nothing renders, no container runs it, or several places set it differently.
pub fn locate(tree: &FileTree, source: &Source, context: &RenderContext, name: &str) -> Result<Located, WriteError> {
    trace(tree, source, context, name).located
}

/// As [`locate`], with what was read: where all of that is the same, the answer is.
pub fn trace(tree: &FileTree, source: &Source, context: &RenderContext, name: &str) -> Traced {
    let rendered = render::render_in(tree, source, context);
    let located =
        origins_in(&rendered, tree, source, context, name).and_then(|origins| located(&origins, source, name));
    Traced { located, reads: rendered.reads, reference_reads: rendered.reference_reads }
}

fn located(origins: &[ImageOrigin], source: &Source, name: &str) -> Result<Located, WriteError> {
    let image = origins.iter().find_map(|origin| origin.image.parse::<ImageRef>().ok());
    let not_found = || WriteError::NotFound { path: source.path.clone(), image: name.to_owned() };
    let first = origins.first().ok_or_else(not_found)?;
    let (reference, file) = values::file_of(first).unwrap_or_else(|| (String::new(), first.file.clone()));
    Ok(Located { image: image.ok_or_else(not_found)?, reference, file, place: place_of(first) })
}

fn origins_of(
    tree: &FileTree,
    source: &Source,
    context: &RenderContext,
    name: &str,
) -> Result<Vec<ImageOrigin>, WriteError> {
    origins_in(&render::render_in(tree, source, context), tree, source, context, name)
}

fn origins_in(
    rendered: &Rendered,
    tree: &FileTree,
    source: &Source,
    context: &RenderContext,
    name: &str,
) -> Result<Vec<ImageOrigin>, WriteError> {
    if let Some(problem) = rendered.errors().next() {
        return Err(WriteError::DoesNotRender { path: source.path.clone(), problem: problem.to_string() });
    }
    let mut origins = render::trace_images_in(tree, source, context);
    origins.retain(|origin| origin.image.parse::<ImageRef>().is_ok_and(|image| image.same_repository(name)));
    if origins.is_empty() {
        return Err(WriteError::NotFound { path: source.path.clone(), image: name.to_owned() });
    }
    let images: BTreeSet<&str> = origins.iter().map(|origin| origin.image.as_str()).collect();
    if images.len() > 1 {
        let places: Vec<String> = origins.iter().map(place_of).collect();
        return Err(WriteError::Several { image: name.to_owned(), places: places.join(", ") });
    }
    Ok(origins)
}

pub(crate) fn place_of(origin: &ImageOrigin) -> String {
    if let ImageOriginKind::Chart(chart) = &origin.kind {
        return values::place_of(origin, chart);
    }
    let line = scalar(origin).map_or(String::new(), |place| format!(":{}", place.line));
    format!("{}{line} ({})", origin.file, origin.path)
}

/// The scalar that is edited: the tag or digest of an `images` entry, else the image itself.
fn scalar(origin: &ImageOrigin) -> Option<&Place> {
    match &origin.kind {
        ImageOriginKind::Images { fields, .. } => {
            let of = |wanted: ImageField| fields.iter().find(|(field, _)| *field == wanted).map(|(_, place)| place);
            of(ImageField::Digest).or_else(|| of(ImageField::NewTag))
        }
        ImageOriginKind::JsonPatch(place)
        | ImageOriginKind::StrategicMerge(place)
        | ImageOriginKind::Manifest(place) => Some(place),
        ImageOriginKind::Chart(_) | ImageOriginKind::Computed(_) => None,
    }
}

/// The edit that makes the source render `image` (its tag and digest are both known). What is written keeps its form:
/// a tag stays a tag, a digest a digest, and every other byte of the file stays.
///
/// # Errors
/// When the image cannot be found, not be edited in place, or more than it would change.
pub fn plan_write(
    tree: &FileTree,
    source: &Source,
    context: &RenderContext,
    image: &ImageRef,
) -> Result<WritePlan, WriteError> {
    let origins = origins_of(tree, source, context, &image.name)?;
    if origins.iter().any(|origin| matches!(origin.kind, ImageOriginKind::Chart(_))) {
        return values::plan(&Edited { tree, source, context }, image, &origins);
    }
    let places: BTreeSet<(String, usize)> =
        origins.iter().map(|o| (o.file.clone(), scalar(o).map_or(0, |place| place.bytes.start))).collect();
    if places.len() > 1 {
        let places: Vec<String> = origins.iter().map(place_of).collect();
        return Err(WriteError::Several { image: image.name.clone(), places: places.join(", ") });
    }
    let not_found = || WriteError::NotFound { path: source.path.clone(), image: image.name.clone() };
    let origin = origins.first().ok_or_else(not_found)?;
    let place = place_of(origin);
    let spot = match (&origin.kind, scalar(origin)) {
        (ImageOriginKind::Computed(what), _) => {
            let (file, place) = (origin.file.clone(), origin.path.clone());
            return Err(WriteError::Computed { file, place, what: what.clone() });
        }
        (_, None) => return Err(WriteError::NoTag { place, text: origin.image.clone() }),
        (_, Some(spot)) => spot,
    };
    let text = new_text(origin, spot, image, &place)?;
    let old = tree.read(&origin.file).ok().flatten().map(|bytes| bytes.to_vec()).unwrap_or_default();
    let content = replaced(&old, spot, &text)
        .ok_or_else(|| WriteError::Moved { place: place.clone(), expected: spot.text.clone() })?;
    let edited = tree.with_file(&origin.file, content.clone());
    let before = Edited { tree, source, context };
    let proof = prove(&before, &Edited { tree: &edited, ..before }, image, &place)?;
    let (reference, file) = (String::new(), origin.file.clone());
    Ok(WritePlan { reference, file, content, place, rendered: proof.rendered, beside: proof.beside })
}

/// What the scalar says afterwards.
fn new_text(origin: &ImageOrigin, spot: &Place, image: &ImageRef, place: &str) -> Result<String, WriteError> {
    let no_tag = || WriteError::NoTag { place: place.to_owned(), text: spot.text.clone() };
    let tag = || image.tag.clone().ok_or_else(no_tag);
    let digest = || image.digest.as_ref().map(ToString::to_string).ok_or_else(no_tag);
    if let ImageOriginKind::Images { fields, .. } = &origin.kind {
        let is_digest = fields.iter().any(|(field, place)| *field == ImageField::Digest && place == spot);
        return if is_digest { digest() } else { tag() };
    }
    let written: ImageRef = spot.text.parse().map_err(|_| no_tag())?;
    let mut new = written.clone();
    if written.tag.is_some() || written.digest.is_none() {
        new.tag = Some(tag()?);
    }
    if written.digest.is_some() {
        new.digest = image.digest.clone();
    }
    Ok(new.to_string())
}

/// The file with another text in the scalar; its quotes stay as they are.
fn replaced(old: &[u8], spot: &Place, text: &str) -> Option<Vec<u8>> {
    let written = std::str::from_utf8(old.get(spot.bytes.clone())?).ok()?;
    if !written.contains(&spot.text) {
        return None;
    }
    let new = object::yaml::edit::scalar_like(written, text);
    Some([old.get(..spot.bytes.start)?, new.as_bytes(), old.get(spot.bytes.end..)?].concat())
}

/// The hash of what is rendered, if the source renders the image by tag and digest as far as they are written.
pub fn already_there(tree: &FileTree, source: &Source, context: &RenderContext, image: &ImageRef) -> Option<String> {
    let origins = origins_of(tree, source, context, &image.name).ok()?;
    let there = |origin: &ImageOrigin| origin.image.parse().is_ok_and(|now| is_release(&now, image));
    origins.iter().all(there).then(|| hash(&render::render_in(tree, source, context)))
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;

    const BASE: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\nspec:\n  selector:\n    matchLabels: {app: shop}\n  template:\n    metadata:\n      labels: {app: shop}\n    spec:\n      containers:\n      - name: shop\n        image: ghcr.io/acme/shop:v1 # from CI\n";

    fn digest() -> String {
        format!("sha256:{}", "ab".repeat(32))
    }

    fn plan(tree: &FileTree, path: &str) -> Result<WritePlan, WriteError> {
        let image: ImageRef = format!("ghcr.io/acme/shop:v2@{}", digest()).parse().unwrap();
        plan_write(tree, &Source::auto(path), &RenderContext::default(), &image)
    }

    /// The only line that differs, before and after.
    fn diff(old: &str, new: &[u8]) -> (String, String) {
        let new = String::from_utf8(new.to_vec()).unwrap();
        let lines: Vec<(&str, &str)> = old.split('\n').zip(new.split('\n')).filter(|(a, b)| a != b).collect();
        assert_eq!((lines.len(), old.split('\n').count()), (1, new.split('\n').count()), "{new}");
        (lines[0].0.to_owned(), lines[0].1.to_owned())
    }

    fn check(kustomization: &str, expected: (&str, &str)) {
        let tree = MemoryTree::default().file("base/d.yaml", BASE).file("o/kustomization.yaml", kustomization);
        let tree = tree.file("base/kustomization.yaml", "resources: [d.yaml]\n").tree();
        let plan = plan(&tree, "o").unwrap();
        assert_eq!(plan.file, "o/kustomization.yaml");
        assert_ne!(plan.rendered.0, plan.rendered.1);
        let (old, new) = diff(kustomization, &plan.content);
        assert_eq!((old.as_str(), new.as_str()), expected);
    }

    #[test]
    fn one_scalar_changes_and_keeps_its_form() {
        check(
            "resources: [../base]\nimages:\n- name: ghcr.io/acme/shop\n  newTag: v1 # written by a promotion\n",
            ("  newTag: v1 # written by a promotion", "  newTag: v2 # written by a promotion"),
        );
        let old = format!("sha256:{}", "cd".repeat(32));
        check(
            &format!("resources: [../base]\nimages:\n- name: ghcr.io/acme/shop\n  digest: \"{old}\"\n"),
            (&format!("  digest: \"{old}\""), &format!("  digest: \"{}\"", digest())),
        );
        check(
            "resources: [../base]\npatches:\n- target: {kind: Deployment}\n  patch: |-\n    - op: replace\n      path: /spec/template/spec/containers/0/image\n      value: ghcr.io/acme/shop:v1\n",
            ("      value: ghcr.io/acme/shop:v1", "      value: ghcr.io/acme/shop:v2"),
        );
    }

    #[test]
    fn plain_manifests_are_edited_too() {
        let tree = MemoryTree::default().file("m/d.yaml", BASE).tree();
        let plan = plan(&tree, "m").unwrap();
        let (old, new) = diff(BASE, &plan.content);
        assert_eq!(
            (old.trim(), new.trim()),
            ("image: ghcr.io/acme/shop:v1 # from CI", "image: ghcr.io/acme/shop:v2 # from CI")
        );
        assert!(plan.place.starts_with("m/d.yaml:14"), "{}", plan.place);
    }

    #[test]
    fn what_cannot_be_edited_is_refused_with_the_reason() {
        let refused = |tree: FileTree, text: &str| {
            let error = plan(&tree, "m").unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        };
        refused(
            MemoryTree::default().file("m/d.yaml", BASE.replace("acme/shop:v1", "acme/other:v1")).tree(),
            "runs no container with image",
        );
        refused(MemoryTree::default().file("m/kustomization.yaml", "resources: [gone.yaml]").tree(), "does not render");
        let two = BASE.replace("name: shop\nspec", "name: two\nspec");
        refused(MemoryTree::default().file("m/a.yaml", BASE).file("m/b.yaml", two).tree(), "several places");
        let already = BASE.replace("shop:v1", "shop:v2");
        refused(MemoryTree::default().file("m/d.yaml", already).tree(), "nothing changes");
    }
}
