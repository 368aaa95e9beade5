//! Records that Gantline wrote itself. A Release, a Promotion and a pin carry a seal (HMAC-SHA-256 over all that they say,
//! with a key that the control plane keeps in a Secret); what carries none was written past Gantline, and counts for
//! nothing.
//!
//! A seal covers a record as it is stored, not what this version understands of it: while a newer version takes over, each
//! believes what the other one wrote. Who writes a status keeps the fields that it does not know beside those that it
//! does; what it does not know within them is lost with what it writes anew.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use api::gantline::{
    Pin, Pipeline, Promotion, PromotionPhase, PromotionStatus, Quarantine, Release, ReleaseStatus, SEAL_ANNOTATION,
    Stored,
};
use api::meta::ObjectMeta;
use hmac::{Hmac, Mac};
use jiff::{SignedDuration, Timestamp};
use object::fingerprint;
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;

use crate::about::{OURSELVES, PAST_US};
use crate::message::PROMOTION_SEAL;
use crate::plan::Observed;

/// A record whose status was never written is a new one for so long: afterwards somebody took its status away.
pub(crate) const NEW: SignedDuration = SignedDuration::from_hours(1);

/// Who knows what Gantline wrote.
pub trait Trust {
    /// Whether Gantline wrote all that the record says.
    fn trusts<R: Record>(&self, record: &Arc<R>, now: Timestamp) -> bool;

    /// The record as it was trusted last, where that is remembered.
    fn last<R: Record>(&self, _: &R) -> Option<Arc<R>> {
        None
    }
}

impl Trust for Seal {
    fn trusts<R: Record>(&self, record: &Arc<R>, now: Timestamp) -> bool {
        Self::trusts(self, &**record, now)
    }
}

/// Seals records, and knows which it sealed.
#[derive(Clone)]
pub struct Seal(Vec<u8>);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

/// What of a Pipeline was changed past Gantline, by name; pins by environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tampered {
    pub releases: BTreeSet<String>,
    pub promotions: BTreeSet<String>,
    pub pins: BTreeSet<String>,
    /// What is believed as it stood before that: nothing is lost of it.
    pub restored: Restored,
}

/// Of which records the last status that was believed is known, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    pub releases: BTreeSet<String>,
    pub promotions: BTreeSet<String>,
}

impl Tampered {
    /// Whether it is set back first.
    pub(crate) fn is_of_release(&self, name: &str) -> bool {
        self.releases.contains(name) || self.restored.releases.contains(name)
    }

    pub(crate) fn is_of_promotion(&self, name: &str) -> bool {
        self.promotions.contains(name) || self.restored.promotions.contains(name)
    }
}

/// A Release or a Promotion.
pub trait Record: Clone + Any + Send + Sync {
    const KIND: &'static str;

    fn metadata(&self) -> &ObjectMeta;
    /// As it was read; of one that was made here, as it would be.
    fn stored(&self) -> Stored;
    /// Once its status is written: that alone changes.
    fn written(&self) -> Stored;
    fn seal(&self) -> &str;
    /// How often its status was written.
    fn writes(&self) -> u64;
    fn is_new(&self) -> bool;
    /// What may be believed of it when somebody changed it: the safest there is.
    fn distrusted(&self, now: Timestamp) -> Self;
    /// With the status of when it was believed; `None`: somebody changed more than that.
    fn restored(&self, last: &Self) -> Option<Self>;
}

