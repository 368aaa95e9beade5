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
use crate::status::{Answer, Cause, Failure};
use crate::store::Key;

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
    authorize_verb(api, request, resource, target, verb)
}

/// # Errors
/// 403 in the API server's words.
pub(crate) fn authorize_verb(
    api: &Api,
    request: &Incoming,
    resource: &Resource,
    target: &Target,
    verb: &str,
) -> Answer<()> {
    let (user, groups) = request.user();
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
    let missing = match verdict(api, &question) {
        Verdict::Allowed(_) => return Ok(()),
        Verdict::Denied(missing) => missing,
    };
    let scope = if target.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", target.namespace)
    };
    let mut why = format!("User {user:?} cannot {verb} resource {plural:?} in API group {:?} {scope}", target.group);
    if let Some(missing) = missing {
        why = format!("{why}: {missing}");
    }
    Err(Failure::forbidden(resource, &target.name, &why))
}

/// What the roles say to a question, and why.
#[derive(Debug)]
enum Verdict {
    Allowed(String),
    /// With what is wrong with the bindings, if anything is.
    Denied(Option<String>),
}

fn verdict(api: &Api, question: &Question) -> Verdict {
    if question.groups.iter().any(|group| group == "system:masters") {
        return Verdict::Allowed(String::new());
    }
    if is_basic(question) {
        let (name, group) = ("system:basic-user", "system:authenticated");
        return Verdict::Allowed(format!(
            "RBAC: allowed by ClusterRoleBinding {name:?} of ClusterRole {name:?} to Group {group:?}"
        ));
    }
    let mut grants = bound(api, "clusterrolebindings.rbac.authorization.k8s.io", "", question);
    if !question.namespace.is_empty() {
        grants.extend(bound(api, "rolebindings.rbac.authorization.k8s.io", &question.namespace, question));
    }
    let found = grants.iter().find(|grant| grant.rules.iter().any(|rule| permits(rule, question)));
    match found {
        Some(grant) => Verdict::Allowed(format!("RBAC: allowed by {}", grant.source)),
        None => {
            let missing: Vec<&str> = grants.iter().filter_map(|grant| grant.missing.as_deref()).collect();
            Verdict::Denied(match missing.as_slice() {
                [] => None,
                [one] => Some(format!("RBAC: {one}")),
                several => Some(format!("RBAC: [{}]", several.join(", "))),
            })
        }
    }
}

