//! Who is behind what came, whatever becomes of its record; and what never came leaves no trace.

use std::sync::Arc;

use api::gantline::{Quarantine, Release, ReleaseImage, ReleaseSource, ReleaseSpec, Verdict};
use promotion::requests::{self, Vote};
use promotion::{Action, Record, Tampered, plan};
use serde_json::json;

use super::story::{Story, digest};

/// v0 everywhere, by Dana; approvals count for production.
fn story() -> Story {
    let mut story = Story::new(&["shop"], json!({"gates": [{"approval": {"group": "leads"}}]}));
    ["dev", "staging", "production"].iter().for_each(|environment| story.write(environment, &[("shop", "v0", "0")]));
    story.settle();
    story.pass(1);
    story
}

fn push(story: &mut Story, author: &str, tag: &str, digit: &str) {
    story.author = author.to_owned();
    story.write("dev", &[("shop", tag, digit)]);
    story.settle();
    story.pass(1);
}

/// Whether somebody's approval of what waits for production is taken.
fn approves(story: &Story, user: &str) -> Result<(), String> {
    let waits = |p: &&Arc<api::gantline::Promotion>| p.spec.environment == "production" && p.status.phase.is_open();
    let promotion = story.seen.promotions.iter().find(waits).expect("something waits").metadata.name.clone();
    let vote = Vote { verdict: Verdict::Approve, user, groups: &["leads".to_owned()], reason: "" };
    requests::decide(&story.seen, &promotion, &vote).map(drop).map_err(|refused| refused.to_string())
}

fn delete(story: &mut Story, digit: &str) {
    let name = format!("shop-{}", digit.repeat(12));
    story.seen.releases.retain(|release| release.metadata.name != name);
    story.seen.promotions.retain(|promotion| promotion.spec.release != name);
}

#[test]
fn who_wrote_an_image_is_known_still_when_somebody_else_sets_it_back() {
    let mut story = story();
    push(&mut story, "Mallory", "v1", "1");
    push(&mut story, "Bob", "v2", "2");
    delete(&mut story, "1");
    push(&mut story, "Carol", "v1", "1");
    let again = story.release("shop-111111111111").spec.source.clone();
    assert_eq!(again.author, "Carol");
    assert!(again.everybody().any(|person| person.starts_with("Mallory ")), "{again:?}");
    for user in ["carol", "mallory"] {
        assert!(approves(&story, user).unwrap_err().contains("wrote the change"), "{user}");
    }
    assert_eq!(approves(&story, "tina"), Ok(()));
}

/// It lies between what runs and what would run.
#[test]
fn who_wrote_what_comes_along_is_known_when_its_release_was_deleted() {
    let mut story = story();
    push(&mut story, "Mallory", "v1", "1");
    push(&mut story, "Bob", "v2", "2");
    assert!(approves(&story, "mallory").is_err());
    delete(&mut story, "1");
    story.settle();
    assert!(approves(&story, "mallory").unwrap_err().contains("wrote the change"));
    assert_eq!(approves(&story, "tina"), Ok(()));
}

#[test]
fn people_that_are_not_kept_are_said() {
    let mut story = story();
    push(&mut story, "Mallory", "v1", "1");
    delete(&mut story, "1");
    // a hundred releases later
    let mut ledger = (*story.seen.ledger).clone();
    let mut value = serde_json::to_value(&ledger.appeared).unwrap();
    let many: Vec<_> = (0..100).map(|number| json!({"release": format!("{number:016}"), "people": ["X"]})).collect();
    let last = value["last"].as_array_mut().unwrap();
    last.extend(many);
    ledger.appeared = serde_json::from_value(value).unwrap();
    story.seen.ledger = Arc::new(ledger);
    push(&mut story, "Bob", "v3", "3");
    push(&mut story, "Carol", "v1", "1");
    let again = &story.release("shop-111111111111").spec.source;
    assert!(again.unread.contains("may have come long before"), "{again:?}");
    assert_eq!(story.release("shop-333333333333").spec.source.unread, "", "of one that is new");
    assert_eq!(story.seen.ledger.appeared.last.len(), 100);
}

fn forged(digit: &str, source: ReleaseSource) -> Release {
    let image =
        ReleaseImage { name: "shop".into(), tag: format!("v{digit}"), digest: digest(digit), parts: Vec::new() };
    let spec = ReleaseSpec { pipeline: "shop".into(), images: vec![image], source };
    let mut release = Release { spec, ..Release::default() };
    release.metadata.name = format!("shop-{}", digit.repeat(12));
    release
}

/// With kubectl: it carries no seal.
fn forge(story: &mut Story, digit: &str, source: ReleaseSource) {
    let mut release = forged(digit, source);
    release.metadata.creation_timestamp = Some(story.seen.now);
    let name = release.metadata.name.clone();
    story.seen.releases.push(Arc::new(release.distrusted(story.seen.now)));
    story.seen.tampered = Some(Tampered { releases: [name].into(), ..Tampered::default() });
    let steps = plan(&story.seen).steps;
    assert!(steps.iter().any(|step| matches!(step.action, Action::SetBackRelease { .. })), "{steps:?}");
    story.take_all();
    // it is sealed now
    story.seen.tampered = Some(Tampered::default());
}

