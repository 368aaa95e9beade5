//! Who is behind a commit.

use std::collections::BTreeSet;

use api::gantline::person;
use git::{CommitInfo, Signature};

use promotion::{PROMOTION_ID, PROMOTION_SEAL, Seal};

use crate::context::Context;
use crate::pipelines::EMAIL;

/// The committer of what somebody made on its pages: the author says who.
const GITHUB: &str = "noreply@github.com";
const CO_AUTHOR: &str = "co-authored-by:";

/// Author, committer and co-authors, as `Dana Smith <dana@acme.io>`. People may be given any name here; who would hide
/// leaves out a co-author.
pub(super) fn people_of(cx: &Context, commit: &CommitInfo) -> BTreeSet<String> {
    let is_page = |who: &Signature| who.name == "GitHub" && who.email == GITHUB;
    let author = Some(&commit.author).filter(|who| who.email != EMAIL || !is_sealed(cx, commit));
    let committer = Some(&commit.committer).filter(|who| who.email != EMAIL || !is_sealed(cx, commit));
    let signed = author.into_iter().chain(committer.filter(|who| !is_page(who)));
    let signed = signed.map(|who| person(&who.name, &who.email));
    signed.chain(commit.body.lines().filter_map(co_author)).collect()
}

/// Whether Gantline made it, and nobody who only calls himself so.
fn is_sealed(cx: &Context, commit: &CommitInfo) -> bool {
    let parents: Vec<String> = commit.parents.iter().map(ToString::to_string).collect();
    let said = |key: &str| commit.trailers.get(key).unwrap_or_default();
    let holds = |seal: &Seal| seal.holds_commit(said(PROMOTION_ID), &parents, &commit.tree, said(PROMOTION_SEAL));
    cx.seal().is_some_and(holds)
}

fn co_author(line: &str) -> Option<String> {
    let line = line.trim();
    let key = line.get(..CO_AUTHOR.len()).filter(|key| key.eq_ignore_ascii_case(CO_AUTHOR))?;
    Some(line[key.len()..].trim().to_owned()).filter(|name| !name.is_empty())
}
