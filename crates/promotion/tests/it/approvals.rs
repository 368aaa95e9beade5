//! Whose yes counts, and for what.

use api::gantline::{Approval, GateState, Pipeline, Promotion, PromotionStatus, Release, ReleaseImage, Verdict};
use jiff::Timestamp;
use object::ImageDigest;
use promotion::{Accounts, Answers, ChangeSet, Evidence, evaluate};
use serde_json::{Value, json};

use super::story::evidence;

fn pipeline(gate: Value) -> Pipeline {
    Pipeline::from_value(json!({"metadata": {"name": "shop"}, "spec": {
        "images": [{"name": "ghcr.io/acme/shop"}],
        "environments": [{"name": "dev", "application": "d"}, {"name": "production", "application": "p", "gates": [{"approval": gate}]}]}}))
    .unwrap()
}

fn digest(digit: &str) -> ImageDigest {
    format!("sha256:{}", digit.repeat(64)).parse().unwrap()
}

fn approval(pipeline: &Pipeline, user: &str, groups: &[&str]) -> Approval {
    Approval {
        user: user.into(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        at: Some(Timestamp::UNIX_EPOCH),
        digest: Some(digest("d")),
        environment: "production".into(),
        policy: promotion::gates::policy(pipeline.environment("production").unwrap()),
        ..Approval::default()
    }
}

fn state(pipeline: &Pipeline, author: &str, approvals: &[Approval]) -> GateState {
    let mut release = Release::default();
    release.spec.source.author = author.into();
    state_of(pipeline, &release, approvals)
}

fn state_of(pipeline: &Pipeline, release: &Release, approvals: &[Approval]) -> GateState {
    let mut release = release.clone();
    release.spec.images.push(ReleaseImage {
        name: "shop".into(),
        tag: String::new(),
        digest: digest("d"),
        parts: Vec::new(),
    });
    let status = PromotionStatus { approvals: approvals.to_vec(), ..PromotionStatus::default() };
    let promotion = Promotion { status, ..Promotion::default() };
    let change_set = &ChangeSet::of([&release.spec.source], &Accounts::default());
    let evidence = Evidence { change_set, ..evidence(pipeline, &release, &promotion) };
    let decision = evaluate(&evidence, &Answers::default());
    assert_eq!(decision.reports().len(), 1);
    let report = &decision.reports()[0];
    assert!(!report.value.is_empty() && !report.needed.is_empty(), "{report:?}");
    assert!(report.state == GateState::Passed || !report.who_can_act.is_empty(), "{report:?}");
    report.state
}

#[test]
fn one_person_counts_once() {
    let p = pipeline(json!({"groups": [{"name": "leads", "min": 2}]}));
    let tina = approval(&p, "tina", &["leads"]);
    assert_eq!(state(&p, "dana", &[tina.clone(), tina.clone()]), GateState::Waiting);
    let again = Approval { user: "Tina".into(), ..tina.clone() };
    assert_eq!(state(&p, "dana", &[tina.clone(), again]), GateState::Waiting, "accounts do not differ by case alone");
    assert_eq!(state(&p, "dana", &[tina, approval(&p, "theo", &["leads"])]), GateState::Passed);
}

#[test]
fn each_group_needs_its_own() {
    let p = pipeline(json!({"groups": [{"name": "leads", "min": 1}, {"name": "security", "min": 1}]}));
    let tina = approval(&p, "tina", &["leads"]);
    assert_eq!(state(&p, "dana", std::slice::from_ref(&tina)), GateState::Waiting);
    assert_eq!(state(&p, "dana", &[tina.clone(), approval(&p, "sam", &["security"])]), GateState::Passed);
    assert_eq!(state(&p, "dana", &[tina, approval(&p, "sam", &["guests"])]), GateState::Waiting);
}

/// Git knows an author by name and address, the gate by account: any of them is the author.
#[test]
fn the_author_does_not_approve_under_any_name() {
    let p = pipeline(json!({"group": "leads"}));
    for author in [
        "dana",
        "Dana",
        "dana@acme.io",
        "Dana <dana@acme.io>",
        "Dana Smith <dana@acme.io>",
        "Dana Smith <DANA@acme.io>",
    ] {
        assert_eq!(state(&p, author, &[approval(&p, "dana", &["leads"])]), GateState::Waiting, "{author}");
        assert_eq!(state(&p, author, &[approval(&p, "tina", &["leads"])]), GateState::Passed, "{author}");
    }
    let mut release = Release::default();
    release.spec.source.author = "D. S.".into();
    release.spec.source.email = "dana@acme.io".into();
    assert_eq!(state_of(&p, &release, &[approval(&p, "dana", &["leads"])]), GateState::Waiting);
    // an account that is called by its address
    let by_address = approval(&p, "dana@acme.io", &["leads"]);
    assert_eq!(state(&p, "Dana Smith <dana@acme.io>", &[by_address]), GateState::Waiting);
    let open = pipeline(json!({"group": "leads", "notAuthor": false}));
    assert_eq!(state(&open, "dana", &[approval(&open, "dana", &["leads"])]), GateState::Passed);
}

#[test]
fn a_yes_holds_for_what_it_was_said_to() {
    let p = pipeline(json!({"group": "leads"}));
    let yes = approval(&p, "tina", &["leads"]);
    assert_eq!(state(&p, "dana", std::slice::from_ref(&yes)), GateState::Passed);
    for stale in [
        Approval { digest: Some(digest("e")), ..yes.clone() },
        Approval { environment: "dev".into(), ..yes.clone() },
        Approval { policy: String::new(), ..yes.clone() },
    ] {
        assert_eq!(state(&p, "dana", &[stale]), GateState::Waiting);
    }
    let no = Approval { decision: Verdict::Reject, ..approval(&p, "theo", &["leads"]) };
    assert_eq!(state(&p, "dana", &[yes, no]), GateState::Failed);
}
