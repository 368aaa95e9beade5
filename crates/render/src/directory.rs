//! Plain manifest files, as Argo CD 3.5 reads a `directory` source (`reposerver/repository`: `findManifests`).

use globset::{GlobBuilder, GlobMatcher};
use object::yaml::{self, Dialect, Document};
use object::{Entry, EntryKind, FileTree, Manifest, distance, path};
use serde_json::{Map, Value};

use crate::text::text;
use crate::{DirectoryOptions, Origin, Problem, Rendered, RenderedManifest, Tool, kustomize, likeness};

/// A file that holds this text is left out.
const SKIP_MARKER: &str = "+argocd:skip-file-rendering";

pub(crate) fn render(tree: &FileTree, folder: &str, options: &DirectoryOptions) -> Rendered {
    let mut rendered = Rendered { tool: Tool::Directory, ..Rendered::default() };
    for file in files(tree, folder, options, &mut rendered) {
        render_file(tree, &file, &mut rendered);
    }
    rendered
}

/// The manifest files that a directory source reads, in order. What cannot be looked into goes to `rendered`.
pub(crate) fn files(tree: &FileTree, folder: &str, options: &DirectoryOptions, rendered: &mut Rendered) -> Vec<String> {
    let mut files = Vec::new();
    match Filter::new(options) {
        Ok(filter) => walk(tree, folder, folder, options.recurse, &filter, (&mut files, rendered)),
        Err(problem) => rendered.problems.push(*problem),
    }
    files
}

struct Filter {
    include: Option<GlobMatcher>,
    exclude: Option<GlobMatcher>,
}

impl Filter {
    fn new(options: &DirectoryOptions) -> Result<Self, Box<Problem>> {
        Ok(Self { include: glob("include", &options.include)?, exclude: glob("exclude", &options.exclude)? })
    }

    fn takes(&self, relative: &str) -> bool {
        self.include.as_ref().is_none_or(|g| g.is_match(relative))
            && !self.exclude.as_ref().is_some_and(|g| g.is_match(relative))
    }

    /// Whether a folder may hold a file that is taken.
    fn takes_below(&self, relative: &str) -> bool {
        let is_out = |glob: &GlobMatcher| glob.is_match(relative) || glob.is_match(format!("{relative}/x.yaml"));
        !self.exclude.as_ref().is_some_and(is_out)
    }
}

fn glob(field: &str, pattern: &str) -> Result<Option<GlobMatcher>, Box<Problem>> {
    if pattern.is_empty() {
        return Ok(None);
    }
    match GlobBuilder::new(pattern).literal_separator(false).build() {
        Ok(glob) => Ok(Some(glob.compile_matcher())),
        Err(error) => Err(Box::new(
            Problem::error(format!("spec.source.directory.{field}: {pattern:?} is no glob pattern: {error}"))
                .hint("patterns look like *.yaml or {config/*,*.yml}"),
        )),
    }
}

fn walk(
    tree: &FileTree,
    root: &str,
    folder: &str,
    recurse: bool,
    filter: &Filter,
    (files, rendered): (&mut Vec<String>, &mut Rendered),
) {
    let entries = match tree.list(folder) {
        Ok(entries) => entries.unwrap_or_default(),
        Err(error) => return rendered.problems.push(Problem::error(error.to_string()).in_file(folder, 0, 0)),
    };
    for entry in entries {
        let full = path::child(folder, &entry.name);
        let relative = full.strip_prefix(root).unwrap_or(&full).trim_start_matches('/');
        match entry.kind {
            EntryKind::Folder if recurse => walk(tree, root, &full, recurse, filter, (files, rendered)),
            EntryKind::Folder => {}
            _ if is_manifest(&entry) && filter.takes(relative) => files.push(full),
            EntryKind::File if is_miscased(relative) && filter.takes(&small_ending(relative)) => {
                rendered.left_out.push(full);
            }
            EntryKind::Submodule if recurse && filter.takes_below(relative) => {
                let problem = Problem::error(IS_SUBMODULE).in_file(full, 0, 0);
                rendered.problems.push(problem.hint(SUBMODULE_HINT));
            }
            // Argo CD does not follow links to folders
            EntryKind::Symlink if recurse && filter.takes_below(relative) => rendered.left_out.push(full),
            _ => {}
        }
    }
}

