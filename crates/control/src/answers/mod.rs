//! Questions of plans, answered by asking Git, registries and renders: each once, however many Pipelines want to know,
//! and in a task of its own, so that nobody waits for an answer but who asked. One file a kind of question.

mod digest;
mod history;
mod located;
mod meanings;
mod merged;
mod people;
mod renders;
mod source;
mod written;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::Clock;
use promotion::{Answer, Answered, Question};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::panics::caught;
use crate::wake::News;

pub(crate) use digest::registry_of;
pub(crate) use meanings::{MOST, meanings};

/// How many questions one of those who answer is asked at once.
const AT_ONCE: usize = 8;
/// After a defect.
const AGAIN: Duration = Duration::from_secs(60);

/// What was asked and answered. What no plan rests on any more is forgotten.
#[derive(Debug)]
pub(crate) struct Answers {
    state: Mutex<State>,
    asked: mpsc::UnboundedSender<Question>,
    /// What walls asked of registries.
    tags: meanings::Tags,
    /// Taken by whoever answers.
    questions: tokio::sync::Mutex<mpsc::UnboundedReceiver<Question>>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Question, Entry>,
    /// What the last plan of each Pipeline rests on.
    of: HashMap<Arc<str>, BTreeSet<Question>>,
    lanes: HashMap<String, Arc<Semaphore>>,
}

#[derive(Debug, Default)]
struct Entry {
    answered: Option<Arc<Answered>>,
    under_way: bool,
    pipelines: BTreeSet<Arc<str>>,
}

impl Default for Answers {
    fn default() -> Self {
        let (asked, questions) = mpsc::unbounded_channel();
        let (state, tags) = Default::default();
        Self { state, asked, tags, questions: tokio::sync::Mutex::new(questions) }
    }
}

impl Answers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answers to what the last plan of a Pipeline asked.
    pub(crate) fn of(&self, pipeline: &str) -> promotion::Answers {
        let state = self.state();
        let asked = state.of.get(pipeline).into_iter().flatten();
        let known =
            asked.filter_map(|question| Some((question.clone(), state.entries.get(question)?.answered.clone()?)));
        promotion::Answers(known.collect())
    }

    /// Takes what a plan rests on. What nobody has answered, or long ago, is asked.
    pub(crate) fn ask(&self, pipeline: &str, questions: impl IntoIterator<Item = Question>, now: jiff::Timestamp) {
        let questions: BTreeSet<Question> = questions.into_iter().collect();
        let mut state = self.state();
        let pipeline: Arc<str> = pipeline.into();
        for question in &questions {
            let entry = state.entries.entry(question.clone()).or_default();
            entry.pipelines.insert(Arc::clone(&pipeline));
            let due = entry.answered.as_ref().is_none_or(|old| old.until().is_some_and(|until| until <= now));
            if due && !std::mem::replace(&mut entry.under_way, true) {
                // the other end lives as long as `self`
                let _ = self.asked.send(question.clone());
            }
        }
        let before = state.of.remove(&pipeline).unwrap_or_default();
        before.difference(&questions).for_each(|question| state.drop_for(question, &pipeline));
        state.of.insert(pipeline, questions);
    }

    /// The Pipeline is gone.
    pub(crate) fn forget(&self, pipeline: &str) {
        let mut state = self.state();
        for question in state.of.remove(pipeline).into_iter().flatten() {
            state.drop_for(&question, pipeline);
        }
    }

    /// Keeps an answer, and gives the Pipelines that asked.
    fn take(&self, question: &Question, answer: Option<Answer>, at: jiff::Timestamp) -> BTreeSet<Arc<str>> {
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(question) else { return BTreeSet::new() };
        entry.under_way = false;
        let Some(answer) = answer else { return BTreeSet::new() };
        entry.answered = Some(Arc::new(Answered { answer, at }));
        entry.pipelines.clone()
    }

    /// Whether a plan rests on it.
    fn wants(&self, question: &Question) -> bool {
        self.state().entries.contains_key(question)
    }

    /// Lanes in which nobody is any more go.
    fn leave(&self) {
        self.state().lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
    }

    /// Those who ask the same host wait for each other, and for nobody else.
    fn lane(&self, host: &str) -> Arc<Semaphore> {
        let mut state = self.state();
        let lane = state.lanes.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE)));
        Arc::clone(lane)
    }
}

impl State {
    fn drop_for(&mut self, question: &Question, pipeline: &str) {
        let Some(entry) = self.entries.get_mut(question) else { return };
        entry.pipelines.remove(pipeline);
        if entry.pipelines.is_empty() {
            self.entries.remove(question);
        }
    }
}

