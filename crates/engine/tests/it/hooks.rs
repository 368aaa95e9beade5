//! The sync engine against a cluster that reacts as each case says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::argocd::{AppProject, ClusterIdentity, HealthStatus, HealthStatusCode, SyncOperation};
use engine::sync::{Action, Next, Outcome, SyncInput, SyncOptions, SyncRun, Verb};
use engine::{
    CompareOptions, Comparison, DesiredSet, InSyncMarks, LiveState, Permits, Scopes, Tracking, compare, is_hook,
    targets,
};
use object::{GroupKind, LiveObject, Manifest, ResourceKey};
use serde_json::{Value, json};

use super::{Case, check, equal};

#[test]
fn sync_steps() {
    check("hooks", 192, agrees);
}

struct Cluster<'a> {
    behaviour: &'a Value,
    objects: BTreeMap<ResourceKey, Value>,
    applied: BTreeMap<ResourceKey, usize>,
    lingering: BTreeMap<ResourceKey, usize>,
    hidden: BTreeSet<ResourceKey>,
    step: usize,
}

fn scopes() -> Scopes {
    let kinds = [("example.io", "Widget"), ("argoproj.io", "Workflow"), ("argoproj.io", "Application")];
    Scopes::new(kinds.map(|(group, kind)| (GroupKind::new(group, kind), true)))
}

fn title(key: &ResourceKey) -> String {
    format!("{}/{}", key.kind, key.name)
}

impl Cluster<'_> {
    fn says(&self, what: &str, key: &ResourceKey) -> Option<&Value> {
        let map = self.behaviour.get(what)?.as_object()?;
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => title(key).starts_with(start),
            None => pattern == title(key),
        };
        map.iter().find(|(pattern, _)| fits(pattern)).map(|(_, value)| value)
    }

    fn begin_step(&mut self) {
        self.step += 1;
        let vanished: Vec<ResourceKey> = self
            .objects
            .keys()
            .filter(|key| self.says("vanish", key).and_then(Value::as_u64) == Some(self.step as u64))
            .cloned()
            .collect();
        for key in vanished {
            self.objects.remove(&key);
        }
        let mut gone = Vec::new();
        for (key, left) in &mut self.lingering {
            if *left == 0 { gone.push(key.clone()) } else { *left -= 1 }
        }
        for key in gone {
            self.lingering.remove(&key);
            self.objects.remove(&key);
        }
    }

    fn live(&self) -> LiveState {
        let shown = self.objects.iter().filter(|(key, _)| !self.hidden.contains(key));
        LiveState::new(shown.map(|(_, value)| marked(&Manifest::new(value.clone()).unwrap())))
    }

    fn health(&self, live: &LiveObject) -> Result<Option<HealthStatus>, String> {
        if live.value().pointer("/metadata/deletionTimestamp").is_some() && is_empty(live) {
            return Ok(engine::health(live));
        }
        let key = live.key();
        let since = self.step.saturating_sub(self.applied.get(&key).copied().unwrap_or(0)).saturating_sub(1);
        let word = match self.says("health", &key).and_then(Value::as_array) {
            Some(words) => words[since.min(words.len() - 1)].as_str().unwrap_or_default().to_owned(),
            None if engine::health(live).is_some() => "Healthy".to_owned(),
            None => return Ok(None),
        };
        match word.as_str() {
            "none" => Ok(engine::health(live)),
            "error" => Err(format!(
                "failed to get resource health: failed to get resource health for {}/{}: health script failed",
                live.namespace(),
                live.name()
            )),
            word => {
                let status: HealthStatusCode = serde_json::from_value(word.into()).unwrap();
                Ok(Some(HealthStatus::new(
                    status,
                    if word == "Healthy" && self.says("health", &key).is_none() {
                        String::new()
                    } else {
                        word.to_lowercase()
                    },
                )))
            }
        }
    }

    fn perform(&mut self, action: &Action) -> Outcome {
        match action {
            Action::EndWave { .. } => Outcome::Done(String::new()),
            Action::SetFinalizers { object, finalizers } => {
                let key = object.key();
                let deleting = self.objects.get_mut(key).is_some_and(|object| {
                    object["metadata"]["finalizers"] = json!(finalizers);
                    object.pointer("/metadata/deletionTimestamp").is_some()
                });
                if deleting && finalizers.is_empty() && !self.lingering.contains_key(key) {
                    self.objects.remove(key);
                }
                Outcome::Done(String::new())
            }
            Action::Delete { object, .. } => self.delete(object.key()),
            Action::Write { object, verb, dry_run, .. } => self.write(object.key(), object.object(), *verb, *dry_run),
        }
    }

    fn delete(&mut self, key: &ResourceKey) -> Outcome {
        if let Some(reason) = self.says("failDelete", key) {
            return Outcome::Failed(reason.as_str().unwrap().to_owned());
        }
        let slow = self.says("slowDelete", key).and_then(Value::as_u64);
        let Some(object) = self.objects.get_mut(key) else { return Outcome::Done(String::new()) };
        let held = object.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|f| !f.is_empty());
        if held || slow.is_some() {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            if let Some(steps) = slow {
                self.lingering.entry(key.clone()).or_insert(steps as usize);
            }
        } else {
            self.objects.remove(key);
        }
        Outcome::Done(String::new())
    }

    fn write(&mut self, key: &ResourceKey, manifest: &Manifest, verb: Verb, dry_run: bool) -> Outcome {
        if let Some(reason) = self.says(if dry_run { "failDryRun" } else { "failApply" }, key) {
            return Outcome::Failed(reason.as_str().unwrap().to_owned());
        }
        if !dry_run {
            self.objects.insert(key.clone(), manifest.value().clone());
            self.applied.insert(key.clone(), self.step);
        }
        let word = match verb {
            Verb::Apply => "apply",
            Verb::Replace => "replace",
            Verb::Create => "create",
            Verb::Update => "updated",
        };
        Outcome::Done(format!("{} {word}", title(key)))
    }
}

