//! `gantline helm pull CHART…`

use std::path::{Path, PathBuf};

use clap::Args;
use object::{EntryKind, FileTree, MemoryTree, path};
use render::helm;

use super::remote_chart::{ChartFlags, Fetched, NO_PROVENANCE};
use super::write;
use crate::failure::{Code, Failure, Outcome};
use crate::output;

/// Fetch a packed chart and, if wanted, unpack it
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Pull {
    /// oci://host/chart, a URL, repo/chart, or with --repo the chart's name
    #[arg(required = true, value_name = "CHART")]
    charts: Vec<String>,
    #[command(flatten)]
    flags: ChartFlags,
    /// Unpack the chart
    #[arg(long)]
    untar: bool,
    /// With --untar: the folder to unpack into, below --destination
    #[arg(long, default_value = ".", hide_default_value = true, value_name = "FOLDER")]
    untardir: PathBuf,
    /// The folder to write into
    #[arg(short, long, default_value = ".", hide_default_value = true, value_name = "FOLDER")]
    destination: PathBuf,
    #[arg(long, hide = true)]
    prov: bool,
}

impl Pull {
    pub(crate) async fn run(self) -> Outcome {
        Failure::refuse(&[(self.prov, "--prov", NO_PROVENANCE)])?;
        for chart in &self.charts {
            let fetched = self.flags.fetch(chart).await?;
            if self.untar {
                self.unpack(&fetched)?
            } else {
                self.save(&fetched)?
            }
            output::raw(&fetched.report().unwrap_or_default());
        }
        Ok(Code::Done.into())
    }

    fn save(&self, fetched: &Fetched) -> Result<(), Failure> {
        if !self.destination.is_dir() {
            let message = format!("{}: there is no such folder", self.destination.display());
            return Err(Failure::new(message).hint("make it first"));
        }
        write::file(&self.destination.join(fetched.file_name()), &fetched.bytes)
    }

    /// Unpacks into a folder of the chart's name, which must not be there.
    fn unpack(&self, fetched: &Fetched) -> Result<(), Failure> {
        let file = fetched.file_name();
        let packed = MemoryTree::default().file(&file, &fetched.bytes).tree();
        let chart = helm::load(&packed, &file).map_err(Failure::from)?;
        let files = helm::unpack(&fetched.bytes)?;
        let folder = self.destination.join(&self.untardir);
        let target = folder.join(chart.name());
        if target.symlink_metadata().is_ok() {
            let message =
                format!("failed to untar: a file or directory with the name {} already exists", target.display());
            return Err(Failure::new(message).hint("remove it, or give another --untardir"));
        }
        write::folder(&target, |draft| write_tree(&files, "", draft))
    }
}

fn write_tree(tree: &FileTree, folder: &str, target: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(target)?;
    for entry in tree.list(folder)?.unwrap_or_default() {
        let (place, target) = (path::child(folder, &entry.name), target.join(&entry.name));
        match entry.kind {
            EntryKind::Folder => write_tree(tree, &place, &target)?,
            _ => std::fs::write(&target, tree.read(&place)?.unwrap_or_default())?,
        }
    }
    Ok(())
}
