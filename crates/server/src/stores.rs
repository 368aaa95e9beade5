//! What is known now, before any right is asked: for [`crate::asker`], which asks, and [`crate::overview`].

use std::sync::Arc;

use api::argocd::{AppProject, Application};
use api::gantline::{Pipeline, Promotion, Release};
use control::Stores;

use crate::server::State;

impl State {
    pub(crate) fn stores(&self) -> &Stores {
        self.config.controller.stores()
    }

    pub(crate) fn application(&self, name: &str) -> Option<Arc<Application>> {
        self.config.controller.application(name)
    }

    /// By namespace and name.
    pub(crate) fn applications(&self) -> Vec<Arc<Application>> {
        self.stores().applications.all()
    }

    pub(crate) fn projects(&self) -> Vec<Arc<AppProject>> {
        self.stores().projects.all()
    }

    pub(crate) fn pipeline(&self, name: &str) -> Option<Arc<Pipeline>> {
        self.stores().pipeline(name)
    }

    /// By name.
    pub(crate) fn pipelines(&self) -> Vec<Arc<Pipeline>> {
        self.stores().pipelines.all()
    }

    pub(crate) fn release(&self, name: &str) -> Option<Arc<Release>> {
        self.stores().release(name)
    }

    /// The newest first.
    pub(crate) fn releases(&self, pipeline: Option<&str>) -> Vec<Arc<Release>> {
        self.stores().releases(pipeline)
    }

    pub(crate) fn promotion(&self, name: &str) -> Option<Arc<Promotion>> {
        self.stores().promotion(name)
    }

    /// The newest first.
    pub(crate) fn promotions(&self, pipeline: Option<&str>) -> Vec<Arc<Promotion>> {
        self.stores().promotions(pipeline)
    }
}
