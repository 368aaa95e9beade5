//! What people may ask for, and why not; and what explains where a release is.

use std::sync::Arc;

use api::gantline::{PromotionPhase, ReleaseEnvironment, ReleasePhase, ReleaseSource, Verdict};
use promotion::requests::{self, Vote};
use promotion::{Answer, Question, explain};
use serde_json::{Value, json};

use super::story::Story;

const FIRST: &str = "shop-111111111111";
const PROMOTION: &str = "shop-production-111111111111";

/// v0 everywhere, v1 in dev and staging.
pub(crate) fn waiting(production: Value) -> Story {
    let mut story = Story::new(&["shop"], production);
    ["dev", "staging", "production"].iter().for_each(|environment| story.write(environment, &[("shop", "v0", "0")]));
    story.settle();
    story.pass(1);
    story.write("dev", &[("shop", "v1", "1")]);
    story.settle();
    story
}

fn approval() -> Value {
    json!({"gates": [{"approval": {"groups": [{"name": "leads", "min": 2}]}}]})
}

#[test]
fn a_word_counts_or_is_refused_with_the_reason() {
    let mut story = waiting(approval());
    let leads = ["leads".to_owned()];
    let mut say = |verdict, user: &str, groups: &[String], expected: &str| {
        let vote = Vote { verdict, user, groups, reason: "" };
        let said = story.ask(requests::decide(&story.seen, PROMOTION, &vote)).err().unwrap_or_default();
        assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{user}: {said}");
    };
    say(Verdict::Approve, "eve", &[], "is no member of leads");
    say(Verdict::Reject, "eve", &[], "is no member of leads");
    say(Verdict::Approve, "dana", &leads, "somebody else has to approve it");
    say(Verdict::Approve, "tina", &leads, "");
    say(Verdict::Approve, "Tina", &leads, "one person is one vote");
    say(Verdict::Approve, "theo", &leads, "");
    story.settle();
    assert_eq!(story.phase(PROMOTION), PromotionPhase::Succeeded);
    let vote = Vote { verdict: Verdict::Reject, user: "tina", groups: &leads, reason: "" };
    let late = requests::decide(&story.seen, PROMOTION, &vote).unwrap_err();
    assert!(late.to_string().contains("nothing to decide any more"), "{late}");
}

/// v1 never got to production: who wrote it is behind v2, too, which brings it there.
#[test]
fn who_wrote_what_comes_along_does_not_approve() {
    let mut story = waiting(json!({"gates": [{"approval": {"group": "leads"}}]}));
    story.author = "Erik".to_owned();
    story.pass(1);
    story.write("dev", &[("shop", "v2", "2")]);
    story.settle();
    let leads = ["leads".to_owned()];
    let say = |story: &Story, name: &str, user: &str| {
        let vote = Vote { verdict: Verdict::Approve, user, groups: &leads, reason: "" };
        requests::decide(&story.seen, name, &vote).map(|_| ()).map_err(|refused| refused.to_string())
    };
    let second = "shop-production-222222222222";
    for author in ["dana", "erik", "Erik", "dana@acme.io"] {
        let refused = say(&story, second, author).unwrap_err();
        assert!(refused.contains("somebody else has to approve it"), "{author}: {refused}");
    }
    assert_eq!(
        explain::environment(&story.seen, "production").unwrap().reasons[0].who,
        "a member of leads, but not Erik or Dana"
    );
    // once v2 runs there, what it brought is over
    let vote = Vote { verdict: Verdict::Approve, user: "tina", groups: &leads, reason: "" };
    story.ask(requests::decide(&story.seen, second, &vote)).unwrap();
    story.settle();
    story.author = "Finn".to_owned();
    story.pass(1);
    story.write("dev", &[("shop", "v3", "3")]);
    story.settle();
    assert!(say(&story, "shop-production-333333333333", "finn").is_err());
    say(&story, "shop-production-333333333333", "dana").unwrap();
}

