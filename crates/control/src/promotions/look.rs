//! One look at the environments of a Pipeline: what Git says, what the Applications say, what the pods run.

use std::sync::Arc;

use api::argocd::{Application, HealthStatusCode, SyncStatusCode};
use api::gantline::{
    Environment, EnvironmentStatus, Gate, GateState, Pipeline, PipelineCondition, PipelineStatus, Promotion, Release,
    ReleaseEnvironment, ReleasePhase,
};
use jiff::{SignedDuration, Timestamp};
use object::{ImageDigest, ImageRef, LiveObject};
use promotion::{Located, Observation, Reach};

use super::condition;
use super::ground::{self, Ground};
use super::memory::Memory;
use crate::context::Context;
use crate::git_remotes::logins;
use crate::repositories::Address;
use crate::view;

/// Looks further apart than this leave a gap that nobody saw.
const GAP: SignedDuration = SignedDuration::from_mins(2);

/// What one environment is like now.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) application: Option<Arc<Application>>,
    /// What Git says at the commit that the Application is synced to.
    pub(crate) written: Option<Located>,
    /// Of the written tag: from the file, the registry, or the pods, in this order.
    pub(crate) digest: Option<ImageDigest>,
    /// Pods of the Application that are not ending.
    pods: Vec<LiveObject>,
}

#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) environments: Vec<Seen>,
    pub(crate) conditions: Vec<PipelineCondition>,
}

impl Look {
    pub(crate) async fn at(cx: &Context, pipeline: &Pipeline, memory: &mut Memory) -> Self {
        let mut look = Self { environments: Vec::new(), conditions: Vec::new() };
        for environment in &pipeline.spec.environments {
            let seen = look.see(cx, pipeline, environment, memory).await;
            look.environments.push(seen);
        }
        look
    }

    async fn see(&mut self, cx: &Context, pipeline: &Pipeline, environment: &Environment, memory: &mut Memory) -> Seen {
        let key = crate::stores::AppKey::new(&cx.namespace, &environment.application);
        let application = cx.stores.application(&key);
        let mut seen =
            Seen { name: environment.name.clone(), application, written: None, digest: None, pods: Vec::new() };
        let Some(app) = seen.application.clone() else {
            let message = format!("{}: there is no Application {}", environment.name, environment.application);
            self.conditions.push(condition("ApplicationMissing", message));
            return seen;
        };
        seen.pods = view::pods(cx, &app);
        let image = pipeline.spec.images.first().map_or("", |image| image.name.as_str());
        match written(cx, &app, image, memory).await {
            Ok(written) => seen.written = written,
            Err(why) => self.conditions.push(condition("ImageNotFound", format!("{}: {why}", environment.name))),
        }
        if let Some(written) = &seen.written {
            match digest(cx, &written.image, &seen.pods, memory).await {
                Ok(digest) => seen.digest = Some(digest),
                Err(why) => {
                    let message = format!("{}: the digest of {} is not known: {why}", environment.name, written.image);
                    self.conditions.push(condition("DigestUnknown", message));
                }
            }
        }
        seen
    }

    pub(crate) fn environment(&self, name: &str) -> Option<&Seen> {
        self.environments.iter().find(|seen| seen.name == name)
    }

    /// The entry of a release that was just seen in an environment.
    pub(crate) fn entry(&self, environment: &str, now: Timestamp) -> ReleaseEnvironment {
        let commit = self.environment(environment).and_then(|seen| seen.application.as_ref());
        ReleaseEnvironment {
            name: environment.to_owned(),
            since: Some(now),
            deployed_at: Some(now),
            commit: commit.map_or_else(String::new, |app| ground::synced(app).to_owned()),
            ..ReleaseEnvironment::default()
        }
    }

    /// Whether a release that came later was put into the environment.
    pub(crate) fn is_followed(&self, cx: &Context, release: &Release, environment: &str) -> bool {
        let at = release.in_environment(environment).and_then(|entry| entry.deployed_at);
        cx.stores.releases(Some(&release.spec.pipeline)).iter().any(|other| {
            let entry = other.in_environment(environment);
            other.metadata.name != release.metadata.name && entry.is_some_and(|entry| entry.deployed_at > at)
        })
    }

    /// What is seen of a release where it was put; `None` where there is nothing new to say.
    #[expect(clippy::too_many_arguments, reason = "one look has many sides")]
    pub(crate) fn observe(
        &self,
        pipeline: &Pipeline,
        release: &Release,
        environment: &Environment,
        entry: &ReleaseEnvironment,
        followed: bool,
        memory: &mut Memory,
        now: Timestamp,
    ) -> Option<Observation> {
        if matches!(entry.phase, ReleasePhase::Failed | ReleasePhase::Replaced) {
            return None;
        }
        let seen = self.environment(&environment.name)?;
        let before = memory.looked(&release.metadata.name, &environment.name, now);
        let unseen = before.is_none_or(|before| now.duration_since(before) > GAP);
        let reach = seen.reach(release, entry, followed);
        let gap = entry.healthy_since.and_then(|since| seen.gap(since, unseen));
        Some(Observation { reach, soak: soak(pipeline, &environment.name), gap, now })
    }

