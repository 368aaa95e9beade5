//! The recorded snippets: what Helm 4.2.4 gives for small templates.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gotemplate::functions::Functions;
use gotemplate::snippet;
use serde_json::Value as Json;

use crate::chart;

/// Where the shared corpora are: beside the repository, or where the environment says.
fn corpus() -> PathBuf {
    let shared = std::env::var_os("GANTLINE_SHARED").map_or_else(|| PathBuf::from("../../../shared"), PathBuf::from);
    shared.join("conformance/template")
}

/// The values of a case: literal, or those of a file of the corpus.
fn values(folder: &Path, case: &Json) -> Json {
    match &case["values"] {
        Json::String(file) => {
            let text = fs::read_to_string(folder.join(file)).expect("the corpus has the file");
            serde_json::from_str(&text).expect("values are JSON")
        }
        Json::Null => Json::Object(serde_json::Map::new()),
        literal => literal.clone(),
    }
}

/// What is wrong with an answer, if anything.
fn verdict(case: &Json, answer: &Result<String, String>) -> Option<String> {
    match (case["output"].as_str(), answer) {
        (Some(expected), Ok(given)) if expected == given => None,
        (None, Err(_)) => None,
        (expected, given) => {
            let (id, template, error) = (&case["id"], &case["template"], &case["error"]);
            Some(format!("{id} {template}\n  expected {expected:?} {error}\n  given    {given:?}"))
        }
    }
}

#[test]
fn every_recorded_snippet_renders_as_in_helm() {
    let folder = corpus();
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("SKIPPED: no snippets at {}", folder.display());
        return;
    };
    let functions = Arc::new(Functions::helm());
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension() == Some("jsonl".as_ref())) {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let (failed, all) = counts.entry(file).or_insert((0, 0));
        for line in fs::read_to_string(&path).unwrap().lines() {
            let case: Json = serde_json::from_str(line).unwrap();
            *all += 1;
            let root = chart::root(&values(&folder, &case));
            let answer = snippet::render(&functions, &case, &root, &mut chart::StillWorld);
            let answer = answer.map(|output| String::from_utf8_lossy(&output).into_owned());
            if let Some(problem) = verdict(&case, &answer) {
                *failed += 1;
                wrong.push(problem);
            }
        }
    }
    let counts: Vec<_> = counts.iter().map(|(file, (failed, all))| format!("{file} {failed}/{all}")).collect();
    assert!(wrong.is_empty(), "{} wrong; by file: {}\n{}", wrong.len(), counts.join(", "), wrong.join("\n"));
}
