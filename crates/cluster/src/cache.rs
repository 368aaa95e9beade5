//! The live objects of the kinds that somebody asked for, kept as text and indexed by owner.

mod follow;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use object::{GroupKind, LiveObject, ResourceKey};
use serde_json::Value;
use tokio::sync::{broadcast, watch};

use self::follow::{Progress, Watches, follow};
use crate::{Bounds, Cause, Cluster, ClusterError};

/// Tells whom an object belongs to by what is written on the object itself; `None`: to nobody.
pub type Tracker = Arc<dyn Fn(&LiveObject) -> Option<Arc<str>> + Send + Sync>;

/// An object appeared, changed or went.
#[derive(Debug, Clone)]
pub struct Touch {
    pub key: Arc<ResourceKey>,
    /// Whom it or one of the objects above it belongs to, before or after the change.
    pub owners: Vec<Arc<str>>,
    pub deleted: bool,
}

/// Live objects of whole kinds. Bodies are kept for objects that belong to somebody or have an owner reference, and for
/// namespaces; of the others only the name is. Clones share the cache.
#[derive(Clone)]
pub struct LiveCache(Arc<Inner>);

impl fmt::Debug for LiveCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveCache").field("objects", &self.len()).finish_non_exhaustive()
    }
}

struct Inner {
    cluster: Cluster,
    tracker: Tracker,
    bounds: Bounds,
    state: Mutex<State>,
    touches: broadcast::Sender<Touch>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for kind in self.state.get_mut().unwrap_or_else(PoisonError::into_inner).kinds.values() {
            kind.task.abort();
        }
    }
}

#[derive(Default)]
struct State {
    kinds: HashMap<GroupKind, WatchedKind>,
    objects: HashMap<Arc<ResourceKey>, Entry>,
    by_uid: HashMap<Arc<str>, Arc<ResourceKey>>,
    /// Owner's uid to the objects that name it in ownerReferences.
    owned: HashMap<Arc<str>, HashSet<Arc<ResourceKey>>>,
    belonging: HashMap<Arc<str>, HashSet<Arc<ResourceKey>>>,
}

struct WatchedKind {
    progress: watch::Receiver<Watches>,
    task: tokio::task::AbortHandle,
    /// The newest resource version that each of its watches has delivered, by namespace.
    seen: BTreeMap<String, u128>,
}

struct Entry {
    uid: Arc<str>,
    version: u128,
    owners: Box<[Arc<str>]>,
    belongs_to: Option<Arc<str>>,
    /// JSON; empty when only the name is kept.
    body: Box<[u8]>,
}

impl LiveCache {
    pub fn new(cluster: Cluster, tracker: Tracker) -> Self {
        Self::within(cluster, tracker, Bounds::default(), broadcast::Sender::new(4096))
    }

    /// Of a part of the cluster; what happens there is told to a channel that others may share.
    pub fn within(cluster: Cluster, tracker: Tracker, bounds: Bounds, touches: broadcast::Sender<Touch>) -> Self {
        Self(Arc::new(Inner { cluster, tracker, bounds, state: Mutex::default(), touches }))
    }

    pub fn bounds(&self) -> &Bounds {
        &self.0.bounds
    }

    /// What happens from now on. A receiver that lags behind must look at everything again.
    pub fn touches(&self) -> broadcast::Receiver<Touch> {
        self.0.touches.subscribe()
    }

    /// Watches the kind from now on, and returns when its objects are here. What is out of bounds is not watched.
    ///
    /// # Errors
    /// When the kind is unknown, may not be read, or the server is gone. The watch goes on trying.
    pub async fn ensure(&self, kind: &GroupKind) -> Result<(), ClusterError> {
        self.ensure_where(kind, |_| true).await
    }

    /// As [`Self::ensure`], of the objects in these namespaces and of those that have none: that the kind may not be read
    /// elsewhere is no error.
    ///
    /// # Errors
    /// As there.
    pub async fn ensure_in(&self, kind: &GroupKind, namespaces: &BTreeSet<String>) -> Result<(), ClusterError> {
        self.ensure_where(kind, |place| namespaces.contains(place)).await
    }

