//! How long it takes to plan for many Pipelines: `cargo bench -p promotion`.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a measure")]

use std::sync::Arc;
use std::time::Instant;

use api::argocd::{HealthStatusCode, SyncStatusCode};
use api::gantline::{Pipeline, Release};
use jiff::Timestamp;
use promotion::{
    Action, Answer, Answered, Answers, Located, Observed, Place, PlaceApplication, Question, RunningImage, RunningPod,
    plan,
};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PIPELINES: usize = 10_000;

fn main() {
    let now = Timestamp::from_second(1_780_000_000).unwrap();
    let all: Vec<Observed> = (0..PIPELINES).map(|number| settled(observed(number, now))).collect();
    let questions: usize = all.iter().map(|seen| plan(seen).questions.len()).sum();
    let mut best = f64::MAX;
    for _ in 0..10 {
        let begin = Instant::now();
        let steps: usize = all.iter().map(|seen| plan(seen).steps.len()).sum();
        assert_eq!(steps, 0, "at rest there is nothing to do");
        best = best.min(begin.elapsed().as_secs_f64() * 1000.0);
    }
    println!(
        "{PIPELINES} Pipelines of three environments, {questions} questions: {best:.1} ms for all plans (best of 10)"
    );
}

/// A release in dev and staging that waits for an approval, and an older one in production.
fn observed(number: usize, now: Timestamp) -> Observed {
    let name = format!("shop-{number}");
    let pipeline = json!({"metadata": {"name": name}, "spec": {
        "images": [{"name": format!("ghcr.io/acme/{name}"), "tags": "^v"}],
        "environments": [
            {"name": "dev", "application": format!("{name}-dev"), "auto": true},
            {"name": "staging", "application": format!("{name}-staging"), "auto": true},
            {"name": "production", "application": format!("{name}-production"),
                "gates": [{"healthy": {"in": "staging", "for": "10m"}}, {"approval": {"group": "leads"}}]}]}});
    let release = |version: u8, entries: serde_json::Value| {
        let digest = format!("sha256:{}", format!("{version:02x}").repeat(32));
        let short: String = format!("{version:02x}").repeat(6);
        let release = json!({
            "metadata": {"name": format!("{name}-{short}"), "resourceVersion": "1", "creationTimestamp": now},
            "spec": {"pipeline": name, "source": {"author": "dana", "time": now + jiff::SignedDuration::from_secs(i64::from(version))},
                "images": [{"name": format!("ghcr.io/acme/{name}"), "tag": format!("v{version}"), "digest": digest}]},
            "status": {"environments": entries}});
        Arc::new(Release::from_value(release).unwrap())
    };
    let entry = |environment: &str, phase: &str| {
        json!({"name": environment, "phase": phase, "since": now, "deployedAt": now, "healthySince": now,
            "watchedSince": now, "commit": "c1"})
    };
    let old = json!([entry("dev", "Replaced"), entry("staging", "Replaced"), entry("production", "Verified")]);
    let new = json!([entry("dev", "Verified"), entry("staging", "Verified")]);
    let places = ["dev", "staging", "production"].map(|environment| Place {
        application: Some(PlaceApplication {
            follows_tags: false,
            is_held: false,
            name: format!("{name}-{environment}").into(),
            sync: SyncStatusCode::Synced,
            doubt: String::new(),
            health: HealthStatusCode::Healthy,
            health_since: Some(now),
            cause: String::new(),
            commit: "3a4f5c6d7e8f90123a4f5c6d7e8f90123a4f5c6d".to_owned(),
            cluster: "https://kubernetes.default.svc".to_owned(),
            namespaces: [environment.to_owned()].into(),
            project: "default".to_owned(),
            at: "3a4f5c6d7e8f90123a4f5c6d7e8f90123a4f5c6d".into(),
        }),
        beside: Vec::new(),
        pods: vec![RunningPod {
            images: vec![RunningImage { image: image(&name, version_in(environment)), digest: None }],
            ready_since: Some(now),
            ..RunningPod::default()
        }],
        watched_since: Some(now),
    });
    Observed {
        pipeline: Arc::new(Pipeline::from_value(pipeline).unwrap()),
        problems: Vec::new(),
        places: places.to_vec(),
        releases: vec![release(1, old), release(2, new)],
        promotions: Vec::new(),
        tampered: None,
        ledger: Arc::default(),
        elsewhere: Arc::default(),
        accounts: Arc::default(),
        members: Arc::default(),
        answers: Answers::default(),
        now: now + jiff::SignedDuration::from_hours(1),
    }
}

fn version_in(environment: &str) -> u8 {
    if environment == "production" { 1 } else { 2 }
}

fn image(name: &str, version: u8) -> object::ImageRef {
    let digest = format!("{version:02x}").repeat(32);
    format!("ghcr.io/acme/{name}:v{version}@sha256:{digest}").parse().unwrap()
}

/// With all questions answered and all steps taken.
fn settled(mut seen: Observed) -> Observed {
    for _ in 0..10 {
        let planned = plan(&seen);
        for question in planned.questions {
            let Question::Located(spot) = &question else { continue };
            let environment = spot.application.rsplit_once('-').map_or("", |(_, environment)| environment);
            let image = image(&seen.pipeline.metadata.name, version_in(environment));
            let located = Located { image, reference: String::new(), file: String::new(), place: String::new() };
            let answered = Answered { answer: Answer::Located(Ok(located)), at: seen.now };
            seen.answers.0.insert(question, Arc::new(answered));
        }
        Arc::make_mut(&mut seen.pipeline).status = planned.status;
        for step in planned.steps {
            match step.action {
                Action::OpenPromotion { name, spec } => {
                    let mut promotion = api::gantline::Promotion { spec, ..Default::default() };
                    promotion.metadata.name = name;
                    seen.promotions.push(Arc::new(promotion));
                }
                Action::SetPromotion { name, status } => {
                    let known = seen.promotions.iter_mut().find(|known| known.metadata.name == name).unwrap();
                    Arc::make_mut(known).status = status;
                }
                Action::SetRelease { name, status } => {
                    let known = seen.releases.iter_mut().find(|known| known.metadata.name == name).unwrap();
                    Arc::make_mut(known).status = status;
                }
                other => panic!("not expected at rest: {other:?}"),
            }
        }
    }
    seen
}
