//! What is decided about a Pipeline, case by case. The simulator knows what must hold in all of them.

use api::argocd::{HealthStatusCode, SyncStatusCode};
use api::gantline::{PipelineConditionKind, PromotionPhase, ReleasePhase};
use jiff::{SignedDuration, Timestamp};
use promotion::{Answer, Question, RunningImage, Spot, plan, requests};
use serde_json::json;

use super::story::{Story, digest};

const V1: &[(&str, &str, &str)] = &[("shop", "v1", "1")];
const V2: &[(&str, &str, &str)] = &[("shop", "v2", "2")];

fn soaking() -> Story {
    let mut story = Story::new(&["shop"], json!({"gates": [{"healthy": {"in": "staging", "for": "10m"}}]}));
    ["dev", "staging", "production"].iter().for_each(|environment| story.write(environment, &[("shop", "v0", "0")]));
    story.settle();
    story.pass(1);
    story.write("dev", V1);
    story.settle();
    story
}

const FIRST: &str = "shop-111111111111";

#[test]
fn a_release_goes_through_by_itself() {
    let mut story = soaking();
    assert_eq!(story.entry(FIRST, "staging").phase, ReleasePhase::Soaking);
    assert_eq!(story.phase("shop-production-111111111111"), PromotionPhase::Waiting);
    let next = story.settle().next;
    assert_eq!(next, Some(story.seen.now + SignedDuration::from_mins(10)), "the end of the soak wakes it");
    story.pass(10);
    story.settle();
    assert_eq!(story.phase("shop-production-111111111111"), PromotionPhase::Succeeded);
    assert_eq!((story.status("production").as_str(), story.settle().next), (FIRST, None));
    let expected =
        ["shop v1: a new Release, sha256:1111", "shop v1 wants to go to production", "promote(production): shop → v1"];
    for text in expected {
        assert!(story.told.iter().any(|told| told.starts_with(text)), "{text}: {:#?}", story.told);
    }
}

/// The watch of a process breaks or begins anew: time that nobody saw counts where the pods prove it.
#[test]
fn losing_memory_neither_invents_nor_restarts_a_soak() {
    for (ready_after, restarts) in [(-1, 0), (1, 1)] {
        let mut story = soaking();
        let since = story.entry(FIRST, "staging").healthy_since.unwrap();
        story.pass(5);
        story.place("staging").watched_since = None;
        let quiet = plan(&story.seen);
        let told = format!("{:?}", quiet.steps);
        assert!(told.contains("nobody watches") && !told.contains("SetRelease"), "{told}");
        story.settle();
        story.pass(5);
        assert_eq!(story.phase("shop-production-111111111111"), PromotionPhase::Waiting, "nobody saw it healthy");
        story.settle();
        assert_eq!(story.phase("shop-production-111111111111"), PromotionPhase::Waiting);
        story.place("staging").watched_since = Some(story.seen.now);
        story.place("staging").pods[0].ready_since = Some(since + SignedDuration::from_mins(ready_after));
        story.settle();
        assert_eq!(story.entry(FIRST, "staging").restarts, restarts);
        let expected = if restarts == 0 { PromotionPhase::Succeeded } else { PromotionPhase::Waiting };
        assert_eq!(story.phase("shop-production-111111111111"), expected);
        // examined once: pods that come later do not count against it
        story.place("staging").pods[0].ready_since = Some(story.seen.now);
        story.settle();
        assert_eq!(story.entry(FIRST, "staging").restarts, restarts);
    }
}

/// Each of two replicas watches for a time of its own, and both have watched since before the soak began.
#[test]
fn replicas_that_take_turns_do_not_restart_a_soak() {
    let mut story = soaking();
    let began = story.entry(FIRST, "staging").healthy_since.unwrap();
    story.pass(5);
    story.place("staging").pods[0].ready_since = Some(story.seen.now);
    for minutes in [30, 1] {
        story.place("staging").watched_since = Some(began - SignedDuration::from_mins(minutes));
        assert_eq!(plan(&story.seen).steps, []);
    }
}

/// A soak is broken by what happens to the watch of its own environment.
#[test]
fn an_outage_elsewhere_neither_stops_nor_restarts_a_soak() {
    let mut story = soaking();
    story.place("production").watched_since = None;
    story.pass(5);
    // one more pod: of a time that nobody watched it would prove nothing
    story.place("staging").pods[0].ready_since = Some(story.seen.now);
    story.settle();
    story.place("production").watched_since = Some(story.seen.now);
    story.settle();
    assert_eq!(story.entry(FIRST, "staging").restarts, 0);
    story.place("production").watched_since = None;
    story.pass(5);
    story.settle();
    assert_eq!(story.entry(FIRST, "staging").phase, ReleasePhase::Verified, "its own watch was never broken");
}

