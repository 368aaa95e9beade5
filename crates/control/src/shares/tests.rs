//! Processes that share the work, on clocks that are hours apart, against the Leases of a sandbox.

use std::collections::BTreeSet;

use clock::{Ids, ManualClock};
use sandbox::{AnyImage, Sandbox, SandboxOptions};
use std::time::Duration;

use super::*;
use roster::{LASTS, owner};

const NAMES: [&str; 3] = ["a", "b", "c"];
const KEYS: usize = 24;

fn keys() -> impl Iterator<Item = String> {
    (0..KEYS).map(|number| format!("application/argocd/app-{number}"))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn a_member_that_comes_or_goes_moves_only_its_own_keys() {
    let members: Vec<String> = (0..6).map(|number| format!("gantline-{number}")).collect();
    for count in 1..members.len() {
        let (few, more) = (&members[..count], &members[..=count]);
        let mut moved = 0;
        for key in (0..3000).map(|number| format!("pipeline/argocd/p{number}")) {
            let of = |members: &[String]| owner(members.iter().map(String::as_str), &key).map(str::to_owned);
            let (before, after) = (of(few), of(more));
            assert!(after == before || after.as_ref() == Some(&members[count]), "{key}: {before:?} to {after:?}");
            moved += usize::from(after != before);
        }
        let fair = 3000 / (count + 1);
        assert!(moved.abs_diff(fair) < fair / 5, "{moved} of 3000 keys for one of {}", count + 1);
    }
    assert_eq!(owner([], "leader"), None);
}

#[test]
fn a_member_is_alive_while_its_lease_changes() {
    // seconds between looks, and whether the Lease was renewed before each
    let check = |looks: &[(i64, bool)], expected: bool| {
        let (mut roster, mut now, mut renewals) = (Roster::default(), 0, 0);
        for (passed, renewed) in looks {
            now += passed;
            renewals += u32::from(*renewed);
            let lease = Lease { name: "a".to_owned(), renewed: renewals.to_string(), lasts: LASTS, ..Lease::default() };
            roster.look(&[lease], at(now));
        }
        assert_eq!(roster.alive("a"), expected, "{looks:?}");
        assert_eq!(roster.members().count(), usize::from(expected));
    };
    let quiet = |seconds: usize| [vec![(0, true)], vec![(1, false); seconds]].concat();
    check(&quiet(9), true);
    check(&quiet(10), false);
    check(&[quiet(10), vec![(1, true)]].concat(), true);
    // whoever did not look has seen nobody die
    check(&[(0, true), (3600, false)], true);
    check(&[vec![(0, true)], vec![(3600, false); 5]].concat(), false);
    let mut roster = Roster::default();
    roster.look(&[], at(0));
    assert!(!roster.alive("a"));
}

#[test]
fn who_was_too_late_begins_anew() {
    let joined = Standing::Out.renewed(at(0), at(1));
    let check = |from: Standing, sent: i64, answered: i64, expected: Standing| {
        assert_eq!(from.renewed(at(sent), at(answered)), expected, "{from:?}");
    };
    assert_eq!(joined, Standing::Waiting { since: at(1), renewed: at(0) });
    assert_eq!((joined.looked(false, at(3)), joined.looked(true, at(1))), (joined, working(1, 0)));
    assert_eq!(joined.looked(false, at(4)), working(4, 0));
    check(joined, 3, 4, Standing::Waiting { since: at(1), renewed: at(3) });
    check(working(4, 0), 3, 9, working(4, 3));
    // the answer came when others may have taken over
    check(working(4, 0), 9, 10, Standing::Waiting { since: at(10), renewed: at(9) });
    check(Standing::Lost, 9, 9, Standing::Waiting { since: at(9), renewed: at(9) });
}

/// A renewal that was answered in time and told too late: what was refused in between has to be taken up.
#[test]
fn a_share_that_had_run_out_is_another_one() {
    let share = |now: i64, renewed: i64| Share::of("a", &Roster::default(), working(1, renewed), at(now));
    let before = share(2, 0);
    assert!(!share(4, 3).differs(&before, at(4)));
    assert!(share(12, 9).differs(&before, at(12)));
}

fn working(since: i64, renewed: i64) -> Standing {
    Standing::Working { since: at(since), renewed: at(renewed) }
}

#[test]
fn the_newest_process_of_a_name_has_its_lease() {
    let me = Identity::new("argocd", "a", "2");
    let of = |holder: &str| Lease {
        holder: holder.to_owned(),
        acquired: "before".to_owned(),
        transitions: 4,
        version: "17".to_owned(),
        ..Lease::default()
    };
    let check = |found: Option<&Lease>, held: bool, alive: bool, expected: Option<(&str, &str, u64, &str)>| {
        let (verb, lease) = match me.claim(found, held, alive, at(0)) {
            Claim::Create(lease) => ("create", lease),
            Claim::Replace(lease) => ("replace", lease),
            Claim::Leave => return assert_eq!(expected, None),
        };
        let text = |pointer: &str| lease.pointer(pointer).and_then(|v| v.as_str()).unwrap_or_default();
        assert_eq!((text("/spec/holderIdentity"), text("/metadata/name")), ("a_2", "gantline-a"));
        assert_eq!(text("/spec/renewTime"), "1970-01-01T00:00:00.000000Z");
        let transitions = lease["spec"]["leaseTransitions"].as_u64().unwrap();
        let said = (verb, text("/spec/acquireTime"), transitions, text("/metadata/resourceVersion"));
        assert_eq!(Some(said), expected);
    };
    let now = "1970-01-01T00:00:00.000000Z";
    check(None, false, false, Some(("create", now, 0, "")));
    check(None, true, false, Some(("create", now, 0, "")));
    check(Some(&of("a_2")), true, true, Some(("replace", "before", 4, "17")));
    check(Some(&of("a_1")), false, true, Some(("replace", now, 5, "17")));
    check(Some(&of("a_3")), true, true, None);
    check(Some(&of("a_3")), true, false, Some(("replace", now, 5, "17")));
}

/// A process: what it keeps, and a driver that takes up what it is told of.
struct Process {
    clock: ManualClock,
    shares: Shares,
    member: Member,
    changes: watch::Receiver<Share>,
    stopped: bool,
}

impl Process {
    fn start(cluster: &Cluster, name: &str, hours: i64) -> Self {
        let clock = ManualClock::starting_at(at(3600 * (hours + 1000)));
        let replica = Replica { name: name.to_owned(), clock: Arc::new(clock.clone()) };
        let shares = Shares::new(Some(replica), cluster, "default", &Ids::random().uuid());
        let changes = shares.0.share.subscribe();
        Self { clock, member: Member::new(shares.clone()), shares, changes, stopped: false }
    }

    fn owned(&self) -> BTreeSet<String> {
        keys().filter(|key| self.shares.owns(key)).collect()
    }

    /// What [`Shares::keep`] does between two sleeps. Every key that comes to it is told.
    async fn turn(&mut self) {
        let before = self.owned();
        while self.member.turn().await == Turn::Joined {}
        let mut told = BTreeSet::new();
        if self.changes.has_changed().unwrap() {
            // the driver asks for everything that was not ours before
            self.changes.borrow_and_update();
            told = self.owned();
        }
        let missed: Vec<String> =
            self.owned().into_iter().filter(|key| !before.contains(key) && !told.contains(key)).collect();
        assert_eq!(missed, [""; 0], "nobody was told");
    }
}

/// Processes on one API, each with a clock of its own.
struct World {
    cluster: Cluster,
    processes: Vec<Process>,
}

impl World {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::starting_at(at(0)));
        let images = Arc::new(AnyImage);
        let options = SandboxOptions { clock: Arc::clone(&clock), ids: Ids::seeded(1), folder: None, images };
        let cluster = Cluster::from_service(Sandbox::start(options).unwrap().router(), clock);
        Self { cluster, processes: Vec::new() }
    }

    /// Three that work.
    async fn with_three() -> Self {
        let mut world = Self::new();
        for name in NAMES {
            world.start(name).await;
            world.pass(4).await;
        }
        world
    }

    async fn start(&mut self, name: &str) {
        let hours = self.processes.len() as i64 * 7;
        let mut process = Process::start(&self.cluster, name, hours);
        process.turn().await;
        self.processes.push(process);
    }

    /// Time passes, also for those that are stopped.
    async fn pass(&mut self, seconds: usize) {
        for _ in 0..seconds {
            for process in &mut self.processes {
                process.clock.advance(LOOKED);
                if !process.stopped {
                    process.turn().await;
                }
            }
        }
    }

    fn owned(&self) -> Vec<BTreeSet<String>> {
        self.processes.iter().map(Process::owned).collect()
    }

    /// Every key belongs to one process.
    #[track_caller]
    fn is_shared(&self) -> Vec<BTreeSet<String>> {
        let owned = self.owned();
        let all: BTreeSet<String> = owned.iter().flatten().cloned().collect();
        assert_eq!((all.len(), owned.iter().map(BTreeSet::len).sum()), (KEYS, KEYS), "{owned:?}");
        owned
    }

    async fn leases(&self) -> Vec<String> {
        let found = self.cluster.list(&Scope::namespaced(lease::kind(), "default")).await.unwrap();
        found.iter().map(|lease| lease.name().to_owned()).collect()
    }
}

