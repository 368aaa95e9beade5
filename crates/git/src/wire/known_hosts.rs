//! The lines of a known_hosts file, as `sshd(8)` describes them: names, patterns and hashed names of hosts with their keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use russh::keys::{Algorithm, HashAlg, PublicKey};

/// What the file says about the key that a host shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Known,
    /// No line is about the host.
    Unknown,
    /// Lines (their numbers) are about the host, with other keys.
    Other(Vec<usize>),
    /// The line says that the key must not be used any more.
    Revoked(usize),
}

/// Judges the key that `host` shows at `port`.
pub(crate) fn judge(file: &str, host: &str, port: u16, key: &PublicKey) -> Verdict {
    let mut others = Vec::new();
    let mut known = false;
    for entry in entries(file, host, port) {
        match (entry.revoked, entry.key.key_data() == key.key_data()) {
            (true, true) => return Verdict::Revoked(entry.line),
            (true, false) => {}
            (false, true) => known = true,
            (false, false) => others.push(entry.line),
        }
    }
    match (known, others.is_empty()) {
        (true, _) => Verdict::Known,
        (false, true) => Verdict::Unknown,
        (false, false) => Verdict::Other(others),
    }
}

/// The kinds of keys that are known for the host: a server with several is asked for one of these.
pub(crate) fn algorithms(file: &str, host: &str, port: u16) -> Vec<Algorithm> {
    entries(file, host, port).filter(|entry| !entry.revoked).map(|entry| entry.key.algorithm()).collect()
}

/// As in the file, for people to add.
pub(crate) fn line(host: &str, port: u16, key: &PublicKey) -> String {
    format!("{} {}", name(host, port), key.to_openssh().unwrap_or_default())
}

pub(crate) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

struct Entry {
    line: usize,
    revoked: bool,
    key: PublicKey,
}

/// `host`, or `[host]:port` for other ports than 22.
fn name(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

fn entries(file: &str, host: &str, port: u16) -> impl Iterator<Item = Entry> {
    let name = name(host, port);
    file.lines().enumerate().filter_map(move |(index, text)| {
        let mut words = text.split_whitespace();
        let mut first = words.next().filter(|word| !word.starts_with('#'))?;
        let revoked = first == "@revoked";
        if first.starts_with('@') {
            // keys of authorities sign other keys: those are not understood here
            first = words.next().filter(|_| revoked)?;
        }
        let (kind, data) = (words.next()?, words.next()?);
        let key = PublicKey::from_openssh(&format!("{kind} {data}")).ok()?;
        matches(first, &name).then_some(Entry { line: index + 1, revoked, key })
    })
}

/// A pattern that is negated and fits wins over all others.
fn matches(patterns: &str, name: &str) -> bool {
    let mut found = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if glob(&pattern.to_lowercase(), name) => return false,
            Some(_) => {}
            None if pattern.starts_with("|1|") => found |= hashed(pattern, name),
            None => found |= glob(&pattern.to_lowercase(), name),
        }
    }
    found
}

/// `|1|salt|hash`
fn hashed(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('|').skip(2).map(|part| STANDARD.decode(part));
    let (Some(Ok(salt)), Some(Ok(hash))) = (parts.next(), parts.next()) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    hmac::verify(&key, name.as_bytes(), &hash).is_ok()
}

/// `*` and `?`.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b) if *b == b'?' || *b == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf";

    fn check(file: &str, host: &str, port: u16, expected: &Verdict) {
        let key = PublicKey::from_openssh(ED25519).unwrap();
        assert_eq!(&judge(file, host, port, &key), expected, "{file}");
    }

    #[test]
    fn hosts_are_known_by_every_form_of_name() {
        for names in ["git.example.com", "a,git.example.com", "*.example.com", "Git.Example.?om"] {
            check(&format!("# hosts\n{names} {ED25519} comment\n"), "git.example.com", 22, &Verdict::Known);
        }
        check(&format!("[git.example.com]:2222 {ED25519}"), "git.example.com", 2222, &Verdict::Known);
        for names in ["git.example.com", "[git.example.com]:2223"] {
            check(&format!("{names} {ED25519}"), "git.example.com", 2222, &Verdict::Unknown);
        }
        check(&format!("!git.example.com,*.example.com {ED25519}"), "git.example.com", 22, &Verdict::Unknown);
        check("git.example.com ssh-ed25519 broken\n@", "git.example.com", 22, &Verdict::Unknown);
        check("", "git.example.com", 22, &Verdict::Unknown);
    }

    #[test]
    fn hashed_names_are_known() {
        let salt = [7_u8; 20];
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
        let hash = hmac::sign(&key, b"git.example.com");
        let names = format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(hash));
        check(&format!("{names} {ED25519}"), "git.example.com", 22, &Verdict::Known);
        check(&format!("{names} {ED25519}"), "other.example.com", 22, &Verdict::Unknown);
    }

    #[test]
    fn other_and_revoked_keys_are_told() {
        check(&format!("x {ED25519}\nh {OTHER}"), "h", 22, &Verdict::Other(vec![2]));
        check(&format!("h {OTHER}\nh {ED25519}"), "h", 22, &Verdict::Known);
        check(&format!("h {ED25519}\n@revoked * {ED25519}"), "h", 22, &Verdict::Revoked(2));
    }
}
