//! Which of several replicas works on what.
//!
//! Every replica keeps a Lease and looks at those of the others. A key (of an Application, a Pipeline) belongs to one
//! living member, so that one busy cluster splits over all replicas. The first who notices that a member is gone needs to
//! agree with nobody: all come to the same answer from the same Leases.
//!
//! For a moment two may work on one key, where one has seen a change that the other has not. That is harmless: every
//! write is a compare-and-swap, and a promotion is found again in Git before it is written. Shares spare work; they are
//! not what keeps it right.

mod figures;
mod lease;
mod roster;
#[cfg(test)]
mod tests;

use std::future::{Future, pending};
use std::sync::Arc;

use clock::Clock;
use cluster::{Cause, Cluster, ClusterError, DeleteOptions, PatchOptions, Scope};
use failpoint::Point;
use futures::StreamExt;
use futures::stream::{BoxStream, unfold};
use jiff::Timestamp;
use object::{Manifest, ResourceKey};
use tokio::sync::watch;

use lease::{Claim, Identity, Lease, MEMBER_LABEL};
use roster::{LOOKED, RENEWED, Roster, Standing};

use crate::driver;
use crate::wake::Key;

pub(crate) use figures::Figures;
pub(crate) use roster::Share;

/// Whoever owns this key does what one replica shall do.
const LEADER: &str = "leader";

/// One of several processes that share the work.
#[derive(Debug, Clone)]
pub struct Replica {
    /// Unique among those that run. One that is started again under its name takes up its share at once.
    pub name: String,
    /// The machine's time, however fast the sandbox's runs; it must not jump.
    pub clock: Arc<dyn Clock>,
}

/// What belongs to this process. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Shares(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `None`: the only process.
    member: Option<(Identity, Arc<dyn Clock>)>,
    cluster: Cluster,
    share: watch::Sender<Share>,
}

impl Shares {
    /// `id` tells this process from earlier ones of its name. Without a replica everything belongs to this process, and
    /// no Lease is kept.
    pub(crate) fn new(replica: Option<Replica>, cluster: &Cluster, namespace: &str, id: &str) -> Self {
        let member = replica.map(|replica| (Identity::new(namespace, &replica.name, id), replica.clock));
        let share = member.as_ref().map_or_else(Share::everything, |(me, _)| Share::nothing(&me.lease));
        Self(Arc::new(Shared { member, cluster: cluster.clone(), share: watch::Sender::new(share) }))
    }

    /// Whether this process begins work on `kind/namespace/name`.
    pub(crate) fn owns(&self, key: &str) -> bool {
        self.0.share.borrow().owns(key, self.now())
    }

    pub(crate) fn members(&self) -> usize {
        self.0.share.borrow().members().len()
    }

    fn now(&self) -> Timestamp {
        self.0.member.as_ref().map_or(Timestamp::MIN, |(_, clock)| clock.now())
    }

    /// Keeps the Lease, for ever.
    pub(crate) async fn keep(&self) {
        let Some((_, clock)) = &self.0.member else { return pending().await };
        let mut member = Member::new(self.clone());
        loop {
            if member.turn().await == Turn::Joined {
                continue;
            }
            clock.sleep(LOOKED).await;
        }
    }

    /// Lets go of the Lease, so that others take over at once. To be called when no work is left.
    pub(crate) async fn release(&self) {
        let Some((me, clock)) = &self.0.member else { return };
        self.0.share.send_replace(Share::nothing(&me.lease));
        if let Err(error) = within(&**clock, self.remove_own(me)).await {
            tracing::warn!(%error, "others take over when the Lease has expired");
        }
    }

    async fn remove_own(&self, me: &Identity) -> Result<(), ClusterError> {
        let found = self.0.cluster.get(&key(me, &me.lease)).await?.map(|live| Lease::read(&live));
        match found.filter(|lease| lease.holder == me.holder) {
            Some(lease) => self.remove(me, &lease).await,
            None => Ok(()),
        }
    }

    /// Removes the Lease if nobody has written it since.
    async fn remove(&self, me: &Identity, lease: &Lease) -> Result<(), ClusterError> {
        let options = DeleteOptions { resource_version: Some(lease.version.clone()), ..DeleteOptions::default() };
        match self.0.cluster.delete(&key(me, &lease.name), &options).await {
            Err(ClusterError::Conflict { .. }) => Ok(()),
            other => other.map(drop),
        }
    }
}

impl driver::Share<Key> for Shares {
    fn owns(&self, key: &Key) -> bool {
        match key {
            // who plans a promotion writes it
            Key::Promotion { pipeline, .. } => self.owns(&pipeline.to_string()),
            key => self.owns(&key.to_string()),
        }
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        let changes = self.0.share.subscribe();
        unfold(changes, |mut changes| async move { changes.changed().await.ok().map(|()| ((), changes)) }).boxed()
    }
}

