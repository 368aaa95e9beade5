//! Nobody leaves their project, and nothing goes that others need.

use api::argocd::{Application, ConditionType, ResultCode, SyncStatusCode};
use object::ResourceKey;
use serde_json::json;

use crate::fixtures::{World, apply, config_map, pause};

/// A project that permits one namespace and no ServiceAccounts, and its name.
async fn team_a(world: &World) -> String {
    let namespace = format!("{}-a", world.name);
    apply(&world.cluster, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await;
    let spec = json!({"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": namespace}],
        "namespaceResourceBlacklist": [{"group": "", "kind": "ServiceAccount"}]});
    let metadata = json!({"name": "team-a", "namespace": world.name});
    let project = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": metadata});
    let mut project = project;
    project["spec"] = spec;
    apply(&world.cluster, project).await;
    namespace
}

fn has_ended(app: &Application) -> bool {
    app.status.operation_state.as_ref().is_some_and(|state| state.phase.completed())
}

fn annotated(kind: &str, version: &str, name: &str, hook: &str) -> String {
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, annotations: {{argocd.argoproj.io/hook: {hook}}}}}\n"
    )
}

#[tokio::test]
async fn what_git_says_leaves_the_project_nowhere() {
    let world = World::start().await;
    let namespace = team_a(&world).await;
    let policy = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"policy.csv": "theirs"},
        "metadata": {"name": "argocd-rbac-cm", "namespace": world.name}});
    apply(&world.cluster, policy).await;
    let elsewhere = |name: &str, namespace: &str| {
        config_map(name, "1").replace("{name:", &format!("{{namespace: {namespace}, name:"))
    };
    let role = annotated("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", &world.name, "PostSync")
        + "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects: []\n";
    let project = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {{name: team-a, namespace: {}}}\nspec: {{}}\n",
        world.name
    );
    let in_another = annotated("ConfigMap", "v1", "hook", "Sync").replace("{name:", "{namespace: kube-system, name:");
    let denied = "is not permitted in project 'team-a'";
    let cases = [
        (elsewhere("argocd-rbac-cm", &world.name), format!("namespace {} {denied}", world.name)),
        (project, format!("namespace {} {denied}", world.name)),
        (elsewhere("x", "kube-system"), format!("namespace kube-system {denied}")),
        (in_another, format!("namespace kube-system {denied}")),
        (role, "resource rbac.authorization.k8s.io:ClusterRoleBinding is not permitted in project team-a".to_owned()),
        (
            annotated("ServiceAccount", "v1", "root", "PreSync"),
            "resource :ServiceAccount is not permitted in project team-a".to_owned(),
        ),
        (elsewhere("'../../secrets/x'", &namespace), "cannot be the name of an object".to_owned()),
    ];
    for (number, (manifest, why)) in cases.into_iter().enumerate() {
        let (name, folder) = (format!("case-{number}"), format!("case-{number}"));
        world
            .repository
            .commit(&[(&format!("{folder}/a.yaml"), manifest), (&format!("{folder}/b.yaml"), config_map(&name, "1"))]);
        let spec = json!({"project": "team-a", "source": {"path": folder}, "destination": {"namespace": namespace}});
        world.application(json!({"metadata": {"name": name}, "spec": spec})).await;
        let refused = |app: &Application| {
            let state = app.status.operation_state.as_ref();
            state.is_some_and(|state| state.message.contains("tasks are not valid") && state.message.contains(&why))
        };
        let app = world.until_named(&name, &why, refused).await;
        assert!(
            app.status
                .conditions
                .iter()
                .any(|c| c.kind == ConditionType::ExcludedResourceWarning && c.message.contains(&why)),
            "{:?}",
            app.status.conditions
        );
        let beside = ResourceKey::new("", "ConfigMap", namespace.as_str(), name.as_str());
        assert!(world.cluster.get(&beside).await.unwrap().is_none(), "a sync that is refused writes nothing");
    }
    let policy = world.live("", "ConfigMap", "argocd-rbac-cm").await.unwrap();
    assert_eq!(policy.value()["data"]["policy.csv"], "theirs");
    let none = async |key: ResourceKey| assert!(world.cluster.get(&key).await.unwrap().is_none(), "{key}");
    none(ResourceKey::new("", "ConfigMap", "kube-system", "x")).await;
    none(ResourceKey::new("", "ConfigMap", "kube-system", "hook")).await;
    none(ResourceKey::new("", "ServiceAccount", namespace.as_str(), "root")).await;
    none(ResourceKey::new("rbac.authorization.k8s.io", "ClusterRoleBinding", "", world.name.as_str())).await;
    world.end().await;
}

