//! The sandbox's table of types, fields and resources, out of Kubernetes' own definitions.
//!
//! Fields come from the Go types of k8s.io/api and apimachinery (struct tags and `+` markers: JSON name, protobuf number,
//! patch strategy, list type, default), resources and table columns from a running API server of the same version.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde_json::{Value, json};

/// Packages with their path below a module folder.
const PACKAGES: &[(&str, &str)] = &[
    ("core/v1", "api/core/v1"),
    ("apps/v1", "api/apps/v1"),
    ("batch/v1", "api/batch/v1"),
    ("autoscaling/v1", "api/autoscaling/v1"),
    ("autoscaling/v2", "api/autoscaling/v2"),
    ("policy/v1", "api/policy/v1"),
    ("networking/v1", "api/networking/v1"),
    ("rbac/v1", "api/rbac/v1"),
    ("storage/v1", "api/storage/v1"),
    ("coordination/v1", "api/coordination/v1"),
    ("discovery/v1", "api/discovery/v1"),
    ("events/v1", "api/events/v1"),
    ("scheduling/v1", "api/scheduling/v1"),
    ("node/v1", "api/node/v1"),
    ("authentication/v1", "api/authentication/v1"),
    ("authorization/v1", "api/authorization/v1"),
    ("admissionregistration/v1", "api/admissionregistration/v1"),
    ("certificates/v1", "api/certificates/v1"),
    ("meta/v1", "apimachinery/pkg/apis/meta/v1"),
    ("apiextensions/v1", "apiextensions-apiserver/pkg/apis/apiextensions/v1"),
];

/// Groups whose resources the sandbox serves.
const GROUPS: &[&str] = &[
    "apps/v1",
    "batch/v1",
    "autoscaling/v2",
    "autoscaling/v1",
    "policy/v1",
    "networking.k8s.io/v1",
    "rbac.authorization.k8s.io/v1",
    "storage.k8s.io/v1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "events.k8s.io/v1",
    "scheduling.k8s.io/v1",
    "node.k8s.io/v1",
    "authentication.k8s.io/v1",
    "authorization.k8s.io/v1",
    "admissionregistration.k8s.io/v1",
    "apiextensions.k8s.io/v1",
];

struct Field {
    name: String,
    go: String,
    number: u32,
    inline: bool,
    /// `omitempty` or `omitzero`.
    omits: Option<&'static str>,
    marks: Vec<String>,
}

/// Writes `types.txt` and `resources.json` into `to`.
pub(crate) fn run(modules: &Path, server: &str, to: &Path) -> Result<()> {
    let mut aliases = BTreeMap::new();
    let mut structs = BTreeMap::new();
    for (package, path) in PACKAGES {
        read_package(package, &folder(modules, path)?, &mut structs, &mut aliases)?;
    }
    std::fs::write(to.join("types.txt"), types(&structs, &aliases))?;
    let resources = resources(server)?;
    std::fs::write(to.join("resources.json"), serde_json::to_string_pretty(&resources)? + "\n")?;
    Ok(())
}

/// `api/core/v1` below `modules/api@vX`, the newest there is.
fn folder(modules: &Path, path: &str) -> Result<PathBuf> {
    let (module, rest) = path.split_once('/').context("a path has a module")?;
    let prefix = format!("{module}@v0.");
    let all = std::fs::read_dir(modules)?.filter_map(Result::ok).map(|entry| entry.path());
    let named = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix));
    let newest = all.filter(named).max().with_context(|| format!("no {module} in {}", modules.display()))?;
    Ok(newest.join(rest))
}

fn read_package(
    package: &str,
    folder: &Path,
    structs: &mut BTreeMap<String, Vec<Field>>,
    aliases: &mut BTreeMap<String, String>,
) -> Result<()> {
    let field = Regex::new(r#"^\s+(?:(\w+)\s+)?([\w.*\[\]]+)\s+`([^`]*)`"#)?;
    let alias = Regex::new(r"^type (\w+) ([\w.*\[\]]+)$")?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".go") || name.contains("_test") || name.contains("generated") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let (mut current, mut marks): (Option<String>, Vec<String>) = (None, Vec::new());
        for line in text.lines() {
            let trimmed = line.trim();
            if let Some(mark) = trimmed.strip_prefix("// +") {
                marks.push(mark.to_owned());
                continue;
            }
            if trimmed.starts_with("//") {
                continue;
            }
            if let Some(name) = line.strip_prefix("type ").and_then(|l| l.strip_suffix(" struct {")) {
                current = Some(format!("{package}.{name}"));
                structs.insert(format!("{package}.{name}"), Vec::new());
            } else if let Some(found) = alias.captures(line) {
                aliases.insert(format!("{package}.{}", &found[1]), qualify(package, &found[2]));
            } else if line == "}" {
                current = None;
            } else if let (Some(current), Some(found)) = (&current, field.captures(line)) {
                let go = qualify(package, &found[2]);
                if let Some(parsed) = parse_field(&found[3], go, std::mem::take(&mut marks)) {
                    structs.entry(current.clone()).or_default().push(parsed);
                }
            }
            marks.clear();
        }
    }
    Ok(())
}

