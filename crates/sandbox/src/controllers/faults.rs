//! Annotations of Pods (and of templates) that make them fail on purpose.

/// The containers exit a moment after they start, again and again.
pub(crate) const CRASH: &str = "sandbox.gantline.dev/crash";
