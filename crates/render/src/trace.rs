//! Which place in which file sets each container image of the rendered objects.

use std::ops::Range;

use object::{FileTree, ResourceKey};

use crate::Source;

/// A scalar in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Bytes of the scalar as written in the file, quotes included: what an edit replaces.
    pub bytes: Range<usize>,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// The value of the scalar, quotes and escapes resolved.
    pub text: String,
}

/// Where the image of one container of one rendered object is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOrigin {
    /// The rendered object.
    pub object: ResourceKey,
    /// The container's name (init and ephemeral containers included).
    pub container: String,
    /// Where the image stands in the rendered object, as a JSON pointer.
    pub pointer: String,
    /// The image as rendered.
    pub image: String,
    /// The file to edit, a path in the repository.
    pub file: String,
    /// Where in that file, for people: `images[0].newTag`, `patches[1].patch/0/value`, `spec.template….image`.
    pub path: String,
    pub kind: ImageOriginKind,
}

/// What sets an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageOriginKind {
    /// An entry of `images` in a kustomization: its scalars, each where present. `last` is the byte just behind the
    /// entry's last scalar and `indent` the column (0-based) of the entry's keys: where a missing field is added.
    Images { name: Place, fields: Vec<(ImageField, Place)>, last: usize, indent: usize },
    /// The value of an operation of a JSON-6902 patch, in a patch file or inline in a kustomization.
    JsonPatch(Place),
    /// A scalar of a strategic-merge patch, in a patch file or inline in a kustomization.
    StrategicMerge(Place),
    /// A scalar of a manifest.
    Manifest(Place),
    /// Something that is not one scalar in one file (a replacement, a variable, an override of the Application): it
    /// cannot be edited in place.
    Computed(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageField {
    NewName,
    NewTag,
    Digest,
}

/// Where the image of every container that `source` renders is set. Objects that do not render are left out.
pub fn trace_images(tree: &FileTree, source: &Source) -> Vec<ImageOrigin> {
    let _ = (tree, source);
    Vec::new()
}
