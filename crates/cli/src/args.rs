//! The command line, as typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

/// GitOps delivery and promotion for Kubernetes, in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "gantline",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 20 there are differences.\nNew here? Try: gantline demo"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Say more on standard error
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// How the commands reach what they talk about.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Reach {
    /// URL of the server [default: the one that was logged in to last]
    #[arg(long, global = true, env = "GANTLINE_SERVER", value_name = "URL", help_heading = "Reaching the server")]
    pub(crate) server: Option<String>,
    /// Session token instead of a login
    #[arg(long, global = true, env = "GANTLINE_TOKEN", hide_env_values = true, help_heading = "Reaching the server")]
    pub(crate) token: Option<String>,
    /// Trust this certificate authority (PEM) of the server
    #[arg(long, global = true, value_name = "FILE", help_heading = "Reaching the server")]
    pub(crate) ca: Option<PathBuf>,
    /// Do not check the server's certificate
    #[arg(long, global = true, help_heading = "Reaching the server")]
    pub(crate) insecure: bool,
    /// Straight to the cluster, without a server, with the rights of the kubeconfig
    #[arg(long, global = true, help_heading = "Reaching the server")]
    pub(crate) core: bool,
    /// Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Reaching the cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, global = true, help_heading = "Reaching the cluster")]
    pub(crate) context: Option<String>,
    /// Namespace of Applications and Pipelines
    #[arg(long, global = true, default_value = "argocd", help_heading = "Reaching the cluster")]
    pub(crate) namespace: String,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
    Name,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

// A command of commands: a group of arguments, because clap builds those only once they are typed.
#[derive(Debug, Args)]
pub(crate) struct Group<C: Subcommand> {
    #[command(subcommand)]
    pub(crate) command: C,
}

// deferred: to build all commands for one of them takes as long as rendering a chart
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// The whole product on this machine: sandbox cluster, Git repositories, registry, controller and page
    Demo(commands::demo::Demo),
    /// Deploy somebody's repository into a sandbox and report what is healthy, what is not, and why
    Try(commands::try_repository::Try),
    /// Run the controller and the server against a cluster
    Serve(commands::serve::Serve),
    /// Print the manifests that a cluster needs
    Install(commands::install::Install),
    /// Log in to a server and remember the session
    Login(commands::login::Login),
    /// End the session
    Logout,
    /// Applications: list, get, diff, sync, wait, history, refresh, delete
    #[command(visible_alias = "application")]
    App(Group<commands::app::App>),
    /// Clusters that Applications may name, and whether they answer
    Cluster(Group<commands::cluster::Cluster>),
    /// Pipelines: which environments an image passes, through which gates
    Pipeline(Group<commands::pipeline::Pipeline>),
    /// Releases: the images that travel
    Release(Group<commands::release::Release>),
    /// Put a release into an environment (the gates still decide)
    Promote(commands::promote::Promote),
    /// Approve a promotion that waits
    Approve(commands::approve::Decide),
    /// Reject a promotion that waits
    Reject(commands::approve::Decide),
    /// Go back to what ran before, by a revert commit, and hold the bad image
    Rollback(commands::rollback::Rollback),
    /// Why an Application is not Synced, why a release does not move: value, needed, earliest time, who can act
    Explain(commands::explain::Explain),
    /// Which environments run an image, tag or digest
    Where(commands::whereabouts::Where),
    /// The environments of a service: purpose, namespace, image source, config source, trigger
    Env(commands::env::Env),
    /// The kinds of gates that a Pipeline may have: when each passes, and how it is written
    Gates(commands::gates::Gates),
    /// Render a folder of a local repository as the controller would
    Render(commands::render::Render),
    #[command(hide = true)]
    RenderWorker(commands::render_worker::RenderWorker),
    #[command(hide = true)]
    UnpackWorker(commands::unpack_worker::UnpackWorker),
    /// kustomize, in process: build, edit, create
    Kustomize(Group<commands::kustomize::Kustomize>),
    /// helm, in process: template, dependency, pull, show
    Helm(Box<Group<commands::helm::Helm>>),
    #[command(hide = true)]
    Debug(Group<commands::debug::Debug>),
    /// Shell completion
    Completion(commands::completion::Completion),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
