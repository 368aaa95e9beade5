use serde_json::json;

use super::*;

fn deployment(spec: Value) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop" }, "spec": spec })
}

fn pod(containers: Value, volumes: Value) -> Value {
    deployment(json!({ "template": { "spec": { "containers": containers, "volumes": volumes } } }))
}

/// What `wanted` makes of `live`, which `last` made of nothing and others changed since.
fn applied(last: &Value, wanted: &Value, live: &Value) -> Value {
    let last = with_last_applied(&Manifest::new(last.clone()).unwrap());
    let mut live = live.clone();
    live["metadata"]["annotations"] = json!({ LAST_APPLIED: last.value()["metadata"]["annotations"][LAST_APPLIED] });
    let wanted = with_last_applied(&Manifest::new(wanted.clone()).unwrap());
    let mut merged = client_side(&wanted, &LiveObject::new(live).unwrap());
    merged["metadata"].as_object_mut().unwrap().remove("annotations");
    merged
}

#[test]
fn what_was_applied_last_goes_and_what_others_set_stays() {
    let last = deployment(json!({ "replicas": 1, "paused": true, "minReadySeconds": 3 }));
    let wanted = deployment(json!({ "replicas": 2, "minReadySeconds": null, "template": { "x": null } }));
    let live = deployment(json!({ "replicas": 1, "paused": true, "minReadySeconds": 3, "revisionHistoryLimit": 10 }));
    let merged = applied(&last, &wanted, &live);
    assert_eq!(merged["spec"], json!({ "replicas": 2, "revisionHistoryLimit": 10, "template": {} }));
}

#[test]
fn elements_of_lists_are_told_apart_by_their_keys() {
    let container = |name: &str, image: &str| json!({ "name": name, "image": image });
    let last = pod(json!([container("web", "a"), container("old", "a")]), json!([]));
    let wanted = pod(json!([container("new", "b"), container("web", "b")]), json!([]));
    let live = pod(
        json!([{ "name": "proxy", "image": "p" }, { "name": "web", "image": "a", "imagePullPolicy": "Always" }, container("old", "a")]),
        json!([]),
    );
    let merged = applied(&last, &wanted, &live);
    let expected = json!([
        container("new", "b"),
        { "name": "proxy", "image": "p" },
        { "name": "web", "image": "b", "imagePullPolicy": "Always" },
    ]);
    assert_eq!(merged["spec"]["template"]["spec"]["containers"], expected, "what was injected stays, in its place");
}

#[test]
fn the_other_half_of_a_choice_goes() {
    let rolling = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1 } });
    let wanted = deployment(json!({ "strategy": { "type": "Recreate" } }));
    let merged = applied(&deployment(json!({})), &wanted, &deployment(json!({ "strategy": rolling })));
    assert_eq!(merged["spec"]["strategy"], json!({ "type": "Recreate" }));
    let volume = |source: &str| json!({ "name": "data", source: {} });
    let live = pod(json!([]), json!([volume("emptyDir"), { "name": "theirs", "emptyDir": {} }]));
    let merged =
        applied(&pod(json!([]), json!([volume("emptyDir")])), &pod(json!([]), json!([volume("hostPath")])), &live);
    let expected = json!([volume("hostPath"), { "name": "theirs", "emptyDir": {} }]);
    assert_eq!(merged["spec"]["template"]["spec"]["volumes"], expected);
}

#[test]
fn lists_of_custom_resources_and_plain_ones_are_replaced() {
    let custom = |list: Value| json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "w" }, "spec": { "containers": list } });
    let (a, b) = (json!([{ "name": "a" }]), json!([{ "name": "b" }]));
    assert_eq!(applied(&custom(a.clone()), &custom(b.clone()), &custom(a))["spec"]["containers"], b);
    let finalizers =
        |all: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c", "finalizers": all } });
    let merged = applied(
        &finalizers(json!(["x/old"])),
        &finalizers(json!(["x/own"])),
        &finalizers(json!(["x/theirs", "x/old"])),
    );
    assert_eq!(merged["metadata"]["finalizers"], json!(["x/own", "x/theirs"]));
}

#[test]
fn what_is_kept_of_it_is_the_text_that_kubectl_writes() {
    let object = Manifest::new(json!({ "kind": "ConfigMap", "apiVersion": "v1",
        "metadata": { "namespace": "shop", "name": "c" }, "data": { "b": "<&>", "a": "1" } }));
    let sent = with_last_applied(&object.unwrap());
    let text = "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"1\",\"b\":\"\\u003c\\u0026\\u003e\"},\"kind\":\"ConfigMap\",\
                \"metadata\":{\"annotations\":{},\"name\":\"c\",\"namespace\":\"shop\"}}\n";
    assert_eq!(sent.value()["metadata"]["annotations"][LAST_APPLIED], text);
    let again = with_last_applied(&sent);
    assert_eq!(again.value(), sent.value());
}

#[test]
fn what_is_as_it_should_be_needs_no_patch() {
    let wanted = pod(json!([{ "name": "web", "image": "a", "ports": [{ "containerPort": 80 }] }]), json!([]));
    let sent = with_last_applied(&Manifest::new(wanted.clone()).unwrap());
    let mut live = sent.value().clone();
    live["spec"]["replicas"] = json!(1);
    live["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = json!("TCP");
    live["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    let live = LiveObject::new(live).unwrap();
    assert_eq!(merge_patch(live.value(), &client_side(&sent, &live)), None);
    let plain = Manifest::new(wanted).unwrap();
    assert_eq!(merge_patch(live.value(), &client_side(&plain, &live)), None, "and what others annotate stays");
}