macro_rules! records {
    ($($kind:ident by $distrusted:ident;)*) => {
        $(impl Record for $kind {
            const KIND: &'static str = stringify!($kind);

            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn stored(&self) -> Stored {
                self.stored.unwrap_or_else(|| Stored::of(&self.to_value()))
            }

            fn written(&self) -> Stored {
                Stored { spec: self.stored().spec, ..Stored::of(&self.to_value()) }
            }

            fn seal(&self) -> &str {
                &self.status.seal
            }

            fn writes(&self) -> u64 {
                self.status.writes
            }

            fn is_new(&self) -> bool {
                self.status == Default::default()
            }

            fn distrusted(&self, now: Timestamp) -> Self {
                let mut believed = Self { status: $distrusted(self, now), ..self.clone() };
                // its spec stays as it stands, also what nobody here would write so
                let status = Stored::of(&believed.to_value()).status;
                believed.stored = Some(Stored { status, ..self.stored() });
                believed
            }

            fn restored(&self, last: &Self) -> Option<Self> {
                let (stored, status) = (last.stored(), last.status.clone());
                let is_same = self.metadata.uid == last.metadata.uid && self.stored().spec == stored.spec;
                is_same.then(|| Self { status, stored: Some(stored), ..self.clone() })
            }
        })*
    };
}

records! {
    Release by nowhere;
    Promotion by over;
}

/// It was nowhere, and goes nowhere: what it runs is seen again.
fn nowhere(release: &Release, now: Timestamp) -> ReleaseStatus {
    let name = &release.metadata.name;
    let reason = format!(
        "{PAST_US}: see who did (kubectl get release {name} -o yaml --show-managed-fields), then \
         lift it"
    );
    let quarantine = Quarantine { by: OURSELVES.to_owned(), reason, at: Some(now), ..Quarantine::default() };
    ReleaseStatus { quarantine: Some(quarantine), tampered: true, ..ReleaseStatus::default() }
}

/// What it committed, if it did, is in Git.
fn over(promotion: &Promotion, _: Timestamp) -> PromotionStatus {
    let spec = &promotion.spec;
    let message = format!(
        "{PAST_US}, and counts for nothing: ask for it (gantline promote {} --to {})",
        spec.pipeline, spec.environment
    );
    let PromotionStatus { steps, commit, attempts, .. } = promotion.status.clone();
    let phase = PromotionPhase::Failed;
    PromotionStatus { phase, message, steps, commit, attempts, ..PromotionStatus::default() }
}

impl Seal {
    pub fn new(key: impl Into<Vec<u8>>) -> Self {
        Self(key.into())
    }

    fn mac(&self, said: &impl Serialize) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::new_from_slice(&self.0).ok()?;
        mac.update(&serde_json::to_vec(said).ok()?);
        Some(mac)
    }

    fn of(&self, said: &impl Serialize) -> String {
        self.mac(said).map_or_else(String::new, |mac| hex::encode(mac.finalize().into_bytes()))
    }

    fn holds(&self, said: &impl Serialize, seal: &str) -> bool {
        let (Some(mac), Ok(seal)) = (self.mac(said), hex::decode(seal)) else { return false };
        mac.verify_slice(&seal).is_ok()
    }

    /// For the annotation of a record that is about to be made.
    pub fn of_new(&self, kind: &str, name: &str, spec: &Value, now: Timestamp) -> String {
        let now = now.to_string();
        format!("{now} {}", self.of(&("new", kind, name, fingerprint(spec), &now)))
    }

    /// For the status of a record that is about to be written.
    pub fn of_record(&self, record: &impl Record) -> String {
        self.of(&said(record, record.written()))
    }

    pub fn of_pin(&self, pipeline: &str, environment: &str, pin: &Pin) -> String {
        self.of(&pinned(pipeline, environment, pin))
    }

    pub fn of_commit(&self, commit: &SealedCommit<'_>) -> String {
        self.of(&commit.said())
    }

    /// For an operation that goes past the gates: `about` is what it brings.
    pub fn of_override(&self, application: &str, about: &str) -> String {
        self.of(&("override", application, about))
    }

    /// For something that was told: `text` is all that was.
    pub fn of_told(&self, text: &str) -> String {
        self.of(&("told", text))
    }

    pub fn holds_told(&self, text: &str, seal: &str) -> bool {
        self.holds(&("told", text), seal)
    }

    pub fn holds_override(&self, application: &str, about: &str, seal: &str) -> bool {
        self.holds(&("override", application, about), seal)
    }

    pub fn holds_commit(&self, commit: &SealedCommit<'_>, seal: &str) -> bool {
        self.holds(&commit.said(), seal)
    }

    /// Whether Gantline wrote all that the record says.
    pub fn trusts<R: Record>(&self, record: &R, now: Timestamp) -> bool {
        if !record.is_new() {
            return self.holds(&said(record, record.stored()), record.seal());
        }
        let ObjectMeta { name, annotations, .. } = record.metadata();
        let said = annotations.get(SEAL_ANNOTATION).map_or("", String::as_str);
        let Some((at, seal)) = said.split_once(' ') else { return false };
        // by our own clock, as that of the API server may be another: what is made again from an old copy is not believed
        let is_young = at.parse().is_ok_and(|at| now.duration_since(at) < NEW);
        is_young && self.holds(&("new", R::KIND, name, record.stored().spec, at), seal)
    }
}

