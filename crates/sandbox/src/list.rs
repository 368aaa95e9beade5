//! Lists: consistent pages of what is there.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::api::Api;
use crate::request::Incoming;
use crate::schema::resources::Resource;
use crate::selector::Selector;
use crate::status::{Answer, Cause, Failure};

#[derive(Debug)]
pub(crate) struct ListOptions {
    selector: Selector,
    limit: usize,
    /// The version and the last key of the page before.
    after: Option<(u64, String)>,
    exact: Option<u64>,
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Arc<Value>>,
    pub(crate) metadata: Value,
}

impl ListOptions {
    pub(crate) fn everything(selector: Selector) -> Self {
        Self { selector, limit: 0, after: None, exact: None }
    }

    /// # Errors
    /// 400 for what cannot be read.
    pub(crate) fn of(request: &Incoming, selector: Selector) -> Answer<Self> {
        let limit = request.option("limit").parse().unwrap_or(0);
        let token = request.option("continue");
        let after = if token.is_empty() { None } else { Some(read_token(token)?) };
        let matching = request.option("resourceVersionMatch");
        check_parameters(request, matching)?;
        let version = version_of(request.option("resourceVersion"))?;
        if !matching.is_empty() && version.is_none() && request.option("resourceVersion").is_empty() {
            let cause = Cause::forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            );
            return Err(Failure::invalid_kind("meta.k8s.io", "ListOptions", "", &[cause]));
        }
        let exact = version.filter(|version| {
            matching == "Exact" || (matching.is_empty() && limit > 0 && *version > 0 && after.is_none())
        });
        Ok(Self { selector, limit, after, exact })
    }
}

fn check_parameters(request: &Incoming, matching: &str) -> Answer<()> {
    let mut causes = Vec::new();
    if !["", "Exact", "NotOlderThan"].contains(&matching) {
        let value = json!(matching);
        causes.push(Cause::unsupported("resourceVersionMatch", &value, &["Exact", "NotOlderThan", ""]));
    }
    if matching == "Exact" && request.option("resourceVersion") == "0" {
        let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
        causes.push(Cause::forbidden("resourceVersionMatch", detail));
    }
    if request.query.contains_key("sendInitialEvents") {
        causes.push(Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid_kind("meta.k8s.io", "ListOptions", "", &causes)) }
}

/// # Errors
/// 400 when it is no number.
pub(crate) fn version_of(text: &str) -> Answer<Option<u64>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let cause = format!("Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax");
        let mut failure = Failure::bad_request(format!("invalid resource version: resourceVersion: {cause}"));
        failure.details = serde_json::Map::new();
        failure
    })
}

fn read_token(token: &str) -> Answer<(u64, String)> {
    let bad = || Failure::bad_request("continue key is not valid: illegal base64 data at input byte 0");
    let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad)?;
    let (version, key) = text.split_once(' ').ok_or_else(bad)?;
    Ok((version.parse().map_err(|_| bad())?, key.to_owned()))
}

fn key_of(item: &Value) -> String {
    let text = |name: &str| item["metadata"][name].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

/// The fields that each kind can be selected by, beside its name and namespace.
pub(crate) fn check_fields(resource: &Resource, selector: &Selector) -> Answer<()> {
    let own: &[&str] = match resource.kind.as_str() {
        "Pod" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
        ],
        "Secret" => &["type"],
        "Namespace" => &["status.phase"],
        "Node" => &["spec.unschedulable"],
        "Job" => &["status.successful"],
        "ReplicationController" => &["status.replicas"],
        "Service" => &["spec.clusterIP", "spec.type"],
        _ => &[],
    };
    let selectable = resource.definition.as_ref().map(|definition| definition.selectable.clone()).unwrap_or_default();
    for key in selector.field_keys() {
        if selectable.iter().any(|known| known == key) {
            continue;
        }
        if !["metadata.name", "metadata.namespace"].contains(&key) && !own.contains(&key) {
            let grouped = ["apps"].contains(&resource.group.as_str());
            let message = if grouped {
                format!("{key:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
            } else {
                format!("field label not supported: {key}")
            };
            let message = if resource.is_custom()
                || ![
                    "Pod",
                    "Event",
                    "Secret",
                    "Namespace",
                    "Node",
                    "Job",
                    "ReplicaSet",
                    "ReplicationController",
                    "Service",
                ]
                .contains(&resource.kind.as_str())
            {
                format!("{key:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
            } else {
                message
            };
            return Err(Failure::bad_request(format!(
                "Unable to find {:?} that match label selector \"\", field selector {key:?}: {message}",
                resource.plural
            ))
            .shorter(&message));
        }
    }
    Ok(())
}

impl Failure {
    /// The same with another text.
    fn shorter(mut self, message: &str) -> Self {
        message.clone_into(&mut self.message);
        self
    }
}

/// # Errors
/// 410 when the version is forgotten, 504 when it is not there yet.
pub(crate) fn list(api: &Api, resource: &Resource, namespace: &str, options: &ListOptions) -> Answer<Page> {
    let storage = resource.storage();
    let now = api.store.revision();
    let at = options.after.as_ref().map(|(version, _)| *version).or(options.exact);
    let (all, version) = match at {
        None => api.store.list(&storage, namespace),
        Some(version) if version > now => return Err(too_new(version, now)),
        Some(version) => {
            let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.";
            let all = api.store.list_at(&storage, namespace, version).ok_or_else(|| Failure::expired(message))?;
            (all, version)
        }
    };
    let matching = all.into_iter().filter(|item| options.selector.matches(item));
    let start = options.after.as_ref().map(|(_, key)| key.clone());
    let mut rest: Vec<Arc<Value>> =
        matching.filter(|item| start.as_ref().is_none_or(|start| key_of(item) > *start)).collect();
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if options.limit > 0 && rest.len() > options.limit {
        let remaining = rest.len() - options.limit;
        rest.truncate(options.limit);
        let last = rest.last().map(|item| key_of(item)).unwrap_or_default();
        metadata["continue"] = json!(URL_SAFE_NO_PAD.encode(format!("{version} {last}")));
        if options.selector.is_everything() {
            metadata["remainingItemCount"] = json!(remaining);
        }
    }
    let group_version = resource.group_version();
    let items = rest
        .into_iter()
        .map(|item| if item["apiVersion"] == group_version.as_str() { item } else { versioned(resource, &item) });
    Ok(Page { items: items.collect(), metadata })
}

fn versioned(resource: &Resource, item: &Value) -> Arc<Value> {
    let mut value = item.clone();
    value["apiVersion"] = json!(resource.group_version());
    Arc::new(value)
}

pub(crate) fn too_new(version: u64, now: u64) -> Failure {
    let mut failure = Failure::new(504, "Timeout", format!("Too large resource version: {version}, current: {now}"));
    failure.details.insert(
        "causes".into(),
        json!([{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }]),
    );
    failure.details.insert("retryAfterSeconds".into(), json!(1));
    failure
}

impl Page {
    /// The list object; items of built-in lists carry neither kind nor version.
    pub(crate) fn to_value(&self, resource: &Resource) -> Value {
        let items: Vec<Value> = self
            .items
            .iter()
            .map(|item| {
                let mut item = (**item).clone();
                if !resource.is_custom() {
                    item.as_object_mut().into_iter().for_each(|map| {
                        map.remove("kind");
                        map.remove("apiVersion");
                    });
                }
                item
            })
            .collect();
        json!({ "kind": format!("{}List", resource.kind), "apiVersion": resource.group_version(), "metadata": self.metadata, "items": items })
    }
}
