//! What a kind is that is watched and read as a type.

use std::fmt;

use crate::{GroupKind, LiveObject};

/// A type that the objects of one kind are read as.
pub trait Kind: Sized + Send + Sync + 'static {
    /// By what else than their name objects of this kind are looked for.
    const INDEXES: &'static [Index<Self>] = &[];

    fn group_kind() -> GroupKind;

    /// # Errors
    /// Why the object does not have the shape of its kind, as a sentence for people.
    fn read(object: LiveObject) -> Result<Self, String>;

    /// As [`Kind::read`].
    ///
    /// # Errors
    /// Also with what it says all the same, for what has to hold whatever else it says.
    fn read_or_outline(object: LiveObject) -> Result<Self, (String, Option<Box<Self>>)> {
        Self::read(object).map_err(|why| (why, None))
    }
}

/// A way to find objects: the values under which each is found.
pub struct Index<K> {
    name: &'static str,
    values: fn(&K) -> Vec<String>,
}

impl<K> Index<K> {
    /// `name` tells it from the others of the kind.
    pub const fn new(name: &'static str, values: fn(&K) -> Vec<String>) -> Self {
        Self { name, values }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn values(&self, object: &K) -> Vec<String> {
        (self.values)(object)
    }
}

impl<K> fmt::Debug for Index<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Index").field(&self.name).finish()
    }
}
