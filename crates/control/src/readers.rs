//! Who reads what: from the paths that a push changed to the Applications that read one of them.
//!
//! An Application is *proven* while all that it read is as it is at the heads of the branches that it follows. A push
//! concerns whoever read a changed path; the others stay proven, at the new head, and are not looked at. Who is being
//! looked at, or could not be rendered, or uses what is not followed here, is not proven: every push concerns them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::argocd::{ApplicationSource, normalize_git_url};
use object::ReadSet;

use crate::context::Context;
use crate::repositories::Remote;
use crate::stores::AppKey;
use crate::wake::News;

/// A repository as a project sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Normalized.
    url: Arc<str>,
    project: Arc<str>,
}

impl Place {
    pub(crate) fn new(url: &str, project: &str) -> Self {
        Self { url: normalize_git_url(url).into(), project: project.into() }
    }
}

/// What an Application follows: a branch, a tag, `HEAD`, or a constraint for tags, as its source has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Followed {
    pub(crate) place: Place,
    pub(crate) revision: Arc<str>,
}

impl Followed {
    pub(crate) fn by(source: &ApplicationSource, project: &str) -> Self {
        Self { place: Place::new(&source.repo_url, project), revision: source.revision().into() }
    }
}

/// What was read of one source, at which commit.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) followed: Followed,
    pub(crate) commit: &'a str,
    pub(crate) reads: Vec<&'a ReadSet>,
}

/// The index of one controller.
#[derive(Debug, Default)]
pub(crate) struct Readers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    repositories: HashMap<Place, Repository>,
    applications: HashMap<AppKey, Entered>,
}

/// Where an Application stands in the index.
#[derive(Debug, Default)]
struct Entered {
    places: Vec<Place>,
    /// The paths that it read, in the order of its sources.
    paths: Vec<Read>,
}

type Read = (Followed, Box<[Arc<str>]>);

#[derive(Debug, Default)]
struct Repository {
    unproven: HashSet<AppKey>,
    branches: HashMap<Arc<str>, Branch>,
}

#[derive(Debug, Default)]
struct Branch {
    /// The commit at which the proven ones are.
    head: String,
    proven: HashSet<AppKey>,
    readers: BTreeSet<(Arc<str>, AppKey)>,
}

impl Readers {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before an Application is looked at: from now on every push to `places` concerns it. The answer is the heads at
    /// which it was proven; empty if it was not.
    pub(crate) fn take(&self, key: &AppKey, places: &[Place]) -> Vec<(Followed, String)> {
        let mut state = self.state();
        let heads = state.heads_of(key);
        state.withdraw(key);
        state.open(key, places);
        heads
    }

