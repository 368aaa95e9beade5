//! What a sync would make of one object.

use api::argocd::{ResourceIgnoreDifferences, SyncStatusCode, names};
use object::{LiveObject, Manifest};
use serde_json::Value;

use super::{Compared, Comparison, comparable};
use crate::fields::{FieldPath, ManagedFields, Step, differences};
use crate::ignore::IgnoreRules;

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Create,
    Update,
    Prune,
}

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Prune => "prune",
        }
    }
}

/// An object before and after a sync, without what the server writes by itself and without what the comparison ignores.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreseen {
    pub change: Change,
    /// `None`: it is not there.
    pub before: Option<Value>,
    /// `None`: it is gone, or nobody knows, as the server refuses it.
    pub after: Option<Value>,
}

impl Comparison {
    /// What a sync with prune would make of an object; `None` where it changes nothing, and of hooks. `keeps`: whether the
    /// options of the sync keep an object that Git does not have.
    pub fn foreseen(
        &self,
        object: &Compared,
        ignore: &[ResourceIgnoreDifferences],
        keeps: impl Fn(&Manifest) -> bool,
    ) -> Option<Foreseen> {
        let stays = || {
            let kept = object.live.as_ref().is_some_and(|live| keeps(live));
            kept || self.stays.contains_key(&object.key)
        };
        object.foreseen(ignore).filter(|foreseen| foreseen.change != Change::Prune || !stays())
    }
}

impl Compared {
    fn foreseen(&self, ignore: &[ResourceIgnoreDifferences]) -> Option<Foreseen> {
        if self.forbidden.is_some() || self.status.is_none_or(|status| status == SyncStatusCode::Synced) {
            return None;
        }
        let rules = IgnoreRules::for_object(ignore, &self.key);
        let shown = |value: &Value| {
            let mut value = comparable(value);
            rules.strip(&mut value);
            value
        };
        let before = self.live.as_ref().map(|live| shown(live.value()));
        let (change, after) = match (&self.target, &self.live, &self.predicted) {
            (None, ..) => (Change::Prune, None),
            (Some(target), None, _) => (Change::Create, Some(shown(target.value()))),
            (Some(_), Some(live), Some(predicted)) => {
                (Change::Update, Some(leaving_alone(shown(predicted.value()), &shown(live.value()), live, &rules)))
            }
            (Some(_), Some(_), None) => (Change::Update, None),
        };
        Some(Foreseen { change, before, after })
    }
}

/// The prediction with the live values of the fields that a rule leaves to their managers.
fn leaving_alone(mut after: Value, before: &Value, live: &LiveObject, rules: &IgnoreRules<'_>) -> Value {
    let managed = ManagedFields::of(live);
    for (path, _, was) in differences(&after.clone(), before, &managed.list_keys()) {
        if managed.owner_of(&path, names::FIELD_MANAGER).is_some_and(|owner| rules.ignores_manager(&owner.manager)) {
            put(&mut after, &path, was);
        }
    }
    after
}

/// Sets the place, where it is there, or takes it out.
fn put(value: &mut Value, path: &FieldPath, what: Option<Value>) {
    let Some((last, above)) = path.0.split_last() else { return };
    let parent = above.iter().try_fold(value, |value, step| enter(value, step));
    match (parent, last, what) {
        (Some(Value::Object(map)), Step::Field(name), Some(what)) => drop(map.insert(name.clone(), what)),
        (Some(Value::Object(map)), Step::Field(name), None) => drop(map.remove(name)),
        (Some(Value::Array(items)), step, Some(what)) => match at(items, step) {
            Some(index) => items[index] = what,
            None => items.push(what),
        },
        (Some(Value::Array(items)), step, None) => {
            if let Some(index) = at(items, step) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

fn enter<'v>(value: &'v mut Value, step: &Step) -> Option<&'v mut Value> {
    match (value, step) {
        (Value::Object(map), Step::Field(name)) => map.get_mut(name),
        (Value::Array(items), step) => at(items, step).map(|index| &mut items[index]),
        _ => None,
    }
}

fn at(items: &[Value], step: &Step) -> Option<usize> {
    match step {
        Step::Field(_) => None,
        Step::Key(keys) => {
            items.iter().position(|item| keys.iter().all(|(name, wanted)| item.get(name) == Some(wanted)))
        }
        Step::Item(wanted) => items.iter().position(|item| item == wanted),
        Step::Index(index) => Some(*index).filter(|index| *index < items.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_set_or_taken_out() {
        let mut value = json!({"spec": {"replicas": 1, "list": [{"name": "a", "x": 1}], "plain": ["p", "q"]}});
        let field = |name: &str| Step::Field(name.into());
        let element = Step::Key(vec![("name".into(), json!("a"))]);
        put(&mut value, &FieldPath(vec![field("spec"), field("replicas")]), Some(json!(3)));
        put(&mut value, &FieldPath(vec![field("spec"), field("list"), element, field("x")]), None);
        put(&mut value, &FieldPath(vec![field("spec"), field("plain"), Step::Item(json!("p"))]), None);
        put(&mut value, &FieldPath(vec![field("nowhere"), field("x")]), Some(json!(1)));
        assert_eq!(value, json!({"spec": {"replicas": 3, "list": [{"name": "a"}], "plain": ["q"]}}));
    }
}
