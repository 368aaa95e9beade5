//! Nodes as Go prints them in error messages.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use super::ast::{Branch, Command, Expr, ExprKind, Invocation, Node, NodeId, Pipe, Tree};
use crate::strconv;

/// Where a node stands and how it reads.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) expression: String,
}

impl Tree {
    /// The place of a node of this tree.
    pub(crate) fn place(&self, id: NodeId) -> Place {
        let (at, expression) = find_in_nodes(&self.root, id).unwrap_or_default();
        let before = &self.source.text.as_bytes()[..at];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Place { line, column: at - line_start, expression }
    }
}

impl Tree {
    /// Whether dot, or the variable of a name, is a loop's item at a node: the innermost block that sets it is a range.
    pub(crate) fn is_loop_item(&self, id: NodeId, variable: Option<&str>) -> bool {
        is_loop_item(&self.root, id, variable, false).unwrap_or(false)
    }
}

/// The answer for the node if it is among these, where `outer` is the answer outside.
fn is_loop_item(nodes: &[Node], id: NodeId, variable: Option<&str>, outer: bool) -> Option<bool> {
    let has = |pipe: &Pipe| find_in_pipe(pipe, id).map(|_| outer);
    let sets = |pipe: &Pipe| match variable {
        Some(name) => pipe.variables.iter().any(|target| &*target.name == name),
        None => true,
    };
    let inside = |body: &[Node], answer| is_loop_item(body, id, variable, answer);
    nodes.iter().find_map(|node| match node {
        Node::Text(..) | Node::Break | Node::Continue => None,
        Node::Action(pipe) => has(pipe),
        Node::Template(invocation) => invocation.data.as_ref().and_then(has),
        Node::If(branches) | Node::With(branches) => {
            let with = matches!(node, Node::With(_)) && variable.is_none();
            let branch = |branch: &Branch| has(&branch.condition).or_else(|| inside(&branch.body, outer && !with));
            branches.branches.iter().find_map(branch).or_else(|| inside(branches.otherwise.as_deref()?, outer))
        }
        Node::Range(range) => has(&range.over)
            .or_else(|| inside(&range.body, outer || sets(&range.over)))
            .or_else(|| inside(range.otherwise.as_deref()?, outer)),
    })
}

type Found = (usize, String);

fn find_in_nodes(nodes: &[Node], id: NodeId) -> Option<Found> {
    nodes.iter().find_map(|node| match node {
        Node::Text(..) | Node::Break | Node::Continue => None,
        Node::Action(pipe) => find_in_pipe(pipe, id),
        Node::If(branches) | Node::With(branches) => branches
            .branches
            .iter()
            .find_map(|branch| find_in_pipe(&branch.condition, id).or_else(|| find_in_nodes(&branch.body, id)))
            .or_else(|| find_in_nodes(branches.otherwise.as_deref()?, id)),
        Node::Range(range) => find_in_pipe(&range.over, id)
            .or_else(|| find_in_nodes(&range.body, id))
            .or_else(|| find_in_nodes(range.otherwise.as_deref()?, id)),
        Node::Template(invocation) if invocation.id == id => Some((invocation.at, invocation.to_string())),
        Node::Template(invocation) => find_in_pipe(invocation.data.as_ref()?, id),
    })
}

fn find_in_pipe(pipe: &Pipe, id: NodeId) -> Option<Found> {
    if pipe.id == id {
        return Some((pipe.at, pipe.to_string()));
    }
    pipe.commands.iter().find_map(|command| find_in_command(command, id))
}

fn find_in_command(command: &Command, id: NodeId) -> Option<Found> {
    if command.id == id {
        return Some((command.at, command.to_string()));
    }
    std::iter::once(&command.head).chain(&command.arguments).find_map(|expr| find_in_expr(expr, id))
}

fn find_in_expr(expr: &Expr, id: NodeId) -> Option<Found> {
    if expr.id == id {
        return Some((expr.at, expr.to_string()));
    }
    match &expr.kind {
        ExprKind::Chain(inner, _) => find_in_expr(inner, id),
        ExprKind::Pipe(pipe) => find_in_pipe(pipe, id),
        _ => None,
    }
}

impl Display for Invocation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{template {}", strconv::quote(self.name.as_bytes()))?;
        if let Some(data) = &self.data {
            write!(f, " {data}")?;
        }
        f.write_str("}}")
    }
}

impl Display for Pipe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, variable) in self.variables.iter().enumerate() {
            write!(f, "{}{}", if index > 0 { ", " } else { "" }, variable.name)?;
        }
        if !self.variables.is_empty() {
            f.write_str(if self.assigns { " = " } else { " := " })?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if index > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        fmt_operand(f, &self.head)?;
        self.arguments.iter().try_for_each(|argument| {
            f.write_str(" ")?;
            fmt_operand(f, argument)
        })
    }
}

/// A pipeline as an operand stands in parentheses.
fn fmt_operand(f: &mut Formatter<'_>, expr: &Expr) -> fmt::Result {
    match expr.kind {
        ExprKind::Pipe(_) => write!(f, "({expr})"),
        _ => expr.fmt(f),
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Dot => f.write_str("."),
            ExprKind::Nil => f.write_str("nil"),
            ExprKind::Bool(value) => value.fmt(f),
            ExprKind::Number(number) => f.write_str(&number.text),
            ExprKind::String(literal) => f.write_str(&literal.quoted.to_text()),
            ExprKind::Field(fields) => fmt_fields(f, fields),
            ExprKind::Variable(variable) => {
                f.write_str(&variable.name)?;
                fmt_fields(f, &variable.fields)
            }
            ExprKind::Function(callee) => f.write_str(callee.name()),
            ExprKind::Chain(inner, fields) => {
                fmt_operand(f, inner)?;
                fmt_fields(f, fields)
            }
            ExprKind::Pipe(pipe) => pipe.fmt(f),
        }
    }
}

fn fmt_fields(f: &mut Formatter<'_>, fields: &[Arc<str>]) -> fmt::Result {
    fields.iter().try_for_each(|field| write!(f, ".{field}"))
}
