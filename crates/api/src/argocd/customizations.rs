//! What `argocd-cm` says of kinds: `resource.customizations.WHAT.GROUP_KIND`, or all of it in one text, as before.

use std::collections::BTreeMap;

use object::yaml;
use serde_json::{Map, Value};

use super::glob_match;
use super::settings::SettingsProblem;

/// A script that says how well the objects of some kinds do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthScript {
    /// Where it stands.
    pub key: String,
    pub group: String,
    pub kind: String,
    /// Lua.
    pub text: String,
}

impl HealthScript {
    /// Whether it is for that kind; group and kind may be patterns.
    pub fn matches(&self, group: &str, kind: &str) -> bool {
        let hit = |pattern: &str, text: &str| pattern == text || glob_match(pattern, text, None).unwrap_or(false);
        hit(&self.group, group) && hit(&self.kind, kind)
    }
}

const ALL: &str = "resource.customizations";
const EACH: &str = "resource.customizations.";
/// What can be said of a kind, as the part of a key and as a field of the old form.
const PARTS: [(&str, &str); 6] = [
    ("health", "health.lua"),
    ("useOpenLibs", "health.lua.useOpenLibs"),
    ("actions", "actions"),
    ("ignoreDifferences", "ignoreDifferences"),
    ("ignoreResourceUpdates", "ignoreResourceUpdates"),
    ("knownTypeFields", "knownTypeFields"),
];

/// The health scripts, and what is no customization or cannot be had. A key of its own outweighs the old form.
pub(super) fn health_scripts(data: &BTreeMap<String, String>) -> (Vec<HealthScript>, Vec<SettingsProblem>) {
    let mut found = Found::default();
    for (key, text) in data {
        if let Some(rest) = key.strip_prefix(EACH) {
            found.read_key(key, rest, text);
        }
    }
    if let Some(text) = data.get(ALL) {
        found.read_all(text);
    }
    (found.scripts, found.problems)
}

#[derive(Default)]
struct Found {
    scripts: Vec<HealthScript>,
    problems: Vec<SettingsProblem>,
}

impl Found {
    fn problem(&mut self, key: &str, reason: impl Into<String>) {
        self.problems.push(SettingsProblem { key: key.to_owned(), reason: reason.into() });
    }

    fn read_key(&mut self, key: &str, rest: &str, text: &str) {
        let (part, kind) = rest.split_once('.').unwrap_or((rest, ""));
        // GROUP_KIND, or KIND of the core group
        let (group, kind) = kind.split_once('_').unwrap_or(("", kind));
        if !PARTS.iter().any(|(name, _)| *name == part) {
            return self
                .problem(key, format!("{part:?} is nothing that can be customized: {} are", named(|part| part.0)));
        }
        match (part, kind) {
            ("health", "") => self.problem(key, "name the kind: resource.customizations.health.GROUP_KIND"),
            ("health", _) => self.script(key, group, kind, text),
            ("useOpenLibs", _) if text.trim() == "true" => self.no_libraries(key),
            _ => {}
        }
    }

    fn read_all(&mut self, text: &str) {
        match yaml::value(text) {
            Ok(Value::Object(kinds)) => kinds.iter().for_each(|(kind, fields)| self.read_kind(kind, fields)),
            Ok(Value::Null) => {}
            Ok(_) => self.problem(ALL, "expected GROUP/KIND: {health.lua: …}"),
            Err(error) => self.problem(ALL, error.to_string()),
        }
    }

    fn read_kind(&mut self, name: &str, fields: &Value) {
        let key = format!("{ALL} ({name})");
        let empty = Map::new();
        let fields = fields.as_object().unwrap_or(&empty);
        for field in fields.keys().filter(|field| !PARTS.iter().any(|(_, known)| known == field)) {
            self.problem(&key, format!("{field:?} is nothing that can be customized: {} are", named(|part| part.1)));
        }
        if fields.get("health.lua.useOpenLibs") == Some(&Value::Bool(true)) {
            self.no_libraries(&key);
        }
        let (group, kind) = name.split_once('/').unwrap_or(("", name));
        match fields.get("health.lua") {
            Some(Value::String(text)) => self.script(&key, group, kind, text),
            Some(Value::Null) | None => {}
            Some(_) => self.problem(&key, "health.lua is no text"),
        }
    }

    fn script(&mut self, key: &str, group: &str, kind: &str, text: &str) {
        let known = self.scripts.iter().any(|script| script.group == group && script.kind == kind);
        if text.trim().is_empty() || known {
            return;
        }
        let (key, group, kind, text) = (key.to_owned(), group.to_owned(), kind.to_owned(), text.to_owned());
        self.scripts.push(HealthScript { key, group, kind, text });
    }

    fn no_libraries(&mut self, key: &str) {
        self.problem(
            key,
            "health scripts reach nothing outside of them: they have tables, texts, numbers, os.time and os.date",
        );
    }
}

fn named(name: impl Fn(&(&'static str, &'static str)) -> &'static str) -> String {
    PARTS.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let data = data.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let (scripts, problems) = health_scripts(&data);
        let scripts = scripts.iter().map(|s| format!("{}/{} {}", s.group, s.kind, s.text.trim()));
        (scripts.collect(), problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn scripts_stand_under_keys_of_their_own_or_in_the_old_form() {
        let old = "argoproj.io/Application:\n  health.lua: |\n    old\ncert-manager.io/Certificate:\n  health.lua: |\n    hs = {}\n\
                   '*.aws.example/*':\n  health.lua: any\n  ignoreDifferences: |\n    jsonPointers: [/a]\nPod:\n  health.lua: pod\n";
        let (scripts, problems) =
            read(&[(ALL, old), ("resource.customizations.health.argoproj.io_Application", "new")]);
        let expected =
            ["argoproj.io/Application new", "cert-manager.io/Certificate hs = {}", "*.aws.example/* any", "/Pod pod"];
        assert!(
            expected.iter().all(|script| scripts.contains(&(*script).to_owned())) && scripts.len() == 4,
            "{scripts:?}"
        );
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn what_is_no_customization_is_said() {
        let (scripts, problems) = read(&[
            ("resource.customizations.healht.apps_Deployment", "x"),
            ("resource.customizations.health", "x"),
            ("resource.customizations.useOpenLibs.apps_Deployment", "true"),
            ("resource.customizations.actions.apps_Deployment", "x"),
            (ALL, "apps/Deployment: {health.luaa: x}"),
        ]);
        assert!(scripts.is_empty());
        let said = |part: &str| problems.iter().any(|problem| problem.contains(part));
        assert!(
            said("\"healht\" is nothing")
                && said("name the kind")
                && said("reach nothing")
                && said("\"health.luaa\" is"),
            "{problems:?}"
        );
        assert_eq!(problems.len(), 4, "{problems:?}");
    }

    #[test]
    fn kinds_may_be_patterns() {
        let script = |group: &str, kind: &str| HealthScript {
            key: String::new(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            text: String::new(),
        };
        assert!(script("*.aws.example", "*").matches("s3.aws.example", "Bucket"));
        assert!(!script("*.aws.example", "*").matches("s3.gcp.example", "Bucket"));
        assert!(!script("", "Pod").matches("apps", "Pod"));
    }
}
