//! `gantline helm dependency list|build|update`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use git::ChartRepositoryOptions;
use render::helm;

use super::charts_folder::{Charts, Sources};
use super::remote_chart::LoginFlags;
use super::repository_file;
use crate::failure::{Code, Failure, Outcome};
use crate::folder::Place;
use crate::output;
use crate::remotes::chart_repositories;

/// What a chart is built on
#[derive(Debug, Subcommand)]
pub(crate) enum Dependency {
    /// List the dependencies of a chart, and what its charts/ folder has of them
    #[command(visible_alias = "ls")]
    List(List),
    /// Fetch what Chart.lock names into charts/
    Build(Fetch),
    /// Choose versions, fetch them into charts/ and write Chart.lock
    #[command(visible_alias = "up")]
    Update(Fetch),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The folder or archive of the chart
    #[arg(default_value = ".")]
    chart: String,
    /// Largest width of a column
    #[arg(long, default_value_t = 80, value_name = "CHARACTERS")]
    max_col_width: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// The folder of the chart
    #[arg(default_value = ".")]
    chart: PathBuf,
    #[command(flatten)]
    login: LoginFlags,
    /// Use indexes of repositories as they were fetched before
    #[arg(long)]
    skip_refresh: bool,
    /// helm's list of repositories with names
    #[arg(long, value_name = "FILE")]
    repository_config: Option<PathBuf>,
    #[arg(long, hide = true)]
    debug: bool,
}

impl Dependency {
    pub(crate) async fn run(self) -> Outcome {
        match self {
            Self::List(list) => list.run(),
            Self::Build(fetch) => {
                fetch.charts()?.build().await?;
                Ok(Code::Done.into())
            }
            Self::Update(fetch) => {
                fetch.charts()?.update().await?;
                Ok(Code::Done.into())
            }
        }
    }
}

impl List {
    fn run(self) -> Outcome {
        let place = Place::open(self.chart.as_ref())?;
        let list = helm::dependency_list(&place.tree, &place.folder, &self.chart, self.max_col_width);
        output::raw(&list.map_err(|error| place.chart_failure(error))?);
        Ok(Code::Done.into())
    }
}

impl Fetch {
    fn charts(&self) -> Result<Charts, Failure> {
        // one command sees one state of a repository
        let index_age = if self.skip_refresh { Duration::MAX } else { Duration::from_secs(3600) };
        let plain_http = self.login.plain_http;
        let sources = Sources {
            named: repository_file::read(self.repository_config.as_ref())?,
            login: self.login.credentials()?,
            options: ChartRepositoryOptions { plain_http, index_age, ..ChartRepositoryOptions::default() },
            repositories: chart_repositories(),
        };
        Charts::open(&self.chart, sources)
    }
}
