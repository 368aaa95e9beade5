//! How many pods the sets of a Deployment may have now.

use serde_json::{Value, json};

use super::super::fields::{annotation, int, key_of, name, text};
use super::super::outcome::Outcome;
use super::sets::{DESIRED, MAXIMUM, STORAGE, Sets, replicas, sizes};
use super::{COMPONENT, bounds};

/// One step of a rolling update: first up, then down.
pub(super) fn step(outcome: &mut Outcome, deployment: &Value, sets: &Sets<'_>, new: &Value) {
    let wanted = int(deployment, "/spec/replicas");
    let (surge, unavailable) = bounds(deployment);
    let has = replicas(new);
    let room = (wanted + surge - sets.total()).max(0);
    let size =
        if text(deployment, "/spec/strategy/type") == "Recreate" { wanted } else { has + room.min(wanted - has) };
    let size = if has > wanted { wanted } else { size };
    if size != has {
        return resize(outcome, deployment, new, size);
    }
    shrink_old(outcome, deployment, sets, new, wanted - unavailable);
    note_sizes(outcome, deployment, new);
}

/// Takes pods from old sets: the unhealthy ones, then as many as the new set makes up for.
fn shrink_old(outcome: &mut Outcome, deployment: &Value, sets: &Sets<'_>, new: &Value, least: i64) {
    let missing_in_new = replicas(new) - int(new, "/status/availableReplicas");
    let mut budget = sets.total() - least - missing_in_new;
    let mut spare = sets.sum("/status/availableReplicas") - least;
    for set in sets.old.iter().filter(|set| replicas(set) > 0) {
        let unhealthy = (replicas(set) - int(set, "/status/availableReplicas")).clamp(0, budget.max(0));
        budget -= unhealthy;
        let healthy = spare.clamp(0, replicas(set) - unhealthy);
        spare -= healthy;
        resize(outcome, deployment, set, replicas(set) - unhealthy - healthy);
    }
}

/// Spreads a changed size over the sets that have pods, in proportion to them.
pub(super) fn scale(outcome: &mut Outcome, deployment: &Value, sets: &Sets<'_>) {
    let wanted = int(deployment, "/spec/replicas");
    let active: Vec<&Value> = sets.all().filter(|set| replicas(set) > 0).collect();
    let saturated =
        sets.new.is_some_and(|new| replicas(new) == wanted && int(new, "/status/availableReplicas") == wanted);
    if active.len() <= 1 {
        let only = active.first().copied().or(sets.new).or_else(|| sets.old.last().copied());
        return only.into_iter().for_each(|set| resize(outcome, deployment, set, wanted));
    }
    if saturated {
        sets.old.iter().for_each(|set| resize(outcome, deployment, set, 0));
        return sets.new.into_iter().for_each(|new| note_sizes(outcome, deployment, new));
    }
    if text(deployment, "/spec/strategy/type") == "Recreate" {
        return active.iter().for_each(|set| note_sizes(outcome, deployment, set));
    }
    let allowed = if wanted > 0 { wanted + bounds(deployment).0 } else { 0 };
    let mut left = allowed - sets.total();
    let mut order = active;
    // the largest first; a new set before an old one of the same size when growing
    order.sort_by_key(|set| -replicas(set));
    let mut new_sizes: Vec<i64> = Vec::new();
    for set in &order {
        let before: i64 =
            annotation(set, MAXIMUM).and_then(|text| text.parse().ok()).filter(|most| *most > 0).unwrap_or(wanted);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "numbers of pods are small")]
        let share = ((replicas(set) * allowed) as f64 / before as f64).round() as i64 - replicas(set);
        let change = if left >= 0 { share.clamp(0, left) } else { share.clamp(left, 0) };
        left -= change;
        new_sizes.push((replicas(set) + change).max(0));
    }
    if let Some(first) = new_sizes.first_mut() {
        *first = (*first + left).max(0);
    }
    for (set, size) in order.into_iter().zip(new_sizes) {
        resize(outcome, deployment, set, size);
    }
}

/// Gives a set its size, and tells of it.
pub(super) fn resize(outcome: &mut Outcome, deployment: &Value, set: &Value, size: i64) {
    let has = replicas(set);
    if size == has {
        return note_sizes(outcome, deployment, set);
    }
    let patch = json!({ "metadata": { "annotations": sizes(deployment) }, "spec": { "replicas": size } });
    outcome.merge(key_of(STORAGE, set), patch);
    let direction = if size > has { "up" } else { "down" };
    let message = format!("Scaled {direction} replica set {} from {has} to {size}", name(set));
    outcome.event(deployment, COMPONENT, false, "ScalingReplicaSet", message);
}

fn note_sizes(outcome: &mut Outcome, deployment: &Value, set: &Value) {
    let expected = sizes(deployment);
    if [DESIRED, MAXIMUM].iter().any(|key| expected.get(*key).and_then(Value::as_str) != annotation(set, key)) {
        outcome.merge(key_of(STORAGE, set), json!({ "metadata": { "annotations": expected } }));
    }
}
