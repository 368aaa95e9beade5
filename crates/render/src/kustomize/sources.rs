//! The texts that scalars come from, so that a rendered value can be followed back to the bytes that set it.

use std::sync::Arc;

/// A text that was parsed for a build.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Path in the repository.
    pub(crate) file: String,
    pub(crate) role: Role,
    /// The parsed text.
    pub(crate) text: Arc<str>,
    /// For a text inside a kustomization: what it is called there and the byte where its scalar starts.
    pub(crate) inline: Option<(String, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Manifest,
    StrategicMerge,
    JsonPatch,
    /// An entry of `images`, by index. Its places are the bytes of the entry.
    Images(usize),
    /// Something that no single scalar sets.
    Computed,
}

/// All texts of a build. Index 0 stands for values that the program made.
#[derive(Debug)]
pub(crate) struct Sources(Vec<Source>);

impl Default for Sources {
    fn default() -> Self {
        Self(vec![Source { file: String::new(), role: Role::Computed, text: "".into(), inline: None }])
    }
}

impl Sources {
    pub(crate) fn add(&mut self, source: Source) -> u32 {
        self.0.push(source);
        u32::try_from(self.0.len() - 1).unwrap_or_default()
    }

    /// Whether anything was read.
    pub(crate) fn any(&self) -> bool {
        self.0.len() > 1
    }

    pub(crate) fn get(&self, index: u32) -> &Source {
        self.0.get(index as usize).unwrap_or(&self.0[0])
    }
}
