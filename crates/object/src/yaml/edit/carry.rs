//! Edits of many items or keys at once, with their comments.

use serde_json::Value;

use super::block::Block;
use super::place::{EditError, EditReason, Step, shown};
use super::span::{Splice, blanks_before, content_end, line_end, line_start, next_line, starts_line, whole_lines};
use super::{Editor, Found, child, is_empty_in_block, model};
use crate::yaml::{Node, NodeKind, Style};

impl Editor {
    /// Appends values to the list at a path, which is created when there is none.
    ///
    /// # Errors
    /// As [`Editor::push`].
    pub fn extend(&mut self, list: &[Step], values: &[Value]) -> Result<(), EditError> {
        if let Ok(Found::All(way)) = self.find(list)
            && let Some(node) = way.last()
            && matches!(node.kind, NodeKind::Sequence(_))
            && node.style == Style::Block
        {
            let mut expected = self.value().clone();
            let start = node.items().len();
            let added = values.iter().enumerate();
            let modelled = added.map(|(i, value)| model::insert(&mut expected, list, start + i, value.clone()));
            let splices = modelled.collect::<Option<Vec<()>>>().and_then(|_| self.block().add_items(node, values));
            return self.commit(list, splices, expected);
        }
        match self.get(list) {
            Some(Value::Array(items)) if !items.is_empty() => values.iter().try_for_each(|v| self.push(list, v)),
            None | Some(Value::Null | Value::Array(_)) => self.set(list, &values.into()),
            Some(_) => Err(self.error(list, EditReason::NoList(shown(list)))),
        }
    }

    /// Takes the marked items of a list away, as [`Editor::remove`] does.
    ///
    /// # Errors
    /// As [`Editor::remove`].
    pub fn remove_items(&mut self, list: &[Step], marked: &[bool]) -> Result<(), EditError> {
        let gone: Vec<usize> = (0..marked.len()).rev().filter(|index| marked[*index]).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let paths = gone.iter().map(|index| [list, &[(*index).into()]].concat());
        let mut expected = self.value().clone();
        if paths.clone().try_for_each(|path| model::remove(&mut expected, &path)).is_some()
            && let Some(splices) = self.removals(list, &gone)
            && self.commit(list, Some(splices), expected).is_ok()
        {
            return Ok(());
        }
        paths.into_iter().try_for_each(|path| self.remove(&path))
    }

    fn removals(&self, list: &[Step], gone: &[usize]) -> Option<Vec<Splice>> {
        let Ok(Found::All(way)) = self.find(list) else { return None };
        let node = way.last().filter(|node| node.style == Style::Block && starts_line(&self.text, node.start.index))?;
        let each: Option<Vec<_>> = gone.iter().map(|index| self.block().remove_item(node, *index)).collect();
        let mut splices: Vec<Splice> = each?.into_iter().flatten().collect();
        if gone.len() == node.items().len() {
            let above = *way.get(way.len().checked_sub(2)?)?;
            splices.push(Splice::insert(self.block().colon(child(above, list.last()?)?.0?, node)?, " []"));
        }
        Some(splices)
    }

    /// Moves all items or keys of the collection at `from` to the end of the one at `to`, with the comments in it, and
    /// takes the key of the empty collection away. Where it does not stand on lines of its own, it is written anew.
    ///
    /// # Errors
    /// As [`Editor::set`] and [`Editor::remove`]; when both mappings have a key.
    pub fn merge_into(&mut self, from: &[Step], to: &[Step]) -> Result<(), EditError> {
        let Some(value) = self.get(from).cloned() else {
            return Err(self.error(from, EditReason::Missing(shown(from))));
        };
        let mut expected = self.value().clone();
        self.append(&mut expected, to, &value)?;
        if model::remove(&mut expected, from).is_some()
            && let Some(splices) = self.merged(from, to)
            && self.commit(from, Some(splices), expected).is_ok()
        {
            return Ok(());
        }
        match &value {
            Value::Array(items) => self.extend(to, items)?,
            Value::Object(map) => {
                map.iter().try_for_each(|(key, value)| self.set(&[to, &[key.as_str().into()]].concat(), value))?;
            }
            _ => {}
        }
        self.remove(from)
    }

