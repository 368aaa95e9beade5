//! The picture as it was last put together, and what changed when: whoever comes back gets what they missed.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;

use super::Picture;
use crate::rights::{Object, Rights, Verb, permit};
use crate::views::{ApplicationRow, Delta, Entry, Gone, Overview, Service};

/// How many names of what is gone are kept; who was away for longer gets the whole picture.
const GONE: usize = 1000;

/// One thing to see, and the number of the snapshot in which it became as it is.
#[derive(Debug)]
struct Item<T> {
    object: Object,
    since: u64,
    view: Arc<T>,
}

impl<T> Clone for Item<T> {
    fn clone(&self) -> Self {
        Self { object: self.object.clone(), since: self.since, view: Arc::clone(&self.view) }
    }
}

type Shelf<T> = BTreeMap<String, Item<T>>;

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
    applications: Shelf<ApplicationRow>,
    services: Shelf<Service>,
    timeline: Vec<Item<Entry>>,
    departures: VecDeque<Departure>,
    /// Departures are known since this number.
    known_since: u64,
}

/// How far somebody has read, and with which rights: the id of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    epoch: String,
    number: u64,
    rights: u64,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{:x}", self.epoch, self.number, self.rights)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let [epoch, number, rights] = text.split('.').collect::<Vec<_>>()[..] else { return Err(()) };
        let number = number.parse().map_err(drop)?;
        Ok(Self { epoch: epoch.to_owned(), number, rights: u64::from_str_radix(rights, 16).map_err(drop)? })
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
    pub(super) fn next(&self, picture: Picture, now: Timestamp) -> Self {
        let mut next = Self { number: self.number + 1, now, ..self.clone() };
        let (apps, services) = (picture.applications, picture.services);
        next.applications = next.shelve(Part::Application, &self.applications, apps, |app| &app.name);
        next.services = next.shelve(Part::Service, &self.services, services, |service| &service.name);
        next.timeline = picture.timeline.into_iter().map(|(object, entry)| self.entry(object, entry)).collect();
        while next.departures.len() > GONE {
            next.known_since = next.departures.pop_front().map_or(next.known_since, |departure| departure.at);
        }
        if next.differs(self) { next } else { Self { now, ..self.clone() } }
    }

    fn shelve<T: PartialEq>(
        &mut self,
        part: Part,
        old: &Shelf<T>,
        new: Vec<(Object, T)>,
        name: impl Fn(&T) -> &String,
    ) -> Shelf<T> {
        let item = |(object, view): (Object, T)| {
            let (key, known) = (name(&view).clone(), old.get(name(&view)));
            let item = match known.filter(|known| known.object == object && *known.view == view) {
                Some(known) => known.clone(),
                None => Item { object, since: self.number, view: Arc::new(view) },
            };
            (key, item)
        };
        let shelf: Shelf<T> = new.into_iter().map(item).collect();
        for (name, was) in old.iter().filter(|(name, was)| shelf.get(*name).is_none_or(|is| is.object != was.object)) {
            let departure = Departure { part, name: name.clone(), object: was.object.clone(), at: self.number };
            self.departures.push_back(departure);
        }
        shelf
    }

    /// An entry never changes; whom it is for is decided when it comes.
    fn entry(&self, object: Object, entry: Entry) -> Item<Entry> {
        let known = self.timeline.binary_search_by_key(&entry.id, |item| item.view.id).ok();
        let known = known.and_then(|index| self.timeline.get(index)).cloned();
        known.unwrap_or_else(|| Item { object, since: self.number + 1, view: Arc::new(entry) })
    }

    fn differs(&self, old: &Self) -> bool {
        let newest = |snapshot: &Self| snapshot.timeline.last().map(|item| item.view.id);
        self.departures.back().is_some_and(|departure| departure.at == self.number)
            || self.applications.values().any(|item| item.since == self.number)
            || self.services.values().any(|item| item.since == self.number)
            || newest(self) != newest(old)
    }

    pub(crate) fn mark(&self, who: &Rights) -> Mark {
        Mark { epoch: self.epoch.clone(), number: self.number, rights: who.fingerprint() }
    }

    /// Everything that somebody may see.
    pub(crate) fn whole(&self, who: &Rights) -> Overview {
        Overview {
            applications: since(self.applications.values(), None, who),
            services: since(self.services.values(), None, who),
            simulated: self.simulated,
            speed: self.speed,
            timeline: since(&self.timeline, None, who),
            now: self.now,
        }
    }

    /// What somebody has missed since a mark: nothing, what changed, or everything where that is not known any more.
    pub(crate) fn news(&self, who: &Rights, read: Option<&Mark>) -> Option<News> {
        let now = self.mark(who);
        let known = |read: &&Mark| {
            read.epoch == now.epoch
                && read.rights == now.rights
                && (self.known_since..=now.number).contains(&read.number)
        };
        let Some(read) = read.filter(known) else { return Some(News::Whole(self.whole(who))) };
        let number = Some(read.number);
        let delta = Delta {
            gone: self.gone(read.number, who),
            applications: since(self.applications.values(), number, who),
            services: since(self.services.values(), number, who),
            timeline: since(&self.timeline, number, who),
            now: self.now,
        };
        (!delta.is_empty()).then_some(News::Delta(delta))
    }

    fn gone(&self, number: u64, who: &Rights) -> Gone {
        let seen = |departure: &&Departure| departure.at > number && permit(who, Verb::Get, &departure.object);
        let names = |part: Part| {
            let gone = self.departures.iter().filter(seen).filter(|departure| departure.part == part);
            gone.map(|departure| departure.name.clone()).collect()
        };
        Gone { applications: names(Part::Application), services: names(Part::Service) }
    }
}

