//! From HTTP to the API and back.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::api::{Api, Deletion, Patch, Written, wish};
use crate::body;
use crate::list::{self, ListOptions};
use crate::request::{Accept, Incoming, Shape, Target, accept, parse_query};
use crate::schema::resources::Resource;
use crate::selector::Selector;
use crate::status::{Answer, Failure};
use crate::{discovery, openapi, reviews, subresources, table, warnings, watch};

/// The largest body that is read; etcd takes 1.5 MiB, requests carry some more.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// What goes back.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Status code, object, warnings.
    Object(u16, Value, Vec<String>),
    /// Text with its media type.
    Text(&'static str, String),
    Raw(Response),
}

impl Reply {
    pub(crate) fn ok(value: Value) -> Self {
        Self::Object(200, value, Vec::new())
    }
}

/// The one handler.
pub(crate) async fn serve(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let limited = http_body_util::Limited::new(body, BODY_LIMIT);
    let (path, watches) = without_watch(parts.uri.path());
    let mut query = parse_query(parts.uri.query().unwrap_or_default());
    if watches {
        query.insert("watch".to_owned(), "true".to_owned());
    }
    let incoming = Incoming { method: parts.method, path, query, headers: parts.headers, body: bytes::Bytes::new() };
    let yaml = incoming.header("accept").starts_with("application/yaml");
    let resource = Target::parse(&incoming.path)
        .and_then(|target| api.kinds().find(&target.group, &target.version, &target.resource));
    let deprecation = resource.and_then(|resource| warnings::of_resource(&resource));
    let reply = match limited.collect().await {
        Ok(body) => answer(api, Incoming { body: body.to_bytes(), ..incoming }).await,
        Err(_) => {
            Err(Failure::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {BODY_LIMIT}")))
        }
    };
    let reply =
        reply.unwrap_or_else(|failure| Reply::Object(failure.status_code().as_u16(), failure.to_value(), Vec::new()));
    let mut response = respond(reply, yaml);
    deprecation.iter().for_each(|text| warn(&mut response, text));
    response
}

/// Writes that wait for the disk wait where nobody else waits behind them, so that one sync does for many.
async fn answer(api: Arc<Api>, request: Incoming) -> Answer<Reply> {
    if request.method == Method::GET || !api.store.is_on_disk() {
        return route(&api, request).await;
    }
    let runtime = tokio::runtime::Handle::current();
    let answered = tokio::task::spawn_blocking(move || runtime.block_on(route(&api, request))).await;
    answered
        .unwrap_or_else(|error| Err(Failure::new(500, "InternalError", format!("Internal error occurred: {error}"))))
}

/// The answer to who is not let in.
pub(crate) fn refused(failure: &Failure) -> Response {
    respond(Reply::Object(failure.code, failure.to_value(), Vec::new()), false)
}

/// The old form of a watch, `/api/v1/watch/...`, as a path without the word.
fn without_watch(path: &str) -> (String, bool) {
    let parts: Vec<&str> = path.split('/').collect();
    let at = if path.starts_with("/apis/") { 4 } else { 3 };
    if parts.get(at) != Some(&"watch") || parts.len() == at + 1 {
        return (path.to_owned(), false);
    }
    let kept = parts.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, part)| *part);
    (kept.collect::<Vec<_>>().join("/"), true)
}

fn respond(reply: Reply, yaml: bool) -> Response {
    match reply {
        Reply::Raw(response) => response,
        Reply::Text(kind, text) => with_type(StatusCode::OK, kind, text, &[]),
        Reply::Object(code, value, warnings) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            if yaml {
                return with_type(status, "application/yaml", object::yaml::to_string(&value), &warnings);
            }
            with_type(status, "application/json", format!("{value}\n"), &warnings)
        }
    }
}

fn with_type(status: StatusCode, kind: &'static str, text: String, warnings: &[String]) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    warnings.iter().for_each(|warning| warn(&mut response, warning));
    response
}

