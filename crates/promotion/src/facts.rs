//! What happened to releases, promotions, pins and quarantines: data. One function makes sentences of it.

use api::gantline::{PromotionSpec, ReleaseImage, ReleasePhase, ReleaseSource, ReleaseSpec, Verdict};

use crate::about;
use crate::identity::label;

/// One thing that happened. Names of Pipelines and environments are texts as people wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    pub pipeline: String,
    /// The Release that it is about; empty where it is about none.
    pub release: String,
    /// The Promotion that it is about; empty where it is about none.
    pub promotion: String,
    /// What people call the release; empty where it is about none.
    pub tag: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A new Release was seen.
    Released {
        digest: String,
        commit: String,
        author: String,
    },
    /// A release came one step further, or failed.
    Moved {
        environment: String,
        phase: ReleasePhase,
        why: String,
    },
    SoakBeganAgain {
        environment: String,
        why: String,
    },
    /// It waits for gates.
    Wants {
        environment: String,
        by: String,
    },
    Decided {
        environment: String,
        verdict: Verdict,
        by: String,
        reason: String,
    },
    /// A commit is on the branch.
    Promoted {
        environment: String,
        by: String,
        reason: String,
        commit: String,
    },
    RolledBack {
        environment: String,
        by: String,
        reason: String,
        commit: String,
    },
    /// It does not go there.
    Refused {
        environment: String,
        why: String,
        /// The environment of whose Application the gate tells that refused it; empty: of none.
        tells_of: String,
    },
    /// It does not go there: another one came first.
    Overtaken {
        environment: String,
        why: String,
    },
    /// It cannot be written now, and is tried again.
    Delayed {
        environment: String,
        why: String,
    },
    Quarantined {
        digest: String,
        by: String,
        reason: String,
    },
    /// The quarantine of a release that does not say it: it was deleted and made again.
    HeldStill {
        by: String,
        reason: String,
    },
    Lifted {
        by: String,
        reason: String,
    },
    Pinned {
        environment: String,
        by: String,
        reason: String,
    },
    Unpinned {
        environment: String,
        by: String,
    },
    /// It came into an environment past its gates.
    ByHand {
        environment: String,
    },
    /// Somebody wrote its record past Gantline: that counts for nothing. The environment is that of a promotion.
    Tampered {
        environment: String,
        /// It is what it was before; else nobody knows what it was, and nothing of it counts.
        restored: bool,
    },
    /// The status of the Pipeline could not be read: it is written anew, and nothing of it was believed.
    StatusUnread {
        why: String,
    },
}

impl What {
    pub(crate) fn released(images: &[ReleaseImage], source: &ReleaseSource) -> Self {
        let digests: Vec<&str> = images.iter().map(|image| image.digest.as_str()).collect();
        Self::Released { digest: digests.join(", "), commit: source.commit.clone(), author: source.author.clone() }
    }

    /// Empty where it is about no environment.
    pub fn environment(&self) -> &str {
        match self {
            Self::Moved { environment, .. }
            | Self::SoakBeganAgain { environment, .. }
            | Self::Wants { environment, .. }
            | Self::Decided { environment, .. }
            | Self::Promoted { environment, .. }
            | Self::RolledBack { environment, .. }
            | Self::Refused { environment, .. }
            | Self::Overtaken { environment, .. }
            | Self::Delayed { environment, .. }
            | Self::Pinned { environment, .. }
            | Self::Unpinned { environment, .. }
            | Self::ByHand { environment }
            | Self::Tampered { environment, .. } => environment,
            Self::Quarantined { .. } | Self::HeldStill { .. } => self.tells_of(),
            Self::Released { .. } | Self::Lifted { .. } | Self::StatusUnread { .. } => "",
        }
    }

    /// The environment of whose Application the reason tells; empty: of none, as where a person gave it.
    pub fn tells_of(&self) -> &str {
        match self {
            Self::Moved { environment, .. }
            | Self::SoakBeganAgain { environment, .. }
            | Self::Delayed { environment, .. } => environment,
            Self::Refused { tells_of, .. } => tells_of,
            Self::Quarantined { by, reason, .. } | Self::HeldStill { by, reason } => {
                about::of_failure(by, reason).unwrap_or_default()
            }
            Self::Released { .. }
            | Self::Wants { .. }
            | Self::Decided { .. }
            | Self::Promoted { .. }
            | Self::RolledBack { .. }
            | Self::Overtaken { .. }
            | Self::Lifted { .. }
            | Self::Pinned { .. }
            | Self::Unpinned { .. }
            | Self::ByHand { .. }
            | Self::Tampered { .. }
            | Self::StatusUnread { .. } => "",
        }
    }
}