    async fn ensure_where(&self, kind: &GroupKind, concerns: impl Fn(&str) -> bool) -> Result<(), ClusterError> {
        let places = match self.0.cluster.resource(kind).await {
            Ok(resource) => self.0.bounds.places(resource.namespaced),
            // a server that does not answer is watched all the same: so it is known since when it does not
            Err(error) if error.is_unreachable() && self.0.bounds == Bounds::default() => vec![String::new()],
            Err(error) => return Err(error),
        };
        if places.is_empty() {
            return Ok(());
        }
        let mut progress = self.watched(kind, places);
        let current = progress.wait_for(|watches| !matches!(watches.of(&concerns), Some(Progress::Starting))).await;
        match current.map(|watches| watches.of(&concerns)) {
            Ok(Some(Progress::Lost { error, .. })) => Err(error),
            Ok(_) => Ok(()),
            Err(_) => Err(ClusterError::Unreachable {
                object: kind.to_string(),
                cause: Cause::Broken,
                message: "shutting down".into(),
            }),
        }
    }

    fn watched(&self, kind: &GroupKind, places: Vec<String>) -> watch::Receiver<Watches> {
        let mut state = self.state();
        if let Some(known) = state.kinds.get(kind) {
            return known.progress.clone();
        }
        let (sender, progress) = watch::channel(Watches::starting(&places));
        let task = tokio::spawn(follow(Arc::downgrade(&self.0), kind.clone(), places, sender)).abort_handle();
        state.kinds.insert(kind.clone(), WatchedKind { progress: progress.clone(), task, seen: BTreeMap::new() });
        progress
    }

    /// Since when and why nothing is known of the cluster any more: no watch is current, and one was lost. A kind that
    /// the server does not have, or does not give, is no outage.
    pub fn outage(&self) -> Option<(Timestamp, ClusterError)> {
        let mut longest: Option<(Timestamp, ClusterError)> = None;
        for kind in self.state().kinds.values() {
            for progress in kind.progress.borrow().each() {
                match progress {
                    Progress::Current { .. } => return None,
                    Progress::Lost { since, error } if error.is_outage() => {
                        if longest.as_ref().is_none_or(|(first, _)| since < first) {
                            longest = Some((*since, error.clone()));
                        }
                    }
                    Progress::Lost { .. } | Progress::Starting => {}
                }
            }
        }
        longest
    }

