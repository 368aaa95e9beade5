//! The journal of gantline before it had checksums: `objects.jsonl`, one JSON line a write.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::journal::State;
use super::replay::{Dropped, OnDamage};
use super::{Key, StoreError};

type Read = (State, Option<Timestamp>, Vec<Dropped>);

/// # Errors
/// Where a line in the middle cannot be read and shall not be dropped.
pub(super) fn read(path: &Path, on_damage: OnDamage) -> Result<Read, StoreError> {
    let bytes = std::fs::read(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
    let mut state = State::default();
    let (mut at, mut dropped) = (0, Vec::new());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (from, to) = (at, at + line.len() as u64);
        at = to;
        let parsed = serde_json::from_slice(line).ok().and_then(|line| parse(&line));
        match parsed {
            Some((revision, key, value)) => {
                state.revision = state.revision.max(revision);
                match value {
                    Some(value) => drop(state.objects.insert(key, Arc::new(value))),
                    None => drop(state.objects.remove(&key)),
                }
            }
            // cut off by a crash
            None if !line.ends_with(b"\n") => {}
            None if on_damage == OnDamage::Recover => dropped.push(Dropped { from, to, about: Vec::new() }),
            None => {
                let why = "a line cannot be read".to_owned();
                return Err(StoreError::Damaged { path: path.to_owned(), at: from, why });
            }
        }
    }
    // as in `replay`: who wrote versions that are lost must not see them again
    state.revision += dropped.iter().map(|dropped: &Dropped| dropped.to - dropped.from).sum::<u64>();
    let made = state.objects.values().filter_map(|object| object["metadata"]["creationTimestamp"].as_str());
    let reached = made.filter_map(|time| time.parse().ok()).max();
    Ok((state, reached, dropped))
}

/// `[revision, storage, namespace, name, object or null]`
fn parse(line: &Value) -> Option<(u64, Key, Option<Value>)> {
    let text = |index: usize| line.get(index)?.as_str();
    let key = Key::new(text(1)?, text(2)?, text(3)?);
    let value = line.get(4)?;
    Some((line.get(0)?.as_u64()?, key, (!value.is_null()).then(|| value.clone())))
}
