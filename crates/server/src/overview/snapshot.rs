//! The picture as it was last put together, and what changed when: whoever comes back gets what they missed.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;

use super::lane::Lane;
use super::strokes::Strokes;
use super::told::Told;
use crate::people::Identity;
use crate::rights::{Object, Verb, permit};
use crate::views::{ApplicationRow, Delta, Entry, Gone, Overview, Service};

/// How many names of what is gone are kept; who was away for longer gets the whole picture.
const GONE: usize = 1000;

/// One thing to see, and the number of the snapshot in which it became as it is.
#[derive(Debug)]
struct Item<T> {
    object: Object,
    since: u64,
    view: T,
}

/// By name. Snapshots share what they have in common.
type Shelf<T> = Arc<BTreeMap<String, Arc<Item<T>>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Application,
    Service,
}

/// Something that went, or that others may see from now on.
#[derive(Debug, Clone)]
struct Departure {
    part: Part,
    name: String,
    object: Object,
    at: u64,
}

/// The picture of one moment. Its number counts the pictures that differ.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// Of the process: numbers of another one mean nothing here.
    epoch: String,
    number: u64,
    now: Timestamp,
    simulated: bool,
    speed: f64,
    applications: Shelf<Arc<ApplicationRow>>,
    services: Shelf<Lane>,
    timeline: Vec<Arc<Item<Told>>>,
    departures: VecDeque<Departure>,
    /// Departures are known since this number.
    known_since: u64,
}

/// How far who has read, and with which rights: the id of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    epoch: String,
    number: u64,
    who: u64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{:x}", self.epoch, self.number, self.who)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let [epoch, number, who] = text.split('.').collect::<Vec<_>>()[..] else { return Err(()) };
        let number = number.parse().map_err(drop)?;
        Ok(Self { epoch: epoch.to_owned(), number, who: u64::from_str_radix(who, 16).map_err(drop)? })
    }
}

/// What somebody has to be told.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    Whole(Overview),
    Delta(Delta),
}

impl Snapshot {
    pub(crate) fn new(epoch: String, simulated: bool, speed: f64) -> Self {
        Self { epoch, simulated, speed, ..Self::default() }
    }

    /// The snapshot after this one; that time went by is no change.
    pub(super) fn next(&self, strokes: Strokes, now: Timestamp) -> Self {
        let mut next = Self { number: self.number + 1, now, ..self.clone() };
        let rows = strokes.applications.into_iter().map(|(name, new)| (name, new.map(|(o, row)| (o, Arc::new(row)))));
        let changed = next.shelve(Part::Application, |snapshot| &mut snapshot.applications, rows)
            | next.shelve(Part::Service, |snapshot| &mut snapshot.services, strokes.services)
            | next.tell(strokes.timeline);
        while next.departures.len() > GONE {
            next.known_since = next.departures.pop_front().map_or(next.known_since, |departure| departure.at);
        }
        if changed { next } else { Self { now, ..self.clone() } }
    }

    /// Puts parts in their places. Whether any is other than before.
    fn shelve<T: PartialEq>(
        &mut self,
        part: Part,
        shelf: impl Fn(&mut Self) -> &mut Shelf<T>,
        strokes: impl IntoIterator<Item = (String, Option<(Object, T)>)>,
    ) -> bool {
        let mut changed = false;
        for (name, new) in strokes {
            let was = shelf(self).get(&name).cloned();
            let same = match (&was, &new) {
                (None, None) => true,
                (Some(was), Some((object, view))) => was.object == *object && was.view == *view,
                _ => false,
            };
            if same {
                continue;
            }
            changed = true;
            let moved = was.filter(|was| new.as_ref().is_none_or(|(object, _)| was.object != *object));
            let at = self.number;
            self.departures.extend(moved.map(|was| Departure {
                part,
                name: name.clone(),
                object: was.object.clone(),
                at,
            }));
            let items = Arc::make_mut(shelf(self));
            match new {
                Some((object, view)) => drop(items.insert(name, Arc::new(Item { object, since: at, view }))),
                None => drop(items.remove(&name)),
            }
        }
        changed
    }

    /// An entry never changes; whom it is for is decided when it comes.
    fn tell(&mut self, entries: Vec<(u64, Option<(Object, Told)>)>) -> bool {
        let newest = |timeline: &[Arc<Item<Told>>]| timeline.last().map(|item| item.view.id());
        let (last, at) = (newest(&self.timeline), self.number);
        let item = |(id, new): (u64, Option<(Object, Told)>)| match new {
            Some((object, view)) => Some(Arc::new(Item { object, since: at, view })),
            None => self.entry(id).cloned(),
        };
        self.timeline = entries.into_iter().filter_map(item).collect();
        newest(&self.timeline) != last
    }

    fn entry(&self, id: u64) -> Option<&Arc<Item<Told>>> {
        let index = self.timeline.binary_search_by_key(&id, |item| item.view.id()).ok()?;
        self.timeline.get(index)
    }