#[test]
fn forged_releases_leave_no_trace_in_the_ledger() {
    let mut story = story();
    let before = Arc::clone(&story.seen.ledger);
    for digit in ["7", "8", "9"] {
        forge(&mut story, digit, ReleaseSource { environment: "dev".into(), ..ReleaseSource::default() });
        story.settle();
        assert!(story.release(&format!("shop-{}", digit.repeat(12))).status.quarantine.is_some());
    }
    assert_eq!(*story.seen.ledger, *before);
    // also when somebody lifts that, and it is quarantined for a reason then: nothing of it ever came
    let name = format!("shop-{}", "7".repeat(12));
    story.ask(requests::lift(&story.seen, &name, "tina", "")).unwrap();
    story.settle();
    let release = story.seen.releases.iter_mut().find(|release| release.metadata.name == name).unwrap();
    let quarantine = Quarantine { by: "tina".into(), reason: "bad".into(), ..Quarantine::default() };
    Arc::make_mut(release).status.quarantine = Some(quarantine);
    story.settle();
    assert_eq!(*story.seen.ledger, *before);
}

#[test]
fn a_forged_release_says_nothing_of_people() {
    let mut story = story();
    push(&mut story, "Mallory", "v1", "1");
    // the newest there is, so that only what came behind it would be looked at
    let source = ReleaseSource {
        environment: "dev".into(),
        commit: "c99".into(),
        author: "nobody".into(),
        ..Default::default()
    };
    story.pass(1);
    forge(&mut story, "6", source.clone());
    story.author = "Bob".into();
    story.write("dev", &[("shop", "v2", "2")]);
    let asked = plan(&story.seen).questions;
    let since: Vec<&str> = asked
        .iter()
        .filter_map(|it| match it {
            promotion::Question::Source { since, .. } => Some(&**since),
            _ => None,
        })
        .collect();
    assert_eq!(since, ["c0"], "as of the release before");
    story.settle();
    story.seen.releases.retain(|release| release.status.tampered);
    story.write("dev", &[("shop", "v4", "4")]);
    let asked = plan(&story.seen).questions;
    let since = |it: &promotion::Question| matches!(it, promotion::Question::Source { since, .. } if **since == *"c0");
    assert!(asked.iter().any(since), "also when its record is gone: {asked:?}");
    story.write("dev", &[("shop", "v2", "2")]);
    story.settle();

    // in the place of one that comes next: nobody knows who is behind it, until it comes
    let name = format!("shop-{}", "3".repeat(12));
    forge(&mut story, "3", source);
    story.ask(requests::lift(&story.seen, &name, "tina", "")).unwrap();
    story.settle();
    story.ask(requests::promote(&story.seen, "production", &name, "eve", "")).unwrap();
    let who = |story: &mut Story| {
        let planned = story.settle();
        let promotions = story.seen.promotions.iter().filter(|p| p.spec.release == name);
        let gates: Vec<String> =
            promotions.flat_map(|p| &p.status.gates).map(|gate| gate.who_can_act.clone()).collect();
        (gates.join(" "), planned)
    };
    assert!(who(&mut story).0.contains("was written past Gantline: nobody can tell who is behind it"));
    push(&mut story, "Carol", "v3", "3");
    let said = who(&mut story).0;
    assert!(said.contains("Carol") && !said.contains("nobody can tell"), "{said}");
}

/// Older versions kept in the ledger that a record was not believed.
#[test]
fn what_an_older_ledger_says_of_a_record_is_lifted_too() {
    let mut story = story();
    push(&mut story, "Bob", "v1", "1");
    let name = format!("shop-{}", "1".repeat(12));
    let quarantine = story.release(&name).distrusted(story.seen.now).status.quarantine.unwrap();
    let old = json!({"quarantined": {digest("1").as_str(): quarantine}});
    story.seen.ledger = Arc::new(serde_json::from_value(old).unwrap());
    story.settle();
    assert!(story.release(&name).status.quarantine.as_ref().unwrap().reason.contains("past Gantline"));
    let told = story.told.len();
    story.ask(requests::lift(&story.seen, &name, "tina", "we looked")).unwrap();
    story.settle();
    assert_eq!((story.release(&name).status.quarantine.clone(), story.seen.ledger.quarantined.len()), (None, 0));
    assert_eq!(story.told[told..].iter().filter(|it| it.contains("not quarantined any more")).count(), 1);
}

/// What covers a quarantine with a word about seals does not have it lifted unseen.
#[test]
fn what_is_known_of_a_release_stands_before_that_it_is_not_believed() {
    let mut story = story();
    push(&mut story, "Bob", "v1", "1");
    story.ask(requests::roll_back(&story.seen, "staging", "tina", "errors")).unwrap();
    story.settle();
    let name = format!("shop-{}", "1".repeat(12));
    let distrusted = story.release(&name).distrusted(story.seen.now);
    let told = story.told.len();
    *story.seen.releases.iter_mut().find(|it| it.metadata.name == name).unwrap() = Arc::new(distrusted);
    story.settle();
    assert_eq!(story.release(&name).status.quarantine.as_ref().unwrap().reason, "errors");
    assert!(!story.told[told..].iter().any(|it| it.contains("quarantined")), "{:?}", story.told);
}
