//! One way to the server's API, whether it listens somewhere or is mounted in this process (`--core`).

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode, header};
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;
use tower::ServiceExt;

use crate::args::Reach;
use crate::commands::serve;
use crate::failure::Failure;
use crate::settings::Config;

/// Requests to the API.
pub(crate) enum Client {
    Http {
        base: String,
        token: Option<String>,
        http: reqwest::Client,
    },
    /// The server's own routes, called in process with the rights of the kubeconfig.
    Core(Box<Router>),
}

impl Client {
    /// # Errors
    /// When there is neither a server nor `--core`, or the cluster cannot be reached.
    pub(crate) async fn connect(reach: &Reach) -> Result<Self, Failure> {
        if reach.core {
            return Ok(Self::Core(Box::new(serve::core_router(reach).await?)));
        }
        let config = Config::load();
        let base = reach.server.clone().or_else(|| Some(config.current.clone()).filter(|c| !c.is_empty()));
        let base = base.ok_or_else(|| {
            Failure::usage("which server?").hint(
                "log in first (gantline login URL), name one with --server, or go straight to the cluster with --core",
            )
        })?;
        let base = base.trim_end_matches('/').to_owned();
        let token = reach.token.clone().or_else(|| config.servers.get(&base).cloned());
        Ok(Self::Http { http: http_client(reach)?, base, token })
    }

    /// A client for `base` without a session.
    ///
    /// # Errors
    /// When the certificate authority cannot be read.
    pub(crate) fn anonymous(base: &str, reach: &Reach) -> Result<Self, Failure> {
        Ok(Self::Http { http: http_client(reach)?, base: base.trim_end_matches('/').to_owned(), token: None })
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
        let (status, mut chunks) = self.open(path).await?;
        let mut rest = Vec::new();
        while let Some(chunk) = chunks.next().await {
            rest.extend_from_slice(&chunk?);
            if !status.is_success() {
                continue;
            }
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                each(serde_json::from_slice(&line)?);
            }
        }
        if status.is_success() { Ok(()) } else { Err(refused(status, &String::from_utf8_lossy(&rest))) }
    }

    async fn open(&self, path: &str) -> Result<(StatusCode, BoxStream<'static, Result<Bytes, Failure>>), Failure> {
        match self {
            Self::Http { base, token, http } => {
                let request = http.get(format!("{base}{path}"));
                let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
                let answer = request.send().await?;
                Ok((answer.status(), answer.bytes_stream().map(|chunk| chunk.map_err(Failure::from)).boxed()))
            }
            Self::Core(router) => {
                let answer = router.as_ref().clone().oneshot(Request::builder().uri(path).body(Body::empty())?).await?;
                let (status, stream) = (answer.status(), answer.into_body().into_data_stream());
                Ok((status, stream.map(|chunk| chunk.map_err(Failure::from)).boxed()))
            }
        }
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
        let (status, text) = match self {
            Self::Http { base, token, http } => {
                let mut request = http.request(method, format!("{base}{path}"));
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                if let Some(body) = &body {
                    request = request.json(body);
                }
                let answer = request.send().await.map_err(|error| {
                    Failure::from(error)
                        .hint(format!("is the server at {base} running? (gantline serve, gantline demo)"))
                })?;
                (answer.status(), answer.text().await?)
            }
            Self::Core(router) => {
                let builder =
                    Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
                let body = body.map_or_else(Body::empty, |b| Body::from(b.to_string()));
                let answer = router.as_ref().clone().oneshot(builder.body(body)?).await?;
                let status = answer.status();
                let mut bytes = Vec::new();
                let mut stream = answer.into_body().into_data_stream();
                while let Some(chunk) = stream.next().await {
                    bytes.extend_from_slice(&chunk?);
                }
                (status, String::from_utf8_lossy(&bytes).into_owned())
            }
        };
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        Err(refused(status, &text))
    }
}

/// What the server says in place of an answer.
fn refused(status: StatusCode, text: &str) -> Failure {
    let value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let said = value.get("message").and_then(Value::as_str);
    let failure = Failure::new(said.map_or_else(|| format!("{status} {text}"), str::to_owned));
    if status == StatusCode::UNAUTHORIZED { failure.hint("log in: gantline login URL") } else { failure }
}

fn http_client(reach: &Reach) -> Result<reqwest::Client, Failure> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .tls_danger_accept_invalid_certs(reach.insecure);
    if let Some(path) = &reach.ca {
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
