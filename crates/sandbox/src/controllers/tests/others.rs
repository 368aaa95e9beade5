use super::{World, deployment};

use serde_json::{Value, json};

fn job(spec: Value, annotations: Value) -> Value {
    let mut spec = spec;
    spec["template"] = json!({
        "metadata": { "annotations": annotations },
        "spec": { "restartPolicy": "Never", "containers": [{ "name": "task", "image": "web:1" }] },
    });
    json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "task" }, "spec": spec })
}

fn conditions(world: &World, storage: &str, name: &str) -> Vec<String> {
    let object = world.get(storage, name).unwrap();
    let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|c| {
            format!(
                "{} {} {}",
                c["type"].as_str().unwrap(),
                c["status"].as_str().unwrap(),
                c["reason"].as_str().unwrap_or_default()
            )
        })
        .collect()
}

#[test]
fn jobs_end_as_their_pods_do() {
    let check = |spec: Value, annotations: Value, seconds: i64, expected: [&str; 2], counts: (i64, i64)| {
        let mut world = World::new();
        world.create(job(spec, annotations));
        world.pass(seconds);
        assert_eq!(conditions(&world, "jobs.batch", "task"), expected);
        let status = world.get("jobs.batch", "task").unwrap()["status"].clone();
        let number = |field: &str| status[field].as_i64().unwrap_or(0);
        assert_eq!((number("succeeded"), number("failed"), number("active")), (counts.0, counts.1, 0), "{status:#}");
        assert!(
            world.list("pods").iter().all(|pod| pod["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty))
        );
    };
    let done = ["SuccessCriteriaMet True CompletionsReached", "Complete True CompletionsReached"];
    check(json!({}), json!({}), 5, done, (1, 0));
    check(json!({ "completions": 4, "parallelism": 2 }), json!({}), 12, done, (4, 0));
    check(json!({ "completions": 3, "completionMode": "Indexed" }), json!({}), 12, done, (3, 0));
    let failed = ["FailureTarget True BackoffLimitExceeded", "Failed True BackoffLimitExceeded"];
    check(json!({ "backoffLimit": 2 }), json!({ "sandbox.gantline.dev/job-fails": "true" }), 60, failed, (0, 3));
    let late = ["FailureTarget True DeadlineExceeded", "Failed True DeadlineExceeded"];
    check(json!({ "activeDeadlineSeconds": 5 }), json!({ "sandbox.gantline.dev/duration": "1h" }), 12, late, (0, 0));
}

#[test]
fn a_failed_job_waits_longer_before_each_try() {
    let mut world = World::new();
    world.create(job(json!({ "backoffLimit": 3 }), json!({ "sandbox.gantline.dev/job-fails": "true" })));
    let mut tries = Vec::new();
    for second in 0..120 {
        let count = world.list("pods").len();
        if tries.len() < count {
            tries.push(second);
        }
        world.pass(1);
    }
    // each lives three seconds; then 10, 20, 40
    assert_eq!(tries, [0, 13, 36, 79]);
}

#[test]
fn a_finished_job_goes_after_its_time_and_takes_its_pods_along() {
    let mut world = World::new();
    world.create(job(json!({ "ttlSecondsAfterFinished": 20 }), json!({})));
    world.pass(15);
    assert!(world.get("jobs.batch", "task").is_some());
    world.pass(15);
    assert!(world.get("jobs.batch", "task").is_none() && world.list("pods").is_empty());
}

#[test]
fn stateful_pods_come_and_change_in_order() {
    let mut world = World::new();
    world.create(json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db" },
        "spec": {
            "replicas": 3, "serviceName": "db", "selector": { "matchLabels": { "app": "db" } },
            "template": { "metadata": { "labels": { "app": "db" } }, "spec": { "containers": [{ "name": "db", "image": "web:1" }] } },
            "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }],
        },
    }));
    let names = |world: &World| {
        world.list("pods").iter().map(|p| p["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&world), ["db-0"]);
    world.pass(10);
    assert_eq!(names(&world), ["db-0", "db-1", "db-2"]);
    let claims = world.list("persistentvolumeclaims");
    assert!(claims.len() == 3 && claims.iter().all(|claim| claim["status"]["phase"] == "Bound"));
    let before = world.get("statefulsets.apps", "db").unwrap();
    assert_eq!(
        (&before["status"]["readyReplicas"], &before["status"]["currentRevision"]),
        (&json!(3), &before["status"]["updateRevision"])
    );
    world.patch(
        "apps",
        "StatefulSet",
        "db",
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "db", "image": "web:2" }] } } } }),
    );
    assert!(world.get("pods", "db-2").unwrap()["metadata"]["deletionTimestamp"].is_string());
    assert!(world.get("pods", "db-1").unwrap()["metadata"]["deletionTimestamp"].is_null());
    world.pass(20);
    let after = world.get("statefulsets.apps", "db").unwrap();
    assert_ne!(after["status"]["currentRevision"], before["status"]["currentRevision"]);
    assert_eq!(
        (&after["status"]["currentRevision"], &after["status"]["updatedReplicas"]),
        (&after["status"]["updateRevision"], &json!(3)),
        "{:#}",
        after["status"]
    );
    assert!(world.list("pods").iter().all(|pod| pod["spec"]["containers"][0]["image"] == "web:2"));
    world.patch("apps", "StatefulSet", "db", json!({ "spec": { "replicas": 1 } }));
    world.pass(10);
    assert_eq!((names(&world), world.list("persistentvolumeclaims").len()), (vec!["db-0".to_owned()], 3));
}