fn said<R: Record>(record: &R, stored: Stored) -> impl Serialize {
    let ObjectMeta { name, uid, .. } = record.metadata();
    ("record", R::KIND, name.clone(), uid.clone(), stored.spec, stored.status)
}

fn pinned(pipeline: &str, environment: &str, pin: &Pin) -> impl Serialize + use<> {
    ("pin", pipeline.to_owned(), environment.to_owned(), Pin { seal: String::new(), ..pin.clone() })
}

/// A promotion's commit: all of it but its seal.
#[derive(Debug, Clone, Copy)]
pub struct SealedCommit<'a> {
    pub promotion_id: &'a str,
    /// Object ids, as `tree`.
    pub parents: &'a [String],
    pub tree: &'a str,
    /// With the line of the seal or without.
    pub message: &'a str,
    /// When it was committed, in seconds since 1970.
    pub second: i64,
}

impl<'a> SealedCommit<'a> {
    fn said(&self) -> impl Serialize + 'a {
        let Self { promotion_id, parents, tree, message, second } = *self;
        // whoever splits a message into subject and body keeps no empty lines
        let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<&str> = lines.filter(|line| !line.starts_with(PROMOTION_SEAL)).collect();
        ("commit", promotion_id, parents, tree, lines, second)
    }
}

impl Observed {
    /// The same with what may be believed of it.
    #[must_use]
    pub fn trusted(mut self, seal: &Seal, trust: &impl Trust) -> Self {
        let now = self.now;
        let mut tampered = Tampered::default();
        let Tampered { releases, promotions, restored, .. } = &mut tampered;
        self.releases = believed(trust, self.releases, now, |_| false, [releases, &mut restored.releases]);
        let is_made_again = |promotion: &Promotion| self.ledger.begun.is_made_again(promotion);
        let both = [promotions, &mut restored.promotions];
        self.promotions = believed(trust, self.promotions, now, is_made_again, both);
        tampered.pins = unsealed_pins(seal, &self.pipeline);
        if !tampered.pins.is_empty() {
            Arc::make_mut(&mut self.pipeline).spec.pins.retain(|environment, _| !tampered.pins.contains(environment));
        }
        if self.pipeline.status.environments.iter().any(|environment| environment.pinned.is_some()) {
            // where pins stood before they had seals: anybody could have written them
            for environment in &mut Arc::make_mut(&mut self.pipeline).status.environments {
                tampered.pins.extend(environment.pinned.take().map(|_| environment.name.clone()));
            }
        }
        self.tampered = Some(tampered);
        self
    }
}

fn believed<R: Record>(
    trust: &impl Trust,
    all: Vec<Arc<R>>,
    now: Timestamp,
    is_made_again: impl Fn(&R) -> bool,
    [distrusted, restored]: [&mut BTreeSet<String>; 2],
) -> Vec<Arc<R>> {
    let one = |record: Arc<R>| {
        let is_made_again = is_made_again(&record);
        if !is_made_again && trust.trusts(&record, now) {
            return record;
        }
        let name = record.metadata().name.clone();
        if !is_made_again && let Some(last) = trust.last(&*record).and_then(|last| record.restored(&last)) {
            restored.insert(name);
            return Arc::new(last);
        }
        distrusted.insert(name);
        Arc::new(record.distrusted(now))
    };
    all.into_iter().map(one).collect()
}

