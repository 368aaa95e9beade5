//! Operations, carried out: `engine::operation` decides over what is observed here, and what it wants is done here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::argocd::{AppProject, Application, Condition, SyncOperation, SyncOperationResult};
use clock::after;
use engine::automated::Decision;
use engine::operation::{self, Draft, Observed, Run, Step};
use engine::sync::{self, Action, SyncRun};
use engine::windows::{By, Windows};
use engine::{Compared, Comparison, LiveState};
use failpoint::Point;
use jiff::Timestamp;
use object::ResourceKey;

use crate::context::Context;
use crate::driver::Next;
use crate::execute::{Party, execute};
use crate::live::{compared, live_of};
use crate::memory::Memory;
use crate::owned::{Passage, mark, passage};
use crate::queue::{Depth, Request};
use crate::reconcile::Judged;
use crate::source::{Sources, wanted};
use crate::stays::may_have;

/// A running operation is looked at again after this time even when nothing is seen to change.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// How an operation came on.
#[derive(Debug)]
pub(crate) enum Advance {
    /// The draft says what is about to be done: write it, then come again.
    Begun,
    /// The operation is over: look at what came of it.
    Ended,
    /// Nothing more to do now.
    Rest(Next),
}

/// Starts, continues or ends the Application's operation.
pub(crate) async fn advance(
    cx: &Context,
    draft: &mut Draft,
    judged: &Result<Judged, Vec<Condition>>,
    memory: &mut Memory,
) -> Advance {
    let comparison = judged.as_ref().map(|judged| &judged.compared.comparison).map_err(Vec::as_slice);
    let contested = comparison.map(|comparison| contested(cx, &draft.app, comparison)).unwrap_or_default();
    let (now, project) = (cx.clock.now(), project_of(cx, &draft.app));
    let windows = windows_of(project.as_deref(), &draft.app, now);
    let observed = Observed {
        comparison,
        contested: &contested,
        revision_has_no_changes: has_no_changes(&draft.app, memory),
        windows: &windows,
        now,
    };
    let step = match (operation::advance(draft, &observed), judged) {
        (Step::Running, Ok(judged)) => carry_on(cx, draft, judged, memory).await,
        (step, _) => step,
    };
    match step {
        Step::Begun => Advance::Begun,
        Step::Ended => Advance::Ended,
        Step::RestUntil(time) => Advance::Rest(Next::At(time)),
        Step::Rest => Advance::Rest(Next::Nothing),
        Step::Running | Step::LookAgain => Advance::Rest(Next::Retry),
    }
}

/// Whether to sync without being asked, by a comparison that the status shows already.
pub(crate) fn decision_for(
    cx: &Context,
    app: &Application,
    memory: &Memory,
    comparison: &Comparison,
    now: Timestamp,
) -> Decision {
    let contested = contested(cx, app, comparison);
    let revision_has_no_changes = has_no_changes(app, memory);
    let project = project_of(cx, app);
    let windows = windows_of(project.as_deref(), app, now);
    let comparison = Ok(comparison);
    operation::decision(
        app,
        &Observed { comparison, contested: &contested, revision_has_no_changes, windows: &windows, now },
    )
}

fn project_of(cx: &Context, app: &Application) -> Option<Arc<AppProject>> {
    cx.stores.project(app.spec.project_name()).ok()
}

/// The sync windows that concern the Application.
fn windows_of<'p>(project: Option<&'p AppProject>, app: &Application, now: Timestamp) -> Windows<'p> {
    Windows::of(project.map_or(&[], |project| project.spec.sync_windows.as_slice()), app, now)
}

