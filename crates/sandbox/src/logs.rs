//! Logs of containers that do not run: lines that a container of that image and state could have written.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::api::{Api, text};
use crate::http::Reply;
use crate::request::{Incoming, Target};
use crate::schema::resources::Resource;
use crate::status::{Answer, Failure};

/// What a pod says in its log; lines are separated by newlines.
pub(crate) const LOG: &str = "sandbox.gantline.dev/log";

/// # Errors
/// When the pod or the container is not there, or has not started.
pub(crate) async fn serve(api: &Arc<Api>, request: &Incoming, resource: &Resource, target: &Target) -> Answer<Reply> {
    let pod = api.get(resource, &target.namespace, &target.name)?;
    let container = container(&pod, request.option("container"), &target.name)?;
    let statuses = ["containerStatuses", "initContainerStatuses"]
        .map(|list| pod["status"][list].as_array().cloned().unwrap_or_default());
    let status = statuses.concat().into_iter().find(|status| status["name"] == container.as_str());
    let state = status.as_ref().map_or(Value::Null, |status| status["state"].clone());
    if let Some(waiting) = state.get("waiting").filter(|_| !request.flag("previous")) {
        let reason = waiting["reason"].as_str().unwrap_or("ContainerCreating");
        let crashed = status.as_ref().is_some_and(|status| status["lastState"].get("terminated").is_some());
        if !crashed {
            let why = format!("container {container:?} in pod {:?} is waiting to start: {reason}", target.name);
            return Err(Failure::bad_request(why));
        }
    }
    let all = lines(&pod, &container, api.clock.now());
    let tail = request.option("tailLines").parse().unwrap_or(usize::MAX);
    let shown = all.iter().skip(all.len().saturating_sub(tail));
    let stamped = request.flag("timestamps");
    let text: String =
        shown.map(|(time, line)| if stamped { format!("{time} {line}\n") } else { format!("{line}\n") }).collect();
    if !request.flag("follow") || state.get("running").is_none() {
        return Ok(Reply::Text("text/plain", text));
    }
    let api = Arc::clone(api);
    let rest = stream::unfold(0_u64, move |count| {
        let api = Arc::clone(&api);
        async move {
            api.clock.sleep(std::time::Duration::from_secs(30)).await;
            Some((format!("{} still serving\n", api.now()), count + 1))
        }
    });
    let all = futures::StreamExt::chain(stream::once(async { text }), rest);
    let body = Body::from_stream(futures::StreamExt::map(all, Ok::<_, std::convert::Infallible>));
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", axum::http::HeaderValue::from_static("text/plain"));
    Ok(Reply::Raw(response))
}

fn container(pod: &Value, wanted: &str, name: &str) -> Answer<String> {
    let containers =
        ["containers", "initContainers"].map(|list| pod["spec"][list].as_array().cloned().unwrap_or_default());
    let names: Vec<String> = containers.concat().iter().map(|container| text(container, "/name")).collect();
    match (wanted, names.as_slice()) {
        ("", [only]) => Ok(only.clone()),
        ("", _) => Err(Failure::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            names.join(" ")
        ))),
        (wanted, names) if names.iter().any(|n| n == wanted) => Ok(wanted.to_owned()),
        (wanted, _) => Err(Failure::bad_request(format!("container {wanted} is not valid for pod {name}"))),
    }
}

fn lines(pod: &Value, container: &str, now: Timestamp) -> Vec<(String, String)> {
    let started = pod["status"]["startTime"].as_str().and_then(|time| time.parse().ok()).unwrap_or(now);
    let at = |seconds: i64| crate::api::time(started.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now));
    if let Some(text) = pod["metadata"]["annotations"][LOG].as_str() {
        return text.lines().map(|line| (at(1), line.to_owned())).collect();
    }
    let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let image = containers.iter().find(|c| c["name"] == container).map(|c| text(c, "/image")).unwrap_or_default();
    let mut lines = vec![(at(1), format!("starting {container} ({image})"))];
    let ready = pod["status"]["containerStatuses"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|s| s["name"] == container && s["ready"] == true);
    if ready {
        lines.push((at(2), "ready to serve".to_owned()));
    }
    let crash = pod["metadata"]["annotations"].get(crate::controllers::faults::CRASH).is_some();
    if crash {
        lines.push((at(2), "fatal: cannot go on".to_owned()));
    }
    lines
}
