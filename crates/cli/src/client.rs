//! One way to the server's API, whether it listens somewhere or is mounted in this process (`--core`).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use serde_json::Value;
use tower::ServiceExt;

use crate::address;
use crate::args::{Reach, Trust};
use crate::commands::serve;
use crate::failure::Failure;
use crate::settings::{self, Config};

/// Requests to the API.
pub(crate) struct Client {
    way: Way,
    /// When the last answer was given, by the server's clock.
    told: Mutex<Option<Timestamp>>,
}

enum Way {
    Http {
        base: String,
        token: Option<String>,
        http: reqwest::Client,
    },
    /// The server's own routes, called in process with the rights of the kubeconfig.
    Core(Box<Router>),
}

/// An answer whose body is still to come.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: BoxStream<'static, Result<Bytes, Failure>>,
}

impl Client {
    /// For what there is in one namespace only, which a server knows.
    ///
    /// # Errors
    /// As [`Client::anywhere`]; also when a namespace is named to a server.
    pub(crate) async fn connect(reach: &Reach) -> Result<Self, Failure> {
        match &reach.cluster.namespace {
            Some(namespace) if !reach.core => Err(Failure::usage(format!(
                "--namespace {namespace}: a server has all but Applications in the namespace that it runs in"
            ))
            .hint("leave --namespace out, or go straight to the cluster with --core")),
            _ => Self::anywhere(reach).await,
        }
    }

    /// # Errors
    /// When there is neither a server nor `--core`, or the cluster cannot be reached.
    pub(crate) async fn anywhere(reach: &Reach) -> Result<Self, Failure> {
        if reach.core {
            return Ok(Self::of(Way::Core(Box::new(serve::core_router(reach).await?))));
        }
        let config = Config::load();
        let said = reach.server.clone().or_else(|| settings::environment("GANTLINE_SERVER"));
        let base = said.or_else(|| Some(config.current.clone()).filter(|c| !c.is_empty()));
        let base = base.ok_or_else(|| {
            Failure::usage("which server?").hint(
                "log in first (gantline login URL), name one with --server, or go straight to the cluster with --core",
            )
        })?;
        let base = address::parse(&base)?;
        let token = reach.token.clone().or_else(|| settings::environment("GANTLINE_TOKEN"));
        let token = token.or_else(|| config.servers.get(&base).cloned());
        Ok(Self::of(Way::Http { http: http_client(&reach.trust)?, base, token }))
    }

    /// A client for `base` without a session.
    ///
    /// # Errors
    /// When the certificate authority cannot be read.
    pub(crate) fn anonymous(base: &str, trust: &Trust) -> Result<Self, Failure> {
        Ok(Self::of(Way::Http { http: http_client(trust)?, base: base.to_owned(), token: None }))
    }

    fn of(way: Way) -> Self {
        Self { way, told: Mutex::default() }
    }

    /// When the last answer was given, by the server's clock, which is faster than the wall's in a demo.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value, Failure> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::DELETE, path, None).await
    }

    /// The JSON objects that an answer has one a line, as they come.
    ///
    /// # Errors
    /// As any request; also when `each` has one.
    pub(crate) async fn lines(&self, path: &str, mut each: impl FnMut(Value)) -> Result<(), Failure> {
        let mut answer = self.send(Method::GET, path, None).await?;
        let mut rest = Vec::new();
        while let Some(chunk) = answer.body.next().await {
            rest.extend_from_slice(&chunk?);
            if !answer.status.is_success() {
                continue;
            }
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                each(serde_json::from_slice(&line)?);
            }
        }
        if answer.status.is_success() { Ok(()) } else { Err(self.refused(&answer, &rest)) }
    }

    /// The items of a list; an answer without items is an empty list.
    pub(crate) async fn items(&self, path: &str) -> Result<Vec<Value>, Failure> {
        match self.get(path).await? {
            Value::Array(items) => Ok(items),
            Value::Object(mut map) => match map.remove("items") {
                Some(Value::Array(items)) => Ok(items),
                _ => Ok(Vec::new()),
            },
            _ => Ok(Vec::new()),
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        let mut answer = self.send(method, path, body).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.body.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        if !answer.status.is_success() {
            return Err(self.refused(&answer, &bytes));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| self.foreign(&answer))
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer, Failure> {
        let answer = match &self.way {
            Way::Http { base, token, http } => {
                let request = http.request(method, format!("{base}{path}"));
                let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
                let request = body.iter().fold(request, |request, body| request.json(body));
                let answer = match request.send().await {
                    Ok(answer) => answer,
                    Err(error) => return Err(address::silent(base, error, http).await),
                };
                let (status, headers) = (answer.status(), answer.headers().clone());
                let body = answer.bytes_stream().map(|chunk| chunk.map_err(Failure::from)).boxed();
                Answer { status, headers, body }
            }
            Way::Core(router) => {
                let request = Request::builder().method(method).uri(path);
                let request = request.header(header::CONTENT_TYPE, "application/json");
                let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
                let (head, body) = router.as_ref().clone().oneshot(request.body(body)?).await?.into_parts();
                let body = body.into_data_stream().map(|chunk| chunk.map_err(Failure::from)).boxed();
                Answer { status: head.status, headers: head.headers, body }
            }
        };
        if let Some(time) = answer.time() {
            *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
        }
        Ok(answer)
    }

    /// What the server says in place of an answer.
    fn refused(&self, answer: &Answer, body: &[u8]) -> Failure {
        let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        match value.get("message").and_then(Value::as_str) {
            Some(said) if answer.status == StatusCode::UNAUTHORIZED => {
                Failure::new(said).hint("log in: gantline login URL")
            }
            Some(said) => Failure::new(said),
            None => self.foreign(answer),
        }
    }

    /// Whoever answers so is no server of ours.
    fn foreign(&self, answer: &Answer) -> Failure {
        let kind = answer.text(header::CONTENT_TYPE).unwrap_or("nothing that it names");
        let what = format!("{} with {kind}", answer.status);
        match &self.way {
            Way::Http { base, .. } if answer.status.is_server_error() => Failure::new(format!("{base} answers {what}"))
                .hint("a proxy before the server says so: is the server running?"),
            Way::Http { base, .. } => address::foreign(base, &what),
            Way::Core(_) => Failure::new(format!("the server in this process answers {what}")),
        }
    }
}

impl Answer {
    fn text(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn time(&self) -> Option<Timestamp> {
        jiff::fmt::rfc2822::parse(self.text(header::DATE)?).ok().map(|time| time.timestamp())
    }
}

fn http_client(trust: &Trust) -> Result<reqwest::Client, Failure> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .tls_danger_accept_invalid_certs(trust.insecure);
    if let Some(path) = &trust.ca {
        let pem = std::fs::read(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        builder = builder.tls_certs_merge([reqwest::Certificate::from_pem(&pem)?]);
    }
    Ok(builder.build()?)
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
