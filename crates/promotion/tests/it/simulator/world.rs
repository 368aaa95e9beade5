//! The world around a Pipeline: an API with versions, a branch, Applications that follow it, a registry, and time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::argocd::{HealthStatusCode, SyncStatusCode};
use api::gantline::{
    Pipeline, Promotion, PromotionStatus, Quarantine, Release, ReleaseImage, ReleaseSource, ReleaseStatus,
};
use jiff::Timestamp;
use object::{ImageDigest, ImageRef};
use promotion::{
    Action, Answer, Answered, Elsewhere, Held, Ledger, Located, Observed, Parts, Place, PlaceApplication, Question,
    Record, RunningImage, RunningPod, Step, Tampered, identity,
};
use serde_json::{Value, json};

use super::random::Random;

/// Environments as they are and were; what Applications report may lag behind.
#[derive(Debug, Clone)]
pub(super) struct Env {
    pub(super) name: String,
    /// The commit that is deployed.
    pub(super) synced: usize,
    pub(super) running: Vec<ImageRef>,
    pub(super) healthy: bool,
    /// Since when it runs what it runs, healthy and without a break: the truth.
    pub(super) well_since: i64,
    /// Since when all its pods are ready; one that joins does not make it less healthy.
    pub(super) ready_since: i64,
    /// What the Application's status says.
    pub(super) told: (HealthStatusCode, i64),
    /// Git or the cluster does not answer: nobody can tell whether it is as it should be.
    pub(super) unknown: bool,
    /// How many controllers watch it; the Application is compared while one does.
    pub(super) watching: usize,
    /// When somebody began to watch it after nobody did, and since when its pods were ready then.
    pub(super) breaks: Vec<(i64, Option<i64>)>,
}

/// A commit: what one environment says from then on.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub(super) env: usize,
    pub(super) images: Vec<ImageRef>,
    /// The promotion that it carries.
    pub(super) promotion: Option<String>,
    pub(super) author: &'static str,
    pub(super) at: i64,
}

/// What a process knows of the API: perhaps an older state.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) releases: BTreeMap<String, Arc<Release>>,
    pub(super) promotions: BTreeMap<String, Arc<Promotion>>,
    /// What was written past Gantline.
    pub(super) tampered: Tampered,
    pub(super) ledger: Arc<Ledger>,
    /// What another Pipeline quarantined.
    pub(super) elsewhere: Arc<[Arc<Elsewhere>]>,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) random: Random,
    /// Whether there is another Pipeline with the same images.
    others: Option<Random>,
    pub(super) now: i64,
    pub(super) api: View,
    version: u64,
    pub(super) commits: Vec<Commit>,
    pub(super) envs: Vec<Env>,
    pub(super) images: Vec<String>,
    /// What tags mean, and what they meant first.
    pub(super) registry: BTreeMap<(String, String), ImageDigest>,
    builds: u64,
    /// Which releases once were healthy where.
    pub(super) held: BTreeSet<(String, String)>,
    /// What was quarantined and not lifted since, whatever says so.
    pub(super) quarantined: BTreeSet<ImageDigest>,
    pub(super) trace: Option<Vec<String>>,
}

pub(super) fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

pub(super) fn digest(number: u64) -> ImageDigest {
    // the first digits make names: they have to differ
    let digits = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    format!("sha256:{}", digits.repeat(4)).parse().unwrap()
}

