//! What is quarantined travels nowhere: under no other Pipeline, in no set, by no road.

use std::sync::Arc;

use api::gantline::{PipelineConditionKind, PromotionPhase, Release};
use promotion::requests;
use promotion::{Action, Elsewhere, Images, Ledger, Records, explain, plan, unpromoted};
use serde_json::json;

use super::story::{OWN, Story, digest};

/// v0 everywhere; v1 in dev and staging.
fn story(images: &[&str]) -> Story {
    let mut story = Story::new(images, json!({"auto": true, "gates": [{"healthy": {"in": "staging", "for": "10m"}}]}));
    let all = |tag: &'static str, digits: [&'static str; 2]| {
        images.iter().zip(digits).map(|(name, digit)| (*name, tag, digit)).collect::<Vec<_>>()
    };
    ["dev", "staging", "production"].iter().for_each(|environment| story.write(environment, &all("v0", ["0", "a"])));
    story.settle();
    story.pass(20);
    story.settle();
    story.write("dev", &all("v1", ["1", "b"]));
    story.settle();
    story
}

fn named(story: &Story, tag: &str) -> Release {
    let all = story.seen.releases.iter();
    (**all.rev().find(|release| release.spec.images.iter().any(|image| image.tag == tag)).unwrap()).clone()
}

/// The quarantines of a Pipeline, as others see them.
fn of(pipeline: &str, ledger: &Ledger) -> Vec<Arc<Elsewhere>> {
    let one = |(digest, held): (&object::ImageDigest, &promotion::Held)| {
        Arc::new(Elsewhere { pipeline: pipeline.to_owned(), digest: digest.clone(), held: held.clone() })
    };
    ledger.quarantined.iter().map(one).collect()
}

/// Another Pipeline with the same image, in which somebody rolled v1 back.
fn rolled_back_elsewhere(reason: &str) -> Vec<Arc<Elsewhere>> {
    let mut other = Story::new(&["docker.io/acme/shop"], json!({"auto": true}));
    let name = "docker.io/acme/shop";
    ["dev", "staging", "production"].iter().for_each(|environment| other.write(environment, &[(name, "v0", "0")]));
    other.settle();
    other.pass(1);
    other.write("dev", &[(name, "v1", "1")]);
    other.settle();
    other.ask(requests::roll_back(&other.seen, "production", "tina", reason)).unwrap();
    other.settle();
    of("web", &other.seen.ledger)
}

