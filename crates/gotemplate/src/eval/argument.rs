//! Arguments: each is evaluated for the type of the parameter it is given for.

use super::{Fail, Frame, Render, Slot};
use crate::function::{Param, Signature};
use crate::syntax::Number;
use crate::syntax::ast::{Expr, ExprKind};
use crate::value::{Kind, Value};

impl Render<'_> {
    /// Evaluates the arguments of a call, and puts them on the argument stack.
    pub(super) fn push_arguments(
        &mut self,
        frame: &Frame<'_>,
        dot: &Slot,
        name: &str,
        signature: &Signature,
        given: &[Expr],
        last: Option<Slot>,
    ) -> Result<(), Fail> {
        let count = given.len() + usize::from(last.is_some());
        self.check_count(frame, name, signature, given.len(), count)?;
        let param = |index: usize| signature.params.get(index).copied().or(signature.rest).unwrap_or(Param::Any);
        for (index, expr) in given.iter().enumerate() {
            let value = self.argument(frame, dot, param(index), expr)?;
            self.arguments.push(value);
        }
        if let Some(last) = last {
            let value = self.fit(frame, last, param(given.len()))?;
            self.arguments.push(value);
        }
        Ok(())
    }

    fn check_count(
        &self,
        frame: &Frame<'_>,
        name: &str,
        signature: &Signature,
        written: usize,
        count: usize,
    ) -> Result<(), Fail> {
        let wanted = signature.params.len();
        match signature.rest {
            Some(_) if count < wanted => {
                Err(self.error(frame, format!("wrong number of args for {name}: want at least {wanted} got {written}")))
            }
            None if count != wanted => {
                Err(self.error(frame, format!("wrong number of args for {name}: want {wanted} got {count}")))
            }
            _ => Ok(()),
        }
    }

    /// Go's `evalArg`.
    pub(super) fn argument(&mut self, frame: &Frame<'_>, dot: &Slot, param: Param, expr: &Expr) -> Result<Value, Fail> {
        self.at = expr.id;
        let value = match &expr.kind {
            ExprKind::Dot => dot.clone(),
            ExprKind::Nil => {
                return param.nil().ok_or_else(|| self.error(frame, format!("cannot assign nil to {}", param.name())));
            }
            ExprKind::Field(names) => self.fields(frame, dot, dot, expr, names, &[], None)?,
            ExprKind::Variable(variable) => {
                let value = self.variable(frame, variable)?;
                match variable.fields.is_empty() {
                    true => value,
                    false => self.fields(frame, dot, &value, expr, &variable.fields, &[], None)?,
                }
            }
            ExprKind::Pipe(pipe) => self.pipe(frame, dot, pipe)?,
            ExprKind::Function(callee) => self.call(frame, dot, *callee, expr.id, &[], None)?,
            ExprKind::Chain(inner, names) => {
                let receiver = self.chain_start(frame, dot, expr, inner)?;
                self.fields(frame, dot, &receiver, expr, names, &[], None)?
            }
            ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::String(_) => {
                return self.literal(frame, dot, param, expr);
            }
        };
        self.fit(frame, value, param)
    }

    /// A literal takes the parameter's type where it can.
    fn literal(&self, frame: &Frame<'_>, dot: &Slot, param: Param, expr: &Expr) -> Result<Value, Fail> {
        let value = match (param, &expr.kind) {
            (Param::Any, _) => self.constant(frame, dot, expr)?,
            (Param::Bool, ExprKind::Bool(value)) => Some(Value::Bool(*value)),
            (Param::String, ExprKind::String(literal)) => Some(Value::String(literal.text.clone())),
            (_, ExprKind::Number(number)) => typed_number(param, number),
            _ => None,
        };
        value.ok_or_else(|| self.error(frame, unfit_literal(param, expr)))
    }

    /// Go's `validateType`.
    pub(super) fn fit(&self, frame: &Frame<'_>, value: Slot, param: Param) -> Result<Value, Fail> {
        let Some(value) = value else {
            return param.nil().ok_or_else(|| self.error(frame, format!("invalid value; expected {}", param.name())));
        };
        if param.accepts(&value) {
            return Ok(value);
        }
        if let (Param::Object(wanted), Value::Object(object)) = (param, &value) {
            // one indirection works: a pointer where the type it points to is wanted
            if object.kind() == Kind::Pointer && object.type_name().trim_start_matches('*') == wanted {
                return Ok(value);
            }
        }
        let given = match &value {
            Value::Nil => "interface {}".into(),
            other => other.type_name(),
        };
        Err(self.error(frame, format!("wrong type for value; expected {}; got {given}", param.name())))
    }
}

fn typed_number(param: Param, number: &Number) -> Option<Value> {
    match param {
        Param::Int(of) => number.int.map(|value| Value::Int(of, value)),
        Param::Uint(of) => number.uint.map(|value| Value::Uint(of, value)),
        Param::Float(of) => number.float.map(|value| Value::Float(of, value)),
        Param::Duration => number.int.map(Value::Duration),
        _ => None,
    }
}

fn unfit_literal(param: Param, expr: &Expr) -> String {
    let wanted = match param {
        Param::Bool => "bool",
        Param::String => "string",
        Param::Int(_) | Param::Duration => "integer",
        Param::Uint(_) => "unsigned integer",
        Param::Float(_) => "float",
        _ => return format!("can't handle {expr} for arg of type {}", param.name()),
    };
    format!("expected {wanted}; found {expr}")
}
