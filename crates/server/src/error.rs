//! Errors as the API tells them: `{"error", "message", "code"}` with gRPC's codes, as Argo CD's gateway does.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cluster::ClusterError;
use control::requests::RequestError;

use crate::views::Problem;

/// An answer that is not what was asked for. The message says what and what to do next.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    /// Seconds.
    retry_after: Option<i64>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after: None }
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Says in how many seconds it is of use to ask again.
    pub(crate) fn retry_after(self, seconds: i64) -> Self {
        Self { retry_after: Some(seconds.max(1)), ..self }
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    pub(crate) fn is_conflict(&self) -> bool {
        self.status == StatusCode::CONFLICT
    }

    fn code(&self) -> u8 {
        match self.status {
            StatusCode::REQUEST_TIMEOUT => 4,
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE => 3,
            StatusCode::NOT_FOUND => 5,
            StatusCode::CONFLICT => 10,
            StatusCode::FORBIDDEN => 7,
            StatusCode::TOO_MANY_REQUESTS => 8,
            StatusCode::METHOD_NOT_ALLOWED => 12,
            StatusCode::UNAUTHORIZED => 16,
            StatusCode::SERVICE_UNAVAILABLE => 14,
            _ => 13,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Problem { error: self.message.clone(), code: self.code(), message: self.message };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Cluster(error) => error.into(),
            RequestError::Refused(message) => Self::new(StatusCode::CONFLICT, message),
            RequestError::Absent(message) => Self::not_found(message),
            RequestError::Invalid(message) => Self::invalid(message),
        }
    }
}

impl From<ClusterError> for ApiError {
    fn from(error: ClusterError) -> Self {
        let status = match &error {
            ClusterError::NotFound { .. } | ClusterError::NoNamespace { .. } => StatusCode::NOT_FOUND,
            ClusterError::Conflict { .. } => StatusCode::CONFLICT,
            other if other.is_unreachable() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_code_that_grpc_has_for_it() {
        let check = |status: u16, code: u8| {
            let error = ApiError::new(StatusCode::from_u16(status).unwrap(), "");
            assert_eq!(error.code(), code, "{status}");
        };
        for (status, code) in [(400, 3), (413, 3), (415, 3), (404, 5), (403, 7), (429, 8), (409, 10), (405, 12)] {
            check(status, code);
        }
        check(500, 13);
        check(503, 14);
        check(401, 16);
    }

    #[test]
    fn what_is_refused_is_told_apart_from_what_is_absent_and_what_is_too_much() {
        let check = |error: RequestError, status: u16| assert_eq!(ApiError::from(error).status.as_u16(), status);
        check(RequestError::Refused("x".into()), 409);
        check(RequestError::Absent("x".into()), 404);
        check(RequestError::Invalid("x".into()), 400);
    }
}
