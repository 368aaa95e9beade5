//! Pipelines, commands and variables.

use super::{Fail, Frame, Render, Slot};
use crate::syntax::Number;
use crate::syntax::ast::{Command, Expr, ExprKind, Pipe, Target, Variable};
use crate::value::Value;

impl Render<'_> {
    /// The value of a pipeline; its variables are set. nil becomes invalid here, as in Go.
    pub(super) fn pipe(&mut self, frame: &Frame<'_>, dot: &Slot, pipe: &Pipe) -> Result<Slot, Fail> {
        self.check_stack(frame)?;
        self.at = pipe.id;
        let mut last: Option<Slot> = None;
        for command in &pipe.commands {
            let value = self.command(frame, dot, command, last.take())?;
            last = Some(value.filter(|value| !matches!(value, Value::Nil)));
        }
        let value = last.flatten();
        for target in &pipe.variables {
            self.set(frame, target, value.clone())?;
        }
        Ok(value)
    }

    pub(super) fn set(&mut self, frame: &Frame<'_>, target: &Target, value: Slot) -> Result<(), Fail> {
        let place = target.slot.and_then(|slot| self.variables.get_mut(frame.base + slot));
        match place {
            Some(place) => {
                *place = value;
                Ok(())
            }
            None => Err(self.error(frame, format!("undefined variable: {}", target.name))),
        }
    }

    /// A command; `last` is what the command before it in the pipeline gave.
    fn command(&mut self, frame: &Frame<'_>, dot: &Slot, command: &Command, last: Option<Slot>) -> Result<Slot, Fail> {
        self.step(frame)?;
        let head = &command.head;
        let arguments = command.arguments.as_slice();
        match &head.kind {
            ExprKind::Field(names) => {
                self.at = head.id;
                self.fields(frame, dot, dot, head, names, arguments, last)
            }
            ExprKind::Chain(inner, names) => {
                let receiver = self.chain_start(frame, dot, head, inner)?;
                self.fields(frame, dot, &receiver, head, names, arguments, last)
            }
            ExprKind::Function(callee) => {
                self.at = head.id;
                self.call(frame, dot, *callee, command.id, arguments, last)
            }
            ExprKind::Pipe(pipe) => {
                self.not_a_function(frame, head, arguments, last.as_ref())?;
                self.pipe(frame, dot, pipe)
            }
            ExprKind::Variable(variable) => {
                self.at = head.id;
                let value = self.variable(frame, variable)?;
                if variable.fields.is_empty() {
                    self.not_a_function(frame, head, arguments, last.as_ref())?;
                    return Ok(value);
                }
                self.fields(frame, dot, &value, head, &variable.fields, arguments, last)
            }
            _ => {
                self.at = head.id;
                self.not_a_function(frame, head, arguments, last.as_ref())?;
                self.constant(frame, dot, head)
            }
        }
    }

    /// What `(pipeline).a.b` begins with.
    pub(super) fn chain_start(
        &mut self,
        frame: &Frame<'_>,
        dot: &Slot,
        chain: &Expr,
        inner: &Expr,
    ) -> Result<Slot, Fail> {
        self.at = chain.id;
        self.at = inner.id;
        match &inner.kind {
            ExprKind::Pipe(pipe) => self.pipe(frame, dot, pipe),
            ExprKind::Function(callee) => self.call(frame, dot, *callee, inner.id, &[], None),
            ExprKind::Chain(first, names) => {
                let receiver = self.chain_start(frame, dot, inner, first)?;
                self.fields(frame, dot, &receiver, inner, names, &[], None)
            }
            _ => Err(self.error(frame, format!("can't evaluate command {inner}"))),
        }
    }

    fn not_a_function(
        &self,
        frame: &Frame<'_>,
        head: &Expr,
        arguments: &[Expr],
        last: Option<&Slot>,
    ) -> Result<(), Fail> {
        if arguments.is_empty() && last.is_none() {
            return Ok(());
        }
        Err(self.error(frame, format!("can't give argument to non-function {head}")))
    }

    pub(super) fn variable(&self, frame: &Frame<'_>, variable: &Variable) -> Result<Slot, Fail> {
        match variable.slot.and_then(|slot| self.variables.get(frame.base + slot)) {
            Some(value) => Ok(value.clone()),
            None => Err(self.error(frame, format!("undefined variable: {}", variable.name))),
        }
    }

    /// A literal or dot, where nothing says which type is wanted.
    pub(super) fn constant(&self, frame: &Frame<'_>, dot: &Slot, expr: &Expr) -> Result<Slot, Fail> {
        match &expr.kind {
            ExprKind::Dot => Ok(dot.clone()),
            ExprKind::Bool(value) => Ok(Some(Value::Bool(*value))),
            ExprKind::Number(number) => self.ideal(frame, number),
            ExprKind::String(literal) => Ok(Some(Value::String(literal.text.clone()))),
            _ => Err(self.error(frame, "nil is not a command")),
        }
    }

    /// The value of a number by its syntax: Go's untyped constant.
    fn ideal(&self, frame: &Frame<'_>, number: &Number) -> Result<Slot, Fail> {
        if let Some(parts) = number.complex {
            return Ok(Some(Value::Complex(parts.into())));
        }
        let looks_like_float = number.text.contains(['.', 'e', 'E', 'p', 'P']);
        match (number.float, number.int) {
            (Some(float), _) if looks_like_float && !number.is_hex_int() && !number.is_rune() => {
                Ok(Some(Value::float(float)))
            }
            (_, Some(int)) => Ok(Some(Value::int(int))),
            _ => Err(self.error(frame, format!("{} overflows int", number.text))),
        }
    }
}
