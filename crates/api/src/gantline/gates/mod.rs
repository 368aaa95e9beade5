//! Gates: what must hold before a release enters an environment. One file a gate for its shape here, one for its
//! behaviour in `promotion`, one row in [`gates!`](crate::gates).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::crds::open;
use super::known::unknown_fields;

/// The registry: word in YAML and name of the file, variant, shape. Expands `$each! { rows }`.
#[macro_export]
macro_rules! gates {
    ($each:ident) => {
        $each! {
            healthy Healthy HealthyGate;
            approval Approval ApprovalGate;
            window Window WindowGate;
        }
    };
}

/// Gates that the design names and this version does not judge: refused, never skipped.
const TO_COME: &[&str] = &["metric", "incidents", "job", "http", "parity"];

/// The shape of one kind of gate, as people write it.
pub trait Shape: Serialize {
    /// When it passes: a sentence, which stands in `docs/gates.md` too.
    const ABOUT: &'static str;
    /// An entry of `gates`, which stands in `docs/gates.md` too.
    const EXAMPLE: &'static str;

    /// The schema of its fields. What it does not name is a slip.
    fn schema() -> Value;

    /// What is wrong with it beyond its types, as `healthy.for "ten" is no duration: ...`.
    fn problems(&self, place: &GatePlace<'_>) -> Vec<String>;
}

/// Where a gate stands.
#[derive(Debug, Clone, Copy)]
pub struct GatePlace<'a> {
    /// The environments that a release passes before this one.
    pub earlier: &'a [&'a str],
}

macro_rules! shapes {
    ($($word:ident $kind:ident $shape:ident;)*) => {
        $(mod $word; pub use $word::*;)*

        /// One condition for entering an environment. The YAML key is the variant's name.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Gate {
            $($kind($shape),)*
        }

        /// Which gate it is that reports.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "lowercase")]
        pub enum GateKind {
            $($kind,)*
            /// Always there: a quarantined digest enters nothing.
            Quarantine,
            /// Always there: nothing enters a pinned environment by itself.
            Pin,
            /// One that a newer version wrote.
            #[default]
            Unknown,
        }

        impl GateKind {
            /// Those that people can write, in the order of the registry.
            pub const WRITTEN: &[Self] = &[$(Self::$kind),*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($word),)*
                    Self::Quarantine => "quarantine",
                    Self::Pin => "pin",
                    Self::Unknown => "unknown",
                }
            }

            /// When it passes, in a sentence.
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$kind => $shape::ABOUT,)*
                    Self::Quarantine => "The digest is not quarantined.",
                    Self::Pin => "The environment is not pinned, or somebody asked.",
                    Self::Unknown => "",
                }
            }

            /// One as people write it, in YAML; empty for those that nobody writes.
            pub fn example(self) -> &'static str {
                match self {
                    $(Self::$kind => $shape::EXAMPLE,)*
                    Self::Quarantine | Self::Pin | Self::Unknown => "",
                }
            }

            fn schema(self) -> Value {
                match self {
                    $(Self::$kind => $shape::schema(),)*
                    Self::Quarantine | Self::Pin | Self::Unknown => json!({}),
                }
            }

            fn parse(text: &str) -> Self {
                match text {
                    $(stringify!($word) => Self::$kind,)*
                    "quarantine" => Self::Quarantine,
                    "pin" => Self::Pin,
                    _ => Self::Unknown,
                }
            }
        }

        impl Gate {
            pub fn kind(&self) -> GateKind {
                match self {
                    $(Self::$kind(_) => GateKind::$kind,)*
                }
            }

            pub(super) fn problems(&self, place: &GatePlace<'_>) -> Vec<String> {
                match self {
                    $(Self::$kind(gate) => gate.problems(place),)*
                }
            }
        }
    };
}
gates!(shapes);

impl fmt::Display for GateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for GateKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}

/// The schema of an entry of `gates`: one gate that there is. Unknown fields of it are kept, so that they can be named with
/// what was meant. What it is, is a rule and no `oneOf`: of that an API server names the first gate alone.
pub(super) fn schema() -> Value {
    let kinds = GateKind::WRITTEN.iter().map(|kind| (kind.to_string(), open(kind.schema())));
    let rule: Vec<String> = GateKind::WRITTEN.iter().map(|kind| format!("has(self.{kind})")).collect();
    let names = GateKind::WRITTEN.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let message = format!("a gate is one of {names}; each is an entry of its own");
    open(json!({"type": "object", "properties": kinds.collect::<Map<_, _>>(), "maxProperties": 1,
        "x-kubernetes-validations": [{"rule": rule.join(" || "), "message": message}]}))
}

/// The fields of a gate that there are not, and gates that are not judged yet.
pub(super) fn unknown(gate: &Value, at: &str, found: &mut Vec<String>) {
    let Value::Object(map) = gate else { return };
    let (coming, there): (Vec<_>, Vec<_>) = map.iter().partition(|(word, _)| TO_COME.contains(&word.as_str()));
    found.extend(coming.into_iter().map(|(word, _)| {
        format!("{at}.{word}: this gate is not judged yet, and a gate is never skipped: remove it until it is")
    }));
    let there: Map<String, Value> = there.into_iter().map(|(word, gate)| (word.clone(), gate.clone())).collect();
    below(&Value::Object(there), &schema(), at, found);
}

/// Walks a value and its schema together.
fn below(value: &Value, schema: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let Some(fields) = schema["properties"].as_object() else { return };
            unknown_fields(value, &fields.keys().map(String::as_str).collect::<Vec<_>>(), at, found);
            for (name, value) in map.iter().filter(|(name, _)| fields.contains_key(*name)) {
                below(value, &fields[name], &format!("{at}.{name}"), found);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                below(item, &schema["items"], &format!("{at}[{i}]"), found);
            }
        }
        _ => {}
    }
}