fn is_empty(live: &LiveObject) -> bool {
    live.value()["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty)
}

/// What is there the Application made before, unless it says otherwise.
fn marked(manifest: &Manifest) -> Arc<LiveObject> {
    let mut manifest = manifest.clone();
    if manifest.annotation("untracked").is_none() {
        Tracking::default().set(&mut manifest, "web", "app").unwrap();
    }
    Arc::new(LiveObject::new(manifest.into_value()).unwrap())
}

/// The comparison that the operation starts from.
fn comparison(input: &Value, live: &LiveState) -> Comparison {
    let manifests = list(&input["targets"]).iter().map(|v| Manifest::new(v.clone()).unwrap()).collect();
    let desired = DesiredSet::new(manifests, vec![], "0123456789012345678901234567890123456789");
    let mut wanted = targets(&desired, "web", "app", &Tracking::default(), &scopes());
    for object in &mut wanted.objects {
        Tracking::default().remove(object).unwrap();
    }
    let permits = permits(&input["behaviour"]["forbidden"]);
    let options = CompareOptions { application: "web".into(), scopes: scopes(), permits, ..CompareOptions::default() };
    let mut there = live.clone();
    for object in live.iter().filter(|object| is_hook(object)) {
        let mut manifest = object.manifest().clone();
        Tracking::default().remove(&mut manifest).unwrap();
        there.insert(Arc::new(LiveObject::new(manifest.into_value()).unwrap()));
    }
    compare(&wanted, &there, &options, &InSyncMarks::default(), &BTreeMap::new())
}

/// Everything but these kinds.
fn permits(forbidden: &Value) -> Permits {
    let any = json!([{"group": "*", "kind": "*"}]);
    let kinds: Vec<Value> = forbidden
        .as_object()
        .into_iter()
        .flat_map(|kinds| kinds.keys())
        .map(|kind| json!({"group": "*", "kind": kind}))
        .collect();
    let project = json!({"metadata": {"name": "default"}, "spec": {"clusterResourceWhitelist": any,
        "destinations": [{"server": "*", "namespace": "*"}], "namespaceResourceBlacklist": kinds,
        "clusterResourceBlacklist": kinds}});
    let cluster = ClusterIdentity { name: "in-cluster".into(), server: "https://kubernetes.default.svc".into() };
    Permits::of(&AppProject::from_value(project).unwrap(), cluster, Vec::new(), scopes())
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn unmodified(input: &Value, comparison: &mut Comparison) {
    let names: Vec<String> = list(&input["unmodified"]).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    for object in &mut comparison.objects {
        let same = names.contains(&title(&object.key));
        if object.status.is_some() {
            object.status =
                Some(if same { api::argocd::SyncStatusCode::Synced } else { api::argocd::SyncStatusCode::OutOfSync });
        }
    }
}

fn agrees(case: &Case) -> Result<(), String> {
    let Some(expected) = &case.output else { return Err("an error is expected".into()) };
    let input = &case.input;
    let objects = list(&input["live"]).into_iter().map(|v| (LiveObject::new(v.clone()).unwrap().key(), v)).collect();
    let mut cluster = Cluster {
        behaviour: &input["behaviour"],
        objects,
        applied: BTreeMap::new(),
        lingering: BTreeMap::new(),
        hidden: BTreeSet::new(),
        step: 0,
    };
    let mut comparison = comparison(input, &cluster.live());
    unmodified(input, &mut comparison);
    let operation: SyncOperation = serde_json::from_value(input["operation"].clone()).unwrap();
    let options = SyncOptions::new(&operation, false);
    let start = input["start"].as_str().unwrap_or("2026-01-01T00:00:00Z").parse().unwrap();
    let mut sync = SyncInput::new(&comparison, options, "web", "app", start);
    sync.scopes = scopes();
    sync.revision = input["revision"].as_str().unwrap_or(&sync.revision).to_owned();
    sync.namespace_metadata = serde_json::from_value(input["managedNamespaceMetadata"].clone()).ok();
    sync.deletion_approved_at = input["deletionApproved"].as_str().and_then(|t| t.parse().ok());
    let makes_namespace = sync.options.create_namespace;
    let namespace = ResourceKey::new("", "Namespace", "", "app");
    let in_manifests = comparison.objects.iter().any(|o| o.key == namespace);
    if makes_namespace && !in_manifests {
        for object in cluster.objects.keys().filter(|k| **k == namespace) {
            assert_eq!(object.kind, "Namespace");
        }
    }
    let forbidden = input["behaviour"]["forbidden"].as_object().cloned().unwrap_or_default();
    let mut run = SyncRun::new(sync, vec![]);
    let wanted = list(&expected["steps"]);
    let max = input["maxSteps"].as_u64().unwrap_or(20) as usize;
    for number in 1..=max.min(wanted.len() + 1) {
        let Some(step) = wanted.get(number - 1) else { return Err(format!("{number} steps are too many")) };
        cluster.begin_step();
        if input["terminateAtStep"].as_u64() == Some(number as u64) {
            run.terminate();
        }
        if input["approveAtStep"].as_u64() == Some(number as u64) {
            run.approve_deletion("2026-01-01T00:00:01Z".parse().unwrap());
        }
        let seen = cluster.live();
        let mut actions = Vec::new();
        let finished = loop {
            let next = run.advance(&seen, &|live| cluster.health(live));
            match next {
                Next::Do(batch) => {
                    let outcomes: Vec<Outcome> = batch.iter().map(|action| cluster.perform(action)).collect();
                    actions.extend(batch);
                    run.report(outcomes);
                }
                Next::Wait { .. } => break false,
                Next::Finished => break true,
            }
        };
        let context = |what: &str| format!("step {number}: {what}");
        equal(&shown(&actions), &normal(&step["actions"])).map_err(|e| context("actions") + &e)?;
        equal(&json!(run.phase()), &step["phase"]).map_err(|e| context("phase") + &e + run.message())?;
        let mut found: Vec<Value> = run.results().iter().map(|r| result(r, &forbidden)).collect();
        found.sort_by_key(sort_key);
        let mut results: Vec<Value> = list(&step["results"]).into_iter().map(without_scope).collect();
        results.sort_by_key(sort_key);
        equal(&found.into(), &results.into()).map_err(|e| context("results") + &e)?;
        if forbidden.is_empty() {
            equal(&run.message().into(), &step["message"]).map_err(|e| context("message") + &e)?;
        }
        if finished {
            break;
        }
    }
    let left: Vec<Value> = cluster.objects.keys().map(|key| key.to_string().into()).collect();
    equal(&left.into(), &list(&expected["left"]).into()).map_err(|e| format!("left {e}"))
}

fn sort_key(value: &Value) -> String {
    format!("{} {}", value["object"], value["syncPhase"])
}

fn result(result: &api::argocd::ResourceResult, forbidden: &serde_json::Map<String, Value>) -> Value {
    let key = ResourceKey::new(&result.group, &result.kind, &result.namespace, &result.name);
    let mut value = json!({"object": key.to_string(), "syncPhase": result.sync_phase});
    if let Some(status) = result.status {
        value["status"] = json!(status);
    }
    if let Some(phase) = result.hook_phase {
        value["hookPhase"] = json!(phase);
    }
    if !result.hook_type.is_empty() {
        value["hookType"] = json!(result.hook_type);
    }
    let message = forbidden.get(&result.kind).and_then(Value::as_str).unwrap_or(&result.message);
    if !message.is_empty() {
        value["message"] = json!(message);
    }
    without_scope(value)
}

/// Results name the destination's namespace for cluster-scoped objects there, none here.
fn without_scope(mut value: Value) -> Value {
    let text = value["object"].as_str().unwrap_or_default().to_owned();
    let parts: Vec<&str> = text.split('/').collect();
    if let [group, kind, _, name] = parts.as_slice()
        && scopes().is_namespaced(&GroupKind::new(*group, *kind)) == Some(false)
    {
        value["object"] = format!("{group}/{kind}//{name}").into();
    }
    value
}

fn shown(actions: &[Action]) -> Value {
    let all: Vec<Value> = actions.iter().map(show).collect();
    normal(&all.into())
}

/// Puts writes of one kind next to each other, deletes and updates, in the order of the object.
fn normal(actions: &Value) -> Value {
    let actions: Vec<Value> = list(actions)
        .into_iter()
        .map(|mut action| {
            // a dry run is made as the write will be made
            if action["dryRun"] == json!(true) {
                let map = action.as_object_mut().unwrap();
                map.remove("serverSide");
                map.remove("manager");
            }
            action
        })
        .collect();
    let class = |action: &Value| {
        let object = action["object"].as_str().unwrap_or_default();
        let kind = object.split('/').nth(1).unwrap_or_default().to_owned();
        match action["verb"].as_str().unwrap_or_default() {
            "delete" | "update" => action["verb"].as_str().unwrap().to_owned(),
            "wave" => "wave".to_owned(),
            _ => format!("write {kind} {}", action["dryRun"]),
        }
    };
    let mut sorted = Vec::new();
    for run in actions.chunk_by(|left, right| class(left) == class(right)) {
        let mut run = run.to_vec();
        run.sort_by_key(|action| action["object"].as_str().unwrap_or_default().to_owned());
        sorted.extend(run);
    }
    sorted.into()
}

fn show(action: &Action) -> Value {
    match action {
        Action::EndWave { phase, wave, last } => json!({"verb": "wave", "phase": phase, "wave": wave, "final": last}),
        Action::SetFinalizers { object, finalizers } => {
            json!({"verb": "update", "object": object.key().to_string(), "finalizers": finalizers})
        }
        Action::Delete { object, propagation, prune } => {
            let mut value =
                json!({"verb": "delete", "object": object.key().to_string(), "propagation": propagation.as_str()});
            if *prune {
                value["prune"] = true.into();
            }
            value
        }
        Action::Write { object, verb, dry_run, force, server_side, validate } => {
            let mut value = json!({"object": object.key().to_string()});
            match verb {
                Verb::Apply => {
                    value["verb"] = "apply".into();
                    value["force"] = (*force).into();
                    value["validate"] = (*validate).into();
                    value["serverSide"] = (*server_side).into();
                    if *server_side {
                        value["manager"] = "argocd-controller".into();
                    }
                }
                Verb::Replace => {
                    value["verb"] = "replace".into();
                    value["force"] = (*force).into();
                }
                Verb::Create => {
                    value["verb"] = "create".into();
                    value["validate"] = (*validate).into();
                }
                Verb::Update => value["verb"] = "put".into(),
            }
            if *dry_run {
                value["dryRun"] = true.into();
            }
            value
        }
    }
}
