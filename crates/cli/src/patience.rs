//! Waiting for what somebody else does.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::Value;

use crate::client::Client;
use crate::failure::Failure;
use crate::settings;

/// Whether there was patience enough; the last answer.
pub(crate) enum Waited {
    Done(Value),
    GaveUp(Value),
}

/// Asks until `done`, for `patience` of real time at most. `state` is told meanwhile.
///
/// # Errors
/// When the server refuses or does not answer.
#[expect(clippy::disallowed_methods, reason = "a person at a terminal waits in real time")]
pub(crate) async fn until(
    client: &Client,
    path: &str,
    patience: Duration,
    state: impl Fn(&Value) -> String,
    done: impl Fn(&Value) -> bool,
) -> Result<Waited, Failure> {
    let began = Instant::now();
    let bar = if settings::progress() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    loop {
        let answer = client.get(path).await?;
        let (is_done, is_late) = (done(&answer), began.elapsed() > patience);
        if is_done || is_late {
            bar.finish_and_clear();
            return Ok(if is_done { Waited::Done(answer) } else { Waited::GaveUp(answer) });
        }
        bar.set_message(state(&answer));
        bar.tick();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