#[test]
fn a_moment_between_two_looks_begins_a_soak_again() {
    let mut story = soaking();
    story.pass(5);
    story.app("staging").health_since = Some(story.seen.now);
    story.settle();
    assert_eq!(story.entry(FIRST, "staging").restarts, 1);
    assert!(story.told.contains(&"shop v1: the soak in staging begins again".to_owned()), "{:?}", story.told);
}

#[test]
fn who_does_not_get_there_has_failed_and_is_quarantined() {
    let mut story = soaking();
    story.app("dev").health = HealthStatusCode::Degraded;
    story.write("dev", V2);
    story.settle();
    let bad = story.release("shop-222222222222");
    assert_eq!(bad.in_environment("dev").unwrap().phase, ReleasePhase::Failed);
    assert_eq!(bad.status.quarantine.as_ref().unwrap().by, "gantline");
    let mut slow = soaking();
    slow.app("dev").health = HealthStatusCode::Progressing;
    slow.write("dev", V2);
    let deadline = slow.settle().next;
    slow.seen.now = deadline.unwrap();
    slow.settle();
    slow.seen.now += SignedDuration::from_mins(10);
    slow.settle();
    assert_eq!(slow.entry("shop-222222222222", "dev").phase, ReleasePhase::Failed);
}

/// What nobody has answered yet is not somewhere else.
/// Somebody moves its tag, or writes another image beside it: then its sync is held, and it is not the worse for it.
#[test]
fn what_gates_hold_back_does_not_fail() {
    for (digit, runs) in [("1", false), ("9", false), ("1", true)] {
        let mut story = soaking();
        story.pass(1);
        story.write("dev", V2);
        story.settle();
        assert_eq!(story.status("staging"), "shop-222222222222");
        story.pass(1);
        let app = story.app("staging");
        (app.sync, app.health, app.is_held) = (SyncStatusCode::OutOfSync, HealthStatusCode::Degraded, true);
        let running =
            RunningImage { image: "shop:v1".parse().unwrap(), digest: Some(digest(if runs { "1" } else { "2" })) };
        story.place("staging").pods[0].images = vec![running];
        story.ask(requests::roll_back(&story.seen, "staging", "tina", "errors")).unwrap();
        story.take_all();
        story.take_all();
        story.write("staging", &[("shop", "v1", digit)]);
        for _ in 0..4 {
            story.settle();
            story.pass(10);
        }
        let entry = story.entry(FIRST, "staging");
        let failed = entry.phase == ReleasePhase::Failed;
        assert_eq!((failed, story.release(FIRST).status.quarantine.is_some()), (runs, runs), "{digit}: {entry:?}");
        assert!(runs || entry.message.starts_with("staging is not synced, because gates hold"), "{}", entry.message);
    }
}

