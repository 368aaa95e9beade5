//! Which place in which file sets each container image of the rendered objects.

use std::ops::Range;

use object::yaml::{self, NodeKind, Style};
use object::{FileTree, ResourceKey};

use crate::helm::{self, ChartImage};
use crate::kustomize::node::{Node, Scalar};
use crate::kustomize::resource::Resource;
use crate::kustomize::sources::{Role, Sources};
use crate::kustomize::{self, build, load};
use crate::text::text;
use crate::{DirectoryOptions, RenderContext, Rendered, Source, ToolChoice, directory};

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
    /// A template of a chart, fed by keys of the values.
    Chart(Box<ChartImage>),
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

/// Where the image of every container that `source` renders is set. What does not render is left out.
pub fn trace_images(tree: &FileTree, source: &Source) -> Vec<ImageOrigin> {
    trace_images_in(tree, source, &RenderContext::default())
}

/// As [`trace_images`], for one Application.
pub fn trace_images_in(tree: &FileTree, source: &Source, context: &RenderContext) -> Vec<ImageOrigin> {
    let tree = source.remotes.mounted(tree).fresh();
    let Ok(folder) = crate::folder_of(&tree, source) else { return Vec::new() };
    let (resources, sources) = match &crate::source::resolved(&tree, &folder, source) {
        ToolChoice::Helm(options) => return helm::trace_images(&tree, &folder, options, context),
        ToolChoice::Kustomize(options) => match build::run(&tree, &folder, options, &source.remotes) {
            Ok(finished) => (finished.resources, finished.builder.sources),
            Err(_) => return Vec::new(),
        },
        ToolChoice::Directory(options) => read_directory(&tree, &folder, options),
        _ => return Vec::new(),
    };
    let finder = Finder { tree: &tree, sources: &sources };
    resources.iter().flat_map(|resource| finder.images_of(resource)).collect()
}

pub(crate) fn read_directory(tree: &FileTree, folder: &str, options: &DirectoryOptions) -> (Vec<Resource>, Sources) {
    let mut sources = Sources::default();
    let mut resources = Vec::new();
    for file in directory::files(tree, folder, options, &mut Rendered::default()) {
        let Ok(Some(bytes)) = tree.read(&file) else { continue };
        let Ok(text) = text(&file, &bytes) else { continue };
        resources.extend(load::objects(&text, &file, Role::Manifest, &mut sources).unwrap_or_default());
    }
    (resources, sources)
}

/// What an object is called in the end.
pub(crate) fn key_of(resource: &Resource) -> ResourceKey {
    let gvk = resource.gvk();
    ResourceKey::new(gvk.group, gvk.kind, resource.namespace(), resource.name())
}

/// Finds the bytes in a file that a scalar comes from.
pub(crate) struct Finder<'a> {
    pub(crate) tree: &'a FileTree,
    pub(crate) sources: &'a Sources,
}

