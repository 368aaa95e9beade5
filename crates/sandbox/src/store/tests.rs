use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use clock::ManualClock;

use super::journal::Medium;
use super::record::Record;
use super::*;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn clock() -> ManualClock {
    ManualClock::starting_at(now())
}

fn key(name: &str) -> Key {
    Key::new("configmaps", "a", name)
}

fn try_put(store: &Store, name: &str, text: &str) -> Result<(), NotStored> {
    let value = json!({ "metadata": { "name": name }, "data": text });
    store.transact(&clock(), |t| Ok(t.put(key(name), value))).map(drop)
}

fn put(store: &Store, name: &str, text: &str) {
    try_put(store, name, text).unwrap();
}

fn remove(store: &Store, name: &str) {
    store.transact(&clock(), |t| Ok::<_, NotStored>(t.remove(&key(name)))).unwrap();
}

fn texts(list: &[Arc<Value>]) -> Vec<String> {
    list.iter().map(|v| v["data"].as_str().unwrap().to_owned()).collect()
}

fn all(store: &Store) -> Vec<String> {
    texts(&store.list("configmaps", "").0)
}

fn open(folder: &Path) -> Result<Store, StoreError> {
    Store::open(folder, OnDamage::Refuse)
}

/// A folder with a journal that has a first state and some changes since.
fn written() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    put(&store, "x", "1");
    put(&store, "y", "1");
    renew(&store);
    put(&store, "x", "2");
    remove(&store, "y");
    store.note_time(now()).unwrap();
    put(&store, "z", "1");
    drop(store);
    let path = folder.path().join("objects.journal");
    (folder, path)
}

fn renew(store: &Store) {
    let state = store.state();
    let whole = journal::State { objects: state.objects.clone(), revision: state.revision };
    store.journal.as_ref().unwrap().lock().unwrap().renew(&whole).unwrap();
}

#[test]
fn earlier_versions_can_be_listed_until_they_are_forgotten() {
    let store = Store::in_memory();
    put(&store, "x", "1");
    put(&store, "y", "1");
    let then = store.revision();
    put(&store, "x", "2");
    remove(&store, "y");
    put(&store, "z", "1");
    assert_eq!(texts(&store.list("configmaps", "a").0), ["2", "1"]);
    assert_eq!(texts(&store.list_at("configmaps", "", then).unwrap()), ["1", "1"]);
    let kinds: Vec<(bool, bool)> =
        store.changes(then, 10).unwrap().iter().map(|c| (c.previous.is_some(), c.current.is_some())).collect();
    assert_eq!(kinds, [(true, true), (true, false), (false, true)]);
    store.compact();
    assert!(store.list_at("configmaps", "", then).is_none() && store.changes(then, 1).is_none());
    assert_eq!(store.list("secrets", "").0.len(), 0);
}

#[test]
fn a_write_that_was_cut_off_anywhere_is_as_if_it_had_never_been() {
    let (folder, path) = written();
    let whole = std::fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').map(|at| at + 1).collect();
    let states: [(&[&str], u64); 5] = [(&["1", "1"], 2), (&["2", "1"], 3), (&["2"], 4), (&["2"], 4), (&["2", "1"], 5)];
    // head, two objects, and four records since
    let near = |cut: &usize| cut.is_multiple_of(9) || ends.iter().any(|end| end.abs_diff(*cut) < 3);
    for cut in (ends[2]..=whole.len()).filter(near) {
        for tail in [&[][..], &[0; 100][..]] {
            std::fs::write(&path, [&whole[..cut], tail].concat()).unwrap();
            // a line that only lacks its end says all that it has to say
            let (expected, version) = states[ends.iter().filter(|end| **end <= cut + 1).count() - 3];
            let store = open(folder.path()).unwrap();
            assert_eq!(
                (all(&store), store.revision()),
                (expected.iter().map(|t| t.to_string()).collect(), FIRST + version)
            );
            put(&store, "w", "9");
            assert_eq!(store.revision(), FIRST + version + 1);
            drop(store);
            assert_eq!(all(&open(folder.path()).unwrap()).len(), expected.len() + 1, "cut at {cut}");
        }
    }
}

