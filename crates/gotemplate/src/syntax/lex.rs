//! Splits template text into tokens.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Nil,
    Keyword(Keyword),
}

/// Words that begin or end an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

/// A piece of the text; of an error the lexer has the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) line: usize,
}

/// The scanner: gives one token after the other, and an error or the end for ever.
#[derive(Debug)]
pub(crate) struct Lexer<'t> {
    text: &'t [u8],
    start: usize,
    at: usize,
    line: usize,
    start_line: usize,
    parens: usize,
    inside: bool,
    failed: Option<(Token, String)>,
}

const LEFT: &[u8; 2] = b"{{";
const RIGHT: &[u8; 2] = b"}}";
const TRIM_MARKER: usize = 2;

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self { text, start: 0, at: 0, line: 1, start_line: 1, parens: 0, inside: false, failed: None }
    }

    /// The next token.
    pub(crate) fn token(&mut self) -> Token {
        if let Some((failed, _)) = &self.failed {
            return *failed;
        }
        if self.inside { self.in_action() } else { self.in_text() }
    }

    /// The text from the start of the current token on, up to the place reached.
    fn word(&self) -> &'t [u8] {
        &self.text[self.start..self.at]
    }

    fn rest(&self) -> &'t [u8] {
        &self.text[self.at..]
    }

    fn emit(&mut self, kind: TokenKind) -> Token {
        let token = Token { kind, start: self.start, end: self.at, line: self.start_line };
        self.line += newlines(self.word());
        self.start = self.at;
        self.start_line = self.line;
        token
    }

    /// Leaves out what was scanned since the last token.
    fn ignore(&mut self) {
        self.line += newlines(self.word());
        self.start = self.at;
        self.start_line = self.line;
    }

    fn fail(&mut self, message: impl Into<String>) -> Token {
        let (start, end, line) = (self.start, self.at, self.start_line);
        let token = Token { kind: TokenKind::Error, start, end, line };
        self.failed = Some((token, message.into()));
        token
    }

    /// What is wrong, once an error was given.
    pub(crate) fn message(&self) -> &str {
        self.failed.as_ref().map_or("", |(_, message)| message)
    }

    fn in_text(&mut self) -> Token {
        loop {
            let Some(found) = find(self.rest(), LEFT) else {
                self.at = self.text.len();
                return self.emit(if self.at > self.start { TokenKind::Text } else { TokenKind::Eof });
            };
            if found > 0 {
                let end = self.at + found;
                self.at = end;
                let trimmed =
                    if left_trim_marker(&self.text[end + LEFT.len()..]) { trailing_space(self.word()) } else { 0 };
                self.at = end - trimmed;
                let token = self.emit(TokenKind::Text);
                self.at = end;
                self.ignore();
                if token.end > token.start {
                    return token;
                }
            }
            if let Some(token) = self.left_delim() {
                return token;
            }
        }
    }

    /// The left delimiter, or nothing where it began a comment, which is left out.
    fn left_delim(&mut self) -> Option<Token> {
        let marker = if left_trim_marker(&self.text[self.at + LEFT.len()..]) { TRIM_MARKER } else { 0 };
        if self.text[self.at + LEFT.len() + marker..].starts_with(b"/*") {
            self.at += LEFT.len() + marker;
            self.ignore();
            return self.comment();
        }
        self.at += LEFT.len();
        let token = self.emit(TokenKind::LeftDelim);
        self.inside = true;
        self.at += marker;
        self.ignore();
        self.parens = 0;
        Some(token)
    }

    /// Skips a comment; a token only where it is not closed.
    fn comment(&mut self) -> Option<Token> {
        let Some(length) = find(&self.rest()[2..], b"*/") else {
            return Some(self.fail("unclosed comment"));
        };
        self.at += 2 + length + 2;
        let Some(trim) = self.at_right_delim() else {
            return Some(self.fail("comment ends before closing delimiter"));
        };
        self.skip_right_delim(trim);
        self.ignore();
        None
    }

    /// Whether a right delimiter is here, and if so whether with a trim marker.
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if right_trim_marker(rest) && rest[TRIM_MARKER..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn skip_right_delim(&mut self, trim: bool) {
        if trim {
            self.at += TRIM_MARKER;
        }
        self.at += RIGHT.len();
        if trim {
            self.at += leading_space(self.rest());
        }
    }

    fn right_delim(&mut self, trim: bool) -> Token {
        if trim {
            self.at += TRIM_MARKER;
            self.ignore();
        }
        self.at += RIGHT.len();
        let token = self.emit(TokenKind::RightDelim);
        if trim {
            self.at += leading_space(self.rest());
            self.ignore();
        }
        self.inside = false;
        token
    }

    fn in_action(&mut self) -> Token {
        if let Some(trim) = self.at_right_delim() {
            return if self.parens == 0 { self.right_delim(trim) } else { self.fail("unclosed left paren") };
        }
        let Some((rune, width)) = decode(self.rest()) else {
            return self.fail("unclosed action");
        };
        if is_space(rune) {
            return self.space();
        }
        self.at += width;
        match rune {
            '=' => self.emit(TokenKind::Assign),
            ':' => self.declare(),
            '|' => self.emit(TokenKind::Pipe),
            '"' => self.quoted('"', TokenKind::String, "unterminated quoted string"),
            '\'' => self.quoted('\'', TokenKind::CharConstant, "unterminated character constant"),
            '`' => self.raw_quoted(),
            '$' => self.field_or_variable(TokenKind::Variable, TokenKind::Variable),
            '.' if !self.rest().first().is_some_and(u8::is_ascii_digit) => {
                self.field_or_variable(TokenKind::Field, TokenKind::Dot)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.at -= width;
                self.number()
            }
            '(' => {
                self.parens += 1;
                self.emit(TokenKind::LeftParen)
            }
            ')' if self.parens == 0 => self.fail("unexpected right paren"),
            ')' => {
                self.parens -= 1;
                self.emit(TokenKind::RightParen)
            }
            _ if is_alphanumeric(rune) => self.identifier(),
            ' '..='~' => self.emit(TokenKind::Char),
            _ => self.fail(format!("unrecognized character in action: {}", code_point(rune))),
        }
    }

    fn declare(&mut self) -> Token {
        if !self.rest().starts_with(b"=") {
            return self.fail("expected :=");
        }
        self.at += 1;
        self.emit(TokenKind::Declare)
    }

    /// A run of spaces. The last one may belong to a right delimiter with a trim marker.
    fn space(&mut self) -> Token {
        let count = leading_space(self.rest());
        self.at += count - 1;
        if self.at_right_delim() == Some(true) {
            return if count == 1 { self.right_delim(true) } else { self.emit(TokenKind::Space) };
        }
        self.at += 1;
        self.emit(TokenKind::Space)
    }

    fn skip_alphanumeric(&mut self) {
        while let Some((rune, width)) = decode(self.rest()) {
            if !is_alphanumeric(rune) {
                break;
            }
            self.at += width;
        }
    }

    fn bad_character(&mut self) -> Token {
        let shown = decode(self.rest()).map_or_else(|| "U+FFFFFFFFFFFFFFFF".to_owned(), |(rune, _)| code_point(rune));
        self.fail(format!("bad character {shown}"))
    }

    fn identifier(&mut self) -> Token {
        self.skip_alphanumeric();
        if !self.at_terminator() {
            return self.bad_character();
        }
        let kind = keyword(self.word());
        self.emit(kind)
    }

    /// After `.` or `$`: a name, or the sign alone.
    fn field_or_variable(&mut self, kind: TokenKind, alone: TokenKind) -> Token {
        if self.at_terminator() {
            return self.emit(alone);
        }
        self.skip_alphanumeric();
        if !self.at_terminator() {
            return self.bad_character();
        }
        self.emit(kind)
    }

    fn at_terminator(&self) -> bool {
        match self.rest().first() {
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b'.' | b',' | b'|' | b':' | b')' | b'(') => true,
            Some(_) => self.rest().starts_with(RIGHT),
        }
    }

    fn quoted(&mut self, mark: char, kind: TokenKind, unterminated: &str) -> Token {
        loop {
            let byte = self.rest().first().copied();
            self.at += usize::from(byte.is_some());
            match byte {
                Some(b'\\') if !matches!(self.rest().first(), None | Some(b'\n')) => self.at += 1,
                None | Some(b'\\' | b'\n') => return self.fail(unterminated),
                Some(byte) if char::from(byte) == mark => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn raw_quoted(&mut self) -> Token {
        match self.rest().iter().position(|byte| *byte == b'`') {
            Some(length) => {
                self.at += length + 1;
                self.emit(TokenKind::RawString)
            }
            None => self.fail("unterminated raw quoted string"),
        }
    }

    fn number(&mut self) -> Token {
        let mut good = self.scan_number();
        let mut kind = TokenKind::Number;
        if good && matches!(self.rest().first(), Some(b'+' | b'-')) {
            good = self.scan_number() && self.word().ends_with(b"i");
            kind = TokenKind::Complex;
        }
        if good {
            return self.emit(kind);
        }
        let shown = crate::strconv::quote(self.word());
        self.fail(format!("bad number syntax: {shown}"))
    }

    fn accept(&mut self, valid: &[u8]) -> bool {
        let accepted = self.rest().first().is_some_and(|byte| valid.contains(byte));
        self.at += usize::from(accepted);
        accepted
    }

    fn accept_run(&mut self, valid: &[u8]) {
        while self.accept(valid) {}
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &[u8] = b"0123456789_";
        const HEX: &[u8] = b"0123456789abcdefABCDEF_";
        self.accept(b"+-");
        let mut digits = DECIMAL;
        if self.accept(b"0") {
            if self.accept(b"xX") {
                digits = HEX;
            } else if self.accept(b"oO") {
                digits = b"01234567_";
            } else if self.accept(b"bB") {
                digits = b"01_";
            }
        }
        self.accept_run(digits);
        if self.accept(b".") {
            self.accept_run(digits);
        }
        let exponent = (digits == DECIMAL && self.accept(b"eE")) || (digits == HEX && self.accept(b"pP"));
        if exponent {
            self.accept(b"+-");
            self.accept_run(DECIMAL);
        }
        self.accept(b"i");
        match decode(self.rest()) {
            Some((rune, width)) if is_alphanumeric(rune) => {
                self.at += width;
                false
            }
            _ => true,
        }
    }
}

fn keyword(word: &[u8]) -> TokenKind {
    TokenKind::Keyword(match word {
        b"true" | b"false" => return TokenKind::Bool,
        b"nil" => return TokenKind::Nil,
        b"block" => Keyword::Block,
        b"break" => Keyword::Break,
        b"continue" => Keyword::Continue,
        b"define" => Keyword::Define,
        b"else" => Keyword::Else,
        b"end" => Keyword::End,
        b"if" => Keyword::If,
        b"range" => Keyword::Range,
        b"template" => Keyword::Template,
        b"with" => Keyword::With,
        _ => return TokenKind::Identifier,
    })
}

/// Go's `%#U`.
fn code_point(rune: char) -> String {
    let shown = if crate::strconv::is_print(rune) { format!(" '{rune}'") } else { String::new() };
    format!("U+{:04X}{shown}", rune as u32)
}

/// The first rune and its width; a byte that is not UTF-8 is U+FFFD of width 1.
fn decode(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    if first.is_ascii() {
        return Some((char::from(first), 1));
    }
    let head = &bytes[..bytes.len().min(4)];
    let valid = head.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    Some(valid.chars().next().map_or((char::REPLACEMENT_CHARACTER, 1), |rune| (rune, rune.len_utf8())))
}

fn is_space(rune: char) -> bool {
    matches!(rune, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(rune: char) -> bool {
    rune == '_' || rune.is_alphanumeric()
}

fn is_space_byte(byte: &u8) -> bool {
    is_space(char::from(*byte))
}

fn leading_space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| is_space_byte(byte)).count()
}

fn trailing_space(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|byte| is_space_byte(byte)).count()
}

fn left_trim_marker(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'-') && bytes.get(1).is_some_and(is_space_byte)
}

fn right_trim_marker(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(is_space_byte) && bytes.get(1) == Some(&b'-')
}

fn newlines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

fn find(haystack: &[u8], needle: &[u8; 2]) -> Option<usize> {
    memchr::memchr_iter(needle[0], haystack).find(|at| haystack.get(at + 1) == Some(&needle[1]))
}
