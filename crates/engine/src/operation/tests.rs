use std::sync::Arc;

use api::argocd::{OperationState, SyncStatusCode, SyncWindow};
use object::LiveObject;
use serde_json::{Value, json};

use super::*;
use crate::compare::{CompareOptions, InSyncMarks, compare};
use crate::desired::DesiredSet;
use crate::live::LiveState;
use crate::permit::Permits;

const COMMIT: &str = "0123456789012345678901234567890123456789";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn merge(value: &mut Value, change: Value) {
    match (value, change) {
        (Value::Object(value), Value::Object(change)) => {
            change.into_iter().for_each(|(name, change)| merge(value.entry(name).or_insert(Value::Null), change));
        }
        (value, change) => *value = change,
    }
}

fn draft(change: Value) -> Draft {
    let mut value = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "web", "namespace": "argocd", "uid": "1"},
        "spec": {"project": "default", "source": {"repoURL": "https://git.test/a", "path": "app"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"}}});
    merge(&mut value, change);
    Draft::from(&Application::from_value(value).unwrap())
}

fn merge_spec(draft: &mut Draft, spec: Value) {
    let mut app = draft.app.to_value();
    merge(&mut app, json!({ "spec": spec }));
    draft.app = Application::from_value(app).unwrap();
}

/// As it is written while it runs.
fn running(change: Value) -> Draft {
    let mut state = json!({"phase": "Running", "startedAt": "1970-01-01T00:01:00Z", "operation": {"sync": {}},
        "syncResult": {"revision": COMMIT, "source": {"repoURL": "https://git.test/a", "path": "app"}}});
    merge(&mut state, change);
    draft(json!({"operation": {"sync": {}}, "status": {"operationState": state}}))
}

fn state(draft: &Draft) -> &OperationState {
    draft.app.status.operation_state.as_ref().unwrap()
}

/// One ConfigMap as somebody left it: changed, or gone.
fn drifted(live: Option<Value>) -> Comparison {
    let manifest = object::Manifest::new(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "shop"}, "data": {"key": "1"}}));
    let set = DesiredSet::new(vec![manifest.unwrap()], vec![], COMMIT);
    let options =
        CompareOptions { application: "web".into(), permits: Permits::everything(), ..CompareOptions::default() };
    let targets = crate::targets(&set, "web", "shop", &options.tracking, &options.scopes);
    let live = LiveState::new(live.map(|live| Arc::new(LiveObject::new(live).unwrap())));
    compare(&targets, &live, &options, &InSyncMarks::default(), &std::collections::BTreeMap::new())
}

/// The namespace `shop`, kept as somebody left it, beside these ConfigMaps that are not wanted any more.
fn emptied(label: &str, extra: &[&str]) -> Comparison {
    let kept = serde_json::from_value(json!({"labels": {"team": "shop"}})).unwrap();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "n",
        "labels": {"team": label}, "annotations": {"argocd.argoproj.io/sync-options": "ServerSideApply=true"}}});
    let config_map = |name: &&str| {
        let id = format!("web:/ConfigMap:shop/{name}");
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop", "uid": name,
            "annotations": {"argocd.argoproj.io/tracking-id": id}}})
    };
    let live = extra.iter().map(config_map).chain([namespace]);
    let live = LiveState::new(live.map(|live| Arc::new(LiveObject::new(live).unwrap())));
    let options =
        CompareOptions { application: "web".into(), permits: Permits::everything(), ..CompareOptions::default() };
    let set = DesiredSet::new(vec![], vec![], COMMIT);
    let targets = crate::targets(&set, "web", "shop", &options.tracking, &options.scopes).with_namespace("shop", &kept);
    compare(&targets, &live, &options, &InSyncMarks::default(), &std::collections::BTreeMap::new())
}

fn edited() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop", "uid": "u",
        "annotations": {"argocd.argoproj.io/tracking-id": "web:/ConfigMap:shop/a"},
        "managedFields": [{"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:key": {}}}}]}, "data": {"key": "2"}})
}