    /// The Pipeline's status after this look.
    pub(crate) fn status(
        self,
        pipeline: &Pipeline,
        releases: &[Arc<Release>],
        promotions: &[Arc<Promotion>],
    ) -> PipelineStatus {
        let environments = self.environments.iter().map(|seen| {
            let old = pipeline.status_of(&seen.name);
            let release = releases.iter().find(|release| seen.holds(release));
            let app = seen.application.as_ref();
            let written = seen.written.as_ref();
            let tag = written.and_then(|written| written.image.tag.clone());
            let entry = release.and_then(|release| release.in_environment(&seen.name));
            EnvironmentStatus {
                name: seen.name.clone(),
                application: pipeline.environment(&seen.name).map_or_else(String::new, |e| e.application.clone()),
                release: release.map_or_else(String::new, |release| release.metadata.name.clone()),
                tag: tag.or_else(|| release.map(|release| release.tag().to_owned())).unwrap_or_default(),
                digest: seen.digest.as_ref().map_or_else(String::new, ToString::to_string),
                commit: app.map_or_else(String::new, |app| ground::synced(app).to_owned()),
                since: entry.and_then(|entry| entry.deployed_at).or_else(|| old.and_then(|old| old.since)),
                sync: app.map_or_else(String::new, |app| app.status.sync.status.to_string()),
                health: app.map_or_else(String::new, |app| app.status.health.status.to_string()),
                pinned: old.and_then(|old| old.pinned.clone()),
                waiting: waiting(promotions, &seen.name),
            }
        });
        PipelineStatus { environments: environments.collect(), conditions: self.conditions }
    }
}

/// What the open promotions into an environment wait for. Only what stays the same while they do: the status is written
/// for each change.
fn waiting(promotions: &[Arc<Promotion>], environment: &str) -> Vec<String> {
    let open = promotions.iter().filter(|p| p.spec.environment == environment && p.status.phase.is_open());
    let gates = open.flat_map(|promotion| &promotion.status.gates).filter(|gate| gate.state != GateState::Passed);
    gates.map(|gate| gate.name.clone()).collect()
}

/// How long later gates want a release to be healthy here.
fn soak(pipeline: &Pipeline, environment: &str) -> Option<SignedDuration> {
    let gates = pipeline.spec.environments.iter().flat_map(|later| {
        let before = pipeline.before(&later.name).map(|e| e.name.clone()).unwrap_or_default();
        later.gates.iter().filter_map(move |gate| match gate {
            Gate::Healthy(gate) => {
                let place = if gate.environment.is_empty() { before.clone() } else { gate.environment.clone() };
                Some((place, gate.soak()))
            }
            Gate::Approval(_) => None,
        })
    });
    gates.filter(|(place, soak)| place == environment && !soak.is_zero()).map(|(_, soak)| soak).max()
}

impl Seen {
    /// Whether Git says that this release is here.
    pub(crate) fn holds(&self, release: &Release) -> bool {
        let Some(written) = &self.written else { return false };
        match (&written.image.digest, &self.digest) {
            (Some(digest), _) | (None, Some(digest)) => digest.as_str() == release.digest(),
            (None, None) => written.image.tag.as_deref() == Some(release.tag()),
        }
    }

    fn reach(&self, release: &Release, entry: &ReleaseEnvironment, followed: bool) -> Reach {
        let Some(app) = &self.application else { return Reach::Under("the Application does not exist".to_owned()) };
        if !self.holds(release) {
            let waiting = entry.phase == ReleasePhase::Deploying && !followed;
            return if waiting { Reach::Under("its commit is not synced yet".to_owned()) } else { Reach::Elsewhere };
        }
        let name = &app.metadata.name;
        if app.status.health.status == HealthStatusCode::Degraded {
            return Reach::Degraded(format!("{name} is Degraded: {}", cause(app)));
        }
        if app.status.sync.status != SyncStatusCode::Synced {
            return Reach::Under(format!("{name} is {}", app.status.sync.status));
        }
        if app.status.health.status != HealthStatusCode::Healthy {
            return Reach::Under(format!("{name} is {}", app.status.health.status));
        }
        let other = self.pods.iter().flat_map(engine::pod_image_ids).find(|running| {
            let Some(reference) = reference(&running.image) else { return false };
            let same = release.spec.images.iter().find(|image| reference.same_repository(&image.name));
            same.is_some_and(|image| running.digest.as_ref().is_some_and(|digest| digest.as_str() != image.digest))
        });
        match other {
            Some(running) => Reach::Under(format!("a pod still runs {}", running.image)),
            None => Reach::Converged,
        }
    }

