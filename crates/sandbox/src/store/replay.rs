//! From a journal to what it says: a line that was cut off at the end is normal, everything else that does not fit is not.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use regex::bytes::Regex;
use serde_json::Value;

use super::record::{FORMAT, Next, Record, next};
use super::{FIRST, Key};

/// What to do with a journal that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDamage {
    /// Not to open it.
    #[default]
    Refuse,
    /// To keep what is whole, and to say what is not. The damaged file stays beside the new one.
    Recover,
}

/// Where a journal stops making sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    /// In bytes from the beginning.
    pub(super) at: u64,
    pub(super) why: String,
}

/// A part of a damaged journal that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Bytes from the beginning of the file, the first and the one after the last.
    pub from: u64,
    pub to: u64,
    /// The objects that are still named there, as `configmaps shop/settings`.
    pub about: Vec<String>,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {} to {} are lost", self.from, self.to)?;
        match self.about.as_slice() {
            [] => write!(f, "; nobody can tell what they were about"),
            about => write!(f, ", which were about {}: now as before that write, or not there", about.join(", ")),
        }
    }
}

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub(super) objects: BTreeMap<Key, Arc<Value>>,
    pub(super) revision: u64,
    pub(super) reached: Option<Timestamp>,
    pub(super) records: usize,
    /// So many bytes make sense; what follows was cut off by a crash.
    pub(super) whole: usize,
    pub(super) dropped: Vec<Dropped>,
    /// Objects of the first state that are still to come.
    missing: usize,
}

/// # Errors
/// Where it is damaged and shall not be recovered.
pub(super) fn replay(bytes: &[u8], on_damage: OnDamage) -> Result<Replayed, Damage> {
    let mut replayed = Replayed { revision: FIRST, ..Replayed::default() };
    // a file system that grew the file before the power failed leaves zeros
    let bytes = bytes.get(..bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)).unwrap_or_default();
    check_format(bytes)?;
    loop {
        match read(&mut replayed, bytes, on_damage) {
            Ok(true) => {}
            Ok(false) => break,
            Err(_) if on_damage == OnDamage::Recover => replayed.skip(bytes),
            Err(why) => return Err(Damage { at: replayed.whole as u64, why }),
        }
    }
    // who wrote versions that are lost must not see them again; each took more than a byte
    let lost: u64 = replayed.dropped.iter().map(|dropped| dropped.to - dropped.from).sum();
    replayed.revision += lost;
    Ok(replayed)
}

/// What a newer program wrote is not damaged, and never dropped.
fn check_format(bytes: &[u8]) -> Result<(), Damage> {
    let Next::Whole(json, _) = next(bytes) else { return Ok(()) };
    let format = serde_json::from_slice::<Value>(json).ok().and_then(|head| head.pointer("/head/format")?.as_u64());
    match format {
        Some(format) if format > u64::from(FORMAT) => {
            let why = format!("it has form {format}, and this program reads {FORMAT}: use a newer gantline");
            Err(Damage { at: 0, why })
        }
        _ => Ok(()),
    }
}

/// Takes in the next record. `false` at the end.
fn read(replayed: &mut Replayed, bytes: &[u8], on_damage: OnDamage) -> Result<bool, String> {
    let rest = bytes.get(replayed.whole..).unwrap_or_default();
    let (json, length) = match next(rest) {
        Next::Whole(json, length) => (json, length),
        Next::Unended(json, length) if on_damage == OnDamage::Recover => {
            let to = (replayed.whole + length) as u64;
            replayed.dropped.push(Dropped { from: to - 1, to, about: Vec::new() });
            (json, length)
        }
        Next::Unended(..) => return Err("a record does not end where it should".to_owned()),
        Next::Damaged(why) => return Err(why.to_owned()),
        Next::Torn => return replayed.check_end().map(|()| false),
    };
    let record = serde_json::from_slice(json).map_err(|error| format!("a record cannot be read: {error}"))?;
    replayed.take(record)?;
    replayed.whole += length;
    Ok(true)
}

impl Replayed {
    fn take(&mut self, record: Record) -> Result<(), String> {
        let strict = self.dropped.is_empty();
        let first = self.records == 0;
        match record {
            Record::Head { revision, objects, reached, .. } if first => {
                (self.revision, self.missing, self.reached) = (revision, objects, reached);
            }
            Record::Head { .. } => return Err("a second beginning".to_owned()),
            _ if first && strict => return Err("there is no beginning".to_owned()),
            Record::Time(reached) => self.reached = Some(reached),
            Record::Put { revision, at, key, value } => {
                self.follow(revision, at, strict)?;
                self.objects.insert(key, value);
            }
            Record::Gone { revision, at, key } => {
                self.follow(revision, at, strict)?;
                self.objects.remove(&key);
            }
        }
        self.records += 1;
        Ok(())
    }

    /// Versions follow each other without a gap, but for the objects of the first state.
    fn follow(&mut self, revision: u64, at: Timestamp, strict: bool) -> Result<(), String> {
        if self.missing > 0 {
            self.missing -= 1;
        } else if strict && revision != self.revision + 1 {
            return Err(format!("version {revision} follows on {}: something between is missing", self.revision));
        }
        self.revision = self.revision.max(revision);
        self.reached = self.reached.max(Some(at));
        Ok(())
    }

    /// A journal has a beginning, and its first state is there as a whole: it is put in its place when it is on disk.
    fn check_end(&self) -> Result<(), String> {
        if !self.dropped.is_empty() {
            return Ok(());
        }
        match self.missing {
            _ if self.records == 0 => Err("there is no beginning".to_owned()),
            0 => Ok(()),
            missing => Err(format!("it ends here, and {missing} objects should follow")),
        }
    }

    /// Goes to the next line that is whole.
    fn skip(&mut self, bytes: &[u8]) {
        let from = self.whole;
        let whole = |at: &usize| matches!(next(bytes.get(*at..).unwrap_or_default()), Next::Whole(..));
        let to = (from + 1..bytes.len()).find(whole).unwrap_or(bytes.len());
        self.whole = to;
        let about = named(bytes.get(from..to).unwrap_or_default());
        self.dropped.push(Dropped { from: from as u64, to: to as u64, about });
    }
}

/// The objects that damaged lines still name.
fn named(bytes: &[u8]) -> Vec<String> {
    #[expect(clippy::unwrap_used, reason = "the pattern is constant, and a test uses it")]
    static KEY: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#""key":\{"storage":"([a-z0-9.-]*)","namespace":"([a-z0-9.-]*)","name":"([^"\\]*)"\}"#).unwrap()
    });
    let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
    let found = KEY.captures_iter(bytes).map(|found| {
        let [storage, namespace, name] = found.extract().1.map(text);
        if namespace.is_empty() { format!("{storage} {name}") } else { format!("{storage} {namespace}/{name}") }
    });
    found.collect()
}
