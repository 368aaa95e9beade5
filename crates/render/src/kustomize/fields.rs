//! Labels, annotations, replica counts and images: transformers that set values in known fields.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gotemplate::regex::Regex;

use super::config::{Image, Replica};
use super::fieldspec::{self, FieldSpec};
use super::node::{Fault, Kind, Node, Place, Scalar, Tag, Twin};
use super::resource::Resource;
use super::schema::Schema;

/// Sets labels or annotations in all fields of `specs`.
///
/// # Errors
/// When a field is no mapping.
pub(crate) fn set_entries(
    resources: &mut [Resource],
    entries: &BTreeMap<String, String>,
    specs: &[FieldSpec],
) -> Result<(), Fault> {
    if entries.is_empty() {
        return Ok(());
    }
    for resource in resources {
        let gvk = resource.gvk();
        let mut created = 0;
        let first = resource.twin_groups + 1;
        for spec in specs.iter().filter(|s| s.selects_gvk(&gvk)) {
            fieldspec::apply(&mut resource.node, &gvk, spec, Some(Kind::Map), &mut |node| {
                created += entries.keys().filter(|key| node.get(key).is_none()).count();
                (first..).zip(entries).try_for_each(|(group, (key, value))| set_entry(node, group, key, value))
            })?;
        }
        resource.twin_groups += u32::try_from(entries.len()).unwrap_or_default();
        resource.has_twins |= created > 1;
    }
    Ok(())
}

/// Sets an entry; where it is new it is a twin of all others of its group.
fn set_entry(node: &mut Node, group: u32, key: &str, value: &str) -> Result<(), Fault> {
    let twin = Twin { group, changed: false };
    node.set_field(key, Node::Scalar(Scalar { twin, ..Scalar::string(value) }))
}

/// Sets the replica count of the workloads of a name.
///
/// # Errors
/// When no workload has that name.
pub(crate) fn set_replicas(
    resources: &mut [Resource],
    replica: &Replica,
    specs: &[FieldSpec],
    schema: &Schema,
) -> Result<(), Fault> {
    let mut found = false;
    for spec in specs {
        for resource in resources.iter_mut() {
            let wanted =
                resource.any_id(schema, |id| id.name == replica.name && spec.selects(id.group, id.version, id.kind));
            if !wanted {
                continue;
            }
            found = true;
            let gvk = resource.gvk();
            fieldspec::apply(&mut resource.node, &gvk, spec, Some(Kind::Scalar), &mut |node| {
                node.set_scalar(Scalar { tag: Tag::Int, ..Scalar::untagged(replica.count.to_string()) })
            })?;
        }
    }
    if found {
        return Ok(());
    }
    let names: Vec<&str> =
        resources.iter().filter(|r| specs.iter().any(|s| s.selects_gvk(&r.gvk()))).map(Resource::name).collect();
    Err(format!("replicas: no workload is called {:?}; there are: {}", replica.name, names.join(", ")))
}

/// An entry of `images`, ready to be used.
#[derive(Debug)]
pub(crate) struct ImageChange {
    image: Image,
    pattern: Pattern,
    place: Place,
}

/// `name` of an entry of `images`: an expression for the whole image without its tag and digest.
#[derive(Debug)]
enum Pattern {
    /// Letters, and dots that stand for any character: compiling an expression costs more than all the rest of an entry.
    Plain(String),
    Expression(Regex),
    /// A name that is no expression matches nothing, as in kustomize.
    Nothing,
}

const TAG_AND_DIGEST: &str = "(:[a-zA-Z0-9_.{}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?$";

impl Pattern {
    fn new(name: &str) -> Self {
        if name.chars().all(|c| c.is_ascii_alphanumeric() || "/:@._-".contains(c)) {
            return Self::Plain(name.to_owned());
        }
        Regex::new(&format!("^{name}{TAG_AND_DIGEST}")).map_or(Self::Nothing, Self::Expression)
    }

    fn is_match(&self, image: &str) -> bool {
        static REST: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!("^{TAG_AND_DIGEST}")).ok());
        match self {
            Self::Nothing => false,
            Self::Expression(pattern) => pattern.is_match(image.as_bytes()),
            Self::Plain(name) => {
                let mut rest = image.chars();
                let same = name.chars().all(|n| rest.next().is_some_and(|i| n == i || (n == '.' && i != '\n')));
                same && (rest.as_str().is_empty()
                    || REST.as_ref().is_some_and(|r| r.is_match(rest.as_str().as_bytes())))
            }
        }
    }
}

impl ImageChange {
    /// `place` is where the entry stands.
    pub(crate) fn new(image: Image, place: Place) -> Self {
        Self { pattern: Pattern::new(&image.name), image, place }
    }

