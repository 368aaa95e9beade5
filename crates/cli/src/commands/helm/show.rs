//! `gantline helm show chart|values|readme|crds|all CHART`

use clap::{Args, Subcommand};
use render::helm;

use super::remote_chart::ChartFlags;
use crate::failure::{Code, Failure, Outcome};
use crate::output;

/// Show what a chart says of itself
#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// Its Chart.yaml
    Chart(Shown),
    /// Its values.yaml
    Values(Shown),
    /// Its README
    Readme(Shown),
    /// Its CRDs and those of its subcharts
    Crds(Shown),
    /// All of it
    All(Shown),
}

#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Shown {
    /// A folder, a packed chart, oci://host/chart, a URL, or repo/chart
    chart: String,
    #[command(flatten)]
    flags: ChartFlags,
    #[arg(long, hide = true)]
    jsonpath: Option<String>,
}

impl Show {
    pub(crate) async fn run(self) -> Outcome {
        let (shown, what) = match self {
            Self::Chart(shown) => (shown, helm::Show::Chart),
            Self::Values(shown) => (shown, helm::Show::Values),
            Self::Readme(shown) => (shown, helm::Show::Readme),
            Self::Crds(shown) => (shown, helm::Show::Crds),
            Self::All(shown) => (shown, helm::Show::All),
        };
        let as_written = "values are shown as they are written; use yq on them";
        Failure::refuse(&[(shown.jsonpath.is_some(), "--jsonpath", as_written)])?;
        let (place, report) = shown.flags.locate(&shown.chart).await?;
        let text = helm::show(&place.tree, &place.folder, what).map_err(|error| place.chart_failure(error))?;
        report.iter().for_each(|report| output::aside(report.trim_end()));
        output::raw(&text);
        Ok(Code::Done.into())
    }
}
