//! The Pipeline: environments in order, and what must hold before an image enters each.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use object::ImageDigest;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::API_VERSION;
use super::gates::{self, Gate, GatePlace};
use super::known::unknown_fields;
use crate::argocd::{HealthStatusCode, SyncStatusCode};
use crate::meta::{ObjectMeta, ShapeError, digest_option, is_default, read_ref, time_option, without_nulls, write};

/// `gantline.dev/v1alpha1 Pipeline`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pipeline {
    pub metadata: ObjectMeta,
    pub spec: PipelineSpec,
    #[serde(skip_deserializing, skip_serializing_if = "is_default")]
    pub status: PipelineStatus,
    /// Why what stood in the status is not here: nothing is decided by it, and it is written anew.
    #[serde(skip)]
    pub unread_status: Option<String>,
    /// Fields that were written and that there are not: what they were meant to say is not known, so it does not run.
    #[serde(skip)]
    pub slips: Vec<String>,
    /// What was found wrong when it was read: everybody who looks at it asks, and patterns take long to compile.
    #[serde(skip)]
    found: Vec<PipelineProblem>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineSpec {
    /// The images that travel together. What else the Applications run is not promoted.
    pub images: Vec<ImageSource>,
    /// In the order in which a release passes them.
    pub environments: Vec<Environment>,
    /// By environment: into a pinned one nothing is promoted by itself. A map, so that whoever applies the rest of the
    /// Pipeline by server-side apply leaves the pins alone.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pins: BTreeMap<String, Pin>,
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

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineStatus {
    pub environments: Vec<EnvironmentStatus>,
    /// What they run on one line, `dev=v2 production=v1`, for `kubectl get`: its columns cannot tell of each in a list.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub runs: String,
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
    #[serde(with = "digest_option", skip_serializing_if = "Option::is_none")]
    pub digest: Option<ImageDigest>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
    #[serde(with = "time_option", skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Why what runs, or is to run, there does not count as promoted; empty where it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub not_promoted: String,
    /// Of the Application; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncStatusCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthStatusCode>,
    /// Where pins stood before `spec.pins`: still honoured, see [`Pipeline::pin_of`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pin>,
    /// Why the next release is not here yet, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Pin {
    #[serde(with = "digest_option")]
    #[schema(value_type = String, default = "")]
    pub digest: Option<ImageDigest>,
    pub by: String,
    pub reason: String,
    #[serde(with = "time_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// By which Gantline knows that it wrote this.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub seal: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineCondition {
    pub r#type: PipelineConditionKind,
    pub message: String,
}

/// What keeps a Pipeline from going on, or should be known about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PipelineConditionKind {
    /// It does not run as it is written.
    Invalid,
    Warning,
    ApplicationMissing,
    /// Where the image is written could not be found.
    ImageNotFound,
    DigestUnknown,
    /// A tag that is no release by `spec.images[].tags`.
    TagIgnored,
    /// A tag that means another digest than the release with this tag.
    TagMoved,
    /// An environment is to run what was not promoted into it, or is quarantined.
    NotPromoted,
    /// Nobody watches the clusters now: soaks neither go on nor begin again.
    Unwatched,
    /// One that a newer version wrote.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A service has a few of each; what is far beyond is a mistake, or an attack.
const MOST_IMAGES: usize = 50;
const MOST_ENVIRONMENTS: usize = 100;
const MOST_GATES: usize = 20;
const LONGEST_PATTERN: usize = 300;
/// Bytes of a compiled pattern: some ten classes of Unicode. Compiling takes as much longer as there is to compile.
const LARGEST_PATTERN: usize = 512 * 1024;

impl ImageSource {
    /// Which tags are releases.
    ///
    /// # Errors
    /// What the text is not, or that it is too long or too large.
    pub fn pattern(&self) -> Result<Regex, String> {
        if self.tags.chars().count() > LONGEST_PATTERN {
            return Err(format!("it is longer than {LONGEST_PATTERN} characters"));
        }
        let built = RegexBuilder::new(&self.tags).size_limit(LARGEST_PATTERN).dfa_size_limit(LARGEST_PATTERN).build();
        built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it stands for too much: repeat less of it".to_owned(),
            // over several lines it draws where; the last one says what
            other => {
                let drawn = other.to_string();
                drawn.lines().last().map_or("", |what| what.trim_start_matches("error: ")).to_owned()
            }
        })
    }

    /// Whether a tag is one of those that are releases.
    pub fn is_release(&self, tag: &str) -> bool {
        self.tags.is_empty() || self.pattern().is_ok_and(|tags| tags.is_match(tag))
    }
}

