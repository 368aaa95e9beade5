//! Values as TOML: plain keys of a table first, then its tables, both by name.

use crate::function::{CallError, Context};
use crate::limits::{Exceeded, MAX_NESTING};
use crate::strconv::{FloatStyle, format_float};
use crate::value::{FloatType, List, Map, Str, Value};

const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// A value as a TOML document; a lone plain value is written as it is.
///
/// # Errors
/// The library's message for what TOML cannot hold, or an exceeded limit.
pub(crate) fn encode(value: &Value, context: &mut Context<'_>) -> Result<String, CallError> {
    let mut encoder = Encoder { out: String::new(), depth: 0, context };
    encoder.entry(&[], value)?;
    Ok(encoder.out)
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Nil,
    Plain,
    Table,
    /// A list of tables alone.
    Tables,
}

struct Encoder<'c, 'h> {
    out: String,
    depth: usize,
    context: &'c mut Context<'h>,
}

impl Encoder<'_, '_> {
    fn nested<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, CallError>) -> Result<T, CallError> {
        self.context.spend(1)?;
        if self.out.len() > self.context.budget.room() {
            self.context.allocate(self.out.len())?;
        }
        if self.depth > MAX_NESTING {
            return Err(Exceeded::Nesting(MAX_NESTING).into());
        }
        self.depth += 1;
        let result = run(self)?;
        self.depth -= 1;
        Ok(result)
    }

    /// A key with its value, below the keys before it.
    fn entry(&mut self, key: &[Str], value: &Value) -> Result<(), CallError> {
        match (self.shape(value)?, value) {
            (Shape::Nil, _) if key.is_empty() => Err(CallError::new("toml: a document needs a value that is not nil")),
            (Shape::Nil, _) => Ok(()),
            (Shape::Table, Value::Map(map)) => self.table(key, map),
            (Shape::Tables, Value::List(list)) => self.tables(key, list),
            _ if key.is_empty() => self.element(value),
            _ => {
                let indent = "  ".repeat(key.len() - 1);
                let name = key.last().map(quoted_key).unwrap_or_default();
                self.out.push_str(&format!("{indent}{name} = "));
                self.element(value)?;
                self.out.push('\n');
                Ok(())
            }
        }
    }

    fn shape(&mut self, value: &Value) -> Result<Shape, CallError> {
        self.nested(|encoder| match value {
            Value::Nil => Ok(Shape::Nil),
            Value::Map(map) if map.is_nil() => Ok(Shape::Nil),
            Value::List(list) if list.is_nil() => Ok(Shape::Nil),
            Value::Map(_) => Ok(Shape::Table),
            Value::List(list) => encoder.list_shape(list),
            Value::Complex(_) | Value::Closure(_) => {
                Err(CallError::new(format!("unsupported type: {}", value.kind().name())))
            }
            _ => Ok(Shape::Plain),
        })
    }

    fn list_shape(&mut self, list: &List) -> Result<Shape, CallError> {
        let mut tables = !list.is_empty();
        for item in list.items().iter() {
            match self.shape(item)? {
                Shape::Nil => return Err(CallError::new("toml: cannot encode array with nil element")),
                shape => tables &= shape == Shape::Table,
            }
        }
        Ok(if tables { Shape::Tables } else { Shape::Plain })
    }

    /// An empty line, but for the first.
    fn new_line(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn table(&mut self, key: &[Str], map: &Map) -> Result<(), CallError> {
        if key.len() == 1 {
            self.new_line();
        }
        if !key.is_empty() {
            self.out.push_str(&format!("{}[{}]\n", "  ".repeat(key.len() - 1), dotted(key)));
        }
        self.entries(key, map)
    }

    fn tables(&mut self, key: &[Str], list: &List) -> Result<(), CallError> {
        if key.is_empty() {
            return Err(CallError::new("toml: top-level values must be Go maps or structs"));
        }
        for item in list.items().iter() {
            self.new_line();
            self.out.push_str(&format!("{}[[{}]]\n", "  ".repeat(key.len() - 1), dotted(key)));
            if let Value::Map(map) = item {
                self.entries(key, map)?;
            }
        }
        Ok(())
    }

    fn entries(&mut self, key: &[Str], map: &Map) -> Result<(), CallError> {
        for (name, value) in self.ordered(map)?.0 {
            let mut inner = key.to_vec();
            inner.push(name);
            self.nested(|encoder| encoder.entry(&inner, &value))?;
        }
        Ok(())
    }

    /// The entries in the order they are written, and how many of them are no tables.
    fn ordered(&mut self, map: &Map) -> Result<(Vec<(Str, Value)>, usize), CallError> {
        self.context.allocate(map.len().saturating_mul(2 * size_of::<Value>()))?;
        let (mut plain, mut tables) = (Vec::new(), Vec::new());
        for (key, value) in map.entries().iter() {
            let list =
                if matches!(self.shape(value)?, Shape::Table | Shape::Tables) { &mut tables } else { &mut plain };
            list.push((key.clone(), value.clone()));
        }
        let count = plain.len();
        plain.extend(tables);
        Ok((plain, count))
    }

    /// A value behind `=` or inside a list.
    fn element(&mut self, value: &Value) -> Result<(), CallError> {
        match value {
            Value::Nil => return Err(CallError::new("toml: cannot encode array with nil element")),
            Value::String(text) => self.quoted(text),
            Value::Bool(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Value::Int(_, number) => self.out.push_str(&number.to_string()),
            Value::Uint(_, number) => self.out.push_str(&number.to_string()),
            Value::Float(of, number) => self.out.push_str(&float(*number, *of)),
            Value::Duration(nanoseconds) => self.quoted(&Str::from(crate::duration::format(*nanoseconds))),
            Value::Time(time) => self.out.push_str(&crate::layout::format(time, RFC3339_NANO)),
            Value::List(list) => return self.nested(|encoder| encoder.list(&list.items())),
            Value::Bytes(bytes) => {
                let numbers: Vec<Value> = bytes.iter().map(|b| Value::int(i64::from(*b))).collect();
                return self.nested(|encoder| encoder.list(&numbers));
            }
            Value::Map(map) => return self.nested(|encoder| encoder.inline_table(map)),
            Value::Object(object) => {
                let plain = object.plain().ok_or_else(|| unsupported(value))?;
                return self.nested(|encoder| encoder.element(&plain));
            }
            Value::Complex(_) | Value::Closure(_) => return Err(unsupported(value)),
        }
        Ok(())
    }

    fn list(&mut self, items: &[Value]) -> Result<(), CallError> {
        self.out.push('[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            self.element(item)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn inline_table(&mut self, map: &Map) -> Result<(), CallError> {
        self.out.push('{');
        let (entries, plain) = self.ordered(map)?;
        for (i, (key, value)) in entries.iter().enumerate() {
            if self.shape(value)? == Shape::Nil {
                continue;
            }
            self.out.push_str(&format!("{} = ", quoted_key(key)));
            self.element(value)?;
            // The reference looks at each of the two groups alone.
            let last = if i < plain { i + 1 == plain && plain == entries.len() } else { i + 1 == entries.len() };
            if !last {
                self.out.push_str(", ");
            }
        }
        self.out.push('}');
        Ok(())
    }

    fn quoted(&mut self, text: &Str) {
        self.out.push('"');
        self.out.push_str(&escaped(text));
        self.out.push('"');
    }
}

fn unsupported(value: &Value) -> CallError {
    CallError::new(format!("unexpected type: {}", value.type_name()))
}

fn float(number: f64, of: FloatType) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let text = format_float(number, FloatStyle::General, None, of);
    if text.contains(['e', '.']) { text } else { format!("{text}.0") }
}

fn dotted(key: &[Str]) -> String {
    key.iter().map(quoted_key).collect::<Vec<_>>().join(".")
}

pub(super) fn quoted_key(key: &Str) -> String {
    let bare = !key.is_empty() && key.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if bare { key.to_text().into_owned() } else { format!("\"{}\"", escaped(key)) }
}

fn escaped(text: &Str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.to_text().chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..' ' | '\u{7f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}
