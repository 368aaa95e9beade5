//! Patterns in projects and policies.
//!
//! `*` stands for any characters but a separator, `**` for any, `?` for one, `[a-c]` and `[!a-c]` for one of a class,
//! `{a,b}` for alternatives, `\` takes away a meaning (the dialect of gobwas/glob, which Argo CD uses).

use regex::Regex;

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {pattern:?} is not valid: {reason}; a pattern that is not valid matches nothing")]
pub struct GlobError {
    pub pattern: String,
    pub reason: &'static str,
}

/// How the patterns of a list are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchMode {
    Exact,
    Glob,
    /// As `Glob`, but a pattern between slashes is a regular expression.
    Regexp,
}

/// A pattern that was read once.
#[derive(Debug, Clone)]
pub enum Glob {
    Literal(String),
    Any,
    Expression(Regex),
}

impl Glob {
    /// With a separator, `*` and `?` do not cross it.
    ///
    /// # Errors
    /// When the pattern is not well-formed.
    pub fn new(pattern: &str, separator: Option<char>) -> Result<Self, GlobError> {
        if !pattern.contains(['*', '?', '[', ']', '{', '}', '\\']) {
            return Ok(Self::Literal(pattern.to_owned()));
        }
        if pattern == "*" && separator.is_none() {
            return Ok(Self::Any);
        }
        let error = |reason| GlobError { pattern: pattern.to_owned(), reason };
        let expression = Translator { rest: pattern.chars().collect(), at: 0, separator }.all().map_err(error)?;
        Regex::new(&format!("(?s)^(?:{expression})$")).map(Self::Expression).map_err(|_| error("it is too large"))
    }

    /// Whether it matches all of `text`.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == text,
            Self::Any => true,
            Self::Expression(expression) => expression.is_match(text),
        }
    }
}

/// Whether `pattern` matches all of `text`, once. With a separator, `*` and `?` do not cross it.
///
/// # Errors
/// When the pattern is not well-formed.
pub fn glob_match(pattern: &str, text: &str, separator: Option<char>) -> Result<bool, GlobError> {
    if pattern == "*" && separator.is_none_or(|separator| !text.contains(separator)) {
        return Ok(true);
    }
    Ok(Glob::new(pattern, separator)?.matches(text))
}

/// Whether any of `patterns` matches. A pattern that is not well-formed matches nothing.
pub fn list_match(patterns: &[String], item: &str, mode: MatchMode) -> bool {
    patterns.iter().any(|pattern| match mode {
        MatchMode::Exact => pattern == item,
        MatchMode::Glob => glob_match(pattern, item, None).unwrap_or(false),
        MatchMode::Regexp => match pattern.strip_prefix('/').and_then(|p| p.strip_suffix('/')) {
            Some(expression) => expression_match(expression, item),
            None => glob_match(pattern, item, None).unwrap_or(false),
        },
    })
}

/// A regular expression of the .NET family, found anywhere. A leading negative look-ahead (`^(?!kube).*$`) is the only
/// look-around that people write here; it is answered without one.
fn expression_match(expression: &str, item: &str) -> bool {
    if let Some((look, rest)) = expression.strip_prefix("^(?!").and_then(|e| e.split_once(')')) {
        let excluded = Regex::new(&format!("^(?:{look})")).map(|regex| regex.is_match(item));
        let wanted = Regex::new(&format!("^{rest}")).map(|regex| regex.is_match(item));
        return excluded == Ok(false) && wanted == Ok(true);
    }
    Regex::new(expression).is_ok_and(|regex| regex.is_match(item))
}

struct Translator {
    rest: Vec<char>,
    at: usize,
    separator: Option<char>,
}

impl Translator {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.get(self.at).copied();
        self.at += 1;
        c
    }

    fn all(mut self) -> Result<String, &'static str> {
        let mut out = String::new();
        let mut depth = 0_usize;
        while let Some(c) = self.next() {
            match c {
                '*' => out.push_str(&self.star()),
                '?' => out.push_str(&self.one()),
                '[' => out.push_str(&self.class()?),
                '{' => {
                    depth += 1;
                    out.push_str("(?:");
                }
                '}' if depth > 0 => {
                    depth -= 1;
                    out.push(')');
                }
                ',' if depth > 0 => out.push('|'),
                '\\' => push_literal(&mut out, self.next().ok_or("it ends in a backslash")?),
                c => push_literal(&mut out, c),
            }
        }
        if depth > 0 { Err("a brace is not closed") } else { Ok(out) }
    }

    fn star(&mut self) -> String {
        let mut any = false;
        while self.rest.get(self.at) == Some(&'*') {
            self.at += 1;
            any = true;
        }
        if any || self.separator.is_none() { ".*".to_owned() } else { format!("{}*", self.one()) }
    }

    fn one(&self) -> String {
        match self.separator {
            Some(separator) => format!("[^{}]", regex::escape(&separator.to_string())),
            None => ".".to_owned(),
        }
    }

    fn class(&mut self) -> Result<String, &'static str> {
        let mut out = String::from("[");
        if self.rest.get(self.at) == Some(&'!') {
            self.at += 1;
            out.push('^');
        }
        let start = self.at;
        loop {
            match self.next().ok_or("a bracket is not closed")? {
                ']' if self.at > start + 1 => break,
                ']' => return Err("a class is empty"),
                '-' => out.push('-'),
                c => push_literal(&mut out, c),
            }
        }
        out.push(']');
        Ok(out)
    }
}

fn push_literal(out: &mut String, c: char) {
    out.push_str(&regex::escape(&c.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_documented() {
        for (pattern, text, separator, matches) in [
            ("*", "a/b", None, true),
            ("*", "a/b", Some('/'), false),
            ("**", "a/b", Some('/'), true),
            ("a?c", "abc", None, true),
            ("team-[ab]", "team-c", None, false),
            ("team-[!ab]", "team-c", None, true),
            ("{a,b*}", "bcd", None, true),
            ("a.c", "abc", None, false),
            ("a\\*", "a*", None, true),
        ] {
            assert_eq!(glob_match(pattern, text, separator), Ok(matches), "{pattern} {text}");
        }
        for bad in ["[a", "{a", "a\\", "[]"] {
            assert!(glob_match(bad, "a", None).is_err(), "{bad}");
        }
    }
}
