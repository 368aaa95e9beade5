//! `approval`: people say yes, bound to what they said yes to.

use std::collections::BTreeSet;

use api::gantline::{Approval, ApprovalGate, ApprovalGroup, Environment, GateKind, GateReport, GateState, Verdict};
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
            needed: format!(
                "approval by {}",
                joined(&self.needed(), |group| format!("{} of {}", group.min, group.name))
            ),
            ..GateReport::default()
        };
        match votes.iter().find(|vote| vote.decision == Verdict::Reject) {
            Some(no) => rejected(no, report),
            None => approved(self, &votes, evidence, report),
        }
    }

    fn says(&self) -> String {
        format!("approval by {}", joined(&self.needed(), |group| group.name.clone()))
    }

    fn groups(&self) -> Vec<ApprovalGroup> {
        self.needed()
    }

    fn counts(&self, evidence: &Evidence<'_>, vote: &Approval) -> Option<Result<(), String>> {
        Some(objection(self, evidence, vote).map_or(Ok(()), Err))
    }
}

/// The votes about this release and environment, under its gates as they are.
fn about_this<'a>(evidence: &Evidence<'a>) -> Vec<&'a Approval> {
    if evidence.approvals.is_empty() {
        return Vec::new();
    }
    let (bound, digest) = (policy(evidence.environment), identity(&evidence.release.spec.images));
    let about = |vote: &&Approval| {
        vote.digest == digest && vote.environment == evidence.environment.name && vote.policy == bound
    };
    evidence.approvals.iter().filter(about).collect()
}

/// Why a vote does not count. Who wrote the change may still say no.
fn objection(gate: &ApprovalGate, evidence: &Evidence<'_>, vote: &Approval) -> Option<String> {
    let user = &vote.user;
    if !gate.needed().iter().any(|group| vote.groups.contains(&group.name)) {
        let groups = joined(&gate.needed(), |group| group.name.clone());
        return Some(format!("{user} is no member of {groups}, which decides: ask one of them"));
    }
    let own = vote.decision == Verdict::Approve && gate.not_author && is_author(user, evidence);
    own.then(|| format!("{user} wrote the change or asked for its promotion: somebody else has to approve it"))
}

fn joined(groups: &[ApprovalGroup], text: impl Fn(&ApprovalGroup) -> String) -> String {
    groups.iter().map(text).collect::<Vec<_>>().join(" and ")
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
    let missing = gate.needed().into_iter().filter(|group| {
        let members = votes.iter().filter(counts).filter(|vote| vote.groups.contains(&group.name));
        // one person is one vote, however often it was given
        let people: BTreeSet<String> = members.map(|vote| vote.user.to_lowercase()).collect();
        people.len() < group.min
    });
    let missing: Vec<String> = missing.map(|group| group.name).collect();
    let users: BTreeSet<&str> = votes.iter().filter(counts).map(|vote| vote.user.as_str()).collect();
    let users: Vec<&str> = users.into_iter().collect();
    GateReport {
        state: if missing.is_empty() { GateState::Passed } else { GateState::Waiting },
        value: if users.is_empty() { "nobody yet".into() } else { format!("approved by {}", users.join(", ")) },
        since: votes.iter().filter(counts).filter_map(|vote| vote.at).max(),
        who_can_act: if missing.is_empty() { String::new() } else { who(gate, &missing, evidence) },
        ..report
    }
}

fn who(gate: &ApprovalGate, missing: &[String], evidence: &Evidence<'_>) -> String {
    let mut not: Vec<&str> = [evidence.release.spec.source.author.as_str(), evidence.requested_by].to_vec();
    not.retain(|name| !name.is_empty());
    not.dedup();
    let not =
        if gate.not_author && !not.is_empty() { format!(", but not {}", not.join(" or ")) } else { String::new() };
    format!("a member of {}{not}", missing.join(" and of "))
}

/// Who wrote the change or asked for its promotion.
fn is_author(user: &str, evidence: &Evidence<'_>) -> bool {
    let ours = names_of(user);
    let source = &evidence.release.spec.source;
    let people = [source.author.as_str(), source.email.as_str(), evidence.requested_by];
    people
        .into_iter()
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
