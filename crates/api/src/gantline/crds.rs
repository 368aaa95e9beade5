//! The custom resource definitions of Gantline's kinds.

use serde_json::{Value, json};

use super::gates;

fn text() -> Value {
    json!({"type": "string"})
}

fn moment() -> Value {
    json!({"type": "string", "format": "date-time", "nullable": true})
}

fn object(properties: Value, required: &[&str]) -> Value {
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn words(values: &[&str]) -> Value {
    json!({"type": "string", "enum": values})
}

/// What the schema does not spell out is kept: an older server must not drop what a newer controller wrote.
pub(super) fn open(mut schema: Value) -> Value {
    schema["x-kubernetes-preserve-unknown-fields"] = json!(true);
    schema
}

/// Empty where there is none.
fn digest() -> Value {
    json!({"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"})
}

fn pin() -> Value {
    open(object(json!({"digest": digest(), "by": text(), "reason": text(), "at": moment(), "seal": text()}), &["by"]))
}

fn environment_status() -> Value {
    let mut pinned = pin();
    pinned["nullable"] = json!(true);
    open(object(
        json!({"name": text(), "application": text(), "release": text(), "tag": text(), "digest": digest(),
            "commit": text(), "since": moment(), "notPromoted": text(), "sync": text(), "health": text(),
            "pinned": pinned, "waiting": list(text())}),
        &["name"],
    ))
}

fn definition(
    kind: &str,
    plural: &str,
    short: &[&str],
    spec: Value,
    status: Value,
    columns: &[(&str, &str, &str)],
) -> Value {
    let columns: Vec<Value> = columns.iter().map(|(n, t, p)| json!({"name": n, "type": t, "jsonPath": p})).collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.gantline.dev"), "labels": {"app.kubernetes.io/part-of": "gantline"}},
        "spec": {
            "group": "gantline.dev",
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase(),
                "shortNames": short, "categories": ["gantline"]},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                "additionalPrinterColumns": columns,
                "schema": {"openAPIV3Schema": object(json!({
                    "apiVersion": text(), "kind": text(), "metadata": {"type": "object"}, "spec": spec, "status": status,
                }), &["spec"])},
            }],
        },
    })
}

/// All three, in the order in which they are applied.
pub fn crds() -> Vec<Value> {
    vec![pipeline_crd(), release_crd(), promotion_crd()]
}

pub fn pipeline_crd() -> Value {
    // unknown fields of the spec are kept, so that the controller can name them with what was meant
    let spec = open(object(
        json!({
            "images": list(open(object(json!({"name": text(), "tags": text()}), &["name"]))),
            "environments": list(open(object(
                json!({"name": text(), "application": text(), "purpose": text(), "auto": {"type": "boolean"},
                    "merge": {"type": "boolean"},
                    "gates": list(gates::schema())}),
                &["name"],
            ))),
            "pins": {"type": "object", "additionalProperties": pin()},
        }),
        &["images", "environments"],
    ));
    let status = open(object(
        json!({
            "environments": list(environment_status()),
            "runs": text(),
            "conditions": list(open(object(json!({"type": text(), "message": text()}), &[]))),
        }),
        &[],
    ));
    let columns = [
        ("Runs", "string", ".status.runs"),
        ("Problem", "string", ".status.conditions[0].message"),
        ("Age", "date", ".metadata.creationTimestamp"),
    ];
    definition("Pipeline", "pipelines", &["pl"], spec, status, &columns)
}

pub fn release_crd() -> Value {
    let sha256 = || json!({"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"});
    let image = object(
        json!({"name": text(), "tag": text(), "digest": sha256(), "parts": list(sha256())}),
        &["name", "digest"],
    );
    let mut spec = object(
        json!({
            "pipeline": text(),
            "images": list(image),
            "source": open(object(json!({"repository": text(), "commit": text(), "author": text(), "email": text(), "time": moment(), "environment": text()}), &[])),
        }),
        &["pipeline", "images"],
    );
    spec["x-kubernetes-validations"] =
        json!([{"rule": "self == oldSelf", "message": "a Release never changes: what was tested is what runs"}]);
    let environment = open(object(
        json!({"name": text(), "since": moment(), "healthySince": moment(), "deployedAt": moment(),
            "watchedSince": moment(), "knownSince": moment(),
            "phase": words(&["Deploying", "Converged", "Soaking", "Verified", "Failed", "Replaced"])}),
        &["name"],
    ));
    let status = open(object(
        json!({"environments": list(environment), "quarantine": open(object(json!({"by": text(), "reason": text(), "at": moment(), "release": text()}), &[]))}),
        &[],
    ));
    let columns = [
        ("Pipeline", "string", ".spec.pipeline"),
        ("Tag", "string", ".spec.images[0].tag"),
        // entries come in the order of the way: the last one says how far it is
        ("Environment", "string", ".status.environments[-1:].name"),
        ("Phase", "string", ".status.environments[-1:].phase"),
        ("Quarantine", "string", ".status.quarantine.reason"),
        ("Age", "date", ".metadata.creationTimestamp"),
    ];
    definition("Release", "releases", &["rel"], spec, status, &columns)
}

