//! `gantline app logs|events`

use clap::Args;
use serde_json::Value;

use crate::args::Output;
use crate::client::{Client, segment};
use crate::failure::{Code, Outcome};
use crate::names;
use crate::output::{self, Column, age, column, or_dash, text};

/// Which of the Application's objects; all of them where nothing is said.
#[derive(Debug, Args)]
struct Object {
    /// Of this object of the Application, such as Deployment
    #[arg(long)]
    kind: Option<String>,
    #[arg(long)]
    group: Option<String>,
    /// The name of that object
    #[arg(long = "name", value_name = "NAME")]
    resource: Option<String>,
    /// The namespace of that object
    #[arg(long = "resource-namespace", value_name = "NAMESPACE")]
    resource_namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[arg(value_parser = names::name, add = names::applications())]
    pub(super) name: String,
    #[command(flatten)]
    of: Object,
    /// Of this pod
    #[arg(long)]
    pod: Option<String>,
    /// Of this container [default: the one that the pod names, else its first]
    #[arg(short, long)]
    container: Option<String>,
    /// So many of the last lines of each pod
    #[arg(long, value_name = "LINES")]
    tail: Option<u32>,
    /// Of the last so many seconds
    #[arg(long, value_name = "SECONDS")]
    since_seconds: Option<u32>,
    /// Go on with what is printed from now on
    #[arg(short, long)]
    follow: bool,
    /// Of the container before the last restart
    #[arg(short, long)]
    previous: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    #[arg(value_parser = names::name, add = names::applications())]
    pub(super) name: String,
    #[command(flatten)]
    of: Object,
    #[command(flatten)]
    output: Output,
}

const COLUMNS: &[Column] = &[
    age("LAST SEEN", "/lastTimestamp"),
    column("TYPE", |e| or_dash(e, "/type")),
    column("REASON", |e| or_dash(e, "/reason")),
    column("OBJECT", |e| format!("{}/{}", or_dash(e, "/involvedObject/kind"), or_dash(e, "/involvedObject/name"))),
    column("COUNT", |e| or_dash(e, "/count")).spare(1),
    column("MESSAGE", |e| or_dash(e, "/message")),
];

impl Logs {
    pub(super) async fn run(self, client: &Client) -> Outcome {
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        let yes = |flag: bool| flag.then(|| "true".to_owned());
        let query = query([
            ("kind", self.of.kind),
            ("group", self.of.group),
            ("resourceName", self.of.resource),
            ("namespace", self.of.resource_namespace),
            ("podName", self.pod),
            ("container", self.container),
            ("tailLines", number(self.tail)),
            ("sinceSeconds", number(self.since_seconds)),
            ("follow", yes(self.follow)),
            ("previous", yes(self.previous)),
        ]);
        // whose line it is is said from the second pod on
        let mut last = None;
        client
            .lines(&format!("{}/logs{query}", super::app::path(&self.name)), |entry| {
                let pod = text(&entry, "/result/podName");
                if last.as_ref().is_some_and(|last| *last != pod) {
                    output::line(format!("--- {}", or_dash(&entry, "/result/podName")));
                }
                last = Some(pod);
                output::raw(&format!("{}\n", text(&entry, "/result/content").unwrap_or_default()));
            })
            .await?;
        Ok(Code::Done.into())
    }
}

impl Events {
    pub(super) async fn run(self, client: &Client) -> Outcome {
        let query = query([
            ("resourceKind", self.of.kind),
            ("resourceGroup", self.of.group),
            ("resourceName", self.of.resource),
            ("resourceNamespace", self.of.resource_namespace),
        ]);
        let answer = client.get(&format!("{}/events{query}", super::app::path(&self.name))).await?;
        let all = |part: &str| answer[part].as_array().cloned().unwrap_or_default();
        output::list(&all("items"), COLUMNS, &self.output.view(client.now()), "event")?;
        all("silent").iter().for_each(|object| output::aside(without_events(object)));
        Ok(Code::Done.into())
    }
}

/// An object that could not be asked.
fn without_events(object: &Value) -> String {
    let of = |name: &str| or_dash(object, name);
    format!("warning: no Events of {}/{}: {}", of("/kind"), of("/name"), of("/message"))
}

/// What is said, after a question mark; empty where nothing is.
fn query<const N: usize>(all: [(&str, Option<String>); N]) -> String {
    let said = all.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", segment(&value?))));
    let said: Vec<String> = said.collect();
    if said.is_empty() { String::new() } else { format!("?{}", said.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_without_events_is_named_with_why() {
        let object = serde_json::json!({ "kind": "Pod", "name": "web", "message": "no answer" });
        assert_eq!(without_events(&object), "warning: no Events of Pod/web: no answer");
    }

    #[test]
    fn only_what_was_said_is_asked_for() {
        assert_eq!(query([("kind", None), ("name", None)]), "");
        assert_eq!(
            query([("kind", Some("Pod".into())), ("name", None), ("x", Some("a b".into()))]),
            "?kind=Pod&x=a%20b"
        );
    }
}
