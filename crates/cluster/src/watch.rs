//! Watches that never end: they resume where they were, list again when that is too old, and wait for a server that is
//! gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use object::{GroupKind, LiveObject};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::objects::live;
use crate::pace::Pace;
use crate::{ApiResource, Cause, Cluster, ClusterError};

/// The server ends a watch after this time; the next one goes on from there.
const WATCH_SECONDS: &str = "590";
/// A watch that ends before this time does so for a reason.
const EARLY: Duration = Duration::from_secs(300);
const BACK_OFF_FIRST: Duration = Duration::from_millis(200);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// A server that closes watches at once is not asked more often than this, and less and less often.
const BETWEEN_WATCHES: Duration = Duration::from_millis(100);
const BETWEEN_WATCHES_MAX: Duration = Duration::from_secs(5);
/// Far more than a server keeps of one object; a server that sends more may never end.
const LONGEST_EVENT: Longest = Longest::Refused(64 << 20);

/// Which objects: one kind, all namespaces or one, and selectors as kubectl takes them (empty: all).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    pub kind: GroupKind,
    pub namespace: String,
    pub labels: String,
    pub fields: String,
}

impl Scope {
    pub fn namespaced(kind: GroupKind, namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), ..Self::from(kind) }
    }

    #[must_use]
    pub fn with_labels(self, selector: impl Into<String>) -> Self {
        Self { labels: selector.into(), ..self }
    }

    #[must_use]
    pub fn with_fields(self, selector: impl Into<String>) -> Self {
        Self { fields: selector.into(), ..self }
    }
}

/// What a watch tells.
#[derive(Debug, Clone)]
pub enum WatchEvent {
    /// Everything that existed `at` a version of the cluster (0: nobody says which): first of all, and again whenever the
    /// history was lost. What is older and not in it is gone.
    Listed {
        objects: Vec<LiveObject>,
        at: u128,
    },
    Applied(LiveObject),
    /// The last state of an object that is gone.
    Deleted(LiveObject),
    /// The server does not answer: what was told may be old. Said once; the next event ends it.
    Lost(ClusterError),
    /// The server answers again, and nothing was missed.
    Resumed,
}

/// The events of one watch. Dropping it ends the watch.
#[derive(Debug)]
pub struct WatchStream {
    events: mpsc::Receiver<WatchEvent>,
    task: tokio::task::AbortHandle,
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stream for WatchStream {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        self.events.poll_recv(context)
    }
}

impl WatchStream {
    /// The next event. `None` only when the runtime shuts down.
    pub async fn recv(&mut self) -> Option<WatchEvent> {
        self.events.recv().await
    }
}

impl Cluster {
    /// Watches the objects of the scope for as long as the stream lives. A kind that is not known yet is waited for.
    pub fn watch(&self, scope: Scope) -> WatchStream {
        let (sender, events) = mpsc::channel(64);
        let watch = Watch { cluster: self.clone(), scope, sender, resource: None, version: None, lost: false };
        WatchStream { events, task: tokio::spawn(watch.run()).abort_handle() }
    }
}

struct Watch {
    cluster: Cluster,
    scope: Scope,
    sender: mpsc::Sender<WatchEvent>,
    /// As what it was listed last.
    resource: Option<Arc<ApiResource>>,
    /// Where to go on; `None`: list first.
    version: Option<String>,
    lost: bool,
}

/// Nobody listens any more.
struct Closed;

