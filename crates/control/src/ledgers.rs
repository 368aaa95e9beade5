//! The ledgers as they are known now, read once for each change; and what they quarantine, by repository: what another
//! Pipeline quarantined is one look away.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::Secret;
use object::canonical_repository;
use promotion::{Elsewhere, Ledger, Overrides};

use crate::ledger::{LEDGER_SECRETS, bytes, read, secret_of};
use crate::stores::Stores;

/// An entry, or why it is none.
type Entry = Result<Arc<Ledger>, String>;

#[derive(Debug, Default)]
pub(crate) struct Ledgers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    revision: Option<u64>,
    secrets: HashMap<&'static str, Arc<Secret>>,
    /// Of the entries of each Secret.
    bytes: HashMap<&'static str, usize>,
    entries: HashMap<String, Entry>,
    /// By the repository of one of its images, and by Pipeline.
    quarantined: HashMap<String, BTreeMap<String, Vec<Arc<Elsewhere>>>>,
}

impl Ledgers {
    fn now(&self, stores: &Stores) -> MutexGuard<'_, Known> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // before the values: what changes meanwhile is seen the next time
        let revision = Some(stores.ledgers.revision());
        if known.revision != revision {
            LEDGER_SECRETS.iter().for_each(|name| known.take(name, stores.ledgers.get(stores.namespace(), name)));
            known.revision = revision;
        }
        known
    }

    /// `None`: there is no entry.
    pub(crate) fn of(&self, stores: &Stores, pipeline: &str) -> Option<Entry> {
        self.now(stores).entries.get(pipeline).cloned()
    }

    /// The Pipelines past whose gates something of an Application was let in.
    pub(crate) fn with_let_in(
        &self,
        stores: &Stores,
        application: &str,
        is: impl Fn(&Overrides) -> bool,
    ) -> Vec<String> {
        let known = self.now(stores);
        let all =
            known.entries.iter().filter_map(|(pipeline, entry)| Some((pipeline, &entry.as_ref().ok()?.overrides)));
        let all = all.filter(|(_, overrides)| overrides.let_in.contains_key(application) && is(overrides));
        all.map(|(pipeline, _)| pipeline.clone()).collect()
    }

    pub(crate) fn bytes(&self, stores: &Stores, pipeline: &str) -> usize {
        self.now(stores).bytes.get(secret_of(pipeline)).copied().unwrap_or_default()
    }

    /// What other Pipelines quarantined of these repositories, each once.
    pub(crate) fn elsewhere<'a>(
        &self,
        stores: &Stores,
        pipeline: &str,
        repositories: impl IntoIterator<Item = &'a str>,
    ) -> Arc<[Arc<Elsewhere>]> {
        let known = self.now(stores);
        if known.quarantined.is_empty() {
            return Arc::default();
        }
        let names: BTreeSet<String> = repositories.into_iter().map(canonical_repository).collect();
        let of_others = names.iter().filter_map(|name| known.quarantined.get(name)).flatten();
        let of_others = of_others.filter(|(other, _)| *other != pipeline).flat_map(|(_, all)| all);
        let each: BTreeMap<_, _> = of_others.map(|it| ((&it.pipeline, &it.digest), it)).collect();
        each.into_values().cloned().collect()
    }
}

impl Known {
    fn take(&mut self, name: &'static str, new: Option<Arc<Secret>>) {
        let (old, new) = (self.secrets.remove(name).unwrap_or_default(), new.unwrap_or_default());
        if !Arc::ptr_eq(&old, &new) {
            self.bytes.insert(name, bytes(&new.data));
            let both: BTreeSet<&String> = old.data.keys().chain(new.data.keys()).collect();
            let own = both.into_iter().filter(|pipeline| secret_of(pipeline) == name);
            for pipeline in own.filter(|pipeline| old.data.get(*pipeline) != new.data.get(*pipeline)) {
                self.set(pipeline, new.data.get(pipeline).map(|text| read(pipeline, text).map(Arc::new)));
            }
        }
        self.secrets.insert(name, new);
    }

    fn set(&mut self, pipeline: &str, entry: Option<Entry>) {
        let old = match &entry {
            Some(entry) => self.entries.insert(pipeline.to_owned(), entry.clone()),
            None => self.entries.remove(pipeline),
        };
        for name in repositories(old.as_ref()) {
            if let Some(all) = self.quarantined.get_mut(&name) {
                all.remove(pipeline);
            }
        }
        self.quarantined.retain(|_, all| !all.is_empty());
        for (digest, held) in entry.iter().flatten().flat_map(|ledger| &ledger.quarantined) {
            let (pipeline, digest, held) = (pipeline.to_owned(), digest.clone(), held.clone());
            let names: BTreeSet<String> = held.images.iter().map(|image| canonical_repository(&image.name)).collect();
            let one = Arc::new(Elsewhere { pipeline, digest, held });
            for name in names {
                let all = self.quarantined.entry(name).or_default();
                all.entry(one.pipeline.clone()).or_default().push(Arc::clone(&one));
            }
        }
    }
}

