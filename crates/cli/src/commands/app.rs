//! `gantline app …`

use std::time::Duration;

use api::argocd::Destination;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::app_diff::{self, Diff};
use super::app_voices::{Events, Logs};
use crate::args::{Output, Reach};
use crate::client::{Client, segment};
use crate::failure::{Code, Failure, Outcome};
use crate::names;
use crate::output::{self, Column, View, age, column, conditions_of, or_dash, text, wide};
use crate::patience::{Waited, until};

#[derive(Debug, Subcommand)]
pub(crate) enum App {
    /// List Applications
    #[command(visible_alias = "ls")]
    List {
        /// Label selector, such as environment=staging
        #[arg(short = 'l', long)]
        selector: Option<String>,
        /// Only Applications of this project
        #[arg(short, long)]
        project: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Show one Application: where from, where to, how it is, and each of its resources
    Get {
        #[arg(value_parser = names::name, add = names::applications())]
        name: String,
        /// Look at Git and the cluster first
        #[arg(long)]
        refresh: bool,
        /// As --refresh, and render anew
        #[arg(long)]
        hard_refresh: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Show what a sync would change, and who changed it; exit code 1 if something would
    Diff(Diff),
    /// Make the cluster equal to Git now
    Sync(Sync),
    /// Wait until an Application is Synced and Healthy
    Wait(Wait),
    /// Show what was deployed, and when
    History {
        #[arg(value_parser = names::name, add = names::applications())]
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Look at Git and the cluster again
    Refresh {
        #[arg(value_parser = names::name, add = names::applications())]
        name: String,
        /// Render anew even if nothing was pushed
        #[arg(long)]
        hard: bool,
    },
    /// Show what its containers print
    Logs(Logs),
    /// Show the Events about it, or about one of its objects
    Events(Events),
    /// End the operation that is under way
    Terminate {
        #[arg(value_parser = names::name, add = names::applications())]
        name: String,
    },
    /// Delete an Application, and its resources with --cascade
    Delete {
        #[arg(value_parser = names::name, add = names::applications())]
        name: String,
        /// Delete what it deployed, too
        #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
        cascade: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Sync {
    #[arg(value_parser = names::name, add = names::applications())]
    name: String,
    /// Deploy this revision instead of the one that the Application tracks
    #[arg(long)]
    revision: Option<String>,
    /// Past the gates of the Pipeline that owns what it deploys (the right to override)
    #[arg(long)]
    r#override: bool,
    /// Delete what is no longer in Git
    #[arg(long)]
    prune: bool,
    /// List what would be created, changed and pruned, do nothing
    #[arg(long)]
    dry_run: bool,
    /// Only these: GROUP:KIND:NAME
    #[arg(long = "resource", value_name = "GROUP:KIND:NAME")]
    resources: Vec<String>,
    /// Do not wait for the end
    #[arg(long = "async")]
    background: bool,
    /// Give up waiting after this many seconds
    #[arg(long, default_value_t = 300)]
    timeout: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    #[arg(required = true, value_parser = names::name, add = names::applications())]
    names: Vec<String>,
    /// Wait until it is Synced
    #[arg(long)]
    sync: bool,
    /// Wait until it is Healthy
    #[arg(long)]
    health: bool,
    /// Wait until no operation runs
    #[arg(long)]
    operation: bool,
    /// Give up after this many seconds
    #[arg(long, default_value_t = 300)]
    timeout: u64,
}

const COLUMNS: &[Column] = &[
    column("NAME", |a| or_dash(a, "/metadata/name")),
    wide("PROJECT", |a| or_dash(a, "/spec/project")),
    wide("CLUSTER", cluster),
    column("NAMESPACE", |a| or_dash(a, "/spec/destination/namespace")).spare(1),
    column("SYNC STATUS", |a| state(a, "/status/sync/status")),
    column("HEALTH STATUS", |a| state(a, "/status/health/status")),
    column("REVISION", |a| or_dash(a, "/status/sync/revision")).spare(2),
    column("PROBLEM", problem).if_said(),
    wide("PROVEN AT", |a| or_dash(a, "/status/provenAt")),
    wide("REPOSITORY", |a| or_dash(a, "/spec/source/repoURL")),
    wide("PATH", |a| or_dash(a, "/spec/source/path")),
    wide("TARGET", |a| or_dash(a, "/spec/source/targetRevision")),
    wide("CONDITIONS", conditions),
];

const HISTORY: &[Column] = &[
    column("ID", |h| or_dash(h, "/id")),
    age("AGE", "/deployedAt"),
    column("REVISION", |h| or_dash(h, "/revision")),
    wide("DATE", |h| or_dash(h, "/deployedAt")),
    wide("BY", |h| text(h, "/initiatedBy/username").unwrap_or_else(|| "automated sync".into())),
];

const RESOURCES: &[Column] = &[
    column("KIND", |r| text(r, "/kind").unwrap_or_default()),
    column("GROUP", |r| text(r, "/group").unwrap_or_default()).spare(2),
    column("NAMESPACE", |r| text(r, "/namespace").unwrap_or_default()).spare(1),
    column("NAME", |r| text(r, "/name").unwrap_or_default()),
    column("STATUS", |r| text(r, "/status").unwrap_or_default()),
    column("HEALTH", |r| text(r, "/health/status").unwrap_or_default()),
    column("MESSAGE", |r| text(r, "/health/message").unwrap_or_default()),
];

/// Its name where the Application says that, else its server.
fn cluster(app: &Value) -> String {
    let said = app.pointer("/spec/destination").and_then(|said| Destination::deserialize(said).ok());
    let cluster = said.map_or_else(String::new, |destination| destination.cluster().to_owned());
    if cluster.is_empty() { "-".to_owned() } else { cluster }
}

/// Of one that nobody has judged, or nobody can read, nothing is known.
fn state(app: &Value, pointer: &str) -> String {
    text(app, pointer).unwrap_or_else(|| "Unknown".to_owned())
}

/// The first error that its conditions tell of; warnings are no problem of its own.
fn problem(app: &Value) -> String {
    let mut errors =
        conditions_of(app).filter(|condition| text(condition, "/type").is_some_and(|it| it.ends_with("Error")));
    errors.next().map_or_else(String::new, |error| or_dash(error, "/message"))
}

/// That it cannot be read, as the server says it: waiting is no use.
fn why_unreadable(app: &Value) -> Option<String> {
    Some(problem(app)).filter(|why| why.starts_with(control::CANNOT_BE_READ))
}

fn conditions(app: &Value) -> String {
    let types: Vec<String> = conditions_of(app).filter_map(|c| text(c, "/type")).collect();
    if types.is_empty() { "-".into() } else { types.join(",") }
}

pub(super) fn path(name: &str) -> String {
    format!("/api/v1/applications/{}", segment(name))
}

impl App {
    pub(crate) async fn run(mut self, reach: &Reach) -> Outcome {
        let client = Client::anywhere(reach).await?;
        // with --core, that is the namespace that is looked at
        let namespace = reach.cluster.namespace.as_deref().filter(|_| !reach.core);
        namespace.iter().for_each(|namespace| self.lead_to(namespace));
        match self {
            Self::List { selector, project, output } => {
                list(
                    &client,
                    [("selector", selector), ("projects", project), ("appNamespace", namespace.map(str::to_owned))],
                    output,
                )
                .await
            }
            Self::Get { name, refresh, hard_refresh, output } => {
                let query = if hard_refresh {
                    "?refresh=hard"
                } else if refresh {
                    "?refresh=normal"
                } else {
                    ""
                };
                let app = client.get(&format!("{}{query}", path(&name))).await?;
                output::one(&app, output, "application", |app| describe(app, &output.view(client.now())))?;
                Ok(Code::Done.into())
            }
            Self::Diff(diff) => diff.run(&client).await,
            Self::Sync(sync) => sync.run(&client).await,
            Self::Wait(wait) => wait.run(&client).await,
            Self::History { name, output } => {
                let app = client.get(&path(&name)).await?;
                let history = app.pointer("/status/history").and_then(Value::as_array).cloned().unwrap_or_default();
                output::list(&history, HISTORY, &output.view(client.now()), "history")?;
                Ok(Code::Done.into())
            }
            Self::Logs(logs) => logs.run(&client).await,
            Self::Events(events) => events.run(&client).await,
            Self::Terminate { name } => {
                client.delete(&format!("{}/operation", path(&name))).await?;
                output::line(format!("the operation on {name} is being ended"));
                Ok(Code::Done.into())
            }
            Self::Refresh { name, hard } => {
                let kind = if hard { "hard" } else { "normal" };
                let app = client.get(&format!("{}?refresh={kind}", path(&name))).await?;
                output::line(format!(
                    "{name}: {} {}",
                    or_dash(&app, "/status/sync/status"),
                    or_dash(&app, "/status/health/status")
                ));
                Ok(Code::Done.into())
            }
            Self::Delete { name, cascade, yes } => delete(&client, &name, cascade, yes).await,
        }
    }

    /// What is named without a namespace is of this one.
    fn lead_to(&mut self, namespace: &str) {
        for name in self.named() {
            if !name.contains('/') {
                *name = format!("{namespace}/{name}");
            }
        }
    }

    fn named(&mut self) -> &mut [String] {
        match self {
            Self::List { .. } => &mut [],
            Self::Get { name, .. }
            | Self::History { name, .. }
            | Self::Refresh { name, .. }
            | Self::Terminate { name }
            | Self::Delete { name, .. } => std::slice::from_mut(name),
            Self::Diff(diff) => std::slice::from_mut(&mut diff.name),
            Self::Sync(sync) => std::slice::from_mut(&mut sync.name),
            Self::Wait(wait) => &mut wait.names,
            Self::Logs(logs) => std::slice::from_mut(&mut logs.name),
            Self::Events(events) => std::slice::from_mut(&mut events.name),
        }
    }
}

async fn list<const N: usize>(client: &Client, wanted: [(&str, Option<String>); N], output: Output) -> Outcome {
    let said = wanted.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", segment(&value?))));
    let query: Vec<String> = said.collect();
    let items = client.items(&format!("/api/v1/applications?{}", query.join("&"))).await?;
    output::list(&items, COLUMNS, &output.view(client.now()), "application")?;
    if items.is_empty() {
        let chosen = if query.is_empty() { String::new() } else { " that is chosen so".to_owned() };
        output::aside(format!("there is no Application{chosen}, or none that you may see"));
    }
    Ok(Code::Done.into())
}

fn describe(app: &Value, view: &View) {
    for (title, pointer) in [
        ("Name", "/metadata/name"),
        ("Project", "/spec/project"),
        ("Repository", "/spec/source/repoURL"),
        ("Target", "/spec/source/targetRevision"),
        ("Path", "/spec/source/path"),
        ("Server", "/spec/destination/server"),
        ("Cluster", "/spec/destination/name"),
        ("Namespace", "/spec/destination/namespace"),
        ("Sync Status", "/status/sync/status"),
        ("Revision", "/status/sync/revision"),
        ("Proven At", "/status/provenAt"),
        ("Health Status", "/status/health/status"),
        ("Health Message", "/status/health/message"),
        ("Operation", "/status/operationState/phase"),
        ("Operation Message", "/status/operationState/message"),
    ] {
        if let Some(value) = text(app, pointer) {
            output::line(format!("{:<18} {value}", format!("{title}:")));
        }
    }
    for condition in conditions_of(app) {
        output::line(format!("{:<18} {}", format!("{}:", or_dash(condition, "/type")), or_dash(condition, "/message")));
    }
    let resources = app.pointer("/status/resources").and_then(Value::as_array).cloned().unwrap_or_default();
    if !resources.is_empty() {
        output::line("");
        output::rows(&resources, RESOURCES, view);
    }
}

async fn delete(client: &Client, name: &str, cascade: bool, yes: bool) -> Outcome {
    if !yes {
        let what = if cascade { " and everything it deployed" } else { ", keeping what it deployed" };
        return Err(Failure::usage(format!("this would delete the Application {name}{what}"))
            .hint("say --yes if that is meant"));
    }
    client.delete(&format!("{}?cascade={cascade}", path(name))).await?;
    output::line(format!("application {name} deleted"));
    Ok(Code::Done.into())
}

impl Sync {
    async fn run(self, client: &Client) -> Outcome {
        let resources: Result<Vec<Value>, Failure> = self.resources.iter().map(|r| resource(r)).collect();
        let resources = resources?;
        let revision = self.revision.clone().unwrap_or_default();
        let mut body =
            json!({ "revision": revision, "prune": self.prune, "dryRun": self.dry_run, "resources": resources });
        if self.r#override {
            body["override"] = json!(true);
        }
        client.post(&format!("{}/sync", path(&self.name)), body).await?;
        if self.dry_run {
            app_diff::foretell(client, &self.name, &revision, &resources, self.prune).await?;
        }
        if self.background {
            output::line(format!("{}: sync requested", self.name));
            return Ok(Code::Done.into());
        }
        let app = wait_for(client, &self.name, self.timeout, |app| {
            let running =
                matches!(text(app, "/status/operationState/phase").as_deref(), Some("Running" | "Terminating"));
            app.get("operation").is_none_or(Value::is_null)
                && !running
                && app.pointer("/status/operationState").is_some()
        })
        .await?;
        let phase = or_dash(&app, "/status/operationState/phase");
        let dry = if self.dry_run { " (dry run)" } else { "" };
        output::line(format!("{}: {phase}{dry}: {}", self.name, or_dash(&app, "/status/operationState/message")));
        Ok(if phase == "Succeeded" { Code::Done.into() } else { Code::Failed.into() })
    }
}

fn resource(text: &str) -> Result<Value, Failure> {
    match text.split(':').collect::<Vec<_>>()[..] {
        [group, kind, name] => Ok(json!({ "group": group, "kind": kind, "name": name })),
        _ => Err(Failure::usage(format!(
            "{text:?} is no resource: expected GROUP:KIND:NAME, such as apps:Deployment:shop"
        ))),
    }
}

impl Wait {
    async fn run(self, client: &Client) -> Outcome {
        let all = !(self.sync || self.health || self.operation);
        for name in &self.names {
            let app = wait_for(client, name, self.timeout, |app| {
                let synced = text(app, "/status/sync/status").as_deref() == Some("Synced");
                let healthy = text(app, "/status/health/status").as_deref() == Some("Healthy");
                let idle =
                    !matches!(text(app, "/status/operationState/phase").as_deref(), Some("Running" | "Terminating"))
                        && app.get("operation").is_none_or(Value::is_null);
                (!(self.sync || all) || synced)
                    && (!(self.health || all) || healthy)
                    && (!(self.operation || all) || idle)
            })
            .await?;
            output::line(format!(
                "{name}: {} {}",
                or_dash(&app, "/status/sync/status"),
                or_dash(&app, "/status/health/status")
            ));
        }
        Ok(Code::Done.into())
    }
}

/// Asks until `done`, for `timeout` seconds of real time at most.
async fn wait_for(client: &Client, name: &str, timeout: u64, done: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
    let state = |app: &Value| format!("{} {}", state(app, "/status/sync/status"), state(app, "/status/health/status"));
    let told = |app: &Value| {
        format!("{name}: {} {}", state(app), text(app, "/status/operationState/message").unwrap_or_default())
    };
    let ended = |app: &Value| done(app) || why_unreadable(app).is_some();
    match until(client, &path(name), Duration::from_secs(timeout), told, ended).await? {
        Waited::Done(app) => match why_unreadable(&app) {
            Some(why) => Err(Failure::new(format!("{name}: {why}"))),
            None => Ok(app),
        },
        Waited::GaveUp(app) => Err(Failure::new(format!("{name} is {} after {timeout} s", state(&app)))
            .hint(format!("why: gantline explain {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_told_with_its_error() {
        let why = format!("{}: invalid type", control::CANNOT_BE_READ);
        let why = why.as_str();
        let warning = json!({ "type": "SharedResourceWarning", "message": "shared" });
        let unread = json!({ "status": { "conditions": [warning, { "type": "InvalidSpecError", "message": why }] } });
        assert_eq!((state(&unread, "/status/sync/status").as_str(), problem(&unread).as_str()), ("Unknown", why));
        assert_eq!(why_unreadable(&unread).as_deref(), Some(why));
        let shared = json!({ "status": { "conditions": [warning] } });
        assert_eq!((problem(&shared).as_str(), why_unreadable(&shared)), ("", None));
        assert_eq!(why_unreadable(&json!({})), None);
    }

    #[test]
    fn a_cluster_is_called_as_everywhere() {
        let check = |destination: Value, expected: &str| {
            assert_eq!(cluster(&json!({ "spec": { "destination": destination } })), expected, "{destination}");
        };
        check(json!({ "name": "prod", "server": "https://p" }), "prod");
        check(json!({ "server": "https://kubernetes.default.svc/" }), "in-cluster");
        check(json!({ "server": "https://p" }), "https://p");
        check(json!({}), "-");
        check(Value::Null, "-");
    }
}
