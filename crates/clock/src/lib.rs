//! The only place where the wall clock and the random source of the machine are read.
//!
//! Everything above takes a [`Clock`] and an [`Ids`]: the same code runs on wall time, on time that goes sixty times
//! faster, and on time that only moves when a test says so.

mod slew;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use slew::Slew;

/// A future that ends when the time has come.
pub type Sleep<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What time it is, and when it will be later.
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Timestamp;
    /// Ends once [`Clock::now`] has reached `time`; at once if it has.
    fn sleep_until(&self, time: Timestamp) -> Sleep<'_>;
    /// Sleeps for `duration` of this clock's time.
    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        self.sleep_until(after(self.now(), duration))
    }
}

/// `time` plus `duration`, held at the end of time.
pub fn after(time: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration).ok().and_then(|d| time.checked_add(d).ok()).unwrap_or(Timestamp::MAX)
}

/// Wall time, or wall time made faster: `speed` seconds of this clock pass in one real second since `origin`.
#[derive(Debug, Clone, Copy)]
pub struct ScaledClock {
    origin: Timestamp,
    starts_at: Timestamp,
    speed: f64,
}

impl ScaledClock {
    /// Wall time as it is.
    pub fn wall() -> Self {
        let now = wall_now();
        Self::new(now, now, 1.0)
    }

    /// A clock that shows `starts_at` at the real instant `origin` and runs `speed` times as fast. Two processes that
    /// are given the same three values agree on the time.
    pub fn new(origin: Timestamp, starts_at: Timestamp, speed: f64) -> Self {
        Self { origin, starts_at, speed: speed.max(0.001) }
    }

    /// A clock that starts at the present wall time and runs `speed` times as fast.
    pub fn starting_now(speed: f64) -> Self {
        let now = wall_now();
        Self::new(now, now, speed)
    }

    pub fn origin(&self) -> Timestamp {
        self.origin
    }

    pub fn starts_at(&self) -> Timestamp {
        self.starts_at
    }

    pub fn speed(&self) -> f64 {
        self.speed
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> Timestamp {
        let real = wall_now().duration_since(self.origin).as_secs_f64();
        let scaled = SignedDuration::try_from_secs_f64(real * self.speed).unwrap_or_default();
        self.starts_at.checked_add(scaled).unwrap_or(Timestamp::MAX)
    }

    fn sleep_until(&self, time: Timestamp) -> Sleep<'_> {
        Box::pin(async move {
            loop {
                let left = time.duration_since(self.now()).as_secs_f64() / self.speed;
                if left <= 0.0 {
                    return;
                }
                // long sleeps in pieces: a suspended machine then wakes up close to the right time
                sleep_really(Duration::from_secs_f64(left.clamp(0.001, 60.0))).await;
            }
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn wall_now() -> Timestamp {
    static SLEW: Mutex<Option<Slew>> = Mutex::new(None);
    let mut slew = SLEW.lock().unwrap_or_else(PoisonError::into_inner);
    let (wall, steady) = (Timestamp::now(), up());
    slew.get_or_insert(Slew::starting_at(wall, steady)).now(wall, steady)
}

/// How long the machine has been up, asleep or not (where the system tells: elsewhere only awake).
fn up() -> SignedDuration {
    #[cfg(target_os = "linux")]
    let up = clock_gettime(ClockId::Boottime);
    #[cfg(not(target_os = "linux"))]
    let up = clock_gettime(ClockId::Monotonic);
    SignedDuration::new(up.tv_sec, i32::try_from(up.tv_nsec).unwrap_or_default())
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
async fn sleep_really(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Wall time at its start, and from there on the time that has passed: it does not jump when somebody sets the machine's
/// clock. For what depends on how long something took, and on nobody else's clock.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    starts_at: Timestamp,
    origin: Instant,
}

impl SteadyClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn starting_now() -> Self {
        Self { starts_at: wall_now(), origin: Instant::now() }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        after(self.starts_at, self.origin.elapsed())
    }

    fn sleep_until(&self, time: Timestamp) -> Sleep<'_> {
        let left = Duration::try_from(time.duration_since(self.now())).unwrap_or_default();
        Box::pin(sleep_really(left))
    }
}

/// Time that moves only when told to: for tests.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<watch::Sender<Timestamp>>);

impl ManualClock {
    pub fn starting_at(time: Timestamp) -> Self {
        Self(Arc::new(watch::Sender::new(time)))
    }

    pub fn advance(&self, duration: Duration) {
        self.0.send_modify(|now| *now = after(*now, duration));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn sleep_until(&self, time: Timestamp) -> Sleep<'_> {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            // the sender lives as long as `self`, so waiting cannot fail
            let _ = now.wait_for(|now| *now >= time).await;
        })
    }
}

/// Where names, uids and jitter come from: the machine's randomness, or a seed for runs that repeat.
#[derive(Debug, Clone)]
pub struct Ids(Arc<Mutex<rand::rngs::StdRng>>);

impl Ids {
    pub fn random() -> Self {
        Self(Arc::new(Mutex::new(rand::rngs::StdRng::from_os_rng())))
    }

    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(rand::rngs::StdRng::seed_from_u64(seed))))
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut bytes[..]);
        bytes
    }

    /// A version 4 UUID.
    pub fn uuid(&self) -> String {
        let mut b: [u8; 16] = self.bytes();
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        let hex: String = b.iter().map(|b| format!("{b:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// `length` characters of the alphabet that Kubernetes uses for generated names.
    pub fn suffix(&self, length: usize) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (0..length).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
    }

    /// A duration between zero and `max`, evenly spread.
    pub fn jitter(&self, max: Duration) -> Duration {
        max.mul_f64(self.0.lock().unwrap_or_else(PoisonError::into_inner).random_range(0.0..1.0))
    }

    /// 32 bytes fit for a signing key. Only [`Ids::random`] gives secrets.
    pub fn key(&self) -> [u8; 32] {
        self.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_moves_when_told() {
        let clock = ManualClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let wake = after(clock.now(), Duration::from_secs(600));
        let sleeper = {
            let clock = clock.clone();
            tokio::spawn(async move { clock.sleep_until(wake).await })
        };
        clock.advance(Duration::from_secs(599));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
    }

    #[tokio::test]
    async fn a_fast_clock_is_fast_and_shared() {
        let clock = ScaledClock::starting_now(600.0);
        let twin = ScaledClock::new(clock.origin(), clock.starts_at(), clock.speed());
        let before = clock.now();
        clock.sleep(Duration::from_secs(6)).await;
        assert!(twin.now().duration_since(before).as_secs() >= 6);
    }

    #[tokio::test]
    async fn a_steady_clock_sleeps_as_long_as_it_says() {
        let clock = SteadyClock::starting_now();
        let wake = after(clock.now(), Duration::from_millis(20));
        clock.sleep_until(wake).await;
        assert!(clock.now() >= wake);
        clock.sleep_until(wake).await;
    }

    #[test]
    fn seeded_ids_repeat() {
        let (a, b) = (Ids::seeded(7), Ids::seeded(7));
        assert_eq!(a.uuid(), b.uuid());
        assert_eq!(a.suffix(5), b.suffix(5));
        assert_ne!(Ids::random().uuid(), Ids::random().uuid());
    }
}