impl World {
    pub(super) fn new(seed: u64, trace: bool) -> Self {
        let mut random = Random(seed);
        let images: Vec<String> =
            ["r/shop", "r/web"][..1 + usize::from(random.percent(30))].iter().map(|i| (*i).to_owned()).collect();
        let pipeline = pipeline(&mut random, &images);
        let now = 1_780_000_000 + i64::try_from(random.below(7 * 24 * 3600)).unwrap();
        let names = pipeline.spec.environments.iter().map(|environment| environment.name.clone());
        let envs = names.map(|name| Env {
            name,
            synced: pipeline.spec.environments.len() - 1,
            running: Vec::new(),
            healthy: true,
            well_since: now,
            ready_since: now,
            told: (HealthStatusCode::Healthy, now),
            unknown: false,
            watching: 0,
            breaks: Vec::new(),
        });
        let envs = envs.collect();
        let api = View {
            pipeline: Arc::new(pipeline),
            releases: BTreeMap::new(),
            promotions: BTreeMap::new(),
            tampered: Tampered::default(),
            ledger: Arc::default(),
            elsewhere: Arc::default(),
        };
        let mut world = Self {
            random,
            others: (seed % 5 == 4).then_some(Random(seed + 1)),
            now,
            api,
            version: 0,
            commits: Vec::new(),
            envs,
            images,
            registry: BTreeMap::new(),
            builds: 0,
            held: BTreeSet::new(),
            quarantined: BTreeSet::new(),
            trace: trace.then(Vec::new),
        };
        let first = world.build();
        for env in 0..world.envs.len() {
            world.commits.push(Commit { env, images: first.clone(), promotion: None, author: "dana", at: now });
            world.envs[env].running.clone_from(&first);
        }
        world
    }