fn repositories(entry: Option<&Entry>) -> BTreeSet<String> {
    let held = entry.into_iter().flatten().flat_map(|ledger| ledger.quarantined.values());
    held.flat_map(|held| &held.images).map(|image| canonical_repository(&image.name)).collect()
}

/// The repositories of which two versions of an entry quarantine other images.
pub(crate) fn differing(pipeline: &str, sides: [Option<&String>; 2]) -> BTreeSet<String> {
    let [old, new] = sides.map(|text| text.and_then(|text| read(pipeline, text).ok()).unwrap_or_default().quarantined);
    let differs = [(&old, &new), (&new, &old)].into_iter().flat_map(|(these, those)| {
        these.iter().filter(|(digest, held)| those.get(digest) != Some(held)).flat_map(|(_, held)| &held.images)
    });
    differs.map(|image| canonical_repository(&image.name)).collect()
}

#[cfg(test)]
mod tests {
    use api::gantline::{Quarantine, ReleaseImage};
    use cluster::Store;
    use object::LiveObject;
    use promotion::Held;
    use serde_json::json;

    use super::*;

    const SHOP: &str = "docker.io/acme/shop";

    fn bad(name: &str, reason: &str) -> String {
        let digest: object::ImageDigest = format!("sha256:{}", "1".repeat(64)).parse().unwrap();
        let images = vec![ReleaseImage {
            name: name.to_owned(),
            tag: "v1".to_owned(),
            digest: digest.clone(),
            parts: Vec::new(),
        }];
        let quarantine = Quarantine { reason: reason.to_owned(), ..Quarantine::default() };
        let quarantined = [(digest, Held { quarantine, images })].into();
        serde_json::to_string(&Ledger { quarantined, ..Ledger::default() }).unwrap()
    }

    fn note(stores: &Stores, version: u64, entries: &[(&str, String)]) {
        for name in LEDGER_SECRETS {
            let own = entries.iter().filter(|(pipeline, _)| secret_of(pipeline) == name);
            let data: serde_json::Map<_, _> =
                own.map(|(pipeline, text)| ((*pipeline).to_owned(), json!(text))).collect();
            let metadata =
                json!({"name": name, "namespace": "argocd", "uid": name, "resourceVersion": version.to_string()});
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data});
            stores.ledgers.note(LiveObject::new(secret).unwrap());
        }
    }

    #[test]
    fn what_others_quarantine_is_found_by_the_repository() {
        let mut stores = Stores::holding("argocd", [], []);
        stores.ledgers = Store::holding([]);
        let ledgers = Ledgers::default();
        let reasons = |pipeline: &str, names: &[&str]| {
            let all = ledgers.elsewhere(&stores, pipeline, names.iter().copied());
            all.iter().map(|it| format!("{}: {}", it.pipeline, it.held.quarantine.reason)).collect::<Vec<_>>()
        };
        assert_eq!(reasons("web", &[SHOP]), [""; 0]);
        let torn = ("torn", "no ledger".to_owned());
        note(&stores, 1, &[("shop", bad("acme/shop", "errors")), ("other", bad("acme/other", "slow")), torn.clone()]);
        assert_eq!(reasons("web", &["index.docker.io/acme/shop", SHOP]), ["shop: errors"]);
        assert_eq!(reasons("shop", &[SHOP]), [""; 0], "its own are not others'");
        assert_eq!(reasons("web", &["acme/none"]), [""; 0]);
        assert_eq!(ledgers.bytes(&stores, "torn"), torn.0.len() + torn.1.len());
        assert!(ledgers.of(&stores, "shop").unwrap().is_ok() && ledgers.of(&stores, "torn").unwrap().is_err());
        note(&stores, 2, &[("shop", bad(SHOP, "again")), torn]);
        assert_eq!(reasons("web", &[SHOP, "acme/other"]), ["shop: again"]);
        note(&stores, 3, &[]);
        assert_eq!(reasons("web", &[SHOP]), [""; 0]);
        assert!(ledgers.of(&stores, "shop").is_none() && ledgers.bytes(&stores, "torn") == 0);
    }

    #[test]
    fn only_what_differs_concerns_others() {
        let (old, new) = (bad("acme/shop", "errors"), bad("acme/shop", "again"));
        let differs = |old: Option<&String>, new: Option<&String>| differing("shop", [old, new]);
        assert_eq!(differs(Some(&old), Some(&old)), BTreeSet::new());
        for [old, new] in [[Some(&old), Some(&new)], [None, Some(&new)], [Some(&old), None]] {
            assert_eq!(differs(old, new), BTreeSet::from([SHOP.to_owned()]));
        }
    }
}