/// Whoever looks on has no answers: who wrote what would be merged is kept with the promotion, for the commits of then.
#[test]
fn who_wrote_what_would_be_merged_is_kept() {
    let mut story = waiting(json!({"merge": true, "gates": [{"approval": {"group": "leads"}}]}));
    let asked = |story: &Story| {
        promotion::plan(&story.seen).questions.into_iter().find(|question| matches!(question, Question::Merged { .. }))
    };
    let said = |story: &Story| {
        let decision = promotion::judged(&story.seen, PROMOTION).unwrap();
        format!("{} {}", decision.reports()[0].value, decision.reports()[0].who_can_act)
    };
    assert!(said(&story).contains("is being looked for"));
    let people = vec!["Hana <hana@acme.io>".to_owned()];
    let source = ReleaseSource { people, unread: "some are too old".into(), ..ReleaseSource::default() };
    story.answer(asked(&story).unwrap(), Answer::Merged(source));
    story.settle();
    story.seen.answers.0.retain(|question, _| !matches!(question, Question::Merged { .. }));
    assert!(
        said(&story).contains("but not Dana or Hana") && said(&story).contains("some are too old"),
        "{}",
        said(&story)
    );
    assert_eq!(asked(&story), None);
    let leads = ["leads".to_owned()];
    let vote = |user| Vote { verdict: Verdict::Approve, user, groups: &leads, reason: "" };
    assert!(requests::decide(&story.seen, PROMOTION, &vote("hana")).is_err());
    // what would be merged is something else now
    story.write("staging", &[("shop", "v1", "1")]);
    story.settle();
    assert!(said(&story).contains("is being looked for"), "{}", said(&story));
    assert!(asked(&story).is_some());
}

/// It was being written when another one, which came later, was put there: it is not pushed, and not tried again.
#[test]
fn an_old_wish_puts_nothing_over_a_newer_release() {
    let mut story = waiting(json!({}));
    let name = story.ask(requests::promote(&story.seen, "production", FIRST, "tina", "")).unwrap();
    let promotion = story.seen.promotions.iter_mut().find(|known| known.metadata.name == name).unwrap();
    Arc::make_mut(promotion).status.phase = PromotionPhase::Writing;
    assert!(promotion::may_push(&story.seen, &name).is_some());
    story.pass(1);
    story.write("dev", &[("shop", "v2", "2")]);
    // the promotion itself is another loop's
    let held = story.seen.promotions.clone();
    story.seen.promotions.retain(|known| known.metadata.name != name);
    story.settle();
    story.seen.promotions.extend(held.into_iter().filter(|known| known.metadata.name == name));
    let entry =
        ReleaseEnvironment { name: "production".into(), deployed_at: Some(story.seen.now), ..Default::default() };
    let newer = story.seen.releases.iter_mut().find(|known| known.spec.images[0].tag == "v2").unwrap();
    Arc::make_mut(newer).status.environments.push(entry);
    assert_eq!(promotion::may_push(&story.seen, &name), None);
    let waiting = story.seen.promotions.iter_mut().find(|known| known.metadata.name == name).unwrap();
    Arc::make_mut(waiting).status.phase = PromotionPhase::Waiting;
    story.settle();
    let over = story.promotion(&name);
    assert_eq!(over.status.phase, PromotionPhase::Superseded);
    assert!(over.status.message.contains("v2 was put there after this was asked for"), "{}", over.status.message);
}

/// Who asks for what came by itself is one of those who asked.
#[test]
fn who_joins_a_promotion_has_asked_for_it() {
    let mut story = waiting(json!({"gates": [{"approval": {"group": "leads"}}]}));
    let name = story.ask(requests::promote(&story.seen, "production", FIRST, "tina", "customers wait")).unwrap();
    assert_eq!(name, PROMOTION);
    let again = requests::promote(&story.seen, "production", FIRST, "Tina", "").unwrap();
    assert_eq!((again.promotion, again.steps.len()), (name, 0));
    // another reason takes the place of the first
    story.ask(requests::promote(&story.seen, "production", FIRST, "tina", "they still wait")).unwrap();
    assert_eq!(story.promotion(PROMOTION).askers().collect::<Vec<_>>(), ["tina"]);
    let leads = ["leads".to_owned()];
    let vote = |user| Vote { verdict: Verdict::Approve, user, groups: &leads, reason: "" };
    let own = requests::decide(&story.seen, PROMOTION, &vote("tina")).unwrap_err();
    assert!(own.to_string().contains("asked for its promotion: somebody else has to approve it"), "{own}");
    let page = explain::environment(&story.seen, "production").unwrap();
    assert_eq!(page.reasons[0].who, "a member of leads, but not Dana or tina");
    // the author asks for it, too: one person is named once
    story.ask(requests::promote(&story.seen, "production", FIRST, "dana", "")).unwrap();
    let page = explain::environment(&story.seen, "production").unwrap();
    assert_eq!(page.reasons[0].who, "a member of leads, but not Dana or tina");
    story.ask(requests::decide(&story.seen, PROMOTION, &vote("theo"))).unwrap();
    story.settle();
    let promotion = story.promotion(PROMOTION);
    assert_eq!(promotion.status.phase, PromotionPhase::Succeeded);
    assert_eq!(promotion.reasons().collect::<Vec<_>>(), ["they still wait"]);
}

