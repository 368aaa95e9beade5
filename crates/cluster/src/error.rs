//! What can go wrong between us and a Kubernetes API.

use std::error::Error;
use std::io;

use serde_json::Value;

/// Why a server cannot be reached: each is mended in another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nothing listens at the address.
    Refused,
    /// The name in the address is not known here.
    UnknownName,
    /// TLS: its certificate, or what it speaks, is not accepted.
    Untrusted,
    /// It takes too long.
    Silent,
    /// The connection broke, or something else of the network did.
    Broken,
}

impl Cause {
    /// What the error of a library says of it, or one of those that it comes from.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(cause) = Self::named(error) {
                return cause;
            }
            // what such an error wraps is not among its sources
            let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| error.source());
        }
        Self::Broken
    }

    fn named(error: &(dyn Error + 'static)) -> Option<Self> {
        if error.is::<rustls::Error>() {
            return Some(Self::Untrusted);
        }
        // hyper has no public type for it
        if error.to_string() == "dns error" {
            return Some(Self::UnknownName);
        }
        match error.downcast_ref::<io::Error>()?.kind() {
            io::ErrorKind::ConnectionRefused => Some(Self::Refused),
            io::ErrorKind::TimedOut => Some(Self::Silent),
            _ => None,
        }
    }
}

/// Another field manager that owns fields which an apply wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// As in `metadata.managedFields`: `kubectl-edit`, `flux`, ...
    pub manager: String,
    /// As the API server names them: `.spec.replicas`.
    pub fields: Vec<String>,
}

/// Why the Kubernetes API did not do what it was asked for. `object` is what the request was about.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClusterError {
    #[error("{object} does not exist")]
    NotFound { object: String },
    #[error(
        "{object}: namespace {namespace:?} does not exist: create it, put it into the manifests, or, where it is the \
         destination's, set the sync option CreateNamespace=true"
    )]
    NoNamespace { object: String, namespace: String },
    #[error("{object} exists already")]
    AlreadyExists { object: String },
    /// Someone else changed the object meanwhile, or (with owners) owns fields that an apply wanted.
    #[error("{object}: {message}")]
    Conflict { object: String, message: String, owners: Vec<FieldConflict> },
    #[error("{object}: not permitted: {message}; {}", what_to_do(message))]
    Forbidden { object: String, message: String },
    #[error(
        "{object}: the credentials were not accepted: {message}; check the kubeconfig, the cluster's Secret or the service account"
    )]
    Unauthorized { object: String, message: String },
    #[error("{object} is not valid: {message}")]
    Invalid { object: String, message: String },
    /// A watch or a continued list is too old to go on.
    #[error("{object}: the resource version is too old")]
    Expired { object: String },
    #[error("{object}: the API server answered {code} {reason}: {message}")]
    Rejected { object: String, code: u16, reason: String, message: String },
    #[error("{object}: the API server cannot be reached: {message}")]
    Unreachable { object: String, cause: Cause, message: String },
    #[error("{object}: the API server's answer cannot be read: {message}")]
    Malformed { object: String, message: String },
    /// With what to do.
    #[error("the API server knows no kind {kind}: {hint}")]
    UnknownKind { kind: String, hint: String },
    #[error("cannot connect: {message}")]
    Config { message: String },
}