#[test]
fn what_another_pipeline_quarantined_travels_nowhere_until_it_is_lifted() {
    let mut story = story(&["acme/shop"]);
    let name = named(&story, "v1").metadata.name;
    let waiting = story.seen.promotions.iter().find(|p| p.spec.environment == "production" && p.spec.release == name);
    let waiting = waiting.unwrap().metadata.name.clone();
    story.seen.elsewhere = rolled_back_elsewhere("errors").into();

    // before anybody wrote it down
    let refused = requests::promote(&story.seen, "production", &name, "eve", "").unwrap_err().to_string();
    let lift = format!("gantline release lift web-111111111111 ends it in web, gantline release lift {name} for this");
    assert!(refused.contains("quarantined by tina in Pipeline web: errors") && refused.contains(&lift), "{refused}");
    let told = story.told.len();
    let status = story.settle().status;
    assert_eq!(story.phase(&waiting), PromotionPhase::Failed, "{:?}", story.promotion(&waiting));
    assert!(story.promotion(&waiting).status.message.contains("tina in Pipeline web: errors"));
    let quarantine = story.release(&name).status.quarantine.clone().unwrap();
    assert_eq!((&*quarantine.release, quarantine.other_pipeline()), ("web-111111111111", Some("web")));
    assert_eq!(story.told[told..].iter().filter(|it| it.contains("v1 is quarantined")).count(), 1, "{:?}", story.told);
    assert_eq!(story.seen.ledger.quarantined.len(), 0, "it is not its own");
    let reasons = explain::release(&story.seen, &name).unwrap().reasons;
    assert!(
        reasons[0].message.contains("tina in Pipeline web: errors") && reasons[0].who.contains(&lift),
        "{reasons:?}"
    );
    let mark = &status.environments[1].not_promoted;
    assert!(mark.contains("v1 is quarantined, and staging runs it"), "{status:?}");
    assert!(status.conditions.iter().any(|it| it.r#type == PipelineConditionKind::NotPromoted));
    story.pass(60);
    story.settle();
    assert!(story.entry_of(&name, "production").is_none(), "nothing brings it there");

    // for this Pipeline alone, which stands in its ledger
    assert_eq!(requests::liftable(&story.seen), std::slice::from_ref(&name));
    story.ask(requests::lift(&story.seen, &name, "lea", "we looked")).unwrap();
    assert!(story.seen.ledger.exempt["web"].values().all(|exempt| exempt.reason == "errors"));
    story.settle();
    assert_eq!(story.release(&name).status.quarantine, None);
    assert!(requests::promote(&story.seen, "production", &name, "lea", "").is_ok());
    // another decision is another one
    story.seen.elsewhere = rolled_back_elsewhere("errors again").into();
    story.settle();
    assert_eq!(story.release(&name).status.quarantine.as_ref().unwrap().reason, "errors again");
    story.seen.elsewhere = Arc::default();
    story.settle();
    assert_eq!(story.release(&name).status.quarantine, None, "lifted where it was made");
    assert!(story.told.last().unwrap().contains("v1 is not quarantined any more"), "{:?}", story.told);
}

impl Story {
    fn entry_of(&self, release: &str, environment: &str) -> Option<&api::gantline::ReleaseEnvironment> {
        self.release(release).in_environment(environment)
    }
}

#[test]
fn no_rollback_goes_to_what_another_pipeline_quarantined() {
    let mut story = Story::new(&["acme/shop"], json!({"auto": true}));
    ["dev", "staging", "production"]
        .iter()
        .for_each(|environment| story.write(environment, &[("acme/shop", "v0", "0")]));
    story.settle();
    story.pass(1);
    for (tag, digit) in [("v1", "1"), ("v2", "2")] {
        story.write("dev", &[("acme/shop", tag, digit)]);
        story.settle();
        story.pass(1);
    }
    let target = |story: &Story| {
        let asked = requests::roll_back(&story.seen, "production", "tina", "").unwrap();
        match &asked.steps[0].action {
            Action::OpenPromotion { spec, .. } => spec.tag.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(target(&story), "v1");
    story.seen.elsewhere = rolled_back_elsewhere("errors").into();
    assert_eq!(target(&story), "v0");
}

#[test]
fn what_an_application_elsewhere_says_is_not_told_here() {
    let mut story = story(&["acme/shop"]);
    let mut elsewhere = (*rolled_back_elsewhere("")[0]).clone();
    (elsewhere.held.quarantine.by, elsewhere.held.quarantine.reason) =
        ("gantline".into(), "failed in dev: secret".into());
    story.seen.elsewhere = vec![Arc::new(elsewhere)].into();
    story.settle();
    let quarantine = named(&story, "v1").status.quarantine.unwrap();
    assert_eq!((&*quarantine.by, &*quarantine.reason), ("gantline", "failed in dev"));
}

#[test]
fn a_wall_lets_nothing_in_that_is_quarantined_and_be_it_the_first() {
    let story = Story::new(&["acme/shop"], json!({"auto": true}));
    let elsewhere = rolled_back_elsewhere("errors");
    let why = |elsewhere: &[Arc<Elsewhere>], ledger: &Ledger, image: &str| {
        let records = Records { releases: &[], promotions: &[], ledger, elsewhere };
        let means = [("acme/shop:v2".parse().unwrap(), Ok(digest("2").into()))].into();
        let images = Images { new: vec![image.parse().unwrap()], means, ..Images::default() };
        unpromoted(&story.seen.pipeline, OWN, "production", records, &images)
    };
    let by_digest = format!("acme/shop@sha256:{}", "1".repeat(64));
    let none = Ledger::default();
    for image in ["acme/shop:v1", &by_digest] {
        assert_eq!(why(&[], &none, image), None, "the first may come as it is");
        let why = why(&elsewhere, &none, image).unwrap();
        assert!(why.contains("is quarantined by another Pipeline") && !why.contains("errors"), "{why}");
    }
    assert_eq!(why(&elsewhere, &none, "acme/shop:v2"), None);
    let own = Ledger { quarantined: [(elsewhere[0].digest.clone(), elsewhere[0].held.clone())].into(), ..none };
    assert!(why(&[], &own, "acme/shop:v1").unwrap().contains("is quarantined by tina: errors"));
}

/// A Pipeline that says another image beside the bad one.
#[test]
fn a_quarantined_image_travels_in_no_set() {
    let mut story = story(&["acme/shop"]);
    let bad = named(&story, "v1").metadata.name;
    story.pass(20);
    story.settle();
    story.ask(requests::roll_back(&story.seen, "staging", "tina", "errors")).unwrap();
    story.settle();
    let mut pipeline = (*story.seen.pipeline).clone();
    pipeline.spec.images.push(api::gantline::ImageSource { name: "acme/web".into(), ..Default::default() });
    story.seen.pipeline = Arc::new(pipeline);
    story.pass(1);
    story.write("dev", &[("acme/shop", "v1", "1"), ("acme/web", "w5", "5")]);
    for environment in ["staging", "production"] {
        story.write(environment, &[("acme/shop", "v0", "0"), ("acme/web", "w4", "4")]);
    }
    story.settle();
    let set = named(&story, "w5");
    assert_eq!(set.status.quarantine.as_ref().map(|it| &*it.reason), Some("errors"), "{set:?}");
    let refused = requests::promote(&story.seen, "staging", &set.metadata.name, "eve", "").unwrap_err().to_string();
    assert!(refused.contains("quarantined by tina: errors"), "{refused}");
    assert_eq!(story.seen.ledger.quarantined.len(), 1, "by the one that is there");
    assert_eq!(plan(&story.seen).steps, []);

    // whoever lifts it of one lifts that decision
    story.ask(requests::lift(&story.seen, &set.metadata.name, "tina", "")).unwrap();
    story.settle();
    assert_eq!((story.release(&bad).status.quarantine.clone(), story.seen.ledger.quarantined.len()), (None, 0));
}

/// Nobody knows which of them is bad.
#[test]
fn a_quarantined_set_does_not_hold_a_part_of_it() {
    let mut story = story(&["acme/shop", "acme/web"]);
    story.ask(requests::roll_back(&story.seen, "staging", "tina", "errors")).unwrap();
    story.settle();
    story.pass(1);
    story.write("dev", &[("acme/shop", "v1", "1"), ("acme/web", "v2", "2")]);
    story.settle();
    let next = named(&story, "v2");
    assert!(next.spec.images.iter().any(|image| image.tag == "v1") && next.status.quarantine.is_none(), "{next:?}");
    let held = of("web", &story.seen.ledger);
    assert_eq!((held.len(), held[0].held.images.len()), (1, 2));
    assert!(held[0].held.images.iter().all(|image| image.tag == "v1"));
}

#[test]
fn a_ledger_without_room_says_so_and_its_releases_hold() {
    let mut story = story(&["acme/shop"]);
    let mut ledger = (*story.seen.ledger).clone();
    for number in 1_000..1_200 {
        let digest: object::ImageDigest = format!("sha256:{number:064}").parse().unwrap();
        let held = promotion::Held {
            images: vec![api::gantline::ReleaseImage {
                name: "acme/shop".into(),
                tag: String::new(),
                digest: digest.clone(),
                parts: Vec::new(),
            }],
            ..Default::default()
        };
        ledger.quarantined.insert(digest, held);
    }
    story.seen.ledger = Arc::new(ledger);
    story.ask(requests::roll_back(&story.seen, "staging", "tina", "errors")).unwrap();
    let status = story.settle().status;
    assert_eq!(story.seen.ledger.quarantined.len(), 200);
    let said = status.conditions.iter().filter(|it| it.message.contains("no room for 1 more quarantined release"));
    assert_eq!(said.count(), 1, "{status:?}");
    let bad = named(&story, "v1");
    assert_eq!(bad.status.quarantine.unwrap().reason, "errors");
    assert!(requests::promote(&story.seen, "staging", &bad.metadata.name, "eve", "").is_err());
}