#[test]
fn nobody_decides_where_no_gate_asks() {
    let mut story = waiting(json!({"gates": [{"healthy": {"for": "1h"}}]}));
    let vote = Vote { verdict: Verdict::Approve, user: "tina", groups: &[], reason: "" };
    let refused = requests::decide(&story.seen, PROMOTION, &vote).unwrap_err();
    assert!(refused.to_string().contains("waits for nobody's approval"), "{refused}");
    let refused = requests::unpin(&story.seen, "production", "tina").unwrap_err();
    assert_eq!(refused.to_string(), "production is not pinned");
    let refused = story.ask(requests::promote(&story.seen, "prod", FIRST, "tina", "")).unwrap_err();
    assert_eq!(refused, "shop has no environment prod: there are dev, staging, production");
}

#[test]
fn what_is_offered_is_accepted() {
    let mut story = waiting(json!({}));
    assert_eq!(requests::promotable(&story.seen, "production").as_deref(), Some(FIRST));
    assert_eq!(requests::promotable(&story.seen, "staging"), None, "it is there");
    assert!(requests::roll_back(&story.seen, "production", "tina", "").is_err(), "nothing was there before");
    let name = story.ask(requests::promote(&story.seen, "production", FIRST, "tina", "")).unwrap();
    assert_eq!(name, PROMOTION);
    story.settle();
    assert_eq!(story.status("production"), FIRST);
    let there = requests::promote(&story.seen, "production", FIRST, "tina", "").unwrap_err();
    assert_eq!(there.to_string(), "shop v1 is in production already");
    story.ask(requests::roll_back(&story.seen, "production", "tina", "errors")).unwrap();
    let again = requests::roll_back(&story.seen, "production", "tina", "").unwrap_err();
    assert!(again.to_string().contains("goes back in production already"), "{again}");
    story.settle();
    let bad = requests::promote(&story.seen, "production", FIRST, "tina", "").unwrap_err();
    assert!(bad.to_string().contains("is quarantined by tina: errors"), "{bad}");
    assert_eq!(requests::promotable(&story.seen, "production"), None);
    assert!(bad.to_string().contains("gantline release lift shop-111111111111"), "{bad}");
    let unheard = requests::lift(&story.seen, "shop-9", "tina", "").unwrap_err();
    assert_eq!(unheard.to_string(), "shop has no release shop-9");
    assert_eq!(requests::liftable(&story.seen), [FIRST]);
    story.ask(requests::lift(&story.seen, FIRST, "tina", "it was the network")).unwrap();
    assert_eq!(requests::liftable(&story.seen), [""; 0]);
    let again = requests::lift(&story.seen, FIRST, "tina", "").unwrap_err();
    assert!(again.to_string().starts_with("shop v1 is not quarantined: there is nothing to lift"), "{again}");
    story.settle();
    assert!(story.seen.pipeline.pin_of("production").is_some(), "a pin is no quarantine");
    assert_ne!(story.status("production"), FIRST, "nobody asked for it");
    let name = story.ask(requests::promote(&story.seen, "production", FIRST, "tina", "")).unwrap();
    assert_eq!(name, format!("{PROMOTION}-2"));
    assert!(story.seen.pipeline.pin_of("production").is_none(), "somebody asked");
    story.settle();
    assert_eq!(story.status("production"), FIRST);
}

/// A push that was declined keeps a rollback waiting: for time, and for nobody's word.
#[test]
fn a_rollback_waits_for_nobodys_word() {
    let mut story = waiting(json!({}));
    story.ask(requests::promote(&story.seen, "production", FIRST, "tina", "")).unwrap();
    story.settle();
    story.pass(1);
    let back = story.ask(requests::roll_back(&story.seen, "production", "tina", "errors")).unwrap();
    let groups = ["leads".to_owned()];
    let vote = Vote { verdict: Verdict::Reject, user: "theo", groups: &groups, reason: "" };
    let refused = requests::decide(&story.seen, &back, &vote).unwrap_err();
    assert!(refused.to_string().contains("waits for nobody's word"), "{refused}");
}

