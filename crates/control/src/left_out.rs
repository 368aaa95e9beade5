//! Files in a folder of manifests that hold no object now. That is as it should be, unless they gave one where the
//! Application was compared last: then nobody can tell whether it is not wanted any more.

use api::argocd::{Application, ApplicationSource};
use object::{EntryKind, FileTree, TreeError, path};

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
    let was = if render::is_miscased(file) { namesake(file, before, now) } else { Ok(Some(file.to_owned())) };
    let gave = was.and_then(|was| match was {
        Some(was) if gave_objects(&was, before, now)? => Ok(Some(was)),
        _ => Ok(None),
    });
    let why = match gave {
        Ok(None) => return None,
        Ok(Some(was)) if was != file => {
            format!("{was} gave objects at commit {commit}, and under this name it is not read")
        }
        Ok(Some(_)) => format!("it gave objects at commit {commit}, and holds none now"),
        Err(error) => format!("nobody can tell whether it gave objects at commit {commit}: {error}"),
    };
    Some(format!(
        "{file}: {why}; correct it, or remove it if they are not wanted any more (a List of nothing says items: []); if it \
         is something else now, exclude it with spec.source.directory.exclude"
    ))
}

/// The file that was called so but for capitals, and is gone.
fn namesake(file: &str, before: &FileTree, now: &FileTree) -> Result<Option<String>, TreeError> {
    let (folder, own) = file.rsplit_once('/').unwrap_or(("", file));
    for entry in before.fresh().list(folder)?.unwrap_or_default() {
        let full = path::child(folder, &entry.name);
        let is_alike = entry.name != own && entry.name.eq_ignore_ascii_case(own) && !render::is_miscased(&entry.name);
        if is_alike && now.reader().entry(&full)?.is_none() {
            return Ok(Some(full));
        }
    }
    Ok(None)
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