impl ClusterError {
    /// Whether the same request may succeed later without anyone changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Expired { .. } | Self::Malformed { .. } => true,
            Self::Rejected { code, .. } => *code == 429 || *code >= 500,
            _ => false,
        }
    }

    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. }) || matches!(self, Self::Rejected { code: 502..=504, .. })
    }

    /// Whether nothing at all can be had of the server.
    pub fn is_outage(&self) -> bool {
        self.is_unreachable() || matches!(self, Self::Unauthorized { .. } | Self::Config { .. })
    }

    /// Whether only those can mend it who look after the cluster, or after what Gantline may do there: no change of what
    /// is deployed does.
    pub fn is_for_its_keepers(&self) -> bool {
        self.is_outage() || matches!(self, Self::Forbidden { .. }) || matches!(self, Self::Rejected { code: 500.., .. })
    }

    /// Whether a text tells of an error that [`Self::is_for_its_keepers`]: statuses keep errors as texts.
    pub fn is_told_for_its_keepers(text: &str) -> bool {
        let answered = text.split(": the API server answered ").nth(1);
        let code = answered.and_then(|rest| rest.split(' ').next()).and_then(|code| code.parse::<u16>().ok());
        code.is_some_and(|code| code >= 500) || KEEPERS.iter().any(|words| text.contains(words))
    }

    /// Maps a failure `Status` of the API server. `code` is the HTTP status, for answers that hold no `Status`.
    pub(crate) fn from_status(object: &str, code: u16, body: &Value) -> Self {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let code = body.get("code").and_then(Value::as_u64).and_then(|c| u16::try_from(c).ok()).unwrap_or(code);
        let (object, reason) = (object.to_owned(), text("reason"));
        let said = text("message");
        // the server calls this an error of its own
        let is_malformed = said.contains("failed to create typed patch object");
        let message = if is_secret(&object) { without_values(&said) } else { said };
        match (code, reason.as_str()) {
            (500, _) if is_malformed => Self::Invalid { object, message },
            (404, _) => match missing_namespace(body).filter(|_| !is_of(&object, "namespace")) {
                Some(namespace) => Self::NoNamespace { object, namespace: namespace.to_owned() },
                None => Self::NotFound { object },
            },
            (409, "AlreadyExists") => Self::AlreadyExists { object },
            (409, _) => Self::Conflict { object, message, owners: owners(body) },
            (403, _) => Self::Forbidden { object, message },
            (401, _) => Self::Unauthorized { object, message },
            (410, _) => Self::Expired { object },
            (400 | 413 | 422, _) => Self::Invalid { object, message },
            _ => Self::Rejected { object, code, reason, message },
        }
    }
}

/// The namespace that an object was to be written into and that is not there.
fn missing_namespace(status: &Value) -> Option<&str> {
    let said = |pointer: &str| status.pointer(pointer).and_then(Value::as_str);
    said("/details/name").filter(|_| said("/details/kind") == Some("namespaces"))
}

/// Whether the text names a Secret, as keys and paths of objects do.
fn is_secret(object: &str) -> bool {
    is_of(object, "secret") || is_of(object, "secrets")
}

fn is_of(object: &str, kind: &str) -> bool {
    object.split(['/', ' ']).any(|part| part.eq_ignore_ascii_case(kind))
}

/// What an API server, or a webhook that it asked, says of a Secret may quote its values: what is left are the fields that
/// it names. What it says of rights and of owners has none.
fn without_values(message: &str) -> String {
    const SAFE: [&str; 2] = [" is forbidden: User ", "Apply failed with "];
    if message.is_empty() || (SAFE.iter().any(|words| message.contains(words)) && !message.contains("webhook")) {
        return message.to_owned();
    }
    let fields = message.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '(' | ')' | '"'));
    let is_field = |word: &str| {
        let top = word.trim_start_matches('.').split(['.', '[']).next().unwrap_or_default();
        matches!(top, "data" | "stringData" | "type" | "metadata" | "immutable")
    };
    let mut fields: Vec<&str> = fields.filter(|word| is_field(word)).collect();
    fields.dedup();
    let named = if fields.is_empty() { String::new() } else { format!(" {}", fields.join(", ")) };
    format!(
        "it is not accepted{named}; the words of the API server are not shown, as they may quote values of the Secret"
    )
}

/// What opens the door that an API server has shut: it says who may not do what where, or that a rule of its own is
/// against the object.
fn what_to_do(message: &str) -> String {
    let is_for_rights = message.is_empty() || message.contains(" cannot ") || message.contains("attempting to grant");
    if !is_for_rights {
        return REFUSED.to_owned();
    }
    let namespace = message.rsplit_once("in the namespace \"").and_then(|(_, rest)| rest.split('"').next());
    let how = match namespace {
        Some(name) => format!(" (gantline install --manage {name} prints rights for this namespace)"),
        None if message.contains("at the cluster scope") => {
            " (by a ClusterRole, or let namespaces of the cluster's Secret name those where it has rights)".to_owned()
        }
        None => String::new(),
    };
    format!("{GRANT}{how}")
}

