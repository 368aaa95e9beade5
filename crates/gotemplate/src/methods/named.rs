//! `time.Month` and `time.Weekday`: integers that print as names.

use std::any::Any;
use std::borrow::Cow;
use std::rc::Rc;

use crate::function::{CallError, Context, Signature};
use crate::layout::{MONTHS, WEEKDAYS};
use crate::value::{IntType, Kind, Object, Str, Value};

/// An integer with a name.
#[derive(Debug)]
struct Named {
    type_name: &'static str,
    number: u32,
    name: &'static str,
}

/// A `time.Month`, 1 to 12.
pub(super) fn month(number: u32) -> Value {
    let name = MONTHS.get(number as usize - 1).copied().unwrap_or_default();
    Value::Object(Rc::new(Named { type_name: "time.Month", number, name }))
}

/// A `time.Weekday`; 0 is Sunday.
pub(super) fn weekday(number: u32) -> Value {
    let name = WEEKDAYS.get(number as usize).copied().unwrap_or_default();
    Value::Object(Rc::new(Named { type_name: "time.Weekday", number, name }))
}

static NOTHING: Signature = Signature::fixed(&[]);

impl Object for Named {
    fn type_name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.type_name)
    }

    fn kind(&self) -> Kind {
        Kind::Int(IntType::Int)
    }

    fn method(&self, name: &str) -> Option<&Signature> {
        (name == "String").then_some(&NOTHING)
    }

    fn call(&self, _: &str, _: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        Ok(Value::string(self.name))
    }

    fn plain(&self) -> Option<Value> {
        Some(Value::int(i64::from(self.number)))
    }

    fn display(&self) -> Option<Str> {
        Some(Str::from(self.name))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
