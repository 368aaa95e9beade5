//! What is known now, before any right is asked: for [`crate::asker`], which asks, and [`crate::overview`].

use std::sync::Arc;

use api::argocd::{AppProject, Application, ApplicationStatus, Condition, ConditionType};
use api::gantline::{Pipeline, PipelineCondition, PipelineConditionKind, Promotion, Release};
use cluster::Unreadable;
use control::{AppKey, Stores};

use crate::server::State;

/// A Pipeline that does not have the shape of one: it does not run.
pub(crate) struct UnreadablePipeline {
    /// As it was when it could be read, and why it cannot be read now as its condition.
    pub(crate) pipeline: Pipeline,
    pub(crate) why: Arc<str>,
}

impl UnreadablePipeline {
    fn of(unreadable: Unreadable<Pipeline>) -> Self {
        let Unreadable { key, why, last, .. } = unreadable;
        let mut pipeline = last.map_or_else(Pipeline::default, |last| Pipeline::clone(&last));
        pipeline.metadata.name.clone_from(&key.name);
        pipeline.metadata.namespace.clone_from(&key.namespace);
        let message = format!("it cannot be read: {why}");
        pipeline.status.conditions = vec![PipelineCondition { r#type: PipelineConditionKind::Invalid, message }];
        Self { pipeline, why }
    }
}

/// An Application that does not have the shape of one, as people are shown it: by its last spec, with why it is no good now.
fn unreadable_application(unreadable: Unreadable<Application>) -> Arc<Application> {
    let Unreadable { key, why, last, .. } = unreadable;
    let mut app = last.map_or_else(Application::default, |last| Application::clone(&last));
    app.metadata.name.clone_from(&key.name);
    app.metadata.namespace.clone_from(&key.namespace);
    let message = format!("it cannot be read, so nothing is done with it: {why}");
    let conditions = vec![Condition::new(ConditionType::InvalidSpecError, message)];
    app.status = ApplicationStatus { conditions, ..ApplicationStatus::default() };
    Arc::new(app)
}

impl State {
    pub(crate) fn stores(&self) -> &Stores {
        self.config.controller.stores()
    }

    pub(crate) fn application(&self, name: &str) -> Option<Arc<Application>> {
        self.config.controller.application(name)
    }

    /// One that was written as no Application is.
    pub(crate) fn unreadable_application(&self, key: &AppKey) -> Option<Arc<Application>> {
        // few are: most who ask have one that can be read
        self.stores().applications.why_unreadable(&key.namespace, &key.name)?;
        self.unreadable_applications().into_iter().find(|app| AppKey::of(app) == *key)
    }

    /// By namespace and name.
    pub(crate) fn unreadable_applications(&self) -> Vec<Arc<Application>> {
        self.stores().applications.unreadable().into_iter().map(unreadable_application).collect()
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

    /// One that was written as no Pipeline is.
    pub(crate) fn unreadable_pipeline(&self, name: &str) -> Option<UnreadablePipeline> {
        self.unreadable_pipelines().into_iter().find(|known| known.pipeline.metadata.name == name)
    }

    /// By name.
    pub(crate) fn unreadable_pipelines(&self) -> Vec<UnreadablePipeline> {
        self.stores().pipelines.unreadable().into_iter().map(UnreadablePipeline::of).collect()
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
