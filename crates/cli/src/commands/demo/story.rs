//! The story, step by step: each step is done as its actor would do it, and checked against the API and Git.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use cluster::{Patch, PatchOptions};
use object::ResourceKey;
use serde_json::{Value, json};

use super::charts;
use super::check::{User, ensure, pause};
use super::stage::{IMAGE, NEXT_TAG, REPOSITORY, SERVICE, Stage};
use crate::failure::Failure;
use crate::output;

/// The tags that CI gives: commits of the application's own repository.
const GOOD: &str = NEXT_TAG;
const BAD: &str = "d41d8cd98f00b204e9800998ecf8427e00c0ffee";
const LAST: &str = "77aa03be5c1f4d2689e0b3a1c5d7f9e246801357";

/// Plays all of it.
///
/// # Errors
/// Names the step that did not happen as told.
pub(super) async fn play(stage: &mut Stage) -> Result<(), Failure> {
    let timeline = tell_along(stage);
    let result = steps(stage).await;
    timeline.abort();
    if result.is_ok() {
        output::line("\nEvery step was checked against the API and Git.");
    }
    result
}

async fn steps(stage: &mut Stage) -> Result<(), Failure> {
    let developer = User::log_in(&stage.url, "developer").await?;
    let lead = User::log_in(&stage.url, "team-lead").await?;
    named("a", "all Applications are Synced and Healthy", all_green(&lead)).await?;
    let digest = named("b", "CI pushes an image and writes the dev overlay", deliver(stage, &lead, GOOD)).await?;
    // on its way while the others go on
    let charts = charts::deliver(stage).await?;
    named("c", "dev converges, and staging gets the same digest by itself", travel(&lead, &digest)).await?;
    named("d", "production waits, and says for what", waits(&lead)).await?;
    named("e", "a pod in staging turns Degraded: the soak starts again", degrade(stage, &lead)).await?;
    named("f", "a team lead approves; the author may not", approve(&developer, &lead)).await?;
    named(
        "g",
        "the promotion is one commit of one scalar, and production runs the digest",
        promoted(stage, &lead, &digest),
    )
    .await?;
    named("h", "a change behind Git's back is healed, and its author named", heal(stage, &lead)).await?;
    named("i", "a bad image degrades dev and goes no further", bad_image(stage, &lead)).await?;
    named("j", "a rollback is a revert commit and a pin", roll_back(stage, &lead)).await?;
    named("k", "a controller killed in the middle of a promotion: exactly one commit", killed(stage)).await?;
    let lead = User::log_in(&stage.url, "team-lead").await?;
    named(
        "l",
        "charts: the tag travels by values files, a merge to release and the tag v1.1",
        charts.arrive(stage, &lead),
    )
    .await
}

async fn named<T>(letter: &str, title: &str, step: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    output::line(format!("\n{letter}. {title}"));
    step.await
        .map_err(|failure| Failure { message: format!("step {letter} ({title}): {}", failure.message), ..failure })
}

/// Prints the timeline as it happens.
fn tell_along(stage: &Stage) -> tokio::task::JoinHandle<()> {
    let Some(controller) = stage.controller() else { return tokio::spawn(async {}) };
    let mut entries = controller.timeline().subscribe();
    tokio::spawn(async move {
        use control::TimelineKind as Kind;
        while let Ok(entry) = entries.recv().await {
            if matches!(entry.kind, Kind::SyncStatus | Kind::Health | Kind::OperationStarted | Kind::OperationSucceeded)
            {
                continue;
            }
            let mut line = format!("   {}  {}", entry.time.strftime("%H:%M:%S"), entry.message);
            for (word, text) in [("because", &entry.reason), ("by", &entry.actor)] {
                if !text.is_empty() {
                    line.push_str(&format!(" · {word} {text}"));
                }
            }
            if !entry.commit.is_empty() {
                line.push_str(&format!(" · commit {}", entry.commit.get(..10).unwrap_or(&entry.commit)));
            }
            output::line(line);
        }
    })
}

async fn all_green(user: &User) -> Result<(), Failure> {
    let green = |overview: &Value| {
        let apps = overview["applications"].as_array().cloned().unwrap_or_default();
        apps.len() >= 24 && apps.iter().all(|app| app["sync"] == "Synced" && app["health"] == "Healthy")
    };
    let overview = user.until("all Applications Synced and Healthy", "/api/v1/overview", green).await?;
    output::line(format!("   {} Applications", overview["applications"].as_array().map_or(0, Vec::len)));
    Ok(())
}

