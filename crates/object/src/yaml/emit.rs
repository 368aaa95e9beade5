//! Text as `go-yaml` v2 writes it: what `sigs.k8s.io/yaml`, `kubectl -o yaml`, Helm and Kustomize print. And as v3 does.
//!
//! Block style, two spaces, keys in natural order. v2 does not indent lists under their key, and folds lines behind
//! column 80.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::resolve::resolves_to_text_in_v2;

const WIDTH: usize = 80;
const STEP: usize = 2;
/// Longer keys are written as `? key`.
const SIMPLE_KEY_MAX: usize = 128;

/// Which go-yaml writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V2,
    V3,
}

/// The document of one value, with a final newline.
pub fn to_string(value: &Value) -> String {
    document(value, Version::V2)
}

/// The document of one value as go-yaml v3 writes it with an indentation of two, with a final newline.
pub fn to_string_v3(value: &Value) -> String {
    document(value, Version::V3)
}

fn document(value: &Value, version: Version) -> String {
    let mut emitter = Emitter::new(version);
    emitter.node(value, None, false);
    if !emitter.out.ends_with('\n') {
        emitter.out.push('\n');
    }
    emitter.out
}

/// A text on one line, never folded, with the quotes that go-yaml would choose.
pub(crate) fn inline_text(text: &str) -> String {
    let mut emitter = Emitter::new(Version::V2);
    emitter.text(text, 0, true);
    emitter.out
}

/// The keys of a mapping in the order of go-yaml: runs of digits count as numbers.
pub fn sorted_keys(map: &Map<String, Value>) -> Vec<&String> {
    ordered_keys(map, Version::V2)
}

fn ordered_keys(map: &Map<String, Value>, version: Version) -> Vec<&String> {
    let mut keys: Vec<&String> = map.keys().collect();
    // The order is not transitive for odd mixtures of digits and letters, so no library sort may be trusted with it.
    keys.sort();
    merge_sort(&mut keys, version);
    keys
}

fn merge_sort(keys: &mut [&String], version: Version) {
    if keys.len() < 2 {
        return;
    }
    let middle = keys.len() / 2;
    let (left, right) = keys.split_at_mut(middle);
    merge_sort(left, version);
    merge_sort(right, version);
    let (left, right) = (left.to_vec(), right.to_vec());
    let (mut i, mut j) = (0, 0);
    for slot in keys {
        let take_right = i == left.len() || (j < right.len() && natural_less(right[j], left[i], version));
        if take_right {
            *slot = right[j];
            j += 1;
        } else {
            *slot = left[i];
            i += 1;
        }
    }
}

