//! Integer literals in Go's syntax.

/// `strconv.ParseUint(text, 0, 64)`: `0x`, `0o`, `0b` and `0` prefixes, underscores between digits.
pub fn parse_uint(text: &str) -> Option<u64> {
    let (digits, radix) = radix(text);
    if text.contains('_') && !well_placed_underscores(text) {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(&digits, radix).ok()
}

/// `strconv.ParseInt(text, 0, 64)`: the same with a sign.
pub fn parse_int(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix('-') {
        let magnitude = parse_uint(digits)?;
        return 0_i64.checked_sub_unsigned(magnitude);
    }
    i64::try_from(parse_uint(text.strip_prefix('+').unwrap_or(text))?).ok()
}

/// The digits after the prefix, and the base it names.
fn radix(text: &str) -> (&str, u32) {
    let bytes = text.as_bytes();
    match bytes {
        [b'0', b'x' | b'X', _, ..] => (&text[2..], 16),
        [b'0', b'o' | b'O', _, ..] => (&text[2..], 8),
        [b'0', b'b' | b'B', _, ..] => (&text[2..], 2),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    }
}

/// Underscores stand only between digits, or between a prefix and a digit.
pub(super) fn well_placed_underscores(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let prefixed = text.len() > 2 && text.starts_with('0') && "xXoObB".contains(char::from(text.as_bytes()[1]));
    let hex = prefixed && matches!(text.as_bytes()[1], b'x' | b'X');
    let body = if prefixed { &text.as_bytes()[2..] } else { text.as_bytes() };
    let is_digit =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_digit() || (hex && byte.is_ascii_hexdigit()));
    body.iter().enumerate().filter(|(_, byte)| **byte == b'_').all(|(at, _)| {
        let before = if at == 0 { prefixed } else { is_digit(body.get(at - 1)) };
        before && is_digit(body.get(at + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_with_prefixes_and_underscores() {
        for (text, value) in [
            ("0", Some(0)),
            ("00", Some(0)),
            ("010", Some(8)),
            ("0o17", Some(15)),
            ("0b101", Some(5)),
            ("0xFF", Some(255)),
            ("-0xff", Some(-255)),
            ("1_000", Some(1000)),
            ("0x_1", Some(1)),
            ("+5", Some(5)),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("0x", None),
            ("08", None),
            ("", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
        ] {
            assert_eq!(parse_int(text), value, "{text}");
        }
    }
}
