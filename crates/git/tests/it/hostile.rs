//! Repositories that were made by hand to lead somebody astray.

use std::path::Path;
use std::process::{Command, Stdio};

use git::{CommitId, GitError};
use object::{FileTree, TreeError};
use test_support::GitRepo;

use crate::host;

/// Writes what Git itself would refuse to write, and gives its id.
fn object(repository: &Path, kind: &str, bytes: &[u8]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(repository).args(["hash-object", "--literally", "-w", "--stdin", "-t", kind]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

/// Entries with mode, name and object.
fn tree(repository: &Path, entries: &[(&str, &[u8], &str)]) -> String {
    let raw = |id: &str| (0..20).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()).collect::<Vec<_>>();
    let entry =
        |(mode, name, id): &(&str, &[u8], &str)| [format!("{mode} ").as_bytes(), name, b"\0", &raw(id)].concat();
    object(repository, "tree", &entries.iter().map(entry).collect::<Vec<_>>().concat())
}

/// A commit with that tree on the branch, without parents.
fn commit(repo: &GitRepo, branch: &str, tree: &str) -> CommitId {
    let who = "ann <ann@example.com> 1767225600 +0000";
    let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nby hand\n");
    let id = object(&repo.path(), "commit", text.as_bytes()).parse().unwrap();
    repo.point(&format!("refs/heads/{branch}"), id);
    id
}

async fn over_http(repo: &GitRepo, commit: CommitId) -> Result<FileTree, GitError> {
    let server = host::start(repo, |_, answer| answer);
    let git = host::open(repo, &server);
    git.refresh().await?;
    git.tree(commit).await
}

/// Everything that is below, one by one; `most` folders.
fn walk(tree: &FileTree, most: usize) -> Result<usize, TreeError> {
    let (mut todo, mut seen) = (vec![String::new()], 0);
    while let Some(folder) = todo.pop() {
        seen += 1;
        assert!(seen <= most, "there is no end");
        let entries = tree.list(&folder)?.unwrap_or_default();
        todo.extend(entries.iter().map(|entry| object::path::child(&folder, &entry.name)));
    }
    Ok(seen)
}

#[tokio::test]
async fn a_tree_that_git_would_not_check_out_is_not_read() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let path = repo.path();
    let blob = object(&path, "blob", b"kind: Secret\n");
    let folder = tree(&path, &[("100644", b"x.yaml", &blob)]);
    let names: [&[u8]; 9] = [b"..", b".", b".git", b".GIT", b"../../etc", b"a/b", b"/etc", b"sub//x", b""];
    for (number, name) in names.into_iter().enumerate() {
        for mode in ["40000", "100644"] {
            let id = if mode == "40000" { &folder } else { &blob };
            let app = tree(&path, &[(mode, name, id), ("100644", b"z.yaml", &blob)]);
            let root = tree(&path, &[("40000", b"app", &app)]);
            let head = commit(&repo, &format!("bad-{number}-{mode}"), &root);
            let shown = String::from_utf8_lossy(name);
            let mut trees = vec![repo.open().tree(head).await.unwrap()];
            if mode == "40000" && number < 3 {
                trees.push(over_http(&repo, head).await.unwrap());
            }
            for tree in trees {
                let error = tree.list("app").expect_err(&shown).to_string();
                assert!(error.starts_with("app: ") && error.contains(&format!("{shown:?}")), "{shown}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn of_two_entries_with_one_name_none_is_believed() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let path = repo.path();
    let blobs = [b"a: 1\n", b"a: 2\n"].map(|bytes| object(&path, "blob", bytes));
    // the second pair differs, but not where only Unicode is read
    for (branch, pair) in [("same", [b"a.yaml".as_slice(), b"a.yaml"]), ("read", [b"\xff.yaml", b"\xfe.yaml"])] {
        let root = tree(&path, &[("100644", pair[0], &blobs[0]), ("100644", pair[1], &blobs[1])]);
        let head = commit(&repo, branch, &root);
        let error = repo.open().tree(head).await.unwrap().list("").unwrap_err().to_string();
        assert!(error.contains("is there twice"), "{error}");
    }
    // names of which only capitals or the form of an accent differ are two
    let [small, large, composed, apart] = ["values.yaml", "Values.yaml", "\u{e9}.yaml", "e\u{301}.yaml"];
    let entries = [large, apart, small, composed].map(|name| ("100644", name.as_bytes(), blobs[0].as_str()));
    let head = commit(&repo, "kept-apart", &tree(&path, &entries));
    let tree = repo.open().tree(head).await.unwrap();
    assert_eq!(tree.list("").unwrap().unwrap().len(), 4);
    assert!(tree.read(composed).unwrap().is_some() && tree.read(apart).unwrap().is_some());
}

#[tokio::test]
async fn folders_without_end_end_in_an_error() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let path = repo.path();
    let mut folder = tree(&path, &[("100644", b"x.yaml", &object(&path, "blob", b"a: 1\n"))]);
    let name = [b'n'; 100];
    for _ in 0..50 {
        folder = tree(&path, &[("40000", &name, &folder)]);
    }
    let deep = repo.open().tree(commit(&repo, "deep", &folder)).await.unwrap();
    let error = walk(&deep, 100).unwrap_err();
    assert!(matches!(error, TreeError::TooDeep { .. }) && error.to_string().len() < 300, "{error}");
    // forty objects, more paths than atoms in a grain of sand
    let bombs = ["a: 1\n", "a: 2\n"].map(|text| {
        let mut bomb = tree(&path, &[("100644", b"x.yaml", &object(&path, "blob", text.as_bytes()))]);
        for _ in 0..18 {
            let names: Vec<String> = (0..10).map(|name| format!("f{name}")).collect();
            let entries: Vec<_> = names.iter().map(|name| ("40000", name.as_bytes(), bomb.as_str())).collect();
            bomb = tree(&path, &entries);
        }
        bomb
    });
    let git = repo.open();
    let [old, new] = [commit(&repo, "old", &bombs[0]), commit(&repo, "new", &bombs[1])];
    let (old, new) = (git.tree(old).await.unwrap(), git.tree(new).await.unwrap());
    let error = object::differences(&old, &new).unwrap_err();
    assert!(matches!(error, TreeError::TooMany { .. }), "{error}");
}
