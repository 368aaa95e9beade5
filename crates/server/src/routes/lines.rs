//! Answers that come line by line: one JSON object each.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde::Serialize;

pub(super) const KIND: &str = "application/x-ndjson";

pub(super) struct Lines<T>(Body, PhantomData<T>);

impl<T> fmt::Debug for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl<T: Serialize> Lines<T> {
    pub(super) fn new(items: impl Stream<Item = T> + Send + 'static) -> Self {
        let line = |item| Ok::<_, Infallible>(format!("{}\n", serde_json::to_string(&item).unwrap_or_default()));
        Self(Body::from_stream(items.map(line)), PhantomData)
    }
}

impl<T> IntoResponse for Lines<T> {
    /// Compressed, a line would wait for others.
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, KIND), (header::CONTENT_ENCODING, "identity")], self.0).into_response()
    }
}
