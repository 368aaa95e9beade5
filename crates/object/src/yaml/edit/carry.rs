//! Keys and items that move elsewhere with their comments.

use std::ops::Range;

use serde_json::Value;

use super::block::Block;
use super::place::{EditError, EditReason, Step, shown};
use super::span::{Splice, blanks_before, content_end, dash_of, line_end, line_start, starts_line, whole_lines};
use super::{Editor, Found, child, model};
use crate::yaml::{Node, NodeKind, Style};

impl Editor {
    /// Moves an item to the end of another list, or a key to the end of another mapping, with the comment behind it and
    /// those right above it. Where it does not stand on lines of its own, it is written anew without them.
    ///
    /// # Errors
    /// As [`Editor::set`] and [`Editor::remove`]; when the mapping has that key.
    pub fn carry(&mut self, from: &[Step], to: &[Step]) -> Result<(), EditError> {
        let Some(value) = self.get(from).cloned() else {
            return Err(self.error(from, EditReason::Missing(shown(from))));
        };
        let target = [to, &[self.place_in(from, to)]].concat();
        if self.get(&target).is_some() {
            return Err(self.error(&target, EditReason::Repeated(shown(&target))));
        }
        let mut expected = self.value().clone();
        let moved = model::set(&mut expected, &target, value.clone()).and_then(|()| model::remove(&mut expected, from));
        moved.ok_or_else(|| self.wrong_kind(&target))?;
        if let Some(splices) = self.carried(from, to)
            && self.commit(from, Some(splices), expected).is_ok()
        {
            return Ok(());
        }
        self.set(&target, &value)?;
        self.remove(from)
    }

    /// The step from `to` to what comes from `from`.
    fn place_in(&self, from: &[Step], to: &[Step]) -> Step {
        match from.last() {
            Some(Step::Key(key)) => Step::Key(key.clone()),
            _ => Step::Index(self.get(to).and_then(Value::as_array).map_or(0, Vec::len)),
        }
    }

    fn carried(&self, from: &[Step], to: &[Step]) -> Option<Vec<Splice>> {
        let (Ok(Found::All(way)), Ok(Found::All(target))) = (self.find(from), self.find(to)) else { return None };
        let above = *way.get(way.len().checked_sub(2)?)?;
        if above.style == Style::Flow {
            return None;
        }
        let element = self.element(above, from.last()?)?;
        let lines = self.lines_of(&element)?;
        let mut splices = self.removal(from, &way)?;
        splices.push(Splice::delete(line_start(&self.text, element.comments)..line_start(&self.text, element.start)));
        let key = to.split_last().and_then(|(step, _)| child(target.get(target.len().checked_sub(2)?)?, step)?.0);
        splices.extend(self.block().put(key, target.last()?, &lines)?);
        Some(splices)
    }

    fn element(&self, above: &Node, step: &Step) -> Option<Element> {
        let (start, value, before) = match (&above.kind, step) {
            (NodeKind::Sequence(items), Step::Index(index)) => {
                let item = items.get(*index)?;
                let before = index.checked_sub(1).and_then(|i| items.get(i));
                (dash_of(&self.text, above, item)?, item, before)
            }
            (NodeKind::Mapping(pairs), Step::Key(key)) => {
                let index = pairs.iter().position(|(k, _)| k.as_str() == Some(key))?;
                let (key, value) = pairs.get(index)?;
                (key.start.index, value, index.checked_sub(1).and_then(|i| pairs.get(i)).map(|(_, v)| v))
            }
            _ => return None,
        };
        let lower = before.map_or(0, |before| line_end(&self.text, content_end(&self.text, before)));
        let lines = whole_lines(&self.text, start..content_end(&self.text, value));
        Some(Element { start, comments: self.block().comments_above(start, lower), lines })
            .filter(|_| starts_line(&self.text, start))
    }

    /// The lines of an element and of the comments above it, without their indentation.
    fn lines_of(&self, element: &Element) -> Option<Vec<String>> {
        let indent = element.start - line_start(&self.text, element.start);
        let text = self.text.get(element.comments..element.lines.end)?;
        let bare = |line: &str| match line.get(..indent) {
            Some(blanks) if blanks.trim().is_empty() => line[indent..].to_owned(),
            _ => line.trim_start().to_owned(),
        };
        Some(text.lines().map(bare).collect())
    }
}

/// A key or an item on lines of its own.
struct Element {
    /// Byte of the key or dash.
    start: usize,
    /// Start of the line of the first comment above it.
    comments: usize,
    lines: Range<usize>,
}

impl Block<'_> {
    /// Start of the first of the comment lines right above a line, down from `lower`.
    pub(super) fn comments_above(&self, at: usize, lower: usize) -> usize {
        let mut start = line_start(self.text, at);
        while let Some(above) = start.checked_sub(1).map(|end| line_start(self.text, end)) {
            let is_comment = self.text[above..start].trim_start().starts_with('#');
            if above < lower || !is_comment {
                break;
            }
            start = above;
        }
        start
    }

    /// Puts lines at the end of a collection, which may be an empty one behind a key.
    fn put(&self, key: Option<&Node>, into: &Node, lines: &[String]) -> Option<Vec<Splice>> {
        let indented = |column: usize| -> String {
            let line = |line: &String| match line.is_empty() {
                true => self.layout.newline.to_owned(),
                false => format!("{}{:column$}{line}", self.layout.newline, ""),
            };
            lines.iter().map(line).collect()
        };
        if into.style == Style::Block && !matches!(into.kind, NodeKind::Scalar(_)) {
            let end = line_end(self.text, content_end(self.text, into));
            return Some(vec![Splice::insert(end, indented(into.start.column - 1))]);
        }
        let (key, is_list) = (key?, lines.iter().any(|line| line.starts_with('-')));
        let column = key.start.column - 1 + if is_list { self.layout.list } else { self.layout.step };
        let gap = blanks_before(self.text, into.start.index)..into.end.index;
        Some(vec![Splice::delete(gap), Splice::insert(line_end(self.text, into.end.index), indented(column))])
    }
}