#[test]
fn every_node_gets_its_daemon() {
    let mut world = World::new();
    world.create(json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "agent" },
        "spec": {
            "selector": { "matchLabels": { "app": "agent" } },
            "template": { "metadata": { "labels": { "app": "agent" } }, "spec": { "containers": [{ "name": "agent", "image": "web:1" }] } },
        },
    }));
    world.pass(5);
    let nodes = |world: &World| {
        let mut nodes: Vec<String> =
            world.list("pods").iter().map(|p| p["spec"]["nodeName"].as_str().unwrap().to_owned()).collect();
        nodes.sort();
        nodes
    };
    assert_eq!(nodes(&world), ["sandbox-1", "sandbox-2", "sandbox-3"]);
    world.patch(
        "apps",
        "DaemonSet",
        "agent",
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "agent", "image": "web:2" }] } } } }),
    );
    world.pass(20);
    assert_eq!(nodes(&world), ["sandbox-1", "sandbox-2", "sandbox-3"]);
    let status = world.get("daemonsets.apps", "agent").unwrap()["status"].clone();
    assert_eq!((&status["updatedNumberScheduled"], &status["numberAvailable"]), (&json!(3), &json!(3)), "{status:#}");
    world.patch("", "Node", "sandbox-2", json!({ "spec": { "taints": [{ "key": "gone", "effect": "NoSchedule" }] } }));
    world.pass(5);
    assert_eq!(nodes(&world), ["sandbox-1", "sandbox-3"]);
}

#[test]
fn cron_jobs_start_jobs_and_keep_a_few() {
    let mut world = World::new();
    let template = json!({ "spec": job(json!({}), json!({}))["spec"] });
    world.create(json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "tidy" }, "spec": { "schedule": "*/5 * * * *", "jobTemplate": template } }));
    world.pass(290);
    assert_eq!(world.list("jobs.batch").len(), 0);
    world.pass(20);
    assert_eq!(world.list("jobs.batch").len(), 1);
    world.pass(1800);
    assert_eq!(world.list("jobs.batch").len(), 3);
    assert_eq!(world.get("cronjobs.batch", "tidy").unwrap()["status"]["lastScheduleTime"], "2026-01-01T00:35:00Z");
}

