//! What kinds are cluster-scoped and which of their lists merge in a strategic-merge patch.
//!
//! Built in is a small table for the Kubernetes version that kustomize 5.8.1 carries (`cargo run -p xtask --
//! merge-schema` writes it); a kustomization can bring its own OpenAPI document instead.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

const TABLE: &str = include_str!("merge-schema.txt");

/// A definition of a [`Schema`], by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Definition(usize);

/// What a schema says of one field or list element.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Field {
    target: Target,
    /// The keys by which the elements of a list are matched; empty keys: a set of scalars.
    pub(crate) merge: Option<Arc<[String]>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Target {
    #[default]
    None,
    Object(Definition),
    Items(Definition),
    Values(Definition),
}

#[derive(Debug, Default)]
pub(crate) struct Schema {
    kinds: HashMap<String, Definition>,
    cluster: HashSet<String>,
    definitions: Vec<HashMap<String, Field>>,
    /// Definitions by their OpenAPI name.
    names: HashMap<String, Definition>,
}

impl Field {
    fn definition(&self) -> Option<Definition> {
        match self.target {
            Target::Object(definition) => Some(definition),
            _ => None,
        }
    }

    /// The schema of the elements of this list.
    pub(crate) fn element(&self) -> Option<Field> {
        match self.target {
            Target::Items(definition) => Some(Field { target: Target::Object(definition), merge: None }),
            _ => None,
        }
    }
}

impl Schema {
    /// The table of Kubernetes 1.21.2.
    pub(crate) fn built_in() -> Arc<Self> {
        static BUILT_IN: OnceLock<Arc<Schema>> = OnceLock::new();
        Arc::clone(BUILT_IN.get_or_init(|| Arc::new(Self::parse_table(TABLE))))
    }

    fn parse_table(text: &str) -> Self {
        let mut schema = Self::default();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["cluster", version, kind] => {
                    schema.cluster.insert(format!("{version} {kind}"));
                }
                ["kind", version, kind, definition] => {
                    let definition = Definition(definition.parse().unwrap_or_default());
                    schema.kinds.insert(format!("{version} {kind}"), definition);
                }
                ["definition", _, name] => {
                    schema.names.insert((*name).to_owned(), Definition(schema.definitions.len()));
                    schema.definitions.push(HashMap::new());
                }
                [name, shape, target, rest @ ..] => {
                    let field = table_field(shape, target, rest);
                    if let Some(definition) = schema.definitions.last_mut() {
                        definition.insert((*name).to_owned(), field);
                    }
                }
                _ => {}
            }
        }
        schema
    }

    /// An OpenAPI v2 document, as `openapi.path` of a kustomization gives it. `with_built_in` adds what is built in, as
    /// kustomize does when it has read objects before.
    pub(crate) fn from_openapi(document: &Value, with_built_in: bool) -> Self {
        let built_in = Self::built_in();
        let mut schema = Self { cluster: built_in.cluster.clone(), ..Self::default() };
        if with_built_in {
            schema.definitions.clone_from(&built_in.definitions);
            schema.kinds.clone_from(&built_in.kinds);
            schema.names.clone_from(&built_in.names);
        }
        let definitions = document.get("definitions").and_then(Value::as_object);
        for name in definitions.into_iter().flat_map(|d| d.keys()) {
            schema.names.insert(name.clone(), Definition(schema.definitions.len()));
            schema.definitions.push(HashMap::new());
        }
        for (name, definition) in definitions.into_iter().flatten() {
            let own = schema.names[name];
            let gvks = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
            schema.kinds.extend(gvks.into_iter().flatten().map(|gvk| (gvk_key(gvk), own)));
            let fields = schema.openapi_fields(definition);
            schema.definitions[own.0] = fields;
        }
        schema.read_scopes(document);
        schema
    }

    fn openapi_fields(&mut self, object: &Value) -> HashMap<String, Field> {
        let properties = object.get("properties").and_then(Value::as_object).into_iter().flatten();
        properties.map(|(name, property)| (name.clone(), self.openapi_field(property))).collect()
    }

    fn openapi_field(&mut self, property: &Value) -> Field {
        let inner = |name: &str| property.get(name).filter(|v| v.is_object());
        let target = if let Some(items) = inner("items") {
            Target::Items(self.openapi_definition(items))
        } else if let Some(values) = inner("additionalProperties") {
            Target::Values(self.openapi_definition(values))
        } else {
            Target::Object(self.openapi_definition(property))
        };
        Field { target, merge: openapi_merge(property) }
    }

    /// The named definition that is referred to, or a new one for an object written in place.
    fn openapi_definition(&mut self, value: &Value) -> Definition {
        let reference = value.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/definitions/"));
        if let Some(definition) = reference.and_then(|name| self.names.get(name)) {
            return *definition;
        }
        let fields = self.openapi_fields(value);
        self.definitions.push(fields);
        Definition(self.definitions.len() - 1)
    }

    fn read_scopes(&mut self, document: &Value) {
        for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
            for operation in ["get", "post", "put", "delete"] {
                let gvk = item.get(operation).and_then(|o| o.get("x-kubernetes-group-version-kind"));
                let Some(gvk) = gvk else { continue };
                if path.contains("{name}") && !path.contains("namespaces/{namespace}") {
                    self.cluster.insert(gvk_key(gvk));
                }
            }
        }
    }

    pub(crate) fn is_cluster_scoped(&self, api_version: &str, kind: &str) -> bool {
        thread_local! {
            static KEY: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
        }
        KEY.with_borrow_mut(|key| {
            key.clear();
            key.push_str(api_version);
            key.push(' ');
            key.push_str(kind);
            self.cluster.contains(key.as_str())
        })
    }

    /// The schema of an object of a kind.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<Field> {
        let definition = self.kinds.get(&format!("{api_version} {kind}"))?;
        Some(Field { target: Target::Object(*definition), merge: None })
    }

    /// The schema that a comment in JSON spells out.
    pub(crate) fn of_comment(&self, comment: &Value) -> Field {
        let named = |value: &Value| {
            let name = value.get("$ref")?.as_str()?.strip_prefix("#/definitions/")?;
            self.names.get(name).copied()
        };
        let target = match (comment.get("items").and_then(named), named(comment)) {
            (Some(items), _) => Target::Items(items),
            (None, Some(object)) => Target::Object(object),
            (None, None) => Target::None,
        };
        Field { target, merge: openapi_merge(comment) }
    }

    /// The schema of a key of a mapping.
    pub(crate) fn field(&self, of: &Field, name: &str) -> Option<Field> {
        if let Target::Values(definition) = of.target {
            return Some(Field { target: Target::Object(definition), merge: None });
        }
        self.definitions.get(of.definition()?.0)?.get(name).cloned()
    }
}

