//! Which objects a patch or replacement is for.

use gotemplate::regex::Regex;
use object::LabelSelector;

use super::config::Selector;
use super::node::Fault;
use super::resource::{Id, Resource};
use super::schema::Schema;

/// A text of a selector: an anchored regular expression, empty for any.
#[derive(Debug)]
enum Pattern {
    Any,
    Literal(String),
    Expression(Regex),
}

impl Pattern {
    fn new(text: &str, field: &str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Ok(Pattern::Any);
        }
        if text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '/')) {
            return Ok(Pattern::Literal(text.to_owned()));
        }
        let regex = Regex::new(&format!("^(?:{text})$"));
        regex.map(Pattern::Expression).map_err(|e| format!("target.{field} {text:?} is no regular expression: {e}"))
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Literal(literal) => literal == text,
            Pattern::Expression(regex) => regex.is_match(text.as_bytes()),
        }
    }
}

/// A selector with its expressions compiled.
#[derive(Debug)]
pub(crate) struct Matcher {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    labels: LabelSelector,
    annotations: LabelSelector,
    /// No part of the id is given.
    pub(crate) any_id: bool,
    /// Neither labels nor annotations are given.
    pub(crate) any_metadata: bool,
}

impl Matcher {
    /// # Errors
    /// When an expression or label selector cannot be read.
    pub(crate) fn new(selector: &Selector) -> Result<Self, Fault> {
        let ids = [&selector.group, &selector.version, &selector.kind, &selector.name, &selector.namespace];
        Ok(Self {
            group: Pattern::new(&selector.group, "group")?,
            version: Pattern::new(&selector.version, "version")?,
            kind: Pattern::new(&selector.kind, "kind")?,
            name: Pattern::new(&selector.name, "name")?,
            namespace: Pattern::new(&selector.namespace, "namespace")?,
            labels: LabelSelector::parse(&selector.label_selector).map_err(|error| error.to_string())?,
            annotations: LabelSelector::parse(&selector.annotation_selector).map_err(|error| error.to_string())?,
            any_id: ids.iter().all(|t| t.is_empty()),
            any_metadata: selector.label_selector.is_empty() && selector.annotation_selector.is_empty(),
        })
    }

    /// Whether a patch with this target is for the object.
    pub(crate) fn selects(&self, resource: &Resource, schema: &Schema) -> bool {
        let (current, original) = (resource.id(schema), resource.original_id(schema));
        let namespace = |id: &Id<'_>| self.namespace.matches(id.effective_namespace());
        let name = |id: &Id<'_>| self.name.matches(id.name);
        (namespace(&original) || namespace(&current))
            && (name(&original) || name(&current))
            && self.group.matches(current.group)
            && self.version.matches(current.version)
            && self.kind.matches(current.kind)
            && self.selects_metadata(resource)
    }

    /// Whether one id of an object fits, its namespace as written.
    pub(crate) fn selects_id(&self, id: &Id<'_>) -> bool {
        self.group.matches(id.group)
            && self.version.matches(id.version)
            && self.kind.matches(id.kind)
            && self.name.matches(id.name)
            && self.namespace.matches(id.namespace)
    }

    pub(crate) fn selects_metadata(&self, resource: &Resource) -> bool {
        let fits = |field: &str, wanted: &LabelSelector| {
            wanted.is_empty() || {
                let map = resource.metadata_map(field);
                wanted.matches(|key| map.iter().find(|(known, _)| *known == key).map(|(_, value)| *value))
            }
        };
        fits("labels", &self.labels) && fits("annotations", &self.annotations)
    }
}
