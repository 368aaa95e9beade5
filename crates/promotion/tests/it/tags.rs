//! What tags mean now: what is quarantined under whatever tag, and what moved after it was promoted.

use std::sync::Arc;

use api::gantline::{PipelineConditionKind, PipelineStatus, Quarantine, ReleaseImage, ReleasePhase};
use object::{ImageDigest, ImageRef};
use promotion::{
    Answer, Brought, Elsewhere, Held, Images, Ledger, Look, Meaning, Owner, Parts, Question, Records, RunningImage,
    Spot, identity, requests, unclear, unpromoted,
};
use serde_json::json;

use super::story::{Story, digest};

fn image(text: &str) -> ImageRef {
    text.parse().unwrap()
}

fn released(name: &str, tag: &str, digit: &str) -> ReleaseImage {
    ReleaseImage { name: name.into(), tag: tag.into(), digest: digest(digit), parts: Vec::new() }
}

fn held(images: &[ReleaseImage]) -> (ImageDigest, Held) {
    let quarantine = Quarantine { by: "tina".into(), reason: "errors".into(), ..Quarantine::default() };
    (identity(images).unwrap(), Held { quarantine, images: images.to_vec() })
}

fn elsewhere(images: &[ReleaseImage]) -> Arc<[Arc<Elsewhere>]> {
    let (digest, held) = held(images);
    vec![Arc::new(Elsewhere { pipeline: "web".into(), digest, held })].into()
}

/// What a registry says of a tag: a digit, or why it says nothing.
type Says<'a> = (&'a str, Result<&'a str, &'a str>);

