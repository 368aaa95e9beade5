//! Which branches and tags there are is known whole or not at all, and nothing is guessed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use git::{CommitId, GitError, Repository};
use test_support::{Answer, GitRepo};

use crate::host;

fn set_head(repo: &GitRepo, text: &str) {
    std::fs::write(repo.path().join("HEAD"), format!("{text}\n")).unwrap();
}

fn delete(repo: &GitRepo, name: &str) {
    std::fs::remove_file(repo.path().join(name)).unwrap();
}

/// By file and over HTTP.
async fn both_ways(repo: &GitRepo, check: impl AsyncFn(&Repository)) {
    check(&repo.open()).await;
    let server = host::start(repo, |_, answer| answer);
    check(&host::open(repo, &server)).await;
}

#[tokio::test]
async fn a_set_that_was_cut_anywhere_is_an_error_and_what_was_known_stays() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let first = repo.open().head_of("main").await.unwrap();
    repo.point("refs/tags/v1.0.0", first);
    let second = repo.commit("dev", &[("a", Some("2"))], "later").await;
    repo.point("refs/tags/v1.2.0", second);
    let cut = Arc::new(AtomicUsize::new(usize::MAX));
    let server = host::start(&repo, {
        let cut = Arc::clone(&cut);
        move |_, answer| Answer { body: answer.body.into_iter().take(cut.load(Ordering::SeqCst)).collect(), ..answer }
    });
    let git = host::open(&repo, &server);
    assert_eq!(git.resolve("v1.*").await.unwrap(), second);
    let whole =
        test_support::git(&["upload-pack", "--stateless-rpc", "--advertise-refs"], &repo.path(), b"").len() + 34;
    for bytes in 0..whole {
        cut.store(bytes, Ordering::SeqCst);
        let error = git.refresh().await.unwrap_err();
        assert!(matches!(error, GitError::Incomplete { .. }), "{bytes} of {whole}: {error}");
        assert_eq!(git.resolve("v1.*").await.unwrap(), second, "{bytes}");
    }
    cut.store(whole, Ordering::SeqCst);
    git.refresh().await.unwrap();
}

#[tokio::test]
async fn a_copy_that_is_lost_is_fetched_again() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let server = host::start(&repo, |_, answer| answer);
    let head = host::open(&repo, &server).resolve("main").await.unwrap();
    let copies = repo.beside("copies");
    assert!(std::fs::read_dir(&copies).unwrap().next().is_some(), "there is a copy to lose");
    std::fs::remove_dir_all(&copies).unwrap();
    let git = host::open(&repo, &server);
    assert_eq!(git.resolve("main").await.unwrap(), head);
    assert_eq!(git.tree(head).await.unwrap().read("a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[tokio::test]
async fn an_answer_that_is_not_understood_is_no_smaller_set() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let head = "001e# service=git-upload-pack\n0000";
    let id = repo.open().head_of("main").await.unwrap();
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let main = line(&format!("{id} refs/heads/main\0 agent=x\n"));
    for (body, said) in [
        (format!("{head}{main}{}0000", line("<html>")), "<html>"),
        (format!("{head}{main}{}0000", line(&format!("{id} somewhere\n"))), "somewhere"),
        (format!("{head}{main}{}0000", line("12345 refs/heads/x\n")), "refs/heads/x"),
        (format!("{head}{}0000", line(&format!("{} refs/heads/x\n", "1".repeat(64)))), "1111"),
        (format!("{head}{}{main}0000", line("version 2\n")), "version 2"),
        (format!("{head}{main}0001"), "not Git's protocol"),
        (format!("{head}{main}0000{main}"), "goes on"),
        (format!("{head}{}0000", line("ERR try later\n")), "try later"),
        ("<html>502</html>".to_owned(), "not Git's protocol"),
        (String::new(), "was cut"),
    ] {
        let body = body.clone();
        let server = host::start(&repo, move |_, _| Answer::ok(body.clone()));
        let error = host::open(&repo, &server).refresh().await.unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[tokio::test]
async fn head_is_the_one_of_the_repository() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let main = repo.open().head_of("main").await.unwrap();
    repo.point("refs/heads/trunk", main);
    repo.point("refs/heads/HEAD", main);
    let trunk = repo.commit_to("trunk", "dev", &[("a", Some("2"))], "on trunk").await;
    let expect = |commit: CommitId, branch: Option<&'static str>| {
        async move |git: &Repository| {
            for revision in ["", "HEAD"] {
                assert_eq!(git.resolve(revision).await.unwrap(), commit);
                assert_eq!(git.branch_of(revision).await.unwrap().as_deref(), branch);
            }
        }
    };
    both_ways(&repo, expect(main, Some("main"))).await;
    set_head(&repo, "ref: refs/heads/trunk");
    both_ways(&repo, expect(trunk, Some("trunk"))).await;
    set_head(&repo, &trunk.to_string());
    expect(trunk, None)(&repo.open()).await;
    assert_eq!(repo.open().resolve("refs/heads/HEAD").await.unwrap(), main);
}

#[tokio::test]
async fn a_default_branch_that_is_gone_is_never_another_one() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let main = repo.open().head_of("main").await.unwrap();
    repo.point("refs/heads/develop", main);
    let server = host::start(&repo, |_, answer| answer);
    let (near, far) = (repo.open(), host::open(&repo, &server));
    for git in [&near, &far] {
        git.resolve("HEAD").await.unwrap();
    }
    delete(&repo, "refs/heads/main");
    for git in [near, far] {
        git.refresh().await.unwrap();
        for error in [git.resolve("").await.unwrap_err(), git.branch_of("HEAD").await.unwrap_err()] {
            let text = error.to_string();
            let told = text.contains("the default branch is gone") && text.contains("set spec.source.targetRevision");
            assert!(told && text.contains("develop"), "{text}");
        }
        assert!(matches!(git.resolve("main").await, Err(GitError::Deleted { .. })));
        assert_eq!(git.resolve("develop").await.unwrap(), main);
    }
    // nobody has seen it before
    both_ways(&repo, async |git| assert!(matches!(git.resolve("HEAD").await, Err(GitError::DefaultBranch { .. }))))
        .await;
}

