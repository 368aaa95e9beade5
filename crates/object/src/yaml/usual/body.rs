//! The lines below `|` and `>`.

use std::borrow::Cow;

use super::super::node::Style;
use super::Reader;
use super::build::{Build, Span};

/// What is read of a block scalar so far.
#[derive(Default)]
struct Body {
    text: String,
    folded: bool,
    /// Whether there was a line with content, of which the newline is still to come.
    begun: bool,
    /// Whether that line starts with white space: it is not folded.
    indented: bool,
    /// Blank lines since then.
    blank: usize,
}

impl Body {
    fn add(&mut self, line: &str) {
        let indented = line.starts_with([' ', '\t']);
        if self.begun && self.folded && !self.indented && !indented {
            self.text.extend((self.blank == 0).then_some(' '));
        } else if self.begun {
            self.text.push('\n');
        }
        self.text.extend(std::iter::repeat_n('\n', self.blank));
        self.text.push_str(line);
        (self.begun, self.indented, self.blank) = (true, indented, 0);
    }

    fn end(mut self, chomping: &str) -> String {
        if self.begun && chomping != "-" {
            self.text.push('\n');
        }
        if chomping == "+" {
            self.text.extend(std::iter::repeat_n('\n', self.blank));
        }
        self.text
    }
}

impl<B: Build> Reader<'_, B> {
    /// A block scalar of a block that stands in `column`. An indentation indicator is left to the full parser.
    pub(super) fn block_scalar(&mut self, column: usize) -> Option<B::Item> {
        let start = self.cursor.here();
        let header = self.cursor.rest();
        self.cursor.advance(header.len());
        let chomping = header[1..].trim_end_matches(' ');
        if !matches!(chomping, "" | "-" | "+") || !self.cursor.skip_newline() {
            return None;
        }
        let folded = header.starts_with('>');
        let mut body = Body { folded, ..Body::default() };
        self.body(column, &mut body)?;
        let style = if folded { Style::Folded } else { Style::Literal };
        let end = self.cursor.block_end();
        self.make_scalar(Cow::Owned(body.end(chomping)), style, Span { start, end })
    }

    /// Reads up to the first line that is not as deep as the first of the body.
    fn body(&mut self, column: usize, body: &mut Body) -> Option<()> {
        let (mut indent, mut longest_blank) = (None, 0);
        while self.cursor.peek().is_some() {
            let line = self.cursor.rest();
            let spaces = line.len() - line.trim_start_matches(' ').len();
            let is_blank = spaces == line.len() && indent.is_none_or(|indent| spaces <= indent);
            if is_blank {
                body.blank += 1;
                longest_blank = longest_blank.max(spaces);
            } else {
                let first = indent.is_none();
                let depth = *indent.get_or_insert(spaces);
                let tab = line[spaces..].starts_with('\t') && (first || spaces < depth);
                if tab || first && longest_blank > spaces {
                    return None;
                }
                if spaces < depth || depth <= column {
                    return Some(());
                }
                body.add(&line[depth..]);
            }
            self.cursor.advance(line.len());
            // a last line without a newline
            if !self.cursor.skip_newline() {
                return None;
            }
        }
        Some(())
    }
}
