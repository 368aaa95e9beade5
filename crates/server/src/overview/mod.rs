//! What the page shows, as one value: services with their environments side by side, Applications, the timeline. It is
//! put together once for all who look, and each gets what they may see of it.

mod environments;
mod keeper;
mod snapshot;

pub(crate) use environments::{environments, gates_now};
pub(crate) use keeper::{Look, keep, pause};
pub(crate) use snapshot::{Mark, News, Snapshot};

use api::argocd::Application;

use crate::rights::{Object, Resource};
use crate::server::State;
use crate::views::{ApplicationRow, Entry, Service};

/// How much of the timeline is shown.
const ENTRIES: usize = 60;

/// Everything there is to see, each with what a right to it is about.
#[derive(Debug, Default)]
struct Picture {
    applications: Vec<(Object, ApplicationRow)>,
    services: Vec<(Object, Service)>,
    timeline: Vec<(Object, Entry)>,
}

fn picture(state: &State) -> Picture {
    let (applications, pipelines) = (state.applications(), state.pipelines());
    let of_application = |app: &Application| Object::application(app, &state.config.namespace);
    let timeline = state.config.controller.timeline().newest(ENTRIES);
    Picture {
        applications: applications.iter().map(|app| (of_application(app), ApplicationRow::from(&**app))).collect(),
        services: pipelines
            .iter()
            .map(|pipeline| (Object::pipeline(pipeline), environments::service(state, pipeline)))
            .collect(),
        timeline: timeline.iter().map(|entry| (object_of(state, entry), Entry::from(&**entry))).collect(),
    }
}

/// What somebody has to be allowed to see for an entry of the timeline.
fn object_of(state: &State, entry: &control::TimelineEntry) -> Object {
    if !entry.application.is_empty() {
        let app = state.application(&entry.application);
        let absent = || Object::absent(Resource::Applications, &entry.application);
        return app.map_or_else(absent, |app| Object::application(&app, &state.config.namespace));
    }
    match state.pipeline(&entry.pipeline) {
        Some(pipeline) => Object::pipeline(&pipeline),
        None if entry.pipeline.is_empty() => Object::absent(Resource::Applications, "*"),
        None => Object::absent(Resource::Pipelines, &entry.pipeline),
    }
}
