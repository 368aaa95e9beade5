//! What happened, page by page: what this process told, and what was kept of all before.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use control::{TimelineKind, Wanted};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::Server;
use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::Query;
use crate::overview;
use crate::suggest;
use crate::views::{Entry, TimelinePage};

/// On one page, where nobody says how many; and at most.
const PAGE: usize = 60;
const LONGEST: usize = 1000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TimelineQuery {
    /// About this Application.
    application: String,
    pipeline: String,
    /// Of a Pipeline.
    environment: String,
    /// A release by name, tag or digest.
    release: String,
    /// One kind, or several with commas between: `promoted,rolledBack`.
    kind: String,
    /// Not older than this moment, or than this: `30m`, `2h`, `7d`.
    since: String,
    /// Older than the entry of this mark.
    before: String,
    limit: Option<usize>,
}

/// The newest first.
pub(super) async fn get(
    State(server): State<Server>,
    Query(query): Query<TimelineQuery>,
    asker: Asker,
) -> Result<Json<TimelinePage>, ApiError> {
    let wanted = wanted(&query, &asker, server.config.clock.now())?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, LONGEST);
    let all = asker.controller().history(&wanted).await;
    let mut shown = all.filter_map(|entry| overview::entry_for(&server, &entry, asker.identity()));
    let items: Vec<Arc<Entry>> = shown.by_ref().take(limit).collect();
    let next = items.last().map(|entry| entry.mark.clone()).filter(|_| shown.next().is_some());
    // between two moments there may be nothing of what was long before
    if items.is_empty() && query.since.is_empty() && query.before.is_empty() {
        exists(&query, &asker)?;
    }
    Ok(Json(TimelinePage { items, next }))
}

/// What is gone may have a past; what never was is a slip, and that is said.
fn exists(query: &TimelineQuery, asker: &Asker) -> Result<(), ApiError> {
    let missing = |found: Result<(), ApiError>| found.err().filter(ApiError::is_not_found).map_or(Ok(()), Err);
    if !query.application.is_empty() {
        missing(asker.application(&query.application).map(drop))?;
    }
    if !query.pipeline.is_empty() {
        missing(asker.pipeline(&query.pipeline).map(drop))?;
    }
    let all = asker.all_pipelines().into_iter();
    let all = all.filter(|pipeline| query.pipeline.is_empty() || query.pipeline == pipeline.metadata.name);
    let known: BTreeSet<String> =
        all.flat_map(|it| it.spec.environments.iter().map(|it| it.name.clone()).collect::<Vec<_>>()).collect();
    if query.environment.is_empty() || known.is_empty() || known.contains(&query.environment) {
        return Ok(());
    }
    let (name, known) = (&query.environment, Vec::from_iter(known));
    Err(ApiError::not_found(format!("there is no environment {name:?}: {}", suggest::among(name, &known))))
}

fn wanted(query: &TimelineQuery, asker: &Asker, now: Timestamp) -> Result<Wanted, ApiError> {
    let named = |text: &str| kind(text.trim()).map_err(ApiError::invalid);
    let kinds = query.kind.split(',').filter(|text| !text.trim().is_empty()).map(named);
    let before = Some(query.before.as_str()).filter(|text| !text.is_empty()).map(str::parse);
    let since = Some(query.since.as_str()).filter(|text| !text.is_empty()).map(|text| moment(text, now));
    let release = match query.release.as_str() {
        "" => String::new(),
        text => asker.release(text, None)?.metadata.name.clone(),
    };
    Ok(Wanted {
        application: query.application.clone(),
        pipeline: query.pipeline.clone(),
        environment: query.environment.clone(),
        release,
        kinds: kinds.collect::<Result<_, _>>()?,
        since: since.transpose().map_err(ApiError::invalid)?,
        before: before.transpose().map_err(ApiError::invalid)?,
    })
}

/// As answers have them, whatever the case.
fn kind(text: &str) -> Result<TimelineKind, String> {
    let said = |kind: &TimelineKind| serde_json::to_value(kind).ok().and_then(|it| Some(it.as_str()?.to_owned()));
    let all: Vec<String> = TimelineKind::ALL.iter().filter_map(said).collect();
    let place = all.iter().position(|known| known.eq_ignore_ascii_case(text));
    let found = place.and_then(|place| TimelineKind::ALL.get(place).copied());
    found.ok_or_else(|| format!("{text:?} is no kind of what happens: there are {}", all.join(", ")))
}

/// A moment, or one so long ago: `7d` is seven times 24 hours.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<i64>().ok());
    let age = match days.and_then(|days| days.checked_mul(24)) {
        Some(hours) => SignedDuration::try_from_hours(hours),
        None => text.parse().ok(),
    };
    let past = age.filter(|age| !age.is_negative()).and_then(|age| now.checked_sub(age).ok());
    past.ok_or_else(|| format!("{text:?} is neither a moment nor an age: write 2026-11-21T08:00:00Z, 30m, 2h or 7d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_ages_are_read_as_people_write_them() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2h", "2026-11-21T06:00:00Z"),
            ("7d", "2026-11-14T08:00:00Z"),
            ("90m", "2026-11-21T06:30:00Z"),
            ("2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z"),
        ] {
            assert_eq!(moment(text, now).unwrap().to_string(), expected, "{text}");
        }
        for wrong in ["", "soon", "-2h", "-3d", "9223372036854775807d", "999999999d"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn kinds_are_named_as_answers_have_them() {
        assert_eq!(kind("rolledback"), Ok(TimelineKind::RolledBack));
        assert!(kind("nothing").unwrap_err().contains("rolledBack"));
    }
}
