use super::{World, deployment};

use serde_json::{Value, json};

fn sizes(world: &World) -> Vec<(i64, i64)> {
    let number = |set: &Value, field: &str| set.pointer(field).and_then(Value::as_i64).unwrap_or(0);
    let mut sets = world.list("replicasets.apps");
    sets.sort_by_key(|set| {
        number(
            &json!(
                set["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
                    .as_str()
                    .unwrap()
                    .parse::<i64>()
                    .unwrap()
            ),
            "",
        )
    });
    sets.iter().map(|set| (number(set, "/spec/replicas"), number(set, "/status/availableReplicas"))).collect()
}

#[test]
fn a_deployment_becomes_available() {
    let mut world = World::new();
    world.create(deployment("shop", "web:1", 3));
    assert_eq!(world.condition("deployments.apps", "shop", "Available"), "False MinimumReplicasUnavailable");
    assert_eq!(world.list("pods").len(), 3);
    world.pass(5);
    let live = world.get("deployments.apps", "shop").unwrap();
    let status = &live["status"];
    assert_eq!(
        (&status["replicas"], &status["updatedReplicas"], &status["availableReplicas"]),
        (&json!(3), &json!(3), &json!(3)),
        "{status:#}"
    );
    assert_eq!(world.condition("deployments.apps", "shop", "Progressing"), "True NewReplicaSetAvailable");
    assert_eq!(live["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    let pod = &world.list("pods")[0];
    assert_eq!(pod["status"]["phase"], "Running");
    let container = &pod["status"]["containerStatuses"][0];
    let digest = world.registry.digest("library/web", "1").unwrap();
    assert_eq!(container["imageID"], format!("docker.io/library/web@{digest}"));
    assert_eq!(pod["metadata"]["generation"], 1);
    let status =
        live["metadata"]["managedFields"].as_array().unwrap().iter().find(|f| f["subresource"] == "status").unwrap();
    let owned = &status["fieldsV1"]["f:metadata"]["f:annotations"];
    assert!(owned["f:deployment.kubernetes.io/revision"].is_object() && status["manager"] == "kube-controller-manager");
    let managers: Vec<&str> =
        pod["metadata"]["managedFields"].as_array().unwrap().iter().map(|f| f["manager"].as_str().unwrap()).collect();
    assert_eq!(
        managers,
        ["kube-controller-manager", "kube-scheduler", "kubelet"],
        "{:#}",
        pod["metadata"]["managedFields"]
    );
}

#[test]
fn an_update_rolls_within_its_bounds() {
    let mut world = World::new();
    world.create(deployment("shop", "web:1", 3));
    world.pass(5);
    world.patch(
        "apps",
        "Deployment",
        "shop",
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": "web:2" }] } } } }),
    );
    // 25 % of three: one more, none less
    assert_eq!(sizes(&world), [(3, 3), (1, 0)]);
    let mut steps = vec![sizes(&world)];
    for _ in 0..12 {
        world.pass(1);
        let now = sizes(&world);
        let total: i64 = now.iter().map(|(wanted, _)| wanted).sum();
        let available: i64 = now.iter().map(|(_, available)| available).sum();
        assert!(total <= 4 && available >= 3, "{now:?}");
        if steps.last() != Some(&now) {
            steps.push(now);
        }
    }
    assert_eq!(steps.last().unwrap(), &[(0, 0), (3, 3)]);
    assert!(steps.len() >= 4, "{steps:?}");
    assert_eq!(world.condition("deployments.apps", "shop", "Progressing"), "True NewReplicaSetAvailable");
    // back to the first template: the same set again, with a new revision
    world.patch(
        "apps",
        "Deployment",
        "shop",
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": "web:1" }] } } } }),
    );
    world.pass(12);
    assert_eq!(
        world.get("deployments.apps", "shop").unwrap()["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "3"
    );
    assert_eq!(sizes(&world), [(0, 0), (3, 3)]);
}

#[test]
fn deleting_a_deployment_takes_its_sets_and_pods_along() {
    for propagation in ["Background", "Foreground"] {
        let mut world = World::new();
        world.create(deployment("shop", "web:1", 2));
        world.pass(5);
        world.delete("apps", "Deployment", "shop", propagation);
        world.pass(5);
        assert!(world.get("deployments.apps", "shop").is_none(), "{propagation}");
        assert!(world.list("replicasets.apps").is_empty() && world.list("pods").is_empty(), "{propagation}");
    }
    let mut world = World::new();
    world.create(deployment("shop", "web:1", 2));
    world.pass(5);
    world.delete("apps", "Deployment", "shop", "Orphan");
    world.pass(5);
    assert_eq!((world.list("replicasets.apps").len(), world.list("pods").len()), (1, 2));
    assert!(world.list("replicasets.apps")[0]["metadata"].get("ownerReferences").is_none());
}

#[test]
fn a_missing_image_is_retried_ever_more_slowly() {
    let mut world = World::new();
    world.create(deployment("shop", "web:3", 1));
    let mut states: Vec<(i64, String)> = Vec::new();
    for second in 0..200 {
        let pod = &world.list("pods")[0];
        let reason = pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].as_str().unwrap().to_owned();
        if states.last().is_none_or(|(_, last)| *last != reason) {
            states.push((second, reason));
        }
        world.pass(1);
    }
    let expected = [
        (0, "ContainerCreating"),
        (1, "ErrImagePull"),
        (3, "ImagePullBackOff"),
        (11, "ErrImagePull"),
        (13, "ImagePullBackOff"),
        (31, "ErrImagePull"),
        (33, "ImagePullBackOff"),
        (71, "ErrImagePull"),
        (73, "ImagePullBackOff"),
        (151, "ErrImagePull"),
        (153, "ImagePullBackOff"),
    ];
    assert_eq!(states, expected.map(|(at, reason)| (at, reason.to_owned())));
    let events = world.events("shop-").join("\n");
    for expected in [
        "Normal Scheduled Successfully assigned default/shop-",
        "Normal Pulling Pulling image \"web:3\"",
        "Warning Failed Failed to pull image \"web:3\": rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/web:3\"",
        "Warning Failed Error: ErrImagePull",
        "Normal BackOff Back-off pulling image \"web:3\"",
        "Warning Failed Error: ImagePullBackOff",
    ] {
        assert!(events.contains(expected), "{expected}\n{events}");
    }
    // the deadline of ten minutes
    world.pass(500);
    assert_eq!(world.condition("deployments.apps", "shop", "Progressing"), "False ProgressDeadlineExceeded");
    world.registry.push_image("library/web", "3", &Default::default());
    world.pass(300);
    assert_eq!(world.condition("deployments.apps", "shop", "Progressing"), "True NewReplicaSetAvailable");
}

#[test]
fn a_namespace_ends_with_its_content() {
    let mut world = World::new();
    world.create(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } }));
    let mut deployment = deployment("shop", "web:1", 2);
    deployment["metadata"]["namespace"] = json!("shop");
    world.create(deployment);
    world.pass(5);
    let inside = |world: &World| {
        world.list("pods").len()
            + world.list("serviceaccounts").iter().filter(|a| a["metadata"]["namespace"] == "shop").count()
    };
    assert_eq!(inside(&world), 3);
    world.delete("", "Namespace", "shop", "Background");
    assert_eq!(world.get("namespaces", "shop").unwrap()["status"]["phase"], "Terminating");
    world.pass(30);
    assert!(world.get("namespaces", "shop").is_none());
    assert_eq!(inside(&world), 0);
}

