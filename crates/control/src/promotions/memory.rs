//! What the promotion loop remembers between looks. Losing it costs time, and never invents a soak.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use object::ImageDigest;
use promotion::Located;

use crate::workers::{Ended, Location, Running};

/// A registry is asked about the same tag again after this time.
const DIGEST_AGE: SignedDuration = SignedDuration::from_mins(1);

/// A render that was ended is tried again after this time.
const ENDED_AGE: SignedDuration = SignedDuration::from_mins(10);

/// Where an image is, or why that is not known, and until when that holds; for ever without a time.
#[derive(Debug)]
struct Found {
    located: Result<Located, String>,
    until: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// By release and environment.
    looks: HashMap<(String, String), Timestamp>,
    /// By image reference.
    digests: HashMap<String, (Timestamp, Result<ImageDigest, String>)>,
    /// By Application, commits, source and image.
    located: HashMap<String, Found>,
    /// By the same: those that are under way.
    searches: HashMap<String, Running<Location>>,
}

impl Memory {
    /// Notes a look; gives the one before.
    pub(crate) fn looked(&mut self, release: &str, environment: &str, now: Timestamp) -> Option<Timestamp> {
        self.looks.insert((release.to_owned(), environment.to_owned()), now)
    }

    pub(crate) fn digest(&self, image: &str, now: Timestamp) -> Option<Result<ImageDigest, String>> {
        let (at, answer) = self.digests.get(image)?;
        (now.duration_since(*at) < DIGEST_AGE).then(|| answer.clone())
    }

    pub(crate) fn keep_digest(&mut self, image: &str, now: Timestamp, answer: Result<ImageDigest, String>) {
        self.digests.insert(image.to_owned(), (now, answer));
    }

    /// Where an image is written, if that was looked for before. `key` names the Application, its commits and options.
    pub(crate) fn known(&self, key: &str, now: Timestamp) -> Option<Result<Located, String>> {
        let found = self.located.get(key)?;
        found.until.is_none_or(|until| now < until).then(|| found.located.clone())
    }

    /// Keeps and gives what was found. A render that was ended is tried again after a while.
    pub(crate) fn keep_located(
        &mut self,
        key: String,
        now: Timestamp,
        ended: Result<Location, Ended>,
    ) -> Result<Located, String> {
        if self.located.len() > 5000 {
            self.located.clear();
        }
        let until = ended.is_err().then(|| now + ENDED_AGE);
        let located = match ended {
            Ok(located) => located.map_err(|error| error.to_string()),
            Err(ended) => Err(ended.to_string()),
        };
        self.located.insert(key, Found { located: located.clone(), until });
        located
    }

    pub(crate) fn take_search(&mut self, key: &str) -> Option<Running<Location>> {
        self.searches.remove(key)
    }

    pub(crate) fn keep_search(&mut self, key: String, search: Running<Location>) {
        // what nobody came back for is given up
        if self.searches.len() > 100 {
            self.searches.clear();
        }
        self.searches.insert(key, search);
    }
}
