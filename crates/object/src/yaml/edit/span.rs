//! Bytes and lines of nodes.

use std::ops::Range;

use crate::yaml::{Node, NodeKind, Style};

/// One replacement of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Splice {
    pub(crate) range: Range<usize>,
    pub(crate) text: String,
}

impl Splice {
    pub(crate) fn new(range: Range<usize>, text: impl Into<String>) -> Self {
        Self { range, text: text.into() }
    }

    pub(crate) fn insert(at: usize, text: impl Into<String>) -> Self {
        Self::new(at..at, text)
    }

    pub(crate) fn delete(range: Range<usize>) -> Self {
        Self::new(range, "")
    }
}

/// The text with all splices made; they do not overlap.
pub(crate) fn spliced(text: &str, mut splices: Vec<Splice>) -> Option<String> {
    splices.sort_by_key(|s| (s.range.start, s.range.end));
    let (mut out, mut at) = (String::with_capacity(text.len() + 64), 0);
    for splice in splices {
        out.push_str(text.get(at..splice.range.start)?);
        out.push_str(&splice.text);
        at = splice.range.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

/// Just behind the last byte of what a node says: comments and blank lines behind it do not belong to it.
pub(crate) fn content_end(text: &str, node: &Node) -> usize {
    let end = node.end.index.min(text.len());
    match (&node.kind, node.style) {
        (NodeKind::Sequence(items), Style::Block) => items.last().map_or(end, |item| content_end(text, item)),
        (NodeKind::Mapping(pairs), Style::Block) => pairs.last().map_or(end, |(_, value)| content_end(text, value)),
        (NodeKind::Scalar(_), Style::Literal | Style::Folded) => block_scalar_end(text, node, end),
        _ => end,
    }
}

/// `|+` keeps blank lines at its end as content; other headers do not.
fn block_scalar_end(text: &str, node: &Node, end: usize) -> usize {
    let written = text.get(node.start.index..end).unwrap_or_default();
    let header = written.lines().next().unwrap_or_default();
    let keeps = header.split('#').next().is_some_and(|header| header.contains('+'));
    let kept = if keeps { without_break(written) } else { written.trim_end() };
    node.start.index + kept.len()
}

fn without_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Where the value of a node itself starts, behind its tag and anchor.
pub(crate) fn value_start(text: &str, node: &Node) -> usize {
    node.start.index + properties(text.get(node.start.index..node.end.index.min(text.len())).unwrap_or_default())
}

/// Length of the tag and anchor at the start of a written node, with the blanks behind them.
pub(crate) fn properties(written: &str) -> usize {
    let mut at = 0;
    while written[at..].starts_with(['&', '!']) {
        let rest = &written[at..];
        let property = rest.find(char::is_whitespace).unwrap_or(rest.len());
        at += property + rest[property..].len() - rest[property..].trim_start().len();
    }
    at
}

/// Start of the line of a byte.
pub(crate) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |i| i + 1)
}

/// End of the line of a byte, its break not included.
pub(crate) fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |i| at + i);
    if end > at && text[..end].ends_with('\r') && end < text.len() { end - 1 } else { end }
}

/// Start of the line behind that of a byte.
pub(crate) fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |i| at + i + 1)
}

/// Whether only blanks stand before a byte on its line.
pub(crate) fn starts_line(text: &str, at: usize) -> bool {
    text[line_start(text, at)..at].bytes().all(|b| b == b' ')
}

/// The whole lines of a range of bytes, their breaks included. At the end of a text without a final break the break
/// before goes instead.
pub(crate) fn whole_lines(text: &str, range: Range<usize>) -> Range<usize> {
    let start = line_start(text, range.start);
    let end = next_line(text, range.end);
    if end == text.len() && !text.ends_with('\n') {
        return without_break(&text[..start]).len()..end;
    }
    start..end
}

/// The blanks before a byte that separate it from what stands before on the line.
pub(crate) fn blanks_before(text: &str, at: usize) -> usize {
    text[..at].trim_end_matches([' ', '\t']).len()
}

/// Byte of the `-` of an item of a block list.
pub(crate) fn dash_of(text: &str, list: &Node, item: &Node) -> Option<usize> {
    let column = list.start.column - 1;
    let mut line = line_start(text, item.start.index);
    loop {
        let dash = line + column;
        if dash < list.start.index {
            return (dash == list.start.index).then_some(dash);
        }
        if text.as_bytes().get(dash) == Some(&b'-') && dash < item.start.index.max(dash + 1) {
            return Some(dash);
        }
        line = line_start(text, line.checked_sub(1)?);
    }
}
