//! A controller: it sees (perhaps an older state), plans, and realizes step by step. It may die anywhere.

use std::sync::Arc;

use api::gantline::{GateReport, PromotionPhase};
use jiff::Timestamp;
use promotion::writing::{self, Stop};
use promotion::{Action, Answers, Observed, Place, Plan, Question, may_push, plan, promotion_id};

use super::oracle;
use super::world::{Commit, View, World, moment};

#[derive(Debug)]
pub(super) struct Controller {
    pub(super) view: View,
    /// One for each environment.
    watches: Vec<Watch>,
    answers: Answers,
    questions: Vec<Question>,
    pub(super) task: Option<Task>,
}

/// What a controller sees of an environment: all that happens, or what it saw last.
#[derive(Debug)]
enum Watch {
    Unbroken { since: Timestamp },
    Broken { last: Box<Place> },
}

/// One write under way.
#[derive(Debug, Clone)]
pub(super) struct Task {
    promotion: String,
    /// One that was deleted and made again is another one.
    id: String,
    stage: Stage,
}

#[derive(Debug, Clone)]
enum Stage {
    Claim(Vec<GateReport>),
    Search,
    Push(usize),
    Record(usize),
    Refresh,
}

impl Controller {
    pub(super) fn new(world: &World) -> Self {
        Self {
            view: world.api.clone(),
            watches: world.envs.iter().map(|_| Watch::Broken { last: Box::default() }).collect(),
            answers: Answers::default(),
            questions: Vec::new(),
            task: None,
        }
    }

    pub(super) fn refresh(&mut self, world: &World) {
        self.view = world.api.clone();
    }

    /// Watches every environment.
    pub(super) fn watch(&mut self, world: &mut World, ordinal: usize) {
        // breaks may be shorter than a second
        let since = moment(world.now) + jiff::SignedDuration::from_nanos(i64::try_from(ordinal).unwrap());
        for (env, watch) in self.watches.iter_mut().enumerate() {
            if matches!(watch, Watch::Broken { .. }) {
                *watch = Watch::Unbroken { since };
                world.watched(env);
            }
        }
    }

    /// The cluster of one environment does not answer any more.
    pub(super) fn lose_watch(&mut self, world: &mut World, env: usize) {
        if matches!(self.watches[env], Watch::Unbroken { .. }) {
            self.watches[env] = Watch::Broken { last: Box::new(world.place(env)) };
            world.unwatched(env);
        }
    }

    pub(super) fn lose_all_watches(&mut self, world: &mut World) {
        (0..world.envs.len()).for_each(|env| self.lose_watch(world, env));
    }

    /// The process dies, and another one begins with nothing.
    pub(super) fn die(&mut self, world: &mut World) {
        self.lose_all_watches(world);
        *self = Self::new(world);
        world.say(|| "killed".into());
    }

    /// Some of the questions are answered, if any is due; sometimes there is no answer.
    pub(super) fn answer(&mut self, world: &mut World, all: bool) -> bool {
        let mut answered = false;
        for question in std::mem::take(&mut self.questions) {
            let due = self
                .answers
                .of(&question)
                .is_none_or(|old| old.until().is_some_and(|until| until <= moment(world.now)));
            if due && (all || world.random.percent(85)) {
                let mut answer = world.answer(&question);
                if let promotion::Answer::Digest(digest) = &mut answer.answer
                    && !all
                    && world.random.percent(5)
                {
                    *digest = Err("the registry does not answer".into());
                }
                self.answers.0.insert(question, Arc::new(answer));
                answered = true;
            }
        }
        answered
    }

    pub(super) fn observe(&self, world: &World) -> Observed {
        let places = self.watches.iter().enumerate().map(|(env, watch)| watch.place(world, env)).collect();
        let mut seen = self.view.observed(places, moment(world.now));
        seen.answers = self.answers.clone();
        seen
    }

    /// One plan, realized as far as it goes: until a conflict, or until the process dies between two steps.
    pub(super) fn work(&mut self, world: &mut World, steady: bool) -> Result<Plan, String> {
        let seen = self.observe(world);
        let planned = plan(&seen);
        oracle::planned(world, &seen, &planned)?;
        self.questions = planned.questions.clone();
        self.answers.0.retain(|question, _| planned.questions.contains(question));
        for step in &planned.steps {
            if !steady && world.random.percent(5) || !world.realize(step, &mut self.view) {
                break;
            }
            let stage = match &step.action {
                Action::Write { promotion, gates } => Some((promotion, Stage::Claim(gates.clone()))),
                Action::GoOn { promotion } => Some((promotion, Stage::Search)),
                _ => None,
            };
            if let Some((promotion, stage)) = stage.filter(|_| self.task.is_none()) {
                let id = promotion_id(&self.view.promotions[promotion]);
                self.task = Some(Task { promotion: promotion.clone(), id, stage });
            }
        }
        Ok(planned)
    }

