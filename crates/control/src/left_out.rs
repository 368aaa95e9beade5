//! Files in a folder of manifests that hold no object now. That is as it should be, unless they gave one where the
//! Application was compared last: then nobody can tell whether it is not wanted any more.

use api::argocd::{Application, ApplicationSource};
use object::{EntryKind, FileTree, TreeError};

use crate::context::Context;
use crate::proven::recorded;
use crate::repositories::{Address, Resolved};

/// The problems with those of `files`, in a source at the commit that is wanted now, whose objects would be lost.
pub(crate) async fn lost(
    cx: &Context,
    app: &Application,
    (index, source): (usize, &ApplicationSource),
    now: &Resolved,
    files: &[String],
) -> Vec<String> {
    let before = recorded(app, index).filter(|commit| **commit != now.commit && is_compared_to(app, index, source));
    let Some(before) = before.filter(|_| !files.is_empty()) else { return Vec::new() };
    let tree = cx.repositories.tree(Address::of(source), app.spec.project_name(), before);
    match cx.lending(tree).await {
        Ok(tree) => files.iter().filter_map(|file| problem(file, before, &tree, &now.tree)).collect(),
        Err(error) => vec![format!(
            "{} hold no Kubernetes objects, and commit {before} cannot be read to see whether they did: {}; exclude \
             them with spec.source.directory.exclude",
            files.join(", "),
            error.error
        )],
    }
}

/// Whether the status tells of this repository.
fn is_compared_to(app: &Application, index: usize, source: &ApplicationSource) -> bool {
    let to = &app.status.sync.compared_to;
    let compared = to.sources.get(index).or(to.source.as_ref());
    compared.is_some_and(|compared| compared.repo_url == source.repo_url)
}

fn problem(file: &str, commit: &str, before: &FileTree, now: &FileTree) -> Option<String> {
    let why = match gave_objects(file, before, now) {
        Ok(false) => return None,
        Ok(true) => format!("it gave objects at commit {commit}, and holds none now"),
        Err(error) => format!("nobody can tell whether it gave objects at commit {commit}: {error}"),
    };
    Some(format!(
        "{file}: {why}; correct it, or remove it if they are not wanted any more; if it is something else now, exclude \
         it with spec.source.directory.exclude"
    ))
}

/// The same bytes hold now what they held then.
fn gave_objects(file: &str, before: &FileTree, now: &FileTree) -> Result<bool, TreeError> {
    let id = |tree: &FileTree| Ok(tree.reader().entry(file)?.map(|entry| entry.id));
    if id(before)? == id(now)? {
        return Ok(false);
    }
    let before = before.fresh();
    match before.reader().entry(file)?.map(|entry| entry.kind) {
        Some(EntryKind::Folder) => Ok(true),
        _ => Ok(before.read(file)?.is_some_and(|bytes| render::names_an_object(file, &bytes))),
    }
}