impl Watch {
    async fn run(mut self) {
        let mut failures = Pace::new(BACK_OFF_FIRST, BACK_OFF_MAX);
        let mut closes = Pace::new(BETWEEN_WATCHES, BETWEEN_WATCHES_MAX);
        let mut relists = Pace::new(BACK_OFF_FIRST, BACK_OFF_MAX);
        loop {
            let began = self.cluster.clock.now();
            let error = match self.follow().await {
                Err(Closed) => return,
                Ok(Ok(())) => {
                    // a server ends watches before their time where it serves the kind otherwise
                    if self.cluster.clock.now() < clock::after(began, EARLY) {
                        self.discover_again();
                    }
                    let wait = closes.next(self.cluster.clock.now());
                    self.cluster.clock.sleep(wait).await;
                    continue;
                }
                Ok(Err(error)) => error,
            };
            let now = self.cluster.clock.now();
            let expired = matches!(error, ClusterError::Expired { .. }) && self.version.take().is_some();
            let wait = if expired { relists.next(now) } else { failures.next(now) };
            // the first time at once; a server that forgets what it just said is waited for as one that is gone
            if expired && relists.tries() == 1 {
                continue;
            }
            if matches!(error, ClusterError::NotFound { .. }) {
                // a collection is not there where its kind is not served, or in another version
                self.version = None;
                self.discover_again();
            }
            tracing::debug!(kind = %self.scope.kind, %error, "watch interrupted");
            if !self.lost && (!expired || relists.tries() > 2) {
                self.lost = true;
                if self.send(WatchEvent::Lost(error)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = self.cluster.clock.sleep(wait) => {}
                () = self.sender.closed() => return,
            }
        }
    }

    /// Meanwhile it goes on: a server that does not answer is noticed by the watch.
    fn discover_again(&self) {
        let (cluster, now) = (self.cluster.clone(), self.cluster.clock.now());
        tokio::spawn(async move { cluster.discover_since(now).await });
    }

    async fn send(&self, event: WatchEvent) -> Result<(), Closed> {
        self.sender.send(event).await.map_err(|_| Closed)
    }

    /// Lists if needed and watches until the connection ends.
    async fn follow(&mut self) -> Result<Result<(), ClusterError>, Closed> {
        // before it is known: a look that ends in between is not missed
        let looks = self.cluster.looks();
        let resource = match self.cluster.resource(&self.scope.kind).await {
            Ok(resource) => resource,
            Err(error) => return Ok(Err(error)),
        };
        if self.resource.as_ref().is_none_or(|known| known.gvk != resource.gvk) {
            (self.resource, self.version) = (Some(Arc::clone(&resource)), None);
        }
        let version = match &self.version {
            Some(version) => version.clone(),
            None => match self.cluster.list_at(&resource, &self.scope).await {
                Ok((objects, version)) => {
                    self.lost = false;
                    self.version = Some(version.clone());
                    let at = version.parse().unwrap_or_default();
                    self.send(WatchEvent::Listed { objects, at }).await?;
                    version
                }
                Err(error) => return Ok(Err(error)),
            },
        };
        self.stream(&resource, &version, looks).await
    }

    async fn stream(
        &mut self,
        resource: &ApiResource,
        version: &str,
        mut looks: watch::Receiver<u64>,
    ) -> Result<Result<(), ClusterError>, Closed> {
        let call = self
            .scope
            .call(resource)
            .query("watch", "true")
            .query("allowWatchBookmarks", "true")
            .query("resourceVersion", version)
            .query("timeoutSeconds", WATCH_SECONDS);
        let body = match call.open(&self.cluster).await {
            Ok(response) => response.into_body(),
            Err(error) => return Ok(Err(error)),
        };
        if std::mem::take(&mut self.lost) {
            self.send(WatchEvent::Resumed).await?;
        }
        let object = self.scope.kind.to_string();
        let mut lines = Box::pin(Lines::new(body.into_data_stream(), object.clone(), LONGEST_EVENT).into_stream());
        loop {
            let line = tokio::select! {
                line = tokio::time::timeout(self.cluster.silent_after, lines.next()) => line.unwrap_or_default(),
                Ok(()) = looks.changed() => match self.cluster.known_resource(&self.scope.kind) {
                    Some(now) if now.gvk != resource.gvk => return Ok(Ok(())),
                    _ => continue,
                },
                () = self.sender.closed() => return Err(Closed),
            };
            match line {
                None => return Ok(Ok(())),
                Some(Err(error)) => return Ok(Err(error)),
                Some(Ok(line)) => match parse(&line, &object) {
                    Ok(Message::Bookmark(version)) => self.version = Some(version),
                    Ok(Message::Event(version, event)) => {
                        self.send(event).await?;
                        self.version = Some(version);
                    }
                    Err(error) => return Ok(Err(error)),
                },
            }
        }
    }
}

enum Message {
    Event(String, WatchEvent),
    Bookmark(String),
}

fn parse(line: &[u8], object: &str) -> Result<Message, ClusterError> {
    let malformed = |message: String| ClusterError::Malformed { object: object.to_owned(), message };
    let mut line: Value = serde_json::from_slice(line).map_err(|e| malformed(e.to_string()))?;
    let value = line["object"].take();
    let version = value["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    match line["type"].as_str().unwrap_or_default() {
        "ADDED" | "MODIFIED" => Ok(Message::Event(version, WatchEvent::Applied(live(value, object)?))),
        "DELETED" => Ok(Message::Event(version, WatchEvent::Deleted(live(value, object)?))),
        "BOOKMARK" => Ok(Message::Bookmark(version)),
        "ERROR" => Err(ClusterError::from_status(object, 500, &value)),
        other => Err(malformed(format!("a watch event of the type {other:?}"))),
    }
}

/// What becomes of a line that grows beyond a length.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Longest {
    /// It ends there, and goes on as another one.
    Cut(usize),
    /// The lines end with an error.
    Refused(usize),
}

impl Longest {
    fn bytes(self) -> usize {
        match self {
            Self::Cut(bytes) | Self::Refused(bytes) => bytes,
        }
    }
}

/// Splits a body into lines, without their ends. Of the body no more is read than the next line takes.
pub(crate) struct Lines<S> {
    body: S,
    object: String,
    longest: Longest,
    /// What came of the body and is not looked at yet.
    rest: Bytes,
    partial: BytesMut,
    ended: bool,
}