/// A name in Git shows nothing of what is there.
#[tokio::test]
async fn what_the_project_does_not_permit_is_not_shown_either() {
    let world = World::start().await;
    let namespace = team_a(&world).await;
    let theirs = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("{}-p", world.name)}});
    apply(&world.cluster, theirs).await;
    let spec = json!({"selector": {"matchLabels": {"app": "checkout"}}, "template": {"metadata": {"labels": {"app": "checkout"}},
        "spec": {"containers": [{"name": "a", "image": "registry.test/theirs:1"}]}}});
    let metadata = json!({"name": "checkout", "namespace": format!("{}-p", world.name)});
    let mut deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata});
    deployment["spec"] = spec;
    apply(&world.cluster, deployment.clone()).await;
    deployment["spec"]["replicas"] = json!(7);
    let mut skipped = deployment.clone();
    skipped["metadata"]["annotations"] = json!({"argocd.argoproj.io/hook": "Skip"});
    for (name, manifest) in [("wants", deployment), ("skips", skipped)] {
        let commit = |more: &[(&str, String)]| {
            let files = [
                (&*format!("{name}/a.json"), manifest.to_string()),
                (&*format!("{name}/b.yaml"), config_map("b", "1")),
            ];
            world.repository.commit(&[files.as_slice(), more].concat())
        };
        commit(&[]);
        let spec = json!({"project": "team-a", "source": {"path": name}, "destination": {"namespace": namespace}});
        world.application(json!({"metadata": {"name": name}, "spec": spec})).await;
        let refused = |app: &Application| {
            app.status.operation_state.as_ref().is_some_and(|state| state.message.contains("tasks are not valid"))
        };
        let app = world.until_named(name, "done", |app| has_ended(app) || refused(app)).await;
        let shown = async |app: &Application| {
            let tree = world.controller.resource_tree(app).await.unwrap();
            assert!(tree.nodes.iter().all(|node| node.key.namespace == namespace), "{tree:?}");
            assert!(!app.status.summary.images.iter().any(|image| image.contains("theirs")), "{:?}", app.status);
            let said = serde_json::to_string(&app.status.health).unwrap();
            said + &serde_json::to_string(&app.status.resources.iter().map(|it| &it.health).collect::<Vec<_>>())
                .unwrap()
        };
        let before = shown(&app).await;
        for object in world.controller.managed_resources(&app, control::Against::Itself).await.unwrap() {
            assert!(object.kind != "Deployment" || object.live.is_none() && object.fields.is_empty(), "{object:?}");
        }
        let everything = control::Pick { kind: "Deployment".into(), ..control::Pick::default() };
        assert!(world.controller.events(&app, &everything).await.is_err());
        assert!(world.controller.logs(&app, &everything, &cluster::LogOptions::default()).await.is_err());
        // nor by what is known where nothing can be compared
        commit(&[(&*format!("{name}/c.yaml"), "kind: [".to_owned())]);
        let unknown = |app: &Application| app.status.sync.status == SyncStatusCode::Unknown;
        let app = world.until_named(name, "unknown", unknown).await;
        assert_eq!(shown(&app).await, before);
    }
    world.end().await;
}

/// It leaves the object, as the first one wants it, and with it what it made of it.
#[tokio::test]
async fn what_another_application_took_over_is_healed_when_that_is_gone() {
    let world = World::start().await;
    let files = [("app/a.yaml", config_map("a", "1")), ("second/a.yaml", config_map("a", "2"))];
    world.repository.commit(&files);
    world.application(json!({})).await;
    world.until("synced", |app| app.status.sync.status == SyncStatusCode::Synced).await;
    let says = async || world.live("", "ConfigMap", "a").await.unwrap().value()["data"]["key"].clone();
    let spec = json!({"source": {"path": "second"}, "syncPolicy": {"automated": null}});
    let finalizers = json!(["resources-finalizer.argocd.argoproj.io"]);
    world.application(json!({"metadata": {"name": "second", "finalizers": finalizers}, "spec": spec})).await;
    let key = ResourceKey { name: "second".into(), ..world.key() };
    let shares =
        |app: &Application| app.status.conditions.iter().any(|c| c.kind == ConditionType::SharedResourceWarning);
    world.until_named("second", "told of what it shares", shares).await;
    world
        .patch(&key, json!({"operation": {"initiatedBy": {"username": "mallory"}, "sync": {}}}), "argocd-server")
        .await;
    let synced = |app: &Application| app.status.sync.status == SyncStatusCode::Synced;
    world.until_named("second", "synced", synced).await;
    world.until("taken over", |app| shares(app) && app.status.sync.status == SyncStatusCode::OutOfSync).await;
    assert_eq!(says().await, "2");

    world.cluster.delete(&key, &cluster::DeleteOptions::default()).await.unwrap();
    world.until("healed", |app| !shares(app) && app.status.sync.status == SyncStatusCode::Synced).await;
    assert_eq!(says().await, "1");
    world.end().await;
}

