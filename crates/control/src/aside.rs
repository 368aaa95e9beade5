//! Work that waits seldom and reads much, such as a walk through a history, beside the threads of the controller: these are
//! few, and whatever is ready wants one of them.

use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::pin::pin;

use futures::future::{Either, select};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// Polls the work on a thread of its own. Whoever does not wait for it any more ends it, where it waits or yields next.
pub(crate) async fn aside<T: Send + 'static, F: Future<Output = T>>(work: impl FnOnce() -> F + Send + 'static) -> T {
    let (wanted, given_up) = oneshot::channel::<()>();
    let handle = Handle::current();
    let done = spawn_blocking(move || {
        handle.block_on(async move {
            match select(pin!(work()), given_up).await {
                Either::Left((done, _)) => Some(done),
                Either::Right(_) => None,
            }
        })
    });
    let done = done.await;
    drop(wanted);
    match done {
        Ok(Some(done)) => done,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // the runtime ends, and this with it
        Ok(None) | Err(_) => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// One thread: what would block it would never hear of what the others say.
    #[tokio::test]
    async fn the_threads_of_the_controller_go_on_meanwhile() {
        let (say, heard) = channel();
        let work = aside(move || async move {
            tokio::task::yield_now().await;
            heard.recv_timeout(PATIENCE)
        });
        let other = async { say.send("something") };
        let (heard, said) = tokio::join!(work, other);
        assert_eq!((heard, said), (Ok("something"), Ok(())));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_ends() {
        struct Ends(std::sync::mpsc::Sender<()>);
        impl Drop for Ends {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let (say, ended) = channel();
        let (begin, begun) = oneshot::channel();
        let ends = Ends(say);
        let work = tokio::spawn(aside(move || async move {
            let _ends = ends;
            let _ = begin.send(());
            pending::<()>().await;
        }));
        begun.await.unwrap();
        work.abort();
        assert!(work.await.unwrap_err().is_cancelled());
        assert_eq!(spawn_blocking(move || ended.recv_timeout(PATIENCE)).await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_panic_is_that_of_who_waits() {
        let thrown = tokio::spawn(aside(|| async { panic!("a defect") })).await.map(|(): ()| ());
        assert!(thrown.unwrap_err().is_panic());
    }
}