fn step(draft: &mut Draft, comparison: Result<&Comparison, &[Condition]>, now: i64) -> Step {
    step_within(draft, comparison, &Windows::none(at(now)), now)
}

fn step_within(
    draft: &mut Draft,
    comparison: Result<&Comparison, &[Condition]>,
    windows: &Windows<'_>,
    now: i64,
) -> Step {
    let (contested, now) = (BTreeSet::new(), at(now));
    advance(draft, &Observed { comparison, contested: &contested, revision_has_no_changes: false, windows, now })
}

/// Closed until the second hour of 1970, or open until then.
fn window(kind: &str, manual_sync: bool) -> Vec<SyncWindow> {
    let window = json!({"kind": kind, "schedule": "0 0 * * *", "duration": "2h", "applications": ["web"],
        "manualSync": manual_sync, "syncOverrun": true});
    vec![serde_json::from_value(window).unwrap()]
}

#[test]
fn a_window_holds_what_begins_by_itself_and_says_when_it_ends() {
    let comparison = drifted(None);
    let (deny, mut draft) = (window("deny", true), healing(&comparison));
    let windows = |now: i64, app: &Application| Windows::of(&deny, app, at(now));
    let app = draft.app.clone();
    let ends = Timestamp::from_nanosecond(7_200_000_000_001).unwrap();
    assert_eq!(step_within(&mut draft, Ok(&comparison), &windows(100, &app), 100), Step::RestUntil(ends));
    assert_eq!(step_within(&mut draft, Ok(&comparison), &windows(7_201, &app), 7_201), Step::Begun);
}

#[test]
fn a_window_holds_an_operation_that_is_under_way() {
    let comparison = drifted(None);
    let held = |kind: &str, manual: bool, change: Value, now: i64| {
        let (windows, mut draft) = (window(kind, manual), running(change));
        let app = draft.app.clone();
        let windows = Windows::of(&windows, &app, at(now));
        let step = step_within(&mut draft, Ok(&comparison), &windows, now);
        (step == Step::Running, state(&draft).message.clone())
    };
    let by_itself = || json!({"operation": {"initiatedBy": {"automated": true}}});
    let blocked = (false, "Sync operation blocked by sync window".to_owned());
    assert_eq!(held("deny", false, json!({}), 100), blocked);
    assert_eq!(held("deny", true, by_itself(), 100), blocked);
    assert!(held("deny", true, json!({}), 100).0, "people may");
    assert!(held("deny", false, json!({}), 7_200).0, "it is over");
    assert!(held("allow", false, json!({}), 7_300).0, "it began while it was allowed");
    let late = json!({"startedAt": "1970-01-01T03:00:00Z"});
    assert_eq!(held("allow", false, late, 10_900), blocked);
    assert!(held("deny", false, json!({"phase": "Terminating"}), 100).0, "what is to end may end");
}

#[test]
fn what_is_asked_for_is_written_down_before_it_begins() {
    let mut draft = draft(json!({
        "spec": {"syncPolicy": {"syncOptions": ["PruneLast=true"]}},
        "operation": {"initiatedBy": {"username": "jane"}, "sync": {"prune": true}},
        "status": {"sync": {"status": "OutOfSync", "revision": COMMIT}}}));
    assert_eq!(step(&mut draft, Ok(&drifted(None)), 100), Step::Begun);
    let begun = state(&draft);
    assert_eq!((begun.phase, begun.started_at, begun.retry_count), (OperationPhase::Running, at(100), 0));
    assert_eq!(begun.operation.sync.as_ref().unwrap().sync_options, ["PruneLast=true"]);
    assert_eq!(draft.app.operation.as_ref(), Some(&begun.operation));
    assert_eq!(draft.facts, [Fact::Started { by: "jane".into(), revision: COMMIT.into() }]);
    assert_eq!(step(&mut draft, Ok(&drifted(None)), 101), Step::Running);
    assert_eq!(draft.facts.len(), 1, "it began once");
}

