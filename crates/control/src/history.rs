//! The timeline as everything tells it that keeps something: this process what it told, Events what any told, and objects what
//! they know of their past. Nothing is kept for it alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use api::argocd::Application;
use api::gantline::Pipeline;
use cluster::Scope;
use futures::{StreamExt as _, stream};
use git::CommitInfo;
use jiff::{SignedDuration, Timestamp};
use object::{GroupKind, LiveObject};
use promotion::{Seal, history};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout, timeout_at};

use crate::context::Context;
use crate::controller::Controller;
use crate::panics::caught;
use crate::pipelines::{ground, observe};
use crate::records::is_promotions;
use crate::repositories::Address;
use crate::stores::AppKey;
use crate::timeline::{TimelineEntry, TimelineKind, ended, of_told};

mod past;

pub(crate) use past::Past;
use past::Told;

/// Events that have a line of the timeline carry this label, and the line in an annotation of the same name.
pub(crate) const EVENT_LINE: &str = "gantline.dev/timeline";
/// So far back commits are looked through.
const COMMITS: usize = 500;
/// In so many branches at once.
const AT_ONCE: usize = 8;
/// Whoever asks waits no longer for the Events of a namespace, nor for commits: then the rest has to do.
const PATIENCE: Duration = Duration::from_secs(3);
/// What an object keeps was told soon after it was so, and not long before, by whichever clock.
const BEFORE: SignedDuration = SignedDuration::from_mins(1);
const AFTER: SignedDuration = SignedDuration::from_mins(10);

/// Which entries are wanted; what is empty says nothing.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// What people call it.
    pub application: String,
    pub pipeline: String,
    pub environment: String,
    /// The name of a Release.
    pub release: String,
    pub kinds: Vec<TimelineKind>,
    pub since: Option<Timestamp>,
    /// Older than the entry of this mark: see [`TimelineEntry::mark`].
    pub before: Option<Mark>,
}

/// Where an entry stands in the timeline, whoever tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(Timestamp, u64);

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:016x}", self.0.as_nanosecond(), self.1)
    }
}

impl std::str::FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('.').and_then(|(time, hash)| {
            let time = Timestamp::from_nanosecond(time.parse().ok()?).ok()?;
            Some(Self(time, u64::from_str_radix(hash, 16).ok()?))
        });
        parts.ok_or_else(|| format!("{text:?} is no place in the timeline: take one as an answer has it"))
    }
}

impl TimelineEntry {
    /// The same for all that tell of it.
    pub fn mark(&self) -> Mark {
        let mut hasher = DefaultHasher::new();
        self.said().hash(&mut hasher);
        Mark(self.time, hasher.finish())
    }

    /// It tells of a commit that was written.
    fn is_written(&self) -> bool {
        matches!(self.kind, TimelineKind::Promoted | TimelineKind::RolledBack)
    }

    /// What it says but for the time, and why.
    fn said(&self) -> (TimelineKind, [&str; 6]) {
        let Self { application, pipeline, environment, message, commit, actor, .. } = self;
        (self.kind, [application, pipeline, environment, message, commit, actor])
    }
}

