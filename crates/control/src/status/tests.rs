use api::argocd::{OperationPhase, application_crd};
use clock::{Clock, Ids, ScaledClock};
use cluster::{ApplyOptions, Cluster};
use engine::operation::{self, Observed, Step};
use jiff::Timestamp;
use object::{Kind, Manifest};
use sandbox::{AnyImage, Sandbox, SandboxOptions};
use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::config::ControllerConfig;
use crate::git_remotes::GitRemotes;
use crate::workers::Renderer;

/// A control plane with nothing but the kind of Applications.
async fn context(folder: &std::path::Path) -> Context {
    let clock: Arc<dyn Clock> = Arc::new(ScaledClock::starting_now(1.0));
    let (ids, images) = (Ids::random(), Arc::new(AnyImage));
    let sandbox = Sandbox::start(SandboxOptions { clock: Arc::clone(&clock), ids: ids.clone(), folder: None, images });
    let cluster = Cluster::from_service(sandbox.unwrap().router(), Arc::clone(&clock));
    apply(&cluster, application_crd()).await;
    let served = async {
        while cluster.resource(&Application::group_kind()).await.is_err() {
            cluster.forget_unknown_kinds().await;
            tokio::task::yield_now().await;
        }
    };
    timeout(std::time::Duration::from_secs(30), served).await.unwrap();
    apply(&cluster, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})).await;
    let remotes = Arc::new(GitRemotes::new(folder));
    Context::new(ControllerConfig::new(clock, ids, cluster, remotes, Renderer::InProcess))
}

async fn apply(cluster: &Cluster, value: Value) -> LiveObject {
    let options = ApplyOptions { manager: "test", force: true, dry_run: false, validate: false };
    cluster.apply(&Manifest::new(value).unwrap(), options).await.unwrap()
}

#[tokio::test]
async fn what_could_not_be_written_is_not_told() {
    let folder = tempfile::TempDir::new().unwrap();
    let cx = context(folder.path()).await;
    let app = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd"}, "operation": {"sync": {}},
        "spec": {"project": "default", "source": {"repoURL": "https://git.test/a", "path": "app"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "web"}}});
    let old = Application::from_value(apply(&cx.cluster, app).await.into_value()).unwrap();
    let mut begun = Draft::from(&old);
    let (contested, now) = (std::collections::BTreeSet::new(), cx.clock.now());
    let windows = engine::windows::Windows::none(now);
    let observed = Observed {
        comparison: Err(&[]),
        contested: &contested,
        revision_has_no_changes: false,
        windows: &windows,
        now,
    };
    assert_eq!(operation::advance(&mut begun, &observed), Step::Begun);
    assert_eq!(cx.timeline.newest(9).len(), 0, "not written yet");
    // another process was faster
    let theirs = write(&cx, &old, Draft { facts: Vec::new(), ..begun.clone() }).await.unwrap();
    let refused = write(&cx, &old, begun).await;
    assert!(matches!(refused, Err(ClusterError::Conflict { .. })), "{refused:?}");
    assert_eq!(cx.timeline.newest(9).len(), 0, "what was refused did not happen");

    let mut ended = Draft::from(&*theirs);
    ended.end(OperationPhase::Failed, "no", now);
    write(&cx, &theirs, ended).await.unwrap();
    let told: Vec<_> = cx.timeline.newest(9).iter().map(|entry| entry.kind).collect();
    assert_eq!(told, [crate::TimelineKind::OperationFailed]);
}

#[test]
fn patches_say_what_differs_and_no_more() {
    for (old, new, patch) in [
        (json!({"a": 1}), json!({"a": 1}), None),
        (
            json!({"a": 1, "b": {"c": 2, "d": 3}}),
            json!({"b": {"c": 2, "d": 4}}),
            Some(json!({"a": null, "b": {"d": 4}})),
        ),
        (json!({"a": [1, 2]}), json!({"a": [1]}), Some(json!({"a": [1]}))),
        (json!({}), json!({"a": {"b": 1}}), Some(json!({"a": {"b": 1}}))),
    ] {
        assert_eq!(merge_patch(&old, &new), patch, "{old} -> {new}");
    }
}

#[test]
fn the_time_of_the_last_look_alone_is_not_written() {
    let old = Application::default();
    let mut new = old.clone();
    new.status.reconciled_at = Some(Timestamp::UNIX_EPOCH);
    assert_eq!(application_patch(&old, &new), None);
    new.status.source_type = "Kustomize".to_owned();
    let patch = application_patch(&old, &new).unwrap();
    assert_eq!(patch["status"]["reconciledAt"], "1970-01-01T00:00:00Z");
    assert!(patch.get("operation").is_none());
}

#[test]
fn why_a_first_look_tells_nothing_is_told() {
    let app = json!({"metadata": {"name": "web"}, "spec": {"destination": {"name": "nowhere"}}});
    let old = Application::from_value(app).unwrap();
    let mut draft = Draft::from(&old);
    let why = api::argocd::Condition::new(api::argocd::ConditionType::InvalidSpecError, "no such cluster");
    let look = engine::status::Look::Unknown { reasons: &[why], known: &[] };
    engine::status::show(&mut draft.app, look, &engine::health, Timestamp::UNIX_EPOCH);
    assert_eq!(json!(draft.app.status.health)["status"], "Unknown");
    let told = news(&old, draft.clone());
    let [Fact::SyncChanged { because, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(because, "no such cluster");
    assert!(news(&draft.app, draft.clone()).is_empty(), "once");
}
