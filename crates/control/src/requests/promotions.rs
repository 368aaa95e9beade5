//! Requests about releases: promote, decide, roll back, unpin, lift. What follows from each is decided by
//! [`promotion::requests`]; here it is written.

use std::fmt;
use std::sync::Arc;

use api::gantline::{GROUP, Promotion, Verdict};
use cluster::ClusterError;
use object::ResourceKey;
use promotion::requests::{self, Asked, Refused, Vote};
use promotion::{Action, Observed};

use super::RequestError;
use crate::controller::Controller;
use crate::pipelines::realize::Realizer;

impl From<Refused> for RequestError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused.0)
    }
}

/// What is observed of a Pipeline for somebody who asks. What they are refused tells no more than they may see.
#[derive(Clone)]
pub struct Seen {
    observed: Observed,
    veil: Arc<Veil>,
}

/// An observation as somebody may be told of it; what is decided by it is the same.
type Veil = dyn Fn(Observed) -> Observed + Send + Sync;

impl Seen {
    pub fn through(observed: Observed, veil: impl Fn(Observed) -> Observed + Send + Sync + 'static) -> Self {
        Self { observed, veil: Arc::new(veil) }
    }

    /// For who may see everything.
    pub fn whole(observed: Observed) -> Self {
        Self::through(observed, |observed| observed)
    }

    fn decided(&self, ask: impl Fn(&Observed) -> Result<Asked, Refused>) -> Result<Asked, Refused> {
        ask(&self.observed).map_err(|_| {
            // nothing is done by what is told: it may lack what is written
            let told = ask(&(self.veil)(self.observed.clone())).err();
            told.unwrap_or_else(|| Refused("it cannot be done as things are now: ask again".to_owned()))
        })
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("observed", &self.observed).finish_non_exhaustive()
    }
}

/// How often somebody else may have written in between.
const TRIES: usize = 5;

/// Asks for a release in an environment. The gates still decide; a pin is lifted, because somebody asked.
///
/// # Errors
/// When the release is quarantined or there already, or the cluster refuses the write.
pub async fn promote(
    controller: &Controller,
    seen: &Seen,
    environment: &str,
    release: &str,
    actor: &str,
    reason: &str,
) -> Result<Promotion, RequestError> {
    made(controller, seen, |seen| requests::promote(seen, environment, release, actor, reason)).await
}

/// Notes what one person decided, bound to the release, the environment and its gates as they are.
///
/// # Errors
/// When it does not wait any more, the word does not count, or the cluster refuses the write.
pub async fn decide(
    controller: &Controller,
    seen: &Seen,
    promotion: &str,
    verdict: Verdict,
    user: &str,
    groups: &[String],
    reason: &str,
) -> Result<Promotion, RequestError> {
    let vote = Vote { verdict, user, groups, reason };
    made(controller, seen, |seen| requests::decide(seen, promotion, &vote)).await
}

/// Goes back to the release that ran in the environment before, by a revert commit; what runs there now is quarantined,
/// and the environment is pinned.
///
/// # Errors
/// When nothing ran there before, or the cluster refuses the write.
pub async fn roll_back(
    controller: &Controller,
    seen: &Seen,
    environment: &str,
    actor: &str,
    reason: &str,
) -> Result<Promotion, RequestError> {
    made(controller, seen, |seen| requests::roll_back(seen, environment, actor, reason)).await
}

/// Lets releases come by themselves again.
///
/// # Errors
/// When the environment is not pinned, or the cluster refuses the write.
pub async fn unpin(controller: &Controller, seen: &Seen, environment: &str, actor: &str) -> Result<(), RequestError> {
    realized(controller, seen, |seen| requests::unpin(seen, environment, actor)).await.map(drop)
}

/// Lifts a quarantine.
///
/// # Errors
/// When there is none, or the cluster refuses the write.
pub async fn lift(
    controller: &Controller,
    seen: &Seen,
    release: &str,
    actor: &str,
    reason: &str,
) -> Result<(), RequestError> {
    realized(controller, seen, |seen| requests::lift(seen, release, actor, reason)).await.map(drop)
}

/// Does what follows. Where another replica, or somebody else, wrote in between, it is decided again by what is there
/// now: whoever asks need not know.
async fn realized(
    controller: &Controller,
    seen: &Seen,
    ask: impl Fn(&Observed) -> Result<Asked, Refused>,
) -> Result<Asked, RequestError> {
    let mut seen = seen.clone();
    for _ in 0..TRIES {
        let asked = seen.decided(&ask)?;
        match steps(controller, &seen.observed, &asked).await {
            Err(ClusterError::Conflict { .. }) => seen.observed = anew(controller, &seen.observed, &asked).await?,
            done => return done.map(|()| asked).map_err(RequestError::from),
        }
    }
    let name = &seen.observed.pipeline.metadata.name;
    Err(RequestError::Refused(format!("others write to {name} all the time: nothing was done, ask again")))
}

async fn steps(controller: &Controller, seen: &Observed, asked: &Asked) -> Result<(), ClusterError> {
    let mut realizer = Realizer::new(&controller.context, seen);
    let mut decided = false;
    for step in &asked.steps {
        match realizer.step(step).await {
            // the ledger has it: who works on the Pipeline writes the rest
            Err(ClusterError::Conflict { .. }) if decided => break,
            done => done?,
        }
        decided |= matches!(step.action, Action::SetLedger { .. });
    }
    Ok(())
}

/// What is observed, with what was to be written as the cluster has it now: the watches may tell of it later.
async fn anew(controller: &Controller, seen: &Observed, asked: &Asked) -> Result<Observed, RequestError> {
    let (cx, pipeline) = (&controller.context, &seen.pipeline.metadata.name);
    for step in &asked.steps {
        let (kind, name) = match &step.action {
            Action::SetRelease { name, .. } => ("Release", name),
            Action::SetPromotion { name, .. } => ("Promotion", name),
            // noted by who met what stands there
            Action::SetLedger { .. } => continue,
            _ => ("Pipeline", pipeline),
        };
        let Some(live) = cx.cluster.get(&ResourceKey::new(GROUP, kind, &*cx.namespace, name)).await? else { continue };
        match kind {
            "Release" => drop(cx.stores.releases.note(live)),
            "Promotion" => drop(cx.stores.promotions.note(live)),
            _ => drop(cx.stores.pipelines.note(live)),
        }
    }
    let gone = || RequestError::Refused(format!("there is no Pipeline {pipeline} any more"));
    controller.observed(pipeline).ok_or_else(gone)
}

/// The promotion that the request is about, as it is then.
async fn made(
    controller: &Controller,
    seen: &Seen,
    ask: impl Fn(&Observed) -> Result<Asked, Refused>,
) -> Result<Promotion, RequestError> {
    let name = realized(controller, seen, ask).await?.promotion;
    let found = controller.context.stores.promotion(&name).map(|promotion| (*promotion).clone());
    found.ok_or_else(|| RequestError::Refused(format!("{name} was taken away again at once")))
}
