//! `revision`: branches, tags, constraints, versions of charts.

use git::revision::{Listed, Seen, Target, commit_of, version_of};
use serde_json::{Value, json};

use super::{Answer, text, unknown_op};

pub(super) fn answer(input: &Value) -> Answer {
    let revision = text(input, "revision");
    let unknown = || format!("the revision {revision:?} means nothing here");
    match text(input, "op") {
        "git" => {
            let refs: Vec<Listed<'_>> = texts(input, "refs").filter_map(listed).collect();
            let commit = commit_of(&refs, revision, text(input, "tagPrefix")).ok_or_else(unknown)?;
            Ok(json!({"commit": commit}))
        }
        "helm" => {
            let version = version_of(revision, texts(input, "versions"), "").ok_or_else(unknown)?;
            Ok(json!({"version": version}))
        }
        "isConstraint" => {
            let Seen { constraint, version, commit, abbreviated_commit, short_name } = Seen::of(revision);
            Ok(json!({"constraint": constraint, "version": version, "sha": commit,
                "truncatedSha": abbreviated_commit, "shortRef": short_name}))
        }
        _ => Err(unknown_op(input)),
    }
}

fn texts<'a>(input: &'a Value, field: &str) -> impl Iterator<Item = &'a str> + Clone {
    input[field].as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str)
}

/// `HASH NAME`, or `ref: TARGET NAME`.
fn listed(line: &str) -> Option<Listed<'_>> {
    let (target, name) = line.rsplit_once(' ')?;
    let target = target.strip_prefix("ref: ").map_or(Target::Commit(target), Target::Reference);
    Some(Listed { name, target })
}
