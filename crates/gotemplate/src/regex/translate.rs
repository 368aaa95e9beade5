//! Go's pattern syntax, rewritten for the `regex` crate, whose own differs in details: there classes know set
//! operators, `\d`, `\w`, `\s`, `\b` are Unicode, `\Q` is unknown and `{,3}` repeats.

use super::RegexError;
use super::class::{self, Class};

/// Counted repetitions above are refused, nested ones by their product.
const REPEAT_MAX: u32 = 1000;

#[derive(Debug)]
pub(super) struct Translated {
    pub(super) pattern: String,
    pub(super) group_names: Vec<String>,
}

pub(super) fn translate(pattern: &str) -> Result<Translated, RegexError> {
    let mut translator = Translator {
        pattern,
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
        group_names: vec![String::new()],
        open: Vec::new(),
        operand: Operand::None,
        flags: String::new(),
    };
    translator.run()?;
    Ok(Translated { pattern: translator.out, group_names: translator.group_names })
}

/// What a repetition operator would repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operand {
    None,
    /// With the product of the counts in it.
    Expression {
        repeats: u32,
    },
    /// Already repeated.
    Repeated {
        repeats: u32,
    },
}

struct Translator<'p> {
    pattern: &'p str,
    rest: &'p str,
    out: String,
    group_names: Vec<String>,
    /// The greatest product of counts in each open group.
    open: Vec<u32>,
    operand: Operand,
    /// Flags that are set behind the operand, which may still be repeated.
    flags: String,
}

impl<'p> Translator<'p> {
    fn run(&mut self) -> Result<(), RegexError> {
        while let Some(c) = self.rest.chars().next() {
            match c {
                '(' => self.open_group()?,
                ')' => self.close_group()?,
                '|' => self.between("|"),
                '[' => self.class()?,
                '*' | '+' | '?' => self.repeat_simply()?,
                '{' => self.repeat_counted()?,
                '\\' => self.escape()?,
                '^' | '$' | '.' => {
                    self.advance(1);
                    self.expression(&c.to_string());
                }
                _ => {
                    self.advance(c.len_utf8());
                    self.literal(c);
                }
            }
        }
        if self.open.is_empty() { Ok(()) } else { Err(RegexError::new("missing closing )", self.pattern)) }
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn expression(&mut self, text: &str) {
        self.keep_repeats();
        self.out.push_str(text);
        self.operand = Operand::Expression { repeats: 1 };
    }

    fn literal(&mut self, c: char) {
        self.keep_repeats();
        class::push_literal(&mut self.out, c);
        self.operand = Operand::Expression { repeats: 1 };
    }

    fn between(&mut self, text: &str) {
        self.keep_repeats();
        self.advance(text.len());
        self.out.push_str(text);
        self.operand = Operand::None;
    }

    /// Ends the last operand: writes the flags behind it, and remembers in the open group how often it is repeated.
    fn keep_repeats(&mut self) {
        self.out.push_str(&std::mem::take(&mut self.flags));
        if let (Some(most), Operand::Expression { repeats } | Operand::Repeated { repeats }) =
            (self.open.last_mut(), self.operand)
        {
            *most = (*most).max(repeats);
        }
    }

    fn open_group(&mut self) -> Result<(), RegexError> {
        let Some(perl) = self.rest.strip_prefix("(?") else {
            self.group_names.push(String::new());
            return self.enter("(", 1);
        };
        if let Some(named) = perl.strip_prefix("P<").or_else(|| perl.strip_prefix('<')) {
            return self.open_named(named);
        }
        self.flags(perl)
    }

    fn enter(&mut self, text: &str, read: usize) -> Result<(), RegexError> {
        self.keep_repeats();
        self.advance(read);
        self.out.push_str(text);
        self.open.push(1);
        self.operand = Operand::None;
        Ok(())
    }

    fn open_named(&mut self, named: &str) -> Result<(), RegexError> {
        let invalid = || RegexError::new("invalid named capture", self.rest);
        let (name, _) = named.split_once('>').ok_or_else(invalid)?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(invalid());
        }
        if self.group_names.iter().any(|n| n == name) {
            return Err(RegexError::new("duplicate capture group name", name));
        }
        self.group_names.push(name.to_owned());
        let read = self.rest.len() - named.len() + name.len() + 1;
        self.enter("(", read)
    }

