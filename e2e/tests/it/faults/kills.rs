//! The process that works is killed before and after everything that it does outside of itself, and what it was about goes
//! on all the same.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{binary, eventually, patiently, rounds, run};
use serde_json::json;

use super::plane::{APPLICATIONS, Losses, Plane};

/// Of each part of a round so many places are come to in it.
const AT_ONCE: usize = 6;

/// In so many rounds somebody has come to each place.
const TRIES: usize = 4;

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
        "release",
        "open",
        "claim",
        "search",
        "gates",
        "build",
        "push-send",
        "push-answer",
        "record",
        "refresh",
        "soak",
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
        let mut tries = BTreeMap::new();
        all.iter().for_each(|place| left[part(place)].push_back(place.clone()));
        while left.iter().any(|part| !part.is_empty()) {
            number += 1;
            let places: Vec<String> = left.iter_mut().flat_map(|part| part.drain(..AT_ONCE.min(part.len()))).collect();
            let missed = kill_at(&mut plane, points.path(), &places, number);
            kills += places.len() - missed.len();
            for place in missed {
                let tries = tries.entry(place.clone()).or_insert(0);
                *tries += 1;
                assert!(*tries < TRIES, "nobody comes to {place}");
                left[part(&place)].push_back(place);
            }
            plane.promise(&format!("promise-{number}"), &mut promised);
        }
    }
    let losses = plane.losses(&promised);
    println!("kill loop: {kills} kills at {} places in {number} rounds: {losses}", all.len());
    assert_eq!(losses, Losses::default());
}

/// One round in which these places are come to; the answer is to which nobody came, as who was on the way was killed.
fn kill_at(plane: &mut Plane, points: &Path, places: &[String], number: u64) -> Vec<String> {
    let began = now();
    let gone = Gone::of(plane, number, places);
    let armed = |place: &String| folder(&plane.sandbox_points, points, place).join(place);
    let armed: Vec<PathBuf> = places.iter().map(armed).collect();
    plane.release(number);
    armed.iter().for_each(|file| std::fs::write(file, "").expect("a file"));
    let mut well = 0;
    patiently(150, &format!("round {number} arrives, killed at {places:?}"), || {
        plane.revive();
        let waiting: Vec<&PathBuf> = armed.iter().filter(|file| file.exists()).collect();
        if waiting.iter().any(|file| file.ends_with("session-end-before") || file.ends_with("session-end-after")) {
            plane.end_a_session();
        }
        let arrived = gone.go(plane).and_then(|()| plane.has_arrived(number));
        well = if arrived.is_ok() { well + 1 } else { 0 };
        // leases are written every few seconds
        if waiting.is_empty() || well > 40 { arrived } else { Err(format!("nobody came to {waiting:?}; {arrived:?}")) }
    });
    let missed = places.iter().zip(&armed).filter(|(_, file)| std::fs::remove_file(file).is_ok());
    let missed: Vec<String> = missed.map(|(place, _)| place.clone()).collect();
    println!("  killed at {places:?} but {missed:?}: {:.1} s", began.elapsed().as_secs_f32());
    missed
}

fn folder<'a>(of_sandbox: &'a Path, of_servers: &'a Path, place: &str) -> &'a Path {
    if place.starts_with("journal") { of_sandbox } else { of_servers }
}

/// An Application that comes and goes with all that it deployed, where a round is about that.
struct Gone(Option<String>);

impl Gone {
    fn of(plane: &Plane, number: u64, places: &[String]) -> Self {
        if !places.iter().any(|place| place.starts_with("cascade") || place.starts_with("finalizer")) {
            return Self(None);
        }
        let name = format!("gone-{number}");
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } });
        plane.commit(&[(format!("{name}/map.yaml"), map.to_string())], "Add what goes");
        let mut app = plane.application(&name, &name);
        app["metadata"]["finalizers"] = json!(["resources-finalizer.argocd.argoproj.io"]);
        plane.apply(&app);
        eventually("what goes is there", || {
            let app = plane.api.get(&format!("{APPLICATIONS}/{name}"));
            if app["status"]["sync"]["status"] == "Synced" { Ok(()) } else { Err(app.to_string()) }
        });
        Self(Some(name))
    }

    /// # Errors
    /// What is still there.
    fn go(&self, plane: &Plane) -> Result<(), String> {
        let Self(Some(name)) = self else { return Ok(()) };
        let path = format!("{APPLICATIONS}/{name}");
        let app = plane.api.get(&path);
        if app["metadata"]["deletionTimestamp"].is_null() && app.is_object() {
            let _ = plane.api.delete(&path);
        }
        let map = plane.api.get(&format!("/api/v1/namespaces/shop/configmaps/{name}"));
        if app.is_null() && map.is_null() { Ok(()) } else { Err(format!("{name} is still there")) }
    }
}

#[expect(clippy::disallowed_methods, reason = "measures")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
