//! How soon what failed is tried again: later each time while it goes on failing, and not all at once.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use jiff::Timestamp;

/// What held for so long starts anew.
const STEADY: Duration = Duration::from_secs(120);
/// Longer than this no server is left alone, whatever it asks for.
const ASKED_MAX: Duration = Duration::from_secs(60);

/// The waits between attempts at one thing.
#[derive(Debug)]
pub(crate) struct Pace {
    first: Duration,
    most: Duration,
    /// In a row.
    tries: u32,
    last: Timestamp,
}

impl Pace {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, tries: 0, last: Timestamp::MIN }
    }

    /// The wait before the next attempt, after one that ended `now`; twice the last one, less up to a fifth by chance.
    pub(crate) fn next(&mut self, now: Timestamp) -> Duration {
        if now > clock::after(self.last, STEADY + self.most) {
            self.tries = 0;
        }
        let wait = self.first.saturating_mul(1 << self.tries.min(16)).min(self.most);
        (self.tries, self.last) = (self.tries.saturating_add(1), now);
        wait.mul_f64(1.0 - chance() / 5.0)
    }

    /// How often it was tried in a row.
    pub(crate) fn tries(&self) -> u32 {
        self.tries
    }
}

/// From 0 to 1.
fn chance() -> f64 {
    f64::from(u16::try_from(RandomState::new().build_hasher().finish() & 0xffff).unwrap_or_default())
        / f64::from(u16::MAX)
}

/// How long a server asks to be left alone by `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(until.duration_since(now)).unwrap_or_default()
        }
    };
    Some(asked.min(ASKED_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn waits_grow_until_it_holds() {
        let mut pace = Pace::new(Duration::from_secs(1), Duration::from_secs(10));
        for (now, least, most) in
            [(0, 0.8, 1.0), (1, 1.6, 2.0), (3, 3.2, 4.0), (7, 6.4, 8.0), (15, 8.0, 10.0), (25, 8.0, 10.0)]
        {
            let wait = pace.next(at(now)).as_secs_f64();
            assert!((least..=most).contains(&wait), "{now}: {wait}");
        }
        assert!(pace.next(at(1000)).as_secs_f64() <= 1.0, "it held");
    }

    #[test]
    fn servers_say_how_long_they_want_to_be_left_alone() {
        let now = at(1_445_412_470);
        for (text, expected) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("86400", Some(60)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(10)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(text, now), expected.map(Duration::from_secs), "{text}");
        }
    }
}
