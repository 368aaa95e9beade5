//! `Chart.lock`: which versions of its dependencies a chart is built with.

use object::yaml;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::decode::{FieldError, Fields};
use super::error::HelmError;
use super::metadata::Dependency;
use super::values_file;

/// The content of a `Chart.lock` (or `requirements.lock`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lock {
    /// As it is written.
    pub generated: String,
    /// `sha256:…` over what was asked for and what was found.
    pub digest: String,
    /// With exact versions.
    pub dependencies: Vec<Dependency>,
}

impl Lock {
    /// # Errors
    /// When the text is no lock; the error names `file` and the line.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, HelmError> {
        let value = values_file::utf8(bytes).and_then(yaml::value);
        let value =
            value.map_err(|error| HelmError::new(error.reason).in_file(file, error.mark.line, error.mark.column))?;
        Self::read(&value).map_err(|error| {
            let hint = "write it anew with helm dependency update";
            HelmError::new(error.to_string()).in_file(file, 0, 0).hint(hint)
        })
    }

    fn read(value: &Value) -> Result<Self, FieldError> {
        let mut lock = Self::default();
        let Some(fields) = Fields::of(value, "the file")? else { return Ok(lock) };
        fields.text("generated", &mut lock.generated)?;
        fields.text("digest", &mut lock.digest)?;
        let items = fields.list("dependencies")?.into_iter().flatten();
        lock.dependencies = items.map(Dependency::read).collect::<Result<_, _>>()?;
        Ok(lock)
    }

    /// As Helm writes the file.
    pub fn to_yaml(&self) -> String {
        let dependencies: Vec<Value> = self.dependencies.iter().map(dependency).collect();
        yaml::to_string(&json!({
            "dependencies": dependencies,
            "digest": self.digest,
            "generated": self.generated,
        }))
    }

    /// Whether this is the lock of `required`, which are the dependencies in Chart.yaml with addresses for names of
    /// repositories. Of charts of version 1 locks by Helm 2 hold too; those know the names (`as_written`).
    pub fn fits(&self, required: &[Dependency], as_written: Option<&[Dependency]>) -> bool {
        let digest = |text: String| format!("sha256:{}", hex::encode(Sha256::digest(text)));
        lock_digest(required, &self.dependencies) == self.digest
            || as_written.is_some_and(|old| digest(format!("{{\"dependencies\":{}}}", list(old))) == self.digest)
    }
}

/// The digest of a lock (Helm 4.2, `resolver.HashReq`): over both lists as Go writes them in JSON.
pub fn lock_digest(required: &[Dependency], locked: &[Dependency]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(format!("[{},{}]", list(required), list(locked)))))
}

/// The fields that are set, by their names in Chart.yaml.
pub(crate) fn dependency(dependency: &Dependency) -> Value {
    fields(dependency).map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

/// In the order of Go's struct.
fn fields(dependency: &Dependency) -> impl Iterator<Item = (&'static str, Value)> {
    let all = [
        ("name", json!(dependency.name)),
        ("version", json!(dependency.version)),
        ("repository", json!(dependency.repository)),
        ("condition", json!(dependency.condition)),
        ("tags", json!(dependency.tags)),
        ("enabled", json!(dependency.enabled)),
        ("import-values", json!(dependency.import_values)),
        ("alias", json!(dependency.alias)),
    ];
    all.into_iter().filter(|(name, value)| matches!(*name, "name" | "repository") || !is_empty(value))
}

pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn list(dependencies: &[Dependency]) -> String {
    let items = dependencies.iter().map(|dependency| {
        let fields = fields(dependency).map(|(name, value)| format!("{}:{}", text(name), go_json(&value)));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    });
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// JSON as Go's `encoding/json` writes it: keys sorted, whole floats without a point, `<`, `>` and `&` escaped.
fn go_json(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        Value::Number(number) => number.as_f64().map(yaml::json_float).unwrap_or_default(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_json).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries = entries.into_iter().map(|(key, value)| format!("{}:{}", text(key), go_json(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

fn text(text: &str) -> String {
    object::go_json(&Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::Metadata;

    fn dependencies(text: &str) -> Vec<Dependency> {
        let mut metadata = Metadata::default();
        metadata.read(&yaml::value(&format!("dependencies:\n{text}")).unwrap()).unwrap();
        metadata.dependencies.unwrap()
    }

    #[test]
    fn the_digest_is_helms() {
        let required = dependencies(
            "- {name: dep, version: ^1.0, repository: 'file://../dep', tags: [a, b], alias: foo, enabled: true, \
             condition: a.b, import-values: [data, {parent: x<y, child: b}]}\n",
        );
        // from helm dependency update of Helm 4.2.4
        let text = "dependencies:\n- name: dep\n  repository: file://../dep\n  version: 1.2.3\n\
            digest: sha256:0c6ce9bcc3a5cc2cba7b2a0cd12e084c975c3310c5b1023c4f5d6c4a1a4c6b1e\n\
            generated: \"2026-11-21T13:09:55.689234106Z\"\n";
        let lock = Lock::parse(text.as_bytes(), "Chart.lock").unwrap();
        assert_eq!(lock_digest(&required, &lock.dependencies), lock.digest);
        assert!(lock.fits(&required, None));
        assert_eq!(lock.to_yaml(), text);
        assert!(!lock.fits(&lock.dependencies, Some(&required)));
    }

    #[test]
    fn a_lock_of_helm_2_holds() {
        let required = dependencies("- {name: a, repository: '@stable'}\n");
        let written = r#"{"dependencies":[{"name":"a","repository":"@stable"}]}"#;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(written)));
        let lock = Lock { digest, ..Lock::default() };
        assert!(lock.fits(&[], Some(&required)) && !lock.fits(&required, None));
    }

    #[test]
    fn bad_locks_are_refused() {
        for (text, part) in [("a: [", "c/Chart.lock:2"), ("dependencies: 1", "dependencies is a number"), ("- a", "")] {
            let error = Lock::parse(text.as_bytes(), "c/Chart.lock").unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("c/Chart.lock"), "{error}");
        }
    }
}