    /// Changes the images of all containers anywhere in the objects, then those in the fields of `specs`.
    ///
    /// # Errors
    /// When an image field is no scalar.
    pub(crate) fn apply(&self, resources: &mut [Resource], specs: &[FieldSpec]) -> Result<(), Fault> {
        for resource in resources.iter_mut().filter(|r| r.kind() != "CustomResourceDefinition") {
            self.containers(&mut resource.node)?;
        }
        for resource in resources.iter_mut().filter(|r| r.kind() != "CustomResourceDefinition") {
            let gvk = resource.gvk();
            for spec in specs {
                fieldspec::apply(&mut resource.node, &gvk, spec, None, &mut |node| self.change(node))?;
            }
        }
        Ok(())
    }

    fn containers(&self, node: &mut Node) -> Result<(), Fault> {
        match node {
            Node::Map(pairs) => {
                for (key, value) in pairs {
                    self.containers(value)?;
                    if let ("containers" | "initContainers", Node::List(items)) = (key.text.as_str(), value) {
                        for item in items.iter_mut() {
                            if item.kind() == Kind::Scalar && !item.is_null() {
                                return Err("a container is no mapping".to_owned());
                            }
                            if let Some(image) = item.get_mut("image") {
                                self.change(image)?;
                            }
                        }
                    }
                }
                Ok(())
            }
            Node::List(items) => items.iter_mut().try_for_each(|item| self.containers(item)),
            Node::Scalar(_) => Ok(()),
        }
    }

    fn change(&self, node: &mut Node) -> Result<(), Fault> {
        if node.is_null() {
            return Ok(());
        }
        if node.kind() != Kind::Scalar {
            return Err("an image is no text".to_owned());
        }
        if !self.pattern.is_match(node.text()) {
            return Ok(());
        }
        let changed = self.changed(node.text());
        let place = if changed == node.text() && !self.sets_something() { place_of(node) } else { self.place };
        node.set_scalar(Scalar { place, ..Scalar::untagged(changed) })
    }

    fn sets_something(&self) -> bool {
        let image = &self.image;
        [&image.new_name, &image.new_tag, &image.digest, &image.tag_suffix].iter().any(|t| !t.is_empty())
    }

    fn changed(&self, written: &str) -> String {
        let image = &self.image;
        let (name, mut tag, mut digest) = split_image(written);
        let mut text = if image.new_name.is_empty() { name.to_owned() } else { image.new_name.clone() };
        let suffixed = format!("{tag}{}", image.tag_suffix);
        match (image.new_tag.is_empty(), image.digest.is_empty(), image.tag_suffix.is_empty()) {
            (false, false, _) => (tag, digest) = (&image.new_tag, &image.digest),
            (false, true, _) => (tag, digest) = (&image.new_tag, ""),
            (true, false, _) => (tag, digest) = ("", &image.digest),
            (true, true, false) => (tag, digest) = (&suffixed, ""),
            (true, true, true) => {}
        }
        if !tag.is_empty() {
            text.push(':');
            text.push_str(tag);
        }
        if !digest.is_empty() {
            text.push('@');
            text.push_str(digest);
        }
        text
    }
}

fn place_of(node: &Node) -> Place {
    match node {
        Node::Scalar(scalar) => scalar.place,
        _ => Place::default(),
    }
}

/// Name, tag and digest of an image; a colon before the first slash belongs to the registry.
pub(crate) fn split_image(image: &str) -> (&str, &str, &str) {
    let from = image.find('/').filter(|at| *at > 0).unwrap_or(0);
    let at = image[from..].find('@').map(|i| i + from);
    let colon = image[from..].find(':').map(|i| i + from);
    match (colon, at) {
        (None, None) => (image, "", ""),
        (colon, Some(at)) if colon.is_none_or(|c| at < c) => (&image[..at], "", &image[at + 1..]),
        (Some(colon), Some(at)) => (&image[..colon], &image[colon + 1..at], &image[at + 1..]),
        (Some(colon), None) => (&image[..colon], &image[colon + 1..], ""),
        (None, Some(at)) => (&image[..at], "", &image[at + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_expressions() {
        for (name, image, matches) in [
            ("ghcr.io/a", "ghcr.io/a:1@sha256:x", true),
            ("ghcr.io/a", "ghcrXio/a", true),
            ("a", "ab", false),
            ("a", "a:b/c", false),
            ("a:1", "a:1", true),
            ("a.*", "abc:1", true),
            ("a(", "a(", false),
        ] {
            assert_eq!(Pattern::new(name).is_match(image), matches, "{name} {image}");
        }
    }

    #[test]
    fn images_split() {
        for (image, parts) in [
            ("nginx", ("nginx", "", "")),
            ("nginx:1", ("nginx", "1", "")),
            ("host:5000/a:1@sha256:x", ("host:5000/a", "1", "sha256:x")),
            ("host:5000/a", ("host:5000/a", "", "")),
            ("a@sha256:x", ("a", "", "sha256:x")),
        ] {
            assert_eq!(split_image(image), parts, "{image}");
        }
    }
}
