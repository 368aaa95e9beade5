//! From nodes to JSON values: which plain scalars are numbers, booleans or nothing.

use serde_json::{Map, Number, Value};

use super::node::{Mark, Node, NodeKind, Style, YamlError};

/// Whose rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `sigs.k8s.io/yaml` 1.4+ (go-yaml v2): what kubectl, Helm values and API servers read. `yes` and `on` are true.
    Kubernetes,
    /// `go-yaml` v3 into untyped values: what Kustomize reads. `yes` and `on` are texts.
    GoYaml3,
}

/// The JSON value of a node. Repeated keys: the last wins. Merge keys (`<<`) are applied.
///
/// # Errors
/// When a key is no scalar, a number is not finite, or a tag does not fit.
pub fn to_value(node: &Node, dialect: Dialect) -> Result<Value, YamlError> {
    match &node.kind {
        NodeKind::Alias(_, node) => to_value(node, dialect),
        NodeKind::Sequence(items) => {
            Ok(Value::Array(items.iter().map(|i| to_value(i, dialect)).collect::<Result<_, _>>()?))
        }
        NodeKind::Mapping(pairs) => mapping(pairs, dialect),
        NodeKind::Scalar(text) => scalar(text, node.tag.as_deref(), node.style, node.start, dialect),
    }
}

fn mapping(pairs: &[(Node, Node)], dialect: Dialect) -> Result<Value, YamlError> {
    let mut map = Map::new();
    // keys of merged mappings never replace own ones, wherever `<<` stands
    for (_, value) in pairs.iter().filter(|(k, _)| is_merge(k)) {
        merge(&mut map, value, dialect)?;
    }
    for (key, value) in pairs.iter().filter(|(k, _)| !is_merge(k)) {
        let text = key_text(to_value(key, dialect)?, dialect);
        let text = text.ok_or_else(|| YamlError::at(key.start, "a key must be a text, number or boolean"))?;
        map.insert(text, to_value(value, dialect)?);
    }
    Ok(Value::Object(map))
}

fn is_merge(key: &Node) -> bool {
    key.style == Style::Plain && key.tag.is_none() && matches!(&key.kind, NodeKind::Scalar(text) if text == "<<")
}

fn merge(map: &mut Map<String, Value>, node: &Node, dialect: Dialect) -> Result<(), YamlError> {
    match to_value(node, dialect)? {
        Value::Object(other) => other.into_iter().for_each(|(k, v)| {
            map.entry(k).or_insert(v);
        }),
        Value::Array(_) => {
            for item in node.items() {
                merge(map, item, dialect)?;
            }
        }
        _ => return Err(YamlError::at(node.start, "map merge requires map or sequence of maps as the value")),
    }
    Ok(())
}

/// Keys become texts the way `sigs.k8s.io/yaml` converts them for JSON; nothing for keys that cannot.
pub(super) fn key_text(key: Value, dialect: Dialect) -> Option<String> {
    match key {
        Value::String(text) => Some(text),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) if number.is_f64() => Some(number.as_f64().map(short_float).unwrap_or_default()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null if dialect == Dialect::GoYaml3 => Some("null".to_owned()),
        _ => None,
    }
}

/// The text that a float becomes where `sigs.k8s.io/yaml` needs one: Go's `FormatFloat(x, 'g', -1, 32)`.
pub fn short_float(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Go rounds here as well")]
    let value = value as f32;
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>().unwrap_or_default() {
        -4..=5 => value.to_string(),
        exponent => format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

fn scalar(text: &str, tag: Option<&str>, style: Style, start: Mark, dialect: Dialect) -> Result<Value, YamlError> {
    let string = || Ok(Value::String(text.to_owned()));
    match tag.map(|t| t.strip_prefix("tag:yaml.org,2002:").unwrap_or(t)) {
        Some("str" | "binary" | "timestamp") => string(),
        Some("null") => Ok(Value::Null),
        Some("bool") => boolean(text, Dialect::Kubernetes)
            .map(Value::Bool)
            .ok_or_else(|| YamlError::at(start, "the text that !!bool is for is no boolean")),
        Some("float") => float(text)
            .and_then(Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| YamlError::at(start, "the text that !!float is for is no finite number")),
        Some("int") => integer(text)
            .map(Value::Number)
            .ok_or_else(|| YamlError::at(start, "the text that !!int is for is no integer")),
        Some(_) => string(),
        None if style != Style::Plain => string(),
        None => plain(text, start, dialect),
    }
}

/// What a plain scalar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarKind {
    Null,
    Bool,
    Int,
    Float,
    /// A date, with or without a time.
    Timestamp,
    Text,
}

/// What an unquoted scalar without a tag is in `dialect`.
pub fn resolve_plain(text: &str, dialect: Dialect) -> ScalarKind {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return ScalarKind::Null;
    }
    if boolean(text, dialect).is_some() {
        return ScalarKind::Bool;
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return ScalarKind::Text;
    }
    if timestamp(text).is_some() {
        ScalarKind::Timestamp
    } else if integer(text).is_some() {
        ScalarKind::Int
    } else if float(text).is_some() {
        ScalarKind::Float
    } else {
        ScalarKind::Text
    }
}

