use engine::health;
use object::{LiveObject, yaml};

use super::{corpus, equal};

/// Kinds with rules of their own here; the many others come with scripts.
const KINDS: [&str; 4] = ["builtin/", "batch/", "apiextensions.k8s.io/", "policy/"];

#[test]
fn health_of_built_in_kinds() {
    let Some(folder) = corpus("health") else { return };
    let index = std::fs::read_to_string(folder.join("INDEX.tsv")).unwrap();
    let mut passed = 0;
    let mut failures = Vec::new();
    for (file, expected) in index.lines().filter_map(|line| line.split_once('\t')) {
        if !KINDS.iter().any(|kind| file.starts_with(kind)) {
            continue;
        }
        let value = yaml::value(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap();
        let found = health(&LiveObject::new(value).unwrap()).map_or("none", |health| health.status.as_str());
        match equal(&found.into(), &expected.into()) {
            Ok(()) => passed += 1,
            Err(why) => failures.push(format!("{file}: {why}")),
        }
    }
    println!("health: {passed} agree");
    assert!(failures.is_empty() && passed >= 35, "{passed} agree, failures: {failures:#?}");
}
