//! Bases in other repositories and charts, fetched into the cache of this machine.

use git::{ChartRepositories, Credentials, Repositories};
use render::{FetchedChart, RemoteChart, RemoteRevision, RemoteTree, Source};

use crate::failure::Failure;
use crate::folder::Place;
use crate::settings;

/// The source of a folder with the other repositories and the charts that it names.
///
/// # Errors
/// When a repository cannot be reached, or lacks the revision or the chart.
pub(crate) async fn fetched(place: &Place, mut source: Source) -> Result<Source, Failure> {
    for _ in 0..render::remote::ROUNDS {
        let wanted = render::remote::wanted(&place.tree, &source);
        if wanted.is_empty() {
            break;
        }
        for revision in wanted.revisions {
            source = with(source, revision).await?;
        }
        for chart in wanted.charts {
            let fetched = self::chart(&chart).await?;
            source.remotes.insert_chart(chart, fetched);
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

/// The repositories of charts, with the cache of this machine.
pub(crate) fn chart_repositories() -> ChartRepositories {
    ChartRepositories::new(settings::cache().join("charts"))
}

async fn chart(chart: &RemoteChart) -> Result<FetchedChart, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("the chart {chart}: {error}"));
    let repository = chart_repositories().open(&chart.repo, &Credentials::default()).map_err(|e| failed(&e))?;
    let version = repository.resolve(&chart.name, chart.constraint()).await.map_err(|e| failed(&e))?;
    let bytes = repository.pull(&version).await.map_err(|e| failed(&e))?;
    let tree = render::helm::unpack(&bytes).map_err(|e| failed(&e))?;
    Ok(FetchedChart::new(version.version, tree))
}
