//! What an environment's Application renders at some commits, and which of its sources a promotion writes to.

use api::argocd::{Application, ApplicationSource, Condition, normalize_git_url};
use object::{FileTree, ReadSet};
use promotion::{Traced, WritePlan};

use crate::context::Context;
use crate::repositories::{Address, Resolved};
use crate::source::{Job, add_remotes, references, subject};
use crate::workers::Subject;

/// Two sources of an Application, by their place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roles {
    /// The source that renders the image.
    pub(crate) rendered: usize,
    /// The source in whose repository the image is written: the one that the last value file names by its `ref`, which
    /// is the environment's own; else the rendered one.
    pub(crate) written: usize,
}

impl Roles {
    pub(crate) fn of(sources: &[ApplicationSource]) -> Self {
        let renders = |source: &ApplicationSource| !source.path.is_empty() || !source.chart.is_empty();
        let rendered = sources.iter().position(renders).unwrap_or_default();
        let last = sources.get(rendered).and_then(|source| source.helm.as_ref()?.value_files.last());
        let reference = last.and_then(|file| file.strip_prefix('$')?.split_once('/')).map(|(name, _)| name);
        let named = |source: &ApplicationSource| Some(source.reference.as_str()) == reference;
        Self { rendered, written: sources.iter().position(named).unwrap_or(rendered) }
    }
}

/// The source that a promotion writes to.
pub(crate) fn written(app: &Application) -> Option<&ApplicationSource> {
    let sources = app.spec.all_sources();
    sources.get(Roles::of(sources).written)
}

/// The commit of the written source that the Application is synced to; empty before the first comparison.
pub(crate) fn synced(app: &Application) -> &str {
    let index = Roles::of(app.spec.all_sources()).written;
    commits(app).get(index).map_or("", String::as_str)
}

/// The commits that the Application is synced to, one for each source.
pub(crate) fn commits(app: &Application) -> &[String] {
    let sync = &app.status.sync;
    match (sync.revisions.is_empty(), sync.revision.is_empty()) {
        (false, _) => &sync.revisions,
        (true, false) => std::slice::from_ref(&sync.revision),
        (true, true) => &[],
    }
}

/// Files, options and surroundings of one render.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) subject: Subject,
    /// The `ref` of the written source; empty where that is the rendered one.
    pub(crate) reference: String,
    /// What was read to find out how to render: files beside the manifests.
    read: ReadSet,
}

/// Which sources have the files of the written one, as they are of one repository at one commit: one change moves them all.
fn beside_written(app: &Application) -> Vec<bool> {
    let (sources, commits) = (app.spec.all_sources(), commits(app));
    let at = |index: usize| {
        let source = sources.get(index).filter(|source| source.chart.is_empty())?;
        Some((normalize_git_url(&source.repo_url), commits.get(index)?))
    };
    let written = Roles::of(sources).written;
    (0..sources.len()).map(|index| index == written || (at(index).is_some() && at(index) == at(written))).collect()
}

impl Ground {
    /// What the Application renders with one commit of each source, which have been resolved.
    pub(crate) async fn of(cx: &Context, app: &Application, resolved: Vec<Resolved>) -> Result<Self, Condition> {
        let mut ground = Self::without_remotes(cx, app, resolved).await?;
        add_remotes(cx, app.spec.project_name(), &mut ground.subject, cx.repositories.recent()).await?;
        Ok(ground)
    }

    async fn without_remotes(cx: &Context, app: &Application, resolved: Vec<Resolved>) -> Result<Self, Condition> {
        let sources = app.spec.all_sources();
        let roles = Roles::of(sources);
        let references = references(sources, &resolved);
        let empty = || Resolved { commit: String::new(), tree: object::MemoryTree::default().tree() };
        let resolved = &resolved.into_iter().nth(roles.rendered).unwrap_or_else(empty);
        let source = &sources.get(roles.rendered).cloned().unwrap_or_default();
        let job = Job { app, source, resolved, settings: &cx.stores.settings(), references: &references };
        let (subject, read) = subject(cx, &job).await?;
        let written = sources.get(roles.written).map_or_else(String::new, |source| source.reference.clone());
        let reference = if roles.written == roles.rendered { String::new() } else { written };
        Ok(Self { subject, reference, read })
    }

    /// At the commits that the Application is synced to, but the written source at another one.
    pub(crate) async fn at(cx: &Context, app: &Application, tree: FileTree, commit: &str) -> Result<Self, String> {
        let written = Roles::of(app.spec.all_sources()).written;
        let resolved = resolved(cx, app, (tree, commit), |index| index == written).await?;
        Self::of(cx, app, resolved).await.map_err(|failed| failed.message)
    }

