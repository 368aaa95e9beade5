//! How much a server may send, and what may become of it.

use serde::{Deserialize, Serialize};

/// In bytes, unless said otherwise. Each has a key of `argocd-cmd-params-cm`, which [`Limits::read`] knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Of the branches and tags that a server tells.
    pub advertisement: u64,
    /// Of a pack as it is sent.
    pub pack: u64,
    /// Number of objects in a pack.
    pub objects: u64,
    /// Of one object, unpacked.
    pub object: u64,
    /// Of all objects of a pack, unpacked.
    pub unpacked: u64,
    /// Seconds that a pack may take to be unpacked.
    pub seconds: u64,
    /// Of the process that unpacks, where there is one.
    pub memory: u64,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    what: &'static str,
    key: &'static str,
    most: u64,
}

impl Limit {
    /// # Errors
    /// When it is met: which limit, how much it is, and where it is set.
    pub(crate) fn check(self, found: u64) -> Result<(), String> {
        if found <= self.most { Ok(()) } else { Err(self.over()) }
    }

    pub(crate) fn over(self) -> String {
        let Self { what, key, most } = self;
        format!(
            "{what} is over the limit of {most}: if that is right, raise {key} in the ConfigMap argocd-cmd-params-cm"
        )
    }
}

const ADVERTISEMENT: &str = "git.limit.advertisement.bytes";
const PACK: &str = "git.limit.pack.bytes";
const OBJECTS: &str = "git.limit.pack.objects";
const OBJECT: &str = "git.limit.object.bytes";
const UNPACKED: &str = "git.limit.unpacked.bytes";
const SECONDS: &str = "git.limit.unpack.seconds";
const MEMORY: &str = "git.limit.unpack.memory.bytes";

impl Default for Limits {
    fn default() -> Self {
        Self {
            advertisement: 64 << 20,
            pack: 2 << 30,
            objects: 5_000_000,
            object: 100 << 20,
            unpacked: 32 << 30,
            seconds: 120,
            memory: 1 << 30,
        }
    }
}

impl Limits {
    pub(crate) fn advertisement(&self) -> Limit {
        Limit { what: "what it says of its branches and tags, in bytes,", key: ADVERTISEMENT, most: self.advertisement }
    }

    pub(crate) fn pack(&self) -> Limit {
        Limit { what: "the pack that it sends, in bytes,", key: PACK, most: self.pack }
    }

    pub(crate) fn objects(&self) -> Limit {
        Limit { what: "the number of objects in the pack", key: OBJECTS, most: self.objects }
    }

    pub(crate) fn object(&self) -> Limit {
        Limit { what: "an object of the pack, in bytes unpacked,", key: OBJECT, most: self.object }
    }

    pub(crate) fn unpacked(&self) -> Limit {
        Limit { what: "the pack, in bytes unpacked,", key: UNPACKED, most: self.unpacked }
    }

    pub(crate) fn seconds(&self) -> Limit {
        Limit { what: "the time to unpack the pack, in seconds,", key: SECONDS, most: self.seconds }
    }

    /// Says that the process that unpacked took more memory than it may.
    pub fn over_memory(&self) -> String {
        let limit = Limit { what: "the memory to unpack the pack, in bytes,", key: MEMORY, most: self.memory };
        limit.over()
    }

    /// The limits that `setting` gives by their keys; what is no number above zero is named, and the default holds.
    pub fn read<'s>(setting: impl Fn(&str) -> Option<&'s str>) -> (Self, Vec<String>) {
        let (mut limits, mut problems) = (Self::default(), Vec::new());
        for (key, limit) in [
            (ADVERTISEMENT, &mut limits.advertisement),
            (PACK, &mut limits.pack),
            (OBJECTS, &mut limits.objects),
            (OBJECT, &mut limits.object),
            (UNPACKED, &mut limits.unpacked),
            (SECONDS, &mut limits.seconds),
            (MEMORY, &mut limits.memory),
        ] {
            let Some(text) = setting(key) else { continue };
            match text.trim().parse() {
                Ok(number) if number > 0 => *limit = number,
                _ => problems.push(format!("{key} is {text:?}, not a whole number above 0: {limit} holds")),
            }
        }
        (limits, problems)
    }
}
