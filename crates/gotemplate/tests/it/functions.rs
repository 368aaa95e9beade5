//! Functions with odd arguments: what Helm 4.2.4 gives for them, or that it fails.

use std::sync::Arc;

use gotemplate::functions::Functions;
use gotemplate::snippet;
use gotemplate::value::runes;
use serde_json::{Value as Json, json};

use crate::chart;

#[test]
fn functions_take_odd_arguments_as_in_helm() {
    let functions = Arc::new(Functions::helm());
    let root = chart::root(&json!({}));
    let mut wrong = Vec::new();
    for line in include_str!("functions.jsonl").lines() {
        let case: Json = serde_json::from_str(line).expect("a case is JSON");
        let answer = snippet::render(&functions, &case, &root, &mut chart::StillWorld);
        let given = answer.map(|output| runes(&output).collect::<String>());
        if given.as_deref().ok() != case["output"].as_str() {
            wrong.push(format!("{}\n  expected {}\n  given    {given:?}", case["template"], case["output"]));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}
