//! An API server that fails in every way: nothing is lost, nothing is done twice, nobody asks who was told to wait, and when
//! it is well again, so is everything.

use std::collections::BTreeMap;

use e2e::ApiFault::{Cut, Gone, Late, Lost, ServerError, Stall, TooMany};
use e2e::{ApiProxy, Rates, Rest, eventually, patiently, rounds};

use super::plane::{Losses, Plane};

const RATES: Rates =
    &[(Gone, 1500), (ServerError, 400), (Lost, 400), (Late, 500), (Cut, 200), (TooMany, 60), (Stall, 20)];
/// Releases that travel while it fails.
const RELEASES: u64 = 2;

#[test]
fn an_api_server_that_fails_in_every_way_costs_time_and_nothing_else() {
    (0..rounds()).for_each(play);
}

fn play(seed: u64) {
    let Some(plane) = Plane::start(seed, 3, &[]) else { return };
    plane.deploy();
    patiently(60, "the first round is there", || plane.has_arrived(0));
    let mut promised = BTreeMap::new();
    let sessions: Vec<Rest> = (0..3).filter_map(|_| plane.admin()).collect();
    plane.proxies.iter().for_each(|proxy| proxy.disturb(RATES));
    let mut ended = Vec::new();
    for number in 1..=RELEASES {
        plane.release(number);
        plane.promise(&format!("promise-{number}"), &mut promised);
        let session = &sessions[usize::try_from(number).unwrap_or_default()];
        // who was told that the session is over relies on it
        ended.extend((session.ask("DELETE", "/api/v1/session", None).status == 200).then_some(session));
        patiently(120, &format!("round {number} arrives while the API server fails"), || plane.has_arrived(number));
    }
    plane.proxies.iter().for_each(ApiProxy::calm);
    plane.release(RELEASES + 1);
    patiently(60, "everything is well again", || plane.has_arrived(RELEASES + 1));
    let mut losses = plane.losses(&promised);
    for session in &ended {
        let holds = session.get("/api/v1/applications").status != 401;
        losses.lost += usize::from(holds);
    }
    let mut faults = BTreeMap::new();
    for (fault, count) in plane.proxies.iter().flat_map(ApiProxy::faults) {
        *faults.entry(fault).or_insert(0) += count;
    }
    let hasty: u64 = plane.proxies.iter().map(ApiProxy::hasty).sum();
    println!("API faults (seed {seed}): {faults:?}; {hasty} requests before Retry-After was over; {losses}");
    assert_eq!((losses, hasty), (Losses::default(), 0));
    for fault in [Gone, ServerError, Lost, Late, Cut, TooMany] {
        assert!(faults.contains_key(&fault), "{fault:?} never happened: {faults:?}");
    }
    eventually("the servers say that they are well", || {
        let well = plane.replicas.iter().all(|replica| Rest::stranger(&replica.url()).get("/healthz").status == 200);
        if well { Ok(()) } else { Err(plane.said()) }
    });
}
