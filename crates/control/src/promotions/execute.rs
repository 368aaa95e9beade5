//! One promotion, step by step. Each durable step is written down before the next; a process that dies anywhere is
//! followed by one that goes on from what it finds.

use std::sync::Arc;

use api::argocd::Application;
use api::gantline::{
    Environment, GateReport, Pin, Pipeline, Promotion, PromotionPhase, PromotionStatus, Release, ReleaseImage,
    ReleasePhase, StepRecord,
};
use clock::after;
use cluster::{ClusterError, Patch, PatchOptions};
use git::{CommitId, Edit, GitError, PushError, Signature, Write};
use object::{FileTree, ImageRef};
use promotion::{Decision, Evidence, Message, PROMOTION_ID, Step, evaluate, promotion_id};
use serde_json::json;
use std::time::Duration;

use super::destination::Destination;
use super::ground::{self, Ground};
use super::look::Look;
use super::neighbours;
use super::store;
use crate::context::Context;
use crate::repositories::Address;
use crate::stores::AppKey;
use crate::timeline::TimelineKind;

/// After a push that was declined, or an edit that cannot be made.
const RETRY: Duration = Duration::from_secs(120);

/// What a step needs to know.
pub(super) struct Attempt<'a> {
    pub(super) cx: &'a Context,
    pub(super) pipeline: &'a Pipeline,
    pub(super) environment: &'a Environment,
    release: Arc<Release>,
    pub(super) app: Arc<Application>,
    pub(super) repository: git::Repository,
    pub(super) destination: Destination,
}

/// Why an attempt does not go on now.
pub(super) enum Stop {
    Cluster(ClusterError),
    /// Nothing was written: waits, with what to tell.
    Wait(String),
    /// The commit may be on the branch: before anything else Git is searched again.
    Unknown(String),
    /// The gates do not pass any more, and nothing was written.
    Again,
    /// The branch moved, perhaps by this very promotion: all over again, from the search.
    Stale,
}

