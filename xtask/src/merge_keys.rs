//! The table that client-side applies need: which fields of the built-in kinds merge otherwise than by name, and how.
//!
//! Source: the sandbox's table of types, which is that of Kubernetes 1.36. The output is one line a fact, read by
//! `engine::apply`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

struct Field<'a> {
    name: &'a str,
    /// Of the field, or of what a list or a map of them holds.
    of: &'a str,
    is_list: bool,
    strategy: &'a str,
    key: &'a str,
}

/// Reads the types at `from` and writes the table to `to`.
pub(crate) fn run(from: &Path, to: &Path) -> Result<()> {
    let text = std::fs::read_to_string(from).with_context(|| format!("reading {}", from.display()))?;
    std::fs::write(to, table(&text)).with_context(|| format!("writing {}", to.display()))
}

fn table(text: &str) -> String {
    let mut types = types(text);
    // kubectl merges these as it does custom resources
    types.retain(|name, _| !name.starts_with("apiextensions/") && !name.ends_with("List"));
    let useful = useful(&types);
    let mut out = String::from(
        "# Written by `cargo run -p xtask -- merge-keys`: Kubernetes 1.36.\n# type: name, then field type strategy(- if none) key.\n",
    );
    for (name, fields) in types.iter().filter(|(name, _)| useful.contains(*name)) {
        let _ = writeln!(out, "type {name}");
        for field in fields.iter().filter(|field| is_useful(field, &useful)) {
            let of = if useful.contains(field.of) { field.of } else { "-" };
            let list = if field.is_list { "[]" } else { "" };
            let strategy = if field.strategy.is_empty() { "-" } else { field.strategy };
            let _ = writeln!(out, "{} {list}{of} {strategy} {}", field.name, field.key);
        }
    }
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
}

fn is_useful(field: &Field<'_>, useful: &BTreeSet<&str>) -> bool {
    !field.strategy.is_empty() || useful.contains(field.of)
}

/// Types in which a strategy can be reached.
fn useful<'a>(types: &BTreeMap<&'a str, Vec<Field<'a>>>) -> BTreeSet<&'a str> {
    let mut useful = BTreeSet::new();
    loop {
        let found = types.iter().filter(|(_, fields)| fields.iter().any(|field| is_useful(field, &useful)));
        let found: BTreeSet<&str> = found.map(|(name, _)| *name).collect();
        if found == useful {
            return useful;
        }
        useful = found;
    }
}

/// With the fields of those that are written into them.
fn types(text: &str) -> BTreeMap<&str, Vec<Field<'_>>> {
    let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("type ") {
            Some(next) => {
                name = next;
                lines.entry(name).or_default();
            }
            None => lines.entry(name).or_default().push(line.trim()),
        }
    }
    lines.keys().map(|name| (*name, fields(name, &lines))).collect()
}

fn fields<'a>(name: &str, lines: &BTreeMap<&'a str, Vec<&'a str>>) -> Vec<Field<'a>> {
    let mut all = Vec::new();
    for line in lines.get(name).into_iter().flatten() {
        let words: Vec<&str> = line.split(' ').collect();
        let [field, of, rest @ ..] = words.as_slice() else { continue };
        if rest.contains(&"inline") {
            all.extend(fields(of, lines));
            continue;
        }
        let said = |name: &str| rest.iter().find_map(|word| word.strip_prefix(name)).unwrap_or_default();
        let is_list = of.starts_with("[]");
        let of = of.trim_start_matches("[]").trim_start_matches('*');
        let of = of.rsplit_once(']').map_or(of, |(_, of)| of);
        all.push(Field { name: field, of, is_list, strategy: said("patchStrategy="), key: said("patchMergeKey=") });
    }
    all
}
