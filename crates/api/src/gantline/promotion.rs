//! The Promotion: one attempt to put a Release into an environment, with its evidence.

use jiff::Timestamp;
use object::{ImageDigest, same_text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::gates::GateKind;
use super::{API_VERSION, Stored, WriteStep};
use crate::meta::{ObjectMeta, ShapeError, Unknown, digest_option, is_default, read, time_option, write};

/// `gantline.dev/v1alpha1 Promotion`, called `PIPELINE-ENVIRONMENT-DIGEST12`, with `-N` for later attempts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Promotion {
    pub metadata: ObjectMeta,
    pub spec: PromotionSpec,
    #[serde(skip_serializing_if = "is_default")]
    pub status: PromotionStatus,
    /// As it was read; `None`: it was made here.
    #[serde(skip)]
    pub stored: Option<Stored>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PromotionSpec {
    pub pipeline: String,
    pub environment: String,
    pub release: String,
    /// What stands for all images of the release.
    #[serde(with = "digest_option")]
    pub digest: Option<ImageDigest>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// The environment that the release comes from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// Who asked; empty when the release came by itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub requested_by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Goes back to a release that ran there before: by a revert commit, without gates, with a quarantine and a pin.
    #[serde(skip_serializing_if = "is_default")]
    pub rollback: bool,
    /// The release that a rollback takes back.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub replaces: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PromotionStatus {
    pub phase: PromotionPhase,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Who asked for it after it was opened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Ask>,
    /// Who wrote what would be merged, where some gate asks for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged: Option<MergedPeople>,
    /// The durable steps that were taken, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRecord>,
    /// The commit that put the release into the environment.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// After a push that was declined: not before then again.
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// When it was not open any more.
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_default")]
    pub attempts: u32,
    /// How often Gantline wrote this: what was written before counts no more.
    #[serde(skip_serializing_if = "is_default")]
    pub writes: u64,
    /// By which Gantline knows that it wrote all of this.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub seal: String,
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// Where an attempt is. Only the first four are open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum PromotionPhase {
    /// For gates, or for somebody.
    #[default]
    Waiting,
    /// All gates passed; the commit is being made.
    Writing,
    /// The commit is on the branch.
    Written,
    /// The cluster follows.
    Converging,
    Succeeded,
    Failed,
    Rejected,
    /// A newer release took its place before it was written.
    Superseded,
}

impl PromotionPhase {
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Writing | Self::Written | Self::Converging)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Writing => "Writing",
            Self::Written => "Written",
            Self::Converging => "Converging",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Rejected => "Rejected",
            Self::Superseded => "Superseded",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum GateState {
    Passed,
    #[default]
    Waiting,
    /// The answer is no, and waiting does not change it.
    Failed,
}

/// What one gate says now, in the words that every screen shows.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GateReport {
    pub name: String,
    pub kind: GateKind,
    pub state: GateState,
    /// What it is now.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What it has to be.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub needed: String,
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// It cannot pass before then.
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub earliest: Option<Timestamp>,
    /// It passes by time alone only until then.
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub who_can_act: String,
}

impl PartialEq for GateReport {
    /// Every plan compares all of them with those of before: see [`same_text`].
    fn eq(&self, other: &Self) -> bool {
        let Self { name, kind, state, value, needed, since, earliest, until, who_can_act } = self;
        let own = [name, value, needed, who_can_act];
        let its = [&other.name, &other.value, &other.needed, &other.who_can_act];
        let same = own.into_iter().zip(its).all(|(own, its)| same_text(own, its));
        let rest = (kind, state, since, earliest, until);
        same && rest == (&other.kind, &other.state, &other.since, &other.earliest, &other.until)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    #[default]
    Approve,
    Reject,
}

/// One person's wish for a promotion that was open already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ask {
    pub by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(with = "time_option")]
    pub at: Option<Timestamp>,
}

/// What one person decided, bound to what they decided about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Approval {
    pub user: String,
    /// The groups of the gate that the user counted for when deciding.
    pub groups: Vec<String>,
    pub decision: Verdict,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(with = "time_option")]
    pub at: Option<Timestamp>,
    #[serde(with = "digest_option")]
    pub digest: Option<ImageDigest>,
    pub environment: String,
    /// Hash of the environment's gates as they were: a changed policy asks again.
    pub policy: String,
}

/// Who wrote what one commit has and another has not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MergedPeople {
    /// The commit that would be merged.
    pub from: String,
    /// The commit into which.
    pub into: String,
    /// Each once, as `Dana Smith <dana@acme.io>`.
    pub people: Vec<String>,
    /// Why these are not all; empty where they are.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub unread: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StepRecord {
    pub step: WriteStep,
    #[serde(with = "time_option")]
    pub at: Option<Timestamp>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl Promotion {
    /// # Errors
    /// When a known field has a wrong type.
    pub fn from_value(value: Value) -> Result<Self, ShapeError> {
        let stored = Some(Stored::of(&value));
        Ok(Self { stored, ..read(value)? })
    }

    pub fn to_value(&self) -> Value {
        write(self, API_VERSION, "Promotion")
    }

    /// Everybody who asked for it, once and in order; nobody when it came by itself.
    pub fn askers(&self) -> impl Iterator<Item = &str> {
        let first = &self.spec.requested_by;
        let later = self.status.asked.iter().map(|ask| ask.by.as_str()).filter(|by| !by.eq_ignore_ascii_case(first));
        Some(first.as_str()).filter(|first| !first.is_empty()).into_iter().chain(later)
    }

    /// When somebody asked for it last; of what came by itself, when it came.
    pub fn last_asked(&self) -> Option<Timestamp> {
        self.status.asked.iter().filter_map(|ask| ask.at).chain(self.metadata.creation_timestamp).max()
    }

    /// Why they asked, where they said so.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        let all = std::iter::once(&self.spec.reason).chain(self.status.asked.iter().map(|ask| &ask.reason));
        all.map(String::as_str).filter(|reason| !reason.is_empty())
    }
}