/// What everybody who is authenticated may read.
pub(crate) const OPEN_PATHS: [&str; 11] = [
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

/// What `system:basic-user` and `system:discovery` give to everybody who is authenticated.
fn is_basic(question: &Question) -> bool {
    let authenticated = question.groups.iter().any(|group| group == "system:authenticated");
    let reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"]
        .contains(&question.resource.as_str());
    let path = !question.path.is_empty()
        && question.verb == "get"
        && OPEN_PATHS.iter().any(|known| glob(known, &question.path));
    authenticated && (reviews && question.verb == "create" || path)
}

/// What one binding gives.
#[derive(Debug)]
struct Grant {
    rules: Vec<Value>,
    /// `RoleBinding "a/ns" of Role "a" to User "bob"`
    source: String,
    /// The role that is not there.
    missing: Option<String>,
}

/// What the bindings of one place give to the one who asks.
fn bound(api: &Api, bindings: &str, namespace: &str, question: &Question) -> Vec<Grant> {
    let (bindings, _) = api.store.list(bindings, namespace);
    let mut grants = Vec::new();
    for binding in &bindings {
        let subject = subjects(binding).into_iter().find(|subject| is_subject(subject, binding, question));
        let Some(subject) = subject else { continue };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text(&binding["roleRef"]["kind"]), text(&binding["roleRef"]["name"]));
        let key = match kind.as_str() {
            "Role" => Key::new("roles.rbac.authorization.k8s.io", namespace, &name),
            _ => Key::new("clusterroles.rbac.authorization.k8s.io", "", &name),
        };
        let rules = api.store.get(&key).and_then(|role| role["rules"].as_array().cloned());
        let rules = rules.filter(|rules| !rules.is_empty()).or_else(|| well_known(&name));
        let missing = rules.is_none() && api.store.get(&key).is_none();
        let lower = kind.to_lowercase();
        let (own, binding) = (text(&binding["metadata"]["name"]), &binding["kind"]);
        let own = if namespace.is_empty() { own } else { format!("{own}/{namespace}") };
        let to = match text(&subject["kind"]).as_str() {
            "ServiceAccount" => format!("{:?}", format!("{}/{}", text(&subject["name"]), text(&subject["namespace"]))),
            _ => format!("{:?}", text(&subject["name"])),
        };
        grants.push(Grant {
            rules: rules.unwrap_or_default(),
            source: format!("{} {own:?} of {kind} {name:?} to {} {to}", text(binding), text(&subject["kind"])),
            missing: missing.then(|| format!("{lower}.rbac.authorization.k8s.io {name:?} not found")),
        });
    }
    grants
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
pub(crate) fn well_known(name: &str) -> Option<Vec<Value>> {
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

/// All that somebody may do in a namespace: rules on resources, rules on paths.
fn rules_of(api: &Api, question: &Question) -> (Vec<Value>, Vec<Value>) {
    let all = |verbs: &[&str], groups: &[&str], resources: &[&str]| json!({ "verbs": verbs, "apiGroups": groups, "resources": resources });
    let mut rules = vec![
        all(&["create"], &["authorization.k8s.io"], &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
        all(&["create"], &["authentication.k8s.io"], &["selfsubjectreviews"]),
        json!({ "verbs": ["get"], "nonResourceURLs": OPEN_PATHS }),
    ];
    if question.groups.iter().any(|group| group == "system:masters") {
        rules.push(all(&["*"], &["*"], &["*"]));
        rules.push(json!({ "verbs": ["*"], "nonResourceURLs": ["*"] }));
    }
    let everywhere = bound(api, "clusterrolebindings.rbac.authorization.k8s.io", "", question);
    let here = bound(api, "rolebindings.rbac.authorization.k8s.io", &question.namespace, question);
    rules.extend(everywhere.into_iter().chain(here).flat_map(|grant| grant.rules));
    rules.into_iter().partition(|rule| rule.get("nonResourceURLs").is_none())
}

/// What is wrong with the question of an access review.
fn check_question(kind: &str, value: &Value, namespace: &str) -> Answer<()> {
    let spec = &value["spec"];
    let mut causes = Vec::new();
    if spec.get("resourceAttributes").is_some() == spec.get("nonResourceAttributes").is_some() {
        let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        causes.push(Cause::invalid("spec.resourceAttributes", &Value::Null, detail));
    }
    let nobody = spec["user"].as_str().unwrap_or_default().is_empty() && strings(&spec["groups"]).is_empty();
    if kind != "SelfSubjectAccessReview" && nobody {
        causes.push(Cause::invalid("spec.user", &json!(""), "at least one of user or group must be specified"));
    }
    let other = &spec["resourceAttributes"]["namespace"];
    if kind == "LocalSubjectAccessReview" && other.as_str().is_some_and(|other| other != namespace) {
        causes.push(Cause::invalid("spec.resourceAttributes.namespace", other, "must match metadata.namespace"));
    }
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid_kind("authorization.k8s.io", "", "", &causes)) }
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
            let namespace = value["spec"]["namespace"].as_str().unwrap_or_default().to_owned();
            if namespace.is_empty() {
                return Err(Failure::bad_request("no namespace on request"));
            }
            let question = Question { user, groups, namespace, ..Question::default() };
            let (resources, paths) = rules_of(api, &question);
            value["status"] = json!({ "resourceRules": resources, "nonResourceRules": paths, "incomplete": false });
        }
        "TokenReview" => value["status"] = json!({ "user": {}, "error": "invalid bearer token" }),
        kind => {
            check_question(kind, &value, &target.namespace)?;
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
            value["status"] = match verdict(api, &question) {
                Verdict::Allowed(reason) if reason.is_empty() => json!({ "allowed": true }),
                Verdict::Allowed(reason) => json!({ "allowed": true, "reason": reason }),
                Verdict::Denied(None) => json!({ "allowed": false }),
                Verdict::Denied(Some(reason)) => json!({ "allowed": false, "reason": reason }),
            };
        }
    }
    Ok(Reply::Object(201, value, Vec::new()))
}
