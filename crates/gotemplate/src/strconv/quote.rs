//! Go string literals: written with `%q`, read from templates.

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

/// `strconv.Unquote` of a `"..."` or a raw string literal; nothing where it is malformed.
pub(crate) fn unquote(literal: &[u8]) -> Option<Vec<u8>> {
    let (mark, rest) = literal.split_first()?;
    let (end, body) = rest.split_last()?;
    if mark != end {
        return None;
    }
    match mark {
        b'`' => Some(body.iter().copied().filter(|byte| *byte != b'\r').collect()),
        b'"' => unescape(body),
        _ => None,
    }
}

fn unescape(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    while let Some((first, rest)) = body.split_first() {
        if matches!(first, b'"' | b'\n') {
            return None;
        }
        if *first != b'\\' {
            out.push(*first);
            body = rest;
            continue;
        }
        let (unit, after) = escape(rest, b'"')?;
        match unit {
            Unit::Byte(byte) => out.push(byte),
            Unit::Rune(rune) => out.extend_from_slice(rune.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        body = after;
    }
    Some(out)
}

/// What an escape stands for: `\x` and octal give a byte, the others a rune.
enum Unit {
    Byte(u8),
    Rune(char),
}

/// Reads what follows a backslash.
fn escape(body: &[u8], mark: u8) -> Option<(Unit, &[u8])> {
    let (letter, rest) = body.split_first()?;
    let simple = |rune| Some((Unit::Rune(rune), rest));
    match letter {
        b'a' => simple('\u{7}'),
        b'b' => simple('\u{8}'),
        b'f' => simple('\u{c}'),
        b'n' => simple('\n'),
        b'r' => simple('\r'),
        b't' => simple('\t'),
        b'v' => simple('\u{b}'),
        b'\\' => simple('\\'),
        b'x' => digits(rest, 2, 16).map(|(code, rest)| (Unit::Byte(code as u8), rest)),
        b'u' => rune(rest, 4),
        b'U' => rune(rest, 8),
        b'0'..=b'7' => {
            let (code, rest) = digits(body, 3, 8)?;
            Some((Unit::Byte(u8::try_from(code).ok()?), rest))
        }
        b'\'' | b'"' if *letter == mark => simple(char::from(mark)),
        _ => None,
    }
}

fn rune(body: &[u8], count: usize) -> Option<(Unit, &[u8])> {
    let (code, rest) = digits(body, count, 16)?;
    Some((Unit::Rune(char::from_u32(code)?), rest))
}

fn digits(body: &[u8], count: usize, radix: u32) -> Option<(u32, &[u8])> {
    let (head, rest) = body.split_at_checked(count)?;
    let text = std::str::from_utf8(head).ok()?;
    if !text.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    Some((u32::from_str_radix(text, radix).ok()?, rest))
}

/// The code of a character constant such as `'a'`, with Go's message where it is malformed.
pub(crate) fn unquote_rune(literal: &[u8]) -> Result<u32, String> {
    let invalid = || "invalid syntax".to_owned();
    let body = literal.get(1..).ok_or_else(invalid)?;
    let (code, tail) = match body.split_first() {
        Some((b'\\', rest)) => match escape(rest, b'\'').ok_or_else(invalid)? {
            (Unit::Byte(byte), tail) => (u32::from(byte), tail),
            (Unit::Rune(rune), tail) => (rune as u32, tail),
        },
        None | Some((b'\'', _)) => return Err(invalid()),
        Some(_) => first_rune(body),
    };
    if tail != b"'" {
        return Err(format!("malformed character constant: {}", String::from_utf8_lossy(literal)));
    }
    Ok(code)
}

fn first_rune(body: &[u8]) -> (u32, &[u8]) {
    let valid = body.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    match valid.chars().next() {
        Some(rune) => (rune as u32, &body[rune.len_utf8()..]),
        None => (char::REPLACEMENT_CHARACTER as u32, &body[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_go_literals() {
        assert_eq!(quote("a\"b\\\n\u{1}é\u{a0}\u{200b}😀".as_bytes()), r#""a\"b\\\n\x01é\u00a0\u200b😀""#);
        assert_eq!(quote(b"\xff"), r#""\xff""#);
        assert_eq!(quote_ascii("é😀".as_bytes()), r#""\u00e9\U0001f600""#);
        assert_eq!(quote_rune('\'', false), r"'\''");
    }

    #[test]
    fn literals_are_read() {
        assert_eq!(unquote(br#""a\tb\x41\101\u00e9\"""#).unwrap(), "a\tbAA\u{e9}\"".as_bytes());
        assert_eq!(unquote(b"`a\r\\n`").unwrap(), b"a\\n");
        assert_eq!(unquote(br#""\xff""#).unwrap(), b"\xff");
        for malformed in [r#""\q""#, r#""\'""#, r#""\400""#, r#""\ud800""#, "\"a", "'a'"] {
            assert_eq!(unquote(malformed.as_bytes()), None, "{malformed}");
        }
        assert_eq!(unquote_rune(br"'\n'"), Ok(10));
        assert_eq!(unquote_rune("'é'".as_bytes()), Ok(0xe9));
        assert_eq!(unquote_rune(b"'ab'"), Err("malformed character constant: 'ab'".to_owned()));
    }
}
