//! Who wrote what the branch of one environment has and that of another has not: what merging it would bring.

use std::collections::BTreeSet;

use api::argocd::{Application, normalize_git_url};
use api::gantline::ReleaseSource;
use git::CommitId;
use promotion::Spot;

use super::people::people_of;
use crate::context::Context;
use crate::pipelines::ground;
use crate::pipelines::observe::at_of;
use crate::repositories::Address;

/// More commits are not read.
const HISTORY: usize = 2_000;

/// `None`: one of the Applications is not at these commits any more.
pub(super) async fn ask(cx: &Context, from: &Spot, into: &Spot) -> Option<ReleaseSource> {
    let at = |spot: &Spot| cx.application(&spot.application).filter(|app| at_of(app) == spot.at);
    let (from, into) = (at(from)?, at(into)?);
    let written = ground::written(&into)?;
    let address = || Address::of(written);
    let same = ground::written(&from)
        .is_some_and(|other| normalize_git_url(&other.repo_url) == normalize_git_url(&written.repo_url));
    // another replica may have compared them: a commit that is not here yet is asked for
    for app in [&from, &into].into_iter().filter(|_| same) {
        cx.repositories.tree(address(), into.spec.project_name(), ground::synced(app)).await.ok()?;
    }
    let (people, unread) = match people(cx, &from, &into).await {
        Ok(people) => (people, String::new()),
        Err(why) => (BTreeSet::new(), format!("what {} brings cannot be read: {why}", from.metadata.name)),
    };
    Some(ReleaseSource { people: people.into_iter().collect(), unread, ..ReleaseSource::default() })
}

async fn people(cx: &Context, from: &Application, into: &Application) -> Result<BTreeSet<String>, String> {
    let source = ground::written(into).ok_or("it has no source")?;
    let repository = cx.repositories.git(Address::of(source), into.spec.project_name());
    let repository = repository.map_err(|error| error.to_string())?;
    let [new, old] = [from, into].map(|app| ground::synced(app).parse::<CommitId>());
    let commits = repository.log(new?, Some(old?), HISTORY + 1).await.map_err(|error| error.to_string())?;
    if commits.len() > HISTORY {
        return Err(format!("it has more than {HISTORY} commits"));
    }
    Ok(commits.iter().flat_map(|commit| people_of(cx, commit)).collect())
}
