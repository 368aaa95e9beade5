//! What templates learn about the cluster and about Helm.

use std::any::Any;
use std::borrow::Cow;
use std::rc::Rc;

use gotemplate::function::{CallError, Context, Param, Signature, string};
use gotemplate::value::{Kind, List, Map, MapType, Object, Str, Value};

/// The version of Helm that charts are told they run in.
const HELM_VERSION: &str = "v4.2.4";
/// The version of Kubernetes without `--kube-version`: that of Helm 4.2.4's client library.
const KUBE_VERSION: &str = "v1.36.0";

/// The API versions without a cluster: those that Helm 4.2.4's client library knows.
const API_VERSIONS: [&str; 55] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha2",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

/// A version of Kubernetes, as Helm 4.2 understands `--kube-version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// As given, with a `v` before it.
    pub version: String,
    /// The numbers alone, with a `v` before them: what constraints are checked against.
    pub normalized: String,
    pub major: u64,
    pub minor: u64,
}

impl Default for KubeVersion {
    fn default() -> Self {
        let version = KUBE_VERSION.to_owned();
        Self { normalized: version.clone(), version, major: 1, minor: 36 }
    }
}

impl KubeVersion {
    /// # Errors
    /// When the text does not start with at least two numbers.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no version of Kubernetes: it looks like 1.33 or v1.33.4");
        let trimmed = text.trim_start();
        let rest = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let digits = rest[..end].trim_end_matches('.');
        // two dots in a row end the numbers
        let digits = digits.split_once("..").map_or(digits, |(before, _)| before);
        let parts: Result<Vec<u64>, _> = digits.split('.').map(str::parse).collect();
        match parts.map_err(|_| bad())?.as_slice() {
            numbers @ [major, minor, ..] if !(digits.starts_with('0') && *major > 0) => {
                let shown: Vec<String> = numbers.iter().map(u64::to_string).collect();
                let version = if text.starts_with('v') { text.to_owned() } else { format!("v{text}") };
                Ok(Self { version, normalized: format!("v{}", shown.join(".")), major: *major, minor: *minor })
            }
            _ => Err(bad()),
        }
    }
}

/// `.Capabilities`, a pointer to a struct.
#[derive(Debug)]
pub(crate) struct Capabilities {
    kube: Rc<KubeObject>,
    versions: Rc<VersionSet>,
    helm: Rc<HelmObject>,
}

impl Capabilities {
    /// `extra` API versions are added to the known ones.
    pub(crate) fn new(kube: &KubeVersion, extra: &[String]) -> Self {
        let known = API_VERSIONS.iter().copied().chain(extra.iter().map(String::as_str));
        let versions = List::strings(known);
        Self {
            kube: Rc::new(KubeObject(kube.clone())),
            versions: Rc::new(VersionSet(versions)),
            helm: Rc::new(HelmObject),
        }
    }

    fn fields(&self) -> [(&'static str, Value); 3] {
        [
            ("KubeVersion", Value::Object(self.kube.clone())),
            ("APIVersions", Value::Object(self.versions.clone())),
            ("HelmVersion", Value::Object(self.helm.clone())),
        ]
    }
}

fn field_of<const N: usize>(fields: [(&'static str, Value); N], name: &str) -> Option<Value> {
    fields.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn struct_map<const N: usize>(type_name: &'static str, fields: [(&'static str, Value); N]) -> Value {
    let entries = fields.into_iter().map(|(key, value)| (Str::from(key), value)).collect();
    Value::Map(Map::typed(MapType::Named(type_name), entries))
}

impl Object for Capabilities {
    fn type_name(&self) -> Cow<'static, str> {
        "*common.Capabilities".into()
    }

    fn kind(&self) -> Kind {
        Kind::Pointer
    }

    fn field(&self, name: &str) -> Option<Value> {
        field_of(self.fields(), name)
    }

    fn plain(&self) -> Option<Value> {
        Some(struct_map("*common.Capabilities", self.fields()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `.Capabilities.KubeVersion`.
#[derive(Debug)]
struct KubeObject(KubeVersion);

static NO_ARGUMENTS: Signature = Signature::fixed(&[]);

impl Object for KubeObject {
    fn type_name(&self) -> Cow<'static, str> {
        "common.KubeVersion".into()
    }

    fn kind(&self) -> Kind {
        Kind::Struct
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.json_fields()?.into_iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    fn method(&self, name: &str) -> Option<&Signature> {
        matches!(name, "GitVersion" | "String").then_some(&NO_ARGUMENTS)
    }

    fn call(&self, name: &str, _: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        match name {
            "GitVersion" => Ok(Value::string(self.0.version.as_str())),
            _ => Ok(Value::string(self.0.normalized.as_str())),
        }
    }

    fn fields(&self) -> Option<Vec<(Str, Value)>> {
        let fields = [
            ("Version", self.0.version.clone()),
            ("normalizedVersion", self.0.normalized.clone()),
            ("Major", self.0.major.to_string()),
            ("Minor", self.0.minor.to_string()),
        ];
        Some(fields.into_iter().map(|(name, text)| (Str::from(name), Value::string(text))).collect())
    }

    fn display_field(&self) -> Option<Str> {
        Some(Str::from(self.0.normalized.as_str()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `.Capabilities.APIVersions`: a list of texts with a method.
#[derive(Debug)]
struct VersionSet(List);

impl Object for VersionSet {
    fn type_name(&self) -> Cow<'static, str> {
        "common.VersionSet".into()
    }

    fn kind(&self) -> Kind {
        Kind::Slice
    }

    fn method(&self, name: &str) -> Option<&Signature> {
        static HAS: Signature = Signature::fixed(&[Param::String]);
        (name == "Has").then_some(&HAS)
    }

    fn call(&self, _: &str, arguments: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        let wanted = string(arguments, 0)?;
        Ok(Value::Bool(self.0.items().iter().any(|v| v.as_str() == Some(wanted))))
    }

    fn plain(&self) -> Option<Value> {
        Some(Value::List(self.0.clone()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `.Capabilities.HelmVersion`.
#[derive(Debug)]
struct HelmObject;

impl HelmObject {
    fn fields() -> [(&'static str, Value); 5] {
        [
            ("Version", Value::string(HELM_VERSION)),
            ("GitCommit", Value::string("")),
            ("GitTreeState", Value::string("")),
            ("GoVersion", Value::string("go1.26.0")),
            ("KubeClientVersion", Value::string("v1.36")),
        ]
    }
}

impl Object for HelmObject {
    fn type_name(&self) -> Cow<'static, str> {
        "version.BuildInfo".into()
    }

    fn kind(&self) -> Kind {
        Kind::Struct
    }

    fn field(&self, name: &str) -> Option<Value> {
        field_of(Self::fields(), name)
    }

    fn plain(&self) -> Option<Value> {
        Some(struct_map("version.BuildInfo", Self::fields()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_in_helm() {
        for (text, version, normalized) in [
            ("1.33", "v1.33", "v1.33"),
            ("v1.33.4-gke.1245000", "v1.33.4-gke.1245000", "v1.33.4"),
            ("1.33.4+k3s1", "v1.33.4+k3s1", "v1.33.4"),
            ("1.2.3.4", "v1.2.3.4", "v1.2.3.4"),
            ("1.33.", "v1.33.", "v1.33"),
        ] {
            let read = KubeVersion::parse(text).unwrap();
            assert_eq!((read.version.as_str(), read.normalized.as_str()), (version, normalized));
        }
        for text in ["", "1", "x", "v", "01.2", "1.x"] {
            assert!(KubeVersion::parse(text).is_err(), "{text}");
        }
    }
}
