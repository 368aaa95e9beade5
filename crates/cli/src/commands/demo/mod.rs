//! `gantline demo`: the whole product on this machine, with nothing else.

mod charts;
mod check;
mod stage;
mod story;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::commands::serve::interrupted;
use crate::failure::{Code, Outcome};
use crate::output;
use crate::sandbox_folder::Starting;
use stage::Stage;

/// The whole product on this machine: sandbox cluster, Git repositories, registry, controller and page
#[derive(Debug, Args)]
pub(crate) struct Demo {
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

impl Demo {
    pub(crate) async fn run(self) -> Outcome {
        let temporary = match &self.keep {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("gantline-demo-").tempdir()?),
        };
        let folder = self.keep.clone().or_else(|| temporary.as_ref().map(|t| t.path().to_owned())).unwrap_or_default();
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
            invite(&stage);
            interrupted().await;
            output::line("\nStopping.");
            Ok(Code::Done.into())
        };
        stage.tear_down().await;
        played
    }
}

/// The URL, and three things to try.
fn invite(stage: &Stage) {
    let url = &stage.url;
    let ecommerce = stage.repositories.join("ecommerce-infra.git");
    output::line(format!(
        "Gantline runs: {url}   (time goes {} times faster here; Ctrl-C ends it)

  accounts   team-lead / team-lead   and   developer / developer
  cluster    export KUBECONFIG={}
  Git        {}

Three things to try:
  1. Be CI: the image of a new version of checkout-service is in the registry. Write its tag for dev, and watch it
     travel to production's gate on the page; approve it there as team-lead.
       git clone {} shop && cd shop
       sed -i 's/newTag: .*/newTag: {}/' apps/checkout-service/overlays/dev/kustomization.yaml
       git commit -am 'ci: checkout-service' && git push
  2. Change something behind Git's back, and see who is named when it is healed:
       kubectl -n dev scale deployment checkout-service --replicas 9
  3. Ask why something does not move:
       gantline login {url} --username team-lead --password team-lead
       gantline explain checkout-service-production",
        stage.speed,
        stage.kubeconfig.display(),
        ecommerce.display(),
        ecommerce.display(),
        stage::NEXT_TAG,
    ));
}
