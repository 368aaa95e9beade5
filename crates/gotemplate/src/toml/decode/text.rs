//! Strings.

use super::{Parser, Wrong, control, is_control, quoted};

impl Parser<'_, '_, '_> {
    pub(super) fn string(&mut self) -> Result<String, Wrong> {
        if self.take("\"\"\"") {
            return self.long_string('"');
        }
        if self.take("'''") {
            return self.long_string('\'');
        }
        if self.take("\"") {
            self.basic_string()
        } else {
            self.at += 1;
            self.raw_string()
        }
    }

    /// What follows the opening `"`, up to the closing one.
    pub(super) fn basic_string(&mut self) -> Result<String, Wrong> {
        let mut out = String::new();
        loop {
            match self.inside('"')? {
                '"' => return Ok(out),
                '\\' => out.push(self.escape()?),
                c => out.push(c),
            }
            self.context.allocate(1)?;
        }
    }

    /// What follows the opening `'`.
    pub(super) fn raw_string(&mut self) -> Result<String, Wrong> {
        let mut out = String::new();
        loop {
            match self.inside('\'')? {
                '\'' => return Ok(out),
                c => out.push(c),
            }
            self.context.allocate(1)?;
        }
    }

    /// The next character of a string on one line.
    fn inside(&mut self, quote: char) -> Result<char, Wrong> {
        match self.peek() {
            None => Err(Wrong::Here(end_of_file(&quote.to_string()))),
            Some('\n' | '\r') => Err(Wrong::LineBefore("strings cannot contain newlines".to_owned())),
            Some(c) if is_control(c) => Err(control(c)),
            Some(c) => {
                self.at += c.len_utf8();
                Ok(c)
            }
        }
    }

    /// What follows `"""` or `'''`; a newline right behind does not count.
    fn long_string(&mut self, quote: char) -> Result<String, Wrong> {
        if !self.take("\n") {
            self.take("\r\n");
        }
        let end = quote.to_string().repeat(3);
        let mut out = String::new();
        loop {
            self.context.allocate(1)?;
            let rest = self.rest();
            if rest.starts_with(&end) {
                let quotes = rest.chars().take_while(|c| *c == quote).count();
                if quotes > 5 {
                    return Err(Wrong::Here(format!("unexpected {}", end_quoted(quote))));
                }
                self.at += quotes;
                out.extend(std::iter::repeat_n(quote, quotes - 3));
                return Ok(out);
            }
            match self.next() {
                None => return Err(Wrong::Here(end_of_file(&end))),
                Some('\\') if quote == '"' => self.long_escape(&mut out)?,
                Some(c) if is_control(c) => return Err(control(c)),
                Some(c) => out.push(c),
            }
        }
    }

    /// A backslash at the end of a line joins it with the next text.
    fn long_escape(&mut self, out: &mut String) -> Result<(), Wrong> {
        let rest = self.rest();
        let blank = &rest[..rest.find(|c: char| !matches!(c, ' ' | '\t' | '\r' | '\n')).unwrap_or(rest.len())];
        if blank.contains('\n') {
            self.at += blank.len();
            return Ok(());
        }
        out.push(self.escape()?);
        Ok(())
    }

    fn escape(&mut self) -> Result<char, Wrong> {
        Ok(match self.next() {
            Some('b') => '\u{8}',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('f') => '\u{c}',
            Some('r') => '\r',
            Some('e') => '\u{1b}',
            Some(c @ ('"' | '\\')) => c,
            Some('x') => return self.code(2, "two hexadecimal digits after '\\x'"),
            Some('u') => return self.code(4, "four hexadecimal digits after '\\u'"),
            Some('U') => return self.code(8, "eight hexadecimal digits after '\\U'"),
            Some(c @ (' ' | '\t')) => return Err(Wrong::Here(format!("invalid escape: '\\{c}'"))),
            other => {
                let c = other.unwrap_or('\0');
                return Err(Wrong::Here(format!("invalid escape in string '\\{c}'")));
            }
        })
    }

    fn code(&mut self, digits: usize, wanted: &str) -> Result<char, Wrong> {
        let start = self.at;
        for _ in 0..digits {
            if !self.next().is_some_and(|c| c.is_ascii_hexdigit()) {
                let found = quoted(&self.text[start..self.at]);
                return Err(Wrong::Here(format!("expected {wanted}, but got {found} instead")));
            }
        }
        let text = &self.text[start..self.at];
        let code = u32::from_str_radix(text, 16).ok().and_then(char::from_u32);
        code.ok_or_else(|| Wrong::Here(format!("Escaped character '\\u{text}' is not valid UTF-8.")))
    }
}

fn end_of_file(quotes: &str) -> String {
    let around = if quotes.starts_with('"') { '\'' } else { '"' };
    format!("unexpected EOF; expected {around}{quotes}{around}")
}

fn end_quoted(quote: char) -> String {
    let around = if quote == '"' { '\'' } else { '"' };
    format!("{around}{}{around}", quote.to_string().repeat(6))
}