impl Finder<'_> {
    fn images_of(&self, resource: &Resource) -> Vec<ImageOrigin> {
        let object = key_of(resource);
        let mut found = Vec::new();
        containers(&resource.node, &mut String::new(), &mut |pointer, container, image| {
            let (file, path, kind) = self.origin(image);
            found.push(ImageOrigin {
                object: object.clone(),
                container: container.to_owned(),
                pointer,
                image: image.text.clone(),
                file,
                path,
                kind,
            });
        });
        found
    }

    /// File and 1-based line where a scalar is written, if it is.
    pub(crate) fn line_of(&self, scalar: &Scalar) -> Option<(String, usize)> {
        let (file, _, kind) = self.origin(scalar);
        let line = match kind {
            ImageOriginKind::Images { name, .. } => name.line,
            ImageOriginKind::JsonPatch(at) | ImageOriginKind::StrategicMerge(at) | ImageOriginKind::Manifest(at) => {
                at.line
            }
            ImageOriginKind::Chart(_) | ImageOriginKind::Computed(_) => return None,
        };
        Some((file, line))
    }

    /// File, path for people, and kind of what sets a scalar.
    fn origin(&self, scalar: &Scalar) -> (String, String, ImageOriginKind) {
        let source = self.sources.get(scalar.place.source);
        let range = scalar.place.start as usize..scalar.place.end as usize;
        let computed = |why: &str| (source.file.clone(), String::new(), ImageOriginKind::Computed(why.to_owned()));
        match source.role {
            Role::Computed | Role::Changed(_) => {
                computed("a replacement, a variable, or an override of the Application sets it")
            }
            Role::Images(index) => match images_entry(source, index, range) {
                Some(kind) => (source.file.clone(), format!("images[{index}]"), kind),
                None => computed("the entry of images was not found again"),
            },
            Role::Manifest | Role::StrategicMerge | Role::JsonPatch => {
                let path = path_to(&source.text, range.start).unwrap_or_default();
                let (path, place) = match &source.inline {
                    None => (path, place(&source.text, range, &scalar.text)),
                    Some((name, at)) => {
                        let Some(outer) = self.outer_range(source, *at, &range) else {
                            return computed("it stands in a folded or escaped text");
                        };
                        let bytes = self.tree.read(&source.file).ok().flatten().unwrap_or_default();
                        let text = String::from_utf8_lossy(&bytes);
                        (format!("{name}.patch: {path}"), place(&text, outer, &scalar.text))
                    }
                };
                let kind = match source.role {
                    Role::JsonPatch => ImageOriginKind::JsonPatch(place),
                    Role::StrategicMerge => ImageOriginKind::StrategicMerge(place),
                    _ => ImageOriginKind::Manifest(place),
                };
                (source.file.clone(), path, kind)
            }
        }
    }

    /// The bytes in the kustomization file of a scalar in a text that stands there at byte `at`.
    fn outer_range(
        &self,
        source: &kustomize::sources::Source,
        at: usize,
        inner: &Range<usize>,
    ) -> Option<Range<usize>> {
        let bytes = self.tree.read(&source.file).ok().flatten()?;
        let file = std::str::from_utf8(&bytes).ok()?;
        let scalar = node_at(&yaml::parse(file).ok()?, at)?;
        let shift = scalar.as_str()?.find(&*source.text)?;
        let wanted = source.text.get(inner.clone())?;
        let start = match scalar.style {
            Style::Literal => literal_offset(file, at, scalar.as_str()?, shift + inner.start)?,
            Style::Plain => at + shift + inner.start,
            Style::SingleQuoted | Style::DoubleQuoted => at + 1 + shift + inner.start,
            _ => return None,
        };
        let outer = start..start + wanted.len();
        (file.get(outer.clone())? == wanted).then_some(outer)
    }
}

/// The byte in the file of byte `inner` of a block literal whose header is at byte `at`.
fn literal_offset(file: &str, at: usize, value: &str, inner: usize) -> Option<usize> {
    let before = value.get(..inner)?;
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next()?.len();
    let mut start = at + file.get(at..)?.find('\n')? + 1;
    for _ in 0..line {
        start += file.get(start..)?.find('\n')? + 1;
    }
    let written = file.get(start..)?.lines().next()?;
    let meant = value.lines().nth(line)?;
    Some(start + written.len().checked_sub(meant.len())? + column)
}

fn node_at(nodes: &[yaml::Node], at: usize) -> Option<yaml::Node> {
    nodes.iter().find_map(|node| match &node.kind {
        NodeKind::Scalar(_) if node.start.index == at => Some(node.clone()),
        NodeKind::Sequence(items) => node_at(items, at),
        NodeKind::Mapping(pairs) => pairs.iter().find_map(|(_, v)| node_at(std::slice::from_ref(v), at)),
        _ => None,
    })
}

