//! `Chart.yaml`.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::decode::{FieldError, Fields};
use super::versions::is_version;

/// What a chart says about itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    pub name: String,
    pub home: String,
    pub sources: Vec<String>,
    pub version: String,
    pub description: String,
    pub keywords: Vec<String>,
    pub maintainers: Vec<Maintainer>,
    pub icon: String,
    /// `v1` or `v2`.
    pub api_version: String,
    pub condition: String,
    pub tags: String,
    pub app_version: String,
    pub deprecated: bool,
    pub annotations: Option<BTreeMap<String, String>>,
    /// A version constraint; empty: any.
    pub kube_version: String,
    /// `None` when the chart says nothing about dependencies.
    pub dependencies: Option<Vec<Dependency>>,
    /// `application`, `library` or empty.
    pub kind: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintainer {
    pub name: String,
    pub email: String,
    pub url: String,
}

/// A chart that another one is built on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dependency {
    pub name: String,
    /// A version constraint.
    pub version: String,
    pub repository: String,
    /// Paths of values, separated by commas; the first that is true or false decides.
    pub condition: String,
    pub tags: Vec<String>,
    pub enabled: bool,
    /// Each a name below `exports`, or `{child, parent}`.
    pub import_values: Vec<Value>,
    pub alias: String,
}

impl Metadata {
    /// Sets what stands in the text of a `Chart.yaml` or `requirements.yaml`.
    ///
    /// # Errors
    /// When a field has the wrong type.
    pub(crate) fn read(&mut self, value: &Value) -> Result<(), FieldError> {
        let Some(fields) = Fields::of(value, "the file")? else { return Ok(()) };
        for (name, into) in [
            ("name", &mut self.name),
            ("home", &mut self.home),
            ("version", &mut self.version),
            ("description", &mut self.description),
            ("icon", &mut self.icon),
            ("apiVersion", &mut self.api_version),
            ("condition", &mut self.condition),
            ("tags", &mut self.tags),
            ("appVersion", &mut self.app_version),
            ("kubeVersion", &mut self.kube_version),
            ("type", &mut self.kind),
        ] {
            fields.text(name, into)?;
        }
        fields.flag("deprecated", &mut self.deprecated)?;
        fields.texts("sources", &mut self.sources)?;
        fields.texts("keywords", &mut self.keywords)?;
        fields.text_map("annotations", &mut self.annotations)?;
        if let Some(items) = fields.list("maintainers")? {
            self.maintainers = items.iter().map(Maintainer::read).collect::<Result<_, _>>()?;
        }
        if let Some(items) = fields.list("dependencies")? {
            self.dependencies = Some(items.iter().map(Dependency::read).collect::<Result<_, _>>()?);
        }
        Ok(())
    }

    /// Whether the chart only lends its named templates to others.
    pub fn is_library(&self) -> bool {
        self.kind.eq_ignore_ascii_case("library")
    }

    /// Cleans the texts and checks what a chart needs (Helm 4.2, `Metadata.Validate`).
    ///
    /// # Errors
    /// What is missing or not allowed.
    pub(crate) fn validate(&mut self) -> Result<(), String> {
        self.sanitize();
        let Self { api_version, name, version, kind, .. } = &*self;
        for (field, value) in [("apiVersion", api_version), ("name", name), ("version", version)] {
            if value.is_empty() {
                return Err(format!("Chart.yaml: {field} is required"));
            }
        }
        if matches!(name.as_str(), "." | "..") || name.contains('/') {
            return Err(format!("Chart.yaml: the name {name:?} is not allowed"));
        }
        if !is_version(version) {
            return Err(format!("Chart.yaml: the version {version:?} is no semantic version"));
        }
        if !matches!(kind.as_str(), "" | "application" | "library") {
            return Err(format!("Chart.yaml: the type is {kind:?}, but must be application or library"));
        }
        self.validate_dependencies()
    }

