//! Applications on other clusters than the control plane's.

use api::argocd::{Application, Condition, HealthStatusCode, SyncStatusCode};
use cluster::{Cluster, DeleteOptions, Limits, LogOptions, Patch, PatchOptions};
use control::{ConnectionStatus, Pick};
use futures::StreamExt;
use jiff::Timestamp;
use object::{LiveObject, ResourceKey};
use promotion::Place;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;

use crate::fixtures::{Line, World, apply, behind, config_map, pause, sandbox, served};

const SERVER: &str = "https://b.test:6443";
const FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

/// A control plane, and a cluster `b` beside it.
struct Stage {
    world: World,
    line: watch::Sender<Line>,
    /// `b` as people reach it, whatever becomes of the line.
    direct: Cluster,
}

impl Stage {
    async fn with(limits: Limits, secret: Value) -> Self {
        let world = World::start().await;
        let (router, line) = (sandbox(world.clock()), watch::Sender::new(Line::Up));
        world.clusters.add(SERVER, behind(&line, router.clone(), world.clock()).limited(limits));
        let direct = Cluster::from_service(router, world.clock().clone());
        let stage = Self { world, line, direct };
        stage.secret("b", SERVER, secret).await;
        stage
    }

    async fn start() -> Self {
        Self::with(Limits { answer_within: Duration::from_secs(2), ..Limits::default() }, json!({})).await
    }

    /// Describes a cluster; `data` is more of the Secret's.
    async fn secret(&self, name: &str, server: &str, data: Value) {
        let mut texts = json!({"name": name, "server": server, "config": "{\"bearerToken\": \"t\"}"});
        texts.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
        let labels = json!({"argocd.argoproj.io/secret-type": "cluster"});
        let metadata = json!({"name": format!("cluster-{name}"), "namespace": self.world.name, "labels": labels});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": texts});
        apply(&self.world.cluster, secret).await;
    }

    async fn delete(&self, group: &str, kind: &str, name: &str) {
        let key = ResourceKey::new(group, kind, self.world.name.as_str(), name);
        assert!(self.world.cluster.delete(&key, &DeleteOptions::default()).await.unwrap());
    }

    /// An Application of that name for a namespace of that name, which it makes.
    async fn application(&self, name: &str, to: Value) {
        let mut destination = json!({"server": null, "namespace": name});
        destination.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
        let change = json!({"metadata": {"name": name}, "spec": {
            "destination": destination, "syncPolicy": {"syncOptions": ["CreateNamespace=true"]}}});
        self.world.application(change).await;
    }

    /// A Pipeline `shop` of environments that are called like their Applications.
    async fn pipeline(&self, environments: &[&str]) {
        for crd in api::gantline::crds() {
            apply(&self.world.cluster, crd).await;
        }
        served(&self.world.cluster, &[("gantline.dev", "Pipeline")]).await;
        let environments: Vec<Value> =
            environments.iter().map(|name| json!({"name": name, "application": name})).collect();
        let metadata = json!({"name": "shop", "namespace": self.world.name});
        let spec = json!({"images": [{"name": "shop"}], "environments": environments});
        let pipeline =
            json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "Pipeline", "metadata": metadata, "spec": spec});
        apply(&self.world.cluster, pipeline).await;
    }

    /// Since when the environments of the Pipeline are watched, when it is like that.
    async fn until_watched(
        &self,
        what: &str,
        wanted: impl Fn([Option<Timestamp>; 2]) -> bool,
    ) -> [Option<Timestamp>; 2] {
        let mut last = None;
        for _ in 0..400 {
            let seen = self.world.controller.observed("shop");
            // for who only asks, what is not watched is as if it always was
            let since = |place: &Place| place.watched_since.filter(|since| *since > Timestamp::MIN);
            last = seen.map(|seen| [0, 1].map(|index| since(&seen.places[index])));
            if let Some(times) = last.filter(|times| wanted(*times)) {
                return times;
            }
            pause(50).await;
        }
        panic!("never {what}: {last:?}");
    }

    /// Deletes it with its objects.
    async fn delete_application(&self, name: &str) {
        let key = ResourceKey::new("argoproj.io", "Application", self.world.name.as_str(), name);
        self.world.patch(&key, json!({"metadata": {"finalizers": [FINALIZER]}}), "test").await;
        self.delete("argoproj.io", "Application", name).await;
    }

    async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Application) -> bool) -> Application {
        self.world.until_named(name, what, wanted).await
    }

    async fn until_gone(&self, name: &str) {
        let key = ResourceKey::new("argoproj.io", "Application", self.world.name.as_str(), name);
        for _ in 0..200 {
            if self.world.cluster.get(&key).await.unwrap().is_none() {
                return;
            }
            pause(50).await;
        }
        panic!("{name} stays");
    }

    async fn refresh(&self, name: &str) {
        let key = ResourceKey::new("argoproj.io", "Application", self.world.name.as_str(), name);
        let refresh = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
        self.world.patch(&key, refresh, "test").await;
    }

    /// What the controller says of the connection to `b`, when it is like that.
    async fn until_connection(&self, status: ConnectionStatus) -> String {
        for _ in 0..400 {
            let clusters = self.world.controller.clusters().await;
            let state = &clusters.iter().find(|cluster| cluster.name == "b").unwrap().connection_state;
            if state.status == status {
                return state.message.clone();
            }
            pause(50).await;
        }
        panic!("never {status:?}");
    }
}

