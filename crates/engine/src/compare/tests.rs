use api::argocd::{AppProject, ClusterIdentity};
use serde_json::json;

use super::*;
use crate::desired::{DesiredSet, targets};

const COMMIT: &str = "0123456789012345678901234567890123456789";

fn deployment(replicas: i64, image: &str) -> Manifest {
    Manifest::new(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}))
    .unwrap()
}

/// As the API server holds it after our apply, with defaults and another manager's field.
fn live(replicas: i64, image: &str, scaled_by: Option<&str>, application: &str) -> Arc<LiveObject> {
    let mut ours = json!({"f:metadata": {"f:annotations": {"f:argocd.argoproj.io/tracking-id": {}}},
        "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}});
    let mut managed = vec![];
    if let Some(manager) = scaled_by {
        ours["f:spec"].as_object_mut().unwrap().remove("f:replicas");
        managed.push(json!({"manager": manager, "operation": "Update", "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}}));
    }
    managed.push(json!({"manager": "argocd-controller", "operation": "Apply", "fieldsV1": ours}));
    let id = format!("{application}:apps/Deployment:shop/web");
    Arc::new(
        LiveObject::new(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "5",
                "annotations": {"argocd.argoproj.io/tracking-id": id}, "managedFields": managed},
            "spec": {"replicas": replicas, "revisionHistoryLimit": 10, "template": {"spec": {"containers": [
                {"name": "injected", "image": "proxy"},
                {"name": "app", "image": image, "imagePullPolicy": "Always"}]}}},
            "status": {"replicas": replicas}}))
        .unwrap(),
    )
}

fn options() -> CompareOptions {
    CompareOptions { application: "web".into(), permits: Permits::everything(), ..CompareOptions::default() }
}

fn desired(manifests: Vec<Manifest>) -> Targets {
    let set = DesiredSet::new(manifests, vec![], COMMIT);
    targets(&set, "web", "shop", &Tracking::default(), &Scopes::default())
}

fn run(manifests: Vec<Manifest>, there: Vec<Arc<LiveObject>>, options: &CompareOptions) -> Comparison {
    compare(&desired(manifests), &LiveState::new(there), options, &InSyncMarks::default(), &BTreeMap::new())
}

#[test]
fn what_others_own_is_not_compared() {
    let comparison = run(vec![deployment(2, "x:1")], vec![live(2, "x:1", None, "web")], &options());
    assert_eq!(comparison.status, SyncStatusCode::Synced, "{:?}", comparison.objects[0].differences);
}

#[test]
fn drift_names_the_field_and_its_manager() {
    let comparison = run(vec![deployment(2, "x:1")], vec![live(5, "x:1", Some("kubectl-edit"), "web")], &options());
    assert_eq!(comparison.status, SyncStatusCode::OutOfSync);
    let [diff] = comparison.objects[0].differences.as_slice() else { panic!("{comparison:?}") };
    assert_eq!((diff.path.as_str(), &diff.desired, &diff.live), (".spec.replicas", &Some(json!(2)), &Some(json!(5))));
    let owner = diff.owner.as_ref().unwrap();
    assert_eq!((owner.manager.as_str(), owner.operation.as_str()), ("kubectl-edit", "Update"));
}

#[test]
fn a_field_no_longer_wanted_is_a_difference() {
    let mut without = deployment(2, "x:1");
    without.value_mut()["spec"].as_object_mut().unwrap().remove("replicas");
    let comparison = run(vec![without.clone()], vec![live(2, "x:1", None, "web")], &options());
    let paths: Vec<_> =
        comparison.objects[0].differences.iter().map(|d| (d.path.as_str(), d.desired.is_none())).collect();
    assert_eq!(paths, [(".spec.replicas", true)]);
    // once somebody else took the field it is theirs
    let comparison = run(vec![without], vec![live(7, "x:1", Some("hpa"), "web")], &options());
    assert_eq!(comparison.status, SyncStatusCode::Synced);
}

#[test]
fn the_server_has_the_last_word() {
    let there = live(2, "x:1", None, "web");
    let state = LiveState::new([there.clone()]);
    let wanted = desired(vec![deployment(2, "x:01")]);
    let asked = needs_dry_run(&wanted, &state, &options(), &InSyncMarks::default());
    assert_eq!(asked.len(), 1);
    let same = BTreeMap::from([(asked[0].key.clone(), Ok((*there).clone()))]);
    let comparison = compare(&wanted, &state, &options(), &InSyncMarks::default(), &same);
    assert_eq!(comparison.status, SyncStatusCode::Synced);
    // and is not asked again while nothing but the status changes
    let mut moved = there.manifest().value().clone();
    moved["status"]["replicas"] = json!(1);
    moved["metadata"]["resourceVersion"] = json!("6");
    let later = LiveState::new([Arc::new(LiveObject::new(moved.clone()).unwrap())]);
    assert_eq!(needs_dry_run(&wanted, &later, &options(), &comparison.marks), []);
    moved["spec"]["replicas"] = json!(3);
    let later = LiveState::new([Arc::new(LiveObject::new(moved).unwrap())]);
    assert_eq!(needs_dry_run(&wanted, &later, &options(), &comparison.marks).len(), 1);
}

#[test]
fn extra_objects_need_pruning_unless_they_are_copies_or_have_owners() {
    let own = live(1, "x", None, "web");
    assert!(run(vec![], vec![own.clone()], &options()).objects[0].requires_pruning());
    let mut copied = own.manifest().value().clone();
    copied["metadata"]["name"] = json!("copy");
    let copied = Arc::new(LiveObject::new(copied).unwrap());
    let comparison = run(vec![], vec![copied], &options());
    assert_eq!((comparison.status, comparison.objects[0].requires_pruning()), (SyncStatusCode::Synced, false));
    let mut owned = own.manifest().value().clone();
    owned["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "1"}]);
    assert!(run(vec![], vec![Arc::new(LiveObject::new(owned).unwrap())], &options()).objects.is_empty());
}

#[test]
fn objects_of_another_application_are_shared() {
    let comparison = run(vec![deployment(1, "x")], vec![live(1, "x", None, "other")], &options());
    assert_eq!(comparison.objects[0].owner(), Some("other"));
    assert_eq!(comparison.conditions[0].kind, ConditionType::SharedResourceWarning);
    let gone = CompareOptions { applications: Some(BTreeMap::new()), ..options() };
    assert_eq!(run(vec![deployment(1, "x")], vec![live(1, "x", None, "other")], &gone).objects[0].shared_with, None);
}

#[test]
fn ignore_rules_leave_fields_out() {
    for rule in [
        json!({"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}),
        json!({"group": "*", "kind": "*", "jqPathExpressions": [".spec.replicas"]}),
        json!({"group": "apps", "kind": "Deployment", "managedFieldsManagers": ["kubectl-edit"]}),
    ] {
        let ignore = vec![serde_json::from_value(rule.clone()).unwrap()];
        let options = CompareOptions { ignore, ..options() };
        let comparison = run(vec![deployment(2, "x:1")], vec![live(5, "x:1", Some("kubectl-edit"), "web")], &options);
        assert_eq!(comparison.status, SyncStatusCode::Synced, "{rule}");
    }
}

#[test]
fn only_a_whole_render_at_a_commit_is_proof() {
    assert!(DesiredSet::new(vec![], vec![], COMMIT).prove_complete().is_ok());
    assert!(DesiredSet::new(vec![], vec!["a.yaml:3: bad".into()], COMMIT).prove_complete().is_err());
    assert!(DesiredSet::new(vec![], vec![], "main").prove_complete().is_err());
    assert!(DesiredSet::new(vec![], vec![], "").prove_complete().is_err());
}

#[test]
fn the_last_of_duplicates_wins_with_a_warning() {
    let targets = desired(vec![deployment(1, "x"), deployment(2, "x")]);
    assert_eq!(targets.objects.len(), 1);
    assert_eq!(targets.objects[0].value()["spec"]["replicas"], json!(2));
    assert_eq!(targets.conditions[0].kind, ConditionType::RepeatedResourceWarning);
    assert_eq!(targets.objects[0].namespace(), "shop");
}

#[test]
fn secret_values_are_masked() {
    let secret = |value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop",
            "annotations": {"argocd.argoproj.io/tracking-id": "web:/Secret:shop/s"}}, "data": {"k": value}, "type": "Opaque"})
    };
    let there = Arc::new(LiveObject::new(secret("b2xk")).unwrap());
    let comparison = run(vec![Manifest::new(secret("bmV3")).unwrap()], vec![there], &options());
    let [diff] = comparison.objects[0].differences.as_slice() else { panic!("{comparison:?}") };
    let shown = format!("{diff:?}");
    assert!(!shown.contains("b2xk") && !shown.contains("bmV3"), "{shown}");
    assert_ne!(diff.desired, diff.live);
}

#[test]
fn what_another_application_still_wants_is_contested() {
    let comparison = run(vec![deployment(1, "x")], vec![live(1, "x", None, "other")], &options());
    let line = |pruning: bool| ResourceStatus {
        group: "apps".into(),
        kind: "Deployment".into(),
        namespace: "shop".into(),
        name: "web".into(),
        requires_pruning: pruning,
        ..ResourceStatus::default()
    };
    let (wanted, given_up) = ([line(false)], [line(true)]);
    assert_eq!(comparison.contested(|_| Some(&wanted[..])).len(), 1);
    assert_eq!(comparison.contested(|_| Some(&given_up[..])).len(), 0);
    assert_eq!(comparison.contested(|_| None).len(), 0);
}

#[test]
fn labels_of_the_namespace_count_where_a_sync_keeps_them() {
    let namespace = |metadata: Value| {
        let mut value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        value["metadata"]["name"] = "shop".into();
        Arc::new(LiveObject::new(value).unwrap())
    };
    let marks = json!({"argocd.argoproj.io/sync-options": "ServerSideApply=true"});
    let state = LiveState::new([namespace(json!({"labels": {"a": "b", "theirs": "x"}, "annotations": marks}))]);
    let compare = |wanted: &Targets| compare(wanted, &state, &options(), &InSyncMarks::default(), &BTreeMap::new());
    for (label, status, paths) in
        [("b", SyncStatusCode::Synced, &[][..]), ("c", SyncStatusCode::OutOfSync, &[".metadata.labels.a"][..])]
    {
        let kept = serde_json::from_value(json!({"labels": {"a": label}})).unwrap();
        let comparison = compare(&desired(vec![]).with_namespace("shop", &kept));
        assert_eq!(comparison.status, status, "{label}");
        let found: Vec<&str> = comparison.objects[0].differences.iter().map(|d| d.path.as_str()).collect();
        assert_eq!(found, paths);
    }
    assert_eq!(compare(&desired(vec![])).objects.len(), 0, "it is nobody's: never pruned");
    let kept = serde_json::from_value(json!({"labels": {"a": "c"}})).unwrap();
    let written =
        Manifest::new(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).unwrap();
    let both = desired(vec![written]).with_namespace("shop", &kept);
    assert_eq!((both.objects.len(), both.kept_namespace), (1, None), "Git comes before");
}

#[test]
fn kinds_that_the_settings_exclude_are_left_out_and_named() {
    let wanted = desired(vec![deployment(1, "x:1")]).without(|kind| kind.kind == "Deployment");
    assert_eq!(wanted.objects.len(), 0);
    let [condition] = wanted.conditions.as_slice() else { panic!("{:?}", wanted.conditions) };
    assert_eq!(condition.kind, ConditionType::ExcludedResourceWarning);
    assert_eq!(condition.message, "Resource apps/Deployment web is excluded in the settings");
}

#[test]
fn what_the_project_forbids_is_named_and_does_not_hide_how_the_rest_is() {
    let scoped = |namespaced: bool, kind: &str, group: &str| (object::GroupKind::new(group, kind), namespaced);
    let scopes = Scopes::new([scoped(false, "Namespace", ""), scoped(true, "Deployment", "apps")]);
    let project = |kind: &str, list: &str| {
        let spec = json!({"destinations": [{"server": "*", "namespace": "*"}], list: [{"group": "*", "kind": kind}]});
        let project = AppProject::from_value(json!({"metadata": {"name": "shop"}, "spec": spec})).unwrap();
        let cluster = ClusterIdentity { server: "https://k.test".into(), ..ClusterIdentity::default() };
        Permits::of(&project, cluster, Vec::new(), scopes.clone())
    };
    let named = |comparison: &Comparison| comparison.conditions.iter().map(|c| c.kind).collect::<Vec<_>>();
    let state = LiveState::new([live(2, "x:1", None, "web")]);
    let kept = serde_json::from_value(json!({"labels": {"a": "b"}})).unwrap();
    let permits = project("Namespace", "clusterResourceBlacklist");
    let options = CompareOptions { permits, scopes: scopes.clone(), ..options() };
    for (replicas, status) in [(2, SyncStatusCode::Synced), (3, SyncStatusCode::OutOfSync)] {
        let wanted = desired(vec![deployment(replicas, "x:1")]).with_namespace("shop", &kept);
        let comparison = compare(&wanted, &state, &options, &InSyncMarks::default(), &BTreeMap::new());
        assert_eq!((comparison.status, named(&comparison)), (status, vec![ConditionType::ExcludedResourceWarning]));
        let namespace = comparison.get(&crate::namespace::key("shop")).unwrap();
        assert_eq!(namespace.status, Some(SyncStatusCode::Unknown));
        assert!(comparison.conditions[0].message.contains("/Namespace shop is not permitted"));
    }

    let options = CompareOptions { permits: project("Deployment", "namespaceResourceBlacklist"), ..options };
    let comparison = run(vec![deployment(2, "x:1")], vec![live(2, "x:1", None, "web")], &options);
    let [object] = &comparison.objects[..] else { panic!("{comparison:?}") };
    assert_eq!((comparison.status, object.status), (SyncStatusCode::OutOfSync, Some(SyncStatusCode::Unknown)));
    assert!(object.live.is_none(), "what may not be touched is not looked at");
    assert_eq!(named(&comparison), [ConditionType::ExcludedResourceWarning]);
}

#[test]
fn what_lies_outside_of_the_project_is_neither_wanted_nor_extra() {
    let project = AppProject::from_value(json!({"metadata": {"name": "team-a"},
        "spec": {"destinations": [{"server": "*", "namespace": "team-a"}]}}));
    let permits = Permits::of(&project.unwrap(), ClusterIdentity::default(), Vec::new(), Scopes::default());
    let options = CompareOptions { permits, ..options() };
    let hook = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "root", "annotations": {"argocd.argoproj.io/hook": "PostSync"}}});
    let comparison = run(vec![Manifest::new(hook).unwrap()], vec![live(2, "x:1", None, "web")], &options);
    let [hook] = &comparison.objects[..] else { panic!("{comparison:?}") };
    assert_eq!((comparison.status, hook.status), (SyncStatusCode::Synced, None));
    assert!(matches!(hook.forbidden, Some(Denied::Kind { .. })), "{hook:?}");
    assert_eq!(comparison.conditions[0].kind, ConditionType::ExcludedResourceWarning);
}

#[test]
fn a_namespace_that_a_sync_makes_is_not_pruned_when_its_manifest_goes() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "n",
        "annotations": {"argocd.argoproj.io/tracking-id": "web:/Namespace:/shop"}}});
    let namespace = Arc::new(LiveObject::new(namespace).unwrap());
    let extra = |own_namespace: Option<ResourceKey>| {
        let options = CompareOptions { own_namespace, ..options() };
        run(vec![], vec![Arc::clone(&namespace)], &options).objects.len()
    };
    assert_eq!(extra(None), 1);
    assert_eq!(extra(Some(crate::namespace::key("shop"))), 0);
    assert_eq!(extra(Some(crate::namespace::key("other"))), 1);
}
