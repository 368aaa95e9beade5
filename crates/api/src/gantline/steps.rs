//! The durable steps of a write. Each is written down before the next begins, so that another process can go on from
//! any of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// In this order. What is written where:
///
/// | step | kept in | if the process dies right after it |
/// |---|---|---|
/// | `Claimed` | the Promotion (phase Writing) | the next one searches Git |
/// | `Searched` | nothing | it is searched again |
/// | `GatesRepeated` | nothing | they are judged again |
/// | `Pushed` | Git: the commit carries the promotion's id | the search finds the commit |
/// | `Recorded` | the Promotion (its commit) | the refresh is asked for again |
/// | `Refreshed` | an annotation of the Application | it is asked for again |
/// | `Converged` | the Promotion (phase Succeeded) | there is nothing left to do |
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WriteStep {
    #[default]
    Claimed,
    Searched,
    GatesRepeated,
    Pushed,
    Recorded,
    Refreshed,
    Converged,
}

impl WriteStep {
    pub const ALL: [Self; 7] = [
        Self::Claimed,
        Self::Searched,
        Self::GatesRepeated,
        Self::Pushed,
        Self::Recorded,
        Self::Refreshed,
        Self::Converged,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "Claimed",
            Self::Searched => "Searched",
            Self::GatesRepeated => "GatesRepeated",
            Self::Pushed => "Pushed",
            Self::Recorded => "Recorded",
            Self::Refreshed => "Refreshed",
            Self::Converged => "Converged",
        }
    }

    /// The step called so, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for WriteStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