/// What CI does: push the image, write its tag into the dev overlay.
async fn deliver(stage: &Stage, user: &User, tag: &str) -> Result<String, Failure> {
    let digest = stage.registry.push_image(IMAGE, tag, &BTreeMap::new());
    stage.commits.deliver(tag).await?;
    let name = format!("/api/v1/releases/{SERVICE}-{}", short(&digest));
    let release = user
        .until("a Release for the new image", &name, |v| v.pointer("/release/spec/images/0/digest").is_some())
        .await?;
    ensure(
        release.pointer("/release/spec/images/0/digest") == Some(&json!(digest)),
        "the Release has another digest than the registry",
    )?;
    ensure(
        release.pointer("/release/spec/source/author") == Some(&json!("dana")),
        "the Release does not know its author",
    )?;
    Ok(digest)
}

fn short(digest: &str) -> String {
    digest.trim_start_matches("sha256:").chars().take(12).collect()
}

async fn travel(user: &User, digest: &str) -> Result<(), Failure> {
    let runs = |e: &Value| e["digest"] == digest && e["sync"] == "Synced" && e["health"] == "Healthy";
    user.until_environment("dev runs the digest", SERVICE, "dev", runs).await?;
    user.until_environment("staging runs the digest", SERVICE, "staging", runs).await?;
    Ok(())
}

async fn waits(user: &User) -> Result<(), Failure> {
    let waits = |e: &Value| {
        let gates = e["next"]["gates"].as_array().cloned().unwrap_or_default();
        gates.len() == 2 && gates.iter().all(|gate| gate["state"] == "Waiting") && gates[0]["earliest"].is_string()
    };
    let production =
        user.until_environment("production waits for soak and approval", SERVICE, "production", waits).await?;
    let gates = &production["next"]["gates"];
    for gate in gates.as_array().into_iter().flatten() {
        output::line(format!(
            "   {}: {}; who can act: {}",
            text(gate, "name"),
            text(gate, "needed"),
            text(gate, "whoCanAct")
        ));
    }
    ensure(text(&gates[1], "whoCanAct").contains("team-leads"), "the approval gate does not say who can give it")?;
    let explained = user.get(&format!("/api/v1/explain/{GOOD}")).await?;
    ensure(
        explained["reasons"].as_array().is_some_and(|reasons| reasons.len() >= 2),
        format!("explain says too little: {explained}"),
    )
}

pub(super) fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// Makes one pod of staging crash, as a bad node or a broken dependency would.
async fn degrade(stage: &Stage, user: &User) -> Result<(), Failure> {
    let soaking = |e: &Value| e["next"]["gates"][0]["since"].is_string();
    let before = user.until_environment("staging soaks", SERVICE, "production", soaking).await?;
    let since = text(&before["next"]["gates"][0], "since");
    let pods = stage
        .sandbox
        .cluster
        .list(
            &cluster::Scope::namespaced(object::GroupKind::new("", "Pod"), "staging")
                .with_labels(format!("app={SERVICE}")),
        )
        .await?;
    let pod = pods.first().ok_or_else(|| Failure::new("staging has no pods"))?;
    let key = ResourceKey::new("", "Pod", "staging", pod.name());
    let crash = |on: bool| json!({ "metadata": { "annotations": { "sandbox.gantline.dev/crash": if on { json!("true") } else { Value::Null } } } });
    let options = || PatchOptions { manager: "chaos", ..PatchOptions::default() };
    stage.sandbox.cluster.patch(&key, &Patch::Merge(crash(true)), options()).await?;
    user.until_environment("staging is not Healthy", SERVICE, "staging", |e| e["health"] != "Healthy").await?;
    stage.sandbox.cluster.patch(&key, &Patch::Merge(crash(false)), options()).await?;
    // a new pod takes its place
    stage.sandbox.cluster.delete(&key, &cluster::DeleteOptions::default()).await?;
    let again = |e: &Value| {
        let gate = &e["next"]["gates"][0];
        gate["since"].is_string() && gate["since"] != since.as_str()
    };
    let after = user.until_environment("the soak starts again", SERVICE, "production", again).await?;
    ensure(text(&after["next"]["gates"][0], "value").contains("again"), "the gate does not say that it began again")
}

