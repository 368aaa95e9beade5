//! Who is behind a commit.

use std::collections::BTreeSet;

use api::gantline::person;
use git::{CommitInfo, Signature};

use crate::context::Context;
use crate::pipelines::EMAIL;
use crate::records::is_promotions;

/// The committer of what somebody made on its pages: the author says who.
const GITHUB: &str = "noreply@github.com";
/// Trailers that say who wrote a commit, or passed it on as theirs.
const AUTHORS: [&str; 3] = ["co-authored-by", "co-developed-by", "signed-off-by"];

/// Author, committer, co-authors and whoever signed it off, as `Dana Smith <dana@acme.io>`. People may be given any name
/// here; who would hide leaves out a co-author.
pub(super) fn people_of(cx: &Context, commit: &CommitInfo) -> BTreeSet<String> {
    let is_page = |who: &Signature| who.name == "GitHub" && who.email == GITHUB;
    let is_ours = || cx.seal().is_some_and(|seal| is_promotions(seal, commit));
    let author = Some(&commit.author).filter(|who| who.email != EMAIL || !is_ours());
    let committer = Some(&commit.committer).filter(|who| who.email != EMAIL || !is_ours());
    let signed = author.into_iter().chain(committer.filter(|who| !is_page(who)));
    let signed = signed.map(|who| person(&who.name, &who.email));
    signed.chain(commit.body.lines().filter_map(other_author)).collect()
}

fn other_author(line: &str) -> Option<String> {
    let (key, name) = line.split_once(':')?;
    let is_author = AUTHORS.iter().any(|known| known.eq_ignore_ascii_case(key.trim()));
    Some(name.trim().to_owned()).filter(|name| is_author && !name.is_empty())
}
