//! Chances that a seed decides.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// The n-th throw for a thing depends on the seed, the thing and n, and not on what happens beside it.
#[derive(Debug)]
pub struct Dice {
    seed: u64,
    thrown: Mutex<BTreeMap<String, u64>>,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { seed, thrown: Mutex::default() }
    }

    /// From 0 to 9,999.
    pub fn throw(&self, thing: &str) -> u64 {
        let mut thrown = self.thrown.lock().unwrap_or_else(PoisonError::into_inner);
        let count = thrown.entry(thing.to_owned()).or_default();
        *count += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, thing, *count).hash(&mut hasher);
        hasher.finish() % 10_000
    }
}