/// Adds the package to names that have none: `[]ContainerPort` of core/v1 is `[]core/v1.ContainerPort`.
fn qualify(package: &str, go: &str) -> String {
    let at = go.rfind([']', '*']).map_or(0, |i| i + 1);
    let (prefix, name) = go.split_at(at);
    let basic = ["string", "bool", "int32", "int64", "int", "byte", "float64", "uint32", "uint64", "uint8", "int16"];
    let name = match name.split_once('.') {
        Some(("metav1" | "meta_v1" | "v1", name)) if package != "meta/v1" && package != "core/v1" => {
            if package.starts_with("authentication")
                || name == "ObjectReference"
                || name.starts_with("Pod")
                || [
                    "TopologySelectorTerm",
                    "NodeSelector",
                    "PersistentVolumeReclaimPolicy",
                    "PersistentVolumeMode",
                    "PersistentVolumeAccessMode",
                    "ResourceName",
                    "Toleration",
                    "PersistentVolumeSpec",
                    "ResourceRequirements",
                    "ConditionStatus",
                    "Protocol",
                    "LocalObjectReference",
                    "TypedLocalObjectReference",
                    "PersistentVolumeClaim",
                    "NodeSelectorRequirement",
                    "EventSource",
                    "LoadBalancerStatus",
                ]
                .contains(&name)
            {
                if go.contains("metav1") { format!("meta/v1.{name}") } else { format!("core/v1.{name}") }
            } else {
                format!("meta/v1.{name}")
            }
        }
        Some(("metav1" | "v1" | "meta_v1", name)) => format!("meta/v1.{name}"),
        Some(("corev1" | "apiv1" | "core", name)) => format!("core/v1.{name}"),
        Some((other, name)) => format!("{other}.{name}"),
        None if basic.contains(&name) => name.to_owned(),
        None => format!("{package}.{name}"),
    };
    format!("{prefix}{name}")
}

fn parse_field(tag: &str, go: String, marks: Vec<String>) -> Option<Field> {
    let part = |key: &str| {
        let rest = tag.split_once(&format!("{key}:\""))?.1;
        rest.split('"').next().map(str::to_owned)
    };
    let json = part("json")?;
    let mut words = json.split(',');
    let name = words.next()?.to_owned();
    let words: Vec<&str> = words.collect();
    let inline = words.contains(&"inline");
    if name == "-" || (name.is_empty() && !inline) {
        return None;
    }
    let number = part("protobuf").and_then(|p| p.split(',').nth(1)?.parse().ok()).unwrap_or(0);
    let mut marks: Vec<String> = marks
        .into_iter()
        .filter(|m| {
            ["listType=", "listMapKey=", "default=", "mapType=", "structType="].iter().any(|k| m.starts_with(k))
                || m == "optional"
                || m == "required"
        })
        .collect();
    marks.extend(part("patchStrategy").map(|s| format!("patchStrategy={s}")));
    marks.extend(part("patchMergeKey").map(|s| format!("patchMergeKey={s}")));
    // omitempty never leaves out a struct, omitzero does
    let omits = ["omitzero", "omitempty"].into_iter().find(|word| words.contains(word));
    Some(Field { name, go, number, inline, omits, marks })
}

