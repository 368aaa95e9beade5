//! `gantline try REPO`

mod manifests;
mod stage;
mod survey;
mod verdict;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use control::workers::{Pool, Renderer};
use git::{Credentials, Repositories};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use server::{Listener, Transport};
use tokio_util::sync::CancellationToken;

use self::stage::Stage;
use self::survey::{Found, Origin, What, survey};
use self::verdict::{Status, Verdict};
use crate::args::{Format, Output};
use crate::commands::render_worker::Rendering;
use crate::commands::serve::interrupted;
use crate::failure::{Code, Failure, Outcome};
use crate::output;
use crate::settings;

/// Deploy somebody's repository into a sandbox and report what is healthy, what is not, and why
#[derive(Debug, Args)]
#[command(
    after_help = "Every image counts as there. Nothing leaves this machine but the fetch of the repository, and of the charts and bases that it names."
)]
pub(crate) struct Try {
    /// A URL, or a repository on this machine
    repository: String,
    /// Only below this folder
    #[arg(long, default_value = "", value_name = "FOLDER")]
    path: String,
    /// Branch, tag or commit
    #[arg(long, default_value = "HEAD")]
    revision: String,
    /// For how many minutes of the sandbox's time nothing may come on before a path is given up
    #[arg(long, default_value_t = 15, value_name = "MINUTES")]
    patience: u64,
    /// How fast the sandbox's clock runs
    #[arg(long, default_value_t = 120.0, value_name = "N")]
    speed: f64,
    /// Leave the sandbox and its page open until Ctrl-C
    #[arg(long)]
    keep_running: bool,
    #[command(flatten)]
    output: Output,
}

/// So many paths are tried at most.
const LIMIT: usize = 200;

impl Try {
    pub(crate) async fn run(self) -> Outcome {
        let url = url_of(&self.repository)?;
        let repository = Repositories::new(settings::cache().join("git")).open(&url, &Credentials::default())?;
        repository.refresh().await?;
        let commit = repository.resolve(&self.revision).await?;
        let tree = repository.tree(commit).await?;
        let origin = Origin { url: repository.url(), commit: &commit.to_string() };
        let renderer = Renderer::Processes(Pool::new(Rendering::default().pool()));
        let mut found = survey(&tree, self.path.trim_matches('/'), origin, &renderer).await;
        if found.is_empty() {
            let place = if self.path.is_empty() { "the repository".to_owned() } else { self.path.clone() };
            return Err(Failure::new(format!("{place} holds no Applications, charts, kustomizations or manifests"))
                .hint("name another folder with --path"));
        }
        let is_table = !matches!(self.output.output, Format::Json | Format::Yaml);
        let title = format!("{} at {}: {} paths", repository.url(), commit.short(), found.len());
        if is_table {
            output::line(title);
        }
        if found.len() > LIMIT {
            output::aside(format!("only the first {LIMIT} of {} paths are tried: choose with --path", found.len()));
            found.truncate(LIMIT);
        }
        let stage = Stage::set(&found, self.speed).await?;
        self.wait(&stage, &found).await;
        let verdicts = stage.judge(&found).await;
        self.report(&verdicts)?;
        if self.keep_running {
            self.keep(&stage).await?;
        }
        stage.end();
        let bad = verdicts.iter().any(|verdict| matches!(verdict.status, Status::NotHealthy | Status::NeedsMore));
        Ok(if bad { Code::Failed.into() } else { Code::Done.into() })
    }

    async fn wait(&self, stage: &Stage, found: &[Found]) {
        let count = found.iter().filter(|it| matches!(it.what, What::Deployable(_))).count();
        let bar = if settings::progress() { ProgressBar::new(count as u64) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{pos} of {len} settled {bar:20} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        stage.settle(count, Duration::from_secs(60 * self.patience), &bar).await;
        bar.finish_and_clear();
    }

    fn report(&self, verdicts: &[Verdict]) -> Result<(), Failure> {
        if matches!(self.output.output, Format::Json | Format::Yaml) {
            let items: Result<Vec<Value>, _> = verdicts.iter().map(serde_json::to_value).collect();
            return output::list(&items?, &[], &self.output.view(None), "path");
        }
        verdicts.iter().for_each(|verdict| output::line(verdict.line()));
        let count = |status: Status| verdicts.iter().filter(|verdict| verdict.status == status).count();
        let rest = [(Status::NeedsMore, "need more than the repository has"), (Status::NotDeployed, "not deployed")];
        let rest = rest.map(|(status, words)| (count(status), words)).into_iter().filter(|(count, _)| *count > 0);
        let rest: String = rest.map(|(count, words)| format!(", {count} {words}")).collect();
        let (healthy, deployed) = (count(Status::Healthy), verdicts.len() - count(Status::NotDeployed));
        output::line(format!("{healthy} of {deployed} healthy{rest}"));
        Ok(())
    }

    /// Serves the page until somebody has seen enough.
    async fn keep(&self, stage: &Stage) -> Result<(), Failure> {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Listener::bind(anywhere, &Transport::Plain).await?;
        stage.plane.server.ready().await;
        let stop = CancellationToken::new();
        let enough = interrupted();
        output::aside(format!("look at it: {} (Ctrl-C ends it)", listener.url()));
        let serving = tokio::spawn(listener.serve(stage.plane.server.router(), stop.clone()));
        enough.await;
        stop.cancel();
        let _ = serving.await;
        Ok(())
    }
}

fn url_of(text: &str) -> Result<String, Failure> {
    if text.contains("://") || text.contains('@') {
        return Ok(text.to_owned());
    }
    let path = PathBuf::from(text)
        .canonicalize()
        .map_err(|error| Failure::new(format!("{text}: {error}")).hint("give a URL, or a folder that exists"))?;
    if is_repository(&path) {
        return Ok(format!("file://{}", path.display()));
    }
    let hint = path.ancestors().skip(1).find(|folder| is_repository(folder)).map_or_else(
        || "what is tried is a commit: git init, git add and git commit there first".to_owned(),
        |whole| {
            let below = path.strip_prefix(whole).unwrap_or(&path).display();
            format!("it is part of one, of which a commit is tried: gantline try {} --path {below}", whole.display())
        },
    );
    Err(Failure::new(format!("{text} is a folder, and no Git repository")).hint(hint))
}

/// With a work tree or without.
fn is_repository(folder: &Path) -> bool {
    folder.join(".git").exists() || (folder.join("HEAD").is_file() && folder.join("objects").is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_no_repository_is_told_what_would_work() {
        let room = tempfile::tempdir().unwrap();
        let at = |below: &str| room.path().canonicalize().unwrap().join(below).display().to_string();
        for folder in ["work/.git", "work/deploy/dev", "bare/objects", "plain"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        std::fs::write(at("bare/HEAD"), "").unwrap();
        for repository in ["work", "bare"] {
            assert_eq!(url_of(&at(repository)).unwrap(), format!("file://{}", at(repository)));
        }
        let told = |folder: &str| {
            let Failure { message, hint, .. } = url_of(&at(folder)).unwrap_err();
            format!("{message}: {}", hint.unwrap_or_default())
        };
        let whole = format!("gantline try {} --path deploy/dev", at("work"));
        assert!(told("work/deploy/dev").contains(&whole), "{}", told("work/deploy/dev"));
        assert!(told("plain").contains("is a folder, and no Git repository"), "{}", told("plain"));
        assert!(told("plain").contains("git init"), "{}", told("plain"));
        assert_eq!(url_of("https://git.acme.io/a/b").unwrap(), "https://git.acme.io/a/b");
    }
}