    /// Since when all these kinds have been watched in the namespaces without a break; `None` while one of them is not.
    pub fn watched_since<'a>(
        &self,
        kinds: impl IntoIterator<Item = &'a GroupKind>,
        namespaces: impl Fn(&str) -> bool,
    ) -> Option<Timestamp> {
        let state = self.state();
        let since = kinds.into_iter().map(|kind| match state.kinds.get(kind)?.progress.borrow().of(&namespaces) {
            Some(Progress::Current { since }) => Some(since),
            Some(Progress::Starting | Progress::Lost { .. }) | None => None,
        });
        since.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// The kinds that are watched.
    pub fn kinds(&self) -> Vec<GroupKind> {
        self.state().kinds.keys().cloned().collect()
    }

    /// The object; asked of the server when its kind is not watched or only its name is kept.
    ///
    /// # Errors
    /// When the server had to be asked and does not answer as wanted.
    pub async fn get(&self, key: &ResourceKey) -> Result<Option<LiveObject>, ClusterError> {
        {
            let state = self.state();
            let current = state.kinds.get(&key.group_kind()).is_some_and(|kind| kind.is_current_in(&key.namespace));
            match state.objects.get(key) {
                Some(entry) if current && !entry.body.is_empty() => return Ok(entry.object()),
                None if current && self.0.bounds.contain(&key.namespace) => return Ok(None),
                _ => {}
            }
        }
        self.0.cluster.get(key).await
    }

    /// The object if it is kept here.
    pub fn peek(&self, key: &ResourceKey) -> Option<LiveObject> {
        self.state().objects.get(key)?.object()
    }

    /// Everything that belongs to `owner` by what is written on the objects, by key.
    pub fn belonging_to(&self, owner: &str) -> Vec<LiveObject> {
        let state = self.state();
        let keys = state.belonging.get(owner).into_iter().flatten();
        sorted(keys.filter_map(|key| state.objects.get(key)?.object()))
    }

    /// What is in a namespace and belongs to somebody, as far as its kinds are watched: to whom, and its key.
    pub fn inhabitants(&self, namespace: &str) -> Vec<(Arc<str>, ResourceKey)> {
        let state = self.state();
        let here = state.objects.iter().filter(|(key, _)| key.namespace == namespace);
        let mut found: Vec<_> =
            here.filter_map(|(key, entry)| Some((entry.belongs_to.clone()?, ResourceKey::clone(key)))).collect();
        found.sort();
        found
    }

    /// Everything that the objects own, directly or through others, by key. The objects themselves are left out.
    pub fn owned_by<'a>(&self, uids: impl IntoIterator<Item = &'a str>) -> Vec<LiveObject> {
        let state = self.state();
        let mut todo: Vec<Arc<str>> = uids.into_iter().map(Arc::from).collect();
        let mut seen: HashSet<Arc<str>> = todo.iter().cloned().collect();
        let mut found = Vec::new();
        while let Some(uid) = todo.pop() {
            for key in state.owned.get(&uid).into_iter().flatten() {
                let Some(entry) = state.objects.get(key) else { continue };
                if seen.insert(Arc::clone(&entry.uid)) {
                    todo.push(Arc::clone(&entry.uid));
                    found.extend(entry.object());
                }
            }
        }
        sorted(found.into_iter())
    }

    /// Takes an object from the answer to a write, so that what was written is seen before the watch tells. Tells
    /// only those who have lost it by that: to the watch it is nothing new then, and nobody else tells them.
    pub fn note(&self, object: LiveObject) {
        let lost = self.state().noted(object, &self.0.tracker);
        self.0.tell(lost);
    }

    /// Forgets an object that we deleted, unless it stays for its finalizers: then the watch tells. Tells nobody.
    pub fn note_deleted(&self, key: &ResourceKey) {
        let mut state = self.state();
        let stays = |entry: &Entry| {
            let finalizers =
                entry.object().and_then(|o| Some(o.value().pointer("/metadata/finalizers")?.as_array()?.len()));
            finalizers.is_some_and(|count| count > 0)
        };
        if state.objects.get(key).is_some_and(|entry| !stays(entry)) {
            state.remove(key);
        }
    }

    /// How many objects are known.
    pub fn len(&self) -> usize {
        self.state().objects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }
}

fn sorted(objects: impl Iterator<Item = LiveObject>) -> Vec<LiveObject> {
    let mut keyed: Vec<_> = objects.map(|object| (object.key(), object)).collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    keyed.into_iter().map(|(_, object)| object).collect()
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, touches: impl IntoIterator<Item = Touch>) {
        for touch in touches {
            // nobody listening is fine
            let _ = self.touches.send(touch);
        }
    }

    /// Those who belong here look again: what they decided meanwhile was decided without the cluster.
    fn returned(&self, kind: &GroupKind) {
        let owners = self.state().belonging.keys().cloned().collect();
        let key = Arc::new(ResourceKey::new(kind.group.as_str(), kind.kind.as_str(), "", ""));
        self.tell([Touch { key, owners, deleted: false }]);
    }

    fn listed(&self, kind: &GroupKind, place: &str, objects: Vec<LiveObject>, at: u128) {
        let touches = self.state().listed(kind, place, objects, at, &self.tracker);
        self.tell(touches);
    }

    fn applied(&self, kind: &GroupKind, place: &str, object: LiveObject) {
        let touch = {
            let mut state = self.state();
            state.see(kind, place, object.version());
            state.upsert(object, &self.tracker)
        };
        self.tell(touch);
    }

    fn deleted(&self, kind: &GroupKind, place: &str, object: &LiveObject) {
        let touch = {
            let mut state = self.state();
            state.see(kind, place, object.version());
            let key = object.key();
            // a namesake that came since stays
            let same = state.objects.get(&key).is_some_and(|entry| *entry.uid == *object.uid());
            if same { state.remove(&key) } else { None }
        };
        self.tell(touch);
    }
}

