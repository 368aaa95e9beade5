//! What a plan looks at: values, whoever brought them.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::argocd::{HealthStatusCode, SyncStatusCode};
use api::gantline::{Pipeline, PipelineProblem, Promotion, Release};
use jiff::Timestamp;
use object::{ImageDigest, ImageRef};

use crate::answers::Answers;
use crate::change_set::Accounts;
use crate::ledger::Ledger;
use crate::members::Members;
use crate::quarantines::Elsewhere;
use crate::seal::Tampered;

/// One Pipeline and all that is its own, at one moment.
#[derive(Debug, Clone)]
pub struct Observed {
    pub pipeline: Arc<Pipeline>,
    /// What is wrong with the Pipeline as it was read: an error stops it.
    pub problems: Vec<PipelineProblem>,
    /// One for each environment of the Pipeline, in its order.
    pub places: Vec<Place>,
    /// Those of this Pipeline, in any order.
    pub releases: Vec<Arc<Release>>,
    pub promotions: Vec<Arc<Promotion>>,
    /// What of it was written past Gantline: it is here as far as it may be believed. `None`: nobody has looked, and
    /// nothing may be written.
    pub tampered: Option<Tampered>,
    /// What holds whatever became of releases and promotions.
    pub ledger: Arc<Ledger>,
    /// What other Pipelines quarantined of the repositories of this one.
    pub elsewhere: Arc<[Arc<Elsewhere>]>,
    /// Who may log in, and what they are called in Git.
    pub accounts: Arc<Accounts>,
    /// Which of them belong to the groups of its gates.
    pub members: Arc<Members>,
    /// To the questions of the last plan.
    pub answers: Answers,
    pub now: Timestamp,
}

/// One environment as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place {
    /// The Application that deploys it; `None`: it does not exist.
    pub application: Option<PlaceApplication>,
    /// What other Applications have where the environment is or was: images of the Pipeline's repositories.
    pub beside: Vec<Brought>,
    /// Pods of the Application that are not ending.
    pub pods: Vec<RunningPod>,
    /// Since when this process watches the Application and its pods without a break; `None`: it does not now.
    pub watched_since: Option<Timestamp>,
}

/// An image that an environment's own Application did not bring.
#[derive(Debug, Clone, PartialEq)]
pub struct Brought {
    pub image: ImageRef,
    pub namespace: String,
}

/// What counts of an Application.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlaceApplication {
    pub name: Arc<str>,
    pub sync: SyncStatusCode,
    /// It is not Synced, because gates hold what it would bring.
    pub is_held: bool,
    /// Why nobody can tell whether it is Synced: Git or the cluster does not answer. Empty where somebody can.
    pub doubt: String,
    pub health: HealthStatusCode,
    /// Since when the health is what it is.
    pub health_since: Option<Timestamp>,
    /// What its unhealthy objects say.
    pub cause: String,
    /// Whether it follows tags by a version constraint: a promotion brings all that the branch of the environment before has.
    pub follows_tags: bool,
    /// The commit of the written source that it is synced to; empty before the first comparison.
    pub commit: String,
    /// The address of the cluster that it was compared with; empty where that is not where it deploys to now.
    pub cluster: String,
    /// Where it deploys to and has objects.
    pub namespaces: BTreeSet<String>,
    pub project: String,
    /// Names all its sources and the commits that it is synced to: see [`Spot::at`](crate::Spot).
    pub at: Arc<str>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunningPod {
    /// As the pod's status tells them.
    pub images: Vec<RunningImage>,
    /// Since when it is ready; `None`: it is not.
    pub ready_since: Option<Timestamp>,
    /// As one of a Job does: it says what its images were, and runs none.
    pub has_ended: bool,
    /// As one of a Job does: that it is not ready says nothing.
    pub is_to_end: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RunningImage {
    pub image: ImageRef,
    pub digest: Option<ImageDigest>,
}

impl Observed {
    pub fn place(&self, environment: &str) -> Option<&Place> {
        let index = self.pipeline.spec.environments.iter().position(|known| known.name == environment)?;
        self.places.get(index)
    }
}

impl PlaceApplication {
    pub(crate) fn is_synced(&self) -> bool {
        self.sync == SyncStatusCode::Synced
    }

    /// What to say while nobody can tell whether it is Synced.
    pub(crate) fn outage(&self) -> Option<String> {
        let out = self.sync == SyncStatusCode::Unknown && !self.doubt.is_empty();
        out.then(|| format!("nobody can tell now whether {} is Synced: {}", self.name, self.doubt))
    }
}

impl Place {
    /// Since when all pods are ready; `None` where one is not, or there is none.
    pub(crate) fn ready_since(&self) -> Option<Timestamp> {
        let times: Option<Vec<Timestamp>> = self.pods.iter().map(|pod| pod.ready_since).collect();
        times?.into_iter().max()
    }
}