#[test]
fn attempts_follow_the_policy_and_end_with_its_limit() {
    let retry = json!({"operation": {"retry": {"limit": 2, "backoff": {"duration": "10s", "factor": 3}}}});
    let mut draft = running(retry);
    assert_eq!(draft.end(OperationPhase::Failed, "no", at(100)), Step::RestUntil(at(110)));
    assert_eq!(state(&draft).message, "no. Retrying attempt #1 at 1970-01-01T00:01:50Z.");
    assert_eq!(step(&mut draft, Ok(&drifted(None)), 109), Step::RestUntil(at(110)));
    assert_eq!(step(&mut draft, Ok(&drifted(None)), 110), Step::Begun);
    assert_eq!((state(&draft).retry_count, state(&draft).finished_at), (1, None));
    assert_eq!(state(&draft).operation.sync.as_ref().unwrap().revision, COMMIT, "the revision stays");
    assert_eq!(draft.end(OperationPhase::Failed, "no", at(200)), Step::RestUntil(at(230)));
    assert_eq!(step(&mut draft, Ok(&drifted(None)), 230), Step::Begun);
    assert!(draft.facts.is_empty(), "attempts are no ends");
    assert_eq!(draft.end(OperationPhase::Failed, "no", at(300)), Step::Ended);
    assert_eq!((state(&draft).phase, &draft.app.operation), (OperationPhase::Failed, &None));
    assert_eq!(
        draft.facts,
        [Fact::Ended {
            phase: OperationPhase::Failed,
            message: "no".into(),
            revision: String::new(),
            pruned: Vec::new()
        }]
    );
}

#[test]
fn an_attempt_may_take_the_newest_revision_and_an_unreadable_policy_waits_as_the_default() {
    let mut draft = running(json!({"operation": {"retry": {"limit": 1, "refresh": true}}}));
    draft.end(OperationPhase::Error, "no", at(100));
    assert_eq!(step(&mut draft, Ok(&drifted(None)), 105), Step::Begun);
    assert_eq!(state(&draft).operation.sync.as_ref().unwrap().revision, "");
    let mut draft = running(json!({"operation": {"retry": {"limit": -1, "backoff": {"duration": "soon"}}}}));
    assert_eq!(draft.end(OperationPhase::Error, "no", at(100)), Step::RestUntil(at(105)));
    assert_eq!(step(&mut draft, Ok(&drifted(None)), 104), Step::RestUntil(at(105)));
}

#[test]
fn what_was_terminated_is_not_tried_again() {
    let mut draft = running(json!({"phase": "Terminating", "operation": {"retry": {"limit": 5}}}));
    assert_eq!(draft.end(OperationPhase::Failed, "stopped", at(100)), Step::Ended);
    assert_eq!(state(&draft).finished_at, Some(at(100)));
}

#[test]
fn what_is_not_known_ends_an_operation_and_starts_none() {
    let reasons = ["no host", "no file"].map(|reason| Condition::new(ConditionType::ComparisonError, reason));
    let mut running = running(json!({}));
    assert_eq!(step(&mut running, Err(&reasons), 100), Step::Ended);
    assert_eq!((state(&running).phase, &*state(&running).message), (OperationPhase::Error, "no host; no file"));
    let mut idle = draft(json!({"spec": {"syncPolicy": {"automated": {}}}}));
    assert_eq!(step(&mut idle, Err(&reasons), 100), Step::LookAgain);
    assert_eq!(idle.app.status.operation_state, None);
}

#[test]
fn a_failure_says_once_which_objects_failed() {
    let failed = |message: &str| {
        json!({"group": "", "kind": "ConfigMap", "version": "v1", "namespace": "shop", "name": "a",
        "status": "SyncFailed", "message": message})
    };
    let mut draft = running(json!({"syncResult": {"resources": [failed("too long"), failed("no such field")]}}));
    draft.end(OperationPhase::Failed, "one or more objects failed: too long", at(100));
    assert_eq!(state(&draft).message, "one or more objects failed: too long, reason: no such field");
}

