//! The proof of an edit: what is rendered before and after differs in the image, and in nothing else.

use object::{FileTree, ImageRef};
use render::{RenderContext, Rendered, Source};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::write::WriteError;

/// What is rendered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edited<'a> {
    pub(crate) tree: &'a FileTree,
    pub(crate) source: &'a Source,
    pub(crate) context: &'a RenderContext,
}

impl Edited<'_> {
    pub(crate) fn render(&self) -> Rendered {
        render::render_in(self.tree, self.source, self.context)
    }
}

/// What an edit changes.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    /// Hashes of what is rendered before and after.
    pub(crate) rendered: (String, String),
    /// Labels and the like that show the tag.
    pub(crate) beside: Vec<String>,
}

/// Renders before and after an edit that was made otherwise (a revert): nothing but the image may change, and it must
/// become `image`. `references` are those after the edit. Gives the hashes of both renders.
///
/// # Errors
/// When it changes something else, or another image.
pub fn prove_edit(
    before: (&FileTree, &RenderContext),
    after: (&FileTree, &RenderContext),
    source: &Source,
    image: &ImageRef,
) -> Result<(String, String), WriteError> {
    let (tree, context) = before;
    let edited = Edited { tree: after.0, source, context: after.1 };
    prove(&Edited { tree, source, context }, &edited, image, &source.path).map(|proof| proof.rendered)
}

/// Renders again: nothing but the image may have changed.
pub(crate) fn prove(
    before: &Edited<'_>,
    after: &Edited<'_>,
    image: &ImageRef,
    place: &str,
) -> Result<Proof, WriteError> {
    let more = |what: String| WriteError::ChangesMore { place: place.to_owned(), what };
    let (before, after) = (before.render(), after.render());
    if let Some(problem) = after.errors().next() {
        return Err(more(format!("it does not render any more: {problem}")));
    }
    if before.manifests.len() != after.manifests.len() {
        return Err(more("objects come or go".to_owned()));
    }
    let mut objects = Vec::new();
    for (old, new) in before.manifests.iter().zip(&after.manifests) {
        let mut differences = Differences { image, tags: Vec::new(), others: Vec::new() };
        differences.compare(old.manifest.value(), new.manifest.value(), &mut String::new()).map_err(more)?;
        objects.push((format!("{}/{}", new.manifest.kind(), new.manifest.name()), differences));
    }
    let all: Vec<(String, String)> = objects.iter().flat_map(|(_, found)| found.tags.clone()).collect();
    let mut beside = Vec::new();
    for (name, found) in &objects {
        for other in &found.others {
            let tags = if other.path.ends_with(VERSION) { &all } else { &found.tags };
            beside.push(other.permitted(name, tags).map_err(more)?);
        }
    }
    if all.is_empty() && !before.manifests.is_empty() {
        return Err(more("nothing changes: the image is that one already, or the place does not decide it".to_owned()));
    }
    Ok(Proof { rendered: (hash(&before), hash(&after)), beside })
}

/// The label that says which version of an application an object is of.
const VERSION: &str = ".labels.app.kubernetes.io/version";

/// How one object differs.
struct Differences<'a> {
    image: &'a ImageRef,
    /// The tags before and after of each image that became ours.
    tags: Vec<(String, String)>,
    others: Vec<Difference>,
}

/// A text that changes and is no image.
struct Difference {
    path: String,
    old: String,
    new: String,
}

impl Differences<'_> {
    /// Every difference must be an image that becomes ours, or a text.
    fn compare(&mut self, old: &Value, new: &Value, path: &mut String) -> Result<(), String> {
        match (old, new) {
            (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
                for (key, value) in a {
                    let other = b.get(key).ok_or_else(|| format!("{path}.{key} goes away"))?;
                    let length = path.len();
                    path.push('.');
                    path.push_str(key);
                    self.compare(value, other, path)?;
                    path.truncate(length);
                }
                Ok(())
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                a.iter().zip(b).try_for_each(|(x, y)| self.compare(x, y, path))
            }
            (a, b) if a == b => Ok(()),
            (Value::String(old), Value::String(new)) if path.ends_with(".image") => self.image(old, new, path),
            (Value::String(old), Value::String(new)) => {
                self.others.push(Difference { path: path.clone(), old: old.clone(), new: new.clone() });
                Ok(())
            }
            (a, b) => Err(format!("{path} changes from {a} to {b}")),
        }
    }

    fn image(&mut self, old: &str, new: &str, path: &str) -> Result<(), String> {
        let becomes: Option<ImageRef> = new.parse().ok();
        let becomes =
            becomes.filter(|new| is_release(new, self.image)).ok_or_else(|| format!("{path} becomes {new}"))?;
        let tag = |image: ImageRef| image.tag.unwrap_or_default();
        self.tags.push((old.parse().map(tag).unwrap_or_default(), tag(becomes)));
        Ok(())
    }
}

impl Difference {
    /// Labels, annotations and variables may show the tag: of the object whose image changes, and its version in the
    /// recommended label of all objects of a chart. They have to change as the tag does; selectors never may.
    fn permitted(&self, object: &str, tags: &[(String, String)]) -> Result<String, String> {
        let Self { path, old, new } = self;
        let shows = |place: &str| path.contains(place);
        let selects = shows(".selector.") || shows(".matchLabels.") || shows(".matchExpressions");
        let place = shows(".labels.") || shows(".annotations.") || (shows(".env.") && path.ends_with(".value"));
        let follows = |(a, b): &(String, String)| !a.is_empty() && !b.is_empty() && old.replace(a, b) == *new;
        if !selects && place && tags.iter().any(follows) {
            return Ok(format!("{object}{path}: {old} becomes {new}"));
        }
        Err(format!("{object}{path} changes from {old:?} to {new:?}"))
    }
}

/// Whether a container gets the release: by its digest, by its tag, or by both, and by nothing else.
pub(crate) fn is_release(new: &ImageRef, image: &ImageRef) -> bool {
    let tag = new.tag.is_none() || new.tag == image.tag;
    let digest = new.digest.is_none() || new.digest == image.digest;
    new.same_repository(&image.name) && tag && digest && (new.tag.is_some() || new.digest.is_some())
}

/// A short name for what was rendered.
pub(crate) fn hash(rendered: &Rendered) -> String {
    let mut hash = Sha256::new();
    for manifest in &rendered.manifests {
        hash.update(manifest.manifest.value().to_string());
    }
    hex::encode(hash.finalize()).chars().take(16).collect()
}
