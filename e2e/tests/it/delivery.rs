//! An image on its way from dev to production, pushed by Git, decided by people.

use e2e::{Demo, Ran, Session, WorkTree, demo, eventually, has};
use serde_json::Value;

use crate::cli::environment;

const OLD: &str = "4f2a9c1e7b60d83f5a1c2e9d40b7f68a3c5e1d92";

/// What CI does: the image into the registry, its tag into the dev overlay.
fn deliver(demo: &Demo, service: &str, tag: &str) -> WorkTree {
    demo.push_image(&format!("acme/{service}"), OLD, tag);
    let clone = WorkTree::clone_of(&demo.repository("ecommerce-infra"), "dana");
    let path = format!("apps/{service}/overlays/dev/kustomization.yaml");
    clone.write(&path, &clone.text(&path).replace(OLD, tag));
    clone.push(&format!("ci: {service} {tag}"));
    clone
}

fn wait_for_tag(demo: &Demo, service: &str, name: &str, tag: &str) {
    eventually(&format!("{name} runs {tag}"), || {
        let seen = environment(demo, service, name);
        let runs = seen["tag"] == tag && seen["sync"] == "Synced" && seen["health"] == "Healthy";
        if runs { Ok(()) } else { Err(seen.to_string()) }
    });
}

/// The promotion commits of a service into production, by subject.
fn promotions(clone: &WorkTree, subject: &str) -> Vec<String> {
    clone.git(&["pull", "--quiet", "--rebase"]);
    let log = clone.git(&["log", "--format=%H %s"]);
    let found = log.lines().filter_map(|line| line.split_once(' ')).filter(|(_, s)| *s == subject);
    found.map(|(commit, _)| commit.to_owned()).collect()
}

fn waits_for_approval(user: &Session<'_>, service: &str, tag: &str) {
    eventually("production waits for an approval", || {
        let ran = user.gantline(&["explain", tag]);
        if ran.out.contains("team-leads") { Ok(()) } else { Err(format!("{service}: {}{}", ran.out, ran.err)) }
    });
}

#[test]
fn an_image_travels_to_production_and_back() {
    let Some(demo) = demo().filter(|_| has("git")) else { return };
    let (service, tag) = ("payments-service", "5e0c1d2f3a4b5c6d7e8f90a1b2c3d4e5f6a7b8c9");
    let (developer, lead) = (demo.log_in("developer"), demo.log_in("team-lead"));
    let clone = deliver(demo, service, tag);
    wait_for_tag(demo, service, "dev", tag);
    wait_for_tag(demo, service, "staging", tag);
    waits_for_approval(&developer, service, tag);
    developer
        .gantline(&["where", tag])
        .succeeds()
        .says("payments-service-staging")
        .does_not_say("payments-service-production");
    developer.gantline(&["pipeline", "get", service]).succeeds().says("approval");
    developer.gantline(&["promote", service, "--to", "production"]).succeeds().says("waits").says("approval");
    let approve = ["approve", service, "--to", "production", "--reason", "load test was fine"];
    developer.gantline(&approve).exits(1).says("developer may not approve");
    lead.gantline(&approve).succeeds().says("approved");
    wait_for_tag(demo, service, "production", tag);
    let commits = promotions(&clone, &format!("promote(production): {service} → {tag}"));
    let [commit] = &commits[..] else { panic!("{} promotion commits", commits.len()) };
    let message = clone.git(&["show", "--no-patch", "--format=%B", commit]);
    for trailer in [
        "Promotion-Id: ",
        "Release: ",
        "Digest: sha256:",
        "Approved-By: ",
        "Gates: ",
        "- team-lead: load test was fine",
    ] {
        assert!(message.contains(trailer), "no {trailer:?} in {message}");
    }
    let counted = clone.git(&["show", "--format=", "--numstat", commit]);
    assert!(counted.trim().starts_with("1\t1\t"), "{counted}");
    roll_back(demo, &lead, &clone, service, tag);
}

fn roll_back(demo: &Demo, lead: &Session<'_>, clone: &WorkTree, service: &str, tag: &str) {
    let rollback =
        |words: &[&str]| -> Ran { lead.gantline(&[&["rollback", service, "--in", "production"], words].concat()) };
    rollback(&["--reason", "the shop reports errors", "--wait"]).succeeds().says(&format!("runs {OLD}"));
    wait_for_tag(demo, service, "production", OLD);
    clone.git(&["pull", "--quiet", "--rebase"]);
    let log = clone.git(&["log", "--format=%s%n%b", "-3"]);
    assert!(log.contains("rollback(production)") && log.contains("This reverts commit"), "{log}");
    if has("kubectl") {
        eventually("kubectl describe tells of it", || {
            let described = demo.kubectl(&["-n", "argocd", "describe", "pipeline", service]).succeeds();
            let told = ["RolledBack", "EnvironmentPinned", "the shop reports errors"];
            if told.iter().all(|text| described.out.contains(text)) { Ok(()) } else { Err(described.out) }
        });
    }
    let pin = || {
        let pipeline = lead.gantline(&["pipeline", "get", service, "-o", "json"]).succeeds().json();
        pipeline.pointer("/spec/pins/production").cloned()
    };
    assert_eq!(pin().unwrap_or_default()["by"], "team-lead");
    let releases = lead.gantline(&["release", "list", service, "-o", "json"]).succeeds().json();
    let release = releases["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|r| r.pointer("/spec/images/0/tag") == Some(&tag.into()));
    let quarantine = release.and_then(|release| release.pointer("/status/quarantine/reason"));
    assert!(quarantine.is_some_and(Value::is_string), "{release:?}");
    rollback(&["--unpin"]).succeeds();
    assert_eq!(pin(), None);
    demo.log_in("developer").gantline(&["release", "lift", tag]).exits(1).says("developer may not lift");
    lead.gantline(&["release", "show", tag]).succeeds().says("to lift it: gantline release lift");
    lead.gantline(&["promote", service, "--to", "production", "--release", tag]).exits(1).says("is quarantined by");
    lead.gantline(&["release", "lift", tag, "-m", "it was the network"]).succeeds().says("is not quarantined any more");
    lead.gantline(&["release", "lift", tag]).exits(1).says("there is nothing to lift");
    lead.gantline(&["promote", service, "--to", "production", "--release", tag]).succeeds().says("-2");
}

#[test]
fn a_rejected_promotion_goes_nowhere() {
    let Some(demo) = demo().filter(|_| has("git")) else { return };
    let (service, tag) = ("catalog-service", "6f1d2e3a4b5c6d7e8f90a1b2c3d4e5f6a7b8c9d0");
    let lead = demo.log_in("team-lead");
    let clone = deliver(demo, service, tag);
    wait_for_tag(demo, service, "staging", tag);
    waits_for_approval(&lead, service, tag);
    let decide =
        |verb: &str| lead.gantline(&[verb, service, "--to", "production", "--reason", "not before the holiday"]);
    decide("reject").succeeds().says("rejected");
    eventually("the promotion is closed", || {
        let releases = lead.gantline(&["release", "show", tag, "-o", "json"]).succeeds().json();
        let phase = releases.pointer("/promotions/0/status/phase").and_then(Value::as_str).unwrap_or_default();
        if phase == "Rejected" { Ok(()) } else { Err(releases.to_string()) }
    });
    decide("approve").exits(1);
    assert_eq!(environment(demo, service, "production")["tag"], OLD);
    assert_eq!(promotions(&clone, &format!("promote(production): {service} → {tag}")).len(), 0);
}
