//! Small templates with their values as JSON, one a line: what the conformance corpora are made of.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::eval::Render;
use crate::function::Host;
use crate::functions::Functions;
use crate::limits::Limits;
use crate::templates::{Options, Parsed, Templates};
use crate::value::{Value, runes};

/// The name of the template a snippet is, and of its helpers' file.
const TEMPLATE: &str = "t/templates/t.yaml";
const HELPERS: &str = "t/templates/_helpers.tpl";

/// Renders a snippet `{template, helpers}` as a file of a chart `t`; `root` is what it sees as `.`.
pub fn render(
    functions: &Arc<Functions>,
    snippet: &Json,
    root: &Value,
    host: &mut dyn Host,
) -> Result<Vec<u8>, String> {
    let mut templates = Templates::new(functions.clone(), Options::helm());
    // Helm parses files of one folder from the last name to the first
    for (name, text) in [(TEMPLATE, &snippet["template"]), (HELPERS, &snippet["helpers"])] {
        let text = text.as_str().unwrap_or_default();
        templates.add(&Parsed::new(name, text, functions).map_err(|error| error.to_string())?);
    }
    Render::new(&templates, Limits::default(), host).execute(TEMPLATE, root).map_err(|error| error.to_string())
}

/// Answers a line `{id, template, helpers, values}` with `{id, output}` or `{id, error}`. `root` makes what the
/// template sees as `.` from the values.
pub fn answer(
    functions: &Arc<Functions>,
    line: &str,
    root: impl FnOnce(&Json) -> Value,
    host: &mut dyn Host,
) -> Result<String, serde_json::Error> {
    let snippet: Json = serde_json::from_str(line)?;
    let none = Json::Object(serde_json::Map::new());
    let values = if snippet["values"].is_null() { &none } else { &snippet["values"] };
    let id = &snippet["id"];
    let answer = match render(functions, &snippet, &root(values), host) {
        Ok(output) => json!({ "id": id, "output": runes(&output).collect::<String>() }),
        Err(error) => json!({ "id": id, "error": error }),
    };
    Ok(answer.to_string())
}