fn table_field(shape: &str, target: &str, rest: &[&str]) -> Field {
    let definition = target.parse().ok().map(Definition);
    let target = match (shape, definition) {
        ("[]", Some(definition)) => Target::Items(definition),
        ("{}", Some(definition)) => Target::Values(definition),
        (_, Some(definition)) => Target::Object(definition),
        _ => Target::None,
    };
    let merge = match rest {
        ["merge"] => Some(Arc::from([])),
        ["merge", keys] => Some(keys.split(',').map(str::to_owned).collect()),
        _ => None,
    };
    Field { target, merge }
}

fn gvk_key(gvk: &Value) -> String {
    let part = |name: &str| gvk.get(name).and_then(Value::as_str).unwrap_or_default();
    match part("group") {
        "" => format!("{} {}", part("version"), part("kind")),
        group => format!("{group}/{} {}", part("version"), part("kind")),
    }
}

fn openapi_merge(property: &Value) -> Option<Arc<[String]>> {
    let strategy = property.get("x-kubernetes-patch-strategy")?.as_str()?;
    if !strategy.split(',').any(|s| s == "merge") {
        return None;
    }
    if let Some(keys) = property.get("x-kubernetes-list-map-keys").and_then(Value::as_array) {
        return Some(keys.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let key = property.get("x-kubernetes-patch-merge-key").and_then(Value::as_str);
    Some(key.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_knows_containers_and_ports() {
        let schema = Schema::built_in();
        let mut field = schema.of_kind("apps/v1", "Deployment").unwrap();
        for name in ["spec", "template", "spec", "containers"] {
            field = schema.field(&field, name).unwrap();
        }
        assert_eq!(field.merge.as_deref().unwrap(), ["name"]);
        let ports = schema.field(&field.element().unwrap(), "ports").unwrap();
        assert_eq!(ports.merge.as_deref().unwrap(), ["containerPort", "protocol"]);
        assert!(schema.is_cluster_scoped("v1", "Namespace"));
        assert!(!schema.is_cluster_scoped("v1", "Pod"));
    }
}
