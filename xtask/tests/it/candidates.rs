//! What is linked although it is no release yet: each with the reason in deny.toml, and once.

use std::fs;

use regex::Regex;

use super::{metadata, root};

#[test]
fn each_candidate_for_a_release_has_its_reason() {
    let rules = fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let metadata = metadata();
    let candidates = metadata.packages.iter().filter(|package| !package.version.pre.is_empty());
    let bad: Vec<String> = candidates
        .filter(|package| {
            let row = format!(r#"crate = "{}", wrappers = \[.+\], reason = ".+""#, regex::escape(&package.name));
            !Regex::new(&row).expect("a pattern").is_match(&rules)
        })
        .map(|package| format!("{} {}", package.name, package.version))
        .collect();
    assert!(bad.is_empty(), "say in deny.toml who needs it and why: {bad:?}");
}

#[test]
fn nothing_that_keeps_secrets_is_linked_twice() {
    let metadata = metadata();
    for name in ["rsa", "pkcs1", "ssh-key", "rustls", "ring", "p256", "ed25519-dalek", "jsonwebtoken", "russh"] {
        let versions: Vec<_> =
            metadata.packages.iter().filter(|p| p.name == name).map(|p| p.version.to_string()).collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}
