//! Operations on environments that Pipelines own: what comes in there was promoted, whoever brings it, or somebody with the
//! right to that goes past the gates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::argocd::{
    Application, ApplicationSource, Info, OperationPhase, OperationState, SyncOperation, SyncStatusCode,
};
use api::gantline::{GROUP, PIPELINE_LABEL};
use cluster::{ClusterError, Scope};
use engine::sync::SyncOptions;
use engine::{Compared, all_images};
use jiff::{SignedDuration, Timestamp};
use object::{GroupKind, ImageRef};
use promotion::{Look, Seal};

use crate::answers::{MOST, meanings};
use crate::context::Context;
use crate::grounds::{Ground, Grounds};
use crate::live::namespaces_of;
use crate::memory::Memory;
use crate::patience::within;
use crate::queue::{Depth, Request};
use crate::reconcile::Judged;
use crate::records;
use crate::source::{Sources, resolved_sources, wanted};
use crate::walls::walls;

/// Under this name an operation says that somebody may go past the gates: what it is about, and the seal of that.
const OVERRIDE: &str = "gantline.dev/override";
/// Under this name an operation says that gates hold it.
const HELD: &str = "gantline.dev/held";
/// So long after it was asked for an operation begins at the latest.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// So long somebody who asks for it waits to be told what a revision means.
const PATIENCE: Duration = Duration::from_secs(10);
/// An annotation: what was let in past gates last, sealed, for self-heal to bring it again: its images, and the seal of
/// each gate.
const OVERRIDDEN: &str = "gantline.dev/overridden";

/// What came past gates first by each seal that somebody asked for: by that nothing else comes. Lost with the process.
#[derive(Debug, Default)]
pub(crate) struct Used(Mutex<BTreeMap<String, (Timestamp, String)>>);

impl Used {
    fn is_for(&self, seal: &str, what: String, now: Timestamp) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // twice as long as any of them counts: some are of a clock that goes before ours
        all.retain(|_, (at, _)| now.duration_since(*at).abs() < FRESH * 2);
        let (_, first) = all.entry(seal.to_owned()).or_insert_with(|| (now, what.clone()));
        *first == what
    }
}

/// Whether an operation goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// With what was let in past gates.
    Open(LetIn),
    Held(String),
    /// Until somebody can tell what its tags mean.
    Unclear(String),
}

/// The seals of what was let in past gates, and all images of the Application as far as somebody asked for them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LetIn {
    seals: Vec<String>,
    images: Option<String>,
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
    let mut let_in = LetIn::default();
    if sync.dry_run || state.phase == OperationPhase::Terminating {
        return Ok(Passage::Open(let_in));
    }
    let options = SyncOptions::new(&sync, false);
    let is_chosen = |object: &Compared| options.selects(&object.key, &app.spec.destination.namespace);
    let mut held = Vec::new();
    for mut wall in walls(cx, app, judged, is_chosen) {
        let seal = cx.seal().ok_or_else(|| records::no_key(cx))?;
        let (images, subject) = (let_in.images.get_or_insert_with(|| lets_in(judged)), subject(app, &wall.owner));
        let asked = Asked { cx, seal, app, judged, images, sync: &sync, info: &state.operation.info };
        if is_let_past(&asked, &subject, &is_seen) {
            let_in.seals.extend(wall.objects().map(|object| seal.of_override(&subject, object)));
        } else if wall.without(|object| was_let_in(seal, &subject, app, object)) {
            held.push(wall);
        }
    }
    let tags: BTreeMap<ImageRef, Look> = held.iter().flat_map(|wall| wall.unclear(cx)).collect();
    if tags.len() > MOST {
        return Ok(Passage::Held(format!(
            "it brings {} images at once of which registries had to say what they mean, and {MOST} are asked for: sync it \
             in parts (gantline app sync --resource)",
            tags.len()
        )));
    }
    let means = meanings(cx, tags).await;
    for wall in &mut held {
        wall.learn(&means);
        if wall.why(cx, app).is_some() {
            // a promotion that another replica just began may be known here only later
            catch_up(cx, &wall.pipeline.metadata.name).await?;
            wall.learn(&meanings(cx, wall.unclear(cx)).await);
            if let Some(why) = wall.why(cx, app) {
                return Ok(if wall.is_unclear() { Passage::Unclear(why) } else { Passage::Held(why) });
            }
        }
    }
    Ok(Passage::Open(let_in))
}

