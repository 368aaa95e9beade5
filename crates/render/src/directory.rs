//! Plain manifest files, as Argo CD 3.5 reads a `directory` source (`reposerver/repository`: `findManifests`).

use globset::{GlobBuilder, GlobMatcher};
use object::yaml::{self, Dialect};
use object::{EntryKind, FileTree, Manifest};
use serde_json::Value;

use crate::{DirectoryOptions, Origin, Problem, Rendered, RenderedManifest, Tool};

/// A file that holds this text is left out.
const SKIP_MARKER: &str = "+argocd:skip-file-rendering";

pub(crate) fn render(tree: &FileTree, folder: &str, options: &DirectoryOptions) -> Rendered {
    let mut rendered = Rendered { tool: Tool::Directory, ..Rendered::default() };
    for file in files(tree, folder, options, &mut rendered.problems) {
        render_file(tree, &file, &mut rendered);
    }
    rendered
}

/// The manifest files that a directory source reads, in order.
pub(crate) fn files(
    tree: &FileTree,
    folder: &str,
    options: &DirectoryOptions,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let mut files = Vec::new();
    match Filter::new(options) {
        Ok(filter) => walk(tree, folder, folder, options.recurse, &filter, (&mut files, problems)),
        Err(problem) => problems.push(*problem),
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
    (files, problems): (&mut Vec<String>, &mut Vec<Problem>),
) {
    let entries = match tree.list(folder) {
        Ok(entries) => entries.unwrap_or_default(),
        Err(error) => return problems.push(Problem::error(error.to_string()).in_file(folder, 0, 0)),
    };
    for entry in entries {
        let full = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
        let relative = full.strip_prefix(root).unwrap_or(&full).trim_start_matches('/');
        match entry.kind {
            EntryKind::Folder if recurse => walk(tree, root, &full, recurse, filter, (files, problems)),
            EntryKind::File | EntryKind::Symlink if is_manifest_name(&entry.name) && filter.takes(relative) => {
                files.push(full);
            }
            _ => {}
        }
    }
}

fn is_manifest_name(name: &str) -> bool {
    [".yaml", ".yml", ".json", ".jsonnet"].iter().any(|end| name.ends_with(end))
}

fn render_file(tree: &FileTree, file: &str, rendered: &mut Rendered) {
    let text = match tree.read(file) {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        // a link to a folder, or to nothing: Argo CD leaves it out as well
        Ok(None) => return,
        Err(error) => return rendered.problems.push(Problem::error(error.to_string()).in_file(file, 0, 0)),
    };
    if text.contains(SKIP_MARKER) {
        return;
    }
    if file.ends_with(".jsonnet") {
        let problem = Problem::error("Jsonnet is not supported yet").in_file(file, 0, 0);
        return rendered.problems.push(problem.hint("exclude the file with spec.source.directory.exclude"));
    }
    let before = rendered.manifests.len();
    if let Err(problem) = read_manifests(file, &text, &mut rendered.manifests) {
        let in_use = rendered.manifests.len() > before || looks_like_a_manifest(&text) || file.ends_with(".json");
        rendered.problems.push(if in_use { *problem } else { unrelated(*problem) });
    }
}

/// What Argo CD goes by to tell a broken manifest from a YAML file that means something else.
fn looks_like_a_manifest(text: &str) -> bool {
    ["apiVersion:", "kind:", "metadata:"].iter().all(|field| text.contains(field))
}

fn unrelated(problem: Problem) -> Problem {
    let message = format!("left out, it does not look like a Kubernetes manifest: {}", problem.message);
    Problem::warning(message).in_file(problem.file, problem.line, problem.column)
}

/// Reads every document of a file; those before the first bad one are kept.
fn read_manifests(file: &str, text: &str, into: &mut Vec<RenderedManifest>) -> Result<(), Box<Problem>> {
    let documents =
        yaml::documents(text, Dialect::Kubernetes).map_err(|error| Box::new(Problem::yaml(file, &error)))?;
    for document in documents {
        let origin = Origin { file: file.to_owned(), line: document.line };
        unroll(document.value, &origin, into)?;
    }
    Ok(())
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
        _ => into.push(RenderedManifest { manifest, origin: origin.clone() }),
    }
    Ok(())
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
