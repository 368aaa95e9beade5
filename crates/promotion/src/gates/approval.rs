//! `approval`: people say yes, bound to what they said yes to.

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
            members.count() < group.min
        })
        .map(|group| group.name)
        .collect();
    let users: Vec<&str> = decisions.iter().filter(counts).map(|approval| approval.user.as_str()).collect();
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

/// Who wrote the change or asked for its promotion. Git's author is a name or the local part of an address.
fn is_author(user: &str, evidence: &Evidence<'_>) -> bool {
    let same = |name: &str| {
        let local = name.split(['<', '@']).next().unwrap_or(name).trim();
        !name.is_empty() && (name.eq_ignore_ascii_case(user) || local.eq_ignore_ascii_case(user))
    };
    same(&evidence.release.spec.source.author) || same(evidence.requested_by)
}
