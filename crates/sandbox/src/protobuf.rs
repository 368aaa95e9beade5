//! Protobuf bodies as Go clients send them, by the field numbers of the schema table.

use serde_json::{Map, Value, json};

use crate::schema::{Field, Schema};

/// The prefix of every body: then comes a `runtime.Unknown` message.
const MAGIC: &[u8] = b"k8s\0";

/// `(apiVersion, kind, message)`
pub(crate) fn envelope(body: &[u8]) -> Option<(String, String, Vec<u8>)> {
    let unknown = fields(body.strip_prefix(MAGIC)?)?;
    let bytes = |fields: &[(u32, Wire)], number: u32| match fields.iter().find(|(n, _)| *n == number) {
        Some((_, Wire::Bytes(bytes))) => bytes.clone(),
        _ => Vec::new(),
    };
    let meta = fields(&bytes(&unknown, 1))?;
    let text = |number| String::from_utf8(bytes(&meta, number)).ok();
    Some((text(1)?, text(2)?, bytes(&unknown, 2)))
}

#[derive(Debug, Clone)]
enum Wire {
    Number(u64),
    Fixed(u64),
    Bytes(Vec<u8>),
}

/// Splits a message into its fields; `None` when it is not well formed.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u32, Wire)>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let number = u32::try_from(tag >> 3).ok()?;
        let wire = match tag & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            1 => Wire::Fixed(u64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Wire::Bytes(take(&mut bytes, length)?.to_vec())
            }
            5 => Wire::Fixed(u64::from(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?))),
            _ => return None,
        };
        out.push((number, wire));
    }
    Some(out)
}

