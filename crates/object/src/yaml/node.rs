//! The node tree: what stands where in a YAML text.

use std::collections::HashMap;
use std::panic::{self, AssertUnwindSafe};

use libyaml_safer::{Event, EventData, Parser, ScalarStyle};

use super::usual;

/// A place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Byte offset.
    pub index: usize,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
}

/// What is wrong with a YAML text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {reason}", mark.line, mark.column)]
pub struct YamlError {
    pub mark: Mark,
    pub reason: String,
}

impl YamlError {
    pub(crate) fn at(mark: Mark, reason: impl Into<String>) -> Self {
        Self { mark, reason: reason.into() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
    /// Of lists and mappings: `[…]`, `{…}`.
    Flow,
    /// Of lists and mappings.
    Block,
}

#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    Scalar(String),
    Sequence(Vec<Node>),
    /// Pairs in the order of the text; keys may repeat.
    Mapping(Vec<(Node, Node)>),
    /// `*name`: the anchored node stands in [`Node::alias_of`]'s place of the same document.
    Alias(String, Box<Node>),
}

/// A node of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub kind: NodeKind,
    /// The explicit tag, if there is one: `tag:yaml.org,2002:str` for `!!str`.
    pub tag: Option<String>,
    pub anchor: Option<String>,
    pub style: Style,
    pub start: Mark,
    /// Just behind the last byte of the node (for block lists and mappings: where the next token starts).
    pub end: Mark,
}

impl Node {
    /// The text of a scalar, aliases followed.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar(text) => Some(text),
            NodeKind::Alias(_, node) => node.as_str(),
            _ => None,
        }
    }

    /// The value of a key, aliases followed.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            NodeKind::Mapping(pairs) => pairs.iter().rev().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v),
            NodeKind::Alias(_, node) => node.get(key),
            _ => None,
        }
    }

    /// Calls `seen` with this node and all below it, keys too; aliases are not followed.
    pub(crate) fn visit<'n>(&'n self, seen: &mut impl FnMut(&'n Node)) {
        seen(self);
        match &self.kind {
            NodeKind::Sequence(items) => items.iter().for_each(|item| item.visit(seen)),
            NodeKind::Mapping(pairs) => pairs.iter().for_each(|(key, value)| {
                key.visit(seen);
                value.visit(seen);
            }),
            NodeKind::Scalar(_) | NodeKind::Alias(..) => {}
        }
    }

    /// The items of a list, aliases followed; empty for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            NodeKind::Sequence(items) => items,
            NodeKind::Alias(_, node) => node.items(),
            _ => &[],
        }
    }
}

/// Limits that keep hostile texts from costing more than their size.
const DEPTH_MAX: usize = 200;
/// Nodes of one text, those that aliases stand for included: some 200 000 lines.
pub(super) const NODES_MAX: usize = 400_000;
/// Bytes of one text.
const SIZE_MAX: usize = crate::files::SIZE_MAX as usize;

/// Parses a stream into one node per document. Documents without content are left out.
///
/// # Errors
/// The first syntax error or exceeded limit, with line and column.
pub fn parse(text: &str) -> Result<Vec<Node>, YamlError> {
    within_size(text)?;
    usual::read(text).map_or_else(|| parse_fully(text), Ok)
}

/// [`parse`] for any YAML.
pub(super) fn parse_fully(text: &str) -> Result<Vec<Node>, YamlError> {
    with_composer(text, |composer| composer.stream())
}

/// Parses the first document alone: the ones behind it may be wrong. None when it has no content.
///
/// # Errors
/// As [`parse`].
pub fn first_document(text: &str) -> Result<Option<Node>, YamlError> {
    within_size(text)?;
    usual::read_first(text).map_or_else(|| first_document_fully(text), Ok)
}

/// [`first_document`] for any YAML.
pub(super) fn first_document_fully(text: &str) -> Result<Option<Node>, YamlError> {
    with_composer(text, |composer| Ok(composer.first()?.filter(has_content)))
}

