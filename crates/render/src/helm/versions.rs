//! Versions of charts and of Kubernetes.

use gotemplate::semver::{Constraints, Version};

/// Whether `text` is a semantic version, as Helm reads one: minor and patch may be missing.
pub(crate) fn is_version(text: &str) -> bool {
    Version::parse(text).is_ok()
}

/// Whether `version` fulfils `constraint`; not when one of them cannot be read.
pub(crate) fn in_range(constraint: &str, version: &str) -> bool {
    match (Constraints::parse(constraint), Version::parse(version)) {
        (Ok(constraint), Ok(version)) => constraint.check(&version),
        _ => false,
    }
}
