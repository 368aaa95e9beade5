//! The texts that scalars come from, so that a rendered value can be followed back to the bytes that set it.

use std::collections::HashMap;
use std::sync::Arc;

use super::resource::Resource;

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
    /// A change that [`super::history::History`] describes, by its index there.
    Changed(usize),
    /// Something that no single scalar sets.
    Computed,
}

/// All texts of a build. Index 0 stands for values that the program made.
#[derive(Debug)]
pub(crate) struct Sources {
    texts: Vec<Source>,
    /// Files that were read; their objects from the second time on, since most files are read once.
    manifests: HashMap<String, Option<Arc<[Resource]>>>,
}

impl Default for Sources {
    fn default() -> Self {
        let made = Source { file: String::new(), role: Role::Computed, text: "".into(), inline: None };
        Self { texts: vec![made], manifests: HashMap::new() }
    }
}

impl Sources {
    pub(crate) fn add(&mut self, source: Source) -> u32 {
        self.texts.push(source);
        u32::try_from(self.texts.len() - 1).unwrap_or_default()
    }

    /// Whether anything was read.
    pub(crate) fn any(&self) -> bool {
        self.texts.len() > 1
    }

    pub(crate) fn get(&self, index: u32) -> &Source {
        self.texts.get(index as usize).unwrap_or(&self.texts[0])
    }

    /// The objects of a manifest file that was read before.
    pub(crate) fn manifests(&self, file: &str) -> Option<&[Resource]> {
        self.manifests.get(file)?.as_deref()
    }

    /// Notes that a manifest file was read, and keeps its objects if that was not the first time.
    pub(crate) fn note_manifests(&mut self, file: &str, objects: &[Resource]) {
        match self.manifests.get_mut(file) {
            Some(kept) => *kept = Some(objects.into()),
            None => drop(self.manifests.insert(file.to_owned(), None)),
        }
    }
}
