//! Compiles the example repositories in: `gantline demo` needs no checkout.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
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
