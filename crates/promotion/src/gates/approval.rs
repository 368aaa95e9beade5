//! `approval`: people say yes, bound to what they said yes to.

use std::collections::BTreeSet;

use api::gantline::{
    Approval, ApprovalGate, ApprovalGroup, Environment, GateKind, GateReport, GateState, Quorum, Verdict,
};
use sha2::{Digest, Sha256};

use super::{Evidence, Judge};
use crate::answers::Answers;
use crate::change_set::ChangeSet;
use crate::identity::identity;
use crate::names::Names;

/// Names the gates of an environment as they are: an approval given under other gates does not count.
pub fn policy(environment: &Environment) -> String {
    let text = serde_json::to_string(&environment.gates).unwrap_or_default();
    hex::encode(Sha256::digest(text)).chars().take(16).collect()
}

/// What a vote is bound to: the gates of an environment as they are, and all that would be merged.
pub fn bound(environment: &Environment, change_set: &ChangeSet) -> String {
    let policy = policy(environment);
    let Some(merges) = &change_set.merges else { return policy };
    hex::encode(Sha256::digest(format!("{policy}\n{merges}"))).chars().take(16).collect()
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
            None if self.not_author && evidence.change_set.asked => GateReport {
                state: GateState::Waiting,
                value: "who wrote what would be merged is being looked for".into(),
                who_can_act: "time alone".into(),
                ..report
            },
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
    let bound = bound(evidence.environment, evidence.change_set);
    about_release(evidence).filter(|vote| vote.policy == bound).collect()
}

/// Also those of before its gates, or what would be merged, changed.
fn about_release<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a Approval> {
    let (digest, environment) = (identity(&evidence.release.spec.images), evidence.environment);
    let votes = evidence.promotion.status.approvals.iter();
    votes.filter(move |vote| vote.digest == digest && vote.environment == environment.name)
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

/// `start`, and the items with what stands between two of them; nothing where there are none.
fn joined(start: &str, items: impl Iterator<Item = impl AsRef<str>>, between: &str) -> String {
    // most of them fit
    let mut text = String::with_capacity(64);
    add(&mut text, start, items, between, usize::MAX);
    text
}

/// Each once, however their names are written; more than a few are counted.
fn but_not<'a>(text: &mut String, people: impl Iterator<Item = &'a str>, before: &str, between: &str) {
    const SHOWN: usize = 5;
    let mut named = BTreeSet::new();
    add(text, before, people.filter(|person| named.insert(person.to_lowercase())), between, SHOWN);
}

fn add(text: &mut String, start: &str, items: impl Iterator<Item = impl AsRef<str>>, between: &str, most: usize) {
    let (mut items, mut link) = (items.fuse(), start);
    for item in items.by_ref().take(most) {
        text.push_str(link);
        text.push_str(item.as_ref());
        link = between;
    }
    let more = items.count();
    if more > 0 {
        text.push_str(&format!("{between}{more} more"));
    }
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
    // one person is one vote, however often it was given
    let people = |quorum: &Quorum<'_>| {
        let members = votes.iter().filter(counts).filter(|vote| is_member(vote, quorum.group));
        members.map(|vote| vote.user.to_lowercase()).collect::<BTreeSet<String>>()
    };
    let missing = gate.needed().map(|quorum| Missing { group: quorum.group, by: people(&quorum), min: quorum.min });
    let missing: Vec<Missing<'_>> = missing.filter(|missing| missing.by.len() < missing.min).collect();
    let users: BTreeSet<&str> = votes.iter().filter(counts).map(|vote| vote.user.as_str()).collect();
    GateReport {
        state: if missing.is_empty() { GateState::Passed } else { GateState::Waiting },
        value: if users.is_empty() { nobody(votes, evidence) } else { joined("approved by ", users.iter(), ", ") },
        since: votes.iter().filter(counts).filter_map(|vote| vote.at).max(),
        who_can_act: if missing.is_empty() { String::new() } else { who(gate, &missing, evidence) },
        ..report
    }
}