/// Also a kustomization that is a link to nothing, which would be none.
fn is_manifest(entry: &Entry) -> bool {
    is_manifest_name(&entry.name)
        || (entry.kind != EntryKind::File && kustomize::FILE_NAMES.contains(&entry.name.as_str()))
}

fn is_manifest_name(name: &str) -> bool {
    [".yaml", ".yml", ".json", ".jsonnet"].iter().any(|end| name.ends_with(end))
}

/// Named like a manifest but for capitals, as `a.YAML`: such a file is not read, as in Argo CD.
pub(crate) fn is_miscased(name: &str) -> bool {
    !is_manifest_name(name) && is_manifest_name(&small_ending(name))
}

fn small_ending(name: &str) -> String {
    let parts = name.rsplit_once('.').map(|(stem, ending)| format!("{stem}.{}", ending.to_lowercase()));
    parts.unwrap_or_else(|| name.to_owned())
}

fn render_file(tree: &FileTree, file: &str, rendered: &mut Rendered) {
    let bytes = match tree.read(file) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return rendered.problems.push(no_file(tree, file)),
        Err(error) => return rendered.problems.push(Problem::error(error.to_string()).in_file(file, 0, 0)),
    };
    if String::from_utf8_lossy(&bytes).contains(SKIP_MARKER) {
        return;
    }
    if file.ends_with(".jsonnet") {
        let problem = Problem::error("Jsonnet is not supported yet").in_file(file, 0, 0);
        return rendered.problems.push(problem.hint("exclude the file with spec.source.directory.exclude"));
    }
    match read_manifests(file, &bytes, &mut rendered.manifests) {
        Read::Understood => {}
        Read::Blank => rendered.left_out.push(file.to_owned()),
        Read::SomethingElse(problem) => {
            rendered.left_out.push(file.to_owned());
            rendered.problems.push(unrelated(*problem));
        }
        Read::Broken(problems) => rendered.problems.extend(problems),
    }
}

/// Why there is nothing to read where a file is named like a manifest.
fn no_file(tree: &FileTree, file: &str) -> Problem {
    let kind = |path: &str| tree.reader().entry(path).ok().flatten().map(|entry| entry.kind);
    let (message, hint) = match (kind(file), tree.resolve(file).ok().as_deref().map(|real| (real, kind(real)))) {
        (Some(EntryKind::Submodule), _) => (IS_SUBMODULE.to_owned(), SUBMODULE_HINT),
        (_, Some((real, Some(_)))) => {
            (format!("the symbolic link points to {real:?}, which is no file"), "name it without .yaml, or remove it")
        }
        (_, real) => {
            let real = real.map_or("nothing", |(real, _)| real);
            (format!("the symbolic link points to {real:?}, which does not exist"), "correct or remove the link")
        }
    };
    Problem::error(message).in_file(file, 0, 0).hint(hint)
}

const IS_SUBMODULE: &str = "this is a Git submodule, whose files are not read";
const SUBMODULE_HINT: &str =
    "commit the files, name its repository as a source of its own, or exclude it with spec.source.directory.exclude";

/// What Argo CD goes by to tell a broken manifest from a YAML file that means something else.
fn looks_like_a_manifest(text: &str) -> bool {
    ["apiVersion:", "kind:", "metadata:"].iter().all(|field| text.contains(field))
}

fn unrelated(problem: Problem) -> Problem {
    let message = format!("left out, it does not look like a Kubernetes manifest: {}", problem.message);
    Problem::warning(message).in_file(problem.file, problem.line, problem.column)
}

/// What a file that is named like a manifest turned out to be.
enum Read {
    /// Every document is an object, or a comment.
    Understood,
    /// Not even a comment is in it, or it has a List that does not say that there is nothing in it.
    Blank,
    /// Plainly no manifest, and nothing that could have been one.
    SomethingElse(Box<Problem>),
    /// Objects are, or may be, missing.
    Broken(Vec<Problem>),
}

