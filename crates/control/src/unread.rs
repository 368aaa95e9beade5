//! What was written and cannot be read. Nothing is done by it, not even by what it was before, and that is told: by its
//! conditions where it has some, an Event, the timeline, a figure, and to those who can mend it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use api::argocd::APPLICATION_KIND;
use api::gantline::{Pipeline, PipelineConditionKind};
use cluster::{Cluster, ClusterError, Patch, PatchOptions};
use futures::future::select_all;
use jiff::Timestamp;
use object::ResourceKey;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::context::Context;
use crate::facts::{About, Fact};
use crate::queue::Depth;
use crate::stores::Stores;
use crate::wake::Key;

/// So the condition of an Application begins of which that is so.
pub const CANNOT_BE_READ: &str = "it cannot be read, so nothing is done with it";

/// Why one object cannot be read, or a part of it that somebody relies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Empty where a part cannot be read.
    pub(crate) uid: Box<str>,
    /// What is wrong. It quotes nothing of a Secret.
    pub why: String,
}

impl Unread {
    /// Of an object that is read, but for its parts.
    pub(crate) fn part() -> Self {
        Self { uid: Box::default(), why: String::new() }
    }

    pub(crate) fn add(&mut self, why: &str) {
        let between = if self.why.is_empty() { "" } else { "; " };
        self.why.extend([between, why]);
    }

    pub(crate) fn is_part(&self) -> bool {
        self.uid.is_empty()
    }
}

/// The kinds of which a figure is there also while all can be read.
const KINDS: [&str; 7] = ["Application", "AppProject", "Pipeline", "Release", "Promotion", "ConfigMap", "Secret"];

/// By object; the parts of one are one reason.
pub type AllUnread = BTreeMap<ResourceKey, Unread>;

/// Tells of what cannot be read any more, and of what can be again, for as long as it runs. Of several replicas one does.
pub(crate) async fn tell(cx: Arc<Context>) {
    cx.stores.ready().await;
    let mut revisions = cx.stores.revisions_of_unread();
    let mut known = AllUnread::new();
    loop {
        revisions.iter_mut().for_each(|revision| drop(revision.borrow_and_update()));
        let now = cx.stores.unread();
        let differs = |all: &AllUnread, key: &ResourceKey, one: &Unread| all.get(key) != Some(one);
        for (key, one) in now.iter().filter(|(key, one)| differs(&known, key, one)) {
            came(&cx, key, one).await;
        }
        for (key, one) in known.iter().filter(|(key, _)| !now.contains_key(key)) {
            went(&cx, key, one);
        }
        known = now;
        let changed = revisions.iter_mut().map(|revision| Box::pin(revision.changed()));
        if select_all(changed).await.0.is_err() {
            return;
        }
    }
}

async fn came(cx: &Context, key: &ResourceKey, one: &Unread) {
    wake(cx, key);
    if !cx.shares.owns(&key.to_string()) {
        return;
    }
    cx.facts.tell(&Fact::Unread { about: About::at(key, &one.uid), why: one.why.clone() });
    if key.kind != APPLICATION_KIND {
        return;
    }
    if let Err(error) = say_on_application(&cx.cluster, key, &one.why, cx.clock.now()).await {
        tracing::warn!(application = %key, %error, "it does not say that it cannot be read");
    }
}

fn went(cx: &Context, key: &ResourceKey, one: &Unread) {
    wake(cx, key);
    if cx.shares.owns(&key.to_string()) {
        cx.facts.tell(&Fact::ReadAgain { about: About::at(key, &one.uid) });
    }
}

/// Who decides by it decides anew. Of what never could be read nothing else tells.
fn wake(cx: &Context, key: &ResourceKey) {
    let record = matches!(key.kind.as_str(), "Release" | "Promotion");
    if let Some(pipeline) = record.then(|| cx.stores.pipeline_of_record(&key.name)).flatten() {
        cx.queue.add(&Key::pipeline(&cx.namespace, &pipeline), Depth::Live);
    }
}