#[tokio::test]
async fn one_alone_begins_at_once() {
    let mut world = World::new();
    world.start("a").await;
    assert_eq!(world.is_shared()[0].len(), KEYS);
    world.pass(60).await;
    assert_eq!(world.is_shared()[0].len(), KEYS);
}

#[tokio::test]
async fn a_newcomer_begins_when_all_have_seen_it() {
    let mut world = World::new();
    world.start("a").await;
    world.start("b").await;
    world.pass(2).await;
    let waiting = world.owned();
    assert!(waiting[0].len() < KEYS && waiting[1].is_empty(), "{waiting:?}");
    world.pass(1).await;
    let shared = world.is_shared();
    assert_eq!(shared[0], waiting[0]);
}

#[tokio::test]
async fn what_a_killed_process_had_is_taken_over_and_nothing_else_moves() {
    let mut world = World::with_three().await;
    let before = world.is_shared();
    world.processes.remove(2);
    world.pass(9).await;
    assert_eq!(world.owned(), before[..2], "too early");
    world.pass(3).await;
    let after = world.is_shared();
    assert!(after.iter().zip(&before).all(|(after, before)| after.is_superset(before)));
    world.pass(60).await;
    assert_eq!(world.leases().await, ["gantline-a", "gantline-b"], "the leader removes what is left of it");
}

