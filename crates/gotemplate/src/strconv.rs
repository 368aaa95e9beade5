//! Go's `strconv`: floats and quoted strings as Go writes them.

use crate::value::FloatType;

/// How a float is written: Go's verbs `e`, `f` and `g`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatStyle {
    /// `1.5e+06`
    Exponent,
    /// `1500000`
    Decimal,
    /// exponent form for large and small values only
    General,
}

/// The digits of a float: `0.d1d2d3... × 10^point`.
struct Digits {
    digits: Vec<u8>,
    point: i32,
}

/// `strconv.FormatFloat`: with a precision (digits after the point, or for `General` significant digits), or the
/// fewest digits that give the same number back.
pub fn format_float(value: f64, style: FloatStyle, precision: Option<usize>, of: FloatType) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let mut out = String::new();
    if value.is_sign_negative() {
        out.push('-');
    }
    let magnitude = value.abs();
    match precision {
        None => shortest(&mut out, magnitude, style, of),
        Some(precision) => rounded(&mut out, magnitude, style, precision),
    }
    out
}

/// A float as `fmt` prints it with `%v`.
pub fn print_float(value: f64, of: FloatType) -> String {
    format_float(value, FloatStyle::General, None, of)
}

fn shortest(out: &mut String, magnitude: f64, style: FloatStyle, of: FloatType) {
    let Digits { digits, point } = shortest_digits(magnitude, of);
    match style {
        FloatStyle::Exponent => push_exponent(out, &digits, point, digits.len().saturating_sub(1)),
        FloatStyle::Decimal => push_decimal(out, &digits, point, fraction_length(&digits, point)),
        // the fewest digits are many or few: Go decides as for six
        FloatStyle::General => push_general(out, &digits, point, 6),
    }
}

fn rounded(out: &mut String, magnitude: f64, style: FloatStyle, precision: usize) {
    match style {
        FloatStyle::Decimal => out.push_str(&format!("{magnitude:.precision$}")),
        FloatStyle::Exponent => {
            let Digits { digits, point } = exact_digits(magnitude, precision + 1);
            push_exponent(out, &digits, point, precision);
        }
        FloatStyle::General => {
            let wanted = precision.max(1);
            let Digits { mut digits, point } = exact_digits(magnitude, wanted);
            while digits.last() == Some(&b'0') {
                digits.pop();
            }
            let mut threshold = wanted as i32;
            if threshold > digits.len() as i32 && digits.len() as i32 >= point {
                threshold = digits.len() as i32;
            }
            push_general(out, &digits, point, threshold);
        }
    }
}

fn shortest_digits(magnitude: f64, of: FloatType) -> Digits {
    let text = match of {
        FloatType::Float64 => format!("{magnitude:e}"),
        FloatType::Float32 => format!("{:e}", magnitude as f32),
    };
    parse_digits(&text)
}

fn exact_digits(magnitude: f64, count: usize) -> Digits {
    parse_digits(&format!("{magnitude:.*e}", count.saturating_sub(1)))
}

/// Reads Rust's `d.ddde-x`.
fn parse_digits(text: &str) -> Digits {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    if digits.iter().all(|digit| *digit == b'0') {
        return Digits { digits: Vec::new(), point: 0 };
    }
    Digits { digits, point: exponent.parse::<i32>().unwrap_or(0) + 1 }
}