fn warn(response: &mut Response, warning: &str) {
    let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
    if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
        response.headers_mut().append(header::WARNING, value);
    }
}

async fn route(api: &Arc<Api>, request: Incoming) -> Answer<Reply> {
    if let Some(reply) = discovery::route(api, &request)? {
        return Ok(reply);
    }
    if let Some(reply) = openapi::route(api, &request)? {
        return Ok(reply);
    }
    let Some(target) = Target::parse(&request.path) else { return Ok(nothing_there()) };
    let kinds = api.kinds();
    if !kinds.all().iter().any(|resource| resource.group == target.group) {
        return Ok(nothing_there());
    }
    let resource = kinds.find(&target.group, &target.version, &target.resource).ok_or_else(Failure::no_such_path)?;
    if resource.namespaced && target.namespace.is_empty() && (!target.name.is_empty() || request.method == Method::POST)
    {
        return Err(if target.name.is_empty() { Failure::method_not_allowed() } else { Failure::no_such_path() });
    }
    if !resource.namespaced && !target.namespace.is_empty() {
        return Err(Failure::no_such_path());
    }
    reviews::authorize(api, &request, &resource, &target)?;
    let applies = request.content_type().starts_with("application/apply-patch");
    if applies && target.subresource.is_empty() && api.get(&resource, &target.namespace, &target.name).is_err() {
        reviews::authorize_verb(api, &request, &resource, &target, "create")?;
    }
    if reviews::is_review(&resource) {
        return reviews::create(api, &request, &resource, &target);
    }
    if !target.subresource.is_empty() {
        return subresources::route(api, &request, &resource, &target).await;
    }
    match (request.method.clone(), target.name.is_empty()) {
        (Method::GET, true) => collection(api, &request, &resource, &target).await,
        (Method::GET, false) if request.flag("watch") => collection(api, &request, &resource, &target).await,
        (Method::GET, false) => {
            let wanted = accept(request.header("accept"), false)?;
            let object = api.get(&resource, &target.namespace, &target.name)?;
            Ok(Reply::ok(shown(api, &resource, &object, wanted)))
        }
        (Method::POST, true) => write(api, &request, &resource, &target, Verb::Create),
        (Method::PUT, false) => write(api, &request, &resource, &target, Verb::Update),
        (Method::PATCH, false) => write(api, &request, &resource, &target, Verb::Patch),
        (Method::DELETE, false) => delete(api, &request, &resource, &target),
        (Method::DELETE, true) => delete_collection(api, &request, &resource, &target),
        _ => Err(Failure::method_not_allowed()),
    }
}

/// What the server says where nothing at all is served.
pub(crate) fn nothing_there() -> Reply {
    let kind = "text/plain; charset=utf-8";
    Reply::Raw(with_type(StatusCode::NOT_FOUND, kind, "404 page not found\n".to_owned(), &[]))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Update,
    Patch,
}

pub(crate) fn write(
    api: &Api,
    request: &Incoming,
    resource: &Arc<Resource>,
    target: &Target,
    verb: Verb,
) -> Answer<Reply> {
    let name_of_verb = match verb {
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Patch => "patch",
    };
    if !resource.can(name_of_verb) && target.subresource.is_empty() {
        return Err(Failure::method_not_allowed());
    }
    let wanted = accept(request.header("accept"), false)?;
    let wish = wish(request, resource, &target.namespace, &target.name, &target.subresource)?;
    let written = match verb {
        Verb::Create | Verb::Update => {
            let value = body::raw(request, &resource.schema)?;
            let repeated = body::repeated(request, resource, &value, wish.validation)?;
            let written = if verb == Verb::Create { api.create(&wish, value) } else { api.update(&wish, value) };
            let mut written = written?;
            written.warnings.splice(0..0, repeated);
            written
        }
        Verb::Patch => api.patch(&wish, patch_of(request, resource)?)?,
    };
    Ok(reply_written(api, resource, written, wanted))
}

