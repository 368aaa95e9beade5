//! `patches`, `patchesStrategicMerge` and `patchesJson6902`.

use object::yaml::Mark;

use super::config::{Patch, PatchOptions, Selector};
use super::error::{KustomizeError, Result};
use super::jsonpatch::{self, Operation};
use super::load::{self, Folder};
use super::merge;
use super::node::{Fault, Json, Node};
use super::resource::{self, Id, Resource};
use super::schema::Schema;
use super::selector::Matcher;
use super::sources::{Role, Source, Sources};

/// A patch that was read.
#[derive(Debug)]
pub(crate) struct Loaded {
    body: Body,
    target: Option<Selector>,
    /// The file to blame, and the line of the patch in it if known.
    file: String,
    /// For people: `patches[0]`.
    name: String,
    /// Of `patchesStrategicMerge`.
    is_old: bool,
}

#[derive(Debug)]
enum Body {
    Strategic(Vec<Resource>),
    /// `remembers`: former names are kept, as for entries of `patches`.
    Json {
        operations: Vec<Operation>,
        remembers: bool,
    },
}

/// Where in the kustomization a text stands.
pub(crate) struct Inline<'a> {
    pub(crate) name: String,
    /// Byte of the scalar in the kustomization file.
    pub(crate) at: usize,
    pub(crate) folder: &'a Folder,
}

impl Loaded {
    /// Reads an entry of `patches`: a strategic-merge patch or a JSON patch, inline or in a file.
    ///
    /// # Errors
    /// When it is neither, or both, or the file cannot be read.
    pub(crate) fn entry(patch: &Patch, inline: &Inline<'_>, sources: &mut Sources) -> Result<Self> {
        let folder = inline.folder;
        let fail = |message: &str| KustomizeError::new(folder.file(), format!("{}: {message}", inline.name));
        let trimmed = patch.patch.trim();
        let (file, text, from): (String, std::sync::Arc<str>, _) = match (trimmed.is_empty(), patch.path.is_empty()) {
            (true, true) => return Err(fail("there is neither patch nor path")),
            (false, false) => return Err(fail("there are both patch and path")),
            (false, true) => (folder.file().to_owned(), trimmed.into(), Some((inline.name.clone(), inline.at))),
            (true, false) => {
                let (file, text) = folder.load_text(&patch.path).map_err(|e| folder.placed(e, &patch.path))?;
                (file, text, None)
            }
        };
        let strategic = load::objects_inline(&text, &file, Role::StrategicMerge, from.clone(), sources);
        let source = Source { file: file.clone(), role: Role::JsonPatch, text: text.clone(), inline: from };
        let json = if text.is_empty() {
            Err("the patch is empty".to_owned())
        } else {
            jsonpatch::parse(&text, sources.add(source))
        };
        let body = match (strategic, json) {
            (Ok(objects), Ok(operations)) if !objects.is_empty() && !operations.is_empty() => {
                return Err(fail("the text is a strategic-merge patch and a JSON patch at once"));
            }
            (Err(strategic), Err(json)) => {
                let is_list = text.trim_start().starts_with(['-', '[']);
                return Err(if is_list {
                    KustomizeError::new(&file, format!("{}: {json}", inline.name))
                } else {
                    strategic
                });
            }
            (Ok(mut objects), _) => {
                objects.iter_mut().for_each(|object| allow(object, patch.options));
                Body::Strategic(objects)
            }
            (Err(_), Ok(operations)) => Body::Json { operations, remembers: true },
        };
        Ok(Self { body, target: patch.target.clone(), file, name: inline.name.clone(), is_old: false })
    }

