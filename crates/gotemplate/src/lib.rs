//! Go's text/template with sprig's and Helm's functions, and a value model that is Go's.
//!
//! **Absent on purpose:** files, network, environment, clock, randomness, Kubernetes.

mod builtins;
mod chart_functions;
mod compare;
mod deep;
mod duration;
pub mod error;
mod escape;
mod eval;
pub mod format;
pub mod function;
pub mod functions;
pub mod helm_functions;
mod json;
mod layout;
pub mod limits;
mod methods;
pub mod regex;
pub mod semver;
pub mod snippet;
pub mod sprig;
mod stack;
pub mod strconv;
mod syntax;
pub mod templates;
mod toml;
pub mod value;
mod x509;

pub use eval::{Read, Recording, Render, Write};
