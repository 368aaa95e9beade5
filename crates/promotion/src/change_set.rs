//! The people behind what would run: whoever wrote what lies between what an environment runs and a release. None of them
//! approves it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use api::gantline::{Environment, MergedPeople, Promotion, Release, ReleaseSource};

use crate::about::is_believed;
use crate::answers::{Answer, Question, Spot};
use crate::appeared::Appearance;
use crate::gates::awaits_people;
use crate::identity::identity;
use crate::names::{Names, folded};
use crate::plan::{Draft, came};

/// Accounts by name, each with what else its person is called in Git: names and addresses, in lower case.
pub type Accounts = BTreeMap<String, BTreeSet<String>>;

/// Who wrote a change, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeSet {
    people: Vec<Person>,
    /// Why not all are known; empty where they are.
    pub unread: Vec<String>,
    /// Somebody is being asked who they are.
    pub asked: bool,
    /// The commit that would be merged; `None`: nothing is.
    pub merges: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Person {
    /// `Dana Smith <dana@acme.io>`
    said: String,
    /// Which accounts are theirs, as they are compared.
    accounts: Vec<String>,
    is_known: bool,
}

impl ChangeSet {
    pub fn of<'a>(sources: impl IntoIterator<Item = &'a ReleaseSource>, accounts: &Accounts) -> Self {
        let mut set = Self::default();
        for source in sources {
            set.add(source.everybody().map(|said| Person::of(said, accounts)));
            if !source.unread.is_empty() {
                set.unread.extend(few([source.unread.clone()]));
            }
        }
        set
    }

    fn add(&mut self, people: impl IntoIterator<Item = Person>) {
        for person in people {
            if !self.people.iter().any(|known| known.said == person.said) {
                self.people.push(person);
            }
        }
    }

    /// Whether an account, or whoever logs in by that name or address, is one of them.
    pub fn holds(&self, user: &str) -> bool {
        let ours = Names::of(user);
        self.people.iter().any(|person| person.names().meet(&ours))
    }

    /// All of them, as a list of people shows them.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        self.people.iter().map(|person| short(&person.said))
    }

    /// Those of whom nobody can tell which account is theirs.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.people.iter().filter(|person| !person.is_known).map(|person| person.said.as_str())
    }
}

impl Person {
    fn of(said: Cow<'_, str>, accounts: &Accounts) -> Self {
        let said = said.into_owned();
        if accounts.is_empty() {
            return Self { said, accounts: Vec::new(), is_known: true };
        }
        let names = Names::of(&said);
        let is_called = |name: &String| names.hold(&folded(name));
        let theirs = accounts.iter().filter(|(account, called)| is_called(account) || called.iter().any(is_called));
        let accounts: Vec<String> = theirs.map(|(account, _)| folded(account).into_owned()).collect();
        Self { said, is_known: !accounts.is_empty(), accounts }
    }

    /// What accounts of theirs may be called.
    fn names(&self) -> Names {
        let mut names = Names::of(&self.said);
        self.accounts.iter().for_each(|account| names.add(account));
        names
    }
}

/// Of several within one second the name decides.
fn order(release: &Release) -> (impl Ord + Copy + '_, &str) {
    (came(release), release.metadata.name.as_str())
}

/// What is not known of the people behind a change, in one text that fits where people read it; `None`: nothing.
pub fn few(reasons: impl IntoIterator<Item = String>) -> Option<String> {
    const SHOWN: usize = 3;
    const CHARACTERS: usize = 300;
    let all: BTreeSet<String> = reasons.into_iter().filter(|why| !why.is_empty()).collect();
    let shown = all.iter().take(SHOWN).map(|why| match why.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &why[..end]),
        None => why.clone(),
    });
    let more = all.len().saturating_sub(SHOWN);
    let rest = (more > 0).then(|| format!("{more} more"));
    let texts: Vec<String> = shown.chain(rest).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// `Dana Smith` of `Dana Smith <dana@acme.io>`
fn short(said: &str) -> &str {
    let (name, address) = said.split_once('<').unwrap_or((said, ""));
    if name.trim().is_empty() { address.trim_end_matches('>') } else { name.trim() }
}

