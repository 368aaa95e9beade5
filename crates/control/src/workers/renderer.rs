//! Who renders, and what can be asked of it.

use std::marker::PhantomData;

use object::{FileTree, ImageRef, Manifest};
use prometheus_client::registry::Registry;
use promotion::Traced;
use render::remote::Wanted;
use render::{Origin, RenderContext, Rendered, RenderedManifest, Source};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::ended::Ended;
use super::job::{Answer, FromAnswer, Job, Location, Output, Plan, Proof, Subject, Task};
use super::pool::Pool;

/// Who renders.
#[derive(Debug, Clone)]
pub enum Renderer {
    /// Worker processes.
    Processes(Pool),
    /// This process, without limits on time and memory: for sources that are trusted, as in tests.
    InProcess,
}

impl Renderer {
    /// [`render::render_in`]
    pub(crate) fn render(&self, subject: Subject) -> Running<Output> {
        self.start(Job::new(subject, Task::Render))
    }

    /// As [`render::render_in`], for who only looks: without where each object is written. A render that was ended has no
    /// objects, and says so.
    pub async fn rendered(&self, name: &str, tree: &FileTree, source: Source, context: RenderContext) -> Rendered {
        let subject = Subject { name: name.to_owned(), tree: tree.clone(), source, context };
        let output = self.render(subject.clone()).end().await;
        let output = output.unwrap_or_else(|ended| Output::without_answer(&ended, &subject));
        let values: Vec<Value> = serde_json::from_slice(&output.manifests).unwrap_or_default();
        let manifests = values.into_iter().filter_map(|value| Manifest::new(value).ok());
        Rendered {
            manifests: manifests.map(|manifest| RenderedManifest { manifest, origin: Origin::default() }).collect(),
            problems: output.problems,
            left_out: output.left_out,
            reads: output.reads,
            reference_reads: output.reference_reads,
            tool: output.tool,
        }
    }

    /// [`render::remote::wanted`]
    pub(crate) fn wanted_remotes(&self, subject: Subject) -> Running<Wanted> {
        self.start(Job::new(subject, Task::WantedRemotes))
    }

    /// [`promotion::locate`]
    pub(crate) fn locate(&self, subject: Subject, image: &str) -> Running<Location> {
        self.start(Job::new(subject, Task::Locate { image: image.to_owned() }))
    }

    /// [`promotion::trace`]
    pub(crate) fn trace(&self, subject: Subject, image: &str) -> Running<Traced> {
        self.start(Job::new(subject, Task::Trace { image: image.to_owned() }))
    }

    /// [`promotion::already_there`]
    pub(crate) fn already_there(&self, subject: Subject, image: ImageRef) -> Running<Option<String>> {
        self.start(Job::new(subject, Task::AlreadyThere { image }))
    }

    /// [`promotion::plan_write`]
    pub(crate) fn plan_write(&self, subject: Subject, image: ImageRef) -> Running<Plan> {
        self.start(Job::new(subject, Task::PlanWrite { image }))
    }

    /// [`promotion::prove_edit`], where only the files of that `ref` are edited; empty: the source's own.
    pub(crate) fn prove_edit(
        &self,
        subject: Subject,
        reference: &str,
        edited: FileTree,
        image: ImageRef,
    ) -> Running<Proof> {
        self.start(Job::new(subject, Task::ProveEdit { image, reference: reference.to_owned() }).with_tree(edited))
    }

    fn start<T: FromAnswer>(&self, job: Job) -> Running<T> {
        let name = job.name.clone();
        let (tell_slow, slow) = oneshot::channel();
        let task = match self {
            Self::Processes(pool) => tokio::spawn(pool.clone().run(job, tell_slow)),
            Self::InProcess => tokio::task::spawn_blocking(move || {
                let answer = job.order.perform(&job.trees);
                answer.map_err(|error| Ended::Failed { name: job.name, reason: error.to_string() })
            }),
        };
        Running { name, task, slow: Some(slow), answer: PhantomData }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        if let Self::Processes(pool) = self {
            pool.figures().register(registry);
        }
    }
}

/// A job under way. It is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Running<T> {
    name: String,
    task: JoinHandle<Result<Answer, Ended>>,
    slow: Option<oneshot::Receiver<()>>,
    answer: PhantomData<fn() -> T>,
}

impl<T: FromAnswer> Running<T> {
    /// The answer, unless the job turns out to be slow. May be asked again later.
    pub(crate) async fn soon(&mut self) -> Option<Result<T, Ended>> {
        let told = async {
            match self.slow.as_mut() {
                Some(slow) => slow.await.is_ok(),
                None => true,
            }
        };
        let answer = tokio::select! {
            biased;
            ended = &mut self.task => Some(understood(&self.name, ended)),
            true = told => None,
        };
        self.slow = None;
        answer
    }

    #[cfg(test)]
    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// The answer, however long it takes.
    pub(crate) async fn end(mut self) -> Result<T, Ended> {
        let ended = (&mut self.task).await;
        understood(&self.name, ended)
    }
}

fn understood<T: FromAnswer>(
    name: &str,
    ended: Result<Result<Answer, Ended>, tokio::task::JoinError>,
) -> Result<T, Ended> {
    let crashed = |how: String| Ended::Crashed { name: name.to_owned(), how };
    let answer = ended.map_err(|error| crashed(error.to_string()))??;
    T::from_answer(answer).map_err(|error| crashed(format!("its answer cannot be read: {error}")))
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
