//! A quick reader of what nearly every manifest is written in: block lists and mappings with plain, quoted and block scalars,
//! and flow collections in one line. It gives the nodes and marks that the full parser would, or nothing where a text has more
//! than that or is wrong; [`super::node`] asks the full parser then.

mod body;
mod build;
mod cursor;
mod flow;
mod scalars;

use std::borrow::Cow;

use serde_json::Value;

use super::node::{NODES_MAX, Node, Style};
use super::resolve::Dialect;
use build::{Build, Nodes, Span, Values};
use cursor::{Cursor, Place};

/// Deeper texts are left to the full parser, which says what is wrong with them.
const DEPTH_MAX: usize = 100;
/// libyaml takes no longer keys without `?`.
const KEY_MAX: usize = 1000;

/// The nodes of all documents of a stream that have content.
pub(super) fn read(text: &str) -> Option<Vec<Node>> {
    let documents = Reader::new(text, Nodes)?.stream()?;
    Some(documents.into_iter().map(|(_, node)| node).collect())
}

/// The node of the first document, which may be absent.
pub(super) fn read_first(text: &str) -> Option<Option<Node>> {
    Reader::new(text, Nodes)?.first()
}

/// The values of all documents that have content, with the lines on which they start.
pub(super) fn values(text: &str, dialect: Dialect) -> Option<Vec<(usize, Value)>> {
    Reader::new(text, Values(dialect))?.stream()
}

/// The value of the first document, which may be absent.
pub(super) fn first_value(text: &str, dialect: Dialect) -> Option<Option<Value>> {
    Reader::new(text, Values(dialect))?.first()
}

struct Reader<'t, B> {
    cursor: Cursor<'t>,
    build: B,
    depth: usize,
    items: usize,
}

impl<'t, B: Build> Reader<'t, B> {
    fn new(text: &'t str, build: B) -> Option<Self> {
        Some(Self { cursor: Cursor::new(text)?, build, depth: 0, items: 0 })
    }

    fn stream(&mut self) -> Option<Vec<(usize, B::Item)>> {
        let mut documents = Vec::new();
        while self.cursor.skip_to_content()? {
            if !self.cursor.skip_separator()? {
                documents.push((self.cursor.here().line, self.document()?));
            }
        }
        Some(documents)
    }

    fn first(&mut self) -> Option<Option<B::Item>> {
        if !self.cursor.skip_to_content()? {
            return Some(None);
        }
        if self.cursor.skip_separator()? && (!self.cursor.skip_to_content()? || self.cursor.skip_separator()?) {
            return None;
        }
        let first = self.document()?;
        // whatever else stands there has a say about the document
        self.cursor.skip_separator()?;
        Some(Some(first))
    }

    fn count(&mut self) -> Option<()> {
        self.items += 1;
        (self.items <= NODES_MAX).then_some(())
    }

    fn make_key(&mut self, text: Cow<'_, str>, style: Style, start: Place) -> Option<B::Key> {
        self.count()?;
        let span = Span { start, end: self.cursor.here() };
        self.build.key(&self.cursor, text, style, span)
    }

    fn make_scalar(&mut self, text: Cow<'_, str>, style: Style, span: Span) -> Option<B::Item> {
        self.count()?;
        self.build.scalar(&self.cursor, text, style, span)
    }

    fn make_list(&mut self, items: Vec<B::Item>, style: Style, span: Span) -> Option<B::Item> {
        self.count()?;
        Some(self.build.list(&self.cursor, items, style, span))
    }

    fn make_mapping(&mut self, pairs: Vec<(B::Key, B::Item)>, style: Style, span: Span) -> Option<B::Item> {
        self.count()?;
        Some(self.build.mapping(&self.cursor, pairs, style, span))
    }

    /// The list or mapping that starts here, up to a separator or the end.
    fn document(&mut self) -> Option<B::Item> {
        let column = self.cursor.column();
        let node = if self.cursor.at_entry() { self.list(column)? } else { self.mapping(column)? };
        self.cursor.at_document_end().then_some(node)
    }

    /// The value behind `key:` or `-`, of which the block that it belongs to stands in `column`.
    fn value(&mut self, column: usize, behind_dash: bool) -> Option<B::Item> {
        let empty = self.cursor.here();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let node = if self.cursor.rest_is_blank()? {
            self.value_below(column, behind_dash, empty)
        } else if behind_dash {
            self.block(column)
        } else {
            self.scalar(column)
        };
        self.depth -= 1;
        node
    }

    /// A value that starts on a later line; there is none if that is no deeper.
    fn value_below(&mut self, column: usize, behind_dash: bool, empty: Place) -> Option<B::Item> {
        let more = self.cursor.skip_to_content()? && !self.cursor.at_separator();
        if more && self.cursor.column() > column {
            return self.block(column);
        }
        if more && !behind_dash && self.cursor.column() == column && self.cursor.at_entry() {
            return self.list(column);
        }
        self.make_scalar(Cow::Borrowed(""), Style::Plain, Span { start: empty, end: empty })
    }

    /// What starts here, deeper than `column`: a list, a mapping or a scalar.
    fn block(&mut self, column: usize) -> Option<B::Item> {
        let here = self.cursor.column();
        if self.cursor.at_entry() {
            self.list(here)
        } else if self.cursor.at_key()? {
            self.mapping(here)
        } else {
            self.scalar(column)
        }
    }

    fn list(&mut self, column: usize) -> Option<B::Item> {
        let start = self.cursor.here();
        let mut items = Vec::new();
        loop {
            self.cursor.advance(1);
            items.push(self.value(column, true)?);
            if !self.continues(column)? || !self.cursor.at_entry() {
                break;
            }
        }
        let end = self.cursor.block_end();
        self.make_list(items, Style::Block, Span { start, end })
    }

    fn mapping(&mut self, column: usize) -> Option<B::Item> {
        let start = self.cursor.here();
        let mut pairs = Vec::new();
        loop {
            let key = self.key()?;
            pairs.push((key, self.value(column, false)?));
            if !self.continues(column)? {
                break;
            }
        }
        let end = self.cursor.block_end();
        self.make_mapping(pairs, Style::Block, Span { start, end })
    }

    /// Whether the next content stands in `column` as well. Deeper, it is none of ours.
    fn continues(&mut self, column: usize) -> Option<bool> {
        if !self.cursor.skip_to_content()? || self.cursor.at_separator() {
            return Some(false);
        }
        let here = self.cursor.column();
        (here <= column).then_some(here == column)
    }

    /// A key with its colon.
    fn key(&mut self) -> Option<B::Key> {
        let start = self.cursor.here();
        let (text, style) = match self.cursor.peek() {
            Some(b'"' | b'\'') => self.quoted()?,
            _ => (Cow::Borrowed(self.cursor.plain_key()?), Style::Plain),
        };
        let end = self.cursor.here();
        if end.line != start.line || end.at - start.at > KEY_MAX {
            return None;
        }
        let key = self.make_key(text, style, start)?;
        self.cursor.skip_spaces();
        self.cursor.skip_colon().then_some(key)
    }
}

#[cfg(test)]
mod tests;