/// What is wrong with a Pipeline. An error stops it; a warning is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineProblem {
    pub error: bool,
    pub message: String,
}

const SPEC: &[&str] = &["images", "environments", "pins"];
const IMAGE: &[&str] = &["name", "tags"];
const ENVIRONMENT: &[&str] = &["name", "application", "purpose", "auto", "merge", "gates"];
const PIN: &[&str] = &["digest", "by", "reason", "at", "seal"];

impl PipelineStatus {
    /// Whoever writes a status does not stop the Pipeline: what cannot be read counts as not there, and why.
    fn of(pipeline: &Value) -> (Self, Option<String>) {
        match pipeline.get("status").map_or_else(|| Ok(Self::default()), Self::deserialize) {
            Ok(status) => (status, None),
            Err(error) => (Self::default(), Some(error.to_string())),
        }
    }
}

impl Pipeline {
    /// # Errors
    /// When a known field of metadata or spec has a wrong type. Unknown fields are kept as [`Pipeline::slips`]; a status
    /// that cannot be read is left out, and is [`Pipeline::unread_status`].
    pub fn from_value(value: Value) -> Result<Self, ShapeError> {
        Self::of(&without_nulls(value))
    }

    /// As [`Pipeline::from_value`].
    ///
    /// # Errors
    /// Also with what it says all the same: its images, and what deploys its environments. `None` where these cannot be read
    /// either. Nothing may be promoted by it.
    pub fn read_or_outline(value: Value) -> Result<Self, (ShapeError, Option<Box<Self>>)> {
        let value = without_nulls(value);
        Self::of(&value).map_err(|error| (error, Self::outline(&value).map(Box::new)))
    }

    fn of(value: &Value) -> Result<Self, ShapeError> {
        let mut slips = Vec::new();
        unknown(value, &mut slips);
        let (status, unread_status) = PipelineStatus::of(value);
        let mut pipeline = Self { slips, status, unread_status, ..read_ref(value)? };
        pipeline.found = pipeline.judged();
        Ok(pipeline)
    }

    fn outline(value: &Value) -> Option<Self> {
        let (metadata, spec) = (&value["metadata"], &value["spec"]);
        let texts = |list: &str, fields: &[&str]| -> Option<Vec<Value>> {
            let text = |item: &Value, field: &str| Some(((*field).to_owned(), item[field].as_str()?.into()));
            let outlined = |item: &Value| fields.iter().map(|field| text(item, field)).collect::<Option<_>>();
            spec[list].as_array()?.iter().map(|item| outlined(item).map(Value::Object)).collect()
        };
        let (images, environments) = (texts("images", &["name"])?, texts("environments", &["name", "application"])?);
        let metadata = json!({ "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"] });
        Self::from_value(json!({
            "metadata": metadata, "spec": { "images": images, "environments": environments } }))
        .ok()
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

    /// Why nothing enters the environment by itself.
    pub fn pin_of(&self, environment: &str) -> Option<&Pin> {
        self.spec.pins.get(environment).or_else(|| self.status_of(environment)?.pinned.as_ref())
    }

