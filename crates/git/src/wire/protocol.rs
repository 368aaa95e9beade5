//! What is said in Git's smart protocol, version 0, whatever carries it: references, requests for packs, pushes and
//! their reports.

use std::collections::BTreeMap;
use std::io::Write;

use super::packet::{self, Packet, Packets};
use crate::ref_update::RefUpdate;
use crate::{CommitId, GitError, PushError};

/// What a server says it has.
#[derive(Debug, Default)]
pub(crate) struct Advertisement {
    /// Full reference names to commits; annotated tags peeled.
    pub(crate) refs: BTreeMap<String, CommitId>,
    /// The objects to ask for: as `refs`, tags not peeled.
    pub(crate) wants: BTreeMap<String, CommitId>,
    /// What the server can do, by words.
    capabilities: String,
}

impl Advertisement {
    /// Takes one line; lines that name no reference are not for us.
    pub(crate) fn add(&mut self, line: &[u8]) {
        let mut parts = line.splitn(2, |b| *b == 0);
        let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
        if let Some(capabilities) = parts.next() {
            self.capabilities = String::from_utf8_lossy(capabilities).trim().to_owned();
        }
        let Some((id, name)) = text.trim_end().split_once(' ') else { return };
        let Ok(id) = id.parse::<CommitId>() else { return };
        match name.strip_suffix("^{}") {
            Some("capabilities") => {}
            Some(tag) => {
                self.refs.insert(tag.to_owned(), id);
            }
            None => {
                self.refs.insert(name.to_owned(), id);
                self.wants.insert(name.to_owned(), id);
            }
        }
    }

    /// # Errors
    /// When a reference is not where it must be, or the server could move some and not the others.
    pub(crate) fn expect(&self, shown: &str, updates: &[RefUpdate]) -> Result<(), PushError> {
        updates.iter().try_for_each(|update| update.expect_in(&self.refs))?;
        if updates.len() < 2 || self.capabilities.split(' ').any(|word| word == "atomic") {
            return Ok(());
        }
        let name = updates.iter().map(RefUpdate::short).collect::<Vec<_>>().join(" and ");
        let message = "the server cannot move several references at once (it does not offer `atomic`)".to_owned();
        Err(PushError::Declined { url: shown.to_owned(), name, message })
    }
}

/// Asks for everything that `wants` reach and `haves` do not.
pub(crate) fn fetch_request(wants: &[CommitId], haves: &[CommitId]) -> Vec<u8> {
    let mut body = Vec::new();
    for (index, want) in wants.iter().enumerate() {
        let capabilities = if index == 0 { " side-band-64k ofs-delta no-progress agent=git/gantline" } else { "" };
        packet::line(&mut body, format!("want {want}{capabilities}\n"));
    }
    packet::flush(&mut body);
    for have in haves {
        packet::line(&mut body, format!("have {have}\n"));
    }
    packet::line(&mut body, "done\n");
    body
}

/// Writes the pack that a line of the answer carries a part of to `out`.
pub(crate) fn take_pack(shown: &str, packet: Packet, out: &mut impl Write) -> Result<(), GitError> {
    let Packet::Line(line) = packet else { return Ok(()) };
    match line.split_first() {
        Some((1, data)) => out.write_all(data).map_err(|error| storage(shown, &error)),
        Some((3, text)) => {
            let reason = String::from_utf8_lossy(text).trim().to_owned();
            Err(GitError::Unreachable { url: shown.to_owned(), reason })
        }
        // progress, and the lines that acknowledge what we have
        _ => Ok(()),
    }
}

pub(crate) fn storage(shown: &str, error: &std::io::Error) -> GitError {
    GitError::Storage { url: shown.to_owned(), reason: error.to_string() }
}

/// Moves references, all or none: the server itself compares, so a branch that moved is refused by it.
pub(crate) fn push_request(updates: &[RefUpdate], pack: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let atomic = if updates.len() > 1 { " atomic" } else { "" };
    let mut capabilities = format!("\0 report-status side-band-64k{atomic} agent=git/gantline");
    for RefUpdate { name, old, new } in updates {
        let old = old.map_or_else(|| "0".repeat(40), |old| old.to_string());
        packet::line(&mut body, format!("{old} {new} {name}{capabilities}"));
        capabilities.clear();
    }
    packet::flush(&mut body);
    body.extend_from_slice(pack);
    body
}

/// What came of a push, by the packets of the server's answer.
#[derive(Debug, Default)]
pub(crate) struct Report {
    bytes: Vec<u8>,
    said: String,
}

impl Report {
    pub(crate) fn take(&mut self, packet: Packet) {
        let Packet::Line(line) = packet else { return };
        match line.split_first() {
            Some((1, data)) => self.bytes.extend_from_slice(data),
            Some((2 | 3, text)) => self.said.push_str(&String::from_utf8_lossy(text)),
            _ => {}
        }
    }

    /// # Errors
    /// When the server did not move the references.
    pub(crate) fn judge(&self, shown: &str, updates: &[RefUpdate]) -> Result<(), PushError> {
        let mut report = Packets::default();
        report.feed(&self.bytes);
        let mut moved = 0;
        while let Some(packet) = report.next(shown)? {
            let Packet::Line(line) = packet else { continue };
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            moved += usize::from(text.starts_with("ok "));
            let refused = text.strip_prefix("ng ").or_else(|| text.strip_prefix("unpack ").filter(|r| *r != "ok"));
            if let Some(reason) = refused {
                return Err(self.refusal(shown, updates, reason));
            }
        }
        if moved == updates.len() { Ok(()) } else { Err(self.refusal(shown, updates, "the server gave no report")) }
    }

    fn refusal(&self, shown: &str, updates: &[RefUpdate], reason: &str) -> PushError {
        let (name, reason) = reason.split_once(' ').unwrap_or(("", reason));
        let lost = [
            "fetch first",
            "non-fast-forward",
            "failed to update ref",
            "incorrect old value",
            "cannot lock ref",
            "stale info",
            "already exists",
            "atomic transaction failed",
        ];
        let update = updates.iter().find(|update| update.name == name).or(updates.first());
        if let Some(update) = update.filter(|_| lost.iter().any(|text| reason.contains(text))) {
            return update.stale(Some(reason.to_owned()));
        }
        let words: Vec<&str> = self.said.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let message = if words.is_empty() { reason.to_owned() } else { format!("{reason} ({})", words.join("; ")) };
        PushError::Declined { url: shown.to_owned(), name: update.map_or("", RefUpdate::short).to_owned(), message }
    }
}
