//! Tables for people, JSON and YAML for programs.

use std::fmt;
use std::io::{IsTerminal, Write};

use jiff::Timestamp;
use object::printable;
use serde_json::{Value, json};

use crate::args::{Format, Output};
use crate::failure::Failure;
use crate::settings;

mod table;

use table::Sight;
pub(crate) use table::{Column, age, column, wide};

/// Writes one line to standard output, as [`printable`] has it; a closed pipe (`| head`) is no error.
pub(crate) fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{}", printable(&text.to_string()));
}

/// Writes one line to standard error: of warnings, errors, and what happens meanwhile.
pub(crate) fn aside(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{}", printable(&text.to_string()));
}

/// Writes data: as it is for programs and files, as [`printable`] has it at a terminal.
pub(crate) fn raw(text: &str) {
    let shown = if std::io::stdout().is_terminal() { printable(text) } else { text.into() };
    let _ = std::io::stdout().write_all(shown.as_bytes());
}

/// How somebody wants an answer, and what it is seen from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    output: Output,
    now: Option<Timestamp>,
}

impl Output {
    /// `now`: what ages count from.
    pub(crate) fn view(self, now: Option<Timestamp>) -> View {
        View { output: self, now }
    }
}

/// Prints a list as it is wanted; as data, the way kubectl does.
///
/// # Errors
/// When a value cannot be written.
pub(crate) fn list(items: &[Value], columns: &[Column], view: &View, kind: &str) -> Result<(), Failure> {
    match view.output.output {
        Format::Json => line(serde_json::to_string_pretty(&shown(data(items)))?),
        Format::Yaml => raw(&yaml(&shown(data(items)))),
        Format::Name => items.iter().for_each(|item| line(format!("{kind}/{}", name(item)))),
        Format::Table | Format::Wide => rows(items, columns, view),
    }
    Ok(())
}

/// Prints a table. The texts of its cells are [`printable`]; colours are its own.
pub(crate) fn rows(items: &[Value], columns: &[Column], view: &View) {
    let sight = Sight { wide: view.output.output == Format::Wide, width: settings::width(), now: view.now };
    let _ = writeln!(std::io::stdout(), "{}", table::table(items, columns, &sight));
}

fn data(items: &[Value]) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "metadata": { "resourceVersion": "" }, "items": items })
}

/// As kubectl shows data: without who owns which field, which a server of another version may tell.
fn shown(mut value: Value) -> Value {
    forget_owners(&mut value);
    value
}

fn forget_owners(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
                metadata.remove("managedFields");
            }
            map.values_mut().for_each(forget_owners);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_owners),
        _ => {}
    }
}

/// Prints one object: as data when asked for, else by `human`.
///
/// # Errors
/// When a value cannot be written.
pub(crate) fn one(
    item: &Value,
    output: impl Into<Output>,
    kind: &str,
    human: impl FnOnce(&Value),
) -> Result<(), Failure> {
    let output = output.into();
    match output.output {
        Format::Json => line(serde_json::to_string_pretty(&shown(item.clone()))?),
        Format::Yaml => raw(&yaml(&shown(item.clone()))),
        Format::Name => line(format!("{kind}/{}", name(item))),
        Format::Table | Format::Wide => human(item),
    }
    Ok(())
}

pub(crate) fn yaml(value: &Value) -> String {
    object::yaml::to_string(value)
}

/// Where the name of what is shown stands: of an object, of an answer about one, of a row.
const NAMES: [&str; 6] = ["/metadata/name", "/release/metadata/name", "/name", "/application", "/release", "/id"];

fn name(item: &Value) -> String {
    NAMES.into_iter().find_map(|pointer| text(item, pointer)).unwrap_or_default()
}

/// The text at a JSON pointer; numbers and booleans too.
pub(crate) fn text(item: &Value, pointer: &str) -> Option<String> {
    match item.pointer(pointer)? {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Of whatever has some: an Application, a Pipeline.
pub(crate) fn conditions_of(object: &Value) -> impl Iterator<Item = &Value> {
    object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten()
}

/// The text at a JSON pointer, or `-`.
pub(crate) fn or_dash(item: &Value, pointer: &str) -> String {
    text(item, pointer).unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_data_as_kubectl_prints_them() {
        let list = data(&[json!({ "metadata": { "name": "web" } })]);
        assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
        assert_eq!(list.pointer("/items/0/metadata/name"), Some(&json!("web")));
        assert_eq!(data(&[])["items"], json!([]));
    }

    #[test]
    fn who_owns_which_field_is_not_shown() {
        let web = json!({ "metadata": { "name": "web", "managedFields": [{ "manager": "gantline" }] } });
        let answer = json!({ "release": web, "items": [web], "spec": { "managedFields": 1 } });
        let bare = json!({ "metadata": { "name": "web" } });
        let expected = json!({ "release": bare, "items": [bare], "spec": { "managedFields": 1 } });
        assert_eq!(shown(answer), expected);
    }

    #[test]
    fn everything_that_is_shown_has_a_name() {
        let check = |item: Value, expected: &str| assert_eq!(name(&item), expected, "{item}");
        check(json!({ "metadata": { "name": "shop-1" }, "name": "x" }), "shop-1");
        check(json!({ "release": { "metadata": { "name": "shop-1" } }, "promotions": [] }), "shop-1");
        check(json!({ "release": "shop-1", "summary": "" }), "shop-1");
        check(json!({ "application": "web", "release": "shop-1" }), "web");
        check(json!({ "application": "", "release": "shop-1" }), "shop-1");
        check(json!({ "id": 3 }), "3");
    }
}
