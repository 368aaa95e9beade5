//! What outlives the records of a Pipeline.

use std::sync::Arc;

use api::argocd::SyncStatusCode;
use api::gantline::{PromotionPhase, Quarantine, Release};
use promotion::requests::{self, Asked};
use promotion::{Action, Brought, Images, Ledger, Owner, Plan, Records, Tampered, identity, plan, unpromoted};
use serde_json::json;

use super::story::{OWN, Story};

const BAD: &str = "shop-111111111111";

/// v0 everywhere; v1 was in production and rolled back.
fn rolled_back() -> Story {
    let mut story = Story::new(&["shop"], json!({"auto": true}));
    ["dev", "staging", "production"].iter().for_each(|environment| story.write(environment, &[("shop", "v0", "0")]));
    story.settle();
    story.pass(1);
    story.write("dev", &[("shop", "v1", "1")]);
    story.settle();
    story.ask(requests::roll_back(&story.seen, "production", "tina", "errors")).unwrap();
    story.settle();
    story.pass(1);
    story
}

fn quarantine(story: &Story) -> Option<&Quarantine> {
    story.release(BAD).status.quarantine.as_ref()
}

fn actions(planned: &Plan) -> Vec<&Action> {
    planned.steps.iter().map(|step| &step.action).collect()
}

/// With kubectl.
fn delete_records(story: &mut Story) {
    story.seen.releases.clear();
    story.seen.promotions.clear();
}

#[test]
fn a_quarantine_outlives_its_release() {
    let mut story = rolled_back();
    let before = quarantine(&story).cloned().unwrap();
    assert_eq!(before.reason, "errors");
    let mut again = Release { spec: story.release(BAD).spec.clone(), ..Release::default() };
    (again.metadata.name, again.metadata.creation_timestamp) = (BAD.to_owned(), Some(story.seen.now));
    delete_records(&mut story);
    story.seen.releases.push(Arc::new(again));
    let told = story.told.len();
    // before anybody wrote it back
    let refused = requests::promote(&story.seen, "production", BAD, "eve", "").unwrap_err();
    assert!(refused.to_string().contains("quarantined by tina: errors"), "{refused}");
    let planned = plan(&story.seen);
    assert!(matches!(actions(&planned)[0], Action::SetRelease { status, .. } if status.quarantine.is_some()));
    assert!(!actions(&planned).iter().any(|it| matches!(it, Action::OpenPromotion { .. } | Action::Write { .. })));
    story.settle();
    assert_eq!(quarantine(&story), Some(&before));
    let said = "shop v1 is quarantined still: its Release was deleted, and made again";
    assert_eq!(story.told[told..].iter().filter(|it| *it == said).count(), 1, "{:?}", story.told);
    assert!(story.seen.promotions.is_empty(), "nothing is even asked for");

    story.ask(requests::lift(&story.seen, BAD, "tina", "it was the network")).unwrap();
    delete_records(&mut story);
    story.settle();
    assert_eq!(quarantine(&story), None, "what was lifted does not come back");
}

#[test]
fn what_is_cut_off_between_ledger_and_status_is_finished() {
    let mut story = rolled_back();
    let lift = requests::lift(&story.seen, BAD, "tina", "").unwrap();
    assert_eq!(lift.steps.len(), 2);
    story.ask(Ok(Asked { steps: lift.steps[..1].to_vec(), ..lift })).unwrap();
    let again = requests::lift(&story.seen, BAD, "tina", "").unwrap();
    assert!(again.steps.iter().all(|step| step.facts.is_empty()), "it was told: {again:?}");
    story.settle();
    assert_eq!(quarantine(&story), None);

    story.ask(requests::roll_back(&story.seen, "staging", "tina", "slow")).unwrap();
    let planned = plan(&story.seen);
    let first = planned.steps[..1].to_vec();
    assert!(matches!(first[0].action, Action::SetLedger { .. }), "before its status: {first:?}");
    story.ask(Ok(Asked { promotion: String::new(), steps: first })).unwrap();
    let told = story.told.len();
    story.settle();
    assert_eq!(quarantine(&story).unwrap().reason, "slow");
    let told = story.told[told..].iter().filter(|it| it.contains("v1 is quarantined: sha256:1111")).count();
    assert_eq!(told, 1, "{:?}", story.told);
}

