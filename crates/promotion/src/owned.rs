//! What an environment may run: what was promoted into it last. Only the first is written by people.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::gantline::{Environment, Pipeline, Promotion, PromotionPhase, Release, ReleaseImage, ReleasePhase, WriteStep};
use jiff::Timestamp;
use object::{ImageDigest, ImageRef, canonical_repository};

use crate::identity::{identity, is_image};
use crate::ledger::Ledger;
use crate::meaning::{Fit, Meanings, Told};
use crate::plan::{Observed, came};
use crate::quarantines::Elsewhere;
use crate::stranger::Stranger;

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
    /// Objects without images of the Pipeline to which a Service would send what it sends to promoted ones.
    pub joining: Vec<Joining>,
    /// Of those that are [`unclear`](crate::unclear).
    pub means: Meanings,
}

/// An object whose pods a Service would select together with those of what was promoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joining {
    /// `Deployment/extra`
    pub workload: String,
    pub service: String,
    /// What it would be served beside.
    pub image: ImageRef,
}

impl Images {
    /// Whether all is there already.
    pub fn bring_nothing_new(&self) -> bool {
        self.new.is_empty() && self.replaced.is_empty() && self.unreadable.is_empty() && self.joining.is_empty()
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

pub(crate) fn owned<'a>(pipeline: &'a Pipeline, application: &'a str) -> impl Iterator<Item = &'a str> {
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
        let told = records.told(environment, images);
        let mut names = pipeline.spec.images.iter().map(|image| image.name.as_str());
        let unreadable = || images.unreadable.first().map(|text| Stranger::Unreadable(text));
        // where nothing was promoted yet nothing is in whose place it would come
        let joining = || images.joining.first().filter(|_| !records.is_untouched(environment)).map(Stranger::Joining);
        let stranger = names.find_map(|name| records.stranger(environment, name, images, &told));
        let stranger = stranger.or_else(unreadable).or_else(joining)?;
        Some(match owner.other_project {
            Some(project) => stranger.told_to_others(project, syncing),
            None => stranger.told_to_its_own(&pipeline.metadata.name, environment, owner.application, syncing),
        })
    })
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

