//! What a request says: path, query and body, each refused in the one shape of errors where it is not what the route takes.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{self, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use serde::de::DeserializeOwned;

use crate::connections::Peer;
use crate::error::ApiError;

/// How long a whole body may take, of people's patience.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read = tokio::time::timeout(BODY_TIME, Json::from_request(request, state)).await;
        let Json(body) = read.map_err(|_| slow())?.map_err(refused)?;
        Ok(Self(body))
    }
}

fn slow() -> ApiError {
    let message = format!("the body did not arrive within {} seconds: send it again", BODY_TIME.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, message)
}

fn refused(rejection: JsonRejection) -> ApiError {
    let (status, text) = (rejection.status(), rejection.body_text());
    // what comes first is of no use to whoever wrote the body
    let why = text.rsplit_once("target type: ").map_or(text.as_str(), |(_, why)| why);
    let said = match rejection {
        JsonRejection::JsonDataError(_) => format!("the body is not what this route takes: {why}"),
        JsonRejection::JsonSyntaxError(_) => format!("the body is no JSON: {why}"),
        JsonRejection::MissingJsonContentType(_) => "send the body as JSON, with Content-Type: application/json".into(),
        _ => format!("the body cannot be read: {why}"),
    };
    let said = if said.contains("unknown field") { format!("{said}; write it right or leave it out") } else { said };
    // Argo CD's gateway knows no 422
    if status == 422 { ApiError::invalid(said) } else { ApiError::new(status, said) }
}

/// The query. What is said several times is a list.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut said: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs(&parts.uri)? {
            match said.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => *values = format!("{values},{value}"),
                None => said.push((name, value)),
            }
        }
        let again: Vec<String> =
            said.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let uri: Uri =
            format!("/?{}", again.join("&")).parse().map_err(|_| ApiError::invalid("the query is too long"))?;
        let extract::Query(query) = extract::Query::try_from_uri(&uri).map_err(|error| {
            let text = error.body_text();
            let why = text.rsplit_once("query string: ").map_or(text.as_str(), |(_, why)| why);
            ApiError::invalid(format!("the query is not what this route takes: {why}"))
        })?;
        Ok(Self(query))
    }
}

/// The names and values of a query.
///
/// # Errors
/// 400 when it is no query.
pub(crate) fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, ApiError> {
    let query = extract::Query::try_from_uri(uri).map_err(|error| ApiError::invalid(error.body_text()))?;
    Ok(query.0)
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Where the request comes from; nowhere when its sender is in this process.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Peer>().map(|peer| peer.0)))
    }
}

/// The name in a path.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found = extract::Path::from_request_parts(parts, state).await;
        let extract::Path(name) = found.map_err(|error| {
            ApiError::invalid(format!("the path names nothing: {}; encode names as UTF-8", error.body_text()))
        })?;
        Ok(Self(name))
    }
}
