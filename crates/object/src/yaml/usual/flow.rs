//! Flow collections in one line: `[a, "b"]`, `{a: 1}`.

use std::borrow::Cow;

use super::super::node::Style;
use super::build::{Build, Span};
use super::{DEPTH_MAX, KEY_MAX, Reader};

/// What ends a plain scalar in a flow collection, or is left to the full parser.
const SPECIAL: &[char] =
    &[',', '[', ']', '{', '}', ':', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', '?', '\t'];

impl<'t, B: Build> Reader<'t, B> {
    /// The list or mapping that starts here.
    pub(super) fn flow(&mut self, depth: usize) -> Option<B::Item> {
        let start = self.cursor.here();
        let is_list = self.cursor.peek()? == b'[';
        let close = if is_list { b']' } else { b'}' };
        if depth > DEPTH_MAX {
            return None;
        }
        self.cursor.advance(1);
        self.cursor.skip_spaces();
        let (mut items, mut pairs) = (Vec::new(), Vec::new());
        while self.cursor.peek()? != close {
            if is_list {
                items.push(self.flow_value(depth)?);
            } else {
                pairs.push((self.flow_key()?, self.flow_value(depth)?));
            }
            self.cursor.skip_spaces();
            if !self.skip_comma(close)? {
                break;
            }
        }
        self.cursor.advance(1);
        let span = Span { start, end: self.cursor.here() };
        if is_list { self.make_list(items, Style::Flow, span) } else { self.make_mapping(pairs, Style::Flow, span) }
    }

    /// Whether another item follows; nothing for a comma before the end.
    fn skip_comma(&mut self, close: u8) -> Option<bool> {
        match self.cursor.peek()? {
            b',' => {
                self.cursor.advance(1);
                self.cursor.skip_spaces();
                (self.cursor.peek()? != close).then_some(true)
            }
            end => (end == close).then_some(false),
        }
    }

    fn flow_value(&mut self, depth: usize) -> Option<B::Item> {
        if matches!(self.cursor.peek()?, b'[' | b'{') {
            return self.flow(depth + 1);
        }
        let start = self.cursor.here();
        let (text, style) = self.flow_scalar()?;
        let end = self.cursor.here();
        self.make_scalar(text, style, Span { start, end })
    }

    /// A key with its colon and the spaces behind.
    fn flow_key(&mut self) -> Option<B::Key> {
        let start = self.cursor.here();
        let (text, style) = self.flow_scalar()?;
        let length = self.cursor.here().at - start.at;
        let key = self.make_key(text, style, start).filter(|_| length <= KEY_MAX)?;
        self.cursor.skip_spaces();
        // only behind quotes a colon needs no space
        let ends = style != Style::Plain || self.cursor.byte(1) == Some(b' ');
        if self.cursor.peek()? != b':' || !ends {
            return None;
        }
        self.cursor.advance(1);
        self.cursor.skip_spaces();
        Some(key)
    }

    fn flow_scalar(&mut self) -> Option<(Cow<'t, str>, Style)> {
        if matches!(self.cursor.peek()?, b'"' | b'\'') {
            let line = self.cursor.here().line;
            return self.quoted().filter(|_| self.cursor.here().line == line);
        }
        let rest = self.cursor.rest();
        let text = rest[..rest.find(SPECIAL)?].trim_end_matches(' ');
        if text.is_empty() || text == "-" || text.starts_with("- ") {
            return None;
        }
        self.cursor.advance(text.len());
        Some((Cow::Borrowed(text), Style::Plain))
    }
}
