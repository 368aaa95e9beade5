//! `kustomize-edit edit set image a=b:c` and all other command lines of `kustomize edit` and `kustomize create`, in the
//! folder on disk where it is called.

#![expect(clippy::print_stderr, reason = "this is a program")]

#[path = "../tests/it/edit/command.rs"]
mod command;
#[path = "../tests/it/folder.rs"]
mod folder;

use std::process::ExitCode;

use command::Command;
use folder::Folder;
use render::kustomize::edit;

fn main() -> ExitCode {
    let line: Vec<String> = std::env::args().skip(1).collect();
    match run(&line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(line: &[String]) -> Result<(), String> {
    let command = command::parse(line).ok_or("the command line is malformed")?;
    let here = std::env::current_dir().map_err(|e| e.to_string())?;
    let here = here.to_string_lossy().trim_start_matches('/').to_owned();
    let tree = Folder::tree("/");
    let edited = match &command {
        Command::Edit(command) => edit::apply(&tree, &here, command),
        Command::Create(command) => edit::create(&tree, &here, command),
    };
    let edited = edited.map_err(|e| e.to_string())?;
    edited.warnings.iter().for_each(|warning| eprintln!("{warning}"));
    let files = edited.others.into_iter().chain([(edited.path, edited.text)]);
    files.into_iter().try_for_each(|(path, text)| std::fs::write(format!("/{path}"), text)).map_err(|e| e.to_string())
}
