//! What the controller remembers of an Application between two looks. All of it may be lost: it is computed again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::argocd::ApplicationSource;
use engine::InSyncMarks;
use engine::operation::Run;
use jiff::Timestamp;
use object::{FileTree, Manifest, ReadSet};
use render::{Problem, RemoteChart, RemoteRevision, Remotes, Severity};
use serde_json::Value;

use crate::proven::Proven;
use crate::stores::AppKey;
use crate::workers::Output;

/// Of one Application. Copies cost little: whoever looks has its own, and nobody waits for a look that takes long.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    /// The cluster that all of it is about.
    server: String,
    /// The last render of each source, in the order of the sources.
    pub(crate) renders: Vec<Option<Arc<SourceRender>>>,
    /// Of each source; empty while what is wanted is not known.
    pub(crate) proven: Vec<Proven>,
    pub(crate) marks: Arc<InSyncMarks>,
    /// The operation under way.
    pub(crate) run: Option<Arc<Run>>,
}

/// Of each Application that this process works on.
#[derive(Debug, Default)]
pub(crate) struct Memories(Mutex<HashMap<AppKey, Box<Memory>>>);

/// What one source rendered to, and everything that the result depends on.
#[derive(Debug, Clone)]
pub(crate) struct SourceRender {
    source: ApplicationSource,
    build_options: String,
    /// The commits of other repositories that it was made with.
    pub(crate) remotes: Vec<(RemoteRevision, String)>,
    /// The digests of charts that a kustomization names.
    pub(crate) charts: Vec<(RemoteChart, String)>,
    pub(crate) commit: String,
    pub(crate) reads: ReadSet,
    /// What was read of sources that are named by `$ref`.
    pub(crate) reference_reads: BTreeMap<String, ReadSet>,
    pub(crate) problems: Vec<String>,
    pub(crate) warnings: Vec<String>,
    /// [`render::Rendered::left_out`]
    pub(crate) left_out: Vec<String>,
    pub(crate) tool: String,
    /// A JSON list: a tenth of the memory that the values would take.
    manifests: Box<[u8]>,
    /// Of a render that was ended: when it may be tried again although nothing has changed.
    pub(crate) again: Option<Again>,
}

/// The next attempt at something that was ended before it was done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Again {
    pub(crate) at: Timestamp,
    /// How long this one waited.
    pub(crate) wait: Duration,
}

impl SourceRender {
    pub(crate) fn new(
        source: &ApplicationSource,
        build_options: &str,
        remotes: &Remotes,
        commit: &str,
        rendered: Output,
    ) -> Self {
        let (errors, warnings): (Vec<&Problem>, Vec<&Problem>) =
            rendered.problems.iter().partition(|problem| problem.severity == Severity::Error);
        let texts = |problems: Vec<&Problem>| problems.into_iter().map(ToString::to_string).collect();
        Self {
            // which commit a branch means is not part of what is rendered
            source: ApplicationSource { target_revision: String::new(), ..source.clone() },
            build_options: build_options.to_owned(),
            remotes: remotes.commits().map(|(revision, commit)| (revision.clone(), commit.to_owned())).collect(),
            charts: remotes.digests().map(|(chart, digest)| (chart.clone(), digest.to_owned())).collect(),
            commit: commit.to_owned(),
            reads: rendered.reads,
            reference_reads: rendered.reference_reads,
            problems: texts(errors),
            warnings: texts(warnings),
            left_out: rendered.left_out,
            tool: rendered.tool.to_string(),
            manifests: rendered.manifests,
            again: None,
        }
    }

    /// Whether it was made with the same parameters.
    pub(crate) fn is_of(&self, source: &ApplicationSource, build_options: &str) -> bool {
        let source = ApplicationSource { target_revision: String::new(), ..source.clone() };
        self.source == source && self.build_options == build_options
    }

    /// Whether what was read of other sources is as it was.
    pub(crate) fn references_hold(&self, references: &BTreeMap<String, FileTree>) -> bool {
        let holds = |(name, reads): (&String, &ReadSet)| references.get(name).is_some_and(|tree| reads.holds_in(tree));
        self.reference_reads.iter().all(holds)
    }

    /// # Errors
    /// When what was kept is not a list of objects: then nothing may be said about what is wanted.
    pub(crate) fn manifests(&self) -> Result<Vec<Manifest>, String> {
        let read = || {
            let values: Vec<Value> = serde_json::from_slice(&self.manifests).map_err(|error| error.to_string())?;
            let manifests: Result<_, _> = values.into_iter().map(Manifest::new).collect();
            manifests.map_err(|error| error.to_string())
        };
        read().map_err(|why: String| format!("what was rendered cannot be read back: {why}"))
    }
}

impl Again {
    const FIRST: Duration = Duration::from_secs(60);
    const LAST: Duration = Duration::from_secs(3600);

    /// Later each time.
    pub(crate) fn after(last: Option<&SourceRender>, now: Timestamp) -> Self {
        let before = last.and_then(|render| render.again);
        let wait = before.map_or(Self::FIRST, |before| (before.wait * 2).min(Self::LAST));
        Self { at: clock::after(now, wait), wait }
    }
}

impl Memories {
    fn all(&self) -> MutexGuard<'_, HashMap<AppKey, Box<Memory>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn of(&self, key: &AppKey) -> Memory {
        self.all().get(key).map(|memory| Memory::clone(memory)).unwrap_or_default()
    }

    /// Keeps it for an Application that is ours. Nobody forgets it between the question and the answer, so that what went
    /// to another process meanwhile does not come back.
    pub(crate) fn keep(&self, key: &AppKey, memory: Memory, is_ours: impl FnOnce() -> bool) {
        let mut all = self.all();
        if is_ours() {
            all.insert(key.clone(), memory.into());
        } else {
            all.remove(key);
        }
    }

    pub(crate) fn forget(&self, key: &AppKey) {
        self.all().remove(key);
    }

    pub(crate) fn keys(&self) -> Vec<AppKey> {
        self.all().keys().cloned().collect()
    }
}

impl Memory {
    /// Forgets everything when the Application goes to another cluster: versions, kinds and marks are different there.
    pub(crate) fn stays_at(&mut self, server: &str) {
        if self.server != server {
            *self = Self { server: server.to_owned(), ..Self::default() };
        }
    }

    /// What was read of the files of a source: by its own render, and by those that name it.
    pub(crate) fn reads_of(&self, index: usize, source: &ApplicationSource) -> Vec<&ReadSet> {
        let own = self.renders.get(index).and_then(|render| Some(&render.as_ref()?.reads));
        let named = self.renders.iter().flatten().filter_map(|r| r.reference_reads.get(&source.reference));
        own.into_iter().chain(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_another_processs_is_not_remembered() {
        let (memories, key) = (Memories::default(), AppKey::new("argocd", "web"));
        memories.keep(&key, Memory::default(), || true);
        assert_eq!(memories.keys(), std::slice::from_ref(&key));
        memories.keep(&key, Memory::default(), || {
            assert!(memories.0.try_lock().is_err(), "nobody forgets meanwhile");
            false
        });
        assert_eq!(memories.keys(), []);
    }

    #[test]
    fn a_copy_shares_what_is_large() {
        let memory = Memory { marks: Arc::default(), ..Memory::default() };
        assert!(Arc::ptr_eq(&memory.marks, &memory.clone().marks));
    }
}
