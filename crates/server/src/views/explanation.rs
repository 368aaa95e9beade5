use api::argocd::{HealthStatusCode, SyncStatusCode};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Key;

/// Why an Application is not green, why environments do not run what is next, or why a release does not move.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Explanation {
    Application(ApplicationExplanation),
    Pipeline(PipelineExplanation),
    Release(ReleaseExplanation),
}

/// All reasons, the most telling ones first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApplicationExplanation {
    pub(crate) application: String,
    pub(crate) sync: SyncStatusCode,
    pub(crate) health: HealthStatusCode,
    /// One line.
    pub(crate) summary: String,
    pub(crate) reasons: Vec<Reason>,
}

/// One thing that stands between an Application and green.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reason {
    topic: Topic,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Key>,
    /// A whole sentence.
    message: String,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// What should be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    needed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// When the next automatic step can come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    earliest: Option<Timestamp>,
    /// Who or what can change it.
    who: String,
}

/// What a reason is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) enum Topic {
    Source,
    Sync,
    Operation,
    Health,
    /// What is next in the environment that it deploys.
    Promotion,
}

impl From<engine::Topic> for Topic {
    fn from(topic: engine::Topic) -> Self {
        match topic {
            engine::Topic::Source => Self::Source,
            engine::Topic::Sync => Self::Sync,
            engine::Topic::Operation => Self::Operation,
            engine::Topic::Health => Self::Health,
        }
    }
}

impl From<engine::Reason> for Reason {
    fn from(reason: engine::Reason) -> Self {
        Self {
            topic: reason.topic.into(),
            object: reason.object.as_ref().map(Key::from),
            message: told(&reason.message),
            value: reason.value.as_deref().map(told),
            needed: reason.needed.as_deref().map(told),
            since: reason.since,
            earliest: reason.earliest,
            who: reason.who,
        }
    }
}

impl From<engine::Explanation> for ApplicationExplanation {
    fn from(explanation: engine::Explanation) -> Self {
        Self {
            application: explanation.application,
            sync: explanation.sync,
            health: explanation.health,
            summary: told(&explanation.summary),
            reasons: explanation.reasons.into_iter().map(Reason::from).collect(),
        }
    }
}

impl From<ReleaseReason> for Reason {
    fn from(reason: ReleaseReason) -> Self {
        let ReleaseReason { topic: _, message, value, needed, since, earliest, who } = reason;
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let (value, needed) = (some(value), some(needed));
        Self { topic: Topic::Promotion, object: None, message, value, needed, since, earliest, who }
    }
}

impl ApplicationExplanation {
    /// With what holds the release that is next in an environment of it.
    pub(crate) fn and(mut self, next: ReleaseExplanation) -> Self {
        if let Some(first) = next.reasons.first() {
            let joint = if self.reasons.is_empty() { ": " } else { "; " };
            self.summary = format!("{}{joint}{}", self.summary.trim_end_matches('.'), first.message);
        }
        self.reasons.extend(next.reasons.into_iter().map(Reason::from));
        self
    }
}

/// What the environments of a Pipeline run, and what holds what is next.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineExplanation {
    pub(crate) pipeline: String,
    /// One line.
    pub(crate) summary: String,
    pub(crate) reasons: Vec<ReleaseReason>,
}

/// How far a release is, and what holds it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ReleaseExplanation {
    pub(crate) release: String,
    pub(crate) tag: String,
    pub(crate) digest: String,
    /// One line.
    pub(crate) summary: String,
    pub(crate) reasons: Vec<ReleaseReason>,
}

/// One thing that holds a release.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ReleaseReason {
    /// An environment, or `Quarantine`, or `Pipeline`.
    pub(crate) topic: String,
    /// A whole sentence.
    pub(crate) message: String,
    /// What is there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) value: String,
    /// What has to be there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) needed: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) since: Option<Timestamp>,
    /// It cannot pass before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) earliest: Option<Timestamp>,
    /// Who or what can change it.
    pub(crate) who: String,
}

impl From<promotion::explain::Explanation> for ReleaseExplanation {
    fn from(explained: promotion::explain::Explanation) -> Self {
        let promotion::explain::Explanation { release, tag, digest, summary, reasons } = explained;
        let summary = told(&summary);
        Self { release, tag, digest, summary, reasons: reasons.into_iter().map(ReleaseReason::from).collect() }
    }
}

impl From<promotion::explain::Reason> for ReleaseReason {
    fn from(reason: promotion::explain::Reason) -> Self {
        let promotion::explain::Reason { topic, message, value, needed, since, earliest, who } = reason;
        Self { topic, message: told(&message), value: told(&value), needed: told(&needed), since, earliest, who }
    }
}

/// Statuses may have been written by others, who do not mask addresses.
fn told(text: &str) -> String {
    object::without_credentials(text).into_owned()
}
