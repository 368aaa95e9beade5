//! The API server's heart: what each verb does with the store.

mod deletion;
mod generation;
mod patching;

use std::sync::{Arc, Mutex, PoisonError};

use clock::{Clock, Ids};
use generation::{bumps_generation, has_generation};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::apply::{self, Writer};
use crate::body::{self, Body, Validation};
use crate::kinds::Kinds;
use crate::lifecycle::check_definition;
use crate::request::Incoming;
use crate::schema::Schema;
use crate::schema::resources::{Resource, strings};
use crate::status::{Answer, Cause, Failure};
use crate::store::{Key, Store, Transaction};
use crate::tidy::zero;
use crate::{admission, crd, defaults, rules, validate};

/// Everything that handlers share.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) store: Store,
    kinds: Mutex<Arc<Kinds>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
}

/// One write that a client or a controller wants.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) resource: Arc<Resource>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Empty, `status`, ...
    pub(crate) subresource: String,
    pub(crate) manager: String,
    pub(crate) dry_run: bool,
    pub(crate) validation: Validation,
}

/// What a write made.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) object: Arc<Value>,
    pub(crate) created: bool,
    pub(crate) warnings: Vec<String>,
}

/// How an object came that replaces another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Put,
    Patch,
    /// The owners of its fields are counted already.
    Apply,
}

#[derive(Debug, Clone)]
pub(crate) enum Patch {
    Json(Value),
    Merge(Value),
    Strategic(Value),
    Apply { config: Value, force: bool },
}

/// Options of a deletion.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deletion {
    pub(crate) grace: Option<i64>,
    /// `Background`, `Foreground`, `Orphan`, or empty.
    pub(crate) propagation: String,
    pub(crate) uid: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) dry_run: bool,
}

pub(crate) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

