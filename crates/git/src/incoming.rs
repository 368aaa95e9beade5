//! A pack on its way from the server into the copy.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::measure::measure;
use crate::objects::Objects;
use crate::{GitError, Limits};

/// What was received so far: gone with whoever waits for it.
pub(crate) struct Part(pub(crate) PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Tells a task on another thread that nobody waits for it.
#[derive(Default)]
pub(crate) struct StopOnDrop(pub(crate) Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Threads that unpack: each holds an object, what it is made of, and what comes out.
const THREADS: usize = 2;

/// Measures the pack in `part`, then unpacks and indexes it into `folder`.
///
/// # Errors
/// When it is over a limit or damaged, or `stop` was set.
pub(crate) fn index_pack(
    objects: &Objects,
    part: &Path,
    folder: &Path,
    limits: &Limits,
    stop: &AtomicBool,
) -> Result<(), GitError> {
    let git = objects.git();
    let open = || std::fs::File::open(part).map(std::io::BufReader::new).map_err(|e| objects.storage(e));
    let bytes = part.metadata().map_err(|e| objects.storage(e))?.len();
    if bytes == 0 {
        return Err(objects.storage("the server sent no pack"));
    }
    measure(open()?, limits, stop).map_err(|reason| GitError::Limit { url: objects.url.clone(), reason })?;
    let options = gix_pack::bundle::write::Options {
        thread_limit: Some(THREADS),
        // deltas that change objects of before are measured here, when those are known
        alloc_limit_bytes: Some(usize::try_from(limits.object).unwrap_or(usize::MAX)),
        ..gix_pack::bundle::write::Options::default()
    };
    gix_pack::Bundle::write_to_directory(
        &mut open()?,
        Some(folder),
        &mut gix::progress::Discard,
        stop,
        Some(git.objects),
        gix::hash::Kind::Sha1,
        options,
    )
    .map_err(|e| objects.storage(e))?;
    Ok(())
}
