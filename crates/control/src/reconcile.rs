//! The straight path of one Application, from its commit to its status.

use std::sync::Arc;
use std::time::Duration;

use api::argocd::{Application, Condition, names};
use clock::after;
use cluster::ClusterError;
use engine::operation::Draft;
use engine::status::Look;

use crate::context::Context;
use crate::deletion;
use crate::driver::Next;
use crate::live::{Compared, compared, known_objects, site_of};
use crate::memory::Memory;
use crate::proven;
use crate::queue::{Depth, Request};
use crate::source::{Sources, Wanted, is_asked_first, wanted};
use crate::status;
use crate::stores::AppKey;
use crate::sync::{self, Advance};
use failpoint::Point;

/// What is wanted and how it compares with what is there.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) wanted: Wanted,
    pub(crate) compared: Compared,
}

/// Brings one Application as far as it can come now.
pub(crate) async fn reconcile(cx: &Context, key: &AppKey, request: Request) -> Next {
    let next = brought_on(cx, key, request).await;
    cx.metrics.reconciles.inc();
    if next == Next::Retry {
        cx.metrics.reconcile_errors.inc();
    }
    next
}

async fn brought_on(cx: &Context, key: &AppKey, request: Request) -> Next {
    let Some(app) = cx.stores.application(key) else {
        cx.forget(key);
        return Next::Nothing;
    };
    if app.metadata.deletion_timestamp.is_some() {
        return deletion::finalize(cx, &app).await;
    }
    if app.skips_reconcile() {
        return Next::Nothing;
    }
    let mut memory = cx.memory(key);
    // this may be a look at something else: what was asked for is not taken away without having been done
    let request = request.with(app.requested_refresh(), cx.clock.now());
    if site_of(cx, &app).is_ok() && is_asked_first(cx, &app, &memory, request) {
        return Next::Parked;
    }
    proven::begin(cx, key, &app, &mut memory);
    let brought = straight_path(cx, app, request, &mut memory).await;
    cx.remember(key, memory);
    match brought {
        Ok(next) => next,
        Err(ClusterError::NotFound { .. }) => Next::Nothing,
        // somebody wrote the Application meanwhile: what they wrote is on its way to us
        Err(ClusterError::Conflict { .. }) => Next::At(after(cx.clock.now(), Duration::from_millis(500))),
        Err(error) => {
            tracing::warn!(application = %key, %error, "reconcile not finished");
            Next::Retry
        }
    }
}

/// Commit -> files -> manifests -> comparison -> sync -> health -> status.
async fn straight_path(
    cx: &Context,
    mut app: Arc<Application>,
    mut request: Request,
    memory: &mut Memory,
) -> Result<Next, ClusterError> {
    let mut draft = Draft::from(&*app);
    // one that is asked for meanwhile is another look's
    let is_refresh = app.requested_refresh().is_some();
    let mut judged = judge(cx, &draft.app, request, memory).await;
    let mut says = Point::Status;
    loop {
        show(cx, &mut draft.app, judged.as_ref(), request.depth >= Depth::Latest);
        request.depth = Depth::Live;
        match sync::advance(cx, &mut draft, &judged, memory).await {
            Advance::Begun => {
                // written down before anything is done, so that another process can take over
                failpoint::before(Point::Intent);
                app = status::write(cx, &app, draft).await?;
                failpoint::after(Point::Intent);
                draft = Draft::from(&*app);
            }
            Advance::Ended => {
                says = Point::Result;
                judged = judge(cx, &draft.app, request, memory).await;
            }
            Advance::Rest(next) => {
                if is_refresh {
                    draft.app.metadata.annotations.remove(names::REFRESH);
                }
                failpoint::before(says);
                let app = status::write(cx, &app, draft).await?;
                failpoint::after(says);
                if judged.is_ok() {
                    proven::end(cx, &app, memory);
                }
                return Ok(next);
            }
        }
    }
}

/// Puts what a look found into the draft. `latest` says whether the revision was resolved anew.
fn show(cx: &Context, app: &mut Application, judged: Result<&Judged, &Vec<Condition>>, latest: bool) {
    let now = cx.clock.now();
    if latest {
        app.status.reconciled_at = Some(now);
    }
    app.status.controller_namespace.clone_from(&cx.namespace);
    let health = cx.health();
    match judged {
        Ok(Judged { wanted, compared }) => {
            let (comparison, doubts) = (&compared.comparison, wanted.doubts());
            let (commits, tools, doubts) = (&*wanted.commits, &*wanted.tools, doubts.as_ref());
            engine::status::show(app, Look::Compared { comparison, commits, tools, doubts }, &health, now);
        }
        Err(reasons) => {
            let known = known_objects(cx, app);
            engine::status::show(app, Look::Unknown { reasons, known: &known }, &health, now);
        }
    }
}

/// # Errors
/// The conditions that say why the comparison cannot be made.
pub(crate) async fn judge(
    cx: &Context,
    app: &Application,
    request: Request,
    memory: &mut Memory,
) -> Result<Judged, Vec<Condition>> {
    let site = site_of(cx, app)?;
    memory.stays_at(site.server());
    let wanted = wanted(cx, app, &Sources::of(app), memory, request).await.map_err(|c| vec![c])?;
    let compared = compared(cx, &site, app, &wanted, memory).await.map_err(|c| vec![c])?;
    Ok(Judged { wanted, compared })
}
