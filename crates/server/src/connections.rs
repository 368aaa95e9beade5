//! The connections that are open: how many, of whom, and which of them go when others want in.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Where a request comes from: an extension of each that came over a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// From the connection to the end of its first request, TLS included.
const OPENING: Duration = Duration::from_secs(10);
/// Between two requests.
const IDLE: Duration = Duration::from_secs(75);
/// While a part of an answer waits for its reader.
const SENDING: Duration = Duration::from_secs(60);
/// Beyond the limits, for `/healthz` alone.
const RESERVE: usize = 8;

/// How many connections at a time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub total: usize,
    /// Of one IPv4 address, or of one IPv6 network of 64 bits.
    pub per_address: usize,
}

impl Limits {
    /// Of `files` that this process may have open, half are for connections: at least 16, at most 1024. Half of these may
    /// come from one address, which may be a proxy.
    pub fn of_files(files: Option<u64>) -> Self {
        let total = files.map_or(1024, |files| usize::try_from(files / 2).unwrap_or(usize::MAX)).clamp(16, 1024);
        Self { total, per_address: total / 2 }
    }
}

/// What a connection is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No request has arrived yet.
    Opening,
    /// Between requests.
    Idle,
    /// We are about to answer.
    Working,
    /// The caller is about to read.
    Sending,
}

impl Phase {
    /// How long it may last.
    fn limit(self) -> Option<Duration> {
        match self {
            Self::Opening => Some(OPENING),
            Self::Idle => Some(IDLE),
            Self::Sending => Some(SENDING),
            Self::Working => None,
        }
    }

    /// It may go when another one wants in.
    fn makes_room(self) -> bool {
        matches!(self, Self::Opening | Self::Idle)
    }
}

#[derive(Debug)]
struct Open {
    network: IpAddr,
    phase: Phase,
    since: Instant,
    requests: usize,
    reserved: bool,
    end: CancellationToken,
}

/// All that are open. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    limits: Limits,
    open: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    next: u64,
    /// In the order in which they came.
    open: BTreeMap<u64, Open>,
}

impl Connections {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, open: Arc::default() }
    }

    /// Takes one in. At a limit the one that has asked for nothing for the longest time goes; where all are at work, a few
    /// come in for `/healthz`, and none when these are taken.
    pub(crate) fn admit(&self, address: IpAddr) -> Option<Connection> {
        let (network, Limits { total, per_address }) = (network(address), self.limits);
        let mut book = self.book();
        let of_it = move |open: &Open| open.network == network && !open.reserved;
        let within = book.room(per_address, of_it) && book.room(total, |open| !open.reserved);
        let reserved = !within;
        if reserved && !book.room(RESERVE, |open| open.reserved) {
            return None;
        }
        let (id, end) = (book.next, CancellationToken::new());
        let open =
            Open { network, phase: Phase::Opening, since: Instant::now(), requests: 0, reserved, end: end.clone() };
        book.open.insert(id, open);
        book.next += 1;
        drop(book);
        Some(Connection { id, address, reserved, end, all: self.clone() })
    }

    /// Ends those that have taken too long.
    pub(crate) fn sweep(&self, now: Instant) {
        let late = |open: &Open| open.phase.limit().is_some_and(|limit| now.duration_since(open.since) >= limit);
        self.book().open.values().filter(|open| late(open)).for_each(|open| open.end.cancel());
    }

    /// Ends the one that has asked for nothing for the longest time.
    pub(crate) fn make_room(&self) {
        self.book().end_idle(|_| true);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Whether one more of these may come in, at the cost of one that asks for nothing.
    fn room(&mut self, limit: usize, of: impl Fn(&Open) -> bool) -> bool {
        self.open.values().filter(|open| of(open)).count() < limit || self.end_idle(of)
    }

    fn end_idle(&mut self, of: impl Fn(&Open) -> bool) -> bool {
        let idle = self.open.iter().filter(|(_, open)| open.phase.makes_room() && of(open));
        let Some(id) = idle.min_by_key(|(_, open)| open.since).map(|(id, _)| *id) else { return false };
        if let Some(open) = self.open.remove(&id) {
            open.end.cancel();
        }
        true
    }
}

