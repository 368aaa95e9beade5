//! Repositories on this machine: references are moved in place, by a transaction that expects the old value.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
use gix::refs::{FullName, Target};

use crate::objects::Objects;
use crate::ref_update::RefUpdate;
use crate::{CommitId, GitError, PushError, Signature};

/// Moves the references, all or none. Hooks of the repository are programs, and none are run: a repository that has a
/// hook which could decline the push is refused instead.
pub(crate) fn push(objects: &Objects, path: &Path, updates: &[RefUpdate]) -> Result<(), PushError> {
    if let Some(hook) = declining_hook(path) {
        let message =
            format!("the repository has the hook {hook}, which this program does not run: push by way of a Git server");
        let name = updates.first().map_or("", RefUpdate::short).to_owned();
        return Err(PushError::Declined { url: objects.url.clone(), name, message });
    }
    let edits = updates.iter().map(|update| ref_edit(objects, update)).collect::<Result<Vec<_>, _>>()?;
    let Err(error) = write_references(objects, edits) else { return Ok(()) };
    let found = objects.references()?;
    updates.iter().try_for_each(|update| update.expect_in(&found.names))?;
    Err(error.into())
}

fn ref_edit(objects: &Objects, update: &RefUpdate) -> Result<RefEdit, GitError> {
    let name: FullName =
        update.name.as_str().try_into().map_err(|e| objects.storage(format!("reference {}: {e}", update.name)))?;
    let log = LogChange { mode: RefLog::AndReference, force_create_reflog: false, message: "gantline".into() };
    let expected =
        update.old.map_or(PreviousValue::MustNotExist, |old| PreviousValue::MustExistAndMatch(Target::Object(old.0)));
    let change = Change::Update { log, expected, new: Target::Object(update.new.0) };
    Ok(RefEdit { change, name, deref: false })
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
        // links are not followed: they may lead in circles
        let Ok(metadata) = next.symlink_metadata() else { continue };
        count += 1;
        newest = newest.max(metadata.modified().ok());
        if metadata.is_dir() {
            let entries = std::fs::read_dir(&next).into_iter().flatten().flatten();
            todo.extend(entries.map(|e| e.path()));
        }
    }
    (newest, count)
}

/// Made beside and moved to its place: several may make it at once, and who is killed leaves no half of one there.
///
/// # Errors
/// When the folder cannot be made.
pub(crate) fn make_mirror(url: &str, path: &Path) -> Result<(), GitError> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    static TURN: Mutex<()> = Mutex::new(());
    if path.join("HEAD").exists() {
        return Ok(());
    }
    let failed = |reason: String| GitError::Storage { url: url.to_owned(), reason };
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let beside = path.with_extension(format!("{}-{number}.new", std::process::id()));
    std::fs::create_dir_all(&beside).map_err(|e| failed(e.to_string()))?;
    gix::init_bare(&beside).map_err(|e| failed(e.to_string()))?;
    // what another just moved there is not taken for half of one
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let moved = std::fs::rename(&beside, path).or_else(|error| {
        if path.join("HEAD").exists() {
            return std::fs::remove_dir_all(&beside);
        }
        // half of one, of a program that did not move them
        std::fs::remove_dir_all(path).map_err(|_| error)?;
        std::fs::rename(&beside, path)
    });
    moved.map_err(|e| failed(e.to_string()))
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
    create_reference(path, &format!("refs/heads/{branch}"), commit)?;
    Ok(Some(commit))
}

/// Makes a reference (by its full name) in a repository on this machine.
///
/// # Errors
/// When it is there already, or cannot be written.
pub fn create_reference(path: &Path, name: &str, commit: CommitId) -> Result<(), GitError> {
    let objects = Objects::open(&format!("file://{}", path.display()), path)?;
    let edit = ref_edit(&objects, &RefUpdate { name: name.to_owned(), old: None, new: commit })?;
    write_references(&objects, vec![edit])
}

fn write_references(objects: &Objects, edits: Vec<RefEdit>) -> Result<(), GitError> {
    let who = gix::actor::SignatureRef { name: "gantline".into(), email: "".into(), time: "0 +0000" };
    objects.git().edit_references_as(edits, Some(who)).map(drop).map_err(|e| objects.storage(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_make_one_repository_at_once_also_over_half_of_one() {
        let room = tempfile::tempdir().unwrap();
        let (new, half) = (room.path().join("new.git"), room.path().join("half.git"));
        std::fs::create_dir_all(half.join("refs")).unwrap();
        std::fs::write(half.join("config"), "[core]").unwrap();
        for path in [&new, &half] {
            let make = || make_mirror("https://git.example/new", path);
            std::thread::scope(|scope| {
                let all: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
                all.into_iter().for_each(|made| made.join().unwrap().unwrap());
            });
            assert!(gix::open(path).unwrap().is_bare());
        }
        let left = std::fs::read_dir(room.path()).unwrap().count();
        assert_eq!(left, 2, "nothing is left beside them");
    }
}