fn images(new: &[&str], live: &[&str], says: &[Says<'_>]) -> Images {
    let all = |texts: &[&str]| texts.iter().map(|text| image(text)).collect();
    let means =
        says.iter().map(|(tag, says)| (image(tag), says.map(|digit| digest(digit).into()).map_err(str::to_owned)));
    Images { new: all(new), live: all(live), means: means.collect(), ..Images::default() }
}

fn why(story: &Story, environment: &str, images: &Images) -> Option<String> {
    let owner = Owner { application: environment, other_project: None };
    unpromoted(&story.seen.pipeline, owner, environment, Records::of(&story.seen), images)
}

/// Of a Pipeline to which nothing was promoted yet.
fn fresh(names: &[&str]) -> Story {
    Story::new(names, json!({"auto": true}))
}

/// v0 everywhere, v1 in staging, too.
fn promoted() -> Story {
    let mut story = Story::new(&["acme/shop"], json!({"gates": [{"healthy": {"in": "staging", "for": "10m"}}]}));
    ["dev", "staging", "production"].iter().for_each(|it| story.write(it, &[("acme/shop", "v0", "0")]));
    story.settle();
    story.pass(1);
    story.write("dev", &[("acme/shop", "v1", "1")]);
    story.settle();
    assert_eq!(story.status("staging"), "shop-111111111111");
    story
}

/// Whoever writes the repository may put back what ran before, or revert a promotion: neither is one.
#[test]
fn what_was_replaced_comes_back_by_a_promotion_or_a_rollback_only() {
    let mut story = promoted();
    let brings = |story: &Story, tag: &str| {
        why(story, "staging", &images(&[&format!("acme/shop:{tag}")], &["acme/shop:v1"], &[]))
    };
    let conditions = |story: &Story| {
        let conditions = promotion::plan(&story.seen).status.conditions;
        conditions.into_iter().map(|condition| condition.message).collect::<Vec<_>>().join("; ")
    };
    let said = brings(&story, "v0").unwrap();
    assert!(said.contains("acme/shop:v0 was promoted before, and something else since: take it back in Git"), "{said}");
    assert!(said.contains("gantline rollback shop --in staging"), "{said}");
    assert_eq!(brings(&story, "v1"), None);

    let told = story.told.len();
    for _ in 0..2 {
        story.write("staging", &[("acme/shop", "v0", "0")]);
        story.settle();
        assert!(brings(&story, "v0").is_some(), "also once it is in Git");
        assert!(
            conditions(&story)
                .contains("v0 was promoted to staging before, and replaced since: it came back past the gates"),
            "{}",
            conditions(&story)
        );
        assert_eq!(story.entry("shop-000000000000", "staging").phase, ReleasePhase::Replaced);
        assert!(!story.told[told..].iter().any(|it| it.contains("v0 is Verified")), "{:?}", story.told);

        story.write("staging", &[("acme/shop", "v1", "1")]);
        story.settle();
        assert_eq!((brings(&story, "v1"), conditions(&story).contains("past the gates")), (None, false));
        assert!(!story.entry("shop-111111111111", "staging").by_hand);
    }

    // nothing that came by hand in between is what a rollback goes back to
    let rollback = requests::roll_back(&story.seen, "staging", "tina", "it is slow");
    story.ask(rollback).unwrap();
    story.settle();
    assert_eq!(story.status("staging"), "shop-000000000000");
    assert_eq!((brings(&story, "v0"), conditions(&story).contains("past the gates")), (None, false));
    assert!(brings(&story, "v1").unwrap().contains("is quarantined by tina"));
}

const SILENT: Says<'_> = ("acme/shop:x", Err("it hangs"));
const BAD: Says<'_> = ("acme/shop:x", Ok("b"));
const GOOD: Says<'_> = ("acme/shop:x", Ok("c"));

#[test]
fn a_quarantined_digest_comes_in_under_no_tag() {
    let bad = [released("docker.io/acme/shop", "bad", "b")];
    let (other, unclear) = ("means sha256:bbb", "nobody can tell what acme/shop:x means");
    for (says, expected) in [
        (&[BAD][..], Some(other)),
        (&[GOOD], None),
        (&[SILENT], Some("(it hangs), of whose repository an image is quarantined")),
        (&[], Some(unclear)),
    ] {
        for own in [true, false] {
            let mut story = fresh(&["acme/shop"]);
            if own {
                story.seen.ledger = Arc::new(Ledger { quarantined: [held(&bad)].into(), ..Ledger::default() });
            } else {
                story.seen.elsewhere = elsewhere(&bad);
            }
            // nothing was ever promoted there
            let said = why(&story, "production", &images(&["acme/shop:x"], &[], says));
            assert_eq!(said.is_some(), expected.is_some(), "{own} {says:?}: {said:?}");
            assert!(said.as_deref().unwrap_or_default().contains(expected.unwrap_or_default()), "{said:?}");
            let whose = if own { "tina: errors" } else { "another Pipeline" };
            assert!(said.as_deref().is_none_or(|said| said.contains(whose) && said.contains("--override")), "{said:?}");
            let write_it =
                said.as_deref().is_none_or(|it| !it.contains("nobody") || it.contains("(acme/shop@sha256:...)"));
            assert!(write_it, "{said:?}");
            for (image, is_held) in [
                ("acme/shop:bad", true),
                ("acme/shop", true),
                (&*format!("acme/shop@{}", digest("b")), true),
                (&*format!("acme/shop:bad@{}", digest("c")), false),
                ("acme/tool:x", false),
            ] {
                let said = why(&story, "production", &images(&[image], &[], &[]));
                assert_eq!(said.is_some(), is_held, "{image}: {said:?}");
            }
            assert_eq!(why(&story, "dev", &images(&["acme/shop:x"], &[], &[BAD])), None, "people write it");
        }
    }
    assert_eq!(why(&fresh(&["acme/shop"]), "production", &images(&["acme/shop:x"], &[], &[SILENT])), None);
}

#[test]
fn a_quarantined_set_comes_in_under_no_tags() {
    let mut story = fresh(&["acme/shop", "acme/web"]);
    story.seen.elsewhere = elsewhere(&[released("acme/shop", "v1", "b"), released("acme/web", "v1", "d")]);
    let web = |says| ("acme/web:y", says);
    let (shop_is, web_is) = ("nobody can tell what acme/shop:x means", "nobody can tell what acme/web:y means");
    let bad = "acme/shop:x, which means";
    for (new, live, says, expected) in [
        (&["acme/shop:x", "acme/web:y"][..], &[][..], &[BAD, web(Ok("d"))][..], Some(bad)),
        (&["acme/shop:x"], &["acme/web:y"], &[BAD, web(Ok("d"))], Some(bad)),
        (&["acme/shop:x"], &["acme/web:v1"], &[BAD], Some(bad)),
        (&["acme/shop:x"], &["acme/web:y"], &[BAD, web(Ok("e"))], None),
        (&["acme/shop:x"], &["acme/web:y"], &[GOOD, web(Ok("d"))], None),
        (&["acme/shop:x"], &["acme/web:y"], &[BAD], Some(web_is)),
        (&["acme/shop:x", "acme/web:y"], &[], &[BAD], Some(web_is)),
        (&["acme/shop:x"], &["acme/web:y"], &[web(Ok("d"))], Some(shop_is)),
        (&["acme/shop:x"], &["acme/web:y"], &[web(Ok("e"))], None),
        (&["acme/shop:x"], &[], &[BAD], None),
    ] {
        let said = why(&story, "production", &images(new, live, says));
        assert_eq!(said.is_some(), expected.is_some(), "{new:?} {live:?} {says:?}: {said:?}");
        assert!(said.as_deref().unwrap_or_default().contains(expected.unwrap_or_default()), "{expected:?}: {said:?}");
    }
    // what is there already may not be for those of another project
    let owner = Owner { application: "production", other_project: Some("payments") };
    for (new, live, told) in [
        (&["acme/shop:x"][..], &["acme/web:y"][..], "nobody can tell what an image means that is there already"),
        (&["acme/shop:x", "acme/web:y"], &[], web_is),
    ] {
        let images = images(new, live, &[BAD]);
        let said = unpromoted(&story.seen.pipeline, owner, "debug", Records::of(&story.seen), &images).unwrap();
        assert!(said.contains(told), "{said}");
        assert_eq!(said.contains("acme/web"), live.is_empty(), "{said}");
    }
    let asked = |new: &[&str]| {
        let images = images(new, &["acme/web:y", "acme/tool:z"], &[]);
        let asked = unclear(&story.seen.pipeline, "production", Records::of(&story.seen), &images);
        asked.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(asked(&["acme/shop:x", "acme/tool:x"]), ["acme/shop:x", "acme/web:y"], "of what is there already, too");
    assert_eq!(asked(&["acme/tool:x"]), [""; 0]);
}

/// Nor where an image of it is of no repository of this Pipeline.
#[test]
fn a_quarantined_set_comes_in_with_no_image_beside_the_pipeline() {
    let mut story = promoted();
    story.seen.elsewhere = elsewhere(&[released("acme/shop", "s", "1"), released("acme/web", "w", "d")]);
    let by_digest = format!("acme/shop@{}", digest("1"));
    for shop in ["acme/shop:v1", &by_digest] {
        for (new, live) in [(&[shop, "acme/web:y"][..], &[][..]), (&[shop], &["acme/web:y"])] {
            let unasked = images(new, live, &[]);
            let asked = unclear(&story.seen.pipeline, "staging", Records::of(&story.seen), &unasked);
            let meaning = |tag: &ImageRef| Ok(digest(if tag.name == "acme/web" { "d" } else { "1" }).into());
            let means = asked.into_keys().map(|tag| (tag.clone(), meaning(&tag))).collect();
            let said = why(&story, "staging", &Images { means, ..unasked });
            assert!(
                said.as_ref().is_some_and(|it| it.contains("is quarantined by another Pipeline")),
                "{new:?} {live:?}: {said:?}"
            );
        }
    }
}

#[test]
fn a_promoted_tag_that_moved_is_held_and_one_of_which_nobody_tells_is_not() {
    let mut story = promoted();
    let v1 = |says| [("acme/shop:v1", says)];
    for (says, is_held) in [(Ok("1"), false), (Ok("9"), true), (Ok("0"), true), (Err("it hangs"), false)] {
        for live in [&[][..], &["acme/shop:v0"]] {
            let said = why(&story, "staging", &images(&["acme/shop:v1"], live, &v1(says)));
            assert_eq!(said.is_some(), is_held, "{says:?}: {said:?}");
            let now = format!("means {} now, and {} was promoted", digest(says.unwrap_or("1")), digest("1"));
            assert!(said.is_none_or(|said| said.contains(&now) && said.contains("push another tag")), "{now}");
        }
    }
    // whatever a tag means that nobody promoted, it was not
    let other = why(&story, "staging", &images(&["acme/shop:v9"], &["acme/shop:v0"], &[("acme/shop:v9", Ok("1"))]));
    assert!(other.unwrap().contains("acme/shop:v9 was not"));
    let by_digest = format!("acme/shop:v1@{}", digest("1"));
    assert_eq!(why(&story, "staging", &images(&[&by_digest], &[], &v1(Ok("9")))), None, "nobody can move it");
    let asked = |story: &Story, environment: &str, new: &str| {
        unclear(&story.seen.pipeline, environment, Records::of(&story.seen), &images(&[new], &["acme/shop:v0"], &[]))
            .len()
    };
    assert_eq!(asked(&story, "staging", "acme/shop:v1"), 1);
    for (environment, new) in
        [("production", "acme/shop:v1"), ("staging", "acme/shop:v9"), ("dev", "acme/shop:v1"), ("staging", &by_digest)]
    {
        assert_eq!(asked(&story, environment, new), 0, "{environment} {new}: it decides nothing");
    }

    // where something is quarantined, what was promoted under a tag says what it means
    story.seen.elsewhere = elsewhere(&[released("acme/shop", "bad", "b")]);
    assert_eq!(why(&story, "staging", &images(&["acme/shop:v1"], &[], &v1(Err("it hangs")))), None);
    let other = why(&story, "production", &images(&["acme/shop:v1"], &[], &v1(Err("it hangs")))).unwrap();
    assert!(other.contains("acme/shop:v1 was not"), "{other}");
    assert!(why(&story, "staging", &images(&["acme/shop:v1"], &[], &v1(Ok("b")))).unwrap().contains("is quarantined"));
}

fn said(status: &PipelineStatus, kind: PipelineConditionKind) -> Vec<String> {
    status.conditions.iter().filter(|it| it.r#type == kind).map(|it| it.message.clone()).collect()
}

impl Story {
    fn runs(&mut self, environment: &str, image: &str, digit: &str) {
        let running = RunningImage { image: image.parse().unwrap(), digest: Some(digest(digit)) };
        self.place(environment).pods[0].images = vec![running];
    }
}

#[test]
fn a_tag_that_moved_where_it_runs_is_said() {
    let mut story = promoted();
    story.runs("staging", "docker.io/acme/shop:v1", "1");
    let quiet = story.settle().status;
    assert_eq!(quiet.conditions, []);
    // a pod was made again meanwhile
    story.runs("staging", "docker.io/acme/shop:v1", "9");
    let moved = said(&story.settle().status, PipelineConditionKind::TagMoved);
    let text =
        format!("staging: a pod runs docker.io/acme/shop:v1 as {}, and {} was promoted", digest("9"), digest("1"));
    assert!(moved.len() == 1 && moved[0].starts_with(&text), "{moved:?}");
    story.seen.elsewhere = elsewhere(&[released("acme/shop", "bad", "9")]);
    let moved = said(&story.settle().status, PipelineConditionKind::TagMoved);
    assert!(moved[0].contains(", which is quarantined by tina in Pipeline web: errors"), "{moved:?}");
    story.seen.elsewhere = Arc::default();
    // the registry says so, and pods run what they ran; then it is what an earlier release was
    story.runs("staging", "acme/shop:v1", "1");
    for digit in ["9", "0"] {
        story.write("staging", &[("acme/shop", "v1", "")]);
        story.answer(Question::Digest(image("acme/shop:v1")), Answer::Digest(Ok(digest(digit))));
        let status = story.settle().status;
        let moved = said(&status, PipelineConditionKind::TagMoved);
        let text = format!("staging: acme/shop:v1 means {} now, and {} was promoted there", digest(digit), digest("1"));
        assert!(moved.len() == 1 && moved[0].starts_with(&text), "{moved:?}");
        assert_eq!(said(&status, PipelineConditionKind::NotPromoted), [""; 0], "it did not come past the gates");
    }
    story.answer(Question::Digest(image("acme/shop:v1")), Answer::Digest(Ok(digest("1"))));
    assert_eq!(story.settle().status.conditions, []);
}

#[test]
fn what_is_quarantined_is_said_where_it_runs_whatever_its_tag() {
    let bad = [released("acme/shop", "bad", "b")];
    let not_promoted = |story: &mut Story| said(&story.settle().status, PipelineConditionKind::NotPromoted);
    let text = |environment: &str| {
        format!(
            "acme/shop:x is {}, which is quarantined by tina in Pipeline web: errors, and {environment} runs it",
            digest("b")
        )
    };
    // by the registry, into what was never entered
    let mut story = fresh(&["acme/shop"]);
    story.seen.elsewhere = elsewhere(&bad);
    story.write("production", &[("acme/shop", "x", "")]);
    story.answer(Question::Digest(image("acme/shop:x")), Answer::Digest(Ok(digest("b"))));
    let told = not_promoted(&mut story);
    assert!(told.len() == 1 && told[0].starts_with(&text("production")), "{told:?}");

    // by the pods
    let mut story = promoted();
    story.seen.elsewhere = elsewhere(&bad);
    assert_eq!(not_promoted(&mut story), [""; 0]);
    for environment in ["dev", "staging", "production"] {
        story.runs(environment, "acme/shop:x", "b");
        story.place(environment).pods[0].has_ended = true;
        assert_eq!(not_promoted(&mut story), [""; 0], "it was a Job's");
        story.place(environment).pods[0].has_ended = false;
        let told = not_promoted(&mut story);
        assert!(told.len() == 1 && told[0].starts_with(&text(environment)), "{told:?}");
        story.place(environment).pods[0].images.clear();
    }

    // by the files, where others were promoted
    story.write("staging", &[("acme/shop", "x", "")]);
    story.answer(Question::Digest(image("acme/shop:x")), Answer::Digest(Ok(digest("b"))));
    let told = not_promoted(&mut story);
    assert!(told.len() == 1 && told[0].starts_with(&text("staging")), "{told:?}");

    // a release by another tag, also in the first
    let mut story = promoted();
    story.ask(requests::roll_back(&story.seen, "staging", "tina", "errors")).unwrap();
    story.settle();
    assert_eq!(not_promoted(&mut story), [""; 0], "in the first that a release is bad is nothing new");
    for environment in ["dev", "production"] {
        story.write(environment, &[("acme/shop", "x", "1")]);
        let told = not_promoted(&mut story);
        assert!(told.last().unwrap().contains("is v1, which is quarantined, and"), "{environment}: {told:?}");
        assert!(told.last().unwrap().contains(&format!("{environment} runs it")), "{told:?}");
    }
}

/// v0 everywhere, v1 in staging, too, of two images.
fn promoted_set() -> Story {
    let mut story =
        Story::new(&["acme/shop", "acme/web"], json!({"gates": [{"healthy": {"in": "staging", "for": "10m"}}]}));
    let v0 = [("acme/shop", "v0", "0"), ("acme/web", "v0", "a")];
    ["dev", "staging", "production"].iter().for_each(|it| story.write(it, &v0));
    story.settle();
    story.pass(1);
    story.write("dev", &[("acme/shop", "v1", "1"), ("acme/web", "v1", "b")]);
    story.settle();
    assert_eq!(story.entry_tag("staging"), "v1");
    story
}

impl Story {
    fn entry_tag(&mut self, environment: &str) -> String {
        let status = self.settle().status;
        status.environments.into_iter().find(|known| known.name == environment).unwrap().tag
    }
}

#[test]
fn a_tag_that_moved_hides_no_other_image_past_the_gates() {
    let mut story = promoted_set();
    story.write("staging", &[("acme/shop", "v1", ""), ("acme/web", "v9", "")]);
    story.answer(Question::Digest(image("acme/shop:v1")), Answer::Digest(Ok(digest("9"))));
    story.answer(Question::Digest(image("acme/web:v9")), Answer::Digest(Ok(digest("7"))));
    let status = story.settle().status;
    assert_eq!(said(&status, PipelineConditionKind::TagMoved).len(), 1, "{status:?}");
    let text = "acme/web:v9 was not promoted to staging: it came past the gates";
    assert_eq!(said(&status, PipelineConditionKind::NotPromoted), [text]);
    // each was promoted, and not together
    story.write("staging", &[("acme/shop", "v1", ""), ("acme/web", "v0", "a")]);
    story.answer(Question::Digest(image("acme/shop:v1")), Answer::Digest(Ok(digest("1"))));
    let together = said(&story.settle().status, PipelineConditionKind::NotPromoted);
    assert!(together.len() == 1 && together[0].starts_with("acme/shop:v1, acme/web:v0@"), "{together:?}");
}

#[test]
fn a_quarantined_set_is_said_where_a_pod_runs_a_part_beside_the_release() {
    let bad = [released("acme/shop", "s", "1"), released("acme/web", "w", "d")];
    for own in [true, false] {
        let mut story = promoted_set();
        if own {
            Arc::make_mut(&mut story.seen.ledger).quarantined = [held(&bad)].into();
        } else {
            story.seen.elsewhere = elsewhere(&bad);
        }
        for (pod, not_promoted, moved) in [
            (("acme/web:x", "e"), None, None),
            (("acme/web:x", "d"), Some("acme/web:x is sha256:ddd"), None),
            (("acme/web:v1", "d"), Some("acme/web:v1 is sha256:ddd"), Some(", which is quarantined by tina")),
        ] {
            story.runs("staging", pod.0, pod.1);
            let status = story.settle().status;
            for (kind, expected) in
                [(PipelineConditionKind::NotPromoted, not_promoted), (PipelineConditionKind::TagMoved, moved)]
            {
                let said = said(&status, kind);
                assert_eq!(said.len(), usize::from(expected.is_some()), "{own} {pod:?}: {said:?}");
                assert!(said.iter().all(|it| it.contains(expected.unwrap_or_default())), "{own} {pod:?}: {said:?}");
            }
        }
        // what is quarantined of the release itself is not said of another one
        story.runs("staging", "acme/web:x", "e");
        story.seen.elsewhere = elsewhere(&bad[..1]);
        let told = said(&story.settle().status, PipelineConditionKind::NotPromoted);
        assert!(told.len() == 1 && told[0].starts_with("v1 is quarantined, and staging runs it"), "{told:?}");
    }
}

#[test]
fn what_is_exempt_is_not_named_for_what_is_not() {
    let mut story = promoted_set();
    let all = [("web", released("acme/shop", "bad", "8")), ("job", released("acme/web", "bad", "9"))];
    let elsewhere = all.map(|(pipeline, bad)| {
        let (digest, held) = held(&[bad]);
        Arc::new(Elsewhere { pipeline: pipeline.into(), digest, held })
    });
    let exempt = [(elsewhere[0].digest.clone(), elsewhere[0].held.quarantine.clone())].into();
    Arc::make_mut(&mut story.seen.ledger).exempt.insert("web".into(), exempt);
    story.seen.elsewhere = elsewhere.to_vec().into();
    let running = |text, digit| RunningImage { image: image(text), digest: Some(digest(digit)) };
    story.place("staging").pods[0].images = vec![running("acme/shop:x", "8"), running("acme/web:y", "9")];
    let told = said(&story.settle().status, PipelineConditionKind::NotPromoted);
    let text = format!("acme/web:y is {}, which is quarantined by tina in Pipeline job: errors", digest("9"));
    assert!(told.len() == 1 && told[0].starts_with(&text), "{told:?}");
}

/// Nobody knows then which of the pods are the release's own.
#[test]
fn while_it_is_looked_for_what_runs_nothing_new_is_said() {
    let mut story = promoted();
    Arc::make_mut(&mut story.seen.ledger).quarantined = [held(&[released("acme/shop", "v1", "1")])].into();
    ["dev", "staging"].iter().for_each(|it| story.runs(it, "acme/shop:v1", "1"));
    let told = |story: &mut Story| said(&story.settle().status, PipelineConditionKind::NotPromoted);
    let before = told(&mut story);
    assert!(before.len() == 1 && before[0].starts_with("v1 is quarantined, and staging runs it"), "{before:?}");
    for environment in ["dev", "staging"] {
        let app = story.app(environment);
        (app.commit, app.at) = ("c99".to_owned(), "c99".into());
    }
    assert_eq!(told(&mut story), before);
    // nobody can tell: in the first that a release is bad is nothing new
    for environment in ["dev", "staging"] {
        let spot = Spot { application: environment.into(), image: "acme/shop".into(), at: "c99".into() };
        story.answer(Question::Located(spot), Answer::Located(Err("it does not render".into())));
    }
    let after = told(&mut story);
    assert!(after.len() == 1 && after[0].contains("by tina: errors, and staging runs it"), "{after:?}");
}

/// What another Application has beside an environment is known by its tag alone.
#[test]
fn a_neighbour_of_a_promoted_tag_is_none_past_the_gates() {
    let mut story = promoted();
    story.place("staging").beside = vec![Brought { image: image("acme/shop:v1"), namespace: "staging".into() }];
    assert_eq!(said(&story.settle().status, PipelineConditionKind::NotPromoted), [""; 0]);
}

/// An image of these digits, where it is an index.
fn index(name: &str, tag: &str, digit: &str, parts: &[&str]) -> ReleaseImage {
    ReleaseImage { parts: parts.iter().map(|part| digest(part)).collect(), ..released(name, tag, digit) }
}

type Wrapped = (&'static str, &'static [&'static str], &'static str, &'static [&'static str], bool);

/// What is quarantined and what is in that, what comes and what is in it, and whether it is held.
const WRAPPED: [Wrapped; 7] = [
    ("b", &[], "c", &[], false),
    ("b", &[], "c", &["b"], true),
    ("b", &[], "c", &["d", "b"], true),
    ("e", &["b", "d"], "b", &[], true),
    ("e", &["b", "d"], "c", &["d"], true),
    ("e", &["b", "d"], "c", &["e"], true),
    ("e", &["b"], "c", &["d"], false),
];

#[test]
fn what_is_quarantined_comes_in_wrapped_in_no_index() {
    for (bad, bad_parts, is, parts, is_held) in WRAPPED {
        let bad = [index("docker.io/acme/shop", "bad", bad, bad_parts)];
        let by_digest = format!("acme/shop@{}", digest(is));
        for (own, new) in [(true, "acme/shop:x"), (false, "acme/shop:x"), (true, &by_digest), (false, &by_digest)] {
            let mut story = fresh(&["acme/shop"]);
            if own {
                story.seen.ledger = Arc::new(Ledger { quarantined: [held(&bad)].into(), ..Ledger::default() });
            } else {
                story.seen.elsewhere = elsewhere(&bad);
            }
            let unasked = images(&[new], &[], &[]);
            let asked = unclear(&story.seen.pipeline, "production", Records::of(&story.seen), &unasked);
            assert_eq!(asked, [(image(new), Look::Inside)].into(), "what is in it matters");
            let of = |parts: Option<&[&str]>| {
                let parts = parts.map(|parts| parts.iter().map(|part| digest(part)).collect());
                let means = [(image(new), Ok(Meaning { digest: digest(is), parts }))].into();
                why(&story, "production", &Images { means, ..unasked.clone() })
            };
            let said = of(Some(parts));
            assert_eq!(said.is_some(), is_held, "{bad:?} {is} {parts:?} {own} {new}: {said:?}");
            assert!(said.is_none_or(|said| said.contains("is quarantined by")));
            let said = of(None).unwrap();
            let is_itself = is == "b" && parts.is_empty();
            assert!(is_itself || said.contains("there is more in it than is looked at"), "{said}");
        }
    }
}

#[test]
fn a_release_with_something_quarantined_in_it_goes_nowhere() {
    for (bad, bad_parts, is, parts, is_held) in WRAPPED {
        for own in [true, false] {
            let mut story = promoted();
            let bad = [index("acme/shop", "bad", bad, bad_parts)];
            if own {
                Arc::make_mut(&mut story.seen.ledger).quarantined = [held(&bad)].into();
            } else {
                story.seen.elsewhere = elsewhere(&bad);
            }
            story.pass(1);
            story.write("dev", &[("acme/shop", "v2", is)]);
            let image = image(&format!("acme/shop:v2@{}", digest(is)));
            let parts: Vec<ImageDigest> = parts.iter().map(|part| digest(part)).collect();
            story.answer(Question::Parts(image), Answer::Parts(Parts::Known(parts.clone())));
            story.settle();
            let name = format!("shop-{}", is.repeat(12));
            assert_eq!(story.release(&name).spec.images[0].parts, parts);
            assert_eq!(story.release(&name).status.quarantine.is_some(), is_held, "{bad:?} {is} {parts:?} {own}");
            let expected = if is_held { "shop-111111111111" } else { &name };
            assert_eq!(story.status("staging"), expected, "{bad:?} {is} {parts:?} {own}");
        }
    }
}

#[test]
fn what_is_in_an_image_is_waited_for_and_one_that_nobody_can_read_is_no_release() {
    let mut story = promoted();
    story.pass(1);
    story.write("dev", &[("acme/shop", "v2", "c")]);
    let asked = Question::Parts(image(&format!("acme/shop:v2@{}", digest("c"))));
    assert!(promotion::plan(&story.seen).questions.contains(&asked));
    story.answer(asked.clone(), Answer::Parts(Parts::Unreadable("there are more than 64 manifests in it".to_owned())));
    let told = said(&story.settle().status, PipelineConditionKind::DigestUnknown);
    assert!(told.len() == 1 && told[0].contains("more than 64 manifests in it: so nobody can tell"), "{told:?}");
    assert_eq!(story.status("staging"), "shop-111111111111");
    // a registry that is silent stops nothing
    story.answer(asked, Answer::Parts(Parts::Untold("it hangs".to_owned())));
    story.settle();
    assert_eq!(story.status("staging"), "shop-cccccccccccc");
}

/// As some nodes tell it: what they picked of an index.
#[test]
fn a_pod_that_runs_a_part_runs_the_image() {
    let mut story = promoted();
    story.pass(1);
    story.write("dev", &[("acme/shop", "v2", "c")]);
    let asked = Question::Parts(image(&format!("acme/shop:v2@{}", digest("c"))));
    story.answer(asked, Answer::Parts(Parts::Known(vec![digest("d"), digest("e")])));
    story.runs("staging", "acme/shop:v2", "d");
    let status = story.settle().status;
    assert_eq!(status.conditions, [], "it did not move");
    assert!(story.entry("shop-cccccccccccc", "staging").healthy_since.is_some());

    story.seen.elsewhere = elsewhere(&[index("acme/shop", "bad", "8", &["9"])]);
    story.runs("staging", "acme/shop:x", "9");
    let told = said(&story.settle().status, PipelineConditionKind::NotPromoted);
    assert!(told.len() == 1 && told[0].contains("which is quarantined by tina in Pipeline web"), "{told:?}");
}
