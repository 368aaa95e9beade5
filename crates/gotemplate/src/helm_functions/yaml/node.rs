//! Nodes as values: go-yaml v2 into untyped values, those into JSON, that into Go.

use object::yaml::{Dialect, Node, NodeKind, ScalarKind, Style, resolve_plain, scalar_value};
use serde_json::Value as Json;

use crate::function::{CallError, Context};
use crate::json::unsupported_number;
use crate::value::{List, Map, Str, Value};

/// Bytes that a value takes, near enough.
const VALUE: usize = 2 * size_of::<Value>();
const TAGS: &str = "tag:yaml.org,2002:";

/// The value of a document.
///
/// # Errors
/// What go-yaml or `encoding/json` cannot take, in their words, or an exceeded limit.
pub(super) fn value(node: &Node, context: &mut Context<'_>) -> Result<Value, CallError> {
    let value = untyped(node, context)?;
    check_numbers(&value)?;
    Ok(value)
}

fn yaml_error(message: impl std::fmt::Display) -> CallError {
    CallError::new(format!("yaml: {message}"))
}

fn untyped(node: &Node, context: &mut Context<'_>) -> Result<Value, CallError> {
    context.allocate(VALUE)?;
    match &node.kind {
        NodeKind::Alias(_, target) => untyped(target, context),
        NodeKind::Scalar(text) => scalar(node, text),
        NodeKind::Sequence(items) => {
            context.allocate(List::footprint(0))?;
            let items = items.iter().map(|item| untyped(item, context)).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::List(List::new(items)))
        }
        NodeKind::Mapping(pairs) => {
            context.allocate(Map::footprint(pairs.len()))?;
            let map = Map::default();
            fill(&map, pairs, context)?;
            Ok(Value::Map(map))
        }
    }
}

/// Sets the pairs in the order they are written: a merge key overrides what stands before it, and is overridden.
fn fill(map: &Map, pairs: &[(Node, Node)], context: &mut Context<'_>) -> Result<(), CallError> {
    for (key, value) in pairs {
        if is_merge(key) {
            merge(map, value, context)?;
        } else {
            let (key, value) = (untyped(key, context)?, untyped(value, context)?);
            map.insert(key_text(&key, &value)?, value);
        }
    }
    Ok(())
}

fn is_merge(key: &Node) -> bool {
    let NodeKind::Scalar(text) = &key.kind else { return false };
    let tagged = key.tag.as_deref() == Some("tag:yaml.org,2002:merge");
    text == "<<" && (tagged || (key.style == Style::Plain && key.tag.is_none()))
}

fn merge(map: &Map, node: &Node, context: &mut Context<'_>) -> Result<(), CallError> {
    let target = match &node.kind {
        NodeKind::Alias(_, target) => target,
        _ => node,
    };
    match (&target.kind, &node.kind) {
        (NodeKind::Mapping(pairs), _) => fill(map, pairs, context),
        // The first of several maps wins.
        (NodeKind::Sequence(items), NodeKind::Sequence(_)) => {
            items.iter().rev().try_for_each(|item| match (&item.kind, item) {
                (NodeKind::Sequence(_), _) => Err(no_map()),
                (_, item) => merge(map, item, context),
            })
        }
        _ => Err(no_map()),
    }
}

fn no_map() -> CallError {
    yaml_error("map merge requires map or sequence of maps as the value")
}

/// Keys become texts the way `sigs.k8s.io/yaml` turns them into JSON's.
fn key_text(key: &Value, value: &Value) -> Result<Str, CallError> {
    Ok(match key {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => Str::from(flag.to_string()),
        Value::Int(_, number) => Str::from(number.to_string()),
        Value::Float(_, number) => Str::from(float_key(*number)),
        Value::List(_) | Value::Map(_) => return Err(yaml_error(format!("invalid map key: {}", syntax(key, true)))),
        other => {
            let of = match other {
                Value::Nil => "%!s(<nil>)".into(),
                other => other.type_name(),
            };
            let (key, value) = (syntax(key, true), syntax(value, true));
            return Err(CallError::new(format!("unsupported map key of type: {of}, key: {key}, value: {value}")));
        }
    })
}

/// A float as a 32-bit float prints, which is what the reference does.
#[expect(clippy::cast_possible_truncation, reason = "the reference's own precision")]
fn float_key(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let short = f64::from(number as f32);
    let style = crate::strconv::FloatStyle::General;
    crate::strconv::format_float(short, style, None, crate::value::FloatType::Float32)
}

