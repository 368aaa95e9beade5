//! How a template function is declared and called.

use std::borrow::Cow;

use crate::limits::{Budget, Exceeded};
use crate::value::{ElementType, FloatType, IntType, List, Map, MapType, Str, Time, UintType, Value};

/// The Go type of a parameter. The evaluator refuses an argument of another type before the function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// `interface {}`: everything, nil too
    Any,
    Bool,
    String,
    Int(IntType),
    Uint(UintType),
    Float(FloatType),
    /// `[]byte`
    Bytes,
    /// `[]interface {}`
    List,
    /// `[]string`
    Strings,
    /// `map[string]interface {}`, and named types over it
    Map,
    /// `map[string]string`
    StringMap,
    /// `time.Time`
    Time,
    /// `time.Duration`
    Duration,
    /// a host object, by its type's name
    Object(&'static str),
}

impl Param {
    /// `int`
    pub const INT: Self = Self::Int(IntType::Int);
    /// `int64`
    pub const INT64: Self = Self::Int(IntType::Int64);
    /// `float64`
    pub const FLOAT64: Self = Self::Float(FloatType::Float64);

    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Int(int) => int.name(),
            Self::Uint(uint) => uint.name(),
            Self::Float(float) => float.name(),
            Self::Bytes => "[]uint8",
            Self::List => "[]interface {}",
            Self::Strings => "[]string",
            Self::Map => "map[string]interface {}",
            Self::StringMap => "map[string]string",
            Self::Time => "time.Time",
            Self::Duration => "time.Duration",
            Self::Object(name) => name,
        }
    }

    /// What an untyped nil becomes, where Go lets the type be nil.
    pub fn nil(self) -> Option<Value> {
        Some(match self {
            Self::Any => Value::Nil,
            Self::Bytes => Value::Bytes(Vec::new().into()),
            Self::List => Value::List(List::nil(ElementType::Any)),
            Self::Strings => Value::List(List::nil(ElementType::String)),
            Self::Map => Value::Map(Map::nil(MapType::Any)),
            Self::StringMap => Value::Map(Map::nil(MapType::String)),
            _ => return None,
        })
    }

    /// Whether Go lets a value be given for this parameter as it is.
    pub fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any, _)
            | (Self::Bool, Value::Bool(_))
            | (Self::String, Value::String(_))
            | (Self::Bytes, Value::Bytes(_))
            | (Self::Time, Value::Time(_))
            | (Self::Duration, Value::Duration(_)) => true,
            (Self::Int(wanted), Value::Int(given, _)) => wanted == *given,
            (Self::Uint(wanted), Value::Uint(given, _)) => wanted == *given,
            (Self::Float(wanted), Value::Float(given, _)) => wanted == *given,
            (Self::List, Value::List(list)) => list.element() == ElementType::Any,
            (Self::Strings, Value::List(list)) => list.element() == ElementType::String,
            (Self::Map, Value::Map(map)) => map.of() != MapType::String,
            (Self::StringMap, Value::Map(map)) => map.of() == MapType::String,
            (Self::Object(wanted), Value::Object(object)) => object.type_name() == wanted,
            _ => false,
        }
    }
}

/// The parameters of a function or method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// the fixed parameters
    pub params: Cow<'static, [Param]>,
    /// the type of all further arguments, where the function takes any number of them
    pub rest: Option<Param>,
}

impl Signature {
    /// A fixed number of parameters.
    pub const fn fixed(params: &'static [Param]) -> Self {
        Self { params: Cow::Borrowed(params), rest: None }
    }

    /// Fixed parameters, then any number of `rest`.
    pub const fn variadic(params: &'static [Param], rest: Param) -> Self {
        Self { params: Cow::Borrowed(params), rest: Some(rest) }
    }
}

