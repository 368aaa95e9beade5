//! TOML text as values.

mod number;
mod tables;
mod text;

use crate::function::{CallError, Context};
use crate::limits::{Exceeded, MAX_NESTING};
use crate::value::{Map, Str, Value};
use tables::Tables;

/// Bytes that a decoded value takes, near enough.
const VALUE: usize = 160;

/// Reads a document.
///
/// # Errors
/// The library's message with line and key, or an exceeded limit.
pub(crate) fn decode(text: &str, context: &mut Context<'_>) -> Result<Map, CallError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser { text, at: 0, key_line: 1, depth: 0, tables: Tables::default(), context };
    parser.document()?;
    Ok(parser.tables.root)
}

/// What is wrong; the parser adds where.
#[derive(Debug)]
enum Wrong {
    /// At the character at hand; a newline counts as read.
    Here(String),
    /// At what was read last.
    Token(String),
    /// On the line before, as the reference says of lines that end too early.
    LineBefore(String),
    /// At the key that was read last.
    Key(String),
    Limit(CallError),
}

impl From<CallError> for Wrong {
    fn from(error: CallError) -> Self {
        Self::Limit(error)
    }
}

impl From<Exceeded> for Wrong {
    fn from(exceeded: Exceeded) -> Self {
        Self::Limit(exceeded.into())
    }
}

struct Parser<'t, 'c, 'h> {
    text: &'t str,
    at: usize,
    /// The line of the key that was read last.
    key_line: usize,
    depth: usize,
    tables: Tables,
    context: &'c mut Context<'h>,
}

