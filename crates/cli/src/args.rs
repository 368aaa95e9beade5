//! The command line, as typed.

use std::path::PathBuf;

use clap::{ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::commands;

/// GitOps delivery and promotion for Kubernetes, in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "gantline",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 20 nothing could be compared (app diff: 1 if something differs).\nNew here? Try: gantline demo"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) outer: Outer,
    /// Say more on standard error
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

// How a command reaches what it talks about. No doc comments on these: clap would take them for what the command is about.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Reach {
    /// URL of the server [default: $GANTLINE_SERVER, else the one that was logged in to last]
    #[arg(long, global = true, value_name = "URL", help_heading = "Reaching the server")]
    pub(crate) server: Option<String>,
    /// Session token instead of a login [default: $GANTLINE_TOKEN]
    #[arg(long, global = true, help_heading = "Reaching the server")]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) trust: Trust,
    /// Straight to the cluster, without a server, with the rights of the kubeconfig
    #[arg(long, global = true, help_heading = "Reaching the server")]
    pub(crate) core: bool,
    #[command(flatten)]
    pub(crate) cluster: ClusterReach,
}

// Whose certificates a server may show.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Trust {
    /// Trust this certificate authority (PEM) of the server
    #[arg(long, global = true, value_name = "FILE", help_heading = "Reaching the server")]
    pub(crate) ca: Option<PathBuf>,
    /// Do not check the server's certificate
    #[arg(long, global = true, help_heading = "Reaching the server")]
    pub(crate) insecure: bool,
}

// Which cluster, and which namespace of it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ClusterReach {
    /// Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Reaching the cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, global = true, help_heading = "Reaching the cluster")]
    pub(crate) context: Option<String>,
    /// Namespace of Applications and Pipelines [default: argocd; through a server, its own]
    #[arg(long, global = true, help_heading = "Reaching the cluster")]
    pub(crate) namespace: Option<String>,
}

impl ClusterReach {
    /// Argo CD's, unless another is named.
    pub(crate) fn namespace(&self) -> String {
        self.namespace.clone().unwrap_or_else(|| "argocd".to_owned())
    }

    fn or(self, outer: &Self) -> Self {
        Self {
            kubeconfig: self.kubeconfig.or_else(|| outer.kubeconfig.clone()),
            context: self.context.or_else(|| outer.context.clone()),
            namespace: self.namespace.or_else(|| outer.namespace.clone()),
        }
    }
}

impl Trust {
    fn or(self, outer: &Self) -> Self {
        Self { ca: self.ca.or_else(|| outer.ca.clone()), insecure: self.insecure || outer.insecure }
    }
}

impl Reach {
    fn or(self, outer: &Self) -> Self {
        Self {
            server: self.server.or_else(|| outer.server.clone()),
            token: self.token.or_else(|| outer.token.clone()),
            trust: self.trust.or(&outer.trust),
            core: self.core || outer.core,
            cluster: self.cluster.or(&outer.cluster),
        }
    }
}

/// The same flags before the command. They are not handed down: the help of a command has those that it uses.
#[derive(Debug, Default)]
pub(crate) struct Outer(pub(crate) Reach);

