//! `rbac`: policies, tokens and project roles.

use api::argocd::{AppProject, BuiltIn, Policy, Subject, denial};
use serde_json::{Value, json};

use super::{Answer, part, text, unknown_op};

pub(super) fn answer(input: &Value) -> Answer {
    match text(input, "op") {
        "enforce" => Ok(json!({"allowed": allowed(input)?})),
        "enforceError" => {
            let said = |(allowed, request): (bool, [&str; 3])| match allowed {
                true => String::new(),
                false => denial(&input["claims"], request),
            };
            let errors: Vec<String> = allowed(input)?.into_iter().zip(requests(input)).map(said).collect();
            Ok(json!({"errors": errors}))
        }
        "validatePolicy" => {
            let data = [("policy.csv".to_owned(), text(input, "policy").to_owned())].into();
            Policy::as_written(&data, BuiltIn::LeftOut).map_err(|error| error.to_string())?;
            Ok(json!({"valid": true}))
        }
        "policyCSV" => Ok(json!({"policy": Policy::csv(&part(input, "configMap")?)})),
        "validateProject" => {
            for project in projects(input)? {
                project.check().map_err(|error| error.to_string())?;
            }
            Ok(json!({"valid": true}))
        }
        _ => Err(unknown_op(input)),
    }
}

fn allowed(input: &Value) -> Result<Vec<bool>, String> {
    let built_in = if input["builtin"] == false { BuiltIn::LeftOut } else { BuiltIn::Counts };
    let policy = Policy::as_written(&part(input, "configMap")?, built_in).map_err(|error| error.to_string())?;
    let scopes = match &input["scopes"] {
        Value::Null => vec!["groups".to_owned()],
        _ => part(input, "scopes")?,
    };
    let subject = Subject::of_claims(&input["claims"], &scopes);
    let projects = projects(input)?;
    Ok(requests(input).map(|request| policy.allows_as_written(&subject, request, &projects)).collect())
}

fn requests(input: &Value) -> impl Iterator<Item = [&str; 3]> {
    let all = input["requests"].as_array().into_iter().flatten();
    all.map(|request| ["resource", "action", "object"].map(|field| text(request, field)))
}

fn projects(input: &Value) -> Result<Vec<AppProject>, String> {
    let all = input["projects"].as_array().into_iter().flatten();
    all.map(|project| {
        let value = json!({"metadata": {"name": project["name"]}, "spec": {"roles": project["roles"]}});
        AppProject::from_value(value).map_err(|error| error.to_string())
    })
    .collect()
}
