//! What a simulated node knows about a pod beside what it has reported.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::registry::{ImageError, PulledImage};

/// By container name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PodMemory {
    pub(crate) pulls: BTreeMap<String, Pull>,
    /// Crashes in a row, which set how long the node waits.
    pub(crate) crashes: BTreeMap<String, u32>,
    /// When termination began.
    pub(crate) stopping: Option<Timestamp>,
}

/// How far the image of a container is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pull {
    /// Asked for; `attempt` counts from 1.
    Asked {
        attempt: u32,
        since: Timestamp,
    },
    Here {
        image: PulledImage,
        took: i64,
    },
    Failed {
        attempt: u32,
        error: ImageError,
        retry_at: Timestamp,
    },
}

/// An image that a node wants; answered with [`super::Simulation::pulled`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PullRequest {
    /// Uid of the pod.
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) image: String,
}

/// Seconds to wait after so many failures in a row: 10, 20, ... at most 300, as the kubelet does.
pub(crate) fn back_off(failures: u32) -> i64 {
    10_i64.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let waits: Vec<i64> = (1..8).map(back_off).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(back_off(u32::MAX), 300);
    }
}
