//! Where the bytes of an output come from, and which keys of maps were read for them. Nothing is noted unless asked for.

use std::ops::Range;
use std::sync::Arc;

use super::{Frame, Render};
use crate::value::{Map, Str, Value};

/// What one execution noted.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// In the order of the output; later ones lie inside of earlier ones.
    pub writes: Vec<Write>,
    /// In the order of reading.
    pub reads: Vec<Read>,
}

/// A piece of the output and what wrote it.
#[derive(Clone, Debug)]
pub struct Write {
    /// Bytes of the output.
    pub bytes: Range<usize>,
    /// The file, or the name that `tpl` gives its text.
    pub template: Arc<str>,
    /// 1-based, of the first byte.
    pub line: usize,
    /// Text of the template: each line break in it is one in the template. Else an action.
    pub is_text: bool,
    /// Which reads the action made.
    pub reads: Range<usize>,
}

/// A key asked of a map, whether it was there or not.
#[derive(Clone, Debug)]
pub struct Read {
    pub map: Map,
    pub key: Str,
}

/// The notes of a running execution.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    recording: Recording,
    /// Texts that templates gave as strings, with what wrote them.
    captured: Vec<Captured>,
    /// Pieces compared so far to find captured texts again.
    compared: usize,
}

#[derive(Debug)]
struct Captured {
    text: Str,
    writes: Vec<Write>,
}

/// The state of the notes when an action starts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start {
    reads: usize,
    captured: usize,
}

/// The most pieces of one execution that are noted; what comes later is not traced.
const NOTES_MAX: usize = 1 << 20;
/// The most pieces that are looked through for one line.
const COMPARED_A_LINE: usize = 1 << 10;

impl Render<'_> {
    /// Notes down from now on where the output comes from.
    pub fn record(&mut self) {
        self.recorder = Some(Box::default());
    }

    /// What the last execution noted.
    pub fn recorded(&mut self) -> Recording {
        self.recorder.as_mut().map(|recorder| std::mem::take(&mut **recorder).recording).unwrap_or_default()
    }

    pub(super) fn note_start(&self) -> Start {
        let of = |r: &Recorder| Start { reads: r.recording.reads.len(), captured: r.captured.len() };
        self.recorder.as_deref().map(of).unwrap_or_default()
    }

    #[cold]
    pub(super) fn note_text(&mut self, frame: &Frame<'_>, at: usize, start: usize) {
        let bytes = start..self.out.len();
        let line = line_at(frame, at);
        let Some(recorder) = &mut self.recorder else { return };
        let reads = recorder.recording.reads.len();
        recorder.add(Write {
            bytes,
            template: frame.tree.source.name.clone(),
            line,
            is_text: true,
            reads: reads..reads,
        });
    }

    /// An action at byte `at` of its text printed what is behind `start`.
    #[cold]
    pub(super) fn note_action(&mut self, frame: &Frame<'_>, at: usize, start: usize, began: Start) {
        let bytes = start..self.out.len();
        let line = line_at(frame, at);
        let Some(recorder) = &mut self.recorder else { return };
        let reads = began.reads..recorder.recording.reads.len();
        let template = frame.tree.source.name.clone();
        recorder.add(Write { bytes: bytes.clone(), template, line, is_text: false, reads });
        let printed = &self.out[bytes];
        for captured in recorder.captured.split_off(began.captured.min(recorder.captured.len())) {
            recorder.place(&captured, printed, start);
        }
    }

    /// The output behind `start` becomes a string.
    #[cold]
    pub(super) fn note_capture(&mut self, text: &Str, start: usize) {
        let Some(recorder) = &mut self.recorder else { return };
        let first = recorder.recording.writes.iter().position(|write| write.bytes.start >= start);
        let first = first.unwrap_or(recorder.recording.writes.len());
        let mut writes = recorder.recording.writes.split_off(first);
        for write in &mut writes {
            write.bytes = write.bytes.start - start..write.bytes.end - start;
        }
        // those of one action follow it, from the outside in
        writes.sort_by_key(|write| write.bytes.start);
        recorder.captured.push(Captured { text: text.clone(), writes });
    }

    #[cold]
    pub(super) fn note_read(&mut self, map: &Map, key: &[u8]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.read(map, key);
        }
    }

    /// Functions look into maps too: `get m "a"`, `index m "a" "b"`, `dig "a" "b" default m`.
    #[cold]
    pub(super) fn note_call(&mut self, base: usize) {
        let Some(recorder) = &mut self.recorder else { return };
        let arguments = &self.arguments[base..];
        for map in arguments.iter().filter_map(Value::as_map) {
            let mut within = map.clone();
            for key in arguments.iter().filter_map(Value::as_str) {
                recorder.read(&within, key.as_bytes());
                if let Some(Value::Map(inner)) = within.get(key.as_bytes()) {
                    within = inner;
                }
            }
        }
    }

    /// Moves what was noted to where it is when the marked bytes are gone.
    #[cold]
    pub(super) fn note_erased(&mut self, erased: &[Range<usize>]) {
        let Some(recorder) = &mut self.recorder else { return };
        let moved = |at: usize| {
            let before = erased.iter().take_while(|range| range.start < at);
            at - before.map(|range| range.end.min(at) - range.start).sum::<usize>()
        };
        for write in &mut recorder.recording.writes {
            write.bytes = moved(write.bytes.start)..moved(write.bytes.end);
        }
    }
}

