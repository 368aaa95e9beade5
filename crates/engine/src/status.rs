//! What a look at an Application puts into its status.

use std::collections::BTreeSet;

use api::argocd::{
    Application, ApplicationStatus, ComparedTo, Condition, ConditionType, HealthStatus, HealthStatusCode,
    ResourceStatus, SyncStatus, SyncStatusCode,
};
use jiff::Timestamp;
use object::{Kind, LiveObject, ResourceKey};

use crate::compare::Comparison;
use crate::conditions::set_conditions;
use crate::health::{HealthInput, HealthOf, aggregate};
use crate::images::images;

/// The conditions that a look at an Application sets or takes away; others are not its own.
const OF_A_LOOK: [ConditionType; 8] = [
    ConditionType::InvalidSpecError,
    ConditionType::ComparisonError,
    ConditionType::SharedResourceWarning,
    ConditionType::RepeatedResourceWarning,
    ConditionType::ExcludedResourceWarning,
    ConditionType::OrphanedResourceWarning,
    ConditionType::SourceWarning,
    ConditionType::UnknownError,
];

/// What was found.
#[derive(Debug, Clone, Copy)]
pub enum Look<'a> {
    Compared {
        comparison: &'a Comparison,
        /// One commit and one tool for each source.
        commits: &'a [String],
        tools: &'a [String],
        /// What is doubtful in the sources.
        doubts: Option<&'a Condition>,
    },
    /// What is wanted or what is there is not known. `known` are the objects that it had, as far as they can be seen.
    Unknown { reasons: &'a [Condition], known: &'a [LiveObject] },
}

/// Puts what a look found into the status, with the health of its objects as `health` tells it.
pub fn show(app: &mut Application, look: Look<'_>, health: HealthOf<'_>, now: Timestamp) {
    match look {
        Look::Compared { comparison, commits, tools, doubts } => {
            let mut found = comparison.conditions.clone();
            found.extend(doubts.cloned());
            set_conditions(&mut app.status.conditions, &OF_A_LOOK, found, now);
            show_sync(app, comparison.status, commits, tools);
            show_objects(app, comparison, health, now);
        }
        Look::Unknown { reasons, known } => {
            set_conditions(&mut app.status.conditions, &OF_A_LOOK, reasons.to_vec(), now);
            // the objects that were known stay, and so does the revision that they are of
            app.status.sync.status = SyncStatusCode::Unknown;
            if app.status.sync.revision.is_empty() && app.status.sync.revisions.is_empty() {
                // no more of it: an address may hold a password
                let destination = app.spec.destination.clone();
                app.status.sync.compared_to = ComparedTo { destination, ..ComparedTo::default() };
            }
            if reasons.iter().any(|reason| reason.kind == ConditionType::InvalidSpecError) {
                set_health(&mut app.status, HealthStatus::new(HealthStatusCode::Unknown, ""), now);
            } else {
                show_known(app, known, health, now);
            }
        }
    }
}

fn show_sync(app: &mut Application, status: SyncStatusCode, commits: &[String], tools: &[String]) {
    let several = app.spec.has_multiple_sources();
    let (revision, revisions) = one_or_several(commits, several);
    app.status.sync = SyncStatus { status, compared_to: compared_to(app), revision, revisions };
    (app.status.source_type, app.status.source_types) = one_or_several(tools, several);
}

fn compared_to(app: &Application) -> ComparedTo {
    ComparedTo {
        source: app.spec.source.clone().filter(|_| !app.spec.has_multiple_sources()),
        destination: app.spec.destination.clone(),
        sources: app.spec.sources.clone(),
        ignore_differences: app.spec.ignore_differences.clone(),
    }
}

/// As Argo CD has it: a text for one source, a list for several.
fn one_or_several(texts: &[String], several: bool) -> (String, Vec<String>) {
    if several {
        return (String::new(), texts.to_vec());
    }
    (texts.first().cloned().unwrap_or_default(), Vec::new())
}

fn show_objects(app: &mut Application, comparison: &Comparison, health: HealthOf<'_>, now: Timestamp) {
    let objects = &comparison.objects;
    let live = || objects.iter().map(|object| object.live.as_deref());
    let healths: Vec<Option<HealthStatus>> = live().map(|live| live.and_then(health)).collect();
    let inputs: Vec<HealthInput<'_>> = objects
        .iter()
        .zip(&healths)
        .map(|(object, health)| HealthInput {
            target: object.target.as_ref(),
            live: object.live.as_deref(),
            health: health.as_ref(),
        })
        .collect();
    let (total, each) = aggregate(&inputs, &own_key(app), &app.metadata.uid);
    // a hook that did not run is no object
    let rows = objects.iter().zip(each).filter(|(object, _)| !object.hook || object.live.is_some());
    app.status.resources = rows.map(|(o, health)| ResourceStatus { health, ..o.resource_status() }).collect();
    set_health(&mut app.status, total, now);
    let all: BTreeSet<String> = live().flatten().flat_map(|live| images(live)).map(|image| image.image).collect();
    app.status.summary.images = all.into_iter().collect();
}

/// Health goes on being told while the desired state is not known.
fn show_known(app: &mut Application, known: &[LiveObject], health: HealthOf<'_>, now: Timestamp) {
    // objects that cannot be seen are as they were; without any there is nothing that is not well, as in Argo CD
    if known.is_empty() && !app.status.resources.is_empty() {
        return;
    }
    let healths: Vec<Option<HealthStatus>> = known.iter().map(health).collect();
    let inputs: Vec<HealthInput<'_>> = known
        .iter()
        .zip(&healths)
        .map(|(live, health)| HealthInput { target: None, live: Some(live), health: health.as_ref() })
        .collect();
    let (total, _) = aggregate(&inputs, &own_key(app), &app.metadata.uid);
    set_health(&mut app.status, total, now);
}

fn own_key(app: &Application) -> ResourceKey {
    let kind = Application::group_kind();
    ResourceKey::new(kind.group, kind.kind, app.metadata.namespace.as_str(), app.metadata.name.as_str())
}

fn set_health(status: &mut ApplicationStatus, health: HealthStatus, now: Timestamp) {
    let since = match status.health.last_transition_time {
        Some(since) if status.health.status == health.status => since,
        _ => now,
    };
    status.health = HealthStatus { last_transition_time: Some(since), ..health };
}
