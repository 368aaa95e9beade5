//! What comes into being: Releases from foreign commits, Promotions from Releases that may travel.

use std::sync::Arc;

use api::argocd::Application;
use api::gantline::{
    API_VERSION, ENVIRONMENT_LABEL, Environment, PIPELINE_LABEL, Pipeline, Promotion, PromotionPhase, PromotionSpec,
    PromotionStatus, Release, ReleaseImage, ReleasePhase, ReleaseSource, ReleaseSpec,
};
use cluster::ClusterError;
use git::CommitId;
use jiff::Timestamp;
use object::{ImageDigest, ImageRef};
use promotion::Located;
use serde_json::json;

use super::ground::{self, Ground};
use super::look::{Look, Seen};
use super::{condition, store};
use crate::context::Context;
use crate::repositories::Address;
use crate::timeline::TimelineKind;

/// How far back the commit that set an image is looked for.
const HISTORY: usize = 50;

/// A commit in the first environment that sets an image of the Pipeline starts a Release.
pub(super) async fn first_environment(
    cx: &Context,
    pipeline: &Arc<Pipeline>,
    look: &mut Look,
) -> Result<(), ClusterError> {
    let Some(first) = pipeline.spec.environments.first() else { return Ok(()) };
    let Some(seen) = look.environment(&first.name) else { return Ok(()) };
    let (Some(app), Some(written), Some(digest)) = (&seen.application, &seen.written, &seen.digest) else {
        return Ok(());
    };
    let image = pipeline.spec.images.first().cloned().unwrap_or_default();
    let tag = written.image.tag.clone().unwrap_or_default();
    if !promotion::is_release_tag(&image, &tag) {
        let message = format!("{}: tag {tag:?} does not match {:?}: it starts no Release", first.name, image.tags);
        look.conditions.push(condition("TagIgnored", message));
        return Ok(());
    }
    let name = release_name(pipeline, digest);
    if cx.stores.release(&name).is_some() {
        return Ok(());
    }
    let releases = cx.stores.releases(Some(&pipeline.metadata.name));
    if let Some(known) = releases.iter().find(|release| release.tag() == tag && !tag.is_empty()) {
        let message = format!(
            "tag {tag} moved from {} to {digest}: refused, what was tested is what runs; push another tag",
            known.digest()
        );
        look.conditions.push(condition("TagMoved", message));
        return Ok(());
    }
    let source = found_source(cx, app, seen, &first.name).await;
    let images = vec![ReleaseImage { name: image.name, tag: tag.clone(), digest: digest.to_string() }];
    let spec = ReleaseSpec { pipeline: pipeline.metadata.name.clone(), images, source };
    let message = format!("{} {tag}: a new Release, {digest}", pipeline.metadata.name);
    let (commit, author) = (spec.source.commit.clone(), spec.source.author.clone());
    let made = store::create(cx, json!({
        "apiVersion": API_VERSION, "kind": "Release", "spec": spec,
        "metadata": { "name": name, "namespace": cx.namespace, "labels": { PIPELINE_LABEL: pipeline.metadata.name } },
    }))
    .await?;
    if made {
        cx.timeline
            .add(store::tell(cx, TimelineKind::Release, &pipeline.metadata.name, message).at_commit(commit).by(author));
    }
    Ok(())
}

fn release_name(pipeline: &Pipeline, digest: &ImageDigest) -> String {
    format!("{}-{}", pipeline.metadata.name, digest.short())
}

/// The newest commit that changed the image: who wrote it may not approve it. A later commit that changed something
/// else in the same file is somebody else's.
async fn found_source(cx: &Context, app: &Application, seen: &Seen, environment: &str) -> ReleaseSource {
    let url = ground::written(app).map_or("", |source| source.repo_url.as_str());
    let mut source = ReleaseSource {
        repository: url.to_owned(),
        commit: ground::synced(app).to_owned(),
        environment: environment.to_owned(),
        ..ReleaseSource::default()
    };
    let found = async {
        let written = seen.written.as_ref()?;
        let repository = cx.repositories.git(Address::of(ground::written(app)?), app.spec.project_name()).ok()?;
        let head = ground::synced(app).parse().ok()?;
        let now = Ground::at(cx, app, repository.tree(head).await.ok()?, ground::synced(app)).await.ok()?;
        for commit in repository.log(head, None, HISTORY).await.ok()? {
            let Some(parent) = commit.parents.first().copied() else { return Some(commit) };
            let touched = repository.changed_paths(parent, commit.id).await.ok()?;
            if touched.contains(&written.file)
                && image_at(cx, &repository, parent, &now, written).await != Some(written.image.clone())
            {
                return Some(commit);
            }
        }
        None
    };
    if let Some(commit) = found.await {
        source.commit = commit.id.to_string();
        source.author = commit.author.name.clone();
        source.email = commit.author.email.clone();
        source.time = Some(commit.author.time);
    }
    source
}

/// The image at an earlier commit; `None` when it cannot be told.
async fn image_at(
    cx: &Context,
    repository: &git::Repository,
    commit: CommitId,
    now: &Ground,
    written: &Located,
) -> Option<ImageRef> {
    let then = now.with_written(repository.tree(commit).await.ok()?);
    let found = cx.renderer.locate(then.subject, &written.image.name).end().await;
    found.ok()?.ok().map(|located| located.image)
}

