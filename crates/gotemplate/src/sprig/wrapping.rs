//! Lines wrapped and texts abbreviated, in bytes, as `Masterminds/goutils` 1.1 does it.

use bstr::ByteSlice;

/// Wraps at spaces so that lines are at most `width` bytes; longer words are cut if `cuts_words`, else they stick out.
pub(super) fn wrap(text: &[u8], width: i64, newline: &[u8], cuts_words: bool) -> Vec<u8> {
    let width = usize::try_from(width.max(1)).unwrap_or(usize::MAX);
    let newline: &[u8] = if newline.is_empty() { b"\n" } else { newline };
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while rest.len() > width {
        if let Some(behind) = rest.strip_prefix(b" ") {
            rest = behind;
            continue;
        }
        let (line, behind) = match rest[..=width].rfind_byte(b' ') {
            Some(space) => (&rest[..space], &rest[space + 1..]),
            None if cuts_words => rest.split_at(width),
            None => match rest[width..].find_byte(b' ') {
                Some(space) => (&rest[..width + space], &rest[width + space + 1..]),
                None => break,
            },
        };
        out.extend_from_slice(line);
        out.extend_from_slice(newline);
        rest = behind;
    }
    out.extend_from_slice(rest);
    out
}

/// The text cut to `width` bytes with `...`; `offset` says how much of the start may go. None if that is too narrow.
pub(super) fn abbreviate(text: &[u8], offset: i64, width: i64) -> Option<Vec<u8>> {
    let kept = usize::try_from(width - 3).ok().filter(|_| width >= 4)?;
    if text.len() <= kept + 3 {
        return Some(text.to_vec());
    }
    let offset = usize::try_from(offset).unwrap_or(0).min(text.len());
    let offset = offset.min(text.len() - kept);
    if offset <= 4 {
        return Some([&text[..kept], b"..."].concat());
    }
    if width < 7 {
        return None;
    }
    if offset + kept < text.len() {
        let end = abbreviate(&text[offset..], 0, width - 3).unwrap_or_default();
        return Some([b"...".as_slice(), &end].concat());
    }
    Some([b"...", &text[text.len() - kept..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps() {
        let cases: [(&str, i64, &str, bool, &str); 6] = [
            ("a bb ccc dddd", 5, "", false, "a bb\nccc\ndddd"),
            ("abcdefgh ij", 3, "", false, "abcdefgh\nij"),
            ("abcdefgh ij", 3, "|", true, "abc|def|gh|ij"),
            ("  a b", 2, "", false, "a\nb"),
            ("abc", 0, "", true, "a\nb\nc"),
            ("", 5, "", true, ""),
        ];
        for (text, width, newline, cuts, want) in cases {
            let got = wrap(text.as_bytes(), width, newline.as_bytes(), cuts);
            assert_eq!(String::from_utf8_lossy(&got), want, "{text} {width}");
        }
    }

    #[test]
    fn abbreviates() {
        let cases = [
            ("hello world", 0, 5, Some("he...")),
            ("hello world", 0, 11, Some("hello world")),
            ("1234 5678 9123", 5, 10, Some("...5678...")),
            ("1234 5678 9123", 8, 10, Some("...78 9123")),
            ("1234 5678 9123", 5, 6, None),
            ("abcdef", 0, 3, None),
        ];
        for (text, offset, width, want) in cases {
            let got = abbreviate(text.as_bytes(), offset, width);
            assert_eq!(got.as_deref(), want.map(str::as_bytes), "{text} {offset} {width}");
        }
    }
}
