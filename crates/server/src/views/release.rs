use api::gantline::{Promotion, Release};
use serde::Serialize;
use utoipa::ToSchema;

use super::Object;

// a reference to a generic type would be called by its parameter too
type ReleaseObject = Object<Release>;
type PromotionObject = Object<Promotion>;

/// A release and everything that was tried with it, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleaseWithPromotions {
    pub(crate) release: ReleaseObject,
    pub(crate) promotions: Vec<PromotionObject>,
    /// It is quarantined, and the one who asks could lift that.
    pub(crate) can_lift: bool,
}