impl WatchedKind {
    fn is_current_in(&self, namespace: &str) -> bool {
        matches!(self.progress.borrow().of(|place| place == namespace), Some(Progress::Current { .. }))
    }

    /// The newest resource version that was delivered of the namespace.
    fn seen_in(&self, namespace: &str) -> u128 {
        self.seen.get("").or_else(|| self.seen.get(namespace)).copied().unwrap_or_default()
    }
}

impl Entry {
    fn new(object: &LiveObject, tracker: &Tracker) -> Self {
        let owners: Box<[Arc<str>]> = object.owner_references().into_iter().map(|o| Arc::from(o.uid)).collect();
        let belongs_to = tracker(object);
        let needed = belongs_to.is_some() || !owners.is_empty() || object.kind() == "Namespace";
        let body = if !needed { Box::default() } else { body(object, &belongs_to) };
        Self { uid: object.uid().into(), version: object.version(), owners, belongs_to, body }
    }

    /// The same version of the object, served in another version of its kind.
    fn is_older_form_of(&self, object: &LiveObject) -> bool {
        let said = |known: LiveObject| known.gvk().version != object.gvk().version;
        self.version == object.version() && !self.body.is_empty() && self.object().is_some_and(said)
    }

    fn object(&self) -> Option<LiveObject> {
        let value = serde_json::from_slice::<Value>(&self.body).ok()?;
        LiveObject::new(value).ok()
    }
}

/// Who owns which field matters only for objects that are compared, not for those that a controller made.
fn body(object: &LiveObject, belongs_to: &Option<Arc<str>>) -> Box<[u8]> {
    let mut value = object.value().clone();
    if belongs_to.is_none()
        && object.kind() != "Namespace"
        && let Some(Value::Object(metadata)) = value.get_mut("metadata")
    {
        metadata.remove("managedFields");
    }
    serde_json::to_vec(&value).unwrap_or_default().into_boxed_slice()
}

impl State {
    fn see(&mut self, kind: &GroupKind, place: &str, version: u128) {
        if let Some(kind) = self.kinds.get_mut(kind) {
            let seen = kind.seen.entry(place.to_owned()).or_default();
            *seen = version.max(*seen);
        }
    }

    /// Takes everything that one watch can see; what it does not see any more is gone, unless it came after the list.
    fn listed(
        &mut self,
        kind: &GroupKind,
        place: &str,
        objects: Vec<LiveObject>,
        at: u128,
        tracker: &Tracker,
    ) -> Vec<Touch> {
        if 0 < at && at < self.kinds.get(kind).and_then(|kind| kind.seen.get(place)).copied().unwrap_or_default() {
            self.go_back(kind, place);
        }
        let newest = objects.iter().map(LiveObject::version).fold(at, u128::max);
        let present: HashSet<ResourceKey> = objects.iter().map(|object| object.key()).collect();
        let in_time = |entry: &Entry| at == 0 || entry.version <= at;
        let is_gone =
            |key: &ResourceKey, entry: &Entry| is_told(kind, place, key) && in_time(entry) && !present.contains(key);
        let gone = self.objects.iter().filter(|(key, entry)| is_gone(key, entry));
        let gone: Vec<_> = gone.map(|(key, _)| Arc::clone(key)).collect();
        let gone: Vec<_> = gone.iter().filter_map(|key| self.remove(key)).collect();
        let came = objects.into_iter().filter_map(|object| self.upsert(object, tracker));
        let touches = gone.into_iter().chain(came).collect();
        self.see(kind, place, newest);
        touches
    }