/// Keeps what was let in past the gates, until other images are synced.
pub(crate) fn keep(cx: &Context, app: &mut Application, judged: &Judged, let_in: LetIn) {
    let LetIn { seals, images } = let_in;
    if seals.is_empty() && !app.metadata.annotations.contains_key(OVERRIDDEN) {
        return;
    }
    let Some(seal) = cx.seal() else { return };
    let images = seal.of_override("", &images.unwrap_or_else(|| lets_in(judged)));
    let annotations = &mut app.metadata.annotations;
    let kept = annotations.remove(OVERRIDDEN).unwrap_or_default();
    let (of, kept) = kept.split_once(' ').unwrap_or_default();
    let kept = kept.split(' ').filter(|_| of == images).map(str::to_owned);
    let seals: BTreeSet<String> = kept.chain(seals).collect();
    if !seals.is_empty() {
        let seals: Vec<String> = seals.into_iter().collect();
        annotations.insert(OVERRIDDEN.to_owned(), format!("{images} {}", seals.join(" ")));
    }
}

/// Says on an operation whether gates hold it.
pub(crate) fn mark(app: &mut Application, held: bool) {
    let Some(state) = &mut app.status.operation_state else { return };
    state.operation.info.retain(|info| info.name != HELD);
    if held {
        state.operation.info.push(Info { name: HELD.to_owned(), value: "by gates".to_owned() });
    }
}

/// Whether an Application is not Synced because gates held what it was to bring last.
pub(crate) fn is_held(app: &Application) -> bool {
    let mut said = app.status.operation_state.iter().flat_map(|state| &state.operation.info);
    app.status.sync.status == SyncStatusCode::OutOfSync && said.any(|info| info.name == HELD)
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

/// An operation that may have been asked for past the gates.
struct Asked<'a> {
    cx: &'a Context,
    seal: &'a Seal,
    app: &'a Application,
    judged: &'a Judged,
    /// All of the Application.
    images: &'a str,
    sync: &'a SyncOperation,
    info: &'a [Info],
}

/// Whether an earlier operation let the object in with its images.
fn was_let_in(seal: &Seal, subject: &str, app: &Application, object: &str) -> bool {
    let kept = app.metadata.annotations.get(OVERRIDDEN).map_or("", String::as_str);
    kept.split(' ').any(|kept| seal.holds_override(subject, object, kept))
}

/// Whether this operation goes past the gates of an Application.
fn is_let_past(asked: &Asked<'_>, subject: &str, is_seen: &impl Fn(&str) -> bool) -> bool {
    let Asked { cx, seal, app, judged, images, sync, info } = asked;
    let (commits, now) = (judged.wanted.commits.join(","), cx.clock.now());
    let said = info.iter().filter(|info| info.name == OVERRIDE);
    let mut said = said.filter_map(|info| info.value.rsplit_once(' '));
    said.any(|(said, sealed)| {
        let Some((about, at)) = said.rsplit_once(' ') else { return false };
        let is_known = about == commits || is_seen(about);
        // what was said once is not said for ever, and whoever writes the Application writes when its operation began; what
        // goes on later goes by what was kept
        let is_fresh = at.parse::<Timestamp>().is_ok_and(|at| now.duration_since(at).abs() < FRESH);
        let fits = (is_known || about == sync.revision) && is_fresh;
        let what = if is_known { (*images).to_owned() } else { format!("{commits}\n{images}") };
        fits && seal.holds_override(subject, &with_manner(said, app, sync), sealed)
            && cx.overrides_used.is_for(sealed, what, now)
    })
}

/// With how it is done: what somebody may go past the gates with is those sources to that place, and those objects.
fn with_manner(said: &str, app: &Application, sync: &SyncOperation) -> String {
    let sources = (app.spec.all_sources(), &sync.source, &sync.sources, &sync.manifests);
    let manner = serde_json::json!([sources, app.spec.destination, sync.resources]);
    format!("{said}\n{manner}")
}

/// Who syncs, and whose gates it goes past; of an Application that is missing only its name is known.
fn subject(app: &Application, owner: &Application) -> String {
    let (uid, owner) = (&app.metadata.uid, &owner.metadata);
    let owner = if owner.uid.is_empty() { &owner.name } else { &owner.uid };
    if uid == owner { uid.clone() } else { format!("{uid}/{owner}") }
}

/// All images of the Application: whatever brings another one is let in anew.
fn lets_in(judged: &Judged) -> String {
    let targets = judged.compared.comparison.objects.iter().filter_map(|object| object.target.as_ref());
    let texts: BTreeSet<String> = targets.flat_map(all_images).map(|image| image.text).collect();
    let texts: Vec<String> = texts.into_iter().collect();
    format!("images\n{}", texts.join("\n"))
}

/// An operation that goes past the gates.
pub(crate) struct Overriding {
    /// The revision to use in place of what was asked for: what is meant by that now.
    pub(crate) revision: String,
    /// What the operation says of itself, for each of the Applications whose gates they are.
    pub(crate) info: Vec<Info>,
}