/// The value in Go's syntax: what `%#v` prints.
fn syntax(value: &Value, outermost: bool) -> String {
    match value {
        Value::Nil if outermost => "<nil>".to_owned(),
        Value::Nil => "interface {}(nil)".to_owned(),
        Value::String(text) => crate::strconv::quote(text.as_bytes()),
        Value::Float(of, number) => crate::strconv::print_float(*number, *of),
        Value::Int(_, number) => number.to_string(),
        Value::Uint(_, number) => format!("{number:#x}"),
        Value::Bool(flag) => flag.to_string(),
        Value::List(list) => {
            let items: Vec<String> = list.items().iter().map(|item| syntax(item, false)).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Map(map) => {
            let entry = |(key, value): (&Str, &Value)| {
                format!("{}:{}", crate::strconv::quote(key.as_bytes()), syntax(value, false))
            };
            let entries: Vec<String> = map.entries().iter().map(entry).collect();
            format!("map[interface {{}}]interface {{}}{{{}}}", entries.join(", "))
        }
        _ => String::new(),
    }
}

fn scalar(node: &Node, text: &str) -> Result<Value, CallError> {
    let tag = node.tag.as_deref().map(|tag| tag.strip_prefix(TAGS).unwrap_or(tag));
    match tag {
        None if node.style != Style::Plain => Ok(Value::string(text)),
        None => Ok(plain(text)),
        Some("binary") => binary(text),
        Some(wanted @ ("bool" | "int" | "float" | "null" | "timestamp")) => tagged(text, wanted),
        Some(_) => Ok(Value::string(text)),
    }
}

/// An unquoted scalar; integers stay integers until they are JSON.
fn plain(text: &str) -> Value {
    match scalar_value(text, Dialect::Kubernetes) {
        Some(Json::Null) => Value::Nil,
        Some(Json::Bool(flag)) => Value::Bool(flag),
        Some(Json::Number(number)) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::int(number),
            (None, Some(number)) => Value::Uint(crate::value::UintType::Uint64, number),
            (None, None) => Value::float(number.as_f64().unwrap_or_default()),
        },
        Some(_) => Value::string(text),
        None => Value::float(match text.to_ascii_lowercase().as_str() {
            ".nan" => f64::NAN,
            "-.inf" => f64::NEG_INFINITY,
            _ => f64::INFINITY,
        }),
    }
}

/// The reader stops at the newlines of a folded block.
fn binary(text: &str) -> Result<Value, CallError> {
    let bytes = crate::sprig::base64_decode(text.as_bytes());
    let bytes = bytes.map_err(|_| yaml_error("!!binary value contains invalid base64 data"))?;
    // JSON holds text alone.
    Ok(Value::string(Str::from(bytes).to_text().into_owned()))
}

/// A scalar with a tag that its text must fit.
fn tagged(text: &str, wanted: &str) -> Result<Value, CallError> {
    let value = plain(text);
    let kind = match resolve_plain(text, Dialect::Kubernetes) {
        ScalarKind::Null => "null",
        ScalarKind::Bool => "bool",
        ScalarKind::Int => "int",
        ScalarKind::Float => "float",
        ScalarKind::Timestamp => "timestamp",
        ScalarKind::Text => "str",
    };
    match (wanted, &value) {
        _ if wanted == kind => Ok(value),
        #[expect(clippy::cast_precision_loss, reason = "Go rounds, too")]
        ("float", Value::Int(_, number)) => Ok(Value::float(*number as f64)),
        _ => Err(yaml_error(format!("cannot decode !!{kind} `{text}` as a !!{wanted}"))),
    }
}

/// JSON has no infinities, and reads every number as a float.
fn check_numbers(value: &Value) -> Result<(), CallError> {
    match value {
        Value::Float(_, number) if !number.is_finite() => Err(unsupported_number(*number)),
        Value::List(list) => list.items_mut().iter_mut().try_for_each(in_place),
        Value::Map(map) => map.entries_mut().values_mut().try_for_each(in_place),
        _ => Ok(()),
    }
}

fn in_place(value: &mut Value) -> Result<(), CallError> {
    #[expect(clippy::cast_precision_loss, reason = "Go rounds, too")]
    match value {
        Value::Int(_, number) => *value = Value::float(*number as f64),
        Value::Uint(_, number) => *value = Value::float(*number as f64),
        _ => check_numbers(value)?,
    }
    Ok(())
}
