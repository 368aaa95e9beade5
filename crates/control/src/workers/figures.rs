//! What is counted about workers.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::ended::Ended;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    reason: &'static str,
}

/// Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    jobs: Family<Outcome, Counter>,
    kills: Family<Reason, Counter>,
    pub(crate) processes: Gauge,
    pub(crate) slow: Gauge,
}

impl Figures {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("render_jobs", "Jobs of render workers by outcome", self.jobs.clone());
        registry.register("render_kills", "Render workers that were killed, by reason", self.kills.clone());
        registry.register("render_processes", "Render workers that run", self.processes.clone());
        registry.register("render_slow", "Jobs that are slow or wait among slow ones", self.slow.clone());
    }

    pub(crate) fn job<T>(&self, ended: &Result<T, Ended>) {
        let outcome = match ended {
            Ok(_) => "done",
            Err(Ended::TooLong { .. }) => "too_long",
            Err(Ended::TooLarge { .. }) => "too_large",
            Err(Ended::Killed { .. }) => "killed",
            Err(Ended::NotStarted { .. }) => "not_started",
            Err(Ended::Crashed { .. } | Ended::Failed { .. }) => "failed",
        };
        self.jobs.get_or_create(&Outcome { outcome }).inc();
    }

    /// `reason` is one of a few words.
    pub(crate) fn kill(&self, reason: &'static str) {
        self.kills.get_or_create(&Reason { reason }).inc();
    }
}
