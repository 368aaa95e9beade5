//! What a journal is made of: lines that say how long they are and prove that they are whole.
//!
//! `LENGTH CHECKSUM CHECKSUM-OF-BOTH JSON\n`: hexadecimal digits, eight each; the length is that of the JSON in bytes.
//! The head has a checksum of its own, so that a length that was damaged is not taken for a line that was cut off.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Change, Key};

/// What is written in place of another is a record of its own; the newest counts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Record {
    /// The first of each journal: so many objects follow, which are the state at that version.
    Head {
        format: u32,
        revision: u64,
        objects: usize,
        reached: Option<Timestamp>,
    },
    Put {
        revision: u64,
        at: Timestamp,
        key: Key,
        value: Arc<Value>,
    },
    Gone {
        revision: u64,
        at: Timestamp,
        key: Key,
    },
    /// The sandbox's clock has come so far, or will have by the next note.
    Time(Timestamp),
}

/// The form that this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 2;
const HEAD: usize = 27;

/// The beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'b> {
    /// The JSON of a whole line, and the length of the line; the last of a journal may lack its end.
    Whole(&'b [u8], usize),
    /// The same with something else where the line should end.
    Unended(&'b [u8], usize),
    /// The bytes end before the line does: a write that nobody was told of.
    Torn,
    Damaged(&'static str),
}

impl Record {
    pub(super) fn of(change: &Change) -> Self {
        let (revision, at, key) = (change.revision, change.at, change.key.clone());
        match &change.current {
            Some(value) => Self::Put { revision, at, key, value: Arc::clone(value) },
            None => Self::Gone { revision, at, key },
        }
    }

    /// Appends the line.
    ///
    /// # Errors
    /// Where JSON or the length cannot express it.
    pub(super) fn write(&self, to: &mut Vec<u8>) -> std::io::Result<()> {
        let json = serde_json::to_vec(self)?;
        let length = u32::try_from(json.len()).map_err(std::io::Error::other)?;
        to.extend_from_slice(head(length, crc32fast::hash(&json)).as_bytes());
        to.extend_from_slice(&json);
        to.push(b'\n');
        Ok(())
    }
}

fn head(length: u32, checksum: u32) -> String {
    let both = format!("{length:08x} {checksum:08x}");
    format!("{both} {:08x} ", crc32fast::hash(both.as_bytes()))
}

pub(super) fn next(bytes: &[u8]) -> Next<'_> {
    let Some((start, rest)) = bytes.split_at_checked(HEAD) else { return Next::Torn };
    let Some((length, checksum)) = read_head(start) else { return Next::Damaged("the head of a record does not fit") };
    let Some((json, end)) = rest.split_at_checked(length as usize) else { return Next::Torn };
    match end.first() {
        _ if crc32fast::hash(json) != checksum => Next::Damaged("a record does not fit its checksum"),
        Some(b'\n') => Next::Whole(json, HEAD + json.len() + 1),
        None => Next::Whole(json, HEAD + json.len()),
        Some(_) => Next::Unended(json, HEAD + json.len() + 1),
    }
}

fn read_head(bytes: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let number = |from: usize| u32::from_str_radix(text.get(from..from + 8)?, 16).ok();
    let (length, checksum) = (number(0)?, number(9)?);
    // compared as text: what reads the same and is written otherwise was damaged too
    (head(length, checksum) == text).then_some((length, checksum))
}