#[test]
fn full_syncs_are_remembered_up_to_the_limit() {
    let done = |sync: Value, before: usize| {
        let mut draft = running(json!({"operation": {"sync": sync}}));
        let entry = |id: usize| {
            json!({"id": id, "deployedAt": "1970-01-01T00:00:00Z", "revision": "x",
            "source": {"repoURL": "r"}})
        };
        let history: Vec<Value> = (0..before).map(entry).collect();
        let mut app = draft.app.to_value();
        merge(&mut app, json!({"spec": {"revisionHistoryLimit": 2}, "status": {"history": history}}));
        draft.app = Application::from_value(app).unwrap();
        assert_eq!(draft.end(OperationPhase::Succeeded, "done", at(100)), Step::Ended);
        draft.app.status.history.iter().map(|entry| (entry.id, entry.revision.clone())).collect::<Vec<_>>()
    };
    assert_eq!(done(json!({}), 0), [(0, COMMIT.to_owned())]);
    assert_eq!(done(json!({}), 2), [(1, "x".to_owned()), (2, COMMIT.to_owned())]);
    assert_eq!(done(json!({"dryRun": true}), 0), []);
    assert_eq!(done(json!({"resources": [{"kind": "ConfigMap", "name": "a"}]}), 0), [], "a part is no deployment");
}

#[test]
fn a_success_takes_the_error_away_and_a_failure_leaves_no_history() {
    let mut draft = running(json!({}));
    draft.app.status.conditions = vec![Condition::new(ConditionType::SyncError, "before")];
    draft.end(OperationPhase::Failed, "no", at(100));
    assert_eq!((draft.app.status.conditions.len(), draft.app.status.history.len()), (1, 0));
    draft.end(OperationPhase::Succeeded, "done", at(100));
    assert!(draft.app.status.conditions.is_empty());
}

/// Synced once to what is wanted now.
fn healing(comparison: &Comparison) -> Draft {
    let mut draft = draft(json!({"spec": {"syncPolicy": {"automated": {"selfHeal": true}}},
        "status": {"operationState": {"phase": "Succeeded", "operation": {"sync": {}},
            "startedAt": "1970-01-01T00:01:00Z", "finishedAt": "1970-01-01T00:01:10Z",
            "syncResult": {"revision": COMMIT, "source": {"repoURL": "https://git.test/a", "path": "app"}}}}}));
    draft.app.status.sync.status = SyncStatusCode::OutOfSync;
    draft.app.status.sync.revision = COMMIT.to_owned();
    draft.app.status.resources = comparison.objects.iter().map(crate::Compared::resource_status).collect();
    draft
}

#[test]
fn self_heal_says_who_did_what() {
    let who = |did, by: &[&str]| Fact::SelfHealed {
        object: ResourceKey::new("", "ConfigMap", "shop", "a"),
        by: by.iter().map(|name| (*name).to_owned()).collect(),
        did,
        revision: COMMIT.to_owned(),
    };
    let started = Fact::Started { by: "automated sync".into(), revision: COMMIT.into() };
    for (comparison, told) in [
        (drifted(Some(edited())), who(Meddling::Changed(vec![".data.key".into()]), &["kubectl-edit"])),
        (drifted(None), who(Meddling::Deleted, &[])),
    ] {
        let mut draft = healing(&comparison);
        assert_eq!(step(&mut draft, Ok(&comparison), 100), Step::Begun);
        assert_eq!(draft.facts, [told, started.clone()]);
        let sync = state(&draft).operation.sync.as_ref().unwrap();
        assert_eq!((sync.auto_heal_attempts_count, sync.resources.len()), (1, 1));
    }
}