pub(crate) fn time(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Api {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>, ids: Ids) -> Self {
        let api = Self { store, kinds: Mutex::new(Arc::new(Kinds::new(std::iter::empty()))), clock, ids };
        api.renew_kinds();
        api
    }

    pub(crate) fn kinds(&self) -> Arc<Kinds> {
        Arc::clone(&self.kinds.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn renew_kinds(&self) {
        let (definitions, _) = self.store.list(DEFINITIONS, "");
        let kinds = Kinds::new(definitions.iter().map(|definition| &**definition));
        *self.kinds.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(kinds);
    }

    pub(crate) fn now(&self) -> String {
        time(self.clock.now())
    }

    fn writer(&self, wish: &Wish) -> Writer {
        let status = vec![vec!["status"]];
        let reset = match wish.subresource.as_str() {
            "" if wish.resource.subresources.contains_key("status") => status,
            "status" if wish.resource.is_custom() => {
                vec![vec!["spec"], vec!["metadata", "labels"], vec!["metadata", "annotations"]]
            }
            // controllers note things in annotations along with the status, and own them
            "status" => vec![vec!["spec"], vec!["metadata", "labels"]],
            _ => Vec::new(),
        };
        Writer {
            manager: wish.manager.clone(),
            api_version: wish.resource.group_version(),
            subresource: wish.subresource.clone(),
            time: self.now(),
            reset,
        }
    }

    pub(crate) fn get(&self, resource: &Resource, namespace: &str, name: &str) -> Answer<Arc<Value>> {
        let key = Key::new(&resource.storage(), namespace, name);
        let object = self.store.get(&key).ok_or_else(|| Failure::not_found(resource, name))?;
        Ok(in_version(resource, object))
    }

    /// # Errors
    /// When the object exists, is not valid, or its namespace is not there.
    pub(crate) fn create(&self, wish: &Wish, value: Value) -> Answer<Written> {
        let Body { value, warnings } = body::fitted(&wish.resource, value, wish.validation)?;
        let object = self.store.transact(&*self.clock, |txn| self.create_in(txn, wish, value))?;
        self.after(&wish.resource);
        self.made(wish, &object);
        Ok(written(&wish.resource, object, true, warnings))
    }

    /// What controllers add to a new object; here at once, so that nothing has to wait for it.
    fn made(&self, wish: &Wish, object: &Value) {
        let name = text(object, "/metadata/name");
        match wish.resource.kind.as_str() {
            _ if wish.dry_run => {}
            "Namespace" => crate::bootstrap::furnish(self, &name),
            "CustomResourceDefinition" => self.establish(&wish.resource, &name),
            _ => {}
        }
    }

    fn create_in(&self, txn: &mut Transaction<'_>, wish: &Wish, mut value: Value) -> Answer<Arc<Value>> {
        let resource = &wish.resource;
        self.name(wish, &mut value)?;
        let name = text(&value, "/metadata/name");
        self.check_namespace(txn, resource, &wish.namespace, &name)?;
        check_definition(txn, resource, &name)?;
        let key = Key::new(&resource.storage(), &wish.namespace, &name);
        if let Some(live) = txn.get(&key).filter(|_| !name.is_empty()) {
            let mut failure = Failure::exists(resource, &name);
            if live["metadata"]["deletionTimestamp"].is_string() {
                failure.message = format!("object is being deleted: {}", failure.message);
            }
            return Err(failure);
        }
        let versioned = value["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty());
        // a PUT or an apply that creates says nothing by its version
        if versioned && wish.name.is_empty() {
            let mut failure = Failure::new(500, "", "resourceVersion should not be set on objects to be created");
            failure.details = serde_json::Map::new();
            return Err(failure);
        }
        let fields = value["metadata"].get("managedFields").cloned();
        for system in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "generation",
            "managedFields",
        ] {
            remove(&mut value, "metadata", system);
        }
        if resource.subresources.contains_key("status") {
            reset_status(resource, &mut value);
        }
        value["metadata"]["uid"] = json!(self.ids.uuid());
        self.default(resource, &mut value);
        admission::count_template(resource, &mut value, None);
        match fields {
            // an apply brings its own
            Some(fields) if wish.subresource == "apply" => value["metadata"]["managedFields"] = fields,
            _ => apply::note_update(&resource.schema, &zero_object(resource), &mut value, &self.writer(wish)),
        }
        value["metadata"]["creationTimestamp"] = json!(self.now());
        if has_generation(resource) {
            value["metadata"]["generation"] = json!(1);
        }
        self.admit(txn, resource, &mut value, None)?;
        if wish.dry_run {
            return Ok(Arc::new(value));
        }
        Ok(txn.put(key, value))
    }

    fn name(&self, wish: &Wish, value: &mut Value) -> Answer<()> {
        let resource = &wish.resource;
        if !value["metadata"].is_object() {
            value["metadata"] = json!({});
        }
        let group_version = resource.group_version();
        let says = text(value, "/apiVersion");
        if !says.is_empty() && says != group_version {
            let message = format!(
                "the API version in the data ({says}) does not match the expected API version ({group_version})"
            );
            return Err(Failure::bad_request(message));
        }
        let kind = text(value, "/kind");
        if !kind.is_empty() && kind != resource.kind {
            return Err(Failure::bad_request(format!(
                "{kind} in version {:?} cannot be handled as a {}: converting ({group_version}.{kind}) to ({group_version}.{}): unknown conversion",
                resource.version, resource.kind, resource.kind
            )));
        }
        value["apiVersion"] = json!(group_version);
        value["kind"] = json!(resource.kind);
        let namespace = text(value, "/metadata/namespace");
        if resource.namespaced {
            if !namespace.is_empty() && namespace != wish.namespace {
                let message = "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Failure::bad_request(message));
            }
            value["metadata"]["namespace"] = json!(wish.namespace);
        } else {
            remove(value, "metadata", "namespace");
        }
        let name = text(value, "/metadata/name");
        if !wish.name.is_empty() {
            if name.is_empty() && wish.subresource.is_empty() {
                return Err(Failure::bad_request(format!(
                    "the name of the object ({} based on URL) was undeterminable: name must be provided",
                    wish.name
                )));
            }
            if name != wish.name && !name.is_empty() {
                let message =
                    format!("the name of the object ({name}) does not match the name on the URL ({})", wish.name);
                return Err(Failure::bad_request(message));
            }
            value["metadata"]["name"] = json!(wish.name);
        } else if name.is_empty() {
            let prefix = text(value, "/metadata/generateName");
            if !prefix.is_empty() {
                let prefix: String = prefix.chars().take(58).collect();
                value["metadata"]["name"] = json!(format!("{prefix}{}", self.ids.suffix(5)));
            }
        }
        Ok(())
    }

    fn check_namespace(&self, txn: &Transaction<'_>, resource: &Resource, namespace: &str, name: &str) -> Answer<()> {
        if !resource.namespaced {
            return Ok(());
        }
        let found = txn.get(&Key::new("namespaces", "", namespace));
        let Some(found) = found else {
            let mut failure = Failure::new(404, "NotFound", format!("namespaces {namespace:?} not found"));
            failure.detail("name", namespace);
            failure.detail("kind", "namespaces");
            return Err(failure);
        };
        if found["status"]["phase"] == "Terminating"
            && !matches!(resource.kind.as_str(), "SubjectAccessReview" | "LocalSubjectAccessReview")
        {
            let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
            let mut failure = Failure::forbidden(resource, name, &why);
            let message = format!("namespace {namespace} is being terminated");
            failure.details.insert(
                "causes".into(),
                json!([{ "reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace" }]),
            );
            return Err(failure);
        }
        Ok(())
    }

    /// Before owners are counted: what the writer would have to own.
    fn default(&self, resource: &Resource, value: &mut Value) {
        if let Some(definition) = &resource.definition {
            crd::fill_defaults(&definition.open_api, value);
            return;
        }
        admission::convert(resource, value);
        defaults::fill(&resource.schema, value);
    }

    /// After owners are counted: what the server adds belongs to nobody. Then the result has to be valid.
    fn admit(
        &self,
        txn: &mut Transaction<'_>,
        resource: &Resource,
        value: &mut Value,
        old: Option<&Value>,
    ) -> Answer<()> {
        admission::admit(txn, resource, value, old, &self.ids)?;
        let mut causes = validate::problems(resource, value, old);
        if let Some(definition) = &resource.definition {
            crd::violations(&definition.open_api, value, "", &mut causes);
            if causes.is_empty() {
                rules::broken(&definition.open_api, value, "", &mut causes);
            }
        }
        if causes.is_empty() {
            return Ok(());
        }
        Err(Failure::invalid(resource, &text(value, "/metadata/name"), &causes))
    }

    /// Replaces the object, or creates it where the kind allows that.
    ///
    /// # Errors
    /// When it is not there, was changed meanwhile, or is not valid.
    pub(crate) fn update(&self, wish: &Wish, value: Value) -> Answer<Written> {
        let Body { value, warnings } = body::fitted(&wish.resource, value, wish.validation)?;
        let (object, created) = self.store.transact(&*self.clock, |txn| {
            let key = Key::new(&wish.resource.storage(), &wish.namespace, &wish.name);
            match txn.get(&key) {
                Some(live) => self.replace_in(txn, wish, &live, value, Source::Put).map(|object| (object, false)),
                None if put_creates(&wish.resource) && wish.subresource.is_empty() => {
                    self.create_in(txn, wish, value).map(|object| (object, true))
                }
                None => Err(Failure::not_found(&wish.resource, &wish.name)),
            }
        })?;
        self.after(&wish.resource);
        Ok(written(&wish.resource, object, created, warnings))
    }

    /// Puts `value` in the place of `live`.
    fn replace_in(
        &self,
        txn: &mut Transaction<'_>,
        wish: &Wish,
        live: &Arc<Value>,
        mut value: Value,
        source: Source,
    ) -> Answer<Arc<Value>> {
        let resource = &wish.resource;
        self.name(wish, &mut value)?;
        let version = text(&value, "/metadata/resourceVersion");
        let current = text(live, "/metadata/resourceVersion");
        let strict = ["PodDisruptionBudget", "CSIDriver", "RuntimeClass"];
        let wants_version = resource.is_custom() || strict.contains(&resource.kind.as_str());
        if version.is_empty() && wants_version && source == Source::Put {
            let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
            return Err(Failure::invalid_kind(&resource.group, &resource.plural, &wish.name, &[cause]));
        }
        if !version.is_empty() && version != "0" && version != current {
            return Err(Failure::modified(resource, &wish.name));
        }
        let uid = text(&value, "/metadata/uid");
        if !uid.is_empty() && uid != text(live, "/metadata/uid") {
            return Err(wrong_uid(wish, source, &uid, &text(live, "/metadata/uid")));
        }
        no_new_finalizers(resource, live, &value)?;
        for system in [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "resourceVersion",
            "selfLink",
        ] {
            copy(live, &mut value, "metadata", system);
        }
        if source == Source::Apply {
            // an apply has counted the owners
        } else if value["metadata"].get("managedFields").is_none() {
            copy(live, &mut value, "metadata", "managedFields");
        } else if value["metadata"]["managedFields"]
            .as_array()
            .is_some_and(|fields| fields.iter().all(|f| f.as_object().is_some_and(serde_json::Map::is_empty)))
        {
            remove(&mut value, "metadata", "managedFields");
        }
        self.keep_other_part(wish, live, &mut value);
        self.default(resource, &mut value);
        admission::count_template(resource, &mut value, Some(live));
        if value["metadata"]["finalizers"].is_null() {
            remove(&mut value, "metadata", "finalizers");
        }
        if source != Source::Apply {
            apply::note_update(&resource.schema, live, &mut value, &self.writer(wish));
        }
        self.admit(txn, resource, &mut value, Some(live))?;
        if same(live, &value) {
            return Ok(Arc::clone(live));
        }
        // a place on a node is not another wish
        let silent = matches!(wish.subresource.as_str(), "status" | "binding");
        if bumps_generation(resource, live, &value) && !silent {
            let generation = live["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
            value["metadata"]["generation"] = json!(generation);
        }
        if wish.dry_run {
            return Ok(Arc::new(value));
        }
        let key = Key::new(&resource.storage(), &wish.namespace, &wish.name);
        if is_finished(&value) {
            // watchers see the last state that was kept, the writer sees what would have been
            txn.remove(&key);
            return Ok(Arc::new(value));
        }
        Ok(txn.put(key, value))
    }

    /// A write to the object leaves its status alone, a write to its status leaves the rest alone.
    fn keep_other_part(&self, wish: &Wish, live: &Value, value: &mut Value) {
        let resource = &wish.resource;
        if wish.subresource == "status" {
            let status = value.get("status").cloned();
            let (fields, labels) = (value["metadata"].get("managedFields").cloned(), value["metadata"].clone());
            *value = live.clone();
            if let Some(fields) = fields {
                value["metadata"]["managedFields"] = fields;
            }
            // finalizers and annotations may be set along with the status of built-in kinds
            if !resource.is_custom() {
                let parts: &[&str] = match resource.kind.as_str() {
                    "Deployment" => &["annotations", "finalizers"],
                    _ => &["annotations", "finalizers", "labels"],
                };
                for part in parts {
                    if let Some(given) = labels.get(part) {
                        value["metadata"][part] = given.clone();
                    }
                }
            }
            match status {
                Some(status) => value["status"] = status,
                None => drop(value.as_object_mut().map(|map| map.remove("status"))),
            }
        } else if resource.subresources.contains_key("status") {
            match live.get("status") {
                Some(status) => value["status"] = status.clone(),
                None => drop(value.as_object_mut().map(|map| map.remove("status"))),
            }
        }
        if resource.kind == "Namespace" && wish.subresource != "finalize" {
            value["spec"] = live["spec"].clone();
        }
    }

    /// A change of definitions changes what is served.
    fn after(&self, resource: &Resource) {
        if resource.kind == "CustomResourceDefinition" {
            self.renew_kinds();
        }
    }

    /// Reads, changes and writes one object without a client: what controllers do.
    pub(crate) fn modify(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        subresource: &str,
        manager: &str,
        change: impl FnOnce(&mut Value),
    ) -> Answer<()> {
        let wish = Wish {
            resource: Arc::clone(resource),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
            manager: manager.to_owned(),
            dry_run: false,
            validation: Validation::Ignore,
        };
        let result = self.store.transact(&*self.clock, |txn| {
            let key = Key::new(&resource.storage(), namespace, name);
            let live = txn.get(&key).ok_or_else(|| Failure::not_found(resource, name))?;
            let mut value = (*live).clone();
            change(&mut value);
            self.replace_in(txn, &wish, &live, value, Source::Patch).map(drop)
        });
        self.after(resource);
        self.end_definition(resource, name);
        result
    }
}

/// Go's zero object of a kind: what a creation is compared with.
fn zero_object(resource: &Resource) -> Value {
    let mut value = if resource.is_custom() { json!({}) } else { zero(&resource.schema) };
    value["apiVersion"] = json!(resource.group_version());
    value["kind"] = json!(resource.kind);
    if !value["metadata"].is_object() {
        value["metadata"] = json!({});
    }
    value
}

fn reset_status(resource: &Resource, value: &mut Value) {
    let Some(map) = value.as_object_mut() else { return };
    map.remove("status");
    if !resource.is_custom() {
        map.insert("status".into(), zero(resource.schema.field("status").unwrap_or(&Schema::Any)));
    }
    if resource.kind == "CustomResourceDefinition" {
        let versions = value["spec"]["versions"].as_array().into_iter().flatten();
        let stored: Vec<Value> =
            versions.filter(|version| version["storage"] == true).map(|version| version["name"].clone()).collect();
        value["status"]["storedVersions"] = json!(stored);
    }
}

fn written(resource: &Resource, object: Arc<Value>, created: bool, mut warnings: Vec<String>) -> Written {
    warnings.extend(crate::warnings::of_object(resource, &object));
    Written { object: in_version(resource, object), created, warnings }
}

/// An object as this version of its kind shows it.
fn in_version(resource: &Resource, object: Arc<Value>) -> Arc<Value> {
    let version = resource.group_version();
    if object["apiVersion"] == version.as_str() {
        let Some(definition) = resource.definition.as_ref().filter(|definition| definition.defaults) else {
            return object;
        };
        let mut value = (*object).clone();
        crd::fill_defaults(&definition.open_api, &mut value);
        return if value == *object { object } else { Arc::new(value) };
    }
    let mut value = (*object).clone();
    value["apiVersion"] = json!(version);
    if let Ok(body) = body::fitted(resource, value.clone(), Validation::Ignore) {
        value = body.value;
    }
    Arc::new(value)
}

pub(crate) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn remove(value: &mut Value, part: &str, name: &str) {
    if let Some(map) = value.get_mut(part).and_then(Value::as_object_mut) {
        map.remove(name);
    }
}

fn copy(from: &Value, to: &mut Value, part: &str, name: &str) {
    match from[part].get(name) {
        Some(value) => to[part][name] = value.clone(),
        None => remove(to, part, name),
    }
}

fn wrong_uid(wish: &Wish, source: Source, uid: &str, is: &str) -> Failure {
    let (resource, name) = (&wish.resource, &wish.name);
    if source == Source::Put {
        let key = format!("/registry/{}/{}/{name}", resource.plural, wish.namespace);
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {is}"
        );
        return Failure::conflict(resource, name, &why);
    }
    // the API server checks the metadata twice
    let cause = Cause::invalid("metadata.uid", &json!(uid), "field is immutable");
    Failure::invalid(resource, name, &[cause.clone(), cause])
}

fn no_new_finalizers(resource: &Resource, live: &Value, value: &Value) -> Answer<()> {
    if !live["metadata"]["deletionTimestamp"].is_string() {
        return Ok(());
    }
    let known = strings(&live["metadata"]["finalizers"]);
    let fresh: Vec<String> =
        strings(&value["metadata"]["finalizers"]).into_iter().filter(|finalizer| !known.contains(finalizer)).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = fresh.iter().map(|finalizer| format!("{finalizer:?}")).collect();
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        list.join(", ")
    );
    let cause = Cause::forbidden("metadata.finalizers", &why);
    Err(Failure::invalid(resource, &text(live, "/metadata/name"), &[cause.clone(), cause]))
}

/// Equal but for the times of field owners.
fn same(a: &Value, b: &Value) -> bool {
    let stripped = |value: &Value| {
        let mut value = value.clone();
        let fields = value.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
        fields.into_iter().flatten().for_each(|entry| entry["time"] = Value::Null);
        value
    };
    a == b || stripped(a) == stripped(b)
}

/// PUT on a name that is free makes these.
fn put_creates(resource: &Resource) -> bool {
    [
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "Lease",
        "Endpoints",
        "Service",
        "Event",
        "LimitRange",
        "RuntimeClass",
    ]
    .contains(&resource.kind.as_str())
}

/// It was being deleted, and nothing holds it any more.
fn is_finished(value: &Value) -> bool {
    let metadata = &value["metadata"];
    let held = metadata["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
    let grace = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    let is_namespace = value["kind"] == "Namespace";
    let content = is_namespace && value["spec"]["finalizers"].as_array().is_some_and(|f| !f.is_empty());
    metadata["deletionTimestamp"].is_string() && !held && !content && grace == 0
}

/// The wish of a request.
pub(crate) fn wish(
    request: &Incoming,
    resource: &Arc<Resource>,
    namespace: &str,
    name: &str,
    subresource: &str,
) -> Answer<Wish> {
    Ok(Wish {
        resource: Arc::clone(resource),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: subresource.to_owned(),
        manager: request.manager(),
        dry_run: request.dry_run()?,
        validation: Validation::of(request)?,
    })
}
