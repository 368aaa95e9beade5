//! Fields, keys and methods: `.a.b`, `$x.a`, `(pipeline).a`.

use std::rc::Rc;
use std::sync::Arc;

use super::{Fail, Frame, Render, Slot};
use crate::error::{Cause, FieldOf};
use crate::strconv;
use crate::syntax::ast::{Expr, ExprKind};
use crate::templates::MissingKey;
use crate::value::{Map, Object, Value};

/// A field access: who asks, and with which arguments.
struct Access<'e> {
    expr: &'e Expr,
    name: &'e Arc<str>,
    /// how many fields of the expression come before it
    position: usize,
    arguments: &'e [Expr],
    last: Option<Slot>,
}

impl Access<'_> {
    fn has_arguments(&self) -> bool {
        !self.arguments.is_empty() || self.last.is_some()
    }

    /// What was asked, for an error.
    fn field_of(&self, type_name: &str) -> FieldOf {
        let parent = parent_text(self.expr, self.position);
        FieldOf { parent, field: self.name.to_string(), type_name: type_name.to_owned() }
    }
}

impl Render<'_> {
    /// Go's `evalFieldChain`: walks from the receiver along the names. Arguments go to the last one, a method.
    #[expect(clippy::too_many_arguments, reason = "the arguments of Go's evalFieldChain")]
    pub(super) fn fields(
        &mut self,
        frame: &Frame<'_>,
        dot: &Slot,
        receiver: &Slot,
        expr: &Expr,
        names: &[Arc<str>],
        arguments: &[Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Fail> {
        let Some((final_name, others)) = names.split_last() else { return Ok(receiver.clone()) };
        let mut walked: Slot;
        let mut receiver = receiver;
        for (position, name) in others.iter().enumerate() {
            walked = self.field(frame, dot, receiver, Access { expr, name, position, arguments: &[], last: None })?;
            receiver = &walked;
        }
        self.field(frame, dot, receiver, Access { expr, name: final_name, position: others.len(), arguments, last })
    }

    /// Go's `evalField`.
    fn field(&mut self, frame: &Frame<'_>, dot: &Slot, receiver: &Slot, access: Access<'_>) -> Result<Slot, Fail> {
        match receiver {
            None => self.field_of_invalid(frame, &access),
            Some(Value::Nil) => Err(self.nil_field(frame, &access)),
            Some(Value::Map(map)) => self.key(frame, dot, map, access),
            Some(Value::Object(object)) => self.object_field(frame, dot, object, access),
            Some(value @ (Value::Time(_) | Value::Duration(_))) => self.time_method(frame, dot, value, access),
            Some(value) => Err(self.no_field(frame, &access, value)),
        }
    }

    fn field_of_invalid(&self, frame: &Frame<'_>, access: &Access<'_>) -> Result<Slot, Fail> {
        if self.templates.options.missing_key == MissingKey::Error {
            let key = strconv::quote(access.name.as_bytes());
            return Err(self.error(frame, format!("nil data; no entry for key {key}")));
        }
        Ok(None)
    }

    fn nil_field(&self, frame: &Frame<'_>, access: &Access<'_>) -> Fail {
        self.fail(frame, Cause::NilField(access.field_of("interface {}")))
    }

    fn no_field(&self, frame: &Frame<'_>, access: &Access<'_>, value: &Value) -> Fail {
        let held = access.position > 0 || self.is_item(frame, access.expr, value);
        let type_name = if held { "interface {}".into() } else { value.type_name() };
        self.fail(frame, Cause::NoField(access.field_of(&type_name)))
    }

    /// Whether an expression begins with an item of a list or map, which Go sees as an `interface {}`. Numbers are
    /// taken for those of a loop over a count.
    fn is_item(&self, frame: &Frame<'_>, expr: &Expr, value: &Value) -> bool {
        let named = match &expr.kind {
            ExprKind::Field(_) => None,
            ExprKind::Variable(variable) => Some(variable.name.as_ref()),
            _ => return false,
        };
        !matches!(value, Value::Int(..) | Value::Uint(..) | Value::Duration(_))
            && frame.tree.is_loop_item(self.at, named)
    }

    fn key(&mut self, frame: &Frame<'_>, dot: &Slot, map: &Map, access: Access<'_>) -> Result<Slot, Fail> {
        if let Some(method) = crate::methods::of_map(map, access.name) {
            return self.value_method(frame, dot, &Value::Map(map.clone()), method, access);
        }
        if access.has_arguments() {
            return Err(self.error(frame, format!("{} is not a method but has arguments", access.name)));
        }
        if self.recorder.is_some() {
            self.note_read(map, access.name.as_bytes());
        }
        if let Some(value) = map.get(access.name.as_bytes()) {
            return Ok(Some(value));
        }
        match self.templates.options.missing_key {
            MissingKey::Invalid => Ok(None),
            MissingKey::Zero => Ok(Some(map.zero())),
            MissingKey::Error => {
                let key = strconv::quote(access.name.as_bytes());
                Err(self.error(frame, format!("map has no entry for key {key}")))
            }
        }
    }

    fn object_field(
        &mut self,
        frame: &Frame<'_>,
        dot: &Slot,
        object: &Rc<dyn Object>,
        access: Access<'_>,
    ) -> Result<Slot, Fail> {
        if let Some(signature) = object.method(access.name) {
            let base = self.arguments.len();
            let Access { expr, name, arguments, last, .. } = access;
            self.push_arguments(frame, dot, name, signature, arguments, last)?;
            let result = object.call(name, &self.arguments[base..], &mut self.context);
            self.arguments.truncate(base);
            return self.called(frame, expr.id, name, result);
        }
        match object.field(access.name) {
            Some(_) if access.has_arguments() => {
                Err(self.error(frame, format!("{} has arguments but cannot be invoked as function", access.name)))
            }
            Some(value) => Ok(Some(value)),
            None => Err(self.no_field(frame, &access, &Value::Object(object.clone()))),
        }
    }

    fn time_method(&mut self, frame: &Frame<'_>, dot: &Slot, value: &Value, access: Access<'_>) -> Result<Slot, Fail> {
        match crate::methods::of_time(value, access.name) {
            Some(method) => self.value_method(frame, dot, value, method, access),
            None => Err(self.no_field(frame, &access, value)),
        }
    }

    /// A method of a value that is no object; the receiver is its function's first argument.
    fn value_method(
        &mut self,
        frame: &Frame<'_>,
        dot: &Slot,
        receiver: &Value,
        method: &'static crate::function::Function,
        access: Access<'_>,
    ) -> Result<Slot, Fail> {
        let base = self.arguments.len();
        let Access { expr, name, arguments, last, .. } = access;
        self.push_arguments(frame, dot, name, &method.signature, arguments, last)?;
        self.arguments.insert(base, receiver.clone());
        let result = (method.body)(&self.arguments[base..], &mut self.context);
        self.arguments.truncate(base);
        self.called(frame, expr.id, name, result)
    }
}

/// The part of an expression before one of its fields: `.Values.image` of `.Values.image.tag`.
fn parent_text(expr: &Expr, position: usize) -> String {
    let (start, names) = match &expr.kind {
        ExprKind::Field(names) => (String::new(), names),
        ExprKind::Variable(variable) => (variable.name.to_string(), &variable.fields),
        ExprKind::Chain(inner, names) => (format!("({inner})"), names),
        _ => return expr.to_string(),
    };
    let path: String = names.iter().take(position).map(|name| format!(".{name}")).collect();
    match start.is_empty() && path.is_empty() {
        true => ".".to_owned(),
        false => start + &path,
    }
}
