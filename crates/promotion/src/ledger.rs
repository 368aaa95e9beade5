//! What outlives the records of a Pipeline: which images go nowhere, which environments something was put into, and who
//! was behind what came. Whoever deletes a Release takes none of it away.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::gantline::{Pipeline, Quarantine, Release, ReleaseImage};
use api::meta::Unknown;
use jiff::Timestamp;
use object::ImageDigest;
use serde::{Deserialize, Serialize};

use crate::about::is_distrust;
use crate::appeared::Appeared;
use crate::begun::Begun;
use crate::identity::identity;
use crate::meaning::{Fit, Told};
use crate::overrides::Overrides;
use crate::places::Places;
use crate::quarantines::{Bad, Elsewhere, Held, Quarantines, bars, holding, is_elsewhere, is_here};

/// A ledger is for all times, and has limits. So much of a reason is kept.
const REASON: usize = 200;
/// Images that are quarantined. More are not kept, which is said: their Releases still say it.
const QUARANTINED: usize = 200;
/// Images of what was lifted, and quarantines of others that do not hold here. Older ones go: they hold again.
const LIFTED: usize = 100;
/// Environments, those of before included. With more of them everything may have been entered.
const ENTERED: usize = 300;

/// Of one Pipeline, by its name: one that is deleted and made again has the same.
///
/// A quarantine stands here before it stands in a Release, and is lifted here first. So what a Release says that is not
/// here is older than the ledger and taken over, unless it is what was lifted.
///
/// Three functions say what is quarantined, and no other does: [`Ledger::quarantine_of`] of a release,
/// `Ledger::quarantine_of_running` of what runs, whatever release it is of, and `Ledger::barrier` of what would come in,
/// of which may not be known what it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantined: Quarantines,
    /// The last ones that were lifted: where a Release still has one, it goes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lifted: Quarantines,
    /// Quarantines of other Pipelines that were lifted for this one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exempt: BTreeMap<String, BTreeMap<ImageDigest, Quarantine>>,
    /// Environments into which something was put: what comes there now is not the first.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub entered: BTreeSet<String>,
    /// Where that was.
    #[serde(skip_serializing_if = "Places::is_empty")]
    pub places: Places,
    #[serde(skip_serializing_if = "Appeared::is_empty")]
    pub appeared: Appeared,
    /// What came past the gates by an override.
    #[serde(skip_serializing_if = "Overrides::is_empty")]
    pub overrides: Overrides,
    #[serde(skip_serializing_if = "Begun::is_empty")]
    pub begun: Begun,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// What holds an image that would come in.
#[derive(Debug)]
pub(crate) struct Barrier<'t, 'a> {
    pub(crate) fit: Fit,
    /// That image, or where nobody can tell, of which nobody can: it may be there already.
    pub(crate) told: &'t Told<'a>,
    pub(crate) quarantine: Quarantine,
}

impl Ledger {
    /// The same with the people behind the last releases alone, for where there is no room for more.
    #[must_use]
    pub fn of_last(&self, releases: usize) -> Self {
        let mut ledger = self.clone();
        ledger.appeared.keep(releases);
        ledger
    }

    /// In place of one that nobody can read: every environment may have been entered.
    pub fn closed(pipeline: &Pipeline) -> Self {
        let entered = pipeline.spec.environments.iter().map(|environment| environment.name.clone()).collect();
        Self { entered, ..Self::default() }
    }

