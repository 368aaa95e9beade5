//! Who may do what: access reviews, and the roles that bind people whom a request impersonates. The administrator, as
//! whom everybody comes who does not impersonate, may do everything.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};

use crate::api::Api;
use crate::body::{self, Validation};
use crate::http::Reply;
use crate::request::{Incoming, Target};
use crate::schema::resources::{Resource, strings};
use crate::status::{Answer, Failure};

/// One question: may this user do that?
#[derive(Debug, Default)]
struct Question {
    user: String,
    groups: Vec<String>,
    verb: String,
    group: String,
    resource: String,
    namespace: String,
    name: String,
    path: String,
}

pub(crate) fn is_review(resource: &Resource) -> bool {
    matches!(resource.group.as_str(), "authorization.k8s.io" | "authentication.k8s.io")
}

/// # Errors
/// 403 in the API server's words.
pub(crate) fn authorize(api: &Api, request: &Incoming, resource: &Resource, target: &Target) -> Answer<()> {
    let (user, groups) = request.user();
    let watch = request.flag("watch");
    let verb = match (&request.method, target.name.is_empty()) {
        (&Method::GET, _) if watch => "watch",
        (&Method::GET, true) => "list",
        (&Method::GET, false) => "get",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, true) => "deletecollection",
        _ => "delete",
    };
    let plural = if target.subresource.is_empty() {
        target.resource.clone()
    } else {
        format!("{}/{}", target.resource, target.subresource)
    };
    let namespace = if resource.kind == "Namespace" { target.name.clone() } else { target.namespace.clone() };
    let question = Question {
        user: user.clone(),
        groups,
        verb: verb.to_owned(),
        group: target.group.clone(),
        resource: plural.clone(),
        namespace,
        name: target.name.clone(),
        path: String::new(),
    };
    if allowed(api, &question) {
        return Ok(());
    }
    let scope = if target.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", target.namespace)
    };
    let why = format!("User {user:?} cannot {verb} resource {plural:?} in API group {:?} {scope}", target.group);
    Err(Failure::forbidden(resource, &target.name, &why))
}

fn allowed(api: &Api, question: &Question) -> bool {
    if question.groups.iter().any(|group| group == "system:masters") {
        return true;
    }
    if is_basic(question) {
        return true;
    }
    let everywhere = bound(api, "clusterrolebindings.rbac.authorization.k8s.io", "", question);
    let here = if question.namespace.is_empty() {
        Vec::new()
    } else {
        bound(api, "rolebindings.rbac.authorization.k8s.io", &question.namespace, question)
    };
    everywhere.iter().chain(&here).any(|rule| permits(rule, question))
}

/// What `system:basic-user` and `system:discovery` give to everybody who is authenticated.
fn is_basic(question: &Question) -> bool {
    let authenticated = question.groups.iter().any(|group| group == "system:authenticated");
    let reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"]
        .contains(&question.resource.as_str());
    let paths = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    let path =
        !question.path.is_empty() && question.verb == "get" && paths.iter().any(|known| glob(known, &question.path));
    authenticated && (reviews && question.verb == "create" || path)
}

/// The rules that the bindings of one place give to the one who asks.
fn bound(api: &Api, bindings: &str, namespace: &str, question: &Question) -> Vec<Value> {
    let (bindings, _) = api.store.list(bindings, namespace);
    let mut rules = Vec::new();
    for binding in
        bindings.iter().filter(|binding| subjects(binding).iter().any(|subject| is_subject(subject, binding, question)))
    {
        let (kind, name) = (&binding["roleRef"]["kind"], binding["roleRef"]["name"].as_str().unwrap_or_default());
        let role = match kind.as_str() {
            Some("Role") => api.store.get(&crate::store::Key::new("roles.rbac.authorization.k8s.io", namespace, name)),
            _ => api.store.get(&crate::store::Key::new("clusterroles.rbac.authorization.k8s.io", "", name)),
        };
        let own = role.as_ref().and_then(|role| role["rules"].as_array().cloned());
        rules.extend(own.or_else(|| well_known(name)).unwrap_or_default());
    }
    rules
}

fn subjects(binding: &Value) -> Vec<Value> {
    binding["subjects"].as_array().cloned().unwrap_or_default()
}

fn is_subject(subject: &Value, binding: &Value, question: &Question) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str() {
        Some("User") => name == question.user,
        Some("Group") => question.groups.iter().any(|group| group == name),
        Some("ServiceAccount") => {
            let namespace =
                subject["namespace"].as_str().or(binding["metadata"]["namespace"].as_str()).unwrap_or_default();
            question.user == format!("system:serviceaccount:{namespace}:{name}")
        }
        _ => false,
    }
}

