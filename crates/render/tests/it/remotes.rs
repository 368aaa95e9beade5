//! Bases in other repositories: wanted first, used once they were fetched, closed in themselves.

use object::MemoryTree;
use render::{RemoteRevision, RemoteTree, Remotes, Source, remote, render};

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\n";
const ENTRY: &str = "https://git.example.com/acme/infra//base?ref=v1";

fn revision() -> RemoteRevision {
    RemoteRevision { url: "https://git.example.com/acme/infra".into(), revision: "v1".into() }
}

/// Renders an overlay of the remote base, whose repository has `remote`, and gives names of objects or the problems.
fn check(remote: MemoryTree, wanted: &[&str]) {
    let own = MemoryTree::default()
        .file("prod/kustomization.yaml", format!("namePrefix: prod-\nresources:\n- {ENTRY}\n"))
        .file("secret.yaml", SECRET);
    let mut source = Source::auto("prod");
    let tree = own.tree();
    assert_eq!(remote::wanted(&tree, &source).revisions.into_iter().collect::<Vec<_>>(), [revision()]);
    let without = render(&tree, &source).problems[0].to_string();
    assert!(without.contains("was not fetched") && without.contains("prod/kustomization.yaml:3"), "{without}");
    let mut remotes = Remotes::default();
    remotes.insert(revision(), RemoteTree { commit: "c0ffee".into(), tree: remote.tree() });
    source.remotes = remotes;
    let rendered = render(&tree, &source);
    let names = rendered.manifests.iter().map(|m| m.manifest.key().name);
    let texts: Vec<String> = names.chain(rendered.problems.iter().map(ToString::to_string)).collect();
    assert_eq!(texts.len(), wanted.len(), "{texts:?}");
    for (text, part) in texts.iter().zip(wanted) {
        assert!(text.contains(part), "{text} has no {part:?}");
    }
    assert!(rendered.reads.paths().all(|path| !path.starts_with(".git")), "{:?}", rendered.reads);
    assert!(rendered.reads.holds_in(&tree));
}

fn base(resources: &str) -> MemoryTree {
    MemoryTree::default()
        .file("base/kustomization.yaml", format!("resources: [{resources}]\n"))
        .file("base/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
        .file("shared/kustomization.yaml", "resources: [b.yaml]\n")
        .file("shared/b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")
}

#[test]
fn a_remote_base_and_its_neighbours() {
    check(base("a.yaml, ../shared"), &["prod-a", "prod-b"]);
}

#[test]
fn a_remote_base_sees_its_own_files_only() {
    let up = "../".repeat(7);
    check(base(&format!("a.yaml, {up}secret.yaml")), &["leaves the repository"]);
    check(base(&format!("a.yaml, {up}prod")), &["leaves the repository"]);
    check(base("link.yaml").link("base/link.yaml", &format!("{up}secret.yaml")), &["leaves the repository"]);
}

#[test]
fn folders_that_are_not_there() {
    check(MemoryTree::default().file("other/x.yaml", ""), &["has no folder \"base\""]);
}

#[test]
fn remote_bases_of_remote_bases() {
    let mut source = Source::auto("prod");
    let tree = MemoryTree::default().file("prod/kustomization.yaml", format!("resources: [\"{ENTRY}\"]\n")).tree();
    let inner = base("\"https://git.example.com/acme/more?ref=main\"");
    source.remotes.insert(revision(), RemoteTree { commit: "1".into(), tree: inner.tree() });
    let more = RemoteRevision { url: "https://git.example.com/acme/more".into(), revision: "main".into() };
    assert!(remote::wanted(&tree, &source).revisions.iter().eq([&more]));
    let outer = MemoryTree::default().file("kustomization.yaml", format!("resources: [\"{ENTRY}\"]\n"));
    source.remotes.insert(more, RemoteTree { commit: "2".into(), tree: outer.tree() });
    let rendered = render(&tree, &source);
    assert!(rendered.problems[0].message.contains("is a cycle"), "{:?}", rendered.problems);
}
