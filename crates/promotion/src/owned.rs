//! What an environment may run: what was promoted into it. Only the first is written by people.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::gantline::{Environment, Pipeline, Promotion, PromotionPhase, Quarantine, Release, ReleaseImage};
use object::ImageRef;

use crate::about::outlined;
use crate::identity::{identity, is_image};
use crate::ledger::Ledger;
use crate::plan::Observed;
use crate::quarantines::Elsewhere;

/// What was recorded of a Pipeline.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    pub releases: &'a [Arc<Release>],
    pub promotions: &'a [Arc<Promotion>],
    pub ledger: &'a Ledger,
    /// What other Pipelines quarantined.
    pub elsewhere: &'a [Arc<Elsewhere>],
}

/// What a sync would change of the images of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images {
    /// Which neither the object that would have them nor another one of the environment in its namespace has already.
    pub new: Vec<ImageRef>,
    /// Which the environment's objects have.
    pub live: Vec<ImageRef>,
    /// Of objects that would have none of the same repository any more.
    pub replaced: Vec<ImageRef>,
    /// New ones of which nobody can tell what they are: the object and the text.
    pub unreadable: Vec<String>,
}

impl Images {
    /// Whether all is there already.
    pub fn bring_nothing_new(&self) -> bool {
        self.new.is_empty() && self.replaced.is_empty() && self.unreadable.is_empty()
    }
}

/// Whether an Application deploys an environment whose images come by promotions.
pub fn is_owned(pipeline: &Pipeline, application: &str) -> bool {
    owned(pipeline, application).next().is_some()
}

/// The Applications of the environments whose images come by promotions.
pub fn owners(pipeline: &Pipeline) -> BTreeSet<&str> {
    later(pipeline).map(|environment| environment.application.as_str()).collect()
}

/// The first is written by people.
pub(crate) fn later(pipeline: &Pipeline) -> impl Iterator<Item = &Environment> {
    pipeline.spec.environments.iter().skip(1)
}

fn owned<'a>(pipeline: &'a Pipeline, application: &'a str) -> impl Iterator<Item = &'a str> {
    let own = later(pipeline).filter(move |environment| environment.application == application);
    own.map(|environment| environment.name.as_str())
}

/// The Application of an environment, for who is told that its gates hold.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    pub application: &'a str,
    /// Its project, where whoever syncs is of another one: what is held is told there, and not by whom and why.
    pub other_project: Option<&'a str>,
}

/// Why `syncing` is not synced, which brings images to where `owner` deploys an environment, and mostly is it: an image
/// would come in that was not promoted. What is there already stays, and the very first images may come as they are.
pub fn unpromoted(
    pipeline: &Pipeline,
    owner: Owner<'_>,
    syncing: &str,
    records: Records<'_>,
    images: &Images,
) -> Option<String> {
    owned(pipeline, owner.application).find_map(|environment| {
        let mut names = pipeline.spec.images.iter().map(|image| image.name.as_str());
        let unreadable = || images.unreadable.first().map(|what| Stranger::Unreadable(what));
        let stranger = names.find_map(|name| records.stranger(environment, name, images)).or_else(unreadable)?;
        Some(match owner.other_project {
            Some(project) => stranger.told_to_others(project, syncing),
            None => stranger.told(pipeline, environment, owner.application, syncing),
        })
    })
}