/// Whether people may sync now.
///
/// # Errors
/// Why not, in Argo CD's words, and when that may change.
pub(crate) fn may_be_asked_for(cx: &Context, app: &Application) -> Result<(), String> {
    let (now, project) = (cx.clock.now(), project_of(cx, app));
    let windows = windows_of(project.as_deref(), app, now);
    match windows.permit(By::Hand, None) {
        Ok(true) => Ok(()),
        Ok(false) => {
            let until = windows.next_change().map(api::meta::time::whole_seconds);
            let until = until.map_or_else(String::new, |at| format!(" (the next one begins or ends at {at})"));
            Err(format!("cannot sync: blocked by sync window of project {}{until}", app.spec.project_name()))
        }
        Err(error) => Err(format!("cannot sync: invalid sync window: {error}")),
    }
}

/// The objects that another Application on the same cluster still wants, and what of its own is to be let be.
fn contested(cx: &Context, app: &Application, comparison: &Comparison) -> BTreeSet<ResourceKey> {
    let owners = comparison.objects.iter().filter_map(Compared::owner);
    let owners: BTreeMap<&str, Arc<Application>> =
        owners.filter_map(|owner| Some((owner, cx.stores.application(&cx.key_of(owner))?))).collect();
    let here = |owner: &&Arc<Application>| cx.sites.same(&owner.spec.destination, &app.spec.destination);
    let mut all = comparison.contested(|owner| Some(owners.get(owner).filter(here)?.status.resources.as_slice()));
    if let Ok(site) = cx.sites.at(&app.spec.destination) {
        let may_have = |key: &ResourceKey| {
            let owner = comparison.get(key).and_then(|object| owners.get(object.owner()?));
            owner.is_none_or(|owner| may_have(cx, &site, owner, key))
        };
        all.retain(may_have);
    }
    all.extend(comparison.let_be().cloned());
    all
}

/// Whether what is wanted now was wanted by the last operation as well, whatever its commit.
fn has_no_changes(app: &Application, memory: &Memory) -> bool {
    let last = app.status.operation_state.as_ref().and_then(|state| state.sync_result.as_ref());
    last.is_some_and(|result: &SyncOperationResult| match result.revisions.as_slice() {
        [] => is_proven_at(memory, &[&result.revision]),
        several => is_proven_at(memory, &several.iter().map(String::as_str).collect::<Vec<_>>()),
    })
}

/// Whether what the Application reads is the same at these commits.
fn is_proven_at(memory: &Memory, revisions: &[&str]) -> bool {
    let mut pairs = memory.proven.iter().zip(revisions);
    memory.proven.len() == revisions.len() && pairs.all(|(proven, revision)| proven.at(revision))
}

/// Goes on as far as the cluster lets it.
async fn carry_on(cx: &Context, draft: &mut Draft, judged: &Judged, memory: &mut Memory) -> Step {
    let Some(state) = draft.app.status.operation_state.clone() else { return Step::Rest };
    let sync = state.operation.sync.clone().unwrap_or_default();
    let own = match at_own_revision(cx, &draft.app, &sync, judged).await {
        Ok(own) => own,
        Err(conditions) => return draft.block(&conditions, cx.clock.now()),
    };
    let is_own = own.is_some();
    let judged = own.as_ref().unwrap_or(judged);
    let is_seen = |commits: &str| !is_own && is_proven_at(memory, &commits.split(',').collect::<Vec<_>>());
    match passage(cx, &draft.app, judged, &state, is_seen).await {
        Ok(Passage::Open) => mark(&mut draft.app, false),
        Ok(Passage::Held(why)) => {
            mark(&mut draft.app, true);
            return draft.refuse(&judged.wanted.commits, &why, cx.clock.now());
        }
        Ok(Passage::Unclear(why)) => {
            mark(&mut draft.app, true);
            return draft.hold(&judged.wanted.commits, &why, cx.clock.now());
        }
        Err(error) => {
            tracing::warn!(%error, application = %draft.app.metadata.name, "it is not known what was promoted");
            return draft.wait(&format!("it is not known what was promoted: {error}"));
        }
    }
    let (comparison, options) = (&judged.compared.comparison, &judged.compared.options);
    let mut planned = false;
    let mut run = Run::resumed(memory.run.take().map(Arc::unwrap_or_clone), &draft.app, &state, || {
        failpoint::before(Point::Plan);
        planned = true;
        let contested = contested(cx, &draft.app, comparison);
        operation::sync_input(&draft.app, &state, comparison, options, contested)
    });
    if planned {
        failpoint::after(Point::Plan);
    }
    let driven = drive(cx, &draft.app, judged, &mut run.sync).await;
    draft.bring_on(&run, &judged.wanted.commits);
    match driven {
        Driven::Waiting => {
            memory.run = Some(Arc::new(run));
            Step::RestUntil(after(cx.clock.now(), LOOK_AGAIN))
        }
        Driven::Finished => {
            failpoint::after(Point::HealthWait);
            draft.end(run.sync.phase(), run.sync.message(), cx.clock.now())
        }
    }
}