    /// The server was restored to an earlier time: what is known of later never was, and every version is newer.
    fn go_back(&mut self, kind: &GroupKind, place: &str) {
        if let Some(kind) = self.kinds.get_mut(kind) {
            kind.seen.remove(place);
        }
        let told = self.objects.iter_mut().filter(|(key, _)| is_told(kind, place, key));
        told.for_each(|(_, entry)| entry.version = 0);
    }

    /// Takes the object in unless it is known in this version or a later one.
    fn upsert(&mut self, object: LiveObject, tracker: &Tracker) -> Option<Touch> {
        let version = object.version();
        let key = object.key();
        let known = self.objects.get(&key);
        let same = |known: &Entry| *known.uid == *object.uid() && known.version >= version && version > 0;
        if known.is_some_and(|known| same(known) && !known.is_older_form_of(&object)) {
            return None;
        }
        let mut owners = self.owners_of(&key);
        self.remove(&key);
        let key = Arc::new(key);
        let entry = Entry::new(&object, tracker);
        self.by_uid.insert(Arc::clone(&entry.uid), Arc::clone(&key));
        for owner in &entry.owners {
            self.owned.entry(Arc::clone(owner)).or_default().insert(Arc::clone(&key));
        }
        if let Some(owner) = &entry.belongs_to {
            self.belonging.entry(Arc::clone(owner)).or_default().insert(Arc::clone(&key));
        }
        self.objects.insert(Arc::clone(&key), entry);
        for owner in self.owners_of(&key) {
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
        Some(Touch { key, owners, deleted: false })
    }

    /// Takes in what was written; the answer is for those who had it before, where it belongs to others now.
    fn noted(&mut self, object: LiveObject, tracker: &Tracker) -> Option<Touch> {
        let kind = self.kinds.get(&object.key().group_kind())?;
        // what the watch is past was told by the watch, maybe as deleted since
        if object.version() <= kind.seen_in(object.namespace()) {
            return None;
        }
        let mut touch = self.upsert(object, tracker)?;
        let now = self.owners_of(&touch.key);
        touch.owners.retain(|owner| !now.contains(owner));
        (!touch.owners.is_empty()).then_some(touch)
    }

    fn remove(&mut self, key: &ResourceKey) -> Option<Touch> {
        let owners = self.owners_of(key);
        let (key, entry) = self.objects.remove_entry(key)?;
        self.by_uid.remove(&entry.uid);
        for owner in &entry.owners {
            take(&mut self.owned, owner, &key);
        }
        if let Some(owner) = &entry.belongs_to {
            take(&mut self.belonging, owner, &key);
        }
        Some(Touch { key, owners, deleted: true })
    }

    /// Whom the object and the objects above it belong to.
    fn owners_of(&self, key: &ResourceKey) -> Vec<Arc<str>> {
        let mut found = Vec::new();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut todo: Vec<&Entry> = self.objects.get(key).into_iter().collect();
        while let Some(entry) = todo.pop() {
            if !seen.insert(&entry.uid) {
                continue;
            }
            if let Some(owner) = &entry.belongs_to
                && !found.contains(owner)
            {
                found.push(Arc::clone(owner));
            }
            todo.extend(entry.owners.iter().filter_map(|uid| self.objects.get(self.by_uid.get(uid)?)));
        }
        found
    }
}

/// Whether the watch of a kind in a namespace (empty: in all) tells of the object.
fn is_told(kind: &GroupKind, place: &str, key: &ResourceKey) -> bool {
    key.kind == kind.kind && key.group == kind.group && (place.is_empty() || key.namespace == place)
}

fn take(index: &mut HashMap<Arc<str>, HashSet<Arc<ResourceKey>>>, owner: &Arc<str>, key: &Arc<ResourceKey>) {
    if let Some(keys) = index.get_mut(owner) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, name: &str, version: u32, owner: Option<&str>, app: Option<&str>) -> LiveObject {
        let references: Vec<Value> =
            owner.map(|uid| json!({"apiVersion": "v1", "kind": "X", "name": uid, "uid": uid})).into_iter().collect();
        LiveObject::new(json!({"apiVersion": "v1", "kind": kind, "metadata": {
            "name": name, "uid": name, "resourceVersion": version.to_string(), "ownerReferences": references,
            "annotations": {"app": app}, "managedFields": [{"manager": "m"}]}}))
        .unwrap()
    }