/// A fact for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telling {
    pub message: String,
    /// Why; empty when the message says it all.
    pub reason: String,
    pub commit: String,
    /// Who did it; empty: it came by itself.
    pub actor: String,
}

impl Fact {
    pub fn of_pipeline(pipeline: &str, what: What) -> Self {
        let (release, promotion, tag) = Default::default();
        Self { pipeline: pipeline.to_owned(), release, promotion, tag, what }
    }

    pub(crate) fn of_release(name: &str, spec: &ReleaseSpec, what: What) -> Self {
        let (release, tag) = (name.to_owned(), label(&spec.images).into_owned());
        Self { release, tag, ..Self::of_pipeline(&spec.pipeline, what) }
    }

    /// Also about its release.
    pub(crate) fn of_promotion(name: &str, spec: &PromotionSpec, what: What) -> Self {
        let (release, promotion, tag) = (spec.release.clone(), name.to_owned(), spec.tag.clone());
        Self { release, promotion, tag, ..Self::of_pipeline(&spec.pipeline, what) }
    }

    pub fn telling(&self) -> Telling {
        let (pipeline, tag) = (&self.pipeline, &self.tag);
        let say = |message: String, reason: &str, actor: &str| Telling {
            message,
            reason: reason.to_owned(),
            actor: actor.to_owned(),
            commit: String::new(),
        };
        match &self.what {
            What::Released { digest, commit, author } => {
                let message = format!("{pipeline} {tag}: a new Release, {digest}");
                Telling { commit: commit.clone(), ..say(message, "", author) }
            }
            What::Moved { environment, phase, why } => {
                say(format!("{pipeline} {tag} is {} in {environment}", phase.as_str()), why, "")
            }
            What::SoakBeganAgain { environment, why } => {
                say(format!("{pipeline} {tag}: the soak in {environment} begins again"), why, "")
            }
            What::Wants { environment, by } => say(format!("{pipeline} {tag} wants to go to {environment}"), "", by),
            What::Decided { environment, verdict, by, reason } => {
                let verb = if *verdict == Verdict::Approve { "approved" } else { "rejected" };
                say(format!("{pipeline} {tag} for {environment} is {verb} by {by}"), reason, by)
            }
            What::Promoted { environment, by, reason, commit } => {
                let message = format!("promote({environment}): {pipeline} → {tag}");
                Telling { commit: commit.clone(), ..say(message, reason, by) }
            }
            What::RolledBack { environment, by, reason, commit } => {
                let message = format!("rollback({environment}): {pipeline} → {tag}");
                Telling { commit: commit.clone(), ..say(message, reason, by) }
            }
            What::Refused { environment, why, .. } | What::Overtaken { environment, why } => {
                say(format!("{pipeline} {tag} does not go to {environment}"), why, "")
            }
            What::Delayed { environment, why } => {
                say(format!("{pipeline} {tag} cannot be written to {environment} now"), why, "")
            }
            What::Quarantined { digest, by, reason } => {
                say(format!("{pipeline} {tag} is quarantined: {digest} goes nowhere"), reason, by)
            }
            What::HeldStill { by, reason } => {
                let message = format!("{pipeline} {tag} is quarantined still: its Release was deleted, and made again");
                say(message, reason, by)
            }
            What::Lifted { by, reason } => say(format!("{pipeline} {tag} is not quarantined any more"), reason, by),
            What::Pinned { environment, by, reason } => {
                say(format!("{pipeline} in {environment} is pinned"), reason, by)
            }
            What::Unpinned { environment, by } => {
                say(format!("{pipeline} in {environment} is not pinned any more"), "", by)
            }
            What::ByHand { environment } => {
                let why = "it was written to Git, or synced, past the gates";
                say(format!("{pipeline} {tag} is to run in {environment}, and was not promoted there"), why, "")
            }
            What::Tampered { restored, .. } => {
                let record = if self.promotion.is_empty() { &self.release } else { &self.promotion };
                let then = if *restored { "is set back to what it said before" } else { "counts for nothing" };
                let message = format!("{pipeline} {tag}: {record} was written past Gantline, and {then}");
                say(message, "", "")
            }
            What::StatusUnread { why } => {
                say(format!("{pipeline}: its status was written past Gantline, and is written anew"), why, "")
            }
        }
    }
}
