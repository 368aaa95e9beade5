//! Which live objects belong to which Application.

use api::argocd::{Settings, TrackingMethod, names};
use object::{Manifest, ResourceKey};
use serde_json::{Map, Value};

/// How objects are marked as an Application's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracking {
    pub method: TrackingMethod,
    pub label_key: String,
    /// Tells two control planes on one cluster apart.
    pub installation_id: Option<String>,
}

impl Default for Tracking {
    fn default() -> Self {
        let label_key = names::INSTANCE_LABEL.to_owned();
        Self { method: TrackingMethod::default(), label_key, installation_id: None }
    }
}

impl From<&Settings> for Tracking {
    fn from(settings: &Settings) -> Self {
        Self {
            method: settings.tracking_method,
            label_key: settings.instance_label_key.clone(),
            installation_id: settings.installation_id.clone(),
        }
    }
}

/// A tracking id taken apart: `app:group/kind:namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingId {
    pub application: String,
    pub key: ResourceKey,
}

/// Why a text is no tracking id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("wrong resource tracking format, should be <application-name>:<group>/<kind>:<namespace>/<name>")]
pub struct TrackingIdError;

impl TrackingId {
    /// # Errors
    /// When the text does not have the form of an id.
    pub fn parse(text: &str) -> Result<Self, TrackingIdError> {
        let (application, rest) = text.split_once(':').ok_or(TrackingIdError)?;
        let (group_kind, rest) = rest.split_once(':').ok_or(TrackingIdError)?;
        let (group, kind) = group_kind.split_once('/').ok_or(TrackingIdError)?;
        let (namespace, name) = rest.split_once('/').ok_or(TrackingIdError)?;
        if kind.contains('/') || name.contains('/') {
            return Err(TrackingIdError);
        }
        Ok(Self { application: application.to_owned(), key: ResourceKey::new(group, kind, namespace, name) })
    }

    pub fn text(&self) -> String {
        let ResourceKey { group, kind, namespace, name } = &self.key;
        format!("{}:{group}/{kind}:{namespace}/{name}", self.application)
    }
}

/// Names the object in its tracking id, where it got its name after it was marked.
pub(crate) fn complete(manifest: &mut Manifest) {
    let id = manifest.annotation(names::TRACKING_ID).and_then(|text| TrackingId::parse(text).ok());
    if let Some(mut id) = id.filter(|id| id.key.name.is_empty()) {
        id.key.name = manifest.name().to_owned();
        manifest.set_annotation(names::TRACKING_ID, &id.text());
    }
}

/// Why an object cannot be marked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    #[error(
        "{kind} {name}: {field} is no mapping of texts, so the object cannot be marked as its Application's: correct it"
    )]
    NoTexts { kind: String, name: String, field: &'static str },
    #[error(
        "the name {0:?} of the Application leaves nothing that a label may hold: give it a name with letters in it"
    )]
    NoLabel(String),
}

/// At most 63 bytes, as labels allow, ending in a letter or a digit after a cut.
///
/// # Errors
/// When nothing is left.
pub fn truncated_label(application: &str) -> Result<String, MarkError> {
    const MOST: usize = 63;
    if application.len() <= MOST {
        return Ok(application.to_owned());
    }
    let last = application.as_bytes()[..MOST].iter().rposition(u8::is_ascii_alphanumeric);
    let cut = last.and_then(|last| application.get(..=last));
    cut.map(str::to_owned).ok_or_else(|| MarkError::NoLabel(application.to_owned()))
}

/// The label of Argo CD before 0.11, which is put on the pods of a template as well.
const LEGACY_LABEL: &str = "applications.argoproj.io/app-name";

impl Tracking {
    /// Marks the object as the application's. `namespace` is the destination's, for objects that name none.
    ///
    /// # Errors
    /// When its labels or annotations are no mapping of texts, or no label can be made of the name.
    pub fn set(&self, manifest: &mut Manifest, application: &str, namespace: &str) -> Result<(), MarkError> {
        if self.method == TrackingMethod::Label {
            return self.set_label(manifest, application);
        }
        let mut key = manifest.key();
        if key.namespace.is_empty() {
            namespace.clone_into(&mut key.namespace);
        }
        let id = TrackingId { application: application.to_owned(), key };
        check(manifest, "annotations")?;
        match &self.installation_id {
            Some(id) => manifest.set_annotation(names::INSTALLATION_ID, id),
            None => remove(manifest, "annotations", names::INSTALLATION_ID)?,
        }
        manifest.set_annotation(names::TRACKING_ID, &id.text());
        if self.method == TrackingMethod::AnnotationAndLabel {
            self.set_label(manifest, &truncated_label(application)?)?;
        }
        Ok(())
    }

    fn set_label(&self, manifest: &mut Manifest, value: &str) -> Result<(), MarkError> {
        check(manifest, "labels")?;
        manifest.set_label(&self.label_key, value);
        if self.label_key == LEGACY_LABEL { label_template(manifest, value) } else { Ok(()) }
    }

    /// The application that the object says it belongs to, in this installation. Labels know no installation.
    pub fn application_of(&self, manifest: &Manifest) -> Option<String> {
        match self.method {
            TrackingMethod::Label => mark(manifest, "labels", &self.label_key).map(str::to_owned),
            _ => self.id(manifest).map(|id| id.application),
        }
        .filter(|application| !application.is_empty())
    }

