//! The grammar's inner part: pipelines, commands and operands.

use std::sync::Arc;

use super::ast::{Command, Expr, ExprKind, Literal, NodeId, Pipe, Target, Variable};
use super::lex::{Token, TokenKind};
use super::number::Number;
use super::parse::Parser;
use crate::error::ParseError;
use crate::strconv;

type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    /// `declarations? command ('|' command)*`, up to the token that ends it.
    pub(super) fn pipeline(&mut self, context: &str, end: TokenKind) -> Parsed<Pipe> {
        let at = self.tokens.peek_non_space().start;
        let id = self.scope.id();
        // most pipelines are one command: a larger reserve would double the memory of a tree
        let mut pipe = Pipe { id, at, assigns: false, variables: Vec::new(), commands: Vec::with_capacity(1) };
        while self.declaration(&mut pipe, context)? {}
        loop {
            let token = self.tokens.next_non_space();
            if token.kind == end {
                self.check_pipeline(&pipe, context)?;
                self.declare(&mut pipe);
                return Ok(pipe);
            }
            if !begins_operand(token.kind) {
                return self.unexpected(&token, context);
            }
            self.tokens.back(token);
            pipe.commands.push(self.command()?);
        }
    }

    /// One variable before `:=` or `=`; whether another may follow it.
    fn declaration(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<bool> {
        if self.tokens.peek_non_space().kind != TokenKind::Variable {
            return Ok(false);
        }
        let variable = self.tokens.next();
        let after = self.tokens.next();
        let next = if after.kind == TokenKind::Space { self.tokens.next_non_space() } else { after };
        match next.kind {
            TokenKind::Assign | TokenKind::Declare => {
                pipe.assigns = next.kind == TokenKind::Assign;
                self.target(pipe, &variable);
                self.announce(pipe);
                Ok(false)
            }
            TokenKind::Char if self.tokens.word(&next) == "," => {
                self.target(pipe, &variable);
                self.another_variable(pipe, context)
            }
            _ => {
                self.tokens.back(next);
                if after.kind == TokenKind::Space {
                    self.tokens.back(after);
                }
                self.tokens.back(variable);
                self.announce(pipe);
                Ok(false)
            }
        }
    }

    /// After a comma: only `range` may have a second variable.
    fn another_variable(&mut self, pipe: &Pipe, context: &str) -> Parsed<bool> {
        if context != "range" || pipe.variables.len() > 1 {
            return self.error(format!("too many declarations in {context}"));
        }
        match self.tokens.peek_non_space().kind {
            TokenKind::Variable | TokenKind::RightDelim | TokenKind::RightParen => Ok(true),
            _ => self.error("range can only initialize variables"),
        }
    }

    fn target(&mut self, pipe: &mut Pipe, variable: &Token) {
        pipe.variables.push(Target { name: Arc::from(self.tokens.word(variable)), slot: None });
    }

    /// Lets the pipeline name its variables; those it declares live only after it.
    fn announce(&mut self, pipe: &mut Pipe) {
        for target in &mut pipe.variables {
            if pipe.assigns {
                target.slot = self.scope.slot(&target.name);
            }
            self.scope.announce(target.name.clone());
        }
    }

    fn declare(&mut self, pipe: &mut Pipe) {
        if !pipe.assigns {
            for target in &mut pipe.variables {
                target.slot = Some(self.scope.declare(target.name.clone()));
            }
        }
    }

    fn check_pipeline(&self, pipe: &Pipe, context: &str) -> Parsed<()> {
        if pipe.commands.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        let late = pipe.commands.iter().skip(1).position(|command| is_plain_operand(&command.head));
        match late {
            Some(index) => self.error(format!("non executable command in pipeline stage {}", index + 2)),
            None => Ok(()),
        }
    }

    /// `operand (space operand)*`; the pipe sign after it is consumed.
    fn command(&mut self) -> Parsed<Command> {
        let at = self.tokens.peek_non_space().start;
        let id = self.scope.id();
        let mut head = None;
        let mut arguments = Vec::new();
        loop {
            self.tokens.peek_non_space();
            match self.operand()? {
                operand if head.is_none() => head = operand,
                operand => arguments.extend(operand),
            }
            let token = self.tokens.next();
            match token.kind {
                TokenKind::Space => {}
                TokenKind::RightDelim | TokenKind::RightParen => {
                    self.tokens.back(token);
                    break;
                }
                TokenKind::Pipe => break,
                _ => return self.unexpected(&token, "operand"),
            }
        }
        match head {
            Some(head) => Ok(Command { id, at, head, arguments }),
            None => self.error("empty command"),
        }
    }

    /// A term and the fields asked of it.
    fn operand(&mut self) -> Parsed<Option<Expr>> {
        let Some(mut term) = self.term()? else { return Ok(None) };
        if self.tokens.peek() != TokenKind::Field {
            return Ok(Some(term));
        }
        let first = self.tokens.next();
        let at = first.start;
        let mut fields = vec![self.field_name(&first)];
        while self.tokens.peek() == TokenKind::Field {
            let token = self.tokens.next();
            fields.push(self.field_name(&token));
        }
        term.kind = match term.kind {
            ExprKind::Field(names) => ExprKind::Field(names.into_iter().chain(fields).collect()),
            ExprKind::Variable(mut variable) => {
                variable.fields = fields.into();
                ExprKind::Variable(variable)
            }
            ExprKind::Function(_) | ExprKind::Pipe(_) | ExprKind::Chain(..) => {
                let id = self.scope.id();
                return Ok(Some(Expr { id, at, kind: ExprKind::Chain(Box::new(term), fields.into()) }));
            }
            _ => {
                let shown = strconv::quote(term.to_string().as_bytes());
                return self.error(format!("unexpected . after term {shown}"));
            }
        };
        Ok(Some(Expr { at, ..term }))
    }

    fn field_name(&self, token: &Token) -> Arc<str> {
        Arc::from(self.tokens.word(token).trim_start_matches('.'))
    }

    /// A literal, function, variable, field or parenthesised pipeline.
    fn term(&mut self) -> Parsed<Option<Expr>> {
        let token = self.tokens.next_non_space();
        let id = self.scope.id();
        let kind = match token.kind {
            TokenKind::Identifier => self.function(&token)?,
            TokenKind::Dot => ExprKind::Dot,
            TokenKind::Nil => ExprKind::Nil,
            TokenKind::Variable => self.variable(&token)?,
            TokenKind::Field => ExprKind::Field([self.field_name(&token)].into()),
            TokenKind::Bool => ExprKind::Bool(self.tokens.bytes(&token) == b"true"),
            TokenKind::CharConstant | TokenKind::Complex | TokenKind::Number => self.number(&token)?,
            TokenKind::LeftParen => self.parenthesised()?,
            TokenKind::String | TokenKind::RawString => self.literal(&token)?,
            _ => {
                self.tokens.back(token);
                return Ok(None);
            }
        };
        Ok(Some(expr(id, &token, kind)))
    }

    fn function(&mut self, token: &Token) -> Parsed<ExprKind> {
        let name = self.tokens.word(token);
        match self.functions.get(name) {
            Some(callee) => Ok(ExprKind::Function(callee)),
            None => self.error(format!("function {} not defined", strconv::quote(name.as_bytes()))),
        }
    }

    fn variable(&mut self, token: &Token) -> Parsed<ExprKind> {
        let name = self.tokens.word(token);
        if !self.scope.knows(name) {
            return self.error(format!("undefined variable {}", strconv::quote(name.as_bytes())));
        }
        let slot = self.scope.slot(name);
        Ok(ExprKind::Variable(Box::new(Variable { name: Arc::from(name), slot, fields: Box::default() })))
    }

    fn number(&mut self, token: &Token) -> Parsed<ExprKind> {
        let number = match token.kind {
            TokenKind::CharConstant => {
                let bytes = self.tokens.bytes(token);
                strconv::unquote_rune(bytes).map(|rune| Number::from_rune(&String::from_utf8_lossy(bytes), rune))
            }
            TokenKind::Complex => Number::from_complex(self.tokens.word(token)),
            _ => Number::parse(self.tokens.word(token)),
        };
        match number {
            Ok(number) => Ok(ExprKind::Number(Box::new(number))),
            Err(message) => self.error(message),
        }
    }

    fn parenthesised(&mut self) -> Parsed<ExprKind> {
        self.guard()?;
        Ok(ExprKind::Pipe(Box::new(self.pipeline("parenthesized pipeline", TokenKind::RightParen)?)))
    }

    fn literal(&mut self, token: &Token) -> Parsed<ExprKind> {
        let text = self.unquoted(token)?;
        Ok(ExprKind::String(Box::new(Literal { quoted: self.tokens.bytes(token).into(), text })))
    }
}

fn expr(id: NodeId, token: &Token, kind: ExprKind) -> Expr {
    Expr { id, at: token.start, kind }
}

fn begins_operand(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::Bool
            | TokenKind::CharConstant
            | TokenKind::Complex
            | TokenKind::Dot
            | TokenKind::Field
            | TokenKind::Identifier
            | TokenKind::Number
            | TokenKind::Nil
            | TokenKind::RawString
            | TokenKind::String
            | TokenKind::Variable
            | TokenKind::LeftParen
    )
}

/// Literals and dot cannot take the value of the command before them.
fn is_plain_operand(head: &Expr) -> bool {
    matches!(head.kind, ExprKind::Bool(_) | ExprKind::Dot | ExprKind::Nil | ExprKind::Number(_) | ExprKind::String(_))
}
