use git::{GitError, PushError, Write};
use test_support::GitRepo;

fn write(base: git::CommitId, path: &str, content: &str) -> Write {
    let (author, committer) = (GitRepo::author("bot"), GitRepo::author("bot"));
    let edits = vec![(path.to_owned(), Some(content.as_bytes().to_vec()))];
    Write {
        branch: "main".into(),
        base,
        merge: None,
        edits,
        tag: None,
        sign: None,
        message: "Change it\n\nPromotion-Id: p1\n".into(),
        author,
        committer,
    }
}

#[tokio::test]
async fn a_commit_changes_one_file_and_keeps_the_others() {
    let repo = GitRepo::with_files(&[("a/x", "1"), ("a/y", "2"), ("z", "3")]);
    let git = repo.open();
    let first = git.head_of("main").await.unwrap();
    let second = git.commit_and_push(write(first, "a/x", "new")).await.unwrap();
    assert_eq!(git.changed_paths(first, second).await.unwrap(), ["a/x"]);
    assert_eq!(repo.text("a/y").await, "2");
    let [info] = git.log(second, Some(first), 10).await.unwrap().try_into().unwrap();
    assert_eq!((info.subject.as_str(), info.trailers.get("Promotion-Id")), ("Change it", Some("p1")));
    assert_eq!(info.parents, [first]);
    let found = async |id: &str, since| {
        let commits = git.with_trailer("main", "Promotion-Id", id, since).await.unwrap();
        commits.iter().map(|commit| commit.id).collect::<Vec<_>>()
    };
    assert_eq!(found("p1", Some(first)).await, [second]);
    assert_eq!(found("p2", None).await, []);
}

#[tokio::test]
async fn of_two_pushes_on_one_base_exactly_one_wins() {
    let repo = GitRepo::with_files(&[("x", "1")]);
    let (one, two) = (repo.open(), repo.open());
    let base = one.head_of("main").await.unwrap();
    assert_eq!(two.head_of("main").await.unwrap(), base);
    let won = one.commit_and_push(write(base, "x", "one")).await.unwrap();
    let lost = two.commit_and_push(write(base, "x", "two")).await.unwrap_err();
    assert!(matches!(&lost, PushError::Stale { found, .. } if *found == won.to_string()), "{lost}");
    assert_eq!(repo.text("x").await, "one");
}

#[tokio::test]
async fn a_branch_is_merged_and_the_commit_gets_a_tag_at_once() {
    let chart = "name: shop\nport: 80\n\nimage:\n  tag: 1\n";
    let repo = GitRepo::with_files(&[("chart", chart), ("mode", "x")]);
    let git = repo.open();
    let first = git.head_of("main").await.unwrap();
    repo.point("refs/heads/release", first);
    repo.point("refs/tags/v1.0", first);
    let chart = |port: &str, tag: &str| format!("name: shop\nport: {port}\n\nimage:\n  tag: {tag}\n");
    repo.commit_to("release", "bot", &[("chart", Some(&chart("80", "2")))], "promote").await;
    let main = repo.commit("dev", &[("chart", Some(&chart("81", "1"))), ("new", Some("n"))], "work").await;
    git.refresh().await.unwrap();
    let release = git.head_of("release").await.unwrap();
    let merged = git.merged(release, main).await.unwrap();
    assert_eq!(merged.read("chart").unwrap().unwrap().as_ref(), chart("81", "2").as_bytes());

    let release_write = |tag: &str| Write {
        branch: "release".into(),
        merge: Some(main),
        tag: Some(tag.to_owned()),
        ..write(release, "chart", &chart("81", "3"))
    };
    assert_eq!(git.highest_tag("v1.*").await.unwrap(), Some(("v1.0".to_owned(), first)));
    let taken = git.commit_and_push(release_write("v1.0")).await.unwrap_err();
    assert!(matches!(&taken, PushError::Stale { name, .. } if name == "v1.0"), "{taken}");
    assert_eq!(repo.open().head_of("release").await.unwrap(), release, "all or nothing");
    let commit = git.commit_and_push(release_write("v1.1")).await.unwrap();
    let seen = repo.open();
    assert_eq!(seen.highest_tag("v1.*").await.unwrap(), Some(("v1.1".to_owned(), commit)));
    assert_eq!(seen.head_of("release").await.unwrap(), commit);
    assert_eq!(seen.log(commit, None, 1).await.unwrap()[0].parents, [release, main]);
    assert!(seen.holds(commit, main).await.unwrap() && !seen.holds(main, release).await.unwrap());
    let tree = seen.tree(commit).await.unwrap();
    assert_eq!(tree.read("chart").unwrap().unwrap().as_ref(), chart("81", "3").as_bytes());
    assert_eq!(tree.read("new").unwrap().unwrap().as_ref(), b"n");
}

