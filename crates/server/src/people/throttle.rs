//! Slows down whoever guesses passwords, by the account that is tried and by the address that tries.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::connections::network;

/// As Argo CD 3.5: five attempts within five minutes close the door for the account until the oldest is forgotten.
const OF_ACCOUNT: usize = 5;
/// One address may belong to many people: a proxy, an office.
const OF_ADDRESS: usize = 20;
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// What is counted for names and addresses that anybody can make up shares so many buckets.
const BUCKETS: usize = 4096;

/// An attempt to log in: whose door, and from where.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) account: String,
    /// Whether there is such an account. Names that do not exist count too: the answer must not tell which exist.
    pub(crate) exists: bool,
    /// Unknown where the caller is in this process.
    pub(crate) address: Option<IpAddr>,
}

/// Attempts that did not succeed, or have not yet: they count from before the password is tried. Its memory is bounded,
/// and nothing that is counted makes room for something else.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    accounts: HashMap<String, Recent>,
    strangers: Sketch<OF_ACCOUNT>,
    addresses: Sketch<OF_ADDRESS>,
}

impl Throttle {
    /// Counts the attempt.
    ///
    /// # Errors
    /// When it may not be made: until when.
    pub(crate) fn admit(&self, attempt: &Attempt, now: Timestamp) -> Result<(), Timestamp> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.check(attempt, now)?;
        counted.account(attempt).push(now);
        if let Some(address) = counted.address(attempt) {
            address.push(now);
        }
        Ok(())
    }

    /// Whether it could be made now; nothing is counted.
    ///
    /// # Errors
    /// As [`Throttle::admit`].
    pub(crate) fn check(&self, attempt: &Attempt, now: Timestamp) -> Result<(), Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).check(attempt, now)
    }

    /// What was admitted at `admitted` was right: the account begins anew, its address loses this one attempt only.
    pub(crate) fn succeeded(&self, attempt: &Attempt, admitted: Timestamp) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.accounts.remove(&attempt.account);
        if let Some(address) = counted.address(attempt) {
            address.take_back(admitted);
        }
    }
}

impl Counted {
    fn check(&mut self, attempt: &Attempt, now: Timestamp) -> Result<(), Timestamp> {
        self.accounts.retain(|_, recent| recent.forget(now));
        self.account(attempt).check(OF_ACCOUNT, now)?;
        self.address(attempt).map_or(Ok(()), |address| address.check(OF_ADDRESS, now))
    }

    fn account(&mut self, attempt: &Attempt) -> &mut Recent {
        if attempt.exists {
            self.accounts.entry(attempt.account.clone()).or_default()
        } else {
            self.strangers.of(&attempt.account)
        }
    }

    fn address(&mut self, attempt: &Attempt) -> Option<&mut Recent> {
        attempt.address.map(|address| self.addresses.of(&network(address)))
    }
}

/// Buckets by a hash that nobody outside can compute.
#[derive(Debug)]
struct Sketch<const LIMIT: usize> {
    buckets: Vec<Recent>,
    hasher: RandomState,
}

impl<const LIMIT: usize> Default for Sketch<LIMIT> {
    fn default() -> Self {
        Self { buckets: vec![Recent::default(); BUCKETS], hasher: RandomState::new() }
    }
}

impl<const LIMIT: usize> Sketch<LIMIT> {
    #[expect(clippy::cast_possible_truncation, reason = "of a hash any bits will do")]
    #[expect(clippy::indexing_slicing, reason = "a remainder of their number")]
    fn of(&mut self, key: &impl Hash) -> &mut Recent {
        let bucket = self.hasher.hash_one(key) as usize % self.buckets.len();
        &mut self.buckets[bucket]
    }
}

/// When, the oldest first.
#[derive(Debug, Default, Clone)]
struct Recent(VecDeque<Timestamp>);

