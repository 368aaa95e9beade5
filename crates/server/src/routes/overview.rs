//! The page's one picture, once and as a stream of server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use futures::stream::{BoxStream, StreamExt, unfold};
use tokio::sync::watch;

use super::guard;
use crate::Server;
use crate::asker::Asker;
use crate::error::ApiError;
use crate::overview::{Mark, News, Snapshot, pause};
use crate::streams::Followed;
use crate::views::Overview;

/// How often it is asked whether the session holds, and with which rights, while nothing changes.
const ASKED: Duration = Duration::from_secs(2);

pub(super) async fn get(State(server): State<Server>, asker: Asker) -> Json<Overview> {
    Json(server.look.now().await.whole(asker.identity()))
}

pub(super) type Events = Sse<KeepAliveStream<BoxStream<'static, Result<Event, Infallible>>>>;

/// One browser that looks on.
struct Viewer {
    server: Server,
    headers: HeaderMap,
    pictures: watch::Receiver<Arc<Snapshot>>,
    /// What it has: the id of the last event that it got.
    read: Option<Mark>,
    _followed: Followed,
}

/// A browser that comes back says in `Last-Event-ID` how far it has read.
pub(super) async fn stream(State(server): State<Server>, headers: HeaderMap, asker: Asker) -> Result<Events, ApiError> {
    let followed = server.streams.follow(&asker.identity().user)?;
    let read = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let pictures = server.look.follow();
    // the keeper may have slept until now
    server.look.now().await;
    let viewer = Viewer { server, headers, pictures, read, _followed: followed };
    let events = unfold(viewer, |mut viewer| async move { viewer.next().await.map(|event| (Ok(event), viewer)) });
    Ok(Sse::new(events.boxed()).keep_alive(KeepAlive::default()))
}

impl Viewer {
    /// The next event; none when the session has ended. Rights are read again each time.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let identity = guard::identify(&self.server, &self.headers).ok()?;
            let picture = Arc::clone(&self.pictures.borrow_and_update());
            let news = picture.news(&identity, self.read.as_ref());
            let mark = picture.mark(&identity);
            let id = mark.to_string();
            self.read = Some(mark);
            if let Some(news) = news {
                return event(&news).map(|event| event.id(id)).ok();
            }
            tokio::select! {
                changed = self.pictures.changed() => changed.ok()?,
                () = pause(ASKED) => {}
            }
        }
    }
}

fn event(news: &News) -> Result<Event, axum::Error> {
    match news {
        News::Whole(overview) => Event::default().event("overview").json_data(overview),
        News::Delta(delta) => Event::default().event("delta").json_data(delta),
    }
}
