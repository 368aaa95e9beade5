//! JSON text as values; the errors are Go's, word by word.

use crate::function::{CallError, Context};
use crate::limits::MAX_NESTING;
use crate::value::{Map, Value};

/// Bytes that a decoded value takes, near enough.
const VALUE: usize = 160;

/// Why a text is no JSON, or a limit that was reached.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum JsonError {
    #[error("{0}")]
    Syntax(String),
    /// A number is too large; it is nil in the value, which is fine otherwise.
    #[error("{message}")]
    Range { message: String, value: Value },
    #[error(transparent)]
    Exceeded(CallError),
}

/// The value of a JSON text; numbers are floats.
pub(crate) fn decode(text: &[u8], context: &mut Context<'_>) -> Result<Value, JsonError> {
    let mut decoder = Decoder { text, at: 0, depth: 0, too_large: None, context };
    decoder.skip_space();
    let value = decoder.value()?;
    decoder.skip_space();
    match decoder.peek() {
        None => match decoder.too_large {
            Some(message) => Err(JsonError::Range { message, value }),
            None => Ok(value),
        },
        Some(_) => Err(decoder.unexpected("after top-level value")),
    }
}

struct Decoder<'t, 'c, 'h> {
    text: &'t [u8],
    at: usize,
    depth: usize,
    /// What is said of the first number that is too large.
    too_large: Option<String>,
    context: &'c mut Context<'h>,
}

impl Decoder<'_, '_, '_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The character at hand does not belong there.
    fn unexpected(&self, place: &str) -> JsonError {
        // At its end Go looks at the text as if a space followed.
        let in_token = place.starts_with("in literal") || place.contains("numeric") || place.contains("escape");
        let byte = match self.peek() {
            None if !in_token => return JsonError::Syntax("unexpected end of JSON input".to_owned()),
            other => other.unwrap_or(b' '),
        };
        let shown = match byte {
            b'\'' => r"'\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            byte => {
                let quoted = crate::strconv::quote(char::from(byte).to_string().as_bytes());
                format!("'{}'", quoted.trim_matches('"'))
            }
        };
        JsonError::Syntax(format!("invalid character {shown} {place}"))
    }

    fn value(&mut self) -> Result<Value, JsonError> {
        self.context.allocate(VALUE).map_err(JsonError::Exceeded)?;
        match self.peek() {
            Some(b'{') => self.nested(Self::map),
            Some(b'[') => self.nested(Self::list),
            Some(b'"') => Ok(Value::string(self.string()?)),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Nil),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, JsonError>) -> Result<Value, JsonError> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(JsonError::Syntax("exceeded max depth".to_owned()));
        }
        self.at += 1;
        self.skip_space();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                return Err(self.unexpected(&format!("in literal {word} (expecting '{}')", char::from(expected))));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn list(&mut self) -> Result<Value, JsonError> {
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::list(items));
        }
        loop {
            self.skip_space();
            items.push(self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("after array element")),
            }
        }
        self.at += 1;
        Ok(Value::list(items))
    }

    fn map(&mut self) -> Result<Value, JsonError> {
        let map = Map::default();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(map));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.skip_space();
            map.insert(key, self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
        self.at += 1;
        Ok(Value::Map(map))
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits("in numeric literal")?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        let text = String::from_utf8_lossy(&self.text[start..self.at]);
        let number: f64 = text.parse().unwrap_or(f64::INFINITY);
        if number.is_infinite() {
            let message = format!("json: cannot unmarshal number {text} into Go value of type float64");
            self.too_large.get_or_insert(message);
            return Ok(Value::Nil);
        }
        Ok(Value::float(number))
    }

    /// One digit or more.
    fn digits(&mut self, place: &str) -> Result<(), JsonError> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.unexpected(place));
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let run = self.text[self.at..].iter().take_while(|b| **b >= b' ' && !matches!(b, b'"' | b'\\')).count();
            out.extend(crate::value::runes(&self.text[self.at..self.at + run]));
            self.at += run;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.unexpected("in string literal")),
            }
        }
        self.at += 1;
        self.context.allocate(out.len()).map_err(JsonError::Exceeded)?;
        Ok(out)
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let c = match self.peek() {
            Some(b'u') => return self.unicode_escape(),
            Some(b @ (b'"' | b'\\' | b'/')) => char::from(b),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.at += 1;
        Ok(c)
    }

    /// `\u00e9`, or a pair of surrogates; half a pair is U+FFFD.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let first = self.four_digits()?;
        if !(0xD800..0xDC00).contains(&first) || !self.text[self.at..].starts_with(b"\\u") {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        self.at += 2;
        let second = self.four_digits()?;
        if !(0xDC00..0xE000).contains(&second) {
            self.at = before;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.unexpected("in \\u hexadecimal character escape"))?;
            self.at += 1;
        }
        Ok(code)
    }
}
