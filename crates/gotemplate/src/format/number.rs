//! Integers and floats under each verb.

use super::pad::Flags;
use crate::strconv::{self, FloatStyle};
use crate::value::FloatType;

/// How an integer's digits are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Binary,
    Octal,
    /// `0o17`
    OctalPrefixed,
    Decimal,
    Hex,
    UpperHex,
}

/// An integer of either sign.
#[derive(Clone, Copy, Debug)]
pub(super) struct Integer {
    pub(super) negative: bool,
    pub(super) magnitude: u64,
}

impl From<i64> for Integer {
    fn from(value: i64) -> Self {
        Self { negative: value < 0, magnitude: value.unsigned_abs() }
    }
}

impl From<u64> for Integer {
    fn from(magnitude: u64) -> Self {
        Self { negative: false, magnitude }
    }
}

/// Go's `fmtInteger`.
pub(super) fn integer(out: &mut Vec<u8>, flags: &Flags, value: Integer, base: Base) {
    if base == Base::Decimal && flags.width.is_none() && flags.precision.is_none() && !flags.plus && !flags.space {
        return push_decimal(out, value);
    }
    let plain = flags.without_zero();
    let mut wanted = flags.precision;
    if wanted == Some(0) && value.magnitude == 0 {
        plain.fill(out, flags.width.unwrap_or(0));
        return;
    }
    let sign = sign(flags, value.negative);
    if wanted.is_none() && flags.zero && !flags.minus {
        wanted = flags.width.map(|width| width.saturating_sub(sign.len()));
    }
    let mut digits = digits(value.magnitude, base);
    if let Some(missing) = wanted.and_then(|wanted| wanted.checked_sub(digits.len())) {
        digits.insert_str(0, &"0".repeat(missing));
    }
    let prefix = prefix(flags.sharp, base, &digits);
    plain.pad(out, format!("{sign}{prefix}{digits}").as_bytes());
}

/// A plain decimal number, the most frequent by far.
fn push_decimal(out: &mut Vec<u8>, value: Integer) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = value.magnitude;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value.negative {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}

fn sign(flags: &Flags, negative: bool) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    }
}

fn digits(magnitude: u64, base: Base) -> String {
    match base {
        Base::Binary => format!("{magnitude:b}"),
        Base::Octal | Base::OctalPrefixed => format!("{magnitude:o}"),
        Base::Decimal => magnitude.to_string(),
        Base::Hex => format!("{magnitude:x}"),
        Base::UpperHex => format!("{magnitude:X}"),
    }
}

fn prefix(sharp: bool, base: Base, digits: &str) -> &'static str {
    match base {
        Base::OctalPrefixed if sharp && !digits.starts_with('0') => "0o0",
        Base::OctalPrefixed => "0o",
        Base::Binary if sharp => "0b",
        Base::Octal if sharp && !digits.starts_with('0') => "0",
        Base::Hex if sharp => "0x",
        Base::UpperHex if sharp => "0X",
        _ => "",
    }
}

/// `%U`: `U+0078`, with the sharp flag `U+0078 'x'`.
pub(super) fn unicode(out: &mut Vec<u8>, flags: &Flags, code: u64) {
    let digits = flags.precision.unwrap_or(0).max(4);
    let mut text = format!("U+{code:0digits$X}");
    let rune = u32::try_from(code).ok().and_then(char::from_u32);
    if let Some(rune) = rune.filter(|rune| flags.sharp && strconv::is_print(*rune)) {
        text.push_str(&format!(" '{rune}'"));
    }
    flags.without_zero().pad(out, text.as_bytes());
}

/// A rune by its code; what is no rune becomes U+FFFD.
pub(super) fn rune(value: Integer) -> char {
    let code = if value.negative { None } else { u32::try_from(value.magnitude).ok() };
    code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Go's `fmtFloat` for the verbs `e E f F g G b x X`.
pub(super) fn float(out: &mut Vec<u8>, flags: &Flags, value: f64, of: FloatType, verb: char) {
    let default = if matches!(verb, 'e' | 'E' | 'f' | 'F') { Some(6) } else { None };
    let precision = flags.precision.or(default);
    let text = unsigned(value.abs(), of, verb, precision);
    let sign = match value.is_sign_negative() && !value.is_nan() {
        true => "-",
        false if flags.plus => "+",
        false if flags.space => " ",
        false => "",
    };
    if !value.is_finite() {
        let sign = if value == f64::INFINITY && sign.is_empty() { "+" } else { sign };
        let text = format!("{sign}{}", text.trim_start_matches('+'));
        flags.without_zero().pad(out, text.as_bytes());
        return;
    }
    let text = if flags.sharp && verb != 'b' { with_point(&text, verb, precision) } else { text };
    if flags.zero && !flags.minus && !sign.is_empty() {
        let width = flags.width.map(|width| width.saturating_sub(sign.len()));
        out.extend_from_slice(sign.as_bytes());
        Flags { width, ..*flags }.pad(out, text.as_bytes());
        return;
    }
    flags.pad(out, format!("{sign}{text}").as_bytes());
}

fn unsigned(magnitude: f64, of: FloatType, verb: char, precision: Option<usize>) -> String {
    let format = |style| strconv::format_float(magnitude, style, precision, of);
    match verb {
        'e' => format(FloatStyle::Exponent),
        'E' => format(FloatStyle::Exponent).replace('e', "E"),
        'f' | 'F' => format(FloatStyle::Decimal),
        'G' => format(FloatStyle::General).replace('e', "E"),
        _ if !magnitude.is_finite() => format(FloatStyle::General),
        'b' => strconv::binary_float(magnitude, of),
        'x' => strconv::hex_float(magnitude, precision),
        'X' => strconv::hex_float(magnitude, precision).to_uppercase(),
        _ => format(FloatStyle::General),
    }
}

/// The sharp flag: there is always a decimal point, and `%g` keeps trailing zeros.
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    let hex = matches!(verb, 'x' | 'X');
    let tail_at = text.find(if hex { ['p', 'P'] } else { ['e', 'E'] }).unwrap_or(text.len());
    let (number, tail) = text.split_at(tail_at);
    let mut wanted = match verb {
        'v' | 'g' | 'G' | 'x' => precision.unwrap_or(6) as isize,
        _ => 0,
    };
    let significant = number.trim_start_matches(['0', '.']).chars().filter(|digit| *digit != '.');
    wanted -= significant.count() as isize;
    let mut number = number.to_owned();
    if !number.contains('.') {
        if number == "0" {
            wanted -= 1;
        }
        number.push('.');
    }
    number.push_str(&"0".repeat(usize::try_from(wanted).unwrap_or(0)));
    number + tail
}
