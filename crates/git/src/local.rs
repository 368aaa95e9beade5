//! Repositories on this machine: references are moved in place, by a transaction that expects the old value.

use std::path::Path;
use std::time::SystemTime;

use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
use gix::refs::{FullName, Target};

use crate::objects::Objects;
use crate::{CommitId, GitError, PushError, Signature};

/// Moves `refs/heads/BRANCH` from `old` to `new`. Hooks of the repository are programs, and none are run: a repository
/// that has a hook which could decline the push is refused instead.
pub(crate) fn push(
    objects: &Objects,
    path: &Path,
    branch: &str,
    old: CommitId,
    new: CommitId,
) -> Result<(), PushError> {
    if let Some(hook) = declining_hook(path) {
        let message =
            format!("the repository has the hook {hook}, which this program does not run: push by way of a Git server");
        return Err(PushError::Declined { url: objects.url.clone(), branch: branch.to_owned(), message });
    }
    let name: FullName =
        format!("refs/heads/{branch}").try_into().map_err(|e| objects.storage(format!("branch {branch:?}: {e}")))?;
    let log = LogChange { mode: RefLog::AndReference, force_create_reflog: false, message: "gantline".into() };
    let expected = PreviousValue::MustExistAndMatch(Target::Object(old.0));
    let edit = RefEdit { change: Change::Update { log, expected, new: Target::Object(new.0) }, name, deref: false };
    let git = objects.git();
    let who = gix::actor::SignatureRef { name: "gantline".into(), email: "".into(), time: "0 +0000" };
    match git.edit_references_as([edit], Some(who)) {
        Ok(_) => Ok(()),
        Err(error) => {
            let found = objects.refs()?.get(&format!("refs/heads/{branch}")).copied();
            if found == Some(old) {
                return Err(objects.storage(error).into());
            }
            let found = found.map_or_else(|| "no such branch".to_owned(), |id| id.to_string());
            Err(PushError::Stale { branch: branch.to_owned(), expected: old.to_string(), found })
        }
    }
}

fn declining_hook(path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::PermissionsExt;
    let hooks = [path.join("hooks"), path.join(".git/hooks")];
    let executable = |file: &Path| file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0);
    ["pre-receive", "update"].into_iter().find(|hook| hooks.iter().any(|folder| executable(&folder.join(hook))))
}

/// A value that changes whenever a reference of the repository is written: the newest time and the number of its
/// reference files. Costs a few system calls.
pub(crate) fn fingerprint(path: &Path) -> (Option<SystemTime>, usize) {
    let git = if path.join(".git").is_dir() { path.join(".git") } else { path.to_owned() };
    let mut newest = None;
    let mut count = 0;
    let mut todo = vec![git.join("refs"), git.join("packed-refs"), git.join("HEAD")];
    while let Some(next) = todo.pop() {
        let Ok(metadata) = next.metadata() else { continue };
        count += 1;
        newest = newest.max(metadata.modified().ok());
        if metadata.is_dir() {
            let entries = std::fs::read_dir(&next).into_iter().flatten().flatten();
            todo.extend(entries.map(|e| e.path()));
        }
    }
    (newest, count)
}

/// # Errors
/// When the folder cannot be made.
pub(crate) fn make_mirror(url: &str, path: &Path) -> Result<(), GitError> {
    if path.join("HEAD").exists() {
        return Ok(());
    }
    let failed = |reason: String| GitError::Storage { url: url.to_owned(), reason };
    std::fs::create_dir_all(path).map_err(|e| failed(e.to_string()))?;
    gix::init_bare(path).map_err(|e| failed(e.to_string()))?;
    Ok(())
}

/// Makes a bare repository at `path` whose branch holds one commit with these files. What is there already stays: the
/// answer is then nothing.
///
/// # Errors
/// When the folder cannot be written.
pub fn create_bare(
    path: &Path,
    branch: &str,
    files: &[(String, Vec<u8>)],
    message: &str,
    author: &Signature,
) -> Result<Option<CommitId>, GitError> {
    if path.join("HEAD").exists() {
        return Ok(None);
    }
    let url = format!("file://{}", path.display());
    make_mirror(&url, path)?;
    let objects = Objects::open(&url, path)?;
    let head = format!("ref: refs/heads/{branch}\n");
    std::fs::write(path.join("HEAD"), head).map_err(|e| objects.storage(e))?;
    let commit = objects.first_commit(files, message, author)?;
    let name: FullName =
        format!("refs/heads/{branch}").try_into().map_err(|e| objects.storage(format!("branch {branch:?}: {e}")))?;
    let log = LogChange { mode: RefLog::AndReference, force_create_reflog: false, message: "gantline".into() };
    let change = Change::Update { log, expected: PreviousValue::MustNotExist, new: Target::Object(commit.0) };
    let who = gix::actor::SignatureRef { name: "gantline".into(), email: "".into(), time: "0 +0000" };
    let edit = RefEdit { change, name, deref: false };
    objects.git().edit_references_as([edit], Some(who)).map_err(|e| objects.storage(e))?;
    Ok(Some(commit))
}
