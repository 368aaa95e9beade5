use serde::Serialize;
use utoipa::ToSchema;

/// Why something was not answered, as Argo CD's gateway tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The same as `message`.
    pub(crate) error: String,
    /// What is wrong, and what to do next.
    pub(crate) message: String,
    /// gRPC's number for the kind of error.
    pub(crate) code: u8,
}