impl From<ClusterError> for Stop {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

impl From<GitError> for Stop {
    fn from(error: GitError) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// Goes on with an open promotion as far as it can come now.
pub(super) async fn go_on(
    cx: &Context,
    pipeline: &Pipeline,
    promotion: &Arc<Promotion>,
    look: &Look,
) -> Result<(), ClusterError> {
    let environment = pipeline.environment(&promotion.spec.environment);
    let (Some(environment), Some(release)) = (environment, cx.stores.release(&promotion.spec.release)) else {
        return end(cx, promotion, PromotionPhase::Failed, "its environment or its release does not exist any more")
            .await;
    };
    match promotion.status.phase {
        phase if phase.is_open() && promotion.status.retry_at.is_some_and(|at| cx.clock.now() < at) => Ok(()),
        PromotionPhase::Waiting => match judge(cx, pipeline, environment, &release, promotion) {
            Decision::Promote(gates) => write(cx, pipeline, environment, release, promotion, Some(gates)).await,
            Decision::Wait(gates) => report(cx, promotion, gates).await,
            Decision::Refuse(gates) => refuse(cx, pipeline, promotion, gates).await,
        },
        PromotionPhase::Writing | PromotionPhase::Written => {
            write(cx, pipeline, environment, release, promotion, None).await
        }
        PromotionPhase::Converging => converge(cx, promotion, environment, &release, look).await,
        _ => Ok(()),
    }
}

fn at(cx: &Context, step: Step, before: bool) {
    if let Some(hook) = &cx.at_step {
        (hook.0)(step, before);
    }
}

/// A rollback waits for nobody.
fn judge(
    cx: &Context,
    pipeline: &Pipeline,
    environment: &Environment,
    release: &Release,
    promotion: &Promotion,
) -> Decision {
    if promotion.spec.rollback {
        return Decision::Promote(Vec::new());
    }
    let (approvals, requested_by) = (&promotion.status.approvals, promotion.spec.requested_by.as_str());
    evaluate(&Evidence { pipeline, environment, release, approvals, requested_by, now: cx.clock.now() })
}

/// Tells what the gates say where that is news. What counts up by itself is not.
async fn report(cx: &Context, promotion: &Arc<Promotion>, gates: Vec<GateReport>) -> Result<(), ClusterError> {
    let plain = |gates: &[GateReport]| -> Vec<GateReport> {
        let still = |gate: &GateReport| gate.since.is_some() && gate.kind == "healthy";
        gates
            .iter()
            .map(|gate| if still(gate) { GateReport { value: String::new(), ..gate.clone() } } else { gate.clone() })
            .collect()
    };
    if plain(&gates) == plain(&promotion.status.gates) && promotion.status.message.is_empty() {
        return Ok(());
    }
    let status = PromotionStatus { gates, message: String::new(), ..promotion.status.clone() };
    store::promotion_status(cx, promotion, status).await.map(drop)
}

async fn refuse(
    cx: &Context,
    pipeline: &Pipeline,
    promotion: &Arc<Promotion>,
    gates: Vec<GateReport>,
) -> Result<(), ClusterError> {
    let no = gates.iter().find(|gate| gate.state == api::gantline::GateState::Failed);
    let message = no.map_or_else(String::new, |gate| format!("{}: {}", gate.name, gate.value));
    let rejected = no.is_some_and(|gate| gate.kind == "approval");
    let phase = if rejected { PromotionPhase::Rejected } else { PromotionPhase::Failed };
    let name = &pipeline.metadata.name;
    let told = format!("{name} {} does not go to {}", promotion.spec.tag, promotion.spec.environment);
    cx.timeline.add(store::tell(cx, TimelineKind::Refused, name, told).because(&message));
    let status = PromotionStatus { gates, phase, message, ..promotion.status.clone() };
    store::promotion_status(cx, promotion, status).await.map(drop)
}

async fn end(
    cx: &Context,
    promotion: &Arc<Promotion>,
    phase: PromotionPhase,
    message: &str,
) -> Result<(), ClusterError> {
    let status = PromotionStatus { phase, message: message.to_owned(), ..promotion.status.clone() };
    store::promotion_status(cx, promotion, status).await.map(drop)
}

/// The status with one more step taken.
fn step(cx: &Context, status: &PromotionStatus, step: Step, detail: &str) -> PromotionStatus {
    let mut status = status.clone();
    status.steps.push(StepRecord { step: step.to_string(), at: Some(cx.clock.now()), detail: detail.to_owned() });
    status
}

/// From here on one controller has the promotion: whoever else wants it finds another version.
async fn claim(
    cx: &Context,
    promotion: &Arc<Promotion>,
    gates: Vec<GateReport>,
) -> Result<Arc<Promotion>, ClusterError> {
    at(cx, Step::Claimed, true);
    let mut status = step(cx, &promotion.status, Step::Claimed, "");
    (status.phase, status.gates, status.retry_at) = (PromotionPhase::Writing, gates, None);
    status.message.clear();
    status.attempts += 1;
    let claimed = store::promotion_status(cx, promotion, status).await?;
    at(cx, Step::Claimed, false);
    Ok(claimed)
}

/// Takes the steps that are left, from what is written down and from what Git says.
async fn write(
    cx: &Context,
    pipeline: &Pipeline,
    environment: &Environment,
    release: Arc<Release>,
    promotion: &Arc<Promotion>,
    gates: Option<Vec<GateReport>>,
) -> Result<(), ClusterError> {
    let attempt = match attempt(cx, pipeline, environment, release).await {
        Ok(attempt) => attempt,
        // before the claim: it can still be decided about
        Err(stop) => return set_back(cx, pipeline, promotion, &promotion.status.message, stop).await,
    };
    let claimed = match gates {
        Some(gates) => claim(cx, promotion, gates).await?,
        None => Arc::clone(promotion),
    };
    match attempt.run(&claimed).await {
        Ok(()) => Ok(()),
        Err(stop) => set_back(cx, pipeline, &claimed, &promotion.status.message, stop).await,
    }
}

/// Writes down why an attempt does not go on. `told` is what was said the last time.
async fn set_back(
    cx: &Context,
    pipeline: &Pipeline,
    promotion: &Arc<Promotion>,
    told: &str,
    stop: Stop,
) -> Result<(), ClusterError> {
    let begun = promotion.status.phase;
    let later = Some(after(cx.clock.now(), RETRY));
    let (phase, message, retry_at) = match stop {
        Stop::Cluster(error) => return Err(error),
        Stop::Again => (PromotionPhase::Waiting, String::new(), None),
        // searched again, and judged again, at once
        Stop::Stale => (begun, "the branch moved: the gates are judged again".to_owned(), None),
        // not back to the gates: what is written cannot be refused any more
        Stop::Unknown(why) => (begun, why, later),
        Stop::Wait(why) => (PromotionPhase::Waiting, why, later),
    };
    if retry_at.is_some() && message != told {
        let (name, spec) = (&pipeline.metadata.name, &promotion.spec);
        let text = format!("{name} {} cannot be written to {} now", spec.tag, spec.environment);
        cx.timeline.add(store::tell(cx, TimelineKind::Refused, name, text).because(&message));
    }
    let promotion = cx.stores.promotion(&promotion.metadata.name).unwrap_or_else(|| Arc::clone(promotion));
    if promotion.status.phase != begun {
        // another controller came further meanwhile
        return Ok(());
    }
    let status = PromotionStatus { phase, message, retry_at, ..promotion.status.clone() };
    store::promotion_status(cx, &promotion, status).await.map(drop)
}

async fn attempt<'a>(
    cx: &'a Context,
    pipeline: &'a Pipeline,
    environment: &'a Environment,
    release: Arc<Release>,
) -> Result<Attempt<'a>, Stop> {
    let app = cx.stores.application(&AppKey::new(&cx.namespace, &environment.application));
    let app = app.ok_or_else(|| Stop::Unknown(format!("there is no Application {}", environment.application)))?;
    let source = ground::written(&app);
    let source = source.ok_or_else(|| Stop::Unknown(format!("{} has no source", environment.application)))?;
    if Address::of(source).is_chart() {
        return Err(Stop::Wait(format!(
            "the chart of {} comes from {}, where nothing can be committed: add a source with a ref, and name a value \
             file of it last in spec.sources[].helm.valueFiles",
            environment.application, source.repo_url
        )));
    }
    let repository =
        cx.repositories.git(Address::of(source), app.spec.project_name()).map_err(|e| Stop::Unknown(e.to_string()))?;
    repository.refresh().await?;
    let destination = Destination::of(cx, pipeline, environment, &release, source, &repository).await?;
    Ok(Attempt { cx, pipeline, environment, release, app: Arc::clone(&app), repository, destination })
}

