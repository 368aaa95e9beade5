//! Why: of an Application, why it is not green; of a release, why it does not move.

use api::gantline::{GateState, Pipeline, Promotion, Release, ReleasePhase};
use axum::Json;
use axum::extract::Path;

use crate::asker::Asker;
use crate::error::ApiError;
use crate::views::{Explanation, ReleaseExplanation, ReleaseReason};

/// An Application by its name, else a release by its name, tag or digest.
pub(super) async fn get(Path(name): Path<String>, asker: Asker) -> Result<Json<Explanation>, ApiError> {
    if let Ok(app) = asker.application(&name) {
        return Ok(Json(Explanation::Application(asker.controller().explain(&app).await.into())));
    }
    match asker.release(&name, None) {
        Ok(release) => Ok(Json(Explanation::Release(explain_release(&asker, &release)))),
        Err(error) if error.is_not_found() => Err(ApiError::not_found(format!(
            "there is neither an Application nor a release {name:?}: see `gantline app list` and `gantline release list`"
        ))),
        Err(error) => Err(error),
    }
}

fn explain_release(asker: &Asker, release: &Release) -> ReleaseExplanation {
    let name = release.metadata.name.clone();
    let Ok(pipeline) = asker.pipeline(&release.spec.pipeline) else {
        let summary = format!("its Pipeline {} does not exist any more", release.spec.pipeline);
        return ReleaseExplanation { release: name, summary, ..ReleaseExplanation::default() };
    };
    let reasons = reasons(asker, &pipeline, release);
    ReleaseExplanation {
        release: name,
        tag: release.tag().to_owned(),
        digest: release.digest().to_owned(),
        summary: summary(release, reasons.first()),
        reasons,
    }
}

fn reasons(asker: &Asker, pipeline: &Pipeline, release: &Release) -> Vec<ReleaseReason> {
    let promotions = asker.promotions(Some(&pipeline.metadata.name));
    let mut reasons: Vec<ReleaseReason> = of_quarantine(release).into_iter().collect();
    for environment in &pipeline.spec.environments {
        if let Some(entry) = release.in_environment(&environment.name) {
            if !entry.message.is_empty() && entry.phase != ReleasePhase::Verified {
                reasons.push(ReleaseReason {
                    topic: environment.name.clone(),
                    message: entry.message.clone(),
                    since: entry.since,
                    value: entry.phase.as_str().to_owned(),
                    who: format!("whoever looks after {}", environment.application),
                    ..ReleaseReason::default()
                });
            }
            continue;
        }
        let spec = |p: &Promotion| p.spec.environment == environment.name && p.spec.release == release.metadata.name;
        match promotions.iter().find(|promotion| spec(promotion)) {
            Some(promotion) => reasons.extend(of_promotion(asker, promotion)),
            None => reasons.push(of_absence(pipeline, &environment.name)),
        }
        // what holds it here holds it everywhere behind
        break;
    }
    reasons
}

fn summary(release: &Release, first: Option<&ReleaseReason>) -> String {
    let here: Vec<&str> = release.status.environments.iter().map(|e| e.name.as_str()).collect();
    let here = if here.is_empty() { "no environment yet".to_owned() } else { here.join(", ") };
    // pinned by digest alone, it has no tag
    let name = if release.tag().is_empty() { release.metadata.name.as_str() } else { release.tag() };
    match first {
        None => format!("{name} went through every environment: {here}."),
        Some(first) => format!("{name} is in {here}: {}", first.message),
    }
}

fn of_quarantine(release: &Release) -> Option<ReleaseReason> {
    let quarantine = release.status.quarantine.as_ref()?;
    Some(ReleaseReason {
        topic: "Quarantine".to_owned(),
        message: format!("the digest is quarantined by {}: {}", quarantine.by, quarantine.reason),
        since: quarantine.at,
        who: "CI, with another image: a quarantined digest goes nowhere".to_owned(),
        ..ReleaseReason::default()
    })
}

/// One reason a gate that has not passed, else what the promotion says.
fn of_promotion(asker: &Asker, promotion: &Promotion) -> Vec<ReleaseReason> {
    let environment = &promotion.spec.environment;
    let gates = asker.gates_now(promotion).into_iter().filter(|gate| gate.state != GateState::Passed);
    let reason = |gate: api::gantline::GateReport| ReleaseReason {
        topic: environment.clone(),
        message: format!("{environment} waits for {}", gate.name),
        value: gate.value,
        needed: gate.needed,
        since: gate.since,
        earliest: gate.earliest,
        who: gate.who_can_act,
    };
    let mut reasons: Vec<ReleaseReason> = gates.map(reason).collect();
    if reasons.is_empty() || !promotion.status.phase.is_open() {
        let phase = promotion.status.phase.as_str();
        let all = ReleaseReason {
            topic: environment.clone(),
            message: format!("the promotion to {environment} is {phase}: {}", promotion.status.message),
            value: phase.to_owned(),
            who: "nobody needs to act while it goes on; `gantline release show` tells each step".to_owned(),
            ..ReleaseReason::default()
        };
        reasons.insert(0, all);
    }
    reasons
}

fn of_absence(pipeline: &Pipeline, environment: &str) -> ReleaseReason {
    let pinned = pipeline.status_of(environment).and_then(|status| status.pinned.as_ref());
    let message = match pinned {
        Some(pin) => format!("{environment} is pinned by {}: {}", pin.by, pin.reason),
        None => format!("nobody asked for it in {environment} yet"),
    };
    ReleaseReason {
        topic: environment.to_owned(),
        message,
        since: pinned.and_then(|pin| pin.at),
        who: format!("whoever may promote: gantline promote {} --to {environment}", pipeline.metadata.name),
        ..ReleaseReason::default()
    }
}