#[test]
fn a_pause_holds_the_rollout_and_a_fault_on_one_pod_shows() {
    let mut world = World::new();
    world.create(deployment("shop", "web:1", 2));
    world.pass(5);
    let kinds: Vec<String> = world.get("deployments.apps", "shop").unwrap()["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["Available", "Progressing"]);
    let generation = world.get("deployments.apps", "shop").unwrap()["metadata"]["generation"].clone();
    assert_eq!(generation, 1);
    let image = |image: &str| json!({ "spec": { "paused": true, "template": { "spec": { "containers": [{ "name": "web", "image": image }] } } } });
    world.patch("apps", "Deployment", "shop", image("web:2"));
    world.pass(5);
    assert_eq!(
        (sizes(&world), world.condition("deployments.apps", "shop", "Progressing").as_str()),
        (vec![(2, 2)], "Unknown DeploymentPaused")
    );
    world.patch("apps", "Deployment", "shop", json!({ "spec": { "replicas": 3 } }));
    world.pass(5);
    assert_eq!(sizes(&world), [(3, 3)]);
    world.patch("apps", "Deployment", "shop", json!({ "spec": { "paused": false } }));
    world.pass(15);
    assert_eq!(sizes(&world), [(0, 0), (3, 3)]);
    let pod = world.list("pods")[0]["metadata"]["name"].as_str().unwrap().to_owned();
    world.patch("", "Pod", &pod, json!({ "metadata": { "annotations": { "sandbox.gantline.dev/crash": "true" } } }));
    world.pass(8);
    let live = world.get("pods", &pod).unwrap();
    assert_eq!(live["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(world.get("deployments.apps", "shop").unwrap()["status"]["availableReplicas"], 2);
}

#[test]
fn a_recreated_deployment_never_mixes_templates() {
    let mut world = World::new();
    let mut shop = deployment("shop", "web:1", 2);
    shop["spec"]["strategy"] = json!({ "type": "Recreate" });
    world.create(shop);
    world.pass(5);
    world.patch(
        "apps",
        "Deployment",
        "shop",
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": "web:2" }] } } } }),
    );
    for _ in 0..10 {
        let mut images: Vec<String> = world
            .list("pods")
            .iter()
            .map(|pod| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned())
            .collect();
        images.dedup();
        assert!(images.len() <= 1, "{images:?}");
        world.pass(1);
    }
    assert_eq!(sizes(&world), [(0, 0), (2, 2)]);
}

#[test]
fn old_sets_beyond_the_limit_go() {
    let mut world = World::new();
    let mut shop = deployment("shop", "web:1", 1);
    shop["spec"]["revisionHistoryLimit"] = json!(1);
    world.create(shop);
    for number in 0..4 {
        world.pass(8);
        let annotations = json!({ "round": number.to_string() });
        world.patch(
            "apps",
            "Deployment",
            "shop",
            json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } }),
        );
    }
    world.pass(10);
    assert_eq!(sizes(&world), [(0, 0), (1, 1)]);
}