impl Wanted {
    /// But for the time.
    fn takes(&self, entry: &TimelineEntry) -> bool {
        let is = |wanted: &str, said: &str| wanted.is_empty() || wanted == said;
        is(&self.application, &entry.application)
            && is(&self.pipeline, &entry.pipeline)
            && is(&self.environment, &entry.environment)
            && is(&self.release, &entry.release)
            && (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
    }
}

impl Controller {
    /// What happened, the newest first, also before this process was there. What is kept of before is put together at most once
    /// a second, whoever asks; beyond that it costs what is taken of it.
    pub async fn history(&self, wanted: &Wanted) -> History {
        let cx = &self.context;
        let past = cx.past.whole.get(past::FRESH, Instant::now, || gather(cx, true)).await;
        History::new(heard(cx), past, wanted)
    }
}

/// Tells this process what was told before it was there, as far as the timeline keeps entries. Repositories are not waited for.
pub(crate) async fn recall(cx: &Context) {
    cx.stores.ready().await;
    // without the key nobody can tell who wrote an Event
    if timeout(PATIENCE, cx.load_seal()).await.is_err() {
        return;
    }
    let before = History::new(heard(cx), Arc::new(gather(cx, false).await), &Wanted::default());
    let before: Vec<TimelineEntry> = before.map(|entry| TimelineEntry::clone(&entry)).collect();
    cx.timeline.recall(before.into_iter().rev());
}

/// What this process told itself.
fn heard(cx: &Context) -> Vec<Arc<TimelineEntry>> {
    let mut all = cx.timeline.newest(usize::MAX);
    all.retain(|entry| !entry.kept);
    all
}

/// What everybody else tells: Events, objects, and commits where they are asked.
async fn gather(cx: &Context, commits: bool) -> Vec<Placed> {
    let by_git = async { if commits { told_by_git(cx).await } else { Vec::new() } };
    let by_events = cx.past.events.get(past::EVENTS_FRESH, Instant::now, || told_by_events(cx));
    let (told, by_git) = tokio::join!(by_events, by_git);
    let recalled = cx.timeline.newest(usize::MAX).into_iter().filter(|entry| entry.kept);
    let mut kept = kept(cx);
    kept.extend(recalled.map(|entry| TimelineEntry::clone(&entry)));
    let known = told.iter().map(|entry| &**entry).chain(&kept).filter(|entry| entry.is_written());
    let known: BTreeSet<String> = known.map(|entry| entry.commit.clone()).collect();
    kept.extend(by_git.into_iter().filter(|entry| !known.contains(&entry.commit)));
    placed(told.to_vec(), kept.into_iter().map(|entry| Arc::new(TimelineEntry { kept: true, ..entry })))
}

/// An entry and its place, reckoned once.
pub(crate) type Placed = (Mark, Arc<TimelineEntry>);

/// The newest first, each once; what is kept counts where nobody told it.
fn placed(told: Vec<Arc<TimelineEntry>>, kept: impl Iterator<Item = Arc<TimelineEntry>>) -> Vec<Placed> {
    let told: Vec<Placed> = told.into_iter().map(|entry| (entry.mark(), entry)).collect();
    let known = Known::of(&told);
    let untold: Vec<Placed> = kept.map(|entry| (entry.mark(), entry)).filter(|it| !known.tells(it)).collect();
    let mut all: Vec<Placed> = told.into_iter().chain(untold).collect();
    all.sort_unstable_by_key(|(mark, _)| std::cmp::Reverse(*mark));
    all.dedup_by_key(|(mark, _)| *mark);
    all
}

/// When what was told, and which commits.
#[derive(Debug)]
struct Known {
    times: HashMap<u64, Vec<Timestamp>>,
    commits: BTreeSet<String>,
}

impl Known {
    fn of(told: &[Placed]) -> Self {
        let mut times: HashMap<_, Vec<Timestamp>> = HashMap::new();
        told.iter().for_each(|(mark, entry)| times.entry(mark.1).or_default().push(entry.time));
        let commits = told.iter().filter(|(_, entry)| entry.is_written()).map(|(_, entry)| entry.commit.clone());
        Self { commits: commits.collect(), times }
    }