#[test]
fn a_failed_sync_is_tried_again_by_self_heal_after_a_growing_pause() {
    let comparison = drifted(None);
    let failed = |attempts: i64, limit: i64, automated: bool| {
        let mut draft = healing(&comparison);
        let state = draft.app.status.operation_state.as_mut().unwrap();
        state.phase = OperationPhase::Failed;
        state.operation.retry.limit = limit;
        state.operation.initiated_by.automated = automated;
        state.operation.sync.get_or_insert_default().auto_heal_attempts_count = attempts;
        draft
    };
    for (attempts, pause) in [(0, 54), (1, 162), (2, 300), (9, 300)] {
        let mut draft = failed(attempts, 5, true);
        assert_eq!(step(&mut draft, Ok(&comparison), 70 + pause - 1), Step::RestUntil(at(70 + pause)));
        assert_eq!(draft.app.status.conditions[0].kind, ConditionType::SyncError, "it is told all the while");
        assert_eq!(step(&mut draft, Ok(&comparison), 70 + pause), Step::Begun);
        let sync = state(&draft).operation.sync.as_ref().unwrap();
        assert_eq!((sync.auto_heal_attempts_count, sync.resources.len()), (attempts + 1, 0));
    }
    for mut draft in [failed(0, 0, true), failed(0, 5, false)] {
        assert_eq!(step(&mut draft, Ok(&comparison), 10_000), Step::Rest);
    }
    let mut off = failed(0, 5, true);
    merge_spec(&mut off, json!({"syncPolicy": {"automated": {"selfHeal": false}}}));
    assert_eq!(step(&mut off, Ok(&comparison), 10_000), Step::Rest);
}

#[test]
fn an_emptied_folder_prunes_nothing_by_itself_also_where_a_namespace_is_kept() {
    for label in ["shop", "other"] {
        let comparison = emptied(label, &["a", "b"]);
        let mut draft = healing(&comparison);
        merge_spec(&mut draft, json!({"syncPolicy": {"automated": {"prune": true, "selfHeal": true}}}));
        assert_eq!(step(&mut draft, Ok(&comparison), 100), Step::Rest, "{label}");
        let [condition] = draft.app.status.conditions.as_slice() else { panic!("{:?}", draft.app.status.conditions) };
        assert!(condition.message.ends_with("auto-sync will wipe out all resources"), "{condition:?}");
        assert_eq!(draft.app.operation, None);
    }
}

#[test]
fn a_kept_namespace_alone_is_healed() {
    let comparison = emptied("other", &[]);
    let mut draft = healing(&comparison);
    merge_spec(&mut draft, json!({"syncPolicy": {"automated": {"prune": true, "selfHeal": true}}}));
    assert_eq!(step(&mut draft, Ok(&comparison), 100), Step::Begun);
}

#[test]
fn what_a_self_heal_leaves_alone_it_does_not_tell_of() {
    let told = |comparison: &Comparison, contested: &BTreeSet<ResourceKey>, prune: bool| {
        let mut draft = healing(comparison);
        merge_spec(&mut draft, json!({"syncPolicy": {"automated": {"prune": prune, "selfHeal": true}}}));
        let windows = Windows::none(at(100));
        let observed = Observed {
            comparison: Ok(comparison),
            contested,
            revision_has_no_changes: false,
            windows: &windows,
            now: at(100),
        };
        assert_eq!(advance(&mut draft, &observed), Step::Begun);
        let healed = |fact: &Fact| match fact {
            Fact::SelfHealed { object, .. } => Some(object.name.clone()),
            _ => None,
        };
        draft.facts.iter().filter_map(healed).collect::<Vec<_>>()
    };
    let mut comparison = emptied("other", &["a"]);
    // somebody wants it again, so that the set is not empty
    comparison.objects.extend(drifted(None).objects.into_iter().map(|mut object| {
        object.key.name = "b".into();
        object
    }));
    let key = |name: &str| ResourceKey::new("", "ConfigMap", "shop", name);
    assert_eq!(told(&comparison, &BTreeSet::new(), true), ["a", "shop", "b"]);
    assert_eq!(told(&comparison, &BTreeSet::new(), false), ["shop", "b"], "extra objects stay");
    assert_eq!(told(&comparison, &BTreeSet::from([key("b")]), true), ["a", "shop"], "another one wants it");
}