#[tokio::test]
async fn a_merge_that_conflicts_names_the_files() {
    let repo = GitRepo::with_files(&[("a/chart", "tag: 1\n"), ("b", "1")]);
    let git = repo.open();
    repo.point("refs/heads/release", git.head_of("main").await.unwrap());
    let release = repo.commit_to("release", "bot", &[("a/chart", Some("tag: 2\n"))], "promote").await;
    let main = repo.commit("dev", &[("a/chart", Some("tag: 3\n")), ("b", Some("2"))], "work").await;
    git.refresh().await.unwrap();
    let error = git.merged(release, main).await.unwrap_err();
    assert!(matches!(&error, GitError::MergeConflict { paths, .. } if paths == "a/chart"), "{error}");
}

#[tokio::test]
async fn a_hook_that_could_decline_is_not_bypassed() {
    use std::os::unix::fs::PermissionsExt;
    let repo = GitRepo::with_files(&[("x", "1")]);
    let hook = repo.path().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let git = repo.open();
    let base = git.head_of("main").await.unwrap();
    assert!(matches!(git.commit_and_push(write(base, "x", "2")).await, Err(PushError::Declined { .. })));
    assert_eq!(repo.text("x").await, "1");
}

#[tokio::test]
async fn revisions_resolve_and_unknown_ones_name_what_there_is() {
    let repo = GitRepo::with_files(&[("x", "1")]);
    let git = repo.open();
    let head = git.head_of("main").await.unwrap();
    for revision in ["", "HEAD", "main", "refs/heads/main", &head.to_string(), &head.to_string()[..8]] {
        assert_eq!(git.resolve(revision).await.unwrap(), head, "{revision:?}");
    }
    let error = git.resolve("release").await.unwrap_err();
    assert!(matches!(error, GitError::Revision { .. }) && error.to_string().contains("main"), "{error}");
    assert_eq!(git.branch_of("HEAD").await.unwrap().as_deref(), Some("main"));
    assert_eq!(git.branch_of(&head.to_string()).await.unwrap(), None);
}

#[tokio::test]
async fn a_revert_keeps_what_came_later() {
    let repo = GitRepo::with_files(&[("k", "name: a\nnewTag: 1\nother: x\nmore: y\n"), ("q", "1")]);
    let bad = repo.commit("bot", &[("k", Some("name: a\nnewTag: 2\nother: x\nmore: y\n"))], "promote").await;
    repo.commit("dev", &[("k", Some("name: a\nnewTag: 2\nother: x\nmore: z\n")), ("q", Some("2"))], "later").await;
    let git = repo.open();
    let head = git.head_of("main").await.unwrap();
    let edits = git.revert_edits(bad, head).await.unwrap();
    let text = |i: usize| String::from_utf8(edits[i].1.clone().unwrap()).unwrap();
    assert_eq!((edits.len(), text(0).as_str()), (1, "name: a\nnewTag: 1\nother: x\nmore: z\n"));
    repo.commit("dev", &[("k", Some("name: a\nnewTag: 3\nother: x\nmore: z\n"))], "again").await;
    git.refresh().await.unwrap();
    let head = git.head_of("main").await.unwrap();
    assert!(matches!(git.revert_edits(bad, head).await, Err(GitError::RevertConflict { .. })));
}