    /// Whether the entry of the timeline is in it.
    pub(super) fn shows(&self, entry: u64) -> bool {
        self.entry(entry).is_some()
    }

    /// The Pipelines that time alone may have changed.
    pub(super) fn restless(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let restless = move |(_, item): &(&String, &Arc<Item<Lane>>)| item.view.is_restless(now);
        self.services.iter().filter(restless).map(|(name, _)| name.as_str())
    }

    pub(crate) fn mark(&self, who: &Identity) -> Mark {
        Mark { epoch: self.epoch.clone(), number: self.number, who: who.fingerprint() }
    }

    /// Everything that somebody may see.
    pub(crate) fn whole(&self, who: &Identity) -> Overview {
        Overview {
            applications: views(self.applications.values(), None, who),
            services: self.lanes(None, who),
            simulated: self.simulated,
            speed: self.speed,
            timeline: self.told(None, who),
            now: self.now,
        }
    }

    /// What somebody has missed since a mark: nothing, what changed, or everything where that is not known any more.
    pub(crate) fn news(&self, who: &Identity, read: Option<&Mark>) -> Option<News> {
        let now = self.mark(who);
        let known = |read: &&Mark| {
            read.epoch == now.epoch && read.who == now.who && (self.known_since..=now.number).contains(&read.number)
        };
        let Some(read) = read.filter(known) else { return Some(News::Whole(self.whole(who))) };
        let number = Some(read.number);
        let delta = Delta {
            gone: self.gone(read.number, who),
            applications: views(self.applications.values(), number, who),
            services: self.lanes(number, who),
            timeline: self.told(number, who),
            now: self.now,
        };
        (!delta.is_empty()).then_some(News::Delta(delta))
    }

    fn lanes(&self, number: Option<u64>, who: &Identity) -> Vec<Service> {
        since(self.services.values(), number, who).map(|item| item.view.seen_by(who, self.now)).collect()
    }

    fn told(&self, number: Option<u64>, who: &Identity) -> Vec<Arc<Entry>> {
        since(&self.timeline, number, who).map(|item| item.view.seen_by(who)).collect()
    }

    fn gone(&self, number: u64, who: &Identity) -> Gone {
        let seen = |departure: &&Departure| departure.at > number && permit(&who.rights, Verb::Get, &departure.object);
        let names = |part: Part| {
            let gone = self.departures.iter().filter(seen).filter(|departure| departure.part == part);
            gone.map(|departure| departure.name.clone()).collect()
        };
        Gone { applications: names(Part::Application), services: names(Part::Service) }
    }
}

/// What somebody may see of the items that became as they are after a number.
fn since<'i, T: 'i>(
    items: impl IntoIterator<Item = &'i Arc<Item<T>>>,
    number: Option<u64>,
    who: &Identity,
) -> impl Iterator<Item = &'i Item<T>> {
    let new = items.into_iter().filter(move |item| number.is_none_or(|number| item.since > number));
    new.filter(|item| permit(&who.rights, Verb::Get, &item.object)).map(|item| &**item)
}

fn views<'i, T: 'i>(
    items: impl IntoIterator<Item = &'i Arc<Item<Arc<T>>>>,
    number: Option<u64>,
    who: &Identity,
) -> Vec<Arc<T>> {
    since(items, number, who).map(|item| Arc::clone(&item.view)).collect()
}

#[cfg(test)]
mod tests {
    use api::argocd::{Application, Policy, Subject};
    use control::TimelineKind;

    use super::*;
    use crate::rights::Rights;

    fn somebody(user: &str) -> Identity {
        let line = "p, tina, applications, get, shop/*, allow".to_owned();
        let (policy, _) = Policy::from_config_map(&BTreeMap::from([("policy.csv".to_owned(), line)]));
        let rights = Rights::of(&Subject { user: user.into(), groups: Vec::new() }, &policy, &[]);
        Identity { rights, ..Identity::core(user) }
    }

    /// `PROJECT/NAME REVISION` for each Application that changed, `-NAME` for one that went; entries of the timeline by
    /// their ids.
    fn strokes(shown: &Snapshot, apps: &[&str], entries: std::ops::Range<u64>) -> Strokes {
        let app = |text: &&str| {
            if let Some(name) = text.strip_prefix('-') {
                return (name.to_owned(), None);
            }
            let (path, revision) = text.split_once(' ').unwrap_or((text, ""));
            let (project, name) = path.split_once('/').unwrap();
            let mut app = Application::default();
            (app.spec.project, app.metadata.name) = (project.into(), name.into());
            app.status.sync.revision = revision.into();
            (name.to_owned(), Some((Object::application(&app, ""), ApplicationRow::from(&app))))
        };
        let entry = |id: u64| {
            let entry = control::TimelineEntry::of_application(TimelineKind::Health, Timestamp::UNIX_EPOCH, "web", "x");
            let mut app = Application::default();
            (app.spec.project, app.metadata.name) = ("shop".into(), "web".into());
            let new = (Object::application(&app, ""), Told::from(Entry { id, ..Entry::from(&entry) }));
            (id, (!shown.shows(id)).then_some(new))
        };
        Strokes {
            applications: apps.iter().map(app).collect(),
            services: Vec::new(),
            timeline: entries.map(entry).collect(),
        }
    }

