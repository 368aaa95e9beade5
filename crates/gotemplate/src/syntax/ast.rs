//! The parsed form of a template. It holds no values, so threads and renders share it.

use std::sync::Arc;

use super::number::Number;
use crate::function::Function;
use crate::value::Str;

/// Names a node within its tree, for error messages.
pub(crate) type NodeId = u32;

/// A text that was parsed: error positions and literal text point into it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) text: Str,
}

/// One template: a file, or a `define` or `block` of one.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) name: Arc<str>,
    pub(crate) source: Arc<Source>,
    pub(crate) root: Vec<Node>,
    /// how many variables live at once, `$` among them
    pub(crate) slots: usize,
}

/// A piece of a template's body.
#[derive(Debug)]
pub(crate) enum Node {
    /// literal text, as a range of the source
    Text(usize, usize),
    Action(Pipe),
    If(Branches),
    With(Branches),
    Range(Box<Loop>),
    Template(Box<Invocation>),
    Break,
    Continue,
}

/// `if … else if … else`, or the same with `with`.
#[derive(Debug)]
pub(crate) struct Branches {
    pub(crate) branches: Vec<Branch>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) condition: Pipe,
    pub(crate) body: Vec<Node>,
}

#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) over: Pipe,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

/// `{{ template "name" pipeline }}`, also what `block` leaves behind.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) id: NodeId,
    pub(crate) at: usize,
    pub(crate) name: Str,
    pub(crate) data: Option<Pipe>,
}

/// `$x := command | command`.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) id: NodeId,
    pub(crate) at: usize,
    pub(crate) assigns: bool,
    pub(crate) variables: Vec<Target>,
    pub(crate) commands: Vec<Command>,
}

/// A variable that a pipeline declares or assigns.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: Arc<str>,
    /// none where an assignment names a variable that was never declared
    pub(crate) slot: Option<usize>,
}

/// A first word and its arguments; there is always a first word.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) id: NodeId,
    pub(crate) at: usize,
    pub(crate) head: Expr,
    pub(crate) arguments: Vec<Expr>,
}

#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) id: NodeId,
    pub(crate) at: usize,
    pub(crate) kind: ExprKind,
}

#[derive(Debug)]
pub(crate) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    Number(Box<Number>),
    String(Box<Literal>),
    /// `.a.b`
    Field(Box<[Arc<str>]>),
    /// `$x.a.b`
    Variable(Box<Variable>),
    Function(Callee),
    /// `(pipeline).a.b`
    Chain(Box<Expr>, Box<[Arc<str>]>),
    Pipe(Box<Pipe>),
}

#[derive(Debug)]
pub(crate) struct Literal {
    pub(crate) quoted: Str,
    pub(crate) text: Str,
}

#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: Arc<str>,
    /// none where it was only assigned, never declared: an error when it runs
    pub(crate) slot: Option<usize>,
    pub(crate) fields: Box<[Arc<str>]>,
}

/// What a function's name stands for; found when the template is parsed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Callee {
    Plain(&'static Function),
    Form(Form),
}

/// Functions the evaluator itself is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    And,
    Or,
    Call,
    Include,
    Tpl,
}

impl Form {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
            Self::Call => "call",
            Self::Include => "include",
            Self::Tpl => "tpl",
        }
    }
}

impl Callee {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain(function) => function.name,
            Self::Form(form) => form.name(),
        }
    }
}

impl Tree {
    /// Whether there is nothing but space: such a definition never replaces another.
    pub(crate) fn is_blank(&self) -> bool {
        self.root.iter().all(|node| match node {
            Node::Text(start, end) => self.source.text.as_bytes()[*start..*end].trim_ascii().is_empty(),
            _ => false,
        })
    }
}
