//! Format strings of `printf`.

use super::pad::{Flags, is_too_large, parse_number};
use super::printer::Printer;
use crate::limits::Exceeded;
use crate::value::Value;

/// Where a format string and its values have been read to.
struct Format<'f> {
    text: &'f [u8],
    values: &'f [Value],
    at: usize,
    next: usize,
    /// some verb named its value by number: extra values are not noted
    reordered: bool,
    /// the current verb names a value there is
    good_number: bool,
    /// the last thing read was a number in brackets
    after_index: bool,
}

/// Go's `doPrintf`.
pub(super) fn run(printer: &mut Printer<'_>, text: &[u8], values: &[Value]) -> Result<(), Exceeded> {
    let mut format = Format { text, values, at: 0, next: 0, reordered: false, good_number: true, after_index: false };
    while format.at < text.len() {
        let rest = &text[format.at..];
        let literal = rest.iter().position(|byte| *byte == b'%').unwrap_or(rest.len());
        printer.out.extend_from_slice(&rest[..literal]);
        format.at += literal;
        if format.at < text.len() {
            format.at += 1;
            format.verb(printer)?;
        }
    }
    printer.flags = Flags::default();
    if !format.reordered && format.next < values.len() {
        extra(printer, &values[format.next..])?;
    }
    Ok(())
}

/// `%!(EXTRA string=a, int=1)`
fn extra(printer: &mut Printer<'_>, values: &[Value]) -> Result<(), Exceeded> {
    printer.write("%!(EXTRA ");
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            printer.write(", ");
        }
        if !matches!(value, Value::Nil) {
            printer.write(&value.type_name());
            printer.write("=");
        }
        printer.print_argument(value, 'v')?;
    }
    printer.write(")");
    Ok(())
}

impl Format<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Everything after `%`.
    fn verb(&mut self, printer: &mut Printer<'_>) -> Result<(), Exceeded> {
        self.good_number = true;
        self.after_index = false;
        let mut flags = self.flags();
        self.index();
        self.width(&mut flags, printer);
        self.precision(&mut flags, printer);
        if !self.after_index {
            self.index();
        }
        printer.flags = flags;
        let Some(verb) = self.rune() else {
            printer.write("%!(NOVERB)");
            return Ok(());
        };
        match self.values.get(self.next) {
            _ if verb == '%' => printer.write("%"),
            _ if !self.good_number => self.note(printer, verb, "(BADINDEX)"),
            None => self.note(printer, verb, "(MISSING)"),
            Some(value) => {
                self.next += 1;
                return print(printer, value, verb);
            }
        }
        Ok(())
    }

    fn note(&self, printer: &mut Printer<'_>, verb: char, note: &str) {
        printer.write(&format!("%!{verb}{note}"));
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        while let Some(byte) = self.byte() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        flags
    }

    fn width(&mut self, flags: &mut Flags, printer: &mut Printer<'_>) {
        if self.byte() != Some(b'*') {
            let (width, at) = parse_number(self.text, self.at);
            (flags.width, self.at) = (width, at);
            if self.after_index && width.is_some() {
                self.good_number = false;
            }
            return;
        }
        self.at += 1;
        match self.number_argument() {
            Some(width) => {
                if width < 0 {
                    (flags.minus, flags.zero) = (true, false);
                }
                flags.width = Some(width.unsigned_abs() as usize);
            }
            None => printer.write("%!(BADWIDTH)"),
        }
        self.after_index = false;
    }

    fn precision(&mut self, flags: &mut Flags, printer: &mut Printer<'_>) {
        if self.byte() != Some(b'.') || self.at + 1 >= self.text.len() {
            return;
        }
        self.at += 1;
        if self.after_index {
            self.good_number = false;
        }
        self.index();
        if self.byte() != Some(b'*') {
            let (precision, at) = parse_number(self.text, self.at);
            (flags.precision, self.at) = (Some(precision.unwrap_or(0)), at);
            return;
        }
        self.at += 1;
        match self.number_argument().map(usize::try_from) {
            Some(Ok(precision)) => flags.precision = Some(precision),
            Some(Err(_)) | None => printer.write("%!(BADPREC)"),
        }
        self.after_index = false;
    }

    /// The next value as a width or precision.
    fn number_argument(&mut self) -> Option<i64> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        let number = match value {
            Value::Int(_, number) | Value::Duration(number) => Some(*number),
            Value::Uint(_, number) => i64::try_from(*number).ok(),
            _ => None,
        };
        number.filter(|number| !is_too_large(*number))
    }

    /// `[3]`: which value comes next.
    fn index(&mut self) {
        self.after_index = false;
        if self.byte() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.text[self.at..];
        let Some(close) = rest.iter().position(|byte| *byte == b']') else {
            self.good_number = false;
            self.at += 1;
            return;
        };
        self.at += close + 1;
        let (number, end) = parse_number(&rest[..close], 1);
        let index = number.filter(|_| end == close);
        self.after_index = index.is_some();
        match index.and_then(|index| index.checked_sub(1)).filter(|index| *index < self.values.len()) {
            Some(index) => self.next = index,
            None => self.good_number = false,
        }
    }

    /// The verb: one rune.
    fn rune(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        let rune = crate::value::runes(&rest[..rest.len().min(4)]).next()?;
        let width = if rest.starts_with(rune.encode_utf8(&mut [0; 4]).as_bytes()) { rune.len_utf8() } else { 1 };
        self.at += width;
        Some(rune)
    }
}

fn print(printer: &mut Printer<'_>, value: &Value, verb: char) -> Result<(), Exceeded> {
    let flags = &mut printer.flags;
    if matches!(verb, 'v' | 'w') {
        flags.sharp_v = std::mem::take(&mut flags.sharp);
        flags.plus_v = std::mem::take(&mut flags.plus);
    }
    printer.print_argument(value, verb)
}
