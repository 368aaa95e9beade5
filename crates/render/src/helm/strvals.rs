//! The grammar of `--set` and its kin (Helm 4.2, `pkg/strvals`): `a.b=c,d[0]={x,y}`.

use serde_json::{Map, Value};

/// The highest index of a list.
const INDEX_MAX: usize = 65_536;
/// The deepest path of keys.
const DEPTH_MAX: usize = 30;

/// What stands behind the `=`.
#[derive(Clone, Copy)]
pub(crate) enum ValueKind<'a> {
    /// `true`, `null` and whole numbers are what they look like, all else is text.
    Typed,
    /// All is text.
    Text,
    /// JSON values.
    Json,
    /// One text up to the end, without escapes.
    Literal,
    /// The content of the file of that name.
    File(&'a dyn Fn(&str) -> Result<Value, String>),
}

/// Why parsing stopped.
enum Stop {
    /// The text is used up.
    End,
    Error(String),
}

type Parsed<T> = Result<T, Stop>;

fn error<T>(message: impl Into<String>) -> Parsed<T> {
    Err(Stop::Error(message.into()))
}

/// Sets what `text` says in `values`.
///
/// # Errors
/// What is wrong with the text.
pub(crate) fn set(text: &str, kind: ValueKind<'_>, values: &mut Map<String, Value>) -> Result<(), String> {
    let mut parser = Parser { rest: text, kind };
    loop {
        match parser.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Error(reason)) => return Err(reason),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    kind: ValueKind<'a>,
}

