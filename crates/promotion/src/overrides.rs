//! What somebody let in past the gates of a Pipeline: it stands in the ledger, where nobody who writes Applications can put it
//! back. An override is of what came first by it, and of what the tags of that meant then; it is over as soon as other images
//! are synced.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use object::ImageDigest;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// So long it is known by which seal something came: twice as long as any of them counts, as some are of a clock that goes
/// before ours.
const USED: SignedDuration = SignedDuration::from_mins(20);
/// Overrides that are known so long, and Applications of which it is kept what was let in. Older ones go: that is held again.
const MANY: usize = 50;
/// Objects of one Application, and tags of these. What is more is let in once, and not healed.
const OF_ONE: usize = 100;
/// Digits of a hash.
const DIGITS: usize = 32;

/// Of one Pipeline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Overrides {
    /// By the seal of each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub used: BTreeMap<String, Use>,
    /// What self-heal may bring again, by the uid of the Application.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub let_in: BTreeMap<String, LetIn>,
}

/// What came by an override.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Use {
    pub at: Timestamp,
    /// The uid of the Application.
    pub by: String,
    /// A hash of all its images; empty: it is over.
    pub images: String,
}

/// What was let in of one Application. All that is no digest is a hash.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LetIn {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// All images of the Application then.
    pub images: String,
    pub objects: BTreeSet<String>,
    /// What tags meant, as far as a registry said it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub means: BTreeMap<String, ImageDigest>,
}

/// An object that may be let in.
#[derive(Debug, Clone, PartialEq)]
pub struct Passing {
    /// Whose gates they are, the object, and all its images.
    pub what: String,
    /// Its tags of the Pipeline's repositories; `None`: nobody can tell what it means.
    pub tags: BTreeMap<String, Option<ImageDigest>>,
}

/// An operation that goes past the gates.
#[derive(Debug, Clone, Copy)]
pub struct Override<'a> {
    pub seal: &'a str,
    /// The uid of the Application.
    pub application: &'a str,
    /// All images of the Application: nothing else comes by it.
    pub images: &'a str,
    pub objects: &'a [Passing],
}

impl Overrides {
    pub fn is_empty(&self) -> bool {
        self.used.is_empty() && self.let_in.is_empty()
    }

    /// Lets it in; `false`: something else came by its seal, or what came is over, or means something else now.
    pub fn let_in(&mut self, it: &Override<'_>, now: Timestamp) -> bool {
        self.used.retain(|_, used| now.duration_since(used.at).abs() < USED);
        let (seal, images) = (hash(it.seal), hash(it.images));
        let used = self.used.get(&seal);
        let is_first = used.is_none();
        if used.is_some_and(|used| used.images != images) || !is_first && self.has_moved(it) {
            return false;
        }
        let by = it.application.to_owned();
        self.used.entry(seal).or_insert(Use { at: now, by: by.clone(), images: images.clone() });
        let entry = self.let_in.entry(by).or_default();
        if entry.images != images {
            *entry = LetIn { images, ..LetIn::default() };
        }
        entry.at = entry.at.filter(|_| !is_first).or(Some(now));
        entry.take(it.objects, is_first);
        self.drop_oldest();
        true
    }

    /// Whether a tag of what came first means something else now.
    fn has_moved(&self, it: &Override<'_>) -> bool {
        let known = self.let_in.get(it.application);
        let mut tags = it.objects.iter().flat_map(|object| &object.tags);
        known.is_some_and(|known| tags.any(|(tag, now)| known.has_moved(tag, now.as_ref())))
    }

    /// Whether an override let the object in as it is. Where a registry says nothing that is not known to be another image.
    pub fn was_let_in(&self, application: &str, object: &Passing) -> bool {
        let Some(entry) = self.let_in.get(application) else { return false };
        let is_known = |(tag, now): (&String, &Option<ImageDigest>)| {
            now.as_ref().is_none_or(|now| entry.means.get(&hash(tag)) == Some(now))
        };
        entry.objects.contains(&hash(&object.what)) && object.tags.iter().all(is_known)
    }

    /// Whether anything of an Application was let in that had other images than these.
    pub fn is_over(&self, application: &str, images: &str) -> bool {
        self.let_in.get(application).is_some_and(|entry| entry.images != hash(images))
    }

    /// Other images are synced: nothing that was let in before comes again.
    pub fn end(&mut self, application: &str) {
        self.let_in.remove(application);
        self.used.values_mut().filter(|used| used.by == application).for_each(|used| used.images.clear());
    }

    fn drop_oldest(&mut self) {
        while self.used.len() > MANY {
            let oldest = self.used.iter().min_by_key(|(_, used)| used.at).map(|(seal, _)| seal.clone());
            oldest.map(|seal| self.used.remove(&seal));
        }
        while self.let_in.len() > MANY {
            let oldest = self.let_in.iter().min_by_key(|(_, entry)| entry.at).map(|(uid, _)| uid.clone());
            oldest.map(|uid| self.let_in.remove(&uid));
        }
    }
}

