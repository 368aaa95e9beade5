//! One command and what came of it.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A command that has ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The command line, for messages.
    pub what: String,
    /// -1 when a signal ended it.
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run(command: &mut Command) -> Ran {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let what = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let ended = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{what}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { what, code: ended.status.code().unwrap_or(-1), out: text(&ended.stdout), err: text(&ended.stderr) }
}

impl Ran {
    /// # Panics
    /// When the exit code is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}{}", self.what, self.out, self.err);
        self
    }

    /// # Panics
    /// When the command failed.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.exits(0)
    }

    /// # Panics
    /// When neither output has the text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let said = self.out.contains(text) || self.err.contains(text);
        assert!(said, "{} does not say {text:?}:\n{}{}", self.what, self.out, self.err);
        self
    }

    /// # Panics
    /// When one of the outputs has the text.
    #[track_caller]
    pub fn does_not_say(self, text: &str) -> Self {
        let said = self.out.contains(text) || self.err.contains(text);
        assert!(!said, "{} says {text:?}:\n{}{}", self.what, self.out, self.err);
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{}: {error}\n{}", self.what, self.out))
    }
}

/// Tries until `attempt` gives something, half a minute at most.
///
/// # Panics
/// When it never does; the message has what was seen last.
#[track_caller]
pub fn eventually<T>(what: &str, attempt: impl FnMut() -> Result<T, String>) -> T {
    patiently(30, what, attempt)
}

/// The same, for so many seconds, or longer where an attempt takes time.
///
/// # Panics
/// As [`eventually`].
#[track_caller]
pub fn patiently<T>(seconds: usize, what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let mut last = String::new();
    for _ in 0..seconds * 10 {
        match attempt() {
            Ok(value) => return value,
            Err(seen) => last = seen,
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("not within {seconds} s: {what}; last seen: {last}")
}