/// What it brings is what is meant when it is asked for: the commits that were compared, or those of the revision now. Where
/// nobody can tell those, what comes first is meant, and nothing else. `None` while the key is not there.
pub(crate) async fn overriding(
    cx: &Context,
    app: &Application,
    owners: &[Arc<Application>],
    sync: &SyncOperation,
) -> Option<Overriding> {
    let revision = sync.revision.as_str();
    let seal = cx.seal()?;
    let seen = commits_of(app);
    let commits = if revision.is_empty() && !seen.is_empty() { seen } else { resolved(cx, app, revision).await };
    let meant = commits.first().filter(|_| !revision.is_empty()).cloned();
    let about = if commits.is_empty() { revision.to_owned() } else { commits.join(",") };
    let said = format!("{about} {}", cx.clock.now());
    let info = owners.iter().map(|owner| {
        let seal = seal.of_override(&subject(app, owner), &with_manner(&said, app, sync));
        Info { name: OVERRIDE.to_owned(), value: format!("{said} {seal}") }
    });
    Some(Overriding { revision: meant.unwrap_or_else(|| revision.to_owned()), info: info.collect() })
}

/// What was compared.
fn commits_of(app: &Application) -> Vec<String> {
    let sync = &app.status.sync;
    let single = Some(sync.revision.clone()).filter(|commit| sync.revisions.is_empty() && !commit.is_empty());
    single.into_iter().chain(sync.revisions.iter().cloned()).collect()
}

/// The commits that an operation at a revision would use now; none where that cannot be told.
async fn resolved(cx: &Context, app: &Application, revision: &str) -> Vec<String> {
    let resolved = within(PATIENCE, resolved_sources(cx, app, &sources_at(app, revision))).await;
    resolved.and_then(Result::ok).unwrap_or_default()
}

/// As an operation uses them: the revision is of the first one.
fn sources_at(app: &Application, revision: &str) -> Vec<ApplicationSource> {
    let mut sources = app.spec.all_sources().to_vec();
    if let Some(first) = sources.first_mut().filter(|_| !revision.is_empty()) {
        revision.clone_into(&mut first.target_revision);
    }
    sources
}

/// The Applications whose gates an Application may come to at a revision: its own, and those that deploy environments
/// where it has objects, deploys to, or would have objects at that revision. A look through all Pipelines, which only costs
/// when somebody wants to go past gates. Those that are missing are as they were.
pub(crate) async fn owners_near(cx: &Context, app: &Application, revision: &str) -> Vec<Arc<Application>> {
    let mut namespaces = namespaces_of(app);
    if !revision.is_empty() || app.status.resources.is_empty() {
        namespaces.extend(brought_to(cx, app, revision).await.unwrap_or_default());
    }
    let site = cx.sites.at(&app.spec.destination);
    let is_near = |ground: &Ground| {
        ground.owner.metadata.uid == app.metadata.uid
            || site.as_ref().is_ok_and(|site| ground.meets(site.server(), &namespaces))
    };
    let mut found = BTreeMap::new();
    for pipeline in cx.stores.pipelines.all_holding() {
        let near = Grounds::of(cx, pipeline).owners.into_iter().filter(is_near);
        found.extend(near.map(|ground| (ground.owner.metadata.name.clone(), ground.owner)));
    }
    found.into_values().collect()
}

/// The namespaces of what the Application would have; `None` where that cannot be told.
async fn brought_to(cx: &Context, app: &Application, revision: &str) -> Option<BTreeSet<String>> {
    let sources = Sources { list: sources_at(app, revision), own: false };
    let request = Request { depth: Depth::Latest, since: cx.clock.now() };
    let mut memory = Memory::default();
    let wanted = within(PATIENCE, wanted(cx, app, &sources, &mut memory, request)).await?.ok()?;
    Some(wanted.set.manifests().iter().map(|manifest| manifest.namespace().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where nobody could tell what a branch was when it was asked for.
    #[test]
    fn what_comes_first_by_a_seal_is_all_that_comes() {
        let (used, at) = (Used::default(), |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes));
        assert!(used.is_for("seal", "c1\nimages".into(), at(0)));
        assert!(used.is_for("seal", "c1\nimages".into(), at(9)), "it goes on");
        assert!(!used.is_for("seal", "c2\nimages".into(), at(9)));
        assert!(!used.is_for("seal", "c1\nothers".into(), at(9)));
        assert!(used.is_for("another", "c2\nimages".into(), at(9)));
        assert!(!used.is_for("seal", "c2\nimages".into(), at(19)), "as long as any seal counts");
        used.is_for("later", String::new(), at(60));
        assert_eq!(used.0.lock().unwrap().len(), 1, "and no longer");
    }
}
