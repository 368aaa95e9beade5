use api::argocd::{
    AppProject, AppProjectSpec, ApplicationSource, ClusterIdentity, MatchMode, list_match, normalize_git_url,
    same_git_url,
};
use serde_json::{Value, json};

use super::{check, equal};

#[test]
fn addresses_and_permissions() {
    check("params", 170, agrees);
}

fn cluster(value: &Value) -> ClusterIdentity {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    ClusterIdentity { name: text("name"), server: text("server") }
}

fn agrees(case: &Value) -> Result<(), String> {
    let input = &case["input"];
    let text = |key: &str| input[key].as_str().unwrap_or_default();
    let spec: AppProjectSpec = serde_json::from_value(input["spec"].clone()).unwrap_or_default();
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap_or_default() };
    let permitted = |answer: bool| equal(&json!({"permitted": answer}), &case["output"]);
    match text("op") {
        "normalizeURL" => equal(&normalize_git_url(text("url")).into(), &case["output"]["normalized"]),
        "sameURL" => equal(&same_git_url(text("url"), text("other")).into(), &case["output"]["same"]),
        "source" => {
            let source: ApplicationSource = serde_json::from_value(input["source"].clone()).unwrap();
            permitted(spec.permits_source(&source))
        }
        "destination" => {
            let scoped: Vec<ClusterIdentity> =
                input["projectClusters"].as_array().into_iter().flatten().map(cluster).collect();
            let known = input.get("cluster").is_some_and(|c| !c.is_null());
            permitted(known && spec.permits_destination(&cluster(&input["cluster"]), text("namespace"), &scoped))
        }
        "kind" => permitted(spec.permits_kind(text("group"), text("kind"), text("name"), input["namespaced"] == true)),
        "resource" => {
            let namespaced = !text("namespace").is_empty();
            let kind = spec.permits_kind(text("group"), text("kind"), text("name"), namespaced);
            let place = !namespaced || spec.permits_destination(&cluster(&input["cluster"]), text("namespace"), &[]);
            permitted(kind && place)
        }
        "match" => {
            let mode = match text("mode") {
                "exact" => MatchMode::Exact,
                "glob" => MatchMode::Glob,
                _ => MatchMode::Regexp,
            };
            equal(&list_match(&texts(&input["patterns"]), text("item"), mode).into(), &case["output"]["match"])
        }
        "appNamespace" => {
            let project = AppProject { spec, ..AppProject::default() };
            let control = text("controllerNamespace");
            let by_project = project.check_application_namespace(text("appNamespace"), control).is_ok();
            equal(&by_project.into(), &case["output"]["byProject"])
        }
        other => Err(format!("{other} is not offered yet")),
    }
}
