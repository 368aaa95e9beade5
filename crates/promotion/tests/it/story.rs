//! A Pipeline in a test: environments say what the test wrote, questions have true answers, steps are taken at once.

use std::sync::{Arc, LazyLock};

use api::argocd::{HealthStatusCode, SyncStatusCode};
use api::gantline::{
    Pipeline, Promotion, PromotionPhase, PromotionStatus, Release, ReleaseEnvironment, ReleaseSource, ReleaseStatus,
};
use jiff::{SignedDuration, Timestamp};
use object::{ImageDigest, ImageRef};
use promotion::requests::Asked;
use promotion::writing;
use promotion::{
    Action, Answer, Answered, Answers, ChangeSet, Evidence, Fact, Located, Members, Observed, Owner, Parts, Place,
    PlaceApplication, Plan, Question, RunningPod, Step, Tampered, plan,
};
use serde_json::{Value, json};

/// Who syncs it deploys production itself.
pub(crate) const OWN: Owner<'static> = Owner { application: "production", other_project: None };

/// About production, with nobody behind the release, nobody known, and nothing that nobody can tell.
pub(crate) fn evidence<'a>(pipeline: &'a Pipeline, release: &'a Release, promotion: &'a Promotion) -> Evidence<'a> {
    static NOBODY: LazyLock<(ChangeSet, Members)> = LazyLock::new(Default::default);
    let (change_set, members) = &*NOBODY;
    let (environment, now) = (pipeline.environment("production").unwrap(), Timestamp::UNIX_EPOCH);
    Evidence { pipeline, environment, release, promotion, change_set, members, blind: &[], now }
}

pub(crate) struct Story {
    pub(crate) seen: Observed,
    /// What was told, as sentences.
    pub(crate) told: Vec<String>,
    /// Who writes from now on.
    pub(crate) author: String,
    commits: usize,
}

pub(crate) fn digest(digit: &str) -> ImageDigest {
    format!("sha256:{}", digit.repeat(64)).parse().unwrap()
}

impl Story {
    /// dev, staging (by itself), production (as `production` says).
    pub(crate) fn new(images: &[&str], production: Value) -> Self {
        let images: Vec<Value> = images.iter().map(|name| json!({"name": name, "tags": "^v"})).collect();
        let mut environments = json!([{"name": "dev", "application": "dev"}, {"name": "staging", "application": "staging", "auto": true}, production]);
        environments[2]["name"] = json!("production");
        environments[2]["application"] = json!("production");
        let pipeline = json!({"metadata": {"name": "shop"}, "spec": {"images": images, "environments": environments}});
        let now = Timestamp::from_second(1_780_000_000).unwrap();
        let place = |name: &str| Place {
            application: Some(PlaceApplication {
                name: name.into(),
                sync: SyncStatusCode::Synced,
                health: HealthStatusCode::Healthy,
                health_since: Some(now),
                cause: "a pod crashes".to_owned(),
                cluster: "here".to_owned(),
                namespaces: [name.to_owned()].into(),
                project: "default".to_owned(),
                ..PlaceApplication::default()
            }),
            pods: vec![RunningPod { images: Vec::new(), ready_since: Some(now), ..RunningPod::default() }],
            watched_since: Some(now),
            ..Place::default()
        };
        let seen = Observed {
            pipeline: Arc::new(Pipeline::from_value(pipeline).unwrap()),
            problems: Vec::new(),
            places: ["dev", "staging", "production"].map(place).to_vec(),
            releases: Vec::new(),
            promotions: Vec::new(),
            tampered: Some(Tampered::default()),
            ledger: Arc::default(),
            elsewhere: Arc::default(),
            accounts: Arc::default(),
            members: Arc::default(),
            answers: Answers::default(),
            now,
        };
        Self { seen, told: Vec::new(), author: "Dana".to_owned(), commits: 0 }
    }

    pub(crate) fn place(&mut self, environment: &str) -> &mut Place {
        let environments = &self.seen.pipeline.spec.environments;
        let index = environments.iter().position(|known| known.name == environment).unwrap();
        &mut self.seen.places[index]
    }

    pub(crate) fn app(&mut self, environment: &str) -> &mut PlaceApplication {
        self.place(environment).application.as_mut().unwrap()
    }

    /// An environment says these images, `name:tag@digit` each, from now on.
    pub(crate) fn write(&mut self, environment: &str, images: &[(&str, &str, &str)]) {
        self.commits += 1;
        let at = format!("c{}", self.commits);
        let app = self.app(environment);
        (app.commit, app.at) = (at.clone(), at.as_str().into());
        for (name, tag, digit) in images {
            let digest = (!digit.is_empty()).then(|| digest(digit));
            let image = ImageRef { name: (*name).to_owned(), tag: Some((*tag).to_owned()), digest };
            let spot =
                promotion::Spot { application: environment.into(), image: (*name).into(), at: at.as_str().into() };
            self.answer(Question::Located(spot), Answer::Located(Ok(located(image))));
        }
    }

    pub(crate) fn answer(&mut self, question: Question, answer: Answer) {
        self.seen.answers.0.insert(question, Arc::new(Answered { answer, at: self.seen.now }));
    }

    pub(crate) fn pass(&mut self, minutes: i64) {
        self.seen.now += SignedDuration::from_mins(minutes);
    }

