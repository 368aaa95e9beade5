//! A line of the timeline as it is for everybody: its reason is for those who may see the Application that it tells of.

use std::sync::Arc;

use api::gantline::Pipeline;
use control::TimelineEntry;

use super::strokes::application_at;
use crate::people::Identity;
use crate::rights::{Object, Verb, permit};
use crate::server::State;
use crate::veil::neutral;
use crate::views::Entry;

#[derive(Debug)]
pub(super) struct Told {
    entry: Arc<Entry>,
    about: Option<About>,
}

/// The environment of whose Applications the reason tells.
#[derive(Debug)]
struct About {
    environment: String,
    applications: Vec<Object>,
}

impl From<Entry> for Told {
    /// One that tells of nothing but its own object.
    fn from(entry: Entry) -> Self {
        Self { entry: Arc::new(entry), about: None }
    }
}

impl Told {
    pub(super) fn of(state: &State, entry: &TimelineEntry) -> Self {
        let about = (!entry.tells_of.is_empty()).then(|| About::of(state, entry));
        Self { about, ..Self::from(Entry::from(entry)) }
    }

    pub(super) fn id(&self) -> u64 {
        self.entry.id
    }

    pub(super) fn seen_by(&self, who: &Identity) -> Arc<Entry> {
        let may = |object: &Object| permit(&who.rights, Verb::Get, object);
        match &self.about {
            Some(about) if !self.entry.reason.is_empty() && !about.applications.iter().all(may) => {
                Arc::new(Entry { reason: neutral(&about.environment), ..Entry::clone(&self.entry) })
            }
            _ => Arc::clone(&self.entry),
        }
    }
}

impl About {
    fn of(state: &State, entry: &TimelineEntry) -> Self {
        let TimelineEntry { pipeline, tells_of: environment, .. } = entry;
        let names = state.pipeline(pipeline).map_or_else(Vec::new, |pipeline| applications(&pipeline, environment));
        // of what is gone is told who may see it wherever it were
        let names = if names.is_empty() { vec!["*".to_owned()] } else { names };
        let objects = names.iter().map(|name| application_at(state, name, entry.time));
        Self { environment: environment.clone(), applications: objects.collect() }
    }
}

/// That of the environment now, and the one before that it last was seen with.
fn applications(pipeline: &Pipeline, environment: &str) -> Vec<String> {
    let now = pipeline.environment(environment).map(|environment| environment.application.clone());
    let before = pipeline.status_of(environment).map(|status| status.application.clone());
    let mut names: Vec<String> = now.into_iter().chain(before).filter(|name| !name.is_empty()).collect();
    names.dedup();
    names
}
