//! One file a command.

pub(crate) mod app;
pub(crate) mod app_diff;
pub(crate) mod app_voices;
pub(crate) mod approve;
pub(crate) mod cluster;
pub(crate) mod completion;
pub(crate) mod debug;
pub(crate) mod demo;
pub(crate) mod env;
pub(crate) mod explain;
pub(crate) mod gates;
pub(crate) mod helm;
pub(crate) mod install;
pub(crate) mod kustomize;
pub(crate) mod login;
pub(crate) mod pipeline;
pub(crate) mod promote;
pub(crate) mod release;
pub(crate) mod render;
pub(crate) mod render_worker;
pub(crate) mod rollback;
pub(crate) mod serve;
pub(crate) mod try_repository;
pub(crate) mod unpack_worker;
pub(crate) mod whereabouts;

use crate::args::{Arguments, Command};
use crate::failure::Outcome;

/// Runs one command to its end.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let reach = arguments.reach;
    match arguments.command {
        Command::Demo(command) => command.run().await,
        Command::Try(command) => command.run().await,
        Command::Serve(command) => command.run(&reach).await,
        Command::Install(command) => command.run(),
        Command::Login(command) => command.run(&reach).await,
        Command::Logout => login::logout(&reach).await,
        Command::App(group) => group.command.run(&reach).await,
        Command::Cluster(group) => group.command.run(&reach).await,
        Command::Pipeline(group) => group.command.run(&reach).await,
        Command::Release(group) => group.command.run(&reach).await,
        Command::Promote(command) => command.run(&reach).await,
        Command::Approve(command) => command.run(&reach, approve::Verdict::Approve).await,
        Command::Reject(command) => command.run(&reach, approve::Verdict::Reject).await,
        Command::Rollback(command) => command.run(&reach).await,
        Command::Explain(command) => command.run(&reach).await,
        Command::Where(command) => command.run(&reach).await,
        Command::Env(command) => command.run(&reach).await,
        Command::Gates(command) => command.run(),
        Command::Render(command) => command.run().await,
        Command::RenderWorker(command) => Ok(command.run()),
        Command::UnpackWorker(_) => Ok(unpack_worker::UnpackWorker::run()),
        Command::Kustomize(group) => group.command.run().await,
        Command::Helm(group) => group.command.run().await,
        Command::Debug(group) => group.command.run(),
        Command::Completion(command) => command.run(),
    }
}
