//! `gantline app diff`, and what `gantline app sync --dry-run` foretells: both show what the controller's comparison
//! foresees of a sync.

use std::path::{Path, PathBuf};

use api::argocd::{Application, Settings};
use clap::{ArgAction, Args};
use render::{RenderContext, Source};
use serde_json::{Value, json};

use super::app::path;
use crate::args::{Format, Output};
use crate::client::{Client, segment};
use crate::commands::helm::surroundings;
use crate::failure::{Code, Failure, Outcome};
use crate::folder::Place;
use crate::names;
use crate::output::{self, or_dash, text};
use crate::remotes;

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 nothing would change, 1 something would, 20 it cannot be compared.")]
pub(crate) struct Diff {
    #[arg(value_parser = names::name, add = names::applications())]
    pub(crate) name: String,
    /// Compare with this revision instead of the one that the Application tracks
    #[arg(long, conflicts_with = "local")]
    revision: Option<String>,
    /// Compare with this folder of a repository on this machine (the right to override); charts see the Kubernetes version
    /// of this program there, and kustomizations no options of argocd-cm
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// Exit with 1 if something would change
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    exit_code: bool,
    #[command(flatten)]
    output: Output,
}

impl Diff {
    pub(crate) async fn run(self, client: &Client) -> Outcome {
        let exit_code = self.exit_code;
        // 1 says that something differs
        let differs = self.show(client).await.map_err(|failure| Failure { code: Code::NotCompared, ..failure })?;
        Ok(if differs && exit_code { Code::Failed.into() } else { Code::Done.into() })
    }

    async fn show(self, client: &Client) -> Result<bool, Failure> {
        let all = match &self.local {
            Some(folder) => compared_with(client, &self.name, folder).await?,
            None => compared_at(client, &self.name, self.revision.as_deref().unwrap_or_default()).await?,
        };
        let changed: Vec<Value> = all.into_iter().filter(|object| !object["change"].is_null()).collect();
        if matches!(self.output.output, Format::Json | Format::Yaml) {
            output::list(&changed, &[], &self.output.view(client.now()), "resource")?;
        } else {
            changed.iter().for_each(print);
        }
        Ok(!changed.is_empty())
    }
}

async fn compared_at(client: &Client, name: &str, revision: &str) -> Result<Vec<Value>, Failure> {
    client.items(&format!("{}/managed-resources?revision={}", path(name), segment(revision))).await
}

/// With what a folder of this machine renders, by the options of the Application's source.
async fn compared_with(client: &Client, name: &str, folder: &Path) -> Result<Vec<Value>, Failure> {
    let app = Application::from_value(client.get(&path(name)).await?)?;
    let [declared] = app.spec.all_sources() else {
        return Err(Failure::usage(format!(
            "{name} has several sources: which of them the folder stands for is not certain"
        ))
        .hint("compare with a revision instead, or render each source by itself (gantline render)"));
    };
    let place = Place::open(folder)?;
    let source = control::to_render(declared, &Settings::default());
    let source = remotes::fetched(&place, Source { path: place.folder.clone(), ..source }).await?;
    let context = RenderContext {
        app_name: app.metadata.name.clone(),
        namespace: app.spec.destination.namespace.clone(),
        surroundings: Some(surroundings()),
        ..RenderContext::default()
    };
    let rendered = render::render_in(&place.tree, &source, &context);
    if let Some(problem) = rendered.errors().next() {
        return Err(place.failure(problem));
    }
    rendered.problems.iter().for_each(|problem| output::aside(place.shown(problem)));
    let manifests: Vec<&Value> = rendered.manifests.iter().map(|it| it.manifest.value()).collect();
    let answer = client.post(&format!("{}/diff", path(name)), json!({ "manifests": manifests })).await?;
    Ok(answer["items"].as_array().cloned().unwrap_or_default())
}

/// One object: who changed what, then the object before and after.
fn print(object: &Value) {
    output::line(format!("===== {} {} ======", or_dash(object, "/change/action"), title(object)));
    if let Some(reason) = text(object, "/refused") {
        output::line(format!("# the API server would refuse it: {reason}"));
    }
    let unknown = object.pointer("/change/action") == Some(&json!("update")) && object["change"]["after"].is_null();
    for field in object["fields"].as_array().into_iter().flatten() {
        let place = or_dash(field, "/path");
        if unknown {
            output::line(format!("# {place}: {} -> {}", field["live"], field["desired"]));
        }
        if let Some(by) = text(field, "/changedBy") {
            output::line(format!("# {place} was changed by {by}"));
        }
    }
    if !unknown {
        let yaml = |side: &str| match &object["change"][side] {
            Value::Null => String::new(),
            value => output::yaml(value),
        };
        let (before, after) = (yaml("before"), yaml("after"));
        let diff = similar::TextDiff::from_lines(&before, &after);
        output::raw(&diff.unified_diff().context_radius(3).header("live", "after a sync").to_string());
    }
}

/// `apps/Deployment/shop/web`
fn title(object: &Value) -> String {
    ["/group", "/kind", "/namespace", "/name"].map(|part| text(object, part).unwrap_or_default()).join("/")
}

/// What a sync of these objects, or of all, would do.
///
/// # Errors
/// When it cannot be compared.
pub(super) async fn foretell(
    client: &Client,
    name: &str,
    revision: &str,
    chosen: &[Value],
    prune: bool,
) -> Result<(), Failure> {
    let all = compared_at(client, name, revision).await?;
    let is_chosen = |object: &&Value| {
        chosen.is_empty()
            || chosen.iter().any(|it| ["group", "kind", "name"].iter().all(|part| it[part] == object[part]))
    };
    let lines: Vec<String> = all.iter().filter(is_chosen).filter_map(|object| foretold(object, prune)).collect();
    if lines.is_empty() {
        output::line("nothing would change");
    }
    lines.iter().for_each(output::line);
    Ok(())
}

/// `update  apps/Deployment/shop/web: .spec.replicas`
fn foretold(object: &Value, prune: bool) -> Option<String> {
    let action = text(object, "/change/action")?;
    let places: Vec<String> =
        object["fields"].as_array().into_iter().flatten().filter_map(|field| text(field, "/path")).collect();
    let why = match (action.as_str(), text(object, "/refused")) {
        (_, Some(reason)) => format!(": the API server would refuse it: {reason}"),
        ("prune", None) if !prune => " (stays, without --prune)".to_owned(),
        (_, None) if places.is_empty() => String::new(),
        (_, None) => format!(": {}", places.join(", ")),
    };
    Some(format!("{action:<7} {}{why}", title(object)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_foretold_object_by_object() {
        let object = |change: Value, fields: Value| {
            json!({"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web", "change": change,
                "fields": fields})
        };
        let fields = json!([{"path": ".spec.replicas", "live": 1, "desired": 3}]);
        let check = |change: Value, fields: &Value, prune: bool, expected: Option<&str>| {
            assert_eq!(foretold(&object(change, fields.clone()), prune).as_deref(), expected);
        };
        check(json!({"action": "update"}), &fields, false, Some("update  apps/Deployment/shop/web: .spec.replicas"));
        check(json!({"action": "create"}), &json!([]), false, Some("create  apps/Deployment/shop/web"));
        check(json!({"action": "prune"}), &json!([]), true, Some("prune   apps/Deployment/shop/web"));
        let stays = "prune   apps/Deployment/shop/web (stays, without --prune)";
        check(json!({"action": "prune"}), &json!([]), false, Some(stays));
        check(Value::Null, &json!([]), false, None);
    }
}
