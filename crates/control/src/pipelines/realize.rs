//! One step of a plan, done: a write against the version that was observed, and then the facts.

use std::collections::HashMap;
use std::sync::Arc;

use api::gantline::{
    API_VERSION, ENVIRONMENT_LABEL, GROUP, PIPELINE_LABEL, Pin, Pipeline, PipelineConditionKind, PipelineStatus,
    Promotion, PromotionStatus, Release, ReleaseStatus, SEAL_ANNOTATION,
};
use api::meta::ObjectMeta;
use cluster::{ClusterError, Patch, PatchOptions};
use failpoint::Point;
use object::{LiveObject, Manifest, ResourceKey};
use promotion::{Action, Observed, Record, Step, What};
use serde_json::{Value, json};

use crate::context::Context;
use crate::facts::{About, Fact};
use crate::ledger;
use crate::records::{self, no_key};

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
                let Some(live) = create(cx, "Release", name, &labels, &json!(spec)).await? else { return Ok(false) };
                let made = read(cx, live, Release::from_value)?;
                sealed_by_somebody(name, set_release(cx, &made, &made.status).await);
            }
            Action::OpenPromotion { name, spec } => {
                let labels = json!({ PIPELINE_LABEL: spec.pipeline, ENVIRONMENT_LABEL: spec.environment });
                let Some(live) = create(cx, "Promotion", name, &labels, &json!(spec)).await? else { return Ok(false) };
                let made = read(cx, live, Promotion::from_value)?;
                sealed_by_somebody(name, set_promotion(cx, &made, &made.status).await);
            }
            Action::SetRelease { name, status } => {
                let written = set_release(cx, self.release(name)?, status).await?;
                self.releases.insert(name.clone(), written);
            }
            Action::SetPromotion { name, status } => {
                let written = set_promotion(cx, self.promotion(name)?, status).await?;
                self.promotions.insert(name.clone(), written);
            }
            Action::SetBackRelease { name, status } => {
                let written = write_release(cx, self.release(name)?, status).await?;
                self.releases.insert(name.clone(), written);
            }
            Action::SetBackPromotion { name, status } => {
                let written = write_promotion(cx, self.promotion(name)?, status).await?;
                self.promotions.insert(name.clone(), written);
            }
            Action::SetLedger { ledger } => {
                ledger::write(cx, &self.seen.pipeline.metadata.name, &self.seen.ledger, ledger).await?;
            }
            Action::Pin { environment, pin } => {
                let seal = cx.seal().ok_or_else(|| no_key(cx))?;
                let seal = seal.of_pin(&self.seen.pipeline.metadata.name, environment, pin);
                self.set_pin(environment, &json!(Pin { seal, ..pin.clone() })).await?;
            }
            Action::Unpin { environment } => self.unpin(environment).await?,
            // a commit may take long: another loop makes it, by the key of the promotion
            Action::Write { promotion, .. } | Action::GoOn { promotion } => {
                cx.wake_write(&self.seen.pipeline.metadata.name, promotion);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn release(&self, name: &str) -> Result<&Release, ClusterError> {
        let mut observed = self.seen.releases.iter().map(|known| &**known);
        let known = self.releases.get(name).or_else(|| observed.find(|known| known.metadata.name == name));
        known.ok_or_else(|| gone(self.cx, "Release", name))
    }

    fn promotion(&self, name: &str) -> Result<&Promotion, ClusterError> {
        let mut observed = self.seen.promotions.iter().map(|known| &**known);
        let known = self.promotions.get(name).or_else(|| observed.find(|known| known.metadata.name == name));
        known.ok_or_else(|| gone(self.cx, "Promotion", name))
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
        if old.status != *new || old.unread_status.is_some() {
            let live = status(self.cx, "Pipeline", name, version, json!(new)).await?;
            tell_of_shape(self.cx, &old.metadata, &old.status, new);
            tell_of_status(self.cx, old);
            self.pipeline = Some(read(self.cx, live, Pipeline::from_value)?);
        }
        Ok(())
    }
}

/// Writes what changes of a release that Gantline wrote.
pub(super) async fn set_release(cx: &Context, old: &Release, new: &ReleaseStatus) -> Result<Release, ClusterError> {
    check(cx, old)?;
    if old.status == *new && !new.seal.is_empty() {
        return Ok(old.clone());
    }
    write_release(cx, old, new).await
}

async fn write_release(cx: &Context, old: &Release, new: &ReleaseStatus) -> Result<Release, ClusterError> {
    let mut next = Release { status: new.clone(), ..old.clone() };
    next.status.writes = next_write(cx, old);
    next.status.seal = cx.seal().ok_or_else(|| no_key(cx))?.of_record(&next);
    let soak = (next.status.environments != old.status.environments).then_some(Point::Soak);
    soak.into_iter().for_each(failpoint::before);
    let written = sealed(cx, "Release", &next.metadata, json!(next.status)).await;
    soak.into_iter().for_each(failpoint::after);
    noted(cx, read(cx, written?, Release::from_value)?)
}

