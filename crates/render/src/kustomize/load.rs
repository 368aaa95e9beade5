//! The folder of one kustomization: what it may read, and errors that help.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object::yaml;
use object::{EntryKind, FileTree, path};

use super::error::{KustomizeError, Result};
use super::node::{Json, Node};
use super::resource::Resource;
use super::sources::{Role, Source, Sources};
use super::{FILE_NAMES, LoadRestrictor, RemoteBase};
use crate::remote::{self, Remotes};
use crate::suggest;
use crate::text::not_in_lfs;

/// A folder with a kustomization file, and the folders that led to it.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    tree: FileTree,
    root: String,
    file: String,
    text: Arc<str>,
    above: Vec<String>,
    reach: Arc<Reach>,
}

/// What a build may read, and how much it has read.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    restrictor: LoadRestrictor,
    remotes: Remotes,
    spent: AtomicU64,
}

impl Reach {
    pub(crate) fn new(restrictor: LoadRestrictor, remotes: &Remotes) -> Self {
        Self { restrictor, remotes: remotes.clone(), spent: AtomicU64::default() }
    }
}

/// Bytes that one build reads, each file counted as often as it is used: bases that hold bases twice double with each
/// layer.
const BUILD_MAX: u64 = 32 << 20;
/// What a file costs beside its bytes.
const FILE_COST: u64 = 1 << 10;

/// What an entry of `resources` names.
pub(crate) enum Entry {
    File(String, Arc<[u8]>),
    Folder(String),
}

impl Folder {
    /// Finds the kustomization file of the folder `root`, whose links are followed.
    ///
    /// # Errors
    /// When there is none (the error has the file to add), or several.
    pub(crate) fn open(tree: &FileTree, root: &str, reach: Reach) -> Result<Self> {
        Self::find(tree, root, Vec::new(), Arc::new(reach))
    }

    fn find(tree: &FileTree, root: &str, above: Vec<String>, reach: Arc<Reach>) -> Result<Self> {
        let mut found: Vec<(String, Arc<[u8]>)> = Vec::new();
        for name in FILE_NAMES {
            let full = path::child(root, name);
            if let Some(bytes) = tree.read(&full).map_err(|e| KustomizeError::tree(&full, &e))? {
                found.push((full, bytes));
            }
        }
        match found.as_slice() {
            [] => Err(missing_file(tree, root)),
            [(file, bytes)] => {
                not_in_lfs(file, bytes).map_err(KustomizeError)?;
                let (tree, root, text) = (tree.clone(), root.to_owned(), text_of(file, bytes)?.into());
                let folder = Self { tree, root, file: file.clone(), text, above, reach };
                folder.spend(file, bytes)?;
                Ok(folder)
            }
            [(first, _), (second, _), ..] => Err(KustomizeError::new(first, format!("{second} is there as well"))
                .hint("a folder has one kustomization file: remove the other")),
        }
    }

    /// Counts what a file costs the build.
    fn spend(&self, file: &str, bytes: &[u8]) -> Result<()> {
        let cost = bytes.len() as u64 + FILE_COST;
        if self.reach.spent.fetch_add(cost, Ordering::Relaxed) + cost <= BUILD_MAX {
            return Ok(());
        }
        let message = format!("the build reads more than {} MiB", BUILD_MAX >> 20);
        Err(KustomizeError::new(file, message).hint("a base counts as often as it is used: build its users one by one"))
    }