    /// Everything that is wrong with a Pipeline as written, unknown fields with the nearest known name. An empty list
    /// means that it may run.
    pub fn problems(value: &Value) -> Vec<PipelineProblem> {
        let error = match Self::from_value(value.clone()) {
            Ok(pipeline) => return pipeline.semantic_problems(),
            Err(error) => error.to_string(),
        };
        let mut messages = Vec::new();
        unknown(value, &mut messages);
        if messages.is_empty() {
            messages.push(error);
        }
        messages.into_iter().map(|message| PipelineProblem { error: true, message }).collect()
    }

    /// As [`Pipeline::problems`], as it was read. Where there are slips nothing else is said: it may come of them.
    pub fn semantic_problems(&self) -> Vec<PipelineProblem> {
        self.found.clone()
    }

    /// The same, where it is not too much to be looked at; else without its environments.
    #[must_use]
    pub fn within_limits(self: Arc<Self>) -> Arc<Self> {
        if self.too_much().is_none() {
            return self;
        }
        let spec = PipelineSpec { environments: Vec::new(), pins: BTreeMap::new(), ..self.spec.clone() };
        Arc::new(Self { spec, ..(*self).clone() })
    }

    /// What is too much: all of a Pipeline is looked at again whenever something of it changes.
    fn too_much(&self) -> Option<String> {
        let spec = &self.spec;
        let gates = spec.environments.iter().map(|environment| environment.gates.len()).max().unwrap_or_default();
        let counts = [
            ("images", spec.images.len(), MOST_IMAGES),
            ("environments", spec.environments.len(), MOST_ENVIRONMENTS),
            ("gates of one environment", gates, MOST_GATES),
            ("pins", spec.pins.len(), MOST_ENVIRONMENTS),
        ];
        let (what, there, most) = counts.into_iter().find(|(_, there, most)| there > most)?;
        Some(format!("it has {there} {what}, and {most} are the most there may be: make several Pipelines of it"))
    }

