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
pub(crate) mod followed;
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
    let outer = arguments.outer.0;
    match arguments.command {
        Command::Demo(command) => command.run().await,
        Command::Try(command) => command.run().await,
        Command::Serve(serve) => {
            let (command, reach) = serve.parts(&outer);
            command.run(&reach).await
        }
        Command::Install(command) => command.run(),
        Command::Login(login) => {
            let (command, reach) = login.parts(&outer);
            command.run(&reach).await
        }
        Command::Logout(logout) => {
            let (command, reach) = logout.parts(&outer);
            command.run(&reach).await
        }
        Command::App(to) => {
            let (group, reach) = to.parts(&outer);
            group.command.run(&reach).await
        }
        Command::Cluster(to) => {
            let (group, reach) = to.parts(&outer);
            group.command.run(&reach).await
        }
        Command::Pipeline(to) => {
            let (group, reach) = to.parts(&outer);
            group.command.run(&reach).await
        }
        Command::Release(to) => {
            let (group, reach) = to.parts(&outer);
            group.command.run(&reach).await
        }
        Command::Promote(to) => {
            let (command, reach) = to.parts(&outer);
            command.run(&reach).await
        }
        Command::Approve(to) => {
            let (command, reach) = to.parts(&outer);
            command.run(&reach).await
        }
        Command::Reject(to) => {
            let (command, reach) = to.parts(&outer);
            command.run(&reach).await
        }
        Command::Rollback(to) => {
            let (command, reach) = to.parts(&outer);
            command.run(&reach).await
        }
        Command::Explain(to) => {
            let (command, reach) = to.parts(&outer);
            command.run(&reach).await
        }
        Command::Where(to) => {
            let (command, reach) = to.parts(&outer);
            command.run(&reach).await
        }
        Command::Env(to) => {
            let (command, reach) = to.parts(&outer);
            command.run(&reach).await
        }
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
