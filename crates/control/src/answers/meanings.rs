//! What tags mean now and what is in images, for walls: each is asked for once, however many operations want to bring it, and nobody waits
//! for long.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use git::RegistryClient;
use jiff::{SignedDuration, Timestamp};
use object::ImageRef;
use promotion::{Look, Meaning, Meanings, Parts};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::digest::{parts_from, registry_of};
use crate::context::Context;

/// So long after a registry was asked somebody waits for it at the longest.
const PATIENCE: Duration = Duration::from_secs(5);
/// So long an answer counts.
const FRESH: SignedDuration = SignedDuration::from_secs(15);
/// So many tags are asked for, for one operation; one with more of them waits for nobody and is held.
pub(crate) const MOST: usize = 1000;

type Told = Result<Meaning, String>;

/// What was asked lately.
#[derive(Debug, Default)]
pub(super) struct Tags(Mutex<HashMap<(ImageRef, Look), Asked>>);

#[derive(Debug, Clone)]
struct Asked {
    /// By the clock of the control plane.
    at: Timestamp,
    until: Instant,
    told: watch::Receiver<Option<Told>>,
}

/// An image that has to be asked for now.
#[derive(Debug)]
struct ToAsk {
    image: ImageRef,
    look: Look,
    until: Instant,
    tell: watch::Sender<Option<Told>>,
}

/// What the registries say of images, or why they say nothing.
pub(crate) async fn meanings(cx: &Context, images: BTreeMap<ImageRef, Look>) -> Meanings {
    if images.is_empty() {
        return Meanings::new();
    }
    let (asked, new) = cx.answers.tags.take(&images, cx.clock.now());
    new.into_iter().for_each(|new| ask(cx, new));
    let told = asked.into_iter().map(Asked::told);
    let told = cx.lending(join_all(told.collect::<Vec<_>>())).await;
    images.into_keys().zip(told).collect()
}

/// As its registry is asked for it: Docker Hub has several names, and knows itself by one. Any other name stands as it is
/// written, as a host without a port may read as a path.
fn plain(image: &ImageRef) -> ImageRef {
    let canonical = image.canonical_repository();
    let name = if canonical.starts_with("docker.io/") { canonical } else { image.name.clone() };
    ImageRef { name, ..image.clone() }
}

impl Asked {
    async fn told(mut self) -> Told {
        let told = timeout_at(self.until, self.told.wait_for(Option::is_some)).await;
        told.ok().and_then(|told| told.ok()?.clone()).unwrap_or_else(silent)
    }
}

fn silent() -> Told {
    Err(format!("the registry does not answer within {} s", PATIENCE.as_secs()))
}

impl Tags {
    /// Those of which nobody asked a moment ago, and who waits for which.
    fn take(&self, images: &BTreeMap<ImageRef, Look>, now: Timestamp) -> (Vec<Asked>, Vec<ToAsk>) {
        let (mut new, until) = (Vec::new(), Instant::now() + PATIENCE);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // what is under way is not asked again: a registry that hangs is asked by nobody else
        all.retain(|_, asked| now.duration_since(asked.at).abs() < FRESH || asked.told.has_changed().is_ok());
        let asked = images.iter().map(|(image, look)| (plain(image), *look)).map(|(image, look)| {
            let asked = all.entry((image.clone(), look)).or_insert_with(|| {
                let (tell, told) = watch::channel(None);
                new.push(ToAsk { image, look, until, tell });
                Asked { at: now, until, told }
            });
            asked.clone()
        });
        (asked.collect(), new)
    }
}

/// In a task of its own, as others may wait for the answer, too. Whose turn has not come when nobody waits any more is not
/// asked for.
fn ask(cx: &Context, ToAsk { image, look, until, tell }: ToAsk) {
    let Some(registry) = registry_of(cx, &image) else {
        tell.send_replace(Some(Err("no registry is asked".to_owned())));
        return;
    };
    // not behind what plans ask: nobody waits for those
    let lane: Arc<Semaphore> = cx.answers.lane(&format!("tags of {}", image.registry_and_repository().0));
    tokio::spawn(async move {
        let told = match timeout_at(until, lane.acquire()).await {
            Ok(_turn) => meaning(&registry, image, look).await,
            Err(_) => silent(),
        };
        tell.send_replace(Some(told));
    });
}

async fn meaning(registry: &RegistryClient, image: ImageRef, look: Look) -> Told {
    let digest = registry.resolve(&image).await.map_err(|error| error.to_string())?;
    if look == Look::Tag {
        return Ok(digest.into());
    }
    match parts_from(registry, &ImageRef { digest: Some(digest.clone()), ..image }).await {
        Parts::Known(parts) => Ok(Meaning { digest, parts: Some(parts) }),
        Parts::Unreadable(_) => Ok(Meaning { digest, parts: None }),
        Parts::Untold(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tag(text: &str) -> BTreeMap<ImageRef, Look> {
        [(text.parse().unwrap(), Look::Tag)].into()
    }

    #[tokio::test]
    async fn a_tag_is_asked_for_once_until_that_is_some_time_ago() {
        let (tags, v1) = (Tags::default(), tag("acme/shop:v1"));
        let (mut asked, mut new) = (Vec::new(), Vec::new());
        for _ in 0..1000 {
            let (mut waits, asks) = tags.take(&v1, at(0));
            asked.append(&mut waits);
            new.extend(asks);
        }
        // for as long as the registry hangs
        new.extend(tags.take(&tag("index.docker.io/acme/shop:v1"), at(60)).1);
        assert_eq!(new.len(), 1, "once, also under another name");
        let digest = || {
            let digest: Result<object::ImageDigest, _> = format!("sha256:{}", "a".repeat(64)).parse();
            digest.map(Meaning::from).map_err(|_| String::new())
        };
        new.pop().unwrap().tell.send_replace(Some(digest()));
        assert!(join_all(asked.into_iter().map(Asked::told)).await.iter().all(|told| *told == digest()));
        assert_eq!(tags.take(&v1, at(14)).1.len(), 0, "a moment ago is now");
        let (mut again, _asks) = tags.take(&tag("acme/shop:v2"), at(30));
        assert_eq!(tags.0.lock().unwrap().len(), 1, "what nobody asked for lately is forgotten");

        // who comes when others have waited long enough waits no more
        let late = Asked { until: Instant::now(), ..again.pop().unwrap() };
        assert_eq!(late.told().await, silent());
    }

    #[test]
    fn a_tag_is_asked_for_where_it_is_pulled() {
        for (written, asked) in [
            ("nginx:1", "docker.io/library/nginx:1"),
            ("INDEX.docker.io:443/library/nginx:1", "docker.io/library/nginx:1"),
            ("registry:443/shop:1", "registry:443/shop:1"),
            ("REGISTRY/shop:1", "REGISTRY/shop:1"),
            ("harbor:80/shop:1", "harbor:80/shop:1"),
            ("internal.example:80/shop:1", "internal.example:80/shop:1"),
        ] {
            assert_eq!(plain(&written.parse().unwrap()).to_string(), asked, "{written}");
        }
    }
}