#[test]
fn every_flipped_byte_is_reported_or_changes_nothing() {
    let (folder, path) = written();
    let whole = std::fs::read(&path).unwrap();
    let expected = all(&open(folder.path()).unwrap());
    for at in 0..whole.len() {
        let flips = if whole[at] == b'\n' { &[0x0a, 0x20][..] } else { &[[0x01, 0x20, 0xff][at % 3]] };
        for flip in flips {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            std::fs::write(&path, &bytes).unwrap();
            match open(folder.path()) {
                Ok(store) => assert_eq!(all(&store), expected, "byte {at} ^ {flip:x}"),
                Err(StoreError::Damaged { path: named, at: begins, .. }) => {
                    let record = usize::try_from(begins).unwrap();
                    let end = record + whole[record..].iter().position(|byte| *byte == b'\n').unwrap();
                    assert!(named == path && (record..=end).contains(&at), "byte {at} ^ {flip:x}: {begins}");
                    assert_eq!(std::fs::read(&path).unwrap(), bytes, "nothing is changed");
                }
                Err(other) => panic!("byte {at} ^ {flip:x}: {other}"),
            }
        }
    }
}

#[test]
fn parts_that_are_missing_are_noticed() {
    let (folder, path) = written();
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let refused = |text: String, why: &str| {
        std::fs::write(&path, text).unwrap();
        let error = open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("--recover") && error.contains("objects.journal"), "{error}");
    };
    refused(String::new(), "there is no beginning");
    refused(lines[1..].concat(), "there is no beginning");
    refused(lines[..2].concat(), "1 objects should follow");
    refused([&lines[..3], &lines[4..]].concat().concat(), "version 1004 follows on 1002");
    refused([&lines[..], &lines[..1]].concat().concat(), "a second beginning");
    let error = {
        std::fs::write(&path, lines.concat()).unwrap();
        let newer = Record::Head { format: 9, revision: 1, objects: 0, reached: None };
        let mut bytes = Vec::new();
        newer.write(&mut bytes).unwrap();
        std::fs::write(&path, bytes).unwrap();
        Store::open(folder.path(), OnDamage::Recover).unwrap_err().to_string()
    };
    assert!(error.contains("use a newer gantline"), "{error}");
}

#[test]
fn a_recovery_keeps_what_is_whole_and_lists_what_is_not() {
    let (folder, path) = written();
    let whole = std::fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').map(|at| at + 1).collect();
    // in the record that changed x
    let damaged = {
        let mut bytes = whole.clone();
        bytes[ends[3] - 3] ^= 1;
        bytes
    };
    std::fs::write(&path, &damaged).unwrap();
    let store = Store::open(folder.path(), OnDamage::Recover).unwrap();
    assert_eq!(texts(&store.list("configmaps", "").0), ["1", "1"], "x as before, z as it is; y is not back");
    let [dropped] = store.dropped() else { panic!("{:?}", store.dropped()) };
    assert_eq!((dropped.from, dropped.to), (ends[2] as u64, ends[3] as u64));
    assert!(dropped.to_string().contains("about configmaps a/x"), "{dropped}");
    assert!(store.revision() > FIRST + 5, "a version that was lost is not given again");
    assert_eq!(std::fs::read(folder.path().join("objects.damaged-1")).unwrap(), damaged);
    put(&store, "w", "9");
    drop(store);
    assert_eq!(all(&open(folder.path()).unwrap()), ["9", "1", "1"]);
    // whatever the damage, it neither panics nor loses more than it says
    for at in (0..whole.len()).filter(|at| at % 41 == 0 || whole[*at] == b'\n') {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x11;
        std::fs::write(&path, &bytes).unwrap();
        let store = Store::open(folder.path(), OnDamage::Recover).unwrap();
        let lost: u64 = store.dropped().iter().map(|d| d.to - d.from).sum();
        let longest = ends.iter().zip([0].iter().chain(&ends)).map(|(to, from)| to - from).max().unwrap();
        assert!((1..=longest as u64).contains(&lost), "byte {at}: {lost}");
        drop(store);
        open(folder.path()).unwrap();
    }
}

#[test]
fn a_second_process_is_refused_and_told_who_is_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    put(&first, "x", "1");
    let error = open(folder.path()).unwrap_err();
    let lock = folder.path().join("lock");
    assert!(
        matches!(&error, StoreError::InUse { holder: Some(id), lock: named, .. } if *id == std::process::id() && *named == lock)
    );
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(first);
    assert_eq!(all(&open(folder.path()).unwrap()), ["1"]);
}