#[tokio::test]
async fn a_process_that_is_started_again_under_its_name_begins_at_once() {
    let mut world = World::with_three().await;
    let before = world.is_shared();
    let killed = world.processes.pop().unwrap();
    drop(killed);
    world.start("c").await;
    world.pass(3).await;
    assert_eq!(world.is_shared(), before);
}

#[tokio::test]
async fn a_process_that_ends_leaves_its_share_at_once() {
    let mut world = World::with_three().await;
    world.processes[0].shares.release().await;
    assert!(world.owned()[0].is_empty());
    world.processes.remove(0);
    world.pass(1).await;
    world.is_shared();
}

#[tokio::test]
async fn a_process_that_was_stopped_owns_nothing_until_it_is_a_member_again() {
    let mut world = World::with_three().await;
    let before = world.is_shared();
    world.processes[1].stopped = true;
    world.pass(60).await;
    let without = world.is_shared();
    assert!(without[1].is_empty(), "others have taken over");
    world.processes[1].stopped = false;
    for _ in 0..3 {
        world.pass(1).await;
        let owned = world.owned();
        assert!(owned[1].is_empty(), "it has not seen for a minute who lives: {owned:?}");
    }
    world.pass(1).await;
    assert_eq!(world.is_shared(), before);
}

#[tokio::test]
async fn of_two_with_one_name_the_later_works() {
    let mut world = World::new();
    world.start("a").await;
    world.start("a").await;
    world.pass(30).await;
    let owned = world.is_shared();
    assert!(owned[0].is_empty());
    world.processes.remove(1);
    world.pass(14).await;
    world.is_shared();
}

/// Whatever happens: soon after it, every key has one owner again, and nobody works on an expired Lease.
#[tokio::test]
async fn histories_end_with_every_key_shared() {
    for seed in 0..6 {
        let (mut world, ids) = (World::new(), Ids::seeded(seed));
        let pick = |below: u64| ids.jitter(Duration::from_secs(below)).as_secs();
        let mut story = Vec::new();
        for number in 0..20 {
            let which = usize::try_from(pick(world.processes.len().max(1) as u64)).unwrap();
            let what = if world.processes.is_empty() { 0 } else { pick(5) };
            story.push((what, which));
            match what {
                0 if world.processes.len() < 4 => world.start(&format!("p{number}")).await,
                1 => drop(world.processes.remove(which)),
                2 => world.processes.remove(which).shares.release().await,
                3 => world.processes[which].stopped = true,
                _ => world.processes.iter_mut().for_each(|process| process.stopped = false),
            }
            world.pass(usize::try_from(pick(16)).unwrap()).await;
        }
        world.processes.iter_mut().for_each(|process| process.stopped = false);
        if world.processes.is_empty() {
            world.start("last").await;
        }
        world.pass(15).await;
        let owned = world.owned();
        let total: usize = owned.iter().map(BTreeSet::len).sum();
        let all: BTreeSet<&String> = owned.iter().flatten().collect();
        assert_eq!((all.len(), total), (KEYS, KEYS), "seed {seed}: {story:?}");
    }
}