    /// Path of the kustomization file.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    pub(crate) fn tree(&self) -> &FileTree {
        &self.tree
    }

    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// What was fetched for the build.
    pub(crate) fn remotes(&self) -> &Remotes {
        &self.reach.remotes
    }

    /// How many kustomizations led here.
    pub(crate) fn depth(&self) -> usize {
        self.above.len()
    }

    /// Text of the kustomization file.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    fn full_path(&self, entry: &str) -> Result<String> {
        if entry.starts_with("https://") || entry.starts_with("http://") {
            return Err(KustomizeError::new(&self.file, format!("{entry} is a remote file, which is not supported"))
                .hint("commit the file and name its path"));
        }
        if entry.starts_with('/') {
            return Err(KustomizeError::new(&self.file, format!("{entry} is an absolute path"))
                .hint("paths are relative to the folder of the kustomization"));
        }
        path::join(&self.root, entry).filter(|full| self.is_ours(full)).ok_or_else(|| self.leaves(entry))
    }

    /// Whether a path is in the repository of this kustomization: a remote base sees its own files only.
    pub(crate) fn is_ours(&self, path: &str) -> bool {
        remote::repository_of(path) == remote::repository_of(&self.root)
    }

    fn leaves(&self, entry: &str) -> KustomizeError {
        KustomizeError::new(&self.file, format!("{entry} leaves the repository"))
            .hint("only files of this repository can be used")
    }

    /// The bytes of a file that the kustomization names, with its path.
    ///
    /// # Errors
    /// When it is missing, no file, or outside of what may be read.
    pub(crate) fn load(&self, entry: &str) -> Result<(String, Arc<[u8]>)> {
        let full = self.full_path(entry)?;
        let bytes = self.tree.read(&full).map_err(|e| KustomizeError::tree(&self.file, &e))?;
        let bytes = bytes.ok_or_else(|| self.missing(entry, &full))?;
        not_in_lfs(&full, &bytes).map_err(KustomizeError)?;
        self.spend(&self.file, &bytes)?;
        let real = self.tree.resolve(&full).map_err(|e| KustomizeError::tree(&self.file, &e))?;
        if !self.is_ours(&real) {
            return Err(self.leaves(entry));
        }
        if self.reach.restrictor == LoadRestrictor::RootOnly && !is_within(&real, &self.root) {
            let message = format!("{entry} is outside of the folder {:?}, files there may not be read", self.root);
            return Err(KustomizeError::new(&self.file, message).hint(
                "name the folder of the file as a base, move the file, or build with --load-restrictor LoadRestrictionsNone",
            ));
        }
        Ok((full, bytes))
    }

    /// As [`Folder::load`], as text.
    ///
    /// # Errors
    /// As [`Folder::load`], or when the file is not UTF-8.
    pub(crate) fn load_text(&self, entry: &str) -> Result<(String, Arc<str>)> {
        let (file, bytes) = self.load(entry)?;
        let text = text_of(&file, &bytes)?.into();
        Ok((file, text))
    }

    fn missing(&self, entry: &str, full: &str) -> KustomizeError {
        let message = format!("{entry} does not exist");
        let error = KustomizeError::new(&self.file, message).hint(suggest::paths_hint(&self.tree, &self.root, full));
        self.placed(error, entry)
    }

    /// The error with the line on which the kustomization writes `text`.
    pub(crate) fn placed(&self, mut error: KustomizeError, text: &str) -> KustomizeError {
        if error.0.file == self.file && error.0.line == 0 {
            let line = self.text.lines().position(|l| !l.trim_start().starts_with('#') && l.contains(text));
            error.0.line = line.map_or(0, |l| l + 1);
        }
        error
    }

    /// What an entry of `resources` is.
    ///
    /// # Errors
    /// As [`Folder::load`].
    pub(crate) fn entry(&self, entry: &str) -> Result<Entry> {
        if entry.is_empty() {
            return Err(KustomizeError::new(&self.file, "an entry of resources is empty").hint("remove it"));
        }
        let local = path::join(&self.root, entry).filter(|full| !entry.starts_with('/') && self.is_ours(full));
        if let Some(full) = &local
            && self.tree.is_folder(full).map_err(|e| KustomizeError::tree(&self.file, &e))?
        {
            let real = self.tree.resolve(full).map_err(|e| KustomizeError::tree(&self.file, &e))?;
            return if self.is_ours(&real) { Ok(Entry::Folder(real)) } else { Err(self.leaves(entry)) };
        }
        let here = local.as_ref().is_some_and(|full| self.tree.is_file(full).unwrap_or_default());
        if let Some(base) = RemoteBase::parse(entry).filter(|_| !here) {
            return self.remote(&base, entry).map(Entry::Folder);
        }
        self.load(entry).map(|(file, bytes)| Entry::File(file, bytes))
    }

    /// The folder of a base in another repository.
    fn remote(&self, base: &RemoteBase, entry: &str) -> Result<String> {
        let Some(folder) = self.reach.remotes.folder_of(base) else {
            let error =
                KustomizeError::new(&self.file, format!("{} is another repository and was not fetched", base.at));
            return Err(self
                .placed(error, entry)
                .hint("the AppProject's sourceRepos decides which repositories may be used; or copy the base here"));
        };
        if self.tree.is_folder(&folder).map_err(|e| KustomizeError::tree(&self.file, &e))? {
            return self.tree.resolve(&folder).map_err(|e| KustomizeError::tree(&self.file, &e));
        }
        let error = KustomizeError::new(&self.file, format!("{} has no folder {:?}", base.at, base.path));
        let mount = self.reach.remotes.mount_of(&base.at).unwrap_or_default();
        Err(self.placed(error, entry).hint(suggest::folders_hint(&self.tree, &mount, &folder)))
    }

    /// The kustomization in a folder that this one names.
    ///
    /// # Errors
    /// When the folder has none, or this folder is in it.
    pub(crate) fn below(&self, root: &str, entry: &str) -> Result<Self> {
        let mut above = self.above.clone();
        above.push(self.root.clone());
        if let Some(visited) = above.iter().rev().find(|visited| is_within(visited, root)) {
            let way = above.iter().map(|f| shown(f)).collect::<Vec<_>>().join(" -> ");
            let message = format!("{entry} is a cycle: {} holds {}", shown(root), shown(visited));
            let error = KustomizeError::new(&self.file, message);
            return Err(self.placed(error, entry).hint(format!("the way there is {way} -> {}", shown(root))));
        }
        Self::find(&self.tree, root, above, Arc::clone(&self.reach))
    }

    /// The folder that an entry of `components` names.
    ///
    /// # Errors
    /// When it is no folder.
    pub(crate) fn component(&self, entry: &str) -> Result<String> {
        match self.entry(entry)? {
            Entry::Folder(root) => Ok(root),
            Entry::File(file, _) => Err(self
                .placed(KustomizeError::new(&self.file, format!("{file} is a file, a component is a folder")), entry)),
        }
    }
}

