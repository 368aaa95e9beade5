//! Which fields there are, and the nearest one to a slip.

use object::nearest;
use serde_json::Value;

/// Fields of a mapping that are not in `known`, each with the nearest known name.
pub(super) fn unknown_fields(value: &Value, known: &[&str], at: &str, found: &mut Vec<String>) {
    let Value::Object(map) = value else { return };
    for field in map.keys().filter(|f| !known.contains(&f.as_str())) {
        let place = if at.is_empty() { field.clone() } else { format!("{at}.{field}") };
        found.push(match nearest(field, known.iter().copied()) {
            Some(name) => format!("{place} is not a field: did you mean {name}?"),
            None => format!("{place} is not a field: there are {}", known.join(", ")),
        });
    }
}
