//! Flow collections in one line: `[a, "b"]`, `{a: 1}`.

use super::super::node::{Node, NodeKind, Style};
use super::{DEPTH_MAX, KEY_MAX, Reader};

/// What ends a plain scalar in a flow collection, or is left to the full parser.
const SPECIAL: &[char] =
    &[',', '[', ']', '{', '}', ':', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', '?', '\t'];

impl Reader<'_> {
    /// The list or mapping that starts here.
    pub(super) fn flow(&mut self, depth: usize) -> Option<Node> {
        let start = self.cursor.mark_here();
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
        let kind = if is_list { NodeKind::Sequence(items) } else { NodeKind::Mapping(pairs) };
        let end = self.cursor.mark_here();
        self.node(kind, Style::Flow, start, end)
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

    fn flow_value(&mut self, depth: usize) -> Option<Node> {
        match self.cursor.peek()? {
            b'[' | b'{' => self.flow(depth + 1),
            _ => self.flow_scalar(),
        }
    }

    /// A key with its colon and the spaces behind.
    fn flow_key(&mut self) -> Option<Node> {
        let key = self.flow_scalar()?;
        self.cursor.skip_spaces();
        // only behind quotes a colon needs no space
        let ends = key.style != Style::Plain || self.cursor.byte(1) == Some(b' ');
        if self.cursor.peek()? != b':' || !ends || key.end.index - key.start.index > KEY_MAX {
            return None;
        }
        self.cursor.advance(1);
        self.cursor.skip_spaces();
        Some(key)
    }

    fn flow_scalar(&mut self) -> Option<Node> {
        if matches!(self.cursor.peek()?, b'"' | b'\'') {
            let quoted = self.quoted()?;
            return (quoted.start.line == quoted.end.line).then_some(quoted);
        }
        let start = self.cursor.mark_here();
        let rest = self.cursor.rest();
        let text = rest[..rest.find(SPECIAL)?].trim_end_matches(' ');
        if text.is_empty() || text == "-" || text.starts_with("- ") {
            return None;
        }
        self.cursor.advance(text.len());
        let end = self.cursor.mark_here();
        self.node(NodeKind::Scalar(text.to_owned()), Style::Plain, start, end)
    }
}