/// What a commit writes.
#[derive(Default)]
struct Change {
    edits: Vec<Edit>,
    /// Hashes of what is rendered before and after.
    rendered: (String, String),
    /// The commit that is taken back.
    reverts: Option<CommitId>,
}

impl Change {
    fn rendered_to(&mut self, (before, after): (String, String)) {
        if self.rendered.0.is_empty() {
            self.rendered.0 = before;
        }
        self.rendered.1 = after;
    }
}

impl Attempt<'_> {
    async fn run(&self, promotion: &Arc<Promotion>) -> Result<(), Stop> {
        let cx = self.cx;
        let id = promotion_id(promotion);
        at(cx, Step::Searched, true);
        // before the search: a commit that comes after it makes the push stale
        let head = self.repository.head_of(&self.destination.branch).await?;
        let known = promotion.status.commit.parse::<CommitId>().ok();
        let found = match known {
            Some(commit) => Some(commit),
            None => self.repository.find_trailer(&self.destination.branch, PROMOTION_ID, &id, None).await?,
        };
        at(cx, Step::Searched, false);
        let commit = match found {
            Some(commit) => commit,
            None => self.push(promotion, head).await?,
        };
        let promotion = self.record(promotion, commit).await?;
        self.refresh(&promotion).await
    }

    /// Judges the gates once more and pushes; the commit carries the promotion's id.
    async fn push(&self, promotion: &Arc<Promotion>, head: CommitId) -> Result<CommitId, Stop> {
        let cx = self.cx;
        at(cx, Step::GatesRepeated, true);
        let fresh = cx.stores.promotion(&promotion.metadata.name).unwrap_or_else(|| Arc::clone(promotion));
        let release = cx.stores.release(&self.release.metadata.name).unwrap_or_else(|| Arc::clone(&self.release));
        let pipeline = cx.stores.pipeline(&self.pipeline.metadata.name);
        let pipeline = pipeline.as_deref().unwrap_or(self.pipeline);
        let environment = pipeline.environment(&self.environment.name).ok_or(Stop::Again)?;
        let gates = match judge(cx, pipeline, environment, &release, &fresh) {
            Decision::Promote(gates) => gates,
            Decision::Wait(_) | Decision::Refuse(_) => return Err(Stop::Again),
        };
        at(cx, Step::GatesRepeated, false);
        let merge = if fresh.spec.rollback { None } else { self.destination.merge(&self.repository, head).await? };
        let tag = self.destination.tag(&self.repository).await?;
        let base = self.base(head, merge).await?;
        let change = self.change(&fresh, head, base.clone(), merge.is_some()).await?;
        self.spare_others(head, base, &change.edits).await?;
        let (reverts, merges) = (change.reverts.map(|c| c.to_string()), merge.map(|c| c.to_string()));
        let message = Message {
            promotion: &fresh,
            release: &release,
            gates: &gates,
            rendered: (&change.rendered.0, &change.rendered.1),
            reverts: reverts.as_deref(),
            merges: merges.as_deref(),
            tagged: tag.as_deref(),
        };
        let who = Signature { name: "Gantline".into(), email: "gantline@gantline.dev".into(), time: cx.clock.now() };
        let write = Write {
            branch: self.destination.branch.clone(),
            base: head,
            merge,
            edits: change.edits,
            message: message.text(),
            tag,
            author: who.clone(),
            committer: who,
        };
        at(cx, Step::Pushed, true);
        let pushed = self.repository.commit_and_push(write).await;
        at(cx, Step::Pushed, false);
        match pushed {
            Ok(commit) => {
                self.tell_pushed(&fresh, commit);
                Ok(commit)
            }
            Err(PushError::Stale { .. }) => Err(Stop::Stale),
            Err(error @ PushError::Declined { .. }) => Err(Stop::Wait(error.to_string())),
            // the answer may be lost, not the push
            Err(PushError::Git(error)) => Err(Stop::Unknown(error.to_string())),
        }
    }

    fn tell_pushed(&self, promotion: &Promotion, commit: CommitId) {
        let (cx, spec) = (self.cx, &promotion.spec);
        let name = &self.pipeline.metadata.name;
        let approved: Vec<&str> = promotion.status.approvals.iter().map(|approval| approval.user.as_str()).collect();
        let actor = if spec.requested_by.is_empty() { approved.join(", ") } else { spec.requested_by.clone() };
        let (kind, message) = if spec.rollback {
            (TimelineKind::RolledBack, format!("rollback({}): {name} → {}", spec.environment, spec.tag))
        } else {
            (TimelineKind::Promoted, format!("promote({}): {name} → {}", spec.environment, spec.tag))
        };
        cx.timeline
            .add(store::tell(cx, kind, name, message).because(&spec.reason).by(actor).at_commit(commit.to_string()));
    }

    /// One scalar for a promotion, after the merge if there is one; what a commit changed, taken back, for a rollback.
    async fn change(
        &self,
        promotion: &Promotion,
        head: CommitId,
        base: FileTree,
        merged: bool,
    ) -> Result<Change, Stop> {
        let ground = Ground::at(self.cx, &self.app, base, &head.to_string()).await.map_err(Stop::Wait)?;
        let undone = if promotion.spec.rollback { self.present_commit(promotion) } else { None };
        if let Some(commit) = undone
            && let Some((edits, rendered)) = self.reverted(commit, head, &ground).await
        {
            return Ok(Change { edits, rendered, reverts: Some(commit) });
        }
        self.image_change(ground, merged).await
    }

    /// The files that are edited: those of the head, or of the merge.
    async fn base(&self, head: CommitId, merge: Option<CommitId>) -> Result<FileTree, Stop> {
        match merge {
            None => Ok(self.repository.tree(head).await?),
            Some(commit) => self.repository.merged(head, commit).await.map_err(|e| Stop::Wait(e.to_string())),
        }
    }

    /// # Errors
    /// When another environment would change, too.
    async fn spare_others(&self, head: CommitId, base: FileTree, edits: &[Edit]) -> Result<(), Stop> {
        let before = self.repository.tree(head).await?;
        let contents = edits.iter().filter_map(|(path, content)| Some((path, content.clone()?)));
        let after = contents.fold(base, |tree, (path, content)| tree.with_file(path, content));
        neighbours::stay_the_same(self, &neighbours::Step { head: &head.to_string(), before, after }).await
    }

    /// The edits that write the release's images. What a merge brought is not written again.
    async fn image_change(&self, mut ground: Ground, merged: bool) -> Result<Change, Stop> {
        let mut change = Change::default();
        for image in &self.release.spec.images {
            let wanted = self.same_as_tested(image).await?;
            let (edit, rendered) = plan_image(self.cx, &ground, wanted, merged).await.map_err(Stop::Wait)?;
            if let Some((file, content)) = edit {
                ground = ground.with_written(ground.written().with_file(&file, content.clone()));
                change.edits.retain(|(other, _)| *other != file);
                change.edits.push((file, Some(content)));
            }
            change.rendered_to(rendered);
        }
        Ok(change)
    }

    /// The image to write. A tag that means another digest now than when it was tested is refused.
    async fn same_as_tested(&self, image: &ReleaseImage) -> Result<ImageRef, Stop> {
        let wanted = wanted(image);
        let (Some(registry), Some(_)) = (&self.cx.registry, &wanted.tag) else { return Ok(wanted) };
        // where no registry answers, the pods tell afterwards whether it is the digest
        match registry.resolve(&ImageRef { digest: None, ..wanted.clone() }).await {
            Ok(now) if now.as_str() != image.digest => Err(Stop::Wait(format!(
                "tag {} of {} moved from {} to {now}: refused, what was tested is what runs; push another tag",
                image.tag, image.name, image.digest
            ))),
            _ => Ok(wanted),
        }
    }

    /// What taking the commit back edits, if that and only that brings the release back. A commit that did more, or
    /// that does not lead there, is not reverted: the image is written instead.
    async fn reverted(
        &self,
        commit: CommitId,
        head: CommitId,
        ground: &Ground,
    ) -> Option<(Vec<Edit>, (String, String))> {
        let [image] = self.release.spec.images.as_slice() else { return None };
        let image = wanted(image);
        let edits = self.repository.revert_edits(commit, head).await.ok()?;
        // a file that goes away or comes back is more than an image
        let edited = edits.iter().try_fold(ground.written().clone(), |tree, (path, content)| {
            content.as_ref().map(|content| tree.with_file(path, content.clone()))
        })?;
        let proof = self.cx.renderer.prove_edit(ground.subject.clone(), &ground.reference, edited, image);
        match proof.end().await.ok()? {
            Ok(rendered) => Some((edits, rendered)),
            Err(error) => {
                tracing::info!(%commit, %error, "not reverted: the image is written instead");
                None
            }
        }
    }

    /// The commit that put the release that is here now into the environment.
    fn present_commit(&self, promotion: &Promotion) -> Option<CommitId> {
        let name = &promotion.spec.environment;
        let releases = self.cx.stores.releases(Some(&self.pipeline.metadata.name));
        let present = releases.iter().filter(|release| release.metadata.name != self.release.metadata.name);
        let entries = present.filter_map(|release| release.in_environment(name));
        let newest =
            entries.filter(|entry| entry.phase != ReleasePhase::Replaced).max_by_key(|entry| entry.deployed_at)?;
        newest.commit.parse().ok()
    }

    async fn record(&self, promotion: &Arc<Promotion>, commit: CommitId) -> Result<Arc<Promotion>, Stop> {
        let cx = self.cx;
        if promotion.status.phase == PromotionPhase::Written {
            return Ok(Arc::clone(promotion));
        }
        at(cx, Step::Recorded, true);
        if promotion.spec.rollback {
            self.hold_back(promotion).await?;
        }
        self.enter(commit).await?;
        let promotion = cx.stores.promotion(&promotion.metadata.name).unwrap_or_else(|| Arc::clone(promotion));
        let mut status = step(cx, &promotion.status, Step::Recorded, &commit.short());
        (status.phase, status.commit) = (PromotionPhase::Written, commit.to_string());
        status.retry_at = None;
        status.message.clear();
        let recorded = store::promotion_status(cx, &promotion, status).await?;
        at(cx, Step::Recorded, false);
        Ok(recorded)
    }

    /// Notes in the release that it was put here.
    async fn enter(&self, commit: CommitId) -> Result<(), Stop> {
        let cx = self.cx;
        let release = cx.stores.release(&self.release.metadata.name).unwrap_or_else(|| Arc::clone(&self.release));
        let mut status = release.status.clone();
        status.environments.retain(|entry| entry.name != self.environment.name);
        status.environments.push(api::gantline::ReleaseEnvironment {
            name: self.environment.name.clone(),
            since: Some(cx.clock.now()),
            deployed_at: Some(cx.clock.now()),
            commit: commit.to_string(),
            ..Default::default()
        });
        Ok(store::release_status(cx, &release, status).await?)
    }

    /// After a rollback: what was there is quarantined, and nothing comes here by itself.
    async fn hold_back(&self, promotion: &Promotion) -> Result<(), Stop> {
        let (cx, spec) = (self.cx, &promotion.spec);
        let releases = cx.stores.releases(Some(&self.pipeline.metadata.name));
        let reason =
            if spec.reason.is_empty() { format!("rolled back in {}", spec.environment) } else { spec.reason.clone() };
        let present = releases.iter().filter(|release| release.metadata.name != self.release.metadata.name);
        let bad = present
            .filter(|release| {
                release.in_environment(&spec.environment).is_some_and(|entry| entry.phase != ReleasePhase::Replaced)
            })
            .max_by_key(|release| release.in_environment(&spec.environment).and_then(|entry| entry.deployed_at));
        if let Some(bad) = bad.filter(|bad| bad.status.quarantine.is_none()) {
            let mut status = bad.status.clone();
            status.quarantine = Some(store::quarantine(cx, self.pipeline, bad, &spec.requested_by, &reason));
            store::release_status(cx, bad, status).await?;
        }
        let Some(pipeline) = cx.stores.pipeline(&self.pipeline.metadata.name) else { return Ok(()) };
        let mut status = pipeline.status.clone();
        if let Some(environment) = status.environments.iter_mut().find(|e| e.name == spec.environment) {
            let pin =
                Pin { digest: spec.digest.clone(), by: spec.requested_by.clone(), reason, at: Some(cx.clock.now()) };
            environment.pinned = Some(pin);
        }
        Ok(store::pipeline_status(cx, &pipeline, status).await?)
    }

    async fn refresh(&self, promotion: &Arc<Promotion>) -> Result<(), Stop> {
        let cx = self.cx;
        at(cx, Step::Refreshed, true);
        let mut patch = json!({ "metadata": { "annotations": {} } });
        patch["metadata"]["annotations"][api::argocd::names::REFRESH] = json!("normal");
        let key = AppKey::of(&self.app).resource_key();
        cx.cluster.patch(&key, &Patch::Merge(patch), PatchOptions::default()).await?;
        let mut status = step(cx, &promotion.status, Step::Refreshed, "");
        status.phase = PromotionPhase::Converging;
        store::promotion_status(cx, promotion, status).await?;
        at(cx, Step::Refreshed, false);
        Ok(())
    }
}