pub(crate) fn reply_written(api: &Api, resource: &Resource, written: Written, wanted: Accept) -> Reply {
    let code = if written.created { 201 } else { 200 };
    Reply::Object(code, shown(api, resource, &written.object, wanted), written.warnings)
}

pub(crate) fn patch_of(request: &Incoming, resource: &Resource) -> Answer<Patch> {
    let json = |list: bool| body::patch(&request.body, list);
    check_patch_options(request)?;
    match request.content_type() {
        "application/json-patch+json" => Ok(Patch::Json(json(true)?)),
        "application/merge-patch+json" => Ok(Patch::Merge(json(false)?)),
        "application/strategic-merge-patch+json" if !resource.is_custom() => Ok(Patch::Strategic(json(false)?)),
        "application/apply-patch+yaml" | "application/apply-patch+json" => {
            Ok(Patch::Apply { config: body::from_yaml(&request.body)?, force: request.flag("force") })
        }
        "application/strategic-merge-patch+json" => {
            let known = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
            let message =
                format!("the body of the request was in an unknown format - accepted media types include: {known}");
            Err(Failure::new(415, "UnsupportedMediaType", message))
        }
        _ => {
            let failure = Failure::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
            Err(Failure { detailed: true, ..failure })
        }
    }
}

fn check_patch_options(request: &Incoming) -> Answer<()> {
    use crate::status::Cause;
    let mut causes = Vec::new();
    let manager = request.option("fieldManager");
    let applies = request.content_type().starts_with("application/apply-patch");
    if applies && manager.is_empty() {
        causes.push(Cause::required("fieldManager", "is required for apply patch"));
    }
    if !applies && request.query.contains_key("force") {
        causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
    }
    if manager.len() > 128 {
        let message = "Too long: may not be more than 128 bytes".to_owned();
        causes.push(Cause { reason: "FieldValueTooLong", message, field: "fieldManager".into() });
    }
    for (at, character) in manager.char_indices().filter(|(_, c)| c.is_control()) {
        let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(character));
        causes.push(Cause::invalid("fieldManager", &json!(manager), &detail));
    }
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid_kind("meta.k8s.io", "PatchOptions", "", &causes)) }
}

/// An object in the form that was asked for.
pub(crate) fn shown(api: &Api, resource: &Resource, object: &Value, wanted: Accept) -> Value {
    match wanted.shape {
        Shape::Object => object.clone(),
        Shape::Table => table::of(resource, [object].into_iter(), &json!({}), api.clock.now(), true),
        Shape::Partial => partial(object),
    }
}