    fn told(news: Option<News>) -> String {
        let names =
            |apps: &[Arc<ApplicationRow>]| apps.iter().map(|app| app.name.clone()).collect::<Vec<_>>().join(",");
        match news {
            None => "nothing".to_owned(),
            Some(News::Whole(all)) => format!("all {} +{}", names(&all.applications), all.timeline.len()),
            Some(News::Delta(delta)) => {
                let gone = delta.gone.applications.join(",");
                format!("-{gone} {} +{}", names(&delta.applications), delta.timeline.len())
            }
        }
    }

    #[test]
    fn each_gets_what_changed_of_what_they_may_see() {
        let (admin, tina) = (somebody("admin"), somebody("tina"));
        let mut snapshot = Snapshot::new("e".into(), false, 1.0);
        let mut marks = [None, None];
        let mut check = |apps: &[&str], entries, expected: [&str; 2]| {
            snapshot = snapshot.next(strokes(&snapshot, apps, entries), Timestamp::UNIX_EPOCH);
            for (who, mark, expected) in [(&admin, 0, expected[0]), (&tina, 1, expected[1])] {
                assert_eq!(told(snapshot.news(who, marks[mark].as_ref())), expected, "{apps:?}");
                marks[mark] = Some(snapshot.mark(who));
            }
        };
        check(&["shop/web a", "bank/vault a"], 1..3, ["all vault,web +2", "all web +2"]);
        check(&["shop/web a", "bank/vault a"], 1..3, ["nothing", "nothing"]);
        check(&[], 1..3, ["nothing", "nothing"]);
        check(&["bank/vault b"], 1..3, ["- vault +0", "nothing"]);
        check(&["shop/web b"], 2..4, ["- web +1", "- web +1"]);
        check(&["bank/web b"], 2..4, ["-web web +0", "-web  +0"]);
        check(&["-vault", "-unknown"], 2..4, ["-vault  +0", "nothing"]);
    }

    #[test]
    fn what_was_not_touched_is_shared() {
        let first = Snapshot::new("e".into(), false, 1.0);
        let first = first.next(strokes(&first, &["shop/web a", "bank/vault a"], 0..0), Timestamp::UNIX_EPOCH);
        let second = first.next(strokes(&first, &["bank/vault b"], 0..0), Timestamp::UNIX_EPOCH);
        let item = |snapshot: &Snapshot, name: &str| Arc::clone(&snapshot.applications[name]);
        assert!(Arc::ptr_eq(&item(&first, "web"), &item(&second, "web")));
        assert!(!Arc::ptr_eq(&item(&first, "vault"), &item(&second, "vault")));
        let third = second.next(Strokes::default(), Timestamp::UNIX_EPOCH);
        assert!(Arc::ptr_eq(&second.applications, &third.applications), "time alone copies nothing");
        let (tina, admin) = (somebody("tina"), somebody("admin"));
        assert_ne!(second.mark(&tina), second.mark(&Identity { user: "theo".into(), ..tina.clone() }));
        assert_ne!(second.mark(&tina), second.mark(&admin));
    }

    #[test]
    fn who_was_away_gets_what_is_known_or_everything() {
        let (admin, tina) = (somebody("admin"), somebody("tina"));
        let many: Vec<String> = (0..GONE).map(|number| format!("shop/a{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let moment = Timestamp::UNIX_EPOCH;
        let gone: Vec<String> = (0..GONE).map(|number| format!("-a{number}")).collect();
        let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
        let empty = Snapshot::new("e".into(), false, 1.0);
        let after = |last: &Snapshot, apps: &[&str]| last.next(strokes(last, apps, 0..0), moment);
        let first = after(&empty, &many);
        let second = after(&first, &["shop/web"]);
        let third = after(&second, &gone);
        let fourth = after(&third, &["-web"]);
        let read = first.mark(&admin);
        assert_eq!(told(second.news(&admin, Some(&read))), "- web +0");
        assert_eq!(read.to_string().parse::<Mark>(), Ok(read.clone()));
        assert!(matches!(third.news(&admin, Some(&read)), Some(News::Delta(_))));
        assert_eq!(told(fourth.news(&admin, Some(&read))), "all  +0");
        assert_eq!(told(fourth.news(&admin, Some(&third.mark(&admin)))), "-web  +0");
        assert_eq!(told(third.news(&tina, Some(&read))), "all web +0");
        let other = Mark { epoch: "x".into(), ..third.mark(&admin) };
        assert_eq!(told(third.news(&admin, Some(&other))), "all web +0");
        assert_eq!("e.1".parse::<Mark>(), Err(()));
    }
}
