//! Operations on environments that Pipelines own: what comes in there was promoted, whoever brings it, or somebody with the
//! right to that goes past the gates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
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
use promotion::{Ledger, Look, Override, Passing, Seal};

use crate::answers::{MOST, meanings};
use crate::context::Context;
use crate::grounds::{Ground, Grounds};
use crate::ledger;
use crate::live::namespaces_of;
use crate::memory::Memory;
use crate::patience::within;
use crate::queue::{Depth, Request};
use crate::reconcile::Judged;
use crate::records;
use crate::requests::RequestError;
use crate::source::{Sources, resolved_sources, wanted};
use crate::walls::{Wall, walls};

/// Under this name an operation says that somebody may go past the gates: what it is about, and the seal of that.
const OVERRIDE: &str = "gantline.dev/override";
/// Under this name an operation says that gates hold it.
const HELD: &str = "gantline.dev/held";
/// So long after it was asked for an operation begins at the latest.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// Where somebody else's operation came by it first.
const USED_UP: &str =
    "what was let in by this override was something else: ask for another one (gantline app sync --override)";
/// So long somebody who asks for it waits to be told what a revision means.
const PATIENCE: Duration = Duration::from_secs(10);
/// Whether an operation goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    Open,
    Held(String),
    /// Until somebody can tell what its tags mean.
    Unclear(String),
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
    if sync.dry_run || state.phase == OperationPhase::Terminating {
        return Ok(Passage::Open);
    }
    let options = SyncOptions::new(&sync, false);
    let is_chosen = |object: &Compared| options.selects(&object.key, &app.spec.destination.namespace);
    let walls = walls(cx, app, judged, is_chosen);
    let images =
        if walls.is_empty() && !cx.stores.has_let_in(&app.metadata.uid) { String::new() } else { lets_in(judged) };
    let asked = Asked { cx, app, judged, images: &images, sync: &sync, info: &state.operation.info };
    let (past, held) = asked.let_past(walls, is_seen).await?;
    if let Some(passage) = held_by(cx, app, held).await? {
        return Ok(passage);
    }
    for (wall, claim) in past {
        // once more, against what stands there
        if !ledger::change(cx, &wall.pipeline.metadata.name, |ledger| claim.is_let_in(&asked, ledger)).await? {
            return Ok(Passage::Held(wall.why(cx, app).unwrap_or_else(|| USED_UP.to_owned())));
        }
    }
    // what was let in before is over as soon as anything else comes
    for pipeline in cx.stores.let_in_before(&app.metadata.uid, &images) {
        ledger::change(cx, &pipeline, |ledger| ledger.overrides.end(&app.metadata.uid)).await?;
    }
    Ok(Passage::Open)
}

/// What walls say of what nobody let past them; `None` where they let it in.
async fn held_by(cx: &Context, app: &Application, mut held: Vec<Wall>) -> Result<Option<Passage>, ClusterError> {
    let asked: BTreeMap<ImageRef, Look> = held.iter().flat_map(|wall| wall.unclear(cx)).collect();
    if asked.len() > MOST {
        return Ok(Some(Passage::Held(format!(
            "it brings {} images at once of which registries had to say what they mean, and {MOST} are asked for: sync it \
             in parts (gantline app sync --resource)",
            asked.len()
        ))));
    }
    let means = meanings(cx, asked).await;
    for wall in &mut held {
        wall.learn(&means);
        if wall.why(cx, app).is_some() {
            // a promotion that another replica just began may be known here only later
            catch_up(cx, &wall.pipeline.metadata.name).await?;
            wall.learn(&meanings(cx, wall.unclear(cx)).await);
            if let Some(why) = wall.why(cx, app) {
                return Ok(Some(if wall.is_unclear() { Passage::Unclear(why) } else { Passage::Held(why) }));
            }
        }
    }
    Ok(None)
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
    app: &'a Application,
    judged: &'a Judged,
    /// All of the Application.
    images: &'a str,
    sync: &'a SyncOperation,
    info: &'a [Info],
}

/// What an operation says of itself: that somebody lets it past a wall.
struct Claim {
    seal: String,
    objects: Vec<Passing>,
}

impl Claim {
    fn is_let_in(&self, asked: &Asked<'_>, ledger: &mut Ledger) -> bool {
        let Self { seal, objects } = self;
        let application = &asked.app.metadata.uid;
        let it = Override { seal, application, images: asked.images, objects };
        ledger.overrides.let_in(&it, asked.cx.clock.now())
    }
}