#[tokio::test]
async fn which_of_several_branches_is_head_is_not_guessed() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let main = repo.open().head_of("main").await.unwrap();
    let server = host::start(&repo, |_, answer| {
        let text = String::from_utf8_lossy(&answer.body).replace("symref=HEAD:", "symbol=HEAD:");
        let advertises = text.contains("symbol=HEAD:");
        if advertises { Answer::ok(text) } else { answer }
    });
    let git = host::open(&repo, &server);
    assert_eq!(git.branch_of("HEAD").await.unwrap().as_deref(), Some("main"));
    repo.point("refs/heads/blue", main);
    git.refresh().await.unwrap();
    assert_eq!(git.resolve("HEAD").await.unwrap(), main);
    let error = git.branch_of("HEAD").await.unwrap_err().to_string();
    assert!(error.contains("blue, main") && error.contains("targetRevision"), "{error}");
}

#[tokio::test]
async fn a_branch_that_was_deleted_is_not_the_tag_of_its_name() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let main = repo.open().head_of("main").await.unwrap();
    repo.point("refs/tags/release", main);
    repo.point("refs/heads/release", main);
    let branch = repo.commit_to("release", "dev", &[("a", Some("2"))], "on the branch").await;
    let server = host::start(&repo, |_, answer| answer);
    let (near, far) = (repo.open(), host::open(&repo, &server));
    for git in [&near, &far] {
        assert_eq!(git.resolve("release").await.unwrap(), branch, "as Argo CD has it");
        let said = git.ambiguity("release").unwrap();
        assert!(said.contains("refs/heads/release") && said.contains("refs/tags/release"), "{said}");
        assert_eq!((git.ambiguity("main"), git.ambiguity("refs/tags/release"), git.ambiguity("")), (None, None, None));
    }
    delete(&repo, "refs/heads/release");
    // the second of them started again, and knows it from its copy
    for git in [&near, &host::open(&repo, &server), &far] {
        for _ in 0..2 {
            git.refresh().await.unwrap();
        }
        let error = git.resolve("release").await.unwrap_err().to_string();
        assert!(error.contains("the branch release was deleted") && error.contains("refs/tags/release"), "{error}");
        assert_eq!(git.resolve("refs/tags/release").await.unwrap(), main);
    }
    repo.point("refs/heads/release", branch);
    near.refresh().await.unwrap();
    assert_eq!(near.resolve("release").await.unwrap(), branch);
}

#[tokio::test]
async fn a_reference_that_cannot_be_read_is_an_error_and_no_absence() {
    let repo = GitRepo::with_files(&[("a", "1")]);
    let main = repo.open().head_of("main").await.unwrap();
    repo.point("refs/tags/v1.0.0", main);
    repo.point("refs/tags/v1.1.0", main);
    let git = repo.open();
    git.refresh().await.unwrap();
    for torn in ["", "ref: ", &"1".repeat(40), "0123"] {
        std::fs::write(repo.path().join("refs/tags/v1.1.0"), torn).unwrap();
        let error = git.refresh().await.unwrap_err();
        assert!(matches!(error, GitError::Incomplete { .. }), "{torn:?}: {error}");
    }
    std::fs::write(repo.path().join("refs/tags/v1.1.0"), format!("{main}\n")).unwrap();
    git.refresh().await.unwrap();
}