/// What would come past the gates.
enum Stranger<'a> {
    /// Something else in the place of an image.
    Replaces(&'a str),
    Quarantined(&'a ImageRef, Quarantine),
    New(&'a ImageRef),
    Unreadable(&'a str),
}

impl Stranger<'_> {
    fn told(&self, pipeline: &Pipeline, environment: &str, owner: &str, syncing: &str) -> String {
        let (name, what) = (&pipeline.metadata.name, self.what());
        format!(
            "{environment} of Pipeline {name} runs what was promoted, and {what}: take it back in Git and promote it \
             (gantline promote {name} --to {environment}), or sync past the gates (gantline app sync {syncing} \
             --override), which needs the right to override {owner}"
        )
    }

    fn what(&self) -> String {
        match self {
            Self::Replaces(name) => format!("this puts something else in the place of {name}"),
            Self::Quarantined(image, it) => format!("{image} is quarantined by {}: {}", it.whose(), outlined(it)),
            Self::New(image) => format!("{image} was not"),
            Self::Unreadable(what) => format!("{what} is no image that can be told"),
        }
    }

    /// Everybody who may see the Application that syncs reads it: nothing that is not in that.
    fn told_to_others(&self, project: &str, syncing: &str) -> String {
        let what = match self {
            Self::Replaces(_) => "this puts something else in the place of what runs there".to_owned(),
            Self::Quarantined(image, _) | Self::New(image) => format!("{image} may not come in"),
            Self::Unreadable(what) => format!("{what} is no image that can be told"),
        };
        format!(
            "an environment where this goes runs only what a Pipeline promotes, and {what}: take it back in Git or deploy \
             it elsewhere, or ask the people of project {project}, who know why and may sync past their gates (gantline \
             app sync {syncing} --override)"
        )
    }
}

impl<'a> Records<'a> {
    pub fn of(seen: &'a Observed) -> Self {
        Self {
            releases: &seen.releases,
            promotions: &seen.promotions,
            ledger: &seen.ledger,
            elsewhere: &seen.elsewhere,
        }
    }

    /// Nothing was ever put into the environment, also by records that are gone.
    pub(crate) fn is_untouched(&self, environment: &str) -> bool {
        let entered = |release: &Arc<Release>| release.in_environment(environment).is_some_and(|entry| !entry.by_hand);
        let wanted = |promotion: &Arc<Promotion>| promotion.spec.environment == environment && was_put(promotion);
        let known = self.ledger.was_entered(environment);
        !known && !self.releases.iter().any(entered) && !self.promotions.iter().any(wanted)
    }

    /// What of an image would come past the gates.
    fn stranger<'i>(&self, environment: &str, name: &'i str, images: &'i Images) -> Option<Stranger<'i>> {
        let is_of = |image: &&ImageRef| image.same_repository(name);
        let runs = images.live.iter().any(|image| is_of(&image));
        if images.replaced.iter().any(|image| is_of(&image)) {
            return Some(Stranger::Replaces(name));
        }
        let beside = [&*images.new, &*images.live];
        let quarantine = |image: &ImageRef| self.ledger.quarantine_of_image(self.elsewhere, image, &beside);
        let held = images.new.iter().filter(is_of).find_map(|image| Some((image, quarantine(image)?)));
        if let Some((image, quarantine)) = held {
            return Some(Stranger::Quarantined(image, quarantine));
        }
        if !runs && self.is_untouched(environment) {
            return None;
        }
        let mut new = images.new.iter().filter(is_of);
        new.find(|image| !self.put(environment, image)).map(Stranger::New)
    }

    /// Whether an image was promoted into the environment, or is about to be.
    pub(crate) fn put(&self, environment: &str, image: &ImageRef) -> bool {
        let is_same = |known: &ReleaseImage| is_image(image, known);
        let good = self.releases.iter().filter(|release| self.ledger.quarantine_of(release, self.elsewhere).is_none());
        good.filter(|release| release.spec.images.iter().any(is_same)).any(|release| {
            let entry = release.in_environment(environment);
            entry.is_some_and(|entry| !entry.by_hand) || self.promotes(release, environment)
        })
    }

    pub(crate) fn promotes(&self, release: &Release, environment: &str) -> bool {
        let digest = identity(&release.spec.images);
        let into = |promotion: &&Arc<Promotion>| {
            let spec = &promotion.spec;
            spec.release == release.metadata.name && spec.environment == environment && spec.digest == digest
        };
        self.promotions.iter().filter(into).any(|promotion| was_put(promotion))
    }
}

/// Whether its commit may be there.
pub(crate) fn was_put(promotion: &Promotion) -> bool {
    use PromotionPhase::{Converging, Succeeded, Writing, Written};
    matches!(promotion.status.phase, Writing | Written | Converging | Succeeded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::entry;

    const OWN: Owner<'static> = Owner { application: "p", other_project: None };

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
        let check = |releases: &[Arc<Release>],
                     promotions: &[Arc<Promotion>],
                     live: &[&str],
                     wanted: &str,
                     held: bool| {
            let ledger = &Ledger::default();
            let there = live.iter().map(|tag| image(tag)).collect();
            let new = if live.contains(&wanted) { vec![] } else { vec![image(wanted)] };
            let images = Images { new, live: there, ..Images::default() };
            let why =
                unpromoted(&pipeline(), OWN, "p", Records { releases, promotions, ledger, elsewhere: &[] }, &images);
            assert_eq!(why.is_some(), held, "{live:?} {wanted}: {why:?}");
            assert_eq!(
                unpromoted(
                    &pipeline(),
                    Owner { application: "d", ..OWN },
                    "d",
                    Records { releases, promotions, ledger, elsewhere: &[] },
                    &images
                ),
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
        let mut bad = (*ran()).clone();
        bad.status.quarantine = Some(api::gantline::Quarantine::default());
        check(&[Arc::new(bad), release("v0", &[("production", false)])], &[], &["v0"], "v1", true);
        let replaced = vec![image("v1")];
        let new = vec!["evil/shop:v1".parse().unwrap()];
        let gone = Images { new, live: replaced.clone(), replaced, ..Images::default() };
        let records = Records { releases: &[ran()], promotions: &[], ledger: &Ledger::default(), elsewhere: &[] };
        assert!(
            unpromoted(&pipeline(), OWN, "p", records, &gone)
                .unwrap()
                .contains("something else in the place of acme/shop")
        );
        let unreadable = Images { unreadable: vec!["Deployment/x: a:b:c@".into()], ..Images::default() };
        for records in [records, Records { releases: &[], promotions: &[], ledger: &Ledger::default(), elsewhere: &[] }]
        {
            let why = unpromoted(&pipeline(), OWN, "debug", records, &unreadable).unwrap();
            assert!(why.contains("Deployment/x: a:b:c@ is no image"), "{why}");
            assert!(why.ends_with("gantline app sync debug --override), which needs the right to override p"), "{why}");
        }
        check(&[ran(), release("v2", &[("production", true)])], &[], &["v1"], "v2", true);
        let mut promotion = Promotion::default();
        (promotion.spec.release, promotion.spec.environment) = ("shop-v2".into(), "production".into());
        promotion.spec.digest = identity(&tested().spec.images);
        check(&[ran(), tested()], &[Arc::new(promotion.clone())], &["v1"], "v2", true);
        promotion.status.phase = PromotionPhase::Writing;
        check(&[ran(), tested()], &[Arc::new(promotion)], &["v1"], "v2", false);
    }

    /// What was there from the start cannot be pulled: nobody promoted anything yet, and it is not for ever.
    #[test]
    fn a_first_image_that_cannot_run_is_corrected_by_a_promotion() {
        let images = Images { new: vec![image("v2")], live: vec![image("v0")], ..Images::default() };
        let releases = [release("v0", &[("dev", false)]), release("v2", &[("dev", false)])];
        let check = |promotions: &[Arc<Promotion>]| {
            unpromoted(
                &pipeline(),
                OWN,
                "p",
                Records { releases: &releases, promotions, ledger: &Ledger::default(), elsewhere: &[] },
                &images,
            )
        };
        assert!(check(&[]).unwrap().contains("v2 was not: take it back in Git and promote it"));
        let mut promotion = Promotion::default();
        (promotion.spec.release, promotion.spec.environment) = ("shop-v2".into(), "production".into());
        (promotion.spec.digest, promotion.status.phase) = (identity(&releases[1].spec.images), PromotionPhase::Written);
        assert_eq!(check(&[Arc::new(promotion)]), None);
    }

    /// Whoever may see an Application of another project reads neither whose gates they are nor why they hold.
    #[test]
    fn other_projects_are_told_whom_to_ask_and_nothing_else() {
        let quarantine =
            api::gantline::Quarantine { by: "tina".into(), reason: "CVE in checkout".into(), ..Default::default() };
        let mut bad = (*release("v1", &[("dev", false), ("production", false)])).clone();
        bad.status.quarantine = Some(quarantine);
        let mut ledger = Ledger::default();
        assert!(ledger.hold(&bad));
        let releases = [Arc::new(bad)];
        let records = Records { releases: &releases, promotions: &[], ledger: &ledger, elsewhere: &[] };
        let brings = [
            Images { new: vec![image("v1")], ..Images::default() },
            Images { new: vec![image("v9")], live: vec![image("v1")], ..Images::default() },
            Images { replaced: vec![image("v1")], ..Images::default() },
            Images { unreadable: vec!["Deployment/x: a:b:c@".into()], ..Images::default() },
        ];
        let told = ["acme/shop:v1 may not", "acme/shop:v9 may not", "in the place of what runs", "a:b:c@ is no image"];
        for (images, told) in brings.iter().zip(told) {
            let owner = |other_project| Owner { application: "checkout-live", other_project };
            let mut pipeline = pipeline();
            pipeline.spec.environments[1].application = "checkout-live".into();
            let why = |project| unpromoted(&pipeline, owner(project), "debug", records, images).unwrap();
            let why_others = why(Some("payments"));
            assert!(why_others.contains(told) && why_others.contains("project payments"), "{why_others}");
            for secret in ["tina", "CVE", "checkout-live", "Pipeline shop", "production", "promote shop"] {
                assert!(!why_others.contains(secret), "{secret}: {why_others}");
            }
            assert!(why(None).contains("production of Pipeline shop"), "{}", why(None));
        }
    }
}
