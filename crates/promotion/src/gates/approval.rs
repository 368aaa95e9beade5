//! `approval`: people say yes, bound to what they said yes to.

use std::collections::BTreeSet;

use api::gantline::{Approval, ApprovalGate, Environment, GateReport, GateState, Verdict};

use sha2::{Digest, Sha256};

use super::Evidence;

/// Names the gates of an environment as they are: an approval given under other gates does not count.
pub fn policy(environment: &Environment) -> String {
    let text = serde_json::to_string(&environment.gates).unwrap_or_default();
    hex::encode(Sha256::digest(text)).chars().take(16).collect()
}

pub(super) fn judge(gate: &ApprovalGate, evidence: &Evidence<'_>) -> GateReport {
    let bound = policy(evidence.environment);
    let about_this = |approval: &&Approval| {
        approval.digest == evidence.release.digest()
            && approval.environment == evidence.environment.name
            && approval.policy == bound
    };
    let decisions: Vec<&Approval> = evidence.approvals.iter().filter(about_this).collect();
    let needed: Vec<String> = gate.needed().iter().map(|group| format!("{} of {}", group.min, group.name)).collect();
    let needed = format!("approval by {}", needed.join(" and "));
    let names: Vec<String> = gate.needed().into_iter().map(|group| group.name).collect();
    let mut report = GateReport {
        name: format!("approval by {}", names.join(" and ")),
        kind: "approval".into(),
        needed,
        ..GateReport::default()
    };
    if let Some(no) = decisions.iter().find(|approval| approval.decision == Verdict::Reject) {
        let reason = if no.reason.is_empty() { String::new() } else { format!(": {}", no.reason) };
        report.state = GateState::Failed;
        report.value = format!("rejected by {}{reason}", no.user);
        report.since = no.at;
        report.who_can_act = "whoever asks for the promotion again".into();
        return report;
    }
    let counts = |approval: &&&Approval| !gate.not_author || !is_author(&approval.user, evidence);
    let missing: Vec<String> = gate
        .needed()
        .into_iter()
        .filter(|group| {
            let members = decisions.iter().filter(counts).filter(|approval| approval.groups.contains(&group.name));
            // one person is one vote, however often it was given
            let people: BTreeSet<String> = members.map(|approval| approval.user.to_lowercase()).collect();
            people.len() < group.min
        })
        .map(|group| group.name)
        .collect();
    let users: BTreeSet<&str> = decisions.iter().filter(counts).map(|approval| approval.user.as_str()).collect();
    let users: Vec<&str> = users.into_iter().collect();
    report.value = if users.is_empty() { "nobody yet".into() } else { format!("approved by {}", users.join(", ")) };
    report.since = decisions.iter().filter(counts).filter_map(|approval| approval.at).max();
    if missing.is_empty() {
        report.state = GateState::Passed;
        return report;
    }
    report.state = GateState::Waiting;
    let mut not: Vec<&str> = [evidence.release.spec.source.author.as_str(), evidence.requested_by].to_vec();
    not.retain(|name| !name.is_empty());
    not.dedup();
    let not =
        if gate.not_author && !not.is_empty() { format!(", but not {}", not.join(" or ")) } else { String::new() };
    report.who_can_act = format!("a member of {}{not}", missing.join(" and of "));
    report
}

/// Who wrote the change or asked for its promotion.
fn is_author(user: &str, evidence: &Evidence<'_>) -> bool {
    let ours = names_of(user);
    let source = &evidence.release.spec.source;
    let people = [source.author.as_str(), source.email.as_str(), evidence.requested_by];
    people.into_iter().flat_map(names_of).any(|name| ours.contains(&name))
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
