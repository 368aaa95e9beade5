//! Watches: a cursor into the log of changes, from a version on, through a selector.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};

use crate::api::Api;
use crate::http::{Reply, partial};
use crate::request::{Accept, Incoming, Shape, Target, accept};
use crate::schema::resources::Resource;
use crate::selector::Selector;
use crate::status::{Answer, Cause, Failure};
use crate::store::Change;
use crate::table;

/// How long a watch lives when nobody says; clients renew it.
const LIFE: Duration = Duration::from_secs(1800);
/// How often a quiet watch with bookmarks tells the version.
const BOOKMARK: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Watch {
    api: Arc<Api>,
    resource: Arc<Resource>,
    storage: String,
    namespace: String,
    name: String,
    selector: Selector,
    accept: Accept,
    bookmarks: bool,
    /// The next change to tell is after this version.
    at: u64,
    ready: VecDeque<Bytes>,
    first_table: bool,
    ended: bool,
}

/// # Errors
/// When parameters do not go together.
pub(crate) fn start(
    api: &Arc<Api>,
    request: &Incoming,
    resource: &Arc<Resource>,
    target: &Target,
    selector: Selector,
) -> Answer<Reply> {
    let accept = accept(request.header("accept"), false)?;
    let initial = request.query.get("sendInitialEvents").map(String::as_str);
    check_parameters(request, initial)?;
    let text = request.option("resourceVersion");
    let from: Option<u64> = match text {
        "" | "0" => None,
        text => Some(text.parse().map_err(|_| {
            let why = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
            Failure::new(500, "", format!("resourceVersion: Invalid value: {text:?}: {why}"))
        })?),
    };
    let life = match request.option("timeoutSeconds") {
        "" => LIFE,
        text => Duration::from_secs(
            text.parse()
                .map_err(|_| Failure::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))?,
        ),
    };
    let bookmarks = request.flag("allowWatchBookmarks");
    let mut watch = Watch {
        api: Arc::clone(api),
        resource: Arc::clone(resource),
        storage: resource.storage(),
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        selector,
        accept,
        bookmarks,
        at: from.unwrap_or(0),
        ready: VecDeque::new(),
        first_table: true,
        ended: false,
    };
    let state_first = initial == Some("true") || (initial.is_none() && from.is_none());
    if state_first {
        watch.tell_state(initial == Some("true"));
    } else if from.is_none() {
        watch.at = api.store.revision();
    }
    Ok(Reply::Raw(watch.response(life)))
}

fn check_parameters(request: &Incoming, initial: Option<&str>) -> Answer<()> {
    let matching = request.option("resourceVersionMatch");
    let mut causes = Vec::new();
    let mut forbidden = |detail: &str| causes.push(Cause::forbidden("resourceVersionMatch", detail));
    match initial {
        Some(_) if matching != "NotOlderThan" => {
            forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        }
        None if !matching.is_empty() => {
            forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
        }
        _ => {}
    }
    if initial.is_some() && !["", "NotOlderThan"].contains(&matching) {
        let value = json!(matching);
        causes.push(Cause::unsupported("resourceVersionMatch", &value, &["NotOlderThan"]));
    }
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid_kind("meta.k8s.io", "ListOptions", "", &causes)) }
}

impl Watch {
    fn tell_state(&mut self, mark_end: bool) {
        let (all, version) = self.api.store.list(&self.storage, &self.namespace);
        let wanted: Vec<_> = all.into_iter().filter(|item| self.wants(item)).collect();
        wanted.iter().for_each(|item| self.tell("ADDED", item));
        self.at = version;
        if mark_end && self.bookmarks {
            self.tell_bookmark(true);
        }
    }

    fn wants(&self, object: &Value) -> bool {
        (self.name.is_empty() || object["metadata"]["name"] == self.name.as_str()) && self.selector.matches(object)
    }