fn nobody(votes: &[&Approval], evidence: &Evidence<'_>) -> String {
    let was = votes.is_empty() && about_release(evidence).next().is_some();
    let since = if was { ": the gates, or the commits that would be merged, changed since somebody did" } else { "" };
    ["nobody yet", since].concat()
}

/// A group of which not enough have approved.
struct Missing<'a> {
    group: &'a str,
    /// Who has.
    by: BTreeSet<String>,
    min: usize,
}

fn who(gate: &ApprovalGate, missing: &[Missing<'_>], evidence: &Evidence<'_>) -> String {
    let mut text = others(gate, missing, evidence);
    missing.iter().filter_map(|missing| corner(gate, missing, evidence)).for_each(|way_out| text += &way_out);
    text
}

/// Where too few who are known are left to approve: who can open it all the same.
fn corner(gate: &ApprovalGate, missing: &Missing<'_>, evidence: &Evidence<'_>) -> Option<String> {
    let Missing { group, by, min } = missing;
    let known = evidence.members.of(group)?;
    let is_behind = |it: &str| gate.not_author && is_author(it, evidence);
    let is_free = |it: &&str| !by.contains(&it.to_lowercase()) && !is_behind(it);
    let left: Vec<&str> = known.iter().copied().filter(is_free).collect();
    let is_admin = |it: &&str| evidence.members.admins.contains(*it);
    let mut text = String::new();
    match left.len() + by.len() {
        enough if enough >= *min && left.iter().any(|it| !is_admin(it)) => None,
        enough if enough >= *min => {
            but_not(&mut text, left.into_iter(), "; of those who are known only ", " or ");
            Some(text + " is left")
        }
        _ => {
            let spent: Vec<&str> = known.into_iter().filter(|it| !is_free(it)).collect();
            but_not(&mut text, spent.iter().copied(), "; none that is known is left beside ", " and ");
            if spent.is_empty() {
                text = format!("; nobody is known to belong to {group}");
            }
            let admin = format!("or an admin adds one (g, ACCOUNT, {group} in policy.csv of argocd-rbac-cm)");
            let again = asked_by(&spent, evidence).map_or_else(String::new, |them| {
                format!(", or it is rejected, and asked for by somebody other than {them}")
            });
            Some(format!("{text}: another member of {group} has to log in, {admin}{again}"))
        }
    }
}

/// Those who could approve, had they not asked for it.
fn asked_by(spent: &[&str], evidence: &Evidence<'_>) -> Option<String> {
    let only_asked = spent.iter().filter(|it| !evidence.change_set.holds(it));
    let asked = only_asked.filter(|it| is_author(it, evidence)).collect::<Vec<_>>();
    (!asked.is_empty()).then(|| joined("", asked.into_iter(), " or "))
}

fn others(gate: &ApprovalGate, missing: &[Missing<'_>], evidence: &Evidence<'_>) -> String {
    let members = joined("a member of ", missing.iter().map(|missing| missing.group), " and of ");
    if !gate.not_author {
        return members;
    }
    let set = evidence.change_set;
    let mut others: Vec<&str> = Vec::with_capacity(8);
    for person in set.people().chain(evidence.promotion.askers()) {
        if !others.contains(&person) {
            others.push(person);
        }
    }
    let mut text = members;
    but_not(&mut text, others.into_iter(), ", but not ", " or ");
    but_not(&mut text, set.unknown(), "; no account is known of ", " and of ");
    but_not(&mut text, set.unread.iter().map(String::as_str), "; not all who wrote it are known: ", "; ");
    text
}

/// Who wrote the change or asked for its promotion.
fn is_author(user: &str, evidence: &Evidence<'_>) -> bool {
    let asked = || evidence.promotion.askers().any(|asker| Names::of(asker).meet(&Names::of(user)));
    evidence.change_set.holds(user) || asked()
}
