//! Reading and writing objects of any kind.

use http::Method;
use object::{GroupKind, LiveObject, Manifest, ResourceKey};
use serde_json::{Value, json};

use crate::request::Call;
use crate::{ApiResource, Cluster, ClusterError, Scope};

/// How many objects a list asks for at a time, as kubectl does.
const PAGE: &str = "500";

/// How an object is applied on the server.
#[derive(Debug, Clone, Copy)]
pub struct ApplyOptions<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// Take fields from other managers instead of failing with a conflict.
    pub force: bool,
    /// Answer what would be, and change nothing.
    pub dry_run: bool,
    /// Refuse fields that the kind does not have, instead of dropping them.
    pub validate: bool,
}

/// A change to one object.
#[derive(Debug, Clone)]
pub enum Patch {
    /// RFC 7386.
    Merge(Value),
    /// RFC 6902.
    Json(Value),
    Strategic(Value),
}

/// How a patch is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct PatchOptions<'a> {
    /// Empty: the server names the manager after the client program.
    pub manager: &'a str,
    /// `status`, `scale`, or empty for the object itself.
    pub subresource: &'a str,
    pub dry_run: bool,
    /// What becomes of fields that the kind has not: `Strict`, `Warn`, `Ignore`; empty: as the server does.
    pub validation: &'a str,
}

/// What happens to the objects that a deleted object owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    /// The object goes when they are gone.
    Foreground,
    /// They go after the object.
    #[default]
    Background,
    /// They stay.
    Orphan,
}

impl Propagation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Foreground => "Foreground",
            Self::Background => "Background",
            Self::Orphan => "Orphan",
        }
    }
}

/// How an object is deleted.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    pub propagation: Propagation,
    /// Delete only the object that has this uid: a namesake that came later stays.
    pub uid: Option<String>,
    /// Delete only if nobody changed the object since.
    pub resource_version: Option<String>,
    pub dry_run: bool,
}

impl Cluster {
    /// The object, or `None` when there is none.
    ///
    /// # Errors
    /// When the kind is unknown or the server does not answer as wanted.
    pub async fn get(&self, key: &ResourceKey) -> Result<Option<LiveObject>, ClusterError> {
        self.get_as(&*self.resource(&key.group_kind()).await?, key).await
    }

    /// What there is of a manifest's name, in its version.
    ///
    /// # Errors
    /// As [`Cluster::get`].
    pub async fn get_of(&self, manifest: &Manifest) -> Result<Option<LiveObject>, ClusterError> {
        self.get_as(&*self.resource_in(&manifest.gvk()).await?, &manifest.key()).await
    }