fn with_composer<T>(text: &str, read: impl FnOnce(&mut Composer<'_>) -> Result<T, YamlError>) -> Result<T, YamlError> {
    let (result, at) = compose(text, read);
    result.unwrap_or_else(|| Err(YamlError::at(at, UNREADABLE)))
}

pub(super) fn within_size(text: &str) -> Result<(), YamlError> {
    if text.len() <= SIZE_MAX {
        return Ok(());
    }
    let start = Mark { index: 0, line: 1, column: 1 };
    Err(YamlError::at(start, format!("the text has more than {} MiB", SIZE_MAX >> 20)))
}

fn has_content(node: &Node) -> bool {
    let empty = matches!(&node.kind, NodeKind::Scalar(t) if t.is_empty()) && node.style == Style::Plain;
    !(empty && node.tag.is_none())
}

/// libyaml-safer 0.3.0 panics on some texts that nobody writes (`[!tag,]`, tags with broken `%` escapes).
const UNREADABLE: &str = "what follows cannot be read; look for a tag (!…) near here";

/// What go-yaml says of a text it cannot read: `yaml: line 3: did not find expected key`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("yaml: {}{reason}", line.map_or_else(String::new, |line| format!("line {line}: ")))]
pub struct GoYamlError {
    /// As go-yaml v2 counts it: of some errors the line before, of those in the first line mostly none.
    pub line: Option<usize>,
    pub reason: String,
}

/// Parses the first document alone, as `yaml.Unmarshal` of go-yaml v2 does; none if there is none.
///
/// # Errors
/// The first syntax error or exceeded limit before the end of that document.
pub fn parse_first(text: &str) -> Result<Option<Node>, GoYamlError> {
    if text.len() > SIZE_MAX {
        return Err(GoYamlError { line: None, reason: format!("the text has more than {} MiB", SIZE_MAX >> 20) });
    }
    if let Some(first) = usual::read_first(text) {
        return Ok(first);
    }
    let (read, at) = compose(text, |composer| {
        let first = composer.first();
        first.map_err(|error| GoYamlError { line: composer.go_line, reason: error.reason })
    });
    read.unwrap_or_else(|| Err(GoYamlError { line: Some(at.line), reason: UNREADABLE.to_owned() }))
}

/// Reads with a composer of `text`; gives none where the parser panics, and how far it came.
fn compose<T>(text: &str, read: impl FnOnce(&mut Composer<'_>) -> T) -> (Option<T>, Mark) {
    // A block scalar that ends without a newline at the end of the text panics libyaml-safer 0.3.0; where one is
    // missing it is added, which changes no value: `|` clips to one newline only if there was one to clip.
    let ends = text.ends_with('\n') || text.is_empty();
    let padded;
    let input = if ends {
        text
    } else {
        padded = format!("{text}\n");
        &padded
    };
    let mut bytes = input.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut bytes);
    let mut composer = Composer {
        parser,
        anchors: HashMap::new(),
        nodes: 0,
        at: Mark::default(),
        unterminated: !ends,
        length: text.len(),
        go_line: None,
    };
    let read = panic::catch_unwind(AssertUnwindSafe(|| read(&mut composer)));
    (read.ok(), composer.at)
}

struct Composer<'r> {
    parser: Parser<&'r mut &'r [u8]>,
    /// Anchored nodes of this document with their size in nodes.
    anchors: HashMap<String, (Node, usize)>,
    /// How many nodes there are so far, aliases counted in full.
    nodes: usize,
    /// How far the text was read.
    at: Mark,
    unterminated: bool,
    length: usize,
    /// The line that go-yaml names in its message of the error that was met.
    go_line: Option<usize>,
}

