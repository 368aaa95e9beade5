//! Edits of block mappings and lists.

use serde_json::Value;

use super::layout::Layout;
use super::span::{
    Splice, blanks_before, content_end, dash_of, line_end, line_start, starts_line, value_start, whole_lines,
};
use super::write::{Writer, Written, quoted_like, scalar};
use crate::yaml::{Node, NodeKind, Style};

/// What a value hangs on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder<'n> {
    Root,
    Key(&'n Node),
    /// The list and the item.
    Item(&'n Node, &'n Node),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'t> {
    pub(crate) text: &'t str,
    pub(crate) layout: Layout,
}

impl Block<'_> {
    /// Adds a key behind the last one of a mapping.
    pub(crate) fn add_key(&self, pairs: &[(Node, Node)], key: &str, value: &Value) -> Option<Vec<Splice>> {
        let column = pairs.first()?.0.start.column - 1;
        let lines = Writer::under_key(self.layout, column).pair(column, key, value);
        Some(vec![self.lines_behind(content_end(self.text, &pairs.last()?.1), &lines)])
    }

    /// Adds an item before the one at `index`, or behind the last.
    pub(crate) fn add_item(&self, list: &Node, index: usize, value: &Value) -> Option<Vec<Splice>> {
        let items = list.items();
        let column = list.start.column - 1;
        let gap = self.gap(list, items.get(index.saturating_sub(1))?);
        let lines = Writer::behind_dash(self.layout, column, gap).item(column, value);
        let Some(before) = index.checked_sub(1) else { return self.add_first(list, &lines) };
        Some(vec![self.lines_behind(content_end(self.text, items.get(before)?), &lines)])
    }

    /// Adds items behind the last one.
    pub(crate) fn add_items(&self, list: &Node, values: &[Value]) -> Option<Vec<Splice>> {
        let (column, last) = (list.start.column - 1, list.items().last()?);
        let writer = Writer::behind_dash(self.layout, column, self.gap(list, last));
        let lines: Vec<String> = values.iter().flat_map(|value| writer.item(column, value)).collect();
        Some(vec![self.lines_behind(content_end(self.text, last), &lines)])
    }

    /// Adds an item before the first one, above the comments that stand right over it.
    fn add_first(&self, list: &Node, lines: &[String]) -> Option<Vec<Splice>> {
        let dash = list.start.index;
        if !starts_line(self.text, dash) {
            // `- - x`: the new item takes the place behind the outer dash
            let column = list.start.column - 1;
            let text = lines.join(self.layout.newline);
            return Some(vec![Splice::insert(
                dash,
                format!("{}{}{:column$}", text.trim_start(), self.layout.newline, ""),
            )]);
        }
        let at = self.comments_above(dash);
        let text: String = lines.iter().map(|line| format!("{line}{}", self.layout.newline)).collect();
        Some(vec![Splice::insert(at, text)])
    }

    /// How far behind its dash an item starts.
    fn gap(&self, list: &Node, item: &Node) -> usize {
        let column = item.start.column.checked_sub(list.start.column).filter(|gap| *gap > 1);
        let same_line = dash_of(self.text, list, item)
            .is_some_and(|dash| line_start(self.text, dash) == line_start(self.text, item.start.index));
        let nested = matches!(item.kind, NodeKind::Mapping(_)) && item.style == Style::Block && item.anchor.is_none();
        column.filter(|_| same_line && nested).unwrap_or(2)
    }

    /// New lines below the line of a byte.
    fn lines_behind(&self, at: usize, lines: &[String]) -> Splice {
        let text: String = lines.iter().map(|line| format!("{}{line}", self.layout.newline)).collect();
        Splice::insert(line_end(self.text, at), text)
    }

    /// Takes a key away. The mapping keeps another one.
    pub(crate) fn remove_key(&self, pairs: &[(Node, Node)], index: usize) -> Option<Vec<Splice>> {
        let (key, value) = pairs.get(index)?;
        self.remove_part(key.start.index, content_end(self.text, value), pairs.get(index + 1).map(|(k, _)| k))
    }

    /// Takes an item away. The list keeps another one.
    pub(crate) fn remove_item(&self, list: &Node, index: usize) -> Option<Vec<Splice>> {
        let items = list.items();
        let item = items.get(index)?;
        let dash = dash_of(self.text, list, item)?;
        if starts_line(self.text, dash) {
            return Some(vec![Splice::delete(whole_lines(self.text, dash..content_end(self.text, item)))]);
        }
        let next = dash_of(self.text, list, items.get(index + 1)?)?;
        Some(vec![Splice::delete(dash..next)])
    }

    fn remove_part(&self, start: usize, end: usize, next: Option<&Node>) -> Option<Vec<Splice>> {
        if starts_line(self.text, start) {
            return Some(vec![Splice::delete(whole_lines(self.text, start..end))]);
        }
        // `- name: x`: what follows moves up behind the dash, a comment on a line of its own too
        let below = line_end(self.text, end);
        let until = below + self.text.get(below..next?.start.index)?.find(|c: char| !c.is_whitespace()).unwrap_or(0);
        let until = if self.text[until..].starts_with('#') { until } else { next?.start.index };
        Some(vec![Splice::delete(start..until)])
    }

    /// Takes the only key or item of a collection away, which becomes `{}` or `[]`. Comments around it stay.
    pub(crate) fn empty(&self, key: &Node, collection: &Node, only: &Node) -> Option<Vec<Splice>> {
        let (start, empty) = match &collection.kind {
            NodeKind::Sequence(_) => (dash_of(self.text, collection, only)?, " []"),
            _ => (collection.start.index, " {}"),
        };
        if !starts_line(self.text, start) || collection.anchor.is_some() || collection.tag.is_some() {
            return None;
        }
        let colon = self.colon(key, collection)?;
        let lines = whole_lines(self.text, start..content_end(self.text, collection));
        Some(vec![Splice::insert(colon, empty), Splice::delete(lines)])
    }

    /// Just behind the colon of a key.
    pub(super) fn colon(&self, key: &Node, value: &Node) -> Option<usize> {
        Some(key.end.index + self.text.get(key.end.index..value.start.index)?.find(':')? + 1)
    }

    /// Replaces a value by another one.
    pub(crate) fn replace(&self, holder: Holder<'_>, old: &Node, new: &Value) -> Option<Vec<Splice>> {
        let written = match holder {
            Holder::Root => Writer::behind_dash(self.layout, 0, 0).value(new),
            Holder::Key(key) => Writer::under_key(self.layout, key.start.column - 1).value(new),
            Holder::Item(list, item) => {
                Writer::behind_dash(self.layout, list.start.column - 1, self.gap(list, item)).value(new)
            }
        };
        match &old.kind {
            NodeKind::Sequence(_) | NodeKind::Mapping(_) if old.style == Style::Block => {
                self.replace_block(holder, old, &written)
            }
            _ => Some(self.replace_inline(holder, old, new, &written)),
        }
    }

    /// The old value starts on the line of its key or dash. A comment behind it stays there.
    fn replace_inline(&self, holder: Holder<'_>, old: &Node, new: &Value, written: &Written) -> Vec<Splice> {
        let end = content_end(self.text, old);
        let start = value_start(self.text, old).min(end);
        let block = matches!(old.style, Style::Literal | Style::Folded) && matches!(old.kind, NodeKind::Scalar(_));
        let head_end = if block { start + header(&self.text[start..end]).len() } else { end };
        let gap = if self.text[..start].ends_with([' ', '\t', '\n']) || start == 0 { "" } else { " " };
        let (head, lines): (String, &[String]) = match (written, holder) {
            (Written::Inline(_), _) => (inline_like(old, new), &[]),
            (Written::Literal(head, lines), _) => (head.clone(), lines),
            (Written::Block(lines), Holder::Key(_)) => (String::new(), lines),
            (Written::Block(lines), _) => (lines[0].trim_start().to_owned(), &lines[1..]),
        };
        let from = if head.is_empty() { blanks_before(self.text, start) } else { start };
        let head = if head.is_empty() { head } else { format!("{gap}{head}") };
        let below = line_end(self.text, head_end);
        let mut splices = vec![Splice::new(from..head_end, head)];
        let text: String = lines.iter().map(|line| format!("{}{line}", self.layout.newline)).collect();
        splices.push(Splice::new(below..if block { end.max(below) } else { below }, text));
        splices
    }

    /// The old value is a block collection. Comments inside of it go with it.
    fn replace_block(&self, holder: Holder<'_>, old: &Node, written: &Written) -> Option<Vec<Splice>> {
        let end = content_end(self.text, old);
        let Holder::Key(key) = holder else {
            let text = match written {
                Written::Inline(text) => text.clone(),
                Written::Literal(head, lines) => [std::slice::from_ref(head), lines].concat().join(self.layout.newline),
                Written::Block(lines) => lines.join(self.layout.newline).trim_start().to_owned(),
            };
            return Some(vec![Splice::new(old.start.index..end, text)]);
        };
        let colon = self.colon(key, old)?;
        let below = line_end(self.text, colon);
        let (head, lines): (String, &[String]) = match written {
            Written::Inline(text) => (format!(" {text}"), &[]),
            Written::Literal(head, lines) => (format!(" {head}"), lines),
            Written::Block(lines) => (String::new(), lines),
        };
        let text: String = lines.iter().map(|line| format!("{}{line}", self.layout.newline)).collect();
        let comment = self.text[colon..below].find('#').map_or(colon, |at| blanks_before(self.text, colon + at));
        Some(vec![Splice::new(colon..comment, head), Splice::new(below..line_end(self.text, end), text)])
    }
}

/// A new scalar in the quotes of the old one.
fn inline_like(old: &Node, new: &Value) -> String {
    match new {
        Value::String(content) => quoted_like(old.style, content),
        _ => scalar(new),
    }
}

/// `|-` of a block scalar.
fn header(written: &str) -> &str {
    written.split([' ', '\t', '\r', '\n', '#']).next().unwrap_or_default()
}
