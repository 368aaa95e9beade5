//! Template text to trees: tokens, grammar, and the printed form of a node for error messages.

pub(crate) mod ast;
mod display;
mod lex;
mod number;
mod operand;
mod parse;
mod tokens;

pub(crate) use number::Number;
pub(crate) use parse::parse;