    /// Plans and takes the steps until nothing is left; sources are answered by `author`, and no image is an
    /// index but those of which that was said. The last plan.
    pub(crate) fn settle(&mut self) -> Plan {
        for _ in 0..30 {
            let planned = plan(&self.seen);
            let is_open = |question: &&Question| {
                let is_told = matches!(question, Question::Source { .. } | Question::Parts(_));
                is_told && self.seen.answers.of(question).is_none()
            };
            let asked: Vec<Question> = planned.questions.iter().filter(is_open).cloned().collect();
            let done = asked.is_empty() && planned.steps.is_empty();
            asked.into_iter().for_each(|question| self.tell(question));
            planned.steps.iter().for_each(|step| self.take(step));
            Arc::make_mut(&mut self.seen.pipeline).status = planned.status.clone();
            if done {
                return planned;
            }
        }
        panic!("it does not settle: {:#?}", plan(&self.seen).steps)
    }

    /// Who wrote it, and that no image is an index.
    fn tell(&mut self, question: Question) {
        if matches!(question, Question::Parts(_)) {
            return self.answer(question, Answer::Parts(Parts::Known(Vec::new())));
        }
        let (author, email) = (self.author.clone(), format!("{}@acme.io", self.author.to_lowercase()));
        let source =
            ReleaseSource { commit: "c0".into(), author, email, time: Some(self.seen.now), ..Default::default() };
        self.answer(question, Answer::Source(source));
    }

    /// The steps of one plan.
    pub(crate) fn take_all(&mut self) {
        plan(&self.seen).steps.iter().for_each(|step| self.take(step));
    }

    pub(crate) fn ask(&mut self, asked: Result<Asked, promotion::requests::Refused>) -> Result<String, String> {
        let asked = asked.map_err(|refused| refused.to_string())?;
        asked.steps.iter().for_each(|step| self.take(step));
        Ok(asked.promotion)
    }

    fn take(&mut self, step: &Step) {
        self.told.extend(step.facts.iter().map(|fact: &Fact| fact.telling().message));
        let now = self.seen.now;
        match &step.action {
            Action::CreateRelease { name, spec } => {
                let mut release = Release { spec: spec.clone(), ..Release::default() };
                release.metadata.name.clone_from(name);
                release.metadata.creation_timestamp = Some(now);
                self.seen.releases.push(Arc::new(release));
            }
            Action::OpenPromotion { name, spec } => {
                let mut promotion = Promotion { spec: spec.clone(), ..Promotion::default() };
                promotion.metadata.name.clone_from(name);
                promotion.metadata.creation_timestamp = Some(now);
                self.seen.promotions.push(Arc::new(promotion));
            }
            Action::SetRelease { name, status } | Action::SetBackRelease { name, status } => {
                let known = self.seen.releases.iter_mut().find(|known| known.metadata.name == *name).unwrap();
                let known = Arc::make_mut(known);
                known.status = ReleaseStatus { writes: known.status.writes + 1, ..status.clone() };
            }
            Action::SetPromotion { name, status } | Action::SetBackPromotion { name, status } => {
                let known = self.seen.promotions.iter_mut().find(|known| known.metadata.name == *name).unwrap();
                let known = Arc::make_mut(known);
                known.status = PromotionStatus { writes: known.status.writes + 1, ..status.clone() };
            }
            Action::SetLedger { ledger } => self.seen.ledger = Arc::new(ledger.clone()),
            Action::Pin { environment, pin } => {
                Arc::make_mut(&mut self.seen.pipeline).spec.pins.insert(environment.clone(), pin.clone());
            }
            Action::Unpin { environment } => {
                Arc::make_mut(&mut self.seen.pipeline).spec.pins.remove(environment);
            }
            Action::Write { promotion, gates } => {
                let claimed = writing::claim(self.promotion(promotion), gates.clone(), now).unwrap();
                self.take(&claimed);
            }
            Action::GoOn { promotion } => self.go_on(promotion),
        }
    }

    /// The commit is made, and its environment follows.
    fn go_on(&mut self, name: &str) {
        let promotion = self.promotion(name).clone();
        let release = self.release(&promotion.spec.release).clone();
        let images: Vec<(String, String, String)> = release
            .spec
            .images
            .iter()
            .map(|i| (i.name.clone(), i.tag.clone(), i.digest.short()[..1].to_owned()))
            .collect();
        let images: Vec<(&str, &str, &str)> =
            images.iter().map(|(n, t, d)| (n.as_str(), t.as_str(), d.as_str())).collect();
        self.write(&promotion.spec.environment, &images);
        self.told.push(writing::pushed(&promotion, "c").telling().message);
        let steps = writing::record(&promotion, &release, &format!("c{}", self.commits), self.seen.now);
        steps.iter().for_each(|step| self.take(step));
        let refreshed = writing::refreshed(self.promotion(name), self.seen.now).unwrap();
        self.take(&refreshed);
    }

    pub(crate) fn promotion(&self, name: &str) -> &Promotion {
        self.seen.promotions.iter().find(|known| known.metadata.name == name).unwrap()
    }

    pub(crate) fn phase(&self, name: &str) -> PromotionPhase {
        self.promotion(name).status.phase
    }

    pub(crate) fn release(&self, name: &str) -> &Release {
        self.seen.releases.iter().find(|known| known.metadata.name == name).unwrap()
    }

    pub(crate) fn entry(&self, release: &str, environment: &str) -> &ReleaseEnvironment {
        self.release(release).in_environment(environment).unwrap()
    }

    pub(crate) fn status(&self, environment: &str) -> String {
        let status = plan(&self.seen).status;
        status.environments.into_iter().find(|known| known.name == environment).unwrap().release
    }
}

pub(crate) fn located(image: ImageRef) -> Located {
    Located { image, reference: String::new(), file: String::new(), place: String::new() }
}
