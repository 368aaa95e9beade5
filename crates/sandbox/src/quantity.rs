//! Quantities in Kubernetes' canonical form: `1000m` is `1`, `1024Mi` is `1Gi`, `0.5` is `500m`.

use serde_json::Value;

const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// What Go's parser accepts, as its errors quote it.
pub(crate) const SYNTAX: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// An exact number: `nano` billionths. Enough for everything that clusters measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quantity {
    pub(crate) nano: i128,
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Format {
    Decimal,
    Binary,
    Exponent,
}

impl Quantity {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (factor, format) = factor(suffix)?;
        let negative = number.starts_with('-');
        let digits = number.trim_start_matches(['+', '-']);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && fraction.is_empty()) || number.len() > 40 {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let value = whole.checked_mul(scale)?.checked_add(part)?.checked_mul(factor)?;
        // rounded up, as Go does
        let nano = value.checked_add(scale - 1)?.div_euclid(scale);
        Some(Self { nano: if negative { -nano } else { nano }, format })
    }

    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    pub(crate) fn canonical(self) -> String {
        const UNIT: i128 = 1_000_000_000;
        let whole = self.nano % UNIT == 0;
        if self.format == Format::Binary && whole && (self.nano / UNIT).abs() >= 1024 {
            let mut value = self.nano / UNIT;
            let mut steps = 0;
            while steps < 6 && value % 1024 == 0 && value != 0 {
                value /= 1024;
                steps += 1;
            }
            return format!("{value}{}", BINARY.get(steps).unwrap_or(&""));
        }
        let (mut value, mut exponent) = (self.nano, -9);
        while value != 0 && value % 1000 == 0 && exponent < 18 {
            value /= 1000;
            exponent += 3;
        }
        if value == 0 {
            return "0".to_owned();
        }
        if self.format == Format::Exponent {
            return if exponent == 0 { value.to_string() } else { format!("{value}e{exponent}") };
        }
        let suffix = DECIMAL.iter().find(|(_, e)| *e == exponent).map_or("", |(suffix, _)| suffix);
        format!("{value}{suffix}")
    }
}

/// Billionths in one unit of the suffix.
fn factor(suffix: &str) -> Option<(i128, Format)> {
    const UNIT: i128 = 1_000_000_000;
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((10_i128.pow(u32::try_from(exponent + 9).ok()?), Format::Decimal));
    }
    if let Some(index) = BINARY.iter().skip(1).position(|name| *name == suffix) {
        return Some((UNIT * 1024_i128.pow(u32::try_from(index + 1).ok()?), Format::Binary));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let power = u32::try_from(exponent + 9).ok().filter(|power| *power < 30)?;
    Some((10_i128.pow(power), Format::Exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_one_form() {
        for (text, expected) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1500Mi", "1500Mi"),
            ("1.5Gi", "1536Mi"),
            ("0", "0"),
            ("100m", "100m"),
            ("1000", "1k"),
            ("512Ki", "512Ki"),
            ("2e3", "2e3"),
            ("128974848", "128974848"),
            ("-1", "-1"),
            ("500", "500"),
            ("1Ki", "1Ki"),
            ("0.1Ki", "102400m"),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().canonical(), expected, "{text}");
        }
        for text in ["", "x", "1x", "1.2.3", "Ki", "1e99"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }
}
