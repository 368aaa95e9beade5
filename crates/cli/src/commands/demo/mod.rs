//! `gantline demo`: the whole product on this machine, with nothing else.

mod charts;
mod check;
mod commits;
mod invite;
mod push;
mod stage;
mod story;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::commands::serve::interrupted;
use crate::failure::{Code, Outcome};
use crate::output;
use crate::sandbox_folder::Starting;
use stage::Stage;

/// The whole product on this machine: sandbox cluster, Git repositories, registry, controller and page
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Demo {
    #[command(subcommand)]
    action: Option<Action>,
    /// Play the story, check every step, and end
    #[arg(long)]
    unattended: bool,
    /// How fast the clock runs: 60 makes a soak of ten minutes take ten seconds
    #[arg(long, default_value_t = 60.0, value_name = "N")]
    speed: f64,
    /// Keep everything in this folder; a second start goes on from there
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Start a kept demo whose store is damaged: keep what is whole, list what is lost
    #[arg(long, requires = "keep")]
    recover: bool,
    /// Where the page listens
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
}

/// What is done with a demo that runs.
#[derive(Debug, Subcommand)]
enum Action {
    Push(push::Push),
}

impl Demo {
    pub(crate) async fn run(mut self) -> Outcome {
        match self.action.take() {
            Some(Action::Push(push)) => push.run().await,
            None => self.play().await,
        }
    }

    async fn play(self) -> Outcome {
        let temporary = match &self.keep {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix(push::PREFIX).tempdir()?),
        };
        let folder = self.keep.clone().or_else(|| temporary.as_ref().map(|t| t.path().to_owned())).unwrap_or_default();
        // what is printed works from any folder
        let folder = std::path::absolute(folder)?;
        let listen = if self.unattended { SocketAddr::from(([127, 0, 0, 1], 0)) } else { self.listen };
        let starting = Starting { speed: self.speed, recover: self.recover, names: Vec::new() };
        let mut stage = Stage::set_up(&folder, &starting, listen).await?;
        let played = if self.unattended {
            let told = tokio::select! {
                told = story::play(&mut stage) => told,
                () = interrupted() => Err(crate::failure::Failure::new("interrupted")),
            };
            told.map(|()| Code::Done.into())
        } else {
            invite::invite(&stage);
            interrupted().await;
            output::line("\nStopping.");
            Ok(Code::Done.into())
        };
        stage.tear_down().await;
        played
    }
}