#[test]
fn the_time_that_was_reached_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let store = open(folder.path()).unwrap();
    assert_eq!(store.reached(), None);
    store.note_time(time("2026-03-01T00:00:00Z").unwrap()).unwrap();
    drop(store);
    let store = open(folder.path()).unwrap();
    assert_eq!(store.reached(), time("2026-03-01T00:00:00Z"));
    // a clock that was stopped properly is known exactly
    store.note_time(time("2026-02-01T00:00:00Z").unwrap()).unwrap();
    put(&store, "x", "1");
    drop(store);
    let store = open(folder.path()).unwrap();
    assert_eq!(store.reached(), time("2026-02-01T00:00:00Z"));
    // and never earlier than a write, also when the journal was written anew
    let later = time("2026-05-01T00:00:00Z").unwrap();
    store.transact(&ManualClock::starting_at(later), |t| Ok::<_, NotStored>(t.remove(&key("x")))).unwrap();
    renew(&store);
    drop(store);
    assert_eq!(open(folder.path()).unwrap().reached(), Some(later));
}

#[test]
fn a_store_of_before_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("objects.jsonl");
    let line = |name: &str, text: &str| {
        let object = json!({ "metadata": { "name": name, "creationTimestamp": "2026-07-01T00:00:00Z" }, "data": text });
        format!("{}\n", json!([1007, "configmaps", "a", name, object]))
    };
    let whole =
        ["[1004,\"\",\"\",\"\",null]\n", &line("x", "1"), &line("y", "1"), "[1009,\"configmaps\",\"a\",\"y\",null]\n"];
    std::fs::write(&old, [&whole.concat(), "[1010,\"conf"].concat()).unwrap();
    let store = open(folder.path()).unwrap();
    assert_eq!((all(&store), store.revision()), (vec!["1".to_owned()], 1009));
    assert_eq!(store.reached(), "2026-07-01T00:00:00Z".parse().ok());
    drop(store);
    assert!(!old.exists());
    assert_eq!(all(&open(folder.path()).unwrap()), ["1"]);
    // one with a hole is refused, and recovered where that is wanted
    std::fs::remove_file(folder.path().join("objects.journal")).unwrap();
    let broken = [whole[0], "[10x", whole[1], whole[2]].concat();
    std::fs::write(&old, &broken).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::Damaged { at: 21, .. })));
    assert_eq!(std::fs::read_to_string(&old).unwrap(), broken);
    let store = Store::open(folder.path(), OnDamage::Recover).unwrap();
    assert_eq!((all(&store), store.dropped().len()), (vec!["1".to_owned()], 1));
}

#[test]
fn files_are_for_one_user() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let store_folder = folder.path().join("cluster");
    put(&open(&store_folder).unwrap(), "x", "1");
    let files = ["objects.journal", "lock"].map(|name| store_folder.join(name));
    assert_eq!((mode(&store_folder), files.each_ref().map(|file| mode(file))), (0o700, [0o600; 2]));
    std::fs::set_permissions(&store_folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&files[0], std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = open(&store_folder).unwrap();
    assert_eq!((mode(&store_folder), mode(&files[0])), (0o700, 0o600));
    renew(&store);
    assert_eq!(mode(&files[0]), 0o600);
}

#[test]
fn writers_that_come_together_are_written_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let syncs = Arc::new(AtomicUsize::new(0));
    let faults = Arc::new(Faults { syncs: Arc::clone(&syncs), ..Faults::default() });
    break_disk(&store, &faults);
    std::thread::scope(|scope| {
        for writer in 0..16 {
            let store = &store;
            scope.spawn(move || (0..20).for_each(|n| put(store, &format!("{writer:02}-{n:02}"), "1")));
        }
    });
    assert_eq!(store.revision(), FIRST + 320);
    assert!(syncs.load(Ordering::Relaxed) < 320, "each write had the disk for itself");
    let versions: Vec<u64> = store.changes(FIRST, 1000).unwrap().iter().map(|change| change.revision).collect();
    assert_eq!(versions, (FIRST + 1..=FIRST + 320).collect::<Vec<_>>());
    drop(store);
    assert_eq!(all(&open(folder.path()).unwrap()).len(), 320);
}

