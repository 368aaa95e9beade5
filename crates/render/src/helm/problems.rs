//! Errors of templates, in terms of the repository.

use gotemplate::error::{Cause, Error, ExecuteError, FieldOf, ParseError};
use gotemplate::value::{Map, Value};

use super::error::HelmError;
use super::scope::{Renderable, Renderables};
use object::{nearest, path};

/// A file that breaks the grammar.
pub(crate) fn of_parse(error: &ParseError, files: &Renderables<'_>) -> HelmError {
    placed(HelmError::new(error.message.clone()), files, &error.template, error.line, 0)
}

/// A template that failed while it ran; `running` is the file that was rendered.
pub(crate) fn of_render(error: &Error, files: &Renderables<'_>, running: &str) -> HelmError {
    let found = match error.innermost() {
        Error::Execute(inner) if files.contains_key(&*inner.template) => {
            let found = of_execute(inner, files, running);
            placed(found, files, &inner.template, inner.line, inner.column + 1)
        }
        Error::Execute(inner) => {
            let found = of_execute(inner, files, running);
            let at = if inner.expression.is_empty() { String::new() } else { format!(", <{}>", inner.expression) };
            let message = format!("the text of tpl, line {}{at}: {}", inner.line, found.problem.message);
            in_text(error, files, &message).hint(found.problem.hint)
        }
        Error::Parse(inner) if files.contains_key(&*inner.template) => of_parse(inner, files),
        Error::Parse(inner) => {
            in_text(error, files, &format!("the text of tpl, line {}: {}", inner.line, inner.message))
        }
        Error::NoTemplate { name, .. } => {
            let hint = format!("define {name:?} in a file below templates/, or correct the name");
            in_text(error, files, &format!("there is no template {name:?}")).hint(hint)
        }
    };
    match error {
        Error::Execute(outer) => called_from(found, outer, files),
        _ => found,
    }
}

/// An error in a text that has no file: blamed on the innermost file.
fn in_text(error: &Error, files: &Renderables<'_>, message: &str) -> HelmError {
    match innermost_file(error, files) {
        Some(at) => {
            placed(HelmError::new(message), files, &at.template, at.line, at.column + 1).expression(&at.expression)
        }
        None => HelmError::new(message),
    }
}

/// The last of a chain of calls that is in a file.
fn innermost_file<'e>(error: &'e Error, files: &Renderables<'_>) -> Option<&'e ExecuteError> {
    let deeper = error.inner().and_then(|inner| innermost_file(inner, files));
    deeper.or(match error {
        Error::Execute(at) if files.contains_key(&*at.template) => Some(at),
        _ => None,
    })
}

fn of_execute(error: &ExecuteError, files: &Renderables<'_>, running: &str) -> HelmError {
    let mut found = HelmError::new(message(&error.cause)).expression(&error.expression);
    let scope = || files.get(&*error.template).or_else(|| files.get(running)).map(|r| &r.scope);
    let hint = match &error.cause {
        Cause::NilField(asked) => scope().and_then(|scope| did_you_mean(asked, scope)).or_else(|| Some(not_set(asked))),
        Cause::NoField(asked) => scope().and_then(|scope| did_you_mean(asked, scope)),
        _ => None,
    };
    if let Some(hint) = hint {
        found = found.hint(hint);
    }
    found
}

fn message(cause: &Cause) -> String {
    match cause {
        Cause::Call { function, failure } if matches!(function.as_str(), "fail" | "required") => failure.to_string(),
        other => other.to_string(),
    }
}

fn not_set(asked: &FieldOf) -> String {
    format!("{} is nil here: set it, or guard it with if or with", asked.parent)
}

/// The nearest key that exists, for a path below `.Values`.
fn did_you_mean(asked: &FieldOf, scope: &Map) -> Option<String> {
    let path = asked.parent.trim_start_matches('$').strip_prefix(".Values.")?;
    let Some(Value::Map(mut table)) = scope.get(b"Values") else { return None };
    let mut known = String::from(".Values");
    for key in path.split('.') {
        match table.get(key.as_bytes()) {
            Some(Value::Map(inner)) => {
                table = inner;
                known = format!("{known}.{key}");
            }
            Some(_) => {
                return Some(format!("{known}.{key} has no keys below it: give it a mapping with {}", asked.field));
            }
            None => return Some(missing(&known, key, &table)),
        }
    }
    None
}

fn missing(known: &str, key: &str, table: &Map) -> String {
    let keys: Vec<String> = table.entries().keys().map(|k| k.to_text().into_owned()).collect();
    match nearest(key, keys.iter().map(String::as_str)) {
        Some(near) => format!("{known}.{key} is not set; did you mean {known}.{near}?"),
        None => format!("{known}.{key} is not set in the values"),
    }
}

/// Names the file in the repository, if the template is one of the tree's.
pub(crate) fn not_utf8(files: &Renderables<'_>, name: &str) -> HelmError {
    placed(HelmError::new("what the template renders is not UTF-8").hint("save it as UTF-8"), files, name, 0, 0)
}

fn placed(error: HelmError, files: &Renderables<'_>, template: &str, line: usize, column: usize) -> HelmError {
    match files.get(template) {
        Some(renderable) => error.in_file(place(renderable, template), line, column).of_chart(renderable.chart.name()),
        None => error.in_file(template, line, column),
    }
}

/// Where a template is: a path in the repository, or in an archive in it.
pub(crate) fn place(renderable: &Renderable<'_>, template: &str) -> String {
    let chart = renderable.chart;
    if chart.packed {
        return format!("{}: {template}", chart.location);
    }
    path::child(&chart.location, &renderable.file.name)
}

/// Adds where the chain of calls starts, as Helm names files.
fn called_from(error: HelmError, outer: &ExecuteError, files: &Renderables<'_>) -> HelmError {
    let start = files.get(&*outer.template).map(|r| place(r, &outer.template));
    if start.is_none_or(|start| error.problem.file == start && error.problem.line == outer.line) {
        return error;
    }
    let ExecuteError { template, line, column, .. } = outer;
    let message = format!("{} (called from {template}:{line}:{})", error.problem.message, column + 1);
    let mut error = error;
    error.problem.message = message;
    error
}
