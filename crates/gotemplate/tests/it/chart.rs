//! The surroundings of the recorded snippets: an empty chart `t`, its release, and the cluster's capabilities.

use std::any::Any;
use std::borrow::Cow;
use std::rc::Rc;

use gotemplate::function::{CallError, Context, Host, Param, Signature, string};
use gotemplate::value::{ElementType, Kind, List, Map, MapType, Object, Str, Time, Value};

/// Time and randomness that never change.
#[derive(Debug)]
pub(crate) struct StillWorld;

impl Host for StillWorld {
    fn now(&self) -> Time {
        Time::utc(1_700_000_000, 0)
    }

    fn random(&mut self, buffer: &mut [u8]) {
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = (index * 151 + 17) as u8;
        }
    }
}

fn text(value: &str) -> Value {
    Value::string(value)
}

fn map(of: MapType, entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Map(Map::typed(of, entries.into_iter().map(|(key, value)| (Str::from(key), value)).collect()))
}

/// What a template of the chart sees as `.`.
pub(crate) fn root(values: &serde_json::Value) -> Value {
    const VALUES: MapType = MapType::Named("common.Values");
    let given = Value::from_json(values);
    let entries = given.as_map().map(|given| given.entries().clone()).unwrap_or_default();
    let template = [("Name", text("t/templates/t.yaml")), ("BasePath", text("t/templates"))];
    map(
        VALUES,
        [
            ("Chart", chart()),
            ("Release", release()),
            ("Values", Value::Map(Map::typed(VALUES, entries))),
            ("Capabilities", Value::Object(Rc::new(Capabilities))),
            ("Files", Value::Object(Rc::new(NoFiles))),
            ("Subcharts", map(MapType::Any, [])),
            ("Template", map(VALUES, template)),
        ],
    )
}

fn chart() -> Value {
    let empty = |name| (name, text(""));
    let no_list = |name, element| (name, Value::List(List::typed(element, Vec::new())));
    map(
        MapType::Any,
        [
            ("APIVersion", text("v2")),
            ("Annotations", Value::Map(Map::nil(MapType::String))),
            ("AppVersion", text("1.0")),
            ("Deprecated", Value::Bool(false)),
            ("IsRoot", Value::Bool(true)),
            ("Name", text("t")),
            ("Version", text("0.1.0")),
            no_list("Dependencies", ElementType::Any),
            no_list("Keywords", ElementType::String),
            no_list("Maintainers", ElementType::Any),
            no_list("Sources", ElementType::String),
        ]
        .into_iter()
        .chain(["Condition", "Description", "Home", "Icon", "KubeVersion", "Tags", "Type"].map(empty)),
    )
}

fn release() -> Value {
    map(
        MapType::Any,
        [
            ("Name", text("rel")),
            ("Namespace", text("ns-a")),
            ("IsInstall", Value::Bool(true)),
            ("IsUpgrade", Value::Bool(false)),
            ("Revision", Value::int(1)),
            ("Service", text("Helm")),
        ],
    )
}

static STRING: Signature = Signature::fixed(&[Param::String]);
static NOTHING: Signature = Signature::fixed(&[]);

#[derive(Debug)]
struct Capabilities;

impl Object for Capabilities {
    fn type_name(&self) -> Cow<'static, str> {
        "*common.Capabilities".into()
    }

    fn kind(&self) -> Kind {
        Kind::Pointer
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "KubeVersion" => Some(Value::Object(Rc::new(KubeVersion))),
            "APIVersions" => Some(Value::Object(Rc::new(ApiVersions))),
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Debug)]
struct KubeVersion;

impl Object for KubeVersion {
    fn type_name(&self) -> Cow<'static, str> {
        "common.KubeVersion".into()
    }

    fn kind(&self) -> Kind {
        Kind::Struct
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields()?.into_iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    fn method(&self, name: &str) -> Option<&Signature> {
        matches!(name, "String" | "GitVersion").then_some(&NOTHING)
    }

    fn call(&self, _: &str, _: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        Ok(text("v1.36.0"))
    }

    fn fields(&self) -> Option<Vec<(Str, Value)>> {
        let fields = [("Version", "v1.36.0"), ("normalizedVersion", "v1.36.0"), ("Major", "1"), ("Minor", "36")];
        Some(fields.into_iter().map(|(name, value)| (Str::from(name), text(value))).collect())
    }

    fn display_field(&self) -> Option<Str> {
        Some(Str::from("v1.36.0"))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Debug)]
struct ApiVersions;

impl Object for ApiVersions {
    fn type_name(&self) -> Cow<'static, str> {
        "common.VersionSet".into()
    }

    fn kind(&self) -> Kind {
        Kind::Slice
    }

    fn method(&self, name: &str) -> Option<&Signature> {
        (name == "Has").then_some(&STRING)
    }

    fn call(&self, _: &str, arguments: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        let wanted = string(arguments, 0)?;
        Ok(Value::Bool(API_VERSIONS.iter().any(|version| wanted == *version)))
    }

    fn plain(&self) -> Option<Value> {
        Some(Value::List(List::strings(API_VERSIONS.iter().copied())))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The groups the snippets ask for.
const API_VERSIONS: &[&str] = &["v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "policy/v1", "autoscaling/v2"];

#[derive(Debug)]
struct NoFiles;

impl Object for NoFiles {
    fn type_name(&self) -> Cow<'static, str> {
        "engine.files".into()
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn method(&self, name: &str) -> Option<&Signature> {
        matches!(name, "Get" | "Lines").then_some(&STRING)
    }

    fn call(&self, name: &str, _: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        Ok(if name == "Get" { text("") } else { Value::List(List::strings(Vec::<Str>::new())) })
    }

    fn plain(&self) -> Option<Value> {
        Some(Value::Map(Map::default()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
