//! Reading and making the parts that all objects share.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::store::Key;

pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn int(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(super) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub(super) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(super) fn annotation<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object["metadata"]["annotations"][name].as_str()
}

/// Whether its deletion has begun.
pub(super) fn leaving(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

pub(super) fn key_of(storage: &str, object: &Value) -> Key {
    Key::new(storage, namespace(object), name(object))
}

pub(super) fn time(at: Timestamp) -> Value {
    json!(crate::api::time(at))
}

pub(super) fn time_at(value: &Value, pointer: &str) -> Option<Timestamp> {
    text(value, pointer).parse().ok()
}

pub(super) fn plus(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// The reference that makes `owner` the controller of an object.
pub(super) fn controller_ref(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    })
}

/// The uid of the object's controller.
pub(super) fn controller(object: &Value) -> Option<&Value> {
    list(object, "/metadata/ownerReferences").iter().find(|owner| owner["controller"] == true)
}

pub(super) fn condition<'v>(status: &'v Value, kind: &str) -> Option<&'v Value> {
    list(status, "/conditions").iter().find(|condition| condition["type"] == kind)
}

pub(super) fn is_true(status: &Value, kind: &str) -> bool {
    condition(status, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Sets a condition; the time of transition stays when the status does. `extra` are further fields.
pub(super) fn set_condition(status: &mut Value, kind: &str, is: &str, reason: &str, message: &str, now: Timestamp) {
    let mut conditions = list(status, "/conditions").to_vec();
    let mut new = json!({ "type": kind, "status": is, "lastTransitionTime": time(now) });
    if !reason.is_empty() {
        new["reason"] = json!(reason);
    }
    if !message.is_empty() {
        new["message"] = json!(message);
    }
    match conditions.iter_mut().find(|condition| condition["type"] == kind) {
        Some(old) => {
            if old["status"] == is {
                new["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            for kept in ["lastProbeTime", "observedGeneration"] {
                if let Some(value) = old.get(kept) {
                    new[kept] = value.clone();
                }
            }
            *old = new;
        }
        None => conditions.push(new),
    }
    status["conditions"] = Value::Array(conditions);
}

/// A number or a percentage of `total`, as `maxSurge` and its like are.
pub(super) fn scaled(value: &Value, total: i64, round_up: bool) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|text| text.parse::<i64>().ok());
    let product = percent.unwrap_or(0).saturating_mul(total);
    if round_up { product.saturating_add(99).div_euclid(100) } else { product.div_euclid(100) }
}

/// FNV-1a in 32 bits.
pub(super) fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// A hash in the form that Kubernetes gives to those in names.
pub(super) fn safe_hash(value: &Value) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let number = fnv(sorted(value).to_string().as_bytes()).to_string();
    number.bytes().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

/// The same value with its keys in order, whatever map lies below.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| key.as_str());
            Value::Object(pairs.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// The first difference of two durations in the style of Go: `10s`, `1m20s`, `5m0s`.
pub(super) fn go_duration(seconds: i64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, minutes) => format!("{minutes}m{rest}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_as_told() {
        let check = |value: Value, total: i64, up: i64, down: i64| {
            assert_eq!((scaled(&value, total, true), scaled(&value, total, false)), (up, down), "{value} of {total}");
        };
        check(json!("25%"), 3, 1, 0);
        check(json!("25%"), 10, 3, 2);
        check(json!(2), 10, 2, 2);
        check(json!("100%"), 5, 5, 5);
        check(json!("nonsense"), 5, 0, 0);
    }

    #[test]
    fn hashes_do_not_depend_on_the_order_of_keys() {
        let a: Value = serde_json::from_str(r#"{"a":1,"b":[{"c":1,"d":2}]}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"b":[{"d":2,"c":1}],"a":1}"#).unwrap();
        assert_eq!(safe_hash(&a), safe_hash(&b));
        assert_ne!(safe_hash(&a), safe_hash(&json!({})));
    }

    #[test]
    fn conditions_keep_their_transition_time() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut status = json!({});
        set_condition(&mut status, "Ready", "False", "A", "", at("2026-01-01T00:00:00Z"));
        set_condition(&mut status, "Ready", "False", "B", "because", at("2026-01-01T00:00:05Z"));
        let expected = json!({ "type": "Ready", "status": "False", "reason": "B", "message": "because", "lastTransitionTime": "2026-01-01T00:00:00Z" });
        assert_eq!(condition(&status, "Ready"), Some(&expected));
        set_condition(&mut status, "Ready", "True", "", "", at("2026-01-01T00:00:09Z"));
        assert_eq!(status["conditions"][0]["lastTransitionTime"], "2026-01-01T00:00:09Z");
        assert!(is_true(&status, "Ready"));
    }

    #[test]
    fn durations_read_as_go_writes_them() {
        for (seconds, expected) in [(10, "10s"), (80, "1m20s"), (300, "5m0s"), (3661, "1h1m1s")] {
            assert_eq!(go_duration(seconds), expected);
        }
    }
}
