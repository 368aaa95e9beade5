//! The process that works is killed before and after everything that it does outside of itself, and what it was about goes
//! on all the same.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::process::Command;

use e2e::{binary, eventually, patiently, rounds, run};

use super::plane::{APPLICATIONS, Losses, Plane};

/// Of each part of a round so many places are come to in it.
const AT_ONCE: usize = 4;

/// A place, and the side of it: `fetch-before`.
fn places(binary: &Path) -> Vec<String> {
    let listed = run(Command::new(binary).args(["debug", "failpoints"])).succeeds().out;
    let names = listed.lines().filter_map(|line| line.split(' ').next());
    names.flat_map(|name| ["before", "after"].map(|side| format!("{name}-{side}"))).collect()
}

/// Which part of a round comes there.
fn part(place: &str) -> usize {
    let name = place.rsplit_once('-').map_or(place, |(name, _)| name);
    let promotion = [
        "release", "open", "claim", "search", "gates", "build", "push-send", "push-answer", "record", "refresh", "soak",
        "terminal",
    ];
    match name {
        "lease" | "cascade" | "finalizer" | "session-end" | "journal" => 2,
        name if promotion.contains(&name) => 1,
        _ => 0,
    }
}

#[test]
fn a_process_that_is_killed_anywhere_loses_nothing_and_does_nothing_twice() {
    let Some(program) = binary() else { return };
    let all = places(&program);
    if all.is_empty() {
        e2e::skipped("the program is a release: no test can end it at a place");
        return;
    }
    let points = tempfile::tempdir().expect("a folder");
    let armed = points.path().display().to_string();
    let Some(mut plane) = Plane::start(1, 3, &[("GANTLINE_FAILPOINTS", &armed)]) else { return };
    plane.deploy();
    eventually("the first round is there", || plane.has_arrived(0));
    let (mut number, mut kills, mut promised) = (0, 0, BTreeMap::new());
    for _ in 0..rounds() {
        let mut left = [VecDeque::new(), VecDeque::new(), VecDeque::new()];
        all.iter().for_each(|place| left[part(place)].push_back(place.clone()));
        while left.iter().any(|part| !part.is_empty()) {
            number += 1;
            let places: Vec<String> = left.iter_mut().flat_map(|part| part.drain(..AT_ONCE.min(part.len()))).collect();
            kills += kill_at(&mut plane, points.path(), &places, number);
            plane.promise(&format!("promise-{number}"), &mut promised);
        }
    }
    let losses = plane.losses(&promised);
    println!("kill loop: {kills} kills at {} places in {number} rounds: {losses}", all.len());
    assert_eq!(losses, Losses::default());
}

/// One round in which all these places are come to; how many processes were killed.
fn kill_at(plane: &mut Plane, points: &Path, places: &[String], number: u64) -> usize {
    let began = now();
    places.iter().for_each(|place| std::fs::write(points.join(place), "").expect("a file"));
    let gone = format!("gone-{number}");
    let mut app = plane.application(&gone, &gone);
    app["metadata"]["finalizers"] = serde_json::json!(["resources-finalizer.argocd.argoproj.io"]);
    let cascade = places.iter().any(|place| place.starts_with("cascade") || place.starts_with("finalizer"));
    if cascade {
        let map = serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": gone } });
        plane.commit(&[(format!("{gone}/map.yaml"), map.to_string())], "Add what goes");
        plane.apply(&app);
    }
    plane.release(number);
    let (mut deleted, going) = (!cascade, format!("{APPLICATIONS}/{gone}"));
    patiently(120, &format!("round {number} arrives, killed at {places:?}"), || {
        plane.revive();
        if !deleted && plane.api.get(&going)["status"]["sync"]["status"] == "Synced" {
            deleted = plane.api.delete(&going).is_ok();
        }
        let waiting: Vec<&String> = places.iter().filter(|place| points.join(place).exists()).collect();
        if waiting.iter().any(|place| place.starts_with("session-end")) {
            plane.admin().ask("DELETE", "/api/v1/session", None);
        }
        if !waiting.is_empty() {
            return Err(format!("nobody came to {waiting:?} {:?}", plane.has_arrived(number)));
        }
        if cascade && plane.api.get(&going).is_object() {
            return Err(format!("{gone} is still there"));
        }
        plane.has_arrived(number)
    });
    println!("  killed at {places:?}: {:.1} s", began.elapsed().as_secs_f32());
    places.len()
}

#[expect(clippy::disallowed_methods, reason = "measures")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
