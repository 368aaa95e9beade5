//! Go's values, as templates see them: every type a template can tell apart is kept apart.

mod container;
mod object;
mod text;
mod time;
mod types;

use std::borrow::Cow;
use std::rc::Rc;

pub use container::{List, Map};
pub use object::{Closure, ClosureBody, Object};
pub use text::{Str, runes};
pub use time::Time;
pub use types::{ElementType, FloatType, IntType, Kind, MapType, UintType};

/// A Go value. Cloning is cheap: strings, lists and maps are shared.
#[derive(Clone, Debug)]
pub enum Value {
    /// a nil `interface {}`
    Nil,
    Bool(bool),
    Int(IntType, i64),
    Uint(UintType, u64),
    Float(FloatType, f64),
    /// `complex128`: real and imaginary part
    Complex(Rc<(f64, f64)>),
    String(Str),
    /// `[]byte`
    Bytes(Rc<[u8]>),
    List(List),
    Map(Map),
    /// `time.Time`
    Time(Rc<Time>),
    /// `time.Duration`, in nanoseconds
    Duration(i64),
    Object(Rc<dyn Object>),
    Closure(Closure),
}

impl Value {
    /// An `int`.
    pub fn int(value: i64) -> Self {
        Self::Int(IntType::Int, value)
    }

    /// An `int64`.
    pub fn int64(value: i64) -> Self {
        Self::Int(IntType::Int64, value)
    }

    /// A `float64`.
    pub fn float(value: f64) -> Self {
        Self::Float(FloatType::Float64, value)
    }

    /// A `string`.
    pub fn string(text: impl Into<Str>) -> Self {
        Self::String(text.into())
    }

    /// A `[]interface {}`.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::new(items))
    }

    /// A JSON value as Go's `encoding/json` reads it into an `interface {}`: every number is a `float64`.
    pub fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::float(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Self::string(text.as_str()),
            serde_json::Value::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(entries) => {
                Self::Map(entries.iter().map(|(key, item)| (Str::from(key.as_str()), Self::from_json(item))).collect())
            }
        }
    }

    /// Go's kind of the value.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nil => Kind::Invalid,
            Self::Bool(_) => Kind::Bool,
            Self::Int(of, _) => Kind::Int(*of),
            Self::Uint(of, _) => Kind::Uint(*of),
            Self::Float(of, _) => Kind::Float(*of),
            Self::Complex(_) => Kind::Complex,
            Self::String(_) => Kind::String,
            Self::Bytes(_) | Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Time(_) => Kind::Struct,
            Self::Duration(_) => Kind::Int(IntType::Int64),
            Self::Object(object) => object.kind(),
            Self::Closure(_) => Kind::Func,
        }
    }

    /// What `%T` prints.
    pub fn type_name(&self) -> Cow<'static, str> {
        match self {
            Self::Nil => Cow::Borrowed("<nil>"),
            Self::Bytes(_) => Cow::Borrowed("[]uint8"),
            Self::List(list) => Cow::Owned(list.element().slice_name()),
            Self::Map(map) => Cow::Borrowed(map.of().name()),
            Self::Time(_) => Cow::Borrowed("time.Time"),
            Self::Duration(_) => Cow::Borrowed("time.Duration"),
            Self::Object(object) => object.type_name(),
            other => Cow::Borrowed(other.kind().name()),
        }
    }

    /// Go templates' truth: false are nil, false, zero, and what has no item or byte.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(_, value) | Self::Duration(value) => *value != 0,
            Self::Uint(_, value) => *value != 0,
            Self::Float(_, value) => *value != 0.0,
            Self::Complex(value) => **value != (0.0, 0.0),
            Self::String(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Time(_) | Self::Closure(_) => true,
            Self::Object(object) => is_true_object(object.as_ref()),
        }
    }

    /// The string, where it is one.
    pub fn as_str(&self) -> Option<&Str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The map, where it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The list, where it is one. A `[]byte` is not given as one.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }
}

/// Structs and set pointers are true, maps and slices where they hold something.
fn is_true_object(object: &dyn Object) -> bool {
    match object.kind() {
        Kind::Map | Kind::Slice => object.plain().is_some_and(|plain| plain.is_true()),
        _ => true,
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Str> for Value {
    fn from(text: Str) -> Self {
        Self::String(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::string(text)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}
