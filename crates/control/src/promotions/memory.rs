//! What the promotion loop remembers between looks. Losing it costs time, and never invents a soak.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use object::ImageDigest;
use promotion::{Located, WriteError};

/// A registry is asked about the same tag again after this time.
const DIGEST_AGE: SignedDuration = SignedDuration::from_mins(1);

#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// By release and environment.
    looks: HashMap<(String, String), Timestamp>,
    /// By image reference.
    digests: HashMap<String, (Timestamp, Result<ImageDigest, String>)>,
    /// By Application, commits, source and image.
    located: HashMap<String, Result<Located, WriteError>>,
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
    pub(crate) fn known(&self, key: &str) -> Option<Result<Located, WriteError>> {
        self.located.get(key).cloned()
    }

    pub(crate) fn keep_located(&mut self, key: String, located: Result<Located, WriteError>) {
        if self.located.len() > 5000 {
            self.located.clear();
        }
        self.located.insert(key, located);
    }
}
