//! One container: pulled, configured, started, ready, ended, started again.

use jiff::Timestamp;
use object::ImageRef;
use serde_json::{Value, json};

use super::super::faults::Faults;
use super::super::fields::{fnv, go_duration, int, name, namespace, plus, text, time, time_at, uid};
use super::super::memory::{Pull, PullRequest, back_off};
use super::Look;
use super::config;
use crate::registry::{ImageError, PulledImage};

/// Seconds between a failure and the node's saying that it waits.
const ADMITS: i64 = 2;
/// Seconds that a container which is told to crash lives.
const CRASHES_AFTER: i64 = 1;
/// A container that ran for so many seconds is forgiven its earlier crashes.
const FORGIVEN: i64 = 600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Init,
    /// An init container that stays.
    Sidecar,
    Main,
}

#[derive(Debug)]
pub(super) struct Container<'v> {
    pub(super) spec: &'v Value,
    pub(super) role: Role,
    /// Its status so far.
    pub(super) old: Option<&'v Value>,
}

impl Container<'_> {
    fn name(&self) -> &str {
        text(self.spec, "/name")
    }

    fn image(&self) -> &str {
        text(self.spec, "/image")
    }

    fn path(&self) -> String {
        let list = if self.role == Role::Main { "containers" } else { "initContainers" };
        format!("spec.{list}{{{}}}", self.name())
    }

    /// Its next status.
    pub(super) fn advance(&self, look: &mut Look<'_>, can_start: bool) -> Value {
        let status = self.old.cloned().unwrap_or_else(|| self.blank(look));
        if status["state"].get("running").is_some() {
            return self.run(look, status);
        }
        if status["state"].get("terminated").is_some() || status["lastState"].get("terminated").is_some() {
            return self.after_end(look, status);
        }
        if !can_start {
            return status;
        }
        self.begin(look, status)
    }

    fn blank(&self, look: &Look<'_>) -> Value {
        let inits = look.pod["spec"]["initContainers"].as_array().is_some_and(|inits| !inits.is_empty());
        let reason = if inits { "PodInitializing" } else { "ContainerCreating" };
        json!({
            "name": self.name(), "image": self.image(), "imageID": "", "ready": false, "restartCount": 0, "started": false,
            "state": { "waiting": { "reason": reason } }, "lastState": {},
        })
    }

    /// On the way to its first start.
    fn begin(&self, look: &mut Look<'_>, status: Value) -> Value {
        match look.memory.pulls.get(self.name()).cloned() {
            None if invalid(self.image()) => self.refuse_name(look, status),
            None => self.ask(look, status, 1),
            Some(Pull::Asked { .. }) => status,
            Some(Pull::Failed { retry_at, attempt, .. }) if look.now >= retry_at => self.ask(look, status, attempt + 1),
            Some(Pull::Failed { attempt, error, retry_at }) => {
                self.await_retry(look, status, attempt, &error, retry_at)
            }
            Some(Pull::Here { image, took }) => self.configure(look, status, &image, took),
        }
    }

    fn refuse_name(&self, look: &mut Look<'_>, status: Value) -> Value {
        let image = self.image();
        let message = format!(
            "Failed to apply default image tag {image:?}: couldn't parse image name {image:?}: invalid reference format"
        );
        if reason(&status) != "InvalidImageName" {
            look.tell(self.path(), true, "InspectFailed", message.clone());
            look.tell(self.path(), true, "Failed", "Error: InvalidImageName".into());
        }
        waiting(status, "InvalidImageName", &message)
    }

    fn ask(&self, look: &mut Look<'_>, status: Value, attempt: u32) -> Value {
        let (image, container) = (self.image().to_owned(), self.name().to_owned());
        look.tell(self.path(), false, "Pulling", format!("Pulling image {image:?}"));
        look.memory.pulls.insert(container.clone(), Pull::Asked { attempt, since: look.now });
        look.outcome.pulls.push(PullRequest { pod: uid(look.pod).to_owned(), container, image });
        status
    }

    /// First the error, a moment later the back-off.
    fn await_retry(
        &self,
        look: &mut Look<'_>,
        status: Value,
        attempt: u32,
        error: &ImageError,
        retry_at: Timestamp,
    ) -> Value {
        let image = self.image();
        let failed_at = plus(retry_at, -back_off(attempt));
        let admits = plus(failed_at, ADMITS);
        if look.now < admits {
            look.outcome.again(admits);
            if reason(&status) != "ErrImagePull" {
                look.tell(self.path(), true, "Failed", format!("Failed to pull image {image:?}: {error}"));
                look.tell(self.path(), true, "Failed", "Error: ErrImagePull".into());
            }
            return waiting(status, "ErrImagePull", &error.to_string());
        }
        look.outcome.again(retry_at);
        let message = format!("Back-off pulling image {image:?}");
        if reason(&status) != "ImagePullBackOff" {
            look.tell(self.path(), false, "BackOff", message.clone());
            look.tell(self.path(), true, "Failed", "Error: ImagePullBackOff".into());
        }
        waiting(status, "ImagePullBackOff", &format!("{message}: ErrImagePull: {error}"))
    }

    /// The image is here: start unless something that it needs is not.
    fn configure(&self, look: &mut Look<'_>, status: Value, image: &PulledImage, took: i64) -> Value {
        let pulled = format!(
            "Successfully pulled image {:?} in {took}s ({took}s including waiting). Image size: {} bytes.",
            self.image(),
            image.size
        );
        if let Some(message) = config::missing_for(look.view, look.pod, self.spec) {
            if reason(&status) != "CreateContainerConfigError" {
                look.tell(self.path(), false, "Pulled", pulled);
                look.tell(self.path(), true, "Failed", format!("Error: {message}"));
            }
            return waiting(status, "CreateContainerConfigError", &message);
        }
        let told = reason(&status) == "CreateContainerConfigError";
        if !told {
            look.tell(self.path(), false, "Pulled", pulled);
        }
        self.start(look, status, image)
    }

    fn start(&self, look: &mut Look<'_>, mut status: Value, image: &PulledImage) -> Value {
        look.tell(self.path(), false, "Created", format!("Created container: {}", self.name()));
        look.tell(self.path(), false, "Started", format!("Started container {}", self.name()));
        let count = int(&status, "/restartCount");
        status["image"] = json!(full_name(self.image()));
        status["imageID"] = json!(image_id(self.image(), &image.digest));
        status["containerID"] = json!(container_id(uid(look.pod), self.name(), count));
        status["state"] = json!({ "running": { "startedAt": time(look.now) } });
        status["started"] = json!(true);
        self.run(look, status)
    }

    fn faults(&self, look: &Look<'_>) -> Faults {
        let image = match look.memory.pulls.get(self.name()) {
            Some(Pull::Here { image, .. }) => Some(image),
            _ => None,
        };
        Faults::of(look.pod, image)
    }

    /// Seconds until it exits and the code, if it does.
    fn end(&self, look: &Look<'_>, faults: Faults) -> Option<(i64, i64)> {
        let ends = self.role == Role::Init || self.role == Role::Main && look.pod["spec"]["restartPolicy"] != "Always";
        match self.role {
            Role::Main if faults.crash => Some((CRASHES_AFTER, 1)),
            Role::Main if ends => Some((faults.duration, i64::from(faults.job_fails))),
            _ if ends => Some((1, 0)),
            _ => None,
        }
    }

    /// A node that was started anew learns again what the image says of itself.
    fn recall(&self, look: &mut Look<'_>) {
        if look.memory.pulls.contains_key(self.name()) {
            return;
        }
        let (image, container) = (self.image().to_owned(), self.name().to_owned());
        look.memory.pulls.insert(container.clone(), Pull::Asked { attempt: 1, since: look.now });
        look.outcome.pulls.push(PullRequest { pod: uid(look.pod).to_owned(), container, image });
    }

    fn run(&self, look: &mut Look<'_>, mut status: Value) -> Value {
        self.recall(look);
        if matches!(look.memory.pulls.get(self.name()), Some(Pull::Asked { .. })) {
            return status;
        }
        let faults = self.faults(look);
        let started = time_at(&status, "/state/running/startedAt").unwrap_or(look.now);
        if let Some((after, code)) = self.end(look, faults) {
            let at = plus(started, after);
            if look.now >= at {
                return self.exit(look, status, started, code);
            }
            look.outcome.again(at);
        }
        let ready = self.ready(look, faults, started);
        if self.probed() && faults.not_ready && status["ready"] == true {
            look.tell(
                self.path(),
                true,
                "Unhealthy",
                "Readiness probe failed: HTTP probe failed with statuscode: 503".into(),
            );
        }
        status["ready"] = json!(ready);
        status
    }

    fn probed(&self) -> bool {
        self.spec.get("readinessProbe").is_some_and(Value::is_object)
    }

    fn ready(&self, look: &mut Look<'_>, faults: Faults, started: Timestamp) -> bool {
        // no probe finds it well in the moment for which it lives
        let fails = faults.not_ready || faults.crash && self.probed();
        if self.role == Role::Init || fails && self.role == Role::Main {
            return false;
        }
        let delay = |probe: &str| int(self.spec, &format!("/{probe}/initialDelaySeconds"));
        let slow = if self.role == Role::Main { faults.slow_start } else { 0 };
        let at = plus(started, delay("startupProbe") + delay("readinessProbe") + slow);
        if look.now < at {
            look.outcome.again(at);
        }
        look.now >= at
    }

    fn exit(&self, look: &mut Look<'_>, mut status: Value, started: Timestamp, code: i64) -> Value {
        let lived = look.now.duration_since(started).as_secs();
        let crashes = look.memory.crashes.entry(self.name().to_owned()).or_insert(0);
        *crashes = if lived >= FORGIVEN { 1 } else { crashes.saturating_add(1) };
        let terminated = json!({
            "exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" }, "startedAt": time(started),
            "finishedAt": time(look.now), "containerID": status["containerID"],
        });
        status["state"] = json!({ "terminated": terminated });
        status["started"] = json!(false);
        status["ready"] = json!(self.role == Role::Init && code == 0);
        self.after_end(look, status)
    }

    fn restarts(&self, look: &Look<'_>, code: i64) -> bool {
        match (self.role, text(look.pod, "/spec/restartPolicy")) {
            (Role::Sidecar, _) => true,
            (Role::Init, policy) => policy != "Never" && code != 0,
            (Role::Main, "Always") => true,
            (Role::Main, "OnFailure") => code != 0,
            _ => false,
        }
    }

    /// It has exited: stays so, or waits for its next start. The first restart comes at once, as with the kubelet.
    fn after_end(&self, look: &mut Look<'_>, mut status: Value) -> Value {
        let terminated =
            [&status["state"]["terminated"], &status["lastState"]["terminated"]].into_iter().find(|t| t.is_object());
        let terminated = terminated.cloned().unwrap_or_default();
        if !self.restarts(look, int(&terminated, "/exitCode")) {
            return status;
        }
        let crashes = look.memory.crashes.get(self.name()).copied().unwrap_or(1);
        let finished = time_at(&terminated, "/finishedAt").unwrap_or(look.now);
        let wait = if crashes <= 1 { 1 } else { back_off(crashes - 1) };
        let restart_at = plus(finished, wait);
        if look.now >= restart_at {
            return self.restart(look, status, &terminated);
        }
        let admits = plus(finished, ADMITS);
        if crashes <= 1 || look.now < admits {
            look.outcome.again(restart_at.min(admits));
            return status;
        }
        look.outcome.again(restart_at);
        let place = format!("pod {}_{}({})", name(look.pod), namespace(look.pod), uid(look.pod));
        if reason(&status) != "CrashLoopBackOff" {
            look.tell(
                self.path(),
                true,
                "BackOff",
                format!("Back-off restarting failed container {} in {place}", self.name()),
            );
        }
        let message = format!(
            "back-off {} restarting failed container={} {}",
            go_duration(wait),
            self.name(),
            place.replacen("pod ", "pod=", 1)
        );
        status["lastState"] = json!({ "terminated": terminated });
        waiting(status, "CrashLoopBackOff", &message)
    }

    fn restart(&self, look: &mut Look<'_>, mut status: Value, terminated: &Value) -> Value {
        let image = match look.memory.pulls.get(self.name()).cloned() {
            Some(Pull::Here { image, .. }) => image,
            // the node was started anew and does not remember: the image is where it was
            Some(Pull::Asked { .. }) => return status,
            Some(Pull::Failed { attempt, error, retry_at }) if look.now < retry_at => {
                return self.await_retry(look, status, attempt, &error, retry_at);
            }
            Some(Pull::Failed { attempt, .. }) => return self.ask(look, status, attempt + 1),
            None => return self.ask(look, status, 1),
        };
        status["lastState"] = json!({ "terminated": terminated });
        status["restartCount"] = json!(int(&status, "/restartCount") + 1);
        look.tell(
            self.path(),
            false,
            "Pulled",
            format!("Container image {:?} already present on machine", self.image()),
        );
        self.start(look, status, &image)
    }
}

