//! JSON patches (RFC 6902) with the leniency of evanphx/json-patch 4.13, which kustomize 5.8.1 uses: `replace` of an
//! absent key adds it, `add` without a value adds null, negative indices count from the end.

use object::yaml::{self, Dialect, NodeKind};
use serde_json::Value;

use super::node::{Fault, Json, Key, Kind, Node};

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    op: Op,
    path: String,
    from: String,
    value: Node,
    /// Why it cannot be applied: only a patch that is used may fail.
    broken: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

/// Reads a patch, JSON when it starts with a bracket, else YAML. `source` is where its values come from.
///
/// # Errors
/// When the text is no list of operations.
pub(crate) fn parse(text: &str, source: u32) -> Result<Vec<Operation>, Fault> {
    if text.starts_with('[') {
        serde_json::from_str::<Value>(text).map_err(|e| format!("the JSON patch cannot be read: {e}"))?;
    }
    let node = yaml::first_document(text).map_err(|e| format!("the JSON patch cannot be read: {e}"))?;
    let Some(node) = node else { return Err("the JSON patch is empty".to_owned()) };
    let Node::List(items) = from_yaml(&node, source)? else {
        return Err("a JSON patch is a list of operations".to_owned());
    };
    if items.iter().any(|item| item.kind() != Kind::Map) {
        return Err("an operation is a mapping with op, path and value".to_owned());
    }
    let broken = |fault| Operation {
        op: Op::Test,
        path: String::new(),
        from: String::new(),
        value: Node::null(),
        broken: Some(fault),
    };
    Ok(items.into_iter().map(|item| operation(item).unwrap_or_else(broken)).collect())
}

fn operation(mut item: Node) -> Result<Operation, Fault> {
    let op = match item.get("op").map_or("", Node::text) {
        "add" => Op::Add,
        "remove" => Op::Remove,
        "replace" => Op::Replace,
        "move" => Op::Move,
        "copy" => Op::Copy,
        "test" => Op::Test,
        other => return Err(format!("op {other:?} is not known: it is add, remove, replace, move, copy or test")),
    };
    let text = |item: &Node, name: &str| item.get(name).filter(|n| n.is_string()).map(|n| n.text().to_owned());
    let path = text(&item, "path").ok_or("path is missing")?;
    let from = text(&item, "from").unwrap_or_default();
    if matches!(op, Op::Move | Op::Copy) && item.get("from").is_none() {
        return Err("from is missing".to_owned());
    }
    Ok(Operation { op, path, from, value: item.remove("value").unwrap_or_else(Node::null), broken: None })
}

/// A node of a patch: scalars as `sigs.k8s.io/yaml` reads them, with the place where they stand.
fn from_yaml(node: &yaml::Node, source: u32) -> Result<Node, Fault> {
    match &node.kind {
        NodeKind::Alias(_, target) => from_yaml(target, source),
        NodeKind::Sequence(items) => {
            Ok(Node::List(items.iter().map(|i| from_yaml(i, source)).collect::<Result<_, _>>()?))
        }
        NodeKind::Mapping(pairs) => {
            let mut map: Vec<(Key, Node)> = Vec::new();
            for (key, value) in pairs {
                let text = key.as_str().ok_or("a key must be a text")?;
                map.retain(|(k, _)| k.text != text);
                map.push((Key::new(text), from_yaml(value, source)?));
            }
            Ok(Node::Map(map))
        }
        NodeKind::Scalar(_) => {
            let value = yaml::to_value(node, Dialect::Kubernetes).map_err(|e| e.to_string())?;
            let mut new = Node::from_value(&value, Json::Decoded);
            if let (Node::Scalar(new), Ok(Node::Scalar(written))) = (&mut new, Node::from_yaml(node, source)) {
                new.place = written.place;
            }
            Ok(new)
        }
    }
}

