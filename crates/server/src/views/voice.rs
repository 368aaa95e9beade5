use control::Heard;
use jiff::Timestamp;
use object::ResourceKey;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::ListMeta;

/// One line of a log, wrapped as Argo CD's gateway does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogEntry {
    result: LogLine,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogLine {
    content: String,
    pod_name: String,
}

impl From<control::Line> for LogEntry {
    fn from(line: control::Line) -> Self {
        Self { result: LogLine { content: line.text, pod_name: line.pod } }
    }
}

/// Events of Kubernetes, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventList {
    metadata: ListMeta,
    items: Vec<Event>,
    /// The objects of which no Events could be had now; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    silent: Vec<Silent>,
}

/// An object that could not be asked, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Silent {
    group: String,
    kind: String,
    namespace: String,
    name: String,
    message: String,
}

impl From<Heard> for EventList {
    fn from(heard: Heard) -> Self {
        let silent = |(ResourceKey { group, kind, namespace, name }, error): control::Silent| Silent {
            group,
            kind,
            namespace,
            name,
            message: error.to_string(),
        };
        Self {
            metadata: ListMeta::default(),
            items: heard.events.iter().map(|event| Event::of(event.value())).collect(),
            silent: heard.silent.into_iter().map(silent).collect(),
        }
    }
}

/// What happened to an object, as somebody in its cluster tells it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    severity: String,
    reason: String,
    message: String,
    count: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    first_timestamp: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_timestamp: Option<Timestamp>,
    involved_object: Involved,
    /// Who tells it.
    reporting_component: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Involved {
    kind: String,
    namespace: String,
    name: String,
    uid: String,
}

impl Event {
    fn of(event: &Value) -> Self {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let either =
            |one: &str, other: &str| Some(text(one)).filter(|text| !text.is_empty()).unwrap_or_else(|| text(other));
        let time = |pointers: [&str; 2]| pointers.iter().find_map(|pointer| text(pointer).parse().ok());
        Self {
            severity: text("/type"),
            reason: text("/reason"),
            message: text("/message"),
            count: event["count"].as_u64().unwrap_or(1),
            first_timestamp: time(["/firstTimestamp", "/eventTime"]),
            last_timestamp: time(["/lastTimestamp", "/eventTime"]),
            involved_object: Involved {
                kind: text("/involvedObject/kind"),
                namespace: text("/involvedObject/namespace"),
                name: text("/involvedObject/name"),
                uid: text("/involvedObject/uid"),
            },
            reporting_component: either("/reportingComponent", "/source/component"),
        }
    }
}