/// What a function does with arguments that fit its signature: `params.len()` of them, and the rest.
pub type Body = fn(&[Value], &mut Context<'_>) -> Result<Value, CallError>;

/// A template function.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: &'static str,
    pub signature: Signature,
    pub body: Body,
}

impl Function {
    /// A function with a fixed number of parameters.
    pub const fn new(name: &'static str, params: &'static [Param], body: Body) -> Self {
        Self { name, signature: Signature::fixed(params), body }
    }

    /// A function with fixed parameters, then any number of `rest`.
    pub const fn variadic(name: &'static str, params: &'static [Param], rest: Param, body: Body) -> Self {
        Self { name, signature: Signature::variadic(params, rest), body }
    }
}

/// The world outside a render: time and randomness are given, never taken.
pub trait Host {
    /// The time `now` gives.
    fn now(&self) -> Time;

    /// Fills a buffer with random bytes, for passwords, keys and identifiers.
    fn random(&mut self, buffer: &mut [u8]);
}

/// What a render asked of the world, so that its output may differ the next time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// `lookup` was called, which sees no cluster here
    pub lookup: bool,
    pub clock: bool,
    pub random: bool,
}

/// What a running function may use beside its arguments.
#[expect(missing_debug_implementations, reason = "the host is a trait object")]
pub struct Context<'a> {
    pub budget: Budget,
    pub effects: Effects,
    host: &'a mut dyn Host,
}

impl<'a> Context<'a> {
    /// A context for one render.
    pub fn new(budget: Budget, host: &'a mut dyn Host) -> Self {
        Self { budget, effects: Effects::default(), host }
    }

    /// The current time; noted as an effect.
    pub fn now(&mut self) -> Time {
        self.effects.clock = true;
        self.host.now()
    }

    /// Random bytes; noted as an effect.
    pub fn random(&mut self, buffer: &mut [u8]) {
        self.effects.random = true;
        self.host.random(buffer);
    }

    /// Counts bytes a function is about to allocate. Call it before allocating what an argument can make large.
    pub fn allocate(&mut self, bytes: usize) -> Result<(), CallError> {
        Ok(self.budget.allocate(bytes)?)
    }

    /// Counts steps of a loop whose length an argument decides.
    pub fn spend(&mut self, steps: usize) -> Result<(), CallError> {
        Ok(self.budget.spend(steps)?)
    }
}

/// Why a function failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// Go's message of the error the function returned
    #[error("{0}")]
    Message(String),
    /// `required` or `fail`: the words of the template's author
    #[error("{0}")]
    Author(String),
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
}

impl CallError {
    /// An error with Go's message.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }
}

/// The string at a position the signature says is a string.
pub fn string(arguments: &[Value], index: usize) -> Result<&Str, CallError> {
    arguments.get(index).and_then(Value::as_str).ok_or_else(|| mismatch(index, "string"))
}

/// The map at a position the signature says is a map.
pub fn map(arguments: &[Value], index: usize) -> Result<&Map, CallError> {
    arguments.get(index).and_then(Value::as_map).ok_or_else(|| mismatch(index, "map"))
}

/// The list at a position the signature says is a `[]interface {}` or `[]string`.
pub fn list(arguments: &[Value], index: usize) -> Result<&List, CallError> {
    arguments.get(index).and_then(Value::as_list).ok_or_else(|| mismatch(index, "list"))
}

/// The integer at a position the signature says is a signed integer.
pub fn integer(arguments: &[Value], index: usize) -> Result<i64, CallError> {
    match arguments.get(index) {
        Some(Value::Int(_, value)) => Ok(*value),
        _ => Err(mismatch(index, "integer")),
    }
}

/// The value at a position the signature says is of any type.
pub fn any(arguments: &[Value], index: usize) -> Result<&Value, CallError> {
    arguments.get(index).ok_or_else(|| mismatch(index, "value"))
}

fn mismatch(index: usize, wanted: &str) -> CallError {
    CallError::new(format!("argument {index} is not a {wanted}"))
}
