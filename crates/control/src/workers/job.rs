//! What is asked of a renderer, wherever it runs.

use std::collections::BTreeMap;
use std::io;

use object::{FileTree, ImageRef, ReadSet};
use promotion::{Located, Traced, WriteError, WritePlan};
use render::remote::{FetchedChart, RemoteChart, Wanted};
use render::{Problem, RemoteRevision, RemoteTree, RenderContext, Rendered, Source, Tool};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ended::Ended;

/// What all jobs are about.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// For messages, and to know it again: the Application and its source.
    pub(crate) name: String,
    pub(crate) tree: FileTree,
    pub(crate) source: Source,
    pub(crate) context: RenderContext,
}

/// What is to be found out about a [`Subject`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    Render,
    /// [`render::remote::wanted`]
    WantedRemotes,
    /// [`promotion::locate`]
    Locate {
        image: String,
    },
    /// [`promotion::trace`]
    Trace {
        image: String,
    },
    /// [`promotion::already_there`]
    AlreadyThere {
        image: ImageRef,
    },
    /// [`promotion::plan_write`]
    PlanWrite {
        image: ImageRef,
    },
    /// [`promotion::prove_edit`]; the edited tree comes after all others. It stands for the files of that `ref`, or for
    /// the source's own.
    ProveEdit {
        image: ImageRef,
        reference: String,
    },
}

/// Each task's answer as the caller gets it.
pub(crate) type Location = Result<Located, WriteError>;
pub(crate) type Plan = Result<WritePlan, WriteError>;
pub(crate) type Proof = Result<(String, String), WriteError>;

/// A render in the form in which it is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Output {
    pub(crate) problems: Vec<Problem>,
    /// [`Rendered::left_out`]
    pub(crate) left_out: Vec<String>,
    pub(crate) reads: ReadSet,
    pub(crate) reference_reads: BTreeMap<String, ReadSet>,
    pub(crate) tool: Tool,
    /// A JSON list of the objects: a tenth of the memory that the values would take.
    #[serde(skip)]
    pub(crate) manifests: Box<[u8]>,
}

impl Output {
    fn new(rendered: Rendered) -> io::Result<Self> {
        let values: Vec<&Value> = rendered.manifests.iter().map(|m| m.manifest.value()).collect();
        let manifests = serde_json::to_vec(&values)?.into_boxed_slice();
        let Rendered { problems, left_out, reads, reference_reads, tool, .. } = rendered;
        Ok(Self { problems, left_out, reads, reference_reads, tool, manifests })
    }

    /// What is kept when there is no answer: the reason. As nobody knows what was read, it holds for the whole trees.
    pub(crate) fn without_answer(ended: &Ended, subject: &Subject) -> Self {
        let whole = |tree: &FileTree| {
            let root = tree.reader().entry("").ok().flatten().map(|entry| entry.id);
            ReadSet(BTreeMap::from([("".into(), root)]))
        };
        let references = subject.context.references.iter();
        Self {
            problems: vec![Problem::error(ended.to_string())],
            reads: whole(&subject.tree),
            reference_reads: references.map(|(name, tree)| (name.clone(), whole(tree))).collect(),
            manifests: Box::from(*b"[]"),
            ..Self::default()
        }
    }

    /// Whether the manifests are the whole desired set.
    pub(crate) fn complete(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity != render::Severity::Error)
    }
}

/// One job: its order can be written down, its trees are told apart by their place in the list.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) order: Order,
    pub(crate) trees: Vec<FileTree>,
}

/// A job without its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    task: Task,
    source: Source,
    /// Of the source: what it is, its commit, and the place of its tree.
    revisions: Vec<(RemoteRevision, String, usize)>,
    /// Of the source: what it is, its version and digest, and the place of its tree.
    charts: Vec<(RemoteChart, String, String, usize)>,
    context: RenderContext,
    /// Of the context.
    references: BTreeMap<String, usize>,
}

/// What came of a job: JSON, and for a render its objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn new(head: &impl Serialize) -> io::Result<Self> {
        Ok(Self { head: serde_json::to_vec(head)?, body: Vec::new() })
    }
}