impl Recent {
    fn check(&mut self, limit: usize, now: Timestamp) -> Result<(), Timestamp> {
        self.forget(now);
        match self.0.front() {
            Some(oldest) if self.0.len() >= limit => Err(clock::after(*oldest, WINDOW.unsigned_abs())),
            _ => Ok(()),
        }
    }

    /// Whether something is left.
    fn forget(&mut self, now: Timestamp) -> bool {
        self.0.retain(|at| now.duration_since(*at) < WINDOW);
        !self.0.is_empty()
    }

    fn push(&mut self, now: Timestamp) {
        self.0.push_back(now);
    }

    fn take_back(&mut self, at: Timestamp) {
        if let Some(index) = self.0.iter().rposition(|known| *known == at) {
            self.0.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(account: &str, address: &str) -> Attempt {
        let exists = matches!(account, "alice" | "bob");
        Attempt { account: account.to_owned(), exists, address: address.parse().ok() }
    }

    fn second(seconds: i64) -> Timestamp {
        "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn five_attempts_close_the_door_for_five_minutes() {
        for name in ["alice", "nobody"] {
            let (throttle, guess) = (Throttle::default(), attempt(name, ""));
            for at in 0..5 {
                assert_eq!(throttle.admit(&guess, second(at)), Ok(()), "{name}");
            }
            assert_eq!(throttle.admit(&guess, second(5)), Err(second(300)), "{name}");
            assert_eq!(throttle.admit(&attempt("bob", ""), second(5)), Ok(()));
            assert_eq!(throttle.admit(&guess, second(300)), Ok(()), "{name}");
        }
    }

    #[test]
    fn nothing_that_others_try_opens_a_door() {
        let (throttle, guess) = (Throttle::default(), attempt("alice", ""));
        for _ in 0..5 {
            throttle.admit(&guess, second(0)).unwrap();
        }
        for stranger in 0..20_000 {
            let _ = throttle.admit(&attempt(&format!("stranger-{stranger}"), ""), second(1));
        }
        assert_eq!(throttle.check(&guess, second(2)), Err(second(300)));
        let counted = throttle.0.lock().unwrap();
        assert_eq!(counted.accounts.len(), 1, "names that do not exist take no room");
        assert!(counted.strangers.buckets.iter().all(|bucket| bucket.0.len() <= OF_ACCOUNT));
    }

    #[test]
    fn an_address_cannot_go_on_with_other_names_or_from_the_next_address() {
        let throttle = Throttle::default();
        for guess in 0..20 {
            let from = attempt(&format!("name-{guess}"), &format!("2001:db8::{guess:x}"));
            throttle.admit(&from, second(0)).unwrap();
        }
        assert_eq!(throttle.check(&attempt("alice", "2001:db8::ffff"), second(1)), Err(second(300)));
        assert_eq!(throttle.check(&attempt("alice", "2001:db8:0:1::1"), second(1)), Ok(()));
    }

    #[test]
    fn a_success_opens_the_account_and_forgives_its_address_nothing_else() {
        let throttle = Throttle::default();
        for at in 0..4 {
            throttle.admit(&attempt("alice", "192.0.2.1"), second(at)).unwrap();
        }
        for at in 4..19 {
            throttle.admit(&attempt("bob", "192.0.2.1"), second(at)).unwrap();
            throttle.succeeded(&attempt("bob", "192.0.2.1"), second(at));
        }
        throttle.admit(&attempt("alice", "192.0.2.1"), second(20)).unwrap();
        assert!(throttle.check(&attempt("alice", "192.0.2.1"), second(21)).is_err());
        throttle.succeeded(&attempt("alice", "192.0.2.1"), second(20));
        assert!(throttle.check(&attempt("alice", "192.0.2.1"), second(21)).is_ok());
        let mut counted = throttle.0.lock().unwrap();
        assert_eq!(counted.address(&attempt("", "192.0.2.1")).unwrap().0.len(), 4);
    }
}