    fn judged(&self) -> Vec<PipelineProblem> {
        if !self.slips.is_empty() {
            let slip = |message: &String| PipelineProblem { error: true, message: message.clone() };
            return self.slips.iter().map(slip).collect();
        }
        if let Some(message) = self.too_much() {
            return vec![PipelineProblem { error: true, message }];
        }
        let mut found = Vec::new();
        let mut error = |message: String| found.push(PipelineProblem { error: true, message });
        if self.spec.images.is_empty() {
            error("spec.images is empty: name the image that travels".into());
        }
        for image in &self.spec.images {
            if let Err(why) = image.pattern() {
                let tags: String = image.tags.chars().take(LONGEST_PATTERN).collect();
                error(format!(
                    "spec.images: tags {tags:?} of {} is no regular expression of use here: {why}",
                    image.name
                ));
            }
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
            let place = GatePlace { earlier: &names[..index] };
            for problem in environment.gates.iter().flat_map(|gate| gate.problems(&place)) {
                error(format!("{at}: {problem}"));
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
        let known = names.join(", ");
        found.extend(self.spec.pins.keys().filter(|pinned| !names.contains(&pinned.as_str())).map(|pinned| {
            let message = format!("spec.pins: {pinned:?} is no environment: there are {known}; take the pin away");
            PipelineProblem { error: false, message }
        }));
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
            gates::unknown(gate, &format!("{at}.gates[{j}]"), found);
        }
    }
    for (environment, pin) in spec.get("pins").and_then(Value::as_object).into_iter().flatten() {
        unknown_fields(pin, PIN, &format!("spec.pins.{environment}"), found);
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
        let many = vec![json!({"approval": {"group": "a"}}); 21];
        check(
            json!({"name": "production", "application": "p", "gates": many}),
            &["21 gates of one environment, and 20"],
        );
        for (gate, expected) in [
            (
                json!({"approval": {"groups": [{"name": "a", "mins": 1}]}}),
                "gates[0].approval.groups[0].mins is not a field",
            ),
            (json!({"healthy": {"fro": "1m"}}), "gates[0].healthy.fro is not a field: did you mean for?"),
        ] {
            check(json!({"name": "production", "application": "p", "gates": [gate]}), &[expected]);
        }
    }

    #[test]
    fn patterns_that_take_long_are_refused_and_usual_ones_are_not() {
        let check = |tags: &str, expected: &str| {
            let image = ImageSource { name: "shop".to_owned(), tags: tags.to_owned() };
            let found = image.pattern().err().unwrap_or_default();
            assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{tags}: {found}");
        };
        for usual in
            ["", "^v", r"^v\d+\.\d+\.\d+(-[\w.]+)?$", "^[0-9a-f]{40}$", r"^(main|release)-\d{8}-[0-9a-f]{7,40}$"]
        {
            check(usual, "");
        }
        check(r"[\pL\pN]{60}", "stands for too much");
        check(&"a".repeat(301), "longer than 300");
        check("(", "unclosed group");
        let drawn = ImageSource { name: "shop".to_owned(), tags: "^(".to_owned() }.pattern();
        assert!(drawn.is_err_and(|why| !why.contains('\n')), "a table and a condition have one line for it");
    }

    #[test]
    fn a_slip_in_a_gate_stops_the_pipeline_that_was_read() {
        let read =
            Pipeline::from_value(pipeline(json!({"gates": [{"healthy": {"in": "dev", "fro": "10m"}}]}))).unwrap();
        let problems = read.semantic_problems();
        assert!(problems[0].error && problems[0].message.contains("fro"), "{problems:?}");
    }

    /// Pins are intent, and old ones stand in the status.
    #[test]
    fn pins_are_found_in_both_places() {
        let mut value = pipeline(json!({"name": "production", "application": "p"}));
        value["spec"]["pins"] = json!({"staging": {"digest": format!("sha256:{}", "5".repeat(64)), "by": "tina", "reason": "", "at": null}, "qa": {}});
        value["status"] = json!({"environments": [
            {"name": "staging", "pinned": {"by": "old"}}, {"name": "production", "pinned": {"by": "theo"}}]});
        let found = Pipeline::from_value(value.clone()).unwrap();
        let by = |environment| found.pin_of(environment).map(|pin| pin.by.as_str());
        assert_eq!((by("dev"), by("staging"), by("production")), (None, Some("tina"), Some("theo")));
        let problems = Pipeline::problems(&value);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(!problems[0].error && problems[0].message.contains("\"qa\" is no environment"), "{problems:?}");
        value["spec"]["pins"]["staging"]["until"] = json!("tomorrow");
        let problems = Pipeline::problems(&value);
        assert!(problems[0].message.starts_with("spec.pins.staging.until is not a field"), "{problems:?}");
    }

    /// Rights on `pipelines/status` stop no Pipeline.
    #[test]
    fn a_status_that_cannot_be_read_leaves_the_spec_readable() {
        let mut value = pipeline(json!({"name": "production", "application": "p"}));
        let good = Pipeline::from_value(value.clone()).unwrap();
        for bad in [
            json!({"environments": [{"name": "dev", "digest": "sha256:d"}]}),
            json!({"environments": {"dev": "v1"}, "runs": "dev=v1"}),
            json!({"environments": [{"pinned": {"at": "soon"}}]}),
            json!({"runs": 5}),
            json!("splendid"),
        ] {
            value["status"] = bad;
            let read = Pipeline::from_value(value.clone()).unwrap();
            assert!(read.unread_status.as_ref().is_some_and(|why| !why.is_empty()), "{value}");
            assert_eq!(Pipeline { unread_status: None, ..read }, good, "nothing of it is believed");
        }
        value["status"] = json!({"runs": "dev=v1", "of a newer version": 1, "conditions": [{"type": "Splendid"}]});
        let read = Pipeline::from_value(value).unwrap();
        assert_eq!((read.unread_status, read.status.runs.as_str()), (None, "dev=v1"));
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
