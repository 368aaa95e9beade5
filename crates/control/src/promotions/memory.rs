//! What the promotion loop remembers between looks. Losing it costs time, and never invents a soak.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use object::{FileTree, ImageDigest};
use promotion::{Located, WriteError};

/// A registry is asked about the same tag again after this time.
const DIGEST_AGE: SignedDuration = SignedDuration::from_mins(1);

#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// By release and environment.
    looks: HashMap<(String, String), Timestamp>,
    /// By image reference.
    digests: HashMap<String, (Timestamp, Result<ImageDigest, String>)>,
    /// By commit, path, tool and image.
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

    /// Where an image is written at a commit, if that was looked for before.
    pub(crate) fn known(
        &self,
        commit: &str,
        source: &render::Source,
        image: &str,
    ) -> Option<Result<Located, WriteError>> {
        self.located.get(&key(commit, source, image)).cloned()
    }

    /// Where an image is written at a commit: found once.
    pub(crate) fn located(
        &mut self,
        commit: &str,
        tree: &FileTree,
        source: &render::Source,
        image: &str,
    ) -> Result<Located, WriteError> {
        if self.located.len() > 5000 {
            self.located.clear();
        }
        let key = key(commit, source, image);
        self.located.entry(key).or_insert_with(|| promotion::locate(tree, source, image)).clone()
    }
}

fn key(commit: &str, source: &render::Source, image: &str) -> String {
    format!("{commit} {} {:?} {image}", source.path, source.tool)
}
