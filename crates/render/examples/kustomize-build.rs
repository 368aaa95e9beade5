//! `kustomize-build [--reorder none|legacy] [--load-restrictor NAME] [--enable-managedby-label] DIR`: prints the build of a
//! folder on disk, for the conformance runner.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program")]

#[path = "../tests/it/folder.rs"]
mod folder;

use std::process::ExitCode;

use folder::Folder;
use render::kustomize::{self, BuildOptions, LoadRestrictor, Reorder};

fn main() -> ExitCode {
    let mut options = BuildOptions::default();
    let mut folder = ".".to_owned();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--reorder" if arguments.next().as_deref() == Some("none") => options.reorder = Reorder::None,
            "--reorder" => {}
            "--load-restrictor" if arguments.next().as_deref() == Some("LoadRestrictionsNone") => {
                options.load_restrictor = LoadRestrictor::None;
            }
            "--load-restrictor" => {}
            "--enable-managedby-label" => options.enable_managedby_label = true,
            path => path.clone_into(&mut folder),
        }
    }
    let path = match std::fs::canonicalize(&folder) {
        Ok(path) => path.to_string_lossy().trim_start_matches('/').to_owned(),
        Err(error) => {
            eprintln!("{folder}: {error}");
            return ExitCode::FAILURE;
        }
    };
    match kustomize::build(&Folder::tree("/"), &path, &options) {
        Ok(build) => {
            build.warnings.iter().for_each(|warning| eprintln!("{warning}"));
            print!("{}", build.text());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