impl Parser<'_, '_, '_> {
    fn document(&mut self) -> Result<(), CallError> {
        loop {
            self.skip(|c| c.is_ascii_whitespace());
            let read = match self.peek() {
                None => return Ok(()),
                Some('#') => self.comment(),
                Some('[') => self.header().and_then(|()| self.end_of_item()),
                Some(_) => self.pair().and_then(|()| self.end_of_item()),
            };
            read.map_err(|wrong| self.located(wrong))?;
        }
    }

    fn located(&self, wrong: Wrong) -> CallError {
        let here = 1 + self.text[..self.at].matches('\n').count();
        let (line, message) = match wrong {
            Wrong::Limit(error) => return error,
            Wrong::Key(message) => (self.key_line, message),
            Wrong::LineBefore(message) | Wrong::Token(message) => (here, message),
            Wrong::Here(message) if self.peek() == Some('\n') => (here + 1, message),
            Wrong::Here(message) if self.at == self.text.len() && self.text.ends_with('\n') => (here - 1, message),
            Wrong::Here(message) => (here, message),
        };
        let key = self.tables.current();
        let last = if key.is_empty() { String::new() } else { format!(" (last key {})", quoted(&key)) };
        CallError::new(format!("toml: line {line}{last}: {message}"))
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn skip(&mut self, fits: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !fits(c)).unwrap_or(rest.len());
    }

    fn skip_blanks(&mut self) {
        self.skip(|c| c == ' ' || c == '\t');
    }

    /// The character at hand in the words of the reference; the end is a zero there.
    fn shown(&self) -> String {
        let quoted = quoted(&self.peek().unwrap_or('\0').to_string());
        let inner = quoted[1..quoted.len() - 1].replace("\\\"", "\"").replace('\'', "\\'");
        format!("'{inner}'")
    }

    fn comment(&mut self) -> Result<(), Wrong> {
        while let Some(c) = self.peek().filter(|c| *c != '\n') {
            if is_control(c) {
                return Err(control(c));
            }
            self.at += c.len_utf8();
        }
        Ok(())
    }

    fn end_of_item(&mut self) -> Result<(), Wrong> {
        self.skip_blanks();
        match self.peek() {
            None | Some('\n' | '\r' | '#') => Ok(()),
            Some(_) => Err(Wrong::Here(format!(
                "expected a top-level item to end with a newline, comment, or EOF, but got {} instead",
                self.shown()
            ))),
        }
    }

    /// `[table]` or `[[tables]]`
    fn header(&mut self) -> Result<(), Wrong> {
        self.at += 1;
        let is_list = self.take("[");
        self.tables.leave();
        let mut key = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some(']') => {
                    let message = "unexpected end of table name (table names cannot be empty)";
                    return Err(Wrong::Here(message.to_owned()));
                }
                Some('.') => {
                    let message = "unexpected table separator (table names cannot be empty)";
                    return Err(Wrong::Here(message.to_owned()));
                }
                Some(_) => key.push(self.key_part()?),
            }
            self.skip_blanks();
            match self.peek() {
                Some('.') => self.at += 1,
                Some(']') => break,
                _ => {
                    let shown = self.shown();
                    return Err(Wrong::Here(format!("expected '.' or ']' to end table name, but got {shown} instead")));
                }
            }
        }
        self.at += 1;
        if is_list && !self.take("]") {
            let shown = self.shown();
            return Err(Wrong::Here(format!(
                "expected end of table array name delimiter ']', but got {shown} instead"
            )));
        }
        self.context.allocate(key.len().saturating_mul(VALUE))?;
        self.tables.enter(&key, is_list).map_err(Wrong::Key)
    }

    fn key_part(&mut self) -> Result<Str, Wrong> {
        self.key_line = 1 + self.text[..self.at].matches('\n').count();
        if self.take("\"") {
            return self.basic_string().map(Str::from);
        }
        if self.take("'") {
            return self.raw_string().map(Str::from);
        }
        let start = self.at;
        self.skip(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        Ok(Str::from(&self.text[start..self.at]))
    }

    /// The parts of a key, up to and with the `=`.
    fn key(&mut self) -> Result<Vec<Str>, Wrong> {
        let mut key = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some('=') if key.is_empty() => {
                    return Err(Wrong::Here("unexpected '=': key name appears blank".to_owned()));
                }
                Some('.') if key.is_empty() => {
                    return Err(Wrong::Here("unexpected '.': keys cannot start with a '.'".to_owned()));
                }
                None | Some('=') => return Err(Wrong::Here("unexpected '='".to_owned())),
                Some('.') => return Err(Wrong::Here("unexpected '.'".to_owned())),
                Some(_) => key.push(self.key_part()?),
            }
            self.skip_blanks();
            match self.peek() {
                Some('.') => self.at += 1,
                Some('=') => break,
                None => return Err(Wrong::Here("unexpected EOF; expected key separator '='".to_owned())),
                Some(c) => {
                    let message = format!("expected '.' or '=', but got {} instead", self.shown());
                    return Err(if c == '\n' { Wrong::LineBefore(message) } else { Wrong::Here(message) });
                }
            }
        }
        self.at += 1;
        Ok(key)
    }

    /// `key = value` in the table at hand.
    fn pair(&mut self) -> Result<(), Wrong> {
        let key = self.key()?;
        self.context.allocate(key.len().saturating_mul(VALUE))?;
        let outer = self.tables.enter_key(&key).map_err(Wrong::Key)?;
        let value = self.value()?;
        let is_array = matches!(&value, Value::List(_));
        self.tables.set_current(value, is_array).map_err(Wrong::Key)?;
        self.tables.restore(outer);
        Ok(())
    }

    fn value(&mut self) -> Result<Value, Wrong> {
        self.context.allocate(VALUE)?;
        self.skip_blanks();
        match self.peek() {
            Some('[') => self.nested(Self::array),
            Some('{') => self.nested(Self::inline_table),
            Some('"' | '\'') => self.string().map(Value::string),
            Some('0'..='9' | '+' | '-' | 'i' | 'n') => self.number_or_date(),
            Some('.') => Err(Wrong::Here("floats must start with a digit, not '.'".to_owned())),
            Some(c) if c.is_alphabetic() => self.boolean(),
            None => Err(Wrong::Here("unexpected EOF; expected value".to_owned())),
            Some(c) => {
                let message = format!("expected value but found {} instead", self.shown());
                Err(if c == '\n' { Wrong::LineBefore(message) } else { Wrong::Here(message) })
            }
        }
    }

    fn boolean(&mut self) -> Result<Value, Wrong> {
        let rest = self.rest();
        let word = &rest[..rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len())];
        match word {
            "true" | "false" => {
                let flag = word == "true";
                self.at += word.len();
                Ok(Value::Bool(flag))
            }
            other => Err(Wrong::Here(format!("expected value but found {} instead", quoted(other)))),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Wrong>) -> Result<Value, Wrong> {
        self.depth += 1;
        if self.depth > MAX_NESTING / 4 {
            return Err(Exceeded::Nesting(MAX_NESTING / 4).into());
        }
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Skips white space, newlines and comments inside brackets.
    fn skip_filling(&mut self) -> Result<(), Wrong> {
        loop {
            self.skip(|c| c.is_ascii_whitespace());
            if self.peek() != Some('#') {
                return Ok(());
            }
            self.comment()?;
        }
    }

    fn array(&mut self) -> Result<Value, Wrong> {
        let mut items = Vec::new();
        loop {
            self.skip_filling()?;
            match self.peek() {
                Some(']') => break,
                Some(',') => return Err(Wrong::Here("unexpected comma".to_owned())),
                _ => items.push(self.value()?),
            }
            self.skip_filling()?;
            match self.peek() {
                Some(',') => self.at += 1,
                Some(']') => break,
                other => {
                    let got = rune_or_end(other);
                    return Err(Wrong::Here(format!(
                        "expected a comma (',') or array terminator (']'), but got {got}"
                    )));
                }
            }
        }
        self.at += 1;
        Ok(Value::list(items))
    }

    fn inline_table(&mut self) -> Result<Value, Wrong> {
        // Keys are checked against each other inside the braces alone.
        let outer = std::mem::take(&mut self.tables);
        let table = self.inline_pairs();
        let inner = std::mem::replace(&mut self.tables, outer);
        table?;
        Ok(Value::Map(inner.root))
    }

    fn inline_pairs(&mut self) -> Result<(), Wrong> {
        loop {
            self.skip_filling()?;
            match self.peek() {
                Some('}') => break,
                Some(',') => return Err(Wrong::Here("unexpected comma".to_owned())),
                _ => self.pair()?,
            }
            self.skip_filling()?;
            match self.peek() {
                Some(',') => self.at += 1,
                Some('}') => break,
                other => {
                    let got = rune_or_end(other);
                    return Err(Wrong::Here(format!(
                        "expected a comma or an inline table terminator '}}', but got {got} instead"
                    )));
                }
            }
        }
        self.at += 1;
        Ok(())
    }
}

fn rune_or_end(c: Option<char>) -> String {
    c.map_or_else(|| "end of file".to_owned(), |c| format!("'{c}'"))
}

fn quoted(text: &str) -> String {
    crate::strconv::quote(text.as_bytes())
}

fn is_control(c: char) -> bool {
    c.is_ascii_control() && !matches!(c, '\t' | '\r' | '\n')
}

fn control(c: char) -> Wrong {
    Wrong::Here(format!("TOML files cannot contain control characters: '0x{:02x}'", u32::from(c)))
}

#[cfg(test)]
mod tests;
