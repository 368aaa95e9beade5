//! What a plan looks at, gathered from stores, caches and answers. Nothing is asked here and nobody waited for.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::argocd::{ADMIN, Application, HealthStatusCode, Subject, SyncStatusCode};
use api::gantline::{Pipeline, PipelineProblem};
use object::{ImageDigest, ImageRef, LiveObject};
use promotion::{
    Answer, Answered, Judge, Located, Members, Observed, Place, PlaceApplication, Question, RunningImage, RunningPod,
    Spot,
};

use super::beside::beside;
use super::ground;
use crate::context::Context;
use crate::ledger;
use crate::live::{kinds_of, namespaces_of, watch_resources};
use crate::owned;
use crate::queue::{Depth, Request};
use crate::records::Believing;
use crate::sites::Site;
use crate::view;
use crate::wake::Key;

/// As [`observed`], for who only asks: what another replica found out stands in the status.
pub(crate) fn told(cx: &Context, pipeline: Arc<Pipeline>) -> Observed {
    let mut seen = observed(cx, pipeline);
    // soaks are judged by whoever moves them
    for place in &mut seen.places {
        place.watched_since = place.watched_since.or(Some(jiff::Timestamp::MIN));
    }
    for (environment, place) in seen.pipeline.spec.environments.iter().zip(&seen.places) {
        let answers = told_of(&seen, &environment.name, place, cx.clock.now());
        for (question, answered) in answers.into_iter().flatten() {
            seen.answers.0.entry(question).or_insert(answered);
        }
    }
    seen
}

/// Where the images of an environment are, by the status that was written for the same commit.
fn told_of(
    seen: &Observed,
    environment: &str,
    place: &Place,
    now: jiff::Timestamp,
) -> Option<Vec<(Question, Arc<Answered>)>> {
    let app = place.application.as_ref()?;
    let status = seen.pipeline.status_of(environment).filter(|status| status.commit == app.commit)?;
    let release = seen.releases.iter().find(|release| release.metadata.name == status.release)?;
    let answer = |image: &api::gantline::ReleaseImage| {
        let (application, at) = (Arc::clone(&app.name), Arc::clone(&app.at));
        let spot = Spot { application, image: image.name.as_str().into(), at };
        let tag = Some(image.tag.clone()).filter(|tag| !tag.is_empty());
        let image = ImageRef { name: image.name.clone(), tag, digest: Some(image.digest.clone()) };
        let located = Located { image, reference: String::new(), file: String::new(), place: String::new() };
        (Question::Located(spot), Arc::new(Answered { answer: Answer::Located(Ok(located)), at: now }))
    };
    Some(release.spec.images.iter().map(answer).collect())
}

/// One Pipeline and all that is its own, now.
pub(crate) fn observed(cx: &Context, pipeline: Arc<Pipeline>) -> Observed {
    let pipeline = pipeline.within_limits();
    let places = pipeline.spec.environments.iter();
    let places = places.map(|environment| place(cx, &environment.application)).collect();
    let mut seen = with_places(cx, pipeline, places);
    beside(cx, &mut seen);
    seen
}

/// The same for who needs to know what was recorded, and not what runs.
pub(crate) fn recorded(cx: &Context, pipeline: Arc<Pipeline>) -> Observed {
    with_places(cx, pipeline.within_limits(), Vec::new())
}