fn unsealed_pins(seal: &Seal, pipeline: &Pipeline) -> BTreeSet<String> {
    let name = &pipeline.metadata.name;
    let unsealed = pipeline.spec.pins.iter().filter(|(at, pin)| !seal.holds(&pinned(name, at, pin), &pin.seal));
    unsealed.map(|(environment, _)| environment.clone()).collect()
}

#[cfg(test)]
mod tests {
    use api::gantline::{Approval, PromotionSpec};
    use serde_json::json;

    use super::*;
    use crate::gates::tests::time;

    fn seal() -> Seal {
        Seal::new(*b"a key")
    }

    fn promotion(spec: PromotionSpec) -> Promotion {
        let mut promotion = Promotion { spec, ..Promotion::default() };
        promotion.metadata.name = "shop-production-abc".into();
        promotion.metadata.uid = "u1".into();
        promotion.metadata.creation_timestamp = Some(time(0));
        promotion
    }

    #[test]
    fn what_was_written_past_gantline_is_not_trusted() {
        let spec = PromotionSpec { pipeline: "shop".into(), environment: "production".into(), ..Default::default() };
        let mut known = promotion(spec);
        assert!(!seal().trusts(&known, time(1)), "made by kubectl");
        let new = seal().of_new("Promotion", &known.metadata.name, &json!(known.spec), time(0));
        known.metadata.annotations.insert(SEAL_ANNOTATION.to_owned(), new);
        assert!(seal().trusts(&known, time(1)));
        assert!(!seal().trusts(&known, time(61)), "somebody took its status away");
        assert!(!Seal::new(*b"another key").trusts(&known, time(1)));
        let mut again = known.clone();
        again.metadata.creation_timestamp = Some(time(90));
        assert!(!seal().trusts(&again, time(91)), "deleted, and made again from what was saved");
        let mut back = known.clone();
        back.spec.rollback = true;
        assert!(!seal().trusts(&back, time(1)), "another spec under the same seal");

        known.status.attempts = 1;
        known.status.seal = seal().of_record(&known);
        assert!(seal().trusts(&known, time(600)));
        let mut forged = known.clone();
        forged.status.approvals.push(Approval { user: "ghost".into(), ..Approval::default() });
        assert!(!seal().trusts(&forged, time(600)));
        let mut copied = known.clone();
        copied.metadata.name = "shop-production-def".into();
        assert!(!seal().trusts(&copied, time(600)), "the seal of another one");
        let believed = forged.distrusted(time(600)).status;
        assert_eq!((believed.phase, believed.approvals.len()), (PromotionPhase::Failed, 0));
    }

    #[test]
    fn a_release_that_was_changed_goes_nowhere() {
        let mut release = Release::default();
        release.metadata.name = "shop-abc".into();
        release.status.environments.push(crate::plan::entry("staging", "c1", time(0)));
        release.status.seal = seal().of_record(&release);
        assert!(seal().trusts(&release, time(1)));
        release.status.environments[0].healthy_since = Some(time(-600));
        assert!(!seal().trusts(&release, time(1)));
        let believed = release.distrusted(time(1)).status;
        assert!(believed.environments.is_empty() && believed.quarantine.is_some());
        let mut wiped = release.clone();
        wiped.status = ReleaseStatus::default();
        assert!(!seal().trusts(&wiped, time(1)), "its quarantine would be gone");
    }

