//! `make install`, without its build: where the binary is put, and what is said where the shell does not find it there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A home of its own and a built "binary" that says who it is.
struct Place {
    home: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { home: tempfile::tempdir().expect("a folder") };
        program(&place.built(), "#!/bin/sh\necho built\n");
        place
    }

    fn built(&self) -> PathBuf {
        self.home.path().join("built/gantline")
    }

    fn path(&self, folder: &str) -> PathBuf {
        self.home.path().join(folder)
    }

    /// What the script says with these folders of the home on PATH.
    fn install(&self, on_path: &[&str], variables: &[(&str, PathBuf)]) -> String {
        let folders = on_path.iter().map(|folder| self.path(folder).display().to_string());
        let path = folders.chain(["/usr/bin".to_owned(), "/bin".to_owned()]).collect::<Vec<_>>().join(":");
        let mut script = Command::new(crate::root().join("xtask/install"));
        script.arg(self.built()).env_clear().env("HOME", self.home.path()).env("PATH", path);
        let output = script.envs(variables.iter().cloned()).output().expect("the script runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }
}

fn program(at: &Path, text: &str) {
    fs::create_dir_all(at.parent().expect("a folder")).expect("a folder");
    fs::write(at, text).expect("a file");
    fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("a program");
}

#[test]
fn the_binary_is_put_where_the_shell_finds_it() {
    let place = Place::new();
    let said = place.install(&[".cargo/bin"], &[]);
    let installed = place.path(".cargo/bin/gantline");
    assert_eq!(said, format!("installed {}\n", installed.display()));
    let ran = Command::new(&installed).output().expect("it runs");
    assert_eq!(ran.stdout, b"built\n");
    // once more, over what is there
    program(&place.built(), "#!/bin/sh\necho newer\n");
    place.install(&[".cargo/bin"], &[]);
    assert_eq!(Command::new(&installed).output().expect("it runs").stdout, b"newer\n");
}

#[test]
fn where_no_folder_is_on_the_path_the_line_for_it_is_printed() {
    let place = Place::new();
    let said = place.install(&[], &[("PREFIX", place.path("prefix"))]);
    assert!(place.path("prefix/bin/gantline").exists());
    assert!(said.contains(&format!("export PATH=\"{}:$PATH\"", place.path("prefix/bin").display())), "{said}");
}

#[test]
fn another_gantline_that_the_shell_finds_first_is_named() {
    let place = Place::new();
    let other = place.path("other/gantline");
    program(&other, "#!/bin/sh\n");
    let said = place.install(&["other", ".local/bin"], &[]);
    assert!(place.path(".local/bin/gantline").exists());
    assert!(said.contains(&format!("the shell finds {} first", other.display())), "{said}");
}

#[test]
fn make_knows_how_to_install() {
    let makefile = fs::read_to_string(crate::root().join("Makefile")).expect("the Makefile");
    assert!(makefile.contains("\ninstall: release ## "), "make install builds, then installs");
    assert!(makefile.contains("xtask/install target/release/gantline"));
}