/// Opens a Promotion for every release that may go one environment further, and closes those that were overtaken.
pub(super) async fn promotions(cx: &Context, pipeline: &Arc<Pipeline>, look: &Look) -> Result<(), ClusterError> {
    let releases = cx.stores.releases(Some(&pipeline.metadata.name));
    for environment in &pipeline.spec.environments {
        let Some(before) = pipeline.before(&environment.name) else { continue };
        let Some(candidate) = candidate(pipeline, environment, &before.name, look, &releases) else { continue };
        overtake(cx, pipeline, environment, &candidate, &releases).await?;
        let promotions = cx.stores.promotions(Some(&pipeline.metadata.name));
        let known = promotions.iter().any(|p| {
            p.spec.environment == environment.name && p.spec.release == candidate.metadata.name && !p.spec.rollback
        });
        if !known {
            let spec = promotion_spec(pipeline, environment, &candidate, "", "");
            create_promotion(cx, pipeline, environment, spec, &promotion_name(environment, &candidate)).await?;
        }
    }
    Ok(())
}

/// The release in the environment before, if it may come here by itself.
fn candidate(
    pipeline: &Pipeline,
    environment: &Environment,
    before: &str,
    look: &Look,
    releases: &[Arc<Release>],
) -> Option<Arc<Release>> {
    let opens = environment.auto || !environment.gates.is_empty();
    let pinned = pipeline.status_of(&environment.name).is_some_and(|status| status.pinned.is_some());
    if !opens || pinned {
        return None;
    }
    let release = releases.iter().find(|release| look.environment(before).is_some_and(|seen| seen.holds(release)))?;
    let phase = release.in_environment(before)?.phase;
    let ready = matches!(phase, ReleasePhase::Converged | ReleasePhase::Soaking | ReleasePhase::Verified);
    let here = look.environment(&environment.name)?;
    let present = releases.iter().find(|other| here.holds(other));
    // never backwards by itself
    let newer = present.is_none_or(|present| came(present) < came(release));
    (ready && newer && release.status.quarantine.is_none() && !here.holds(release)).then(|| Arc::clone(release))
}

/// Which release is the newer one: the API server counts whole seconds, Git says which commit came first.
fn came(release: &Release) -> (Option<Timestamp>, Option<Timestamp>) {
    (release.metadata.creation_timestamp, release.spec.source.time)
}

async fn overtake(
    cx: &Context,
    pipeline: &Pipeline,
    environment: &Environment,
    newer: &Release,
    releases: &[Arc<Release>],
) -> Result<(), ClusterError> {
    for promotion in cx.stores.promotions(Some(&pipeline.metadata.name)) {
        let waiting = promotion.status.phase == PromotionPhase::Waiting && !promotion.spec.rollback;
        let older = releases
            .iter()
            .any(|release| release.metadata.name == promotion.spec.release && came(release) < came(newer));
        if waiting && older && promotion.spec.environment == environment.name && promotion.spec.requested_by.is_empty()
        {
            let message = format!("{} came before it was written", newer.tag());
            let status = PromotionStatus { phase: PromotionPhase::Superseded, message, ..promotion.status.clone() };
            store::promotion_status(cx, &promotion, status).await?;
        }
    }
    Ok(())
}

pub(crate) fn promotion_name(environment: &Environment, release: &Release) -> String {
    let digest: String = release.digest().trim_start_matches("sha256:").chars().take(12).collect();
    format!("{}-{}-{digest}", release.spec.pipeline, environment.name)
}

pub(crate) fn promotion_spec(
    pipeline: &Pipeline,
    environment: &Environment,
    release: &Release,
    actor: &str,
    reason: &str,
) -> PromotionSpec {
    PromotionSpec {
        pipeline: pipeline.metadata.name.clone(),
        environment: environment.name.clone(),
        release: release.metadata.name.clone(),
        digest: release.digest().to_owned(),
        tag: release.tag().to_owned(),
        from: pipeline.before(&environment.name).map_or_else(String::new, |before| before.name.clone()),
        requested_by: actor.to_owned(),
        reason: reason.to_owned(),
        rollback: false,
    }
}

/// Whether it was made now.
pub(crate) async fn create_promotion(
    cx: &Context,
    pipeline: &Pipeline,
    environment: &Environment,
    spec: PromotionSpec,
    name: &str,
) -> Result<bool, ClusterError> {
    let made = store::create(cx, promotion_object(cx, &spec, name)).await?;
    if made && !environment.gates.is_empty() && !spec.rollback {
        let message = format!("{} {} wants to go to {}", pipeline.metadata.name, spec.tag, environment.name);
        cx.timeline
            .add(store::tell(cx, TimelineKind::Waiting, &pipeline.metadata.name, message).by(&spec.requested_by));
    }
    Ok(made)
}

fn promotion_object(cx: &Context, spec: &PromotionSpec, name: &str) -> serde_json::Value {
    let labels = json!({ PIPELINE_LABEL: spec.pipeline, ENVIRONMENT_LABEL: spec.environment });
    json!({
        "apiVersion": API_VERSION, "kind": "Promotion", "spec": spec,
        "metadata": { "name": name, "namespace": cx.namespace, "labels": labels },
    })
}

/// The newest promotion of a release into an environment.
pub(crate) fn newest(cx: &Context, environment: &Environment, release: &Release) -> Option<Arc<Promotion>> {
    let all = cx.stores.promotions(Some(&release.spec.pipeline));
    all.into_iter()
        .find(|p| p.spec.environment == environment.name && p.spec.release == release.metadata.name && !p.spec.rollback)
}