#[test]
fn labels_of_a_namespace_are_kept_only_where_a_sync_makes_it() {
    let comparison = emptied("other", &[]);
    for (option, kept) in [("CreateNamespace=true", true), ("CreateNamespace=false", false)] {
        let mut draft = running(json!({}));
        let policy = json!({"syncOptions": [option], "managedNamespaceMetadata": {"labels": {"team": "shop"}}});
        merge_spec(&mut draft, json!({ "syncPolicy": policy }));
        let input = sync_input(&draft.app, state(&draft), &comparison, &CompareOptions::default(), BTreeSet::new());
        assert_eq!(input.namespace_metadata.is_some(), kept, "{option}");
        let not_compared =
            sync_input(&draft.app, state(&draft), &drifted(None), &CompareOptions::default(), BTreeSet::new());
        assert_eq!(not_compared.namespace_metadata, None, "the settings leave it alone");
    }
}

#[test]
fn nothing_is_started_where_a_person_has_to_look() {
    let comparison = drifted(Some(edited()));
    let mut draft = healing(&comparison);
    draft.app.status.conditions = vec![Condition::new(ConditionType::ComparisonError, "a rule cannot be read")];
    assert_eq!(step(&mut draft, Ok(&comparison), 100), Step::Rest);
    assert_eq!((draft.facts.len(), &draft.app.operation), (0, &None));
}

#[test]
fn a_run_is_taken_up_for_its_own_attempt_only() {
    let comparison = drifted(None);
    let options =
        CompareOptions { application: "web".into(), permits: Permits::everything(), ..CompareOptions::default() };
    let draft = running(json!({}));
    let input = || sync_input(&draft.app, state(&draft), &comparison, &options, BTreeSet::new());
    let run = Run::resumed(None, &draft.app, state(&draft), input);
    let mut draft_later = draft.clone();
    let approved = [("argocd.argoproj.io/deletion-approved".to_owned(), "1970-01-01T00:02:00Z".to_owned())];
    draft_later.app.metadata.annotations.extend(approved);
    let again = || panic!("the same attempt goes on");
    let run = Run::resumed(Some(run), &draft_later.app, state(&draft), again);
    assert_eq!(run.sync.input().deletion_approved_at, Some(at(120)), "what a person approved meanwhile counts");
    let next = running(json!({"retryCount": 1}));
    let mut made = false;
    let _ = Run::resumed(Some(run), &next.app, state(&next), || {
        made = true;
        input()
    });
    assert!(made);
}

#[test]
fn an_operation_may_have_sources_of_its_own() {
    let own = |sync: Value| {
        let sync = serde_json::from_value(sync).unwrap();
        let found = own_sources(&draft(json!({})).app, &sync, &[COMMIT.to_owned()])?;
        Some(found.into_iter().map(|source| (source.repo_url, source.target_revision)).collect::<Vec<_>>())
    };
    let here = |revision: &str| Some(vec![("https://git.test/a".to_owned(), revision.to_owned())]);
    assert_eq!(own(json!({})), None);
    assert_eq!(own(json!({"revision": COMMIT})), None);
    assert_eq!(own(json!({"revision": "v1"})), here("v1"));
    let other = json!({"repoURL": "https://git.test/b", "targetRevision": "main"});
    assert_eq!(own(json!({"source": other})), Some(vec![("https://git.test/b".to_owned(), "main".to_owned())]));
}

#[test]
fn only_a_person_takes_over_what_another_application_wants() {
    let (comparison, options) = (drifted(None), CompareOptions::default());
    let contested: BTreeSet<ResourceKey> = comparison.objects.iter().map(|object| object.key.clone()).collect();
    for (by, left) in [(json!({"automated": true}), 1), (json!({"username": "jane"}), 0)] {
        let draft = running(json!({"operation": {"initiatedBy": by}}));
        let input = sync_input(&draft.app, state(&draft), &comparison, &options, contested.clone());
        assert_eq!(input.contested.len(), left, "{by}");
    }
}
