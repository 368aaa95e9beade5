//! The Pipeline: environments in order, and what must hold before an image enters each.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::API_VERSION;
use super::known::unknown_fields;
use crate::argocd::parse_duration;
use crate::meta::{ObjectMeta, ShapeError, is_default, read, time_option, write};

/// `gantline.dev/v1alpha1 Pipeline`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pipeline {
    pub metadata: ObjectMeta,
    pub spec: PipelineSpec,
    #[serde(skip_serializing_if = "is_default")]
    pub status: PipelineStatus,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineSpec {
    /// The images that travel together. What else the Applications run is not promoted.
    pub images: Vec<ImageSource>,
    /// In the order in which a release passes them.
    pub environments: Vec<Environment>,
}

/// An image, and which of its tags are releases.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageSource {
    /// Without tag and digest.
    pub name: String,
    /// A regular expression; empty: every tag.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Environment {
    pub name: String,
    /// The Application (in the Pipeline's namespace) that deploys it: repository, branch and path are read from it.
    pub application: String,
    /// What it is for, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// Promote by itself once the gates pass. Without it somebody asks, or a gate is an approval.
    #[serde(skip_serializing_if = "is_default")]
    pub auto: bool,
    /// A promotion merges what the environment before runs into the branch of this one, and writes the image there.
    #[serde(skip_serializing_if = "is_default")]
    pub merge: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
}

/// One condition for entering an environment. The YAML key is the variant's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Gate {
    Healthy(HealthyGate),
    Approval(ApprovalGate),
}

/// Another environment runs the release and was Healthy without a break for a time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthyGate {
    /// The environment that is looked at; the one before when empty.
    #[serde(rename = "in", skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// As `10m`; nothing: healthy now is enough.
    #[serde(rename = "for", skip_serializing_if = "String::is_empty")]
    pub duration: String,
}

impl HealthyGate {
    /// How long; zero when not said or not readable (validation reports that).
    pub fn soak(&self) -> SignedDuration {
        parse_duration(&self.duration).unwrap_or_default()
    }
}

/// People say yes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalGate {
    /// One approval by a member of this group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Several groups, each with its own number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ApprovalGroup>,
    /// Who wrote the change, or asked for its promotion, does not count.
    pub not_author: bool,
}

impl Default for ApprovalGate {
    fn default() -> Self {
        Self { group: String::new(), groups: Vec::new(), not_author: true }
    }
}