/// One line a type, one line a field: `name type number flags`.
fn types(structs: &BTreeMap<String, Vec<Field>>, aliases: &BTreeMap<String, String>) -> String {
    let mut text = String::from(
        "# Generated by `cargo xtask sandbox-schema` from the Go types of Kubernetes 1.36.3 (k8s.io/api, apimachinery).\n",
    );
    let mut wanted: Vec<String> = structs
        .iter()
        .filter(|(_, fields)| fields.iter().any(|f| f.inline && f.go.ends_with("TypeMeta")))
        .map(|(name, _)| name.clone())
        .collect();
    let mut seen = BTreeSet::new();
    let mut out = BTreeMap::new();
    while let Some(name) = wanted.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let Some(fields) = structs.get(&name) else { continue };
        let mut block = format!("type {name}\n");
        for field in fields.iter().filter(|f| !(f.inline && f.go.ends_with("TypeMeta"))) {
            let kind = kind(&field.go, aliases);
            wanted.extend(base(&kind).map(str::to_owned));
            let mut flags = Vec::new();
            if field.inline {
                flags.push("inline".to_owned());
            }
            flags.extend(field.omits.map(str::to_owned));
            flags.extend(field.marks.iter().map(|mark| mark.replace(' ', "")));
            let name = if field.inline { "-" } else { &field.name };
            let _ = writeln!(block, "  {name} {kind} {} {}", field.number, flags.join(" "));
        }
        out.insert(name, block.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
    }
    text.push_str(&out.into_values().collect::<Vec<_>>().join("\n"));
    text + "\n"
}

/// The struct that a type is made of, if it is one of ours.
fn base(kind: &str) -> Option<&str> {
    let at = kind.rfind([']', '*']).map_or(0, |i| i + 1);
    kind.get(at..).filter(|name| name.contains('/'))
}

fn kind(go: &str, aliases: &BTreeMap<String, String>) -> String {
    let at = go.rfind([']', '*']).map_or(0, |i| i + 1);
    let (prefix, name) = go.split_at(at);
    let known = match name {
        "meta/v1.Time" => "time",
        "meta/v1.MicroTime" => "microtime",
        "resource.Quantity" => "quantity",
        "meta/v1.Duration" | "apiextensions/v1.CustomResourceSubresourceStatus" if name.ends_with("Duration") => {
            "string"
        }
        "apiextensions/v1.CustomResourceSubresourceStatus" => "raw",
        "intstr.IntOrString" => "intorstring",
        "runtime.RawExtension" | "runtime.Object" | "meta/v1.FieldsV1" => "raw",
        "apiextensions/v1.JSON"
        | "apiextensions/v1.JSONSchemaPropsOrBool"
        | "apiextensions/v1.JSONSchemaPropsOrArray"
        | "apiextensions/v1.JSONSchemaPropsOrStringArray" => "any",
        "types.UID" | "types.NodeName" => "string",
        "authentication/v1.ExtraValue" | "authorization/v1.ExtraValue" => return format!("{prefix}[]string"),
        "byte" if prefix.ends_with("[]") => return format!("{}bytes", prefix.trim_end_matches("[]")),
        other => match aliases.get(other) {
            Some(target) => return kind(&format!("{prefix}{target}"), aliases),
            None => other,
        },
    };
    let prefix = prefix.replace("map[core/v1.ResourceName]", "map[string]");
    let prefix = Regex::new(r"map\[[^\]]*\]")
        .map_or_else(|_| prefix.clone(), |r| r.replace_all(&prefix, "map[string]").into_owned());
    format!("{prefix}{known}")
}

fn resources(server: &str) -> Result<Value> {
    let mut groups = Vec::new();
    for version in std::iter::once("v1").chain(GROUPS.iter().copied()) {
        let path = if version == "v1" { "api/v1".to_owned() } else { format!("apis/{version}") };
        let list = get(&format!("{server}/{path}"), "application/json")?;
        let mut resources: Vec<Value> = Vec::new();
        for mut resource in list["resources"].as_array().cloned().unwrap_or_default() {
            let name = resource["name"].as_str().unwrap_or_default().to_owned();
            let lists = resource["verbs"].as_array().is_some_and(|verbs| verbs.contains(&json!("list")));
            if lists && !name.contains('/') {
                let accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
                let table = get(&format!("{server}/{path}/{name}?limit=1"), accept)?;
                resource["columns"] = table["columnDefinitions"].clone();
            }
            resources.push(resource);
        }
        groups.push(json!({ "groupVersion": version, "resources": resources }));
    }
    Ok(json!(groups))
}

fn get(url: &str, accept: &str) -> Result<Value> {
    let output = Command::new("curl").args(["-sSf", "-H", &format!("Accept: {accept}"), url]).output()?;
    if !output.status.success() {
        bail!("{url}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
