//! Bare repositories in a temporary folder.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use git::{CommitId, Credentials, PushError, Repositories, Repository, Signature, Write};
use jiff::Timestamp;

/// A bare repository with a branch `main`, gone when dropped.
#[derive(Debug)]
pub struct GitRepo {
    folder: tempfile::TempDir,
}

impl GitRepo {
    /// A repository whose first commit holds `files`.
    ///
    /// # Panics
    /// When the temporary folder cannot be written.
    pub fn with_files(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files: Vec<_> = files.iter().map(|(p, c)| ((*p).to_owned(), c.as_bytes().to_vec())).collect();
        git::create_bare(&folder.path().join("repo.git"), "main", &files, "First commit", &Self::author("ci"))
            .expect("a repository");
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("repo.git")
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// A folder beside the repository, for caches.
    pub fn beside(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    /// A signature with a fixed time.
    pub fn author(name: &str) -> Signature {
        Signature { name: name.to_owned(), email: format!("{name}@example.com"), time: Timestamp::UNIX_EPOCH }
    }

    /// The repository, opened anew.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub fn open(&self) -> Repository {
        Repositories::new(self.beside("cache")).open(&self.url(), &Credentials::default()).expect("the repository")
    }

    /// Commits to `main` as `author`; content `None` deletes a file.
    ///
    /// # Panics
    /// When that fails.
    pub async fn commit(&self, author: &str, files: &[(&str, Option<&str>)], message: &str) -> CommitId {
        self.commit_to("main", author, files, message).await
    }

    /// The same to another branch.
    ///
    /// # Panics
    /// When that fails.
    pub async fn commit_to(
        &self,
        branch: &str,
        author: &str,
        files: &[(&str, Option<&str>)],
        message: &str,
    ) -> CommitId {
        let (repository, edits) = (self.open(), files.iter());
        let edits = edits.map(|(p, c)| ((*p).to_owned(), c.map(|c| c.as_bytes().to_vec()))).collect();
        let base = repository.head_of(branch).await.expect("the branch");
        let (author, committer) = (Self::author(author), Self::author(author));
        let (branch, message) = (branch.to_owned(), message.to_owned());
        let mut write = Write { branch, base, merge: None, edits, tag: None, message, sign: None, author, committer };
        loop {
            match repository.commit_and_push(write.clone()).await {
                // somebody else pushed first: a promotion
                Err(PushError::Stale { found, .. }) => write.base = found.parse().expect("a commit"),
                pushed => return pushed.expect("a pushed commit"),
            }
        }
    }

    /// Commits a symbolic link to `main`.
    ///
    /// # Panics
    /// When that fails.
    pub fn link(&self, author: &str, path: &str, target: &str) {
        let (from, message) = ("refs/heads/main", "Link");
        let stream = format!(
            "commit {from}\ncommitter {author} <{author}@example.com> 0 +0000\ndata {}\n{message}\nfrom {from}^0\n\
             M 120000 inline {path}\ndata {}\n{target}\n",
            message.len(),
            target.len()
        );
        let folder = self.path();
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(folder).args(["fast-import", "--quiet"]).stdin(Stdio::piped());
        let mut child = command.spawn().expect("git");
        child.stdin.take().expect("its input").write_all(stream.as_bytes()).expect("a git that reads");
        assert!(child.wait().expect("git").success(), "{stream}");
    }

    /// Makes a reference, by its full name.
    ///
    /// # Panics
    /// When that fails.
    pub fn point(&self, name: &str, commit: CommitId) {
        git::create_reference(&self.path(), name, commit).expect("a new reference");
    }

    /// The text of a file at the head of `main`.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn text(&self, path: &str) -> String {
        let repository = self.open();
        let head = repository.head_of("main").await.expect("the branch main");
        let bytes = repository.tree(head).await.expect("the tree").read(path).expect("readable").expect("the file");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