/// What the operation wants, when that is not what the Application wants now: another revision or another source.
async fn at_own_revision(
    cx: &Context,
    app: &Application,
    sync: &SyncOperation,
    judged: &Judged,
) -> Result<Option<Judged>, Vec<Condition>> {
    let Some(list) = operation::own_sources(app, sync, &judged.wanted.commits) else { return Ok(None) };
    let sources = Sources { list, own: false };
    // not remembered: the next look is at the Application's own revision again
    let mut memory = Memory::default();
    let request = Request { depth: Depth::Latest, since: cx.clock.now() };
    let wanted = wanted(cx, app, &sources, &mut memory, request).await.map_err(|c| vec![c])?;
    let compared = compared(cx, &judged.compared.site, app, &wanted, &mut memory).await.map_err(|c| vec![c])?;
    Ok(Some(Judged { wanted, compared }))
}

enum Driven {
    Waiting,
    Finished,
}

async fn drive(cx: &Context, app: &Application, judged: &Judged, run: &mut SyncRun) -> Driven {
    let site = &judged.compared.site;
    // what it made before it was taken up again, under names of its own
    let made = run.results().iter().map(|r| ResourceKey::new(&*r.group, &*r.kind, &*r.namespace, &*r.name));
    let mut keys: BTreeSet<ResourceKey> = made.collect();
    let mut live = if keys.is_empty() {
        judged.compared.live.clone()
    } else {
        let Some(found) = seen(cx, app, judged, &keys).await else { return Driven::Waiting };
        found
    };
    let mut acted = false;
    let health = cx.health();
    let party = Party { app, about: app.into(), claims: run.input().claims().clone() };
    loop {
        match run.advance(&live, &|object| Ok(health(object))) {
            sync::Next::Do(actions) => {
                acted |= actions.iter().any(Action::changes_something);
                keys.extend(actions.iter().filter_map(Action::written).cloned());
                let outcomes = site.patiently(&cx.turns, execute(cx, site, &party, actions)).await;
                run.report(outcomes);
                match seen(cx, app, judged, &keys).await {
                    Some(found) => live = found,
                    None => return Driven::Waiting,
                }
            }
            // what was just written may be as it shall be already: nobody tells of a namespace
            sync::Next::Wait { .. } if std::mem::take(&mut acted) => failpoint::before(Point::HealthWait),
            sync::Next::Wait { .. } => {
                failpoint::before(Point::HealthWait);
                return Driven::Waiting;
            }
            sync::Next::Finished => return Driven::Finished,
        }
    }
}

/// What is there of what was compared, and of what the sync made. `None` when the cluster does not tell.
async fn seen(cx: &Context, app: &Application, judged: &Judged, made: &BTreeSet<ResourceKey>) -> Option<LiveState> {
    let compared = &judged.compared;
    let wanted = compared.comparison.objects.iter().map(|object| &object.key).chain(made);
    let keys: BTreeSet<&ResourceKey> = wanted.filter(|key| compared.options.permits.check(key).is_ok()).collect();
    let found = live_of(cx, &compared.site, app, keys.into_iter().cloned().collect());
    let found = compared.site.patiently(&cx.turns, found).await;
    found.inspect_err(|error| tracing::debug!(%error, "live objects not read")).ok()
}