fn take<'b>(bytes: &mut &'b [u8], count: usize) -> Option<&'b [u8]> {
    let (head, tail) = bytes.split_at_checked(count)?;
    *bytes = tail;
    Some(head)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in 0..10 {
        let byte = *take(bytes, 1)?.first()?;
        value |= u64::from(byte & 0x7f).checked_shl(7 * shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A message as JSON. `depth` guards against nesting without end.
pub(crate) fn decode(schema: &Schema, message: &[u8], depth: usize) -> Option<Value> {
    let object = schema.object()?;
    if depth > 60 {
        return None;
    }
    let mut out = Map::new();
    for (number, wire) in fields(message)? {
        if let Some((_, inner)) = schema.inline_messages().iter().find(|(n, _)| *n == number) {
            let Wire::Bytes(bytes) = &wire else { continue };
            if let Value::Object(inner) = decode(&Schema::Named(*inner), bytes, depth + 1)? {
                out.extend(inner);
            }
            continue;
        }
        let Some((name, field)) = object.fields.iter().find(|(_, field)| field.number == number && number != 0) else {
            continue;
        };
        put(&mut out, name, field, &wire, depth)?;
    }
    Some(Value::Object(out))
}

fn put(out: &mut Map<String, Value>, name: &str, field: &Field, wire: &Wire, depth: usize) -> Option<()> {
    match &field.schema {
        Schema::List { items, .. } => {
            let value = scalar(items, wire, depth)?;
            let list = out.entry(name).or_insert_with(|| json!([]));
            list.as_array_mut()?.push(value);
        }
        Schema::Map { values, .. } => {
            let Wire::Bytes(bytes) = wire else { return None };
            let entry = fields(bytes)?;
            let key = entry.iter().find(|(n, _)| *n == 1).and_then(|(_, wire)| text(wire)).unwrap_or_default();
            let empty = Wire::Bytes(Vec::new());
            let value = entry.iter().find(|(n, _)| *n == 2).map_or(&empty, |(_, wire)| wire);
            let value = scalar(values, value, depth)?;
            let map = out.entry(name).or_insert_with(|| json!({}));
            map.as_object_mut()?.insert(key, value);
        }
        schema => {
            let value = scalar(schema, wire, depth)?;
            // gogo writes the zero values of fields that are no pointers
            let zero = value == json!("") || value == json!(0) || value == json!(false);
            if field.pointer || !zero {
                out.insert(name.to_owned(), value);
            }
        }
    }
    Some(())
}

fn text(wire: &Wire) -> Option<String> {
    match wire {
        Wire::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

fn scalar(schema: &Schema, wire: &Wire, depth: usize) -> Option<Value> {
    use base64::Engine as _;
    match (schema, wire) {
        (Schema::String, wire) => text(wire).map(|text| json!(text)),
        (Schema::Integer, Wire::Number(number)) => Some(json!(*number as i64)),
        (Schema::Boolean, Wire::Number(number)) => Some(json!(*number != 0)),
        (Schema::Number, Wire::Fixed(bits)) => Some(json!(f64::from_bits(*bits))),
        (Schema::Bytes, Wire::Bytes(bytes)) => Some(json!(base64::engine::general_purpose::STANDARD.encode(bytes))),
        (Schema::Quantity, Wire::Bytes(bytes)) => {
            fields(bytes)?.iter().find(|(n, _)| *n == 1).and_then(|(_, wire)| text(wire)).map(|text| json!(text))
        }
        (Schema::IntOrString, Wire::Bytes(bytes)) => int_or_string(bytes),
        (Schema::Time | Schema::MicroTime, Wire::Bytes(bytes)) => time(bytes, *schema == Schema::MicroTime),
        (Schema::Any, Wire::Bytes(bytes)) => {
            let raw = fields(bytes)?.into_iter().find(|(n, _)| *n == 1);
            match raw {
                Some((_, Wire::Bytes(raw))) => serde_json::from_slice(&raw).ok(),
                _ => Some(Value::Null),
            }
        }
        // ExtraValue: a message with a list
        (Schema::List { items, .. }, Wire::Bytes(bytes)) => {
            let items: Option<Vec<Value>> = fields(bytes)?.iter().map(|(_, wire)| scalar(items, wire, depth)).collect();
            items.map(Value::Array)
        }
        (schema, Wire::Bytes(bytes)) => decode(schema, bytes, depth + 1),
        _ => None,
    }
}

fn int_or_string(bytes: &[u8]) -> Option<Value> {
    let fields = fields(bytes)?;
    let number = |n: u32| {
        fields
            .iter()
            .find_map(|(k, wire)| matches!(wire, Wire::Number(_)).then_some((k, wire)).filter(|(k, _)| **k == n))
    };
    let is_string = matches!(number(1), Some((_, Wire::Number(1))));
    if is_string {
        return fields.iter().find(|(n, _)| *n == 3).and_then(|(_, wire)| text(wire)).map(|text| json!(text));
    }
    Some(match number(2) {
        Some((_, Wire::Number(value))) => json!(*value as i64),
        _ => json!(0),
    })
}

fn time(bytes: &[u8], micro: bool) -> Option<Value> {
    let fields = fields(bytes)?;
    let number = |n: u32| {
        fields.iter().find_map(|(k, wire)| match wire {
            Wire::Number(value) if *k == n => Some(*value as i64),
            _ => None,
        })
    };
    let Some(seconds) = number(1) else { return Some(Value::Null) };
    let nanos = i32::try_from(number(2).unwrap_or(0)).ok()?;
    let time = jiff::Timestamp::new(seconds, nanos).ok()?;
    let layout = if micro { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Some(json!(time.strftime(layout).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u32, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![u8::try_from(number << 3 | 2).unwrap(), u8::try_from(bytes.len()).unwrap()];
        out.extend_from_slice(bytes);
        out
    }

    #[test]
    fn a_namespace_is_read() {
        let metadata = message(1, b"dev");
        let meta = [message(1, b"v1"), message(2, b"Namespace")].concat();
        let body = [MAGIC.to_vec(), message(1, &meta), message(2, &message(1, &metadata))].concat();
        let (version, kind, raw) = envelope(&body).unwrap();
        assert_eq!((version.as_str(), kind.as_str()), ("v1", "Namespace"));
        let value = decode(&Schema::named("core/v1.Namespace").unwrap(), &raw, 0).unwrap();
        assert_eq!(value, json!({"metadata": {"name": "dev"}}));
        assert!(envelope(b"k8s\0\xff\xff\xff").is_none());
        assert!(envelope(b"{}").is_none());
    }
}
