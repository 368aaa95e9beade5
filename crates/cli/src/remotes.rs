//! Bases in other repositories, fetched into the cache of this machine.

use git::{Credentials, Repositories};
use render::{RemoteRevision, RemoteTree, Source};

use crate::failure::Failure;
use crate::folder::Place;
use crate::settings;

/// The source of a folder with the other repositories that it names.
///
/// # Errors
/// When a repository cannot be reached, or lacks the revision.
pub(crate) async fn fetched(place: &Place, mut source: Source) -> Result<Source, Failure> {
    for _ in 0..render::remote::ROUNDS {
        let wanted = render::remote::wanted(&place.tree, &source).revisions;
        if wanted.is_empty() {
            break;
        }
        for revision in wanted {
            source = with(source, revision).await?;
        }
    }
    Ok(source)
}

/// The source with one more revision of another repository.
///
/// # Errors
/// As [`fetched`].
pub(crate) async fn with(mut source: Source, revision: RemoteRevision) -> Result<Source, Failure> {
    let failed = |error: git::GitError| Failure::new(format!("the remote base {revision}: {error}"));
    let repositories = Repositories::new(settings::cache().join("git"));
    let repository = repositories.open(&revision.url, &Credentials::default()).map_err(failed)?;
    repository.refresh().await.map_err(failed)?;
    let commit = repository.resolve(&revision.revision).await.map_err(failed)?;
    let tree = repository.tree(commit).await.map_err(failed)?;
    source.remotes.insert(revision, RemoteTree { commit: commit.to_string(), tree });
    Ok(source)
}