    /// Reads an entry of `patchesStrategicMerge`: a text or a path.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn strategic(entry: &str, inline: &Inline<'_>, sources: &mut Sources) -> Result<Self> {
        let folder = inline.folder;
        let from = Some((inline.name.clone(), inline.at));
        let inner = load::objects_inline(entry, folder.file(), Role::StrategicMerge, from, sources);
        let (file, objects) = match inner {
            Ok(objects) => (folder.file().to_owned(), objects),
            Err(error) if entry.contains('\n') => return Err(error),
            Err(_) => {
                let (file, text) = folder.load_text(entry).map_err(|e| folder.placed(e, entry))?;
                let objects = load::objects(&text, &file, Role::StrategicMerge, sources)?;
                (file, objects)
            }
        };
        Ok(Self { body: Body::Strategic(objects), target: None, file, name: inline.name.clone(), is_old: true })
    }

    /// Reads an entry of `patchesJson6902`.
    ///
    /// # Errors
    /// When it has no target name, or no operations.
    pub(crate) fn json(patch: &Patch, inline: &Inline<'_>, sources: &mut Sources) -> Result<Self> {
        let folder = inline.folder;
        let fail = |message: &str| KustomizeError::new(folder.file(), format!("{}: {message}", inline.name));
        let target = patch.target.clone().unwrap_or_default();
        if target.name.is_empty() {
            return Err(fail("target.name is missing"));
        }
        let (file, text, from): (String, std::sync::Arc<str>, _) = match (patch.patch.is_empty(), patch.path.is_empty())
        {
            (true, true) => return Err(fail("there is neither patch nor path")),
            (false, false) => return Err(fail("there are both patch and path")),
            (false, true) => {
                (folder.file().to_owned(), patch.patch.as_str().into(), Some((inline.name.clone(), inline.at)))
            }
            (true, false) => {
                let (file, text) = folder.load_text(&patch.path).map_err(|e| folder.placed(e, &patch.path))?;
                (file, text, None)
            }
        };
        let source =
            sources.add(Source { file: file.clone(), role: Role::JsonPatch, text: text.clone(), inline: from });
        let operations = jsonpatch::parse(&text, source)
            .map_err(|fault| KustomizeError::new(&file, format!("{}: {fault}", inline.name)))?;
        if operations.is_empty() {
            return Err(fail("the patch has no operations"));
        }
        Ok(Self {
            body: Body::Json { operations, remembers: false },
            target: Some(target),
            file,
            name: inline.name.clone(),
            is_old: true,
        })
    }

    /// Whether a strategic-merge patch has nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.body, Body::Strategic(objects) if objects.is_empty())
    }

    /// Applies the patch to the objects that it is for. Deleted objects go.
    ///
    /// # Errors
    /// When it has no object to apply to, or does not apply.
    pub(crate) fn apply(&self, resources: &mut Vec<Resource>, schema: &Schema) -> Result<()> {
        match &self.body {
            Body::Strategic(patches) => self.apply_strategic(patches, resources, schema),
            Body::Json { operations, remembers } => {
                let Some(target) = &self.target else {
                    return Err(self.fail("a JSON patch needs a target").hint("add target: with kind and name"));
                };
                let matcher = Matcher::new(target).map_err(|f| self.fail(&f))?;
                for resource in resources.iter_mut() {
                    if matcher.selects(resource, schema) {
                        apply_json(resource, operations, *remembers, schema)
                            .map_err(|fault| self.fail(&format!("on {}: {fault}", resource.id(schema))))?;
                    }
                }
                Ok(())
            }
        }
    }

    fn fail(&self, message: &str) -> KustomizeError {
        KustomizeError::new(&self.file, format!("{}: {message}", self.name))
    }

    fn apply_strategic(&self, patches: &[Resource], resources: &mut Vec<Resource>, schema: &Schema) -> Result<()> {
        let Some(target) = &self.target else {
            for patch in patches {
                let at = self.unique(patch, resources, schema)?;
                let resource = &mut resources[at];
                let copy = match self.is_old {
                    true => retargeted(patch, resource).map_err(|f| self.fail(&f))?,
                    false => patch.clone(),
                };
                self.merge_into(resource, copy, schema)?;
                resources.retain(|r| !r.node.is_nil_or_empty());
            }
            return Ok(());
        };
        let patch = match patches {
            [] => return Ok(()),
            [patch] => patch,
            _ => return Err(self.fail("several patches in one entry cannot have a target")),
        };
        let matcher = Matcher::new(target).map_err(|f| self.fail(&f))?;
        let selected: Vec<bool> = resources.iter().map(|r| matcher.selects(r, schema)).collect();
        for (resource, selected) in resources.iter_mut().zip(selected) {
            if selected {
                let copy = retargeted(patch, resource).map_err(|f| self.fail(&f))?;
                self.merge_into(resource, copy, schema)?;
            }
        }
        let left: Vec<Resource> = resources.drain(..).filter(|r| !r.node.is_nil_or_empty()).collect();
        resource::append_all(resources, left, schema)
    }

    /// The one object that a patch without target means.
    fn unique(&self, patch: &Resource, resources: &[Resource], schema: &Schema) -> Result<usize> {
        let wanted = patch.original_id(schema);
        let found: Vec<usize> =
            (0..resources.len()).filter(|i| resources[*i].any_id(schema, |id| id.same(&wanted))).collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => {
                let mark = Mark { index: 0, line: patch.line, column: 0 };
                let line = if self.file == patch.file { mark } else { Mark::default() };
                let error =
                    KustomizeError::at(&self.file, line, format!("{}: there is no {wanted} to patch", self.name));
                Err(error.hint(candidates(&wanted, resources, schema)))
            }
            _ => Err(self.fail(&format!("{wanted} is there {} times", found.len()))),
        }
    }

    fn merge_into(&self, resource: &mut Resource, patch: Resource, schema: &Schema) -> Result<()> {
        strategic(resource, patch, schema)
            .map_err(|fault| self.fail(&format!("on {} {}: {fault}", resource.kind(), resource.name())))
    }
}

