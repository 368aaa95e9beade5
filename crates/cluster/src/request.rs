//! Requests as they go over the wire, and answers as JSON.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::pace::retry_after;
use crate::{Cause, Cluster, ClusterError};

const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One request: the builder collects what most verbs share.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    content_type: &'static str,
    accept: &'static str,
    body: Bytes,
    /// What the request is about, for messages.
    object: String,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>, object: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            content_type: "application/json",
            accept: "application/json",
            body: Bytes::new(),
            object: object.into(),
        }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn query_some(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub(crate) fn accept(self, accept: &'static str) -> Self {
        Self { accept, ..self }
    }

    pub(crate) fn body(self, content_type: &'static str, body: &Value) -> Self {
        Self { content_type, body: serde_json::to_vec(body).unwrap_or_default().into(), ..self }
    }

    fn uri(&self) -> String {
        let mut uri = self.path.clone();
        for (i, (name, value)) in self.query.iter().enumerate() {
            uri.push(if i == 0 { '?' } else { '&' });
            uri.push_str(name);
            uri.push('=');
            uri.extend(utf8_percent_encode(value, PLAIN));
        }
        uri
    }

    fn request(&self) -> Result<Request<Body>, ClusterError> {
        let builder = Request::builder().method(&self.method).uri(self.uri()).header(ACCEPT, self.accept);
        let builder = if self.body.is_empty() { builder } else { builder.header(CONTENT_TYPE, self.content_type) };
        builder
            .body(Body::from(self.body.clone()))
            .map_err(|e| ClusterError::Malformed { object: self.object.clone(), message: e.to_string() })
    }

    /// The answer with its body still on the way; failures are errors already.
    pub(crate) async fn open(self, cluster: &Cluster) -> Result<Response<Body>, ClusterError> {
        self.in_turn(cluster, self.send(cluster)).await
    }

    /// The whole answer.
    pub(crate) async fn bytes(self, cluster: &Cluster) -> Result<Bytes, ClusterError> {
        let answer = async {
            let body = self.send(cluster).await?.into_body();
            let body = body.collect().await.map_err(|e| self.unreachable(&e))?;
            Ok(body.to_bytes())
        };
        self.in_turn(cluster, answer).await
    }

    async fn send(&self, cluster: &Cluster) -> Result<Response<Body>, ClusterError> {
        // boxed: it is most of the size of everything that waits for it
        let sent = Box::pin(cluster.client.send(self.request()?));
        let response = sent.await.map_err(|e| self.unreachable(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status().as_u16();
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        if let (429 | 503, Some(time)) = (code, asked.and_then(|text| retry_after(text, cluster.clock.now()))) {
            cluster.leave_alone(time);
        }
        let body = response.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        // proxies in front of an API server answer with text
        let status = serde_json::from_slice(&body)
            .unwrap_or_else(|_| serde_json::json!({"message": String::from_utf8_lossy(&body[..body.len().min(200)])}));
        Err(ClusterError::from_status(&self.object, code, &status))
    }

    /// As many at once as the server is asked, and no longer than it may take.
    async fn in_turn<T>(
        &self,
        cluster: &Cluster,
        answer: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let taken = async {
            // held until the answer is here; turns are never closed
            let _turn = cluster.turns.acquire().await;
            cluster.may_be_asked().await;
            answer.await
        };
        let silent = |_| ClusterError::Unreachable {
            object: self.object.clone(),
            cause: Cause::Silent,
            message: format!("no answer within {}", seconds(cluster.answer_within)),
        };
        tokio::time::timeout(cluster.answer_within, taken).await.map_err(silent)?
    }

    /// The answer as JSON.
    pub(crate) async fn json(self, cluster: &Cluster) -> Result<Value, ClusterError> {
        let object = self.object.clone();
        let bytes = self.bytes(cluster).await?;
        serde_json::from_slice(&bytes).map_err(|e| ClusterError::Malformed { object, message: e.to_string() })
    }

    fn unreachable(&self, error: &(dyn Error + 'static)) -> ClusterError {
        ClusterError::Unreachable { object: self.object.clone(), cause: Cause::of(error), message: chain(error) }
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// An error with its causes, each said once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        let call = Call::new(Method::GET, "/api/v1/pods", "pods")
            .query("labelSelector", "app in (a, b),x!=y")
            .query_some("limit", None::<String>);
        assert_eq!(call.uri(), "/api/v1/pods?labelSelector=app%20in%20%28a%2C%20b%29%2Cx%21%3Dy");
    }
}