/// `spec.containers[0].image` for the scalar at a byte of a text.
fn path_to(text: &str, at: usize) -> Option<String> {
    fn find(node: &yaml::Node, at: usize, path: &str) -> Option<String> {
        match &node.kind {
            NodeKind::Scalar(_) if node.start.index == at => Some(path.to_owned()),
            NodeKind::Sequence(items) => {
                items.iter().enumerate().find_map(|(i, item)| find(item, at, &format!("{path}[{i}]")))
            }
            NodeKind::Mapping(pairs) => pairs.iter().find_map(|(key, value)| {
                let key = key.as_str().unwrap_or_default();
                find(value, at, &if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") })
            }),
            _ => None,
        }
    }
    yaml::parse(text).ok()?.iter().find_map(|node| find(node, at, ""))
}

fn place(text: &str, bytes: Range<usize>, value: &str) -> Place {
    let before = text.get(..bytes.start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place { bytes, line, column, text: value.to_owned() }
}

fn node_place(text: &str, node: &yaml::Node) -> Place {
    place(text, node.start.index..node.end.index, node.as_str().unwrap_or_default())
}

/// The scalars of an entry of `images`.
fn images_entry(source: &kustomize::sources::Source, index: usize, range: Range<usize>) -> Option<ImageOriginKind> {
    let text = &*source.text;
    let nodes = yaml::parse(text).ok()?;
    let NodeKind::Mapping(fields) = &nodes.first()?.kind else { return None };
    let named = |name: &str| {
        fields.iter().rev().find(|(k, _)| k.as_str().is_some_and(|k| k.eq_ignore_ascii_case(name))).map(|(_, v)| v)
    };
    let entry = named("images")?.items().get(index).filter(|e| e.start.index == range.start)?;
    let NodeKind::Mapping(pairs) = &entry.kind else { return None };
    let mut found = Vec::new();
    let mut name = Place::default();
    for (key, value) in pairs {
        let field = match key.as_str()?.to_ascii_lowercase().as_str() {
            "name" => {
                name = node_place(text, value);
                continue;
            }
            "newname" => ImageField::NewName,
            "newtag" => ImageField::NewTag,
            "digest" => ImageField::Digest,
            _ => continue,
        };
        found.push((field, node_place(text, value)));
    }
    let last = pairs.iter().map(|(_, value)| value.end.index).max()?;
    let indent = pairs.first()?.0.start.column - 1;
    Some(ImageOriginKind::Images { name, fields: found, last, indent })
}

/// Calls `found` with pointer, container name and image of every container anywhere in an object.
fn containers<'n>(node: &'n Node, pointer: &mut String, found: &mut dyn FnMut(String, &str, &'n Scalar)) {
    let below = |pointer: &mut String, key: &str, node: &'n Node, found: &mut dyn FnMut(String, &str, &'n Scalar)| {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&object::path::pointer_part(key));
        containers(node, pointer, found);
        pointer.truncate(length);
    };
    for (key, value) in node.pairs() {
        if matches!(key.text.as_str(), "containers" | "initContainers" | "ephemeralContainers") {
            for (i, container) in value.items().iter().enumerate() {
                if let Some(Node::Scalar(image)) = container.get("image").filter(|i| !i.is_null()) {
                    let name = container.get("name").map_or("", Node::text);
                    found(format!("{pointer}/{}/{i}/image", key.text), name, image);
                }
            }
        }
        below(pointer, &key.text, value, found);
    }
    for (i, item) in node.items().iter().enumerate() {
        below(pointer, &i.to_string(), item, found);
    }
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;

    const BASE: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\nspec:\n  template:\n    spec:\n      containers:\n      - name: shop\n        image: \"ghcr.io/acme/shop:1\"\n";

    /// Traces the only image and gives what stands at its place, the path and the file.
    fn check(files: &[(&str, &str)], folder: &str, image: &str, file: &str, path: &str, written: &str) {
        let mut tree = MemoryTree::default();
        for (name, text) in files {
            tree = tree.file(name, text);
        }
        let traced = trace_images(&tree.tree(), &Source::auto(folder));
        let [one] = traced.as_slice() else { panic!("{traced:?}") };
        assert_eq!((one.image.as_str(), one.file.as_str(), one.path.as_str()), (image, file, path), "{one:?}");
        let place = match &one.kind {
            ImageOriginKind::Images { fields, .. } => &fields[0].1,
            ImageOriginKind::JsonPatch(p) | ImageOriginKind::StrategicMerge(p) | ImageOriginKind::Manifest(p) => p,
            other => panic!("{other:?}"),
        };
        let text = files.iter().find(|(name, _)| *name == file).unwrap().1;
        assert_eq!(&text[place.bytes.clone()], written);
        assert_eq!(text[..place.bytes.start].matches('\n').count() + 1, place.line);
    }

    #[test]
    fn plain_manifests() {
        let path = "spec.template.spec.containers[0].image";
        check(&[("a/d.yaml", BASE)], "a", "ghcr.io/acme/shop:1", "a/d.yaml", path, "\"ghcr.io/acme/shop:1\"");
        let base = "resources: [d.yaml]\n";
        let files = [("a/d.yaml", BASE), ("a/kustomization.yaml", base)];
        check(&files, "a", "ghcr.io/acme/shop:1", "a/d.yaml", path, "\"ghcr.io/acme/shop:1\"");
    }

    #[test]
    fn images_entries() {
        let overlay = "resources: [../base]\nimages:\n- name: other\n  newTag: x\n- name: ghcr.io/acme/shop\n  newTag: '2' # set by CI\n";
        let files = [
            ("base/d.yaml", BASE),
            ("base/kustomization.yaml", "resources: [d.yaml]"),
            ("dev/kustomization.yaml", overlay),
        ];
        check(&files, "dev", "ghcr.io/acme/shop:2", "dev/kustomization.yaml", "images[1]", "'2'");
    }

    #[test]
    fn patches_in_files_and_inline() {
        let json = "- op: replace\n  path: /spec/template/spec/containers/0/image\n  value: ghcr.io/acme/shop:3\n";
        let target = "  target: {kind: Deployment}\n";
        let inline: String = json.lines().map(|l| format!("    {l}\n")).collect();
        let with_inline = format!("resources: [d.yaml]\npatches:\n- patch: |-\n{inline}{target}");
        let files = [("a/d.yaml", BASE), ("a/kustomization.yaml", &with_inline)];
        let path = "patches[0].patch: [0].value";
        check(&files, "a", "ghcr.io/acme/shop:3", "a/kustomization.yaml", path, "ghcr.io/acme/shop:3");

        let with_file = format!("resources: [d.yaml]\npatches:\n- path: p.yaml\n{target}");
        let files = [("a/d.yaml", BASE), ("a/p.yaml", json), ("a/kustomization.yaml", &with_file)];
        check(&files, "a", "ghcr.io/acme/shop:3", "a/p.yaml", "[0].value", "ghcr.io/acme/shop:3");

        let merge = BASE.replace("\"ghcr.io/acme/shop:1\"", "ghcr.io/acme/shop:4");
        let files = [("a/d.yaml", BASE), ("a/p.yaml", &merge), ("a/kustomization.yaml", &with_file)];
        let path = "spec.template.spec.containers[0].image";
        check(&files, "a", "ghcr.io/acme/shop:4", "a/p.yaml", path, "ghcr.io/acme/shop:4");

        let quoted = "resources: [d.yaml]\npatches:\n- patch: '[{\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/image\", \"value\": \"s:5\"}]'\n  target: {kind: Deployment}\n";
        let files = [("a/d.yaml", BASE), ("a/kustomization.yaml", quoted)];
        check(&files, "a", "s:5", "a/kustomization.yaml", "patches[0].patch: [0].value", "\"s:5\"");
    }
}
