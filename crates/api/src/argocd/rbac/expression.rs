//! Regular expressions of Go in policies.

use regex::Regex;

/// The expression as Go reads it: a brace that counts nothing is a brace, and what is repeated is not repeated again.
/// Nothing where Go refuses it.
pub(super) fn go(text: &str) -> Option<Regex> {
    let mut out = String::new();
    let mut rest = text;
    let mut repeated = false;
    while let Some(c) = rest.chars().next() {
        let (piece, repeats) = match c {
            '\\' => (rest.char_indices().nth(2).map_or(rest, |(at, _)| &rest[..at]), false),
            '[' => (class(rest)?, false),
            '*' | '+' | '?' => (&rest[..1], true),
            '{' => counted(rest).map_or(("{", false), |counted| (counted, true)),
            c => (&rest[..c.len_utf8()], false),
        };
        if repeats && repeated {
            return None;
        }
        rest = &rest[piece.len()..];
        match piece {
            "{" | "}" => out.extend(["\\", piece]),
            class if c == '[' => out.push_str(&escaped(class)),
            piece => out.push_str(piece),
        }
        if repeats && rest.starts_with('?') {
            out.push('?');
            rest = &rest[1..];
        }
        repeated = repeats;
    }
    Regex::new(&out).ok()
}

/// `{2}`, `{2,}` or `{2,3}`.
fn counted(text: &str) -> Option<&str> {
    let end = text.find('}')?;
    let (least, most) = text[1..end].split_once(',').unwrap_or((&text[1..end], ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (!least.is_empty() && digits(least) && digits(most)).then(|| &text[..=end])
}

/// The class with its brackets. A bracket that comes first in it is one of its characters.
fn class(text: &str) -> Option<&str> {
    let inner = text[1..].trim_start_matches('^');
    let mut at = text.len() - inner.len() + usize::from(inner.starts_with(']'));
    loop {
        let c = text[at..].chars().next()?;
        match c {
            ']' => return Some(&text[..=at]),
            '\\' => at += 1 + text[at + 1..].chars().next()?.len_utf8(),
            '[' if text[at..].starts_with("[:") => at += text[at..].find(":]")? + 2,
            c => at += c.len_utf8(),
        }
    }
}

/// What means something in a class to Rust and nothing to Go.
fn escaped(class: &str) -> String {
    let mut out = String::from("[");
    let inner = &class[1..class.len() - 1];
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        let is_named = inner[at..].starts_with("[:");
        if !escaped && (c == '[' && !is_named || matches!(c, '&' | '~')) {
            out.push('\\');
        }
        escaped = !escaped && c == '\\';
        out.push(c);
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_those_of_go() {
        for (text, item, matches) in [
            ("dev/{a,b}", "dev/{a,b}", true),
            ("dev/{a,b}", "dev/a", false),
            ("a{2}", "aa", true),
            ("a{2,}?b", "aab", true),
            ("[[a]", "[", true),
            ("[]a]", "]", true),
            ("[a&&b]", "&", true),
            ("[[:alpha:]]+$", "abc", true),
            ("}", "}", true),
        ] {
            assert_eq!(go(text).map(|regex| regex.is_match(item)), Some(matches), "{text} {item}");
        }
        for text in ["dev/**", "*", "a+*", "a{2}{3}", "[", "a??*", "("] {
            assert!(go(text).is_none(), "{text}");
        }
    }
}
