//! `gantline helm dependency list|build|update`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use render::helm;

use super::charts_folder::Charts;
use super::remote_chart::LoginFlags;
use super::repository_file;
use crate::failure::{Code, Outcome};
use crate::folder::Place;
use crate::output;

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
    pub(super) chart: PathBuf,
    #[command(flatten)]
    pub(super) login: LoginFlags,
    /// Use indexes of repositories as they were fetched before
    #[arg(long)]
    pub(super) skip_refresh: bool,
    /// helm's list of repositories with names
    #[arg(long, value_name = "FILE")]
    pub(super) repository_config: Option<PathBuf>,
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
        output::raw(&list.map_err(|error| place.failure(&error.problem))?);
        Ok(Code::Done.into())
    }
}

impl Fetch {
    fn charts(&self) -> Result<Charts, crate::failure::Failure> {
        let named = repository_file::read(self.repository_config.as_ref())?;
        Charts::open(&self.chart, named, self.login.credentials()?, self.login.plain_http, self.skip_refresh)
    }
}
