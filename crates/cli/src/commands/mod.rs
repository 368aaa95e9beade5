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
pub(crate) mod timeline;
pub(crate) mod try_repository;
pub(crate) mod unpack_worker;
pub(crate) mod whereabouts;

use crate::args::{Arguments, Command};
use crate::failure::Outcome;

/// Runs one command to its end.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let outer = arguments.outer.0;
    // what was said nearest to the command counts
    macro_rules! run {
        ($to:ident $(. $field:ident)?) => {{
            let (command, reach) = $to.parts(&outer);
            command$(.$field)?.run(&reach).await
        }};
    }
    match arguments.command {
        Command::Demo(command) => command.run().await,
        Command::Try(command) => command.run().await,
        Command::Serve(serve) => run!(serve),
        Command::Install(command) => command.run(),
        Command::Login(login) => run!(login),
        Command::Logout(logout) => run!(logout),
        Command::App(to) => run!(to.command),
        Command::Cluster(to) => run!(to.command),
        Command::Pipeline(to) => run!(to.command),
        Command::Release(to) => run!(to.command),
        Command::Promote(to) => run!(to),
        Command::Approve(to) => run!(to),
        Command::Reject(to) => run!(to),
        Command::Rollback(to) => run!(to),
        Command::Explain(to) => run!(to),
        Command::Where(to) => run!(to),
        Command::Env(to) => run!(to),
        Command::Timeline(to) => run!(to),
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