#[test]
fn refused_creations_are_told_and_tried_again() {
    let mut world = World::new();
    let mut shop = deployment("shop", "web:1", 1);
    shop["spec"]["template"]["spec"]["serviceAccountName"] = json!("worker");
    world.create(shop);
    world.pass(5);
    assert_eq!(world.condition("deployments.apps", "shop", "ReplicaFailure"), "True FailedCreate");
    let events = world.events("shop-").join("\n");
    assert!(
        events.contains("Warning FailedCreate Error creating: pods \"shop-")
            && events.contains("serviceaccount \"worker\" not found"),
        "{events}"
    );
    world.create(json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "worker" } }));
    world.pass(30);
    assert_eq!(sizes(&world), [(1, 1)]);
    assert_eq!(world.condition("deployments.apps", "shop", "ReplicaFailure"), "");
}

#[test]
fn a_restart_changes_nothing_that_was_at_rest() {
    let mut world = World::new();
    world.create(deployment("shop", "web:1", 2));
    let broken = [(crate::registry::NOT_READY_LABEL.to_owned(), "true".to_owned())].into_iter().collect();
    world.registry.push_image("library/web", "bad", &broken);
    world.create(deployment("sick", "web:bad", 1));
    world.pass(10);
    let before: Vec<_> = world.list("pods");
    let revision = world.api.store.revision();
    world.restart();
    assert!(world.list("pods") == before && world.api.store.revision() == revision);
    assert_eq!(world.get("deployments.apps", "sick").unwrap()["status"]["unavailableReplicas"], 1);
}
