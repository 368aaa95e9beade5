//! Tables for people, JSON and YAML for programs.

use std::fmt;
use std::io::{IsTerminal, Write};

use comfy_table::{Cell, Color, Table, presets};
use object::printable;
use serde_json::{Value, json};

use crate::args::Format;
use crate::failure::Failure;
use crate::settings;

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

/// Writes a table. The texts of its cells are [`printable`]; colours are its own.
pub(crate) fn rows(table: &Table) {
    let _ = writeln!(std::io::stdout(), "{table}");
}

/// A column: its title, the value of a row, and whether only `-o wide` shows it.
pub(crate) struct Column {
    title: &'static str,
    value: fn(&Value) -> String,
    wide: bool,
}

pub(crate) const fn column(title: &'static str, value: fn(&Value) -> String) -> Column {
    Column { title, value, wide: false }
}

pub(crate) const fn wide(title: &'static str, value: fn(&Value) -> String) -> Column {
    Column { title, value, wide: true }
}

/// Prints a list as `format` asks; as data, the way kubectl does.
///
/// # Errors
/// When a value cannot be written.
pub(crate) fn list(items: &[Value], columns: &[Column], format: Format, kind: &str) -> Result<(), Failure> {
    match format {
        Format::Json => line(serde_json::to_string_pretty(&data(items))?),
        Format::Yaml => raw(&yaml(&data(items))),
        Format::Name => items.iter().for_each(|item| line(format!("{kind}/{}", name(item)))),
        Format::Table | Format::Wide => rows(&table(items, columns, format == Format::Wide)),
    }
    Ok(())
}

fn data(items: &[Value]) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "metadata": { "resourceVersion": "" }, "items": items })
}

/// Prints one object: as data when asked for, else by `human`.
///
/// # Errors
/// When a value cannot be written.
pub(crate) fn one(item: &Value, format: Format, kind: &str, human: impl FnOnce(&Value)) -> Result<(), Failure> {
    match format {
        Format::Json => line(serde_json::to_string_pretty(item)?),
        Format::Yaml => raw(&yaml(item)),
        Format::Name => line(format!("{kind}/{}", name(item))),
        Format::Table | Format::Wide => human(item),
    }
    Ok(())
}

pub(crate) fn yaml(value: &Value) -> String {
    object::yaml::to_string(value)
}

fn name(item: &Value) -> String {
    ["/metadata/name", "/name", "/application", "/id"].into_iter().find_map(|p| text(item, p)).unwrap_or_default()
}

fn table(items: &[Value], columns: &[Column], all: bool) -> Table {
    let shown: Vec<&Column> = columns.iter().filter(|c| all || !c.wide).collect();
    let mut table = plain_table();
    table.set_header(shown.iter().map(|c| c.title));
    for item in items {
        table.add_row(shown.iter().map(|c| cell((c.value)(item))));
    }
    table
}

/// A table without lines, as kubectl prints them.
pub(crate) fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if !settings::colour() {
        table.force_no_tty();
    }
    table
}

pub(crate) fn cell(text: String) -> Cell {
    let colour = match text.as_str() {
        "Synced" | "Healthy" | "Successful" | "Succeeded" | "Verified" | "Passed" => Some(Color::Green),
        "OutOfSync" | "Missing" | "Suspended" | "Waiting" | "Soaking" => Some(Color::Yellow),
        "Degraded" | "Failed" | "Error" | "Rejected" | "Unknown" => Some(Color::Red),
        "Progressing" | "Running" | "Deploying" | "Converging" | "Converged" => Some(Color::Blue),
        _ => None,
    };
    let cell = Cell::new(printable(&text));
    match colour {
        Some(colour) if settings::colour() => cell.fg(colour),
        _ => cell,
    }
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

/// The text at a JSON pointer, or `-`.
pub(crate) fn or_dash(item: &Value, pointer: &str) -> String {
    text(item, pointer).unwrap_or_else(|| "-".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cell_says_is_for_people_and_not_for_the_terminal() {
        let columns = [column("NAME", |item| or_dash(item, "/name"))];
        let shown = table(&[json!({ "name": "web\u{1b}]52;c;ZXZpbA==\u{7}\u{202e}" })], &columns, true).to_string();
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']) && shown.contains("web\\u001b]52"), "{shown:?}");
    }

    #[test]
    fn lists_are_data_as_kubectl_prints_them() {
        let list = data(&[json!({ "metadata": { "name": "web" } })]);
        assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
        assert_eq!(list.pointer("/items/0/metadata/name"), Some(&json!("web")));
        assert_eq!(data(&[])["items"], json!([]));
    }
}
