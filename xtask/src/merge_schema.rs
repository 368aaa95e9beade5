//! The table that strategic-merge patches need: which lists of which kinds are merged, and by which keys.
//!
//! Source: the OpenAPI of Kubernetes 1.21.2 that kustomize 5.8.1 has built in, cut to patch facts. The output is one
//! line a fact, read by `render::kustomize::schema`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct Source {
    definitions: BTreeMap<String, BTreeMap<String, Property>>,
    kinds: BTreeMap<String, String>,
    namespaced: BTreeMap<String, bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    r#ref: Option<String>,
    items: Option<String>,
    map: Option<String>,
    strategy: Option<String>,
    key: Option<String>,
    list_map_keys: Option<Vec<String>>,
}

impl Property {
    fn merges(&self) -> bool {
        self.strategy.as_deref().is_some_and(|s| s.split(',').any(|s| s == "merge"))
    }

    fn target(&self) -> Option<&String> {
        self.r#ref.as_ref().or(self.items.as_ref()).or(self.map.as_ref())
    }
}

/// Reads the JSON at `from` and writes the table to `to`.
pub(crate) fn run(from: &Path, to: &Path) -> Result<()> {
    let text = std::fs::read_to_string(from).with_context(|| format!("reading {}", from.display()))?;
    let source: Source = serde_json::from_str(&text)?;
    std::fs::write(to, table(&source)).with_context(|| format!("writing {}", to.display()))
}

/// Definitions from which a merged list can be reached.
fn useful(source: &Source) -> BTreeSet<&String> {
    let mut useful = BTreeSet::new();
    loop {
        let before = useful.len();
        for (name, properties) in &source.definitions {
            if properties.values().any(|p| p.merges() || p.target().is_some_and(|t| useful.contains(t))) {
                useful.insert(name);
            }
        }
        if useful.len() == before {
            return useful;
        }
    }
}

fn table(source: &Source) -> String {
    let useful = useful(source);
    let kinds = source.kinds.iter().filter(|(_, d)| useful.contains(d) && !d.ends_with("List"));
    let kinds: Vec<(&String, &String)> = kinds.collect();
    let mut wanted: Vec<&String> = Vec::new();
    let mut queue: Vec<&String> = kinds.iter().map(|(_, definition)| *definition).collect();
    while let Some(name) = queue.pop() {
        if !wanted.contains(&name) {
            wanted.push(name);
            queue.extend(source.definitions[name].values().filter_map(Property::target).filter(|t| useful.contains(t)));
        }
    }
    wanted.sort();
    let number = |name: &String| wanted.iter().position(|w| *w == name);
    let mut out = String::from(
        "# Written by `cargo run -p xtask -- merge-schema`: Kubernetes 1.21.2 OpenAPI as built into kustomize 5.8.1.\n\
         # cluster: apiVersion Kind.  kind: apiVersion Kind definition.  definition: number, then field kind(.[]{}) target strategy keys.\n",
    );
    for (kind, _) in source.namespaced.iter().filter(|(_, namespaced)| !**namespaced) {
        let _ = writeln!(out, "cluster {kind}");
    }
    for (kind, definition) in kinds {
        let _ = writeln!(out, "kind {kind} {}", number(definition).unwrap_or_default());
    }
    for name in &wanted {
        let _ = writeln!(out, "definition {} {name}", number(name).unwrap_or_default());
        for (field, property) in &source.definitions[*name] {
            let target = property.target().filter(|t| useful.contains(t)).and_then(number);
            if target.is_none() && !property.merges() {
                continue;
            }
            let shape = if property.items.is_some() || property.r#ref.is_none() && property.map.is_none() {
                "[]"
            } else if property.map.is_some() {
                "{}"
            } else {
                "."
            };
            let target = target.map_or("-".to_owned(), |t| t.to_string());
            let keys = property.list_map_keys.clone().unwrap_or_else(|| property.key.iter().cloned().collect());
            let merge = if property.merges() { format!(" merge {}", keys.join(",")) } else { String::new() };
            let _ = writeln!(out, "{field} {shape} {target}{}", merge.trim_end());
        }
    }
    out
}
