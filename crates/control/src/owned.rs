//! Operations on environments that Pipelines own: what comes in there was promoted, whoever brings it, or somebody with the
//! right to that goes past the gates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::argocd::{Application, Info, OperationPhase, OperationState};
use api::gantline::{GROUP, PIPELINE_LABEL};
use cluster::{ClusterError, Scope};
use engine::sync::SyncOptions;
use engine::{Compared, all_images};
use jiff::{SignedDuration, Timestamp};
use object::GroupKind;

use crate::context::Context;
use crate::live::namespaces_of;
use crate::reconcile::Judged;
use crate::records;
use crate::walls::walls;

/// Under this name an operation says that somebody may go past the gates: what it is about, and the seal of that.
const OVERRIDE: &str = "gantline.dev/override";
/// So long after it was asked for an operation begins at the latest.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// An annotation: what was let in past gates last, sealed, for self-heal to bring it again: its images, and the seal of
/// each gate.
const OVERRIDDEN: &str = "gantline.dev/overridden";

/// Whether an operation goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// With the seals of what was let in past gates.
    Open(Vec<String>),
    Held(String),
}

/// Whether what an operation brings may come in. `is_seen` says whether at some commits the same is wanted as now.
///
/// # Errors
/// When what was recorded cannot be read.
pub(crate) async fn passage(
    cx: &Context,
    app: &Application,
    judged: &Judged,
    state: &OperationState,
    is_seen: impl Fn(&str) -> bool,
) -> Result<Passage, ClusterError> {
    let sync = state.operation.sync.clone().unwrap_or_default();
    let mut seals = Vec::new();
    if sync.dry_run || state.phase == OperationPhase::Terminating {
        return Ok(Passage::Open(seals));
    }
    let options = SyncOptions::new(&sync, false);
    let is_chosen = |object: &Compared| options.selects(&object.key, &app.spec.destination.namespace);
    for wall in walls(cx, app, judged, is_chosen) {
        if cx.seal().is_none() {
            return Err(records::no_key(cx));
        }
        let let_past = let_past(cx, app, &wall.owner, judged, state, &is_seen);
        if let_past.is_none() && wall.why(cx, app).is_some() {
            // a promotion that another replica just began may be known here only later
            catch_up(cx, &wall.pipeline.metadata.name).await?;
            if let Some(why) = wall.why(cx, app) {
                return Ok(Passage::Held(why));
            }
        }
        seals.extend(let_past);
    }
    Ok(Passage::Open(seals))
}

/// Keeps what was let in past the gates, until other images are synced.
pub(crate) fn keep(cx: &Context, app: &mut Application, judged: &Judged, seals: Vec<String>) {
    if seals.is_empty() && !app.metadata.annotations.contains_key(OVERRIDDEN) {
        return;
    }
    let Some(seal) = cx.seal() else { return };
    let (images, annotations) = (seal.of_override("", &lets_in(judged)), &mut app.metadata.annotations);
    let kept = annotations.remove(OVERRIDDEN).unwrap_or_default();
    let (of, kept) = kept.split_once(' ').unwrap_or_default();
    let kept = kept.split(' ').filter(|_| of == images).map(str::to_owned);
    let seals: BTreeSet<String> = kept.chain(seals).collect();
    if !seals.is_empty() {
        let seals: Vec<String> = seals.into_iter().collect();
        annotations.insert(OVERRIDDEN.to_owned(), format!("{images} {}", seals.join(" ")));
    }
}

/// With all that was recorded of a Pipeline.
async fn catch_up(cx: &Context, pipeline: &str) -> Result<(), ClusterError> {
    let its = |kind: &str| {
        let all = Scope::namespaced(GroupKind::new(GROUP, kind), &*cx.namespace);
        all.with_labels(format!("{PIPELINE_LABEL}={pipeline}"))
    };
    for live in cx.cluster.list(&its("Promotion")).await? {
        cx.stores.promotions.note(live);
    }
    for live in cx.cluster.list(&its("Release")).await? {
        cx.stores.releases.note(live);
    }
    Ok(())
}

