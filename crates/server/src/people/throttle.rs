//! Slows down whoever guesses passwords.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// As Argo CD 3.5: five failures within five minutes close the door for the account until the oldest is forgotten.
const FAILURES: usize = 5;
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// So many accounts are remembered; beyond that an attacker would fill the memory.
const ACCOUNTS: usize = 1000;

/// The recent failures per account. Names that do not exist count too: the answer must not tell which exist.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<HashMap<String, Vec<Timestamp>>>);

impl Throttle {
    /// When the account may try again, if it must wait now.
    pub(crate) fn closed_until(&self, account: &str, now: Timestamp) -> Option<Timestamp> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent: Vec<Timestamp> = failures.get(account)?.iter().copied().filter(|at| now - WINDOW < *at).collect();
        let oldest = recent.len().checked_sub(FAILURES).and_then(|index| recent.get(index))?;
        oldest.checked_add(WINDOW).ok()
    }

    pub(crate) fn failed(&self, account: &str, now: Timestamp) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ACCOUNTS && !failures.contains_key(account) {
            failures.retain(|_, times| times.iter().any(|at| now - WINDOW < *at));
            if failures.len() >= ACCOUNTS {
                return;
            }
        }
        let times = failures.entry(account.to_owned()).or_default();
        times.retain(|at| now - WINDOW < *at);
        times.push(now);
    }

    pub(crate) fn succeeded(&self, account: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_close_the_door_for_five_minutes() {
        let throttle = Throttle::default();
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for second in 0..4 {
            throttle.failed("alice", start + SignedDuration::from_secs(second));
        }
        assert_eq!(throttle.closed_until("alice", start + SignedDuration::from_secs(4)), None);
        throttle.failed("alice", start + SignedDuration::from_secs(4));
        assert_eq!(throttle.closed_until("alice", start + SignedDuration::from_secs(5)), Some(start + WINDOW));
        assert_eq!(throttle.closed_until("alice", start + SignedDuration::from_secs(301)), None);
        assert_eq!(throttle.closed_until("bob", start), None);
        throttle.succeeded("alice");
        assert_eq!(throttle.closed_until("alice", start + SignedDuration::from_secs(5)), None);
    }
}
