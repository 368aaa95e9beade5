//! One step of a plan, done: a write against the version that was observed, and then the facts.

use std::collections::HashMap;

use api::gantline::{
    API_VERSION, ENVIRONMENT_LABEL, GROUP, PIPELINE_LABEL, Pipeline, PipelineStatus, Promotion, PromotionStatus,
    Release, ReleaseStatus,
};
use cluster::{ClusterError, Patch, PatchOptions};
use failpoint::Point;
use object::{LiveObject, Manifest, ResourceKey};
use promotion::{Action, Observed, Step};
use serde_json::{Value, json};

use crate::context::Context;

/// Realizes the steps of one plan.
#[derive(Debug)]
pub(crate) struct Realizer<'a> {
    cx: &'a Context,
    seen: &'a Observed,
    /// As this plan wrote them: its later steps build on that.
    releases: HashMap<String, Release>,
    promotions: HashMap<String, Promotion>,
    pipeline: Option<Pipeline>,
}

impl<'a> Realizer<'a> {
    pub(crate) fn new(cx: &'a Context, seen: &'a Observed) -> Self {
        Self { cx, seen, releases: HashMap::new(), promotions: HashMap::new(), pipeline: None }
    }

    /// # Errors
    /// [`ClusterError::Conflict`] when somebody wrote since it was observed: a new plan is due.
    pub(crate) async fn step(&mut self, step: &Step) -> Result<(), ClusterError> {
        if self.done(&step.action).await? {
            step.facts.iter().for_each(|fact| self.cx.tell_of_pipeline(fact));
        }
        Ok(())
    }

