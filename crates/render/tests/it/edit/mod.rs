//! `kustomize edit` and `create` against recorded runs of kustomize 5.8.1.
//!
//! Each `*.json` here is a list of cases: the files before, a command line, and what kustomize made of it (`record.py`
//! writes that part). Our result must mean the same, build the same, and lose no line but those that the case names.

pub(crate) mod command;

use std::path::Path;

use command::Command;
use object::{FileTree, MemoryTree, yaml};
use render::kustomize::edit::{self, Edited};
use render::kustomize::{self, BuildOptions};
use serde_json::{Map, Value, json};

fn tables() -> Vec<(String, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/edit");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    let read = |path: &Path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    files.iter().map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), read(path))).collect()
}

fn text(case: &Value, key: &str) -> String {
    case[key].as_str().unwrap_or_default().to_owned()
}

fn list(case: &Value, key: &str) -> Vec<String> {
    let items = case[key].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn tree(case: &Value) -> FileTree {
    let files = case["files"].as_object().unwrap();
    let add = |tree: MemoryTree, (path, content): (&String, &Value)| tree.file(path, content.as_str().unwrap());
    files.iter().fold(MemoryTree::default(), add).tree()
}

fn run(case: &Value, tree: &FileTree) -> Result<Edited, String> {
    let folder = text(case, "folder");
    let error = |e: kustomize::KustomizeError| e.to_string();
    match command::parse(&list(case, "run")).ok_or("the command line is malformed")? {
        Command::Edit(command) => edit::apply(tree, &folder, &command).map_err(error),
        Command::Create(command) => edit::create(tree, &folder, &command).map_err(error),
    }
}

/// What a kustomization means: null and empty fields, and capitals in field names, mean nothing. Entries of `images` and
/// `replicas` are sorted, as kustomize sorts them; so are literals, which `set configmap` writes in random order.
fn meaning(text: &str) -> Value {
    let mut value = plain(&yaml::value(text).unwrap());
    value.as_object_mut().unwrap().retain(|_, field| *field != "");
    for list in ["images", "replicas"] {
        if let Some(items) = value.get_mut(list).and_then(Value::as_array_mut) {
            items.sort_by_key(|item| item["name"].to_string());
        }
    }
    value
}

fn sorted_literals(key: &str, mut value: Value) -> Value {
    if let Some(items) = value.as_array_mut().filter(|_| key == "literals") {
        items.sort_by_key(ToString::to_string);
    }
    value
}

fn plain(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| (key.to_lowercase(), sorted_literals(key, plain(value))));
            let empty = |value: &Value| *value == Value::Null || *value == json!({}) || *value == json!([]);
            Value::Object(fields.filter(|(_, value)| !empty(value)).collect())
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// What is wrong with our result of a case.
fn fault(case: &Value) -> Option<String> {
    let tree = tree(case);
    let wanted = &case["kustomize"];
    let edited = match (run(case, &tree), wanted["error"].as_str()) {
        (Err(_), Some(_)) => return None,
        (Ok(edited), Some(error)) => return Some(format!("no error, but kustomize says {error}\n{}", edited.text)),
        (Err(error), None) => return Some(format!("error: {error}")),
        (Ok(edited), None) => edited,
    };
    let theirs = wanted["text"].as_str().unwrap_or("the case is not recorded");
    if meaning(&edited.text) != meaning(theirs) {
        return Some(format!("it means something else:\n{}\nkustomize writes\n{theirs}", edited.text));
    }
    let others: Map<String, Value> =
        edited.others.iter().map(|(path, text)| (path.clone(), text.as_str().into())).collect();
    if others != wanted["others"].as_object().cloned().unwrap_or_default() {
        return Some(format!("the other files become {others:?}"));
    }
    let before = tree.read(&edited.path).unwrap().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
    let (mut lost, mut gone) = (lost(&before.unwrap_or_default(), &edited.text), list(case, "gone"));
    lost.sort();
    gone.sort();
    if lost != gone {
        return Some(format!("lost are the lines {lost:?}, not {gone:?}:\n{}", edited.text));
    }
    misbuilt(case, &tree, &edited)
}

/// The lines of the first text that are not in the second, byte for byte and in their order.
fn lost(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.split('\n').collect(), after.split('\n').collect());
    // length of the longest common sequence of what is left of both
    let mut common = vec![vec![0; after.len() + 1]; before.len() + 1];
    for i in (0..before.len()).rev() {
        for j in (0..after.len()).rev() {
            let same = usize::from(before[i] == after[j]);
            common[i][j] = (common[i + 1][j + 1] + same).max(common[i + 1][j]).max(common[i][j + 1]);
        }
    }
    let (mut lost, mut j) = (Vec::new(), 0);
    for (i, line) in before.iter().enumerate() {
        if common[i + 1][j] == common[i][j] {
            lost.push(line.trim_end_matches('\r').to_owned());
            continue;
        }
        while after[j] != *line {
            j += 1;
        }
        j += 1;
    }
    lost.retain(|line| !line.is_empty());
    lost
}