    async fn get_as(&self, resource: &ApiResource, key: &ResourceKey) -> Result<Option<LiveObject>, ClusterError> {
        let call = Call::new(Method::GET, resource.path(&key.namespace, &key.name), key.to_string());
        match call.json(self).await {
            Ok(value) => live(value, &key.to_string()).map(Some),
            Err(ClusterError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All objects of the scope.
    ///
    /// # Errors
    /// When the kind is unknown or the server does not answer as wanted.
    pub async fn list(&self, scope: &Scope) -> Result<Vec<LiveObject>, ClusterError> {
        let resource = self.resource(&scope.kind).await?;
        Ok(self.list_at(&resource, scope).await?.0)
    }

    /// All objects of the scope and the resource version that they are of.
    pub(crate) async fn list_at(
        &self,
        resource: &ApiResource,
        scope: &Scope,
    ) -> Result<(Vec<LiveObject>, String), ClusterError> {
        let mut objects = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let call = scope.call(resource).query("limit", PAGE).query_some("continue", next.as_deref());
            let mut page = call.json(self).await?;
            let Value::Array(items) = page["items"].take() else {
                return Err(malformed(&scope.kind.to_string(), "the list has no items"));
            };
            objects.reserve(items.len());
            for item in items {
                objects.push(live(with_kind(item, resource), &scope.kind.to_string())?);
            }
            let text = |name: &str| page["metadata"][name].as_str().unwrap_or_default().to_owned();
            match text("continue") {
                done if done.is_empty() => return Ok((objects, text("resourceVersion"))),
                more => next = Some(more),
            }
        }
    }

    /// # Errors
    /// [`ClusterError::AlreadyExists`], or when the server refuses.
    pub async fn create(&self, manifest: &Manifest) -> Result<LiveObject, ClusterError> {
        self.create_as(manifest, PatchOptions::default()).await
    }

    /// The same, by a manager or as a trial.
    ///
    /// # Errors
    /// As [`Cluster::create`].
    pub async fn create_as(&self, manifest: &Manifest, options: PatchOptions<'_>) -> Result<LiveObject, ClusterError> {
        let resource = self.resource_in(&manifest.gvk()).await?;
        let object = manifest.key().to_string();
        let call = Call::new(Method::POST, resource.path(manifest.namespace(), ""), object.as_str())
            .query_some("fieldManager", some(options.manager))
            .query_some("fieldValidation", some(options.validation))
            .query_some("dryRun", options.dry_run.then_some("All"));
        live(call.body("application/json", manifest.value()).json(self).await?, &object)
    }

    /// Puts the whole object. With `metadata.resourceVersion` in it, a change by somebody else is a conflict.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`], or when the server refuses.
    pub async fn replace(&self, manifest: &Manifest, options: PatchOptions<'_>) -> Result<LiveObject, ClusterError> {
        let resource = self.resource_in(&manifest.gvk()).await?;
        let object = manifest.key().to_string();
        let path = subresource(resource.path(manifest.namespace(), manifest.name()), options.subresource);
        let call = Call::new(Method::PUT, path, object.as_str())
            .query_some("fieldManager", some(options.manager))
            .query_some("dryRun", options.dry_run.then_some("All"));
        live(call.body("application/json", manifest.value()).json(self).await?, &object)
    }

    /// Server-side apply.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] with the owners when another manager owns wanted fields and `force` is off.
    pub async fn apply(&self, manifest: &Manifest, options: ApplyOptions<'_>) -> Result<LiveObject, ClusterError> {
        let resource = self.resource_in(&manifest.gvk()).await?;
        let object = manifest.key().to_string();
        let call = Call::new(Method::PATCH, resource.path(manifest.namespace(), manifest.name()), object.as_str())
            .query("fieldManager", options.manager)
            .query("force", if options.force { "true" } else { "false" })
            .query("fieldValidation", if options.validate { "Strict" } else { "Ignore" })
            .query_some("dryRun", options.dry_run.then_some("All"));
        live(call.body("application/apply-patch+yaml", manifest.value()).json(self).await?, &object)
    }

    /// # Errors
    /// [`ClusterError::NotFound`], or when the server refuses.
    pub async fn patch(
        &self,
        key: &ResourceKey,
        patch: &Patch,
        options: PatchOptions<'_>,
    ) -> Result<LiveObject, ClusterError> {
        self.patch_as(&*self.resource(&key.group_kind()).await?, key, patch, options).await
    }

    /// Patches what there is of a manifest's name, in its version.
    ///
    /// # Errors
    /// As [`Cluster::patch`].
    pub async fn patch_of(
        &self,
        manifest: &Manifest,
        patch: &Patch,
        options: PatchOptions<'_>,
    ) -> Result<LiveObject, ClusterError> {
        self.patch_as(&*self.resource_in(&manifest.gvk()).await?, &manifest.key(), patch, options).await
    }

    async fn patch_as(
        &self,
        resource: &ApiResource,
        key: &ResourceKey,
        patch: &Patch,
        options: PatchOptions<'_>,
    ) -> Result<LiveObject, ClusterError> {
        let object = key.to_string();
        let path = subresource(resource.path(&key.namespace, &key.name), options.subresource);
        let (content_type, body) = match patch {
            Patch::Merge(body) => ("application/merge-patch+json", body),
            Patch::Json(body) => ("application/json-patch+json", body),
            Patch::Strategic(body) => ("application/strategic-merge-patch+json", body),
        };
        let call = Call::new(Method::PATCH, path, object.as_str())
            .query_some("fieldManager", some(options.manager))
            .query_some("fieldValidation", some(options.validation))
            .query_some("dryRun", options.dry_run.then_some("All"));
        live(call.body(content_type, body).json(self).await?, &object)
    }

    /// Whether the object was there. It may live on for a while when it has finalizers.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] when a precondition does not hold, or when the server refuses.
    pub async fn delete(&self, key: &ResourceKey, options: &DeleteOptions) -> Result<bool, ClusterError> {
        let resource = self.resource(&key.group_kind()).await?;
        let mut body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": options.propagation.as_str(),
        });
        let conditions = [("uid", &options.uid), ("resourceVersion", &options.resource_version)];
        for (name, value) in conditions {
            if let Some(value) = value {
                body["preconditions"][name] = value.as_str().into();
            }
        }
        if options.dry_run {
            body["dryRun"] = json!(["All"]);
        }
        let call = Call::new(Method::DELETE, resource.path(&key.namespace, &key.name), key.to_string());
        match call.body("application/json", &body).bytes(self).await {
            Ok(_) => Ok(true),
            Err(ClusterError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The version of Kubernetes: `v1.36.0`.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn version(&self) -> Result<String, ClusterError> {
        let answer = Call::new(Method::GET, "/version", "version").json(self).await?;
        Ok(answer["gitVersion"].as_str().unwrap_or_default().to_owned())
    }
}

impl Scope {
    pub(crate) fn call(&self, resource: &ApiResource) -> Call {
        Call::new(Method::GET, resource.path(&self.namespace, ""), self.kind.to_string())
            .query_some("labelSelector", some(&self.labels))
            .query_some("fieldSelector", some(&self.fields))
    }
}

/// A scope of all objects of a kind.
impl From<GroupKind> for Scope {
    fn from(kind: GroupKind) -> Self {
        Self { kind, namespace: String::new(), labels: String::new(), fields: String::new() }
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn subresource(mut path: String, name: &str) -> String {
    if !name.is_empty() {
        path.push('/');
        path.push_str(name);
    }
    path
}

/// Items of lists come without apiVersion and kind.
fn with_kind(mut item: Value, resource: &ApiResource) -> Value {
    if let Value::Object(map) = &mut item {
        map.entry("apiVersion").or_insert_with(|| resource.gvk.api_version().into());
        map.entry("kind").or_insert_with(|| resource.gvk.kind.clone().into());
    }
    item
}

pub(crate) fn live(value: Value, object: &str) -> Result<LiveObject, ClusterError> {
    LiveObject::new(value).map_err(|e| malformed(object, &e.to_string()))
}

fn malformed(object: &str, message: &str) -> ClusterError {
    ClusterError::Malformed { object: object.to_owned(), message: message.to_owned() }
}