    fn tracker() -> Tracker {
        Arc::new(|object| object.annotation("app").map(Arc::from))
    }

    fn key(kind: &str, name: &str) -> ResourceKey {
        ResourceKey::new("", kind, "", name)
    }

    #[test]
    fn a_change_below_touches_whom_the_root_belongs_to() {
        let mut state = State::default();
        let owners = |touch: Option<Touch>| touch.map(|t| t.owners.iter().map(ToString::to_string).collect::<Vec<_>>());
        state.upsert(object("Deployment", "d", 1, None, Some("web")), &tracker());
        state.upsert(object("ReplicaSet", "r", 2, Some("d"), None), &tracker());
        let pod = || object("Pod", "p", 3, Some("r"), None);
        assert_eq!(owners(state.upsert(pod(), &tracker())), Some(vec!["web".to_owned()]));
        assert_eq!(owners(state.upsert(pod(), &tracker())), None, "the same version again is no change");
        let freed = object("Deployment", "d", 4, None, None);
        assert_eq!(owners(state.upsert(freed, &tracker())), Some(vec!["web".to_owned()]), "it did belong to web");
        assert_eq!(owners(state.remove(&key("Pod", "p"))), Some(vec![]));
    }

    /// A write that the list is too old for.
    #[test]
    fn a_list_does_not_drop_what_came_after_it() {
        let (mut state, kind) = (State::default(), GroupKind::new("", "Secret"));
        state.upsert(object("Secret", "new", 9, None, Some("web")), &tracker());
        state.listed(&kind, "", vec![object("Secret", "old", 2, None, Some("web"))], 8, &tracker());
        assert!(state.objects.contains_key(&key("Secret", "new")));
        state.listed(&kind, "", Vec::new(), 10, &tracker());
        assert!(state.objects.is_empty());
    }

    /// One kind that is followed by nobody.
    fn watching(kind: &GroupKind) -> State {
        let (_, progress) = watch::channel(Watches::starting(&[]));
        let task = tokio::spawn(async {}).abort_handle();
        let mut state = State::default();
        state.kinds.insert(kind.clone(), WatchedKind { progress, task, seen: BTreeMap::new() });
        state
    }

    #[tokio::test]
    async fn a_list_tells_of_all_up_to_its_own_version() {
        let kind = GroupKind::new("", "Secret");
        let mut state = watching(&kind);
        state.listed(&kind, "", vec![object("Secret", "old", 2, None, Some("web"))], 20, &tracker());
        assert_eq!(state.kinds[&kind].seen_in("a"), 20, "what is older and not in it was deleted");
    }

    #[tokio::test]
    async fn a_server_that_was_restored_is_believed() {
        let kind = GroupKind::new("", "Secret");
        let mut state = watching(&kind);
        let secret = |name: &str, version: u32| object("Secret", name, version, None, Some("web"));
        state.listed(&kind, "", vec![secret("stays", 15), secret("gone", 19)], 20, &tracker());
        state.listed(&kind, "", vec![secret("stays", 8)], 10, &tracker());
        assert!(!state.objects.contains_key(&key("Secret", "gone")));
        assert_eq!(state.objects[&key("Secret", "stays")].version, 8);
        assert_eq!(state.kinds[&kind].seen_in("a"), 10);
    }

    #[test]
    fn only_what_is_needed_is_kept() {
        let mut state = State::default();
        state.upsert(object("Secret", "mine", 1, None, Some("web")), &tracker());
        state.upsert(object("Secret", "foreign", 1, None, None), &tracker());
        state.upsert(object("Secret", "made", 1, Some("mine"), None), &tracker());
        let kept = |name: &str| state.objects[&key("Secret", name)].object();
        assert_eq!(kept("mine").unwrap().managed_fields().len(), 1);
        assert_eq!(kept("made").unwrap().managed_fields().len(), 0);
        assert!(kept("foreign").is_none());
    }
}
