//! Deletions: preconditions, finalizers, grace.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Api, Deletion, in_version, remove, same, time};
use crate::schema::resources::{Resource, strings};
use crate::status::{Answer, Failure};
use crate::store::{Key, Transaction};

impl Api {
    /// # Errors
    /// When it is not there or a precondition does not hold.
    pub(crate) fn delete(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        options: &Deletion,
    ) -> Answer<(Arc<Value>, bool)> {
        let result =
            self.store.transact(&*self.clock, |txn| self.delete_in(txn, resource, namespace, name, options))?;
        self.after(resource);
        if !options.dry_run {
            self.end_definition(resource, name);
        }
        Ok((in_version(resource, result.0), result.1))
    }

    /// The object, and whether it is gone.
    fn delete_in(
        &self,
        txn: &mut Transaction<'_>,
        resource: &Resource,
        namespace: &str,
        name: &str,
        options: &Deletion,
    ) -> Answer<(Arc<Value>, bool)> {
        let key = Key::new(&resource.storage(), namespace, name);
        let live = txn.get(&key).ok_or_else(|| Failure::not_found(resource, name))?;
        for (wanted, field, title) in
            [(&options.uid, "uid", "UID"), (&options.version, "resourceVersion", "ResourceVersion")]
        {
            let is = live["metadata"][field].as_str().unwrap_or_default();
            if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != is) {
                return Err(Failure::precondition(resource, name, title, wanted, is));
            }
        }
        let mut value = (*live).clone();
        if resource.kind == "CustomResourceDefinition" {
            self.mark_terminating(&mut value);
        }
        let mut finalizers = strings(&value["metadata"]["finalizers"]);
        finalizers.retain(|finalizer| {
            options.propagation.is_empty() || !["orphan", "foregroundDeletion"].contains(&finalizer.as_str())
        });
        match options.propagation.as_str() {
            "Orphan" => finalizers.push("orphan".into()),
            "Foreground" => finalizers.push("foregroundDeletion".into()),
            _ => {}
        }
        let is_namespace = resource.kind == "Namespace";
        let grace = grace_of(resource, &live, options);
        if finalizers.is_empty() && grace == 0 && !is_namespace {
            if options.dry_run {
                return Ok((live, true));
            }
            let gone = txn.remove(&key).unwrap_or(live);
            return Ok((gone, true));
        }
        let started = live["metadata"]["deletionTimestamp"].is_string();
        let sooner = live["metadata"]["deletionGracePeriodSeconds"].as_i64().is_some_and(|old| grace < old);
        if !started || sooner {
            let at = self.clock.now().checked_add(jiff::SignedDuration::from_secs(grace)).unwrap_or(Timestamp::MAX);
            value["metadata"]["deletionTimestamp"] = json!(time(at));
            value["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            if value["metadata"]["generation"].is_i64() {
                value["metadata"]["generation"] = json!(value["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
            }
        }
        if is_namespace {
            remove(&mut value, "metadata", "deletionGracePeriodSeconds");
            value["status"]["phase"] = json!("Terminating");
        }
        if !finalizers.is_empty() {
            value["metadata"]["finalizers"] = json!(finalizers);
        }
        if options.dry_run || same(&live, &value) {
            return Ok((Arc::new(value), false));
        }
        Ok((txn.put(key, value), false))
    }
}

/// Only Pods that a kubelet runs take their time.
fn grace_of(resource: &Resource, live: &Value, options: &Deletion) -> i64 {
    if resource.kind != "Pod" || !resource.group.is_empty() {
        return 0;
    }
    let ended = matches!(live["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if live["spec"]["nodeName"].as_str().unwrap_or_default().is_empty() || ended {
        return 0;
    }
    options.grace.or_else(|| live["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30).max(0)
}
