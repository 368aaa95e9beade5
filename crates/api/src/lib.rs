//! The resource types that people write: Argo CD's Application, AppProject, config maps and Secrets, and Gantline's
//! Pipeline, Release and Promotion.
//!
//! **Absent on purpose:** clients, clocks, files, the environment; logic beyond defaulting and validation.

pub mod argocd;
pub mod gantline;
mod kinds;
pub mod meta;

pub use kinds::{ConfigMap, Secret};
