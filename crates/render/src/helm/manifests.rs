//! From rendered files to objects in the order of installation (Helm 4.2, `pkg/release/v1/util`).

use std::collections::BTreeMap;

use object::yaml;
use serde_json::Value;

use super::decode::{FieldError, Fields};
use super::error::HelmError;
use super::origins::Origins;
use super::values_file::utf8;
use crate::Origin;

/// The order of kinds; others follow by name.
const KINDS: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// What `helm.sh/hook` may say.
const EVENTS: [&str; 10] = [
    "pre-install",
    "post-install",
    "pre-delete",
    "post-delete",
    "pre-upgrade",
    "post-upgrade",
    "pre-rollback",
    "post-rollback",
    "test",
    "test-success",
];

/// One document of a rendered file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The file that it is from, as Helm writes it: `chart/templates/x.yaml`.
    pub source: String,
    /// Without the separator, with white space behind.
    pub text: String,
    /// The template and the line in it.
    pub origin: Origin,
    /// The text as data; null when it holds only comments, or is a whole file.
    pub value: Value,
    /// A file of `crds/`, as it is: it may hold several documents.
    pub whole_file: bool,
}

/// What becomes of a document.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    Object,
    Hook {
        is_test: bool,
    },
    /// A hook that Helm does not know.
    Dropped,
}

/// The documents of all files, sorted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sorted {
    pub(crate) objects: Vec<Document>,
    /// With whether it is a test.
    pub(crate) hooks: Vec<(Document, bool)>,
}

/// Splits files, told by their name, into documents and sorts them by kind. `origins` knows the template of a file.
///
/// # Errors
/// The first document that is no YAML, or whose head has fields of a wrong type.
pub(crate) fn sort(
    files: &BTreeMap<String, String>,
    origins: impl Fn(&str) -> Option<Origins>,
) -> Result<Sorted, HelmError> {
    let mut sorted = Sorted::default();
    for (source, content) in files {
        if content.trim().is_empty() {
            continue;
        }
        let mut origins = origins(source);
        let place = origins.as_ref().map_or(source.as_str(), Origins::file).to_owned();
        for (offset, text) in split(content) {
            let mut document = read(source, content, offset, text).map_err(|e| e.in_file(&place, 0, 0))?;
            document.origin = origins.as_mut().map(|o| o.next(kind(&document.value))).unwrap_or_default();
            match role(&document).map_err(|e| misfit(content, offset, &e).in_file(&place, 0, 0))? {
                Role::Object => sorted.objects.push(document),
                Role::Hook { is_test } => sorted.hooks.push((document, is_test)),
                Role::Dropped => {}
            }
        }
    }
    sorted.objects.sort_by(|a, b| order(a).cmp(&order(b)));
    sorted.hooks.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
    Ok(sorted)
}

fn order(document: &Document) -> (usize, &str) {
    let kind = kind(&document.value);
    match KINDS.iter().position(|k| *k == kind) {
        Some(rank) => (rank, ""),
        None => (KINDS.len(), kind),
    }
}

fn kind(value: &Value) -> &str {
    let fields = Fields::of(value, "").ok().flatten();
    fields.and_then(|f| f.get("kind")).and_then(Value::as_str).unwrap_or_default()
}

/// The documents of a text with their place in it: what stands between lines that start with `---`, unless it is blank.
/// White space before a document goes, that behind it stays.
pub(crate) fn split(content: &str) -> Vec<(usize, &str)> {
    let mut documents = Vec::new();
    let mut start = content.len() - content.trim_start().len();
    let mut at = start;
    for line in content[start..].split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix("---") {
            documents.push((start, at));
            start = at + line.len() - rest.trim_start_matches([' ', '\t']).len();
        }
        at += line.len();
    }
    documents.push((start, content.len()));
    let texts = documents.into_iter().map(|(start, end)| {
        let text = content[start..end].trim_start();
        (end - text.len(), text)
    });
    texts.filter(|(_, text)| !text.is_empty()).collect()
}

fn read(source: &str, content: &str, offset: usize, text: &str) -> Result<Document, HelmError> {
    let value = utf8(text.as_bytes()).and_then(yaml::value).map_err(|error| {
        let line = line_at(content, offset) + error.mark.line - 1;
        let shown = excerpt(content, line);
        HelmError::new(format!("the rendered text is no YAML in line {line}: {}{shown}", error.reason))
            .in_file(source, 0, 0)
    })?;
    let (source, text) = (source.to_owned(), text.to_owned());
    Ok(Document { source, text, origin: Origin::default(), value, whole_file: false })
}

