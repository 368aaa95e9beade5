//! The destination's namespace, where a sync makes it.

use std::collections::{BTreeMap, BTreeSet};

use api::argocd::{Condition, ConditionType, ManagedNamespaceMetadata, names};
use object::{LiveObject, Manifest, ResourceKey};
use serde_json::{Value, json};

pub(crate) fn key(name: &str) -> ResourceKey {
    ResourceKey::new("", "Namespace", "", name)
}

/// With the labels and annotations that are kept there, if any are. It carries no mark of the Application, as in Argo CD:
/// it is neither pruned nor deleted with it.
pub(crate) fn manifest(name: &str, kept: Option<&ManagedNamespaceMetadata>) -> Option<Manifest> {
    let mut value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    if let Some(ManagedNamespaceMetadata { labels, annotations, .. }) = kept {
        value["metadata"]["labels"] = json!(labels);
        value["metadata"]["annotations"] = json!(annotations);
        value["metadata"]["annotations"][names::SYNC_OPTIONS] = "ServerSideApply=true".into();
    }
    Manifest::new(value).ok()
}

/// What several Applications keep on one namespace, by their instance names, one of them looked at.
#[derive(Debug)]
pub struct Keepers<'a> {
    pub namespace: &'a str,
    pub application: &'a str,
    pub kept: &'a BTreeMap<String, ManagedNamespaceMetadata>,
    /// The Application whose mark the namespace carries: what it keeps comes first; else whose name does.
    pub owner: Option<String>,
    pub live: Option<&'a LiveObject>,
}

impl Keepers<'_> {
    /// What the Application is to keep. A value that another one keeps stays as it is there: all of them write as one
    /// field manager, which takes away what it does not name any more. Where values differ, one of them decides, and the
    /// others say so.
    pub fn settle(&self) -> (ManagedNamespaceMetadata, Vec<Condition>) {
        let (labels, mut lost) = self.part("label", "/metadata/labels", |kept| &kept.labels);
        let (annotations, more) = self.part("annotation", "/metadata/annotations", |kept| &kept.annotations);
        lost.extend(more);
        (ManagedNamespaceMetadata { labels, annotations }, lost)
    }

    fn part(
        &self,
        what: &str,
        path: &str,
        of: fn(&ManagedNamespaceMetadata) -> &BTreeMap<String, String>,
    ) -> (BTreeMap<String, String>, Vec<Condition>) {
        let there = |key: &str| self.live?.value().pointer(path)?.get(key).and_then(Value::as_str).map(str::to_owned);
        let (mut settled, mut lost) = (BTreeMap::new(), Vec::new());
        let keys: BTreeSet<&String> = self.kept.values().flat_map(|kept| of(kept).keys()).collect();
        for key in keys {
            let (first, value) = self.first(key, of);
            let own = self.kept.get(self.application).and_then(|kept| of(kept).get(key));
            let is_own = own.is_some_and(|own| own == value);
            settled.extend(if is_own { own.cloned() } else { there(key) }.map(|value| (key.clone(), value)));
            lost.extend(own.filter(|_| !is_own).map(|own| self.lost(&format!("{what} {key}"), own, first, value)));
        }
        (settled, lost)
    }

    /// Who decides about a key that somebody keeps, and the value.
    fn first(&self, key: &str, of: fn(&ManagedNamespaceMetadata) -> &BTreeMap<String, String>) -> (&str, &str) {
        let keep = || self.kept.iter().filter_map(|(name, kept)| Some((name.as_str(), of(kept).get(key)?.as_str())));
        let owner = keep().find(|(name, _)| self.owner.as_deref() == Some(*name));
        owner.or_else(|| keep().next()).unwrap_or_default()
    }

    fn lost(&self, what: &str, own: &str, first: &str, value: &str) -> Condition {
        let Self { namespace, application, .. } = self;
        let message = format!(
            "Namespace/{namespace}: {what} is kept as {value:?} by application {first}, which comes first, so {application} \
             does not write {own:?}: give both the same value, or take it out of managedNamespaceMetadata of one"
        );
        Condition::new(ConditionType::SharedResourceWarning, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(labels: Value) -> ManagedNamespaceMetadata {
        serde_json::from_value(json!({ "labels": labels })).unwrap()
    }

    #[test]
    fn one_decides_where_values_differ_and_all_keep_what_is_theirs() {
        let all = BTreeMap::from([
            ("a".to_owned(), kept(json!({"team": "a", "only-a": "1", "same": "x"}))),
            ("b".to_owned(), kept(json!({"team": "b", "only-b": "2", "same": "x"}))),
            ("c".to_owned(), kept(json!({"team": "a"}))),
        ]);
        let check = |application: &str, owner: Option<&str>, live: Value, expected: Value, lost: &[&str]| {
            let live = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": live}});
            let (owner, live) = (owner.map(str::to_owned), LiveObject::new(live).unwrap());
            let keepers = Keepers { namespace: "shop", application, kept: &all, owner, live: Some(&live) };
            let (settled, conditions) = keepers.settle();
            assert_eq!(json!(settled.labels), expected, "{application}");
            assert_eq!(conditions.len(), lost.len(), "{conditions:?}");
            let told = conditions.iter().map(|condition| &condition.message).zip(lost);
            told.for_each(|(message, words)| assert!(message.contains(words), "{message}"));
        };
        let there = || json!({"team": "a", "only-a": "drifted", "only-b": "2", "theirs": "y"});
        check("a", None, there(), json!({"team": "a", "only-a": "1", "only-b": "2", "same": "x"}), &[]);
        let b = json!({"team": "a", "only-a": "drifted", "only-b": "2", "same": "x"});
        check("b", None, there(), b, &["label team is kept as \"a\" by application a"]);
        check("c", None, json!({}), json!({"team": "a"}), &[]);
        check("b", Some("b"), json!({}), json!({"team": "b", "only-b": "2", "same": "x"}), &[]);
        let a = json!({"only-a": "1", "same": "x"});
        check("a", Some("b"), json!({}), a, &["label team is kept as \"b\" by application b"]);
        check("a", Some("none"), json!({}), json!({"team": "a", "only-a": "1", "same": "x"}), &[]);
    }
}