/// What was written last is taken back, also before it runs.
#[test]
fn a_rollback_takes_back_what_was_put_there_last() {
    let mut story = waiting(json!({}));
    story.ask(requests::promote(&story.seen, "production", FIRST, "tina", "")).unwrap();
    let promoted = promotion::writing::record(story.promotion(PROMOTION), story.release(FIRST), "c9", story.seen.now);
    let asked = requests::Asked { promotion: String::new(), steps: promoted };
    story.pass(1);
    story.ask(Ok(asked)).unwrap();
    assert_eq!(story.status("production"), "shop-000000000000", "it does not run yet");
    let name = story.ask(requests::roll_back(&story.seen, "production", "tina", "")).unwrap();
    let spec = &story.promotion(&name).spec;
    assert_eq!((spec.replaces.as_str(), spec.release.as_str()), (FIRST, "shop-000000000000"));
}

/// Git is gone right after the push: the status still names the commit before it, and that tells nothing.
#[test]
fn an_outage_after_the_push_fails_no_release() {
    let mut story = waiting(json!({}));
    story.ask(requests::promote(&story.seen, "production", FIRST, "tina", "")).unwrap();
    let promoted = promotion::writing::record(story.promotion(PROMOTION), story.release(FIRST), "c9", story.seen.now);
    story.ask(Ok(requests::Asked { promotion: String::new(), steps: promoted })).unwrap();
    let app = story.app("production");
    (app.sync, app.doubt) = (api::argocd::SyncStatusCode::Unknown, "the host is gone".to_owned());
    let phase = |story: &mut Story, minutes: i64| {
        story.pass(minutes);
        story.settle();
        let entry = story.release(FIRST).in_environment("production").unwrap().clone();
        (entry.phase, entry.message)
    };
    let (then, why) = phase(&mut story, 1);
    assert_eq!(then, ReleasePhase::Deploying);
    assert_eq!(why, "nobody can tell now whether production is Synced: the host is gone");
    assert_eq!(phase(&mut story, 60).0, ReleasePhase::Deploying);
    story.app("production").sync = api::argocd::SyncStatusCode::OutOfSync;
    assert_eq!(phase(&mut story, 1).0, ReleasePhase::Deploying);
    assert_eq!(phase(&mut story, 14).0, ReleasePhase::Deploying);
    assert_eq!(phase(&mut story, 1).0, ReleasePhase::Failed, "nobody has synced it in the time since");
}

fn explained(story: &Story, release: &str) -> (String, Vec<String>) {
    let found = explain::release(&story.seen, release).unwrap();
    assert!(found.reasons.iter().all(|reason| !reason.who.is_empty()), "{found:?}");
    (found.summary, found.reasons.into_iter().map(|reason| reason.message).collect())
}

#[test]
fn an_explanation_does_not_contradict_the_facts() {
    let mut story = waiting(approval());
    let (summary, reasons) = explained(&story, FIRST);
    assert_eq!(summary, "v1 is in dev, staging: production waits for approval by leads");
    assert_eq!(reasons.len(), 1);
    let page = explain::environment(&story.seen, "production").unwrap();
    assert_eq!((page.release.as_str(), page.reasons[0].who.as_str()), (FIRST, "a member of leads, but not Dana"));
    let vote = Vote { verdict: Verdict::Reject, user: "tina", groups: &["leads".to_owned()], reason: "not today" };
    story.ask(requests::decide(&story.seen, PROMOTION, &vote)).unwrap();
    story.settle();
    let (summary, _) = explained(&story, FIRST);
    assert!(summary.ends_with("is Rejected: approval by leads: rejected by tina: not today"), "{summary}");
    let whole = explain::pipeline(&story.seen);
    assert!(whole.summary.starts_with("shop: dev runs v1, staging runs v1, production runs v0: "), "{whole:?}");
    assert!(whole.summary.ends_with("is Rejected: approval by leads: rejected by tina: not today"), "{whole:?}");

    let mut story = waiting(json!({}));
    let (summary, _) = explained(&story, FIRST);
    assert_eq!(summary, "v1 is in dev, staging: nobody asked for it in production yet");
    story.ask(requests::promote(&story.seen, "production", FIRST, "tina", "")).unwrap();
    story.settle();
    assert_eq!(
        explained(&story, FIRST),
        ("v1 went through every environment: dev, staging, production.".into(), vec![])
    );
    story.ask(requests::roll_back(&story.seen, "production", "tina", "errors")).unwrap();
    story.settle();
    let (summary, reasons) = explained(&story, FIRST);
    assert_eq!(summary, "v1 is in dev, staging: v1 is quarantined by tina: errors");
    let pinned = "production is pinned by tina: errors";
    assert_eq!(reasons[1..], ["v1 was in production: v0 took its place", pinned]);
    // who asks about the Application, the environment or the Pipeline is told of the pin, too, also once that is lifted
    let lifted = requests::lift(&story.seen, FIRST, "tina", "it was the network").unwrap();
    story.ask(Ok(lifted)).unwrap();
    story.settle();
    let page = explain::environment(&story.seen, "production").unwrap();
    for told in [page, explain::pipeline(&story.seen), explain::release(&story.seen, FIRST).unwrap()] {
        assert!(told.reasons.iter().any(|reason| reason.message == pinned), "{told:?}");
    }
    let told = explain::environment(&story.seen, "staging").unwrap();
    assert_eq!(told.summary, "staging runs v1, and nothing is on its way there");
    let (_, reasons) = explained(&story, "shop-000000000000");
    assert!(reasons.iter().all(|reason| !reason.contains("quarantine")), "{reasons:?}");
}