/// The value of an unquoted scalar without a tag; none for numbers that are not finite.
pub fn scalar_value(text: &str, dialect: Dialect) -> Option<Value> {
    plain(text, Mark::default(), dialect).ok()
}

/// Whether go-yaml v2 reads the unquoted text as a text, and YAML 1.1 does not see a base-60 number in it.
pub(super) fn resolves_to_text_in_v2(text: &str) -> bool {
    resolve_plain(text, Dialect::Kubernetes) == ScalarKind::Text && !is_base60(text)
}

/// `1:30`, `-1:30.5`.
fn is_base60(text: &str) -> bool {
    let mut parts = text.strip_prefix(['+', '-']).unwrap_or(text).split(':');
    let first = parts.next().unwrap_or_default();
    if !first.starts_with(|c: char| c.is_ascii_digit()) || !first.chars().all(|c| c.is_ascii_digit() || c == '_') {
        return false;
    }
    let parts: Vec<&str> = parts.collect();
    let is_sixtieth = |part: &str| match part.as_bytes() {
        [d] => d.is_ascii_digit(),
        [t, d] => (b'0'..=b'5').contains(t) && d.is_ascii_digit(),
        _ => false,
    };
    let Some((last, inner)) = parts.split_last() else { return false };
    let last = last.split_once('.').map_or(Some(*last), |(whole, fraction)| {
        fraction.chars().all(|c| c.is_ascii_digit() || c == '_').then_some(whole)
    });
    inner.iter().all(|p| is_sixtieth(p)) && last.is_some_and(is_sixtieth)
}

/// The RFC 3339 text of a YAML timestamp as Go's JSON encoder writes the time that go-yaml reads from it.
pub fn timestamp(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let date_end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let (date, rest) = text.split_at(date_end);
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, short_number(parts.next()?)?, short_number(parts.next()?)?);
    if parts.next().is_some() {
        return None;
    }
    let date = jiff::civil::Date::new(year.parse().ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    if rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let (separator, rest) = rest.split_at(1);
    let zone_start = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone_start);
    let zone = match (separator, zone) {
        (" ", "") => "Z",
        (" ", _) | (_, "") => return None,
        (_, zone) => zone,
    };
    is_zone(zone).then_some(())?;
    Some(format!("{date}T{}{}", clock_time(time)?, if zone == "+00:00" { "Z" } else { zone }))
}

fn short_number(text: &str) -> Option<u8> {
    (matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_zone(zone: &str) -> bool {
    match zone.as_bytes() {
        [b'Z'] => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|d| d.is_ascii_digit()),
        _ => false,
    }
}

fn clock_time(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once(['.', ',']).map_or((text, ""), |(w, f)| (w, f));
    let mut parts = whole.split(':').map(short_number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let digits = fraction.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || !digits {
        return None;
    }
    let fraction: String = fraction.chars().take(9).collect();
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{hour:02}:{minute:02}:{second:02}{dot}{fraction}"))
}

fn plain(text: &str, start: Mark, dialect: Dialect) -> Result<Value, YamlError> {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Ok(Value::Null);
    }
    if let Some(flag) = boolean(text, dialect) {
        return Ok(Value::Bool(flag));
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Ok(Value::String(text.to_owned()));
    }
    if let Some(time) = timestamp(text) {
        // go-yaml v2 gives dates as the text that was written
        return Ok(Value::String(if dialect == Dialect::GoYaml3 { time } else { text.to_owned() }));
    }
    if let Some(number) = integer(text) {
        return Ok(Value::Number(number));
    }
    match float(text) {
        Some(value) => match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(YamlError::at(start, format!("{text} cannot be written as JSON"))),
        },
        None => Ok(Value::String(text.to_owned())),
    }
}

fn boolean(text: &str, dialect: Dialect) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ if dialect == Dialect::GoYaml3 => None,
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => Some(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => Some(false),
        _ => None,
    }
}

