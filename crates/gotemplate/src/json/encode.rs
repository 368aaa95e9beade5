//! Values as JSON text.

use object::yaml::json_float;

use crate::function::{CallError, Context};
use crate::layout;
use crate::limits::MAX_NESTING;
use crate::value::{List, Map, Str, Value};

const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// Whether `<`, `>` and `&` are written as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Html {
    Escaped,
    Raw,
}

/// A value as JSON; `indent` is the indentation of one level, none for one line.
///
/// # Errors
/// Go's message for what JSON cannot hold, or an exceeded limit.
pub(crate) fn encode(
    value: &Value,
    html: Html,
    indent: Option<&'static str>,
    context: &mut Context<'_>,
) -> Result<String, CallError> {
    let mut encoder = Encoder { out: String::new(), html, indent, depth: 0, context };
    encoder.value(value)?;
    let out = encoder.out;
    context.allocate(out.len())?;
    Ok(out)
}

struct Encoder<'c, 'h> {
    out: String,
    html: Html,
    indent: Option<&'static str>,
    depth: usize,
    context: &'c mut Context<'h>,
}

impl Encoder<'_, '_> {
    fn value(&mut self, value: &Value) -> Result<(), CallError> {
        self.context.spend(2)?;
        if self.out.len() > self.context.budget.room() {
            self.context.allocate(self.out.len())?;
        }
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Value::Int(_, number) | Value::Duration(number) => self.out.push_str(&number.to_string()),
            Value::Uint(_, number) => self.out.push_str(&number.to_string()),
            Value::Float(_, number) => self.float(*number)?,
            Value::String(text) => self.string(text.as_bytes()),
            Value::List(list) => self.list(list)?,
            Value::Map(map) => self.map(map)?,
            Value::Object(object) => match object.json_fields() {
                Some(fields) => self.fields(&fields)?,
                None => self.value(&plain(value)?)?,
            },
            other => self.value(&plain(other)?)?,
        }
        Ok(())
    }

    fn float(&mut self, number: f64) -> Result<(), CallError> {
        if !number.is_finite() {
            return Err(unsupported_number(number));
        }
        self.out.push_str(&json_float(number));
        Ok(())
    }

    /// Bytes that are not UTF-8 become U+FFFD, escaped.
    fn string(&mut self, text: &[u8]) {
        self.out.push('"');
        for chunk in text.utf8_chunks() {
            chunk.valid().chars().for_each(|c| self.char(c));
            self.out.push_str(&"\\ufffd".repeat(chunk.invalid().len()));
        }
        self.out.push('"');
    }

    fn char(&mut self, c: char) {
        match c {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\u{8}' => self.out.push_str("\\b"),
            '\u{c}' => self.out.push_str("\\f"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            '<' | '>' | '&' if self.html == Html::Raw => self.out.push(c),
            '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                self.out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => self.out.push(c),
        }
    }

    fn list(&mut self, list: &List) -> Result<(), CallError> {
        if list.is_nil() {
            self.out.push_str("null");
            return Ok(());
        }
        self.open('[', "slice")?;
        for (i, item) in list.items().iter().enumerate() {
            self.separate(i);
            self.value(item)?;
        }
        self.close(']', list.is_empty());
        Ok(())
    }

    fn map(&mut self, map: &Map) -> Result<(), CallError> {
        if map.is_nil() {
            self.out.push_str("null");
            return Ok(());
        }
        self.open('{', "map[string]interface {}")?;
        for (i, (key, value)) in map.entries().iter().enumerate() {
            self.separate(i);
            self.entry(key, value)?;
        }
        self.close('}', map.is_empty());
        Ok(())
    }

    /// A struct, in the order of its fields.
    fn fields(&mut self, fields: &[(Str, Value)]) -> Result<(), CallError> {
        self.open('{', "struct")?;
        for (i, (name, value)) in fields.iter().enumerate() {
            self.separate(i);
            self.entry(name, value)?;
        }
        self.close('}', fields.is_empty());
        Ok(())
    }

    fn entry(&mut self, key: &Str, value: &Value) -> Result<(), CallError> {
        self.string(key.as_bytes());
        self.out.push_str(if self.indent.is_some() { ": " } else { ":" });
        self.value(value)
    }

    /// Go takes nesting without end for a cycle, too.
    fn open(&mut self, bracket: char, kind: &str) -> Result<(), CallError> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(CallError::new(format!("json: unsupported value: encountered a cycle via {kind}")));
        }
        self.out.push(bracket);
        Ok(())
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
        self.new_line();
    }

    fn close(&mut self, bracket: char, is_empty: bool) {
        self.depth -= 1;
        if !is_empty {
            self.new_line();
        }
        self.out.push(bracket);
    }

    fn new_line(&mut self) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            self.out.push_str(&indent.repeat(self.depth));
        }
    }
}

/// Go's error for a number that JSON cannot hold.
pub(crate) fn unsupported_number(number: f64) -> CallError {
    let text = if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    };
    CallError::new(format!("json: unsupported value: {text}"))
}

/// What JSON holds in place of a value that is no number, text, list or map: base 64 of bytes, the text of a time.
///
/// # Errors
/// JSON cannot hold the value.
pub(crate) fn plain(value: &Value) -> Result<Value, CallError> {
    let unsupported = || CallError::new(format!("json: unsupported type: {}", value.type_name()));
    match value {
        Value::Bytes(bytes) => Ok(Value::string(base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes))),
        Value::Time(time) => Ok(Value::string(layout::format(time, RFC3339_NANO))),
        Value::Object(object) => match object.json_fields() {
            Some(fields) => Ok(Value::Map(fields.into_iter().collect())),
            None => object.plain().ok_or_else(unsupported),
        },
        Value::Complex(_) | Value::Closure(_) => Err(unsupported()),
        other => Ok(other.clone()),
    }
}