/// What somebody may see of the items that became as they are after a number.
fn since<'i, T: 'i>(items: impl IntoIterator<Item = &'i Item<T>>, number: Option<u64>, who: &Rights) -> Vec<Arc<T>> {
    let new = items.into_iter().filter(|item| number.is_none_or(|number| item.since > number));
    new.filter(|item| permit(who, Verb::Get, &item.object)).map(|item| Arc::clone(&item.view)).collect()
}

#[cfg(test)]
mod tests {
    use api::argocd::{Application, Policy, Subject};
    use control::TimelineKind;

    use super::*;

    fn rights(user: &str) -> Rights {
        let line = "p, tina, applications, get, shop/*, allow".to_owned();
        let (policy, _) = Policy::from_config_map(&BTreeMap::from([("policy.csv".to_owned(), line)]));
        Rights::of(&Subject { user: user.into(), groups: Vec::new() }, &policy, &[])
    }

    /// `PROJECT/NAME REVISION` for each Application; entries of the timeline by their ids.
    fn picture(apps: &[&str], entries: std::ops::Range<u64>) -> Picture {
        let app = |text: &&str| {
            let (path, revision) = text.split_once(' ').unwrap_or((text, ""));
            let (project, name) = path.split_once('/').unwrap();
            let mut app = Application::default();
            (app.spec.project, app.metadata.name) = (project.into(), name.into());
            app.status.sync.revision = revision.into();
            (Object::application(&app, ""), ApplicationRow::from(&app))
        };
        let entry = |id: u64| {
            let entry = control::TimelineEntry::of_application(TimelineKind::Health, Timestamp::UNIX_EPOCH, "web", "x");
            let mut app = Application::default();
            (app.spec.project, app.metadata.name) = ("shop".into(), "web".into());
            (Object::application(&app, ""), Entry { id, ..Entry::from(&entry) })
        };
        Picture {
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
        let (admin, tina) = (rights("admin"), rights("tina"));
        let mut snapshot = Snapshot::new("e".into(), false, 1.0);
        let mut marks = [None, None];
        let mut check = |apps: &[&str], entries, expected: [&str; 2]| {
            snapshot = snapshot.next(picture(apps, entries), Timestamp::UNIX_EPOCH);
            for (who, mark, expected) in [(&admin, 0, expected[0]), (&tina, 1, expected[1])] {
                assert_eq!(told(snapshot.news(who, marks[mark].as_ref())), expected, "{apps:?}");
                marks[mark] = Some(snapshot.mark(who));
            }
        };
        check(&["shop/web a", "bank/vault a"], 1..3, ["all vault,web +2", "all web +2"]);
        check(&["shop/web a", "bank/vault a"], 1..3, ["nothing", "nothing"]);
        check(&["shop/web a", "bank/vault b"], 1..3, ["- vault +0", "nothing"]);
        check(&["shop/web b", "bank/vault b"], 2..4, ["- web +1", "- web +1"]);
        check(&["bank/web b", "bank/vault b"], 2..4, ["-web web +0", "-web  +0"]);
        check(&["bank/web b"], 2..4, ["-vault  +0", "nothing"]);
    }

    #[test]
    fn who_was_away_gets_what_is_known_or_everything() {
        let (admin, tina) = (rights("admin"), rights("tina"));
        let many: Vec<String> = (0..GONE).map(|number| format!("shop/a{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let moment = Timestamp::UNIX_EPOCH;
        let first = Snapshot::new("e".into(), false, 1.0).next(picture(&many, 0..0), moment);
        let second = first.next(picture(&[&many[..], &["shop/web"]].concat(), 0..0), moment);
        let third = second.next(picture(&["shop/web"], 0..0), moment);
        let fourth = third.next(picture(&[], 0..0), moment);
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