fn line_at(content: &str, offset: usize) -> usize {
    content[..offset].matches('\n').count() + 1
}

/// The line with the one before it, for a person to see. Nothing of a text that may hold a Secret.
fn excerpt(content: &str, line: usize) -> String {
    if content.contains("Secret") {
        return "; the text is not shown, as it holds a Secret".to_owned();
    }
    let lines = content.lines().enumerate().skip(line.saturating_sub(2)).take(2);
    lines.map(|(index, text)| format!("\n  {:>4} | {text}", index + 1)).collect()
}

fn misfit(content: &str, offset: usize, error: &FieldError) -> HelmError {
    let line = line_at(content, offset);
    HelmError::new(format!("{error} in the object in line {line} of the rendered text"))
}

/// # Errors
/// When the fields that Helm looks at have a wrong type.
fn role(document: &Document) -> Result<Role, FieldError> {
    let (mut text, mut annotations) = (String::new(), None);
    if let Some(fields) = Fields::of(&document.value, "the document")? {
        fields.text("apiVersion", &mut text)?;
        fields.text("kind", &mut text)?;
        if let Some(metadata) = fields.get("metadata").map(|m| Fields::of(m, "metadata")).transpose()?.flatten() {
            metadata.text("name", &mut text)?;
            metadata.text_map("annotations", &mut annotations)?;
        }
    }
    let Some(hook) = annotations.as_ref().and_then(|a| a.get("helm.sh/hook")) else { return Ok(Role::Object) };
    let events: Vec<String> = hook.split(',').map(|e| e.trim().to_lowercase()).collect();
    if events.iter().any(|e| !EVENTS.contains(&e.as_str())) {
        return Ok(Role::Dropped);
    }
    Ok(Role::Hook { is_test: events.iter().any(|e| e.starts_with("test")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn texts_split_at_lines_of_dashes() {
        for (content, expected) in [
            ("a: 1\n---\nb: 2\n", vec![(0, "a: 1\n"), (9, "b: 2\n")]),
            ("\n---\na: 1\n\n\n--- \t\n", vec![(5, "a: 1\n\n\n")]),
            ("---apiVersion: v1\n", vec![(3, "apiVersion: v1\n")]),
            ("----\n", vec![(3, "-\n")]),
            ("a: |\n  ---\n", vec![(0, "a: |\n  ---\n")]),
            (" # c", vec![(1, "# c")]),
            ("--- # c\na: 1", vec![(4, "# c\na: 1")]),
            ("", vec![]),
        ] {
            assert_eq!(split(content), expected, "{content:?}");
        }
    }

    #[test]
    fn documents_are_sorted_by_kind_and_hooks_apart() {
        let hook =
            |hook: &str| format!("kind: Pod\nmetadata: {{name: {hook}, annotations: {{helm.sh/hook: '{hook}'}}}}\n");
        let text = [
            "kind: Zebra\n",
            "kind: Apple\n",
            "kind: Service\n",
            &hook("pre-install, TEST"),
            &hook("other"),
            "# only\n",
        ]
        .join("---\n");
        let sorted =
            sort(&files(&[("c/templates/b.yaml", &text), ("c/templates/c.yaml", "kind: Namespace\n")]), |_| None)
                .unwrap();
        let texts: Vec<&str> = sorted.objects.iter().map(|d| d.text.as_str()).collect();
        assert_eq!(texts, ["kind: Namespace\n", "kind: Service\n", "# only\n", "kind: Apple\n", "kind: Zebra\n"]);
        assert_eq!(sorted.hooks.iter().map(|(_, is_test)| *is_test).collect::<Vec<_>>(), [true]);
    }

    #[test]
    fn bad_documents_are_named() {
        for (text, part) in [
            ("kind: Secret\n---\nb: [\n", "line 4: "),
            ("a: 1\n---\nb: [\n", "c/templates/x.yaml: the rendered text is no YAML in line 4"),
            ("metadata: {annotations: {a: []}}\n", "annotations.a is a list"),
            ("- a\n", "the document is a list"),
        ] {
            let error = sort(&files(&[("c/templates/x.yaml", text)]), |_| None).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(sort(&files(&[("a", "metadata: {annotations: {a: 1, b: ~}}\n")]), |_| None).is_ok());
    }
}
