//! Why a build failed.

use object::TreeError;
use object::yaml::{Mark, YamlError};

use crate::Problem;

/// The one problem that ended a build: file, line, what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KustomizeError(pub Box<Problem>);

pub(crate) type Result<T> = std::result::Result<T, KustomizeError>;

impl KustomizeError {
    pub(crate) fn new(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Problem::error(message).in_file(file, 0, 0)))
    }

    pub(crate) fn at(file: impl Into<String>, mark: Mark, message: impl Into<String>) -> Self {
        Self(Box::new(Problem::error(message).in_file(file, mark.line, mark.column)))
    }

    pub(crate) fn yaml(file: &str, error: &YamlError) -> Self {
        Self(Box::new(Problem::yaml(file, error)))
    }

    pub(crate) fn tree(file: &str, error: &TreeError) -> Self {
        Self::new(file, error.to_string())
    }

    /// Names the file that is to blame where none is named yet.
    pub(crate) fn about(mut self, file: &str) -> Self {
        if self.0.file.is_empty() {
            file.clone_into(&mut self.0.file);
        }
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }
}