/// The text up to a character of a set, and that character; none at the end of the text.
type Until = (String, Option<char>);

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Takes the text up to one of `stops`; `\` keeps the next character from being one.
    fn until(&mut self, stops: &[char]) -> Until {
        let mut text = String::new();
        let escapes = !matches!(self.kind, ValueKind::Literal);
        while let Some(c) = self.next() {
            match c {
                c if stops.contains(&c) => return (text, Some(c)),
                '\\' if escapes => match self.next() {
                    Some(next) => text.push(next),
                    None => return (text, None),
                },
                c => text.push(c),
            }
        }
        (text, None)
    }

    fn key(&mut self, values: &mut Map<String, Value>, depth: usize) -> Parsed<()> {
        let stops: &[char] =
            if matches!(self.kind, ValueKind::Literal) { &['=', '[', '.'] } else { &['=', '[', ',', '.'] };
        match self.until(stops) {
            (key, None) if key.is_empty() => Err(Stop::End),
            (key, None) => error(format!("key {key:?} has no value")),
            (key, Some('=')) => self.assign(key, values),
            (key, Some('[')) => self.indexed(key, values, depth),
            (key, Some('.')) => self.nested(key, values, depth + 1),
            (key, Some(_)) => error(format!("key {key:?} has no value (cannot end with ,)")),
        }
    }

    fn assign(&mut self, key: String, values: &mut Map<String, Value>) -> Parsed<()> {
        let (value, end) = self.value()?;
        put(values, key, value);
        if end { Err(Stop::End) } else { Ok(()) }
    }

    fn nested(&mut self, key: String, values: &mut Map<String, Value>, depth: usize) -> Parsed<()> {
        if depth > DEPTH_MAX {
            return error(format!("keys are nested deeper than {DEPTH_MAX} levels"));
        }
        let mut inner = match values.get_mut(&key) {
            Some(Value::Object(map)) => std::mem::take(map),
            Some(other) => return error(format!("{key:?} is {}, so it has no keys below", kind_of(other))),
            None => Map::new(),
        };
        let parsed = self.key(&mut inner, depth);
        if parsed.is_ok() && inner.is_empty() {
            return error(format!("key map {key:?} has no value"));
        }
        if !inner.is_empty() {
            put(values, key, Value::Object(inner));
        }
        parsed
    }

    fn indexed(&mut self, key: String, values: &mut Map<String, Value>, depth: usize) -> Parsed<()> {
        let index = self.index()?;
        let mut list = match values.get_mut(&key) {
            Some(Value::Array(items)) => std::mem::take(items),
            Some(other) => return error(format!("{key:?} is {}, not a list", kind_of(other))),
            None => Vec::new(),
        };
        let parsed = self.item(&mut list, index, depth);
        put(values, key, Value::Array(list));
        parsed
    }

    fn index(&mut self) -> Parsed<usize> {
        let (text, end) = self.until(&[']']);
        if end.is_none() {
            // Helm takes the missing bracket for the end of the text
            return Err(Stop::End);
        }
        let digits = text.strip_prefix('+').unwrap_or(&text);
        match digits.parse::<i64>() {
            Ok(index @ 0..) => Ok(usize::try_from(index).unwrap_or(usize::MAX)),
            Ok(index) => error(format!("negative {index} index not allowed")),
            Err(_) => error(format!("error parsing index: {text:?} is no number")),
        }
    }

    fn item(&mut self, list: &mut Vec<Value>, index: usize, depth: usize) -> Parsed<()> {
        match self.until(&['[', '.', '=']) {
            (text, _) if !text.is_empty() => error(format!("unexpected data at end of array index: {text:?}")),
            (_, Some('=')) => {
                let (value, _) = self.value()?;
                put_item(list, index, value)
            }
            (_, Some('[')) => {
                let inner_index = self.index()?;
                let mut inner = match list.get_mut(index) {
                    Some(Value::Array(items)) => items.clone(),
                    Some(Value::Null) | None => Vec::new(),
                    Some(other) => return error(format!("item {index} is {}, not a list", kind_of(other))),
                };
                self.item(&mut inner, inner_index, depth)?;
                put_item(list, index, Value::Array(inner))
            }
            (_, Some(_)) => {
                let mut inner = match list.get_mut(index) {
                    Some(Value::Object(map)) => map.clone(),
                    _ => Map::new(),
                };
                self.key(&mut inner, depth)?;
                put_item(list, index, Value::Object(inner))
            }
            (_, None) => Err(Stop::End),
        }
    }

    /// The value, and whether nothing may follow it.
    fn value(&mut self) -> Parsed<(Value, bool)> {
        match self.kind {
            ValueKind::Literal => Ok((Value::String(std::mem::take(&mut self.rest).to_owned()), false)),
            ValueKind::Json => self.json().map(|value| (value, false)),
            _ if self.rest.is_empty() => Ok((Value::String(String::new()), true)),
            _ if self.rest.starts_with('{') => self.list().map(|list| (list, false)),
            _ => {
                let text = self.until(&[',']).0;
                self.convert(text).map(|value| (value, false))
            }
        }
    }

    fn convert(&self, text: String) -> Parsed<Value> {
        match self.kind {
            ValueKind::Typed => Ok(typed(text)),
            ValueKind::File(read) => read(&text).map_err(Stop::Error),
            _ => Ok(Value::String(text)),
        }
    }

    /// `{a,b}`.
    fn list(&mut self) -> Parsed<Value> {
        self.next();
        let mut items = Vec::new();
        loop {
            let (text, end) = self.until(&[',', '}']);
            let Some(end) = end else { return error("list must terminate with '}'") };
            items.push(self.convert(text)?);
            if end == '}' {
                self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
                return Ok(Value::Array(items));
            }
        }
    }

    /// One JSON value and the comma behind it; null when there is none.
    fn json(&mut self) -> Parsed<Value> {
        if self.skip_to_comma() {
            return Ok(Value::Null);
        }
        // a scalar ends where it is complete, whatever follows
        let scalar = &self.rest[..scalar_end(self.rest)];
        let text = if scalar.is_empty() { self.rest } else { scalar };
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            Some(Err(reason)) => return error(format!("invalid JSON: {reason}")),
            None => Value::Null,
        };
        self.rest = &self.rest[values.byte_offset()..];
        self.skip_to_comma();
        Ok(super::values_file::float(value))
    }

    /// Takes blanks and one comma; whether there was nothing else before it.
    fn skip_to_comma(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        let before = self.rest.len();
        self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
        before == 0 || self.rest.len() < before
    }
}

/// The length of the number, `true`, `false` or `null` that a JSON text starts with.
fn scalar_end(text: &str) -> usize {
    let word = ["true", "false", "null"].into_iter().find(|word| text.starts_with(word));
    word.map_or_else(|| number_end(text.as_bytes()), str::len)
}

fn number_end(text: &[u8]) -> usize {
    let digits = |from: usize| text.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let mut end = usize::from(text.first() == Some(&b'-'));
    end += match text.get(end) {
        Some(b'0') => 1,
        Some(b'1'..=b'9') => digits(end),
        _ => return 0,
    };
    if text.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        end += 1 + sign + digits(end + 1 + sign);
    }
    end
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// An empty key is left out.
fn put(values: &mut Map<String, Value>, key: String, value: Value) {
    if !key.is_empty() {
        values.insert(key, value);
    }
}

fn put_item(list: &mut Vec<Value>, index: usize, value: Value) -> Parsed<()> {
    if index > INDEX_MAX {
        return error(format!("index of {index} is greater than maximum supported index of {INDEX_MAX}"));
    }
    if list.len() <= index {
        list.resize(index + 1, Value::Null);
    }
    list[index] = value;
    Ok(())
}

/// Whole numbers are `int64` in Go, not floats.
fn typed(text: String) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Null;
    }
    let whole = text == "0" || !text.starts_with('0');
    match text.parse::<i64>() {
        Ok(number) if whole => Value::from(number),
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(kind: ValueKind<'_>, text: &str, expected: Value) {
        let mut values = json!({"l": [1, {"a": 1}], "m": {"x": 1}, "s": "t"}).as_object().unwrap().clone();
        let before = values.clone();
        set(text, kind, &mut values).unwrap();
        values.retain(|key, value| before.get(key) != Some(value));
        assert_eq!(Value::Object(values), expected, "{text}");
    }

    #[test]
    fn texts_are_set_as_in_helm() {
        use ValueKind::{Json, Literal, Text, Typed};
        check(
            Typed,
            "a=1,b=x,c=true,d=null,e=1.5,f=007,g=0,h=-3",
            json!({"a": 1, "b": "x", "c": true, "d": null, "e": "1.5", "f": "007", "g": 0, "h": -3}),
        );
        check(Typed, "a.b.c=1,a.d=2", json!({"a": {"b": {"c": 1}, "d": 2}}));
        check(Typed, "a={1,x,null},b={},c=", json!({"a": [1, "x", null], "b": [""], "c": ""}));
        check(Typed, r"a=b\,c,d\.e=f,g=\\", json!({"a": "b,c", "d.e": "f", "g": "\\"}));
        check(Typed, "a[2]=x,a[0].b=c", json!({"a": [{"b": "c"}, null, "x"]}));
        check(Typed, "a[0][1]=x", json!({"a": [[null, "x"]]}));
        check(Typed, "l[0].n=2,m.y=2", json!({"l": [{"n": 2}, {"a": 1}], "m": {"x": 1, "y": 2}}));
        check(Typed, "=x,a=1", json!({"a": 1}));
        check(Typed, "", json!({}));
        check(Typed, "a=TRUE,b=Null", json!({"a": true, "b": null}));
        check(Typed, "a=+5", json!({"a": 5}));
        check(Typed, "b=1,a[=1", json!({"b": 1}));
        check(Typed, "a[0]", json!({"a": []}));
        check(Text, "a=1,b={true,2}", json!({"a": "1", "b": ["true", "2"]}));
        check(
            Json,
            r#"a=1,b={"x": [1,2]} , c="t",d=,e[1]=null"#,
            json!({"a": 1.0, "b": {"x": [1.0, 2.0]}, " c": "t", "d": null, "e": [null, null]}),
        );
        check(Json, "a=1.5x=true,b=007=1", json!({"a": 1.5, "x": true, "b": 0.0, "07": 1.0}));
        check(Literal, r"a.b=x,y={1}\", json!({"a": {"b": r"x,y={1}\"}}));
        check(Literal, "a[1]=x=y", json!({"a": [null, "x=y"]}));
        let read = |name: &str| if name == "f" { Ok(Value::from("content")) } else { Err(format!("no {name}")) };
        check(ValueKind::File(&read), "a=f,b={f}", json!({"a": "content", "b": ["content"]}));
    }

    #[test]
    fn bad_texts_are_refused() {
        let deep = "a.".repeat(31) + "b=1";
        for text in [
            "a",
            "a,b=1",
            "a.b",
            "a={1",
            "a[x]=1",
            "a[-1]=1",
            "a[99999]=1",
            "a[0]x=1",
            "s.x=1",
            "s[0]=1",
            "m[0]=1",
            "l[0][0]=1",
            &deep,
        ] {
            let mut values = json!({"l": [1], "m": {"x": 1}, "s": "t"}).as_object().unwrap().clone();
            assert!(set(text, ValueKind::Typed, &mut values).is_err(), "{text}");
        }
        assert!(set("a={", ValueKind::Json, &mut Map::new()).is_err());
    }
}
