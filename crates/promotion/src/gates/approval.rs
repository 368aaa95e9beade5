//! `approval`: people say yes, bound to what they said yes to.

use std::collections::BTreeSet;

use api::gantline::{
    Approval, ApprovalGate, ApprovalGroup, Environment, GateKind, GateReport, GateState, Quorum, Verdict,
};
use sha2::{Digest, Sha256};

use super::{Evidence, Judge};
use crate::answers::Answers;
use crate::identity::identity;

/// Names the gates of an environment as they are: an approval given under other gates does not count.
pub fn policy(environment: &Environment) -> String {
    let text = serde_json::to_string(&environment.gates).unwrap_or_default();
    hex::encode(Sha256::digest(text)).chars().take(16).collect()
}

impl Judge for ApprovalGate {
    fn judge(&self, evidence: &Evidence<'_>, _: &Answers) -> GateReport {
        let votes = about_this(evidence);
        let report = GateReport {
            name: self.says(),
            kind: GateKind::Approval,
            needed: joined("approval by ", self.needed().map(of), " and "),
            ..GateReport::default()
        };
        match votes.iter().find(|vote| vote.decision == Verdict::Reject) {
            Some(no) => rejected(no, report),
            None => approved(self, &votes, evidence, report),
        }
    }

    fn says(&self) -> String {
        joined("approval by ", self.needed().map(|quorum| quorum.group), " and ")
    }

    fn groups(&self) -> Vec<ApprovalGroup> {
        self.needed().map(|Quorum { group, min }| ApprovalGroup { name: group.to_owned(), min }).collect()
    }

    fn awaits_people(&self) -> bool {
        true
    }

    fn counts(&self, evidence: &Evidence<'_>, vote: &Approval) -> Option<Result<(), String>> {
        Some(objection(self, evidence, vote).map_or(Ok(()), Err))
    }
}

/// The votes about this release and environment, under its gates as they are.
pub(super) fn about_this<'a>(evidence: &Evidence<'a>) -> Vec<&'a Approval> {
    let votes = &evidence.promotion.status.approvals;
    if votes.is_empty() {
        return Vec::new();
    }
    let (bound, digest) = (policy(evidence.environment), identity(&evidence.release.spec.images));
    let about = |vote: &&Approval| {
        vote.digest == digest && vote.environment == evidence.environment.name && vote.policy == bound
    };
    votes.iter().filter(about).collect()
}

/// Why a vote does not count. Who wrote the change may still say no.
fn objection(gate: &ApprovalGate, evidence: &Evidence<'_>, vote: &Approval) -> Option<String> {
    let user = &vote.user;
    if !gate.needed().any(|quorum| is_member(vote, quorum.group)) {
        let groups = joined("", gate.needed().map(|quorum| quorum.group), " and ");
        return Some(format!("{user} is no member of {groups}, which decides: ask one of them"));
    }
    let own = vote.decision == Verdict::Approve && gate.not_author && is_author(user, evidence);
    own.then(|| format!("{user} wrote the change or asked for its promotion: somebody else has to approve it"))
}

fn is_member(vote: &Approval, group: &str) -> bool {
    vote.groups.iter().any(|known| known == group)
}

/// `2 of team-leads`
fn of(quorum: Quorum<'_>) -> String {
    [&quorum.min.to_string(), " of ", quorum.group].concat()
}

/// `start`, and the items with what stands between two of them.
fn joined(start: &str, items: impl Iterator<Item = impl AsRef<str>>, between: &str) -> String {
    // most of them fit
    let mut text = String::with_capacity(64);
    text.push_str(start);
    for (index, item) in items.enumerate() {
        text.push_str(if index == 0 { "" } else { between });
        text.push_str(item.as_ref());
    }
    text
}

fn rejected(no: &Approval, report: GateReport) -> GateReport {
    let reason = if no.reason.is_empty() { String::new() } else { format!(": {}", no.reason) };
    GateReport {
        state: GateState::Failed,
        value: format!("rejected by {}{reason}", no.user),
        since: no.at,
        who_can_act: "whoever asks for the promotion again".into(),
        ..report
    }
}

fn approved(gate: &ApprovalGate, votes: &[&Approval], evidence: &Evidence<'_>, report: GateReport) -> GateReport {
    let counts = |vote: &&&Approval| !gate.not_author || !is_author(&vote.user, evidence);
    let missing = gate.needed().filter(|quorum| {
        let members = votes.iter().filter(counts).filter(|vote| is_member(vote, quorum.group));
        // one person is one vote, however often it was given
        let people: BTreeSet<String> = members.map(|vote| vote.user.to_lowercase()).collect();
        people.len() < quorum.min
    });
    let missing: Vec<&str> = missing.map(|quorum| quorum.group).collect();
    let users: BTreeSet<&str> = votes.iter().filter(counts).map(|vote| vote.user.as_str()).collect();
    GateReport {
        state: if missing.is_empty() { GateState::Passed } else { GateState::Waiting },
        value: if users.is_empty() { "nobody yet".into() } else { joined("approved by ", users.iter(), ", ") },
        since: votes.iter().filter(counts).filter_map(|vote| vote.at).max(),
        who_can_act: if missing.is_empty() { String::new() } else { who(gate, &missing, evidence) },
        ..report
    }
}

fn who(gate: &ApprovalGate, missing: &[&str], evidence: &Evidence<'_>) -> String {
    let members = joined("a member of ", missing.iter(), " and of ");
    let mut others = vec![evidence.release.spec.source.author.as_str()];
    others.extend(evidence.promotion.askers());
    others.retain(|person| gate.not_author && !person.is_empty());
    let mut seen = BTreeSet::new();
    others.retain(|person| seen.insert(*person));
    if others.is_empty() { members } else { joined(&(members + ", but not "), others.iter(), " or ") }
}

/// Who wrote the change or asked for its promotion.
fn is_author(user: &str, evidence: &Evidence<'_>) -> bool {
    let ours = names_of(user);
    let source = &evidence.release.spec.source;
    let people = [source.author.as_str(), source.email.as_str()];
    people
        .into_iter()
        .chain(evidence.promotion.askers())
        .chain(source.others.iter().map(String::as_str))
        .flat_map(names_of)
        .any(|name| ours.contains(&name))
}

/// What a person may be called as an account: `Dana Smith <dana@acme.io>` is the name, the address, and what stands
/// before its `@`. Git lets people write anything here: better one too many than an author who approves.
fn names_of(person: &str) -> Vec<String> {
    let (name, address) = person.split_once('<').unwrap_or((person, ""));
    let address = address.trim_end_matches(['>', ' ']);
    let local = |text: &str| text.split('@').next().unwrap_or_default().to_owned();
    let all = [name.to_owned(), local(name), address.to_owned(), local(address)];
    all.into_iter().map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty()).collect()
}
