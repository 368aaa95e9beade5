//! Function calls, and the functions that do not evaluate all their arguments first.

use super::{Fail, Frame, Render, Slot};
use crate::error::Cause;
use crate::function::{CallError, Function, Param, Signature};
use crate::syntax::ast::{Callee, Expr, Form, NodeId};
use crate::value::{Closure, List, Map, Str, Value};

/// How much text a function reads in the time of a step.
const BYTES_A_STEP: usize = 16;

const NAME_AND_DATA: Signature = Signature::fixed(&[Param::String, Param::Any]);

impl Render<'_> {
    /// Go's `evalCall` of a function. `node` is what an error of the function names.
    pub(super) fn call(
        &mut self,
        frame: &Frame<'_>,
        dot: &Slot,
        callee: Callee,
        node: NodeId,
        arguments: &[Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Fail> {
        match callee {
            Callee::Plain(function) => self.call_plain(frame, dot, function, node, arguments, last),
            Callee::Form(Form::And) => self.and_or(frame, dot, "and", arguments, last),
            Callee::Form(Form::Or) => self.and_or(frame, dot, "or", arguments, last),
            Callee::Form(Form::Call) => self.call_closure(frame, dot, node, arguments, last),
            Callee::Form(form @ (Form::Include | Form::Tpl)) => {
                let base = self.arguments.len();
                self.push_arguments(frame, dot, form.name(), &NAME_AND_DATA, arguments, last)?;
                let data = self.arguments.pop().unwrap_or(Value::Nil);
                let text = self.arguments.pop().unwrap_or(Value::Nil);
                self.arguments.truncate(base);
                match text {
                    Value::String(name) if form == Form::Include => self.include(frame, node, &name, data),
                    Value::String(text) => self.tpl(frame, node, &text, data),
                    _ => Ok(None),
                }
            }
        }
    }

    fn call_plain(
        &mut self,
        frame: &Frame<'_>,
        dot: &Slot,
        function: &'static Function,
        node: NodeId,
        arguments: &[Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Fail> {
        let base = self.arguments.len();
        self.push_arguments(frame, dot, function.name, &function.signature, arguments, last)?;
        if self.recorder.is_some() {
            self.note_call(base);
        }
        let arguments = &self.arguments[base..];
        let read: usize = arguments.iter().map(|value| value.as_str().map_or(0, Str::len) / BYTES_A_STEP).sum();
        let result = self.context.spend(read).and_then(|()| (function.body)(arguments, &mut self.context));
        self.arguments.truncate(base);
        self.called(frame, node, function.name, result)
    }

    /// Counts what a function made, or tells why it failed.
    pub(super) fn called(
        &mut self,
        frame: &Frame<'_>,
        node: NodeId,
        name: &str,
        result: Result<Value, CallError>,
    ) -> Result<Slot, Fail> {
        let counted = result.and_then(|value| {
            self.context.allocate(size(&value))?;
            Ok(value)
        });
        counted.map(Some).map_err(|error| {
            self.at = node;
            self.fail(frame, Cause::of_call(name, error))
        })
    }

    /// `and` and `or`: the first argument that decides, or the last; later ones are not evaluated.
    fn and_or(
        &mut self,
        frame: &Frame<'_>,
        dot: &Slot,
        name: &str,
        arguments: &[Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Fail> {
        if arguments.is_empty() && last.is_none() {
            return Err(self.error(frame, format!("wrong number of args for {name}: want at least 1 got 0")));
        }
        let mut value = Value::Nil;
        for argument in arguments {
            value = self.argument(frame, dot, Param::Any, argument)?;
            if value.is_true() == (name == "or") {
                return Ok(Some(value));
            }
        }
        match last {
            Some(last) => Ok(Some(self.fit(frame, last, Param::Any)?)),
            None => Ok(Some(value)),
        }
    }

    /// `call function arguments...`
    fn call_closure(
        &mut self,
        frame: &Frame<'_>,
        dot: &Slot,
        node: NodeId,
        arguments: &[Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Fail> {
        const SIGNATURE: Signature = Signature::variadic(&[Param::Any], Param::Any);
        let base = self.arguments.len();
        self.push_arguments(frame, dot, "call", &SIGNATURE, arguments, last)?;
        let shown = match arguments.first() {
            Some(written) => written.to_string(),
            None => piped_name(self.arguments.get(base)),
        };
        let result = match &self.arguments[base] {
            Value::Closure(closure) => {
                let closure = closure.clone();
                fit_closure(&closure, &shown, &self.arguments[base + 1..])
                    .and_then(|fitting| (closure.body)(&fitting, &mut self.context))
            }
            Value::Nil => Err(CallError::new("call of nil")),
            other => Err(CallError::new(format!("non-function {shown} of type {}", other.type_name()))),
        };
        self.arguments.truncate(base);
        self.called(frame, node, "call", result)
    }
}

/// How Go names a function that came through the pipeline: the text of a string, else its type.
fn piped_name(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.to_text().into_owned(),
        Some(value) => format!("<{} Value>", value.type_name()),
        None => String::new(),
    }
}

/// The arguments as the closure wants them: integers are converted, nil becomes the type's zero value.
fn fit_closure(closure: &Closure, name: &str, given: &[Value]) -> Result<Vec<Value>, CallError> {
    let Signature { params, rest } = &*closure.signature;
    let (count, wanted) = (given.len(), params.len());
    if rest.is_some() && count < wanted {
        let message = format!("wrong number of args for {name}: got {count} want at least {wanted}");
        return Err(CallError::new(message));
    }
    if rest.is_none() && count != wanted {
        return Err(CallError::new(format!("wrong number of args for {name}: got {count} want {wanted}")));
    }
    let param = |index: usize| params.get(index).copied().or(*rest).unwrap_or(Param::Any);
    let prepared = given.iter().enumerate().map(|(index, value)| {
        prepare(value, param(index)).map_err(|message| CallError::new(format!("arg {index}: {message}")))
    });
    prepared.collect()
}

/// Go's `prepareArg`.
fn prepare(value: &Value, param: Param) -> Result<Value, String> {
    if matches!(value, Value::Nil) {
        return param.nil().ok_or_else(|| format!("value is nil; should be of type {}", param.name()));
    }
    if param.accepts(value) {
        return Ok(value.clone());
    }
    match (param, value) {
        (Param::Int(of), Value::Int(_, number)) => Ok(Value::Int(of, *number)),
        (Param::Int(of), Value::Uint(_, number)) => Ok(Value::Int(of, *number as i64)),
        (Param::Uint(of), Value::Int(_, number)) => Ok(Value::Uint(of, *number as u64)),
        (Param::Uint(of), Value::Uint(_, number)) => Ok(Value::Uint(of, *number)),
        _ => Err(format!("value has type {}; should be {}", value.type_name(), param.name())),
    }
}

/// Bytes that a value a function gave may have taken, its items' own content left out.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => List::footprint(list.len()),
        Value::Map(_) => Map::footprint(0),
        _ => 0,
    }
}