/// As Argo CD names what is wrong with a spec. What it says otherwise stays; once it can be read, all is said anew.
async fn say_on_application(
    cluster: &Cluster,
    key: &ResourceKey,
    why: &str,
    now: Timestamp,
) -> Result<(), ClusterError> {
    const CONDITION: &str = "InvalidSpecError";
    let Some(live) = cluster.get(key).await? else { return Ok(()) };
    let known = live.value().pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let message = format!("{CANNOT_BE_READ}: {why}");
    let is_ours = |condition: &Value| condition["type"] == CONDITION;
    if known.iter().any(|condition| is_ours(condition) && condition["message"] == *message) {
        return Ok(());
    }
    let at = api::meta::time::whole_seconds(now).to_string();
    let ours = json!({ "type": CONDITION, "message": message, "lastTransitionTime": at });
    let conditions: Vec<Value> = known.into_iter().filter(|known| !is_ours(known)).chain([ours]).collect();
    let patch = Patch::Merge(json!({ "status": { "conditions": conditions } }));
    cluster.patch(key, &patch, PatchOptions::default()).await.map(drop)
}

/// `gantline_unreadable_objects`: by kind, with Pipelines that are read and are no good.
#[derive(Debug)]
pub(crate) struct Figures(pub(crate) Stores);

impl Figures {
    fn counts(&self) -> BTreeMap<String, i64> {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        let invalid = |pipeline: &Arc<Pipeline>| {
            pipeline.status.conditions.iter().any(|condition| condition.r#type == PipelineConditionKind::Invalid)
        };
        let invalid = self.0.pipelines.all().iter().filter(|pipeline| invalid(pipeline)).count();
        let unread = self.0.unread();
        for kind in KINDS.into_iter().chain(unread.keys().map(|key| key.kind.as_str())) {
            counts.entry(kind.to_owned()).or_default();
        }
        unread.keys().for_each(|key| *counts.entry(key.kind.clone()).or_default() += 1);
        *counts.entry("Pipeline".to_owned()).or_default() += i64::try_from(invalid).unwrap_or(i64::MAX);
        counts
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let help = "Objects that nothing is done by, because they cannot be read";
        let mut family = encoder.encode_descriptor("unreadable_objects", help, None, MetricType::Gauge)?;
        for (kind, count) in self.counts() {
            ConstGauge::new(count).encode(family.encode_family(&[("kind", kind.as_str())])?)?;
        }
        Ok(())
    }
}

impl Stores {
    /// The Pipeline that a Release or a Promotion belongs to, by the name that Gantline gave it.
    pub(crate) fn pipeline_of_record(&self, record: &str) -> Option<String> {
        let all = self.pipelines.all();
        let names = all.iter().map(|pipeline| pipeline.metadata.name.as_str());
        let owners = names.filter(|name| record.strip_prefix(name).is_some_and(|rest| rest.starts_with('-')));
        owners.max_by_key(|name| name.len()).map(str::to_owned)
    }

    /// The Releases and Promotions of a Pipeline that cannot be read, each with what to do: what they say would be missed.
    pub(crate) fn unread_records(&self, pipeline: &str) -> Vec<String> {
        let releases = self.releases.unreadable().into_iter().map(|it| {
            let owner = it.last.as_ref().map(|last| last.spec.pipeline.clone());
            (it.key, it.why, owner)
        });
        let promotions = self.promotions.unreadable().into_iter().map(|it| {
            let owner = it.last.as_ref().map(|last| last.spec.pipeline.clone());
            (it.key, it.why, owner)
        });
        let all = releases.chain(promotions);
        let own = all.filter(|(key, _, owner)| {
            owner.clone().or_else(|| self.pipeline_of_record(&key.name)).is_some_and(|owner| owner == pipeline)
        });
        let say = |(key, why, _): (Arc<ResourceKey>, Arc<str>, _)| {
            format!("{} {} cannot be read: {why}: put back what it was, or delete it", key.kind, key.name)
        };
        own.map(say).collect()
    }

    fn revisions_of_unread(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.unreadable_revisions();
        // of config maps parts cannot be read
        all.push(self.config_maps.revisions());
        all
    }
}
