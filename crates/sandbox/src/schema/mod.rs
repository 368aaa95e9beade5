//! What is known of the types: fields, list types, defaults, protobuf numbers. Built-in kinds come from a generated
//! table, custom kinds from their structural schema; both become the same [`Schema`].

pub(crate) mod resources;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use serde_json::Value;

/// The type of one value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Schema {
    String,
    Integer,
    Number,
    Boolean,
    IntOrString,
    Quantity,
    Time,
    MicroTime,
    /// Base64 in JSON.
    Bytes,
    Object(Arc<Object>),
    Map {
        values: Box<Schema>,
        atomic: bool,
    },
    List {
        items: Box<Schema>,
        merge: ListMerge,
    },
    /// Anything goes; lists in it are atomic.
    Any,
    /// A built-in struct, by its index in the table.
    Named(usize),
}

/// How lists are merged by server-side apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListMerge {
    Atomic,
    Set,
    /// By these keys.
    Map(Vec<String>),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Object {
    /// `core/v1.PodSpec`; empty for custom kinds.
    pub(crate) name: String,
    pub(crate) fields: BTreeMap<String, Field>,
    /// Fields that are not declared stay.
    pub(crate) preserve: bool,
    /// Owned as a whole.
    pub(crate) atomic: bool,
    /// The facts of a structural schema that validation needs.
    pub(crate) rules: Option<Arc<Value>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) schema: Schema,
    /// In protobuf; 0 where there is none.
    pub(crate) number: u32,
    /// Go has a pointer: absent and zero are different things.
    pub(crate) pointer: bool,
    /// Go writes the zero value.
    pub(crate) zero_written: bool,
    /// Strategic merge.
    pub(crate) patch: Option<PatchStrategy>,
    /// The default that keys of list maps take.
    pub(crate) default: Option<Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PatchStrategy {
    pub(crate) merge: bool,
    pub(crate) retain_keys: bool,
    pub(crate) key: String,
}

#[derive(Debug, Default)]
struct Table {
    types: Vec<Arc<Object>>,
    by_name: HashMap<String, usize>,
    /// Inline structs by type: protobuf number and the type in it.
    inline: HashMap<usize, Vec<(u32, usize)>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(include_str!("types.txt")));