#[test]
fn a_ledger_begins_with_what_records_say_that_are_believed() {
    let mut story = rolled_back();
    let before = Arc::clone(&story.seen.ledger);
    assert_eq!(before.entered.iter().collect::<Vec<_>>(), ["dev", "production", "staging"]);
    story.seen.ledger = Arc::default();
    assert!(matches!(actions(&plan(&story.seen))[..], [Action::SetLedger { ledger }] if *ledger == *before));
    story.seen.tampered = None;
    assert_eq!(plan(&story.seen).steps, [], "nobody knows whom to believe");
    story.seen.tampered = Some(Tampered::default());
    story.settle();
    assert_eq!(story.seen.ledger, before);
}

#[test]
fn where_something_was_put_nothing_is_the_first_any_more() {
    let mut story = rolled_back();
    delete_records(&mut story);
    let images = Images { new: vec!["shop:v9".parse().unwrap()], ..Images::default() };
    let why = |story: &Story| unpromoted(&story.seen.pipeline, OWN, "production", Records::of(&story.seen), &images);
    assert!(why(&story).unwrap().contains("shop:v9 was not"));
    story.write("production", &[("shop", "v9", "9")]);
    let status = story.settle().status;
    assert!(status.environments[2].not_promoted.starts_with("shop:v9@"), "{status:?}");
    story.seen.ledger = Arc::default();
    delete_records(&mut story);
    assert_eq!(why(&story), None, "of a Pipeline that is new");
}

#[test]
fn a_new_record_is_sealed_by_the_first_plan_that_sees_it() {
    let mut story = rolled_back();
    let mut release = Release { metadata: story.release(BAD).metadata.clone(), ..Release::default() };
    release.metadata.name = "shop-222222222222".into();
    story.seen.releases.push(Arc::new(release));
    let sealed = |story: &Story| {
        let planned = plan(&story.seen);
        actions(&planned)
            .iter()
            .filter(|it| matches!(it, Action::SetRelease { name, .. } if name.ends_with("222")))
            .count()
    };
    assert_eq!(sealed(&story), 1);
    let tampered = Tampered { releases: ["shop-222222222222".to_owned()].into(), ..Tampered::default() };
    story.seen.tampered = Some(tampered);
    assert_eq!(sealed(&story), 0, "it is set back");
    story.seen.tampered = Some(Tampered::default());
    story.settle();
    assert_eq!(sealed(&story), 0);

    let name = story.ask(requests::promote(&story.seen, "dev", "shop-000000000000", "tina", "")).unwrap();
    assert_eq!(story.phase(&name), PromotionPhase::Waiting);
    let wrote = |it: &&Action| match it {
        Action::SetPromotion { name: it, .. } | Action::Write { promotion: it, .. } => *it == name,
        _ => false,
    };
    assert_eq!(actions(&plan(&story.seen)).into_iter().filter(wrote).count(), 1);
}

#[test]
fn what_another_version_wrote_into_a_ledger_stays() {
    let mut story = rolled_back();
    let digest = identity(&story.release(BAD).spec.images).unwrap();
    assert!(story.seen.ledger.quarantined.contains_key(&digest));
    let mut value = serde_json::to_value(&*story.seen.ledger).unwrap();
    value["canaries"] = json!(["staging"]);
    story.seen.ledger = Arc::new(serde_json::from_value(value).unwrap());
    story.ask(requests::lift(&story.seen, BAD, "tina", "")).unwrap();
    assert_eq!(serde_json::to_value(&*story.seen.ledger).unwrap()["canaries"], json!(["staging"]));
}

fn is_kept(story: &Story, environment: &str, cluster: &str, namespace: &str) -> bool {
    story.seen.ledger.places.has(environment, cluster, namespace)
}

