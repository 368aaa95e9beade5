//! A kustomization file under edit.

use object::FileTree;
use object::yaml::edit::{EditError, Editor, Step};
use serde_json::{Value, json};

use super::super::config::{self, Generator, Kustomization};
use super::super::error::{KustomizeError, Result};
use super::super::generate::{self, What};
use super::super::load::{Folder, Reach};
use super::{Edited, deprecated, glob};
use crate::Problem;

#[derive(Debug)]
pub(crate) struct File {
    folder: Folder,
    editor: Editor,
    /// What the file says, deprecated fields moved. Commands that insert or remove entries keep it up to date.
    pub(crate) read: Kustomization,
    warnings: Vec<Problem>,
    /// Nothing is to be written.
    left: bool,
}

impl File {
    /// Opens the kustomization of a folder and does what kustomize does on every edit.
    ///
    /// # Errors
    /// When the folder has no kustomization file, several, or one that is wrong.
    pub(crate) fn open(tree: &FileTree, folder: &str) -> Result<Self> {
        let folder = Folder::open(tree, folder, Reach::default())?;
        let (read, _) = config::kustomization_of_any_kind(folder.text(), folder.file())?;
        let editor = Editor::new(folder.text()).map_err(|e| problem(folder.file(), &e))?;
        let mut file = Self { folder, editor, read, warnings: Vec::new(), left: false };
        deprecated::move_always(&mut file)?;
        file.add_header()?;
        file.reread()?;
        Ok(file)
    }

    /// Adds the fields that every kustomization should have.
    fn add_header(&mut self) -> Result<()> {
        let version = if self.read.kind == "Component" { "v1alpha1" } else { "v1beta1" };
        let (kind, version) = (self.read.kind.clone(), format!("kustomize.config.k8s.io/{version}"));
        for (field, text) in [("apiVersion", version), ("kind", kind)] {
            if self.field(field).and_then(Value::as_str).unwrap_or_default().is_empty() {
                self.set(&[field.into()], &Value::String(text))?;
            }
        }
        Ok(())
    }

    /// Reads again what the text says now.
    ///
    /// # Errors
    /// When it is no kustomization any more.
    pub(crate) fn reread(&mut self) -> Result<()> {
        self.read = config::kustomization_of_any_kind(&self.editor.text(), self.folder.file())?.0;
        Ok(())
    }

    pub(crate) fn tree(&self) -> &FileTree {
        self.folder.tree()
    }

    /// Path of the folder in the tree.
    pub(crate) fn folder(&self) -> &str {
        self.folder.root()
    }

    /// Path of the file in the tree.
    pub(crate) fn path_in_tree(&self) -> &str {
        self.folder.file()
    }

    /// What a pattern stands for, as seen from the folder.
    ///
    /// # Errors
    /// When it is malformed or leaves the repository.
    pub(crate) fn glob(&self, pattern: &str) -> Result<Vec<String>> {
        glob::glob(self.tree(), self.folder(), self.path_in_tree(), pattern)
    }

    pub(crate) fn warn(&mut self, message: String) {
        self.warnings.push(Problem::warning(message).in_file(self.folder.file(), 0, 0));
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> KustomizeError {
        KustomizeError::new(self.folder.file(), message)
    }

    /// An error about what stands at a path.
    pub(crate) fn error_at(&self, path: &[Step], message: impl Into<String>) -> KustomizeError {
        let mut error = self.error(message);
        error.0.line = self.editor.line(path);
        error
    }

    /// Nothing is to be done: the file stays as it is.
    pub(crate) fn leave(&mut self) {
        self.left = true;
    }

    /// The path with field names as the file spells them: kustomize reads them in any case.
    pub(crate) fn path(&self, path: &[Step]) -> Vec<Step> {
        let mut found = Vec::with_capacity(path.len());
        for step in path {
            let spelled = match (step, self.editor.get(&found)) {
                (Step::Key(key), Some(Value::Object(map))) => {
                    map.keys().find(|k| k.eq_ignore_ascii_case(key)).map(|k| Step::Key(k.clone()))
                }
                _ => None,
            };
            found.push(spelled.unwrap_or_else(|| step.clone()));
        }
        found
    }

    /// What stands at a path as [`File::path`] gives it.
    pub(crate) fn get(&self, path: &[Step]) -> Option<&Value> {
        self.editor.get(path)
    }

    /// The value of a field of the kustomization.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.get(&self.path(&[name.into()]))
    }

    fn edit(&mut self, edit: impl FnOnce(&mut Editor) -> std::result::Result<(), EditError>) -> Result<()> {
        edit(&mut self.editor).map_err(|e| problem(self.folder.file(), &e))
    }

    /// # Errors
    /// When the text cannot be edited there.
    pub(crate) fn set(&mut self, path: &[Step], value: &Value) -> Result<()> {
        let path = self.path(path);
        self.edit(|editor| editor.set(&path, value))
    }

