//! Edits of YAML texts that keep every byte they do not concern: comments, order, quotes, indentation, line breaks.
//!
//! An [`Editor`] holds a text. Each edit splices bytes, reads the result again and compares what it means with the same
//! edit on plain values; a text that would mean anything else is refused, so an edit never damages a file.

mod block;
mod carry;
mod flow;
mod layout;
mod model;
mod place;
mod span;
mod write;

use serde_json::Value;

use self::block::{Block, Holder};
use self::flow::Flow;
use self::layout::Layout;
pub use self::place::{EditError, EditReason, Step, shown};
use self::span::{Splice, spliced};
use self::write::Writer;
pub use self::write::scalar_like;
use super::{Dialect, Node, NodeKind, Style, parse, to_value};

/// A YAML text under edit. Edits concern the first document of a stream.
#[derive(Debug, Clone)]
pub struct Editor {
    /// Without the byte order mark.
    text: String,
    mark: &'static str,
    documents: Vec<Node>,
    values: Vec<Value>,
    /// Bytes that were read again for edits.
    work: usize,
}

/// Every edit reads the text again: so many bytes take a second or two.
const WORK_MAX: usize = 64 << 20;

/// What a path leads to.
enum Found<'n> {
    /// The whole way, from the root to the node.
    All(Vec<&'n Node>),
    /// Only this far: the node whose next step is missing.
    Part(Vec<&'n Node>),
}

impl Editor {
    /// # Errors
    /// When the text is no YAML.
    pub fn new(text: &str) -> Result<Self, EditError> {
        let bare = text.strip_prefix('\u{feff}');
        let mark = if bare.is_some() { "\u{feff}" } else { "" };
        let text = bare.unwrap_or(text).to_owned();
        let (documents, values) = read(&text)?;
        Ok(Self { text, mark, documents, values, work: 0 })
    }

    /// The text as it is now.
    pub fn text(&self) -> String {
        format!("{}{}", self.mark, self.text)
    }

    /// What the first document means; null when there is none.
    pub fn value(&self) -> &Value {
        self.values.first().unwrap_or(&Value::Null)
    }

    /// The value at a path.
    pub fn get(&self, path: &[Step]) -> Option<&Value> {
        model::get(self.value(), path)
    }

    /// Line (1-based) of what stands at a path, or of the nearest thing above it; 1 for an empty text.
    pub fn line(&self, path: &[Step]) -> usize {
        let Some(root) = self.documents.first() else { return 1 };
        let mut node = root;
        let mut line = root.start.line;
        for step in path {
            let Some((key, below)) = child(node, step) else { break };
            line = key.unwrap_or(below).start.line;
            node = below;
        }
        line
    }

    /// Puts a value at a path: replaces what is there, or adds the key (creating mappings on the way), or appends to a
    /// list when the index is its length.
    ///
    /// # Errors
    /// When the way leads through an alias or something of another kind. The text is unchanged then.
    pub fn set(&mut self, path: &[Step], value: &Value) -> Result<(), EditError> {
        if self.get(path) == Some(value) && self.is_own(path) {
            return Ok(());
        }
        let mut expected = self.value().clone();
        model::set(&mut expected, path, value.clone()).ok_or_else(|| self.wrong_kind(path))?;
        let splices = match self.find(path)? {
            Found::All(way) => self.replace(path, &way, value),
            Found::Part(way) => self.add(path, &way, value),
        };
        self.commit(path, splices, expected)
    }

    /// Appends a value to the list at a path, which is created when there is none.
    ///
    /// # Errors
    /// As [`Editor::set`].
    pub fn push(&mut self, list: &[Step], value: &Value) -> Result<(), EditError> {
        match self.get(list) {
            None | Some(Value::Null) => self.set(list, &Value::Array(vec![value.clone()])),
            Some(Value::Array(items)) => self.insert(list, items.len(), value),
            Some(_) => Err(self.error(list, EditReason::NoList(shown(list)))),
        }
    }

    /// Puts a value before the item at `index` of a list, or behind the last.
    ///
    /// # Errors
    /// As [`Editor::set`]; when the list has fewer than `index` items.
    pub fn insert(&mut self, list: &[Step], index: usize, value: &Value) -> Result<(), EditError> {
        let mut expected = self.value().clone();
        model::insert(&mut expected, list, index, value.clone())
            .ok_or_else(|| self.error(list, EditReason::NoList(shown(list))))?;
        let Found::All(way) = self.find(list)? else {
            return Err(self.error(list, EditReason::Missing(shown(list))));
        };
        let splices = match way.last() {
            Some(Node { kind: NodeKind::Alias(anchor, _), .. }) => {
                return Err(self.error(list, EditReason::Alias { path: shown(list), anchor: anchor.clone() }));
            }
            Some(_) if is_empty_in_block(&way) => self.replace(list, &way, &Value::Array(vec![value.clone()])),
            Some(node) if node.style == Style::Flow => self.flow().add_item(node, index, value),
            Some(node) => self.block().add_item(node, index, value),
            None => None,
        };
        self.commit(list, splices, expected)
    }

    /// Takes a key or an item away. A mapping or list that has nothing left becomes `{}` or `[]`. Comments on lines of
    /// their own stay, comments behind what goes go with it.
    ///
    /// # Errors
    /// When nothing is there, or it comes from an alias or a merge, or holds an anchor that is used elsewhere.
    pub fn remove(&mut self, path: &[Step]) -> Result<(), EditError> {
        let mut expected = self.value().clone();
        model::remove(&mut expected, path).ok_or_else(|| self.error(path, EditReason::Missing(shown(path))))?;
        let Found::All(way) = self.find(path)? else {
            return Err(self.error(path, EditReason::Merged(shown(path))));
        };
        let splices = self.removal(path, &way);
        self.commit(path, splices, expected)
    }

    /// Calls the last key of a path by another name.
    ///
    /// # Errors
    /// As [`Editor::remove`].
    pub fn rename(&mut self, path: &[Step], new: &str) -> Result<(), EditError> {
        let mut expected = self.value().clone();
        model::rename(&mut expected, path, new).ok_or_else(|| self.error(path, EditReason::Missing(shown(path))))?;
        let Found::All(way) = self.find(path)? else {
            return Err(self.error(path, EditReason::Merged(shown(path))));
        };
        let key = path.last().and_then(|step| child(way[way.len().saturating_sub(2)], step)?.0);
        let splices = key.map(|key| {
            let start = span::value_start(&self.text, key);
            vec![Splice::new(start..key.end.index, write::quoted_like(key.style, new))]
        });
        self.commit(path, splices, expected)
    }

    fn removal(&self, path: &[Step], way: &[&Node]) -> Option<Vec<Splice>> {
        let (parent, step) = (*way.get(way.len().checked_sub(2)?)?, path.last()?);
        let index = match (step, &parent.kind) {
            (Step::Index(index), _) => *index,
            (Step::Key(key), NodeKind::Mapping(pairs)) => pairs.iter().rposition(|(k, _)| k.as_str() == Some(key))?,
            _ => return None,
        };
        if parent.style == Style::Flow {
            return self.flow().remove(parent, index);
        }
        match &parent.kind {
            NodeKind::Mapping(pairs) if pairs.len() > 1 || way.len() == 2 => self.block().remove_key(pairs, index),
            NodeKind::Sequence(items) if items.len() > 1 => self.block().remove_item(parent, index),
            _ => self.empty(path.split_last()?.1, &way[..way.len() - 1]),
        }
    }

    /// Leaves `{}` or `[]` of a block collection with one key or item.
    fn empty(&self, path: &[Step], way: &[&Node]) -> Option<Vec<Splice>> {
        let (collection, above) = (*way.last()?, way.len().checked_sub(2).and_then(|i| way.get(i)));
        let (only, empty) = match &collection.kind {
            NodeKind::Mapping(pairs) => (&pairs.first()?.0, Value::Object(serde_json::Map::new())),
            _ => (collection.items().first()?, Value::Array(Vec::new())),
        };
        let key = above.and_then(|above| child(above, path.last()?)?.0);
        let in_place = key.and_then(|key| self.block().empty(key, collection, only));
        in_place.or_else(|| self.replace(path, way, &empty))
    }

    fn replace(&self, path: &[Step], way: &[&Node], value: &Value) -> Option<Vec<Splice>> {
        let (old, parent) = (*way.last()?, way.len().checked_sub(2).and_then(|i| way.get(i)));
        let key = parent.and_then(|parent| child(parent, path.last()?)?.0);
        match parent {
            None if old.style == Style::Flow && !is_empty(old) => Some(self.flow().replace(None, old, value)),
            None => self.block().replace(Holder::Root, old, value),
            Some(parent) if parent.style == Style::Flow => Some(self.flow().replace(key, old, value)),
            Some(parent) => self.block().replace(key.map_or(Holder::Item(parent, old), Holder::Key), old, value),
        }
    }

    /// Adds what is missing below the last node of `way`.
    fn add(&self, path: &[Step], way: &[&Node], value: &Value) -> Option<Vec<Splice>> {
        let depth = way.len().saturating_sub(1);
        let (step, rest) = path.get(depth..)?.split_first()?;
        let mut new = Value::Null;
        model::set(&mut new, rest, value.clone())?;
        let Some(node) = way.last() else { return Some(self.first_key(step, &new)) };
        if is_empty_in_block(way) || matches!(node.kind, NodeKind::Scalar(_)) {
            let mut whole = Value::Null;
            model::set(&mut whole, &path[depth..], value.clone())?;
            return self.replace(&path[..depth], way, &whole);
        }
        match (step, &node.kind) {
            (Step::Key(key), _) if node.style == Style::Flow => self.flow().add_key(node, key, &new),
            (Step::Index(index), _) if node.style == Style::Flow => self.flow().add_item(node, *index, &new),
            (Step::Key(key), NodeKind::Mapping(pairs)) => self.block().add_key(pairs, key, &new),
            (Step::Index(index), _) => self.block().add_item(node, *index, &new),
            (Step::Key(_), _) => None,
        }
    }

    /// The first line of a text that holds nothing but comments.
    fn first_key(&self, step: &Step, value: &Value) -> Vec<Splice> {
        let layout = self.layout();
        let writer = Writer::under_key(layout, 0);
        let lines = match step {
            Step::Key(key) => writer.pair(0, key, value),
            Step::Index(_) => writer.item(0, value),
        };
        let end = self.text.len();
        let gap = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { layout.newline };
        let text: String = lines.iter().map(|line| format!("{line}{}", layout.newline)).collect();
        vec![Splice::insert(end, format!("{gap}{text}"))]
    }

    fn layout(&self) -> Layout {
        Layout::of(&self.text, self.documents.first())
    }

    fn block(&self) -> Block<'_> {
        Block { text: &self.text, layout: self.layout() }
    }

    fn flow(&self) -> Flow<'_> {
        Flow { text: &self.text, layout: self.layout() }
    }

    /// Follows a path as far as it goes.
    fn find(&self, path: &[Step]) -> Result<Found<'_>, EditError> {
        let Some(root) = self.documents.first() else { return Ok(Found::Part(Vec::new())) };
        let mut way = vec![root];
        for (depth, step) in path.iter().enumerate() {
            let node = way[depth];
            let at = || shown(&path[..depth]);
            match (&node.kind, step) {
                (NodeKind::Alias(anchor, _), _) => {
                    let reason = EditReason::Alias { path: at(), anchor: anchor.clone() };
                    return Err(EditError::new(node.start.line, reason));
                }
                (NodeKind::Mapping(pairs), Step::Key(key)) => {
                    let mut same = pairs.iter().filter(|(k, _)| k.as_str() == Some(key));
                    let first = same.next();
                    if let Some((again, _)) = same.next() {
                        let reason = EditReason::Repeated(shown(&path[..=depth]));
                        return Err(EditError::new(again.start.line, reason));
                    }
                    let Some((_, value)) = first else { return Ok(Found::Part(way)) };
                    way.push(value);
                }
                (NodeKind::Sequence(items), Step::Index(index)) => {
                    let Some(item) = items.get(*index) else { return Ok(Found::Part(way)) };
                    way.push(item);
                }
                (NodeKind::Scalar(_), _) => return Ok(Found::Part(way)),
                (_, Step::Key(_)) => return Err(EditError::new(node.start.line, EditReason::NoMapping(at()))),
                (_, Step::Index(_)) => return Err(EditError::new(node.start.line, EditReason::NoList(at()))),
            }
        }
        Ok(Found::All(way))
    }

    /// Whether what is at the path is written there, not in a merged mapping.
    fn is_own(&self, path: &[Step]) -> bool {
        matches!(self.find(path), Ok(Found::All(_)))
    }

    fn error(&self, path: &[Step], reason: EditReason) -> EditError {
        EditError::new(self.line(path), reason)
    }

    /// Why nothing can be put at a path.
    fn wrong_kind(&self, path: &[Step]) -> EditError {
        let deepest = (0..path.len()).rev().find(|depth| self.get(&path[..*depth]).is_some()).unwrap_or_default();
        let at = shown(&path[..deepest]);
        let reason = match path.get(deepest) {
            Some(Step::Index(_)) => EditReason::NoList(at),
            _ => EditReason::NoMapping(at),
        };
        self.error(&path[..deepest], reason)
    }

    /// Takes the new text over if it means what it must.
    fn commit(&mut self, path: &[Step], splices: Option<Vec<Splice>>, expected: Value) -> Result<(), EditError> {
        let refused = |what: &str| EditReason::Unsafe { path: shown(path), what: what.to_owned() };
        let new = splices.and_then(|splices| spliced(&self.text, splices));
        let new = new.ok_or_else(|| self.error(path, refused("its form is not known")))?;
        self.work += new.len();
        if self.work > WORK_MAX + 16 * self.text.len() {
            return Err(self.error(path, EditReason::TooMany));
        }
        let mut wanted = self.values.clone();
        match wanted.first_mut() {
            Some(first) => *first = expected,
            None => wanted.push(expected),
        }
        // a text of several lines may need the break behind its last one
        let closed = format!("{new}{}", self.layout().newline);
        for text in [new, closed] {
            match read(&text) {
                Ok((documents, values)) if same(&values, &wanted) => {
                    (self.text, self.documents, self.values) = (text, documents, values);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(self
            .error(path, self.anchor_in(path).unwrap_or_else(|| refused("what else is written there would change"))))
    }

    /// The reason, if an anchor in or above the part at the path is one that is used.
    fn anchor_in(&self, path: &[Step]) -> Option<EditReason> {
        let (Ok(Found::All(way)) | Ok(Found::Part(way))) = self.find(path) else { return None };
        let (last, above) = way.split_last()?;
        let mut inner = Vec::new();
        last.visit(&mut |node| inner.extend(node.anchor.clone()));
        let used = |anchor: &String| self.uses(anchor).then(|| anchor.clone());
        if let Some(anchor) = above.iter().filter_map(|node| node.anchor.as_ref()).find_map(used) {
            return Some(EditReason::Shared { path: shown(path), anchor });
        }
        Some(EditReason::AnchorInUse { path: shown(path), anchor: inner.iter().find_map(used)? })
    }

    fn uses(&self, anchor: &str) -> bool {
        let mut found = false;
        let mut look = |node: &Node| found |= matches!(&node.kind, NodeKind::Alias(name, _) if name == anchor);
        if let Some(root) = self.documents.first() {
            root.visit(&mut look);
        }
        found
    }
}

/// Key (of a mapping) and value of what is one step below.
fn child<'n>(node: &'n Node, step: &Step) -> Option<(Option<&'n Node>, &'n Node)> {
    match (&node.kind, step) {
        (NodeKind::Mapping(pairs), Step::Key(key)) => {
            pairs.iter().rev().find(|(k, _)| k.as_str() == Some(key)).map(|(k, v)| (Some(k), v))
        }
        (NodeKind::Sequence(items), Step::Index(index)) => items.get(*index).map(|item| (None, item)),
        _ => None,
    }
}

/// Whether the last node of the way is `{}` or `[]` in block style: it has no style of its own yet.
fn is_empty_in_block(way: &[&Node]) -> bool {
    let above = way.len().checked_sub(2).and_then(|i| way.get(i));
    way.last().is_some_and(|node| is_empty(node)) && above.is_none_or(|above| above.style == Style::Block)
}

fn is_empty(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Mapping(pairs) => pairs.is_empty(),
        NodeKind::Sequence(items) => items.is_empty(),
        _ => false,
    }
}

fn read(text: &str) -> Result<(Vec<Node>, Vec<Value>), EditError> {
    let documents = parse(text)?;
    let values = documents.iter().map(|node| to_value(node, Dialect::Kubernetes)).collect::<Result<_, _>>()?;
    Ok((documents, values))
}

/// Whether two streams mean the same; an empty document and one without keys do.
fn same(values: &[Value], wanted: &[Value]) -> bool {
    let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    values == wanted || (values.iter().all(empty) && wanted.iter().all(empty))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
