//! A place in a text that is read from start to end.

use super::super::node::Mark;

/// Where something is: enough to say it as a mark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) line: usize,
    line_start: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
    /// 1-based.
    line: usize,
    line_start: usize,
    /// Where the newline stands, or the end of the text.
    line_end: usize,
    /// Columns are counted in characters.
    ascii: bool,
}

impl<'t> Cursor<'t> {
    /// Nothing for texts with characters that end lines or that YAML has no place for.
    pub(super) fn new(text: &'t str) -> Option<Self> {
        let ascii = text.is_ascii();
        let fine = |b: u8| b >= b' ' && b != 0x7f || matches!(b, b'\n' | b'\t');
        if !text.bytes().all(fine) || !(ascii || text.chars().all(is_usual)) {
            return None;
        }
        Some(Self { text, at: 0, line: 1, line_start: 0, line_end: line_end(text, 0), ascii })
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.byte(0)
    }

    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// What is left of the line.
    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..self.line_end]
    }

    /// Goes on by bytes of the same line.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// 0-based, in bytes: before content there are only spaces and dashes.
    pub(super) fn column(&self) -> usize {
        self.at - self.line_start
    }

    pub(super) fn here(&self) -> Place {
        Place { at: self.at, line: self.line, line_start: self.line_start }
    }

    /// Where a block ends: at the end of a text without a newline libyaml is fed one.
    pub(super) fn block_end(&self) -> Place {
        if self.at == self.text.len() && self.at > self.line_start {
            return Place { at: self.at + 1, line: self.line + 1, line_start: self.at + 1 };
        }
        self.here()
    }

    pub(super) fn mark(&self, place: Place) -> Mark {
        let before = self.text.get(place.line_start..place.at).filter(|_| !self.ascii);
        let columns = before.map_or(place.at - place.line_start, |text| text.chars().count());
        Mark { index: place.at, line: place.line, column: columns + 1 }
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Goes behind the newline here; at the end of the text there is none.
    pub(super) fn skip_newline(&mut self) -> bool {
        let is_newline = self.peek() == Some(b'\n');
        if is_newline {
            self.at += 1;
            self.line += 1;
            self.line_start = self.at;
            self.line_end = line_end(self.text, self.at);
        }
        is_newline
    }

    /// Whether nothing but spaces and a comment is left in the line, which is skipped then. Nothing for tabs.
    pub(super) fn rest_is_blank(&mut self) -> Option<bool> {
        let spaced = self.column() == 0 || self.text.as_bytes()[self.at - 1] == b' ' || self.peek() == Some(b' ');
        self.skip_spaces();
        match self.peek() {
            None | Some(b'\n') => Some(true),
            Some(b'\t') => None,
            Some(b'#') if spaced => {
                self.at = self.line_end;
                Some(true)
            }
            Some(_) if spaced => Some(false),
            Some(_) => None,
        }
    }

    /// Goes to the next content, behind blank lines and comments; false at the end. Nothing where there is more in the line.
    pub(super) fn skip_to_content(&mut self) -> Option<bool> {
        while self.rest_is_blank()? {
            if !self.skip_newline() {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Whether a line of `---` or `...` starts here.
    pub(super) fn at_separator(&self) -> bool {
        let rest = &self.text[self.at..];
        self.column() == 0 && (rest.starts_with("---") || rest.starts_with("..."))
    }

    pub(super) fn at_document_end(&self) -> bool {
        self.at == self.text.len() || self.at_separator()
    }

    /// Skips a line of three dashes; nothing for one that has more in it.
    pub(super) fn skip_separator(&mut self) -> Option<bool> {
        if !self.at_separator() {
            return Some(false);
        }
        let rest = self.rest();
        let alone = rest.strip_prefix("---").is_some_and(|behind| behind.bytes().all(|b| b == b' '));
        self.at += rest.len();
        alone.then_some(true)
    }

    /// Whether a list item starts here.
    pub(super) fn at_entry(&self) -> bool {
        self.peek() == Some(b'-') && matches!(self.byte(1), None | Some(b' ' | b'\n'))
    }

    pub(super) fn skip_colon(&mut self) -> bool {
        let is_colon = self.peek() == Some(b':') && matches!(self.byte(1), None | Some(b' ' | b'\n'));
        self.at += usize::from(is_colon);
        is_colon
    }
}

fn line_end(text: &str, start: usize) -> usize {
    text.as_bytes()[start..].iter().position(|b| *b == b'\n').map_or(text.len(), |length| start + length)
}

/// Neither a control character nor one of the breaks and marks of Unicode.
fn is_usual(c: char) -> bool {
    !matches!(c, '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
