//! Go's `HTMLEscape`, `JSEscape` and `url.QueryEscape`.

use crate::strconv;

/// `html`: `& < > " '` and NUL as references.
pub(crate) fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            _ => out.push(*byte),
        }
    }
    out
}

/// `js`: what could end a string or a script is escaped, and what cannot be printed; bytes that are no text stay.
pub(crate) fn js(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let mut escaped = String::with_capacity(chunk.valid().len());
        chunk.valid().chars().for_each(|rune| push_js(&mut escaped, rune));
        out.extend_from_slice(escaped.as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    out
}

fn push_js(out: &mut String, rune: char) {
    match rune {
        '\\' => out.push_str(r"\\"),
        '\'' => out.push_str(r"\'"),
        '"' => out.push_str("\\\""),
        '<' | '>' | '&' | '=' => push_unicode(out, rune),
        _ if rune < ' ' || !(rune.is_ascii() || strconv::is_print(rune)) => push_unicode(out, rune),
        _ => out.push(rune),
    }
}

fn push_unicode(out: &mut String, rune: char) {
    out.push_str(&format!("\\u{:04X}", rune as u32));
}

/// `urlquery`: a space becomes `+`, everything but letters, digits and `-_.~` is percent-encoded.
pub(crate) fn url_query(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(escape: fn(&[u8]) -> Vec<u8>, text: &str, expected: &str) {
        assert_eq!(String::from_utf8(escape(text.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn texts_are_escaped_as_in_go() {
        check(html, "<a href=\"x\">&'\0", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;\u{fffd}");
        check(js, "<'\"\\\n=é\u{2028}\u{7f}", "\\u003C\\'\\\"\\\\\\u000A\\u003Dé\\u2028\u{7f}");
        assert_eq!(js(b"a\xff<"), b"a\xff\\u003C");
        check(url_query, "a b&c/é~", "a+b%26c%2F%C3%A9~");
    }
}