impl Draft<'_> {
    /// Who is behind what a promotion would change; nobody where no gate wants to know.
    pub(crate) fn change_set(&self, promotion: &Promotion) -> ChangeSet {
        let environment = self.seen.pipeline.environment(&promotion.spec.environment);
        let Some(environment) = environment.filter(|it| it.gates.iter().any(|gate| awaits_people(gate.kind()))) else {
            return ChangeSet::default();
        };
        let (between, gone) = (self.between(promotion), self.gone(promotion));
        let between = between.filter(|it| is_believed(it)).map(|release| &release.spec.source).chain(&gone);
        let mut set = ChangeSet::of(between, &self.seen.accounts);
        if self.merged(environment).is_some() {
            set.merges = self.merges(environment).map(|[from, _]| from.to_owned());
            match self.merged_people(promotion, environment) {
                Some(MergedPeople { people, unread, .. }) => {
                    let source = ReleaseSource { people, unread, ..ReleaseSource::default() };
                    let merged = ChangeSet::of([&source], &self.seen.accounts);
                    set.add(merged.people);
                    set.unread.extend(merged.unread);
                }
                None => set.asked = true,
            }
        }
        set
    }

    /// Who was behind what came in between and has no record any more that is believed.
    fn gone(&self, promotion: &Promotion) -> Vec<ReleaseSource> {
        let Some(wanted) = self.release(&promotion.spec.release) else { return Vec::new() };
        let Some(digest) = identity(&wanted.spec.images) else { return Vec::new() };
        let there = self.is_or_was_there(promotion).and_then(|there| identity(&there.spec.images));
        let believed = || self.between(promotion).filter(|it| is_believed(it));
        let is_kept = |past: &Appearance| {
            believed().any(|it| identity(&it.spec.images).is_some_and(|digest| past.is_of(&digest)))
        };
        let appeared = &self.seen.ledger.appeared;
        let gone = appeared.between(&digest, there.as_ref());
        let gone = gone.filter(|past| !is_kept(past));
        let source = |past: &Appearance| {
            let (people, unread) = (past.people.clone(), past.unread.clone());
            ReleaseSource { people, unread, ..ReleaseSource::default() }
        };
        let mut sources: Vec<ReleaseSource> = gone.map(source).collect();
        if !is_believed(wanted) && !appeared.last.iter().any(|past| past.is_of(&digest)) {
            let unread =
                format!("{} was written past Gantline: nobody can tell who is behind it", wanted.metadata.name);
            sources.push(ReleaseSource { unread, ..ReleaseSource::default() });
        }
        sources
    }

    fn is_or_was_there(&self, promotion: &Promotion) -> Option<&Release> {
        let environment = &promotion.spec.environment;
        self.runs(environment).or_else(|| self.put_last(environment))
    }

    /// Who wrote what would be merged now: by what is kept of it, else by the answer; `None` where neither tells.
    fn merged_people(&self, promotion: &Promotion, environment: &Environment) -> Option<MergedPeople> {
        self.kept_people(promotion, environment).cloned().or_else(|| {
            let answered = self.seen.answers.of(&self.merged(environment)?)?;
            let Answer::Merged(source) = &answered.answer else { return None };
            let [from, into] = self.merges(environment)?.map(str::to_owned);
            Some(MergedPeople {
                from,
                into,
                people: source.everybody().map(Cow::into_owned).collect(),
                unread: source.unread.clone(),
            })
        })
    }

    /// What the promotion keeps of it, if that is about the commits of now.
    pub(crate) fn kept_people<'p>(
        &self,
        promotion: &'p Promotion,
        environment: &Environment,
    ) -> Option<&'p MergedPeople> {
        let commits = self.merges(environment)?;
        promotion.status.merged.as_ref().filter(|kept| [&*kept.from, &*kept.into] == commits)
    }

    /// What a promotion does not keep yet.
    pub(crate) fn new_people(&self, promotion: &Promotion) -> Option<MergedPeople> {
        let environment = self.seen.pipeline.environment(&promotion.spec.environment)?;
        let asks = environment.gates.iter().any(|gate| awaits_people(gate.kind())) && !promotion.spec.rollback;
        let is_new = asks && self.merged(environment).is_some() && self.kept_people(promotion, environment).is_none();
        is_new.then(|| self.merged_people(promotion, environment)).flatten()
    }

    /// The commit that would be merged, and the one into which.
    fn merges(&self, environment: &Environment) -> Option<[&str; 2]> {
        let before = self.seen.pipeline.before(&environment.name)?;
        let commit = |name: &str| Some(self.seen.place(name)?.application.as_ref()?.commit.as_str());
        Some([commit(&before.name)?, commit(&environment.name)?])
    }

    /// The releases whose changes come, or go: those between what the environment runs and what would run.
    fn between(&self, promotion: &Promotion) -> impl Iterator<Item = &Release> {
        let wanted = self.release(&promotion.spec.release);
        let there = self.is_or_was_there(promotion);
        let (wanted, there) = (wanted.map(order), there.map(order));
        self.releases.iter().map(|release| &**release).filter(move |release| {
            let at = order(release);
            let oldest = wanted.min(there).filter(|_| there.is_some());
            wanted == Some(at) || (wanted.max(there) >= Some(at) && oldest.is_none_or(|oldest| at > oldest))
        })
    }

    /// Who wrote what the branch of the environment before would bring; `None` where it brings nothing.
    pub(crate) fn merged(&self, environment: &Environment) -> Option<Question> {
        let before = &self.seen.pipeline.before(&environment.name)?.name;
        let follows_tags = || self.seen.place(&environment.name)?.application.as_ref().map(|app| app.follows_tags);
        if !environment.merge && follows_tags() != Some(true) {
            return None;
        }
        let spot = |environment: &str| -> Option<Spot> {
            Some(self.seen.place(environment)?.application.as_ref()?.spot(&"".into()))
        };
        Some(Question::Merged { from: spot(before)?, into: spot(&environment.name)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(author: &str, email: &str, people: &[&str]) -> ReleaseSource {
        let people = people.iter().map(|person| (*person).to_owned()).collect();
        ReleaseSource { author: author.into(), email: email.into(), people, ..ReleaseSource::default() }
    }

    #[test]
    fn what_is_not_known_fits_where_people_read_it() {
        assert_eq!(few([String::new()]), None);
        assert_eq!(few(["b".to_owned(), "a".to_owned(), "b".to_owned()]).unwrap(), "a; b");
        let many = few((0..500).map(|number| format!("{number} {}", "ß".repeat(500)))).unwrap();
        assert!(many.chars().count() < 1_000 && many.ends_with("; 497 more"), "{many}");
    }

    #[test]
    fn a_person_is_known_by_name_address_or_what_the_settings_say() {
        let called = BTreeSet::from(["smith@home.example".to_owned(), "ds".to_owned()]);
        let accounts = Accounts::from([("dana".into(), called), ("Tina".into(), BTreeSet::new())]);
        let set =
            |author: &str, email: &str, people: &[&str]| ChangeSet::of([&source(author, email, people)], &accounts);
        assert!(set("Dana", "x@y", &[]).holds("dana") && set("", "dana@acme.io", &[]).holds("dana"));
        assert!(set("D. Smith", "smith@home.example", &[]).holds("dana"), "as the settings say");
        assert!(set("DS", "", &[]).holds("Dana"));
        assert!(set("D", "12345+dana@users.noreply.github.com", &[]).holds("dana"), "as GitHub hides addresses");
        assert!(set("D", "dana+git@acme.io", &[]).holds("dana"));
        assert!(set("x", "y@z", &["Tina Turner <tina@acme.io>"]).holds("tina@acme.io"), "logs in by address");
        assert!(set("x", "y@z", &["Tina Turner <tina@acme.io>"]).holds("tina"));
        assert!(!set("x", "y@z", &[]).holds("tina"));
        assert!(
            set("D\u{200b}S", "", &[]).holds("dana") && set("ｄｓ", "", &[]).holds("dana"),
            "looks like what is known"
        );
        assert!(set("T\u{ad}ina", "", &[]).holds("ＴＩＮＡ"));
        let mixed = set("ci", "ci@acme.io", &["Dana <dana@acme.io>", "Dana <dana@acme.io>"]);
        assert_eq!(mixed.people().collect::<Vec<_>>(), ["ci", "Dana"]);
        assert_eq!(mixed.unknown().collect::<Vec<_>>(), ["ci <ci@acme.io>"]);
    }
}
