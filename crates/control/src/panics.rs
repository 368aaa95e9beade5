//! A panic is a defect of this program: it ends what it happened in, and nothing else.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt;

/// What a test throws to end a whole loop, as a process ends that is killed.
#[derive(Debug)]
pub(crate) struct Killed;

/// The outcome; `None` after a panic, which is told.
pub(crate) async fn caught<T>(what: impl fmt::Display, work: impl Future<Output = T>) -> Option<T> {
    let thrown = match AssertUnwindSafe(work).catch_unwind().await {
        Ok(done) => return Some(done),
        Err(thrown) => thrown,
    };
    if thrown.is::<Killed>() {
        resume_unwind(thrown);
    }
    tracing::error!(%what, why = text(&*thrown), "a defect of this program: it was not finished, and is tried again");
    None
}

fn text(thrown: &(dyn Any + Send)) -> &str {
    let text = thrown.downcast_ref::<&str>().copied();
    text.or_else(|| thrown.downcast_ref::<String>().map(String::as_str)).unwrap_or("it says nothing")
}