impl Composer<'_> {
    fn next(&mut self) -> Result<Event, YamlError> {
        let event = self.parser.parse().map_err(|error| {
            self.go_line = go_line(&error, self.unterminated.then_some(self.length));
            let at = error.problem_mark().or(error.context_mark()).unwrap_or_default();
            YamlError::at(mark(at), error.problem().to_owned())
        })?;
        self.at = mark(event.end_mark);
        Ok(event)
    }

    fn stream(&mut self) -> Result<Vec<Node>, YamlError> {
        let mut documents = Vec::new();
        loop {
            let event = self.next()?;
            match event.data {
                EventData::StreamEnd => return Ok(documents),
                EventData::DocumentStart { .. } => {
                    self.anchors.clear();
                    let first = self.next()?;
                    documents.extend(Some(self.node(first, 0)?.0).filter(has_content));
                }
                _ => {}
            }
        }
    }

    /// The first document; the ones behind it may be wrong.
    fn first(&mut self) -> Result<Option<Node>, YamlError> {
        loop {
            match self.next()?.data {
                EventData::StreamEnd => return Ok(None),
                EventData::DocumentStart { .. } => {
                    let first = self.next()?;
                    let node = self.node(first, 0)?.0;
                    // What ends the document is read, too: it may be what is wrong.
                    self.next()?;
                    return Ok(Some(node));
                }
                _ => {}
            }
        }
    }

    /// A node and its size in nodes, aliases counted in full.
    fn node(&mut self, event: Event, depth: usize) -> Result<(Node, usize), YamlError> {
        let (start, end) = (mark(event.start_mark), mark(event.end_mark));
        if depth > DEPTH_MAX {
            return Err(YamlError::at(start, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.count(1, start)?;
        match event.data {
            EventData::Alias { anchor } => self.alias(anchor, start, end),
            EventData::Scalar { anchor, tag, value, style, .. } => {
                let style = scalar_style(style);
                let node = Node {
                    kind: NodeKind::Scalar(self.without_padding(value, style, end)),
                    tag,
                    anchor,
                    style,
                    start,
                    end,
                };
                self.remember(node, 1)
            }
            EventData::SequenceStart { anchor, tag, style, .. } => {
                let (mut items, mut size) = (Vec::new(), 1);
                let end = loop {
                    let event = self.next()?;
                    if matches!(event.data, EventData::SequenceEnd) {
                        break mark(event.end_mark);
                    }
                    let (node, nodes) = self.node(event, depth + 1)?;
                    size += nodes;
                    items.push(node);
                };
                let style = if style == libyaml_safer::SequenceStyle::Flow { Style::Flow } else { Style::Block };
                self.remember(Node { kind: NodeKind::Sequence(items), tag, anchor, style, start, end }, size)
            }
            EventData::MappingStart { anchor, tag, style, .. } => {
                let (mut pairs, mut size) = (Vec::new(), 1);
                let end = loop {
                    let event = self.next()?;
                    if matches!(event.data, EventData::MappingEnd) {
                        break mark(event.end_mark);
                    }
                    let (key, key_nodes) = self.node(event, depth + 1)?;
                    let event = self.next()?;
                    let (value, value_nodes) = self.node(event, depth + 1)?;
                    size += key_nodes + value_nodes;
                    pairs.push((key, value));
                };
                let style = if style == libyaml_safer::MappingStyle::Flow { Style::Flow } else { Style::Block };
                self.remember(Node { kind: NodeKind::Mapping(pairs), tag, anchor, style, start, end }, size)
            }
            _ => Err(YamlError::at(start, "expected a value")),
        }
    }

    fn alias(&mut self, anchor: String, start: Mark, end: Mark) -> Result<(Node, usize), YamlError> {
        let size = self.anchors.get(&anchor).map_or(0, |(_, size)| *size);
        self.count(size, start)?;
        let Some((node, _)) = self.anchors.get(&anchor) else {
            return Err(YamlError::at(start, format!("unknown anchor '{anchor}' referenced")));
        };
        let node = node.clone();
        let style = node.style;
        Ok((Node { kind: NodeKind::Alias(anchor, Box::new(node)), tag: None, anchor: None, style, start, end }, size))
    }

    fn remember(&mut self, node: Node, size: usize) -> Result<(Node, usize), YamlError> {
        if let Some(anchor) = &node.anchor {
            // the copy that aliases are made of, and its name in the table
            self.count(size + 4, node.start)?;
            self.anchors.insert(anchor.clone(), (node.clone(), size));
        }
        Ok((node, size))
    }

    fn count(&mut self, nodes: usize, at: Mark) -> Result<(), YamlError> {
        self.nodes += nodes;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        Err(YamlError::at(at, format!("more than {NODES_MAX} values, those that aliases stand for included")))
    }

    /// Takes the newline away that [`parse`] added behind an unterminated block scalar at the end.
    fn without_padding(&self, mut value: String, style: Style, end: Mark) -> String {
        let block = matches!(style, Style::Literal | Style::Folded);
        if self.unterminated && block && end.index > self.length && value.ends_with('\n') {
            value.pop();
        }
        value
    }
}

/// go-yaml v2 names the line of the problem, from zero but for the scanner's errors, and none where that is zero.
///
/// `unterminated` is the length of a text to which [`compose`] added a newline: what ends in the middle of a token ends
/// before that in go-yaml.
fn go_line(error: &libyaml_safer::Error, unterminated: Option<usize>) -> Option<usize> {
    let scanned = error.kind() == libyaml_safer::ErrorKind::Scanner;
    let line = |mark: Option<libyaml_safer::Mark>| {
        let mark = mark?;
        let behind = unterminated.is_some_and(|length| usize::try_from(mark.index).is_ok_and(|i| i > length));
        let added = behind && error.problem() == "found unexpected end of stream";
        usize::try_from(mark.line).ok()?.checked_sub(usize::from(added)).filter(|line| *line > 0)
    };
    let problem = line(error.problem_mark()).map(|line| line + usize::from(scanned));
    problem.or_else(|| line(error.context_mark()))
}

fn mark(mark: libyaml_safer::Mark) -> Mark {
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Mark { index: size(mark.index), line: size(mark.line) + 1, column: size(mark.column) + 1 }
}

fn scalar_style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
        _ => Style::Plain,
    }
}
