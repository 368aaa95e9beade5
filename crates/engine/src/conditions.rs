//! What people should know about an Application.

use api::argocd::{Condition, ConditionType};
use jiff::Timestamp;

/// Replaces the conditions of `kinds` by `found`. A condition that stood before keeps its time.
pub fn set_conditions(conditions: &mut Vec<Condition>, kinds: &[ConditionType], found: Vec<Condition>, now: Timestamp) {
    let before = std::mem::take(conditions);
    let mut next: Vec<Condition> = before.iter().filter(|c| !kinds.contains(&c.kind)).cloned().collect();
    for condition in found {
        let known = before.iter().find(|c| c.kind == condition.kind && c.message == condition.message);
        let since = known.and_then(|c| c.last_transition_time).or(condition.last_transition_time).or(Some(now));
        next.push(Condition { last_transition_time: since, ..condition });
    }
    next.sort_by(|a, b| (a.kind, &a.message).cmp(&(b.kind, &b.message)));
    next.dedup_by(|a, b| a.kind == b.kind && a.message == b.message);
    *conditions = next;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_keep_their_time_while_they_stand() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let error = || Condition::new(ConditionType::ComparisonError, "x");
        let mut conditions = Vec::new();
        set_conditions(&mut conditions, &[ConditionType::ComparisonError], vec![error(), error()], at(1));
        set_conditions(&mut conditions, &[ConditionType::ComparisonError], vec![error()], at(2));
        assert_eq!(conditions, [Condition { last_transition_time: Some(at(1)), ..error() }]);
        set_conditions(&mut conditions, &[ConditionType::SyncError], vec![], at(3));
        assert_eq!(conditions.len(), 1, "conditions of other kinds stay");
        set_conditions(&mut conditions, &[ConditionType::ComparisonError], vec![], at(3));
        assert!(conditions.is_empty());
    }
}