/// The document as it comes back from JSON, with the places of its scalars.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn through_json(node: &Node, json: Json) -> Result<Node, Fault> {
    match node {
        Node::Scalar(scalar) => {
            let mut new = Node::from_value(&node.to_value()?, json);
            if let Node::Scalar(new) = &mut new {
                new.place = scalar.place;
            }
            Ok(new)
        }
        Node::List(items) => {
            Ok(Node::List(items.iter().map(|item| through_json(item, json)).collect::<Result<_, _>>()?))
        }
        Node::Map(pairs) => {
            let mut map: Vec<(Key, Node)> = Vec::with_capacity(pairs.len());
            for (key, value) in pairs {
                if !key.is_text || map.iter().any(|(k, _)| k.text == key.text) {
                    node.to_value()?;
                }
                map.push((key.clone(), through_json(value, json)?));
            }
            Ok(Node::Map(map))
        }
    }
}

/// Applies all operations.
///
/// # Errors
/// The first operation that does not apply, by its index.
pub(crate) fn apply(document: &mut Node, operations: &[Operation]) -> Result<(), Fault> {
    for (i, operation) in operations.iter().enumerate() {
        one(document, operation)
            .map_err(|fault| format!("operation {i} ({} {}): {fault}", name(operation.op), operation.path))?;
    }
    document.check_growth()
}

fn name(op: Op) -> &'static str {
    match op {
        Op::Add => "add",
        Op::Remove => "remove",
        Op::Replace => "replace",
        Op::Move => "move",
        Op::Copy => "copy",
        Op::Test => "test",
    }
}

fn one(document: &mut Node, operation: &Operation) -> Result<(), Fault> {
    if let Some(fault) = &operation.broken {
        return Err(fault.clone());
    }
    match operation.op {
        Op::Add => add(document, &operation.path, operation.value.clone()),
        Op::Remove => remove(document, &operation.path).map(drop),
        Op::Replace => replace(document, &operation.path, operation.value.clone()),
        Op::Move => {
            let value = remove(document, &operation.from)?;
            add(document, &operation.path, value)
        }
        Op::Copy => {
            let value = get(document, &operation.from)?.cloned().unwrap_or_else(Node::null);
            add(document, &operation.path, value)?;
            document.check_growth()
        }
        Op::Test => test(document, operation),
    }
}

/// The container of the last part of a path, and that part.
fn parent<'a>(document: &'a mut Node, path: &str) -> Result<(&'a mut Node, String), Fault> {
    let Some(rest) = path.strip_prefix('/') else { return Err("the path must start with /".to_owned()) };
    let mut parts: Vec<String> = rest.split('/').map(object::path::pointer_key).collect();
    let last = parts.pop().unwrap_or_default();
    let mut node = document;
    let mut done = String::new();
    for part in parts {
        done = format!("{done}/{part}");
        node = match node {
            Node::List(items) => {
                let at = index(&part, items.len())?;
                items.get_mut(at)
            }
            other => other.get_mut(&part),
        }
        .filter(|n| !n.is_null())
        .ok_or_else(|| format!("there is nothing at {done}"))?;
    }
    if node.kind() == Kind::Scalar {
        return Err(format!("there is no list or mapping at {done}"));
    }
    Ok((node, last))
}

fn index(part: &str, len: usize) -> Result<usize, Fault> {
    let at: i64 = part.parse().map_err(|_| format!("{part:?} is no index of a list"))?;
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let at = if at < 0 { at + len } else { at };
    usize::try_from(at).map_err(|_| format!("the list has no element {part}"))
}

fn get<'a>(document: &'a mut Node, path: &str) -> Result<Option<&'a Node>, Fault> {
    let (container, key) = parent(document, path)?;
    match container {
        Node::List(items) => {
            let at = index(&key, items.len())?;
            items.get(at).map(Some).ok_or_else(|| format!("the list has only {} elements", items.len()))
        }
        other => Ok(other.get(&key)),
    }
}

fn add(document: &mut Node, path: &str, value: Node) -> Result<(), Fault> {
    let (container, key) = parent(document, path)?;
    match container {
        Node::List(items) if key == "-" => items.push(value),
        Node::List(items) => {
            let at = index(&key, items.len() + usize::from(key.starts_with('-')))?;
            if at > items.len() {
                return Err(format!("the list has only {} elements", items.len()));
            }
            items.insert(at, value);
        }
        other => set(other, &key, value)?,
    }
    Ok(())
}