fn reason(status: &Value) -> &str {
    text(status, "/state/waiting/reason")
}

fn waiting(mut status: Value, reason: &str, message: &str) -> Value {
    status["state"] = json!({ "waiting": { "reason": reason, "message": message } });
    status
}

/// Repository names are lower-case.
fn invalid(image: &str) -> bool {
    image.parse::<ImageRef>().map_or(true, |reference| {
        let (_, repository) = reference.registry_and_repository();
        repository.chars().any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c)))
    })
}

/// The name that the runtime reports: with registry and tag.
fn full_name(image: &str) -> String {
    let Ok(reference) = image.parse::<ImageRef>() else { return image.to_owned() };
    let (host, repository) = reference.registry_and_repository();
    match (&reference.tag, &reference.digest) {
        (_, Some(digest)) => format!("{host}/{repository}@{digest}"),
        (tag, None) => format!("{host}/{repository}:{}", tag.as_deref().unwrap_or("latest")),
    }
}

fn image_id(image: &str, digest: &str) -> String {
    let Ok(reference) = image.parse::<ImageRef>() else { return digest.to_owned() };
    let (host, repository) = reference.registry_and_repository();
    format!("{host}/{repository}@{digest}")
}

/// 64 hexadecimal digits that are the same in each run.
fn container_id(pod: &str, container: &str, count: i64) -> String {
    let part = |number: u8| format!("{:08x}", fnv(format!("{pod}/{container}/{count}/{number}").as_bytes()));
    format!("containerd://{}", (0..8).map(part).collect::<String>())
}
