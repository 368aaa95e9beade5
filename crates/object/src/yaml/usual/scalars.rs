//! Keys and scalars of the usual kinds.

use std::borrow::Cow;

use super::super::node::Style;
use super::Reader;
use super::build::{Build, Span};
use super::cursor::Cursor;

/// What plain scalars do not start with.
const INDICATORS: &[u8] = b",[]{}#&*!|>'\"%@`?:\t";

impl<'t> Cursor<'t> {
    /// Whether a plain scalar may start here.
    fn at_plain(&self) -> bool {
        self.peek().is_some_and(|b| !INDICATORS.contains(&b)) && !self.at_entry()
    }

    /// Whether a key of a mapping starts here. Nothing where that takes more than a look.
    pub(super) fn at_key(&self) -> Option<bool> {
        let rest = self.rest();
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => {
                let Some(end) = rest[1..].find(char::from(quote)).map(|end| end + 2) else { return Some(false) };
                let behind = rest[end..].trim_start_matches(' ');
                let escapes = rest[..end].contains('\\') || behind.starts_with(char::from(quote));
                (!escapes).then_some(behind.starts_with(':'))
            }
            _ => Some(self.at_plain() && key_end(rest).is_some()),
        }
    }

    /// The plain key here, without the spaces before its colon.
    pub(super) fn plain_key(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let key = rest[..key_end(rest).filter(|_| self.at_plain())?].trim_end_matches(' ');
        self.advance(key.len());
        (!key.contains('\t') && comment(key).is_none()).then_some(key)
    }

    /// What is left of a plain scalar in this line, and whether a comment ends it. Nothing where it holds a key.
    fn plain_line(&mut self) -> Option<(&'t str, bool)> {
        let rest = self.rest();
        let comment = comment(rest);
        let text = rest[..comment.unwrap_or(rest.len())].trim_end_matches(' ');
        self.advance(text.len());
        (!text.contains('\t') && key_end(text).is_none()).then_some((text, comment.is_some()))
    }

    /// Goes to the next line that is not blank, behind its spaces; gives the number of newlines.
    fn next_line(&mut self) -> usize {
        let mut newlines = 0;
        self.skip_spaces();
        while self.skip_newline() {
            newlines += 1;
            self.skip_spaces();
        }
        newlines
    }
}

/// Where the space before a comment stands.
fn comment(line: &str) -> Option<usize> {
    line.as_bytes().windows(2).position(|two| two == b" #")
}

/// Where the colon behind a key stands.
fn key_end(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut colons = bytes.iter().enumerate().filter(|(_, b)| **b == b':').map(|(at, _)| at);
    colons.find(|at| matches!(bytes.get(at + 1), None | Some(b' ')))
}

/// Joins two lines of a scalar that is folded: blank lines between them become newlines, none a space.
fn fold(text: &mut String, newlines: usize) {
    match newlines {
        0 => {}
        1 => text.push(' '),
        more => text.extend(std::iter::repeat_n('\n', more - 1)),
    }
}

impl<'t, B: Build> Reader<'t, B> {
    /// A scalar or flow collection; its further lines are deeper than `column`.
    pub(super) fn scalar(&mut self, column: usize) -> Option<B::Item> {
        let item = match self.cursor.peek()? {
            b'"' | b'\'' => self.quoted_item()?,
            b'[' | b'{' => self.flow(0)?,
            b'|' | b'>' => return self.block_scalar(column),
            _ => return self.plain(column),
        };
        self.cursor.rest_is_blank()?.then_some(item)
    }

    fn plain(&mut self, column: usize) -> Option<B::Item> {
        let start = self.cursor.here();
        if !self.cursor.at_plain() {
            return None;
        }
        let (line, mut closed) = self.cursor.plain_line()?;
        let (mut text, mut end) = (Cow::Borrowed(line), self.cursor.here());
        while !closed {
            let behind = self.cursor.clone();
            let newlines = self.cursor.next_line();
            let more = self.cursor.column() > column && !matches!(self.cursor.peek(), None | Some(b'#' | b'\n'));
            if newlines == 0 || !more {
                self.cursor = behind;
                break;
            }
            let line;
            (line, closed) = self.cursor.plain_line()?;
            let text = text.to_mut();
            fold(text, newlines);
            *text += line;
            end = self.cursor.here();
        }
        self.make_scalar(text, Style::Plain, Span { start, end })
    }

    pub(super) fn quoted_item(&mut self) -> Option<B::Item> {
        let start = self.cursor.here();
        let (text, style) = self.quoted()?;
        let end = self.cursor.here();
        self.make_scalar(text, style, Span { start, end })
    }

    /// The text of a quoted scalar, over any number of lines.
    pub(super) fn quoted(&mut self) -> Option<(Cow<'t, str>, Style)> {
        let style = if self.cursor.peek()? == b'"' { Style::DoubleQuoted } else { Style::SingleQuoted };
        let quote = if style == Style::DoubleQuoted { b'"' } else { b'\'' };
        self.cursor.advance(1);
        let mut text = Cow::Borrowed("");
        loop {
            let rest = self.cursor.rest();
            match rest.bytes().position(|b| b == quote || matches!(b, b'\\' | b'\t')) {
                None => {
                    text += rest.trim_end_matches(' ');
                    self.cursor.advance(rest.len());
                    let newlines = self.cursor.next_line();
                    if newlines == 0 || self.cursor.at_separator() {
                        return None;
                    }
                    fold(text.to_mut(), newlines);
                }
                Some(at) => {
                    text += &rest[..at];
                    self.cursor.advance(at + 1);
                    match (rest.as_bytes()[at], self.cursor.peek()) {
                        (b'\'', Some(b'\'')) => text += "'",
                        (found, _) if found == quote => return Some((text, style)),
                        (b'\\', _) if quote == b'\'' => {
                            text += "\\";
                            continue;
                        }
                        (b'\\', Some(escape)) => text.to_mut().push(escaped(escape)?),
                        _ => return None,
                    }
                    self.cursor.advance(1);
                }
            }
        }
    }
}

/// The character that a letter behind a backslash stands for; only those that need no more letters.
fn escaped(letter: u8) -> Option<char> {
    match letter {
        b'"' | b'\\' | b'/' => Some(char::from(letter)),
        b'n' => Some('\n'),
        b't' => Some('\t'),
        b'r' => Some('\r'),
        _ => None,
    }
}
