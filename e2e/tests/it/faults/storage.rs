//! A disk that is full: what cannot be kept is told of, nothing goes for it, and with room it goes on by itself.

use std::collections::BTreeMap;

use e2e::patiently;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::plane::{APPLICATIONS, Losses, Plane};

/// No file of the process may grow longer: what a write meets on a full disk.
fn limit(process: u32, length: Option<u64>) {
    let pid = Pid::from_raw(process.try_into().expect("a process")).expect("a process");
    let maximum = rustix::process::getrlimit(Resource::Fsize).maximum;
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: length.or(maximum), maximum }).expect("a limit");
}

#[test]
fn a_full_disk_under_the_copies_of_repositories_deletes_nothing_and_is_told_of() {
    let Some(mut plane) = Plane::start(6, 1, &[]) else { return };
    plane.deploy();
    patiently(60, "the first round is there", || plane.has_arrived(0));
    limit(plane.replicas[0].id(), Some(0));
    plane.release(1);
    patiently(60, "it is told of", || {
        plane.refresh("shop-kept");
        let app = plane.api.get(&format!("{APPLICATIONS}/shop-kept"));
        let told = app["status"]["conditions"].to_string();
        if told.contains("ComparisonError") { Ok(()) } else { Err(format!("{} {}", app["status"], plane.said())) }
    });
    assert!(!plane.replicas[0].has_ended(), "{}", plane.said());
    assert_eq!(plane.losses(&BTreeMap::new()), Losses::default());
    limit(plane.replicas[0].id(), None);
    patiently(60, "with room it goes on", || plane.has_arrived(1));
    let losses = plane.losses(&BTreeMap::new());
    println!("full disk under the copies of repositories: {losses}");
    assert_eq!(losses, Losses::default());
}
