//! Gives the simulated controllers their time: on each change of the store, on each alarm, on each image that arrives.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Simulation;
use super::memory::PullRequest;
use crate::api::Api;
use crate::registry::{ImageError, ImageSource, PulledImage};

type Arrival = (PullRequest, Result<PulledImage, ImageError>);

/// So many steps are done before others get a turn.
const STEPS: usize = 64;

/// Runs until `stop`. Needs a tokio runtime.
pub(crate) fn start(api: Arc<Api>, images: Arc<dyn ImageSource>, stop: CancellationToken) {
    tokio::spawn(async move {
        stop.run_until_cancelled(drive(&api, &images)).await;
    });
}

async fn drive(api: &Arc<Api>, images: &Arc<dyn ImageSource>) {
    let mut revisions = api.store.revisions();
    let (send, mut arrivals) = mpsc::unbounded_channel::<Arrival>();
    let mut simulation = Simulation::new(api);
    loop {
        revisions.mark_unchanged();
        for request in simulation.run(api, STEPS) {
            let (images, send) = (Arc::clone(images), send.clone());
            tokio::spawn(async move {
                let result = images.resolve(&request.image).await;
                // nobody listens any more when the sandbox has stopped
                let _ = send.send((request, result));
            });
        }
        let now = api.clock.now();
        let due = simulation.due(now);
        if due.is_some_and(|at| at <= now) {
            tokio::task::yield_now().await;
            while let Ok((request, result)) = arrivals.try_recv() {
                simulation.pulled(&request, result, api.clock.now());
            }
            continue;
        }
        let alarm = async {
            match due {
                Some(at) => api.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = alarm => {}
            changed = revisions.changed() => if changed.is_err() { return },
            Some((request, result)) = arrivals.recv() => simulation.pulled(&request, result, api.clock.now()),
        }
    }
}
