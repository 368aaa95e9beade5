//! One task puts the picture together for everybody: soon after changes, and only while somebody looks.

use std::sync::{Arc, Weak};
use std::time::Duration;

use control::TimelineEntry;
use futures::{Stream, StreamExt};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{Snapshot, picture};
use crate::server::State;

/// Changes closer together than this are seen as one.
const TOGETHER: Duration = Duration::from_millis(200);
/// Without changes the picture is put together again after this time: gates count down.
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

/// Puts the picture together until the server is gone.
pub(crate) async fn keep(state: Weak<State>, mut asked: mpsc::UnboundedReceiver<Question>) {
    let Some((mut stores, mut timeline)) = state.upgrade().map(|state| changes(&state)) else { return };
    let mut questions = Vec::new();
    loop {
        let watched = state.upgrade().is_some_and(|state| state.look.latest.receiver_count() > 0);
        tokio::select! {
            question = asked.recv() => match question {
                Some(question) => questions.push(question),
                None => return,
            },
            _ = stores.next(), if watched => {}
            _ = timeline.recv(), if watched => {}
            () = pause(AT_LEAST), if watched => {}
        }
        while let Ok(question) = asked.try_recv() {
            questions.push(question);
        }
        let Some(state) = state.upgrade() else { return };
        let snapshot = renew(&state);
        questions.drain(..).for_each(|question| drop(question.send(Arc::clone(&snapshot))));
        drop(state);
        pause(TOGETHER).await;
    }
}

fn changes(state: &State) -> (impl Stream<Item = ()> + use<>, broadcast::Receiver<Arc<TimelineEntry>>) {
    let controller = &state.config.controller;
    (controller.stores().changes(), controller.timeline().subscribe())
}

fn renew(state: &State) -> Arc<Snapshot> {
    let next = Arc::new(state.look.latest.borrow().next(picture(state), state.config.clock.now()));
    state.look.latest.send_replace(Arc::clone(&next));
    next
}

/// Real time, whatever the clock of the cluster does: this is about people who look.
#[expect(clippy::disallowed_methods, reason = "the pace of a browser, not of the cluster")]
pub(crate) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