/// An answer as the caller wants it.
pub(crate) trait FromAnswer: Sized {
    /// # Errors
    /// When it is the answer to something else.
    fn from_answer(answer: Answer) -> serde_json::Result<Self>;
}

macro_rules! from_head {
    ($($kind:ty),*) => {$(
        impl FromAnswer for $kind {
            fn from_answer(answer: Answer) -> serde_json::Result<Self> {
                serde_json::from_slice(&answer.head)
            }
        }
    )*};
}

from_head!(Wanted, Option<String>, Location, Traced, Plan, Proof);

impl FromAnswer for Output {
    fn from_answer(answer: Answer) -> serde_json::Result<Self> {
        let output: Self = serde_json::from_slice(&answer.head)?;
        Ok(Self { manifests: answer.body.into_boxed_slice(), ..output })
    }
}

impl Job {
    pub(crate) fn new(subject: Subject, task: Task) -> Self {
        let Subject { name, tree, source, context } = subject;
        let mut trees = vec![tree];
        let mut place = |tree: &FileTree| {
            trees.push(tree.clone());
            trees.len() - 1
        };
        let revisions = source.remotes.revisions();
        let revisions = revisions.map(|(at, r)| (at.clone(), r.commit.clone(), place(&r.tree))).collect();
        let charts = source.remotes.charts();
        let charts = charts.map(|(at, c)| (at.clone(), c.version.clone(), c.digest.clone(), place(&c.tree))).collect();
        let references = context.references.iter().map(|(name, tree)| (name.clone(), place(tree))).collect();
        Self { name, order: Order { task, source, revisions, charts, context, references }, trees }
    }

    /// The same with one more tree, after all others.
    pub(crate) fn with_tree(mut self, tree: FileTree) -> Self {
        self.trees.push(tree);
        self
    }
}

impl Order {
    /// Does what is asked. The trees are in the order of [`Job::trees`].
    ///
    /// # Errors
    /// When a tree is missing, or the answer cannot be written down.
    pub(crate) fn perform(&self, trees: &[FileTree]) -> io::Result<Answer> {
        let at = |index: usize| trees.get(index).cloned().ok_or_else(|| io::Error::other("a tree is missing"));
        let (mut source, mut context) = (self.source.clone(), self.context.clone());
        for (revision, commit, index) in &self.revisions {
            source.remotes.insert(revision.clone(), RemoteTree { commit: commit.clone(), tree: at(*index)? });
        }
        for (chart, version, digest, index) in &self.charts {
            let fetched = FetchedChart { version: version.clone(), digest: digest.clone(), tree: at(*index)? };
            source.remotes.insert_chart(chart.clone(), fetched);
        }
        for (name, index) in &self.references {
            context.references.insert(name.clone(), at(*index)?);
        }
        let tree = at(0)?;
        match &self.task {
            Task::Render => {
                let output = Output::new(render::render_in(&tree, &source, &context))?;
                Ok(Answer { body: output.manifests.to_vec(), ..Answer::new(&output)? })
            }
            Task::WantedRemotes => Answer::new(&render::remote::wanted(&tree, &source)),
            Task::Locate { image } => Answer::new(&promotion::locate(&tree, &source, &context, image)),
            Task::Trace { image } => Answer::new(&promotion::trace(&tree, &source, &context, image)),
            Task::AlreadyThere { image } => Answer::new(&promotion::already_there(&tree, &source, &context, image)),
            Task::PlanWrite { image } => Answer::new(&promotion::plan_write(&tree, &source, &context, image)),
            Task::ProveEdit { image, reference } => {
                let (mut after, edited) = (context.clone(), at(trees.len().saturating_sub(1))?);
                if !reference.is_empty() {
                    after.references.insert(reference.clone(), edited.clone());
                }
                let edited = if reference.is_empty() { &edited } else { &tree };
                Answer::new(&promotion::prove_edit((&tree, &context), (edited, &after), &source, image))
            }
        }
    }
}