/// A file with its new content, if one has to be written, and the hashes of what is rendered before and after.
type Planned = (Option<(String, Vec<u8>)>, (String, String));

/// The edit that sets the image; none where a merge brought it.
async fn plan_image(cx: &Context, ground: &Ground, image: ImageRef, merged: bool) -> Result<Planned, String> {
    if merged {
        let there = cx.renderer.already_there(ground.subject.clone(), image.clone()).end().await;
        if let Some(hash) = there.map_err(|ended| ended.to_string())? {
            return Ok((None, (hash.clone(), hash)));
        }
    }
    let plan = cx.renderer.plan_write(ground.subject.clone(), image).end().await;
    let plan = plan.map_err(|ended| ended.to_string())?.map_err(|error| error.to_string())?;
    ground.check(&plan)?;
    Ok((Some((plan.file, plan.content)), plan.rendered))
}

fn wanted(image: &ReleaseImage) -> ImageRef {
    ImageRef {
        name: image.name.clone(),
        tag: Some(image.tag.clone()).filter(|tag| !tag.is_empty()),
        digest: image.digest.parse().ok(),
    }
}

/// The cluster follows, or it does not.
async fn converge(
    cx: &Context,
    promotion: &Arc<Promotion>,
    environment: &Environment,
    release: &Release,
    look: &Look,
) -> Result<(), ClusterError> {
    let Some(entry) = release.in_environment(&environment.name) else { return Ok(()) };
    let holds = look.environment(&environment.name).is_some_and(|seen| seen.holds(release));
    let phase = match entry.phase {
        ReleasePhase::Converged | ReleasePhase::Soaking | ReleasePhase::Verified if holds => PromotionPhase::Succeeded,
        ReleasePhase::Failed => PromotionPhase::Failed,
        ReleasePhase::Replaced => PromotionPhase::Superseded,
        _ => return Ok(()),
    };
    at(cx, Step::Converged, true);
    let mut status = step(cx, &promotion.status, Step::Converged, &entry.message);
    status.phase = phase;
    status.message.clone_from(&entry.message);
    store::promotion_status(cx, promotion, status).await?;
    at(cx, Step::Converged, false);
    Ok(())
}