/// Decimal, `0x`, `0o`, `0b`, and a leading zero as octal, with underscores between digits: Go's `ParseInt` with base 0.
fn integer(text: &str) -> Option<Number> {
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let size = u64::from_str_radix(digits, base).ok()?;
    if negative { Some(Number::from(0i64.checked_sub_unsigned(size)?)) } else { Some(Number::from(size)) }
}

fn float(text: &str) -> Option<f64> {
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    match plain.as_str() {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or_default();
    let shaped = mantissa.chars().all(|c| c.is_ascii_digit() || c == '.')
        && mantissa.chars().any(|c| c.is_ascii_digit())
        && mantissa.matches('.').count() <= 1;
    // beyond the range of a float it stays a text, as in go-yaml
    if shaped { plain.parse().ok().filter(|f: &f64| f.is_finite()) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{documents, value};
    use super::*;

    #[test]
    fn scalars_resolve_as_in_go() {
        let yaml = "[yes, on, 0644, 0o644, 1_000, 0x1F, y, 0b11, -5, 1e3, 1.5, ~, '1', .5, 1.2.3, 0.1.0, 18446744073709551615, -, 1e400]";
        let expected = json!([
            true,
            true,
            420,
            420,
            1000,
            31,
            true,
            3,
            -5,
            1000.0,
            1.5,
            null,
            "1",
            0.5,
            "1.2.3",
            "0.1.0",
            18_446_744_073_709_551_615_u64,
            "-",
            "1e400"
        ]);
        // `-` alone is not valid in a flow list
        let yaml = yaml.replace(" -,", " '-',");
        assert_eq!(value(&yaml).unwrap(), expected);
        let three = documents("a: yes\nb: 0644\nc: true", Dialect::GoYaml3).unwrap();
        assert_eq!(three[0].value, json!({"a": "yes", "b": 420, "c": true}));
    }

    #[test]
    fn anchors_and_merge_keys() {
        let yaml = "a: &a {x: 1, z: 2}\nb:\n  <<: *a\n  z: 3\n";
        assert_eq!(value(yaml).unwrap(), json!({"a": {"x": 1, "z": 2}, "b": {"x": 1, "z": 3}}));
    }

    #[test]
    fn documents_know_their_line_and_empty_ones_go() {
        let all = documents("# c\n---\n---\na: 1\n---\n\nb: 2\n", Dialect::Kubernetes).unwrap();
        assert_eq!(all.iter().map(|d| d.line).collect::<Vec<_>>(), [4, 7]);
    }

    #[test]
    fn errors_name_line_and_column() {
        let error = value("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert_eq!(error.mark.line, 3, "{error}");
        assert!(value("a: *none").unwrap_err().to_string().contains("unknown anchor"));
    }

    #[test]
    fn bombs_end_in_an_error() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 9].join(", ");
            laughs += &format!("a{i}: &a{i} [{refs}]\n");
        }
        assert!(value(&laughs).unwrap_err().reason.contains("aliases stand for"));
        assert!(value(&"[".repeat(100_000)).unwrap_err().reason.contains("nested deeper"));
    }

    #[test]
    fn an_unterminated_block_scalar_keeps_its_value() {
        assert_eq!(value("a: |\n  x").unwrap(), json!({"a": "x"}));
        assert_eq!(value("a: |\n  x\n").unwrap(), json!({"a": "x\n"}));
    }

    #[test]
    fn marks_are_byte_offsets() {
        let text = "ä: 1\nb: [x, 'ÿ', z]\n";
        let nodes = super::super::parse(text).unwrap();
        for node in nodes[0].get("b").unwrap().items() {
            let written = &text[node.start.index..node.end.index];
            assert_eq!(written.trim_matches('\''), node.as_str().unwrap());
        }
    }

    #[test]
    fn numbers_become_the_texts_of_go() {
        for (value, expected) in [
            (1.1, "1.1"),
            (1000.0, "1000"),
            (100_000.0, "100000"),
            (1_234_567.5, "1.2345675e+06"),
            (1e21, "1e+21"),
            (1e6, "1e+06"),
            (999_999.0, "999999"),
            (0.000_01, "1e-05"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(short_float(value), expected);
        }
    }

    #[test]
    fn keys_become_texts() {
        let keys = |text: &str, dialect| Ok::<_, YamlError>(documents(text, dialect)?[0].value.clone());
        let expected = json!({"1.5": 0, "1000": 0, "true": 0, "8": 0});
        assert_eq!(keys("{1.5: 0, 1e3: 0, yes: 0, 010: 0}", Dialect::Kubernetes).unwrap(), expected);
        assert!(keys("~: 0", Dialect::Kubernetes).is_err());
        assert_eq!(keys("~: 0", Dialect::GoYaml3).unwrap(), json!({"null": 0}));
    }
}
