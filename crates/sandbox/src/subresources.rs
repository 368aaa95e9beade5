//! What hangs below an object: status, scale, logs, eviction, binding, tokens, finalization.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};

use crate::api::{Api, Deletion, text, wish};
use crate::body;
use crate::http::{Reply, Verb, write};
use crate::logs;
use crate::patch;
use crate::request::{Incoming, Target};
use crate::schema::Schema;
use crate::schema::resources::Resource;
use crate::status::{Answer, Cause, Failure};
use crate::tidy::{Notes, tidy};

/// # Errors
/// 404 for what the kind does not have.
pub(crate) async fn route(
    api: &Arc<Api>,
    request: &Incoming,
    resource: &Arc<Resource>,
    target: &Target,
) -> Answer<Reply> {
    let sub = target.subresource.as_str();
    if !resource.subresources.contains_key(sub) {
        if resource.is_custom() && ["status", "scale"].contains(&sub) {
            return Err(Failure::not_found(resource, &target.name));
        }
        return Err(Failure::no_such_path());
    }
    let method = request.method.clone();
    match (sub, &method) {
        ("scale", _) => scale(api, request, resource, target),
        ("log", &Method::GET) => logs::serve(api, request, resource, target).await,
        ("eviction", &Method::POST) => evict(api, request, resource, target),
        ("binding", &Method::POST) => bind(api, request, resource, target),
        ("token", &Method::POST) => token(api, request, resource, target),
        ("exec" | "attach" | "portforward" | "proxy", _) => {
            let message = format!("the sandbox runs no containers: {sub} is not possible");
            Err(Failure::new(501, "NotImplemented", message))
        }
        (_, &Method::GET) => Ok(Reply::ok((*api.get(resource, &target.namespace, &target.name)?).clone())),
        (_, &Method::PUT) => write(api, request, resource, target, Verb::Update),
        (_, &Method::PATCH) => write(api, request, resource, target, Verb::Patch),
        _ => Err(Failure::method_not_allowed()),
    }
}

/// Where a custom kind keeps its replicas, else where built-in kinds do.
fn scale_paths(resource: &Resource) -> (String, String, Option<String>) {
    let path = |value: &Value, key: &str, other: &str| {
        let path = value[key].as_str().map_or(other.to_owned(), str::to_owned);
        path.replace('.', "/")
    };
    match resource.definition.as_ref().and_then(|definition| definition.scale.clone()) {
        Some(scale) => {
            let selector = scale["labelSelectorPath"].as_str().map(|path| path.replace('.', "/"));
            (path(&scale, "specReplicasPath", ""), path(&scale, "statusReplicasPath", ""), selector)
        }
        None => ("/spec/replicas".into(), "/status/replicas".into(), None),
    }
}

fn scale_of(resource: &Resource, object: &Value) -> Value {
    let (spec, status, selector) = scale_paths(resource);
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let metadata = &object["metadata"];
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "spec": {}, "status": { "replicas": number(&status) },
        "metadata": { "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"] },
    });
    if number(&spec) != 0 {
        scale["spec"]["replicas"] = json!(number(&spec));
    }
    let text = match selector {
        Some(path) => object.pointer(&path).and_then(Value::as_str).unwrap_or_default().to_owned(),
        None => selector_text(&object["spec"]["selector"]),
    };
    if !text.is_empty() {
        scale["status"]["selector"] = json!(text);
    }
    scale
}

fn selector_text(selector: &Value) -> String {
    let labels = if selector.get("matchLabels").is_some() { &selector["matchLabels"] } else { selector };
    let pairs =
        labels.as_object().into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    pairs.collect::<Vec<_>>().join(",")
}

fn scale(api: &Api, request: &Incoming, resource: &Arc<Resource>, target: &Target) -> Answer<Reply> {
    let live = api.get(resource, &target.namespace, &target.name)?;
    let now = scale_of(resource, &live);
    let wanted = match request.method {
        Method::GET => return Ok(Reply::ok(now)),
        Method::PUT => body::raw(request, &Schema::named("autoscaling/v1.Scale").unwrap_or(Schema::Any))?,
        Method::PATCH => {
            let mut wanted = now;
            let parse = || {
                serde_json::from_slice::<Value>(&request.body)
                    .map_err(|e| Failure::bad_request(format!("error decoding patch: {e}")))
            };
            match request.content_type() {
                "application/json-patch+json" => {
                    patch::json_patch(&mut wanted, &parse()?).map_err(|_| Failure::unprocessable())?
                }
                _ => patch::merge_patch(&mut wanted, &body::from_yaml(&request.body)?),
            }
            wanted
        }
        _ => return Err(Failure::method_not_allowed()),
    };
    let schema = Schema::named("autoscaling/v1.Scale").unwrap_or(Schema::Any);
    let shown = json!(wanted.to_string());
    let wanted = tidy(&schema, wanted, &mut Notes::default()).map_err(|mismatch| {
        Failure::invalid_kind("", "", "", &[Cause::invalid("patch", &shown, &format!("json: {}", mismatch.0))])
    })?;
    let replicas = wanted["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 && resource.is_custom() {
        let (spec, _, _) = scale_paths(resource);
        let cause = Cause::invalid(spec.replace('/', "."), &json!(replicas), "should be a non-negative integer");
        return Err(Failure::invalid(resource, &target.name, &[cause]));
    }
    if replicas < 0 {
        let cause = Cause::invalid("spec.replicas", &json!(replicas), "must be greater than or equal to 0");
        return Err(Failure::invalid_kind("autoscaling", "Scale", &target.name, &[cause]));
    }
    let version = text(&wanted, "/metadata/resourceVersion");
    if request.method == Method::PUT && !version.is_empty() && version != text(&live, "/metadata/resourceVersion") {
        return Err(Failure::modified(resource, &target.name));
    }
    let wish = wish(request, resource, &target.namespace, &target.name, "scale")?;
    let (path, ..) = scale_paths(resource);
    let mut patch = Value::Null;
    for part in path.trim_start_matches('/').rsplit('/') {
        let inner = if patch.is_null() { json!(replicas) } else { patch };
        patch = json!({ part: inner });
    }
    let written = api.patch(&wish, crate::api::Patch::Merge(patch))?;
    Ok(Reply::Object(200, scale_of(resource, &written.object), written.warnings))
}