/// Reads every document of a file; the good ones are kept.
fn read_manifests(file: &str, bytes: &[u8], into: &mut Vec<RenderedManifest>) -> Read {
    let text = match text(file, bytes) {
        Ok(text) => text,
        Err(problem) => return Read::Broken(vec![*problem]),
    };
    let is_json = file.ends_with(".json");
    let documents = match yaml::documents(&text, Dialect::Kubernetes) {
        Ok(documents) => documents,
        Err(error) if is_json || likeness::resembles_an_object(&text) => {
            return Read::Broken(vec![Problem::yaml(file, &error)]);
        }
        Err(error) => return Read::SomethingElse(Box::new(Problem::yaml(file, &error))),
    };
    if documents.is_empty() && is_blank(&text) {
        return Read::Blank;
    }
    let is_meant = is_json
        || looks_like_a_manifest(&text)
        || documents.iter().any(|document| document.value.as_object().is_none_or(|map| likeness::slip(map).is_some()));
    let is_silent = documents.iter().any(|document| is_silent_list(&document.value));
    let mut problems = Vec::new();
    for document in documents {
        let origin = Origin { file: file.to_owned(), line: document.line };
        let slip = misspelled(&document, &text);
        if let Err(problem) = unroll(document.value, &origin, into) {
            problems.push(slip.map_or(*problem.clone(), |(line, hint)| Problem { line, hint, ..*problem }));
        }
    }
    match problems.first() {
        None if is_silent => Read::Blank,
        None => Read::Understood,
        Some(first) if !is_meant => Read::SomethingElse(Box::new(first.clone())),
        Some(_) => Read::Broken(problems),
    }
}

/// A List that ends behind `items:`, and may have been cut there; one of nothing says `items: []`.
fn is_silent_list(value: &Value) -> bool {
    value["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) && value.get("items").is_some_and(Value::is_null)
}

/// Neither a comment nor anything else.
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| matches!(line.trim(), "" | "---" | "..."))
}

/// The line of a key that is nearly one that every object has, and what to do about it.
fn misspelled(document: &Document, text: &str) -> Option<(usize, String)> {
    let (key, meant) = likeness::slip(document.value.as_object()?).filter(|(key, meant)| key != meant)?;
    let below = text.lines().enumerate().skip(document.line.saturating_sub(1));
    let line = below.into_iter().find(|(_, line)| line.contains(key)).map_or(document.line, |(at, _)| at + 1);
    Some((line, format!("did you mean {meant} instead of {key}?")))
}

/// An object, or the items of a list of objects.
pub(crate) fn unroll(value: Value, origin: &Origin, into: &mut Vec<RenderedManifest>) -> Result<(), Box<Problem>> {
    let manifest = Manifest::new(value).map_err(|error| {
        let problem = Problem::error(error.to_string()).in_file(origin.file.clone(), origin.line, 1);
        Box::new(problem.hint("if it is no manifest, move it or exclude it with spec.source.directory.exclude"))
    })?;
    match manifest.value().get("items") {
        Some(Value::Array(items)) => {
            for item in items {
                unroll(item.clone(), origin, into)?;
            }
        }
        Some(Value::Null) if manifest.kind().ends_with("List") => {}
        _ if (manifest.api_version(), manifest.kind()) == ("v1", "List") => {
            let problem = Problem::error("a List without a list of items").in_file(origin.file.clone(), origin.line, 1);
            return Err(Box::new(problem.hint("write items: [] if there are none")));
        }
        _ => {
            placeable(&manifest).map_err(|message| {
                let problem = Problem::error(message).in_file(origin.file.clone(), origin.line, 1);
                Box::new(problem.hint("correct it: nobody can tell which object is meant"))
            })?;
            into.push(RenderedManifest { manifest, origin: origin.clone() });
        }
    }
    Ok(())
}

