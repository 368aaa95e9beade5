//! What an environment may run: what was promoted into it. Only the first is written by people.

use std::sync::Arc;

use api::gantline::{Pipeline, Promotion, PromotionPhase, Release, ReleaseImage};
use object::ImageRef;

use crate::plan::Observed;

/// What was recorded of a Pipeline.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    pub releases: &'a [Arc<Release>],
    pub promotions: &'a [Arc<Promotion>],
}

/// The images of an Application's objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images {
    /// As a sync would write them.
    pub wanted: Vec<ImageRef>,
    pub live: Vec<ImageRef>,
}

/// Whether an Application deploys an environment whose images come by promotions.
pub fn is_owned(pipeline: &Pipeline, application: &str) -> bool {
    owned(pipeline, application).next().is_some()
}

fn owned<'a>(pipeline: &'a Pipeline, application: &'a str) -> impl Iterator<Item = &'a str> {
    let later = pipeline.spec.environments.iter().skip(1);
    later.filter(move |environment| environment.application == application).map(|environment| environment.name.as_str())
}

/// Why an Application is not synced: an image would come in that was not promoted. What is there already stays, and the
/// very first images may come as they are.
pub fn unpromoted(pipeline: &Pipeline, application: &str, records: Records<'_>, images: &Images) -> Option<String> {
    owned(pipeline, application).find_map(|environment| {
        let new = pipeline.spec.images.iter().find_map(|image| new_of(&image.name, images))?;
        let runs = images.live.iter().any(|live| live.same_repository(&new.name));
        if records.is_untouched(environment) && !runs {
            return None;
        }
        let stranger = images.wanted.iter().filter(|image| is_of(pipeline, image) && !images.live.contains(image));
        let mut stranger = stranger.filter(|image| !records.put(environment, image));
        let name = &pipeline.metadata.name;
        stranger.next().map(|image| {
            format!(
                "{environment} of Pipeline {name} runs what was promoted, and {image} was not: take it back in Git and \
                 promote it (gantline promote {name} --to {environment}), or sync past the gates (gantline app sync \
                 {application} --override), which needs the right to override"
            )
        })
    })
}

/// An image of a repository that would come in.
fn new_of<'a>(repository: &str, images: &'a Images) -> Option<&'a ImageRef> {
    images.wanted.iter().find(|image| image.same_repository(repository) && !images.live.contains(image))
}

fn is_of(pipeline: &Pipeline, image: &ImageRef) -> bool {
    pipeline.spec.images.iter().any(|known| image.same_repository(&known.name))
}

impl<'a> Records<'a> {
    pub fn of(seen: &'a Observed) -> Self {
        Self { releases: &seen.releases, promotions: &seen.promotions }
    }

    /// Nothing was ever put into the environment.
    pub(crate) fn is_untouched(&self, environment: &str) -> bool {
        let entered = |release: &Arc<Release>| release.in_environment(environment).is_some_and(|entry| !entry.by_hand);
        let wanted = |promotion: &Arc<Promotion>| promotion.spec.environment == environment && was_put(promotion);
        !self.releases.iter().any(entered) && !self.promotions.iter().any(wanted)
    }

    /// Whether an image was promoted into the environment, or is about to be.
    fn put(&self, environment: &str, image: &ImageRef) -> bool {
        let is_same = |known: &ReleaseImage| is_same(image, known);
        self.releases.iter().filter(|release| release.spec.images.iter().any(is_same)).any(|release| {
            let entry = release.in_environment(environment);
            entry.is_some_and(|entry| !entry.by_hand) || self.promotes(&release.metadata.name, environment)
        })
    }

    pub(crate) fn promotes(&self, release: &str, environment: &str) -> bool {
        let into = |promotion: &&Arc<Promotion>| {
            promotion.spec.release == release && promotion.spec.environment == environment
        };
        self.promotions.iter().filter(into).any(|promotion| was_put(promotion))
    }
}

/// Whether its commit may be there.
pub(crate) fn was_put(promotion: &Promotion) -> bool {
    use PromotionPhase::{Converging, Succeeded, Writing, Written};
    matches!(promotion.status.phase, Writing | Written | Converging | Succeeded)
}

fn is_same(image: &ImageRef, known: &ReleaseImage) -> bool {
    image.same_repository(&known.name)
        && match (&image.digest, &image.tag) {
            (Some(digest), _) => *digest == known.digest,
            (None, Some(tag)) => *tag == known.tag,
            (None, None) => false,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::entry;

    fn image(tag: &str) -> ImageRef {
        format!("acme/shop:{tag}").parse().unwrap()
    }

    fn pipeline() -> Pipeline {
        let environments = json!([{"name": "dev", "application": "d"}, {"name": "production", "application": "p"}]);
        let spec = json!({"images": [{"name": "acme/shop"}], "environments": environments});
        Pipeline::from_value(json!({"metadata": {"name": "shop"}, "spec": spec})).unwrap()
    }

    fn release(tag: &str, environments: &[(&str, bool)]) -> Arc<Release> {
        let digest = format!("sha256:{}", "d".repeat(64)).parse().unwrap();
        let mut release = Release::default();
        release.metadata.name = format!("shop-{tag}");
        release.spec.images.push(ReleaseImage { name: "acme/shop".into(), tag: tag.into(), digest });
        for (name, by_hand) in environments {
            let mut entry = entry(name, "c", crate::gates::tests::time(0));
            entry.by_hand = *by_hand;
            release.status.environments.push(entry);
        }
        Arc::new(release)
    }

    #[test]
    fn only_what_was_promoted_comes_in() {
        let check =
            |releases: &[Arc<Release>], promotions: &[Arc<Promotion>], live: &[&str], wanted: &str, held: bool| {
                let images = Images { wanted: vec![image(wanted)], live: live.iter().map(|tag| image(tag)).collect() };
                let why = unpromoted(&pipeline(), "p", Records { releases, promotions }, &images);
                assert_eq!(why.is_some(), held, "{live:?} {wanted}: {why:?}");
                assert_eq!(
                    unpromoted(&pipeline(), "d", Records { releases, promotions }, &images),
                    None,
                    "people write it"
                );
            };
        let ran = || release("v1", &[("dev", false), ("production", false)]);
        let tested = || release("v2", &[("dev", false)]);
        check(&[], &[], &[], "v1", false);
        check(&[], &[], &["v1"], "v1", false);
        check(&[], &[], &["v1"], "v2", true);
        check(&[ran(), tested()], &[], &["v1"], "v2", true);
        check(&[ran(), tested()], &[], &[], "v2", true);
        check(&[ran(), tested()], &[], &["v2"], "v1", false);
        check(&[ran(), release("v2", &[("production", true)])], &[], &["v1"], "v2", true);
        let mut promotion = Promotion::default();
        (promotion.spec.release, promotion.spec.environment) = ("shop-v2".into(), "production".into());
        check(&[ran(), tested()], &[Arc::new(promotion.clone())], &["v1"], "v2", true);
        promotion.status.phase = PromotionPhase::Writing;
        check(&[ran(), tested()], &[Arc::new(promotion)], &["v1"], "v2", false);
    }
}
