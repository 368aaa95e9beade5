//! Requests about releases: promote, decide, roll back, unpin, lift. What follows from each is decided by
//! [`promotion::requests`]; here it is written.

use api::gantline::{Promotion, Verdict};
use promotion::Observed;
use promotion::requests::{self, Asked, Refused, Vote};

use super::RequestError;
use crate::controller::Controller;
use crate::pipelines::realize::Realizer;

impl From<Refused> for RequestError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused.0)
    }
}

/// Asks for a release in an environment. The gates still decide; a pin is lifted, because somebody asked.
///
/// # Errors
/// When the release is quarantined or there already, or the cluster refuses the write.
pub async fn promote(
    controller: &Controller,
    seen: &Observed,
    environment: &str,
    release: &str,
    actor: &str,
    reason: &str,
) -> Result<Promotion, RequestError> {
    let asked = requests::promote(seen, environment, release, actor, reason)?;
    made(controller, seen, asked).await
}

/// Notes what one person decided, bound to the release, the environment and its gates as they are.
///
/// # Errors
/// When it does not wait any more, the word does not count, or the cluster refuses the write.
pub async fn decide(
    controller: &Controller,
    seen: &Observed,
    promotion: &str,
    verdict: Verdict,
    user: &str,
    groups: &[String],
    reason: &str,
) -> Result<Promotion, RequestError> {
    let asked = requests::decide(seen, promotion, &Vote { verdict, user, groups, reason })?;
    made(controller, seen, asked).await
}

/// Goes back to the release that ran in the environment before, by a revert commit; what runs there now is quarantined,
/// and the environment is pinned.
///
/// # Errors
/// When nothing ran there before, or the cluster refuses the write.
pub async fn roll_back(
    controller: &Controller,
    seen: &Observed,
    environment: &str,
    actor: &str,
    reason: &str,
) -> Result<Promotion, RequestError> {
    let asked = requests::roll_back(seen, environment, actor, reason)?;
    made(controller, seen, asked).await
}

/// Lets releases come by themselves again.
///
/// # Errors
/// When the environment is not pinned, or the cluster refuses the write.
pub async fn unpin(
    controller: &Controller,
    seen: &Observed,
    environment: &str,
    actor: &str,
) -> Result<(), RequestError> {
    let asked = requests::unpin(seen, environment, actor)?;
    realized(controller, seen, &asked).await
}

/// Lifts a quarantine.
///
/// # Errors
/// When there is none, or the cluster refuses the write.
pub async fn lift(
    controller: &Controller,
    seen: &Observed,
    release: &str,
    actor: &str,
    reason: &str,
) -> Result<(), RequestError> {
    let asked = requests::lift(seen, release, actor, reason)?;
    realized(controller, seen, &asked).await
}

async fn realized(controller: &Controller, seen: &Observed, asked: &Asked) -> Result<(), RequestError> {
    let mut realizer = Realizer::new(&controller.context, seen);
    for step in &asked.steps {
        realizer.step(step).await?;
    }
    Ok(())
}

/// The promotion that the request is about, as it is then.
async fn made(controller: &Controller, seen: &Observed, asked: Asked) -> Result<Promotion, RequestError> {
    realized(controller, seen, &asked).await?;
    let name = &asked.promotion;
    let found = controller.context.stores.promotion(name).map(|promotion| (*promotion).clone());
    found.ok_or_else(|| RequestError::Refused(format!("{name} was taken away again at once")))
}
