//! Who is behind a commit.

use std::collections::BTreeSet;

use api::gantline::person;
use git::{CommitInfo, Signature};

use crate::pipelines::EMAIL;

/// Commits that somebody made on its pages: their author says who.
const GITHUB: &str = "noreply@github.com";
const CO_AUTHOR: &str = "co-authored-by:";

/// Author, committer and co-authors, as `Dana Smith <dana@acme.io>`. People may be given any name here; who would hide
/// leaves out a co-author.
pub(super) fn people_of(commit: &CommitInfo) -> BTreeSet<String> {
    let signed = [&commit.author, &commit.committer].into_iter().filter(|who| !is_program(who));
    let signed = signed.map(|who| person(&who.name, &who.email));
    signed.chain(commit.body.lines().filter_map(co_author)).collect()
}

fn is_program(who: &Signature) -> bool {
    [EMAIL, GITHUB].contains(&who.email.as_str())
}

fn co_author(line: &str) -> Option<String> {
    let line = line.trim();
    let key = line.get(..CO_AUTHOR.len()).filter(|key| key.eq_ignore_ascii_case(CO_AUTHOR))?;
    Some(line[key.len()..].trim().to_owned()).filter(|name| !name.is_empty())
}