impl Schema {
    /// The built-in type called so, as `core/v1.Pod`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        TABLE.by_name.get(name).map(|index| Self::Named(*index))
    }

    pub(crate) fn object(&self) -> Option<&Arc<Object>> {
        match self {
            Self::Named(index) => TABLE.types.get(*index),
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The messages that protobuf nests where JSON has the fields inline.
    pub(crate) fn inline_messages(&self) -> &'static [(u32, usize)] {
        match self {
            Self::Named(index) => TABLE.inline.get(index).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }

    /// The schema of a field, if it is declared or anything goes.
    pub(crate) fn field(&self, name: &str) -> Option<&Schema> {
        match self {
            Self::Map { values, .. } => Some(values),
            Self::Any => Some(&Self::Any),
            _ => {
                let object = self.object()?;
                object.fields.get(name).map(|field| &field.schema).or(object.preserve.then_some(&Self::Any))
            }
        }
    }
}

impl Table {
    fn parse(text: &'static str) -> Self {
        let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in text.lines() {
            match (line.strip_prefix("type "), line.strip_prefix("  ")) {
                (Some(name), _) => blocks.push((name, Vec::new())),
                (None, Some(field)) => blocks.last_mut().into_iter().for_each(|(_, fields)| fields.push(field)),
                (None, None) => {}
            }
        }
        let by_name: HashMap<String, usize> =
            blocks.iter().enumerate().map(|(index, (name, _))| ((*name).to_owned(), index)).collect();
        let fields: HashMap<&str, &Vec<&str>> = blocks.iter().map(|(name, fields)| (*name, fields)).collect();
        let mut inline = HashMap::new();
        let types = blocks.iter().enumerate().map(|(index, (name, lines))| {
            let mut object = Object { name: (*name).to_owned(), ..Object::default() };
            let mut messages = Vec::new();
            read_fields(lines, &fields, &by_name, &mut object, Some(&mut messages));
            if !messages.is_empty() {
                inline.insert(index, messages);
            }
            Arc::new(object)
        });
        let types = types.collect();
        Self { types, by_name, inline }
    }
}

fn read_fields(
    lines: &[&'static str],
    all: &HashMap<&str, &Vec<&'static str>>,
    by_name: &HashMap<String, usize>,
    object: &mut Object,
    mut messages: Option<&mut Vec<(u32, usize)>>,
) {
    for line in lines {
        let mut words = line.split(' ');
        let (Some(name), Some(kind), Some(number)) = (words.next(), words.next(), words.next()) else { continue };
        let number: u32 = number.parse().unwrap_or(0);
        let flags: Vec<&str> = words.collect();
        if flags.contains(&"inline") {
            let target = kind.trim_start_matches('*');
            if let (Some(messages), Some(index)) = (messages.as_deref_mut(), by_name.get(target)) {
                messages.push((number, *index));
            }
            if let Some(lines) = all.get(target) {
                read_fields(lines, all, by_name, object, None);
                // fields of the nested message have numbers of their own
                for line in lines.iter() {
                    let field = line.split(' ').next().unwrap_or_default();
                    object.fields.get_mut(field).into_iter().for_each(|field| field.number = 0);
                }
            }
            continue;
        }
        object.fields.insert(name.to_owned(), read_field(kind, number, &flags, by_name));
    }
}

fn read_field(kind: &str, number: u32, flags: &[&str], by_name: &HashMap<String, usize>) -> Field {
    let value = |key: &str| flags.iter().find_map(|flag| flag.strip_prefix(key)?.strip_prefix('='));
    let keys: Vec<String> =
        flags.iter().filter_map(|flag| flag.strip_prefix("listMapKey=")).map(str::to_owned).collect();
    let merge = match value("listType") {
        Some("map") => ListMerge::Map(keys),
        Some("set") => ListMerge::Set,
        _ => ListMerge::Atomic,
    };
    let atomic = value("mapType") == Some("atomic") || value("structType") == Some("atomic");
    let pointer = kind.starts_with('*');
    let schema = read_kind(kind.trim_start_matches('*'), merge, atomic, by_name);
    let is_struct = matches!(schema, Schema::Named(_)) && !pointer;
    let zero_written = match (flags.contains(&"omitempty"), flags.contains(&"omitzero")) {
        (_, true) => false,
        (true, false) => is_struct || !pointer && matches!(schema, Schema::Time | Schema::MicroTime | Schema::Quantity),
        (false, false) => !pointer,
    };
    let patch = value("patchStrategy").map(|strategies| PatchStrategy {
        merge: strategies.split(',').any(|s| s == "merge"),
        retain_keys: strategies.split(',').any(|s| s == "retainKeys"),
        key: value("patchMergeKey").unwrap_or_default().to_owned(),
    });
    let default = value("default").and_then(|text| serde_json::from_str(text).ok());
    Field { schema, number, pointer, zero_written, patch, default }
}

fn read_kind(kind: &str, merge: ListMerge, atomic: bool, by_name: &HashMap<String, usize>) -> Schema {
    if let Some(items) = kind.strip_prefix("[]") {
        return Schema::List { items: Box::new(read_kind(items, ListMerge::Atomic, false, by_name)), merge };
    }
    if let Some(values) = kind.strip_prefix("map[string]") {
        return Schema::Map { values: Box::new(read_kind(values, ListMerge::Atomic, false, by_name)), atomic };
    }
    match kind.trim_start_matches('*') {
        "string" => Schema::String,
        "bool" => Schema::Boolean,
        "int32" | "int64" | "int" | "uint32" | "uint64" | "int16" => Schema::Integer,
        "float64" => Schema::Number,
        "time" => Schema::Time,
        "microtime" => Schema::MicroTime,
        "quantity" => Schema::Quantity,
        "intorstring" => Schema::IntOrString,
        "bytes" => Schema::Bytes,
        name => match by_name.get(name) {
            Some(index) => Schema::Named(*index),
            None if name == "raw" => {
                Schema::Object(Arc::new(Object { preserve: true, atomic: true, ..Object::default() }))
            }
            None => Schema::Any,
        },
    }
}

/// Structs that are owned as a whole wherever they are (`+structType=atomic` on the type).
pub(crate) const ATOMIC_TYPES: &[&str] = &[
    "admissionregistration/v1.MatchResources",
    "admissionregistration/v1.NamedRuleWithOperations",
    "admissionregistration/v1.ParamKind",
    "admissionregistration/v1.ParamRef",
    "admissionregistration/v1.Variable",
    "autoscaling/v1.CrossVersionObjectReference",
    "core/v1.ConfigMapKeySelector",
    "core/v1.EndpointAddress",
    "core/v1.EndpointPort",
    "core/v1.FileKeySelector",
    "core/v1.LocalObjectReference",
    "core/v1.NodeSelector",
    "core/v1.NodeSelectorTerm",
    "core/v1.ObjectFieldSelector",
    "core/v1.ObjectReference",
    "core/v1.ResourceFieldSelector",
    "core/v1.ScopeSelector",
    "core/v1.SecretKeySelector",
    "core/v1.SecretReference",
    "core/v1.TopologySelectorTerm",
    "core/v1.TypedLocalObjectReference",
    "discovery/v1.EndpointPort",
    "meta/v1.LabelSelector",
    "meta/v1.OwnerReference",
    "networking/v1.ServiceBackendPort",
    "rbac/v1.RoleRef",
    "rbac/v1.Subject",
];

/// Whether server-side apply owns the value as a whole.
pub(crate) fn is_atomic(schema: &Schema) -> bool {
    match schema {
        Schema::Map { atomic, .. } => *atomic,
        Schema::List { merge, .. } => *merge == ListMerge::Atomic,
        Schema::Any => false,
        other => match other.object() {
            Some(object) => object.atomic || ATOMIC_TYPES.contains(&object.name.as_str()),
            None => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_knows_pods() {
        let pod = Schema::named("core/v1.Pod").unwrap();
        let containers = pod.field("spec").unwrap().field("containers").unwrap();
        let Schema::List { items, merge } = containers else { panic!("{containers:?}") };
        assert_eq!(*merge, ListMerge::Map(vec!["name".into()]));
        let Some(Schema::List { merge, .. }) = items.field("ports") else { panic!() };
        assert_eq!(*merge, ListMerge::Map(vec!["containerPort".into(), "protocol".into()]));
        let volume = Schema::named("core/v1.Volume").unwrap();
        assert!(volume.field("configMap").is_some(), "inline structs are flat in JSON");
        assert_eq!(volume.inline_messages().len(), 1);
        assert!(pod.field("nonsense").is_none());
    }
}