fn with_places(cx: &Context, pipeline: Arc<Pipeline>, places: Vec<Place>) -> Observed {
    let name = pipeline.metadata.name.as_str();
    let (releases, promotions) = (cx.stores.releases(Some(name)), cx.stores.promotions(Some(name)));
    let (answers, now) = (cx.answers.of(name), cx.clock.now());
    let (ledger, unread) = ledger::of(cx, &pipeline);
    let mut problems = pipeline.semantic_problems();
    let unread = unread.into_iter().chain(cx.stores.unread_records(name));
    problems.extend(unread.map(|message| PipelineProblem { error: true, message }));
    problems.extend(ledger::crowded(cx, name).map(|message| PipelineProblem { error: false, message }));
    let elsewhere = cx.stores.quarantined_elsewhere(&pipeline, &releases);
    let accounts = Arc::clone(&cx.stores.settings().people);
    let members = Arc::new(members(cx, &pipeline));
    let tampered = None;
    let seen = Observed {
        pipeline,
        problems,
        places,
        releases,
        promotions,
        tampered,
        ledger,
        elsewhere,
        accounts,
        members,
        answers,
        now,
    };
    match cx.seal() {
        Some(seal) => seen.trusted(seal, &Believing { seal, seen: &cx.records_seen }),
        None => seen,
    }
}

/// The accounts that may log in and belong to a group that a gate asks.
fn members(cx: &Context, pipeline: &Pipeline) -> Members {
    let gates = pipeline.spec.environments.iter().flat_map(|environment| &environment.gates);
    let asked: BTreeSet<String> = gates.flat_map(Judge::groups).map(|group| group.name).collect();
    let mut members = Members::default();
    if asked.is_empty() {
        return members;
    }
    let (settings, policy) = (cx.stores.settings(), cx.stores.policy());
    for account in settings.accounts.iter().filter(|account| account.enabled && account.login) {
        let groups = policy.memberships(&Subject { user: account.name.clone(), groups: Vec::new() });
        if groups.contains(ADMIN) {
            members.admins.insert(account.name.clone());
        }
        for group in groups.into_iter().filter(|group| asked.contains(group)) {
            members.groups.entry(group).or_default().insert(account.name.clone());
        }
    }
    for group in asked {
        members.groups.entry(group).or_default();
    }
    members
}

fn place(cx: &Context, application: &str) -> Place {
    let app = cx.application(application);
    let pods = app.as_deref().map(|app| view::pods(cx, app)).unwrap_or_default();
    Place {
        application: app.as_deref().map(|app| seen(cx, app)),
        beside: Vec::new(),
        pods: pods.iter().map(pod).collect(),
        watched_since: watched_since(cx, app.as_deref()),
    }
}

fn seen(cx: &Context, app: &Application) -> PlaceApplication {
    let status = &app.status;
    PlaceApplication {
        cluster: cluster(cx, app).unwrap_or_default(),
        namespaces: namespaces_of(app),
        project: app.spec.project_name().to_owned(),
        name: app.metadata.name.as_str().into(),
        sync: status.sync.status,
        is_held: owned::is_held(app),
        doubt: doubt(app),
        health: status.health.status,
        health_since: status.health.last_transition_time,
        cause: cause(app),
        follows_tags: ground::written(app).is_some_and(|source| git::is_constraint(source.revision())),
        commit: ground::synced(app).to_owned(),
        at: at_of(app),
    }
}

/// Where it was compared, as long as that is where it deploys to.
fn cluster(cx: &Context, app: &Application) -> Option<String> {
    let there = app.status.sync.compared_to.destination == app.spec.destination;
    there.then(|| site_of(cx, app)).flatten().map(|site| site.server().to_owned())
}

/// Names the sources of an Application and the commits that it is synced to.
pub(crate) fn at_of(app: &Application) -> Arc<str> {
    let sources = serde_json::to_string(app.spec.all_sources()).unwrap_or_default();
    format!("{} {sources}", ground::commits(app).join(",")).into()
}

/// Why it could not be compared.
fn doubt(app: &Application) -> String {
    let unknown = app.status.sync.status == SyncStatusCode::Unknown;
    let why = app.status.conditions.iter().find(|condition| unknown && condition.kind.is_error());
    why.map(|condition| condition.message.clone()).unwrap_or_default()
}

