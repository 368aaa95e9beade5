//! What outlives the records of a Pipeline: which digests go nowhere, and which environments something was put into.
//! Whoever deletes a Release takes away neither.

use std::collections::{BTreeMap, BTreeSet};

use api::gantline::{Pipeline, Quarantine, Release};
use api::meta::Unknown;
use jiff::Timestamp;
use object::ImageDigest;
use serde::{Deserialize, Serialize};

use crate::identity::identity;
use crate::places::Places;

/// So much of a reason is kept: a ledger is for all times, and has limits.
const REASON: usize = 200;

/// Of one Pipeline, by its name: one that is deleted and made again has the same.
///
/// A quarantine stands here before it stands in a Release, and is lifted here first. So what a Release says that is not
/// here is older than the ledger and taken over, unless it is what was lifted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    /// By what stands for all images of a release.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantined: BTreeMap<ImageDigest, Quarantine>,
    /// The last one that was lifted: where a Release still has it, it goes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lifted: BTreeMap<ImageDigest, Quarantine>,
    /// Environments into which something was put: what comes there now is not the first.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub entered: BTreeSet<String>,
    /// Where that was.
    #[serde(skip_serializing_if = "Places::is_empty")]
    pub places: Places,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Ledger {
    /// In place of one that nobody can read: every environment may have been entered.
    pub fn closed(pipeline: &Pipeline) -> Self {
        let entered = pipeline.spec.environments.iter().map(|environment| environment.name.clone()).collect();
        Self { entered, ..Self::default() }
    }

    /// The quarantine that holds for a release, whatever became of its status.
    pub fn quarantine_of<'a>(&'a self, release: &'a Release) -> Option<&'a Quarantine> {
        let own = release.status.quarantine.as_ref();
        let decided = if own.is_some() { &self.lifted } else { &self.quarantined };
        if decided.is_empty() {
            return own;
        }
        let known = identity(&release.spec.images).and_then(|digest| decided.get(&digest));
        match (own, known) {
            (None, held) => held,
            (Some(own), Some(lifted)) if is_same(own, lifted) => None,
            (own, _) => own,
        }
    }

    /// Whether it says of a release what the release says.
    pub(crate) fn holds(&self, release: &Release) -> bool {
        let digest = || identity(&release.spec.images);
        release.status.quarantine.is_none() || digest().is_none_or(|digest| self.quarantined.contains_key(&digest))
    }

    /// Holds back what a release says of itself.
    pub(crate) fn hold(&mut self, release: &Release) {
        if let (Some(digest), Some(quarantine)) = (identity(&release.spec.images), &release.status.quarantine) {
            self.lifted.remove(&digest);
            self.quarantined.entry(digest).or_insert_with(|| shortened(quarantine));
        }
    }

    pub(crate) fn lift(&mut self, release: &Release, quarantine: &Quarantine) {
        if let Some(digest) = identity(&release.spec.images) {
            self.quarantined.remove(&digest);
            self.lifted.insert(digest, shortened(quarantine));
        }
    }
}

fn shortened(quarantine: &Quarantine) -> Quarantine {
    Quarantine { reason: quarantine.reason.chars().take(REASON).collect(), ..quarantine.clone() }
}

/// Whether it is one and the same decision. `lifted` stands in a ledger.
fn is_same(own: &Quarantine, lifted: &Quarantine) -> bool {
    let second = |quarantine: &Quarantine| quarantine.at.map(Timestamp::as_second);
    own.by == lifted.by && second(own) == second(lifted) && shortened(own).reason == lifted.reason
}
