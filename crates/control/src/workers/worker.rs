//! A conversation with a worker: a job goes out, questions for files are answered, an answer comes back.

use std::fmt;
use std::io;
use std::sync::Arc;

use object::{FileTree, ObjectId, TreeError, path};
use prometheus_client::metrics::gauge::Gauge;

use super::borrowed::{FileAnswer, FolderAnswer, Near, NearAnswer, Wanted};
use super::child::{Assignment, Outcome};
use super::confine::Confinement;
use super::job::{Answer, Job};
use super::process::{self, Pipes, Process};
use super::wire::{Frame, Kind, send};

/// A worker without a job.
pub(crate) struct Worker {
    pub(crate) process: Arc<Process>,
    pipes: Pipes,
    /// What it said when it was ready.
    pub(crate) confinement: Option<Confinement>,
    /// How many it has done.
    pub(crate) jobs: usize,
    counted: Option<Gauge>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("process", &self.process).field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(running) = &self.counted {
            running.dec();
        }
    }
}

/// What came of a conversation that came to its end.
pub(crate) type Said = Result<Answer, String>;

impl Worker {
    /// # Errors
    /// When the program cannot be started.
    pub(crate) fn start(command: &[String]) -> io::Result<Self> {
        let (process, pipes) = process::start(command, &[])?;
        Ok(Self { process, pipes, confinement: None, jobs: 0, counted: None })
    }

    /// Counts it among those that run, as long as it does.
    pub(crate) fn count_in(&mut self, running: &Gauge) {
        running.inc();
        self.counted = Some(running.clone());
    }

    fn hear(&mut self) -> io::Result<Frame> {
        Ok(Frame::read(&mut self.pipes.from)?.ok_or(io::ErrorKind::UnexpectedEof)?)
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        if self.confinement.is_none() {
            let ready = self.hear()?;
            if ready.kind != Kind::Ready {
                return Err(io::Error::other("it does not begin with being ready"));
            }
            self.confinement = Some(ready.head()?);
        }
        Ok(())
    }

    /// Blocks until the job is done or the worker is gone.
    ///
    /// # Errors
    /// When the worker is gone, or says what it must not: it is of no use any more.
    pub(crate) fn converse(&mut self, job: &Job) -> io::Result<Said> {
        let roots: Result<Vec<ObjectId>, TreeError> = job.trees.iter().map(root).collect();
        let roots = match roots {
            Ok(roots) => roots,
            Err(error) => return Ok(Err(error.to_string())),
        };
        self.wait_until_ready()?;
        self.jobs += 1;
        send(&mut self.pipes.to, Kind::Order, &Assignment { order: job.order.clone(), roots }, &[])?;
        loop {
            let frame = self.hear()?;
            match frame.kind {
                Kind::Near => self.lend_near(job, &frame.head()?)?,
                Kind::Folder => self.lend_folder(job, &frame.head()?)?,
                Kind::File => self.lend_file(job, &frame.head()?)?,
                Kind::Done => {
                    let outcome: Outcome = frame.head()?;
                    return Ok(outcome.map(|json| Answer { head: json.get().into(), body: frame.body }));
                }
                Kind::Ready | Kind::Order => return Err(io::Error::other("it says what only others say")),
            }
        }
    }

    fn lend_near(&mut self, job: &Job, wanted: &Wanted) -> io::Result<()> {
        let answer: NearAnswer = near(tree(job, wanted)?, &wanted.path);
        send(&mut self.pipes.to, Kind::Near, &answer, &[])
    }

    fn lend_folder(&mut self, job: &Job, wanted: &Wanted) -> io::Result<()> {
        let answer: FolderAnswer = tree(job, wanted)?.reader().list(&wanted.path);
        send(&mut self.pipes.to, Kind::Folder, &answer, &[])
    }

    fn lend_file(&mut self, job: &Job, wanted: &Wanted) -> io::Result<()> {
        let content = tree(job, wanted)?.reader().read(&wanted.path);
        let (answer, body): (FileAnswer, _) = match content {
            Ok(Some(content)) => (Ok(vec![(wanted.path.clone(), content.len())]), content),
            Ok(None) => (Ok(Vec::new()), Arc::default()),
            Err(error) => (Err(error), Arc::default()),
        };
        send(&mut self.pipes.to, Kind::File, &answer, &body)
    }
}

fn root(tree: &FileTree) -> Result<ObjectId, TreeError> {
    let none = || TreeError::Storage { path: String::new(), reason: "the tree has no root".to_owned() };
    tree.reader().entry("")?.map(|entry| entry.id).ok_or_else(none)
}

/// Folders of more entries are not sent to find one name in them: a repository of many Applications has such.
const FEW: usize = 200;

fn near(tree: &FileTree, wanted: &str) -> NearAnswer {
    match tree.reader().few(path::parent(wanted), FEW)? {
        Some(entries) => Ok(Near::All(entries)),
        None => Ok(Near::One(tree.reader().entry(wanted)?)),
    }
}

/// Only the trees of the job at hand are lent.
fn tree<'a>(job: &'a Job, wanted: &Wanted) -> io::Result<&'a FileTree> {
    job.trees.get(wanted.tree).ok_or_else(|| io::Error::other("it asks for a tree that is not part of its job"))
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;

    #[test]
    fn a_large_folder_is_not_sent_to_find_one_name() {
        let tree = (0..=FEW).fold(MemoryTree::default(), |tree, i| tree.file(&format!("many/{i}"), ""));
        let tree = tree.file("few/x", "").tree();
        for (path, sent) in
            [("many/7", "7"), ("many/none", ""), ("few/none", "x"), ("many", "few many"), ("none/x", "")]
        {
            let names = match near(&tree, path).unwrap() {
                Near::All(entries) => entries,
                Near::One(entry) => entry.into_iter().collect(),
            };
            let names: Vec<String> = names.into_iter().map(|entry| entry.name).collect();
            assert_eq!(names.join(" "), sent, "{path}");
        }
    }
}