/// What the unhealthy objects say.
fn cause(app: &Application) -> String {
    let bad = app.status.resources.iter().filter_map(|resource| {
        let health = resource.health.as_ref().filter(|health| health.status == HealthStatusCode::Degraded)?;
        Some(format!("{} {}: {}", resource.kind, resource.name, health.message))
    });
    let texts: Vec<String> = bad.collect();
    if texts.is_empty() { "see gantline explain".to_owned() } else { texts.join("; ") }
}

fn pod(pod: &LiveObject) -> RunningPod {
    let running = engine::pod_image_ids(pod).into_iter().map(|running| (running.image, running.digest));
    let mut images: Vec<RunningImage> = running.filter_map(running_image).collect();
    if images.is_empty() {
        // no node has it yet
        let wanted = engine::images(pod).into_iter().map(|wanted| (wanted.image, None));
        images.extend(wanted.filter_map(running_image));
    }
    let phase = pod.status().and_then(|status| status.get("phase")?.as_str());
    let has_ended = matches!(phase, Some("Succeeded" | "Failed"));
    let restarts = pod.value().pointer("/spec/restartPolicy").and_then(serde_json::Value::as_str);
    let is_to_end = restarts.is_some_and(|policy| policy != "Always");
    RunningPod { images, ready_since: ready_since(pod), has_ended, is_to_end }
}

fn running_image((image, digest): (String, Option<ImageDigest>)) -> Option<RunningImage> {
    let image: ImageRef = image.parse().ok()?;
    Some(RunningImage { image, digest })
}

fn ready_since(pod: &LiveObject) -> Option<jiff::Timestamp> {
    let conditions = pod.status()?.get("conditions")?.as_array()?;
    let ready = conditions.iter().find(|c| c["type"] == "Ready" && c["status"] == "True")?;
    ready["lastTransitionTime"].as_str()?.parse().ok()
}

/// Since when this process has watched an environment's Application and its pods without a break.
fn watched_since(cx: &Context, app: Option<&Application>) -> Option<jiff::Timestamp> {
    let told = cx.stores.applications.since()?;
    match app.and_then(|app| Some((site_of(cx, app)?, app))) {
        Some((site, app)) => {
            site.watched_since(&kinds_of(cx, &site, app), &namespaces_of(app)).map(|seen| seen.max(told))
        }
        None => Some(told),
    }
}

/// The cluster that an Application is on. What is not connected has no pods to watch.
fn site_of(cx: &Context, app: &Application) -> Option<Arc<Site>> {
    cx.sites.at(&app.spec.destination).ok()
}

/// Watches the objects of the environments, also where another replica works on their Applications. Nobody waits for
/// that: the Pipeline is looked at again when it is done. What cannot be watched is said by the plan.
pub(super) fn watch(cx: &Context, pipeline: &Pipeline) {
    for environment in &pipeline.spec.environments {
        let Some(app) = cx.application(&environment.application) else { continue };
        let Some(site) = site_of(cx, &app).filter(|site| site.answers().is_ok()) else { continue };
        if site.watched_since(&kinds_of(cx, &site, &app), &namespaces_of(&app)).is_none() {
            watch_one(cx, pipeline, site, app);
        }
    }
}

fn watch_one(cx: &Context, pipeline: &Pipeline, site: Arc<Site>, app: Arc<Application>) {
    let (key, queue) = (Key::pipeline(&cx.namespace, &pipeline.metadata.name), Arc::clone(&cx.queue));
    let request = Request { depth: Depth::Live, since: cx.clock.now() };
    // one at a time: a cluster may hang
    if !queue.park(&key, request, &app.metadata.name) {
        return;
    }
    let kinds = kinds_of(cx, &site, &app);
    tokio::spawn(async move {
        let _ = watch_resources(&site, &kinds).await;
        match site.watched_since(&kinds, &namespaces_of(&app)) {
            Some(_) => queue.unpark(&key, &app.metadata.name),
            None => queue.leave(&key, &app.metadata.name),
        }
    });
}