#[test]
fn crashes_wait_longer_each_time() {
    let mut world = World::new();
    let mut crashing = deployment("shop", "web:1", 1);
    crashing["spec"]["template"]["metadata"]["annotations"] = json!({ "sandbox.gantline.dev/crash": "true" });
    world.create(crashing);
    let mut restarts: Vec<(i64, i64)> = Vec::new();
    for second in 0..170 {
        let count = world.list("pods")[0]["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or(0);
        if restarts.last().map_or(0, |(_, last)| *last) != count {
            restarts.push((second, count));
        }
        world.pass(1);
    }
    // each life lasts a second; the waits are 1, 10, 20, 40 and 80
    assert_eq!(restarts, [(3, 1), (14, 2), (35, 3), (76, 4), (157, 5)]);
    let container = world.list("pods")[0]["status"]["containerStatuses"][0].clone();
    assert_eq!(container["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert!(
        container["state"]["waiting"]["message"]
            .as_str()
            .unwrap()
            .starts_with("back-off 2m40s restarting failed container=web pod=shop-")
    );
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 1);
    assert!(
        world
            .events("shop-")
            .join("\n")
            .contains("Warning BackOff Back-off restarting failed container web in pod shop-")
    );
}

/// No probe finds it ready between two crashes, so its Deployment exceeds the deadline once, and is not Progressing again.
#[test]
fn what_crashes_at_once_never_passes_its_probe() {
    let mut world = World::new();
    let mut crashing = deployment("shop", "web:1", 1);
    crashing["spec"]["template"]["metadata"]["annotations"] = json!({ "sandbox.gantline.dev/crash": "true" });
    crashing["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = json!({ "httpGet": { "port": 80 } });
    world.create(crashing);
    for second in 0..1500 {
        world.pass(1);
        let status = world.get("deployments.apps", "shop").unwrap()["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let exceeded = conditions.iter().any(|it| it["reason"] == "ProgressDeadlineExceeded");
        assert!(status["availableReplicas"].is_null(), "{second}: {status}");
        // the deadline is ten minutes
        assert!(exceeded || second < 605, "{second}: {status}");
    }
}

#[test]
fn missing_configuration_holds_a_pod_until_it_comes() {
    let mut world = World::new();
    let mut wanting = deployment("shop", "web:1", 1);
    wanting["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{ "configMapRef": { "name": "settings" } }]);
    world.create(wanting);
    world.pass(5);
    let waiting = |world: &World| world.list("pods")[0]["status"]["containerStatuses"][0]["state"]["waiting"].clone();
    assert_eq!(
        waiting(&world),
        json!({ "reason": "CreateContainerConfigError", "message": "configmap \"settings\" not found" })
    );
    world.create(
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" }, "data": { "A": "1" } }),
    );
    world.pass(2);
    assert_eq!(waiting(&world), Value::Null);
    assert_eq!(world.condition("deployments.apps", "shop", "Available"), "True MinimumReplicasAvailable");
}

#[test]
fn services_follow_ready_pods_and_budgets_count_them() {
    let mut world = World::new();
    world.create(deployment("shop", "web:1", 2));
    world.create(json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "shop" }, "spec": { "selector": { "app": "shop" }, "ports": [{ "port": 80, "targetPort": 8080 }] } }));
    world.create(json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "shop" }, "spec": { "maxUnavailable": 1, "selector": { "matchLabels": { "app": "shop" } } } }));
    world.pass(5);
    let slice = world
        .list("endpointslices.discovery.k8s.io")
        .into_iter()
        .find(|s| s["metadata"]["generateName"] == "shop-")
        .unwrap();
    let ready = |slice: &Value| {
        slice["endpoints"].as_array().unwrap().iter().filter(|e| e["conditions"]["ready"] == true).count()
    };
    assert_eq!((ready(&slice), &slice["ports"][0]["port"]), (2, &json!(8080)));
    assert_eq!(world.get("endpoints", "shop").unwrap()["subsets"][0]["addresses"].as_array().unwrap().len(), 2);
    let budget = world.get("poddisruptionbudgets.policy", "shop").unwrap()["status"].clone();
    assert_eq!(
        (&budget["expectedPods"], &budget["currentHealthy"], &budget["disruptionsAllowed"]),
        (&json!(2), &json!(2), &json!(1))
    );
    let pod = world.list("pods")[0]["metadata"]["name"].as_str().unwrap().to_owned();
    world.patch(
        "",
        "Pod",
        &pod,
        json!({ "metadata": { "annotations": { "sandbox.gantline.dev/not-ready": "true" } } }),
    );
    world.pass(1);
    assert_eq!(world.get("deployments.apps", "shop").unwrap()["status"]["availableReplicas"], 1);
    assert_eq!(world.get("poddisruptionbudgets.policy", "shop").unwrap()["status"]["disruptionsAllowed"], 0);
    world.delete("", "Service", "shop", "Background");
    world.pass(1);
    assert!(world.get("endpoints", "shop").is_none());
    assert!(!world.list("endpointslices.discovery.k8s.io").iter().any(|s| s["metadata"]["generateName"] == "shop-"));
}

#[test]
fn autoscalers_find_what_they_scale_and_leave_it() {
    let mut world = World::new();
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "shop" });
    let spec = json!({ "scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5 });
    world.create(json!({ "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "shop" }, "spec": spec }));
    world.pass(1);
    let all = |world: &World| conditions(world, "horizontalpodautoscalers.autoscaling", "shop");
    assert_eq!(all(&world), ["AbleToScale False FailedGetScale"]);
    world.create(deployment("shop", "web:1", 2));
    world.pass(5);
    assert_eq!(all(&world), ["AbleToScale True ReadyForNewScale", "ScalingLimited False DesiredWithinRange"]);
    let autoscaler = world.get("horizontalpodautoscalers.autoscaling", "shop").unwrap();
    assert_eq!(autoscaler["status"]["currentReplicas"], 2);
    assert_eq!(world.get("deployments.apps", "shop").unwrap()["spec"]["replicas"], 2);
}

#[test]
fn ingresses_get_an_address() {
    let mut world = World::new();
    let backend = json!({ "service": { "name": "shop", "port": { "number": 80 } } });
    world.create(json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "shop" }, "spec": { "defaultBackend": backend } }));
    world.pass(1);
    let ingress = world.get("ingresses.networking.k8s.io", "shop").unwrap();
    assert_eq!(ingress["status"]["loadBalancer"]["ingress"][0]["ip"], "192.0.2.80");
}

#[test]
fn quotas_say_what_is_used() {
    let mut world = World::new();
    let hard = json!({ "pods": "5", "requests.cpu": "2", "count/deployments.apps": "3" });
    world.create(
        json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "q" }, "spec": { "hard": hard } }),
    );
    let used = |world: &World| world.get("resourcequotas", "q").unwrap()["status"]["used"].clone();
    assert_eq!(used(&world), json!({ "pods": "0", "requests.cpu": "0", "count/deployments.apps": "0" }));
    let mut shop = deployment("shop", "web:1", 2);
    shop["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": "600m" } });
    world.create(shop);
    world.pass(5);
    assert_eq!(used(&world), json!({ "pods": "2", "requests.cpu": "1200m", "count/deployments.apps": "1" }));
    world.delete("apps", "Deployment", "shop", "Background");
    world.pass(5);
    assert_eq!(used(&world), json!({ "pods": "0", "requests.cpu": "0", "count/deployments.apps": "0" }));
}