    /// Why the time since `since` does not count as healthy. A break may fall between two looks: the Application says
    /// since when it is Healthy. For the time when nobody looked, pods say since when they are ready.
    fn gap(&self, since: Timestamp, unseen: bool) -> Option<String> {
        let app = self.application.as_ref()?;
        let name = &app.metadata.name;
        if app.status.health.last_transition_time.is_some_and(|healthy| healthy > since) {
            return Some(format!("{name} was not Healthy for a moment"));
        }
        let unproven = unseen && self.ready_since().is_none_or(|ready| ready > since);
        unproven.then(|| format!("nobody saw {name} for a while"))
    }

    /// Since when all pods are ready.
    fn ready_since(&self) -> Option<Timestamp> {
        let ready = |pod: &LiveObject| {
            let conditions = pod.status()?.get("conditions")?.as_array()?;
            let ready = conditions.iter().find(|c| c["type"] == "Ready" && c["status"] == "True")?;
            ready["lastTransitionTime"].as_str()?.parse::<Timestamp>().ok()
        };
        let times: Option<Vec<Timestamp>> = self.pods.iter().map(ready).collect();
        times?.into_iter().max()
    }
}

/// What the unhealthy objects say.
fn cause(app: &Application) -> String {
    let bad =
        app.status.resources.iter().filter(|resource| {
            resource.health.as_ref().is_some_and(|health| health.status == HealthStatusCode::Degraded)
        });
    let texts: Vec<String> = bad
        .map(|resource| {
            let message = resource.health.as_ref().map_or("", |health| health.message.as_str());
            format!("{} {}: {message}", resource.kind, resource.name)
        })
        .collect();
    if texts.is_empty() { "see gantline explain".to_owned() } else { texts.join("; ") }
}

/// What Git says about the image at the commits that the Application is synced to.
async fn written(cx: &Context, app: &Application, image: &str, memory: &mut Memory) -> Result<Option<Located>, String> {
    // nothing was compared yet
    let (Some(source), commit) = (ground::written(app), ground::synced(app)) else { return Ok(None) };
    if commit.is_empty() {
        return Ok(None);
    }
    let sources = serde_json::to_string(app.spec.all_sources()).unwrap_or_default();
    let key = format!("{} {} {sources} {image}", app.metadata.name, ground::commits(app).join(","));
    // most looks find the same commits as the last one
    if let Some(known) = memory.known(&key, cx.clock.now()) {
        return known.map(Some);
    }
    let mut search = match memory.take_search(&key) {
        Some(search) => search,
        None => {
            let tree = cx.repositories.tree(Address::of(source), app.spec.project_name(), commit).await;
            let ground = Ground::at(cx, app, tree.map_err(|e| e.to_string())?, commit).await?;
            cx.renderer.locate(ground.subject, image)
        }
    };
    // other environments do not wait for one that renders slowly: the next look comes back to it
    let Some(located) = search.soon().await else {
        memory.keep_search(key, search);
        return Err("the image is being looked for: its render takes long".to_owned());
    };
    memory.keep_located(key, cx.clock.now(), located).map(Some)
}

/// The client with the credentials that a repository Secret has for the image's registry.
fn logged_in(cx: &Context, registry: git::RegistryClient, image: &ImageRef) -> git::RegistryClient {
    let (host, repository) = image.registry_and_repository();
    match cx.stores.credentials().of_image(&format!("{host}/{repository}")) {
        Some(secret) => registry.with_credentials(&host, logins(&secret.credentials)),
        None => registry,
    }
}

/// The digest of an image: as written, else the registry's answer, else what the pods report. Never invented.
async fn digest(
    cx: &Context,
    image: &ImageRef,
    pods: &[LiveObject],
    memory: &mut Memory,
) -> Result<ImageDigest, String> {
    if let Some(digest) = &image.digest {
        return Ok(digest.clone());
    }
    let (now, name) = (cx.clock.now(), image.to_string());
    let asked = match (memory.digest(&name, now), &cx.registry) {
        (Some(answer), _) => answer,
        (None, None) => Err("no registry is asked".to_owned()),
        (None, Some(registry)) => {
            let registry = logged_in(cx, registry.clone(), image);
            let answer = registry.resolve(image).await.map_err(|error| error.to_string());
            memory.keep_digest(&name, now, answer.clone());
            answer
        }
    };
    asked.or_else(|why| {
        let running = pods.iter().flat_map(engine::pod_image_ids);
        let mut digests: Vec<ImageDigest> = running
            .filter(|running| {
                reference(&running.image).is_some_and(|r| r.same_repository(&image.name) && r.tag == image.tag)
            })
            .filter_map(|running| running.digest)
            .collect();
        digests.sort();
        digests.dedup();
        match digests.as_slice() {
            [digest] => Ok(digest.clone()),
            [] => Err(format!("{why}; and no pod reports one")),
            _ => Err(format!("{why}; and the pods report several")),
        }
    })
}

fn reference(image: &str) -> Option<ImageRef> {
    image.parse().ok()
}