/// Writes what changes of a promotion that Gantline wrote.
pub(super) async fn set_promotion(
    cx: &Context,
    old: &Promotion,
    new: &PromotionStatus,
) -> Result<Promotion, ClusterError> {
    check(cx, old)?;
    let durable = new.steps.get(old.status.steps.len()).map(|record| record.step);
    durable.into_iter().for_each(|step| cx.at(step, true));
    let written = match old.status == *new && !new.seal.is_empty() {
        true => old.clone(),
        false => write_promotion(cx, old, new).await?,
    };
    durable.into_iter().for_each(|step| cx.at(step, false));
    Ok(written)
}

async fn write_promotion(cx: &Context, old: &Promotion, new: &PromotionStatus) -> Result<Promotion, ClusterError> {
    let mut next = Promotion { status: new.clone(), ..old.clone() };
    next.status.writes = next_write(cx, old);
    next.status.seal = cx.seal().ok_or_else(|| no_key(cx))?.of_record(&next);
    noted(cx, read(cx, sealed(cx, "Promotion", &next.metadata, json!(next.status)).await?, Promotion::from_value)?)
}

/// Remembered at once: somebody may write over it before anybody looks.
fn noted<R: Record>(cx: &Context, written: R) -> Result<R, ClusterError> {
    records::note(cx, &Arc::new(written.clone()));
    Ok(written)
}

/// Higher than all that was ever written of it, also where that was put back.
fn next_write<R: Record>(cx: &Context, old: &R) -> u64 {
    old.writes().max(cx.records_seen.writes(&old.metadata().uid)).saturating_add(1)
}

async fn sealed(cx: &Context, kind: &str, meta: &ObjectMeta, new: Value) -> Result<LiveObject, ClusterError> {
    status(cx, kind, &meta.name, &meta.resource_version, new).await
}

/// Whether Gantline wrote it: else it would be given a seal for what somebody else wrote.
fn check<R: Record>(cx: &Context, old: &R) -> Result<(), ClusterError> {
    let seal = cx.seal().ok_or_else(|| no_key(cx))?;
    if seal.trusts(old, cx.clock.now()) {
        return Ok(());
    }
    let object = key(cx, R::KIND, &old.metadata().name).to_string();
    let message = "it was written past Gantline, and is set back first".to_owned();
    Err(ClusterError::Conflict { object, message, owners: Vec::new() })
}

/// That it stands still as it is written, or does no more.
fn tell_of_shape(cx: &Context, about: &ObjectMeta, old: &PipelineStatus, new: &PipelineStatus) {
    let [was, is] = [old, new].map(invalid);
    let about = || About::pipeline(about);
    match is {
        Some(why) if was.as_ref() != Some(&why) => cx.facts.tell(&Fact::Unread { about: about(), why }),
        None if was.is_some() => cx.facts.tell(&Fact::ReadAgain { about: about() }),
        _ => {}
    }
}

/// That what stood there could not be read, once it stands there no more.
fn tell_of_status(cx: &Context, old: &Pipeline) {
    let Some(why) = old.unread_status.clone() else { return };
    let name = &old.metadata.name;
    tracing::warn!(pipeline = name, why, "its status could not be read, and was written anew");
    cx.tell_of_pipeline(&promotion::Fact::of_pipeline(name, What::StatusUnread { why }));
}

/// Why it stands still; `None`: it does not.
fn invalid(status: &PipelineStatus) -> Option<String> {
    let invalid = status.conditions.iter().filter(|it| it.r#type == PipelineConditionKind::Invalid);
    let why: Vec<&str> = invalid.map(|it| it.message.as_str()).collect();
    (!why.is_empty()).then(|| why.join("; "))
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

/// A record that was made is there, and is told of, also where its first status was not written: whoever plans next seals
/// it, and may have been quicker.
fn sealed_by_somebody<T>(name: &str, written: Result<T, ClusterError>) {
    if let Err(error) = written {
        tracing::debug!(name, %error, "the first status of a new record is left to the next plan");
    }
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

/// Puts a whole status in the place of what is there. The version guards against writing over somebody else.
async fn status(cx: &Context, kind: &str, name: &str, version: &str, new: Value) -> Result<LiveObject, ClusterError> {
    let patch = json!([
        { "op": "replace", "path": "/metadata/resourceVersion", "value": version },
        { "op": "add", "path": "/status", "value": new },
    ]);
    let options = PatchOptions { subresource: "status", ..PatchOptions::default() };
    cx.cluster.patch(&key(cx, kind, name), &Patch::Json(patch), options).await
}

/// Creates an object. `None`: it exists already, which is fine: its name says all about it.
async fn create(
    cx: &Context,
    kind: &str,
    name: &str,
    labels: &Value,
    spec: &Value,
) -> Result<Option<LiveObject>, ClusterError> {
    let seal = cx.seal().ok_or_else(|| no_key(cx))?.of_new(kind, name, spec, cx.clock.now());
    let annotations = json!({ SEAL_ANNOTATION: seal });
    let metadata = json!({ "name": name, "namespace": cx.namespace, "labels": labels, "annotations": annotations });
    let object = json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec });
    let malformed = |message: String| ClusterError::Malformed { object: name.to_owned(), message };
    let manifest = Manifest::new(object).map_err(|error| malformed(error.to_string()))?;
    let point = if kind == "Release" { Point::Release } else { Point::Open };
    failpoint::before(point);
    let created = cx.cluster.create(&manifest).await;
    failpoint::after(point);
    match created {
        Ok(live) => Ok(Some(live)),
        Err(ClusterError::AlreadyExists { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
