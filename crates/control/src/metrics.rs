//! Figures about the controller's work, in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use api::argocd::Application;
use engine::operation::Fact as Told;
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::facts::{Fact, Sink};

/// All counters and gauges of one controller.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    /// Sources that were rendered.
    pub renders: Counter,
    /// Renders that were not needed because nothing that was read has changed.
    pub renders_skipped: Counter,
    pub reconciles: Counter,
    pub reconcile_errors: Counter,
    /// Syncs by the phase that they ended in.
    pub syncs: Family<PhaseLabel, Counter>,
    pub self_heals: Counter,
    /// Questions to repositories about their branches and tags.
    pub fetches: Counter,
    pub fetch_errors: Counter,
    pub status_writes: Counter,
    pub applications: Family<ApplicationLabels, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PhaseLabel {
    pub phase: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ApplicationLabels {
    pub sync_status: String,
    pub health_status: String,
}

impl ApplicationLabels {
    fn of(app: &Application) -> Self {
        Self { sync_status: app.status.sync.status.to_string(), health_status: app.status.health.status.to_string() }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::default(),
            renders: Counter::default(),
            renders_skipped: Counter::default(),
            reconciles: Counter::default(),
            reconcile_errors: Counter::default(),
            syncs: Family::default(),
            self_heals: Counter::default(),
            fetches: Counter::default(),
            fetch_errors: Counter::default(),
            status_writes: Counter::default(),
            applications: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&self) {
        let mut guard = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = guard.sub_registry_with_prefix("gantline");
        for (name, help, counter) in [
            ("renders", "Sources that were rendered", &self.renders),
            (
                "renders_skipped",
                "Renders that were not needed: nothing that was read has changed",
                &self.renders_skipped,
            ),
            ("reconciles", "Applications that were looked at", &self.reconciles),
            ("reconcile_errors", "Reconciles that could not be finished", &self.reconcile_errors),
            ("self_heals", "Changes in the cluster that were taken back", &self.self_heals),
            ("fetches", "Questions to repositories about their branches and tags", &self.fetches),
            ("fetch_errors", "Such questions without an answer", &self.fetch_errors),
            ("status_writes", "Writes to Applications' status", &self.status_writes),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register("syncs", "Syncs by the phase that they ended in", self.syncs.clone());
        registry.register("applications", "Applications by sync and health status", self.applications.clone());
    }

    /// Lets another part of the program add its own.
    pub fn with_registry<T>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts an Application where its status is now, and no more where it was.
    pub(crate) fn moved(&self, old: Option<&Application>, new: Option<&Application>) {
        let gauge = |app: &Application| self.applications.get_or_create_owned(&ApplicationLabels::of(app));
        if let Some(app) = old {
            gauge(app).dec();
        }
        if let Some(app) = new {
            gauge(app).inc();
        }
    }

    fn synced(&self, phase: &str) {
        self.syncs.get_or_create(&PhaseLabel { phase: phase.to_owned() }).inc();
    }

    /// Everything, as `/metrics` answers it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if encode(&mut text, &registry).is_err() {
            let _ = write!(text, "# encoding failed");
        }
        text
    }
}

impl Sink for std::sync::Arc<Metrics> {
    fn take(&self, fact: &Fact, _: Timestamp) {
        match fact {
            Fact::Operation { told: Told::SelfHealed { .. }, .. } => drop(self.self_heals.inc()),
            Fact::Operation { told: Told::Ended { phase, .. }, .. } => self.synced(phase.as_str()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_show_in_the_text() {
        let metrics = Metrics::default();
        metrics.renders.inc();
        metrics.synced("Succeeded");
        let app = Application::default();
        metrics.moved(None, Some(&app));
        metrics.moved(None, Some(&app));
        metrics.moved(Some(&app), None);
        let text = metrics.text();
        assert!(text.contains("gantline_renders_total 1"), "{text}");
        let one = "gantline_applications{sync_status=\"Unknown\",health_status=\"Unknown\"} 1";
        assert!(text.contains(one), "{text}");
        assert!(text.contains("gantline_syncs_total{phase=\"Succeeded\"} 1"), "{text}");
    }
}
