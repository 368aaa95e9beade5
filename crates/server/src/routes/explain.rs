//! Why: of an Application, why it is not green; of a release, why it does not move.

use api::gantline::{GateState, Promotion, Release};
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::releases;
use crate::Server;
use crate::error::ApiError;
use crate::overview;
use crate::people::Identity;

/// An Application by its name, else a release by its name, tag or digest.
pub(super) async fn get(
    State(server): State<Server>,
    Path(name): Path<String>,
    _: Identity,
) -> Result<Json<Value>, ApiError> {
    if let Some(app) = server.config.controller.application(&name) {
        let explanation = server.config.controller.explain(&app).await;
        return Ok(Json(serde_json::to_value(explanation).unwrap_or_default()));
    }
    match releases::find(&server, &name, None) {
        Ok(release) => Ok(Json(explain_release(&server, &release))),
        Err(error) if error.is_not_found() => Err(ApiError::not_found(format!(
            "there is neither an Application nor a release {name:?}: see `gantline app list` and `gantline release list`"
        ))),
        Err(error) => Err(error),
    }
}

fn explain_release(server: &Server, release: &Release) -> Value {
    let Some(pipeline) = server.stores().pipeline(&release.spec.pipeline) else {
        let message = format!("its Pipeline {} does not exist any more", release.spec.pipeline);
        return json!({ "release": release.metadata.name, "summary": message, "reasons": [] });
    };
    let promotions = server.stores().promotions(Some(&release.spec.pipeline));
    let mut reasons = Vec::new();
    if let Some(quarantine) = &release.status.quarantine {
        reasons.push(json!({
            "topic": "Quarantine",
            "message": format!("the digest is quarantined by {}: {}", quarantine.by, quarantine.reason),
            "since": quarantine.at, "who": "CI, with another image: a quarantined digest goes nowhere",
        }));
    }
    for environment in &pipeline.spec.environments {
        if let Some(entry) = release.in_environment(&environment.name) {
            if !entry.message.is_empty() && entry.phase.as_str() != "Verified" {
                reasons.push(json!({ "topic": environment.name, "message": entry.message, "since": entry.since,
                    "value": entry.phase.as_str(), "who": format!("whoever looks after {}", environment.application) }));
            }
            continue;
        }
        let of = |p: &&std::sync::Arc<Promotion>| {
            p.spec.environment == environment.name && p.spec.release == release.metadata.name
        };
        match promotions.iter().find(of) {
            Some(promotion) => reasons.extend(of_promotion(server, promotion)),
            None => reasons.extend(of_absence(&pipeline, &environment.name)),
        }
        // what holds it here holds it everywhere behind
        break;
    }
    let here: Vec<&str> = release.status.environments.iter().map(|e| e.name.as_str()).collect();
    let first = reasons.first().and_then(|reason| reason["message"].as_str()).map(str::to_owned);
    // pinned by digest alone, it has no tag
    let name = if release.tag().is_empty() { release.metadata.name.as_str() } else { release.tag() };
    let summary = match first {
        None => format!("{name} went through every environment: {}.", here.join(", ")),
        Some(first) => format!(
            "{name} is in {}: {first}",
            if here.is_empty() { "no environment yet".to_owned() } else { here.join(", ") }
        ),
    };
    json!({ "release": release.metadata.name, "tag": release.tag(), "digest": release.digest(), "summary": summary, "reasons": reasons })
}

/// One reason a gate that has not passed, else what the promotion says.
fn of_promotion(server: &Server, promotion: &Promotion) -> Vec<Value> {
    let environment = &promotion.spec.environment;
    let gates = overview::gates_now(server, promotion).into_iter().filter(|gate| gate.state != GateState::Passed);
    let mut reasons: Vec<Value> = gates
        .map(|gate| {
            json!({
                "topic": environment, "message": format!("{environment} waits for {}", gate.name), "value": gate.value,
                "needed": gate.needed, "since": gate.since, "earliest": gate.earliest, "who": gate.who_can_act,
            })
        })
        .collect();
    if reasons.is_empty() || !promotion.status.phase.is_open() {
        let phase = promotion.status.phase.as_str();
        let message = format!("the promotion to {environment} is {phase}: {}", promotion.status.message);
        let who = "nobody needs to act while it goes on; `gantline release show` tells each step";
        reasons.insert(0, json!({ "topic": environment, "message": message, "value": phase, "who": who }));
    }
    reasons
}

fn of_absence(pipeline: &api::gantline::Pipeline, environment: &str) -> Vec<Value> {
    let status = pipeline.status_of(environment);
    let pinned = status.and_then(|status| status.pinned.as_ref());
    if let Some(pin) = pinned {
        let message = format!("{environment} is pinned by {}: {}", pin.by, pin.reason);
        let who = format!("whoever may promote: gantline promote {} --to {environment}", pipeline.metadata.name);
        return vec![json!({ "topic": environment, "message": message, "since": pin.at, "who": who })];
    }
    let who = format!("whoever may promote: gantline promote {} --to {environment}", pipeline.metadata.name);
    let message = format!("nobody asked for it in {environment} yet");
    vec![json!({ "topic": environment, "message": message, "who": who })]
}