impl LetIn {
    fn take(&mut self, objects: &[Passing], is_first: bool) {
        for Passing { what, tags } in objects {
            if self.objects.len() < OF_ONE {
                self.objects.insert(hash(what));
            }
            for (tag, now) in tags {
                let tag = hash(tag);
                match now {
                    Some(now) if is_first || !self.means.contains_key(&tag) => {
                        self.means.insert(tag, now.clone());
                    }
                    None if is_first => {
                        self.means.remove(&tag);
                    }
                    _ => {}
                }
            }
        }
        while self.means.len() > OF_ONE {
            self.means.pop_last();
        }
    }

    fn has_moved(&self, tag: &str, now: Option<&ImageDigest>) -> bool {
        now.is_some_and(|now| self.means.get(&hash(tag)).is_some_and(|was| was != now))
    }
}

fn hash(text: &str) -> String {
    let mut hash = hex::encode(Sha256::digest(text));
    hash.truncate(DIGITS);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests::time;

    fn object(what: &str, means: &str) -> Passing {
        let now = Some(means).filter(|it| !it.is_empty());
        let now = now.map(|digit| format!("sha256:{}", digit.repeat(64)).parse().unwrap());
        Passing { what: what.to_owned(), tags: [("shop:v9".to_owned(), now)].into() }
    }

    /// By a seal, of the Application `a`, with these images.
    fn let_in(all: &mut Overrides, seal: &str, images: &str, objects: &[Passing], minute: i64) -> bool {
        all.let_in(&Override { seal, application: "a", images, objects }, time(minute))
    }

    #[test]
    fn what_comes_first_by_a_seal_is_all_that_comes() {
        let (mut all, objects) = (Overrides::default(), [object("web", "1")]);
        assert!(let_in(&mut all, "s", "v9", &objects, 0));
        let kept = serde_json::to_value(&all).unwrap();
        let mut all: Overrides = serde_json::from_value(kept).unwrap();
        assert!(let_in(&mut all, "s", "v9", &objects, 9), "it goes on, also in another process");
        assert!(!let_in(&mut all, "s", "v10", &objects, 9));
        assert!(let_in(&mut all, "another", "v10", &objects, 9));
        assert!(!let_in(&mut all, "s", "v10", &objects, 19), "as long as any seal counts");
        assert_eq!(all.used.len(), 2);
        assert!(let_in(&mut all, "later", "v10", &objects, 60));
        assert_eq!(all.used.len(), 1, "and no longer");
    }

    #[test]
    fn what_was_let_in_comes_again_until_other_images_are_synced() {
        let (mut all, web) = (Overrides::default(), object("web", "1"));
        assert!(let_in(&mut all, "s", "v9", std::slice::from_ref(&web), 0));
        assert!(all.was_let_in("a", &web) && !all.was_let_in("b", &web));
        assert!(!all.was_let_in("a", &object("job", "1")), "another object");
        assert!(!all.is_over("a", "v9") && all.is_over("a", "v2") && !all.is_over("b", "v2"));
        all.end("a");
        assert!(!all.was_let_in("a", &web), "though Git says it again");
        assert!(!let_in(&mut all, "s", "v9", std::slice::from_ref(&web), 5), "nor by the operation of before");
        assert!(let_in(&mut all, "t", "v9", std::slice::from_ref(&web), 5));
    }

    #[test]
    fn what_was_let_in_is_what_its_tag_meant() {
        let (mut all, was) = (Overrides::default(), [object("web", "1")]);
        assert!(let_in(&mut all, "s", "v9", &was, 0));
        for (means, comes) in [("1", true), ("2", false), ("", true)] {
            let now = object("web", means);
            assert_eq!(all.was_let_in("a", &now), comes, "{means:?}");
            assert_eq!(let_in(&mut all.clone(), "s", "v9", &[now], 1), comes, "the same operation: {means:?}");
        }
        // by somebody who asked again
        assert!(let_in(&mut all, "t", "v9", &[object("web", "2")], 1));
        assert!(all.was_let_in("a", &object("web", "2")) && !all.was_let_in("a", &object("web", "1")));
        // nobody could tell what it was: then it is let in as long as nobody can
        assert!(let_in(&mut all, "u", "v9", &[object("web", "")], 1));
        assert!(all.was_let_in("a", &object("web", "")) && !all.was_let_in("a", &object("web", "2")));
        assert!(let_in(&mut all, "u", "v9", &[object("web", "3")], 1), "or says it while it goes on");
        assert!(all.was_let_in("a", &object("web", "3")));
    }

    #[test]
    fn what_is_kept_has_limits() {
        let mut all = Overrides::default();
        for number in 0..200 {
            let (seal, uid) = (format!("s{number}"), format!("a{number}"));
            let objects: Vec<Passing> = (0..150).map(|it| object(&format!("web-{it}"), "1")).collect();
            let it = Override { seal: &seal, application: &uid, images: "v9", objects: &objects };
            assert!(all.let_in(&it, time(number / 50)));
        }
        assert_eq!((all.used.len(), all.let_in.len()), (MANY, MANY));
        assert!(all.let_in.contains_key("a199") && !all.let_in.contains_key("a0"));
        assert!(all.let_in.values().all(|entry| entry.objects.len() == OF_ONE));
    }
}
