//! Who is alive and what belongs to whom: decided from what was seen and when, here and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clock::after;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::lease::Lease;

/// How long a Lease is good after it was renewed.
pub(crate) const LASTS: Duration = Duration::from_secs(10);
/// How often its member renews it; and how long a newcomer waits, until all others have seen it.
pub(crate) const RENEWED: Duration = Duration::from_secs(3);
/// How often the Leases are looked at.
pub(crate) const LOOKED: Duration = Duration::from_secs(1);
/// What counts at most between two looks. Whoever was stopped for an hour has not watched anybody for an hour.
const COUNTED: Duration = Duration::from_secs(2);
/// A Lease that was not renewed for this long is removed.
const STALE: Duration = Duration::from_secs(60);

/// The member that a key belongs to: the one with the highest hash of member and key (rendezvous hashing). So a member
/// that comes takes its share from all others, and one that goes leaves its share to all others; nothing else moves.
pub(crate) fn owner<'a>(members: impl IntoIterator<Item = &'a str>, key: &str) -> Option<&'a str> {
    members.into_iter().max_by_key(|member| (weight(member, key), *member))
}

fn weight(member: &str, key: &str) -> [u8; 32] {
    // no name has a NUL
    Sha256::new().chain_update(member).chain_update([0]).chain_update(key).finalize().into()
}

/// A Lease as this process has seen it.
#[derive(Debug, Clone)]
struct Seen {
    renewed: String,
    /// For how long this process has looked at it without a renewal.
    quiet: Duration,
    lasts: Duration,
}

impl Seen {
    fn alive(&self) -> bool {
        self.quiet < self.lasts
    }

    fn again(&self, lease: &Lease, passed: Duration) -> Self {
        let quiet = if self.renewed == lease.renewed { self.quiet + passed } else { Duration::ZERO };
        Self { quiet, ..Self::first(lease) }
    }

    fn first(lease: &Lease) -> Self {
        Self { renewed: lease.renewed.clone(), quiet: Duration::ZERO, lasts: lease.lasts }
    }
}

/// All Leases, as this process has seen them. Times in them are on other machines' clocks and are never compared with
/// ours: a member is alive while its Lease changes before our eyes.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    seen: BTreeMap<String, Seen>,
    looked: Option<Timestamp>,
}

impl Roster {
    /// Takes what is there now.
    pub(crate) fn look(&mut self, leases: &[Lease], now: Timestamp) {
        let passed = self.looked.replace(now).map_or(Duration::ZERO, |before| since(before, now).min(COUNTED));
        let seen = |lease: &Lease| match self.seen.get(&lease.name) {
            Some(seen) => seen.again(lease, passed),
            None => Seen::first(lease),
        };
        self.seen = leases.iter().map(|lease| (lease.name.clone(), seen(lease))).collect();
    }

    pub(crate) fn alive(&self, lease: &str) -> bool {
        self.seen.get(lease).is_some_and(Seen::alive)
    }

    /// By name.
    pub(crate) fn members(&self) -> impl Iterator<Item = &str> {
        self.seen.iter().filter(|(_, seen)| seen.alive()).map(|(name, _)| name.as_str())
    }

    /// Whether the Lease is of a process that ended long ago.
    pub(crate) fn stale(&self, lease: &str) -> bool {
        self.seen.get(lease).is_some_and(|seen| seen.quiet >= STALE.max(seen.lasts))
    }
}

fn since(before: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(before)).unwrap_or_default()
}

/// How this process stands with its own Lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It never had it.
    #[default]
    Out,
    /// A process that was started later under the same name has it.
    Lost,
    /// It has the Lease since then, and not all others need have seen it.
    Waiting { since: Timestamp, renewed: Timestamp },
    /// It works since then without a break.
    Working { since: Timestamp, renewed: Timestamp },
}

impl Standing {
    fn until(self) -> Timestamp {
        match self {
            Self::Out | Self::Lost => Timestamp::MIN,
            Self::Waiting { renewed, .. } | Self::Working { renewed, .. } => after(renewed, LASTS),
        }
    }

    pub(crate) fn is_due(self, now: Timestamp) -> bool {
        match self {
            Self::Out | Self::Lost => true,
            Self::Waiting { renewed, .. } | Self::Working { renewed, .. } => now >= after(renewed, RENEWED),
        }
    }

    /// The Lease was written, with a request that was `sent` then. Who was too late for the last one begins anew.
    #[must_use]
    pub(crate) fn renewed(self, sent: Timestamp, answered: Timestamp) -> Self {
        match self {
            Self::Waiting { since, .. } if answered < self.until() => Self::Waiting { since, renewed: sent },
            Self::Working { since, .. } if answered < self.until() => Self::Working { since, renewed: sent },
            _ => Self::Waiting { since: answered, renewed: sent },
        }
    }

    /// Begins to work once the others have seen the Lease; at once where there are none.
    #[must_use]
    pub(crate) fn looked(self, alone: bool, now: Timestamp) -> Self {
        match self {
            Self::Waiting { since, renewed } if alone || now >= after(since, RENEWED) => {
                Self::Working { since: now, renewed }
            }
            other => other,
        }
    }
}

/// What belongs to one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    me: String,
    members: BTreeSet<String>,
    /// Since when it works without a break; `None`: it does not.
    since: Option<Timestamp>,
    /// Until when its own Lease is good.
    until: Timestamp,
}

impl Share {
    /// Of a process that is not a member yet.
    pub(crate) fn nothing(me: &str) -> Self {
        Self { me: me.to_owned(), members: BTreeSet::new(), since: None, until: Timestamp::MIN }
    }

    /// Of the only process.
    pub(crate) fn everything() -> Self {
        Self {
            me: String::new(),
            members: BTreeSet::from([String::new()]),
            since: Some(Timestamp::MIN),
            until: Timestamp::MAX,
        }
    }

    pub(crate) fn of(me: &str, roster: &Roster, standing: Standing, now: Timestamp) -> Self {
        let since = match standing {
            Standing::Working { since, .. } if now < standing.until() => Some(since),
            _ => None,
        };
        let own = since.map(|_| me);
        let members = roster.members().chain(own).map(str::to_owned).collect();
        Self { me: me.to_owned(), members, since, until: standing.until() }
    }

    /// Whether this process begins work on the key. One that could not renew its Lease in time owns nothing: others have
    /// taken over, whether it knows or not.
    pub(crate) fn owns(&self, key: &str, now: Timestamp) -> bool {
        now < self.until && self.holds(key)
    }

    fn holds(&self, key: &str) -> bool {
        self.since.is_some() && owner(self.members.iter().map(String::as_str), key) == Some(&self.me)
    }

    /// Whether other keys belong to this process now. What was asked for after its Lease had run out was refused, also
    /// when the renewal was only told late.
    pub(crate) fn differs(&self, before: &Self, now: Timestamp) -> bool {
        let ran_out = before.since.is_some() && now >= before.until;
        ran_out || (self.since, &self.members) != (before.since, &before.members)
    }

    pub(crate) fn members(&self) -> &BTreeSet<String> {
        &self.members
    }
}