async fn map_in(cluster: &Cluster, namespace: &str) -> Option<LiveObject> {
    cluster.get(&ResourceKey::new("", "ConfigMap", namespace, "a")).await.unwrap()
}

fn synced(app: &Application) -> bool {
    app.status.sync.status == SyncStatusCode::Synced
}

/// Not compared, for a reason that says this.
fn in_trouble(words: &str) -> impl Fn(&Application) -> bool {
    move |app| {
        let told = |condition: &Condition| condition.kind.is_error() && condition.message.contains(words);
        app.status.sync.status == SyncStatusCode::Unknown && app.status.conditions.iter().any(told)
    }
}

#[tokio::test]
async fn applications_go_to_the_cluster_that_they_name() {
    let stage = Stage::start().await;
    let Stage { world, direct, .. } = &stage;
    world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    stage.application("by-server", json!({"server": format!("{SERVER}/")})).await;
    stage.application("by-name", json!({"name": "b"})).await;
    stage.application("at-home", json!({"name": "in-cluster"})).await;
    for name in ["by-server", "by-name", "at-home"] {
        let app = stage.until(name, "synced", synced).await;
        assert_eq!(app.status.health.status, HealthStatusCode::Healthy, "{name}");
        let at_home = name == "at-home";
        assert_eq!(map_in(direct, name).await.is_some(), !at_home, "{name}");
        assert_eq!(map_in(&world.cluster, name).await.is_some(), at_home, "{name}");
        let tree = world.controller.resource_tree(&app).await.unwrap();
        assert!(tree.nodes.iter().any(|node| node.key.kind == "ConfigMap"), "{tree:?}");
    }
    stage.until_connection(ConnectionStatus::Successful).await;
    let counts = world.controller.clusters().await.into_iter().map(|cluster| (cluster.name, cluster.applications));
    assert_eq!(counts.collect::<Vec<_>>(), [("b".to_owned(), 2), ("in-cluster".to_owned(), 1)]);

    // what happens over there is seen here
    let key = ResourceKey::new("", "ConfigMap", "by-name", "a");
    let edit = PatchOptions { manager: "kubectl-edit", ..PatchOptions::default() };
    direct.patch(&key, &Patch::Merge(json!({"data": {"key": "changed"}})), edit).await.unwrap();
    let healed = |app: &Application| {
        let operation = app.status.operation_state.as_ref().and_then(|state| state.operation.sync.as_ref());
        synced(app) && operation.is_some_and(|sync| sync.auto_heal_attempts_count == 1)
    };
    stage.until("by-name", "healed", healed).await;
    assert_eq!(map_in(direct, "by-name").await.unwrap().value()["data"]["key"], "1");

    stage.delete_application("by-server").await;
    stage.until_gone("by-server").await;
    assert!(map_in(direct, "by-server").await.is_none(), "deleted with its Application");
    assert!(map_in(direct, "by-name").await.is_some());
    stage.world.end().await;
}