#[test]
fn where_environments_were_is_kept_until_they_leave_the_pipeline() {
    let mut story = rolled_back();
    for environment in ["dev", "staging", "production"] {
        assert!(is_kept(&story, environment, "here", environment), "{environment}: {:?}", story.seen.ledger);
    }
    let before = Arc::clone(&story.seen.ledger);
    story.place("production").application = None;
    story.settle();
    assert_eq!(story.seen.ledger, before, "its Application is deleted");

    let mut story = rolled_back();
    (story.app("production").cluster, story.app("production").sync) = ("there".into(), SyncStatusCode::OutOfSync);
    story.settle();
    assert_eq!(story.seen.ledger, before, "it did not come there yet");
    story.app("production").sync = SyncStatusCode::Synced;
    story.settle();
    assert!(
        is_kept(&story, "production", "there", "production") && is_kept(&story, "production", "here", "production")
    );
    story.app("production").cluster = String::new();
    story.settle();
    assert!(is_kept(&story, "production", "here", "production"), "its cluster is not known");

    Arc::make_mut(&mut story.seen.pipeline).spec.environments.pop();
    story.seen.places.pop();
    story.settle();
    assert!(story.seen.ledger.places.of("production").is_none(), "given up");
    assert!(is_kept(&story, "staging", "here", "staging"));
}

#[test]
fn who_sends_an_environment_to_where_another_is_opens_nothing() {
    let mut story = rolled_back();
    story.app("dev").namespaces = ["production".to_owned(), "tools".to_owned()].into();
    story.settle();
    assert!(!is_kept(&story, "dev", "here", "production") && is_kept(&story, "dev", "here", "tools"));
    // where all begin together they share it
    story.seen.ledger = Arc::default();
    story.settle();
    assert!(is_kept(&story, "dev", "here", "production") && is_kept(&story, "production", "here", "production"));
}

#[test]
fn so_many_places_are_kept_and_no_more() {
    let mut story = rolled_back();
    story.app("production").namespaces = (0..40).map(|number| format!("n{number:02}")).collect();
    let status = story.settle().status;
    let kept = story.seen.ledger.places.of("production").unwrap();
    assert_eq!(kept.namespaces["here"].len(), 16);
    assert!(is_kept(&story, "production", "here", "production"), "the first stays");
    let said = status.conditions.iter().any(|it| it.message.starts_with("production has been in as many namespaces"));
    assert!(said, "{:?}", status.conditions);
}

#[test]
fn what_others_brought_past_the_gates_is_said() {
    let mut story = rolled_back();
    let brought =
        |tag: &str| Brought { image: format!("shop:{tag}").parse().unwrap(), namespace: "production".to_owned() };
    story.place("production").beside = vec![brought("v0")];
    let said = |story: &mut Story| story.settle().status.environments[2].not_promoted.clone();
    assert_eq!(said(&mut story), "", "it was promoted");
    story.place("production").beside.push(brought("v9"));
    assert!(said(&mut story).starts_with("shop:v9, which another Application has in namespace production, was not"));
    story.place("production").application = None;
    assert!(said(&mut story).starts_with("shop:v9"), "also while its own Application is missing");
    story.seen.ledger = Arc::default();
    delete_records(&mut story);
    assert_eq!(said(&mut story), "", "nothing was ever promoted");
}

/// The ledger keeps 300 environments: of those beyond them nobody could tell later that they were entered.
#[test]
fn environments_without_room_count_as_entered_and_that_is_said() {
    let mut story = Story::new(&["shop"], json!({"auto": true}));
    let said = |story: &mut Story| {
        let conditions = story.settle().status.conditions;
        let said =
            conditions.into_iter().map(|it| it.message).filter(|it| it.contains("no room for more environments"));
        said.collect::<Vec<_>>()
    };
    let others = |count: usize| (0..count).map(|number| format!("qa-{number}"));
    let entered = |names: Vec<String>| Arc::new(Ledger { entered: names.into_iter().collect(), ..Ledger::default() });
    story.seen.ledger = entered(others(299).collect());
    assert_eq!(said(&mut story), [""; 0]);
    story.seen.ledger = entered(others(299).chain(["production".into()]).collect());
    let all = said(&mut story);
    assert!(all.len() == 1 && all[0].contains("the 300 that") && all[0].contains(": staging counts as"), "{all:?}");
    let images = Images { new: vec!["shop:v9".parse().unwrap()], ..Images::default() };
    let staging = Owner { application: "staging", other_project: None };
    let why = unpromoted(&story.seen.pipeline, staging, "staging", Records::of(&story.seen), &images);
    assert!(why.unwrap().contains("shop:v9 was not"));
}
