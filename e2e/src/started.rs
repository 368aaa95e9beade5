//! A program that goes on while a test runs.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::command::{eventually, run};
use crate::demo::http;

/// So many lines of its output are shown when a test fails.
const SAID: usize = 60;

/// A program whose output goes to a file; it ends with the test.
#[derive(Debug)]
pub struct Started {
    child: Child,
    said: tempfile::NamedTempFile,
}

impl Started {
    /// # Panics
    /// When it cannot be started.
    pub fn new(binary: &Path, temporary: &Path, arguments: &[&str]) -> Self {
        Self::with(binary, temporary, arguments, &[])
    }

    /// With more variables in its environment.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn with(binary: &Path, temporary: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let said = tempfile::NamedTempFile::new().expect("a temporary file");
        // each behind what the other has written
        let open = || std::fs::OpenOptions::new().append(true).open(said.path());
        let (output, errors) = (open().expect("the file again"), open().expect("the file again"));
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .envs(variables.iter().copied())
            .env("TMPDIR", temporary)
            .env("HOME", temporary)
            .stdin(Stdio::null());
        let child = command.stdout(output).stderr(errors).spawn().expect("the program starts");
        Self { child, said }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Both outputs until now.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.said.path()).unwrap_or_default()
    }

    /// The first URL that it prints.
    pub fn url(&self) -> String {
        eventually("the program prints its URL", || {
            let said = self.said();
            let url = said
                .split_whitespace()
                .find(|word| word.starts_with("http://") || word.starts_with("https://"))
                .map(str::to_owned);
            url.ok_or(said)
        })
    }

    /// A figure of a server without TLS: the sum over all labels.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn metric(&self, name: &str) -> u64 {
        let url = self.url();
        let (_, text) = http(url.trim_start_matches("http://"), "GET", "/metrics", "", "");
        let lines = text.lines().filter_map(|line| line.split_once([' ', '{']).filter(|(known, _)| *known == name));
        lines.filter_map(|(_, rest)| rest.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Whether it has ended by itself, or was killed.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// # Panics
    /// When it has ended.
    pub fn signal(&self, name: &str) {
        run(Command::new("kill").args(["-s", name, &self.child.id().to_string()])).succeeds();
    }

    /// What Ctrl-C does; gives the exit code.
    pub fn interrupt(mut self) -> i32 {
        self.signal("INT");
        eventually("the program ends", || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status.code().unwrap_or(-1)),
            other => Err(format!("{other:?}: {}", self.said())),
        })
    }
}

impl Drop for Started {
    #[expect(clippy::print_stderr, reason = "what a failed test shows")]
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            eprintln!("process {} said last:\n{}\n", self.id(), lines[lines.len().saturating_sub(SAID)..].join("\n"));
        }
    }
}