#[test]
fn what_cannot_be_written_never_was() {
    for fault in [Fault::Half, Fault::Sync, Fault::SyncAndCut] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).unwrap();
        put(&store, "x", "1");
        put(&store, "y", "1");
        let faults = Arc::new(Faults::default());
        break_disk(&store, &faults);
        let (before, told) = (store.revision(), store.revisions());
        *faults.now.lock().unwrap() = Some(fault);
        let home = folder.path().to_owned();
        if fault != Fault::Half {
            // what cannot be trusted is written anew, and here that cannot be done either
            std::fs::rename(&home, home.with_extension("away")).unwrap();
        }
        for _ in 0..60 {
            let error = try_put(&store, "x", "2").unwrap_err().to_string();
            assert!(error.contains("objects.journal") && error.contains("cannot be written"), "{error}");
            let removed = store.transact(&clock(), |t| Ok::<_, NotStored>(t.remove(&key("y"))));
            assert!(removed.is_err() && store.note_time(now()).is_err());
        }
        assert_eq!((all(&store), store.revision()), (vec!["1".to_owned(), "1".to_owned()], before), "{fault:?}");
        assert!(store.changes(before, 10).unwrap().is_empty() && !told.has_changed().unwrap());
        *faults.now.lock().unwrap() = None;
        if fault != Fault::Half {
            std::fs::rename(home.with_extension("away"), &home).unwrap();
        }
        put(&store, "z", "1");
        assert_eq!(store.revision(), before + 1, "{fault:?}");
        drop(store);
        assert_eq!(all(&open(folder.path()).unwrap()), ["1", "1", "1"], "{fault:?}");
    }
}

#[test]
fn nobody_is_told_what_was_decided_on_a_write_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let faults = Arc::new(Faults::default());
    break_disk(&store, &faults);
    *faults.now.lock().unwrap() = Some(Fault::Half);
    let gate = Arc::clone(&faults.gate);
    let held = gate.lock().unwrap();
    let read = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| try_put(&store, "x", "1"));
        // the first is on its way to the disk; the second sees what it decided, and waits with it
        while !store.state().ahead.as_ref().unwrap().is_written() {
            std::thread::yield_now();
        }
        let second = scope.spawn(|| {
            store.transact(&clock(), |t| {
                read.store(
                    t.list("configmaps", "a").len() + usize::from(t.get(&key("x")).is_some()),
                    Ordering::Relaxed,
                );
                Ok::<_, NotStored>(())
            })
        });
        while read.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        assert!(store.get(&key("x")).is_none() && !second.is_finished());
        drop(held);
        assert!(first.join().unwrap().is_err() && second.join().unwrap().is_err());
    });
    assert_eq!((read.into_inner(), all(&store).len(), store.revision()), (2, 0, FIRST));
}

/// What goes wrong with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is full in the middle of a write.
    Half,
    /// What was written does not arrive.
    Sync,
    SyncAndCut,
}

#[derive(Debug, Default)]
struct Faults {
    now: Mutex<Option<Fault>>,
    /// Writes wait while somebody holds it.
    gate: Arc<Mutex<()>>,
    syncs: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Faulty {
    disk: Box<dyn Medium>,
    faults: Arc<Faults>,
}

fn break_disk(store: &Store, faults: &Arc<Faults>) {
    let faults = Arc::clone(faults);
    store.journal.as_ref().unwrap().lock().unwrap().wrap(|disk| Box::new(Faulty { disk, faults }));
}

impl Faulty {
    fn fails(&self, kinds: &[Fault]) -> io::Result<()> {
        match *self.faults.now.lock().unwrap() {
            Some(fault) if kinds.contains(&fault) => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl Medium for Faulty {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        drop(self.faults.gate.lock().unwrap());
        if self.fails(&[Fault::Half]).is_err() {
            self.disk.append(&bytes[..bytes.len() / 2])?;
        }
        self.fails(&[Fault::Half])?;
        self.disk.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.faults.syncs.fetch_add(1, Ordering::Relaxed);
        self.fails(&[Fault::Sync, Fault::SyncAndCut])?;
        self.disk.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.fails(&[Fault::SyncAndCut])?;
        self.disk.cut(length)
    }
}
