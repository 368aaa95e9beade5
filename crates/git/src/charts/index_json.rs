//! The list of one chart out of an index in JSON; the rest is read past.

use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::index::IndexError;

/// The value of `entries.<chart>`; `None` when it is not there.
pub(crate) fn entry(index: impl Read, chart: &str) -> Result<Option<Value>, IndexError> {
    let mut deserializer = serde_json::Deserializer::from_reader(index);
    let at_entries = Within { key: "entries", inner: Within { key: chart, inner: Whole } };
    at_entries.deserialize(&mut deserializer)?.ok_or(IndexError::NoEntries)
}

/// The value of one key of a mapping, read by `inner`.
#[derive(Clone, Copy)]
struct Within<'k, S> {
    key: &'k str,
    inner: S,
}

#[derive(Clone, Copy)]
struct Whole;

impl<'de> DeserializeSeed<'de> for Whole {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        serde::Deserialize::deserialize(deserializer)
    }
}

impl<'de, S: DeserializeSeed<'de> + Copy> DeserializeSeed<'de> for Within<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Copy> Visitor<'de> for Within<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the key {:?}", self.key)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.key {
                found = Some(map.next_value_seed(self.inner)?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}