/// Answers what is asked, for as long as it is polled.
pub(crate) async fn run(cx: Arc<Context>) {
    let mut questions = cx.answers.questions.lock().await;
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            question = questions.recv() => match question {
                Some(question) => drop(tasks.spawn(answer(Arc::clone(&cx), question))),
                None => return,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Answers one question and wakes who asked it.
async fn answer(cx: Arc<Context>, question: Question) {
    let ask = || caught(lane_of(&question), in_lane(&cx, &question));
    let Some(answer) = persist(&cx.answers, &*cx.clock, &question, ask).await else { return };
    let pipelines = cx.answers.take(&question, answer, cx.clock.now());
    cx.hear(&News::Answered { pipelines });
}

/// Asks until there is an answer, as nothing is made up for one; `None` when nobody wants to know any more.
async fn persist<T, F: Future<Output = Option<T>>>(
    answers: &Answers,
    clock: &dyn Clock,
    question: &Question,
    ask: impl Fn() -> F,
) -> Option<T> {
    loop {
        let answer = ask().await;
        if answer.is_some() {
            return answer;
        }
        clock.sleep(AGAIN).await;
        if !answers.wants(question) {
            return None;
        }
    }
}

async fn in_lane(cx: &Context, question: &Question) -> Option<Answer> {
    let lane = cx.answers.lane(&lane_of(question));
    let permit = lane.acquire().await.ok()?;
    let answer = ask(cx, question).await;
    drop(permit);
    drop(lane);
    cx.answers.leave();
    answer
}

/// `None`: the question is about what is not so any more.
async fn ask(cx: &Context, question: &Question) -> Option<Answer> {
    match question {
        Question::Located(spot) => located::ask(cx, spot).await.map(Answer::Located),
        Question::Source { spot, since } => source::ask(cx, spot, since).await.map(Answer::Source),
        Question::Merged { from, into } => merged::ask(cx, from, into).await.map(Answer::Merged),
        Question::Digest(image) => Some(Answer::Digest(digest::ask(cx, image).await)),
        Question::Parts(image) => Some(Answer::Parts(digest::parts(cx, image).await)),
        // a gate that asks the outside brings its file with it
        Question::Gate { kind, .. } => {
            Some(Answer::Gate(Err(format!("nobody here can answer what the gate {} asks", kind.as_str()))))
        }
    }
}

/// Who has to answer: a registry, or the renders of one Application, so that those of a repository that is slow to render
/// do not wait for each other.
fn lane_of(question: &Question) -> String {
    match question {
        Question::Located(spot) | Question::Source { spot, .. } | Question::Merged { into: spot, .. } => {
            format!("application {}", spot.application)
        }
        Question::Digest(image) | Question::Parts(image) => format!("registry {}", image.registry_and_repository().0),
        Question::Gate { kind, .. } => format!("gate {}", kind.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn digest_of(tag: &str) -> Question {
        Question::Digest(format!("acme/shop:{tag}").parse().unwrap())
    }

    async fn sent(answers: &Answers) -> Vec<Question> {
        let mut questions = answers.questions.lock().await;
        std::iter::from_fn(|| questions.try_recv().ok()).collect()
    }

    #[tokio::test]
    async fn a_question_is_asked_once_and_its_answer_wakes_all_who_asked() {
        let answers = Answers::default();
        let one = || BTreeSet::from([digest_of("v1")]);
        answers.ask("a", one(), at(0));
        answers.ask("b", one(), at(0));
        assert_eq!(sent(&answers).await, [digest_of("v1")]);
        let refused = Answer::Digest(Err("refused".into()));
        let woken = answers.take(&digest_of("v1"), Some(refused.clone()), at(1));
        assert_eq!(woken, BTreeSet::from(["a".into(), "b".into()]));
        assert_eq!(answers.of("a").of(&digest_of("v1")).unwrap().answer, refused);
        // what failed is asked again after its time, not before
        answers.ask("a", one(), at(30));
        assert_eq!(sent(&answers).await, []);
        answers.ask("a", one(), at(90));
        assert_eq!(sent(&answers).await, [digest_of("v1")]);
    }

    #[tokio::test]
    async fn what_cannot_be_answered_is_asked_for_as_long_as_somebody_wants_to_know() {
        let (answers, clock) = (Answers::default(), clock::ManualClock::starting_at(at(0)));
        let (question, asked) = (digest_of("v1"), std::cell::Cell::new(0));
        answers.ask("a", BTreeSet::from([question.clone()]), at(0));
        let defect = || {
            asked.set(asked.get() + 1);
            std::future::ready(None::<()>)
        };
        let mut persists = std::pin::pin!(persist(&answers, &clock, &question, defect));
        assert!(futures::poll!(&mut persists).is_pending());
        clock.advance(AGAIN);
        assert!(futures::poll!(&mut persists).is_pending());
        assert_eq!(asked.get(), 2);
        answers.forget("a");
        clock.advance(AGAIN);
        assert_eq!(persists.await, None);
        assert_eq!(asked.get(), 2);
    }

    #[tokio::test]
    async fn what_no_plan_rests_on_is_forgotten() {
        let answers = Answers::default();
        for tag in ["v1", "v2", "v3"] {
            answers.ask("a", BTreeSet::from([digest_of(tag)]), at(0));
        }
        answers.ask("b", BTreeSet::from([digest_of("v3")]), at(0));
        assert_eq!(answers.state().entries.len(), 1);
        // an answer that comes too late finds nobody
        assert!(answers.take(&digest_of("v1"), Some(Answer::Digest(Err(String::new()))), at(1)).is_empty());
        answers.forget("a");
        assert_eq!(answers.state().entries.len(), 1);
        answers.forget("b");
        assert!(answers.state().entries.is_empty());
    }
}
