//! `edit set replicas`.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::config::Replica;
use super::super::error::Result;
use super::file::{File, place_by_name};

/// Sets the counts of all arguments; of two arguments for one name the last counts.
///
/// # Errors
/// When an argument is not `NAME=COUNT`, or the text cannot be edited there.
pub(crate) fn set(file: &mut File, arguments: &[String]) -> Result<()> {
    let mut wanted = BTreeMap::new();
    for argument in arguments {
        let (name, count) = parse(argument).ok_or_else(|| {
            file.error(format!("{argument:?} says no count")).hint("write NAME=COUNT, as in my-app=3")
        })?;
        wanted.insert(name, count);
    }
    if wanted.is_empty() {
        return Err(file.error("no replicas are named").hint("write NAME=COUNT, as in my-app=3"));
    }
    wanted.into_iter().try_for_each(|(name, count)| set_one(file, name, count))
}

fn parse(argument: &str) -> Option<(String, i64)> {
    let (name, count) = argument.split_once('=')?;
    Some((name.to_owned(), count.parse().ok()?))
}

fn set_one(file: &mut File, name: String, count: i64) -> Result<()> {
    let replicas = &file.read.replicas;
    let places: Vec<usize> = (0..replicas.len()).filter(|i| replicas[*i].name == name).collect();
    let Some((first, doubles)) = places.split_first() else {
        let index = place_by_name(replicas.iter().map(|r| r.name.as_str()), &name);
        file.insert(&["replicas".into()], index, &json!({"name": name, "count": count}))?;
        file.read.replicas.insert(index, Replica { name, count });
        return Ok(());
    };
    file.set(&["replicas".into(), (*first).into(), "count".into()], &count.into())?;
    file.read.replicas[*first].count = count;
    let marked: Vec<bool> = (0..file.read.replicas.len()).map(|index| doubles.contains(&index)).collect();
    file.remove_items("replicas", &marked)?;
    file.reread()
}
