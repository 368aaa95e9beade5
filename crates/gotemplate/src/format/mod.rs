//! Go's `fmt`: `Sprint`, `Sprintln` and `Sprintf` over template values.

mod number;
mod pad;
mod printer;
mod printf;

use crate::limits::Exceeded;
use crate::value::{Kind, Value};
use printer::Printer;

/// Appends what `fmt.Fprint` writes for one value: what `{{ value }}` shows.
pub fn print_value(out: &mut Vec<u8>, value: &Value, room: usize) -> Result<(), Exceeded> {
    if let Value::String(text) = value {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    Printer::new(out, room).print_argument(value, 'v')
}

/// `fmt.Sprint`: a space stands between two values where neither is a string. `room` is the most bytes to write.
pub fn sprint(values: &[Value], room: usize) -> Result<Vec<u8>, Exceeded> {
    let mut out = Vec::new();
    let mut previous_is_string = true;
    for value in values {
        let is_string = value.kind() == Kind::String;
        if !is_string && !previous_is_string {
            out.push(b' ');
        }
        print_value(&mut out, value, room)?;
        previous_is_string = is_string;
    }
    Ok(out)
}

/// `fmt.Sprintln`: a space between all values, a line end after them.
pub fn sprintln(values: &[Value], room: usize) -> Result<Vec<u8>, Exceeded> {
    let mut out = Vec::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        print_value(&mut out, value, room)?;
    }
    out.push(b'\n');
    Ok(out)
}

/// `fmt.Sprintf`, with its notes on wrong verbs and missing or extra values.
pub fn sprintf(format: &[u8], values: &[Value], room: usize) -> Result<Vec<u8>, Exceeded> {
    let mut out = Vec::new();
    printf::run(&mut Printer::new(&mut out, room), format, values)?;
    Ok(out)
}

#[cfg(test)]
mod tests;
