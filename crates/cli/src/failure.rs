//! What went wrong, said once, with the exit code that scripts rely on.

use std::fmt;
use std::process::ExitCode;

use crate::output;

/// Exit codes: 0 done, 1 failed (of a comparison: something differs), 2 wrong usage (clap's own), 20 nothing could be
/// compared, as Argo CD has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotCompared = 20,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code as u8)
    }
}

/// An error on its way to the terminal: what and why, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

pub(crate) type Outcome = Result<ExitCode, Failure>;

impl Failure {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { code: Code::Failed, message: message.to_string(), hint: None }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { code: Code::Usage, ..Self::new(message) }
    }

    /// Flags of other programs that are understood, so that the answer can say why not: whether each was given, its name,
    /// and the reason.
    ///
    /// # Errors
    /// For the first that was given.
    pub(crate) fn refuse(flags: &[(bool, &str, &str)]) -> Result<(), Self> {
        match flags.iter().find(|(given, ..)| *given) {
            Some((_, flag, why)) => Err(Self::usage(format!("{flag} is refused: {why}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    pub(crate) fn report(self) -> ExitCode {
        output::aside(format!("gantline: {}", self.message));
        if let Some(hint) = self.hint {
            output::aside(format!("  {hint}"));
        }
        self.code.into()
    }
}

/// Errors of the libraries, with their causes in one line.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = cause.source();
        }
        Self::new(message)
    }
}