    pub(super) fn say(&mut self, text: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} {}", now - 1_780_000_000, text()));
        }
    }

    /// CI builds all images or one of them; sometimes over an old tag.
    pub(super) fn build(&mut self) -> Vec<ImageRef> {
        let mut images = self.said(0, self.commits.len());
        for image in self.images.clone() {
            if !images.iter().any(|known| known.name == image) || self.random.percent(70) {
                images.retain(|known| known.name != image);
                self.builds += 1;
                let (number, built) = (self.builds, digest(self.builds));
                let tag = if self.random.percent(95) { format!("v{number}") } else { "v1".to_owned() };
                self.registry.insert((image.clone(), tag.clone()), built.clone());
                let pinned = self.random.percent(40).then_some(built);
                images.push(ImageRef { name: image, tag: Some(tag), digest: pinned });
            }
        }
        images.sort();
        images
    }

    /// What an environment says after a number of commits.
    pub(super) fn said(&self, env: usize, commits: usize) -> Vec<ImageRef> {
        let own = self.commits[..commits].iter().rev().find(|commit| commit.env == env);
        own.map_or_else(Vec::new, |commit| commit.images.clone())
    }

    pub(super) fn meaning(&self, image: &ImageRef) -> ImageDigest {
        let tag = (image.name.clone(), image.tag.clone().unwrap_or_default());
        image.digest.clone().unwrap_or_else(|| self.registry[&tag].clone())
    }

    /// Whether a tag still is what was tested.
    pub(super) fn means(&self, image: &ReleaseImage) -> bool {
        self.registry[&(image.name.clone(), image.tag.clone())] == image.digest
    }

    /// Whether the environment runs just these digests, by what its containers are.
    pub(super) fn runs(&self, env: usize, release: &Release) -> bool {
        let running = &self.envs[env].running;
        let holds = |image: &ImageRef| {
            release.spec.images.iter().any(|i| i.name == image.name && i.digest == self.meaning(image))
        };
        running.len() == release.spec.images.len() && running.iter().all(holds)
    }

    /// The Application follows the branch. Other images mean other pods.
    pub(super) fn sync(&mut self, env: usize) {
        let images = self.said(env, self.commits.len());
        let now = self.now;
        let e = &mut self.envs[env];
        let before = std::mem::replace(&mut e.synced, self.commits.len() - 1);
        if e.running != images {
            (e.running, e.healthy) = (images, false);
            e.told = (HealthStatusCode::Progressing, now);
        }
        if e.synced != before {
            let text = format!("sync {} to {}", e.name, e.synced);
            self.say(|| text);
        }
    }

    /// Git or the cluster does not answer for a while, or again.
    pub(super) fn falter(&mut self, env: usize) {
        let unknown = &mut self.envs[env].unknown;
        *unknown = !*unknown;
        let text = format!("env {env} is unknown: {unknown}");
        self.say(|| text);
    }

    pub(super) fn heal(&mut self, env: usize) {
        if !self.envs[env].healthy {
            let (e, now) = (&mut self.envs[env], self.now);
            (e.healthy, e.well_since, e.ready_since) = (true, now, now);
            self.compare(env);
            self.say(|| format!("heal {env}"));
        }
    }

    /// One more pod, ready at once: nothing to say against the health of the environment.
    pub(super) fn scale(&mut self, env: usize) {
        self.envs[env].ready_since = self.now;
        self.say(|| format!("scale {env}"));
    }

    pub(super) fn watched(&mut self, env: usize) {
        let (e, now) = (&mut self.envs[env], self.now);
        e.watching += 1;
        if e.watching == 1 {
            e.breaks.push((now, e.healthy.then_some(e.ready_since)));
        }
        self.compare(env);
        self.say(|| format!("watch {env}"));
    }

    pub(super) fn unwatched(&mut self, env: usize) {
        self.envs[env].watching -= 1;
        self.say(|| format!("watch of {env} broken"));
    }

    pub(super) fn break_down(&mut self, env: usize) {
        self.envs[env].healthy = false;
        self.compare(env);
        self.say(|| format!("break {env}"));
    }

    /// The Application's status follows while somebody watches.
    pub(super) fn compare(&mut self, env: usize) {
        let now = self.now;
        let e = &mut self.envs[env];
        let health = match (e.healthy, e.told.0) {
            (true, _) => HealthStatusCode::Healthy,
            (false, HealthStatusCode::Progressing) => HealthStatusCode::Progressing,
            (false, _) => HealthStatusCode::Degraded,
        };
        if e.watching > 0 && e.told.0 != health {
            e.told = (health, now);
        }
    }

    pub(super) fn place(&self, env: usize) -> Place {
        let e = &self.envs[env];
        let image = |image: &ImageRef| RunningImage { image: image.clone(), digest: Some(self.meaning(image)) };
        let pod = RunningPod {
            images: e.running.iter().map(image).collect(),
            ready_since: e.healthy.then(|| moment(e.ready_since)),
            ..RunningPod::default()
        };
        let application = PlaceApplication {
            follows_tags: false,
            name: format!("app-{}", e.name).into(),
            is_held: false,
            sync: if e.unknown { SyncStatusCode::Unknown } else { SyncStatusCode::Synced },
            doubt: if e.unknown { "no answer".into() } else { String::new() },
            health: e.told.0,
            health_since: Some(moment(e.told.1)),
            cause: "a pod crashes".into(),
            commit: format!("c{}", e.synced),
            cluster: "here".into(),
            namespaces: [e.name.to_string()].into(),
            project: "default".into(),
            at: e.synced.to_string().into(),
        };
        Place { application: Some(application), pods: vec![pod], ..Place::default() }
    }

    /// The true answer.
    pub(super) fn answer(&self, question: &Question) -> Answered {
        let env = |app: &str| self.envs.iter().position(|e| app.strip_prefix("app-") == Some(&e.name)).unwrap();
        let answer = match question {
            Question::Located(spot) => {
                let images = self.said(env(&spot.application), spot.at.parse::<usize>().unwrap() + 1);
                let image = images.into_iter().find(|image| *image.name == *spot.image);
                let located =
                    |image| Located { image, reference: String::new(), file: String::new(), place: String::new() };
                Answer::Located(image.map(located).ok_or_else(|| "no container runs it".to_owned()))
            }
            Question::Source { spot, since } => {
                let (env, at) = (env(&spot.application), spot.at.parse::<usize>().unwrap());
                let since = since.strip_prefix('c').and_then(|since| since.parse::<usize>().ok());
                let set = |index: &usize| self.commits[*index].env == env;
                let index = (0..=at).rev().find(set).unwrap_or_default();
                let commit = &self.commits[index];
                let between =
                    self.commits[since.map_or(index, |since| since + 1)..=index.max(since.unwrap_or(0))].iter();
                let between = between.filter(|commit| commit.env == env);
                Answer::Source(ReleaseSource {
                    commit: format!("c{index}"),
                    author: commit.author.to_owned(),
                    email: format!("{}@acme.io", commit.author),
                    people: between.map(|commit| format!("{0} <{0}@acme.io>", commit.author)).collect(),
                    time: Some(moment(commit.at)),
                    ..ReleaseSource::default()
                })
            }
            Question::Merged { .. } => Answer::Merged(ReleaseSource::default()),
            Question::Digest(image) => Answer::Digest(Ok(self.meaning(image))),
            Question::Parts(_) => Answer::Parts(Parts::Known(Vec::new())),
            Question::Gate { .. } => Answer::Gate(Ok(Value::Null)),
        };
        Answered { answer, at: moment(self.now) }
    }

    /// Everything as it is, all questions answered: what a page shows.
    pub(super) fn observed(&self) -> Observed {
        let place = |env| Place { watched_since: Some(moment(0)), ..self.place(env) };
        let mut seen = self.api.observed((0..self.envs.len()).map(place).collect(), moment(self.now));
        loop {
            let mut open = promotion::plan(&seen).questions;
            open.retain(|question| seen.answers.of(question).is_none());
            if open.is_empty() {
                break;
            }
            let answers = open.into_iter().map(|question| (question.clone(), Arc::new(self.answer(&question))));
            seen.answers.0.extend(answers);
        }
        seen
    }

    /// Somebody writes by kubectl, past the server.
    pub(super) fn by_hand(&mut self, action: Action) {
        let step = Step { action, facts: Vec::new() };
        if let Action::SetRelease { name, .. } | Action::SetPromotion { name, .. } = &step.action {
            self.api.tampered.releases.remove(name);
            self.api.tampered.promotions.remove(name);
        }
        let mut view = self.api.clone();
        assert!(self.realize(&step, &mut view), "it has the newest version");
        let tampered = &mut self.api.tampered;
        match step.action {
            Action::SetRelease { name, .. } => tampered.releases.insert(name),
            Action::SetPromotion { name, .. } => tampered.promotions.insert(name),
            Action::Pin { environment, .. } => tampered.pins.insert(environment),
            other => panic!("nobody writes {other:?} by hand"),
        };
    }

    /// Another Pipeline quarantines something, or lifts that.
    pub(super) fn decide_elsewhere(&mut self) {
        let releases: Vec<&Arc<Release>> = self.api.releases.values().collect();
        let Some(random) = &mut self.others else { return };
        let decides = random.percent(3);
        let Some(release) = random.of(&releases).filter(|_| decides) else { return };
        let images = release.spec.images.clone();
        self.api.elsewhere = if self.api.elsewhere.is_empty() {
            let at = Some(moment(self.now));
            let quarantine = Quarantine { by: "omar".into(), reason: "elsewhere".into(), at, ..Quarantine::default() };
            let (pipeline, digest) = ("other".to_owned(), identity(&images).unwrap());
            vec![Arc::new(Elsewhere { pipeline, digest, held: Held { quarantine, images } })].into()
        } else {
            Arc::default()
        };
    }

    /// Whether another Pipeline holds what nobody let go here.
    pub(super) fn is_held_elsewhere(&self, release: &Release) -> bool {
        let digest = identity(&release.spec.images);
        self.api.elsewhere.iter().filter(|it| Some(&it.digest) == digest.as_ref()).any(|it| {
            let exempt = self.api.ledger.exempt.get("other").and_then(|all| all.get(&it.digest));
            exempt.is_none_or(|exempt| exempt.at != it.held.quarantine.at)
        })
    }

    /// Somebody lifts a quarantine: its digest may move again.
    pub(super) fn lifted(&mut self, steps: &[Step]) {
        for step in steps {
            if let Action::SetLedger { ledger } = &step.action {
                self.quarantined.retain(|digest| !ledger.lifted.contains_key(digest));
            }
        }
    }

    /// Somebody deletes records by kubectl: all, or one.
    pub(super) fn delete_records(&mut self) {
        let names: Vec<String> = self.api.releases.keys().chain(self.api.promotions.keys()).cloned().collect();
        let one = self.random.of(&names).cloned().filter(|_| self.random.percent(70));
        let gone = |name: &String| one.as_ref().is_none_or(|one| one == name);
        self.api.releases.retain(|name, _| !gone(name));
        self.api.promotions.retain(|name, _| !gone(name));
        self.api.tampered.releases.retain(|name| !gone(name));
        self.api.tampered.promotions.retain(|name| !gone(name));
        self.say(|| format!("deleted {one:?}"));
    }

    /// Whether it would write what is not trusted.
    pub(super) fn is_distrusted(&self, step: &Step) -> bool {
        let tampered = &self.api.tampered;
        match &step.action {
            Action::SetRelease { name, .. } => tampered.releases.contains(name),
            Action::SetPromotion { name, .. } => tampered.promotions.contains(name),
            _ => false,
        }
    }

    /// Does one step against the versions that a view has, and notes in it what was written. Whether that worked.
    pub(super) fn realize(&mut self, step: &Step, view: &mut View) -> bool {
        self.version += 1;
        let (version, now) = (self.version.to_string(), moment(self.now));
        match &step.action {
            Action::CreateRelease { name, spec } => {
                let mut release = Release { spec: spec.clone(), ..Release::default() };
                (release.metadata.name, release.metadata.uid) = (name.clone(), version.clone());
                release.metadata.resource_version = version;
                release.metadata.creation_timestamp = Some(now);
                let made = self.api.releases.entry(name.clone()).or_insert_with(|| Arc::new(release));
                view.releases.insert(name.clone(), Arc::clone(made));
            }
            Action::OpenPromotion { name, spec } => {
                let mut promotion = Promotion { spec: spec.clone(), ..Promotion::default() };
                (promotion.metadata.name, promotion.metadata.uid) = (name.clone(), version.clone());
                promotion.metadata.resource_version = version;
                promotion.metadata.creation_timestamp = Some(now);
                let made = self.api.promotions.entry(name.clone()).or_insert_with(|| Arc::new(promotion));
                view.promotions.insert(name.clone(), Arc::clone(made));
            }
            Action::SetRelease { .. } | Action::SetPromotion { .. } if self.is_distrusted(step) => return false,
            Action::SetRelease { name, status } | Action::SetBackRelease { name, status } => {
                let (Some(live), Some(old)) = (self.api.releases.get_mut(name), view.releases.get(name)) else {
                    return false;
                };
                if live.metadata.resource_version != old.metadata.resource_version {
                    return false;
                }
                let live = Arc::make_mut(live);
                let well = status.environments.iter().filter(|entry| entry.healthy_since.is_some());
                self.held.extend(well.map(|entry| (name.clone(), entry.name.clone())));
                let status = ReleaseStatus { writes: live.status.writes + 1, ..status.clone() };
                (live.status, live.metadata.resource_version) = (status, version);
                // by who comes late, also what was lifted already
                let holds = self.api.ledger.quarantine_of(live, &[]);
                // that nobody believes a record is no word about its digest
                let holds = holds.filter(|it| !it.reason.starts_with("it was written past Gantline"));
                let holds = holds.and_then(|_| identity(&live.spec.images));
                self.quarantined.extend(holds);
                self.api.tampered.releases.remove(name);
                view.tampered.releases.remove(name);
                view.releases.insert(name.clone(), Arc::clone(&self.api.releases[name]));
            }
            Action::SetPromotion { name, status } | Action::SetBackPromotion { name, status } => {
                let (Some(live), Some(old)) = (self.api.promotions.get_mut(name), view.promotions.get(name)) else {
                    return false;
                };
                if live.metadata.resource_version != old.metadata.resource_version {
                    return false;
                }
                let live = Arc::make_mut(live);
                let status = PromotionStatus { writes: live.status.writes + 1, ..status.clone() };
                (live.status, live.metadata.resource_version) = (status, version);
                self.api.tampered.promotions.remove(name);
                view.tampered.promotions.remove(name);
                view.promotions.insert(name.clone(), Arc::clone(&self.api.promotions[name]));
            }
            Action::SetLedger { .. } if self.api.ledger != view.ledger => return false,
            Action::SetLedger { ledger } => {
                self.quarantined.extend(ledger.quarantined.keys().cloned());
                self.api.ledger = Arc::new(ledger.clone());
                view.ledger = Arc::clone(&self.api.ledger);
            }
            Action::Pin { environment, pin } => {
                Arc::make_mut(&mut self.api.pipeline).spec.pins.insert(environment.clone(), pin.clone());
                self.api.tampered.pins.remove(environment);
                view.tampered.pins.remove(environment);
                view.pipeline = Arc::clone(&self.api.pipeline);
            }
            Action::Unpin { environment } => {
                Arc::make_mut(&mut self.api.pipeline).spec.pins.remove(environment);
                view.pipeline = Arc::clone(&self.api.pipeline);
            }
            Action::Write { .. } | Action::GoOn { .. } => {}
        }
        self.say(|| format!("realized {:?}", step.action));
        true
    }
}

