//! Pipelines as wide as there may be.

use std::sync::Arc;

use api::gantline::Pipeline;
use promotion::{Answer, Images, Owner, Question, Records, explain, plan, unpromoted};
use serde_json::{Value, json};

use super::story::{Story, located};

/// All environments run all images; the first has newer ones.
fn wide(environments: usize, images: usize) -> Story {
    let mut story = Story::new(&["shop"], json!({"auto": true}));
    let names: Vec<String> = (0..environments).map(|number| format!("e{number}")).collect();
    let spec: Vec<Value> = names.iter().map(|name| json!({"name": name, "application": name, "auto": true})).collect();
    let shops: Vec<String> = (0..images).map(|number| format!("acme/shop{number}")).collect();
    let all: Vec<Value> = shops.iter().map(|name| json!({"name": name, "tags": "^v"})).collect();
    let spec = json!({"metadata": {"name": "shop"}, "spec": {"images": all, "environments": spec}});
    story.seen.pipeline = Arc::new(Pipeline::from_value(spec).unwrap());
    let place = story.seen.places[0].clone();
    story.seen.places = names.iter().map(|_| place.clone()).collect();
    for name in &names {
        let app = story.app(name);
        (app.name, app.commit, app.at) = (name.as_str().into(), "c1".into(), "c1".into());
        app.namespaces = [name.clone()].into();
        for shop in &shops {
            let tag = if name == "e0" { "v2" } else { "v1" };
            let digest = Some(super::story::digest(&tag[1..]));
            let image = object::ImageRef { name: shop.clone(), tag: Some(tag.into()), digest };
            let spot =
                promotion::Spot { application: name.as_str().into(), image: shop.as_str().into(), at: "c1".into() };
            story.answer(Question::Located(spot), Answer::Located(Ok(located(image))));
        }
    }
    story
}

/// Each place of an image is asked for once: work that grew with environments times environments would never end here.
#[test]
fn a_wide_pipeline_is_planned_explained_and_guarded() {
    let (environments, images) = (100, 50);
    let story = wide(environments, images);
    let seen = story.seen;
    assert_eq!(seen.pipeline.semantic_problems().iter().filter(|problem| problem.error).count(), 0);
    let planned = plan(&seen);
    let located = planned.questions.iter().filter(|question| matches!(question, Question::Located(_))).count();
    assert_eq!(located, environments * images);
    assert_eq!(planned.status.environments.len(), environments);
    let explained = explain::pipeline(&seen);
    assert!(
        !explained.summary.is_empty() && explained.reasons.len() <= 2 * environments,
        "{}",
        explained.reasons.len()
    );
    let new = (0..images).map(|number| format!("acme/shop{number}:v9").parse().unwrap()).collect::<Vec<_>>();
    let live = (0..images).map(|number| format!("acme/shop{number}:v1").parse().unwrap()).collect();
    let images = Images { new, live, ..Images::default() };
    for number in 1..environments {
        let name = format!("e{number}");
        assert!(
            unpromoted(
                &seen.pipeline,
                Owner { application: &name, other_project: None },
                &name,
                Records::of(&seen),
                &images
            )
            .is_some(),
            "{name}"
        );
    }
}

#[test]
fn a_pipeline_that_is_too_wide_is_left_alone_and_says_so() {
    for (environments, images, what) in [(101, 1, "101 environments, and 100"), (2, 51, "51 images, and 50")] {
        let story = wide(environments, images);
        let mut seen = story.seen;
        seen.problems = seen.pipeline.semantic_problems();
        let planned = plan(&seen);
        assert!(planned.steps.is_empty() && planned.questions.is_empty());
        let said = &planned.status.conditions[0].message;
        assert!(said.contains(what), "{said}");
        assert!(seen.pipeline.within_limits().spec.environments.is_empty(), "nobody else looks at them either");
    }
}