/// One that is open, until this is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    pub(crate) address: IpAddr,
    /// It came in for `/healthz` alone.
    pub(crate) reserved: bool,
    /// Cancelled when it must go.
    pub(crate) end: CancellationToken,
    all: Connections,
}

impl Connection {
    /// A request has arrived.
    pub(crate) fn begin(self: &Arc<Self>) -> Request {
        self.change(|open| {
            open.requests += 1;
            open.phase = Phase::Working;
        });
        Request(Arc::clone(self))
    }

    fn change(&self, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.all.book().open.get_mut(&self.id) {
            change(open);
            open.since = Instant::now();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.book().open.remove(&self.id);
    }
}

/// One that is being answered, until this is dropped.
#[derive(Debug)]
pub(crate) struct Request(Arc<Connection>);

impl Request {
    /// A part of the answer was handed on.
    pub(crate) fn sends(&self) {
        self.0.change(|open| open.phase = Phase::Sending);
    }

    /// All parts that there are were read.
    pub(crate) fn works(&self) {
        self.0.change(|open| open.phase = Phase::Working);
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.change(|open| {
            open.requests = open.requests.saturating_sub(1);
            if open.requests == 0 {
                open.phase = Phase::Idle;
            }
        });
    }
}

/// Whoever has one IPv6 address has the 2^64 of its network.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn working(connections: &Connections, last: u8) -> (Arc<Connection>, Request) {
        let connection = Arc::new(connections.admit(address(last)).unwrap());
        let request = connection.begin();
        (connection, request)
    }

    #[test]
    fn at_the_limit_the_one_that_asks_for_nothing_goes() {
        let connections = Connections::new(Limits { total: 3, per_address: 2 });
        let silent = connections.admit(address(1)).unwrap();
        let (busy, _request) = working(&connections, 1);
        let third = connections.admit(address(1)).unwrap();
        assert!(silent.end.is_cancelled() && !busy.end.is_cancelled() && !third.end.is_cancelled());
        assert!(!third.reserved);
        let fourth = connections.admit(address(2)).unwrap();
        let fifth = connections.admit(address(3)).unwrap();
        assert!(third.end.is_cancelled() && !fourth.end.is_cancelled() && !fifth.reserved);
    }

    #[test]
    fn where_all_are_at_work_a_few_come_in_for_health_alone() {
        let connections = Connections::new(Limits { total: 2, per_address: 1 });
        let (first, _request) = working(&connections, 1);
        assert!(connections.admit(address(1)).unwrap().reserved, "its address has no more");
        let (_second, _other) = working(&connections, 2);
        let reserved: Vec<_> = (0..RESERVE).map(|_| working(&connections, 3)).collect();
        assert!(reserved.iter().all(|(connection, _)| connection.reserved));
        assert!(connections.admit(address(4)).is_none());
        drop(first);
        drop(_request);
        assert!(!connections.admit(address(4)).unwrap().reserved);
    }

    #[test]
    fn who_sends_nothing_or_reads_nothing_goes() {
        let connections = Connections::new(Limits { total: 9, per_address: 9 });
        let silent = connections.admit(address(1)).unwrap();
        let (works, _working) = working(&connections, 1);
        let (sends, sending) = working(&connections, 1);
        sending.sends();
        let (idle, request) = working(&connections, 1);
        drop(request);
        let ended = || [&silent, &*works, &*sends, &*idle].map(|connection| connection.end.is_cancelled());
        for (after, expected) in [
            (0, [false, false, false, false]),
            (10, [true, false, false, false]),
            (60, [true, false, true, false]),
            (75, [true, false, true, true]),
        ] {
            connections.sweep(Instant::now() + Duration::from_secs(after));
            assert_eq!(ended(), expected, "{after}");
        }
    }
}