    /// Whether this is told of already. What objects and commits keep may have another time than who told it.
    fn tells(&self, (mark, entry): &Placed) -> bool {
        let near = |told: &Timestamp| (-BEFORE..=AFTER).contains(&told.duration_since(entry.time));
        let told = self.times.get(&mark.1).is_some_and(|all| all.iter().any(near));
        entry.kept && (told || (entry.is_written() && self.commits.contains(&entry.commit)))
    }
}

/// The entries that somebody wants, the newest first.
#[derive(Debug)]
pub struct History {
    /// What this process told, the newest last.
    heard: Vec<Placed>,
    known: Known,
    /// What is kept of before, the newest first, and how far it was read.
    past: (Arc<Vec<Placed>>, usize),
    wanted: Wanted,
    last: Option<Mark>,
}

impl History {
    fn new(heard: Vec<Arc<TimelineEntry>>, past: Arc<Vec<Placed>>, wanted: &Wanted) -> Self {
        let mut heard: Vec<Placed> = heard.into_iter().map(|entry| (entry.mark(), entry)).collect();
        heard.sort_unstable_by_key(|(mark, _)| *mark);
        let known = Known::of(&heard);
        let mut from = 0;
        if let Some(before) = wanted.before {
            heard.truncate(heard.partition_point(|(mark, _)| *mark < before));
            from = past.partition_point(|(mark, _)| *mark >= before);
        }
        Self { heard, known, past: (past, from), wanted: wanted.clone(), last: None }
    }

    /// The newest of both that was not taken yet.
    fn newest(&mut self) -> Option<Placed> {
        let (past, from) = &mut self.past;
        let kept = past.get(*from).filter(|kept| self.heard.last().is_none_or(|heard| kept.0 > heard.0));
        let Some(kept) = kept else { return self.heard.pop() };
        *from += 1;
        Some(kept.clone())
    }
}

impl Iterator for History {
    type Item = Arc<TimelineEntry>;

    fn next(&mut self) -> Option<Arc<TimelineEntry>> {
        loop {
            let placed = self.newest()?;
            let twice = self.last.replace(placed.0) == Some(placed.0);
            if self.wanted.since.is_some_and(|since| placed.1.time < since) {
                return None;
            }
            if !twice && self.wanted.takes(&placed.1) && !self.known.tells(&placed) {
                return Some(placed.1);
            }
        }
    }
}

/// What objects keep.
fn kept(cx: &Context) -> Vec<TimelineEntry> {
    let of_pipelines = cx.stores.pipelines.all().into_iter().flat_map(|it| of_pipeline(cx, it));
    let applications = cx.stores.applications.all();
    let (named, now) = (|app: &Application| AppKey::of(app).text(&cx.namespace), cx.clock.now());
    let of_applications = applications.iter().flat_map(|app| of_application(&named(app), app, now));
    of_pipelines.chain(of_applications).collect()
}

/// Of what is believed of it.
fn of_pipeline(cx: &Context, pipeline: Arc<Pipeline>) -> Vec<TimelineEntry> {
    let seen = observe::recorded(cx, pipeline);
    let gated = |environment: &str| seen.pipeline.environment(environment).is_some_and(|it| !it.gates.is_empty());
    let mut facts = history::of_pipeline(&seen.pipeline);
    facts.extend(seen.releases.iter().flat_map(|release| history::of_release(release)));
    facts.extend(seen.promotions.iter().flat_map(|it| history::of_promotion(it, gated(&it.spec.environment))));
    facts.iter().map(|(at, fact)| of_told(fact, *at)).collect()
}

/// Its syncs, and how the last one ended.
fn of_application(name: &str, app: &Application, now: Timestamp) -> Vec<TimelineEntry> {
    let status = &app.status;
    let times = status.history.iter().map(|entry| entry.deployed_at).chain(app.metadata.creation_timestamp);
    let newest = times.filter(|at| is_past(*at, now)).max().unwrap_or(Timestamp::UNIX_EPOCH);
    let of = |phase, at| {
        let (kind, text) = ended(phase, name);
        TimelineEntry::of_application(kind, at, name, text)
    };
    let synced = status
        .history
        .iter()
        .map(|entry| of(api::argocd::OperationPhase::Succeeded, entry.deployed_at).at_commit(entry.revision.clone()));
    let last = status.operation_state.as_ref().filter(|state| state.phase.failed());
    let last = last.and_then(|state| {
        let revision = state.sync_result.as_ref().map_or_else(String::new, |result| result.revision.clone());
        Some(of(state.phase, state.finished_at?).because(state.message.clone()).at_commit(revision))
    });
    synced.chain(last).map(|entry| believable(entry, newest, now)).collect()
}

/// Clocks differ a little.
fn is_past(at: Timestamp, now: Timestamp) -> bool {
    at.duration_since(now) <= BEFORE
}

/// Whoever writes statuses says when something was. What would be still to come stands at the newest time that is known
/// of its Application, else it would head the timeline until then; and what it says is said.
fn believable(entry: TimelineEntry, newest: Timestamp, now: Timestamp) -> TimelineEntry {
    if is_past(entry.time, now) {
        return entry;
    }
    let said = format!("nobody can tell when it was: its status says {}, which is still to come", entry.time);
    let reason = if entry.reason.is_empty() { said } else { format!("{}; {said}", entry.reason) };
    TimelineEntry { time: newest, reason, ..entry }
}

/// A line as an Event carries it, sealed: who may write Events could make up what people decided.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EventLine(TimelineEntry);

impl EventLine {
    /// `None` where it cannot be sealed yet.
    pub(crate) fn write(entry: TimelineEntry, seal: Option<&Seal>) -> Option<String> {
        let text = serde_json::to_string(&Self(entry)).ok()?;
        Some(format!("{} {text}", seal?.of_told(&text)))
    }

