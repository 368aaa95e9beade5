//! How many writes a second the API makes: `cargo run --release -p sandbox --example writes -- CLIENTS SECONDS [FOLDER]`.
//! Without a folder, in memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use clock::{Clock, Ids, ScaledClock};
use sandbox::{AnyImage, Sandbox, SandboxOptions};
use tower::ServiceExt;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the figure is the answer")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number =
        |index: usize, default: u64| std::env::args().nth(index).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (clients, seconds) = (number(1, 8), number(2, 5));
    let folder = std::env::args().nth(3).map(PathBuf::from);
    let place = folder.as_ref().map_or_else(|| "memory".to_owned(), |folder| folder.display().to_string());
    let clock: Arc<dyn Clock> = Arc::new(ScaledClock::wall());
    let (ids, images) = (Ids::random(), Arc::new(AnyImage));
    let sandbox = Sandbox::start(SandboxOptions { clock: Arc::clone(&clock), ids, folder, images })?;
    let (written, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..clients)
        .map(|client| tokio::spawn(write(sandbox.router(), client, Arc::clone(&written), Arc::clone(&ended))))
        .collect();
    clock.sleep(Duration::from_secs(seconds)).await;
    ended.store(true, Ordering::Relaxed);
    println!("{place}: {clients} clients, {} writes/s", written.load(Ordering::Relaxed) / seconds.max(1));
    for writer in writers {
        writer.await?;
    }
    Ok(())
}

/// One client that waits for each of its writes.
async fn write(router: Router, client: u64, written: Arc<AtomicU64>, ended: Arc<AtomicBool>) {
    let text = "x".repeat(500);
    for n in 0.. {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let path = format!("/api/v1/namespaces/default/configmaps/c{client}?fieldManager=bench");
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"c{client}"}},"data":{{"n":"{n}","text":"{text}"}}}}"#
        );
        let request =
            Request::patch(path).header("content-type", "application/apply-patch+yaml").body(Body::from(body));
        let Ok(request) = request else { return };
        if router.clone().oneshot(request).await.is_ok_and(|answer| answer.status().is_success()) {
            written.fetch_add(1, Ordering::Relaxed);
        }
        tokio::task::yield_now().await;
    }
}