impl Asked<'_> {
    /// The walls that somebody lets the operation past, and those that it stands before with what no override let in.
    async fn let_past(
        &self,
        walls: Vec<Wall>,
        is_seen: impl Fn(&str) -> bool,
    ) -> Result<(Vec<(Wall, Claim)>, Vec<Wall>), ClusterError> {
        let Self { cx, app, .. } = self;
        let (mut past, mut held) = (Vec::new(), Vec::new());
        for wall in walls {
            let seal = cx.seal().ok_or_else(|| records::no_key(cx))?;
            let subject = subject(app, &wall.owner);
            let (ledger, claimed) = (ledger::of(cx, &wall.pipeline).0, self.claimed(seal, &subject, &is_seen));
            if claimed.is_none() && !ledger.overrides.let_in.contains_key(&app.metadata.uid) {
                held.push(wall);
                continue;
            }
            // no more than is asked for at once: of the others nobody can tell
            let tags = wall.tags().into_iter().take(MOST).map(|tag| (tag, Look::Tag));
            let means = meanings(cx, tags.collect()).await;
            let claim = claimed.map(|seal| Claim { seal, objects: wall.passing(&subject, &means) });
            match claim.filter(|claim| claim.is_let_in(self, &mut (*ledger).clone())) {
                Some(claim) => past.push((wall, claim)),
                None => held.extend(
                    wall.without(&subject, &means, |object| ledger.overrides.was_let_in(&app.metadata.uid, object)),
                ),
            }
        }
        Ok((past, held))
    }

    /// The seal by which this operation goes past the gates of an Application.
    fn claimed(&self, seal: &Seal, subject: &str, is_seen: &impl Fn(&str) -> bool) -> Option<String> {
        let Self { cx, app, judged, sync, info, .. } = self;
        let (commits, now) = (judged.wanted.commits.join(","), cx.clock.now());
        let said = info.iter().filter(|info| info.name == OVERRIDE);
        said.filter_map(|info| info.value.rsplit_once(' ')).find_map(|(said, sealed)| {
            let (about, at) = said.rsplit_once(' ')?;
            let is_known = about == commits || is_seen(about);
            // what was said once is not said for ever, and whoever writes the Application writes when its operation began;
            // what goes on later goes by what was kept
            let is_fresh = at.parse::<Timestamp>().is_ok_and(|at| now.duration_since(at).abs() < FRESH);
            let holds = is_known && is_fresh && seal.holds_override(subject, &with_manner(said, app, sync), sealed);
            holds.then(|| sealed.to_owned())
        })
    }
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

/// What it brings is what is meant when it is asked for: the commits that were compared, or those of the revision now.
///
/// # Errors
/// While nobody can tell those: whoever pushes then would say what was let in.
pub(crate) async fn overriding(
    cx: &Context,
    app: &Application,
    owners: &[Arc<Application>],
    sync: &SyncOperation,
) -> Result<Overriding, RequestError> {
    let revision = sync.revision.as_str();
    let seal = cx.seal().ok_or_else(|| records::no_key(cx))?;
    let seen = commits_of(app);
    let commits = if revision.is_empty() && !seen.is_empty() { seen } else { resolved(cx, app, revision).await? };
    let meant = commits.first().filter(|_| !revision.is_empty()).cloned();
    let said = format!("{} {}", commits.join(","), cx.clock.now());
    let info = owners.iter().map(|owner| {
        let seal = seal.of_override(&subject(app, owner), &with_manner(&said, app, sync));
        Info { name: OVERRIDE.to_owned(), value: format!("{said} {seal}") }
    });
    Ok(Overriding { revision: meant.unwrap_or_else(|| revision.to_owned()), info: info.collect() })
}

/// What was compared.
fn commits_of(app: &Application) -> Vec<String> {
    let sync = &app.status.sync;
    let single = Some(sync.revision.clone()).filter(|commit| sync.revisions.is_empty() && !commit.is_empty());
    single.into_iter().chain(sync.revisions.iter().cloned()).collect()
}

/// The commits that an operation at a revision would use now.
async fn resolved(cx: &Context, app: &Application, revision: &str) -> Result<Vec<String>, RequestError> {
    let why = match within(PATIENCE, resolved_sources(cx, app, &sources_at(app, revision))).await {
        Some(Ok(commits)) if !commits.is_empty() => return Ok(commits),
        Some(Ok(_)) => "it has no source".to_owned(),
        Some(Err(condition)) => condition.message,
        None => format!("its repository does not answer within {} s", PATIENCE.as_secs()),
    };
    Err(RequestError::Refused(format!(
        "an override is of what its revision means when it is asked for, which nobody can tell of {} now: {why}; ask again once \
         somebody can",
        app.metadata.name
    )))
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
