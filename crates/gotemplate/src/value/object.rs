//! Values of the host that are neither plain maps nor plain lists.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use super::{Kind, Str, Value};
use crate::function::{CallError, Context, Signature};

/// A Go struct, pointer or named type with methods, such as `.Capabilities` or `.Files`.
///
/// Every method but `type_name` and `kind` has a default: an object without fields, methods or items.
pub trait Object: fmt::Debug {
    /// What `%T` prints: `*common.Capabilities`.
    fn type_name(&self) -> Cow<'static, str>;

    /// Go's kind: a pointer, struct, map or slice.
    fn kind(&self) -> Kind;

    /// The value of an exported field, or of a key where the object is a map.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// The parameters of a method, or nothing where there is no such method. Methods win over fields, as in Go.
    fn method(&self, _name: &str) -> Option<&Signature> {
        None
    }

    /// Calls a method that `method` has; the arguments fit its signature.
    fn call(&self, name: &str, _arguments: &[Value], _context: &mut Context<'_>) -> Result<Value, CallError> {
        Err(CallError::new(format!("there is no method {name}")))
    }

    /// The object as a plain value (a map, list, string...), for `range`, `len`, `index`, truth, printing,
    /// `toYaml` and the like. Nothing for an object that has no such form.
    fn plain(&self) -> Option<Value> {
        None
    }

    /// The fields of a struct in their order, for printing it.
    fn fields(&self) -> Option<Vec<(Str, Value)>> {
        None
    }

    /// The fields of a struct as `encoding/json` names and orders them; without tags, those that are exported.
    fn json_fields(&self) -> Option<Vec<(Str, Value)>> {
        let mut fields = self.fields()?;
        fields.retain(|(name, _)| name.as_bytes().first().is_some_and(u8::is_ascii_uppercase));
        Some(fields)
    }

    /// Go's `String()` or `Error()`, where the type has one: what `print` and `%s` show.
    fn display(&self) -> Option<Str> {
        None
    }

    /// What an action shows of a field it reached itself: Go finds the methods of the field's pointer there, too.
    fn display_field(&self) -> Option<Str> {
        self.display()
    }

    /// Whether another object is equal by Go's `==`; pointers are equal where they are the same.
    fn equals(&self, _other: &dyn Object) -> bool {
        false
    }

    /// The object itself, to get back to its concrete type.
    fn as_any(&self) -> &dyn Any;
}

/// A Go function as a value, for the builtin `call`.
#[derive(Clone)]
pub struct Closure {
    pub signature: Rc<Signature>,
    pub body: Rc<ClosureBody>,
}

/// What runs when a closure is called; the arguments fit the signature.
pub type ClosureBody = dyn Fn(&[Value], &mut Context<'_>) -> Result<Value, CallError>;

impl fmt::Debug for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closure").field("signature", &self.signature).finish_non_exhaustive()
    }
}