/// The result must build to what kustomize's result builds to.
fn misbuilt(case: &Value, tree: &FileTree, edited: &Edited) -> Option<String> {
    let wanted = case["kustomize"]["build"].as_str()?;
    let files = edited.others.iter().chain([&(edited.path.clone(), edited.text.clone())]).cloned().collect::<Vec<_>>();
    let tree = files.iter().fold(tree.fresh(), |tree, (path, text)| tree.with_file(path, text.as_bytes()));
    match kustomize::build(&tree, &text(case, "folder"), &BuildOptions::default()) {
        Err(error) => Some(format!("it does not build: {error}")),
        Ok(build) if build.text() == wanted => None,
        Ok(build) => Some(format!("it builds to\n{}\nnot to\n{wanted}", build.text())),
    }
}

#[test]
fn edits_mean_what_kustomize_writes_and_lose_nothing() {
    let mut faults = Vec::new();
    let mut count = 0;
    for (table, cases) in tables() {
        for case in cases {
            count += 1;
            let found = fault(&case);
            faults.extend(found.map(|fault| {
                format!("== {table}: {} ({})\n{fault}", text(&case, "name"), list(&case, "run").join(" "))
            }));
        }
    }
    assert!(faults.is_empty(), "{} of {count} cases:\n{}", faults.len(), faults.join("\n"));
    assert!(count >= 60, "only {count} cases");
}

/// Runs a command line on one kustomization in the folder `o`, beside a file `o/deploy.yaml`.
fn run_on(kustomization: &str, line: &str) -> Result<Edited, String> {
    let words: Vec<&str> = line.split(' ').collect();
    let files = json!({"o/kustomization.yaml": kustomization, "o/deploy.yaml": ""});
    let case = json!({"files": files, "folder": "o", "run": words});
    run(&case, &tree(&case))
}

#[test]
fn errors_name_file_line_and_fix() {
    for (kustomization, line, expected) in [
        (
            "resources:\n- deploy.yaml\n",
            "edit add resource deplyo.yaml",
            "o/kustomization.yaml: deplyo.yaml does not exist; did you mean deploy.yaml?",
        ),
        (
            "commonLabels:\n  a: b\n  c: d\n",
            "edit add label c:e",
            "o/kustomization.yaml:3: the label c is there already; add --force to give it the new value",
        ),
        (
            "images:\n- name: a\n  newTag: v1\nnamePrefx: x\n",
            "edit set image a:v2",
            "o/kustomization.yaml:4:1: unknown field \"namePrefx\"; did you mean namePrefix?",
        ),
        (
            "images:\n- &a\n  name: a\n  newTag: v1\n- *a\n",
            "edit set image a:v2",
            "o/kustomization.yaml:4: images[0].newTag stands in &a, which is used elsewhere, too: write the value out there first",
        ),
        (
            "commonAnnotations: &l\n  a: b\ncommonLabels: *l\n",
            "edit set label a:c",
            "o/kustomization.yaml:3: commonLabels is written as *l: edit what is anchored there, or write the value out",
        ),
        (
            "namespace: a\nnamespace: b\n",
            "edit set namespace c",
            "o/kustomization.yaml:2: namespace is written more than once: remove all but one",
        ),
        (
            "resources: []\n",
            "edit add resource ../../x.yaml",
            "o/kustomization.yaml: ../../x.yaml leaves the repository; only files of this repository can be used, by paths relative to the folder",
        ),
    ] {
        assert_eq!(run_on(kustomization, line).unwrap_err(), expected);
    }
}

/// The one difference by intent: what is not named stays as it is.
#[test]
fn order_and_other_documents_stay() {
    let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    for (kustomization, line, expected) in [
        (
            "images:\n- name: z\n  newTag: v1\n- name: a\n  newTag: v1\n",
            "edit set image a:v2 m:v3",
            "images:\n- name: z\n  newTag: v1\n- name: a\n  newTag: v2\n- name: m\n  newTag: v3\n",
        ),
        ("components:\n- a\n- b # b\n", "edit remove component a", "components:\n- b # b\n"),
        ("namespace: a\n---\nnamespace: b\n", "edit set namespace c", "namespace: c\n---\nnamespace: b\n"),
    ] {
        let edited = run_on(&format!("{head}{kustomization}"), line).unwrap();
        assert_eq!(edited.text, format!("{head}{expected}"));
    }
}