async fn approve(developer: &User, lead: &User) -> Result<(), Failure> {
    let waiting = |e: &Value| e["next"]["needsApproval"] == true;
    let production = lead.until_environment("production needs an approval", SERVICE, "production", waiting).await?;
    let path = format!("/api/v1/promotions/{}/approve", text(&production["next"], "promotion"));
    let (code, answer) = developer.post(&path, json!({})).await?;
    ensure(code == 403, format!("the developer could approve: {code} {answer}"))?;
    let (code, answer) = lead.post(&path, json!({ "reason": "load test was fine" })).await?;
    ensure(code == 200, format!("the team lead cannot approve: {code} {answer}"))
}

async fn promoted(stage: &Stage, user: &User, digest: &str) -> Result<(), Failure> {
    let runs =
        |e: &Value| e["digest"] == digest && e["sync"] == "Synced" && e["health"] == "Healthy" && e["next"].is_null();
    user.until_environment("production runs the digest", SERVICE, "production", runs).await?;
    let repository = stage.commits.repository(REPOSITORY)?;
    repository.refresh().await?;
    let log = repository.log(repository.head_of("main").await?, None, 20).await?;
    let subject = format!("promote(production): {SERVICE} → {GOOD}");
    let commits: Vec<_> = log.iter().filter(|commit| commit.subject == subject).collect();
    let [commit] = commits.as_slice() else {
        return Err(Failure::new(format!("{} commits are called {subject:?}", commits.len())));
    };
    for trailer in ["Promotion-Id", "Release", "Digest", "Approved-By", "Gates"] {
        ensure(commit.trailers.get(trailer).is_some(), format!("the commit has no trailer {trailer}"))?;
    }
    let parent = commit.parents.first().ok_or_else(|| Failure::new("the commit has no parent"))?;
    let paths = repository.changed_paths(*parent, commit.id).await?;
    let [path] = paths.as_slice() else { return Err(Failure::new(format!("the commit changes {paths:?}"))) };
    let read = async |id| -> Result<String, Failure> {
        let bytes = repository.tree(id).await?.read(path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (old, new) = (read(*parent).await?, read(commit.id).await?);
    let differing = old.lines().zip(new.lines()).filter(|(a, b)| a != b).count();
    ensure(
        differing == 1 && old.lines().count() == new.lines().count(),
        format!("{differing} lines of {path} differ"),
    )?;
    output::line(format!("   {} changes one line of {path}", commit.id.short()));
    let live = stage.sandbox.cluster.get(&ResourceKey::new("apps", "Deployment", "production", SERVICE)).await?;
    let image = live
        .as_ref()
        .and_then(|d| d.value().pointer("/spec/template/spec/containers/0/image"))
        .cloned()
        .unwrap_or_default();
    ensure(image.as_str().is_some_and(|image| image.contains(GOOD)), format!("production runs {image}"))
}

async fn heal(stage: &Stage, user: &User) -> Result<(), Failure> {
    let key = ResourceKey::new("apps", "Deployment", "dev", SERVICE);
    let before = stage.sandbox.cluster.get(&key).await?;
    let wanted = before.as_ref().and_then(|d| d.value().pointer("/spec/replicas")).cloned().unwrap_or_default();
    let options = PatchOptions { manager: "kubectl-edit", ..PatchOptions::default() };
    stage.sandbox.cluster.patch(&key, &Patch::Merge(json!({ "spec": { "replicas": 9 } })), options).await?;
    let told = |overview: &Value| {
        let entries = overview["timeline"].as_array().cloned().unwrap_or_default();
        entries.iter().any(|e| {
            e["kind"] == "selfHealed"
                && text(e, "actor").contains("kubectl-edit")
                && text(e, "reason").contains("spec.replicas")
        })
    };
    user.until("the heal names kubectl-edit and spec.replicas", "/api/v1/overview", told).await?;
    for _ in 0..100 {
        let live = stage.sandbox.cluster.get(&key).await?;
        if live.as_ref().and_then(|d| d.value().pointer("/spec/replicas")) == Some(&wanted) {
            return Ok(());
        }
        pause(Duration::from_millis(100)).await;
    }
    Err(Failure::new("the Deployment still has what kubectl-edit wrote"))
}

async fn bad_image(stage: &Stage, user: &User) -> Result<(), Failure> {
    let digest = stage.registry.push_image_without_layer(IMAGE, BAD);
    stage.commits.deliver(BAD).await?;
    let degraded = |e: &Value| e["tag"] == BAD && e["health"] == "Degraded";
    user.until_environment("dev is Degraded", SERVICE, "dev", degraded).await?;
    let pulls = |v: &Value| v.to_string().contains("ImagePullBackOff") || v.to_string().contains("ErrImagePull");
    user.until("the tree names ImagePullBackOff", &format!("/api/v1/applications/{SERVICE}-dev/resource-tree"), pulls)
        .await?;
    let name = format!("/api/v1/releases/{SERVICE}-{}", short(&digest));
    let quarantined = |v: &Value| v.pointer("/release/status/quarantine/reason").is_some();
    user.until("the digest is quarantined", &name, quarantined).await?;
    let staging = user.environment(SERVICE, "staging").await?;
    ensure(staging["tag"] == GOOD && staging["next"].is_null(), format!("the bad image reached staging: {staging}"))
}

async fn roll_back(stage: &Stage, user: &User) -> Result<(), Failure> {
    let body = json!({ "environment": "production", "reason": "the shop reports errors" });
    let (code, answer) = user.post(&format!("/api/v1/pipelines/{SERVICE}/rollback"), body).await?;
    ensure(code == 200, format!("the rollback is refused: {code} {answer}"))?;
    let back = |e: &Value| {
        e["tag"] != GOOD
            && e["pinned"].is_object()
            && e["sync"] == "Synced"
            && e["health"] == "Healthy"
            && e["next"].is_null()
    };
    user.until_environment("production is back and pinned", SERVICE, "production", back).await?;
    let repository = stage.commits.repository(REPOSITORY)?;
    repository.refresh().await?;
    let log = repository.log(repository.head_of("main").await?, None, 20).await?;
    let found = log.iter().find(|commit| commit.subject.starts_with("rollback(production)"));
    let commit = found.ok_or_else(|| Failure::new("there is no rollback commit"))?;
    ensure(
        commit.body.contains("This reverts commit") && commit.trailers.get("Reverts").is_some(),
        "the commit does not say what it reverts",
    )
}

/// The controller runs in another process, which is killed after the push and before it is recorded.
async fn killed(stage: &mut Stage) -> Result<(), Failure> {
    let marker = stage.folder.join("stopped");
    let _ = std::fs::remove_file(&marker);
    let user = User::log_in(&stage.url, "team-lead").await?;
    stage.registry.push_image(IMAGE, LAST, &BTreeMap::new());
    stage.stop_plane().await;
    stage.commits.deliver(LAST).await?;
    let mut child = tokio::process::Command::new(std::env::current_exe()?)
        .args(["serve", "--listen", "127.0.0.1:0", "--stop-at", "Pushed:after"])
        .arg("--sandbox")
        .arg(&stage.folder)
        .arg("--stop-file")
        .arg(&marker)
        .arg("--cache")
        .arg(stage.folder.join("cache-of-child"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    for _ in 0..300 {
        if marker.exists() {
            break;
        }
        pause(Duration::from_millis(100)).await;
    }
    ensure(marker.exists(), "the other controller did not come to the push within 30 s")?;
    // SIGKILL: it has pushed and written nothing down
    child.kill().await?;
    output::line("   the controller is killed right after its push");
    stage.start_plane().await?;
    let runs = |e: &Value| e["tag"] == LAST && e["sync"] == "Synced" && e["health"] == "Healthy";
    user.until_environment("staging converges after the restart", SERVICE, "staging", runs).await?;
    let repository = stage.commits.repository(REPOSITORY)?;
    repository.refresh().await?;
    let log = repository.log(repository.head_of("main").await?, None, 50).await?;
    let subject = format!("promote(staging): {SERVICE} → {LAST}");
    let commits = log.iter().filter(|commit| commit.subject == subject).count();
    output::line(format!("   {commits} commit is called {subject:?}"));
    ensure(commits == 1, format!("{commits} commits are called {subject:?}"))
}