    /// After an Application was looked at: it is proven where it was seen, unless the branch is elsewhere. Then the push
    /// that moved the branch was told already, or will be told, and concerns it.
    pub(crate) fn put(&self, key: &AppKey, places: &[Place], readings: &[Reading<'_>]) {
        let mut state = self.state();
        state.withdraw(key);
        state.enter(key, places.to_vec(), paths(readings));
        let agree = |a: &Reading<'_>| readings.iter().all(|b| a.followed != b.followed || a.commit == b.commit);
        if readings.iter().all(|reading| agree(reading) && state.is_at(reading)) {
            state.prove(key, readings);
        }
    }

    /// The commit of its first source at which the Application is known to be what its status says.
    pub(crate) fn proven_at(&self, key: &AppKey) -> Option<String> {
        self.state().heads_of(key).into_iter().next().map(|(_, head)| head)
    }

    pub(crate) fn forget(&self, key: &AppKey) {
        let mut state = self.state();
        state.withdraw(key);
        state.enter(key, Vec::new(), Vec::new());
        state.applications.remove(key);
    }

    /// Whether any Application uses the repository.
    pub(crate) fn uses(&self, place: &Place) -> bool {
        self.state().repositories.contains_key(place)
    }

    /// Where the proven ones are.
    fn heads(&self, place: &Place) -> Vec<(Arc<str>, String)> {
        let state = self.state();
        let branches = state.repositories.get(place).into_iter().flat_map(|repository| &repository.branches);
        let followed = branches.filter(|(_, branch)| !branch.proven.is_empty());
        followed.map(|(revision, branch)| (Arc::clone(revision), branch.head.clone())).collect()
    }

    fn unproven(&self, place: &Place) -> Vec<AppKey> {
        let state = self.state();
        state.repositories.get(place).into_iter().flat_map(|repository| &repository.unproven).cloned().collect()
    }

    /// The branch went from one commit to another, between which these paths differ (`None`: that is not known). The
    /// answer is whom that concerns; all others are proven at the new one.
    fn moved(&self, followed: &Followed, from: &str, to: &str, differing: Option<&[String]>) -> Vec<AppKey> {
        let mut state = self.state();
        let Some(branch) = state.branch(followed).filter(|branch| branch.head != to) else { return Vec::new() };
        let concerned = match differing.filter(|_| branch.head == from) {
            Some(paths) => branch.proven_readers(paths),
            None => branch.proven.iter().cloned().collect(),
        };
        to.clone_into(&mut branch.head);
        concerned.iter().for_each(|key| state.withdraw(key));
        concerned.into_iter().collect()
    }
}

/// Two sources that follow the same are one.
fn paths(readings: &[Reading<'_>]) -> Vec<Read> {
    let mut all: Vec<(&Followed, BTreeSet<Arc<str>>)> = Vec::new();
    for reading in readings {
        let read = reading.reads.iter().flat_map(|reads| reads.0.keys().cloned());
        match all.iter_mut().find(|(followed, _)| **followed == reading.followed) {
            Some((_, paths)) => paths.extend(read),
            None => all.push((&reading.followed, read.collect())),
        }
    }
    all.into_iter().map(|(followed, paths)| (followed.clone(), paths.into_iter().collect())).collect()
}

impl Branch {
    fn proven_readers(&self, paths: &[String]) -> BTreeSet<AppKey> {
        let least = AppKey::new("", "");
        let mut found = BTreeSet::new();
        for path in paths {
            let from = (Arc::from(path.as_str()), least.clone());
            let readers = self.readers.range(from..).take_while(|(read, _)| **read == **path);
            found.extend(readers.map(|(_, key)| key).filter(|key| self.proven.contains(*key)).cloned());
        }
        found
    }
}

impl State {
    fn branch(&mut self, followed: &Followed) -> Option<&mut Branch> {
        self.repositories.get_mut(&followed.place)?.branches.get_mut(&followed.revision)
    }

    /// Empty unless it is proven.
    fn heads_of(&self, key: &AppKey) -> Vec<(Followed, String)> {
        let read = self.applications.get(key).into_iter().flat_map(|entered| &entered.paths);
        let head = |(followed, _): &Read| {
            let branch = self.repositories.get(&followed.place)?.branches.get(&followed.revision)?;
            branch.proven.contains(key).then(|| (followed.clone(), branch.head.clone()))
        };
        read.filter_map(head).collect()
    }

    /// It is not proven any more.
    fn withdraw(&mut self, key: &AppKey) {
        let Some(entered) = self.applications.get(key) else { return };
        for place in &entered.places {
            self.repositories.entry(place.clone()).or_default().unproven.insert(key.clone());
        }
        for (followed, _) in &entered.paths {
            let repository = self.repositories.get_mut(&followed.place);
            let branch = repository.and_then(|repository| repository.branches.get_mut(&followed.revision));
            branch.map(|branch| branch.proven.remove(key));
        }
    }

    /// Pushes to these places concern it, too.
    fn open(&mut self, key: &AppKey, places: &[Place]) {
        let entered = self.applications.entry(key.clone()).or_default();
        for place in places {
            if !entered.places.contains(place) {
                entered.places.push(place.clone());
                self.repositories.entry(place.clone()).or_default().unproven.insert(key.clone());
            }
        }
    }

    /// Whether the branch is where it was read, or nobody says where it is.
    fn is_at(&mut self, reading: &Reading<'_>) -> bool {
        let branch = self.branch(&reading.followed);
        branch.is_none_or(|branch| branch.proven.is_empty() || branch.head == reading.commit)
    }

    fn prove(&mut self, key: &AppKey, readings: &[Reading<'_>]) {
        for reading in readings {
            let repository = self.repositories.entry(reading.followed.place.clone()).or_default();
            repository.unproven.remove(key);
            let branch = repository.branches.entry(Arc::clone(&reading.followed.revision)).or_default();
            reading.commit.clone_into(&mut branch.head);
            branch.proven.insert(key.clone());
        }
    }

    /// Makes these the places and the paths of an Application, which is not proven by that.
    fn enter(&mut self, key: &AppKey, places: Vec<Place>, paths: Vec<Read>) {
        let old = self.applications.remove(key).unwrap_or_default();
        if old.paths != paths {
            old.paths.iter().for_each(|read| self.unread(key, read));
            paths.iter().for_each(|read| self.read(key, read));
        }
        for gone in old.places.iter().filter(|place| !places.contains(place)) {
            if let Some(repository) = self.repositories.get_mut(gone) {
                repository.unproven.remove(key);
                if repository.unproven.is_empty() && repository.branches.is_empty() {
                    self.repositories.remove(gone);
                }
            }
        }
        self.open(key, &places);
        self.applications.insert(key.clone(), Entered { places, paths });
    }

    fn read(&mut self, key: &AppKey, (followed, paths): &Read) {
        let repository = self.repositories.entry(followed.place.clone()).or_default();
        let branch = repository.branches.entry(Arc::clone(&followed.revision)).or_default();
        branch.readers.extend(paths.iter().map(|path| (Arc::clone(path), key.clone())));
    }

    fn unread(&mut self, key: &AppKey, (followed, paths): &Read) {
        let Some(branch) = self.branch(followed) else { return };
        for path in paths {
            branch.readers.remove(&(Arc::clone(path), key.clone()));
        }
        if branch.readers.is_empty() && branch.proven.is_empty() {
            let repository = self.repositories.get_mut(&followed.place);
            repository.map(|repository| repository.branches.remove(&followed.revision));
        }
    }
}

/// Wakes the Applications that what a repository told concerns; those that are not proven only if that is `news`.
pub(crate) async fn told(cx: &Context, place: &Place, remote: &dyn Remote, news: bool) {
    let mut known: HashMap<(String, String), Option<Vec<String>>> = HashMap::new();
    for (revision, from) in cx.readers.heads(place) {
        // a branch that is gone concerns all who follow it
        let to = remote.resolve(&revision).await.unwrap_or_default();
        if to == from {
            continue;
        }
        let move_ = (from, to);
        if !known.contains_key(&move_) {
            let differing = differing(remote, &move_).await;
            known.insert(move_.clone(), differing);
        }
        let followed = Followed { place: place.clone(), revision };
        let readers = cx.readers.moved(&followed, &move_.0, &move_.1, known[&move_].as_deref());
        cx.hear(&News::Moved { readers });
    }
    if news {
        cx.hear(&News::Told { unproven: cx.readers.unproven(place) });
    }
}

/// The paths that differ between two commits; `None` where a commit is not there any more.
async fn differing(remote: &dyn Remote, (from, to): &(String, String)) -> Option<Vec<String>> {
    let (old, new) = (remote.tree(from).await.ok()?, remote.tree(to).await.ok()?);
    tokio::task::spawn_blocking(move || object::differences(&old, &new).ok()).await.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{FileTree, MemoryTree};

    const PROJECT: &str = "default";

    fn place() -> Place {
        Place::new("https://example.com/r.git", PROJECT)
    }

    fn followed(revision: &str) -> Followed {
        Followed { place: place(), revision: revision.into() }
    }

    fn key(name: usize) -> AppKey {
        AppKey::new("argocd", &name.to_string())
    }

    fn put(readers: &Readers, name: usize, revision: &str, commit: &str, reads: &ReadSet) {
        let reading = Reading { followed: followed(revision), commit, reads: vec![reads] };
        readers.put(&key(name), &[place()], &[reading]);
    }

    fn reads(paths: &[&str]) -> ReadSet {
        let tree = MemoryTree::default().tree();
        paths.iter().for_each(|path| drop(tree.entry(path)));
        tree.reads()
    }

    /// A linear congruence is random enough, and the same everywhere.
    fn random(seed: &mut u64, below: usize) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*seed >> 33).unwrap() % below
    }

    const FOLDERS: [&str; 4] = ["a", "b", "b/c", "d"];
    const FILES: [&str; 4] = ["x", "y", "z", "w/v"];

    fn any_path(seed: &mut u64) -> String {
        format!("{}/{}", FOLDERS[random(seed, 4)], FILES[random(seed, 4)])
    }

    fn any_tree(seed: &mut u64) -> FileTree {
        let files = 0..random(seed, 12);
        let files = files.map(|_| (any_path(seed), random(seed, 2).to_string())).collect::<Vec<_>>();
        files.iter().fold(MemoryTree::default(), |tree, (path, text)| tree.file(path, text)).tree()
    }

    /// What an Application reads of a tree: files, folders, and what is not there.
    fn render(seed: &mut u64, tree: &FileTree) -> ReadSet {
        let tree = tree.fresh();
        for _ in 0..random(seed, 4) {
            tree.read(&any_path(seed)).unwrap();
            if random(seed, 3) == 0 {
                tree.list(FOLDERS[random(seed, 4)]).unwrap();
            }
        }
        tree.reads()
    }

    /// Commits of random trees come one after another. Told is exactly who read something that is not as it was.
    #[test]
    fn a_push_concerns_exactly_those_whose_reads_do_not_hold() {
        let mut seed = 11;
        let (mut concerned, mut left_alone) = (0, 0);
        for _ in 0..60 {
            let readers = Readers::default();
            let mut tree = any_tree(&mut seed);
            let mut all: Vec<ReadSet> = (0..12).map(|_| render(&mut seed, &tree)).collect();
            all.iter().enumerate().for_each(|(name, reads)| put(&readers, name, "main", "0", reads));
            for commit in 1..8 {
                let (from, to) = ((commit - 1).to_string(), commit.to_string());
                let next = tree.with_file(&any_path(&mut seed), random(&mut seed, 2).to_string().into_bytes());
                let next = if random(&mut seed, 6) == 0 { any_tree(&mut seed) } else { next };
                let differing = object::differences(&tree, &next).unwrap();
                let told = readers.moved(&followed("main"), &from, &to, Some(&differing));
                for (name, reads) in all.iter_mut().enumerate() {
                    let holds = reads.holds_in(&next);
                    assert_eq!(told.contains(&key(name)), !holds, "{name} at {to}: {reads:?} {differing:?}");
                    let expected = holds.then(|| to.clone());
                    assert_eq!(readers.proven_at(&key(name)), expected, "{name} at {to}");
                    if holds {
                        left_alone += 1;
                    } else {
                        concerned += 1;
                        *reads = render(&mut seed, &next);
                        put(&readers, name, "main", &to, reads);
                    }
                }
                tree = next;
            }
        }
        assert!(concerned > 500 && left_alone > 500, "{concerned} were told, {left_alone} were not");
    }

    #[test]
    fn who_is_looked_at_during_a_push_is_told() {
        let readers = Readers::default();
        let moved = |from, to, paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
            readers.moved(&followed("main"), from, to, Some(&paths))
        };
        // its first look: nothing is known of it yet
        readers.take(&key(1), &[place()]);
        assert_eq!(readers.unproven(&place()), [key(1)]);
        put(&readers, 1, "main", "A", &reads(&["a"]));
        put(&readers, 2, "main", "A", &reads(&["b"]));
        assert_eq!(readers.unproven(&place()), []);
        assert_eq!(readers.take(&key(1), &[place()]), [(followed("main"), "A".to_owned())]);
        assert_eq!(moved("A", "B", &["a"]), [], "1 is not proven: it is told as such");
        assert_eq!((readers.unproven(&place()), readers.proven_at(&key(2))), (vec![key(1)], Some("B".to_owned())));
        // what it saw is old by now: the look that it was told of comes
        put(&readers, 1, "main", "A", &reads(&["a"]));
        assert_eq!((readers.unproven(&place()), readers.proven_at(&key(1))), (vec![key(1)], None));
        put(&readers, 1, "main", "B", &reads(&["a"]));
        assert_eq!(moved("B", "C", &["a", "x"]), [key(1)]);
        assert_eq!(moved("B", "C", &["a", "b"]), [], "told once");
    }

