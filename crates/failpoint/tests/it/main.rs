//! A release has no failpoints: this crate, compiled as one, knows neither their folder nor how to end a process.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Comes to one place.
const PROGRAM: &str = r#"
fn main() {
    failpoint::arm(std::path::Path::new(&std::env::args().nth(1).unwrap()));
    failpoint::before(failpoint::Point::Apply);
    println!("{:?} goes on", failpoint::VARIABLE);
}
"#;

/// A program with this crate, compiled as a release is, or as a test is.
fn compiled(room: &Path, assertions: &str) -> PathBuf {
    let (source, library, program) = (room.join("main.rs"), room.join("libfailpoint.rlib"), room.join("program"));
    std::fs::write(&source, PROGRAM).unwrap();
    let rustc = |words: &[&std::ffi::OsStr]| {
        let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
        command.args(["--edition", "2024", "-C", "opt-level=3", "-C"]).arg(format!("debug-assertions={assertions}"));
        let ran = command.args(words).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    rustc(
        &["--crate-type=rlib", "--crate-name=failpoint", "-o"].map(AsRef::as_ref)[..]
            .iter()
            .copied()
            .chain([library.as_os_str(), lib.as_os_str()])
            .collect::<Vec<_>>(),
    );
    let known = format!("failpoint={}", library.display());
    rustc(&[
        AsRef::<std::ffi::OsStr>::as_ref("--extern"),
        known.as_ref(),
        "-o".as_ref(),
        program.as_ref(),
        source.as_ref(),
    ]);
    program
}

#[test]
fn a_release_has_none_of_them() {
    let room = tempfile::tempdir().unwrap();
    let check = |assertions: &str, goes_on: &str, killed: bool| {
        std::fs::write(room.path().join("apply-before"), "").unwrap();
        let program = compiled(room.path(), assertions);
        let ran = Command::new(&program).arg(room.path()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout), goes_on);
        assert_eq!(room.path().join("apply-before").exists(), !killed, "{assertions}");
        let bytes = std::fs::read(program).unwrap();
        let names = bytes.windows(19).any(|bytes| bytes == b"GANTLINE_FAILPOINTS");
        assert_eq!(names, killed, "debug-assertions={assertions}");
    };
    check("on", "", true);
    check("off", "None goes on\n", false);
}

#[test]
fn each_place_has_a_name_of_its_own() {
    let mut names: Vec<_> = failpoint::Point::ALL.iter().map(|point| point.name()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')), "{names:?}");
}
