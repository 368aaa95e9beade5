//! What is printed, looked at as who reviews it before applying it does.

use clap::{Args as _, Command, FromArgMatches};
use serde_json::Value;

use super::Install;

fn install(flags: &[&str]) -> Vec<Value> {
    let matches = Install::augment_args(Command::new("install")).try_get_matches_from([&["install"], flags].concat());
    Install::from_arg_matches(&matches.unwrap()).unwrap().objects()
}

fn refused(flags: &[&str]) -> bool {
    Install::augment_args(Command::new("install")).try_get_matches_from([&["install"], flags].concat()).is_err()
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| text(object, "/kind") == kind).collect()
}

/// Every rule with where it holds: a namespace, or `*`.
fn rules(objects: &[Value]) -> Vec<(String, Value)> {
    let roles = objects.iter().filter(|object| text(object, "/kind").ends_with("Role"));
    let rules = roles.flat_map(|role| {
        let place = if text(role, "/kind") == "Role" { text(role, "/metadata/namespace") } else { "*" };
        role["rules"].as_array().unwrap().iter().map(move |rule| (place.to_owned(), rule.clone()))
    });
    rules.collect()
}

fn has(list: &Value, any: &[&str]) -> bool {
    list.as_array().unwrap().iter().any(|entry| any.contains(&entry.as_str().unwrap()))
}

/// The namespaces that the Secret of the own cluster names.
fn bounds(objects: &[Value]) -> &str {
    let is_cluster = |object: &&&Value| object.pointer("/metadata/labels/argocd.argoproj.io~1secret-type").is_some();
    text(of_kind(objects, "Secret").iter().find(is_cluster).unwrap(), "/stringData/namespaces")
}

const WRITES: [&str; 6] = ["create", "patch", "update", "delete", "deletecollection", "*"];

#[test]
fn by_default_there_are_no_rights_outside_of_what_is_named() {
    for flags in [&["--image", "i"][..], &["--image", "i", "--namespaced"]] {
        let objects = install(flags);
        assert!(of_kind(&objects, "ClusterRole").is_empty() && of_kind(&objects, "ClusterRoleBinding").is_empty());
        assert!(rules(&objects).iter().all(|(place, _)| place == "argocd"));
        assert_eq!(bounds(&objects), "argocd", "an empty list would mean the whole cluster");
    }
    let objects = install(&["--manage", "team-a,team-b", "--manage", "shop", "--into", "ops"]);
    let everything = rules(&objects).into_iter().filter(|(_, rule)| has(&rule["resources"], &["*"]));
    assert_eq!(everything.map(|(place, _)| place).collect::<Vec<_>>(), ["team-a", "team-b", "shop"]);
    assert_eq!(bounds(&objects), "team-a,team-b,shop");
    let bindings = of_kind(&objects, "RoleBinding");
    assert!(bindings.iter().all(|binding| text(binding, "/subjects/0/namespace") == "ops"));
    assert_eq!((bindings.len(), of_kind(&objects, "Role").len()), (4, 4));
}

#[test]
fn no_rule_but_that_of_all_rights_gives_more_than_a_sync_needs() {
    let flags = ["--manage", "team-a", "--application-namespaces", "team-b"];
    for flags in [&flags[..], &[&flags[..], &["--read-everything"]].concat()] {
        for (place, rule) in rules(&install(flags)) {
            assert!(!has(&rule["verbs"], &["*", "escalate", "bind", "impersonate"]), "{place}: {rule}");
            let anywhere = has(&rule["resources"], &["*"]) && has(&rule["verbs"], &WRITES);
            assert!(!anywhere || place == "team-a", "{place}: {rule}");
            let secrets = has(&rule["resources"], &["secrets"]) && has(&rule["verbs"], &["patch", "update", "delete"]);
            assert!(!secrets || rule.get("resourceNames").is_some(), "{place}: {rule}");
        }
    }
    let objects = install(&["--all-rights"]);
    let all = rules(&objects).into_iter().filter(|(place, rule)| place == "*" && has(&rule["verbs"], &["*"]));
    assert_eq!(all.count(), 1);
}

#[test]
fn who_reads_everything_writes_nowhere_by_that() {
    let objects = install(&["--read-everything", "--manage", "team-a"]);
    for (_, rule) in rules(&objects).iter().filter(|(place, _)| place == "*") {
        assert_eq!(rule["verbs"], serde_json::json!(["get", "list", "watch"]));
    }
    assert_eq!(bounds(&objects), "", "the whole cluster is watched");
}