    /// A key of a map of texts, where capitals count.
    ///
    /// # Errors
    /// When the text cannot be edited there.
    pub(crate) fn set_key(&mut self, map: &[Step], key: &str, value: &Value) -> Result<()> {
        let path = [self.path(map).as_slice(), &[key.into()]].concat();
        self.edit(|editor| editor.set(&path, value))
    }

    /// Inserts an item of a list, which is created when there is none.
    ///
    /// # Errors
    /// When the text cannot be edited there.
    pub(crate) fn insert(&mut self, list: &[Step], index: usize, value: &Value) -> Result<()> {
        let list = self.path(list);
        match self.get(&list) {
            Some(Value::Array(items)) if !items.is_empty() => self.edit(|editor| editor.insert(&list, index, value)),
            _ => self.edit(|editor| editor.set(&list, &Value::Array(vec![value.clone()]))),
        }
    }

    /// Appends to a list, which is created when there is none.
    ///
    /// # Errors
    /// When the text cannot be edited there.
    pub(crate) fn push(&mut self, list: &[Step], value: &Value) -> Result<()> {
        let list = self.path(list);
        let end = self.get(&list).and_then(Value::as_array).map_or(0, Vec::len);
        self.insert(&list, end, value)
    }

    /// Takes a key or item away if it is there; a field of the file that has nothing left goes too.
    ///
    /// # Errors
    /// When the text cannot be edited there.
    pub(crate) fn remove(&mut self, path: &[Step]) -> Result<()> {
        self.remove_exactly(self.path(path))
    }

    /// As [`File::remove`], for a key of a map of texts.
    ///
    /// # Errors
    /// When the text cannot be edited there.
    pub(crate) fn remove_key(&mut self, map: &[Step], key: &str) -> Result<()> {
        self.remove_exactly([self.path(map).as_slice(), &[key.into()]].concat())
    }

    fn remove_exactly(&mut self, path: Vec<Step>) -> Result<()> {
        let Some((_, parent)) = path.split_last().filter(|_| self.get(&path).is_some()) else { return Ok(()) };
        self.edit(|editor| editor.remove(&path))?;
        let empty = self.get(parent).is_some_and(|left| *left == json!([]) || *left == json!({}));
        if empty && parent.len() == 1 {
            return self.edit(|editor| editor.remove(parent));
        }
        Ok(())
    }

    /// # Errors
    /// When the text cannot be edited there.
    pub(crate) fn rename(&mut self, path: &[Step], new: &str) -> Result<()> {
        let path = self.path(path);
        self.edit(|editor| editor.rename(&path, new))
    }

    /// Moves all items or keys of a field with their comments to the end of another collection.
    ///
    /// # Errors
    /// When the text cannot be edited there.
    pub(crate) fn merge_into(&mut self, from: &[Step], to: &[Step]) -> Result<()> {
        let (from, to) = (self.path(from), self.path(to));
        self.edit(|editor| editor.merge_into(&from, &to))
    }

    /// Appends to a list of the file, which is created when there is none.
    ///
    /// # Errors
    /// When the text cannot be edited there.
    pub(crate) fn extend(&mut self, field: &str, values: &[Value]) -> Result<()> {
        let path = self.path(&[field.into()]);
        self.edit(|editor| editor.extend(&path, values))
    }

    /// Takes the marked items of a list of the file away; nothing is left of a list without items.
    ///
    /// # Errors
    /// When the text cannot be edited there.
    pub(crate) fn remove_items(&mut self, field: &str, marked: &[bool]) -> Result<()> {
        let path = self.path(&[field.into()]);
        self.edit(|editor| editor.remove_items(&path, marked))?;
        if self.get(&path) == Some(&json!([])) { self.remove(&path) } else { Ok(()) }
    }

    /// A text, or nothing when it is empty.
    ///
    /// # Errors
    /// When the text cannot be edited there.
    pub(crate) fn set_text(&mut self, path: &[Step], text: &str) -> Result<()> {
        if text.is_empty() { self.remove(path) } else { self.set(path, &text.into()) }
    }

    /// Makes the object of a generator, to see that it can be made.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn check_generator(&self, what: What, generator: &Generator) -> Result<()> {
        let options = generate::united(generator.options.as_ref(), self.read.generator_options.as_ref());
        generate::generate(what, generator, &options, &self.folder).map(|_| ())
    }

    pub(crate) fn done(self) -> Edited {
        let text = if self.left { self.folder.text().to_string() } else { self.editor.text() };
        Edited { path: self.folder.file().to_owned(), text, others: Vec::new(), warnings: self.warnings }
    }
}

fn problem(file: &str, error: &EditError) -> KustomizeError {
    let mut problem = KustomizeError::new(file, error.reason.to_string());
    problem.0.line = error.line;
    problem
}

/// Where a new entry goes: by name where the entries are sorted, as kustomize sorts them; else to the end.
pub(crate) fn place_by_name<'a>(names: impl Iterator<Item = &'a str>, new: &str) -> usize {
    let names: Vec<&str> = names.collect();
    let behind = names.iter().position(|name| *name > new).filter(|_| names.is_sorted());
    behind.unwrap_or(names.len())
}