#[tokio::test]
async fn what_others_want_is_neither_pruned_nor_deleted() {
    let world = World::start().await;
    let files = |own: &[&str]| {
        let own = own.iter().map(|name| (format!("app/{name}.yaml"), config_map(name, "1")));
        let both =
            [("second/a.yaml".to_owned(), config_map("a", "1")), ("second/b.yaml".to_owned(), config_map("b", "1"))];
        own.chain(both).collect::<Vec<_>>()
    };
    let commit = |own: &[&str]| {
        let files = files(own);
        let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
        world.repository.commit(&files)
    };
    let first = commit(&["a", "b", "c", "d"]);
    let finalizers = json!({"finalizers": ["resources-finalizer.argocd.argoproj.io"]});
    world.application(json!({"metadata": finalizers})).await;
    let at = |revision: &str| {
        let revision = revision.to_owned();
        move |app: &Application| {
            let state = app.status.operation_state.as_ref();
            let done = state.and_then(|state| state.sync_result.as_ref()).is_some_and(|r| r.revision == revision);
            done && state.is_some_and(|state| state.phase.completed())
        }
    };
    world.until("synced", at(&first)).await;
    // by hand: what the first one does not want any more it would take over by itself
    let spec = json!({"source": {"path": "second"}, "syncPolicy": {"automated": null}});
    world.application(json!({"metadata": {"name": "second"}, "spec": spec})).await;
    let shares =
        |app: &Application| app.status.conditions.iter().any(|c| c.kind == ConditionType::SharedResourceWarning);
    world.until_named("second", "told of what it shares", shares).await;

    let uid = async |name: &str| world.live("", "ConfigMap", name).await.unwrap().uid().to_owned();
    let uids = [uid("a").await, uid("b").await];

    let second = commit(&["b", "d"]);
    let app = world.until("pruned what it may", at(&second)).await;
    let result = app.status.operation_state.as_ref().unwrap().sync_result.as_ref().unwrap();
    let a = result.resources.iter().find(|r| r.name == "a").unwrap();
    assert_eq!(
        (a.status, a.message.as_str()),
        (Some(ResultCode::PruneSkipped), "not pruned: application second wants it as well")
    );
    assert!(world.live("", "ConfigMap", "a").await.is_some());
    assert!(world.live("", "ConfigMap", "c").await.is_none());
    let stays = "ConfigMap/a stays: application second wants it as well";
    assert!(app.status.conditions.iter().any(|c| c.message == stays), "{:?}", app.status.conditions);

    world.cluster.delete(&world.key(), &cluster::DeleteOptions::default()).await.unwrap();
    for _ in 0..400 {
        if world.cluster.get(&world.key()).await.unwrap().is_none() {
            break;
        }
        pause(50).await;
    }
    assert!(world.cluster.get(&world.key()).await.unwrap().is_none());
    assert!(world.live("", "ConfigMap", "d").await.is_none(), "its own goes with it");
    for (name, uid) in ["a", "b"].iter().zip(uids) {
        let there = world.live("", "ConfigMap", name).await.unwrap();
        assert_eq!((there.uid(), there.deletion_timestamp()), (uid.as_str(), None), "{name}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_namespace_goes_only_where_nothing_else_goes_with_it() {
    let world = World::start().await;
    let namespace = format!("{}-data", world.name);
    let manifest = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n");
    let first = world.repository.commit(&[("app/ns.yaml", manifest), ("app/a.yaml", config_map("a", "1"))]);
    world.application(json!({})).await;
    let at = |revision: String| {
        move |app: &Application| {
            let state = app.status.operation_state.as_ref();
            has_ended(app)
                && state.and_then(|state| state.sync_result.as_ref()).is_some_and(|result| result.revision == revision)
        }
    };
    world.until("synced", at(first)).await;
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    apply(&world.cluster, claim).await;

    let second = world.repository.commit(&[("app/a.yaml", config_map("a", "2"))]);
    let app = world.until("not pruned", at(second)).await;
    let result = app.status.operation_state.unwrap().sync_result.unwrap();
    let kept = result.resources.iter().find(|r| r.kind == "Namespace").unwrap();
    assert_eq!(kept.status, Some(ResultCode::PruneSkipped));
    assert!(kept.message.contains("it holds PersistentVolumeClaim/data, which would go with it"), "{kept:?}");
    let key = ResourceKey::new("", "Namespace", "", namespace.as_str());
    let is_there = async || {
        let there = world.cluster.get(&key).await.unwrap();
        there.is_some_and(|live| live.deletion_timestamp().is_none())
    };
    assert!(is_there().await);

    // nor where somebody asks for just this, as whoever writes an Application may write an operation as well
    let sync = json!({"prune": true, "resources": [{"kind": "Namespace", "name": namespace}]});
    world.patch(&world.key(), json!({"operation": {"sync": sync}}), "test").await;
    let is_chosen = |app: &Application| {
        let state = app.status.operation_state.as_ref().filter(|state| state.phase.completed());
        state.and_then(|state| state.operation.sync.as_ref()).is_some_and(|sync| !sync.resources.is_empty())
    };
    world.until("not pruned by choice", is_chosen).await;
    assert!(is_there().await);

    // without its data it goes
    let claim = ResourceKey::new("", "PersistentVolumeClaim", namespace.as_str(), "data");
    world.cluster.delete(&claim, &cluster::DeleteOptions::default()).await.unwrap();
    world.patch(&world.key(), json!({"operation": {"sync": {"prune": true}}}), "test").await;
    for _ in 0..400 {
        if !is_there().await {
            break;
        }
        pause(50).await;
    }
    assert!(!is_there().await);
    world.end().await;
}

/// An Application that a repository writes brings a finalizer, a status that names what is not its own, and objects of
/// others carry its mark: when it goes, it takes what it wanted where its project lets it, and nothing else.
#[tokio::test]
async fn an_application_from_git_takes_nothing_of_others_with_it() {
    let world = World::start().await;
    let namespace = team_a(&world).await;
    let precious = |name: &str, place: &str| {
        let mark = format!("child:/ConfigMap:{place}/{name}");
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": place,
            "labels": {"app.kubernetes.io/instance": "child"},
            "annotations": {"argocd.argoproj.io/tracking-id": mark}}})
    };
    apply(&world.cluster, precious("precious", &world.name)).await;
    let resources = json!([{"version": "v1", "kind": "ConfigMap", "namespace": world.name, "name": "precious", "status": "Synced"}]);
    let child = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "child", "namespace": world.name,
            "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
        "spec": {"project": "team-a", "source": {"repoURL": crate::fixtures::URL, "path": "child", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": {"automated": {"prune": true}}},
        "status": {"resources": resources, "sync": {"status": "Synced"}, "health": {"status": "Healthy"}}});
    world.repository.commit(&[("app/child.yaml", child.to_string()), ("child/own.yaml", config_map("own", "1"))]);
    world.application(json!({})).await;
    let synced = world.until_named("child", "synced", has_ended).await;
    assert!(
        synced.status.resources.iter().all(|resource| resource.name != "precious"),
        "{:?}",
        synced.status.resources
    );
    let place = |namespace: &str, name: &str| ResourceKey::new("", "ConfigMap", namespace, name);
    let own = place(&namespace, "own");
    let key = place(&world.name, "precious");
    assert!(world.cluster.get(&own).await.unwrap().is_some());
    let uid = world.cluster.get(&key).await.unwrap().unwrap().uid().to_owned();

    // the repository wants it no longer
    world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("child/own.yaml", config_map("own", "1"))]);
    let gone = ResourceKey::new("argoproj.io", "Application", world.name.as_str(), "child");
    for _ in 0..400 {
        if world.cluster.get(&gone).await.unwrap().is_none() {
            break;
        }
        pause(50).await;
    }
    assert!(world.cluster.get(&gone).await.unwrap().is_none(), "it was pruned");
    let is_going = world.cluster.get(&own).await.unwrap().is_none_or(|live| live.deletion_timestamp().is_some());
    assert!(is_going, "its own goes with it");
    let there = world.cluster.get(&key).await.unwrap().unwrap();
    assert_eq!((there.uid(), there.deletion_timestamp()), (uid.as_str(), None));
    world.end().await;
}