/// The seal of what a wall lets in past the gates, by this operation or by an earlier one with the same images.
fn let_past(
    cx: &Context,
    app: &Application,
    owner: &Application,
    judged: &Judged,
    state: &OperationState,
    is_seen: &impl Fn(&str) -> bool,
) -> Option<String> {
    let (seal, subject, lets_in) = (cx.seal()?, subject(app, owner), lets_in(judged));
    let kept = app.metadata.annotations.get(OVERRIDDEN).map_or("", String::as_str);
    let was = kept.split(' ').any(|kept| seal.holds_override(&subject, &lets_in, kept));
    let asked = state.operation.sync.as_ref().map_or("", |sync| sync.revision.as_str());
    let said = state.operation.info.iter().filter(|info| info.name == OVERRIDE);
    let mut said = said.filter_map(|info| info.value.rsplit_once(' '));
    let is = said.any(|(said, sealed)| {
        let Some((about, at)) = said.rsplit_once(' ') else { return false };
        let fits = about == asked || about == judged.wanted.commits.join(",") || is_seen(about);
        // what was said once is not said for ever, and whoever writes the Application writes when its operation began; what
        // goes on later goes by what was kept
        let is_fresh = at.parse::<Timestamp>().is_ok_and(|at| cx.clock.now().duration_since(at).abs() < FRESH);
        fits && is_fresh && seal.holds_override(&subject, said, sealed)
    });
    (was || is).then(|| seal.of_override(&subject, &lets_in))
}

/// Who syncs, and whose gates it goes past.
fn subject(app: &Application, owner: &Application) -> String {
    let (uid, owner) = (&app.metadata.uid, &owner.metadata.uid);
    if uid == owner { uid.clone() } else { format!("{uid}/{owner}") }
}

/// What is let in: all images of the Application, so that whatever brings another one is let in anew.
fn lets_in(judged: &Judged) -> String {
    let targets = judged.compared.comparison.objects.iter().filter_map(|object| object.target.as_ref());
    let texts: BTreeSet<String> = targets.flat_map(all_images).map(|image| image.text).collect();
    let texts: Vec<String> = texts.into_iter().collect();
    format!("images\n{}", texts.join("\n"))
}

/// What an operation that goes past the gates says of itself, for each of the Applications whose gates they are: what it
/// brings is what was seen when it was asked for. `None` while the key is not there.
pub(crate) fn overriding(
    cx: &Context,
    app: &Application,
    owners: &[Arc<Application>],
    revision: &str,
) -> Option<Vec<Info>> {
    let sync = &app.status.sync;
    let seen = if sync.revisions.is_empty() { sync.revision.clone() } else { sync.revisions.join(",") };
    let about = if revision.is_empty() { seen } else { revision.to_owned() };
    let (seal, said) = (cx.seal()?, format!("{about} {}", cx.clock.now()));
    let info = |owner: &Arc<Application>| {
        let seal = seal.of_override(&subject(app, owner), &said);
        Info { name: OVERRIDE.to_owned(), value: format!("{said} {seal}") }
    };
    Some(owners.iter().map(info).collect())
}

/// The Applications whose gates an Application may come to: its own, and those that deploy environments where it has
/// objects. A look through all Pipelines, which only costs when somebody wants to go past gates.
pub(crate) fn owners_near(cx: &Context, app: &Application) -> Vec<Arc<Application>> {
    let namespaces = namespaces_of(app);
    let is_near = |owner: &Application| {
        owner.metadata.uid == app.metadata.uid
            || !namespaces.is_disjoint(&namespaces_of(owner))
                && cx.sites.same(&owner.spec.destination, &app.spec.destination)
    };
    let mut found = BTreeMap::new();
    for pipeline in cx.stores.pipelines.all() {
        let owners = promotion::owners(&pipeline).into_iter().filter_map(|name| cx.application(name));
        found.extend(owners.filter(|owner| is_near(owner)).map(|owner| (owner.metadata.name.clone(), owner)));
    }
    found.into_values().collect()
}
