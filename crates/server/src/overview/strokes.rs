//! What is drawn anew of the picture: as much as was touched.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::argocd::Application;
use control::{AppKey, TimelineEntry, Touched};
use jiff::Timestamp;

use super::lane::Lane;
use super::snapshot::Snapshot;
use super::told::Told;
use crate::people::Identity;
use crate::rights::{Object, Resource, Verb, permit};
use crate::server::State;
use crate::views::{ApplicationRow, Entry};

/// How much of the timeline is shown.
const ENTRIES: usize = 60;

/// Parts by their names, each with what a right to it is about; `None`: it is gone.
#[derive(Debug, Default)]
pub(super) struct Strokes {
    pub(super) applications: Vec<(String, Option<(Object, ApplicationRow)>)>,
    pub(super) services: Vec<(String, Option<(Object, Lane)>)>,
    /// All that is shown of it, the oldest first; what was shown before is told by its number alone.
    pub(super) timeline: Vec<(u64, Option<(Object, Told)>)>,
}

impl Strokes {
    pub(super) fn of(state: &State, touched: &BTreeSet<Touched>, shown: &Snapshot) -> Self {
        let mut strokes = Self { timeline: timeline(state, shown), ..Self::default() };
        for part in touched {
            match part {
                Touched::Application(key) => strokes.applications.push(application(state, key)),
                Touched::Pipeline(name) => strokes.services.push((name.clone(), lane(state, name))),
            }
        }
        strokes
    }
}

fn application(state: &State, key: &AppKey) -> (String, Option<(Object, ApplicationRow)>) {
    let home = &state.config.namespace;
    let name = key.text(home);
    let row = |app: &Application| ApplicationRow { name: name.clone(), ..ApplicationRow::from(app) };
    let found = state.stores().application(key).or_else(|| state.unreadable_application(key));
    let found = found.map(|app| (Object::application(&app, home), row(&app)));
    (name, found)
}

fn lane(state: &State, name: &str) -> Option<(Object, Lane)> {
    if let Some(pipeline) = state.pipeline(name) {
        return Some((Object::pipeline(&pipeline), Lane::of(state, &pipeline)));
    }
    let unreadable = state.unreadable_pipeline(name)?;
    Some((Object::pipeline(&unreadable.pipeline), Lane::unreadable(name, &unreadable.why)))
}

fn timeline(state: &State, shown: &Snapshot) -> Vec<(u64, Option<(Object, Told)>)> {
    let newest = state.config.controller.timeline().newest(ENTRIES);
    let drawn = |entry: &TimelineEntry| {
        let new = (!shown.shows(entry.id)).then(|| (object_of(state, entry), Told::of(state, entry)));
        (entry.id, new)
    };
    newest.iter().map(|entry| drawn(entry)).collect()
}

/// An entry of the timeline as somebody may see it; none where they may not.
pub(crate) fn entry_for(state: &State, entry: &TimelineEntry, who: &Identity) -> Option<Arc<Entry>> {
    permit(&who.rights, Verb::Get, &object_of(state, entry)).then(|| Told::of(state, entry).seen_by(who))
}

/// What somebody has to be allowed to see for an entry of the timeline.
fn object_of(state: &State, entry: &TimelineEntry) -> Object {
    if !entry.application.is_empty() {
        return application_at(state, &entry.application, entry.time);
    }
    match state.pipeline(&entry.pipeline) {
        Some(pipeline) => Object::pipeline(&pipeline),
        None if entry.pipeline.is_empty() => Object::absent(Resource::Applications, "*"),
        None => Object::absent(Resource::Pipelines, &entry.pipeline),
    }
}

/// The Application of this name as it was told of at a time. One that was made since, to the second, is another one, perhaps
/// of another project: then that of the time is gone, and told of to who may see it wherever it were.
pub(super) fn application_at(state: &State, name: &str, time: Timestamp) -> Object {
    let app = state.application(name).filter(|app| app.metadata.creation_timestamp.is_none_or(|made| made <= time));
    let absent = || Object::absent(Resource::Applications, name);
    app.map_or_else(absent, |app| Object::application(&app, &state.config.namespace))
}
