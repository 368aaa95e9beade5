//! Gives the simulated controllers their time: on each change of the store, on each alarm, on each image that arrives.

use std::sync::Arc;

use tokio::runtime::{Handle, RuntimeFlavor};
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
        for request in waiting(api, || simulation.run(api, STEPS)) {
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

/// Work that waits for the disk holds up no one else where there is another thread for them.
fn waiting<T>(api: &Api, work: impl FnOnce() -> T) -> T {
    let several = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    if api.store.is_on_disk() && several { tokio::task::block_in_place(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clock::{Ids, ScaledClock};
    use serde_json::json;

    use super::*;
    use crate::api::Wish;
    use crate::body::Validation;
    use crate::registry::Registry;
    use crate::store::{Key, Store};

    #[tokio::test]
    async fn changes_alarms_and_images_drive_a_pod_until_it_is_stopped() {
        let clock = Arc::new(ScaledClock::starting_now(200.0));
        let api = Arc::new(Api::new(Store::in_memory(), clock, Ids::seeded(1)));
        crate::bootstrap::run(&api);
        let registry = Registry::in_memory(["*"]);
        registry.push_image("library/web", "1", &Default::default());
        let stop = CancellationToken::new();
        start(Arc::clone(&api), Arc::new(registry), stop.clone());
        let resource = api.kinds().of_kind("", "Pod").unwrap();
        let (name, subresource) = (String::new(), String::new());
        let (namespace, manager) = ("default".to_owned(), "test".to_owned());
        let validation = Validation::Strict;
        let wish = Wish { resource, namespace, name, subresource, manager, dry_run: false, validation };
        let pod = |name: &str| {
            let spec = json!({ "containers": [{ "name": "web", "image": "web:1" }] });
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec })
        };
        api.create(&wish, pod("a")).unwrap();
        let mut revisions = api.store.revisions();
        let ready = async {
            loop {
                let pod = api.store.get(&Key::new("pods", "default", "a")).unwrap();
                if pod["status"]["containerStatuses"][0]["ready"] == true {
                    return;
                }
                revisions.changed().await.unwrap();
            }
        };
        // generous: it takes a few hundredths of a second
        tokio::time::timeout(Duration::from_secs(30), ready).await.expect("the pod becomes ready");
        stop.cancel();
        tokio::task::yield_now().await;
        api.create(&wish, pod("b")).unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(api.store.get(&Key::new("pods", "default", "b")).unwrap()["spec"]["nodeName"].is_null());
    }
}