    fn tell(&mut self, kind: &str, object: &Value) {
        let mut object = object.clone();
        object["apiVersion"] = json!(self.resource.group_version());
        object["kind"] = json!(self.resource.kind);
        let shown = match self.accept.shape {
            Shape::Object => object,
            Shape::Partial => partial(&object),
            Shape::Table => {
                let columns = std::mem::replace(&mut self.first_table, false);
                let version = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
                table::of(&self.resource, [&object].into_iter(), &version, self.api.clock.now(), columns)
            }
        };
        self.line(&json!({ "type": kind, "object": shown }));
    }

    fn line(&mut self, event: &Value) {
        self.ready.push_back(Bytes::from(format!("{event}\n")));
    }

    fn tell_bookmark(&mut self, end: bool) {
        let mut metadata = json!({ "resourceVersion": self.at.to_string(), "creationTimestamp": null });
        if end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let mut object =
            json!({ "kind": self.resource.kind, "apiVersion": self.resource.group_version(), "metadata": metadata });
        if !self.resource.is_custom() {
            let mut zero = crate::tidy::zero(&self.resource.schema);
            zero["kind"] = object["kind"].clone();
            zero["apiVersion"] = object["apiVersion"].clone();
            metadata.as_object_mut().map(|map| map.remove("creationTimestamp"));
            zero["metadata"] = metadata;
            object = zero;
        }
        if self.accept.shape == Shape::Table {
            let columns = std::mem::replace(&mut self.first_table, false);
            let version = json!({ "resourceVersion": self.at.to_string() });
            object = table::of(&self.resource, [&object].into_iter(), &version, self.api.clock.now(), columns);
        }
        self.line(&json!({ "type": "BOOKMARK", "object": object }));
    }

    /// Tells what happened since; `false` when that is forgotten.
    fn catch_up(&mut self) -> bool {
        let now = self.api.store.revision();
        if self.at > now {
            return true;
        }
        let Some(changes) = self.api.store.changes(self.at, 500) else {
            let message = format!("too old resource version: {} ({now})", self.at);
            let failure = Failure::expired(message).to_value();
            self.line(&json!({ "type": "ERROR", "object": failure }));
            return false;
        };
        for change in changes {
            self.at = change.revision;
            self.tell_change(&change);
        }
        true
    }

    fn tell_change(&mut self, change: &Change) {
        let elsewhere = !self.namespace.is_empty() && change.key.namespace != self.namespace;
        if *change.key.storage != *self.storage || elsewhere {
            return;
        }
        let (old, new) = (change.previous.as_deref(), change.current.as_deref());
        let was = old.is_some_and(|old| self.wants(old));
        let is = new.is_some_and(|new| self.wants(new));
        match (was, is, old, new) {
            (true, true, _, Some(new)) => self.tell("MODIFIED", new),
            (false, true, _, Some(new)) => self.tell("ADDED", new),
            // it is gone, or does not match any more: its last matching state with the version of the change
            (true, false, Some(old), _) => {
                let mut last = old.clone();
                last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                self.tell("DELETED", &last);
            }
            _ => {}
        }
    }

    fn response(self, life: Duration) -> Response {
        let accept = self.accept;
        let deadline = tokio::time::Instant::now() + life;
        let revisions = self.api.store.revisions();
        let stream = stream::unfold((self, revisions), move |(mut watch, mut revisions)| async move {
            loop {
                if let Some(line) = watch.ready.pop_front() {
                    return Some((Ok::<_, std::convert::Infallible>(line), (watch, revisions)));
                }
                if watch.ended {
                    return None;
                }
                revisions.borrow_and_update();
                watch.ended = !watch.catch_up();
                if watch.ended || !watch.ready.is_empty() {
                    continue;
                }
                tokio::select! {
                    changed = revisions.changed() => watch.ended = changed.is_err(),
                    () = tokio::time::sleep_until(deadline) => return None,
                    () = tokio::time::sleep_until(tokio::time::Instant::now() + BOOKMARK), if watch.bookmarks => watch.tell_bookmark(false),
                }
            }
        });
        let mut response = Response::new(Body::from_stream(stream));
        let kind = if accept.yaml { "application/yaml" } else { "application/json" };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }
}
