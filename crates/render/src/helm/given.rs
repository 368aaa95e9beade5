//! The values that a user gives, from all sources (Helm 4.2, `pkg/cli/values`).

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::error::HelmError;
use super::options::ValueSources;
use super::strvals::{self, ValueKind};
use super::values_file;

/// The largest values file, in bytes.
const FILE_MAX: usize = 20 * 1024 * 1024;

/// One mapping of all that `sources` say.
///
/// # Errors
/// Names the file, or the flag and its text, that cannot be read.
pub(crate) fn values(sources: &ValueSources) -> Result<Map<String, Value>, HelmError> {
    let mut values = Map::new();
    for file in &sources.files {
        if file.content.len() > FILE_MAX {
            return Err(HelmError::new(format!("a values file may not be larger than {FILE_MAX} bytes"))
                .in_file(&file.name, 0, 0));
        }
        let read = values_file::read(&file.content);
        let read = read.map_err(|e| HelmError::new(e.reason).in_file(&file.name, e.mark.line, e.mark.column))?;
        values_file::merge(&mut values, read);
    }
    for text in &sources.set_json {
        set_json(text, &mut values)?;
    }
    let content = |name: &str| match sources.file_contents.get(name) {
        Some(bytes) => Ok(Value::String(String::from_utf8_lossy(bytes).into_owned())),
        None => Err(format!("the file {name:?} was not found")),
    };
    for (flag, texts, kind) in [
        ("--set", &sources.set, ValueKind::Typed),
        ("--set-string", &sources.set_string, ValueKind::Text),
        ("--set-file", &sources.set_file, ValueKind::File(&content)),
        ("--set-literal", &sources.set_literal, ValueKind::Literal),
    ] {
        for text in texts {
            strvals::set(text, kind, &mut values).map_err(|reason| failed(flag, text, &reason))?;
        }
    }
    Ok(values)
}

fn failed(flag: &str, text: &str, reason: &str) -> HelmError {
    HelmError::new(format!("failed parsing {flag} data {text:?}: {reason}"))
}

/// A whole mapping, or `key=JSON,...`.
fn set_json(text: &str, values: &mut Map<String, Value>) -> Result<(), HelmError> {
    if !text.trim_start().starts_with('{') {
        return strvals::set(text, ValueKind::Json, values).map_err(|reason| failed("--set-json", text, &reason));
    }
    match serde_json::from_str(text).map(values_file::float) {
        Ok(Value::Object(map)) => values_file::merge(values, map),
        Ok(_) => return Err(failed("--set-json", text, "not a mapping")),
        Err(error) => return Err(failed("--set-json", text, &error.to_string())),
    }
    Ok(())
}

/// The names of the files that a text of `--set-file` asks for.
///
/// # Errors
/// What is wrong with the text.
pub fn set_file_names(text: &str) -> Result<BTreeSet<String>, String> {
    let names = RefCell::new(BTreeSet::new());
    let note = |name: &str| {
        names.borrow_mut().insert(name.to_owned());
        Ok(Value::Null)
    };
    strvals::set(text, ValueKind::File(&note), &mut Map::new())?;
    Ok(names.into_inner())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::options::ValuesFile;
    use super::*;

    #[test]
    fn kinds_of_sources_win_in_the_order_of_helm() {
        let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        let file = |content: &str| ValuesFile { name: "f".to_owned(), content: content.as_bytes().into() };
        let mut sources = ValueSources {
            files: vec![file("a: 1\nb: {c: 1, d: ~}\n"), file("b: {c: 2}\n")],
            set_json: texts(&["a=2,j=[1]", r#"{"b": {"e": 3}}"#]),
            set: texts(&["a=3", "x.y=z"]),
            set_string: texts(&["a=4"]),
            set_file: texts(&["f=name"]),
            set_literal: texts(&["l=a,b"]),
            ..ValueSources::default()
        };
        sources.file_contents.insert("name".to_owned(), b"content".as_slice().into());
        let expected = json!({
            "a": "4", "b": {"c": 2.0, "d": null, "e": 3.0}, "j": [1.0], "x": {"y": "z"}, "f": "content", "l": "a,b",
        });
        assert_eq!(Value::Object(values(&sources).unwrap()), expected);
        sources.file_contents.clear();
        assert!(values(&sources).unwrap_err().to_string().contains("\"name\" was not found"));
        assert_eq!(set_file_names("a=x,b={y,z}").unwrap().into_iter().collect::<Vec<_>>(), ["x", "y", "z"]);
    }

    #[test]
    fn bad_files_are_named() {
        let files = vec![ValuesFile { name: "v.yaml".to_owned(), content: b"a: 1\nb: [".as_slice().into() }];
        let error = values(&ValueSources { files, ..ValueSources::default() }).unwrap_err().to_string();
        assert!(error.starts_with("v.yaml:"), "{error}");
    }
}