impl Recorder {
    fn add(&mut self, write: Write) {
        if !write.bytes.is_empty() && self.recording.writes.len() < NOTES_MAX {
            self.recording.writes.push(write);
        }
    }

    fn read(&mut self, map: &Map, key: &[u8]) {
        if self.recording.reads.len() < NOTES_MAX {
            self.recording.reads.push(Read { map: map.clone(), key: Str::from(key) });
        }
    }

    /// Finds the lines of a captured text in what was printed in the end: functions such as `nindent` and `trim` keep
    /// them, and their order.
    fn place(&mut self, captured: &Captured, printed: &[u8], start: usize) {
        let (mut cursor, mut rest) = (0, captured.writes.as_slice());
        for (from, line) in lines(captured.text.as_bytes()) {
            rest = &rest[rest.iter().take_while(|write| write.bytes.end <= from).count()..];
            self.compared += rest.len().min(COMPARED_A_LINE);
            if self.compared > NOTES_MAX {
                return;
            }
            let Some(found) = memchr::memmem::find(&printed[cursor..], line) else { continue };
            let to = cursor + found;
            cursor = to + line.len();
            for write in rest.iter().take(COMPARED_A_LINE) {
                if let Some(write) = within(write, from..from + line.len(), captured.text.as_bytes()) {
                    let shift = |at: usize| start + to + (at - from);
                    let bytes = shift(write.bytes.start)..shift(write.bytes.end);
                    self.add(Write { bytes, ..write });
                }
            }
        }
    }
}

/// The part of a write that lies in some bytes of the text.
fn within(write: &Write, bytes: Range<usize>, text: &[u8]) -> Option<Write> {
    let part = write.bytes.start.max(bytes.start)..write.bytes.end.min(bytes.end);
    if part.is_empty() {
        return None;
    }
    let skipped = text.get(write.bytes.start..part.start).unwrap_or_default();
    let lines = if write.is_text { newlines(skipped) } else { 0 };
    Some(Write { bytes: part, line: write.line + lines, ..write.clone() })
}

/// The lines of a text that hold something, without the blanks around it, and where they start.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    text.split(|byte| *byte == b'\n').filter_map(move |line| {
        let start = at + (line.len() - line.trim_ascii_start().len());
        at += line.len() + 1;
        let line = line.trim_ascii();
        (!line.is_empty()).then_some((start, line))
    })
}

fn newlines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}

fn line_at(frame: &Frame<'_>, at: usize) -> usize {
    1 + newlines(frame.tree.source.text.as_bytes().get(..at).unwrap_or_default())
}
