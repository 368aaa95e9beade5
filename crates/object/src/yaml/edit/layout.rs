//! How a text is written: line breaks and indentation.

use crate::yaml::{Node, NodeKind, Style};

/// The habits of a text, which new lines follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) newline: &'static str,
    /// Columns by which a mapping is indented under its key.
    pub(crate) step: usize,
    /// Columns by which a list is indented under its key.
    pub(crate) list: usize,
}

impl Layout {
    /// Found by the first nested mapping and the first list under a key; else as kustomize writes.
    pub(crate) fn of(text: &str, root: Option<&Node>) -> Self {
        let newline = if text.find('\n').is_some_and(|at| text[..at].ends_with('\r')) { "\r\n" } else { "\n" };
        let mut found = Found::default();
        if let Some(root) = root {
            found.look(root);
        }
        Self { newline, step: found.step.unwrap_or(2), list: found.list.unwrap_or(0) }
    }
}

#[derive(Debug, Default)]
struct Found {
    step: Option<usize>,
    list: Option<usize>,
}

impl Found {
    fn look(&mut self, node: &Node) {
        match &node.kind {
            NodeKind::Mapping(pairs) if node.style == Style::Block => {
                for (key, value) in pairs {
                    self.note(key, value);
                    self.look(value);
                }
            }
            NodeKind::Sequence(items) if node.style == Style::Block => items.iter().for_each(|item| self.look(item)),
            _ => {}
        }
    }

    fn note(&mut self, key: &Node, value: &Node) {
        // an anchor or tag stands before the collection, on the line of the key: its column says nothing
        if value.style != Style::Block || value.anchor.is_some() || value.tag.is_some() {
            return;
        }
        let Some(deeper) = value.start.column.checked_sub(key.start.column) else { return };
        match value.kind {
            NodeKind::Mapping(_) if deeper > 0 => self.step.get_or_insert(deeper),
            NodeKind::Sequence(_) => self.list.get_or_insert(deeper),
            _ => return,
        };
    }
}
