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
    /// Two texts with anything between them. They may overlap, as in Argo CD: `a*a` matches `a`.
    Around(String, String),
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
        if let Some(around) = Self::around(pattern, separator) {
            return Ok(around);
        }
        let error = |reason| GlobError { pattern: pattern.to_owned(), reason };
        let expression = Translator { rest: pattern.chars().collect(), at: 0, separator }.all().map_err(error)?;
        Regex::new(&format!("(?s)^(?:{expression})$")).map(Self::Expression).map_err(|_| error("it is too large"))
    }

    fn around(pattern: &str, separator: Option<char>) -> Option<Self> {
        let (before, rest) = pattern.split_once('*')?;
        let behind = rest.trim_start_matches('*');
        // a single star does not cross the separator; three of them are one that does and one that does not
        let crosses = separator.is_none() || rest.len() == behind.len() + 1;
        let is_plain = |text: &str| !text.is_empty() && !text.contains(['*', '?', '[', ']', '{', '}', '\\']);
        let fits = crosses && is_plain(before) && is_plain(behind);
        fits.then(|| Self::Around(before.to_owned(), behind.to_owned()))
    }

    /// Whether it matches all of `text`.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == text,
            Self::Any => true,
            Self::Around(before, behind) => text.starts_with(before) && text.ends_with(behind),
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
        MatchMode::Regexp => {
            let expression = pattern.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
            expression.is_some_and(|expression| expression_match(expression, item))
                || glob_match(pattern, item, None).unwrap_or(false)
        }
    })
}

/// A regular expression of the .NET family, found anywhere. A leading negative look-ahead (`^(?!kube).*$`) is the only
/// look-around that people write here; it is answered without one.
fn expression_match(expression: &str, item: &str) -> bool {
    let Some(behind) = expression.strip_prefix("^(?!") else {
        return Regex::new(expression).is_ok_and(|regex| regex.is_match(item));
    };
    let Some((look, rest)) = closing(behind).map(|at| (&behind[..at], &behind[at + 1..])) else { return false };
    // what follows may be another look-ahead
    let excluded = Regex::new(&format!("^(?:{look})")).map(|regex| regex.is_match(item));
    excluded == Ok(false) && expression_match(&format!("^{rest}"), item)
}

/// Where the parenthesis closes in which the text begins.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut escaped, mut in_class) = (1, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ']' => in_class = false,
            _ if in_class => {}
            '[' => in_class = true,
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
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

    /// A brace that is not closed ends with the pattern; a backslash at the end is nothing.
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
                '\\' => self.next().into_iter().for_each(|c| push_literal(&mut out, c)),
                c => push_literal(&mut out, c),
            }
        }
        out.extend(std::iter::repeat_n(')', depth));
        Ok(out)
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

    /// One range, or some characters; a dash among them is one of them.
    fn class(&mut self) -> Result<String, &'static str> {
        let mut out = String::from("[");
        if self.rest.get(self.at) == Some(&'!') {
            self.at += 1;
            out.push('^');
        }
        let &first = self.rest.get(self.at).ok_or("a bracket is not closed")?;
        if self.rest.get(self.at + 1) == Some(&'-') {
            let &last = self.rest.get(self.at + 2).ok_or("a bracket is not closed")?;
            if last < first {
                return Err("a range ends before it begins");
            }
            self.at += 3;
            push_literal(&mut out, first);
            out.push('-');
            push_literal(&mut out, last);
        } else if !self.characters(&mut out)? {
            return Err("a class is empty");
        }
        if self.next() != Some(']') {
            return Err("a class has more than one range");
        }
        out.push(']');
        Ok(out)
    }

    /// What stands up to the closing bracket; whether it is something.
    fn characters(&mut self, out: &mut String) -> Result<bool, &'static str> {
        let before = out.len();
        loop {
            match self.rest.get(self.at).ok_or("a bracket is not closed")? {
                ']' => return Ok(out.len() > before),
                '\\' => {
                    self.at += 1;
                    let &c = self.rest.get(self.at).ok_or("a bracket is not closed")?;
                    push_literal(out, c);
                }
                &c => push_literal(out, c),
            }
            self.at += 1;
        }
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
        for (pattern, text) in [("{a", "a"), ("a\\", "a"), ("]", "]"), ("a*a", "a"), ("[ab-]", "-")] {
            assert_eq!(glob_match(pattern, text, None), Ok(true), "{pattern} {text}");
        }
        for bad in ["[a", "[]", "[!]", "[a-zA-Z]", "[z-a]", "[a-"] {
            assert!(glob_match(bad, "a", None).is_err(), "{bad}");
        }
    }
}
