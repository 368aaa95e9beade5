//! The corpora beside the checkout.

use std::path::{Path, PathBuf};

/// The folder of corpora and real servers: `$GANTLINE_SHARED`, else `../shared` beside the checkout. Says `SKIPPED` and
/// gives nothing when `part` of it is not there, so that a plain clone still passes.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
#[expect(clippy::disallowed_methods, reason = "tests have no other place to be told from")]
pub fn shared(part: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var("GANTLINE_SHARED").map_or_else(|_| beside(), PathBuf::from).join(part);
    if folder.exists() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {} is not there (set GANTLINE_SHARED)", folder.display());
    None
}
