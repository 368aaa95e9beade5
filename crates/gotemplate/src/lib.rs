//! Go's text/template with sprig's and Helm's functions, and a value model that is Go's.
//!
//! **Absent on purpose:** files, network, environment, clock, randomness, Kubernetes.

pub mod function;
pub mod limits;
pub mod regex;
pub mod semver;
pub mod strconv;
pub mod value;
