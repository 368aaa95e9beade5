//! Pipelines, by key: observe, plan, realize. All that is decided is decided by [`promotion::plan`]; what is kept here
//! may be dropped at any time.

mod beside;
mod destination;
pub(crate) mod ground;
mod neighbours;
pub(crate) mod observe;
pub(crate) mod realize;
mod write;

use std::time::Duration;

use clock::after;
use cluster::ClusterError;

use crate::context::Context;
use crate::driver::Next;
use realize::Realizer;

/// The author of what Gantline commits.
pub(crate) const EMAIL: &str = "gantline@gantline.dev";
/// After a write that came too late, or a branch that moved.
const SOON: Duration = Duration::from_millis(500);

/// Looks at one Pipeline.
pub(crate) async fn look(cx: &Context, name: &str) -> Next {
    next_of(cx, &format!("Pipeline {name}"), planned(cx, name).await)
}

/// Goes on with the commit of one Promotion. That waits for hosts, and nobody for it: its turn is lent.
pub(crate) async fn write(cx: &Context, promotion: &str) -> Next {
    let written = cx.lending(write::write(cx, promotion)).await;
    next_of(cx, &format!("Promotion {promotion}"), written)
}

/// One plan, realized.
async fn planned(cx: &Context, name: &str) -> Result<Next, ClusterError> {
    let Some(pipeline) = cx.stores.pipeline(name) else {
        cx.answers.forget(name);
        return match cx.stores.pipelines.why_unreadable(&cx.namespace, name) {
            Some(why) => realize::unreadable(cx, name, &why).await.map(|()| Next::Nothing),
            None => Ok(Next::Nothing),
        };
    };
    observe::watch(cx, &pipeline);
    if cx.seal().is_none() {
        return Ok(Next::Nothing); // woken when the key is there
    }
    let seen = observe::observed(cx, pipeline);
    let plan = promotion::plan(&seen);
    cx.answers.ask(name, plan.questions, seen.now);
    let mut realizer = Realizer::new(cx, &seen);
    for step in &plan.steps {
        realizer.step(step).await?;
    }
    realizer.status(&plan.status).await?;
    Ok(plan.next.map_or(Next::Nothing, Next::At))
}

/// When to look again after something that may have failed.
fn next_of(cx: &Context, what: &str, outcome: Result<Next, ClusterError>) -> Next {
    match outcome {
        Ok(next) => next,
        // somebody wrote meanwhile, and that wakes us again; but what we saw may be what comes late
        Err(ClusterError::Conflict { .. } | ClusterError::NotFound { .. }) => soon(cx),
        Err(error) => {
            tracing::warn!(%error, "{what}: not done as planned");
            Next::Retry
        }
    }
}

fn soon(cx: &Context) -> Next {
    Next::At(after(cx.clock.now(), SOON))
}