impl View {
    pub(super) fn observed(&self, places: Vec<Place>, now: Timestamp) -> Observed {
        let mut pipeline = Arc::clone(&self.pipeline);
        if !self.tampered.pins.is_empty() {
            Arc::make_mut(&mut pipeline).spec.pins.retain(|at, _| !self.tampered.pins.contains(at));
        }
        Observed {
            pipeline,
            problems: Vec::new(),
            places,
            releases: believed(&self.releases, &self.tampered.releases, now),
            promotions: believed(&self.promotions, &self.tampered.promotions, now),
            tampered: Some(self.tampered.clone()),
            ledger: Arc::clone(&self.ledger),
            elsewhere: Arc::clone(&self.elsewhere),
            accounts: Arc::default(),
            members: Arc::default(),
            answers: promotion::Answers::default(),
            now,
        }
    }
}

/// Without a look at seals, which takes longer than a history.
fn believed<R: Record>(all: &BTreeMap<String, Arc<R>>, tampered: &BTreeSet<String>, now: Timestamp) -> Vec<Arc<R>> {
    let one = |(name, record): (&String, &Arc<R>)| match tampered.contains(name) {
        true => Arc::new(record.distrusted(now)),
        false => Arc::clone(record),
    };
    all.iter().map(one).collect()
}

