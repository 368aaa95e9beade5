//! Keys that a body gives twice: the last one counts, and strict decoding says so.

use std::cell::RefCell;
use std::fmt;

use object::yaml::{Node, NodeKind};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

/// What there is to say of a JSON text: `duplicate field "data.k"`.
pub(crate) fn in_json(body: &[u8]) -> Vec<String> {
    let found = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(body);
    let seed = Seed { path: String::new(), found: &found };
    // a text that does not parse is somebody else's problem
    let _ = (&mut reader).deserialize_any(seed);
    found.into_inner()
}

struct Seed<'f> {
    path: String,
    found: &'f RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        while items.next_element_seed(Seed { path: format!("{}[{index}]", self.path), found: self.found })?.is_some() {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen: Vec<String> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            if seen.contains(&key) {
                self.found.borrow_mut().push(format!("duplicate field {path:?}"));
            }
            seen.push(key);
            map.next_value_seed(Seed { path, found: self.found })?;
        }
        Ok(())
    }
}

/// What there is to say of a YAML document: `line 6: key "k" already set in map`.
pub(crate) fn in_yaml(node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    walk(node, &mut found);
    found
}

fn walk(node: &Node, found: &mut Vec<String>) {
    match &node.kind {
        NodeKind::Sequence(items) => items.iter().for_each(|item| walk(item, found)),
        NodeKind::Mapping(pairs) => {
            for (index, (key, value)) in pairs.iter().enumerate() {
                let text = key.as_str();
                if text.is_some() && pairs.iter().take(index).any(|(earlier, _)| earlier.as_str() == text) {
                    let line = key.start.line;
                    found.push(format!("line {line}: key {:?} already set in map", text.unwrap_or_default()));
                }
                walk(value, found);
            }
        }
        NodeKind::Scalar(_) | NodeKind::Alias(..) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_given_twice_are_named() {
        let json = br#"{"metadata":{"name":"a","name":"b"},"data":{"k":"1","k":"2"},"l":[{"x":1,"x":2}]}"#;
        let expected =
            ["duplicate field \"metadata.name\"", "duplicate field \"data.k\"", "duplicate field \"l[0].x\""];
        assert_eq!(in_json(json), expected);
        let nodes = object::yaml::parse("a: 1\nb:\n  k: 1\n  k: 2\n").unwrap();
        assert_eq!(in_yaml(&nodes[0]), ["line 4: key \"k\" already set in map"]);
    }
}