    /// What the annotation says, where it is of this installation.
    pub fn id(&self, manifest: &Manifest) -> Option<TrackingId> {
        let installation = mark(manifest, "annotations", names::INSTALLATION_ID).unwrap_or_default();
        if installation != self.installation_id.as_deref().unwrap_or_default() {
            return None;
        }
        TrackingId::parse(mark(manifest, "annotations", names::TRACKING_ID)?).ok()
    }

    /// Whether the object's id names the object itself. A copied annotation (by an operator that copies its parent's)
    /// does not: such an object is shown, but neither compared nor pruned.
    pub fn is_self_referenced(&self, live: &Manifest) -> bool {
        let Some(id) = self.id(live).filter(|_| self.method != TrackingMethod::Label) else { return true };
        let own = live.key();
        // cluster-scoped objects carry the namespace of the destination in their id
        let same_place = own.namespace.is_empty() || id.key.namespace == own.namespace;
        id.key.kind == own.kind && id.key.name == own.name && same_place && same_group(&id.key.group, &own.group)
    }

    /// Takes all marks off; of labels only the one that is Argo CD's own, whatever key is set, as Argo CD does.
    ///
    /// # Errors
    /// When its labels or annotations are no mapping of texts.
    pub fn remove(&self, manifest: &mut Manifest) -> Result<(), MarkError> {
        if self.method != TrackingMethod::Label {
            remove(manifest, "annotations", names::TRACKING_ID)?;
            remove(manifest, "annotations", names::INSTALLATION_ID)?;
        }
        if self.method != TrackingMethod::Annotation {
            remove(manifest, "labels", names::INSTANCE_LABEL)?;
        }
        Ok(())
    }
}

/// The kinds that moved out of `extensions` are the same objects in both groups.
fn same_group(left: &str, right: &str) -> bool {
    left == right || [left, right].contains(&"extensions")
}

fn no_texts(manifest: &Manifest, field: &'static str) -> MarkError {
    MarkError::NoTexts { kind: manifest.kind().to_owned(), name: manifest.name().to_owned(), field }
}

/// Labels or annotations; nothing where there are none.
fn texts<'a>(manifest: &'a Manifest, field: &'static str) -> Result<Option<&'a Map<String, Value>>, MarkError> {
    let metadata = match manifest.value().get("metadata") {
        None | Some(Value::Null) => return Ok(None),
        Some(metadata) => metadata.as_object().ok_or_else(|| no_texts(manifest, "metadata"))?,
    };
    match metadata.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) if map.values().all(Value::is_string) => Ok(Some(map)),
        Some(_) => Err(no_texts(manifest, field)),
    }
}

fn check(manifest: &Manifest, field: &'static str) -> Result<(), MarkError> {
    texts(manifest, field).map(drop)
}

/// A label or an annotation. Where one of them is no text, none is one.
fn mark<'a>(manifest: &'a Manifest, field: &'static str, name: &str) -> Option<&'a str> {
    texts(manifest, field).ok()??.get(name)?.as_str()
}

fn remove(manifest: &mut Manifest, field: &'static str, name: &str) -> Result<(), MarkError> {
    check(manifest, field)?;
    let Some(Value::Object(metadata)) = manifest.value_mut().get_mut("metadata") else { return Ok(()) };
    let Some(Value::Object(map)) = metadata.get_mut(field) else { return Ok(()) };
    if map.remove(name).is_some() && map.is_empty() {
        metadata.remove(field);
    }
    Ok(())
}

/// Puts the label on the pods of a workload. In versions that take a selector from the template where none is written,
/// that selector is written down without it.
fn label_template(manifest: &mut Manifest, value: &str) -> Result<(), MarkError> {
    let gvk = manifest.gvk();
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps" | "extensions", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("batch", "Job") => {}
        _ => return Ok(()),
    }
    let failed = no_texts(manifest, "spec.template.metadata.labels");
    let before = match manifest.value().pointer("/spec/template/metadata/labels") {
        None => Map::new(),
        Some(labels) => labels.as_object().cloned().ok_or_else(|| failed.clone())?,
    };
    let labelled = mapping(manifest.value_mut(), &["spec", "template", "metadata", "labels"]).ok_or(failed.clone())?;
    labelled.insert(LEGACY_LABEL.to_owned(), value.into());
    let takes_template = matches!(manifest.api_version(), "apps/v1beta1" | "extensions/v1beta1");
    if takes_template && gvk.group != "batch" {
        let selector = mapping(manifest.value_mut(), &["spec", "selector"]).ok_or(failed)?;
        if selector.is_empty() {
            let others = before.into_iter().filter(|(key, _)| key != LEGACY_LABEL).collect();
            selector.insert("matchLabels".to_owned(), Value::Object(others));
        }
    }
    Ok(())
}

/// The mapping at that place, made where there is none.
fn mapping<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let object = value.as_object_mut()?;
    match path {
        [] => Some(object),
        [first, rest @ ..] => mapping(object.entry(*first).or_insert_with(|| Value::Object(Map::new())), rest),
    }
}