    #[test]
    fn only_a_status_is_restored() {
        let mut last = promotion(PromotionSpec { pipeline: "shop".into(), ..PromotionSpec::default() });
        last.status.attempts = 1;
        last.status.seal = seal().of_record(&last);
        let mut forged = last.clone();
        (forged.status.writes, forged.metadata.resource_version) = (999, "7".into());
        let restored = forged.restored(&last).unwrap();
        assert!(restored.status == last.status && seal().trusts(&restored, time(600)));
        assert_eq!(restored.metadata.resource_version, "7", "written against what stands there");
        let mut other = forged.clone();
        other.spec.rollback = true;
        assert!(other.restored(&last).is_none(), "another spec");
        forged.metadata.uid = "u2".into();
        assert!(forged.restored(&last).is_none(), "made again");
    }

    #[test]
    fn a_copy_of_a_commit_says_nothing_else() {
        let parents = ["p1".to_owned()];
        let message = "promote(production): shop → v2\n\nBecause.\n\nPromotion-Id: i\n";
        let commit = SealedCommit { promotion_id: "i", parents: &parents, tree: "t", message, second: 7 };
        let sealed = seal().of_commit(&commit);
        let read = format!("{}\nPromotion-Seal: {sealed}", message.trim_end());
        assert!(seal().holds_commit(&SealedCommit { message: &read, ..commit }, &sealed));
        let other = read.replace("shop", "payments");
        for forged in [
            SealedCommit { message: &other, ..commit },
            SealedCommit { second: 8, ..commit },
            SealedCommit { tree: "u", ..commit },
            SealedCommit { parents: &[], ..commit },
            SealedCommit { promotion_id: "j", ..commit },
        ] {
            assert!(!seal().holds_commit(&forged, &sealed), "{forged:?}");
        }
    }

    /// Its spec as nobody here would write it: a seal covers what stands there, also of what is set back.
    #[test]
    fn what_is_set_back_is_trusted_as_it_stands() {
        let digest = format!("sha256:{}", "d".repeat(64));
        for source in [json!({}), json!({"time": "2026-01-02T03:04:05.678Z"}), json!({"people": [], "new": 1})] {
            let mut value = json!({"metadata": {"name": "shop-abc", "uid": "u1"},
                "spec": {"pipeline": "shop", "images": [{"name": "shop", "digest": digest}], "source": source}});
            let mut believed = Release::from_value(value.clone()).unwrap().distrusted(time(1));
            believed.status.seal = seal().of_record(&believed);
            value["status"] = believed.to_value()["status"].take();
            assert!(seal().trusts(&Release::from_value(value).unwrap(), time(600)), "{source}");
        }
    }

    /// A release as a later version would write it, with fields that this one does not know.
    #[test]
    fn what_another_version_wrote_is_believed_as_it_stands() {
        let digest = format!("sha256:{}", "d".repeat(64));
        let environment = json!({"name": "staging", "phase": "Soaking", "wave": {"of": 3, "at": 1}});
        let mut value = json!({"metadata": {"name": "shop-abc", "uid": "u1"},
            "spec": {"pipeline": "shop", "images": [{"name": "shop", "digest": digest, "size": 7}]},
            "status": {"environments": [environment], "writes": 4, "canary": {"weight": 5, "none": null}}});
        let stored = Stored::of(&value);
        let sealed = seal().of(&("record", "Release", "shop-abc", "u1", stored.spec, stored.status));
        value["status"]["seal"] = json!(sealed);
        let read = |value: &Value| Release::from_value(value.clone()).unwrap();
        assert!(seal().trusts(&read(&value), time(600)));
        for (place, forged) in [
            ("/status/canary/weight", json!(100)),
            ("/status/environments/0/wave/at", json!(3)),
            ("/spec/images/0/size", json!(8)),
            ("/status/writes", json!(5)),
        ] {
            let mut other = value.clone();
            *other.pointer_mut(place).unwrap() = forged;
            assert!(!seal().trusts(&read(&other), time(600)), "{place}");
        }
        // what this one writes keeps them, and the other one believes it
        let mut next = read(&value);
        next.status.writes += 1;
        next.status.seal = seal().of_record(&next);
        value["status"] = next.to_value()["status"].take();
        assert_eq!(value["status"]["canary"]["weight"], 5);
        assert!(seal().trusts(&read(&value), time(600)));
    }
}
