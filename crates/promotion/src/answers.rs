//! What a plan has to know and cannot see: questions, and what was answered when. Answering them is I/O, and not here.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::gantline::{GateKind, ReleaseSource};
use jiff::{SignedDuration, Timestamp};
use object::{ImageDigest, ImageRef};

use crate::parts::Parts;
use crate::write::Located;

/// A registry is asked again after this time what a tag means.
const DIGEST_AGE: SignedDuration = SignedDuration::from_mins(10);
/// What could not be answered is asked again after this time.
const FAILED_AGE: SignedDuration = SignedDuration::from_mins(1);

/// An image of an Application at the commits of its sources.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    pub application: Arc<str>,
    /// Without tag and digest.
    pub image: Arc<str>,
    /// Names sources and commits: what is at one spot never changes.
    pub at: Arc<str>,
}

/// What somebody who may do I/O has to find out. Whoever asks the same asks once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// Where the image is written, and what is written there.
    Located(Spot),
    /// Which commit set the image, and who wrote what set it since another commit: that of the release before, or empty.
    Source { spot: Spot, since: Arc<str> },
    /// Who wrote what one Application's commit has and another's has not.
    Merged { from: Spot, into: Spot },
    /// Which digest a tag means now.
    Digest(ImageRef),
    /// What is in an image with a digest.
    Parts(ImageRef),
    /// What one kind of gate wants to know, in its own words.
    Gate { kind: GateKind, asks: String },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Located(Result<Located, String>),
    Source(ReleaseSource),
    Merged(ReleaseSource),
    Digest(Result<ImageDigest, String>),
    Parts(Parts),
    Gate(Result<serde_json::Value, String>),
}

/// An answer, and when it was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    pub answer: Answer,
    pub at: Timestamp,
}

impl Answered {
    /// When it has to be asked again; `None`: it holds for ever. Until the new answer is there the old one counts.
    pub fn until(&self) -> Option<Timestamp> {
        let age = match &self.answer {
            Answer::Located(Ok(_)) | Answer::Source(_) | Answer::Merged(_) | Answer::Parts(Parts::Known(_)) => {
                return None;
            }
            Answer::Digest(Ok(_)) => DIGEST_AGE,
            Answer::Located(Err(_)) | Answer::Digest(Err(_)) | Answer::Parts(_) | Answer::Gate(_) => FAILED_AGE,
        };
        self.at.checked_add(age).ok()
    }
}

/// All that was answered of what a plan asks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers(pub BTreeMap<Question, Arc<Answered>>);

impl Answers {
    pub fn of(&self, question: &Question) -> Option<&Answered> {
        self.0.get(question).map(|answered| &**answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests::time;

    #[test]
    fn what_may_change_is_asked_again() {
        let until = |answer: Answer| Answered { answer, at: time(0) }.until();
        assert_eq!(until(Answer::Digest(Err("refused".into()))), Some(time(1)));
        assert_eq!(
            until(Answer::Digest(format!("sha256:{}", "a".repeat(64)).parse().map_err(|_| String::new()))),
            Some(time(10))
        );
        assert_eq!(until(Answer::Located(Err("does not render".into()))), Some(time(1)));
        assert_eq!(until(Answer::Source(ReleaseSource::default())), None);
    }
}
