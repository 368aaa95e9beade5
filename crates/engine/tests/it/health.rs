use engine::health_by_rule;
use object::{LiveObject, yaml};

use super::{corpus, equal};

/// What the rules say, as the cases have it: that an object is on its way out is another matter.
#[test]
fn health_of_kinds() {
    let Some(folder) = corpus("health") else { return };
    let index = std::fs::read_to_string(folder.join("INDEX.tsv")).unwrap();
    let cases: Vec<(&str, &str)> = index.lines().skip(1).filter_map(|line| line.split_once('\t')).collect();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|(file, expected)| {
            let value = yaml::value(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap();
            let found =
                health_by_rule(&LiveObject::new(value).unwrap()).map_or("none", |health| health.status.as_str());
            equal(&found.into(), &(*expected).into()).err().map(|why| format!("{file}: {why}"))
        })
        .collect();
    let passed = cases.len() - failures.len();
    println!("health: {passed} of {}", cases.len());
    failures.iter().for_each(|failure| println!("  {failure}"));
    assert!(passed >= 668, "{passed} of {} agree", cases.len());
}

#[test]
fn each_rule_that_is_there_is_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/health");
    let listed = std::fs::read_to_string(folder.join("rules.rs")).unwrap();
    let files = std::fs::read_dir(folder.join("rules")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let missing: Vec<String> = names
        .filter(|name| name.strip_suffix(".yaml").is_none_or(|name| !listed.contains(&format!("    \"{name}\"\n"))))
        .collect();
    assert!(missing.is_empty(), "rules.rs does not name {missing:?}");
}