impl FromArgMatches for Outer {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Reach::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl Args for Outer {
    fn augment_args(command: clap::Command) -> clap::Command {
        let flags = Reach::augment_args(clap::Command::new("outer"));
        command.args(flags.get_arguments().map(|flag| flag.clone().global(false)))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

// A command with how it reaches what it talks about.
#[derive(Debug, Args)]
pub(crate) struct To<C: Args, R: Args> {
    #[command(flatten)]
    command: C,
    #[command(flatten)]
    reach: R,
}

impl<C: Args> To<C, Reach> {
    /// What was said nearest to the command counts.
    pub(crate) fn parts(self, outer: &Reach) -> (C, Reach) {
        (self.command, self.reach.or(outer))
    }
}

impl<C: Args> To<C, Trust> {
    pub(crate) fn parts(self, outer: &Reach) -> (C, Reach) {
        let reach = Reach { trust: self.reach, ..Reach::default() };
        (self.command, reach.or(outer))
    }
}

impl<C: Args> To<C, ClusterReach> {
    pub(crate) fn parts(self, outer: &Reach) -> (C, ClusterReach) {
        (self.command, self.reach.or(&outer.cluster))
    }
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

impl From<Format> for Output {
    fn from(output: Format) -> Self {
        Self { output }
    }
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
    Serve(Box<To<commands::serve::Serve, ClusterReach>>),
    /// Print the manifests that a cluster needs
    Install(commands::install::Install),
    /// Log in to a server and remember the session
    Login(Box<To<commands::login::Login, Trust>>),
    /// End the session
    Logout(Box<To<commands::login::Logout, Trust>>),
    /// Applications: list, get, diff, sync, wait, history, refresh, delete
    #[command(visible_alias = "application")]
    App(Box<To<Group<commands::app::App>, Reach>>),
    /// Clusters that Applications may name, and whether they answer
    Cluster(Box<To<Group<commands::cluster::Cluster>, Reach>>),
    /// Pipelines: which environments an image passes, through which gates
    Pipeline(Box<To<Group<commands::pipeline::Pipeline>, Reach>>),
    /// Releases: the images that travel
    Release(Box<To<Group<commands::release::Release>, Reach>>),
    /// Put a release into an environment (the gates still decide)
    Promote(Box<To<commands::promote::Promote, Reach>>),
    /// Approve a promotion that waits
    Approve(Box<To<commands::approve::Approve, Reach>>),
    /// Reject a promotion that waits
    Reject(Box<To<commands::approve::Reject, Reach>>),
    /// Go back to what ran before, by a revert commit, and hold the bad image
    Rollback(Box<To<commands::rollback::Rollback, Reach>>),
    /// Why an Application is not Synced, why a release does not move: value, needed, earliest time, who can act
    Explain(Box<To<commands::explain::Explain, Reach>>),
    /// Which environments run an image, tag or digest
    Where(Box<To<commands::whereabouts::Where, Reach>>),
    /// The environments of a service: purpose, namespace, image source, config source, trigger
    Env(Box<To<commands::env::Env, Reach>>),
    /// What happened, the newest first: by whom, why, and by which commit
    Timeline(Box<To<commands::timeline::Timeline, Reach>>),
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
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// What `--help` of a command prints.
    fn help(line: &str) -> String {
        let words = ["gantline"].into_iter().chain(line.split(' ')).chain(["--help"]);
        Arguments::try_parse_from(words).unwrap_err().to_string()
    }

    #[test]
    fn the_help_of_a_command_has_the_flags_that_it_uses() {
        let check = |line: &str, server: bool, certificates: bool, cluster: bool| {
            let help = help(line);
            assert_eq!(help.contains("--token"), server, "{line}: {help}");
            assert_eq!(help.contains("--insecure "), certificates, "{line}: {help}");
            assert_eq!(help.contains("--context"), cluster, "{line}: {help}");
        };
        for line in [
            "app list",
            "pipeline get",
            "release show",
            "promote",
            "approve",
            "where",
            "env",
            "timeline",
            "cluster list",
        ] {
            check(line, true, true, true);
        }
        for line in ["completion", "render", "gates", "demo", "demo push", "try", "install", "kustomize build"] {
            check(line, false, false, false);
        }
        check("login", false, true, false);
        check("logout", false, true, false);
        check("serve", false, false, true);
        assert!(!help("helm template").contains("--server "));
        for (line, about) in [
            ("login", "Log in to a server"),
            ("logout", "End the session"),
            ("serve", "Run the controller"),
            ("app", "Applications: list, get"),
            ("promote", "Put a release into an environment"),
            ("where", "Which environments run an image"),
        ] {
            assert!(help(line).starts_with(about), "{line}: {}", help(line));
        }
    }

    #[test]
    fn flags_may_stand_on_either_side_of_the_command() {
        let reach = |line: &str| {
            let parsed = Arguments::try_parse_from(line.split(' ')).unwrap();
            let Command::App(app) = parsed.command else { panic!("{line}") };
            app.parts(&parsed.outer.0).1
        };
        let both = reach("gantline --server one --namespace team app list --server two --core");
        assert_eq!((both.server.as_deref(), both.core), (Some("two"), true));
        assert_eq!(both.cluster.namespace(), "team");
        assert_eq!(reach("gantline --server one app list").server.as_deref(), Some("one"));
        assert_eq!(reach("gantline app --server one list").server.as_deref(), Some("one"));
        assert_eq!(reach("gantline app list").cluster.namespace(), "argocd");
    }

    /// An empty name would be a path of the API that is not meant.
    #[test]
    fn names_are_never_empty() {
        let lines: &[&[&str]] = &[
            &["app", "get", ""],
            &["app", "diff", ""],
            &["app", "sync", ""],
            &["app", "wait", ""],
            &["app", "history", ""],
            &["app", "refresh", ""],
            &["app", "logs", ""],
            &["app", "events", ""],
            &["app", "terminate", ""],
            &["app", "delete", ""],
            &["pipeline", "get", ""],
            &["release", "list", ""],
            &["release", "show", ""],
            &["release", "lift", ""],
            &["env", ""],
            &["where", ""],
            &["where", " "],
            &["explain", ""],
            &["promote", "", "--to", "x"],
            &["promote", "x", "--to", ""],
            &["approve", ""],
            &["reject", ""],
            &["rollback", "", "--in", "x"],
            &["rollback", "x", "--in", ""],
            &["login", ""],
        ];
        for line in lines {
            let refused = Arguments::try_parse_from([&["gantline"], *line].concat()).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{line:?}: {refused}");
            assert!(refused.to_string().contains("is empty"), "{line:?}: {refused}");
        }
    }
}