impl ApprovalGate {
    /// The groups that must approve, with how many members each.
    pub fn needed(&self) -> Vec<ApprovalGroup> {
        let single = (!self.group.is_empty()).then(|| ApprovalGroup { name: self.group.clone(), min: 1 });
        single.into_iter().chain(self.groups.iter().cloned()).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalGroup {
    pub name: String,
    pub min: usize,
}

impl Default for ApprovalGroup {
    fn default() -> Self {
        Self { name: String::new(), min: 1 }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineStatus {
    pub environments: Vec<EnvironmentStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<PipelineCondition>,
}

/// What one environment runs, as last observed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvironmentStatus {
    pub name: String,
    pub application: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub release: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tag: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sync: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub health: String,
    /// Nothing is promoted into a pinned environment by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pin>,
    /// Why the next release is not here yet, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Pin {
    pub digest: String,
    pub by: String,
    pub reason: String,
    #[serde(with = "time_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineCondition {
    pub r#type: String,
    pub message: String,
}

/// What is wrong with a Pipeline. An error stops it; a warning is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineProblem {
    pub error: bool,
    pub message: String,
}

const SPEC: &[&str] = &["images", "environments"];
const IMAGE: &[&str] = &["name", "tags"];
const ENVIRONMENT: &[&str] = &["name", "application", "purpose", "auto", "merge", "gates"];
const GATES: &[&str] = &["healthy", "approval"];
/// Gates that the design names and this version does not judge: refused, never skipped.
const GATES_TO_COME: &[&str] = &["metric", "incidents", "window", "job", "http", "parity"];
const HEALTHY: &[&str] = &["in", "for"];
const APPROVAL: &[&str] = &["group", "groups", "notAuthor"];

impl Pipeline {
    /// # Errors
    /// When a known field has a wrong type. Unknown fields are reported by [`Pipeline::problems`].
    pub fn from_value(value: Value) -> Result<Self, ShapeError> {
        read(value)
    }

    pub fn to_value(&self) -> Value {
        write(self, API_VERSION, "Pipeline")
    }

    pub fn environment(&self, name: &str) -> Option<&Environment> {
        self.spec.environments.iter().find(|e| e.name == name)
    }

    /// The environment that a release passes just before this one.
    pub fn before(&self, name: &str) -> Option<&Environment> {
        let index = self.spec.environments.iter().position(|e| e.name == name)?;
        self.spec.environments.get(index.checked_sub(1)?)
    }

    pub fn status_of(&self, environment: &str) -> Option<&EnvironmentStatus> {
        self.status.environments.iter().find(|e| e.name == environment)
    }

    /// Everything that is wrong with a Pipeline as written, unknown fields with the nearest known name. An empty list
    /// means that it may run.
    pub fn problems(value: &Value) -> Vec<PipelineProblem> {
        let mut messages = Vec::new();
        unknown(value, &mut messages);
        let errors =
            |m: Vec<String>| m.into_iter().map(|message| PipelineProblem { error: true, message }).collect::<Vec<_>>();
        if !messages.is_empty() {
            return errors(messages);
        }
        match Self::from_value(value.clone()) {
            Err(error) => errors(vec![error.to_string()]),
            Ok(pipeline) => pipeline.semantic_problems(),
        }
    }

    fn semantic_problems(&self) -> Vec<PipelineProblem> {
        let mut found = Vec::new();
        let mut error = |message: String| found.push(PipelineProblem { error: true, message });
        if self.spec.images.is_empty() {
            error("spec.images is empty: name the image that travels".into());
        }
        for image in self.spec.images.iter().filter(|i| regex::Regex::new(&i.tags).is_err()) {
            error(format!("spec.images: tags {:?} of {} is no regular expression", image.tags, image.name));
        }
        let names: Vec<&str> = self.spec.environments.iter().map(|e| e.name.as_str()).collect();
        if names.is_empty() {
            error("spec.environments is empty: name at least one".into());
        }
        for (index, environment) in self.spec.environments.iter().enumerate() {
            let at = format!("environment {:?}", environment.name);
            if names[..index].contains(&environment.name.as_str()) {
                error(format!("{at} is there twice"));
            }
            if environment.name.is_empty() || environment.application.is_empty() {
                error(format!("{at}: name and application are both needed"));
            }
            if environment.merge && index == 0 {
                error(format!("{at}: merge needs an environment before it"));
            }
            for gate in &environment.gates {
                match gate {
                    Gate::Healthy(gate) => {
                        if !gate.duration.is_empty() && parse_duration(&gate.duration).is_err() {
                            error(format!(
                                "{at}: healthy.for {:?} is no duration: write 10m, 90s or 1h30m",
                                gate.duration
                            ));
                        }
                        let earlier =
                            gate.environment.is_empty() || names[..index].contains(&gate.environment.as_str());
                        if !earlier {
                            let before = names[..index].join(", ");
                            error(format!(
                                "{at}: healthy.in {:?} is no environment before it: there are {before}",
                                gate.environment
                            ));
                        }
                    }
                    Gate::Approval(gate) if gate.needed().is_empty() => {
                        error(format!("{at}: approval needs a group"));
                    }
                    Gate::Approval(_) => {}
                }
            }
        }
        if let Some(last) = self.spec.environments.last().filter(|_| names.len() > 1) {
            let approved = last.gates.iter().any(|g| matches!(g, Gate::Approval(_)));
            if last.auto && !approved {
                let message = format!(
                    "environment {:?} is the last one, promotes by itself and has no approval gate: nobody decides what reaches it",
                    last.name
                );
                found.push(PipelineProblem { error: false, message });
            }
        }
        found
    }
}

fn unknown(value: &Value, found: &mut Vec<String>) {
    let empty = Value::Null;
    let spec = value.get("spec").unwrap_or(&empty);
    unknown_fields(value, &["apiVersion", "kind", "metadata", "spec", "status"], "", found);
    unknown_fields(spec, SPEC, "spec", found);
    for (i, image) in list(spec, "images").iter().enumerate() {
        unknown_fields(image, IMAGE, &format!("spec.images[{i}]"), found);
    }
    for (i, environment) in list(spec, "environments").iter().enumerate() {
        let at = format!("spec.environments[{i}]");
        unknown_fields(environment, ENVIRONMENT, &at, found);
        for (j, gate) in list(environment, "gates").iter().enumerate() {
            let at = format!("{at}.gates[{j}]");
            let Value::Object(map) = gate else { continue };
            for coming in map.keys().filter(|k| GATES_TO_COME.contains(&k.as_str())) {
                found.push(format!(
                    "{at}.{coming}: this gate is not judged yet, and a gate is never skipped: remove it until it is"
                ));
            }
            let rest: Value = map
                .iter()
                .filter(|(k, _)| !GATES_TO_COME.contains(&k.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect::<serde_json::Map<_, _>>()
                .into();
            unknown_fields(&rest, GATES, &at, found);
            unknown_fields(gate.get("healthy").unwrap_or(&empty), HEALTHY, &format!("{at}.healthy"), found);
            unknown_fields(gate.get("approval").unwrap_or(&empty), APPROVAL, &format!("{at}.approval"), found);
            for (k, group) in list(gate.get("approval").unwrap_or(&empty), "groups").iter().enumerate() {
                unknown_fields(group, &["name", "min"], &format!("{at}.approval.groups[{k}]"), found);
            }
        }
    }
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pipeline(production: Value) -> Value {
        json!({"metadata": {"name": "shop"}, "spec": {
            "images": [{"name": "ghcr.io/acme/shop", "tags": "^[0-9a-f]{40}$"}],
            "environments": [{"name": "dev", "application": "shop-dev", "auto": true},
                {"name": "staging", "application": "shop-staging", "auto": true}, production],
        }})
    }

    fn check(production: Value, expected: &[&str]) {
        let found: Vec<String> = Pipeline::problems(&pipeline(production)).into_iter().map(|p| p.message).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (message, part) in found.iter().zip(expected) {
            assert!(message.contains(part), "{message} lacks {part}");
        }
    }

    #[test]
    fn slips_are_named_with_what_was_meant() {
        let gates = json!([{"healthy": {"in": "staging", "for": "10m"}}, {"approval": {"group": "team-leads"}}]);
        check(json!({"name": "production", "application": "p", "gates": gates}), &[]);
        check(
            json!({"name": "production", "aplication": "p"}),
            &["spec.environments[2].aplication is not a field: did you mean application?"],
        );
        check(json!({"name": "production", "application": "p", "gates": [{"healty": {}}]}), &["did you mean healthy"]);
        check(json!({"name": "production", "application": "p", "gates": [{"metric": {}}]}), &["never skipped"]);
        check(
            json!({"name": "production", "application": "p", "gates": [{"healthy": {"in": "stagin"}}]}),
            &["no environment before it"],
        );
        check(
            json!({"name": "production", "application": "p", "gates": [{"healthy": {"for": "ten"}}]}),
            &["no duration"],
        );
        check(json!({"name": "production", "application": "p", "gates": [{"approval": {}}]}), &["needs a group"]);
        check(json!({"name": "production", "application": "p", "auto": true}), &["nobody decides"]);
        check(json!({"name": "dev", "application": "p"}), &["there twice"]);
        check(json!({"name": "production", "application": "p", "merge": true}), &[]);
    }

    #[test]
    fn it_is_written_as_it_was_read() {
        let gates = json!([{"healthy": {"in": "staging", "for": "10m"}}, {"approval": {"group": "team-leads", "notAuthor": true}}]);
        let value = pipeline(json!({"name": "production", "application": "p", "gates": gates}));
        let pipeline = Pipeline::from_value(value.clone()).unwrap();
        assert_eq!(pipeline.to_value()["spec"], value["spec"]);
        assert_eq!(pipeline.before("production").unwrap().name, "staging");
        assert!(pipeline.before("dev").is_none());
    }
}