#[tokio::test]
async fn a_cluster_to_which_nobody_deploys_is_asked_whether_it_answers() {
    let stage = Stage::with(Limits::default(), json!({"namespaces": "one,two", "project": "team"})).await;
    stage.secret("exec", "https://exec.test", json!({"config": r#"{"execProviderConfig": {"command": "c"}}"#})).await;
    stage.until_connection(ConnectionStatus::Successful).await;
    let clusters = stage.world.controller.clusters().await;
    let servers: Vec<&str> = clusters.iter().map(|cluster| cluster.server.as_str()).collect();
    assert_eq!(servers, [SERVER, "https://exec.test", "https://kubernetes.default.svc"]);
    let [b, exec, _] = &clusters[..] else { panic!() };
    assert!(b.version.as_ref().is_some_and(|version| version.starts_with("v1.")), "{b:?}");
    assert_eq!((b.namespaces.join(","), b.project.as_str(), b.applications), ("one,two".into(), "team", 0));
    assert_eq!(exec.connection_state.status, ConnectionStatus::Failed);
    assert!(exec.connection_state.message.contains("bearerToken"), "{exec:?}");
    stage.line.send_replace(Line::Down);
    assert!(stage.until_connection(ConnectionStatus::Failed).await.contains("502"));
    stage.line.send_replace(Line::Silent);
    assert!(stage.until_connection(ConnectionStatus::Failed).await.contains("it does not answer within 3 s"));
    stage.world.end().await;
}

#[tokio::test]
async fn a_silent_cluster_delays_nobody_else() {
    let patient = Limits { at_once: 2, answer_within: Duration::from_secs(600) };
    let stage = Stage::with(patient, json!({})).await;
    stage.line.send_replace(Line::Silent);
    stage.world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    for number in 0..40 {
        stage.application(&format!("silent-{number}"), json!({"name": "b"})).await;
    }
    stage.application("at-home", json!({"name": "in-cluster"})).await;
    stage.until("at-home", "synced although all turns could be taken", synced).await;
    stage.world.repository.commit(&[("app/a.yaml", config_map("a", "2"))]);
    let second = |app: &Application| app.status.history.len() == 2;
    stage.until("at-home", "synced again", second).await;
    stage.world.end().await;
}

#[tokio::test]
async fn a_cluster_that_fails_loses_nothing_and_says_so() {
    let stage = Stage::start().await;
    let Stage { world, line, direct } = &stage;
    world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    for name in ["web", "old"] {
        stage.application(name, json!({"name": "b"})).await;
        stage.until(name, "synced", synced).await;
    }
    for (how, words) in [(Line::Down, "502"), (Line::Silent, "it does not answer in time")] {
        line.send_replace(how);
        let message = stage.until_connection(ConnectionStatus::Failed).await;
        assert!(message.contains(words), "{how:?}: {message}");
        world.repository.commit(&[("app/b.yaml", config_map("b", "1"))]);
        stage.refresh("web").await;
        let out = in_trouble("cluster \"b\" (https://b.test:6443) has not answered since");
        let app = stage.until("web", "in trouble", out).await;
        assert_eq!(app.status.health.status, HealthStatusCode::Healthy, "as it was last seen");
        assert_eq!(app.status.resources.len(), 1, "as it was last seen");
        let explained = world.controller.explain(&app).await;
        let who = explained.reasons.first().map(|reason| reason.who.as_str());
        assert_eq!(who, Some("whoever looks after cluster \"b\""), "{explained:?}");
        assert!(world.controller.resource_tree(&app).await.is_err());
        assert!(map_in(direct, "web").await.is_some(), "not pruned");
        world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
        line.send_replace(Line::Up);
        stage.until("web", "well again", synced).await;
    }
    line.send_replace(Line::Down);
    stage.until_connection(ConnectionStatus::Failed).await;
    stage.delete_application("old").await;
    let waits = |app: &Application| app.status.conditions.iter().any(|c| c.message.contains("has not answered since"));
    stage.until("old", "waiting to be deleted", waits).await;
    assert!(map_in(direct, "old").await.is_some());
    line.send_replace(Line::Up);
    stage.until_gone("old").await;
    assert!(map_in(direct, "old").await.is_none(), "deleted as soon as that was possible");
    stage.world.end().await;
}

/// Other environments of the same Pipeline go on being watched.
#[tokio::test]
async fn an_outage_breaks_the_watch_of_its_own_environments_only() {
    let stage = Stage::start().await;
    let Stage { world, line, .. } = &stage;
    world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    for (name, to) in [("staging", "in-cluster"), ("production", "b")] {
        stage.application(name, json!({"name": to})).await;
        stage.until(name, "synced", synced).await;
    }
    stage.pipeline(&["staging", "production"]).await;
    let watched = |[staging, production]: [Option<Timestamp>; 2]| staging.is_some() && production.is_some();
    let before = stage.until_watched("both watched", watched).await;
    line.send_replace(Line::Down);
    let lost = |[staging, production]: [Option<Timestamp>; 2]| staging == before[0] && production.is_none();
    stage.until_watched("one lost", lost).await;
    line.send_replace(Line::Up);
    let again = |[staging, production]: [Option<Timestamp>; 2]| staging == before[0] && production > before[1];
    stage.until_watched("watched again", again).await;
    stage.world.end().await;
}

#[tokio::test]
async fn what_is_not_connected_is_said_and_keeps_what_it_has() {
    let stage = Stage::start().await;
    let Stage { world, direct, .. } = &stage;
    world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    stage.application("kept", json!({"name": "b"})).await;
    stage.until("kept", "synced", synced).await;
    let exec = json!({"config": r#"{"execProviderConfig": {"command": "gke-gcloud-auth-plugin"}}"#});
    stage.secret("exec", "https://exec.test", exec).await;
    stage.secret("nowhere", "https://nowhere.test", json!({})).await;
    stage.secret("twin", "https://twin-1.test", json!({})).await;
    stage.secret("twin-2", "https://twin-2.test", json!({"name": "twin"})).await;
    for (name, to, words) in [
        ("unknown-server", json!({"server": "https://c.test"}), "no cluster Secret has this server"),
        ("unknown-name", json!({"name": "c"}), "cluster \"c\" is not connected: there are no clusters with this name"),
        (
            "ambiguous",
            json!({"name": "twin"}),
            "2 clusters with the same name: [https://twin-1.test https://twin-2.test]",
        ),
        ("both", json!({"name": "b", "server": SERVER}), "can't have both name and server defined: b https://b.test"),
        ("exec", json!({"name": "exec"}), "put its token into config.bearerToken instead"),
        ("nowhere", json!({"name": "nowhere"}), "Secret cluster-nowhere: cannot connect: nothing is at"),
    ] {
        stage.application(name, to).await;
        stage.until(name, "in trouble", in_trouble(words)).await;
    }

    // a cluster that is known but cannot be used is waited for, one that is not known any more is left alone
    let broken = json!({"config": "{"});
    stage.secret("b", SERVER, broken).await;
    stage.until("kept", "in trouble for the Secret", in_trouble("is not the JSON that cluster Secrets hold")).await;
    stage.secret("b", SERVER, json!({})).await;
    stage.until("kept", "well again", synced).await;
    stage.delete("", "Secret", "cluster-b").await;
    stage.until("kept", "in trouble without the Secret", in_trouble("cluster \"b\" is not connected")).await;
    stage.delete_application("kept").await;
    stage.until_gone("kept").await;
    assert!(map_in(direct, "kept").await.is_some(), "out of reach, as in Argo CD");

    let off = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": world.name},
        "data": {"cluster.inClusterEnabled": "false"}});
    apply(&world.cluster, off).await;
    stage.application("at-home", json!({"name": "in-cluster"})).await;
    stage.until("at-home", "in trouble", in_trouble("cluster.inClusterEnabled of argocd-cm says false")).await;
    stage.world.end().await;
}

#[tokio::test]
async fn in_namespaced_mode_the_rest_is_left_alone() {
    let stage = Stage::with(Limits::default(), json!({"namespaces": "inside, other"})).await;
    let Stage { world, line, direct } = &stage;
    for namespace in ["inside", "outside"] {
        apply(direct, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await;
    }
    line.send_replace(Line::Narrow);
    world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    for name in ["inside", "outside"] {
        let destination = json!({"server": null, "name": "b", "namespace": name});
        world.application(json!({"metadata": {"name": name}, "spec": {"destination": destination}})).await;
    }
    stage.until("inside", "synced", synced).await;
    assert!(map_in(direct, "inside").await.is_some());
    stage.until("outside", "refused", in_trouble("namespace \"outside\" for ConfigMap \"a\" is not managed")).await;
    assert!(map_in(direct, "outside").await.is_none());
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\nrules: []\n";
    world.repository.commit(&[("app/r.yaml", role.to_owned())]);
    let words = "cluster level ClusterRole \"r\" can not be managed when in namespaced mode";
    stage.until("inside", "refused", in_trouble(words)).await;
    assert!(map_in(direct, "inside").await.is_some(), "not pruned");
    stage.world.end().await;
}

#[tokio::test]
async fn projects_permit_clusters_by_name_and_by_ownership() {
    let stage = Stage::with(Limits::default(), json!({"project": "team"})).await;
    let project = |name: &str, spec: Value| {
        let mut all = json!({"sourceRepos": ["*"], "destinations": [{"name": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}]});
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let metadata = json!({"name": name, "namespace": stage.world.name});
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": metadata, "spec": all})
    };
    for (name, spec) in [
        ("team", json!({"permitOnlyProjectScopedClusters": true})),
        ("others", json!({"permitOnlyProjectScopedClusters": true})),
        ("named", json!({"destinations": [{"name": "b", "namespace": "*"}]})),
    ] {
        apply(&stage.world.cluster, project(name, spec)).await;
    }
    stage.world.repository.commit(&[("app/a.yaml", config_map("a", "1"))]);
    for (name, project, to, permitted) in [
        ("team-b", "team", "b", true),
        ("team-home", "team", "in-cluster", false),
        ("others-b", "others", "b", false),
        ("named-b", "named", "b", true),
        ("named-home", "named", "in-cluster", false),
    ] {
        let change = json!({"metadata": {"name": name}, "spec": {"project": project,
            "destination": {"server": null, "name": to, "namespace": name},
            "syncPolicy": {"syncOptions": ["CreateNamespace=true"]}}});
        stage.world.application(change).await;
        let words =
            format!("application destination server '{to}' and namespace '{name}' do not match any of the allowed");
        let refused = in_trouble(&words);
        let app = stage.until(name, "judged", |app| synced(app) || refused(app)).await;
        assert_eq!(synced(&app), permitted, "{name}: {:?}", app.status.conditions);
    }
    stage.world.end().await;
}

#[tokio::test]
async fn what_pods_print_and_what_happens_to_them_is_told_from_the_cluster_where_they_are() {
    let stage = Stage::start().await;
    let Stage { world, .. } = &stage;
    let containers = json!([{ "name": "shop", "image": "shop:1" }, { "name": "proxy", "image": "proxy:1" }]);
    let template = json!({ "metadata": { "labels": { "app": "shop" } }, "spec": { "containers": containers } });
    let spec = json!({ "replicas": 2, "selector": { "matchLabels": { "app": "shop" } }, "template": template });
    let metadata = json!({ "name": "shop" });
    let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec });
    world.repository.commit(&[("app/a.yaml", config_map("a", "1")), ("app/shop.yaml", deployment.to_string())]);
    stage.application("away", json!({ "name": "b" })).await;
    let healthy = |app: &Application| synced(app) && app.status.health.status == HealthStatusCode::Healthy;
    let app = stage.until("away", "healthy", healthy).await;
    let pick = |kind: &str| Pick { kind: kind.to_owned(), ..Pick::default() };
    let lines = async |pick: &Pick, options: LogOptions| -> Result<Vec<control::Line>, String> {
        let lines = world.controller.logs(&app, pick, &options).await.map_err(|error| error.to_string())?;
        Ok(lines.collect().await)
    };
    let all = lines(&pick("Deployment"), LogOptions::default()).await.unwrap();
    let starts: Vec<&control::Line> = all.iter().filter(|line| line.text.contains("starting shop (shop:1)")).collect();
    assert_eq!(starts.len(), 2, "the first container of each: {all:?}");
    assert_ne!(starts[0].pod, starts[1].pod);
    let of_one = Pick { name: starts[0].pod.clone(), ..pick("Pod") };
    let proxy = LogOptions { container: "proxy".to_owned(), tail_lines: Some(1), ..LogOptions::default() };
    let one = lines(&of_one, proxy).await.unwrap();
    assert_eq!(one.iter().map(|line| &line.pod).collect::<Vec<_>>(), [&starts[0].pod], "{one:?}");
    let wrong = LogOptions { container: "nope".to_owned(), ..LogOptions::default() };
    assert!(lines(&of_one, wrong).await.unwrap_err().contains("nope"));
    let refused = lines(&pick("ConfigMap"), LogOptions::default()).await.unwrap_err();
    assert!(refused.contains("has no such pods now"), "{refused}");

    let events = world.controller.events(&app, &of_one).await.unwrap().events;
    let about: Vec<&Value> = events.iter().map(|event| &event.value()["involvedObject"]["name"]).collect();
    assert!(!about.is_empty() && about.iter().all(|name| **name == starts[0].pod.as_str()), "{events:?}");
    let own = world.controller.events(&app, &Pick::default()).await.unwrap().events;
    assert!(own.iter().all(|event| event.value()["involvedObject"]["kind"] == "Application"), "{own:?}");
    assert!(!own.is_empty());
}