fn key(me: &Identity, lease: &str) -> ResourceKey {
    let kind = lease::kind();
    ResourceKey::new(kind.group, kind.kind, me.namespace.as_str(), lease)
}

/// A server that does not answer must not keep a replica from asking again while its Lease is good.
async fn within<T>(
    clock: &dyn Clock,
    request: impl Future<Output = Result<T, ClusterError>>,
) -> Result<T, ClusterError> {
    tokio::select! {
        answer = request => answer,
        () = clock.sleep(RENEWED) => Err(ClusterError::Unreachable {
            object: lease::kind().to_string(),
            cause: Cause::Silent,
            message: format!("no answer within {} s", RENEWED.as_secs()),
        }),
    }
}

/// What came of one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The Lease is new: who else is there has to be seen after it was written.
    Joined,
    Looked,
}

/// The part of [`Shares`] that looks and renews.
#[derive(Debug)]
struct Member {
    shares: Shares,
    roster: Roster,
    standing: Standing,
    /// Whether it was said that the Leases cannot be had.
    warned: bool,
}

impl Member {
    fn new(shares: Shares) -> Self {
        Self { shares, roster: Roster::default(), standing: Standing::Out, warned: false }
    }

    /// One look at all Leases, and the renewal of the own one when it is time.
    async fn turn(&mut self) -> Turn {
        let shares = self.shares.clone();
        let Some((me, clock)) = &shares.0.member else { return Turn::Looked };
        let before = self.standing;
        let done = self.look(me, &**clock).await;
        self.publish(me, clock.now());
        match done {
            Ok(()) => self.warned = false,
            Err(error) if !std::mem::replace(&mut self.warned, true) => {
                tracing::warn!(%error, "the Leases of the replicas cannot be had: without its own this one begins nothing");
            }
            Err(_) => {}
        }
        let joined = |standing| matches!(standing, Standing::Waiting { .. });
        if joined(self.standing) && !joined(before) { Turn::Joined } else { Turn::Looked }
    }

    async fn look(&mut self, me: &Identity, clock: &dyn Clock) -> Result<(), ClusterError> {
        let shares = self.shares.clone();
        let scope = Scope::namespaced(lease::kind(), me.namespace.as_str()).with_labels(format!("{MEMBER_LABEL}=true"));
        let found = within(clock, shares.0.cluster.list(&scope)).await?;
        let leases: Vec<Lease> = found.iter().map(Lease::read).collect();
        let now = clock.now();
        self.roster.look(&leases, now);
        let alone = !self.roster.members().any(|member| member != me.lease);
        self.standing = self.standing.looked(alone, now);
        let own = leases.iter().find(|lease| lease.name == me.lease);
        if self.standing.is_due(now) || own.is_none_or(|lease| lease.holder != me.holder) {
            within(clock, self.renew(me, own, clock)).await?;
        }
        if shares.owns(LEADER) {
            for lease in leases.iter().filter(|lease| self.roster.stale(&lease.name)) {
                shares.remove(me, lease).await?;
            }
        }
        Ok(())
    }

    async fn renew(&mut self, me: &Identity, own: Option<&Lease>, clock: &dyn Clock) -> Result<(), ClusterError> {
        let sent = clock.now();
        let held = self.standing != Standing::Out;
        let cluster = &self.shares.0.cluster;
        failpoint::before(Point::Lease);
        let written = match me.claim(own, held, self.roster.alive(&me.lease), sent) {
            Claim::Create(lease) => cluster.create(&manifest(lease)?).await,
            Claim::Replace(lease) => cluster.replace(&manifest(lease)?, PatchOptions::default()).await,
            Claim::Leave => {
                if std::mem::replace(&mut self.standing, Standing::Lost) != Standing::Lost {
                    tracing::error!("another process has the name {} and the work: give each a --replica", me.lease);
                }
                return Ok(());
            }
        };
        failpoint::after(Point::Lease);
        match written {
            Ok(_) => self.standing = self.standing.renewed(sent, clock.now()),
            // somebody else has written it: the next look sees who
            Err(ClusterError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn publish(&self, me: &Identity, now: Timestamp) {
        let share = Share::of(&me.lease, &self.roster, self.standing, now);
        self.shares.0.share.send_if_modified(|known| {
            let differs = share.differs(known, now);
            if differs {
                tracing::info!(members = ?share.members(), "the work is shared anew");
            }
            *known = share;
            differs
        });
    }
}

fn manifest(lease: serde_json::Value) -> Result<Manifest, ClusterError> {
    let malformed = |error: object::ManifestError| ClusterError::Malformed {
        object: "Lease".to_owned(),
        message: error.to_string(),
    };
    Manifest::new(lease).map_err(malformed)
}