    #[test]
    fn what_is_not_known_concerns_all_and_what_is_gone_nobody() {
        let readers = Readers::default();
        put(&readers, 1, "main", "A", &reads(&["a"]));
        put(&readers, 2, "release", "A", &reads(&["a"]));
        put(&readers, 3, "main", "A", &reads(&["b"]));
        readers.put(&key(4), &[place()], &[]);
        assert_eq!((readers.unproven(&place()), readers.proven_at(&key(4))), (vec![key(4)], None));
        assert_eq!(readers.heads(&place()).len(), 2);
        assert_eq!(readers.moved(&followed("main"), "A", "B", None), [key(1), key(3)]);
        assert_eq!(readers.proven_at(&key(2)), Some("A".to_owned()), "it follows another branch");
        for name in 1..=4 {
            assert!(readers.uses(&place()));
            readers.forget(&key(name));
        }
        assert!(!readers.uses(&place()));
    }

    #[test]
    fn all_sources_have_to_be_where_they_were_seen() {
        let readers = Readers::default();
        let (one, two) = (reads(&["a"]), reads(&["b"]));
        let look = |commits: [&str; 2], revisions: [&str; 2]| {
            let reading = |i: usize, reads| {
                let (followed, commit) = (followed(revisions[i]), commits[i]);
                Reading { followed, commit, reads: vec![reads] }
            };
            readers.put(&key(1), &[place()], &[reading(0, &one), reading(1, &two)]);
            readers.proven_at(&key(1))
        };
        assert_eq!(look(["A", "B"], ["main", "main"]), None, "two commits of one branch");
        assert_eq!(look(["A", "A"], ["main", "main"]), Some("A".to_owned()));
        assert_eq!(readers.moved(&followed("main"), "A", "B", Some(&["b".to_owned()])), [key(1)]);
        assert_eq!(look(["B", "C"], ["main", "release"]), Some("B".to_owned()));
        put(&readers, 2, "release", "C", &reads(&["c"]));
        assert_eq!(readers.moved(&followed("release"), "C", "D", Some(&["b".to_owned()])), [key(1)]);
        assert_eq!(look(["B", "C"], ["main", "release"]), None, "release is at D");
    }
}
