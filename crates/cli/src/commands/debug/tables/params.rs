//! `params`: addresses of repositories, and what a project permits.

use api::argocd::{
    AppProject, AppProjectSpec, ApplicationSource, ClusterIdentity, MatchMode, Reading, list_match, normalize_git_url,
    same_git_url, ssh_user,
};
use serde_json::{Value, json};

use super::{Answer, part, text, unknown_op};

pub(super) fn answer(input: &Value) -> Answer {
    let project = AppProject::from_value(json!({"spec": input["spec"]})).map_err(|error| error.to_string())?;
    let spec = &project.spec;
    let permitted = |permitted: bool| json!({"permitted": permitted});
    Ok(match text(input, "op") {
        "normalizeURL" => {
            let user = ssh_user(text(input, "url"));
            json!({"normalized": normalize_git_url(text(input, "url")), "ssh": user.is_some(), "sshUser": user.unwrap_or_default()})
        }
        "sameURL" => json!({"same": same_git_url(text(input, "url"), text(input, "other"))}),
        "source" => {
            let source: ApplicationSource = part(input, "source")?;
            permitted(spec.permits_source_as(&source, Reading::AsArgoCd))
        }
        "destination" => permitted(permits_destination(spec, input)),
        "kind" => permitted(permits_kind(spec, input, input["namespaced"] == true)),
        "resource" => {
            let is_namespaced = !text(input, "namespace").is_empty();
            permitted(permits_kind(spec, input, is_namespaced) && (!is_namespaced || permits_destination(spec, input)))
        }
        "match" => {
            let mode = match text(input, "mode") {
                "exact" => MatchMode::Exact,
                "glob" => MatchMode::Glob,
                "regexp" => MatchMode::Regexp,
                _ => return Ok(json!({"match": false})),
            };
            json!({"match": list_match(&part::<Vec<_>>(input, "patterns")?, text(input, "item"), mode)})
        }
        "appNamespace" => app_namespace(&project, input)?,
        "validate" => {
            project.check().map_err(|error| error.to_string())?;
            json!({"valid": true})
        }
        _ => return Err(unknown_op(input)),
    })
}

fn cluster(value: &Value) -> ClusterIdentity {
    ClusterIdentity { name: text(value, "name").to_owned(), server: text(value, "server").to_owned() }
}

fn permits_destination(spec: &AppProjectSpec, input: &Value) -> bool {
    let scoped: Vec<ClusterIdentity> = input["projectClusters"].as_array().into_iter().flatten().map(cluster).collect();
    let to = &input["cluster"];
    let namespace = text(input, "namespace");
    !to.is_null() && spec.permits_destination_as(&cluster(to), namespace, &scoped, Reading::AsArgoCd)
}

fn permits_kind(spec: &AppProjectSpec, input: &Value, is_namespaced: bool) -> bool {
    let named = ["group", "kind", "name"].map(|field| text(input, field));
    spec.permits_kind_as(named, is_namespaced, Reading::AsArgoCd)
}

fn app_namespace(project: &AppProject, input: &Value) -> Answer {
    let (namespace, control) = (text(input, "appNamespace"), text(input, "controllerNamespace"));
    let enabled: Vec<String> = part(input, "enabledNamespaces")?;
    Ok(json!({
        "byProject": project.check_application_namespace(namespace, control).is_ok(),
        "byInstance": namespace == control || list_match(&enabled, namespace, MatchMode::Regexp),
    }))
}