    /// One stage of the write that is under way.
    pub(super) fn write(&mut self, world: &mut World, steady: bool) -> Result<(), String> {
        let Some(task) = self.task.take() else { return Ok(()) };
        let Some(promotion) = self.view.promotions.get(&task.promotion).cloned() else { return Ok(()) };
        let (now, id) = (moment(world.now), task.id);
        if id != promotion_id(&promotion) {
            return Ok(());
        }
        let next = match task.stage {
            Stage::Claim(gates) => {
                let step = writing::claim(&promotion, gates, now);
                step.filter(|step| world.realize(step, &mut self.view)).map(|_| Stage::Search)
            }
            Stage::Search => {
                let found = world.commits.iter().position(|commit| commit.promotion.as_ref() == Some(&id));
                Some(found.map_or(Stage::Push(world.commits.len()), Stage::Record))
            }
            Stage::Push(head) => match self.push(world, &task.promotion, &id, head, steady)? {
                Ok(commit) => Some(Stage::Record(commit)),
                Err(stop) => {
                    self.set_back(world, &task.promotion, promotion.status.phase, stop);
                    None
                }
            },
            Stage::Record(commit) => {
                self.refresh(world);
                self.record(world, &task.promotion, &id, commit).then_some(Stage::Refresh)
            }
            Stage::Refresh => {
                if let Some(step) = writing::refreshed(&promotion, now) {
                    world.realize(&step, &mut self.view);
                }
                None
            }
        };
        self.task = next.map(|stage| Task { promotion: task.promotion, id, stage });
        Ok(())
    }

    /// Judges once more on fresh values, and pushes on the head that was searched.
    fn push(
        &mut self,
        world: &mut World,
        name: &str,
        id: &str,
        head: usize,
        steady: bool,
    ) -> Result<Result<usize, Stop>, String> {
        self.refresh(world);
        let seen = self.observe(world);
        // before anything is set back: what moved the branch may be this promotion
        if head != world.commits.len() {
            return Ok(Err(Stop::Stale));
        }
        let is_same = || promotion_id(&self.view.promotions[name]) == id;
        if may_push(&seen, name).is_none() || !is_same() {
            return Ok(Err(Stop::Again));
        }
        let outcome = if steady { 99 } else { world.random.below(100) };
        if outcome < 10 {
            return Ok(Err(Stop::Wait("the branch is protected".into())));
        }
        if outcome < 15 {
            return Ok(Err(Stop::Unknown("no answer".into())));
        }
        let promotion = self.view.promotions[name].clone();
        let release = self.view.releases[&promotion.spec.release].clone();
        let env = world.envs.iter().position(|env| env.name == promotion.spec.environment).unwrap();
        let pinned = world.said(env, head).first().is_some_and(|image| image.digest.is_some());
        if !pinned && release.spec.images.iter().any(|image| !world.means(image)) {
            return Ok(Err(Stop::Wait("a tag moved: refused".into())));
        }
        oracle::pushed(world, &promotion, &release)?;
        let images = release.spec.images.iter().map(|image| object::ImageRef {
            name: image.name.clone(),
            tag: Some(image.tag.clone()),
            digest: pinned.then(|| image.digest.clone()),
        });
        let images = images.collect();
        let (promotion, at) = (Some(promotion_id(&promotion)), world.now);
        world.commits.push(Commit { env, images, promotion, author: "gantline", at });
        world.say(|| format!("pushed {name}"));
        Ok(if outcome < 25 { Err(Stop::Unknown("the answer is lost".into())) } else { Ok(head) })
    }

    fn set_back(&mut self, world: &mut World, name: &str, begun: PromotionPhase, stop: Stop) {
        let Some(promotion) = world.api.promotions.get(name).cloned() else { return };
        if promotion.status.phase == begun && begun.is_open() {
            let step = writing::set_back(&promotion, &promotion.status.message, stop, moment(world.now));
            world.realize(&step, &mut self.view);
        }
    }

    fn record(&mut self, world: &mut World, name: &str, id: &str, commit: usize) -> bool {
        let same = self.view.promotions.get(name).filter(|known| promotion_id(known) == id);
        let Some(promotion) = same.cloned() else { return false };
        let Some(release) = self.view.releases.get(&promotion.spec.release).cloned() else { return false };
        let steps = writing::record(&promotion, &release, &format!("c{commit}"), moment(world.now));
        steps.iter().all(|step| world.realize(step, &mut self.view))
    }
}

impl Watch {
    fn place(&self, world: &World, env: usize) -> Place {
        match self {
            Self::Unbroken { since } => Place { watched_since: Some(*since), ..world.place(env) },
            Self::Broken { last } => Place::clone(last),
        }
    }
}
