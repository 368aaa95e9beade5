//! Methods of values that are no host objects.

use crate::function::Function;
use crate::value::{Map, Value};

/// A method of a named map type such as `common.Values`; the map is its first argument.
pub(crate) fn of_map(_map: &Map, _name: &str) -> Option<&'static Function> {
    None
}

/// A method of `time.Time` or `time.Duration`; the value is its first argument.
pub(crate) fn of_time(_value: &Value, _name: &str) -> Option<&'static Function> {
    None
}
