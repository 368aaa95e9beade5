//! What is said in Git's smart protocol, version 0, whatever carries it: references, requests for packs, pushes and
//! their reports.

use std::collections::BTreeMap;
use std::io::Write;

use super::packet::{self, Packet, Packets};
use crate::ref_update::RefUpdate;
use crate::references::Head;
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
    section: Section,
}

/// How far it was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Start,
    /// Over HTTP the service is named first.
    Announced,
    References,
}

/// Why a line was not taken.
enum Unread {
    Refused(String),
    Line(String),
}

impl Unread {
    fn error(self, shown: &str) -> GitError {
        let url = shown.to_owned();
        match self {
            Self::Refused(reason) => GitError::NotFound { url, reason },
            Self::Line(line) => {
                let reason =
                    format!("its answer holds {line:?}, which names no branch or tag in Git's protocol 0 or 1");
                GitError::Incomplete { url, reason }
            }
        }
    }
}

/// The beginning of a line.
fn printable(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().take(80).collect()
}

impl Advertisement {
    /// Takes the next packet. Whether it was the last: what ends before that tells nothing about what is not in it.
    ///
    /// # Errors
    /// When the server refuses, or says what is not understood.
    pub(crate) fn take(&mut self, shown: &str, packet: &Packet) -> Result<bool, GitError> {
        self.section = match (self.section, packet) {
            (Section::Start, Packet::Line(line)) if line.starts_with(b"# service=") => Section::Announced,
            (Section::Announced, Packet::Flush) => Section::References,
            (Section::Start | Section::References, Packet::Line(line)) => {
                self.add(line).map_err(|unread| unread.error(shown))?;
                Section::References
            }
            (Section::Start | Section::References, Packet::Flush) => return Ok(true),
            (Section::Announced, Packet::Line(line)) => return Err(Unread::Line(printable(line)).error(shown)),
        };
        Ok(false)
    }

    fn add(&mut self, line: &[u8]) -> Result<(), Unread> {
        let mut parts = line.splitn(2, |b| *b == 0);
        let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
        let text = text.trim_end();
        if let Some(capabilities) = parts.next() {
            self.capabilities = String::from_utf8_lossy(capabilities).trim().to_owned();
        }
        let unread = || Unread::Line(printable(line));
        match text.split_once(' ').ok_or_else(unread)? {
            ("ERR", message) => return Err(Unread::Refused(message.to_owned())),
            // told by servers that were asked for version 1, which is version 0 otherwise
            ("version", "1") | ("shallow", _) => {}
            (id, name) => self.name(id.parse().map_err(|_| unread())?, name).ok_or_else(unread)?,
        }
        Ok(())
    }

    /// Nothing when this is no name of a reference.
    fn name(&mut self, id: CommitId, name: &str) -> Option<()> {
        match name.strip_suffix("^{}") {
            // what a repository without references says, and what others share with it
            Some("capabilities") => {}
            None if name == ".have" => {}
            Some(tag) => {
                self.refs.get_mut(tag).map(|peeled| *peeled = id)?;
            }
            None if name == "HEAD" || name.starts_with("refs/") => {
                self.refs.insert(name.to_owned(), id);
                self.wants.insert(name.to_owned(), id);
            }
            None => return None,
        }
        Some(())
    }

    /// Where HEAD leads, as far as the server says.
    pub(crate) fn head(&self) -> Head {
        let branch = self.capabilities.split(' ').find_map(|word| word.strip_prefix("symref=HEAD:"));
        match (branch, self.refs.get("HEAD")) {
            (Some(name), _) => Head::Branch(name.to_owned()),
            (None, Some(id)) => Head::Unnamed(*id),
            (None, None) => Head::Nowhere,
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
