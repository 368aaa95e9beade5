//! Gantline's own resources: which way images travel ([`Pipeline`]), what travels ([`Release`]), and each attempt to put
//! it somewhere ([`Promotion`]).

mod crds;
mod gates;
mod known;
mod pipeline;
mod promotion;
mod release;
mod steps;
mod stored;

pub use crds::{crds, pipeline_crd, promotion_crd, release_crd};
pub use gates::*;
pub use pipeline::{
    Environment, EnvironmentStatus, ImageSource, Pin, Pipeline, PipelineCondition, PipelineConditionKind,
    PipelineProblem, PipelineSpec, PipelineStatus,
};
pub use promotion::{
    Approval, Ask, GateReport, GateState, MergedPeople, Promotion, PromotionPhase, PromotionSpec, PromotionStatus,
    StepRecord, Verdict,
};
pub use release::{
    Quarantine, Release, ReleaseEnvironment, ReleaseImage, ReleasePhase, ReleaseSource, ReleaseSpec, ReleaseStatus,
    person,
};
pub use steps::WriteStep;
pub use stored::Stored;

/// `gantline.dev/v1alpha1`
pub const API_VERSION: &str = "gantline.dev/v1alpha1";
pub const GROUP: &str = "gantline.dev";

/// Of a Release or a Promotion that has no status yet: by it Gantline knows that it made it.
pub const SEAL_ANNOTATION: &str = "gantline.dev/seal";
/// The label that names the Pipeline on its Releases and Promotions.
pub const PIPELINE_LABEL: &str = "gantline.dev/pipeline";
/// The label that names the environment on Promotions.
pub const ENVIRONMENT_LABEL: &str = "gantline.dev/environment";
