//! `kustomize edit` and `kustomize create` of kustomize 5.8.1 on the bytes of a kustomization file.
//!
//! What the file means afterwards is what kustomize would write. Everything an edit does not concern keeps its bytes:
//! comments, order, quotes, indentation, line breaks. As kustomize does, every edit also moves `bases` to `resources`,
//! `imageTags` to `images`, `env` to `envs`, and adds `apiVersion` and `kind` where they are missing.

mod command;
mod create;
mod deprecated;
mod file;
mod generators;
mod glob;
mod images;
mod lists;
mod metadata;
mod patches;
mod replicas;
mod vars;

use object::FileTree;

use self::file::File;
use super::error::KustomizeError;
use super::generate;
use crate::Problem;

pub use self::command::{Add, AddGenerator, ChangeGenerator, Create, Edit, PatchEntry, Remove, Set};
pub use self::create::create;

/// What an edit gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// Path of the kustomization file in the tree.
    pub path: String,
    /// What the file says now; as before when there was nothing to do.
    pub text: String,
    /// Path and new text of other files that change with it; only `edit fix --vars` has any.
    pub others: Vec<(String, String)>,
    /// What was left out, and why.
    pub warnings: Vec<Problem>,
}

/// Makes one edit of the kustomization in `folder`. The tree itself stays as it is.
///
/// # Errors
/// Where kustomize fails too, and where the text cannot be edited without damage: file, line, reason and what to do.
pub fn apply(tree: &FileTree, folder: &str, edit: &Edit) -> Result<Edited, KustomizeError> {
    let mut file = File::open(tree, folder)?;
    let mut others = Vec::new();
    match edit {
        Edit::Set(set) => apply_set(&mut file, set)?,
        Edit::Add(add) => apply_add(&mut file, add)?,
        Edit::Remove(remove) => apply_remove(&mut file, remove)?,
        Edit::Fix { vars: false } => deprecated::fix(&mut file)?,
        Edit::Fix { vars: true } => {
            deprecated::fix(&mut file)?;
            others = vars::convert(&mut file)?;
        }
    }
    Ok(Edited { others, ..file.done() })
}

fn apply_set(file: &mut File, set: &Set) -> Result<(), KustomizeError> {
    match set {
        Set::Image(arguments) => images::set(file, arguments),
        Set::Namespace(text) => file.set_text(&["namespace".into()], text),
        Set::NamePrefix(text) => file.set_text(&["namePrefix".into()], text),
        Set::NameSuffix(text) => file.set_text(&["nameSuffix".into()], text),
        Set::Replicas(arguments) => replicas::set(file, arguments),
        Set::Label(pairs) => metadata::set(file, metadata::What::Label, pairs),
        Set::Annotation(pairs) => metadata::set(file, metadata::What::Annotation, pairs),
        Set::BuildMetadata(options) => lists::set_build_metadata(file, options),
        Set::ConfigMap(command) => generators::set(file, generate::What::ConfigMap, command),
        Set::Secret(command) => generators::set(file, generate::What::Secret, command),
    }
}

fn apply_add(file: &mut File, add: &Add) -> Result<(), KustomizeError> {
    match add {
        Add::Resource { paths, no_verify } => lists::add(file, "resources", paths, !no_verify),
        Add::Component(paths) => lists::add(file, "components", paths, true),
        Add::Generator(paths) => lists::add_existing(file, "generators", paths),
        Add::Transformer(paths) => lists::add_existing(file, "transformers", paths),
        Add::Base(folders) => lists::add_bases(file, folders),
        Add::Patch(entry) => patches::add(file, entry),
        Add::Label { pairs, force, without_selector: true, include_templates } => {
            metadata::add_without_selector(file, pairs, *force, *include_templates)
        }
        Add::Label { include_templates: true, .. } => Err(file
            .error("labels of templates alone cannot be selectors")
            .hint("give --without-selector with --include-templates")),
        Add::Label { pairs, force, .. } => metadata::add(file, metadata::What::Label, pairs, *force),
        Add::Annotation { pairs, force } => metadata::add(file, metadata::What::Annotation, pairs, *force),
        Add::BuildMetadata(options) => lists::add_build_metadata(file, options),
        Add::ConfigMap(command) => generators::add(file, generate::What::ConfigMap, command),
        Add::Secret(command) => generators::add(file, generate::What::Secret, command),
    }
}

fn apply_remove(file: &mut File, remove: &Remove) -> Result<(), KustomizeError> {
    match remove {
        Remove::Resource(patterns) => lists::remove(file, "resources", patterns),
        Remove::Component(patterns) => lists::remove(file, "components", patterns),
        Remove::Transformer(patterns) => lists::remove(file, "transformers", patterns),
        Remove::Patch(entry) => patches::remove(file, entry),
        Remove::Label { keys, ignore_non_existence } => {
            metadata::remove(file, metadata::What::Label, keys, *ignore_non_existence)
        }
        Remove::Annotation { keys, ignore_non_existence } => {
            metadata::remove(file, metadata::What::Annotation, keys, *ignore_non_existence)
        }
        Remove::BuildMetadata(options) => lists::remove_build_metadata(file, options),
        Remove::ConfigMap { names, namespace } => generators::remove(file, generate::What::ConfigMap, names, namespace),
        Remove::Secret { names, namespace } => generators::remove(file, generate::What::Secret, names, namespace),
    }
}