    /// `(?i)` for the rest of the group, `(?i:` for a group without a number.
    fn flags(&mut self, perl: &str) -> Result<(), RegexError> {
        let invalid = || RegexError::new("invalid or unsupported Perl syntax", self.rest);
        let end = perl.find([')', ':']).ok_or_else(invalid)?;
        let flags = &perl[..end];
        let (on, off) = flags.split_once('-').unwrap_or((flags, "i"));
        if off.is_empty() || !on.chars().chain(off.chars()).all(|c| "imsU".contains(c)) {
            return Err(invalid());
        }
        let read = 2 + end + 1;
        if perl[end..].starts_with(':') {
            return self.enter(&format!("(?{}:", distinct(flags)), read);
        }
        self.advance(read);
        if !flags.is_empty() {
            self.flags.push_str(&format!("(?{})", distinct(flags)));
        }
        if let Operand::Repeated { repeats } = self.operand {
            self.operand = Operand::Expression { repeats };
        }
        Ok(())
    }

    fn close_group(&mut self) -> Result<(), RegexError> {
        self.keep_repeats();
        let repeats = self.open.pop().ok_or_else(|| RegexError::new("unexpected )", self.pattern))?;
        self.advance(1);
        self.out.push(')');
        self.operand = Operand::Expression { repeats };
        Ok(())
    }

    fn class(&mut self) -> Result<(), RegexError> {
        let (class, rest) = Class::parse(self.rest)?;
        self.rest = rest;
        self.expression(&class.text);
        Ok(())
    }

    fn repeat_simply(&mut self) -> Result<(), RegexError> {
        let operator = &self.rest[..1];
        self.repeat(operator, 1, 1)
    }

    /// `{2}`, `{2,}`, `{2,3}`; any other brace stands for itself.
    fn repeat_counted(&mut self) -> Result<(), RegexError> {
        let Some(counted) = Counted::read(self.rest) else {
            self.advance(1);
            self.literal('{');
            return Ok(());
        };
        let operator = &self.rest[..counted.length];
        let greatest = counted.most.unwrap_or(counted.least);
        if counted.least.max(greatest) > REPEAT_MAX || greatest < counted.least {
            return Err(RegexError::new("invalid repeat count", operator));
        }
        self.repeat(operator, counted.length, greatest)
    }

    fn repeat(&mut self, operator: &'p str, length: usize, count: u32) -> Result<(), RegexError> {
        let repeats = match self.operand {
            Operand::None => return Err(RegexError::new("missing argument to repetition operator", operator)),
            Operand::Repeated { .. } => return Err(RegexError::new("invalid nested repetition operator", operator)),
            Operand::Expression { repeats } => repeats.saturating_mul(count.max(1)),
        };
        if repeats > REPEAT_MAX {
            return Err(RegexError::new("invalid repeat count", operator));
        }
        self.advance(length);
        self.out.push_str(operator);
        if self.rest.starts_with('?') {
            self.advance(1);
            self.out.push('?');
        }
        self.operand = Operand::Repeated { repeats };
        Ok(())
    }

    fn escape(&mut self) -> Result<(), RegexError> {
        let next = self.rest[1..].chars().next();
        match next {
            Some('A' | 'z') => {
                let text = &self.rest[..2];
                self.advance(2);
                self.expression(text);
            }
            Some(c @ ('b' | 'B')) => {
                self.advance(2);
                self.expression(&format!(r"(?-u:\{c})"));
            }
            Some('Q') => self.quoted(),
            _ => {
                if let Some((set, rest)) = class::escaped_set(self.rest)? {
                    self.rest = rest;
                    self.expression(&set);
                } else {
                    let (c, rest) = class::escaped_char(self.rest)?;
                    self.rest = rest;
                    match c {
                        Some(c) => self.literal(c),
                        // A surrogate never occurs.
                        None => self.expression(r"[^\x{0}-\x{10FFFF}]"),
                    }
                }
            }
        }
        Ok(())
    }

    fn quoted(&mut self) {
        let body = &self.rest[2..];
        let (quoted, rest) = body.split_once(r"\E").unwrap_or((body, ""));
        for c in quoted.chars() {
            self.literal(c);
        }
        self.rest = rest;
    }
}

/// The flags without repetitions, which the `regex` crate refuses.
fn distinct(flags: &str) -> String {
    let mut out = String::new();
    for c in flags.chars() {
        if !out.contains(c) {
            out.push(c);
        }
    }
    out
}

/// A repetition in braces.
struct Counted {
    least: u32,
    /// None for `{2,}`.
    most: Option<u32>,
    length: usize,
}

impl Counted {
    fn read(text: &str) -> Option<Self> {
        let body = text.strip_prefix('{')?;
        let (inside, _) = body.split_once('}')?;
        let (least, most) = match inside.split_once(',') {
            None => (count(inside)?, Some(count(inside)?)),
            Some((least, "")) => (count(least)?, None),
            Some((least, most)) => (count(least)?, Some(count(most)?)),
        };
        Some(Self { least, most, length: inside.len() + 2 })
    }
}

/// A number without leading zeros; too large ones come out as the greatest.
fn count(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let zero_led = text.len() > 1 && text.starts_with('0');
    (digits && !zero_led).then(|| text.parse().unwrap_or(u32::MAX))
}
