//! Numbers, dates and times.

use super::{Parser, Wrong, quoted};
use crate::layout;
use crate::strconv::{parse_float, parse_int};
use crate::value::{Str, Time, Value};

/// The layouts of dates and times, and the zone that the reference gives those without one.
const LAYOUTS: [(&str, Option<&str>); 7] = [
    ("2006-01-02T15:04:05.999999999Z07:00", None),
    ("2006-01-02T15:04:05.999999999", Some("datetime-local")),
    ("2006-01-02", Some("date-local")),
    ("15:04:05.999999999", Some("time-local")),
    ("2006-01-02T15:04Z07:00", None),
    ("2006-01-02T15:04", Some("datetime-local")),
    ("15:04", Some("time-local")),
];

impl Parser<'_, '_, '_> {
    pub(super) fn number_or_date(&mut self) -> Result<Value, Wrong> {
        let rest = self.rest();
        let unsigned = rest.trim_start_matches(['+', '-']);
        for word in ["inf", "nan"] {
            if unsigned.starts_with(word) {
                let length = rest.len() - unsigned.len() + word.len();
                let value = special(&rest[..length]);
                self.at += length;
                return Ok(Value::float(value));
            }
        }
        let bytes = rest.as_bytes();
        let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 && matches!(bytes.get(digits), Some(b'-' | b':')) {
            return self.date();
        }
        self.number()
    }

    fn number(&mut self) -> Result<Value, Wrong> {
        let rest = self.rest();
        let signed = rest.starts_with(['+', '-']);
        let body = &rest[usize::from(signed)..];
        if !body.starts_with(|c: char| c.is_ascii_digit()) {
            let dotted = body.starts_with('.');
            return self.no_digit(signed, dotted);
        }
        let prefixed = ["0x", "0o", "0b"].iter().any(|prefix| body.starts_with(prefix));
        if signed && prefixed {
            let message = format!("cannot use sign with non-decimal numbers: '{}'", &rest[..3]);
            return Err(Wrong::Here(message));
        }
        let (radix, name) = match body.as_bytes().get(1) {
            Some(b'x') if prefixed => (16, "a hexadecimal"),
            Some(b'o') if prefixed => (8, "an octal"),
            Some(b'b') if prefixed => (2, "a binary"),
            _ => (10, ""),
        };
        if prefixed && !body[2..].starts_with(|c: char| c.is_digit(radix)) {
            let found = body[2..].chars().next().unwrap_or('\0');
            return Err(Wrong::Token(format!("not {name} number: '{}{found}'", &body[..2])));
        }
        let fits = |c: char| c.is_digit(radix) || c == '_' || (!prefixed && matches!(c, '.' | 'e' | 'E' | '+' | '-'));
        let start = if prefixed { 2 } else { usize::from(signed) };
        let length = start + rest[start..].find(|c| !fits(c)).unwrap_or(rest.len() - start);
        let text = rest[..length].to_owned();
        self.at += length;
        if !prefixed && text.contains(['.', 'e', 'E']) { float(&text) } else { integer(&text) }
    }

    fn no_digit(&mut self, signed: bool, dotted: bool) -> Result<Value, Wrong> {
        if dotted {
            return Err(Wrong::Here("floats must start with a digit, not '.'".to_owned()));
        }
        if signed {
            self.at += 1;
            return Err(Wrong::Here(format!("expected a digit but got {}", self.shown())));
        }
        self.boolean()
    }

    fn date(&mut self) -> Result<Value, Wrong> {
        let rest = self.rest();
        let fits = |c: char| c.is_ascii_digit() || "-:Tt .Zz+".contains(c);
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        let written = rest[..length].trim_end().to_owned();
        self.at += length;
        let text = written.replace('z', "Z").replace(['t', ' '], "T");
        let read = LAYOUTS.iter().find_map(|(form, zone)| Some((form, zone, layout::parse(form, &text).ok()?)));
        match read.filter(|(form, ..)| has_leading_zeros(&text, form)) {
            Some((_, Some(zone), time)) => Ok(Value::Time(Time { zone: Str::from(*zone), ..time }.into())),
            Some((_, None, time)) => Ok(Value::Time(time.into())),
            None => Err(Wrong::Token(format!("invalid datetime: {}", quoted(&text)))),
        }
    }
}

/// Go's layouts take a single digit where two are written.
fn has_leading_zeros(text: &str, form: &str) -> bool {
    let end = form.find(['.', 'Z']).unwrap_or(form.len());
    let fixed = |(c, given): (u8, Option<u8>)| c.is_ascii_digit() || given == Some(c);
    form.as_bytes()[..end].iter().enumerate().all(|(i, c)| fixed((*c, text.as_bytes().get(i).copied())))
}

fn special(text: &str) -> f64 {
    let size = if text.ends_with("inf") { f64::INFINITY } else { f64::NAN };
    if text.starts_with('-') { -size } else { size }
}

fn has_leading_zero(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let second = digits.as_bytes().get(1);
    let decimal = !matches!(second, Some(b'b' | b'o' | b'x'));
    second.is_some() && digits.starts_with('0') && decimal
}

/// Every underscore stands between digits.
fn has_good_underscores(text: &str) -> bool {
    let mut digit = false;
    for c in text.chars() {
        if c == '_' && !digit {
            return false;
        }
        digit = c.is_ascii_hexdigit();
    }
    digit
}

fn integer(text: &str) -> Result<Value, Wrong> {
    let invalid = |reason: &str| Wrong::Token(format!("Invalid integer {}: {reason}", quoted(text)));
    if !has_good_underscores(text) {
        return Err(invalid("underscores must be surrounded by digits"));
    }
    if has_leading_zero(text) {
        return Err(invalid("cannot have leading zeroes"));
    }
    let number = parse_int(text).ok_or_else(|| Wrong::Token(format!("{text} is out of range for int64")))?;
    Ok(Value::int64(number))
}

fn float(text: &str) -> Result<Value, Wrong> {
    let invalid = |reason: &str| Wrong::Token(format!("Invalid float {}: {reason}", quoted(text)));
    let parts: Vec<&str> = text.split(['.', 'e', 'E']).filter(|part| !part.is_empty()).collect();
    if !parts.iter().all(|part| has_good_underscores(part)) {
        return Err(invalid("underscores must be surrounded by digits"));
    }
    if parts.first().is_some_and(|first| has_leading_zero(first)) {
        return Err(invalid("cannot have leading zeroes"));
    }
    if text.split('.').skip(1).any(|part| !part.starts_with(|c: char| c.is_ascii_digit())) {
        return Err(invalid("'.' must be followed by one or more digits"));
    }
    let plain = text.replace('_', "");
    let number = parse_float(&plain);
    number.map(Value::float).ok_or_else(|| Wrong::Token(format!("Invalid float value: {}", quoted(text))))
}
