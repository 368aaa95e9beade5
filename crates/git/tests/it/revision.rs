//! Revisions against the recorded answers of Argo CD.

use serde_json::Value;
use std::collections::BTreeMap;
use test_support::{GitRepo, shared};

/// The cases of one repository with all kinds of references. Not asked for: prefixes of tags, and commits that only the
/// revision knows of.
fn judged(input: &Value) -> bool {
    let refs = &input["refs"];
    let revision = input["revision"].as_str().unwrap_or_default();
    let hexadecimal = revision.len() >= 7 && revision.bytes().all(|b| b.is_ascii_hexdigit());
    let usual = refs[0] == "ref: refs/heads/main HEAD" && refs.as_array().is_some_and(|refs| refs.len() == 30);
    input["op"] == "git" && usual && !hexadecimal && input["tagPrefix"].as_str().unwrap_or_default().is_empty()
}

/// Nothing where the corpus is not there, which is said.
pub(crate) fn recorded() -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(shared("conformance/revision")?.join("cases.jsonl")).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[tokio::test]
async fn revisions_resolve_as_recorded() {
    let Some(cases) = recorded() else { return };
    let cases: Vec<&Value> = cases.iter().filter(|case| judged(&case["input"])).collect();
    let (repo, names) = with_refs(&cases[0]["input"]).await;
    let repository = repo.open();
    let mut failed = Vec::new();
    for case in &cases {
        let revision = case["input"]["revision"].as_str().unwrap();
        let found = repository.resolve(revision).await.ok().map(|id| names[&id.to_string()].clone());
        let expected = case["output"]["commit"].as_str().map(|hash| name_of(&case["input"], hash));
        if found != expected {
            failed.push(format!("{revision:?}: {found:?}, not {expected:?}"));
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
    assert!(cases.len() >= 50, "{}", cases.len());
}

fn name_of(input: &Value, hash: &str) -> String {
    let lines = input["refs"].as_array().unwrap().iter().filter_map(Value::as_str);
    lines.filter_map(|line| line.split_once(' ')).find(|(id, _)| *id == hash).unwrap().1.to_owned()
}

/// A repository with a commit for each reference, and the reference of each commit.
async fn with_refs(input: &Value) -> (GitRepo, BTreeMap<String, String>) {
    let repo = GitRepo::with_files(&[("a", "0")]);
    let mut names = BTreeMap::new();
    for line in input["refs"].as_array().unwrap().iter().filter_map(Value::as_str) {
        let Some((_, name)) = line.split_once(' ').filter(|(id, _)| *id != "ref:") else { continue };
        let id = repo.commit("ci", &[("a", Some(name))], name).await;
        let file = repo.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, format!("{id}\n")).unwrap();
        names.insert(id.to_string(), name.to_owned());
    }
    // `main` went on with every commit
    let main = names.iter().find(|(_, name)| *name == "refs/heads/main").map(|(id, _)| id.clone());
    std::fs::write(repo.path().join("refs/heads/main"), format!("{}\n", main.unwrap())).unwrap();
    (repo, names)
}