    /// Appends on the model.
    fn append(&self, root: &mut Value, to: &[Step], value: &Value) -> Result<(), EditError> {
        let steps: Vec<(Step, &Value)> = match value {
            Value::Array(items) => {
                let start = self.get(to).and_then(Value::as_array).map_or(0, Vec::len);
                items.iter().enumerate().map(|(i, item)| ((start + i).into(), item)).collect()
            }
            Value::Object(map) => map.iter().map(|(key, value)| (key.as_str().into(), value)).collect(),
            _ => Vec::new(),
        };
        for (step, value) in steps {
            let target = [to, &[step]].concat();
            if self.get(&target).is_some() {
                return Err(self.error(&target, EditReason::Repeated(shown(&target))));
            }
            model::set(root, &target, value.clone()).ok_or_else(|| self.wrong_kind(&target))?;
        }
        Ok(())
    }

    fn merged(&self, from: &[Step], to: &[Step]) -> Option<Vec<Splice>> {
        let (Ok(Found::All(way)), Ok(Found::All(target))) = (self.find(from), self.find(to)) else { return None };
        let (collection, above) = (*way.last()?, *way.get(way.len().checked_sub(2)?)?);
        let key = child(above, from.last()?)?.0?;
        let own = starts_line(&self.text, key.start.index) && starts_line(&self.text, collection.start.index);
        if collection.style != Style::Block || collection.anchor.is_some() || collection.tag.is_some() || !own {
            return None;
        }
        let lines = self.block().inner_lines(key, collection);
        let removed = whole_lines(&self.text, key.start.index..content_end(&self.text, collection));
        let holder = to.split_last().and_then(|(step, _)| child(target.get(target.len().checked_sub(2)?)?, step)?.0);
        Some([vec![Splice::delete(removed)], self.block().put(holder, &target, &lines)?].concat())
    }
}

impl Block<'_> {
    /// Start of the first of the comment lines right above a line.
    pub(super) fn comments_above(&self, at: usize) -> usize {
        let mut start = line_start(self.text, at);
        while let Some(above) = start.checked_sub(1).map(|end| line_start(self.text, end)) {
            if !self.text[above..start].trim_start().starts_with('#') {
                break;
            }
            start = above;
        }
        start
    }

    /// The lines below a key, without their indentation; first of all the comment behind the key, if there is one.
    fn inner_lines(&self, key: &Node, collection: &Node) -> Vec<String> {
        let behind = &self.text[key.end.index..line_end(self.text, key.end.index)];
        let comment = behind.find('#').map(|at| behind[at..].to_owned());
        let end = line_end(self.text, content_end(self.text, collection));
        let indent = collection.start.column - 1;
        let bare = |line: &str| match line.get(..indent) {
            Some(blanks) if blanks.trim().is_empty() => line[indent..].to_owned(),
            _ => line.trim_start().to_owned(),
        };
        comment.into_iter().chain(self.text[next_line(self.text, key.end.index)..end].lines().map(bare)).collect()
    }

    /// Puts lines at the end of the last collection of a way, which may be an empty one behind a key.
    fn put(&self, key: Option<&Node>, way: &[&Node], lines: &[String]) -> Option<Vec<Splice>> {
        let into = *way.last()?;
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
        let key = key.filter(|_| is_empty_in_block(way))?;
        let deeper = if matches!(into.kind, NodeKind::Sequence(_)) { self.layout.list } else { self.layout.step };
        let gap = blanks_before(self.text, into.start.index)..into.end.index;
        let lines = indented(key.start.column - 1 + deeper);
        Some(vec![Splice::delete(gap), Splice::insert(line_end(self.text, into.end.index), lines)])
    }
}