    /// The quarantine that holds for a release, whatever became of its status.
    pub fn quarantine_of<'a>(
        &'a self,
        release: &'a Release,
        elsewhere: &[Arc<Elsewhere>],
    ) -> Option<Cow<'a, Quarantine>> {
        let images = &release.spec.images;
        let said = release.status.quarantine.as_ref().filter(|said| said.release.is_empty());
        let known = || holding(&self.quarantined, images).next().map(|(_, held)| &held.quarantine);
        // that somebody wrote past Gantline does not cover what is known of it
        let (said, distrust) = if said.is_some_and(is_distrust) { (None, said) } else { (said, None) };
        let own = said.filter(|said| !self.has_lifted(images, said)).or_else(known).or(distrust);
        own.map(Cow::Borrowed).or_else(|| self.held_by(elsewhere, images).next().map(|it| Cow::Owned(it.told())))
    }

    /// The quarantines of other Pipelines that hold a release with these images.
    pub(crate) fn held_by<'e>(
        &self,
        elsewhere: &'e [Arc<Elsewhere>],
        images: &[ReleaseImage],
    ) -> impl Iterator<Item = &'e Elsewhere> {
        elsewhere.iter().map(|it| &**it).filter(|it| it.holds(images) && !self.exempts(it))
    }

    fn exempts(&self, it: &Elsewhere) -> bool {
        let lifted = self.exempt.get(&it.pipeline).and_then(|of| of.get(&it.digest));
        lifted.is_some_and(|lifted| is_same(&it.held.quarantine, lifted))
    }

    fn has_lifted(&self, images: &[ReleaseImage], said: &Quarantine) -> bool {
        holding(&self.lifted, images).any(|(_, lifted)| is_same(said, &lifted.quarantine))
    }

    /// What holds one of the images that objects would have beside `all`, themselves included: rather what surely does.
    pub(crate) fn barrier<'t, 'a>(
        &self,
        elsewhere: &[Arc<Elsewhere>],
        new: &[&'t Told<'a>],
        all: &'t [Told<'a>],
    ) -> Option<Barrier<'t, 'a>> {
        let own = self.quarantined.iter().filter_map(|(key, held)| {
            let (fit, told) = held.bars(key, new, all)?;
            Some(Barrier { fit, told, quarantine: held.quarantine.clone() })
        });
        let others = elsewhere.iter().filter(|it| !self.exempts(it)).filter_map(|it| {
            let (fit, told) = bars(&it.held.images, new, all)?;
            Some(Barrier { fit, told, quarantine: it.told() })
        });
        let mut maybe = None;
        for found in own.chain(others) {
            if found.fit == Fit::Yes {
                return Some(found);
            }
            maybe.get_or_insert(found);
        }
        maybe
    }

    /// Of which repositories something is quarantined.
    pub(crate) fn bad(&self, elsewhere: &[Arc<Elsewhere>]) -> Bad {
        let own = self.quarantined.values().map(|held| &held.images);
        let mut bad = Bad::default();
        let others = elsewhere.iter().filter(|it| !self.exempts(it)).map(|it| &it.held.images);
        own.chain(others).for_each(|images| bad.add(images));
        bad
    }

    /// The quarantine that holds what runs together and is of one of `others`: of which, and which quarantine.
    pub(crate) fn quarantine_of_running<'i>(
        &self,
        elsewhere: &[Arc<Elsewhere>],
        all: &[ReleaseImage],
        others: &'i [ReleaseImage],
    ) -> Option<(&'i ReleaseImage, Quarantine)> {
        let own = holding(&self.quarantined, all).find_map(|(key, held)| {
            // older versions wrote no images
            let is_bad = |it: &&ReleaseImage| it.digest == *key || held.images.iter().any(|bad| is_here(it, bad));
            Some((others.iter().find(is_bad)?, held.quarantine.clone()))
        });
        own.or_else(|| {
            self.held_by(elsewhere, all).find_map(|it| {
                let is_bad = |image: &&ReleaseImage| it.held.images.iter().any(|bad| is_elsewhere(image, bad));
                Some((others.iter().find(is_bad)?, it.told()))
            })
        })
    }

    /// Whether it says of a release what the release says.
    pub(crate) fn holds(&self, release: &Release) -> bool {
        let said = release.status.quarantine.as_ref().filter(|said| said.release.is_empty() && !is_distrust(said));
        said.is_none() || holding(&self.quarantined, &release.spec.images).any(|(_, held)| !held.images.is_empty())
    }

    /// Holds back what a release says of itself; `false`: there is no room for it.
    pub(crate) fn hold(&mut self, release: &Release) -> bool {
        let images = &release.spec.images;
        let Some((digest, said)) = identity(images).zip(release.status.quarantine.as_ref()) else { return true };
        self.lifted.remove(&digest);
        if let Some(known) = self.quarantined.get_mut(&digest) {
            known.images.clone_from(images); // as older versions did not
            return true;
        }
        let has_room = count(&self.quarantined) + weight(images) <= QUARANTINED;
        if has_room {
            self.quarantined.insert(digest, Held { quarantine: shortened(said), images: images.clone() });
        }
        has_room
    }

    /// What holds a release in this Pipeline goes; where nothing of its own does, what others hold it by.
    pub(crate) fn lift(&mut self, release: &Release, quarantine: &Quarantine, elsewhere: &[Arc<Elsewhere>]) {
        let images = &release.spec.images;
        if quarantine.release.is_empty() {
            let own: Vec<ImageDigest> = holding(&self.quarantined, images).map(|(digest, _)| digest.clone()).collect();
            let gone = own.into_iter().filter_map(|digest| self.quarantined.remove_entry(&digest));
            self.lifted.extend(gone);
            // who made a record up decides nothing that is kept
            if !is_distrust(quarantine) {
                let held = Held { quarantine: shortened(quarantine), images: images.clone() };
                self.lifted.extend(identity(images).map(|digest| (digest, held)));
            }
            self.drop_oldest_lifted();
            return;
        }
        let others: Vec<&Elsewhere> = self.held_by(elsewhere, images).collect();
        for it in others {
            let exempt = self.exempt.entry(it.pipeline.clone()).or_default();
            exempt.insert(it.digest.clone(), shortened(&it.held.quarantine));
        }
        self.drop_oldest_exempt();
    }

    fn drop_oldest_lifted(&mut self) {
        while count(&self.lifted) > LIFTED && self.lifted.len() > 1 {
            let oldest = self.lifted.iter().min_by_key(|(_, it)| it.quarantine.at).map(|(digest, _)| digest.clone());
            oldest.map(|digest| self.lifted.remove(&digest));
        }
    }

    fn drop_oldest_exempt(&mut self) {
        while self.exempt.values().map(BTreeMap::len).sum::<usize>() > LIFTED {
            let all = self.exempt.iter().flat_map(|(of, all)| all.iter().map(move |(digest, it)| (it.at, of, digest)));
            let Some((of, digest)) = all.min().map(|(_, of, digest)| (of.clone(), digest.clone())) else { return };
            self.exempt.get_mut(&of).map(|all| all.remove(&digest));
            self.exempt.retain(|_, all| !all.is_empty());
        }
    }

    pub(crate) fn enter(&mut self, environments: Vec<String>) {
        let room = ENTERED.saturating_sub(self.entered.len());
        self.entered.extend(environments.into_iter().take(room));
    }

    pub(crate) fn was_entered(&self, environment: &str) -> bool {
        self.entered.contains(environment) || self.has_no_room()
    }

    /// As many environments as are kept: all others count as entered.
    pub(crate) fn has_no_room(&self) -> bool {
        self.entered.len() >= ENTERED
    }
}

fn count(all: &Quarantines) -> usize {
    all.values().map(|held| weight(&held.images).max(1)).sum()
}

/// One with very many parts takes the room of several.
fn weight(images: &[ReleaseImage]) -> usize {
    images.iter().map(|image| 1 + image.parts.len() / 16).sum()
}

fn shortened(quarantine: &Quarantine) -> Quarantine {
    Quarantine { reason: quarantine.reason.chars().take(REASON).collect(), ..quarantine.clone() }
}

/// Whether it is one and the same decision. `lifted` stands in a ledger.
fn is_same(own: &Quarantine, lifted: &Quarantine) -> bool {
    let second = |quarantine: &Quarantine| quarantine.at.map(Timestamp::as_second);
    own.by == lifted.by && second(own) == second(lifted) && shortened(own).reason == lifted.reason
}