pub fn promotion_crd() -> Value {
    let spec = open(object(
        json!({"pipeline": text(), "environment": text(), "release": text(), "digest": text(), "tag": text(), "from": text(),
            "requestedBy": text(), "reason": text(), "replaces": text(), "rollback": {"type": "boolean"}}),
        &["pipeline", "environment", "release"],
    ));
    let phases = ["Waiting", "Writing", "Written", "Converging", "Succeeded", "Failed", "Rejected", "Superseded"];
    let status = open(object(
        json!({
            "phase": words(&phases), "message": text(), "commit": text(), "retryAt": moment(), "endedAt": moment(),
            "gates": list(open(object(json!({"name": text(), "state": words(&["Passed", "Waiting", "Failed"]), "since": moment(), "earliest": moment(), "until": moment()}), &[]))),
            "approvals": list(open(object(json!({"user": text(), "at": moment()}), &[]))),
            "asked": list(open(object(json!({"by": text(), "reason": text(), "at": moment()}), &[]))),
            "steps": list(open(object(json!({"step": text(), "at": moment()}), &[]))),
        }),
        &[],
    ));
    let columns = [
        ("Pipeline", "string", ".spec.pipeline"),
        ("Environment", "string", ".spec.environment"),
        ("Tag", "string", ".spec.tag"),
        ("Phase", "string", ".status.phase"),
        ("Age", "date", ".metadata.creationTimestamp"),
    ];
    definition("Promotion", "promotions", &["promo"], spec, status, &columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a real API server told, which checks rules only where all else fits, and names of `oneOf` the first alone.
    #[test]
    fn what_is_no_gate_is_told_by_the_rule_that_names_all() {
        let spec = &pipeline_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let gate = &spec["properties"]["environments"]["items"]["properties"]["gates"]["items"];
        assert!(["oneOf", "anyOf", "required"].iter().all(|field| gate.get(field).is_none()), "{gate}");
        let rule = &gate["x-kubernetes-validations"][0];
        assert_eq!(rule["message"], "a gate is one of healthy, approval, window; each is an entry of its own");
        assert_eq!(rule["rule"], "has(self.healthy) || has(self.approval) || has(self.window)");
    }

    /// What a reader refuses the server refuses first: who wrote it is told at once.
    #[test]
    fn pins_and_statuses_are_spelled_out() {
        let properties = &pipeline_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        let pin = &properties["spec"]["properties"]["pins"]["additionalProperties"];
        let environment = &properties["status"]["properties"]["environments"]["items"];
        for (schema, digest) in [(pin, "digest"), (environment, "digest")] {
            assert_eq!(schema["properties"][digest]["pattern"], "^(sha256:[0-9a-f]{64})?$");
        }
        assert_eq!((&pin["properties"]["at"]["format"], &pin["required"]), (&json!("date-time"), &json!(["by"])));
        let written = json!(super::super::EnvironmentStatus {
            digest: format!("sha256:{}", "d".repeat(64)).parse().ok(),
            since: Some(jiff::Timestamp::UNIX_EPOCH),
            pinned: Some(super::super::Pin::default()),
            waiting: vec!["x".into()],
            sync: Some(Default::default()),
            health: Some(Default::default()),
            release: "r".into(),
            tag: "t".into(),
            commit: "c".into(),
            not_promoted: "n".into(),
            ..Default::default()
        });
        for field in written.as_object().unwrap().keys() {
            assert!(environment["properties"].get(field).is_some(), "{field} is not spelled out");
        }
        for field in written["pinned"].as_object().unwrap().keys() {
            assert!(pin["properties"].get(field).is_some(), "{field} is not spelled out");
        }
    }
}