#[tokio::test]
async fn a_push_by_somebody_else_is_noticed_and_a_deleted_repository_is_an_error() {
    let repo = GitRepo::with_files(&[("x", "1")]);
    let git = repo.open();
    git.refresh().await.unwrap();
    let mut changes = git.changes();
    let pushed = repo.commit("dev", &[("x", Some("2"))], "push").await;
    changes.changed().await.unwrap();
    assert_eq!(git.refresh().await.unwrap()["refs/heads/main"], pushed);
    std::fs::remove_dir_all(repo.path()).unwrap();
    assert!(matches!(git.refresh().await, Err(GitError::NotFound { .. })));
}

#[tokio::test]
async fn trees_are_read_from_objects() {
    let repo = GitRepo::with_files(&[("a/b/c.yaml", "c"), ("a/d.yaml", "d")]);
    let git = repo.open();
    let tree = git.tree(git.head_of("main").await.unwrap()).await.unwrap();
    assert_eq!(tree.list("a").unwrap().unwrap().iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["b", "d.yaml"]);
    assert_eq!(tree.read("a/b/c.yaml").unwrap().unwrap().as_ref(), b"c");
    let reads = tree.reads();
    repo.commit("dev", &[("a/d.yaml", Some("other"))], "unrelated").await;
    git.refresh().await.unwrap();
    let later = git.tree(git.head_of("main").await.unwrap()).await.unwrap();
    assert!(!reads.holds_in(&later), "the folder a was listed, and changed");
}

#[tokio::test]
async fn copies_of_other_repositories_are_not_read_by_their_path() {
    let secret = GitRepo::with_files(&[("a", "secret")]);
    let folder = tempfile::TempDir::new().unwrap();
    let (cache, outside) = (folder.path().join("cache"), folder.path().join("outside"));
    std::fs::create_dir_all(&outside).unwrap();
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        for entry in walk(from) {
            let target = to.join(entry.strip_prefix(from).unwrap());
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(&entry, target).unwrap();
        }
        std::fs::create_dir_all(to.join("refs/heads")).unwrap();
    };
    copy(&secret.path(), &cache.join("0123.git"));
    std::os::unix::fs::symlink(cache.join("0123.git"), outside.join("link.git")).unwrap();
    let borrowing = outside.join("borrowing.git");
    copy(&secret.path(), &borrowing);
    std::fs::create_dir_all(borrowing.join("objects/info")).unwrap();
    std::fs::write(
        borrowing.join("objects/info/alternates"),
        format!("{}\n", cache.join("0123.git/objects").display()),
    )
    .unwrap();
    std::fs::create_dir_all(outside.join("tree")).unwrap();
    std::fs::write(outside.join("tree/.git"), format!("gitdir: {}\n", cache.join("0123.git").display())).unwrap();
    copy(&secret.path(), &outside.join("own.git"));
    let repositories = git::Repositories::new(&cache);
    let refs = async |path: std::path::PathBuf| {
        let repository =
            repositories.open(&format!("file://{}", path.display()), &git::Credentials::default()).unwrap();
        repository.refresh().await.map(|refs| refs.len()).map_err(|error| error.to_string())
    };
    for path in [
        cache.join("0123.git"),
        outside.join("../cache/0123.git"),
        outside.join("link.git"),
        borrowing,
        outside.join("tree"),
    ] {
        let error = refs(path.clone()).await.unwrap_err();
        assert!(error.contains("copies of other repositories"), "{}: {error}", path.display());
    }
    assert!(refs(outside.join("own.git")).await.unwrap() > 0);
}

/// All files below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
