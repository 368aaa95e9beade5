//! The worker: a process that renders and can do nothing else.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use object::{FileTree, ObjectId};
use serde::{Deserialize, Serialize};

use super::borrowed::{Borrowed, Link};
use super::confine::{self, Confinement};
use super::job::{Answer, Order};
use super::wire::{Frame, Kind, send};

/// Bytes of stack for renders: templates may include each other deeply. What they may use of it is bounded.
const STACK: usize = 16 << 20;

/// The head of [`Kind::Order`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) order: Order,
    /// The id of the root of each tree.
    pub(crate) roots: Vec<ObjectId>,
}

/// The head of [`Kind::Done`]: the JSON of the answer, or why there is none.
pub(crate) type Outcome = Result<Box<serde_json::value::RawValue>, String>;

/// Renders what comes on standard input until it is closed. The process gives up everything else first: files, network,
/// other programs, and all memory beyond `memory` bytes.
///
/// # Errors
/// When the other side of the pipe speaks another protocol.
pub fn work(memory: u64) -> io::Result<()> {
    let worker = thread::Builder::new().name("render".to_owned()).stack_size(STACK).spawn(move || {
        let confinement = confine::confine(memory);
        serve(io::stdin(), io::stdout(), &confinement)
    })?;
    worker.join().unwrap_or_else(|_| Err(io::Error::other("the worker failed from within")))
}

/// Confines this process as [`work`] does and tries to get out. Gives what it could do that a worker must not.
pub fn probe(memory: u64) -> Vec<String> {
    let mut escapes = confine::confine(memory).missing;
    let mut attempt = |what: &str, succeeded: bool| {
        if succeeded {
            escapes.push(what.to_owned());
        }
    };
    attempt("read a file", std::fs::File::open("/proc/self/status").is_ok());
    attempt("make a file", std::fs::File::create("/tmp/gantline-probe").is_ok());
    attempt("list a folder", std::fs::read_dir("/").is_ok());
    attempt("remove a file", std::fs::remove_file("/tmp/gantline-probe").is_ok());
    attempt("bind a socket", std::net::UdpSocket::bind("127.0.0.1:0").is_ok());
    attempt("connect", std::net::TcpListener::bind("127.0.0.1:0").is_ok());
    attempt("start a program", std::process::Command::new("/bin/true").spawn().is_ok());
    attempt("start a thread", thread::Builder::new().spawn(|| {}).is_ok());
    let room = usize::try_from(memory).unwrap_or(usize::MAX).saturating_mul(2);
    attempt("take more memory", Vec::<u8>::new().try_reserve_exact(room).is_ok());
    escapes
}

fn serve<R, W>(from: R, to: W, confinement: &Confinement) -> io::Result<()>
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    let mut link = Link { from: BufReader::new(from), to: BufWriter::new(to) };
    send(&mut link.to, Kind::Ready, confinement, &[])?;
    let link = Arc::new(Mutex::new(link));
    let lock = || link.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let frame = Frame::read(&mut lock().from)?;
        let Some(frame) = frame else { return Ok(()) };
        let assignment: Assignment = frame.head()?;
        let (outcome, body) = match performed(&assignment, &link) {
            Ok(answer) => (raw(answer.head), answer.body),
            Err(why) => (Err(why), Vec::new()),
        };
        send(&mut lock().to, Kind::Done, &outcome, &body)?;
    }
}

fn raw(json: Vec<u8>) -> Outcome {
    let text = String::from_utf8(json).map_err(|error| error.to_string())?;
    serde_json::value::RawValue::from_string(text).map_err(|error| error.to_string())
}

/// A defect of the renderer costs the job, not the worker.
fn performed<R, W>(assignment: &Assignment, link: &Arc<Mutex<Link<R, W>>>) -> Result<Answer, String>
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    let borrowed = |(tree, root): (usize, &ObjectId)| {
        let (link, root) = (Arc::clone(link), root.clone());
        FileTree::new(Arc::new(Borrowed { link, tree, root, known: Mutex::default() }))
    };
    let trees: Vec<FileTree> = assignment.roots.iter().enumerate().map(borrowed).collect();
    let ended = panic::catch_unwind(AssertUnwindSafe(|| assignment.order.perform(&trees)));
    match ended {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the renderer failed from within; please report it with the source".to_owned()),
    }
}
