//! Number literals: one text may stand for an int, an unsigned int, a float or a complex number.

use crate::strconv;

/// Every reading a number literal has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Number {
    pub(crate) text: String,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
}

impl Number {
    /// `'a'`: the code of the rune.
    pub(crate) fn from_rune(text: &str, rune: u32) -> Self {
        let (int, uint, float) = (i64::from(rune), u64::from(rune), f64::from(rune));
        Self { text: text.to_owned(), int: Some(int), uint: Some(uint), float: Some(float), complex: None }
    }

    /// `1+2i`
    pub(crate) fn from_complex(text: &str) -> Result<Self, String> {
        let illegal = || format!("illegal number syntax: {}", strconv::quote(text.as_bytes()));
        let body = text.strip_suffix('i').ok_or_else(illegal)?;
        let middle = split_imaginary(body).ok_or_else(illegal)?;
        let (real, imaginary) = body.split_at(middle);
        let part = |part: &str| strconv::parse_float(part).ok_or_else(illegal);
        Ok(Self::complex(text, part(real)?, part(imaginary)?))
    }

    fn complex(text: &str, real: f64, imaginary: f64) -> Self {
        let mut number = Self { text: text.to_owned(), complex: Some((real, imaginary)), ..Self::default() };
        if imaginary == 0.0 {
            number.float = Some(real);
            number.int = exact_int(real);
            number.uint = exact_uint(real);
        }
        number
    }

    /// A number without a sign in the middle. The error is Go's.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(imaginary) = text.strip_suffix('i').and_then(strconv::parse_float) {
            return Ok(Self::complex(text, 0.0, imaginary));
        }
        let mut number = Self { text: text.to_owned(), ..Self::default() };
        number.uint = strconv::parse_uint(text);
        number.int = strconv::parse_int(text);
        if number.int == Some(0) {
            number.uint = Some(0);
        }
        match (number.int, number.uint) {
            (Some(int), _) => number.float = Some(int as f64),
            (None, Some(uint)) => number.float = Some(uint as f64),
            (None, None) => number.read_float()?,
        }
        Ok(number)
    }

    fn read_float(&mut self) -> Result<(), String> {
        let quoted = || strconv::quote(self.text.as_bytes());
        let float = strconv::parse_float(&self.text).ok_or_else(|| format!("illegal number syntax: {}", quoted()))?;
        if !self.text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", quoted()));
        }
        self.float = Some(float);
        self.int = exact_int(float);
        self.uint = exact_uint(float);
        Ok(())
    }

    pub(crate) fn is_rune(&self) -> bool {
        self.text.starts_with('\'')
    }

    pub(crate) fn is_hex_int(&self) -> bool {
        let text = self.text.as_bytes();
        text.len() > 2 && text[0] == b'0' && matches!(text[1], b'x' | b'X') && !self.text.contains(['p', 'P'])
    }
}

/// Where the imaginary part's sign stands: the last sign that does not follow an exponent's letter.
fn split_imaginary(body: &str) -> Option<usize> {
    let bytes = body.as_bytes();
    let hex = body.contains(['x', 'X']);
    (1..bytes.len()).rev().find(|at| {
        let exponent = if hex { matches!(bytes[at - 1], b'p' | b'P') } else { matches!(bytes[at - 1], b'e' | b'E') };
        matches!(bytes[*at], b'+' | b'-') && !exponent
    })
}

fn exact_int(float: f64) -> Option<i64> {
    let int = float as i64;
    (int as f64 == float && float < 9_223_372_036_854_775_808.0).then_some(int)
}

fn exact_uint(float: f64) -> Option<u64> {
    let uint = float as u64;
    (uint as f64 == float && (0.0..18_446_744_073_709_551_616.0).contains(&float)).then_some(uint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_have_every_reading_go_gives_them() {
        for (text, int, uint, float) in [
            ("017", Some(15), Some(15), Some(15.0)),
            ("0x1F", Some(31), Some(31), Some(31.0)),
            ("1_000", Some(1000), Some(1000), Some(1000.0)),
            ("-3", Some(-3), None, Some(-3.0)),
            ("-0", Some(0), Some(0), Some(0.0)),
            ("1e3", Some(1000), Some(1000), Some(1000.0)),
            ("1.5", None, None, Some(1.5)),
            ("0x1p4", Some(16), Some(16), Some(16.0)),
            ("18446744073709551615", None, Some(u64::MAX), Some(1.844_674_407_370_955_2e19)),
        ] {
            let number = Number::parse(text).unwrap();
            assert_eq!((number.int, number.uint, number.float), (int, uint, float), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert_eq!(Number::parse("089").unwrap_err(), "integer overflow: \"089\"");
        assert_eq!(Number::parse("0x").unwrap_err(), "illegal number syntax: \"0x\"");
        assert_eq!(Number::parse("99999999999999999999").unwrap_err(), "integer overflow: \"99999999999999999999\"");
    }

    #[test]
    fn complex_numbers_have_two_parts() {
        assert_eq!(Number::from_complex("1+2i").unwrap().complex, Some((1.0, 2.0)));
        assert_eq!(Number::from_complex("1e+2-3.5i").unwrap().complex, Some((100.0, -3.5)));
        assert_eq!(Number::parse("2i").unwrap().complex, Some((0.0, 2.0)));
    }
}
