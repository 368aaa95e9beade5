//! Floats as Go writes and reads them.

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

/// Go's `%b`: the mantissa as an integer and a power of two, for a finite number that is not negative.
pub(crate) fn binary_float(magnitude: f64, of: FloatType) -> String {
    let (mantissa, exponent) = match of {
        FloatType::Float64 => {
            let bits = magnitude.to_bits();
            split_bits(bits & ((1 << 52) - 1), (bits >> 52) as i32, 52, 1023)
        }
        FloatType::Float32 => {
            let bits = (magnitude as f32).to_bits();
            split_bits(u64::from(bits & ((1 << 23) - 1)), (bits >> 23) as i32, 23, 127)
        }
    };
    format!("{mantissa}p{exponent:+}")
}

/// The mantissa as an integer, and the power of two it is multiplied with.
fn split_bits(fraction: u64, exponent: i32, bits: i32, bias: i32) -> (u64, i32) {
    match exponent {
        0 => (fraction, 1 - bias - bits),
        _ => (fraction | (1 << bits), exponent - bias - bits),
    }
}

/// Go's `%x`: `0x1.8p+01`, for a finite number that is not negative.
pub(crate) fn hex_float(magnitude: f64, precision: Option<usize>) -> String {
    if magnitude == 0.0 {
        let zeros = precision.filter(|precision| *precision > 0).map(|precision| format!(".{}", "0".repeat(precision)));
        return format!("0x0{}p+00", zeros.unwrap_or_default());
    }
    let bits = magnitude.to_bits();
    let (mut mantissa, mut exponent) = split_bits(bits & ((1 << 52) - 1), (bits >> 52) as i32, 52, 1023);
    while mantissa & (1 << 52) == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    exponent += 52;
    if let Some(precision) = precision.filter(|precision| *precision < 13) {
        mantissa = round_bits(mantissa, 4 * (13 - precision as u32));
        if mantissa >= 1 << 53 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let digits = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let digits = match precision {
        None => digits.trim_end_matches('0').to_owned(),
        Some(precision) => format!("{digits:0<precision$}")[..precision].to_owned(),
    };
    let point = if digits.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("0x1{point}{digits}p{sign}{:02}", exponent.abs())
}

/// Clears the last bits, rounding to even.
fn round_bits(mantissa: u64, count: u32) -> u64 {
    let unit = 1_u64 << count;
    let rest = mantissa & (unit - 1);
    let down = mantissa - rest;
    let up = rest > unit / 2 || (rest == unit / 2 && down & unit != 0);
    if up { down + unit } else { down }
}

/// `strconv.ParseFloat(text, 64)` for what a template can write: decimal and hexadecimal floats. A number too large
/// for a float is none.
pub fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.starts_with("0x") || unsigned.starts_with("0X") {
        let magnitude = parse_hex_float(unsigned)?;
        return Some(if text.starts_with('-') { -magnitude } else { magnitude });
    }
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    if !text.contains('_') {
        return text.parse().ok().filter(|value: &f64| value.is_finite());
    }
    let digits = text.replace('_', "");
    super::int::well_placed_underscores(text).then(|| parse_float(&digits)).flatten()
}

/// `0x1.8p3`; the exponent is required, underscores may separate digits.
fn parse_hex_float(text: &str) -> Option<f64> {
    if !super::int::well_placed_underscores(text) {
        return None;
    }
    let text = text[2..].replace('_', "");
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    let shift = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    Some(value * 2.0_f64.powi(shift)).filter(|value| value.is_finite())
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
}
