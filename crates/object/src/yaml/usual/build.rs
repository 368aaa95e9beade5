//! What is made of what is read: nodes with marks, or values alone.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::super::node::{Mark, Node, NodeKind, Style};
use super::super::resolve::{self, Dialect};
use super::cursor::{Cursor, Place};

/// Where something starts and ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: Place,
    pub(super) end: Place,
}

/// Every function gives nothing for what only the full parser can tell.
pub(super) trait Build {
    type Key;
    type Item;
    fn key(&self, cursor: &Cursor<'_>, text: Cow<'_, str>, style: Style, span: Span) -> Option<Self::Key>;
    fn scalar(&self, cursor: &Cursor<'_>, text: Cow<'_, str>, style: Style, span: Span) -> Option<Self::Item>;
    fn list(&self, cursor: &Cursor<'_>, items: Vec<Self::Item>, style: Style, span: Span) -> Self::Item;
    fn mapping(&self, cursor: &Cursor<'_>, pairs: Vec<(Self::Key, Self::Item)>, style: Style, span: Span)
    -> Self::Item;
}

/// Nodes as the full parser gives them.
pub(super) struct Nodes;

impl Nodes {
    fn node(cursor: &Cursor<'_>, kind: NodeKind, style: Style, span: Span) -> Node {
        let (start, end): (Mark, Mark) = (cursor.mark(span.start), cursor.mark(span.end));
        Node { kind, tag: None, anchor: None, style, start, end }
    }
}

impl Build for Nodes {
    type Key = Node;
    type Item = Node;

    fn key(&self, cursor: &Cursor<'_>, text: Cow<'_, str>, style: Style, span: Span) -> Option<Node> {
        self.scalar(cursor, text, style, span)
    }

    fn scalar(&self, cursor: &Cursor<'_>, text: Cow<'_, str>, style: Style, span: Span) -> Option<Node> {
        Some(Self::node(cursor, NodeKind::Scalar(text.into_owned()), style, span))
    }

    fn list(&self, cursor: &Cursor<'_>, items: Vec<Node>, style: Style, span: Span) -> Node {
        Self::node(cursor, NodeKind::Sequence(items), style, span)
    }

    fn mapping(&self, cursor: &Cursor<'_>, pairs: Vec<(Node, Node)>, style: Style, span: Span) -> Node {
        Self::node(cursor, NodeKind::Mapping(pairs), style, span)
    }
}

/// JSON values in a dialect.
pub(super) struct Values(pub(super) Dialect);

impl Build for Values {
    type Key = String;
    type Item = Value;

    fn key(&self, cursor: &Cursor<'_>, text: Cow<'_, str>, style: Style, span: Span) -> Option<String> {
        let is_merge = style == Style::Plain && text == "<<";
        let value = self.scalar(cursor, text, style, span).filter(|_| !is_merge)?;
        resolve::key_text(value, self.0)
    }

    fn scalar(&self, _: &Cursor<'_>, text: Cow<'_, str>, style: Style, _: Span) -> Option<Value> {
        match style {
            Style::Plain => resolve::scalar_value(&text, self.0),
            _ => Some(Value::String(text.into_owned())),
        }
    }

    fn list(&self, _: &Cursor<'_>, items: Vec<Value>, _: Style, _: Span) -> Value {
        Value::Array(items)
    }

    fn mapping(&self, _: &Cursor<'_>, pairs: Vec<(String, Value)>, _: Style, _: Span) -> Value {
        Value::Object(pairs.into_iter().collect::<Map<_, _>>())
    }
}
