//! `gantline demo push`: what CI does for one version more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use sandbox::{CRASH_LABEL, Image, MANIFEST, digest_of};

use super::commits::Commits;
use super::stage::{IMAGE, SERVICE};
use crate::failure::{Code, Failure, Outcome};
use crate::output;
use crate::program::quoted;
use crate::sandbox_folder::{Joined, SandboxFolder};

/// How the folders of demos begin that are not kept.
pub(super) const PREFIX: &str = "gantline-demo-";
/// So often it is pushed again where somebody came first.
const ATTEMPTS: usize = 5;

/// Be CI: push another version of checkout-service, and write its tag for dev
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// A version whose pods fail: it goes no further than dev
    #[arg(long)]
    bad: bool,
    /// The folder of the demo [default: that of the one that runs]
    #[arg(long = "in", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Push {
    pub(super) async fn run(self) -> Outcome {
        let (folder, joined) = match &self.folder {
            Some(folder) => (folder.clone(), SandboxFolder::joined(folder).await?),
            None => running().await?,
        };
        let tag = hex(rand::random());
        push(&joined.registry_url, &tag, self.bad).await?;
        let commit = deliver(&folder, &joined, &tag).await?;
        let how = if self.bad { " (its pods fail)" } else { "" };
        output::line(format!("pushed {IMAGE}:{tag}{how}"));
        output::line(format!("wrote it for {SERVICE} in dev: commit {}", commit.get(..10).unwrap_or(&commit)));
        output::line(format!("follow it on the page, or by: {} explain {tag}", crate::program::program()));
        Ok(Code::Done.into())
    }
}

/// The only demo that runs from a folder of its own.
async fn running() -> Result<(PathBuf, Joined), Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(std::env::temp_dir())?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Ok(joined) = SandboxFolder::joined(&entry.path()).await
        {
            found.push((entry.path(), joined));
        }
    }
    let folders: Vec<String> = found.iter().map(|(folder, _)| quoted(folder)).collect();
    let only = found.pop().filter(|_| found.is_empty());
    only.ok_or_else(|| match folders.as_slice() {
        [] => Failure::new("no demo runs")
            .hint("start one (gantline demo); of one that is kept name the folder: --in DIR"),
        several => Failure::usage(format!("several demos run: {}", several.join(", "))).hint("say which with --in DIR"),
    })
}

async fn push(registry: &str, tag: &str, bad: bool) -> Result<(), Failure> {
    let labels = bad.then(|| (CRASH_LABEL.to_owned(), "true".to_owned()));
    let image = Image::build(IMAGE, tag, &labels.into_iter().collect::<BTreeMap<_, _>>());
    let http = reqwest::Client::new();
    let base = format!("{registry}/v2/{IMAGE}");
    for blob in [image.layer, image.config] {
        let url = format!("{base}/blobs/uploads/?digest={}", digest_of(&blob));
        http.post(url).body(blob).send().await?.error_for_status()?;
    }
    let manifest = http.put(format!("{base}/manifests/{tag}")).header("content-type", MANIFEST).body(image.manifest);
    manifest.send().await?.error_for_status()?;
    Ok(())
}

/// Commits the tag, again where the branch moved meanwhile.
async fn deliver(folder: &Path, joined: &Joined, tag: &str) -> Result<String, Failure> {
    let cache = tempfile::tempdir()?;
    let commits = Commits {
        repositories: folder.join("git"),
        cache: cache.path().to_owned(),
        clock: std::sync::Arc::clone(&joined.clock),
    };
    let mut last = commits.deliver(tag).await;
    for _ in 1..ATTEMPTS {
        if last.is_ok() {
            break;
        }
        last = commits.deliver(tag).await;
    }
    last
}

fn hex(bytes: [u8; 20]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
