//! The tokens the parser reads, with the look-ahead it needs.

use super::lex::{Lexer, Token, TokenKind};

/// A lexer with tokens that were read and put back.
#[derive(Debug)]
pub(crate) struct Tokens<'t> {
    text: &'t [u8],
    lexer: Lexer<'t>,
    /// put back, the next one last
    returned: Vec<Token>,
    /// line of the token read last from the lexer, which error messages name
    line: usize,
}

impl<'t> Tokens<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        Self { text, lexer: Lexer::new(text), returned: Vec::new(), line: 1 }
    }

    pub(crate) fn next(&mut self) -> Token {
        if let Some(token) = self.returned.pop() {
            return token;
        }
        let token = self.lexer.token();
        self.line = token.line;
        token
    }

    pub(crate) fn back(&mut self, token: Token) {
        self.returned.push(token);
    }

    pub(crate) fn peek(&mut self) -> TokenKind {
        let token = self.next();
        let kind = token.kind;
        self.back(token);
        kind
    }

    pub(crate) fn next_non_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != TokenKind::Space {
                return token;
            }
        }
    }

    /// Skips spaces and looks at the token after them.
    pub(crate) fn peek_non_space(&mut self) -> Token {
        let token = self.next_non_space();
        self.back(token);
        token
    }

    pub(crate) fn line(&self) -> usize {
        self.line
    }

    pub(crate) fn bytes(&self, token: &Token) -> &'t [u8] {
        &self.text[token.start..token.end]
    }

    /// The token's text. Words and numbers are always UTF-8.
    pub(crate) fn word(&self, token: &Token) -> &'t str {
        std::str::from_utf8(self.bytes(token)).unwrap_or_default()
    }

    /// The token as error messages show it.
    pub(crate) fn describe(&self, token: &Token) -> String {
        let bytes = self.bytes(token);
        match token.kind {
            TokenKind::Eof => "EOF".to_owned(),
            TokenKind::Error => self.lexer.message().to_owned(),
            TokenKind::Keyword(_) | TokenKind::Dot | TokenKind::Nil => format!("<{}>", self.word(token)),
            _ if bytes.len() > 10 => format!("{}...", crate::strconv::quote(first_runes(bytes, 10))),
            _ => crate::strconv::quote(bytes),
        }
    }
}

/// The bytes of the first runes, as Go's `%.10q` cuts.
fn first_runes(bytes: &[u8], count: usize) -> &[u8] {
    let length = bytes.utf8_chunks().flat_map(|chunk| {
        chunk.valid().chars().map(char::len_utf8).chain(chunk.invalid().iter().map(|_| 1)).collect::<Vec<_>>()
    });
    &bytes[..length.take(count).sum()]
}