/// Whoever lists releases reads how far one is from its last entry: the order is that of the way, not that in which they came.
#[test]
fn the_last_entry_says_how_far_a_release_is() {
    let mut story = Story::new(&["shop"], json!({}));
    for environment in ["dev", "production", "staging"] {
        story.write(environment, &[("shop", "v0", "0")]);
        story.settle();
    }
    let entries = &story.release("shop-000000000000").status.environments;
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["dev", "staging", "production"]);
}

/// Dana wrote it, tina asked for it: of whom is known nobody is left, and it is said who opens it.
#[test]
fn where_nobody_who_is_known_may_approve_it_is_said_who_can_open_it() {
    let mut story = waiting(json!({"gates": [{"approval": {"group": "leads"}}]}));
    let mut who = |groups: &[&str], admins: &[&str], asks: Option<&str>| {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let groups = [("leads".to_owned(), all(groups))].into();
        story.seen.members = Arc::new(promotion::Members { groups, admins: all(admins) });
        if let Some(actor) = asks {
            story.ask(requests::promote(&story.seen, "production", FIRST, actor, "")).unwrap();
        }
        let told = explain::environment(&story.seen, "production").unwrap().reasons[0].who.clone();
        let judged = promotion::judged(&story.seen, PROMOTION).unwrap();
        assert_eq!(judged.reports()[0].who_can_act, told, "the gate and the explanation say the same");
        told
    };
    assert_eq!(who(&["dana", "tina"], &[], None), "a member of leads, but not Dana");
    let told = who(&["dana", "tina"], &[], Some("tina"));
    for part in [
        "none that is known is left beside dana and tina",
        "another member of leads has to log in",
        "g, ACCOUNT, leads in policy.csv of argocd-rbac-cm",
        "rejected, and asked for by somebody other than tina",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = who(&["dana", "tina"], &["admin"], None);
    assert!(told.ends_with("of those who are known only admin is left"), "{told}");
    let told = who(&[], &[], None);
    assert!(told.contains("nobody is known to belong to leads") && !told.contains("rejected"), "{told}");
    assert!(!who(&["dana", "theo"], &[], None).contains("known"), "theo may");
}

#[test]
fn a_rollback_says_all_that_follows() {
    let mut story = waiting(json!({}));
    story.pass(5);
    story.ask(requests::promote(&story.seen, "production", FIRST, "otto", "")).unwrap();
    story.settle();
    let does = requests::roll_back_does(&story.seen, "production").unwrap();
    let [back, held, pinned] = does.as_slice() else { panic!("{does:#?}") };
    assert!(back.starts_with("a revert commit brings back v0 (shop-000000000000, commit c"), "{back}");
    assert!(back.contains("which came there "), "{back}");
    assert_eq!(
        held,
        "v1 is quarantined: it goes nowhere until somebody lifts that; it goes on running in dev, staging"
    );
    assert!(pinned.starts_with("production is pinned"), "{pinned}");
    // just where the request itself would be refused nothing is said
    story.ask(requests::roll_back(&story.seen, "production", "otto", "")).unwrap();
    let refused = requests::roll_back(&story.seen, "production", "otto", "").unwrap_err();
    assert_eq!(requests::roll_back_does(&story.seen, "production"), Err(refused));
}

#[test]
fn of_a_pipeline_that_stands_still_nothing_is_asked() {
    let mut story = waiting(json!({}));
    story.seen.problems = vec![api::gantline::PipelineProblem { error: true, message: "gates: oh".into() }];
    let promote = requests::promote(&story.seen, "production", FIRST, "otto", "").unwrap_err();
    let back = requests::roll_back(&story.seen, "staging", "otto", "").unwrap_err();
    for refused in [promote, back] {
        assert_eq!(refused.to_string(), "shop stands still until this is mended: gates: oh");
    }
}