/// Whether `a` comes before `b` (go-yaml `sorter.go`).
fn natural_less(a: &str, b: &str, version: Version) -> bool {
    if a.is_ascii() && b.is_ascii() {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        return less(a.len(), b.len(), |i| char::from(a[i]), |i| char::from(b[i]), version);
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    less(a.len(), b.len(), |i| a[i], |i| b[i], version)
}

fn less(a_len: usize, b_len: usize, a: impl Fn(usize) -> char, b: impl Fn(usize) -> char, version: Version) -> bool {
    let Some(i) = (0..a_len.min(b_len)).find(|i| a(*i) != b(*i)) else { return a_len < b_len };
    match (a(i).is_alphabetic(), b(i).is_alphabetic()) {
        (true, true) => return a(i) < b(i),
        (true, false) | (false, true) => {
            let behind_digit = i > 0 && a(i - 1).is_numeric();
            let letter = if version == Version::V3 && behind_digit { a(i) } else { b(i) };
            return letter.is_alphabetic();
        }
        _ => {}
    }
    let zero = a(i) == '0' || b(i) == '0';
    let started = zero && (0..i).rev().take_while(|j| is_digit(a(*j))).any(|j| a(j) != '0');
    let (a_number, a_end) = number(i, a_len, i64::from(started), &a);
    let (b_number, b_end) = number(i, b_len, i64::from(started), &b);
    match a_number.cmp(&b_number).then(a_end.cmp(&b_end)) {
        Ordering::Equal => a(i) < b(i),
        order => order == Ordering::Less,
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn number(start: usize, len: usize, first: i64, at: &impl Fn(usize) -> char) -> (i64, usize) {
    let mut value = first;
    let mut end = start;
    while end < len && is_digit(at(end)) {
        value = value.wrapping_mul(10).wrapping_add(i64::from(at(end) as u32) - i64::from(b'0'));
        end += 1;
    }
    (value, end)
}

struct Emitter {
    out: String,
    /// In characters.
    column: usize,
    /// The last character was white space that separates tokens.
    whitespace: bool,
    /// Only indentation and indicators so far on this line.
    indention: bool,
    version: Version,
}

impl Emitter {
    fn new(version: Version) -> Self {
        Self { out: String::new(), column: 0, whitespace: true, indention: true, version }
    }

    /// Lines longer than this are folded.
    fn width(&self) -> usize {
        if self.version == Version::V2 { WIDTH } else { usize::MAX }
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn indent_to(&mut self, indent: usize) {
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn indicator(&mut self, text: &str, space_before: bool, keeps_indention: bool) {
        if space_before && !self.whitespace {
            self.put(' ');
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = false;
        self.indention = self.indention && keeps_indention;
    }

    /// `indent` is the column of the enclosing collection, none at the root.
    fn node(&mut self, value: &Value, indent: Option<usize>, in_mapping: bool) {
        match value {
            Value::Null => self.plain("null", deeper(indent), true),
            Value::Bool(flag) => self.plain(if *flag { "true" } else { "false" }, deeper(indent), true),
            Value::Number(number) => self.plain(&number_text(number, self.version), deeper(indent), true),
            Value::String(text) => self.text(text, deeper(indent), false),
            Value::Array(items) if items.is_empty() => self.indicator_pair("[]"),
            Value::Object(map) if map.is_empty() => self.indicator_pair("{}"),
            Value::Array(items) => self.list(items, indent, in_mapping),
            Value::Object(map) => self.mapping(map, indent),
        }
    }

    fn indicator_pair(&mut self, text: &str) {
        self.indicator(text, true, false);
    }

    fn list(&mut self, items: &[Value], indent: Option<usize>, in_mapping: bool) {
        let own = match indent {
            None => 0,
            Some(outer) if in_mapping && !self.indention && self.version == Version::V2 => outer,
            Some(outer) => outer + STEP,
        };
        for item in items {
            self.indent_to(own);
            self.indicator("-", true, true);
            self.node(item, Some(own), false);
        }
    }

    fn mapping(&mut self, map: &Map<String, Value>, indent: Option<usize>) {
        let own = indent.map_or(0, |outer| outer + STEP);
        for key in ordered_keys(map, self.version) {
            self.indent_to(own);
            if is_simple_key(key) {
                self.text(key, own + STEP, true);
                self.indicator(":", false, false);
            } else {
                self.indicator("?", true, true);
                self.text(key, own + STEP, false);
                self.indent_to(own);
                self.indicator(":", true, true);
            }
            self.node(&map[key], Some(own), true);
        }
    }

    fn text(&mut self, text: &str, indent: usize, is_key: bool) {
        let shape = Shape::of(text, self.version);
        match shape.style(text, is_key) {
            Style::Plain => self.plain(text, indent, !is_key),
            Style::Single => self.single_quoted(text, indent, !is_key),
            Style::Double => self.double_quoted(text, indent, !is_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    fn plain(&mut self, text: &str, indent: usize, fold: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        self.folded(text, indent, fold, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn single_quoted(&mut self, text: &str, indent: usize, fold: bool) {
        self.indicator("'", true, false);
        self.folded(text, indent, fold, true);
        self.indicator("'", false, false);
    }

    /// Plain and single-quoted text: breaks at single spaces behind the width, breaks in the text are doubled.
    fn folded(&mut self, text: &str, indent: usize, fold: bool, quoted: bool) {
        let (mut spaces, mut breaks) = (false, false);
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c == ' ' {
                let next_is_space = chars.peek().is_some_and(|(_, c)| *c == ' ');
                let inner = !quoted || (at > 0 && at + 1 < text.len());
                if fold && !spaces && self.column > self.width() && inner && !next_is_space {
                    self.indent_to(indent);
                } else {
                    self.put(c);
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.put_break();
                }
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.indent_to(indent);
                }
                if quoted && c == '\'' {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                (spaces, breaks) = (false, false);
            }
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, fold: bool) {
        self.indicator("\"", true, false);
        // go-yaml looks for a byte order mark at the start of the text for every character of it
        let escape_all = text.starts_with('\u{feff}');
        let mut spaces = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if escape_all || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                self.escaped(c);
                spaces = false;
            } else if c == ' ' {
                if fold && !spaces && self.column > self.width() && at > 0 && at + 1 < text.len() {
                    self.indent_to(indent);
                    if chars.peek().is_some_and(|(_, c)| *c == ' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(c);
                }
                spaces = true;
            } else {
                self.put(c);
                spaces = false;
            }
        }
        self.indicator("\"", false, false);
    }

    fn escaped(&mut self, c: char) {
        let short = match c {
            '\0' => "0",
            '\x07' => "a",
            '\x08' => "b",
            '\t' => "t",
            '\n' => "n",
            '\x0b' => "v",
            '\x0c' => "f",
            '\r' => "r",
            '\x1b' => "e",
            '"' => "\"",
            '\\' => "\\",
            '\u{85}' => "N",
            '\u{a0}' => "_",
            '\u{2028}' => "L",
            '\u{2029}' => "P",
            _ => "",
        };
        let text = match (short, c as u32) {
            ("", code @ ..=0xff) => format!("\\x{code:02X}"),
            ("", code @ ..=0xffff) => format!("\\u{code:04X}"),
            ("", code) => format!("\\U{code:08X}"),
            (short, _) => format!("\\{short}"),
        };
        text.chars().for_each(|c| self.put(c));
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.indicator("|", true, false);
        if text.starts_with(|c: char| c == ' ' || is_break(c)) {
            self.indicator("2", false, false);
        }
        let mut back = text.chars().rev();
        match (back.next().is_some_and(is_break), back.next().is_none_or(is_break)) {
            (false, _) => self.indicator("-", false, false),
            (true, true) => self.indicator("+", false, false),
            (true, false) => {}
        }
        self.put_break();
        (self.indention, self.whitespace) = (true, true);
        let mut breaks = true;
        for c in text.chars() {
            if is_break(c) {
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.indent_to(indent);
                }
                self.put(c);
                self.indention = false;
                breaks = false;
            }
        }
    }

    fn write_break(&mut self, c: char) {
        if c == '\n' {
            self.put_break();
        } else {
            self.out.push(c);
            self.column = 0;
        }
    }
}

fn deeper(indent: Option<usize>) -> usize {
    indent.map_or(STEP, |outer| outer + STEP)
}

fn is_simple_key(key: &str) -> bool {
    key.len() <= SIMPLE_KEY_MAX && !key.contains(is_break)
}

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// What a text allows (libyaml's analysis of a scalar).
#[derive(Default)]
struct Shape {
    plain: bool,
    single: bool,
    block: bool,
    multiline: bool,
}

impl Shape {
    fn of(text: &str, version: Version) -> Self {
        if text.is_empty() {
            return Self { plain: true, single: true, block: false, multiline: false };
        }
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut line_breaks, mut break_space, mut space_break) = (false, false, false, false);
        let mut tabs = false;
        let (mut after_blank, mut after_space, mut after_break) = (true, false, false);
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            let before_blank = chars.peek().is_none_or(|c| matches!(c, ' ' | '\t'));
            indicators |= match c {
                '#' => first || after_blank,
                ':' => before_blank,
                '?' | '-' => first && before_blank,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => first,
                _ => false,
            };
            let tab = c == '\t' && version == Version::V3;
            tabs |= tab;
            special |= !is_printable(c) && !tab;
            line_breaks |= is_break(c);
            break_space |= c == ' ' && after_break;
            space_break |= is_break(c) && after_space;
            (after_space, after_break) = (c == ' ', is_break(c));
            after_blank = matches!(c, ' ' | '\t') || is_break(c);
            first = false;
        }
        let outer = |c: Option<char>| c.is_some_and(|c| c == ' ' || is_break(c));
        let edges = outer(text.chars().next()) || outer(text.chars().last());
        let bad = space_break || special;
        Self {
            plain: !(edges || break_space || bad || tabs || line_breaks || indicators),
            single: !(break_space || bad || tabs),
            block: !(text.ends_with(' ') || bad),
            multiline: line_breaks,
        }
    }

    fn style(&self, text: &str, is_key: bool) -> Style {
        if text.contains('\n') {
            return if self.block && !is_key { Style::Literal } else { Style::Double };
        }
        if !resolves_to_text_in_v2(text) || (is_key && self.multiline) {
            return Style::Double;
        }
        match (self.plain && !(text.is_empty() && is_key), self.single) {
            (true, _) => Style::Plain,
            (false, true) => Style::Single,
            (false, false) => Style::Double,
        }
    }
}

/// A number as it comes out of Go's JSON encoder and then go-yaml v2, or out of go-yaml v3 alone.
fn number_text(number: &Number, version: Version) -> String {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(n), _, _) => n.to_string(),
        (_, Some(n), _) => n.to_string(),
        (_, _, Some(f)) if version == Version::V3 => shortest_float(f),
        (_, _, Some(f)) => {
            let json = json_float(f);
            // integers that fit stay integers, -0 among them; all others are printed as floats are
            match (json.parse::<i64>(), json.parse::<u64>()) {
                (Ok(n), _) => n.to_string(),
                (_, Ok(n)) => n.to_string(),
                _ => shortest_float(f),
            }
        }
        _ => number.to_string(),
    }
}

/// A float as Go's `encoding/json` writes it: the exponent form below 1e-6 and from 1e21 on.
pub fn json_float(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".to_owned() } else { "0".to_owned() };
    }
    if !(1e-6..1e21).contains(&size) {
        return exponent_form(value, 1);
    }
    format!("{value}")
}

/// Go's `FormatFloat(value, 'g', -1, 64)`.
pub fn shortest_float(value: f64) -> String {
    let size = value.abs();
    if value != 0.0 && !(1e-4..1e6).contains(&size) {
        let text = exponent_form(value, 2);
        // the limit of the plain form is on the exponent: 999999.95 has exponent 5
        let exponent: i32 = text.rsplit('e').next().and_then(|e| e.parse().ok()).unwrap_or_default();
        if !(-4..6).contains(&exponent) {
            return text;
        }
    }
    format!("{value}")
}

fn exponent_form(value: f64, digits: usize) -> String {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{exponent:0>digits$}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: &Value, expected: &str) {
        assert_eq!(to_string(value), expected);
    }

    #[test]
    fn collections() {
        let value = json!({"b": [1, {"x": 1, "y": []}], "a": {}, "c": [[1, 2], []], "n": null});
        check(&value, "a: {}\nb:\n- 1\n- x: 1\n  \"y\": []\nc:\n- - 1\n  - 2\n- []\n\"n\": null\n");
        check(&json!([{"a": {"b": 1}}]), "- a:\n    b: 1\n");
        check(&json!("x"), "x\n");
    }

    #[test]
    fn scalars_that_need_quotes() {
        for (text, expected) in [
            ("", "\"\""),
            ("yes", "\"yes\""),
            ("12", "\"12\""),
            ("1:30", "\"1:30\""),
            ("2001-01-01", "\"2001-01-01\""),
            ("1e3", "\"1e3\""),
            ("0x", "0x"),
            ("08", "\"08\""),
            ("1e400", "1e400"),
            ("<<", "<<"),
            ("=", "="),
            ("a: b", "'a: b'"),
            ("- x", "'- x'"),
            ("-x", "-x"),
            ("it's", "it's"),
            ("'q'", "'''q'''"),
            (" x", "' x'"),
            ("a\tb", "\"a\\tb\""),
            ("a\nb\n", "|\n  a\n  b"),
            ("a\nb", "|-\n  a\n  b"),
            ("a\n\n", "|+\n  a\n"),
            ("\n a", "|2-\n\n   a"),
            ("a \nb", "\"a \\nb\""),
            ("😀", "\"\\U0001F600\""),
            ("ä", "ä"),
        ] {
            check(&Value::String(text.into()), &format!("{expected}\n"));
        }
    }

    #[test]
    fn long_lines_fold_at_single_spaces() {
        let words = ["abcdefghi"; 10].join(" ");
        let folded = format!("k: {}\n  abcdefghi abcdefghi\n", ["abcdefghi"; 8].join(" "));
        check(&json!({"k": words}), &folded);
        let double = words.replace(' ', "  ");
        check(&json!({"k": double}), &format!("k: {double}\n"));
    }

    #[test]
    fn keys_sort_naturally() {
        let value = json!({"c10": 1, "c9": 1, "a": 1, "C1": 1, "1a": 1, "_u": 1, "-d": 1});
        check(&value, "-d: 1\n_u: 1\n1a: 1\nC1: 1\na: 1\nc9: 1\nc10: 1\n");
    }

    #[test]
    fn long_keys_are_explicit() {
        let key = "k".repeat(129);
        check(&json!({ key.clone(): {"a": 1} }), &format!("? {key}\n: a: 1\n"));
    }

    #[test]
    fn numbers() {
        for (value, expected) in [
            (json!(1.0), "1"),
            (json!(1e23), "1e+23"),
            (json!(-0.0), "0"),
            (json!(0.5), "0.5"),
            (json!(1_234_567.5), "1.2345675e+06"),
            (json!(0.00001), "1e-05"),
            (json!(u64::MAX), "18446744073709551615"),
            (json!(12_345_678_901_234_567_890_f64), "12345678901234567000"),
        ] {
            check(&value, &format!("{expected}\n"));
        }
    }
}
