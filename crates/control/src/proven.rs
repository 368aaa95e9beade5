//! At which commits an Application is known to be what it is: what its status names, and whom pushes concern.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::argocd::{Application, ApplicationSource};
use object::FileTree;

use crate::charts;
use crate::context::Context;
use crate::memory::{Memory, SourceRender};
use crate::readers::{Followed, Place, Reading};
use crate::repositories::Address;
use crate::stores::AppKey;

/// At which commits of a source the Application is what it is now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proven {
    /// Where it was looked at last.
    pub(crate) newest: String,
    /// Where the status has it, or the last operation had it, as far as that is the same.
    pub(crate) also: BTreeSet<String>,
}

impl Proven {
    pub(crate) fn at(&self, commit: &str) -> bool {
        self.newest == commit || self.also.contains(commit)
    }
}

/// Before an Application is looked at: until [`end`] every push concerns it. Where it is proven is where its renders are.
pub(crate) fn begin(cx: &Context, key: &AppKey, app: &Application, memory: &mut Memory) {
    let heads = cx.readers.take(key, &places(app, memory));
    for (source, render) in app.spec.all_sources().iter().zip(memory.renders.iter_mut().flatten()) {
        let followed = Followed::by(source, app.spec.project_name());
        let head = heads.iter().find(|(at, head)| *at == followed && *head != render.commit);
        if let Some((_, head)) = head {
            Arc::make_mut(render).commit.clone_from(head);
        }
    }
}

/// After an Application was looked at, and what it wants is known.
pub(crate) fn end(cx: &Context, app: &Application, memory: &Memory) {
    let readings = readings(app, memory).unwrap_or_default();
    cx.readers.put(&AppKey::of(app), &places(app, memory), &readings);
}

/// The repositories that an Application uses, also by way of others.
fn places(app: &Application, memory: &Memory) -> Vec<Place> {
    let renders = || memory.renders.iter().flatten();
    let remotes = renders().flat_map(|render| &render.remotes).map(|(revision, _)| &revision.url);
    let charts = renders().flat_map(|render| &render.charts).map(|(chart, _)| &chart.repo);
    let urls: BTreeSet<&String> =
        app.spec.all_sources().iter().map(|s| &s.repo_url).chain(remotes).chain(charts).collect();
    urls.into_iter().map(|url| Place::new(url, app.spec.project_name())).collect()
}

/// What was read of each source; `None` where more than files of followed branches decides what is rendered.
fn readings<'m>(app: &Application, memory: &'m Memory) -> Option<Vec<Reading<'m>>> {
    let reading = |(index, source): (usize, &ApplicationSource)| {
        let followed = Followed::by(source, app.spec.project_name());
        let (commit, reads) = (&memory.proven.get(index)?.newest, memory.reads_of(index, source));
        depends_on_files(source, memory.renders.get(index)?.as_deref()).then_some(Reading { followed, commit, reads })
    };
    app.spec.all_sources().iter().enumerate().map(reading).collect()
}

/// Whether the same files of the source, and of those that it names, always render to the same.
fn depends_on_files(source: &ApplicationSource, render: Option<&SourceRender>) -> bool {
    let alone = render.is_none_or(|r| r.again.is_none() && r.remotes.is_empty() && r.charts.is_empty());
    alone && !Address::of(source).is_chart() && !charts::names_the_commit(source)
}

/// The commits for the status: those that it names, as long as they are the same, because others are not worth a write;
/// the newest for those who ask.
pub(crate) fn shown(app: &Application, proven: &[Proven], asked: bool) -> Vec<String> {
    let recorded = |(index, proven): (usize, &Proven)| recorded(app, index).filter(|at| proven.at(at)).cloned();
    let recorded: Option<Vec<String>> = proven.iter().enumerate().map(recorded).collect();
    let newest = || proven.iter().map(|proven| proven.newest.clone()).collect();
    recorded.filter(|_| !asked).unwrap_or_else(newest)
}

/// The commit of a source that the status names.
pub(crate) fn recorded(app: &Application, index: usize) -> Option<&String> {
    let sync = &app.status.sync;
    Some(sync.revisions.get(index).unwrap_or(&sync.revision)).filter(|commit| !commit.is_empty())
}

/// The commit of a source that the last operation ended at.
fn operated(app: &Application, index: usize) -> Option<&String> {
    let result = app.status.operation_state.as_ref()?.sync_result.as_ref()?;
    Some(result.revisions.get(index).unwrap_or(&result.revision)).filter(|commit| !commit.is_empty())
}

/// Whether somebody wants a sync that has not begun: it is one to the newest commit.
pub(crate) fn is_asked(app: &Application) -> bool {
    app.operation.is_some() && app.status.operation_state.as_ref().is_none_or(|state| state.phase.completed())
}

/// At which of the commits that the status names a source is what it is at this one.
pub(crate) async fn proven(
    cx: &Context,
    app: &Application,
    (index, source): (usize, &ApplicationSource),
    newest: String,
    known: &Proven,
    memory: &Memory,
) -> Proven {
    let mut proven = Proven { newest, also: BTreeSet::new() };
    if !depends_on_files(source, memory.renders.get(index).and_then(Option::as_deref)) {
        return proven;
    }
    for commit in recorded(app, index).into_iter().chain(operated(app, index)) {
        if proven.at(commit) {
            continue;
        }
        let tree = cx.repositories.tree(Address::of(source), app.spec.project_name(), commit);
        let holds = |tree: FileTree| memory.reads_of(index, source).iter().all(|reads| reads.holds_in(&tree));
        if known.at(commit) || tree.await.is_ok_and(holds) {
            proven.also.insert(commit.clone());
        }
    }
    proven
}
