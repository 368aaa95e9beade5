//! What the controller remembers of an Application between two looks. All of it may be lost: it is computed again.

use std::collections::BTreeMap;

use api::argocd::ApplicationSource;
use engine::InSyncMarks;
use object::{FileTree, Manifest, ReadSet};
use render::{RemoteChart, RemoteRevision, Remotes};
use serde_json::Value;

use crate::sync::Run;

/// Of one Application.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The last render of each source, in the order of the sources.
    pub(crate) renders: Vec<Option<SourceRender>>,
    /// The commits at which all sources rendered to what they render to now.
    pub(crate) same_at: Vec<String>,
    pub(crate) marks: InSyncMarks,
    /// The operation under way.
    pub(crate) run: Option<Run>,
    /// How often in a row something could not be done; decides how long to wait.
    pub(crate) failures: u32,
}

/// What one source rendered to, and everything that the result depends on.
#[derive(Debug)]
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
    reference_reads: BTreeMap<String, ReadSet>,
    pub(crate) problems: Vec<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) tool: String,
    /// A JSON list: a tenth of the memory that the values would take.
    manifests: Box<[u8]>,
}

impl SourceRender {
    pub(crate) fn new(
        source: &ApplicationSource,
        build_options: &str,
        remotes: &Remotes,
        commit: &str,
        rendered: render::Rendered,
    ) -> Self {
        let problems = rendered.errors().map(ToString::to_string).collect();
        let warnings = rendered.warnings().map(ToString::to_string).collect();
        let values: Vec<&Value> = rendered.manifests.iter().map(|m| m.manifest.value()).collect();
        let manifests = serde_json::to_vec(&values).unwrap_or_default().into_boxed_slice();
        Self {
            // which commit a branch means is not part of what is rendered
            source: ApplicationSource { target_revision: String::new(), ..source.clone() },
            build_options: build_options.to_owned(),
            remotes: remotes.commits().map(|(revision, commit)| (revision.clone(), commit.to_owned())).collect(),
            charts: remotes.digests().map(|(chart, digest)| (chart.clone(), digest.to_owned())).collect(),
            commit: commit.to_owned(),
            reads: rendered.reads,
            reference_reads: rendered.reference_reads,
            problems,
            warnings,
            tool: rendered.tool.to_string(),
            manifests,
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

    pub(crate) fn manifests(&self) -> Vec<Manifest> {
        let values: Vec<Value> = serde_json::from_slice(&self.manifests).unwrap_or_default();
        values.into_iter().filter_map(|value| Manifest::new(value).ok()).collect()
    }
}

impl Memory {
    /// Counts a failure; the answer is how many came in a row before it.
    pub(crate) fn fail(&mut self) -> u32 {
        let before = self.failures;
        self.failures = self.failures.saturating_add(1);
        before
    }
}