    fn sanitize(&mut self) {
        let texts = [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        texts.into_iter().chain(&mut self.sources).chain(&mut self.keywords).for_each(sanitize);
        for maintainer in &mut self.maintainers {
            [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url].into_iter().for_each(sanitize);
        }
    }

    fn validate_dependencies(&mut self) -> Result<(), String> {
        let mut seen = HashSet::new();
        for dependency in self.dependencies.iter_mut().flatten() {
            dependency.sanitize();
            let Dependency { name, alias, .. } = &*dependency;
            if !alias.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
                return Err(format!(
                    "Chart.yaml: the alias {alias:?} of the dependency {name:?} may only hold A-Z, a-z, 0-9, _ and -"
                ));
            }
            let key = if alias.is_empty() { name } else { alias };
            if !seen.insert(key.clone()) {
                return Err(format!("Chart.yaml: more than one dependency with the name or alias {key:?}"));
            }
        }
        Ok(())
    }
}

impl Maintainer {
    fn read(value: &Value) -> Result<Self, FieldError> {
        let mut maintainer = Self::default();
        let fields = Fields::of(value, "maintainers")?.ok_or_else(|| empty_item("maintainers"))?;
        fields.text("name", &mut maintainer.name)?;
        fields.text("email", &mut maintainer.email)?;
        fields.text("url", &mut maintainer.url)?;
        Ok(maintainer)
    }
}

impl Dependency {
    /// # Errors
    /// When a field has the wrong type.
    pub(crate) fn read(value: &Value) -> Result<Self, FieldError> {
        let mut dependency = Self::default();
        let fields = Fields::of(value, "dependencies")?.ok_or_else(|| empty_item("dependencies"))?;
        for (name, into) in [
            ("name", &mut dependency.name),
            ("version", &mut dependency.version),
            ("repository", &mut dependency.repository),
            ("condition", &mut dependency.condition),
            ("alias", &mut dependency.alias),
        ] {
            fields.text(name, into)?;
        }
        fields.texts("tags", &mut dependency.tags)?;
        fields.flag("enabled", &mut dependency.enabled)?;
        if let Some(items) = fields.list("import-values")? {
            dependency.import_values.clone_from(items);
        }
        Ok(dependency)
    }

    fn sanitize(&mut self) {
        let texts = [&mut self.name, &mut self.version, &mut self.repository, &mut self.condition];
        texts.into_iter().chain(&mut self.tags).for_each(sanitize);
    }
}

fn empty_item(field: &str) -> FieldError {
    FieldError { field: format!("an entry of {field}"), found: "nothing", wanted: "a mapping" }
}

/// White space becomes a blank, what cannot be printed goes.
fn sanitize(text: &mut String) {
    if text.chars().any(|c| c != ' ' && (c.is_whitespace() || is_unprintable(c))) {
        let printable = |c: char| if c.is_whitespace() { Some(' ') } else { (!is_unprintable(c)).then_some(c) };
        *text = text.chars().filter_map(printable).collect();
    }
}

/// Control and format characters.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Metadata, String> {
        let mut metadata = Metadata::default();
        metadata.read(&object::yaml::value(text).unwrap()).map_err(|e| e.to_string())?;
        metadata.validate().map(|()| metadata)
    }

    const HEAD: &str = "apiVersion: v2\nname: a\nversion: 1.0.0\n";

    #[test]
    fn fields_are_read_as_go_reads_them() {
        let metadata =
            read("apiVersion: v2\nNAME: a\nVersion: 1.0\nappVersion: 1.10\ndescription: \"a\\tb\"\ntags: true\n")
                .unwrap();
        assert_eq!((metadata.name.as_str(), metadata.version.as_str()), ("a", "1"));
        assert_eq!((metadata.app_version.as_str(), metadata.description.as_str()), ("1.1", "a b"));
        assert_eq!(metadata.tags, "true");
        assert_eq!(metadata.dependencies, None);
    }

    #[test]
    fn bad_charts_are_refused() {
        for (rest, part) in [
            ("version: x", "no semantic version"),
            ("type: other", "application or library"),
            ("name: a/b", "not allowed"),
            ("name: [a]", "name is a list"),
            ("dependencies: [~]", "an entry of dependencies is nothing"),
            ("dependencies: [{name: a, alias: 'x y'}]", "may only hold"),
            ("dependencies: [{name: a}, {name: b, alias: a}]", "more than one dependency"),
        ] {
            let error = read(&format!("{HEAD}{rest}")).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(read("name: a").unwrap_err().contains("apiVersion is required"));
    }
}