/// Go's `%e`: `d.ddde±dd`.
fn push_exponent(out: &mut String, digits: &[u8], point: i32, precision: usize) {
    out.push(digits.first().map_or('0', |digit| *digit as char));
    if precision > 0 {
        out.push('.');
        push_digits(out, digits, 1, precision);
    }
    let exponent = if digits.is_empty() { 0 } else { point - 1 };
    out.push_str(&format!("e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()));
}

/// How many digits stand after the point where all are shown.
fn fraction_length(digits: &[u8], point: i32) -> usize {
    (digits.len() as i32 - point).max(0) as usize
}

/// Go's `%f`.
fn push_decimal(out: &mut String, digits: &[u8], point: i32, precision: usize) {
    if point > 0 {
        push_digits(out, digits, 0, point as usize);
    } else {
        out.push('0');
    }
    if precision > 0 {
        out.push('.');
        let leading = (-point.min(0) as usize).min(precision);
        out.extend(std::iter::repeat_n('0', leading));
        push_digits(out, digits, point.max(0) as usize, precision - leading);
    }
}

/// `count` digits from a position on, filled up with zeros.
fn push_digits(out: &mut String, digits: &[u8], from: usize, count: usize) {
    let given = digits.get(from..).unwrap_or_default();
    out.extend(given.iter().take(count).map(|digit| *digit as char));
    out.extend(std::iter::repeat_n('0', count.saturating_sub(given.len())));
}

/// Go's `%g`: exponent form below 1e-4 and from 10^threshold on.
fn push_general(out: &mut String, digits: &[u8], point: i32, threshold: i32) {
    let exponent = point - 1;
    if !digits.is_empty() && (exponent < -4 || exponent >= threshold) {
        push_exponent(out, digits, point, digits.len() - 1);
        return;
    }
    push_decimal(out, digits, point, fraction_length(digits, point));
}

/// `strconv.Quote`: a Go string literal in double quotes.
pub fn quote(bytes: &[u8]) -> String {
    quoted(bytes, '"', false)
}

/// `strconv.QuoteToASCII`: like `quote`, with everything but ASCII escaped.
pub fn quote_ascii(bytes: &[u8]) -> String {
    quoted(bytes, '"', true)
}

/// `strconv.QuoteRune`: a Go character literal.
pub fn quote_rune(rune: char, ascii: bool) -> String {
    let mut out = String::from("'");
    push_escaped(&mut out, rune, '\'', ascii);
    out.push('\'');
    out
}

/// `strconv.CanBackquote`: whether the text can stand in a raw string literal.
pub fn can_backquote(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_ok_and(|text| text.chars().all(|c| c != '\u{feff}' && c != '`' && c != '\u{7f}' && (c >= ' ' || c == '\t')))
}

fn quoted(bytes: &[u8], mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push(mark);
    for chunk in bytes.utf8_chunks() {
        for rune in chunk.valid().chars() {
            push_escaped(&mut out, rune, mark, ascii);
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push(mark);
    out
}

fn push_escaped(out: &mut String, rune: char, mark: char, ascii: bool) {
    match rune {
        '\\' => out.push_str("\\\\"),
        _ if rune == mark => out.extend(['\\', rune]),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        _ if (rune.is_ascii() || !ascii) && is_print(rune) => out.push(rune),
        _ => push_code(out, rune as u32),
    }
}

fn push_code(out: &mut String, code: u32) {
    out.push_str(&match code {
        0..0x80 => format!("\\x{code:02x}"),
        0x80..0x1_0000 => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    });
}

/// `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub fn is_print(rune: char) -> bool {
    match rune {
        ' '..='~' => true,
        _ if rune.is_ascii() => false,
        // Rust's Debug escapes what Unicode does not call printable, and combining marks, which are printable
        _ => is_mark(rune) || rune.escape_debug().len() == 1,
    }
}

/// Combining marks: Rust escapes those it calls grapheme extenders only where a string begins with one.
fn is_mark(rune: char) -> bool {
    let mut text = String::from("a");
    text.push(rune);
    text.escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, general, decimal, exponent) in [
            (0.0, "0", "0", "0e+00"),
            (3.5, "3.5", "3.5", "3.5e+00"),
            (1e6, "1e+06", "1000000", "1e+06"),
            (123_456.0, "123456", "123456", "1.23456e+05"),
            (1_234_567_890.0, "1.23456789e+09", "1234567890", "1.23456789e+09"),
            (-0.0001, "-0.0001", "-0.0001", "-1e-04"),
            (0.00001, "1e-05", "0.00001", "1e-05"),
            (1e300, "1e+300", &format!("1{}", "0".repeat(300)), "1e+300"),
        ] {
            let written = |style| format_float(value, style, None, FloatType::Float64);
            assert_eq!(written(FloatStyle::General), general);
            assert_eq!(written(FloatStyle::Decimal), decimal);
            assert_eq!(written(FloatStyle::Exponent), exponent);
        }
    }

    #[test]
    fn a_precision_rounds() {
        let written = |value, style, precision| format_float(value, style, Some(precision), FloatType::Float64);
        assert_eq!(written(2.5, FloatStyle::Decimal, 0), "2");
        assert_eq!(written(1234.5678, FloatStyle::General, 3), "1.23e+03");
        assert_eq!(written(100000.0, FloatStyle::General, 10), "100000");
        assert_eq!(written(1234.5678, FloatStyle::Exponent, 2), "1.23e+03");
        assert_eq!(written(0.00012345, FloatStyle::General, 2), "0.00012");
    }

    #[test]
    fn strings_are_quoted_as_go_literals() {
        assert_eq!(quote("a\"b\\\n\u{1}é\u{a0}\u{200b}😀".as_bytes()), r#""a\"b\\\n\x01é\u00a0\u200b😀""#);
        assert_eq!(quote(b"\xff"), r#""\xff""#);
        assert_eq!(quote_ascii("é😀".as_bytes()), r#""\u00e9\U0001f600""#);
        assert_eq!(quote_rune('\'', false), r"'\''");
    }
}
