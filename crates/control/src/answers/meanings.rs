//! What tags mean now, for walls: each tag is asked for once, however many operations want to bring it, and nobody waits
//! for long.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use object::{ImageDigest, ImageRef};
use promotion::Meanings;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::digest::registry_of;
use crate::context::Context;

/// So long after a registry was asked somebody waits for it at the longest.
const PATIENCE: Duration = Duration::from_secs(5);
/// So long an answer counts.
const FRESH: SignedDuration = SignedDuration::from_secs(15);
/// So many tags are asked for, for one operation. With more of them in what it brings the others mean what nobody tells.
const MOST: usize = 1000;

type Meaning = Result<ImageDigest, String>;

/// What was asked lately.
#[derive(Debug, Default)]
pub(super) struct Tags(Mutex<HashMap<ImageRef, Asked>>);

#[derive(Debug, Clone)]
struct Asked {
    /// By the clock of the control plane.
    at: Timestamp,
    began: Instant,
    told: watch::Receiver<Option<Meaning>>,
}

/// What the registries say of tags, or why they say nothing.
pub(crate) async fn meanings(cx: &Context, tags: BTreeSet<ImageRef>) -> Meanings {
    if tags.is_empty() {
        return Meanings::new();
    }
    let now = cx.clock.now();
    let asked = tags.into_iter().enumerate().map(|(number, tag)| {
        // under another spelling a registry would not know us
        let plain = ImageRef { name: tag.canonical_repository(), ..tag.clone() };
        let asked = (number < MOST).then(|| cx.answers.tags.ask(&plain, now, |tell| ask(cx, &plain, tell)));
        async { (tag, told(asked).await) }
    });
    cx.lending(join_all(asked.collect::<Vec<_>>())).await.into_iter().collect()
}

async fn told(asked: Option<Asked>) -> Meaning {
    let Some(mut asked) = asked else { return Err(format!("more than {MOST} tags come in at once")) };
    let told = timeout_at(asked.began + PATIENCE, asked.told.wait_for(Option::is_some)).await;
    let silent = || Err(format!("the registry does not answer within {} s", PATIENCE.as_secs()));
    told.ok().and_then(|told| told.ok()?.clone()).unwrap_or_else(silent)
}

impl Tags {
    /// Has it asked by `ask`, unless somebody did a moment ago.
    fn ask(&self, tag: &ImageRef, now: Timestamp, ask: impl FnOnce(watch::Sender<Option<Meaning>>)) -> Asked {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // what is under way is not asked again: a registry that hangs is asked by nobody else
        all.retain(|_, asked| now.duration_since(asked.at).abs() < FRESH || asked.told.has_changed().is_ok());
        let asked = all.entry(tag.clone()).or_insert_with(|| {
            let (tell, told) = watch::channel(None);
            ask(tell);
            Asked { at: now, began: Instant::now(), told }
        });
        asked.clone()
    }
}

/// In a task of its own, as others may wait for the answer, too.
fn ask(cx: &Context, tag: &ImageRef, tell: watch::Sender<Option<Meaning>>) {
    let Some(registry) = registry_of(cx, tag) else {
        tell.send_replace(Some(Err("no registry is asked".to_owned())));
        return;
    };
    // not behind what plans ask: nobody waits for those
    let lane: Arc<Semaphore> = cx.answers.lane(&format!("tags of {}", tag.registry_and_repository().0));
    let tag = tag.clone();
    tokio::spawn(async move {
        let permit = lane.acquire().await;
        let meaning = registry.resolve(&tag).await.map_err(|error| error.to_string());
        drop(permit);
        tell.send_replace(Some(meaning));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[tokio::test]
    async fn a_tag_is_asked_for_once_until_that_is_some_time_ago() {
        let (tags, tag) = (Tags::default(), "acme/shop:v1".parse().unwrap());
        let mut asked = Vec::new();
        let all: Vec<Asked> = (0..1000).map(|_| tags.ask(&tag, at(0), |tell| asked.push(tell))).collect();
        assert_eq!(asked.len(), 1);
        // for as long as the registry hangs
        tags.ask(&tag, at(60), |tell| asked.push(tell));
        assert_eq!(asked.len(), 1);
        let digest = || format!("sha256:{}", "a".repeat(64)).parse().map_err(|_| String::new());
        asked.pop().unwrap().send_replace(Some(digest()));
        assert!(join_all(all.into_iter().map(|asked| told(Some(asked)))).await.iter().all(|told| *told == digest()));
        tags.ask(&tag, at(14), |_| panic!("a moment ago is now"));
        let again = tags.ask(&"acme/shop:v2".parse().unwrap(), at(30), |tell| asked.push(tell));
        assert_eq!(tags.0.lock().unwrap().len(), 1, "what nobody asked for lately is forgotten");

        // who comes when others have waited long enough waits no more
        let late = Asked { began: Instant::now() - PATIENCE, ..again };
        assert_eq!(told(Some(late)).await, Err("the registry does not answer within 5 s".to_owned()));
        assert_eq!(told(None).await, Err("more than 1000 tags come in at once".to_owned()));
    }
}
