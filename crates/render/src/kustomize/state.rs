//! What a build remembers about an object, as the annotations that kustomize keeps it in: patches and replacements can
//! see them, copy them and take them away.

use super::node::{Fault, Node};
use super::resource::{Behavior, Previous, Resource};

pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";
const PREVIOUS_NAMES: &str = "internal.config.kubernetes.io/previousNames";
const PREVIOUS_NAMESPACES: &str = "internal.config.kubernetes.io/previousNamespaces";
const PREVIOUS_KINDS: &str = "internal.config.kubernetes.io/previousKinds";
const PREFIXES: &str = "internal.config.kubernetes.io/prefixes";
const SUFFIXES: &str = "internal.config.kubernetes.io/suffixes";
const BEHAVIOR: &str = "internal.config.kubernetes.io/generatorBehavior";
const NEEDS_HASH: &str = "internal.config.kubernetes.io/needsHashSuffix";

/// The state of an object while it stands in the object's annotations.
#[derive(Debug)]
pub(crate) struct Shown(Vec<(&'static str, String)>);

impl Resource {
    /// Takes over what the annotations say of the object's past: output of another build may carry it.
    ///
    /// # Errors
    /// When they say of one part of the former ids more than of another.
    pub(crate) fn take_state(&mut self) -> Result<(), Fault> {
        let Some(annotations) = self.node.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"))
        else {
            return Ok(());
        };
        let mut list = |key: &str| -> Vec<String> {
            let said = annotations.remove(key).map(|said| said.text().to_owned()).filter(|said| !said.is_empty());
            said.map_or_else(Vec::new, |said| said.split(',').map(str::to_owned).collect())
        };
        let [names, namespaces, kinds] = [PREVIOUS_NAMES, PREVIOUS_NAMESPACES, PREVIOUS_KINDS].map(&mut list);
        (self.prefixes, self.suffixes) = (list(PREFIXES), list(SUFFIXES));
        self.behavior = list(BEHAVIOR).first().map(|behavior| Behavior::of(behavior));
        self.needs_hash = list(NEEDS_HASH) == ["enabled"];
        if names.len() != namespaces.len() || names.len() != kinds.len() {
            return Err(format!(
                "{PREVIOUS_NAMES}, {PREVIOUS_NAMESPACES} and {PREVIOUS_KINDS} must tell of as many ids: take them out"
            ));
        }
        let former = names.into_iter().zip(namespaces).zip(kinds);
        self.previous = former.map(|((name, namespace), kind)| Previous { name, namespace, kind }).collect();
        Ok(())
    }

    /// Writes the state into the annotations.
    ///
    /// # Errors
    /// When metadata or annotations are no mapping.
    pub(crate) fn show_state(&mut self) -> Result<Shown, Fault> {
        let state = self.state();
        if state.is_empty() {
            return Ok(Shown(state));
        }
        let annotations = self.annotations_mut()?;
        state.iter().try_for_each(|(key, value)| annotations.set_field(key, Node::string(value.clone())))?;
        Ok(Shown(state))
    }

    fn state(&self) -> Vec<(&'static str, String)> {
        let previous = |part: fn(&Previous) -> &str| self.previous.iter().map(part).collect::<Vec<_>>().join(",");
        let behavior = self.behavior.map(|behavior| match behavior {
            Behavior::Unspecified => "unspecified",
            Behavior::Create => "create",
            Behavior::Replace => "replace",
            Behavior::Merge => "merge",
        });
        let all = [
            (ORIGIN, self.origin.as_ref().map(|o| o.text(""))),
            (TRANSFORMATIONS, (!self.transformations.is_empty()).then(|| self.transformations_text())),
            (PREVIOUS_NAMES, (!self.previous.is_empty()).then(|| previous(|p| &p.name))),
            (PREVIOUS_NAMESPACES, (!self.previous.is_empty()).then(|| previous(|p| &p.namespace))),
            (PREVIOUS_KINDS, (!self.previous.is_empty()).then(|| previous(|p| &p.kind))),
            (PREFIXES, (!self.prefixes.is_empty()).then(|| self.prefixes.join(","))),
            (SUFFIXES, (!self.suffixes.is_empty()).then(|| self.suffixes.join(","))),
            (BEHAVIOR, behavior.map(str::to_owned)),
            (NEEDS_HASH, self.needs_hash.then(|| "enabled".to_owned())),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// Takes the state out of the annotations. What is no longer there is forgotten, except for kustomize's internal
    /// annotations when they are put back (`restore`).
    pub(crate) fn hide_state(&mut self, shown: Shown, restore: bool) {
        for (key, value) in shown.0 {
            let annotations = self.node.get_mut("metadata").and_then(|m| m.get_mut("annotations"));
            let found = annotations.and_then(|a| a.remove(key));
            let is_internal = key != ORIGIN && key != TRANSFORMATIONS;
            if !(restore && is_internal) && found.is_none_or(|node| node.text() != value) {
                self.forget(key);
            }
        }
    }

    fn forget(&mut self, key: &str) {
        match key {
            ORIGIN => self.origin = None,
            TRANSFORMATIONS => self.transformations.clear(),
            PREFIXES => self.prefixes.clear(),
            SUFFIXES => self.suffixes.clear(),
            BEHAVIOR => self.behavior = None,
            NEEDS_HASH => self.needs_hash = false,
            _ => self.previous.clear(),
        }
    }

    pub(crate) fn transformations_text(&self) -> String {
        self.transformations.iter().map(|t| t.text("- ")).collect()
    }
}