    /// Whether it was done here and now.
    async fn done(&mut self, action: &Action) -> Result<bool, ClusterError> {
        let cx = self.cx;
        match action {
            Action::CreateRelease { name, spec } => {
                let labels = json!({ PIPELINE_LABEL: spec.pipeline });
                return create(cx, "Release", name, &labels, &json!(spec)).await;
            }
            Action::OpenPromotion { name, spec } => {
                let labels = json!({ PIPELINE_LABEL: spec.pipeline, ENVIRONMENT_LABEL: spec.environment });
                return create(cx, "Promotion", name, &labels, &json!(spec)).await;
            }
            Action::SetRelease { name, status } => {
                let observed =
                    self.seen.releases.iter().find(|known| known.metadata.name == *name).map(|known| &**known);
                let old = self.releases.get(name).or(observed).ok_or_else(|| gone(cx, "Release", name))?;
                let written = set_release(cx, old, status).await?;
                self.releases.insert(name.clone(), written);
            }
            Action::SetPromotion { name, status } => {
                let mut all = self.seen.promotions.iter();
                let observed = all.find(|known| known.metadata.name == *name).map(|known| &**known);
                let old = self.promotions.get(name).or(observed).ok_or_else(|| gone(cx, "Promotion", name))?;
                let written = set_promotion(cx, old, status).await?;
                self.promotions.insert(name.clone(), written);
            }
            Action::Pin { environment, pin } => self.set_pin(environment, &json!(pin)).await?,
            Action::Unpin { environment } => self.unpin(environment).await?,
            // a commit may take long: another loop makes it, by the key of the promotion
            Action::Write { promotion, .. } | Action::GoOn { promotion } => {
                cx.wake_write(&self.seen.pipeline.metadata.name, promotion);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn pipeline(&self) -> &Pipeline {
        self.pipeline.as_ref().unwrap_or(&self.seen.pipeline)
    }

    async fn set_pin(&mut self, environment: &str, pin: &Value) -> Result<(), ClusterError> {
        let patch = json!({ "spec": { "pins": { environment: pin } } });
        let key = key(self.cx, "Pipeline", &self.seen.pipeline.metadata.name);
        let live = self.cx.cluster.patch(&key, &Patch::Merge(patch), PatchOptions::default()).await?;
        self.pipeline = Some(read(self.cx, live, Pipeline::from_value)?);
        Ok(())
    }

    /// From the spec, and from the status where pins stood before.
    async fn unpin(&mut self, environment: &str) -> Result<(), ClusterError> {
        if self.pipeline().spec.pins.contains_key(environment) {
            self.set_pin(environment, &Value::Null).await?;
        }
        let mut status = self.pipeline().status.clone();
        let old = status.environments.iter_mut().find(|known| known.name == environment);
        if old.is_some_and(|known| known.pinned.take().is_some()) {
            self.status(&status).await?;
        }
        Ok(())
    }

    /// Writes the Pipeline's status where it says something new.
    ///
    /// # Errors
    /// As [`Realizer::step`].
    pub(crate) async fn status(&mut self, new: &PipelineStatus) -> Result<(), ClusterError> {
        let old = self.pipeline();
        let (name, version) = (&old.metadata.name, &old.metadata.resource_version);
        if let Some(live) = status(self.cx, "Pipeline", name, version, json!(old.status), json!(new)).await? {
            self.pipeline = Some(read(self.cx, live, Pipeline::from_value)?);
        }
        Ok(())
    }
}

pub(super) async fn set_release(cx: &Context, old: &Release, new: &ReleaseStatus) -> Result<Release, ClusterError> {
    let (name, version) = (&old.metadata.name, &old.metadata.resource_version);
    failpoint::before(Point::Soak);
    let written = status(cx, "Release", name, version, json!(old.status), json!(new)).await?;
    failpoint::after(Point::Soak);
    match written {
        Some(live) => read(cx, live, Release::from_value),
        None => Ok(old.clone()),
    }
}

pub(super) async fn set_promotion(
    cx: &Context,
    old: &Promotion,
    new: &PromotionStatus,
) -> Result<Promotion, ClusterError> {
    let (name, version) = (&old.metadata.name, &old.metadata.resource_version);
    let durable = new.steps.get(old.status.steps.len()).map(|record| record.step);
    durable.into_iter().for_each(|step| cx.at(step, true));
    let written = match status(cx, "Promotion", name, version, json!(old.status), json!(new)).await? {
        Some(live) => read(cx, live, Promotion::from_value)?,
        None => old.clone(),
    };
    durable.into_iter().for_each(|step| cx.at(step, false));
    Ok(written)
}

/// Says on a Pipeline that it cannot be read: what is written now decides, and that stops it.
pub(super) async fn unreadable(cx: &Context, name: &str, why: &str) -> Result<(), ClusterError> {
    let conditions = json!([{ "type": "Invalid", "message": why }]);
    let key = key(cx, "Pipeline", name);
    let live = cx.cluster.get(&key).await?;
    if live.is_none_or(|live| live.value().pointer("/status/conditions") == Some(&conditions)) {
        return Ok(());
    }
    let patch = Patch::Merge(json!({ "status": { "conditions": conditions } }));
    let options = PatchOptions { subresource: "status", ..PatchOptions::default() };
    cx.cluster.patch(&key, &patch, options).await.map(drop)
}

fn key(cx: &Context, kind: &str, name: &str) -> ResourceKey {
    ResourceKey::new(GROUP, kind, &*cx.namespace, name)
}

fn gone(cx: &Context, kind: &str, name: &str) -> ClusterError {
    ClusterError::NotFound { object: key(cx, kind, name).to_string() }
}

/// What was written, as its type; it is in the stores before the watch tells of it.
fn read<T, E: std::fmt::Display>(
    cx: &Context,
    live: LiveObject,
    typed: impl Fn(Value) -> Result<T, E>,
) -> Result<T, ClusterError> {
    let (object, value) = (live.key().to_string(), live.value().clone());
    note(cx, live);
    typed(value).map_err(|error| ClusterError::Malformed { object, message: error.to_string() })
}

fn note(cx: &Context, live: LiveObject) {
    match live.kind() {
        "Pipeline" => drop(cx.stores.pipelines.note(live)),
        "Release" => drop(cx.stores.releases.note(live)),
        _ => drop(cx.stores.promotions.note(live)),
    }
}

/// Writes a status where it says something new. The version guards against writing over somebody else.
async fn status(
    cx: &Context,
    kind: &str,
    name: &str,
    version: &str,
    old: Value,
    new: Value,
) -> Result<Option<LiveObject>, ClusterError> {
    if old == new {
        return Ok(None);
    }
    // a merge patch leaves alone what it does not name: what is gone is named with null
    let mut patch = new.clone();
    for field in old.as_object().into_iter().flatten().map(|(field, _)| field) {
        if new.get(field).is_none() {
            patch[field] = Value::Null;
        }
    }
    let body = json!({ "metadata": { "resourceVersion": version }, "status": patch });
    let options = PatchOptions { subresource: "status", ..PatchOptions::default() };
    cx.cluster.patch(&key(cx, kind, name), &Patch::Merge(body), options).await.map(Some)
}

/// Creates an object; that it exists already is fine: its name says all about it. Whether it was made now.
async fn create(cx: &Context, kind: &str, name: &str, labels: &Value, spec: &Value) -> Result<bool, ClusterError> {
    let metadata = json!({ "name": name, "namespace": cx.namespace, "labels": labels });
    let object = json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec });
    let malformed = |message: String| ClusterError::Malformed { object: name.to_owned(), message };
    let manifest = Manifest::new(object).map_err(|error| malformed(error.to_string()))?;
    let point = if kind == "Release" { Point::Release } else { Point::Open };
    failpoint::before(point);
    let created = cx.cluster.create(&manifest).await;
    failpoint::after(point);
    match created {
        Ok(live) => {
            note(cx, live);
            Ok(true)
        }
        Err(ClusterError::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