/// Roles that every cluster has, as far as people bind them.
fn well_known(name: &str) -> Option<Vec<Value>> {
    let all = json!({ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] });
    let paths = json!({ "nonResourceURLs": ["*"], "verbs": ["*"] });
    let read = json!({
        "apiGroups": ["", "apps", "autoscaling", "batch", "networking.k8s.io", "policy", "discovery.k8s.io"], "verbs": ["get", "list", "watch"],
        "resources": [
            "configmaps", "endpoints", "events", "limitranges", "namespaces", "persistentvolumeclaims", "pods", "pods/log", "pods/status",
            "replicationcontrollers", "resourcequotas", "serviceaccounts", "services", "controllerrevisions", "daemonsets", "deployments",
            "deployments/scale", "replicasets", "replicasets/scale", "statefulsets", "horizontalpodautoscalers", "cronjobs", "jobs",
            "ingresses", "networkpolicies", "poddisruptionbudgets", "endpointslices",
        ],
    });
    let write = json!({
        "apiGroups": ["", "apps", "autoscaling", "batch", "networking.k8s.io", "policy"],
        "verbs": ["get", "list", "watch", "create", "delete", "deletecollection", "patch", "update"],
        "resources": [
            "configmaps", "events", "persistentvolumeclaims", "pods", "secrets", "serviceaccounts", "services", "daemonsets", "deployments",
            "deployments/scale", "replicasets", "statefulsets", "horizontalpodautoscalers", "cronjobs", "jobs", "ingresses", "networkpolicies",
            "poddisruptionbudgets",
        ],
    });
    match name {
        "cluster-admin" => Some(vec![all, paths]),
        "view" => Some(vec![read]),
        "edit" => Some(vec![read, write]),
        "admin" => {
            let roles = json!({ "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["*"] });
            Some(vec![read, write, roles])
        }
        _ => None,
    }
}

fn permits(rule: &Value, question: &Question) -> bool {
    let verbs = strings(&rule["verbs"]);
    if !verbs.iter().any(|verb| verb == "*" || *verb == question.verb) {
        return false;
    }
    if !question.path.is_empty() {
        return strings(&rule["nonResourceURLs"]).iter().any(|pattern| glob(pattern, &question.path));
    }
    let groups = strings(&rule["apiGroups"]);
    let resources = strings(&rule["resources"]);
    let names = strings(&rule["resourceNames"]);
    let sub = question.resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
    groups.iter().any(|group| group == "*" || *group == question.group)
        && resources.iter().any(|r| r == "*" || *r == question.resource || Some(r) == sub.as_ref())
        && (names.is_empty() || names.contains(&question.name))
}

fn glob(pattern: &str, path: &str) -> bool {
    pattern == path || pattern.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
}

/// Answers a review.
///
/// # Errors
/// When it is not one.
pub(crate) fn create(api: &Api, request: &Incoming, resource: &Arc<Resource>, target: &Target) -> Answer<Reply> {
    if request.method != Method::POST {
        return Err(Failure::method_not_allowed());
    }
    let raw = body::raw(request, &resource.schema)?;
    let mut value = body::fitted(resource, raw, Validation::of(request)?)?.value;
    value["apiVersion"] = json!(resource.group_version());
    value["kind"] = json!(resource.kind);
    let (user, groups) = request.user();
    match resource.kind.as_str() {
        "SelfSubjectReview" => {
            value["status"] = json!({ "userInfo": { "username": user, "groups": groups } });
        }
        "SelfSubjectRulesReview" => {
            let rules = json!([{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }]);
            let paths = json!([{ "verbs": ["*"], "nonResourceURLs": ["*"] }]);
            value["status"] = json!({ "resourceRules": rules, "nonResourceRules": paths, "incomplete": false });
        }
        "TokenReview" => value["status"] = json!({ "user": {}, "error": "invalid bearer token" }),
        kind => {
            let own = kind == "SelfSubjectAccessReview";
            let spec = &value["spec"];
            let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let sub = text("/resourceAttributes/subresource");
            let plural = text("/resourceAttributes/resource");
            let path = text("/nonResourceAttributes/path");
            let question = Question {
                user: if own { user } else { text("/user") },
                groups: if own { groups } else { strings(&spec["groups"]) },
                verb: if path.is_empty() {
                    text("/resourceAttributes/verb")
                } else {
                    text("/nonResourceAttributes/verb")
                },
                group: text("/resourceAttributes/group"),
                resource: if sub.is_empty() { plural } else { format!("{plural}/{sub}") },
                namespace: if target.namespace.is_empty() {
                    text("/resourceAttributes/namespace")
                } else {
                    target.namespace.clone()
                },
                name: text("/resourceAttributes/name"),
                path,
            };
            let yes = allowed(api, &question);
            value["status"] = json!({ "allowed": yes });
        }
    }
    Ok(Reply::Object(201, value, Vec::new()))
}
