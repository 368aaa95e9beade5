//! Glob patterns of `.Files.Glob`: those of gobwas/glob with `/` as separator. `*` and `?` stay within a path segment,
//! `**` crosses, `{a,b}` chooses, `[abc]`, `[a-z]` and `[!a]` take one character.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) enum Glob {
    Pattern(Regex),
    /// `before**behind`, where gobwas lets both be the same characters: `a/**/b` matches `a/b`.
    Around {
        before: String,
        behind: String,
    },
    /// A malformed pattern matches everything, as in Helm.
    Everything,
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let is_text = |part: &str| !part.is_empty() && !part.contains(['*', '?', '[', '{', '\\']);
        if let Some((before, behind)) = pattern.split_once("**").filter(|(a, b)| is_text(a) && is_text(b)) {
            return Self::Around { before: before.to_owned(), behind: behind.to_owned() };
        }
        let translator = Translator { chars: pattern.chars().peekable(), regex: String::from("(?s)^"), depth: 0 };
        let regex = translator.run().and_then(|regex| Regex::new(&regex).ok());
        regex.map_or(Self::Everything, Self::Pattern)
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Pattern(regex) => regex.is_match(path),
            Self::Around { before, behind } => path.starts_with(before) && path.ends_with(behind),
            Self::Everything => true,
        }
    }
}

struct Translator<'a> {
    chars: Peekable<Chars<'a>>,
    regex: String,
    /// Open braces.
    depth: usize,
}

impl Translator<'_> {
    /// None for a malformed pattern. A brace that is never closed ends with the pattern.
    fn run(mut self) -> Option<String> {
        while let Some(c) = self.chars.next() {
            match c {
                '*' if self.chars.next_if_eq(&'*').is_some() => self.regex.push_str(".*"),
                '*' => self.regex.push_str("[^/]*"),
                '?' => self.regex.push_str("[^/]"),
                '[' => self.class()?,
                '{' => {
                    self.depth += 1;
                    self.regex.push_str("(?:");
                }
                ',' if self.depth > 0 => self.regex.push('|'),
                '}' if self.depth > 0 => {
                    self.depth -= 1;
                    self.regex.push(')');
                }
                '\\' => {
                    if let Some(escaped) = self.chars.next() {
                        self.literal(escaped);
                    }
                }
                c => self.literal(c),
            }
        }
        self.regex.push_str(&")".repeat(self.depth));
        self.regex.push('$');
        Some(self.regex)
    }

    fn literal(&mut self, c: char) {
        self.regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    /// One range `a-z`, or a list of characters.
    fn class(&mut self) -> Option<()> {
        let not = if self.chars.next_if_eq(&'!').is_some() { "^" } else { "" };
        let mut rest = self.chars.clone();
        let low = rest.next()?;
        if rest.next_if_eq(&'-').is_some() {
            let high = rest.next()?;
            self.chars = rest;
            let closed = self.chars.next()? == ']' && low <= high;
            return closed.then(|| self.regex.push_str(&format!("[{not}{}-{}]", code(low), code(high))));
        }
        let mut list = String::new();
        loop {
            match self.chars.next()? {
                ']' if list.is_empty() => return None,
                ']' => break,
                '\\' => list.push_str(&code(self.chars.next()?)),
                c => list.push_str(&code(c)),
            }
        }
        self.regex.push_str(&format!("[{not}{list}]"));
        Some(())
    }
}

fn code(c: char) -> String {
    format!("\\x{{{:x}}}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_gobwas() {
        for (pattern, path, expected) in [
            ("*", "a", true),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("a/*", "a/b", true),
            ("a/*", "a/b/c", false),
            ("a/**", "a/b/c", true),
            ("a/**/c", "a/b/c", true),
            ("a/**/c", "a/c", true),
            ("**.yaml", "a/b.yaml", true),
            ("*.yaml", "a/b.yaml", false),
            ("a/{b,c*}.txt", "a/cd.txt", true),
            ("a/{b,c*}.txt", "a/d.txt", false),
            ("{a,{b,c}}", "c", true),
            ("{a,b", "b", true),
            ("a}", "a}", true),
            ("a,b", "a,b", true),
            ("?.x", "a.x", true),
            ("?", "/", false),
            ("[a-c]", "b", true),
            ("[!a-c]", "b", false),
            ("[abc]", "b", true),
            ("[!abc]", "/", true),
            ("[a-c", "anything/at all", true),
            ("[]", "anything", true),
            ("[c-a]", "anything", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a.b", "axb", false),
            ("", "a", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(path), expected, "{pattern} {path}");
        }
    }
}