#[test]
fn an_unanswered_question_changes_nothing() {
    let mut story = soaking();
    let before = story.entry(FIRST, "staging").clone();
    story.app("staging").at = "c99".into();
    let planned = plan(&story.seen);
    let spot = Spot { application: "staging".into(), image: "shop".into(), at: "c99".into() };
    assert!(planned.questions.contains(&Question::Located(spot.clone())));
    assert_eq!(planned.status.environments[1].release, FIRST, "as it was while it is not known");
    story.pass(20);
    story.settle();
    assert_eq!(*story.entry(FIRST, "staging"), before);
    assert_eq!(story.phase("shop-production-111111111111"), PromotionPhase::Waiting, "nobody knows what soaks");
    story.answer(Question::Located(spot), Answer::Located(Err("it does not render".into())));
    let planned = story.settle();
    assert_eq!(planned.status.conditions[0].r#type, PipelineConditionKind::ImageNotFound);
    assert_eq!(story.entry(FIRST, "staging").phase, ReleasePhase::Soaking, "what cannot be found is not replaced");
    let gate = &story.promotion("shop-production-111111111111").status.gates[0];
    assert_eq!(gate.value, "it does not render");
}

#[test]
fn all_images_travel_together() {
    let mut story = Story::new(&["shop", "web"], json!({"auto": false}));
    for environment in ["dev", "staging", "production"] {
        story.write(environment, &[("shop", "v0", "0"), ("web", "v0", "f")]);
    }
    story.settle();
    assert_eq!(story.seen.releases.len(), 1);
    story.pass(1);
    story.write("dev", &[("shop", "v1", "1"), ("web", "v0", "f")]);
    story.settle();
    let release = story.seen.releases[1].clone();
    assert_eq!((release.spec.images.len(), &*promotion::label(&release.spec.images)), (2, "v1 + v0"));
    assert_eq!(story.status("staging"), release.metadata.name);
    // one image alone is not the release
    story.write("production", &[("shop", "v1", "1"), ("web", "v9", "9")]);
    story.settle();
    assert_eq!(story.status("production"), "");
    // a tag of any image that moved is refused
    story.write("dev", &[("shop", "v2", "2"), ("web", "v0", "e")]);
    let planned = story.settle();
    assert_eq!(planned.status.conditions[0].r#type, PipelineConditionKind::TagMoved, "{planned:?}");
    story.write("dev", &[("shop", "latest", "3"), ("web", "v0", "f")]);
    let planned = story.settle();
    assert_eq!(planned.status.conditions[0].r#type, PipelineConditionKind::TagIgnored, "{planned:?}");
    assert_eq!(story.seen.releases.len(), 2);
}

#[test]
fn a_digest_comes_from_the_registry_else_from_the_pods_and_is_asked_for_again() {
    let mut story = Story::new(&["shop"], json!({}));
    story.write("dev", &[("shop", "v1", "")]);
    let question = Question::Digest("shop:v1".parse().unwrap());
    let planned = plan(&story.seen);
    assert!(planned.questions.contains(&question) && planned.steps.is_empty(), "{planned:?}");
    story.answer(question.clone(), Answer::Digest(Err("refused".into())));
    let planned = story.settle();
    assert_eq!(planned.status.conditions[0].r#type, PipelineConditionKind::DigestUnknown);
    assert_eq!(planned.next, Some(story.seen.now + SignedDuration::from_mins(1)));
    let image = promotion::RunningImage { image: "shop:v1".parse().unwrap(), digest: Some(digest("1")) };
    story.seen.places[0].pods[0].images.push(image);
    story.settle();
    assert_eq!(story.status("dev"), FIRST);
    story.answer(question, Answer::Digest(Ok(digest("1"))));
    assert_eq!(story.settle().next, Some(story.seen.now + SignedDuration::from_mins(10)));
}

#[test]
fn the_newer_release_takes_the_place_of_one_that_waits() {
    let mut story = soaking();
    story.pass(1);
    story.write("dev", V2);
    story.settle();
    assert_eq!(story.phase("shop-production-111111111111"), PromotionPhase::Superseded);
    assert_eq!(story.phase("shop-production-222222222222"), PromotionPhase::Waiting);
}

#[test]
fn a_rollback_quarantines_and_pins_before_it_is_written() {
    let mut story = soaking();
    story.pass(10);
    story.settle();
    let name = story.ask(requests::roll_back(&story.seen, "production", "tina", "errors")).unwrap();
    assert_eq!(name, "shop-production-rollback-111111111111-1");
    let actions: Vec<String> =
        plan(&story.seen).steps.iter().map(|step| format!("{:?}", step.action).chars().take(10).collect()).collect();
    assert_eq!(actions, ["SetLedger ", "SetRelease", "Pin { envi", "Write { pr"]);
    story.settle();
    assert_eq!(
        (story.phase(&name), story.status("production").as_str()),
        (PromotionPhase::Succeeded, "shop-000000000000")
    );
    assert_eq!(story.release(FIRST).status.quarantine.as_ref().unwrap().reason, "errors");
    assert_eq!(story.seen.pipeline.pin_of("production").unwrap().by, "tina");
    // a newer release waits for the pin to go: nothing is even asked for
    story.write("dev", V2);
    story.settle();
    assert!(story.seen.promotions.iter().all(|p| p.metadata.name != "shop-production-222222222222"));
    story.ask(requests::unpin(&story.seen, "production", "tina")).unwrap();
    story.settle();
    assert_eq!(story.phase("shop-production-222222222222"), PromotionPhase::Waiting);
}

#[test]
fn an_invalid_pipeline_does_nothing_and_says_why() {
    let mut story = Story::new(&["shop"], json!({"gates": [{"approval": {}}]}));
    story.write("dev", V1);
    story.seen.problems = api::gantline::Pipeline::problems(&story.seen.pipeline.to_value());
    let planned = plan(&story.seen);
    assert!(planned.steps.is_empty() && planned.questions.is_empty());
    assert_eq!(planned.status.conditions[0].r#type, PipelineConditionKind::Invalid);
    assert_eq!(planned.next, None::<Timestamp>);
}

/// A release that another one followed within the same second was not there too late: it was never there. The simulator
/// found it.
#[test]
fn two_writes_within_a_second_are_no_failure() {
    let mut story = Story::new(&["shop"], json!({}));
    ["dev", "staging", "production"].iter().for_each(|environment| story.write(environment, &[("shop", "v0", "0")]));
    story.settle();
    for (version, digit) in [("v1", "1"), ("v2", "2")] {
        story.pass(1);
        story.write("dev", &[("shop", version, digit)]);
        story.settle();
    }
    for (name, digit) in [("v1", "1"), ("v2", "2")] {
        let release = format!("shop-{}", digit.repeat(12));
        let promotion = story.ask(requests::promote(&story.seen, "production", &release, "tina", name)).unwrap();
        let steps =
            promotion::writing::record(story.promotion(&promotion), story.release(&release), "c", story.seen.now);
        story.ask(Ok(requests::Asked { promotion, steps })).unwrap();
    }
    story.write("production", V2);
    story.settle();
    assert_eq!(story.entry(FIRST, "production").phase, ReleasePhase::Replaced);
    assert_eq!(story.phase("shop-production-111111111111"), PromotionPhase::Superseded);
    assert_eq!(story.phase("shop-production-222222222222"), PromotionPhase::Succeeded);
    assert!(story.release(FIRST).status.quarantine.is_none());
}

/// One controller pushed while another one gave up: Git has the commit. The simulator found it.
#[test]
fn what_was_pushed_is_recorded_once_whatever_was_thought_meanwhile() {
    let mut story = soaking();
    let name = "shop-production-111111111111";
    let set_back = promotion::writing::Stop::Wait("the branch is protected".into());
    let step = promotion::writing::set_back(story.promotion(name), "", set_back, story.seen.now);
    story.ask(Ok(requests::Asked { promotion: String::new(), steps: vec![step] })).unwrap();
    assert_eq!(story.settle().next, Some(story.seen.now + SignedDuration::from_mins(2)));
    let record =
        |story: &Story| promotion::writing::record(story.promotion(name), story.release(FIRST), "c9", story.seen.now);
    let steps = record(&story);
    story.ask(Ok(requests::Asked { promotion: String::new(), steps })).unwrap();
    assert_eq!(story.phase(name), PromotionPhase::Written);
    assert_eq!(record(&story), [], "once");
}

#[test]
fn what_a_job_ran_before_keeps_no_release_from_converging() {
    let mut story = soaking();
    story.write("dev", V2);
    let image = promotion::RunningImage { image: "shop:v1".parse().unwrap(), digest: Some(digest("1")) };
    let pod = promotion::RunningPod { images: vec![image], ready_since: None, ..Default::default() };
    story.place("dev").pods.push(pod);
    story.settle();
    let v2 = "shop-222222222222";
    assert_eq!(story.entry(v2, "dev").phase, ReleasePhase::Deploying);
    story.place("dev").pods[1].has_ended = true;
    story.settle();
    assert_eq!(story.entry(v2, "dev").phase, ReleasePhase::Verified);
}

/// People may have an Application leave out the health of an object: then its pods are what is left to tell.
#[test]
fn what_crashes_is_not_healthy_whatever_its_application_leaves_out() {
    let unready = |image: &str, known: Option<&str>| {
        let image = promotion::RunningImage { image: image.parse().unwrap(), digest: known.map(digest) };
        promotion::RunningPod { images: vec![image], ..Default::default() }
    };
    let v2 = "shop-222222222222";
    for (image, known) in [("shop:v2", Some("2")), ("shop:v2", None), ("mirror.io/other:v2", Some("2"))] {
        let mut story = soaking();
        story.write("dev", V2);
        story.place("dev").pods.push(unready(image, known));
        story.settle();
        let entry = story.entry(v2, "dev");
        assert_eq!((entry.phase, entry.healthy_since), (ReleasePhase::Deploying, None), "{image}");
        assert!(entry.message.contains("is not ready, whatever is said of its health"), "{}", entry.message);
        let why = promotion::explain::release(&story.seen, v2).unwrap();
        assert!(why.summary.contains("is not ready"), "{}", why.summary);

        // one of a Job, and of others, says nothing
        let pods = &mut story.place("dev").pods;
        pods[1].is_to_end = true;
        pods.push(unready("redis:7", Some("7")));
        story.settle();
        assert_eq!(story.entry(v2, "dev").phase, ReleasePhase::Verified);
        // nor one that is not there
        story.place("dev").pods.clear();
        story.settle();
        assert_eq!(story.entry(v2, "dev").phase, ReleasePhase::Verified);
        // what crashes later was not well for as long as that
        story.place("dev").pods.push(unready(image, known));
        story.settle();
        assert_eq!((story.entry(v2, "dev").healthy_since, story.entry(v2, "dev").restarts), (None, 1));
    }
    let mut story = soaking();
    story.write("dev", V2);
    story.place("dev").pods.push(unready("shop:v2", Some("2")));
    story.settle();
    story.pass(16);
    story.settle();
    assert_eq!(story.entry(v2, "dev").phase, ReleasePhase::Failed);
    assert!(story.release(v2).status.quarantine.is_some());
}
