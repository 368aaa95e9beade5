//! Compiles the example repositories in: `gantline demo` needs no checkout. Links for a quick start.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    link_for_a_quick_start();
    let root = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../examples");
    let mut text = String::from("pub(crate) const FILES: &[(&str, &[u8])] = &[\n");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    for file in &files {
        let inside = file.strip_prefix(&root).unwrap_or(file);
        let _ = writeln!(
            text,
            "    ({:?}, include_bytes!({:?})),",
            inside.to_string_lossy(),
            file.canonicalize()?.to_string_lossy()
        );
    }
    text.push_str("];\n");
    println!("cargo:rerun-if-changed={}", root.display());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join("examples.rs"), text)
}

/// At a fixed address, as Go links helm and kustomize: the loader would write 68 000 addresses first, a third of the time
/// that rendering a chart takes. Heap, stack and libraries stay at random addresses.
fn link_for_a_quick_start() {
    let target = |name| std::env::var_os(name).unwrap_or_default();
    if target("CARGO_CFG_TARGET_OS") == "linux" && target("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        println!("cargo:rerun-if-changed={}", path.display());
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
