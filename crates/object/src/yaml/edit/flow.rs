//! Edits of flow mappings and lists: `{a: b}`, `[a, b]`.

use std::ops::Range;

use serde_json::Value;

use super::layout::Layout;
use super::span::{Splice, line_end, line_start, starts_line, value_start, whole_lines};
use super::write::{flow, flow_pair, quoted_like};
use crate::yaml::{Node, NodeKind, Style};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow<'t> {
    pub(crate) text: &'t str,
    pub(crate) layout: Layout,
}

impl Flow<'_> {
    /// Adds a key behind the last one of a mapping.
    pub(crate) fn add_key(&self, mapping: &Node, key: &str, value: &Value) -> Option<Vec<Splice>> {
        self.add(mapping, parts(mapping).len(), &flow_pair(key, value, is_json(mapping)))
    }

    /// Adds an item before the one at `index`, or behind the last.
    pub(crate) fn add_item(&self, list: &Node, index: usize, value: &Value) -> Option<Vec<Splice>> {
        self.add(list, index, &flow(value, is_json(list)))
    }

    fn add(&self, node: &Node, index: usize, new: &str) -> Option<Vec<Splice>> {
        let parts = parts(node);
        if let Some(next) = parts.get(index) {
            let own_line = starts_line(self.text, next.start);
            let indent = &self.text[line_start(self.text, next.start)..next.start];
            let gap = if own_line { format!("{}{indent}", self.layout.newline) } else { " ".to_owned() };
            return Some(vec![Splice::insert(next.start, format!("{new},{gap}"))]);
        }
        let Some(last) = parts.last() else { return Some(vec![self.fill_empty(node, new)]) };
        if !starts_line(self.text, last.start) {
            return Some(vec![Splice::insert(last.end, format!(", {new}"))]);
        }
        // an item per line: the new one goes below the comment of the last
        let indent = &self.text[line_start(self.text, last.start)..last.start];
        let below = line_end(self.text, last.end);
        let line = format!("{}{indent}{new}", self.layout.newline);
        if self.text[last.end..].trim_start().starts_with(',') {
            return Some(vec![Splice::insert(below, format!("{line},"))]);
        }
        if self.text[last.end..below].trim_start().starts_with('#') {
            return Some(vec![Splice::insert(last.end, ","), Splice::insert(below, line)]);
        }
        Some(vec![Splice::insert(last.end, format!(",{line}"))])
    }

    fn fill_empty(&self, node: &Node, new: &str) -> Splice {
        Splice::insert(value_start(self.text, node) + 1, new)
    }

    /// Takes the key or item at `index` away.
    pub(crate) fn remove(&self, node: &Node, index: usize) -> Option<Vec<Splice>> {
        let parts = parts(node);
        let part = parts.get(index)?;
        if parts.len() > 1
            && let Some(splices) = self.remove_lines(&parts, index)
        {
            return Some(splices);
        }
        let range = match (index.checked_sub(1).and_then(|i| parts.get(i)), parts.get(index + 1)) {
            (Some(before), _) => before.end..part.end,
            (None, Some(next)) => part.start..next.start,
            (None, None) => value_start(self.text, node) + 1..node.end.index.checked_sub(1)?,
        };
        Some(vec![Splice::delete(range)])
    }

    /// Takes a part away that has its lines for itself; the last one takes the comma before it along.
    fn remove_lines(&self, parts: &[Range<usize>], index: usize) -> Option<Vec<Splice>> {
        let part = parts.get(index)?;
        let behind = self.text.get(part.end..line_end(self.text, part.end))?.trim_start();
        let comma = behind.starts_with(',');
        let behind = behind.strip_prefix(',').unwrap_or(behind).trim_start();
        if !starts_line(self.text, part.start) || !(behind.is_empty() || behind.starts_with('#')) {
            return None;
        }
        let mut splices = vec![Splice::delete(whole_lines(self.text, part.clone()))];
        if index + 1 == parts.len() && !comma {
            let before = parts.get(index.checked_sub(1)?)?.end;
            let at = before + self.text.get(before..part.start)?.find(',')?;
            splices.push(Splice::delete(at..at + 1));
        }
        Some(splices)
    }

    /// Replaces a value, `key` being its key if it has one.
    pub(crate) fn replace(&self, key: Option<&Node>, old: &Node, new: &Value) -> Vec<Splice> {
        let json = is_json(old) || key.is_some_and(|key| key.style == Style::DoubleQuoted);
        let new = match (new, old.style) {
            (Value::String(content), Style::SingleQuoted | Style::DoubleQuoted) => quoted_like(old.style, content),
            _ => flow(new, json),
        };
        let start = value_start(self.text, old).min(old.end.index);
        let before = &self.text[..start];
        let gap = match key {
            Some(key) if start == old.end.index && !self.text[key.end.index..start].contains(':') => ": ",
            Some(_) if before.ends_with(':') => " ",
            _ => "",
        };
        vec![Splice::new(start..old.end.index, format!("{gap}{new}"))]
    }
}

/// Bytes of the pairs or items.
fn parts(node: &Node) -> Vec<Range<usize>> {
    match &node.kind {
        NodeKind::Mapping(pairs) => {
            pairs.iter().map(|(key, value)| key.start.index..value.end.index.max(key.end.index)).collect()
        }
        NodeKind::Sequence(items) => items.iter().map(|item| item.start.index..item.end.index).collect(),
        _ => Vec::new(),
    }
}

/// Whether the first text in it is in double quotes, as in JSON.
fn is_json(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Mapping(pairs) => pairs.first().is_some_and(|(key, _)| key.style == Style::DoubleQuoted),
        NodeKind::Sequence(items) => items.first().is_some_and(is_json),
        NodeKind::Scalar(_) => node.style == Style::DoubleQuoted,
        NodeKind::Alias(..) => false,
    }
}
