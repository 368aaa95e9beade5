//! What is answered where there is no route, or none of the method: what there is instead.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::table::Table;
use crate::error::ApiError;

/// The methods of each path.
#[derive(Debug, Clone)]
pub(super) struct Nowhere(Arc<BTreeMap<&'static str, Vec<Method>>>);

/// How many paths are named.
const NEAR: usize = 5;

impl Nowhere {
    pub(super) fn of(table: &Table) -> Self {
        let mut known: BTreeMap<&'static str, Vec<Method>> = BTreeMap::new();
        for row in &table.0 {
            known.entry(row.path).or_default().push(row.method.clone());
        }
        Self(Arc::new(known))
    }

    /// No such path.
    pub(super) fn path(&self, method: &Method, uri: &Uri) -> Response {
        let near = self.near(uri.path());
        let near = if near.is_empty() { String::new() } else { format!("; near it are {}", near.join(", ")) };
        let path = uri.path();
        ApiError::not_found(format!("there is no {method} {path}{near}; /api/openapi.json names every route"))
            .into_response()
    }

    /// No such method.
    pub(super) fn method(&self, method: &Method, uri: &Uri) -> Response {
        let here = self.0.iter().find(|(known, _)| matches(known, uri.path()));
        let methods: Vec<&str> = here.iter().flat_map(|(_, methods)| methods.iter().map(Method::as_str)).collect();
        let text = format!("{} takes no {method}: it takes {}", uri.path(), methods.join(", "));
        let mut response = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, text).into_response();
        let allowed = HeaderValue::from_str(&methods.join(","));
        response.headers_mut().extend(allowed.ok().map(|allowed| (header::ALLOW, allowed)));
        response
    }

    /// Those that have the longest beginning in common with a path, more than `/api/v1`.
    fn near(&self, path: &str) -> Vec<&'static str> {
        let shared =
            |known: &str| known.split('/').zip(path.split('/')).take_while(|(a, b)| a == b || is_name(a)).count();
        let most = self.0.keys().map(|known| shared(known)).max().unwrap_or_default();
        let all = self.0.keys().filter(|known| most > 3 && shared(known) == most);
        all.take(NEAR).copied().collect()
    }
}

fn is_name(part: &str) -> bool {
    part.starts_with('{')
}

fn matches(known: &str, path: &str) -> bool {
    let (known, path): (Vec<&str>, Vec<&str>) = (known.split('/').collect(), path.split('/').collect());
    known.len() == path.len() && known.iter().zip(&path).all(|(a, b)| a == b || is_name(a))
}
