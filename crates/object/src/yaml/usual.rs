//! A quick reader of what nearly every manifest is written in: block lists and mappings with plain, quoted and block scalars,
//! and flow collections in one line. It gives the nodes and marks that the full parser would, or nothing where a text has more
//! than that or is wrong; [`super::node`] asks the full parser then.

mod body;
mod cursor;
mod flow;
mod scalars;

use super::node::{Mark, NODES_MAX, Node, NodeKind, Style};
use cursor::Cursor;

/// Deeper texts are left to the full parser, which says what is wrong with them.
const DEPTH_MAX: usize = 100;
/// libyaml takes no longer keys without `?`.
const KEY_MAX: usize = 1000;

/// All documents of a stream that have content.
pub(super) fn read(text: &str) -> Option<Vec<Node>> {
    let mut reader = Reader::new(text)?;
    let mut documents = Vec::new();
    while reader.cursor.skip_to_content()? {
        if !reader.cursor.skip_separator()? {
            documents.push(reader.document()?);
        }
    }
    Some(documents)
}

/// The first document, which may be absent.
pub(super) fn read_first(text: &str) -> Option<Option<Node>> {
    let mut reader = Reader::new(text)?;
    if !reader.cursor.skip_to_content()? {
        return Some(None);
    }
    if reader.cursor.skip_separator()? && (!reader.cursor.skip_to_content()? || reader.cursor.skip_separator()?) {
        return None;
    }
    let first = reader.document()?;
    // whatever else stands there has a say about the document
    reader.cursor.skip_separator()?;
    Some(Some(first))
}

struct Reader<'t> {
    cursor: Cursor<'t>,
    depth: usize,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Option<Self> {
        Some(Self { cursor: Cursor::new(text)?, depth: 0, nodes: 0 })
    }

    /// A node without tag and anchor.
    fn node(&mut self, kind: NodeKind, style: Style, start: Mark, end: Mark) -> Option<Node> {
        self.nodes += 1;
        (self.nodes <= NODES_MAX).then_some(Node { kind, tag: None, anchor: None, style, start, end })
    }

    /// The list or mapping that starts here, up to a separator or the end.
    fn document(&mut self) -> Option<Node> {
        let column = self.cursor.column();
        let node = if self.cursor.at_entry() { self.list(column)? } else { self.mapping(column)? };
        self.cursor.at_document_end().then_some(node)
    }

    /// The value behind `key:` or `-`, of which the block that it belongs to stands in `column`.
    fn value(&mut self, column: usize, behind_dash: bool) -> Option<Node> {
        let empty = self.cursor.mark_here();
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
    fn value_below(&mut self, column: usize, behind_dash: bool, empty: Mark) -> Option<Node> {
        let more = self.cursor.skip_to_content()? && !self.cursor.at_separator();
        if more && self.cursor.column() > column {
            return self.block(column);
        }
        if more && !behind_dash && self.cursor.column() == column && self.cursor.at_entry() {
            return self.list(column);
        }
        self.node(NodeKind::Scalar(String::new()), Style::Plain, empty, empty)
    }

    /// What starts here, deeper than `column`: a list, a mapping or a scalar.
    fn block(&mut self, column: usize) -> Option<Node> {
        let here = self.cursor.column();
        if self.cursor.at_entry() {
            self.list(here)
        } else if self.cursor.at_key()? {
            self.mapping(here)
        } else {
            self.scalar(column)
        }
    }

    fn list(&mut self, column: usize) -> Option<Node> {
        let start = self.cursor.mark_here();
        let mut items = Vec::new();
        loop {
            self.cursor.advance(1);
            items.push(self.value(column, true)?);
            if !self.continues(column)? || !self.cursor.at_entry() {
                break;
            }
        }
        let end = self.cursor.mark();
        self.node(NodeKind::Sequence(items), Style::Block, start, end)
    }

    fn mapping(&mut self, column: usize) -> Option<Node> {
        let start = self.cursor.mark_here();
        let mut pairs = Vec::new();
        loop {
            let key = self.key()?;
            pairs.push((key, self.value(column, false)?));
            if !self.continues(column)? {
                break;
            }
        }
        let end = self.cursor.mark();
        self.node(NodeKind::Mapping(pairs), Style::Block, start, end)
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
    fn key(&mut self) -> Option<Node> {
        let start = self.cursor.mark_here();
        let node = match self.cursor.peek() {
            Some(b'"' | b'\'') => self.quoted()?,
            _ => {
                let text = self.cursor.plain_key()?;
                let end = self.cursor.mark_here();
                self.node(NodeKind::Scalar(text.to_owned()), Style::Plain, start, end)?
            }
        };
        if node.end.line != start.line || node.end.index - start.index > KEY_MAX {
            return None;
        }
        self.cursor.skip_spaces();
        self.cursor.skip_colon().then_some(node)
    }
}

#[cfg(test)]
mod tests;
