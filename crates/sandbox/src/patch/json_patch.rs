//! RFC 6902, with the leniencies of the library that the API server uses (evanphx/json-patch): a path without a leading
//! slash is accepted, `replace` of an absent key of a map adds it, `test` of an absent path against null holds.

use serde_json::Value;

/// # Errors
/// What does not work, in a few words.
pub(crate) fn json_patch(target: &mut Value, patch: &Value) -> Result<(), String> {
    let operations = patch.as_array().ok_or("cannot unmarshal object into Go value of type jsonpatch.Patch")?;
    for operation in operations {
        let path = operation["path"].as_str().ok_or("missing path")?;
        let path = pointer(path);
        let value = operation.get("value").cloned().unwrap_or(Value::Null);
        match operation["op"].as_str() {
            Some("add") => add(target, &path, value)?,
            Some("replace") => replace(target, &path, value)?,
            Some("remove") => drop(remove(target, &path)?),
            Some("test") => {
                let found = get(target, &path).cloned().unwrap_or(Value::Null);
                if found != value {
                    return Err(format!("testing value /{} failed", path.join("/")));
                }
            }
            Some("move") => {
                let from = pointer(operation["from"].as_str().ok_or("missing from")?);
                let value = remove(target, &from)?;
                add(target, &path, value)?;
            }
            Some("copy") => {
                let from = pointer(operation["from"].as_str().ok_or("missing from")?);
                let value = get(target, &from).cloned().ok_or("missing value")?;
                add(target, &path, value)?;
            }
            other => return Err(format!("Unexpected kind: {}", other.unwrap_or("unknown"))),
        }
    }
    Ok(())
}

fn pointer(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Vec::new();
    }
    path.split('/').map(object::path::pointer_key).collect()
}

fn get<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, part| match value {
        Value::Object(map) => map.get(part),
        Value::Array(list) => list.get(index(part, list.len())?),
        _ => None,
    })
}

/// Negative numbers count from the end.
fn index(part: &str, length: usize) -> Option<usize> {
    match part.parse::<i64>().ok()? {
        number if number < 0 => length.checked_sub(usize::try_from(-number).ok()?),
        number => usize::try_from(number).ok(),
    }
}

fn parent<'v, 'p>(value: &'v mut Value, path: &'p [String]) -> Result<(&'v mut Value, &'p str), String> {
    let missing = || format!("doc is missing path: /{}: missing value", path.join("/"));
    let (last, front) = path.split_last().ok_or_else(missing)?;
    let mut at = value;
    for part in front {
        at = match at {
            Value::Object(map) => map.get_mut(part),
            Value::Array(list) => index(part, list.len()).and_then(|i| list.get_mut(i)),
            _ => None,
        }
        .ok_or_else(missing)?;
    }
    Ok((at, last))
}

fn add(target: &mut Value, path: &[String], value: Value) -> Result<(), String> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    match parent(target, path)? {
        (Value::Object(map), key) => drop(map.insert(key.to_owned(), value)),
        (Value::Array(list), "-") => list.push(value),
        (Value::Array(list), key) => {
            let at = index(key, list.len()).filter(|at| *at <= list.len()).ok_or("invalid index referenced")?;
            list.insert(at, value);
        }
        _ => return Err(format!("doc is missing path: /{}", path.join("/"))),
    }
    Ok(())
}

fn replace(target: &mut Value, path: &[String], value: Value) -> Result<(), String> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    match parent(target, path)? {
        (Value::Object(map), key) => drop(map.insert(key.to_owned(), value)),
        (Value::Array(list), key) => {
            let slot = index(key, list.len()).and_then(|at| list.get_mut(at)).ok_or("invalid index referenced")?;
            *slot = value;
        }
        _ => return Err(format!("doc is missing key: /{}", path.join("/"))),
    }
    Ok(())
}

fn remove(target: &mut Value, path: &[String]) -> Result<Value, String> {
    let missing = || format!("Unable to remove nonexistent key: {}", path.last().cloned().unwrap_or_default());
    match parent(target, path)? {
        (Value::Object(map), key) => map.remove(key).ok_or_else(missing),
        (Value::Array(list), key) => {
            let at = index(key, list.len()).filter(|at| *at < list.len()).ok_or_else(missing)?;
            Ok(list.remove(at))
        }
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_do_what_the_api_server_does() {
        let check = |patch: Value, expected: Result<Value, ()>| {
            let mut value = json!({"a": {"b": 1}, "l": [1, 2]});
            let result = json_patch(&mut value, &patch).map(|()| value).map_err(drop);
            assert_eq!(result, expected, "{patch}");
        };
        check(json!([{"op": "add", "path": "/a/c", "value": 2}]), Ok(json!({"a": {"b": 1, "c": 2}, "l": [1, 2]})));
        check(json!([{"op": "add", "path": "/l/-", "value": 3}]), Ok(json!({"a": {"b": 1}, "l": [1, 2, 3]})));
        check(json!([{"op": "replace", "path": "/x", "value": 3}]), Ok(json!({"a": {"b": 1}, "l": [1, 2], "x": 3})));
        check(json!([{"op": "remove", "path": "/x"}]), Err(()));
        check(json!([{"op": "test", "path": "/x", "value": null}]), Ok(json!({"a": {"b": 1}, "l": [1, 2]})));
        check(json!([{"op": "test", "path": "/a/b", "value": 2}]), Err(()));
        check(json!([{"op": "move", "from": "/a/b", "path": "/b"}]), Ok(json!({"a": {}, "l": [1, 2], "b": 1})));
        check(json!({"op": "add"}), Err(()));
    }
}
