//! The machine's clock without its jumps. When somebody sets it, the difference is taken over slowly: no soak and no session
//! ends early because of that.

use jiff::{SignedDuration, Timestamp};

/// So much of the time that passed is taken over at most: ten minutes are shortened by 30 seconds.
const SHARE: i32 = 20;
/// A clock that was behind by more was never right, as on a machine that begins in 1970: it is taken over at once.
const WRONG: SignedDuration = SignedDuration::from_hours(24);
/// From here on it is said.
const LOUD: SignedDuration = SignedDuration::from_secs(10);

/// The time that was told last, and what was on the steady clock then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slew {
    told: Timestamp,
    steady: SignedDuration,
    is_said: bool,
}

impl Slew {
    pub(crate) const fn starting_at(wall: Timestamp, steady: SignedDuration) -> Self {
        Self { told: wall, steady, is_said: false }
    }

    /// The time to tell, by the machine's clock and by how long the machine has been up. It never goes back.
    pub(crate) fn now(&mut self, wall: Timestamp, steady: SignedDuration) -> Timestamp {
        let passed = (steady - self.steady).max(SignedDuration::ZERO);
        let due = self.told.checked_add(passed).unwrap_or(Timestamp::MAX);
        let (apart, most) = (wall.duration_since(due), passed / SHARE);
        let correction = if apart > WRONG { apart } else { apart.clamp(-most, most) };
        self.say(apart);
        self.told = due.checked_add(correction).unwrap_or(due);
        self.steady = self.steady.max(steady);
        self.told
    }

    fn say(&mut self, apart: SignedDuration) {
        let is_loud = apart.abs() > LOUD;
        if is_loud && !self.is_said {
            let how =
                if apart > WRONG { "at once: what counts time may end early" } else { "slowly: nothing ends early" };
            tracing::warn!("the machine's clock was set by {apart:#}, which is taken over {how}");
        }
        self.is_said = is_loud;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: i64) -> SignedDuration {
        SignedDuration::from_secs(count)
    }

    /// What is told after `passed` seconds of which the machine's clock jumps by `jump` in the middle.
    fn told(jump: i64, passed: i64) -> i64 {
        let start = Timestamp::UNIX_EPOCH;
        let mut slew = Slew::starting_at(start, seconds(100));
        let mut last = start;
        for second in 1..=passed {
            let jumped = if second * 2 > passed { jump } else { 0 };
            let now = slew.now(start + seconds(second + jumped), seconds(100 + second));
            assert!(now >= last, "it never goes back");
            last = now;
        }
        last.duration_since(start).as_secs()
    }

    #[test]
    fn a_jump_is_taken_over_slowly() {
        assert_eq!(told(0, 600), 600);
        assert_eq!(told(3600, 600), 615, "an hour forward");
        assert_eq!(told(-3600, 600), 585, "an hour back");
        assert_eq!(told(7, 600), 607, "small ones at once, nearly");
        assert_eq!(told(86_400 * 20_000, 600), 600 + 86_400 * 20_000, "it was never right before");
        assert_eq!(told(600, 100_000), 100_600, "in the end it is the machine's time");
    }

    #[test]
    fn a_machine_that_slept_is_not_one_whose_clock_was_set() {
        let start = Timestamp::UNIX_EPOCH;
        let mut slew = Slew::starting_at(start, seconds(0));
        assert_eq!(slew.now(start + seconds(9000), seconds(9000)), start + seconds(9000));
    }
}
