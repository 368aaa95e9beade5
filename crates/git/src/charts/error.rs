//! What can go wrong with a chart repository. Addresses never carry credentials here.

/// Why a chart was not found or not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChartError {
    #[error("chart repository {url}: {reason}: write https://host/path with an index.yaml, or oci://host/path")]
    Address { url: String, reason: String },
    #[error("chart repository {url} has no {what}: check the address and the name of the chart")]
    NotFound { url: String, what: String },
    #[error("chart repository {url} has no version of {chart} that fulfils {constraint:?}; it has {known}")]
    NoVersion { url: String, chart: String, constraint: String, known: String },
    #[error(
        "the version {constraint:?} of the chart {chart} cannot be read: {reason}: write a version or a constraint such as ^1.2.0"
    )]
    Constraint { chart: String, constraint: String, reason: String },
    #[error(
        "chart repository {url} refuses the credentials ({reason}): check the repository Secret, or --username and --password"
    )]
    Unauthorized { url: String, reason: String },
    #[error("chart repository {url} cannot be reached: {reason}: try again, or look at the network in between")]
    Unreachable { url: String, reason: String },
    #[error("{what} of the chart repository {url} is larger than {} MiB, the limit", limit >> 20)]
    TooLarge { url: String, what: String, limit: u64 },
    #[error(
        "{what} of the chart repository {url} is not what was announced: expected {expected}, found {found}: it was changed or damaged, do not use it"
    )]
    Digest { url: String, what: String, expected: String, found: String },
    #[error("{what} of the chart repository {url} cannot be read: {reason}")]
    Malformed { url: String, what: String, reason: String },
    #[error("the cache of charts at {path}: {reason}: the folder may be deleted")]
    Storage { path: String, reason: String },
}
