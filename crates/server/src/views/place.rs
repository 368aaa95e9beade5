use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Where an image runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Whereabouts {
    /// What was asked for.
    pub(crate) image: String,
    pub(crate) items: Vec<Place>,
    /// Why there may be more than was found; empty where there is not.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub(crate) note: String,
}

/// One Application that runs the image; pipeline and environment are empty where no Pipeline moves it, and what is the
/// Application's where who asks may not get it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Place {
    pub(crate) pipeline: String,
    pub(crate) environment: String,
    pub(crate) application: String,
    pub(crate) namespace: String,
    /// The name or the server of the cluster that it deploys to.
    pub(crate) cluster: String,
    pub(crate) image: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) tag: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) since: Option<Timestamp>,
    pub(crate) sync: String,
    pub(crate) health: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) release: String,
}