    /// The same with the files of another commit in all sources that have those of the written one. What the other commit
    /// wants of other repositories is there as far as this one wants it.
    pub(crate) async fn earlier(
        &self,
        cx: &Context,
        app: &Application,
        tree: FileTree,
        commit: &str,
    ) -> Result<Self, String> {
        let beside = beside_written(app);
        let resolved = resolved(cx, app, (tree, commit), |index| beside.get(index) == Some(&true)).await?;
        let mut ground = Self::without_remotes(cx, app, resolved).await.map_err(|failed| failed.message)?;
        ground.subject.source.remotes = self.subject.source.remotes.clone();
        Ok(ground)
    }

    /// Whether files of a `ref` (empty: of the rendered source) are those of the written source.
    pub(crate) fn is_written(app: &Application, reference: &str) -> bool {
        let sources = app.spec.all_sources();
        let index = match reference {
            "" => Some(Roles::of(sources).rendered),
            name => sources.iter().position(|source| source.reference == name),
        };
        index.is_some_and(|index| beside_written(app).get(index) == Some(&true))
    }

    /// All that was read of the written repository.
    pub(crate) fn reads(&self, app: &Application, traced: Traced) -> ReadSet {
        let own = [(String::new(), self.read.clone()), (String::new(), traced.reads)];
        let all = own.into_iter().chain(traced.reference_reads);
        let mut reads = ReadSet::default();
        all.filter(|(reference, _)| Self::is_written(app, reference)).for_each(|(_, read)| reads.extend(read));
        reads
    }

    /// The files that a promotion writes to.
    pub(crate) fn written(&self) -> &FileTree {
        self.subject.context.references.get(&self.reference).unwrap_or(&self.subject.tree)
    }

    /// The same with other files in the written repository.
    pub(crate) fn with_written(&self, tree: FileTree) -> Self {
        let mut ground = self.clone();
        if self.reference.is_empty() {
            ground.subject.tree = tree;
        } else {
            ground.subject.context.references.insert(self.reference.clone(), tree);
        }
        ground
    }

    /// # Errors
    /// When a plan edits another repository than the one that is written.
    pub(crate) fn check(&self, plan: &WritePlan) -> Result<(), String> {
        if plan.reference == self.reference {
            return Ok(());
        }
        let place = if plan.reference.is_empty() { "the chart".to_owned() } else { format!("ref {}", plan.reference) };
        Err(format!(
            "{} lies in the source of {place}, but the last of spec.source.helm.valueFiles in another one: put the key \
             into the last value file",
            plan.place
        ))
    }
}

/// One commit for each source: this one for those that `moves` tells, that of the last comparison for the others.
async fn resolved(
    cx: &Context,
    app: &Application,
    (tree, commit): (FileTree, &str),
    moves: impl Fn(usize) -> bool,
) -> Result<Vec<Resolved>, String> {
    let (sources, commits) = (app.spec.all_sources(), commits(app));
    let mut resolved = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let (address, project) = (Address::of(source), app.spec.project_name());
        resolved.push(match commits.get(index) {
            _ if moves(index) => Resolved { commit: commit.to_owned(), tree: tree.clone() },
            Some(commit) => {
                let tree = cx.repositories.tree(address, project, commit).await.map_err(|e| e.to_string())?;
                Resolved { commit: commit.clone(), tree }
            }
            None => {
                let now = cx.repositories.resolve(address, project, source.revision(), cx.repositories.recent()).await;
                now.map_err(|e| e.to_string())?
            }
        });
    }
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_value_file_says_where_to_write() {
        let chart = |files: serde_json::Value| json!({"repoURL": "a", "path": "c", "helm": {"valueFiles": files}});
        let values = json!({"repoURL": "b", "ref": "v"});
        for (sources, rendered, written) in [
            (json!([chart(json!(["x.yaml"]))]), 0, 0),
            (json!([chart(json!(["x.yaml", "$v/y.yaml"])), values]), 0, 1),
            (json!([values, chart(json!(["$v/y.yaml"]))]), 1, 0),
            (json!([values, chart(json!(["$v/y.yaml", "x.yaml"]))]), 1, 1),
            (json!([chart(json!(["$w/y.yaml"])), values]), 0, 0),
        ] {
            let parsed: Vec<ApplicationSource> = serde_json::from_value(sources.clone()).unwrap();
            assert_eq!(Roles::of(&parsed), Roles { rendered, written }, "{sources}");
        }
    }
}
