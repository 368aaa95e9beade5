//! The worker of this crate's tests: `gantline render-worker` without the rest of the program.

use std::io;

use control::workers::{probe, work};

const MEMORY: u64 = 256 << 20;

fn main() -> io::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("probe") {
        let escapes = probe(MEMORY);
        return if escapes.is_empty() { Ok(()) } else { Err(io::Error::other(escapes.join(", "))) };
    }
    work(MEMORY)
}
