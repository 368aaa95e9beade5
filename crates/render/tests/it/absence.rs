//! What is not there is not wanted, and is deleted: so a file that cannot be understood may never look like one that is not
//! there.

use object::MemoryTree;
use render::{DirectoryOptions, HelmOptions, Rendered, Source, ToolChoice, render};

const GOOD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n";
const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n";

fn directory(tree: MemoryTree, recurse: bool) -> Rendered {
    let tool = ToolChoice::Directory(DirectoryOptions { recurse, ..DirectoryOptions::default() });
    render(&tree.tree(), &Source { path: "d".into(), tool, ..Source::default() })
}

fn utf16(text: &str, mark: &[u8]) -> Vec<u8> {
    mark.iter().copied().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

/// The whole set is not known, and the file is named with what is wrong and what to do.
fn incomplete(rendered: &Rendered, place: &str, part: &str) {
    assert!(!rendered.complete(), "{place}: {part}");
    let problem = rendered.errors().next().unwrap();
    assert_eq!(problem.place(), place, "{problem}");
    assert!(problem.message.contains(part) || problem.hint.contains(part), "{problem}");
}

#[test]
fn a_file_of_the_folder_is_understood_or_a_problem() {
    let text = |text: &str| text.as_bytes().to_vec();
    for (name, bytes, place, part) in [
        ("b.yaml", text(LFS), "d/b.yaml:1", "Git LFS pointer"),
        ("b.yml", [GOOD.as_bytes(), b"# \0\n"].concat(), "d/b.yml:4", "NUL"),
        ("b.yaml", utf16(GOOD, b""), "d/b.yaml:1", "NUL"),
        ("b.yaml", [GOOD.as_bytes(), b"# \xff\n"].concat(), "d/b.yaml:4", "not UTF-8"),
        ("b.yaml", text(&GOOD.replace("kind", "knd")), "d/b.yaml:2:1", "did you mean kind instead of knd?"),
        ("b.yaml", text(&GOOD.replace("kind", "Kind")), "d/b.yaml:2:1", "did you mean kind instead of Kind?"),
        ("b.yaml", text(&GOOD.replace("apiVersion", "apiversion")), "d/b.yaml:1:1", "did you mean apiVersion"),
        ("b.yaml", text("metadata: {name: x}\ndata: {}\n"), "d/b.yaml:1:1", "apiVersion is missing"),
        ("b.yaml", text("kind: ConfigMap\nmetadata: {name: x}\n"), "d/b.yaml:1:1", "apiVersion is missing"),
        ("b.yaml", text("apiVersion: v1\nkind: {a: b}\n"), "d/b.yaml:1:1", "kind is missing or not a text"),
        ("b.yaml", text(&format!("a: 1\n---\n{GOOD}")), "d/b.yaml:1:1", "apiVersion is missing"),
        ("b.yaml", text(&format!("{GOOD}---\n- a\n")), "d/b.yaml:5:1", "found a list"),
        ("b.yaml", text("- apiVersion: v1\n  kind: Secret\n"), "d/b.yaml:1:1", "found a list"),
        ("b.yaml", text("../shared/b.yaml\n"), "d/b.yaml:1:1", "found a text"),
        ("b.json", text("{\"a\": 1}"), "d/b.json:1:1", "apiVersion is missing"),
        ("b.yaml", text("<<<<<<< HEAD\nkind: Pod\n=======\n"), "d/b.yaml:2:5", ""),
        ("b.yaml", text("knd: Pod\nmetadata: {name: [x\n"), "d/b.yaml:3:1", ""),
        ("b.yaml", text(&GOOD.replace("name:", "nam:")), "d/b.yaml:1:1", "no metadata.name"),
        (
            "b.yaml",
            text(&GOOD.replace("name: good", "name: 12")),
            "d/b.yaml:1:1",
            "metadata.name of the ConfigMap is no text",
        ),
        (
            "b.yaml",
            text(&GOOD.replace("name: good", "name: a, namspace: b")),
            "d/b.yaml:1:1",
            "did you mean namespace?",
        ),
        ("b.yaml", text(&GOOD.replace("name: good", "name: a, namespace: 7")), "d/b.yaml:1:1", "metadata.namespace"),
        ("b.yaml", text("apiVersion: v1\nkind: List\nitms: []\n"), "d/b.yaml:1:1", "without a list of items"),
        ("b.yaml", text("apiVersion: v1\nkind: List\nitems: [~]\n"), "d/b.yaml:1:1", "found nothing"),
    ] {
        let rendered = directory(MemoryTree::default().file("d/a.yaml", GOOD).file(&format!("d/{name}"), bytes), false);
        incomplete(&rendered, place, part);
        assert!(rendered.manifests.iter().any(|m| m.manifest.name() == "good"), "the others are there: {place}");
    }
}

#[test]
fn what_is_plainly_something_else_stays_out() {
    for (text, left_out, warnings) in [
        ("replicas: 3\nimage: {tag: v1}\n", true, 1),
        ("appVersion: 1.2.3\nbind: all\n", true, 1),
        ("replicas: [\n", true, 1),
        ("# apiVersion: v1\n# kind: Pod\n", false, 0),
        ("---\n\n---\n", true, 0),
        ("", true, 0),
        ("# +argocd:skip-file-rendering\nkind: [\n", false, 0),
        // cut behind `items:`, or empty
        ("apiVersion: v1\nkind: List\nitems:\n", true, 0),
        ("apiVersion: v1\nkind: ConfigMapList\nitems: null\n", true, 0),
        ("apiVersion: v1\nkind: List\nitems: []\n", false, 0),
    ] {
        let rendered = directory(MemoryTree::default().file("d/a.yaml", GOOD).file("d/b.yaml", text), false);
        assert!(rendered.complete(), "{text:?}: {:?}", rendered.problems);
        assert_eq!(rendered.problems.len(), warnings, "{text:?}");
        assert_eq!(!rendered.left_out.is_empty(), left_out, "{text:?}");
    }
    let tree =
        MemoryTree::default().file("d/a.yaml", utf16(GOOD, b"\xff\xfe")).file("d/b.yaml", format!("---\n{GOOD}---\n"));
    let rendered = directory(tree, false);
    assert!(rendered.complete() && rendered.left_out.is_empty(), "{:?}", rendered.problems);
    assert_eq!(rendered.manifests.len(), 2, "UTF-16 with a byte order mark is read, as Argo CD does");
}

#[test]
fn links_and_submodules_are_not_passed_over() {
    let tree = || MemoryTree::default().file("d/a.yaml", GOOD).file("e/x", "");
    for (tree, recurse, place, part) in [
        (tree().link("d/b.yaml", "c.yaml"), false, "d/b.yaml", "\"d/c.yaml\", which does not exist"),
        (tree().link("d/b.yaml", "../e"), false, "d/b.yaml", "\"e\", which is no file"),
        (tree().link("d/b.yaml", "../../etc/passwd"), false, "d/b.yaml", "outside of the repository"),
        (tree().link("d/b.yaml", "b.yaml"), false, "d/b.yaml", "remove the loop"),
        (tree().link("d/Kustomization", "gone"), false, "d/Kustomization", "does not exist"),
        (tree().submodule("d/b.yaml"), false, "d/b.yaml", "Git submodule"),
        (tree().submodule("d/sub"), true, "d/sub", "Git submodule"),
        (MemoryTree::default().submodule("d"), false, "d", "Git submodule"),
    ] {
        incomplete(&directory(tree, recurse), place, part);
    }
    let exclude = DirectoryOptions { recurse: true, exclude: "sub/*".into(), ..DirectoryOptions::default() };
    let source = Source { path: "d".into(), tool: ToolChoice::Directory(exclude), ..Source::default() };
    assert!(render(&tree().submodule("d/sub").tree(), &source).complete(), "it was excluded");
    assert!(directory(tree().submodule("d/sub"), false).complete(), "nobody looks below");
    assert_eq!(directory(tree().link("d/sub", "../e"), true).left_out, ["d/sub"]);
    // not read for its name, as in Argo CD
    let named = directory(tree().file("d/b.YAML", GOOD).file("d/c.txt", GOOD), false);
    assert_eq!((named.left_out, named.manifests.len()), (vec!["d/b.YAML".to_owned()], 1));
}

#[test]
fn kustomizations_read_whole_files() {
    let kustomization = |text: &str| MemoryTree::default().file("d/kustomization.yaml", text).file("d/a.yaml", GOOD);
    let resources = || kustomization("resources:\n- a.yaml\n- b.yaml\n");
    for (tree, place, part) in [
        (kustomization(LFS), "d/kustomization.yaml:1", "Git LFS pointer"),
        (resources().file("d/b.yaml", LFS), "d/b.yaml:1", "Git LFS pointer"),
        (resources().file("d/b.yaml", utf16(GOOD, b"\xff\xfe")), "d/b.yaml:1", "not UTF-8"),
        (resources().file("d/b.yaml", utf16(GOOD, b"")), "d/b.yaml:1:2", "control characters"),
        (resources().file("d/b.yaml", GOOD.replace("kind", "knd")), "d/b.yaml:1", "kind is missing"),
        (resources().link("d/b.yaml", "gone.yaml"), "d/kustomization.yaml:3", "b.yaml does not exist"),
        (resources().submodule("d/b.yaml"), "d/kustomization.yaml:3", "b.yaml does not exist"),
        (
            kustomization("configMapGenerator:\n- name: x\n  files: [b.txt]\n").file("d/b.txt", LFS),
            "d/b.txt:1",
            "Git LFS pointer",
        ),
    ] {
        incomplete(&render(&tree.tree(), &Source::auto("d")), place, part);
    }
}

#[test]
fn charts_read_whole_files() {
    let chart = || MemoryTree::default().file("d/Chart.yaml", "apiVersion: v2\nname: x\nversion: 1.0.0\n");
    let latin = [GOOD.as_bytes(), b"# \xff\n"].concat();
    for (tree, place, part) in [
        (chart().file("d/templates/a.yaml", LFS), "d/templates/a.yaml:1", "Git LFS pointer"),
        (chart().file("d/templates/_a.tpl", LFS), "d/templates/_a.tpl:1", "Git LFS pointer"),
        (chart().file("d/templates/a.yaml", latin.clone()), "d/templates/a.yaml", "not UTF-8"),
        (chart().file("d/templates/a.yaml", utf16(GOOD, b"\xff\xfe")), "d/templates/a.yaml", "not UTF-8"),
        (chart().file("d/templates/a.yaml", utf16(GOOD, b"")), "d/templates/a.yaml", ""),
        (chart().file("d/templates/a.yaml", GOOD.replace("kind", "knd")), "d/templates/a.yaml:1:1", "kind is missing"),
        (chart().file("d/templates/a.yaml", "- a\n"), "d/templates/a.yaml", "a list"),
        (chart().file("d/templates/a.yaml", "text\n"), "d/templates/a.yaml", "a text"),
        (chart().file("d/crds/a.yaml", LFS), "d/crds/a.yaml:1", "Git LFS pointer"),
        (chart().file("d/crds/a.yaml", latin), "d/crds/a.yaml:4", "not UTF-8"),
        (chart().file("d/crds/a.yaml", "a: 1\n"), "d/crds/a.yaml:1:1", "apiVersion is missing"),
        (chart().file("d/values.yaml", LFS), "d/values.yaml:1", "Git LFS pointer"),
        (chart().submodule("d/templates/more"), "d/templates/more", "Git submodule"),
        (chart().submodule("d/charts/kid"), "d/charts/kid", "Git submodule"),
        (chart().link("d/templates/a.yaml", "gone.yaml"), "d/templates/a.yaml", "does not exist"),
    ] {
        let rendered = render(&tree.tree(), &Source::auto("d"));
        assert!(!rendered.complete(), "{place} {part}");
        let problem = rendered.errors().next().unwrap();
        assert_eq!(problem.place(), place, "{problem}");
        assert!(problem.message.contains(part), "{problem}");
    }
}

#[test]
fn value_files_are_read_whole() {
    let chart = || {
        let tree = MemoryTree::default().file("d/Chart.yaml", "apiVersion: v2\nname: x\nversion: 1.0.0\n");
        tree.file("d/env/a.yaml", "a: 1\n").file("d/templates/a.yaml", GOOD)
    };
    for (tree, files, part) in [
        (chart().file("d/v.yaml", LFS), "v.yaml", "Git LFS pointer"),
        (chart().file("d/v.yaml", "- a\n"), "v.yaml", "must be a mapping"),
        (chart().file("d/v.yaml", utf16("a: 1\n", b"\xff\xfe")), "v.yaml", "UTF-8"),
        (chart().link("d/v.yaml", "gone.yaml"), "v.yaml", "points to nothing"),
        (chart().link("d/v.yaml", "../../x"), "v.yaml", "outside of the repository"),
        (chart().link("d/env/b.yaml", "gone.yaml"), "env/*.yaml", "points to nothing"),
    ] {
        let options = HelmOptions {
            value_files: vec![files.to_owned()],
            ignore_missing_value_files: true,
            ..HelmOptions::default()
        };
        let tool = ToolChoice::Helm(Box::new(options));
        let rendered = render(&tree.tree(), &Source { path: "d".into(), tool, ..Source::default() });
        assert!(!rendered.complete(), "{part}");
        let problem = rendered.errors().next().unwrap().to_string();
        assert!(problem.contains(part), "{problem}");
    }
}

#[test]
fn a_look_at_its_lines_tells_whether_a_file_gave_objects() {
    for (text, names) in [(GOOD, true), ("{\"apiVersion\": \"v1\"}", true), ("replicas: 3\n", false), (LFS, false)] {
        assert_eq!(render::names_an_object("x", text.as_bytes()), names, "{text}");
    }
}
