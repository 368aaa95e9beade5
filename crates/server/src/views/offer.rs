use api::gantline::Release;
use serde::Serialize;
use utoipa::ToSchema;

/// What the one who asks could do now: it would be done, or is refused for the reason that is said.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Offer {
    pub(crate) action: Offered,
    /// Of a yes or no.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) promotion: String,
    /// The release that it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) release: String,
    /// What people call the release.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) tag: String,
    /// All that follows from it, as sentences; empty where the action says it all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) consequences: Vec<String>,
    /// Why the one who asks may not; absent: it would be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) enum Offered {
    Promote,
    Approve,
    Reject,
    RollBack,
    Unpin,
    Lift,
}

impl Offer {
    /// About nothing more than the environment where it is.
    pub(crate) fn to(action: Offered) -> Self {
        let (promotion, release, tag) = Default::default();
        Self { action, promotion, release, tag, consequences: Vec::new(), refused: None }
    }

    /// About a release.
    pub(crate) fn of(action: Offered, release: &Release) -> Self {
        let tag = promotion::label(&release.spec.images).into_owned();
        Self { release: release.metadata.name.clone(), tag, ..Self::to(action) }
    }
}