fn set(container: &mut Node, key: &str, value: Node) -> Result<(), Fault> {
    let Node::Map(pairs) = container else { return Err("there is a scalar on the way".to_owned()) };
    match pairs.iter_mut().find(|(k, _)| k.text == key) {
        Some((_, old)) => *old = value,
        None => pairs.push((Key::new(key), value)),
    }
    Ok(())
}

fn remove(document: &mut Node, path: &str) -> Result<Node, Fault> {
    let (container, key) = parent(document, path)?;
    match container {
        Node::List(items) => {
            let at = index(&key, items.len())?;
            if at >= items.len() {
                return Err(format!("the list has only {} elements", items.len()));
            }
            Ok(items.remove(at))
        }
        other => other.remove(&key).ok_or_else(|| format!("there is no {key:?} to remove")),
    }
}

fn replace(document: &mut Node, path: &str, value: Node) -> Result<(), Fault> {
    if path.is_empty() && value.kind() != Kind::Scalar {
        *document = value;
        return Ok(());
    }
    let (container, key) = parent(document, path)?;
    match container {
        Node::List(items) => {
            let at = index(&key, items.len())?;
            let count = items.len();
            let slot = items.get_mut(at).ok_or_else(|| format!("the list has only {count} elements"))?;
            *slot = value;
            Ok(())
        }
        other => set(other, &key, value),
    }
}

fn test(document: &mut Node, operation: &Operation) -> Result<(), Fault> {
    let wanted = operation.value.to_value()?;
    if operation.path.is_empty() {
        let whole = document.to_value()?;
        return if whole == wanted { Ok(()) } else { Err("the test failed".to_owned()) };
    }
    let found = match get(document, &operation.path)? {
        Some(node) => node.to_value()?,
        None => Value::Null,
    };
    // what is there may be of a Secret, and so may what is wanted
    if found == wanted { Ok(()) } else { Err(format!("the test failed: {} has another value", operation.path)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(document: Value, patch: &str, expected: Result<Value, &str>) {
        let mut node = Node::from_value(&document, Json::Decoded);
        let result = parse(patch, 0).and_then(|ops| apply(&mut node, &ops));
        match expected {
            Ok(value) => assert_eq!(result.and_then(|()| node.to_value()), Ok(value), "{patch}"),
            Err(part) => assert!(result.as_ref().is_err_and(|e| e.contains(part)), "{patch}: {result:?}"),
        }
    }

    #[test]
    fn operations() {
        let doc = json!({"a": {"b": [1, 2]}, "x/y": 1});
        check(
            doc.clone(),
            "[{\"op\": \"add\", \"path\": \"/a/b/-\", \"value\": 3}]",
            Ok(json!({"a": {"b": [1, 2, 3]}, "x/y": 1})),
        );
        check(
            doc.clone(),
            "- {op: replace, path: /a/c, value: yes}",
            Ok(json!({"a": {"b": [1, 2], "c": true}, "x/y": 1})),
        );
        check(doc.clone(), "- {op: remove, path: /x~1y}", Ok(json!({"a": {"b": [1, 2]}})));
        check(doc.clone(), "- {op: move, from: /a/b/0, path: /z}", Ok(json!({"a": {"b": [2]}, "x/y": 1, "z": 1})));
        check(doc.clone(), "- {op: test, path: /a/b/1, value: 2}", Ok(doc.clone()));
        check(doc.clone(), "- {op: test, path: /a/b/1, value: 3}", Err("the test failed: /a/b/1 has another value"));
        check(doc.clone(), "- {op: add, path: /n}", Ok(json!({"a": {"b": [1, 2]}, "x/y": 1, "n": null})));
        check(doc.clone(), "- {op: remove, path: /q}", Err("to remove"));
        check(doc.clone(), "- {op: add, path: /q/r, value: 1}", Err("nothing at /q"));
        check(doc.clone(), "- {op: replace, path: /a/b/7, value: 1}", Err("only 2 elements"));
        check(doc, "- {op: put, path: /a}", Err("not known"));
    }
}