/// The objects that a patch could have meant.
fn candidates(wanted: &Id<'_>, resources: &[Resource], schema: &Schema) -> String {
    let same_kind: Vec<String> =
        resources.iter().filter(|r| r.kind() == wanted.kind).map(|r| full_name(r, schema)).collect();
    if !same_kind.is_empty() {
        return format!("of that kind there are: {}", same_kind.join(", "));
    }
    let all: Vec<String> = resources.iter().take(12).map(|r| full_name(r, schema)).collect();
    format!("there are: {}", all.join(", "))
}

fn full_name(resource: &Resource, schema: &Schema) -> String {
    format!("{} ({})", resource.original_id(schema), resource.api_version())
}

fn allow(object: &mut Resource, options: PatchOptions) {
    object.allow_name_change = options.allow_name_change;
    object.allow_kind_change = options.allow_kind_change;
}

/// A patch for an object that a target selected: its labels and annotations are texts, its version is the object's.
fn retargeted(patch: &Resource, object: &Resource) -> std::result::Result<Resource, Fault> {
    let mut copy = patch.clone();
    for field in ["labels", "annotations"] {
        let pairs = copy.metadata_map(field).into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        copy.set_metadata_map(field, pairs)?;
    }
    copy.node.set_field("apiVersion", Node::untagged(object.api_version()))?;
    Ok(copy)
}

/// Merges a patch; kind, name and namespace stay unless the patch may change them.
fn strategic(resource: &mut Resource, patch: Resource, schema: &Schema) -> std::result::Result<(), Fault> {
    let (name, namespace, kind) =
        (resource.name().to_owned(), resource.namespace().to_owned(), resource.kind().to_owned());
    if patch.allow_name_change || patch.allow_kind_change {
        resource.store_previous(schema);
    }
    let shown = resource.show_state()?;
    let target = std::mem::replace(&mut resource.node, Node::null());
    match merge::merge(target, patch.node, schema)? {
        None => return Ok(()),
        Some(node) => resource.node = node,
    }
    resource.hide_state(shown, false);
    if resource.node.is_nil_or_empty() {
        return Ok(());
    }
    if !patch.allow_kind_change {
        resource.set_kind(&kind)?;
    }
    if !patch.allow_name_change {
        resource.set_name(&name)?;
    }
    resource.set_namespace(&namespace)
}

fn apply_json(
    resource: &mut Resource,
    operations: &[Operation],
    remembers: bool,
    schema: &Schema,
) -> std::result::Result<(), Fault> {
    if remembers {
        resource.store_previous(schema);
    }
    let shown = resource.show_state()?;
    let mut node = jsonpatch::through_json(&resource.node, Json::Decoded)?;
    jsonpatch::apply(&mut node, operations)?;
    resource.node = node;
    resource.hide_state(shown, true);
    Ok(())
}