const GRANT: &str = "grant it to the identity that Gantline connects with";
const REFUSED: &str = "admission, a quota or another rule of the cluster is against it: change the object or that rule";

/// Of how such errors are displayed: what no other text of a status says.
const KEEPERS: [&str; 5] = [
    GRANT,
    REFUSED,
    ": the credentials were not accepted: ",
    ": the API server cannot be reached: ",
    "cannot connect: ",
];

/// The owners in `details.causes` of an apply conflict, in the order of the first field each owns.
fn owners(status: &Value) -> Vec<FieldConflict> {
    let mut owners: Vec<FieldConflict> = Vec::new();
    let causes = status.pointer("/details/causes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for cause in causes {
        let text = |name: &str| cause.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("reason") != "FieldManagerConflict" {
            continue;
        }
        // conflict with "kubectl-edit" using apps/v1
        let manager = text("message").split('"').nth(1).unwrap_or_default();
        let field = text("field").to_owned();
        match owners.iter_mut().find(|owner| owner.manager == manager) {
            Some(owner) => owner.fields.push(field),
            None => owners.push(FieldConflict { manager: manager.to_owned(), fields: vec![field] }),
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conflicts_name_their_owners() {
        let cause = |manager: &str, field: &str| {
            json!({"reason": "FieldManagerConflict", "field": field,
                "message": format!("conflict with \"{manager}\" using apps/v1")})
        };
        let status = json!({"kind": "Status", "code": 409, "reason": "Conflict", "message": "Apply failed",
            "details": {"causes": [cause("hpa", ".spec.replicas"), cause("edit", ".spec.x"), cause("hpa", ".spec.y")]}});
        let ClusterError::Conflict { owners, .. } = ClusterError::from_status("x", 409, &status) else { panic!() };
        let hpa = FieldConflict { manager: "hpa".into(), fields: vec![".spec.replicas".into(), ".spec.y".into()] };
        let edit = FieldConflict { manager: "edit".into(), fields: vec![".spec.x".into()] };
        assert_eq!(owners, [hpa, edit]);
    }

    #[test]
    fn fields_that_a_schema_lacks_are_no_outage() {
        let message = "failed to create typed patch object (a/g; it.test/v1, Kind=Gadget): .spec.color: field not declared \
                       in schema";
        let error = ClusterError::from_status("it.test/Gadget/a/g", 500, &json!({ "message": message }));
        assert!(!error.is_transient() && !error.is_for_its_keepers(), "{error}");
        assert!(error.to_string().contains(".spec.color"), "{error}");
    }

    #[test]
    fn a_missing_namespace_is_named() {
        let said = |kind: &str, name: &str| {
            let status = json!({"code": 404, "reason": "NotFound", "details": {"kind": kind, "name": name}});
            ClusterError::from_status("/ConfigMap/team/c", 404, &status).to_string()
        };
        let text = said("namespaces", "team");
        assert!(text.starts_with("/ConfigMap/team/c: namespace \"team\" does not exist: create it"), "{text}");
        assert_eq!(said("configmaps", "c"), "/ConfigMap/team/c does not exist");
        let own = json!({"code": 404, "reason": "NotFound", "details": {"kind": "namespaces", "name": "team"}});
        assert!(matches!(ClusterError::from_status("/Namespace//team", 404, &own), ClusterError::NotFound { .. }));
    }

    #[test]
    fn what_is_said_of_a_secret_quotes_no_value() {
        let said = |object: &str, code: u16, message: &str| {
            ClusterError::from_status(object, code, &json!({ "message": message })).to_string()
        };
        let typed = "failed to create typed patch object (shop/db; /v1, Kind=Secret): .data.password: expected string, \
                     got &value.valueUnstructured{Value:hunter2}";
        let decoded = "Secret in version \"v1\" cannot be handled: illegal base64 data: \"hunter2\" in data[pin]";
        let webhook = "admission webhook \"v.test\" denied the request: hunter2 cannot be a password";
        for object in ["/Secret/shop/db", "Secret shop/db", "/api/v1/namespaces/shop/secrets/db"] {
            for code in [400, 401, 403, 409, 422, 500] {
                for message in [typed, decoded, webhook] {
                    let text = said(object, code, message);
                    assert!(!text.contains("hunter2") && text.contains("db"), "{text}");
                }
            }
        }
        assert!(said("/Secret/shop/db", 500, typed).contains(".data.password"));
        assert!(said("/ConfigMap/shop/db", 500, typed).contains("hunter2"));
        let rights = "secrets \"db\" is forbidden: User \"x\" cannot patch resource \"secrets\"";
        assert!(said("/Secret/shop/db", 403, rights).contains(rights));
        assert!(said("/Secret/shop/db", 409, "Apply failed with 1 conflict: .data.x").contains("1 conflict"));
    }

    #[test]
    fn what_a_cluster_does_or_refuses_is_for_its_keepers() {
        let check = |code: u16, expected: bool| {
            check_error(&ClusterError::from_status("x", code, &Value::Null), expected);
        };
        for code in [401, 403, 500, 503] {
            check(code, true);
        }
        for code in [400, 404, 409, 410, 422, 429] {
            check(code, false);
        }
        let (object, message) = (String::from("x"), String::from("refused"));
        check_error(&ClusterError::Unreachable { object, cause: Cause::Refused, message: message.clone() }, true);
        check_error(&ClusterError::Config { message }, true);
        check_error(&ClusterError::UnknownKind { kind: "Widget".into(), hint: String::new() }, false);
    }

    #[test]
    fn who_is_refused_reads_what_to_do() {
        let said = |message: &str| ClusterError::from_status("x", 403, &json!({ "message": message })).to_string();
        let user = "User \"system:serviceaccount:argocd:gantline\" cannot";
        let namespaced = format!(
            "deployments.apps \"web\" is forbidden: {user} patch resource \"deployments\" in API group \"apps\" in the \
             namespace \"team-a\""
        );
        assert!(said(&namespaced).contains("gantline install --manage team-a prints"), "{}", said(&namespaced));
        let scoped =
            format!("nodes is forbidden: {user} list resource \"nodes\" in API group \"\" at the cluster scope");
        assert!(said(&scoped).contains("by a ClusterRole"), "{}", said(&scoped));
        let escalation =
            "roles \"r\" is forbidden: user \"x\" (groups=[\"y\"]) is attempting to grant RBAC permissions";
        assert!(said(escalation).ends_with(GRANT));
        for other in [
            "pods \"p\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3",
            "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": privileged",
            "admission webhook \"v.test\" denied the request: no",
            "unable to create new content in namespace n because it is being terminated",
        ] {
            let said = said(other);
            assert!(said.ends_with(REFUSED) && !said.contains("grant"), "{said}");
            assert!(ClusterError::is_told_for_its_keepers(&said));
        }
    }

    /// A status that tells of it as a text is recognised, too.
    fn check_error(error: &ClusterError, expected: bool) {
        assert_eq!(error.is_for_its_keepers(), expected, "{error}");
        assert_eq!(ClusterError::is_told_for_its_keepers(&format!("Secret/web: {error}")), expected, "{error}");
    }

    #[test]
    fn what_libraries_say_of_a_connection_has_a_cause() {
        let check = |error: io::Error, expected: Cause| assert_eq!(Cause::of(&error), expected, "{error}");
        let untrusted = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        check(io::ErrorKind::ConnectionRefused.into(), Cause::Refused);
        check(io::ErrorKind::TimedOut.into(), Cause::Silent);
        check(io::Error::other(untrusted()), Cause::Untrusted);
        check(io::Error::other(io::Error::new(io::ErrorKind::InvalidData, untrusted())), Cause::Untrusted);
        check(io::Error::other("dns error"), Cause::UnknownName);
        check(io::ErrorKind::ConnectionReset.into(), Cause::Broken);
    }

    #[test]
    fn answers_without_a_status_are_judged_by_their_code() {
        assert!(ClusterError::from_status("x", 503, &Value::Null).is_unreachable());
        assert!(ClusterError::from_status("x", 429, &Value::Null).is_transient());
        assert!(matches!(ClusterError::from_status("x", 404, &Value::Null), ClusterError::NotFound { .. }));
    }
}
