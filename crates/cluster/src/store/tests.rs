use std::sync::atomic::{AtomicUsize, Ordering};

use object::GroupKind;
use serde_json::json;

use super::*;
use crate::Cause;

/// A thing with an owner; one without cannot be read.
#[derive(Debug, PartialEq, Eq)]
struct Thing {
    name: String,
    owner: String,
}

/// How many things were read.
static READS: AtomicUsize = AtomicUsize::new(0);

const BY_OWNER: Index<Thing> = Index::new("owner", |thing| vec![thing.owner.clone()]);

impl Kind for Thing {
    const INDEXES: &'static [Index<Self>] = &[BY_OWNER];

    fn group_kind() -> GroupKind {
        GroupKind::new("test", "Thing")
    }

    fn read(object: LiveObject) -> Result<Self, String> {
        READS.fetch_add(1, Ordering::Relaxed);
        let owner = object.label("owner").ok_or("it has no owner")?.to_owned();
        Ok(Self { name: object.name().to_owned(), owner })
    }
}

fn thing(namespace: &str, name: &str, uid: &str, version: u32, owner: Option<&str>) -> LiveObject {
    let labels = owner.map(|owner| json!({ "owner": owner }));
    let metadata = json!({"namespace": namespace, "name": name, "uid": uid, "resourceVersion": version.to_string(),
        "labels": labels});
    LiveObject::new(json!({"apiVersion": "test/v1", "kind": "Thing", "metadata": metadata})).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Fed by one watch for each namespace.
fn store(namespaces: &[&str]) -> Store<Thing> {
    let store = Store::default();
    let scopes = namespaces.iter().map(|namespace| Scope::namespaced(Thing::group_kind(), *namespace));
    store.0.state().watches = scopes.map(Watched::new).collect();
    store
}

impl Store<Thing> {
    fn take(&self, event: WatchEvent) {
        self.0.take(0, event, at(0));
    }

    fn owner(&self, name: &str) -> Option<String> {
        self.get("a", name).map(|thing| thing.owner.clone())
    }

    fn of(&self, owner: &str) -> Vec<String> {
        self.by(&BY_OWNER, owner).iter().map(|thing| thing.name.clone()).collect()
    }
}

fn mine(name: &str, version: u32, owner: &str) -> LiveObject {
    thing("a", name, name, version, Some(owner))
}

fn listed(at: u128, objects: Vec<LiveObject>) -> WatchEvent {
    WatchEvent::Listed { objects, at }
}

/// `old->new` by their owners.
fn told(changes: &mut mpsc::UnboundedReceiver<Change<Thing>>) -> Vec<String> {
    let owner = |thing: &Option<Arc<Thing>>| thing.as_ref().map_or("", |thing| thing.owner.as_str()).to_owned();
    let mut told = Vec::new();
    while let Ok(change) = changes.try_recv() {
        told.push(format!("{} {}->{}", change.key.name, owner(&change.old), owner(&change.new)));
    }
    told
}

#[test]
fn the_newer_version_wins_wherever_it_comes_from() {
    let store = store(&["a"]);
    let mut changes = store.changes();
    store.take(listed(0, vec![mine("x", 10, "first")]));
    assert_eq!(store.note(mine("x", 12, "ours")).unwrap().owner, "ours");
    store.take(WatchEvent::Applied(mine("x", 11, "older")));
    assert_eq!(store.owner("x").as_deref(), Some("ours"), "an older event");
    store.take(listed(0, vec![mine("x", 11, "older")]));
    assert_eq!(store.owner("x").as_deref(), Some("ours"), "an older list");
    store.take(WatchEvent::Applied(mine("x", 13, "theirs")));
    assert_eq!(store.note(mine("x", 12, "ours")).unwrap().owner, "theirs", "an older note");
    assert_eq!(told(&mut changes), ["x ->first", "x first->ours", "x ours->theirs"]);
    assert_eq!(store.revision(), 3);
}

#[test]
fn a_namesake_is_another_object() {
    let store = store(&["a"]);
    store.take(listed(0, vec![thing("a", "x", "one", 10, Some("one"))]));
    store.note(thing("a", "x", "two", 15, Some("two")));
    store.take(WatchEvent::Deleted(thing("a", "x", "one", 14, Some("one"))));
    assert_eq!(store.owner("x").as_deref(), Some("two"), "the one that went is not this one");
    store.take(WatchEvent::Applied(thing("a", "x", "two", 15, Some("two"))));
    store.take(WatchEvent::Applied(thing("a", "x", "two", 16, None)));
    assert_eq!(store.unreadable()[0].last.as_ref().unwrap().owner, "two");
    store.take(WatchEvent::Applied(thing("a", "x", "three", 17, None)));
    assert_eq!(store.unreadable()[0].last, None, "it never could be read");
    store.take(WatchEvent::Deleted(thing("a", "x", "three", 18, None)));
    assert!(!store.exists("a", "x"));
    // the answer to a write that the watch has told of, and of the end as well
    assert_eq!(store.note(thing("a", "x", "three", 17, Some("three"))).unwrap().owner, "three");
    assert!(!store.exists("a", "x"));
}

#[test]
fn a_list_drops_what_is_gone_in_its_own_scope() {
    let store = store(&["a", "b"]);
    store.take(listed(0, vec![mine("x", 1, "me"), mine("y", 2, "me")]));
    assert!(!*store.0.ready.borrow());
    store.0.take(1, listed(0, vec![thing("b", "z", "z", 3, Some("me"))]), at(0));
    assert!(*store.0.ready.borrow());
    let mut changes = store.changes();
    assert_eq!(told(&mut changes), ["x ->me", "y ->me", "z ->me"]);
    store.take(listed(0, vec![mine("y", 2, "me")]));
    assert_eq!(told(&mut changes), ["x me->"]);
    assert_eq!(store.of("me"), ["y", "z"]);
}

/// A write that the list is too old for.
#[test]
fn a_list_does_not_drop_what_came_after_it() {
    let store = store(&["a"]);
    store.take(listed(5, vec![mine("x", 1, "me"), mine("y", 2, "me")]));
    store.note(mine("z", 9, "me"));
    store.take(listed(8, vec![mine("y", 2, "me")]));
    assert_eq!(store.of("me"), ["y", "z"]);
    store.take(listed(10, vec![mine("y", 2, "me")]));
    assert_eq!(store.of("me"), ["y"]);
}

#[test]
fn a_late_note_of_what_a_list_does_not_have_is_no_ghost() {
    let store = store(&["a"]);
    store.take(listed(20, vec![mine("y", 2, "me")]));
    assert_eq!(store.note(mine("x", 15, "me")).unwrap().owner, "me", "as it was written");
    assert!(!store.exists("a", "x"), "it was deleted before the list");
    store.note(mine("z", 21, "me"));
    assert_eq!(store.of("me"), ["y", "z"]);
}

#[test]
fn a_server_that_was_restored_is_believed() {
    let store = store(&["a", "b"]);
    store.0.take(1, listed(20, vec![thing("b", "other", "other", 19, Some("me"))]), at(0));
    store.take(listed(20, vec![mine("stays", 15, "later"), mine("gone", 19, "me")]));
    store.note(mine("ours", 25, "me"));
    store.take(listed(10, vec![mine("stays", 8, "earlier")]));
    assert_eq!(store.of("me"), ["other"], "each watch for itself");
    assert_eq!(store.owner("stays").as_deref(), Some("earlier"));
    store.take(WatchEvent::Applied(mine("stays", 11, "now")));
    assert_eq!(store.owner("stays").as_deref(), Some("now"));
    store.note(mine("new", 12, "me"));
    assert_eq!(store.of("me"), ["new", "other"]);
}

#[test]
fn what_cannot_be_read_is_not_there_and_says_why() {
    let store = store(&["a"]);
    let mut changes = store.changes();
    store.take(listed(0, vec![mine("x", 1, "me")]));
    store.take(WatchEvent::Applied(thing("a", "x", "x", 2, None)));
    assert_eq!((store.owner("x"), store.of("me").len(), store.all().len()), (None, 0, 0));
    assert_eq!((store.exists("a", "x"), store.len()), (true, 1));
    assert_eq!(store.why_unreadable("a", "x").as_deref(), Some("it has no owner"));
    let last = store.unreadable().pop().and_then(|unreadable| unreadable.last);
    assert_eq!(last.map(|thing| thing.owner.clone()).as_deref(), Some("me"));
    store.take(WatchEvent::Applied(mine("x", 3, "me")));
    assert_eq!((store.owner("x").as_deref(), store.unreadable().len()), (Some("me"), 0));
    assert_eq!(told(&mut changes), ["x ->me", "x me->", "x ->me"]);
}

#[test]
fn an_index_follows_changes() {
    let store = store(&["a"]);
    store.take(listed(0, vec![mine("x", 1, "me"), mine("y", 2, "me"), mine("z", 3, "you")]));
    assert_eq!((store.of("me"), store.of("you")), (vec!["x".to_owned(), "y".to_owned()], vec!["z".to_owned()]));
    store.note(mine("x", 4, "you"));
    store.take(WatchEvent::Deleted(mine("y", 5, "me")));
    assert_eq!((store.of("me"), store.of("you")), (vec![], vec!["x".to_owned(), "z".to_owned()]));
    store.take(WatchEvent::Applied(mine("a", 6, "your")));
    let begin = |prefix: &str| store.beginning(&BY_OWNER, prefix).iter().map(|t| t.name.clone()).collect::<Vec<_>>();
    assert_eq!(
        (begin("you"), begin("your"), begin("z")),
        (vec!["a".into(), "x".into(), "z".into()], vec!["a".into()], vec![])
    );
    assert_eq!(told(&mut store.changes()), ["a ->your", "x ->you", "z ->you"]);
}

#[test]
fn a_watch_counts_from_its_last_break() {
    let store = store(&["a", "b"]);
    let lost = || {
        WatchEvent::Lost(ClusterError::Unreachable { object: "x".into(), cause: Cause::Broken, message: "gone".into() })
    };
    for (watch, event, second, since) in [
        (0, listed(0, vec![]), 1, None),
        (1, listed(0, vec![]), 2, Some(2)),
        (0, WatchEvent::Applied(mine("x", 1, "me")), 3, Some(2)),
        (1, lost(), 4, None),
        (1, WatchEvent::Resumed, 5, Some(5)),
        (0, listed(0, vec![]), 6, Some(6)),
    ] {
        store.0.take(watch, event, at(second));
        assert_eq!(store.since(), since.map(at), "at {second}");
    }
}

#[test]
fn a_kind_that_is_not_installed_has_no_objects() {
    let store = store(&["a"]);
    store.take(WatchEvent::Lost(ClusterError::Unreachable {
        object: "x".into(),
        cause: Cause::Broken,
        message: "gone".into(),
    }));
    assert!(!*store.0.ready.borrow());
    store.take(WatchEvent::Lost(ClusterError::UnknownKind { kind: "Thing".into(), hint: String::new() }));
    assert!(*store.0.ready.borrow());
    assert_eq!(store.since(), None);
}

#[test]
fn another_list_costs_what_it_changes() {
    let store = store(&["a"]);
    // with a scan for each object this would take minutes
    let all = |changed: u32| -> Vec<LiveObject> {
        let version = |number| if number < changed { 50_000 } else { number + 1 };
        (0..30_000).map(|number| mine(&number.to_string(), version(number), "me")).collect()
    };
    store.take(listed(0, all(0)));
    let (before, mut changes) = (READS.load(Ordering::Relaxed), store.changes());
    told(&mut changes);
    let mut list = all(3);
    list.truncate(29_999);
    store.take(listed(0, list));
    assert_eq!(told(&mut changes).len(), 4);
    // tests beside this one read a few as well
    assert!(READS.load(Ordering::Relaxed) - before < 100);
    assert_eq!(store.len(), 29_999);
}
