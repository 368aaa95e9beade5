//! Which lines of which templates wrote a scalar of a rendered object.

use std::ops::Range;

use gotemplate::{Read, Recording, Write};
use object::path;
use object::yaml::{self, Node, NodeKind};

use super::probe::{First, Object};
use crate::Origin;
use crate::helm::manifests::split;

/// The text of one object, and how it came about.
pub(crate) struct Written<'a> {
    first: &'a First,
    object: &'a Object,
    text: &'a str,
    recording: &'a Recording,
    document: Option<Node>,
}

/// What wrote a scalar.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Writers {
    /// The line of the template that the object is from.
    pub(crate) template: Origin,
    /// The line of the template that was included there, if it was.
    pub(crate) included: Option<Origin>,
}

impl<'a> Written<'a> {
    pub(crate) fn of(first: &'a First, object: &'a Object) -> Option<Self> {
        let (text, recording) = first.files.get(&object.template)?;
        let document = split(text).into_iter().find(|(start, _)| *start == object.start)?.1;
        let document = yaml::parse(document).ok().and_then(|nodes| nodes.into_iter().next());
        Some(Self { first, object, text, recording, document })
    }

    /// The bytes of the file that a scalar takes.
    pub(crate) fn bytes(&self, pointer: &str) -> Option<Range<usize>> {
        let whole = format!("{}{pointer}", self.object.within);
        let node = whole.split('/').skip(1).try_fold(self.document.as_ref()?, |node, part| below(node, part))?;
        let start = self.object.start;
        Some(start + node.start.index..start + node.end.index)
    }

    fn over(&self, bytes: &Range<usize>) -> impl Iterator<Item = &'a Write> {
        let bytes = bytes.clone();
        let fits = move |write: &&Write| write.bytes.start < bytes.end && bytes.start < write.bytes.end;
        self.recording.writes.iter().filter(fits)
    }

    /// What the actions read that wrote these bytes, or a part of them.
    pub(crate) fn reads(&self, bytes: &Range<usize>) -> Vec<Read> {
        let ranges = self.over(bytes).map(|write| write.reads.clone());
        ranges.flat_map(|range| self.recording.reads.get(range).unwrap_or_default().iter().cloned()).collect()
    }

    /// What the whole file read.
    pub(crate) fn all_reads(&self) -> &'a [Read] {
        &self.recording.reads
    }

    /// The lines that wrote a scalar: in the object's own template, and where that was included from another one.
    pub(crate) fn writers(&self, bytes: &Range<usize>) -> Writers {
        let first = bytes.start..bytes.start + 1;
        // from the outside in: later notes lie inside of earlier ones
        let mut writes: Vec<&Write> =
            self.over(&first).filter(|write| self.first.places.contains_key(&*write.template)).collect();
        writes.sort_by_key(|write| std::cmp::Reverse(write.bytes.len()));
        let outer = writes.first().map(|write| self.origin(write, bytes.start)).unwrap_or_default();
        let inner = writes.last().map(|write| self.origin(write, bytes.start));
        Writers { included: inner.filter(|inner| *inner != outer), template: outer }
    }

    fn origin(&self, write: &Write, at: usize) -> Origin {
        let before = self.text.get(write.bytes.start..at).filter(|_| write.is_text).unwrap_or_default();
        let line = write.line + before.matches('\n').count();
        Origin { file: self.first.places.get(&*write.template).cloned().unwrap_or_default(), line }
    }
}

fn below<'n>(node: &'n Node, part: &str) -> Option<&'n Node> {
    match &node.kind {
        NodeKind::Alias(_, node) => below(node, part),
        NodeKind::Sequence(items) => items.get(part.parse::<usize>().ok()?),
        NodeKind::Mapping(_) => node.get(&path::pointer_key(part)),
        NodeKind::Scalar(_) => None,
    }
}
