//! Which live objects belong to which Application.

use api::argocd::{Settings, TrackingMethod, names};
use object::{Manifest, ResourceKey};
use serde_json::Value;

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

/// At most 63 characters, as labels allow, not ending in a dash after a cut.
pub fn truncated_label(application: &str) -> String {
    if application.chars().count() <= 63 {
        return application.to_owned();
    }
    let cut: String = application.chars().take(63).collect();
    cut.trim_end_matches(['-', '_', '.']).to_owned()
}

impl Tracking {
    /// Marks the object as the application's. `namespace` is the destination's, for objects that name none.
    pub fn set(&self, manifest: &mut Manifest, application: &str, namespace: &str) {
        if self.method == TrackingMethod::Label {
            manifest.set_label(&self.label_key, application);
            return;
        }
        let mut key = manifest.key();
        if key.namespace.is_empty() {
            namespace.clone_into(&mut key.namespace);
        }
        let id = TrackingId { application: application.to_owned(), key };
        manifest.set_annotation(names::TRACKING_ID, &id.text());
        match &self.installation_id {
            Some(id) => manifest.set_annotation(names::INSTALLATION_ID, id),
            None => remove(manifest, "annotations", names::INSTALLATION_ID),
        }
        if self.method == TrackingMethod::AnnotationAndLabel {
            manifest.set_label(&self.label_key, &truncated_label(application));
        }
    }

    /// The application that the object says it belongs to, in this installation.
    pub fn application_of(&self, manifest: &Manifest) -> Option<String> {
        if manifest.annotation(names::INSTALLATION_ID) != self.installation_id.as_deref() {
            return None;
        }
        match self.method {
            TrackingMethod::Label => manifest.label(&self.label_key).map(str::to_owned),
            _ => self.id(manifest).map(|id| id.application),
        }
        .filter(|application| !application.is_empty())
    }

    fn id(&self, manifest: &Manifest) -> Option<TrackingId> {
        TrackingId::parse(manifest.annotation(names::TRACKING_ID)?).ok()
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

    /// Takes all marks off.
    pub fn remove(&self, manifest: &mut Manifest) {
        if self.method != TrackingMethod::Label {
            remove(manifest, "annotations", names::TRACKING_ID);
            remove(manifest, "annotations", names::INSTALLATION_ID);
        }
        if self.method != TrackingMethod::Annotation {
            remove(manifest, "labels", &self.label_key);
        }
    }
}

/// The kinds that moved out of `extensions` are the same objects in both groups.
fn same_group(left: &str, right: &str) -> bool {
    left == right || [left, right].contains(&"extensions")
}

fn remove(manifest: &mut Manifest, field: &str, name: &str) {
    let Some(Value::Object(metadata)) = manifest.value_mut().get_mut("metadata") else { return };
    let Some(Value::Object(map)) = metadata.get_mut(field) else { return };
    map.remove(name);
    if map.is_empty() {
        metadata.remove(field);
    }
}
