//! One task puts the picture together for everybody: soon after changes, and only while somebody looks.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use control::{TimelineEntry, Touched, Touches};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::snapshot::Snapshot;
use super::strokes::Strokes;
use crate::server::State;

/// Changes closer together than this are seen as one.
const TOGETHER: Duration = Duration::from_millis(200);
/// Without changes what time may have changed is put together again after this time.
const AT_LEAST: Duration = Duration::from_secs(5);

/// Somebody who wants to see what there is now.
type Question = oneshot::Sender<Arc<Snapshot>>;

/// Where the picture is seen.
#[derive(Debug)]
pub(crate) struct Look {
    questions: mpsc::UnboundedSender<Question>,
    latest: watch::Sender<Arc<Snapshot>>,
}

impl Look {
    /// With what [`keep`] wants.
    pub(crate) fn new(first: Snapshot) -> (Self, mpsc::UnboundedReceiver<Question>) {
        let (questions, asked) = mpsc::unbounded_channel();
        (Self { questions, latest: watch::Sender::new(Arc::new(first)) }, asked)
    }

    /// A picture that was put together after the call.
    pub(crate) async fn now(&self) -> Arc<Snapshot> {
        let (answer, answered) = oneshot::channel();
        // the keeper lives as long as the server; the last picture is what a server that ends has
        let _ = self.questions.send(answer);
        answered.await.unwrap_or_else(|_| Arc::clone(&self.latest.borrow()))
    }

    /// Pictures as they come, for as long as the receiver lives.
    pub(crate) fn follow(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.latest.subscribe()
    }
}

/// Puts the picture together until the server is gone. What is touched while nobody looks waits until somebody does.
pub(crate) async fn keep(state: Weak<State>, mut asked: mpsc::UnboundedReceiver<Question>) {
    let Some((mut touches, mut timeline)) = state.upgrade().map(|state| changes(&state)) else { return };
    let (mut questions, mut touched) = (Vec::new(), BTreeSet::new());
    loop {
        let watched = state.upgrade().is_some_and(|state| state.look.latest.receiver_count() > 0);
        tokio::select! {
            question = asked.recv() => match question {
                Some(question) => questions.push(question),
                None => return,
            },
            more = touches.next() => {
                touched.extend(more);
                if !watched {
                    continue;
                }
            }
            entry = timeline.recv(), if watched => touched.extend(entry.ok().and_then(|entry| told(&entry))),
            () = pause(AT_LEAST), if watched => {}
        }
        while let Ok(question) = asked.try_recv() {
            questions.push(question);
        }
        let Some(state) = state.upgrade() else { return };
        touches.take(&mut touched);
        let snapshot = renew(&state, std::mem::take(&mut touched));
        questions.drain(..).for_each(|question| drop(question.send(Arc::clone(&snapshot))));
        drop(state);
        pause(TOGETHER).await;
    }
}

fn changes(state: &State) -> (Touches, broadcast::Receiver<Arc<TimelineEntry>>) {
    let controller = &state.config.controller;
    (controller.stores().touches(), controller.timeline().subscribe())
}

/// A Pipeline of which something is told may be another one now.
fn told(entry: &TimelineEntry) -> Option<Touched> {
    (!entry.pipeline.is_empty()).then(|| Touched::Pipeline(entry.pipeline.clone()))
}

fn renew(state: &State, mut touched: BTreeSet<Touched>) -> Arc<Snapshot> {
    let (last, now) = (Arc::clone(&state.look.latest.borrow()), state.config.clock.now());
    touched.extend(last.restless(now).map(|name| Touched::Pipeline(name.to_owned())));
    let next = Arc::new(last.next(Strokes::of(state, &touched, &last), now));
    state.look.latest.send_replace(Arc::clone(&next));
    next
}

/// Real time, whatever the clock of the cluster does: this is about people who look.
#[expect(clippy::disallowed_methods, reason = "the pace of a browser, not of the cluster")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