fn pipeline(random: &mut Random, images: &[String]) -> Pipeline {
    let tags = if random.percent(3) { "^v" } else { "" };
    let images: Vec<Value> = images.iter().map(|name| json!({"name": name, "tags": tags})).collect();
    let names = ["dev", "staging", "production"];
    let count = 2 + random.below(2);
    let environments = names[..count].iter().enumerate().map(|(index, name)| {
        let gates: Vec<Value> = (0..random.below(3)).map(|_| gate(random)).collect();
        let gates = if index == 0 { Vec::new() } else { gates };
        json!({"name": name, "application": format!("app-{name}"), "auto": random.percent(70), "gates": gates})
    });
    let environments: Vec<Value> = environments.collect();
    Pipeline::from_value(
        json!({"metadata": {"name": "shop"}, "spec": {"images": images, "environments": environments}}),
    )
    .unwrap()
}

fn gate(random: &mut Random) -> Value {
    match random.below(6) {
        5 => json!({"window": {"days": ["Mon-Sat"], "hours": "09:00-17:00", "deny": random.percent(30)}}),
        0 => json!({"healthy": {}}),
        1 | 2 => json!({"healthy": {"for": random.of(&["90s", "10m", "1h"])}}),
        _ => json!({"approval": {"group": "leads"}}),
    }
}
