//! The page's one picture, once and as a stream of server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt};
use serde_json::Value;
use tokio_stream::wrappers::WatchStream;

use super::guard;
use crate::Server;
use crate::overview::overview;
use crate::people::Identity;

/// Changes closer together than this are sent as one.
const TOGETHER: Duration = Duration::from_millis(200);
/// Without changes the picture is drawn again after this time: gates count down.
const AT_LEAST: Duration = Duration::from_secs(5);

pub(super) async fn get(State(server): State<Server>, _: Identity) -> Json<Value> {
    Json(overview(&server))
}

pub(super) async fn stream(
    State(server): State<Server>,
    headers: HeaderMap,
    _: Identity,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (sender, receiver) = tokio::sync::watch::channel(String::new());
    tokio::spawn(async move {
        let mut last = Value::Null;
        let mut changes = server.stores().changes();
        let mut timeline = server.config.controller.timeline().subscribe();
        // a session that ended gets nothing more
        while guard::identify(&server, &headers).is_ok() && !sender.is_closed() {
            let picture = overview(&server);
            let mut content = picture.clone();
            // that time went by is no news
            content["now"] = Value::Null;
            if content != last {
                last = content;
                sender.send_replace(picture.to_string());
            }
            tokio::select! {
                _ = changes.next() => {}
                _ = timeline.recv() => {}
                () = pause(AT_LEAST) => {}
                () = sender.closed() => return,
            }
            pause(TOGETHER).await;
        }
    });
    let events = WatchStream::from_changes(receiver).map(|text| Ok(Event::default().event("overview").data(text)));
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// Real time, whatever the clock of the cluster does: this is about people who look.
#[expect(clippy::disallowed_methods, reason = "the pace of a browser, not of the cluster")]
async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