/// Whether it can be told which object a manifest means.
///
/// # Errors
/// What is wrong with its name or namespace.
fn placeable(manifest: &Manifest) -> Result<(), String> {
    let kind = manifest.kind();
    let none = Map::new();
    let metadata = match manifest.value().get("metadata") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return Err(format!("metadata of the {kind} is no mapping")),
    };
    for field in ["name", "generateName", "namespace"] {
        if !matches!(metadata.get(field), None | Some(Value::Null | Value::String(_))) {
            return Err(format!("metadata.{field} of the {kind} is no text: put it in quotes"));
        }
    }
    let is_there = |field: &str| metadata.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    if !is_there("name") && !is_there("generateName") {
        return Err(format!("the {kind} has no metadata.name"));
    }
    let near = |key: &&String| distance(&key.to_lowercase(), "namespace") <= 2;
    match metadata.keys().find(near).filter(|_| !metadata.contains_key("namespace")) {
        Some(key) => Err(format!("metadata.{key} of the {kind} is no field: did you mean namespace?")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;
    use crate::{Source, ToolChoice, render};

    const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    fn check(tree: MemoryTree, options: DirectoryOptions, names: &[&str], problems: &[&str], complete: bool) {
        let source = Source { path: "d".into(), tool: ToolChoice::Directory(options), ..Source::default() };
        let rendered = render(&tree.tree(), &source);
        let got: Vec<&str> = rendered.manifests.iter().map(|m| m.manifest.name()).collect();
        assert_eq!(got, names);
        let texts: Vec<String> = rendered.problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), problems.len(), "{texts:?}");
        for (text, start) in texts.iter().zip(problems) {
            assert!(text.starts_with(start), "{text}");
        }
        assert_eq!(rendered.complete(), complete);
    }

    #[test]
    fn files_of_one_folder_or_all_below() {
        let named = |name: &str| CONFIG.replace("name: a", &format!("name: {name}"));
        let tree = MemoryTree::default()
            .file("d/a.yaml", named("a"))
            .file("d/b.json", r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}"#)
            .file("d/c.txt", "text")
            .file("d/sub/d.yml", named("d"))
            .file("d/skipped.yaml", format!("# {SKIP_MARKER}\n{CONFIG}"))
            .file("other/e.yaml", named("e"));
        let recurse = DirectoryOptions { recurse: true, ..Default::default() };
        check(tree.clone(), DirectoryOptions::default(), &["a", "b"], &[], true);
        check(tree.clone(), recurse.clone(), &["a", "b", "d"], &[], true);
        let include = DirectoryOptions { include: "*.yml".into(), ..recurse.clone() };
        check(tree.clone(), include, &["d"], &[], true);
        let exclude = DirectoryOptions { exclude: "{sub/*,*.json}".into(), ..recurse };
        check(tree, exclude, &["a"], &[], true);
    }

    #[test]
    fn documents_and_lists_are_unrolled() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}}\n- {apiVersion: v1, kind: Secret, metadata: {name: t}}\n";
        let tree = MemoryTree::default().file("d/a.yaml", format!("---\n{CONFIG}---\n# nothing\n---\n{list}"));
        check(tree, DirectoryOptions::default(), &["a", "s", "t"], &[], true);
    }

    #[test]
    fn a_bad_file_does_not_hide_the_others() {
        let tree = MemoryTree::default()
            .file("d/a.yaml", CONFIG)
            .file("d/bad.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: [x\nspec: {}\n")
            .file("d/values.yaml", "replicas: 3\n")
            .link("d/out.yaml", "../../etc/passwd");
        let problems =
            ["d/bad.yaml:5:", "d/out.yaml: d/out.yaml: the symbolic link points to", "d/values.yaml:1:1: left out"];
        check(tree, DirectoryOptions::default(), &["a"], &problems, false);
    }

    #[test]
    fn bad_sources_say_what_to_do() {
        let tree = MemoryTree::default().file("apps/shop/a.yaml", CONFIG).tree();
        let text = |path: &str| render(&tree, &Source::auto(path)).problems[0].to_string();
        assert!(text("app/shop").contains("did you mean apps/shop?"), "{}", text("app/shop"));
        assert!(text("../x").contains("leaves the repository"));
        assert!(render(&tree, &Source::auto("apps/shop")).complete());
    }
}
