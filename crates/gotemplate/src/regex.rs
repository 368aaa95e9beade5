//! Go's `regexp`: RE2 syntax, matched in linear time. Texts are bytes, as Go's strings are.

mod class;
mod expand;
mod translate;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use regex_automata::meta;

use translate::translate;

/// Bytes a compiled pattern may take.
const PROGRAM_MAX: usize = 8 << 20;
const TOO_LARGE: &str = "expression too large";
/// Patterns kept compiled on each thread.
const CACHE_MAX: usize = 256;
/// Larger patterns are not kept.
const CACHED_MAX: usize = 128 << 10;

/// Why a text is no pattern, in the words of Go's `regexp/syntax`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{part}`")]
pub struct RegexError {
    pub reason: String,
    /// The part of the pattern that is wrong.
    pub part: String,
}

impl RegexError {
    pub(crate) fn is_too_large(&self) -> bool {
        self.reason == TOO_LARGE
    }

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
    /// Matches may be of any length, so that a search may read on to the end of the text for nothing.
    is_unbounded: bool,
}

/// The places of the groups of a match, the whole first.
type Groups = [Option<Range<usize>>];

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
        if regex.size() > CACHED_MAX {
            return Ok(regex);
        }
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
        let too_large = || RegexError::new(TOO_LARGE, pattern);
        // Empty matches never split a character; the syntax may, for ASCII `\B` alone.
        let hir = regex_syntax::ParserBuilder::new().utf8(false).build().parse(&translated.pattern);
        let hir = hir.map_err(|_| too_large())?;
        let config = meta::Config::new().utf8_empty(true).nfa_size_limit(Some(PROGRAM_MAX));
        let program = meta::Builder::new().configure(config).build_from_hir(&hir).map_err(|_| too_large())?;
        let is_unbounded = hir.properties().maximum_len().is_none();
        Ok(Self { program, group_names: translated.group_names, is_empty: pattern.is_empty(), is_unbounded })
    }

    /// Whether [`Regex::cached`] has the pattern compiled on this thread.
    pub(crate) fn is_cached(pattern: &str) -> bool {
        CACHE.with_borrow(|cache| cache.contains_key(pattern))
    }

    /// Bytes of the compiled pattern, a measure of what compiling it cost.
    pub(crate) fn size(&self) -> usize {
        self.program.memory_usage()
    }

    /// Steps that one search in so many bytes takes beyond what it finds.
    pub(crate) fn search_steps(&self, bytes: usize) -> usize {
        if self.is_unbounded { bytes / 10 } else { 0 }
    }

    pub fn is_match(&self, text: &[u8]) -> bool {
        self.program.is_match(text)
    }

    /// The place of the first match.
    pub fn find(&self, text: &[u8]) -> Option<Range<usize>> {
        self.program.find(text).map(|found| found.range())
    }

    /// The places of all matches, found one by one.
    pub fn find_iter<'r>(&'r self, text: &'r [u8]) -> impl Iterator<Item = Range<usize>> + 'r {
        self.program.find_iter(text).map(|found| found.range())
    }

    /// Replaces every match; `$1`, `${1}`, `$name` and `$$` in `template` are expanded, and `$1W` names group `1W`.
    /// After each match `check` is told how many bytes are written, and may end the work.
    ///
    /// # Errors
    /// What `check` gives.
    pub fn replace_all<E>(
        &self,
        text: &[u8],
        template: &[u8],
        check: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let expand = |groups: &Groups, out: &mut Vec<u8>| {
            expand::expand(template, text, groups, &self.group_names, out);
        };
        self.replace_with(text, expand, check)
    }

    /// Replaces every match by `replacement` as it stands; `check` is told as by [`Regex::replace_all`].
    ///
    /// # Errors
    /// What `check` gives.
    pub fn replace_all_literal<E>(
        &self,
        text: &[u8],
        replacement: &[u8],
        check: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        self.replace_with(text, |_, out| out.extend_from_slice(replacement), check)
    }

    fn replace_with<E>(
        &self,
        text: &[u8],
        mut write: impl FnMut(&Groups, &mut Vec<u8>),
        mut check: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        let (mut out, mut done) = (Vec::new(), 0);
        for captures in self.program.captures_iter(text) {
            let groups: Vec<Option<Range<usize>>> = captures.iter().map(|g| g.map(|span| span.range())).collect();
            let Some(Some(whole)) = groups.first() else { continue };
            out.extend_from_slice(&text[done..whole.start]);
            done = whole.end;
            write(&groups, &mut out);
            check(out.len())?;
        }
        out.extend_from_slice(&text[done..]);
        Ok(out)
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
        for found in self.find_iter(text).take(limit.unwrap_or(usize::MAX)) {
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