    /// What the images of objects are: those that are new, then those that are there.
    fn told<'i>(&self, environment: &str, images: &'i Images) -> Vec<Told<'i>>
    where
        'a: 'i,
    {
        let tell = |image: &'i ImageRef| {
            if let Some(meaning) = images.means.get(image).and_then(|meaning| meaning.as_ref().ok()) {
                return Told::new(image, Some(&meaning.digest), meaning.parts.as_deref());
            }
            let record = self.promoted(environment, image).next();
            let digest = image.digest.as_ref().or_else(|| record.map(|known| &known.digest));
            Told::new(image, digest, Some(record.map_or(&[], |known| &known.parts)))
        };
        images.new.iter().chain(&images.live).map(tell).collect()
    }

    /// What of an image would come past the gates.
    fn stranger<'i>(
        &self,
        environment: &str,
        name: &'i str,
        images: &'i Images,
        told: &[Told<'i>],
    ) -> Option<Stranger<'i>>
    where
        'a: 'i,
    {
        let repository = canonical_repository(name);
        let is_of = |told: &&Told<'i>| told.is_of(&repository);
        let (new, live) = told.split_at(images.new.len());
        if images.replaced.iter().any(|image| image.same_repository(name)) {
            return Some(Stranger::Replaced(name));
        }
        let new: Vec<&Told<'i>> = new.iter().filter(is_of).collect();
        let barrier = self.ledger.barrier(self.elsewhere, &new, told);
        let is_first = !live.iter().any(|it| is_of(&it)) && self.is_untouched(environment);
        // where something was promoted that says what its tag means, and all else is held
        let barrier = barrier.filter(|barrier| is_first || barrier.fit == Fit::Yes);
        let stranger = || new.iter().find_map(|told| self.not_promoted(environment, told)).filter(|_| !is_first);
        barrier.map(|barrier| Stranger::barred(&barrier, images)).or_else(stranger)
    }

    fn not_promoted<'i>(&self, environment: &str, told: &Told<'i>) -> Option<Stranger<'i>>
    where
        'a: 'i,
    {
        match self.moved(environment, told.image, told.digest) {
            Some((was, now)) => Some(Stranger::Moved { image: told.image, was, now }),
            None if self.put(environment, told.image) => None,
            None if self.was_promoted(environment, told.image) => Some(Stranger::Past(told.image)),
            None => Some(Stranger::NotPromoted(told.image)),
        }
    }

    /// However long ago.
    fn was_promoted(&self, environment: &str, image: &ImageRef) -> bool {
        let known = self.releases.iter().filter(|release| release.spec.images.iter().any(|it| is_image(image, it)));
        known.into_iter().any(|release| self.was_ever_put(release, environment))
    }

    pub(crate) fn was_ever_put(&self, release: &Release, environment: &str) -> bool {
        release.in_environment(environment).is_some_and(|entry| !entry.by_hand)
            || self.puts(release, environment).next().is_some()
    }

    /// What was promoted into an environment under a tag that means another image now: that, and what it means.
    pub(crate) fn moved<'i>(
        &self,
        environment: &str,
        image: &ImageRef,
        now: Option<&'i ImageDigest>,
    ) -> Option<(&'a ImageDigest, &'i ImageDigest)> {
        let now = now.filter(|_| image.digest.is_none())?;
        let mut promoted = self.promoted(environment, image).map(|known| &known.digest);
        let was = promoted.next().filter(|was| *was != now)?;
        promoted.all(|was| was != now).then_some((was, now))
    }

    /// Whether an image is of what was promoted into the environment last, or is about to be.
    pub(crate) fn put(&self, environment: &str, image: &ImageRef) -> bool {
        self.promoted(environment, image).next().is_some()
    }

    /// As what an image was promoted into the environment last, or is about to be, by its digest, else by its tag.
    fn promoted(&self, environment: &str, image: &ImageRef) -> impl Iterator<Item = &'a ReleaseImage> {
        let known =
            self.releases.iter().flat_map(|release| release.spec.images.iter().map(move |known| (release, known)));
        let same = known.filter(|(_, known)| is_image(image, known));
        let good = same.filter(|(release, _)| self.ledger.quarantine_of(release, self.elsewhere).is_none());
        good.filter(move |(release, _)| self.stands(release, environment)).map(|(_, known)| known)
    }

    /// Whether an environment is to run a release: it was put there and nothing else since, or something else that is not
    /// there yet, or it is about to be put there. What was there before comes back by another promotion, or by a rollback.
    pub(crate) fn stands(&self, release: &Release, environment: &str) -> bool {
        let entry = release.in_environment(environment).filter(|entry| !entry.by_hand);
        let is_there = entry.is_some_and(|it| !matches!(it.phase, ReleasePhase::Failed | ReleasePhase::Replaced));
        let is_coming = |promotion: &Promotion| promotion.status.phase.is_open();
        is_there || self.puts(release, environment).any(is_coming) || self.was_put_last(release, environment)
    }

    fn was_put_last(&self, release: &Release, environment: &str) -> bool {
        let put = |release: &Release| Some((self.put_at(release, environment)?, came(release)));
        let own = put(release);
        own.is_some() && self.releases.iter().all(|other| put(other) <= own)
    }

    fn put_at(&self, release: &Release, environment: &str) -> Option<Timestamp> {
        let entry = release.in_environment(environment).filter(|entry| !entry.by_hand);
        let recorded = |promotion: &Promotion| {
            let steps = promotion.status.steps.iter().rev();
            steps.into_iter().find(|step| step.step == WriteStep::Recorded)?.at
        };
        self.puts(release, environment).filter_map(recorded).chain(entry.and_then(|entry| entry.deployed_at)).max()
    }

    /// The promotions that put a release into an environment, or are about to.
    fn puts<'r>(
        &self,
        release: &'r Release,
        environment: &'r str,
    ) -> impl Iterator<Item = &'a Promotion> + use<'a, 'r> {
        let promotions: &'a [Arc<Promotion>] = self.promotions;
        let into = move |promotion: &&'a Promotion| {
            let spec = &promotion.spec;
            spec.release == release.metadata.name
                && spec.environment == environment
                && was_put(promotion)
                && spec.digest == identity(&release.spec.images)
        };
        promotions.iter().map(|promotion| &**promotion).filter(into)
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
        release.spec.images.push(ReleaseImage { name: "acme/shop".into(), tag: tag.into(), digest, parts: Vec::new() });
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

    #[test]
    fn what_was_promoted_last_stands_and_nothing_before() {
        use ReleasePhase::{Deploying, Failed, Replaced, Verified};
        let at = |tag: &str, phase: ReleasePhase, minute: i64| {
            let mut release = (*release(tag, &[("production", false)])).clone();
            let entry = &mut release.status.environments[0];
            (entry.phase, entry.deployed_at) = (phase, Some(crate::gates::tests::time(minute)));
            Arc::new(release)
        };
        for (first, second, stand) in [
            (Verified, Deploying, [true, true]),
            (Replaced, Verified, [false, true]),
            // it never came so far: the older one keeps its place
            (Verified, Failed, [true, true]),
            (Replaced, Failed, [false, true]),
            // something else is there, by hand
            (Replaced, Replaced, [false, true]),
            // it failed there before, whatever was lifted since
            (Failed, Verified, [false, true]),
        ] {
            let releases = [at("v1", first, 1), at("v2", second, 2)];
            let records = Records { releases: &releases, promotions: &[], ledger: &Ledger::default(), elsewhere: &[] };
            let found = ["v1", "v2"].map(|tag| records.put("production", &image(tag)));
            assert_eq!(found, stand, "{first:?} {second:?}");
        }
        // a rollback of which only the commit is there yet
        let releases = [at("v1", Replaced, 1), at("v2", Verified, 2)];
        let mut back = Promotion::default();
        (back.spec.release, back.spec.environment) = ("shop-v1".into(), "production".into());
        back.spec.digest = identity(&releases[0].spec.images);
        for (phase, stands) in [
            (PromotionPhase::Waiting, false),
            (PromotionPhase::Writing, true),
            (PromotionPhase::Converging, true),
            (PromotionPhase::Succeeded, false),
        ] {
            back.status.phase = phase;
            let promotions = [Arc::new(back.clone())];
            let records =
                Records { releases: &releases, promotions: &promotions, ledger: &Ledger::default(), elsewhere: &[] };
            assert_eq!(records.put("production", &image("v1")), stands, "{phase:?}");
        }
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

    /// Once something was promoted, a Service sends to nothing else.
    #[test]
    fn nothing_else_is_served_beside_what_was_promoted() {
        let joining = Joining { workload: "Deployment/extra".into(), service: "checkout".into(), image: image("v1") };
        let images = Images {
            new: vec!["evil/checkout:1".parse().unwrap()],
            live: vec![image("v1")],
            joining: vec![joining],
            ..Images::default()
        };
        let check = |owner: Owner<'_>, releases: &[Arc<Release>], images: &Images| {
            let records = Records { releases, promotions: &[], ledger: &Ledger::default(), elsewhere: &[] };
            unpromoted(&pipeline(), owner, "p", records, images)
        };
        let promoted = [release("v1", &[("production", false)])];
        let said = check(OWN, &promoted, &images).unwrap();
        assert!(said.contains("Service checkout would send to Deployment/extra, too: give its pods other"), "{said}");
        let others = check(Owner { other_project: Some("payments"), ..OWN }, &promoted, &images).unwrap();
        assert!(others.contains("in the place of what runs there") && !others.contains("checkout,"), "{others}");
        assert_eq!(check(OWN, &[], &images), None, "nothing was promoted yet");
        assert_eq!(check(OWN, &promoted, &Images { joining: Vec::new(), ..images }), None, "it has labels of its own");
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
