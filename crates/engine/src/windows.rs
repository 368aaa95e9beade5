//! Whether the sync windows of a project let an Application sync, and when that may change (rules of Argo CD 3.5.1).

use api::argocd::{Application, Glob, SyncWindow, WindowError, WindowKind, time_zone};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Who wants to sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The Application itself: automated sync and self-heal.
    Itself,
    Hand,
}

/// The windows of a project that concern one Application.
#[derive(Debug, Clone)]
pub struct Windows<'a> {
    now: Timestamp,
    all: Vec<Window<'a>>,
}

#[derive(Debug, Clone)]
struct Window<'a> {
    /// Its place in the project.
    place: usize,
    window: &'a SyncWindow,
}

impl<'a> Windows<'a> {
    /// `now` is the time for which everything is asked, and at which the offsets of time zones are read: as in Argo CD a
    /// window of a zone that changes its clocks moves by an hour from then on.
    pub fn of(windows: &'a [SyncWindow], app: &Application, now: Timestamp) -> Self {
        let all = windows.iter().enumerate().map(|(place, window)| Window { place, window });
        Self { now, all: all.filter(|window| concerns(window.window, app)).collect() }
    }

    /// No windows: everything may be synced at any time.
    pub fn none(now: Timestamp) -> Self {
        Self { now, all: Vec::new() }
    }

    /// The places in the project of those that concern the Application.
    pub fn places(&self) -> Vec<usize> {
        places(&self.all)
    }

    /// The places of those that are under way.
    ///
    /// # Errors
    /// When one that concerns the Application is not understood.
    pub fn active(&self) -> Result<Vec<usize>, WindowError> {
        Ok(places(&self.split(self.now)?.active))
    }

    /// The places of those that would allow a sync and are not under way.
    ///
    /// # Errors
    /// When one that concerns the Application is not understood.
    pub fn inactive_allows(&self) -> Result<Vec<usize>, WindowError> {
        Ok(places(&self.split(self.now)?.inactive_allows))
    }

    /// Whether a sync may begin, or go on that began at `began`.
    ///
    /// # Errors
    /// When one that concerns the Application is not understood: nobody can tell then.
    pub fn permit(&self, by: By, began: Option<Timestamp>) -> Result<bool, WindowError> {
        let split = self.split(self.now)?;
        let blocking = split.blocking();
        if blocking.is_empty() || by == By::Hand && blocking.iter().all(|window| window.manual_sync) {
            return Ok(true);
        }
        match began.filter(|_| blocking.iter().all(|window| window.sync_overrun)) {
            Some(began) => {
                let split = self.split(began)?;
                let blocking = split.blocking();
                Ok(blocking.is_empty() || by == By::Hand && blocking.iter().all(|window| window.manual_sync))
            }
            None => Ok(false),
        }
    }

    /// When the next window begins or ends: until then the answer stays as it is. A window that begins again before it
    /// ends goes on.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.all.iter().filter_map(|window| window.next_change(self.now)).min()
    }

    fn split(&self, at: Timestamp) -> Result<Split<'a>, WindowError> {
        let mut split = Split::default();
        for window in &self.all {
            match (window.is_active(at, self.now)?, window.window.meaning()) {
                (true, _) => split.active.push(window.clone()),
                (false, Some(WindowKind::Allow)) => split.inactive_allows.push(window.clone()),
                (false, _) => {}
            }
        }
        Ok(split)
    }
}

fn places(windows: &[Window<'_>]) -> Vec<usize> {
    windows.iter().map(|window| window.place).collect()
}

#[derive(Default)]
struct Split<'a> {
    active: Vec<Window<'a>>,
    inactive_allows: Vec<Window<'a>>,
}

impl<'a> Split<'a> {
    /// The windows that are against a sync: those that deny it now; or, where none allows it now, those that would at
    /// another time.
    fn blocking(&self) -> Vec<&'a SyncWindow> {
        let of = |kind| self.active.iter().filter(move |window| window.window.meaning() == Some(kind));
        let denying: Vec<_> = of(WindowKind::Deny).map(|window| window.window).collect();
        if !denying.is_empty() || of(WindowKind::Allow).next().is_some() {
            return denying;
        }
        self.inactive_allows.iter().map(|window| window.window).collect()
    }
}

impl Window<'_> {
    /// Whether it began within its duration before `at`, by the wall clock of its zone. One that never begins always is:
    /// so Argo CD reads a date that there is not, such as 30 February.
    fn is_active(&self, at: Timestamp, now: Timestamp) -> Result<bool, WindowError> {
        let (schedule, duration) = self.window.times()?;
        let wall = self.wall(at, now);
        let next = schedule.next(floor_seconds(wall - duration.as_nanos()));
        Ok(next.is_none_or(|next| i128::from(next) * NANOS < wall))
    }

    /// The wall clock of its zone, as nanoseconds since 1970.
    fn wall(&self, at: Timestamp, now: Timestamp) -> i128 {
        let zone = time_zone(&self.window.time_zone).unwrap_or(TimeZone::UTC);
        at.as_nanosecond() + i128::from(zone.to_offset(now).seconds()) * NANOS
    }

    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let (schedule, duration) = self.window.times().ok()?;
        let wall = self.wall(now, now);
        let begins = i128::from(schedule.next(floor_seconds(wall))?) * NANOS;
        let began = i128::from(schedule.next(floor_seconds(wall - duration.as_nanos()))?) * NANOS;
        let ends = began + duration.as_nanos();
        let next = if ends > wall { begins.min(ends) } else { begins };
        // it is active after its first instant
        Timestamp::from_nanosecond(now.as_nanosecond() + (next - wall) + 1).ok()
    }
}

const NANOS: i128 = 1_000_000_000;

fn floor_seconds(nanos: i128) -> i64 {
    i64::try_from(nanos.div_euclid(NANOS)).unwrap_or(i64::MIN)
}

/// One of what is written has to match, or all with `andOperator`; the destination by its name or its address.
fn concerns(window: &SyncWindow, app: &Application) -> bool {
    let destination = &app.spec.destination;
    let clusters = [destination.name.as_str(), destination.server.as_str()].map(Some);
    let clusters = clusters.map(|cluster| cluster.filter(|cluster| !cluster.is_empty()));
    let any = |globs: &[String], texts: &[Option<&str>]| {
        (!globs.is_empty()).then(|| globs.iter().any(|glob| texts.iter().flatten().any(|text| matches(glob, text))))
    };
    let found = [
        any(&window.applications, &[Some(&app.metadata.name)]),
        any(&window.clusters, &clusters),
        any(&window.namespaces, &[Some(&destination.namespace)]),
    ];
    let mut written = found.into_iter().flatten().peekable();
    if window.and_operator {
        written.peek().is_some() && written.all(|found| found)
    } else {
        written.any(|found| found)
    }
}

fn matches(glob: &str, text: &str) -> bool {
    Glob::new(glob, None).is_ok_and(|glob| glob.matches(text))
}
