//! What is wrong with a source, in a form that people can act on.

use std::fmt;

use object::yaml::YamlError;
use serde::{Deserialize, Serialize};

/// Whether the desired set is still whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// The result is whole; something in the source is doubtful or outdated.
    Warning,
    /// Objects are missing from the result.
    Error,
}

/// One finding: what, where and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub severity: Severity,
    /// Path in the repository; empty when no single file is to blame.
    pub file: String,
    /// 1-based; 0 when it is about the whole file.
    pub line: usize,
    /// 1-based, in characters; 0 when it is about the whole line.
    pub column: usize,
    pub message: String,
    /// What to do about it; may be several lines (a file to add). Empty when there is nothing to say.
    pub hint: String,
}

impl Problem {
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            file: String::new(),
            line: 0,
            column: 0,
            message: message.into(),
            hint: String::new(),
        }
    }

    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    #[must_use]
    pub fn in_file(self, file: impl Into<String>, line: usize, column: usize) -> Self {
        Self { file: file.into(), line, column, ..self }
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    pub(crate) fn yaml(file: &str, error: &YamlError) -> Self {
        Self::error(error.reason.clone()).in_file(file, error.mark.line, error.mark.column)
    }

    /// `file:line:column`, as far as known.
    pub fn place(&self) -> String {
        match (self.line, self.column) {
            (0, _) => self.file.clone(),
            (line, 0) => format!("{}:{line}", self.file),
            (line, column) => format!("{}:{line}:{column}", self.file),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}
