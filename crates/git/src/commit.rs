//! Commits as data.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

/// A Git commit id: 40 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId(pub(crate) gix::ObjectId);

impl CommitId {
    /// The first ten digits.
    pub fn short(&self) -> String {
        self.to_string()[..10].to_owned()
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.to_hex())
    }
}

impl FromStr for CommitId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        gix::ObjectId::from_hex(text.as_bytes()).map(Self).map_err(|_| format!("{text:?} is no commit id"))
    }
}

/// Who, and when. The time is given in: nothing here reads a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub name: String,
    pub email: String,
    pub time: Timestamp,
}

/// The `Key: value` lines of the last paragraph of a message, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trailers(pub Vec<(String, String)>);

impl Trailers {
    /// Reads the last paragraph, if every line of it is a trailer.
    pub fn parse(message: &str) -> Self {
        let last = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
        if last.len() == message.trim_end().len() {
            return Self::default();
        }
        let pair = |line: &str| {
            let (key, value) = line.split_once(':')?;
            let word = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            word.then(|| (key.to_owned(), value.trim().to_owned()))
        };
        last.lines().map(pair).collect::<Option<Vec<_>>>().map(Self).unwrap_or_default()
    }

    /// The first value of a key, without regard to case.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.as_str())
    }
}

/// What a commit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    pub id: CommitId,
    pub parents: Vec<CommitId>,
    /// The id of its files.
    pub tree: String,
    pub author: Signature,
    pub committer: Signature,
    pub subject: String,
    pub body: String,
    pub trailers: Trailers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_the_last_paragraph() {
        let trailers = Trailers::parse("promote(production): shop\n\nBecause.\n\nPromotion-Id: p1\nRelease: r1\n");
        assert_eq!(trailers.get("promotion-id"), Some("p1"));
        assert_eq!(trailers.get("Release"), Some("r1"));
        assert_eq!(Trailers::parse("Subject: only\n"), Trailers::default());
        assert_eq!(Trailers::parse("a\n\nNot: a trailer\nbecause of this line\n"), Trailers::default());
    }
}
