//! Requests about releases: promote, decide, roll back, unpin.

use std::sync::Arc;

use api::gantline::{
    Approval, Environment, Pipeline, Promotion, PromotionPhase, PromotionSpec, PromotionStatus, Release, ReleasePhase,
    Verdict,
};

use super::RequestError;
use crate::controller::Controller;
use crate::promotions::{open, store};
use crate::timeline::TimelineKind;

/// Asks for a release in an environment. The gates still decide; a pin is lifted, because somebody asked.
///
/// # Errors
/// When the release is quarantined or there already, or the cluster refuses the write.
pub async fn promote(
    controller: &Controller,
    pipeline: &Pipeline,
    environment: &Environment,
    release: &Release,
    actor: &str,
    reason: &str,
) -> Result<Promotion, RequestError> {
    let cx = &controller.context;
    let (name, tag) = (&pipeline.metadata.name, release.tag());
    if let Some(quarantine) = &release.status.quarantine {
        return refused(format!(
            "{name} {tag} is quarantined by {}: {}: promote another release",
            quarantine.by, quarantine.reason
        ));
    }
    if pipeline.status_of(&environment.name).is_some_and(|status| status.release == release.metadata.name) {
        return refused(format!("{name} {tag} is in {} already", environment.name));
    }
    unpin(controller, pipeline, environment, actor).await?;
    let newest = open::newest(cx, environment, release);
    if let Some(open) = newest.as_ref().filter(|promotion| promotion.status.phase.is_open()) {
        return Ok((**open).clone());
    }
    let first = open::promotion_name(environment, release);
    let made_names = cx.stores.promotions(Some(name)).iter().filter(|p| p.metadata.name.starts_with(&first)).count();
    let own_name = if made_names == 0 { first } else { format!("{first}-{}", made_names + 1) };
    let spec = open::promotion_spec(pipeline, environment, release, actor, reason);
    open::create_promotion(cx, pipeline, environment, spec, &own_name).await?;
    found(controller, &own_name)
}

/// Notes what one person decided, bound to the digest, the environment and its gates as they are.
///
/// # Errors
/// When the promotion does not wait any more, or the cluster refuses the write.
pub async fn decide(
    controller: &Controller,
    promotion: &Promotion,
    verdict: Verdict,
    user: &str,
    groups: Vec<String>,
    reason: &str,
) -> Result<Promotion, RequestError> {
    let cx = &controller.context;
    let (spec, status) = (&promotion.spec, &promotion.status);
    if status.phase != PromotionPhase::Waiting {
        return refused(format!(
            "{} is {}: there is nothing to decide any more",
            promotion.metadata.name,
            status.phase.as_str()
        ));
    }
    let pipeline = cx.stores.pipeline(&spec.pipeline);
    let environment = pipeline.as_ref().and_then(|pipeline| pipeline.environment(&spec.environment));
    let Some(environment) = environment else {
        return refused(format!("{} has no environment {} any more", spec.pipeline, spec.environment));
    };
    let approval = Approval {
        user: user.to_owned(),
        groups,
        decision: verdict,
        reason: reason.to_owned(),
        at: Some(cx.clock.now()),
        digest: spec.digest.clone(),
        environment: spec.environment.clone(),
        policy: promotion::gates::policy(environment),
    };
    let mut approvals = status.approvals.clone();
    approvals.retain(|known| known.user != user);
    approvals.push(approval);
    let new = PromotionStatus { approvals, ..status.clone() };
    let written = store::promotion_status(cx, promotion, new).await?;
    let (kind, verb) = match verdict {
        Verdict::Approve => (TimelineKind::Approved, "approved"),
        Verdict::Reject => (TimelineKind::Rejected, "rejected"),
    };
    let message = format!("{} {} for {} is {verb} by {user}", spec.pipeline, spec.tag, spec.environment);
    cx.timeline.add(store::tell(cx, kind, &spec.pipeline, message).because(reason).by(user));
    Ok((*written).clone())
}

/// Goes back to the release that ran in the environment before, by a revert commit; what runs there now is quarantined,
/// and the environment is pinned.
///
/// # Errors
/// When nothing ran there before, or the cluster refuses the write.
pub async fn roll_back(
    controller: &Controller,
    pipeline: &Pipeline,
    environment: &Environment,
    actor: &str,
    reason: &str,
) -> Result<Promotion, RequestError> {
    let cx = &controller.context;
    let name = &pipeline.metadata.name;
    let releases = cx.stores.releases(Some(name));
    let here = |release: &&Arc<Release>| release.in_environment(&environment.name).is_some();
    let current = pipeline.status_of(&environment.name).map_or("", |status| status.release.as_str());
    let mut before: Vec<&Arc<Release>> = releases
        .iter()
        .filter(here)
        .filter(|release| release.metadata.name != current && release.status.quarantine.is_none())
        .filter(|release| release.in_environment(&environment.name).is_some_and(|e| e.phase == ReleasePhase::Replaced))
        .collect();
    before.sort_by_key(|release| release.in_environment(&environment.name).and_then(|entry| entry.deployed_at));
    let Some(target) = before.last() else {
        return refused(format!("no release ran in {} before: there is nothing to go back to", environment.name));
    };
    let spec = PromotionSpec {
        rollback: true,
        from: String::new(),
        ..open::promotion_spec(pipeline, environment, target, actor, reason)
    };
    let bad = releases.iter().find(|release| release.metadata.name == current).map_or("", |release| release.digest());
    let short: String = bad.trim_start_matches("sha256:").chars().take(12).collect();
    let count = cx
        .stores
        .promotions(Some(name))
        .iter()
        .filter(|p| p.spec.rollback && p.spec.environment == environment.name)
        .count();
    let own_name = format!("{name}-{}-rollback-{short}-{}", environment.name, count + 1);
    open::create_promotion(cx, pipeline, environment, spec, &own_name).await?;
    found(controller, &own_name)
}

/// Lets releases come by themselves again.
///
/// # Errors
/// When the cluster refuses the write.
pub async fn unpin(
    controller: &Controller,
    pipeline: &Pipeline,
    environment: &Environment,
    actor: &str,
) -> Result<(), RequestError> {
    let cx = &controller.context;
    let Some(pipeline) = cx.stores.pipeline(&pipeline.metadata.name) else { return Ok(()) };
    let mut status = pipeline.status.clone();
    let pinned = status.environments.iter_mut().find(|entry| entry.name == environment.name && entry.pinned.is_some());
    let Some(pinned) = pinned else { return Ok(()) };
    pinned.pinned = None;
    store::pipeline_status(cx, &pipeline, status).await?;
    let message = format!("{} in {} is not pinned any more", pipeline.metadata.name, environment.name);
    cx.timeline.add(store::tell(cx, TimelineKind::Progress, &pipeline.metadata.name, message).by(actor));
    Ok(())
}

fn refused<T>(text: String) -> Result<T, RequestError> {
    Err(RequestError::Refused(text))
}

fn found(controller: &Controller, name: &str) -> Result<Promotion, RequestError> {
    let found = controller.context.stores.promotion(name).map(|promotion| (*promotion).clone());
    found.ok_or_else(|| RequestError::Refused(format!("{name} was taken away again at once")))
}
