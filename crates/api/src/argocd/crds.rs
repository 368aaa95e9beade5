//! The CRD manifests of Application and AppProject.

use serde_json::{Value, json};

fn text() -> Value {
    json!({"type": "string"})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn integer() -> Value {
    json!({"type": "integer", "format": "int64"})
}

fn moment() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn map(values: Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}

/// A mapping whose other fields are kept, because newer programs may write them.
fn open(properties: Value, required: &[&str]) -> Value {
    let mut schema = json!({"type": "object", "properties": properties, "x-kubernetes-preserve-unknown-fields": true});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn source() -> Value {
    open(
        json!({
            "repoURL": text(), "path": text(), "targetRevision": text(), "chart": text(), "ref": text(), "name": text(),
            "helm": open(json!({
                "releaseName": text(), "values": text(), "valuesObject": open(json!({}), &[]), "valueFiles": list(text()),
                "parameters": list(open(json!({"name": text(), "value": text(), "forceString": flag()}), &[])),
                "fileParameters": list(open(json!({"name": text(), "path": text()}), &[])),
                "version": text(), "namespace": text(), "kubeVersion": text(), "apiVersions": list(text()),
                "passCredentials": flag(), "ignoreMissingValueFiles": flag(), "skipCrds": flag(), "skipTests": flag(),
                "skipSchemaValidation": flag(),
            }), &[]),
            "kustomize": open(json!({
                "namePrefix": text(), "nameSuffix": text(), "namespace": text(), "version": text(), "kubeVersion": text(),
                "images": list(text()), "components": list(text()), "apiVersions": list(text()),
                "commonLabels": map(text()), "commonAnnotations": map(text()),
                "replicas": list(open(json!({
                    "name": text(), "count": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true},
                }), &["name", "count"])),
                "patches": list(open(json!({"path": text(), "patch": text(), "options": map(flag())}), &[])),
            }), &[]),
            "directory": open(json!({"recurse": flag(), "include": text(), "exclude": text()}), &[]),
            "plugin": open(json!({"name": text()}), &[]),
        }),
        &["repoURL"],
    )
}

fn destination() -> Value {
    open(json!({"server": text(), "name": text(), "namespace": text()}), &[])
}

fn retry() -> Value {
    open(
        json!({
            "limit": integer(), "refresh": flag(),
            "backoff": open(json!({"duration": text(), "factor": integer(), "maxDuration": text()}), &[]),
        }),
        &[],
    )
}

fn info() -> Value {
    list(open(json!({"name": text(), "value": text()}), &["name", "value"]))
}

fn operation() -> Value {
    let strategy = || open(json!({"force": flag()}), &[]);
    open(
        json!({
            "initiatedBy": open(json!({"username": text(), "automated": flag()}), &[]),
            "info": info(), "retry": retry(),
            "sync": open(json!({
                "revision": text(), "revisions": list(text()), "prune": flag(), "dryRun": flag(), "source": source(),
                "sources": list(source()), "manifests": list(text()), "syncOptions": list(text()),
                "autoHealAttemptsCount": integer(),
                "syncStrategy": open(json!({"apply": strategy(), "hook": strategy()}), &[]),
                "resources": list(open(json!({
                    "group": text(), "kind": text(), "name": text(), "namespace": text(), "exclude": flag(),
                }), &["kind", "name"])),
            }), &[]),
        }),
        &[],
    )
}

fn application_spec() -> Value {
    open(
        json!({
            "project": text(), "source": source(), "sources": list(source()), "destination": destination(),
            "revisionHistoryLimit": integer(), "info": info(),
            "syncPolicy": open(json!({
                "automated": open(json!({
                    "prune": flag(), "selfHeal": flag(), "allowEmpty": flag(), "enabled": flag(),
                }), &[]),
                "syncOptions": list(text()), "retry": retry(),
                "managedNamespaceMetadata": open(json!({"labels": map(text()), "annotations": map(text())}), &[]),
            }), &[]),
            "ignoreDifferences": list(open(json!({
                "group": text(), "kind": text(), "name": text(), "namespace": text(), "jsonPointers": list(text()),
                "jqPathExpressions": list(text()), "managedFieldsManagers": list(text()),
            }), &["kind"])),
        }),
        &["destination", "project"],
    )
}

fn health() -> Value {
    open(json!({"status": text(), "message": text(), "lastTransitionTime": moment()}), &[])
}

fn application_status() -> Value {
    open(
        json!({
            "resources": list(open(json!({
                "group": text(), "version": text(), "kind": text(), "namespace": text(), "name": text(), "status": text(),
                "health": health(), "hook": flag(), "requiresPruning": flag(), "syncWave": integer(),
                "requiresDeletionConfirmation": flag(),
            }), &[])),
            "sync": open(json!({
                "status": text(), "revision": text(), "revisions": list(text()), "comparedTo": anything_object(),
            }), &["status"]),
            "health": health(),
            "history": list(open(json!({
                "id": integer(), "revision": text(), "deployedAt": moment(), "deployStartedAt": moment(),
            }), &["id", "deployedAt"])),
            "conditions": list(open(json!({
                "type": text(), "message": text(), "lastTransitionTime": moment(),
            }), &["type", "message"])),
            "reconciledAt": moment(), "observedAt": moment(), "sourceType": text(), "sourceTypes": list(text()),
            "controllerNamespace": text(), "resourceHealthSource": text(),
            "summary": open(json!({"images": list(text()), "externalURLs": list(text())}), &[]),
            "operationState": open(json!({
                "operation": operation(), "phase": text(), "message": text(), "startedAt": moment(),
                "finishedAt": moment(), "retryCount": integer(), "syncResult": anything_object(),
            }), &["operation", "phase", "startedAt"]),
        }),
        &[],
    )
}

fn anything_object() -> Value {
    open(json!({}), &[])
}

fn definition(names: Value, schema: Value, columns: Value) -> Value {
    let plural = names["plural"].as_str().unwrap_or_default();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.argoproj.io"),
            "labels": {"app.kubernetes.io/name": format!("{plural}.argoproj.io"), "app.kubernetes.io/part-of": "argocd"},
        },
        "spec": {
            "group": "argoproj.io",
            "names": names,
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true, "subresources": {},
                "additionalPrinterColumns": columns,
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

fn top(mut properties: Value) -> Value {
    properties["apiVersion"] = text();
    properties["kind"] = text();
    properties["metadata"] = json!({"type": "object"});
    json!({"type": "object", "required": ["metadata", "spec"], "properties": properties})
}

/// The CRD of Application. Status is no subresource, as in Argo CD: its clients write status by plain updates.
pub fn application_crd() -> Value {
    let names = json!({
        "kind": "Application", "listKind": "ApplicationList", "plural": "applications", "singular": "application",
        "shortNames": ["app", "apps"],
    });
    let schema = top(json!({
        "spec": application_spec(), "status": application_status(), "operation": operation(),
    }));
    let column = |name: &str, path: &str, priority: i64| {
        let mut column = json!({"name": name, "type": "string", "jsonPath": path});
        if priority > 0 {
            column["priority"] = priority.into();
        }
        column
    };
    let columns = json!([
        column("Sync Status", ".status.sync.status", 0),
        column("Health Status", ".status.health.status", 0),
        column("Revision", ".status.sync.revision", 10),
        column("Project", ".spec.project", 10),
    ]);
    definition(names, schema, columns)
}

/// The CRD of AppProject.
pub fn project_crd() -> Value {
    let names = json!({
        "kind": "AppProject", "listKind": "AppProjectList", "plural": "appprojects", "singular": "appproject",
        "shortNames": ["appproj", "appprojs"],
    });
    let restriction = || list(open(json!({"group": text(), "kind": text(), "name": text()}), &["group", "kind"]));
    let schema = top(json!({
        "spec": open(json!({
            "sourceRepos": list(text()), "sourceNamespaces": list(text()), "description": text(),
            "destinations": list(destination()),
            "clusterResourceWhitelist": restriction(), "clusterResourceBlacklist": restriction(),
            "namespaceResourceWhitelist": restriction(), "namespaceResourceBlacklist": restriction(),
            "permitOnlyProjectScopedClusters": flag(),
            "roles": list(open(json!({"name": text(), "policies": list(text()), "groups": list(text())}), &["name"])),
            "syncWindows": list(anything_object()),
            "orphanedResources": open(json!({"warn": flag()}), &[]),
        }), &[]),
        "status": anything_object(),
    }));
    definition(names, schema, json!([]))
}