fn shown(root: &str) -> &str {
    if root.is_empty() { "." } else { root }
}

pub(crate) fn is_remote(entry: &str) -> bool {
    entry.contains("://")
        || entry.starts_with("git@")
        || entry.starts_with("github.com/")
        || entry.contains("?ref=")
        || entry.contains(".git//")
}

fn is_within(path: &str, folder: &str) -> bool {
    folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

pub(crate) fn text_of<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        KustomizeError::at(file, yaml::Mark { index: e.valid_up_to(), line, column: 0 }, "the file is not UTF-8")
    })
}

/// The error for a folder without a kustomization file prints the file to add.
fn missing_file(tree: &FileTree, root: &str) -> KustomizeError {
    let fresh = tree.fresh();
    let entries = fresh.list(root).ok().flatten().unwrap_or_default();
    let is_manifest = |name: &str| [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
    let files: Vec<String> =
        entries.iter().filter(|e| e.kind == EntryKind::File && is_manifest(&e.name)).map(|e| e.name.clone()).collect();
    let folders: Vec<String> = entries
        .iter()
        .filter(|e| e.kind == EntryKind::Folder)
        .map(|e| e.name.clone())
        .filter(|name| {
            FILE_NAMES.iter().any(|f| fresh.is_file(&format!("{}/{f}", path::child(root, name))).unwrap_or_default())
        })
        .collect();
    let message = format!("the folder {:?} has no kustomization file", shown(root));
    let error = KustomizeError::new(path::child(root, FILE_NAMES[0]), message);
    if files.is_empty() && folders.is_empty() {
        return error.hint("add a kustomization.yaml that lists its resources");
    }
    let list: String = files.iter().chain(&folders).map(|f| format!("- {f}\n")).collect();
    error.hint(format!(
        "add {} with:\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{list}",
        path::child(root, FILE_NAMES[0])
    ))
}

/// The objects of a manifest file, which is read once however often it is named.
///
/// # Errors
/// As [`objects`].
pub(crate) fn manifests(text: &str, file: &str, sources: &mut Sources) -> Result<Vec<Resource>> {
    if let Some(read) = sources.manifests(file) {
        return Ok(read.to_vec());
    }
    let read = objects(text, file, Role::Manifest, sources)?;
    sources.note_manifests(file, &read);
    Ok(read)
}

/// Reads the objects of a text: every document, lists unrolled.
///
/// # Errors
/// Syntax errors, and documents that are no objects, with their place.
pub(crate) fn objects(text: &str, file: &str, role: Role, sources: &mut Sources) -> Result<Vec<Resource>> {
    objects_inline(text, file, role, None, sources)
}

/// As [`objects`], for a text that stands inside a kustomization.
///
/// # Errors
/// As [`objects`].
pub(crate) fn objects_inline(
    text: &str,
    file: &str,
    role: Role,
    inline: Option<(String, usize)>,
    sources: &mut Sources,
) -> Result<Vec<Resource>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_text(text, file)?;
    let nodes = super::split::documents(text, file)?;
    check_escapes(text, &nodes, file)?;
    let source = sources.add(Source { file: file.to_owned(), role, text: text.into(), inline });
    let lines: Option<Vec<&str>> = text.contains("# {").then(|| text.lines().collect());
    let mut queue: Vec<(Node, usize)> = Vec::new();
    for parsed in &nodes {
        let mut node = Node::from_yaml(parsed, source).map_err(|e| KustomizeError::yaml(file, &e))?;
        unfold_annotations(&mut node, parsed);
        if let Some(lines) = &lines {
            node.read_schema_comments(lines);
        }
        queue.push((node, parsed.start.line));
    }
    let mut objects = Vec::new();
    let mut next = 0;
    while next < queue.len() {
        let (node, line) = std::mem::replace(&mut queue[next], (Node::null(), 0));
        next += 1;
        if node.is_nil_or_empty() {
            continue;
        }
        check_object(&node, file, line)?;
        let kind = node.get("kind").map_or("", Node::text);
        match node.get("items").filter(|_| kind.ends_with("List")) {
            Some(Node::List(items)) => {
                for item in items {
                    let through = super::jsonpatch::through_json(item, Json::Text);
                    queue.push((through.map_err(|f| at_line(file, line, &f))?, line));
                }
            }
            Some(items) if items.is_null() => {}
            Some(_) => return Err(at_line(file, line, "items is no list")),
            None => {
                let mut object = Resource::new(node, file, line);
                object.take_state().map_err(|fault| at_line(file, line, &fault))?;
                objects.push(object);
            }
        }
    }
    Ok(objects)
}