impl<S, E> Lines<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin + Send,
    E: std::fmt::Display,
{
    pub(crate) fn new(body: S, object: String, longest: Longest) -> Self {
        Self { body, object, longest, rest: Bytes::new(), partial: BytesMut::new(), ended: false }
    }

    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, ClusterError>> + Send {
        stream::unfold(self, |mut lines| async move { lines.next_line().await.map(|line| (line, lines)) })
    }

    async fn next_line(&mut self) -> Option<Result<Bytes, ClusterError>> {
        while !self.ended {
            if let Some(line) = self.split() {
                return Some(line);
            }
            match self.body.next().await {
                Some(Ok(chunk)) => self.rest = chunk,
                Some(Err(error)) => {
                    self.ended = true;
                    let (object, message) = (self.object.clone(), error.to_string());
                    return Some(Err(ClusterError::Unreachable { object, cause: Cause::Broken, message }));
                }
                None => {
                    self.ended = true;
                    return (!self.partial.is_empty()).then(|| Ok(self.whole()));
                }
            }
        }
        None
    }

    /// The next line, where its end is known.
    fn split(&mut self) -> Option<Result<Bytes, ClusterError>> {
        let room = self.longest.bytes() - self.partial.len();
        if let Some(end) = self.rest.iter().take(room + 1).position(|byte| *byte == b'\n') {
            let line = self.rest.split_to(end + 1);
            self.partial.extend_from_slice(&line[..end]);
            return Some(Ok(self.whole()));
        }
        let taken = self.rest.split_to(room.min(self.rest.len()));
        self.partial.extend_from_slice(&taken);
        (!self.rest.is_empty()).then(|| self.too_long())
    }

    fn too_long(&mut self) -> Result<Bytes, ClusterError> {
        match self.longest {
            Longest::Cut(_) => Ok(self.whole()),
            Longest::Refused(bytes) => {
                self.ended = true;
                let message = format!("a line is longer than {bytes} bytes, which is more than is kept of one");
                Err(ClusterError::Malformed { object: self.object.clone(), message })
            }
        }
    }

    fn whole(&mut self) -> Bytes {
        self.partial.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn split(chunks: &[&'static str], longest: Longest) -> Vec<String> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok::<_, String>(Bytes::from(*chunk))).collect();
        let lines = Lines::new(stream::iter(chunks), "pods".into(), longest).into_stream();
        let told = |line: Result<Bytes, ClusterError>| match line {
            Ok(line) => String::from_utf8(line.to_vec()).unwrap(),
            Err(error) => error.to_string(),
        };
        lines.map(told).collect().await
    }

    #[tokio::test]
    async fn lines_are_put_together_from_chunks() {
        let check = async |chunks: &[&'static str], expected: &[&str]| {
            assert_eq!(split(chunks, LONGEST_EVENT).await, expected, "{chunks:?}");
        };
        check(&["a\nb", "c\n", "", "d"], &["a", "bc", "d"]).await;
        check(&["a\n\n", "b\n"], &["a", "", "b"]).await;
        check(&[], &[]).await;
    }

    #[tokio::test]
    async fn a_line_that_does_not_end_is_cut_or_refused() {
        let cut = async |chunks: &[&'static str], expected: &[&str]| {
            assert_eq!(split(chunks, Longest::Cut(3)).await, expected, "{chunks:?}");
        };
        cut(&["abcdefgh"], &["abc", "def", "gh"]).await;
        cut(&["ab", "cd", "e\nf"], &["abc", "de", "f"]).await;
        cut(&["abc", "\nabc\n"], &["abc", "abc"]).await;
        let told = split(&["ab\n", "abc", "d\ne"], Longest::Refused(3)).await;
        assert_eq!(told.len(), 2, "and nothing comes after it: {told:?}");
        assert!(told[0] == "ab" && told[1].contains("pods") && told[1].contains("longer than 3 bytes"), "{told:?}");
    }

    #[tokio::test]
    async fn of_lines_that_nobody_takes_no_more_is_read() {
        let read = std::sync::atomic::AtomicUsize::new(0);
        let chunks = stream::repeat_with(|| {
            read.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok::<_, String>(Bytes::from("a\nb\n"))
        });
        let mut lines = Box::pin(Lines::new(chunks, String::new(), LONGEST_EVENT).into_stream());
        for expected in ["a", "b"] {
            assert_eq!(lines.next().await.unwrap().unwrap(), expected);
            assert_eq!(read.load(std::sync::atomic::Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn events_are_read() {
        let event = |text: &str| parse(text.as_bytes(), "x");
        let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","resourceVersion":"7"}}"#;
        let applied = event(&format!(r#"{{"type":"ADDED","object":{pod}}}"#));
        assert!(matches!(applied, Ok(Message::Event(v, WatchEvent::Applied(_))) if v == "7"));
        let gone = event(r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#);
        assert!(matches!(gone, Err(ClusterError::Expired { .. })));
        assert!(matches!(event("{"), Err(ClusterError::Malformed { .. })));
        assert!(matches!(event(r#"{"type":"NEW","object":{}}"#), Err(ClusterError::Malformed { .. })));
    }
}