pub(crate) fn partial(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

async fn collection(api: &Arc<Api>, request: &Incoming, resource: &Arc<Resource>, target: &Target) -> Answer<Reply> {
    if !resource.can("list") {
        return Err(Failure::method_not_allowed());
    }
    let selector = Selector::parse(request.option("labelSelector"), request.option("fieldSelector"))?;
    list::check_fields(resource, &selector)?;
    if request.flag("watch") {
        return watch::start(api, request, resource, target, selector);
    }
    let wanted = accept(request.header("accept"), true)?;
    let options = ListOptions::of(request, selector)?;
    let page = list::list(api, resource, &target.namespace, &options)?;
    let value = match wanted.shape {
        Shape::Object => page.to_value(resource),
        Shape::Table => {
            let headers = request.option("includeObject");
            let _ = headers;
            table::of(resource, page.items.iter().map(|item| &**item), &page.metadata, api.clock.now(), true)
        }
        Shape::Partial => json!({
            "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": page.metadata,
            "items": page.items.iter().map(|item| partial(item)).collect::<Vec<_>>(),
        }),
    };
    Ok(Reply::ok(value))
}

fn deletion(request: &Incoming) -> Answer<Deletion> {
    let mut options = json!({});
    if !request.body.is_empty() {
        options = match request.content_type() {
            "application/vnd.kubernetes.protobuf" => {
                let schema =
                    crate::schema::Schema::named("meta/v1.DeleteOptions").unwrap_or(crate::schema::Schema::Any);
                body::raw(request, &schema)?
            }
            _ => body::from_yaml(&request.body)?,
        };
    }
    let text = |pointer: &str| options.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let query = |name: &str| Some(request.option(name)).filter(|text| !text.is_empty()).map(str::to_owned);
    let orphan =
        options["orphanDependents"].as_bool().map(|orphan| if orphan { "Orphan" } else { "Background" }.to_owned());
    let propagation = text("/propagationPolicy").or_else(|| query("propagationPolicy")).or(orphan).unwrap_or_default();
    if !["", "Background", "Foreground", "Orphan"].contains(&propagation.as_str()) {
        let cause = crate::status::Cause::invalid(
            "propagationPolicy",
            &json!(propagation),
            "must be one of \"Background\", \"Foreground\", \"Orphan\" or nil",
        );
        return Err(Failure::invalid_kind("meta.k8s.io", "DeleteOptions", "", &[cause]));
    }
    Ok(Deletion {
        grace: options["gracePeriodSeconds"].as_i64().or_else(|| query("gracePeriodSeconds")?.parse().ok()),
        propagation,
        uid: text("/preconditions/uid"),
        version: text("/preconditions/resourceVersion"),
        dry_run: request.dry_run()? || options["dryRun"].as_array().is_some_and(|all| !all.is_empty()),
    })
}

fn delete(api: &Api, request: &Incoming, resource: &Arc<Resource>, target: &Target) -> Answer<Reply> {
    if !resource.can("delete") {
        return Err(Failure::method_not_allowed());
    }
    let wanted = accept(request.header("accept"), false)?;
    let mut options = deletion(request)?;
    let mut warnings = Vec::new();
    if resource.kind == "Job" && options.propagation.is_empty() {
        options.propagation = "Orphan".to_owned();
        warnings.push("child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning".to_owned());
    }
    let (object, gone) = api.delete(resource, &target.namespace, &target.name, &options)?;
    let shows_object = [
        "Service",
        "ServiceAccount",
        "PodTemplate",
        "Pod",
        "ResourceQuota",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Namespace",
        "ReplicationController",
        "PodDisruptionBudget",
    ];
    if !gone || !resource.is_custom() && shows_object.contains(&resource.kind.as_str()) {
        return Ok(Reply::Object(200, shown(api, resource, &object, wanted), warnings));
    }
    let mut details = json!({ "name": target.name, "kind": resource.plural, "uid": object["metadata"]["uid"] });
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    let status =
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details });
    Ok(Reply::Object(200, status, warnings))
}

fn delete_collection(api: &Api, request: &Incoming, resource: &Arc<Resource>, target: &Target) -> Answer<Reply> {
    if !resource.can("deletecollection") {
        return Err(Failure::method_not_allowed());
    }
    let selector = Selector::parse(request.option("labelSelector"), request.option("fieldSelector"))?;
    let page = list::list(api, resource, &target.namespace, &ListOptions::everything(selector))?;
    let options = deletion(request)?;
    let mut items = Vec::new();
    for item in &page.items {
        let metadata = &item["metadata"];
        let (namespace, name) =
            (metadata["namespace"].as_str().unwrap_or_default(), metadata["name"].as_str().unwrap_or_default());
        match api.delete(resource, namespace, name, &options) {
            Ok((object, _)) => items.push(object),
            // somebody else was faster
            Err(failure) if failure.code == 404 => {}
            Err(failure) => return Err(failure),
        }
    }
    let page = list::Page { items, metadata: json!({ "resourceVersion": api.store.revision().to_string() }) };
    Ok(Reply::ok(page.to_value(resource)))
}