/// Annotations are as they are written: kustomize makes them anew from plain texts before it writes and reads an object
/// for the first time.
fn unfold_annotations(object: &mut Node, parsed: &yaml::Node) {
    let folded = |(key, value): &(yaml::Node, yaml::Node)| {
        let text = value.as_str().filter(|_| value.style == yaml::Style::Folded)?;
        Some((key.as_str()?.to_owned(), text.to_owned()))
    };
    let annotations = field(parsed, "metadata").and_then(|metadata| field(metadata, "annotations"));
    let Some(yaml::NodeKind::Mapping(pairs)) = annotations.map(|annotations| &annotations.kind) else { return };
    for (key, text) in pairs.iter().filter_map(folded) {
        let annotations = object.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
        if let Some(Node::Scalar(scalar)) = annotations.and_then(|annotations| annotations.get_mut(&key)) {
            scalar.text = text;
        }
    }
}

fn field<'n>(node: &'n yaml::Node, key: &str) -> Option<&'n yaml::Node> {
    let yaml::NodeKind::Mapping(pairs) = &node.kind else { return None };
    pairs.iter().find(|(known, _)| known.as_str() == Some(key)).map(|(_, value)| value)
}

fn at_line(file: &str, line: usize, message: &str) -> KustomizeError {
    KustomizeError::at(file, yaml::Mark { index: 0, line, column: 0 }, message)
}

/// What go-yaml v3 refuses to read.
fn check_text(text: &str, file: &str) -> Result<()> {
    for (i, line) in text.lines().enumerate() {
        let control =
            |c: char| (c < ' ' && !matches!(c, '\t' | '\r')) || matches!(c, '\x7f'..='\u{84}' | '\u{86}'..='\u{9f}');
        if let Some(at) = line.chars().position(control) {
            let mark = yaml::Mark { index: 0, line: i + 1, column: at + 1 };
            return Err(KustomizeError::at(file, mark, "control characters are not allowed"));
        }
    }
    Ok(())
}

/// JSON's `\/` is no escape for go-yaml.
pub(crate) fn check_escapes(text: &str, nodes: &[yaml::Node], file: &str) -> Result<()> {
    if !text.contains("\\/") {
        return Ok(());
    }
    for node in nodes {
        match &node.kind {
            yaml::NodeKind::Sequence(items) => check_escapes(text, items, file)?,
            yaml::NodeKind::Mapping(pairs) => {
                for (key, value) in pairs {
                    check_escapes(text, std::slice::from_ref(key), file)?;
                    check_escapes(text, std::slice::from_ref(value), file)?;
                }
            }
            yaml::NodeKind::Scalar(_) if node.style == yaml::Style::DoubleQuoted => {
                let written = text.get(node.start.index..node.end.index).unwrap_or_default();
                if written.replace("\\\\", "").contains("\\/") {
                    let error = KustomizeError::at(file, node.start, "unknown escape character in the text");
                    return Err(error.hint("write / instead of \\/"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_object(node: &Node, file: &str, line: usize) -> Result<()> {
    let text = |path: &[&str]| node.at(path).filter(|n| !n.is_nil_or_empty()).map_or("", Node::text);
    let kind = text(&["kind"]);
    if kind.is_empty() {
        return Err(at_line(file, line, "this is no Kubernetes object: kind is missing")
            .hint("remove it from resources if it is something else"));
    }
    if !kind.ends_with("List") && text(&["metadata", "name"]).is_empty() {
        return Err(at_line(file, line, &format!("the {kind} has no metadata.name"))
            .hint("kustomize needs a name; generateName is not supported"));
    }
    Ok(())
}
