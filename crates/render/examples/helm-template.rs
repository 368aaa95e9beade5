//! `helm-template [NAME] CHART [flags]`: renders a chart on disk with the flags of `helm template`, for the conformance
//! runner.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program")]

#[path = "../tests/it/folder.rs"]
mod folder;
#[path = "../tests/it/helm_flags.rs"]
mod helm_flags;

use std::process::ExitCode;

use helm_flags::Command;

fn main() -> ExitCode {
    let command = Command::parse(std::env::args().skip(1), std::path::Path::new("."));
    match command.and_then(|command| command.run()) {
        Ok((text, warnings)) => {
            warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}
