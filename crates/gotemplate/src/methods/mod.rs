//! Methods of values that are no host objects.

mod duration;
mod named;
mod time;
mod values;

use crate::function::Function;
use crate::value::{Map, MapType, Value};

/// A method of a named map type; its function takes the map before the arguments the signature tells of.
pub(crate) fn of_map(map: &Map, name: &str) -> Option<&'static Function> {
    match map.of() {
        MapType::Named("common.Values") => values::METHODS.iter().find(|method| method.name == name),
        _ => None,
    }
}

/// A method of `time.Time` or `time.Duration`; its function takes the value first.
pub(crate) fn of_time(value: &Value, name: &str) -> Option<&'static Function> {
    let methods = match value {
        Value::Time(_) => time::METHODS,
        Value::Duration(_) => duration::METHODS,
        _ => return None,
    };
    methods.iter().find(|method| method.name == name)
}
