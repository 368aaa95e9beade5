//! What objects keep of what happened, and what was kept out of an environment.

use api::gantline::{PromotionPhase, Verdict};
use promotion::history;
use promotion::requests::{self, Vote};
use serde_json::json;

use super::requests::waiting;
use super::story::Story;

const PROMOTION: &str = "shop-production-111111111111";

fn leads() -> Vec<String> {
    vec!["leads".to_owned()]
}

fn gated() -> Story {
    waiting(json!({"gates": [{"approval": {"group": "leads"}}]}))
}

fn say(story: &mut Story, promotion: &str, verdict: Verdict, reason: &str) {
    let groups = leads();
    let vote = Vote { verdict, user: "tina", groups: &groups, reason };
    story.ask(requests::decide(&story.seen, promotion, &vote)).unwrap();
    story.settle();
}

fn kept(story: &Story) -> Vec<String> {
    let mut facts = history::of_pipeline(&story.seen.pipeline);
    facts.extend(story.seen.releases.iter().flat_map(|release| history::of_release(release)));
    let gated = |environment: &str| !story.seen.pipeline.environment(environment).unwrap().gates.is_empty();
    let promotions = story.seen.promotions.iter();
    facts.extend(promotions.flat_map(|it| history::of_promotion(it, gated(&it.spec.environment))));
    facts.into_iter().map(|(_, fact)| fact.telling().message).collect()
}

#[test]
fn what_objects_keep_is_what_was_told() {
    let mut story = gated();
    say(&mut story, PROMOTION, Verdict::Reject, "not on a Friday");
    story.pass(5);
    let again = story.ask(requests::promote(&story.seen, "production", "shop-111111111111", "otto", "")).unwrap();
    story.settle();
    say(&mut story, &again, Verdict::Approve, "");
    assert_eq!(story.phase(&again), PromotionPhase::Succeeded);
    story.pass(5);
    story.ask(requests::roll_back(&story.seen, "production", "otto", "errors")).unwrap();
    story.settle();
    let kept = kept(&story);
    for line in &kept {
        assert!(story.told.contains(line), "{line} was never told: {:#?}", story.told);
    }
    for line in [
        "shop v1: a new Release",
        "shop v1 wants to go to production",
        "shop v1 for production is rejected by tina",
        "shop v1 does not go to production",
        "shop v1 for production is approved by tina",
        "promote(production): shop → v1",
        "rollback(production): shop → v0",
        "shop v1 is quarantined",
        "shop in production is pinned",
    ] {
        assert!(kept.iter().any(|known| known.starts_with(line)), "{line} is not kept: {kept:#?}");
    }
}

#[test]
fn a_rejection_is_seen_until_something_newer_comes() {
    let mut story = gated();
    assert_eq!(history::turned_away(&story.seen, "production"), None);
    story.pass(5);
    say(&mut story, PROMOTION, Verdict::Reject, "not on a Friday");
    let at = story.seen.now;
    let away = history::turned_away(&story.seen, "production").unwrap();
    let vote = away.vote.unwrap();
    assert_eq!((away.promotion.metadata.name.as_str(), away.at), (PROMOTION, at));
    assert_eq!((vote.user.as_str(), vote.reason.as_str()), ("tina", "not on a Friday"));
    assert_eq!(history::turned_away(&story.seen, "staging"), None);
    story.pass(5);
    let again = story.ask(requests::promote(&story.seen, "production", "shop-111111111111", "otto", "")).unwrap();
    story.settle();
    assert_eq!(
        history::turned_away(&story.seen, "production").map(|away| away.at),
        Some(at),
        "it waits, and is not there"
    );
    story.pass(5);
    say(&mut story, &again, Verdict::Approve, "");
    assert_eq!(history::turned_away(&story.seen, "production"), None);
}