#[test]
fn applications_elsewhere_have_their_rights_and_their_setting() {
    let objects = install(&["--application-namespaces", "team-a,team-b"]);
    let there: Vec<_> = rules(&objects).into_iter().filter(|(place, _)| place == "team-b").collect();
    assert!(there.iter().any(|(_, rule)| has(&rule["resources"], &["applications"])));
    assert!(!there.iter().any(|(_, rule)| has(&rule["resources"], &["*", "secrets", "configmaps"])));
    let parameters = objects.iter().find(|object| text(object, "/metadata/name") == "argocd-cmd-params-cm").unwrap();
    assert_eq!(text(parameters, "/data/application.namespaces"), "team-a,team-b");
}

#[test]
fn patterns_and_contradictions_are_refused() {
    for flags in [
        &["--manage", "team-*"][..],
        &["--manage", ""],
        &["--manage", "-a"],
        &["--application-namespaces", "/x/"],
        &["--into", "A"],
        &["--namespaced", "--all-rights"],
        &["--read-everything", "--all-rights"],
        &["--all-rights", "--manage", "a"],
    ] {
        assert!(refused(flags), "{flags:?}");
    }
}

#[test]
fn the_pod_may_do_nothing_that_it_does_not_need() {
    for more in [&[][..], &["--read-everything"], &["--all-rights"], &["--manage", "a"]] {
        let objects = install(&[&["--image", "registry.example/gantline:1"], more].concat());
        let deployment = of_kind(&objects, "Deployment")[0];
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let security = &container["securityContext"];
        for (place, expected) in [
            (&pod["securityContext"]["runAsNonRoot"], Value::from(true)),
            (&pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault".into()),
            (&security["allowPrivilegeEscalation"], false.into()),
            (&security["readOnlyRootFilesystem"], true.into()),
            (&security["runAsNonRoot"], true.into()),
            (&security["privileged"], false.into()),
            (&security["capabilities"], serde_json::json!({ "drop": ["ALL"] })),
            (&security["seccompProfile"]["type"], "RuntimeDefault".into()),
        ] {
            assert_eq!(*place, expected, "{security}");
        }
        for shared in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
            assert!(pod.get(shared).is_none());
        }
        assert!(container["resources"]["limits"]["memory"].is_string());
        assert!(
            container["resources"]["requests"]["memory"].is_string()
                && container["resources"]["requests"]["cpu"].is_string()
        );
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            assert_eq!(text(container, &format!("/{probe}/httpGet/path")), "/healthz");
        }
        let volumes = pod["volumes"].as_array().unwrap();
        assert!(volumes.iter().all(|volume| volume["emptyDir"].is_object()), "nothing of the node is mounted");
        let cache = container["args"].as_array().unwrap().iter().skip_while(|word| *word != "--cache").nth(1).unwrap();
        assert!(container["volumeMounts"].as_array().unwrap().iter().any(|mount| mount["mountPath"] == *cache));
        assert_eq!(pod["automountServiceAccountToken"], true);
        assert_eq!(of_kind(&objects, "ServiceAccount")[0]["automountServiceAccountToken"], false);
    }
}

#[test]
fn what_stands_around_the_pod_means_it() {
    let objects = install(&["--image", "i", "--replicas", "3"]);
    let pods = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["metadata"]["labels"];
    let port = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"];
    assert_eq!(&of_kind(&objects, "Service")[0]["spec"]["selector"], pods);
    let disruption = &of_kind(&objects, "PodDisruptionBudget")[0]["spec"];
    assert_eq!((&disruption["selector"]["matchLabels"], &disruption["maxUnavailable"]), (pods, &1.into()));
    let network = &of_kind(&objects, "NetworkPolicy")[0]["spec"];
    assert_eq!((&network["podSelector"]["matchLabels"], &network["ingress"][0]["ports"][0]["port"]), (pods, port));
}

#[test]
fn without_an_image_nothing_runs_and_the_kinds_come_alone_where_that_is_asked() {
    let objects = install(&[]);
    assert!(of_kind(&objects, "Deployment").is_empty() && of_kind(&objects, "Service").is_empty());
    let objects = install(&["--crds-only", "--image", "i"]);
    assert_eq!(of_kind(&objects, "CustomResourceDefinition").len(), objects.len());
}
