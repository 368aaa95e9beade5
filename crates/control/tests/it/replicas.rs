//! Three controllers that share the work, and the one that works is killed at every durable step.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clock::{Clock, ScaledClock};
use control::{AtStep, Replica};
use futures::future::select_all;
use promotion::WriteStep;

use crate::promotions::{Running, World, kill_at};

/// Leases run out ten times as fast, so that the test ends soon.
const SPEED: f64 = 10.0;

fn three(world: &World, clock: &Arc<dyn Clock>, at_step: &AtStep) -> Vec<Running> {
    let replica = |name: &str| Replica { name: name.to_owned(), clock: Arc::clone(clock) };
    ["a", "b", "c"].map(|name| world.replica(Some(replica(name)), Some(at_step.clone()))).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_is_killed_at_any_step_and_another_goes_on() {
    let world = World::start().await;
    world.controller_settles().await;
    let clock: Arc<dyn Clock> = Arc::new(ScaledClock::starting_now(SPEED));
    for (number, step) in WriteStep::ALL.into_iter().enumerate() {
        for before in [true, false] {
            let tag = format!("v{}", 10 + number * 2 + usize::from(before));
            // whoever comes there first is the owner
            let mut replicas = three(&world, &clock, &kill_at(step, before, &Arc::new(AtomicBool::new(false))));
            world.push(&tag).await;
            let ended = select_all(replicas.iter_mut().map(|replica| &mut replica.task));
            let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
            let Ok((_, killed, _)) = ended else {
                panic!("{step} (before: {before}) was never reached: {:#?}", world.promotions().await)
            };
            replicas.remove(killed);
            world.promoted_once(&tag, &format!("{step} (before: {before})")).await;
            for replica in replicas {
                replica.end().await;
            }
        }
    }
}
