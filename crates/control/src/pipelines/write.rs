//! One promotion's commit, step by step. Each durable step is written down before the next; a process that dies anywhere
//! is followed by one that goes on from what it finds.

use std::sync::Arc;

use api::argocd::Application;
use api::gantline::{Environment, Pipeline, Promotion, PromotionPhase, Release, ReleaseImage};
use cluster::{ClusterError, Patch, PatchOptions};
use git::{CommitId, CommitInfo, Edit, GitError, PushError, Sign, Signature, Write};
use object::{FileTree, ImageDigest, ImageRef};
use promotion::writing::{self, Stop};
use promotion::{
    Action, Decision, Message, PROMOTION_ID, PROMOTION_SEAL, Passed, SealedCommit, Step, WriteStep, judged, may_push,
    promotion_id,
};
use serde_json::json;

use super::destination::Destination;
use super::ground::{self, Ground};
use super::realize::{set_promotion, set_release};
use super::{EMAIL, neighbours, observe, soon};
use crate::answers::registry_of;
use crate::context::Context;
use crate::driver::Next;
use crate::records::is_promotions;
use crate::repositories::Address;
use crate::stores::AppKey;

/// Why an attempt does not go on now.
pub(super) enum Halt {
    Stop(Stop),
    Cluster(ClusterError),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<ClusterError> for Halt {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

impl From<GitError> for Halt {
    fn from(error: GitError) -> Self {
        Self::Stop(Stop::Unknown(error.to_string()))
    }
}

/// Nothing was written: it waits, and says why.
pub(super) fn wait(why: impl ToString) -> Halt {
    Halt::Stop(Stop::Wait(why.to_string()))
}

/// Takes the steps that are left, from what is written down and from what Git says.
pub(super) async fn write(cx: &Context, name: &str) -> Result<Next, ClusterError> {
    // what was written past Gantline is set back by the next plan
    let trusted = |promotion: &Arc<Promotion>| cx.seal().is_some_and(|seal| seal.trusts(&**promotion, cx.clock.now()));
    let Some(promotion) = cx.stores.promotion(name).filter(trusted) else { return Ok(Next::Nothing) };
    let (pipeline, release) =
        (cx.stores.pipeline(&promotion.spec.pipeline), cx.stores.release(&promotion.spec.release));
    let (Some(pipeline), Some(release)) = (pipeline, release) else { return Ok(Next::Nothing) };
    let Some(environment) = pipeline.environment(&promotion.spec.environment) else { return Ok(Next::Nothing) };
    let due = promotion.status.retry_at.is_none_or(|at| at <= cx.clock.now());
    let open =
        matches!(promotion.status.phase, PromotionPhase::Waiting | PromotionPhase::Writing | PromotionPhase::Written);
    // what is on the branch is followed to its end, whatever the Pipeline says now
    let stands = promotion.status.phase != PromotionPhase::Written
        && observe::recorded(cx, Arc::clone(&pipeline)).problems.iter().any(|problem| problem.error);
    if !due || !open || stands {
        return Ok(Next::Nothing);
    }
    let begun = match Attempt::of(cx, &pipeline, environment, release).await {
        Ok(attempt) => match claimed(cx, &pipeline, &promotion).await? {
            Some(claimed) => attempt.run(&claimed).await.map_err(|halt| (halt, claimed.status.phase)),
            None => return Ok(Next::Nothing),
        },
        // before the claim: it can still be decided about
        Err(halt) => Err((halt, promotion.status.phase)),
    };
    match begun {
        Ok(()) => Ok(Next::Nothing),
        Err((Halt::Cluster(error), _)) => Err(error),
        Err((Halt::Stop(stop), phase)) => {
            // said once: that it moved again is no news that would wake anybody
            let next = if stop == Stop::Stale { soon(cx) } else { Next::Nothing };
            set_back(cx, &promotion, phase, stop).await.map(|()| next)
        }
    }
}

/// The promotion once it is ours to write; `None` where the gates do not pass any more.
async fn claimed(
    cx: &Context,
    pipeline: &Arc<Pipeline>,
    promotion: &Arc<Promotion>,
) -> Result<Option<Promotion>, ClusterError> {
    if promotion.status.phase != PromotionPhase::Waiting {
        return Ok(Some((**promotion).clone()));
    }
    let seen = observe::observed(cx, Arc::clone(pipeline));
    let Some(Decision::Promote(gates)) = judged(&seen, &promotion.metadata.name) else { return Ok(None) };
    match writing::claim(promotion, gates, cx.clock.now()) {
        Some(step) => realized(cx, promotion, &step).await.map(Some),
        None => Ok(None),
    }
}

/// A step of a write that sets the promotion's status; its facts are told.
async fn realized(cx: &Context, promotion: &Promotion, step: &Step) -> Result<Promotion, ClusterError> {
    let Action::SetPromotion { status, .. } = &step.action else { return Ok(promotion.clone()) };
    let written = set_promotion(cx, promotion, status).await?;
    step.facts.iter().for_each(|fact| cx.tell_of_pipeline(fact));
    Ok(written)
}

/// Writes down why an attempt that was in `begun` does not go on.
async fn set_back(cx: &Context, promotion: &Promotion, begun: PromotionPhase, stop: Stop) -> Result<(), ClusterError> {
    let told = &promotion.status.message;
    let now = cx.stores.promotion(&promotion.metadata.name);
    let Some(now) = now.filter(|now| now.status.phase == begun) else {
        // another controller came further meanwhile
        return Ok(());
    };
    realized(cx, &now, &writing::set_back(&now, told, stop, cx.clock.now())).await.map(drop)
}

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

impl<'a> Attempt<'a> {
    async fn of(
        cx: &'a Context,
        pipeline: &'a Pipeline,
        environment: &'a Environment,
        release: Arc<Release>,
    ) -> Result<Self, Halt> {
        let unknown = |why: String| Halt::Stop(Stop::Unknown(why));
        let name = &environment.application;
        let app = cx.application(name).ok_or_else(|| unknown(format!("there is no Application {name}")))?;
        let source = ground::written(&app).ok_or_else(|| unknown(format!("{name} has no source")))?;
        if Address::of(source).is_chart() {
            return Err(wait(format!(
                "the chart of {name} comes from {}, where nothing can be committed: add a source with a ref, and name a \
                 value file of it last in spec.sources[].helm.valueFiles",
                object::shown_address(&source.repo_url)
            )));
        }
        let repository = cx.repositories.git(Address::of(source), app.spec.project_name());
        let repository = repository.map_err(|error| unknown(error.to_string()))?;
        repository.refresh().await?;
        let destination = Destination::of(cx, pipeline, environment, &release, source, &repository).await?;
        Ok(Self { cx, pipeline, environment, release, app: Arc::clone(&app), repository, destination })
    }
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
    async fn run(&self, promotion: &Promotion) -> Result<(), Halt> {
        let cx = self.cx;
        let id = promotion_id(promotion);
        cx.at(WriteStep::Searched, true);
        // before the search: a commit that comes after it makes the push stale
        let head = self.repository.head_of(&self.destination.branch).await?;
        let known = promotion.status.commit.parse::<CommitId>().ok();
        let found = match known {
            Some(commit) => Some(commit),
            None => self.find(&id).await?,
        };
        cx.at(WriteStep::Searched, false);
        let commit = match found {
            Some(commit) => commit,
            None => match self.push(promotion, head).await {
                Ok(commit) => commit,
                Err(halt) => return Err(self.unless_moved(head, halt).await?),
            },
        };
        let promotion = self.record(promotion, commit).await?;
        self.refresh(&promotion).await
    }

    /// The commit that this promotion made: with its id, by Gantline, and sealed for just its parents and its files. What
    /// only says so is somebody else's.
    async fn find(&self, id: &str) -> Result<Option<CommitId>, Halt> {
        let seal = self.cx.seal().ok_or(Stop::Again)?;
        let commits = self.repository.with_trailer(&self.destination.branch, PROMOTION_ID, id, None).await?;
        let fits = |commit: &&CommitInfo| commit.author.email == EMAIL && is_promotions(seal, commit);
        let (own, foreign): (Vec<_>, Vec<_>) = commits.iter().partition(fits);
        for commit in foreign {
            tracing::warn!(commit = %commit.id, promotion = id, "it says that it is this promotion's, and is not");
        }
        Ok(own.first().map(|commit| commit.id))
    }

    /// Judges the gates once more and pushes; the commit carries the promotion's id.
    async fn push(&self, promotion: &Promotion, head: CommitId) -> Result<CommitId, Halt> {
        let cx = self.cx;
        cx.at(WriteStep::GatesRepeated, true);
        let name = &promotion.metadata.name;
        let (pipeline, fresh) = (cx.stores.pipeline(&self.pipeline.metadata.name), cx.stores.promotion(name));
        let (pipeline, fresh) = pipeline.zip(fresh).ok_or(Stop::Again)?;
        let release = cx.stores.release(&self.release.metadata.name).ok_or(Stop::Again)?;
        let seen = observe::observed(cx, pipeline);
        let Passed { gates, approvers } = may_push(&seen, name).ok_or(Stop::Again)?;
        // what is written is what was judged
        let judged = seen.releases.iter().find(|known| known.metadata.name == self.release.metadata.name);
        judged.filter(|known| known.spec.images == self.release.spec.images).ok_or(Stop::Again)?;
        cx.at(WriteStep::GatesRepeated, false);
        if let Some(before) = self.destination.unjudged(head).filter(|_| !fresh.spec.rollback) {
            self.look(before).await?;
            let (branch, name) = (&self.destination.branch, &before.metadata.name);
            let why = format!(
                "{branch} has commits that {name} was not compared with yet: they come along, and are judged first"
            );
            return Err(Stop::Unjudged(why).into());
        }
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
            approvers: &approvers,
            rendered: (&change.rendered.0, &change.rendered.1),
            reverts: reverts.as_deref(),
            merges: merges.as_deref(),
            tagged: tag.as_deref(),
        };
        let who = Signature { name: "Gantline".into(), email: EMAIL.into(), time: cx.clock.now() };
        let write = Write {
            branch: self.destination.branch.clone(),
            base: head,
            merge,
            edits: change.edits,
            sign: Some(self.sign(&fresh, message.text(), &who)?),
            message: message.text(),
            tag,
            author: who.clone(),
            committer: who,
        };
        cx.at(WriteStep::Pushed, true);
        let pushed = self.repository.commit_and_push(write).await;
        cx.at(WriteStep::Pushed, false);
        match pushed {
            Ok(commit) => {
                cx.tell_of_pipeline(&writing::pushed(&fresh, &commit.to_string()));
                Ok(commit)
            }
            Err(PushError::Stale { .. }) => Err(Stop::Stale.into()),
            Err(error @ PushError::Declined { .. }) => Err(wait(error)),
            // the answer may be lost, not the push
            Err(PushError::Git(error)) => Err(error.into()),
        }
    }

    fn sign(&self, promotion: &Promotion, message: String, who: &Signature) -> Result<Sign, Halt> {
        let (seal, id) = (self.cx.seal().ok_or(Stop::Again)?.clone(), promotion_id(promotion));
        let second = who.time.as_second();
        let line = move |parents: &[String], tree: &str| {
            let (promotion_id, message) = (id.as_str(), message.as_str());
            let commit = SealedCommit { promotion_id, parents, tree, message, second };
            format!("{PROMOTION_SEAL}: {}", seal.of_commit(&commit))
        };
        Ok(Sign(Arc::new(line)))
    }

    /// Before anything is set back: what moved the branch may be this very promotion.
    async fn unless_moved(&self, head: CommitId, halt: Halt) -> Result<Halt, Halt> {
        if let Halt::Stop(Stop::Again | Stop::Wait(_) | Stop::Unjudged(_)) = &halt {
            self.repository.refresh().await?;
            if self.repository.head_of(&self.destination.branch).await? != head {
                return Ok(Stop::Stale.into());
            }
        }
        Ok(halt)
    }

    /// One scalar for a promotion, after the merge if there is one; what a commit changed, taken back, for a rollback.
    async fn change(
        &self,
        promotion: &Promotion,
        head: CommitId,
        base: FileTree,
        merged: bool,
    ) -> Result<Change, Halt> {
        let ground = Ground::at(self.cx, &self.app, base, &head.to_string()).await.map_err(wait)?;
        if promotion.spec.rollback {
            // what it takes back brings a tag along, whoever moved that
            self.same_as_it_was(&ground).await?;
            if let Some(commit) = self.replaced_commit(promotion)
                && let Some((edits, rendered)) = self.reverted(commit, head, &ground).await
            {
                return Ok(Change { edits, rendered, reverts: Some(commit) });
            }
        }
        self.image_change(ground, promotion.spec.rollback, merged).await
    }

    /// The files that are edited: those of the head, or of the merge.
    async fn base(&self, head: CommitId, merge: Option<CommitId>) -> Result<FileTree, Halt> {
        match merge {
            None => Ok(self.repository.tree(head).await?),
            Some(commit) => self.repository.merged(head, commit).await.map_err(wait),
        }
    }

    /// # Errors
    /// When another environment would change, too.
    async fn spare_others(&self, head: CommitId, base: FileTree, edits: &[Edit]) -> Result<(), Halt> {
        let before = self.repository.tree(head).await?;
        let contents = edits.iter().filter_map(|(path, content)| Some((path, content.clone()?)));
        let after = contents.fold(base, |tree, (path, content)| tree.with_file(path, content));
        neighbours::stay_the_same(self, &neighbours::Step { head: &head.to_string(), before, after }).await
    }

    /// The edits that write the release's images. What a merge brought is not written again, nor that of several images
    /// which is there already.
    async fn image_change(&self, mut ground: Ground, rollback: bool, merged: bool) -> Result<Change, Halt> {
        let mut change = Change::default();
        let several = self.release.spec.images.len() > 1;
        if !rollback {
            self.same_as_tested().await?;
        }
        for image in &self.release.spec.images {
            let planned = plan_image(self.cx, &ground, wanted(image), merged || several).await;
            let (edit, rendered) = planned.map_err(wait)?;
            if let Some((file, content)) = edit {
                ground = ground.with_written(ground.written().with_file(&file, content.clone()));
                change.edits.retain(|(other, _)| *other != file);
                change.edits.push((file, Some(content)));
            }
            change.rendered_to(rendered);
        }
        if change.edits.is_empty() && !merged {
            return Err(wait("nothing changes: all images are those of the release already".to_owned()));
        }
        Ok(change)
    }

    /// A tag that means another digest now than when it was tested is refused.
    async fn same_as_tested(&self) -> Result<(), Halt> {
        for image in &self.release.spec.images {
            if let Some(now) = self.moved_to(image).await {
                let ReleaseImage { name, tag, digest, .. } = image;
                return Err(wait(format!(
                    "tag {tag} of {name} moved from {digest} to {now}, which was not tested: it is not written; push another \
                     tag"
                )));
            }
        }
        Ok(())
    }

    /// The same for a rollback. Where a file says the digest, no tag decides what comes.
    async fn same_as_it_was(&self, ground: &Ground) -> Result<(), Halt> {
        for image in &self.release.spec.images {
            if let Some(now) = self.moved_to(image).await
                && !self.is_written_by_digest(ground, image).await
            {
                let ReleaseImage { name, tag, digest, .. } = image;
                return Err(wait(format!(
                    "tag {tag} of {name} moved from {digest}, which ran here, to {now}: it is not written, and tried again \
                     every minute: have the tag mean {digest} again"
                )));
            }
        }
        Ok(())
    }

    /// What the registry says that the tag of an image means, where that is another one.
    async fn moved_to(&self, image: &ReleaseImage) -> Option<ImageDigest> {
        let wanted = wanted(image);
        wanted.tag.as_ref()?;
        // where no registry answers, the pods tell afterwards whether it is the digest
        let now = registry_of(self.cx, &wanted)?.resolve(&ImageRef { digest: None, ..wanted }).await.ok()?;
        (now != image.digest).then_some(now)
    }

    /// Whatever is written keeps its form.
    async fn is_written_by_digest(&self, ground: &Ground, image: &ReleaseImage) -> bool {
        let there = self.cx.renderer.locate(ground.subject.clone(), &image.name).end().await;
        there.is_ok_and(|found| found.is_ok_and(|located| located.image.digest.is_some()))
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

    /// The commit that put the release that a rollback takes back into the environment.
    fn replaced_commit(&self, promotion: &Promotion) -> Option<CommitId> {
        let replaced = self.cx.stores.release(&promotion.spec.replaces)?;
        replaced.in_environment(&promotion.spec.environment)?.commit.parse().ok()
    }

    async fn record(&self, promotion: &Promotion, commit: CommitId) -> Result<Promotion, Halt> {
        let cx = self.cx;
        // one that was deleted and made again has not made it
        let is_same = |known: &Arc<Promotion>| known.metadata.uid == promotion.metadata.uid;
        let fresh = cx.stores.promotion(&promotion.metadata.name).filter(is_same).ok_or(Stop::Again)?;
        let release = cx.stores.release(&self.release.metadata.name).ok_or(Stop::Again)?;
        let mut recorded = (*fresh).clone();
        for step in writing::record(&fresh, &release, &commit.to_string(), cx.clock.now()) {
            match &step.action {
                Action::SetRelease { status, .. } => drop(set_release(cx, &release, status).await?),
                _ => recorded = realized(cx, &recorded, &step).await?,
            }
        }
        Ok(recorded)
    }

    /// Asks the Applications to look at the branch.
    async fn refresh(&self, promotion: &Promotion) -> Result<(), Halt> {
        let cx = self.cx;
        let Some(step) = writing::refreshed(promotion, cx.clock.now()) else { return Ok(()) };
        // the commit comes along with the next one that is tagged
        for app in self.destination.tagged().into_iter().chain([&*self.app]) {
            self.look(app).await?;
        }
        realized(cx, promotion, &step).await?;
        Ok(())
    }

    async fn look(&self, app: &Application) -> Result<(), Halt> {
        let mut patch = json!({ "metadata": { "annotations": {} } });
        patch["metadata"]["annotations"][api::argocd::names::REFRESH] = json!("normal");
        let key = AppKey::of(app).resource_key();
        self.cx.cluster.patch(&key, &Patch::Merge(patch), PatchOptions::default()).await?;
        Ok(())
    }
}

/// A file with its new content, if one has to be written, and the hashes of what is rendered before and after.
type Planned = (Option<(String, Vec<u8>)>, (String, String));

/// The edit that sets the image; none where it may be there already, and is.
async fn plan_image(cx: &Context, ground: &Ground, image: ImageRef, may_be_there: bool) -> Result<Planned, String> {
    if may_be_there {
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
        digest: Some(image.digest.clone()),
    }
}
