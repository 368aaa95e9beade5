use serde::Serialize;
use utoipa::ToSchema;

/// What to send as `Authorization: Bearer TOKEN`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Token {
    pub(crate) token: String,
}

/// Who asks.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserInfo {
    pub(crate) logged_in: bool,
    /// Absent without a session, as everything below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iss: Option<String>,
    /// The groups of gates that the user counts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) groups: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin: Option<bool>,
    /// For an admin: what config maps and projects do not say as it seems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slips: Option<Vec<String>>,
}

/// The program that answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Version {
    pub(crate) version: String,
    pub(crate) program: String,
}