    fn read(event: &LiveObject, seal: &Seal) -> Option<TimelineEntry> {
        let (sealed, text) = event.annotation(EVENT_LINE)?.split_once(' ')?;
        let Self(entry) = serde_json::from_str(text).ok().filter(|_| seal.holds_told(text, sealed))?;
        Some(entry)
    }
}

/// What the commits of promotions tell, also of those whose objects are gone. Only of copies that are here.
async fn told_by_git(cx: &Context) -> Vec<TimelineEntry> {
    let Some(seal) = cx.seal() else { return Vec::new() };
    let pipelines = cx.stores.pipelines.all();
    let environments = pipelines.iter().flat_map(|pipeline| &pipeline.spec.environments);
    let mut branches = BTreeMap::new();
    for app in environments.filter_map(|environment| cx.application(&environment.application)) {
        let Some(source) = ground::written(&app).filter(|source| !Address::of(source).is_chart()) else { continue };
        branches.entry((source.repo_url.clone(), source.revision().to_owned())).or_insert(app);
    }
    cx.past.only(|branch| branches.contains_key(branch));
    let deadline = Instant::now() + PATIENCE;
    let all = branches.into_iter().map(|(branch, app)| async move {
        let told = timeout_at(deadline, told_by_branch(cx, seal, branch, &app)).await.ok().flatten();
        told.map_or_else(Vec::new, |told| told.to_vec())
    });
    let mut entries = stream::iter(all).buffer_unordered(AT_ONCE).concat().await;
    entries.retain(|entry| pipelines.iter().any(|it| it.metadata.name == entry.pipeline));
    entries
}

/// Its commits are read once for each that is its last one.
async fn told_by_branch(
    cx: &Context,
    seal: &Seal,
    branch: (String, String),
    app: &Application,
) -> Option<Arc<Vec<TimelineEntry>>> {
    let source = ground::written(app)?;
    let repository = cx.repositories.git(Address::of(source), app.spec.project_name()).ok()?;
    let head = match repository.head_of(source.revision()).await {
        Ok(head) => head,
        Err(_) => ground::synced(app).parse().ok()?,
    };
    match cx.past.told_until(&branch, head) {
        Told::All(told) => return Some(told),
        Told::BeingRead => return None,
        Told::ToRead => {}
    }
    let (past, seal) = (Arc::clone(&cx.past), seal.clone());
    // goes on when nobody waits any more: who asks next has it
    let read = tokio::spawn(async move {
        let commits = caught(format!("commits of {}", branch.0), repository.log(head, None, COMMITS)).await?.ok();
        let of_promotions = |commits: &Vec<CommitInfo>| {
            commits.iter().filter(|commit| is_promotions(&seal, commit)).filter_map(of_commit).collect()
        };
        past.keep(branch, head, commits.as_ref().map(of_promotions).map(Arc::new))
    });
    read.await.ok()?
}

/// `promote(production): shop → v2`, as [`promotion::Message`] writes it.
fn of_commit(commit: &CommitInfo) -> Option<TimelineEntry> {
    let (what, rest) = commit.subject.split_once('(')?;
    let (environment, rest) = rest.split_once("): ")?;
    let (pipeline, _) = rest.split_once(" → ")?;
    let kind = if what == "rollback" { TimelineKind::RolledBack } else { TimelineKind::Promoted };
    let said = |key: &str| commit.trailers.get(key).unwrap_or_default().to_owned();
    let by = Some(said("Requested-By")).filter(|by| !by.is_empty()).unwrap_or_else(|| said("Approved-By"));
    let entry = TimelineEntry::of_pipeline(kind, commit.committer.time, pipeline, commit.subject.clone());
    let entry = TimelineEntry { environment: environment.to_owned(), release: said("Release"), ..entry };
    Some(entry.by(by).at_commit(commit.id.to_string()))
}

/// What Events of the namespaces with Applications tell. Where they cannot be had, that is nothing.
async fn told_by_events(cx: &Context) -> Vec<Arc<TimelineEntry>> {
    let Some(seal) = cx.seal() else { return Vec::new() };
    let applications = cx.stores.applications.all();
    let mut namespaces: BTreeSet<&str> = applications.iter().map(|app| app.metadata.namespace.as_str()).collect();
    namespaces.insert(&cx.namespace);
    let events = namespaces.into_iter().map(|namespace| async move {
        let scope = Scope::namespaced(GroupKind::new("", "Event"), namespace).with_labels(EVENT_LINE);
        match timeout(PATIENCE, cx.cluster.list(&scope)).await {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => {
                tracing::debug!(namespace, %error, "its Events tell nothing of what was");
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    });
    let events = futures::future::join_all(events).await.concat();
    events.iter().filter_map(|event| EventLine::read(event, seal)).map(Arc::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(second: i64, message: &str) -> TimelineEntry {
        let at = Timestamp::from_second(second).unwrap();
        TimelineEntry::of_pipeline(TimelineKind::Progress, at, "shop", message)
    }

    fn texts(all: History) -> Vec<String> {
        all.map(|entry| format!("{} {}", entry.time.as_second(), entry.message)).collect()
    }

    #[test]
    fn what_several_tell_is_there_once() {
        let told = vec![Arc::new(entry(1000, "a")), Arc::new(entry(1000, "a")), Arc::new(entry(2000, "b"))];
        // told a little later than it was so, once more much later, and what nobody told
        let kept = vec![entry(995, "a"), entry(9000, "a"), entry(1500, "c")];
        let kept: Vec<_> = kept.into_iter().map(|entry| Arc::new(TimelineEntry { kept: true, ..entry })).collect();
        let expected = ["9000 a", "2000 b", "1500 c", "1000 a"];
        let past = Arc::new(placed(told.clone(), kept.clone().into_iter()));
        assert_eq!(texts(History::new(Vec::new(), past, &Wanted::default())), expected);
        // the same, whether it was told before or is told since the rest was put together
        let past = Arc::new(placed(Vec::new(), kept.into_iter()));
        assert_eq!(texts(History::new(told, past, &Wanted::default())), expected);
    }

    /// Who may write the status of an Application writes what it likes.
    #[test]
    fn what_is_still_to_come_does_not_head_the_timeline() {
        let app = |deployed: [&str; 2], finished: &str| {
            let entry = |(id, at): (usize, &str)| serde_json::json!({"id": id, "revision": format!("c{id}"), "deployedAt": at, "source": {}});
            let history: Vec<_> = deployed.into_iter().enumerate().map(entry).collect();
            let state = serde_json::json!({"phase": "Failed", "message": "no", "startedAt": finished,
                "finishedAt": finished, "operation": {}});
            let metadata = serde_json::json!({"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"});
            let status = serde_json::json!({"history": history, "operationState": state});
            Application::from_value(serde_json::json!({"metadata": metadata, "spec": {}, "status": status})).unwrap()
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let told = |app: &Application| -> Vec<String> {
            let all = of_application("web", app, at("2026-06-01T12:00:00Z"));
            all.iter().map(|entry| format!("{} {}: {}", entry.time, entry.commit, entry.reason)).collect()
        };
        let honest = app(["2026-05-01T00:00:00Z", "2026-06-01T12:00:30Z"], "2026-06-01T12:00:00Z");
        assert_eq!(
            told(&honest),
            ["2026-05-01T00:00:00Z c0: ", "2026-06-01T12:00:30Z c1: ", "2026-06-01T12:00:00Z : no"],
            "clocks differ a little"
        );
        let forged = app(["2026-05-01T00:00:00Z", "2999-01-01T00:00:00Z"], "2999-01-01T00:00:00Z");
        let says = "nobody can tell when it was: its status says 2999-01-01T00:00:00Z, which is still to come";
        assert_eq!(
            told(&forged),
            [
                "2026-05-01T00:00:00Z c0: ".to_owned(),
                format!("2026-05-01T00:00:00Z c1: {says}"),
                format!("2026-05-01T00:00:00Z : no; {says}")
            ]
        );
        let nothing_else = app(["2999-01-01T00:00:00Z", "2999-01-01T00:00:00Z"], "2026-02-01T00:00:00Z");
        assert!(told(&nothing_else)[0].starts_with("2026-01-01T00:00:00Z c0: nobody"), "when it was made");
    }

    #[test]
    fn a_page_begins_where_the_one_before_ended() {
        let told: Vec<_> = (0..10).map(|number| Arc::new(entry(1000, &number.to_string()))).collect();
        // told before, and by this process
        let past = Arc::new(placed(told[..5].to_vec(), std::iter::empty()));
        let read = |wanted: &Wanted| History::new(told[5..].to_vec(), Arc::clone(&past), wanted);
        let all: Vec<_> = read(&Wanted::default()).collect();
        assert_eq!(all.len(), 10);
        let mark: Mark = all[3].mark().to_string().parse().unwrap();
        let rest: Vec<_> = read(&Wanted { before: Some(mark), ..Wanted::default() }).collect();
        assert_eq!(rest, all[4..]);
        let since = Timestamp::from_second(1001).ok();
        assert_eq!(read(&Wanted { since, ..Wanted::default() }).count(), 0);
        assert!("yesterday".parse::<Mark>().is_err());
    }

    #[test]
    fn an_event_that_somebody_else_wrote_tells_nothing() {
        let seal = Seal::new([7; 32]);
        let event = |line: String| {
            let metadata = serde_json::json!({"name": "x", "namespace": "argocd", "annotations": {EVENT_LINE: line}});
            LiveObject::new(serde_json::json!({"apiVersion": "v1", "kind": "Event", "metadata": metadata})).unwrap()
        };
        let line = EventLine::write(entry(1, "tina approved"), Some(&seal)).unwrap();
        assert_eq!(EventLine::read(&event(line.clone()), &seal), Some(entry(1, "tina approved")));
        for forged in [line.replace("tina", "theo"), "x {}".to_owned(), String::new()] {
            assert_eq!(EventLine::read(&event(forged.clone()), &seal), None, "{forged}");
        }
    }
}