fn evict(api: &Api, request: &Incoming, resource: &Arc<Resource>, target: &Target) -> Answer<Reply> {
    let pod = api.get(resource, &target.namespace, &target.name)?;
    let (budgets, _) = api.store.list("poddisruptionbudgets.policy", &target.namespace);
    let labels = &pod["metadata"]["labels"];
    for budget in
        budgets.iter().filter(|budget| crate::selector::label_selector_matches(&budget["spec"]["selector"], labels))
    {
        if budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0) < 1 {
            let name = text(budget, "/metadata/name");
            let (needed, has) = (&budget["status"]["desiredHealthy"], &budget["status"]["currentHealthy"]);
            let message = format!("The disruption budget {name} needs {needed} healthy pods and has {has} currently");
            let mut failure = Failure::new(
                429,
                "TooManyRequests",
                "Cannot evict pod as it would violate the pod's disruption budget.",
            );
            failure.details.insert("causes".into(), json!([{ "reason": "DisruptionBudget", "message": message }]));
            return Err(failure);
        }
    }
    let deletion = Deletion { dry_run: request.dry_run()?, ..Deletion::default() };
    api.delete(resource, &target.namespace, &target.name, &deletion)?;
    Ok(Reply::Object(201, success(201), Vec::new()))
}

fn success(code: u16) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code })
}

fn bind(api: &Api, request: &Incoming, resource: &Arc<Resource>, target: &Target) -> Answer<Reply> {
    let binding = body::raw(request, &Schema::named("core/v1.Binding").unwrap_or(Schema::Any))?;
    let kind = text(&binding, "/target/kind");
    if !["Node", ""].contains(&kind.as_str()) {
        let message = format!("target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\"");
        return Err(Failure::new(500, "", message));
    }
    let node = text(&binding, "/target/name");
    let pod = api.get(resource, &target.namespace, &target.name)?;
    let assigned = text(&pod, "/spec/nodeName");
    if !assigned.is_empty() {
        let message = format!(
            "Operation cannot be fulfilled on pods/binding {:?}: pod {} is already assigned to node {assigned:?}",
            target.name, target.name
        );
        let mut failure = Failure::new(409, "Conflict", message);
        failure.detail("name", &target.name);
        failure.detail("kind", "pods/binding");
        return Err(failure);
    }
    let now = api.now();
    api.modify(resource, &target.namespace, &target.name, "binding", &request.manager(), |pod| {
        pod["spec"]["nodeName"] = json!(node);
        let condition =
            json!({ "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now });
        pod["status"]["conditions"] = json!([condition]);
    })?;
    Ok(Reply::Object(201, success(201), Vec::new()))
}

/// A token that says whose it is; nothing in the sandbox asks for one.
fn token(api: &Api, request: &Incoming, resource: &Arc<Resource>, target: &Target) -> Answer<Reply> {
    let account = api.get(resource, &target.namespace, &target.name)?;
    let schema = Schema::named("authentication/v1.TokenRequest").unwrap_or(Schema::Any);
    let mut value = body::raw(request, &schema)?;
    let seconds = value["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
    if seconds < 600 {
        let cause = Cause::invalid(
            "spec.expirationSeconds",
            &json!(seconds),
            "may not specify a duration less than 10 minutes",
        );
        return Err(Failure::invalid_kind("authentication.k8s.io", "TokenRequest", "", &[cause]));
    }
    let until = api.clock.now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(jiff::Timestamp::MAX);
    value["kind"] = json!("TokenRequest");
    value["apiVersion"] = json!("authentication.k8s.io/v1");
    value["metadata"] = json!({ "name": target.name, "namespace": target.namespace, "creationTimestamp": api.now() });
    value["spec"]["expirationSeconds"] = json!(seconds);
    if value["spec"]["audiences"].is_null() {
        value["spec"]["audiences"] = json!(["https://kubernetes.default.svc.cluster.local"]);
    }
    let claims = format!("{}:{}:{}", target.namespace, target.name, text(&account, "/metadata/uid"));
    value["status"] =
        json!({ "token": format!("sandbox.{}", hex::encode(claims)), "expirationTimestamp": crate::api::time(until) });
    Ok(Reply::Object(201, value, Vec::new()))
}
