//! Go's `regexp`: RE2 syntax, matched in linear time. Texts are bytes, as Go's strings are.

mod class;
mod expand;
mod translate;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use regex_automata::meta;
use regex_automata::util::syntax;

use translate::translate;

/// Bytes a compiled pattern may take.
const PROGRAM_MAX: usize = 32 << 20;
/// Patterns kept compiled on each thread.
const CACHE_MAX: usize = 256;

/// Why a text is no pattern, in the words of Go's `regexp/syntax`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{part}`")]
pub struct RegexError {
    pub reason: String,
    /// The part of the pattern that is wrong.
    pub part: String,
}

impl RegexError {
    fn new(reason: &str, part: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), part: part.into() }
    }
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Regex {
    program: meta::Regex,
    /// The name of each group, the whole match first; empty where it has none.
    group_names: Vec<String>,
    is_empty: bool,
}

thread_local! {
    static CACHE: RefCell<HashMap<String, Rc<Regex>>> = RefCell::new(HashMap::new());
}

impl Regex {
    /// The compiled `pattern`, from a cache where it was seen before on this thread.
    ///
    /// # Errors
    /// The pattern is not RE2 syntax, or too large.
    pub fn cached(pattern: &str) -> Result<Rc<Self>, RegexError> {
        if let Some(regex) = CACHE.with_borrow(|cache| cache.get(pattern).cloned()) {
            return Ok(regex);
        }
        let regex = Rc::new(Self::new(pattern)?);
        CACHE.with_borrow_mut(|cache| {
            if cache.len() >= CACHE_MAX {
                cache.clear();
            }
            cache.insert(pattern.to_owned(), Rc::clone(&regex));
        });
        Ok(regex)
    }

    /// Compiles `pattern`.
    ///
    /// # Errors
    /// The pattern is not RE2 syntax, or too large.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        let translated = translate(pattern)?;
        // Empty matches never split a character; the syntax may, for ASCII `\B` alone.
        let program = meta::Builder::new()
            .configure(meta::Config::new().utf8_empty(true).nfa_size_limit(Some(PROGRAM_MAX)))
            .syntax(syntax::Config::new().utf8(false))
            .build(&translated.pattern)
            .map_err(|_| RegexError::new("expression too large", pattern))?;
        Ok(Self { program, group_names: translated.group_names, is_empty: pattern.is_empty() })
    }

    pub fn is_match(&self, text: &[u8]) -> bool {
        self.program.is_match(text)
    }

    /// The place of the first match.
    pub fn find(&self, text: &[u8]) -> Option<Range<usize>> {
        self.program.find(text).map(|found| found.range())
    }

    /// The places of the first `limit` matches, of all without a limit.
    pub fn find_all(&self, text: &[u8], limit: Option<usize>) -> Vec<Range<usize>> {
        self.program.find_iter(text).take(limit.unwrap_or(usize::MAX)).map(|found| found.range()).collect()
    }

    /// Replaces every match; `$1`, `${1}`, `$name` and `$$` in `template` are expanded, and `$1W` names group `1W`.
    pub fn replace_all(&self, text: &[u8], template: &[u8]) -> Vec<u8> {
        self.replace_with(text, |groups, out| expand::expand(template, text, groups, &self.group_names, out))
    }

    /// Replaces every match by `replacement` as it stands.
    pub fn replace_all_literal(&self, text: &[u8], replacement: &[u8]) -> Vec<u8> {
        self.replace_with(text, |_, out| out.extend_from_slice(replacement))
    }

    fn replace_with(&self, text: &[u8], mut write: impl FnMut(&[Option<Range<usize>>], &mut Vec<u8>)) -> Vec<u8> {
        let (mut out, mut done) = (Vec::with_capacity(text.len()), 0);
        for captures in self.program.captures_iter(text) {
            let groups: Vec<Option<Range<usize>>> = captures.iter().map(|g| g.map(|span| span.range())).collect();
            let Some(Some(whole)) = groups.first() else { continue };
            out.extend_from_slice(&text[done..whole.start]);
            done = whole.end;
            write(&groups, &mut out);
        }
        out.extend_from_slice(&text[done..]);
        out
    }

    /// The parts between matches, at most `limit` of them; the last one is the unsplit rest.
    pub fn split<'t>(&self, text: &'t [u8], limit: Option<usize>) -> Vec<&'t [u8]> {
        if limit == Some(0) {
            return Vec::new();
        }
        if text.is_empty() && !self.is_empty {
            return vec![text];
        }
        let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
        for found in self.find_all(text, limit) {
            if limit.is_some_and(|n| parts.len() + 1 == n) {
                break;
            }
            end = found.start;
            if found.end != 0 {
                parts.push(&text[begin..end]);
            }
            begin = found.end;
        }
        if end != text.len() {
            parts.push(&text[begin..]);
        }
        parts
    }
}

/// `text` with everything escaped that means something in a pattern.
pub fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests;
