//! Why a template could not be parsed or run, in Go's words and as data.

use std::fmt;
use std::sync::Arc;

use crate::function::CallError;
use crate::limits::Exceeded;
use crate::strconv;

/// A template could not be parsed or run. `Display` gives Go's text.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Execute(Box<ExecuteError>),
    /// A template was asked for by a name that nobody defined.
    #[error("template: no template {} associated with template {}", quoted(name), quoted(of))]
    NoTemplate { name: String, of: Arc<str> },
}

/// A template's text breaks the grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {template}:{line}: {message}")]
pub struct ParseError {
    /// the name of the file
    pub template: Arc<str>,
    /// counted from 1
    pub line: usize,
    pub message: String,
}

/// A template failed while it ran.
#[derive(Clone, Debug)]
pub struct ExecuteError {
    /// the name of the file
    pub template: Arc<str>,
    /// counted from 1
    pub line: usize,
    /// bytes before it in the line
    pub column: usize,
    /// the template that ran: the file, or a `define` in it
    pub executing: Arc<str>,
    /// the piece of the template that failed, as Go prints it
    pub expression: String,
    pub cause: Cause,
}

/// What went wrong at an expression.
#[derive(Clone, Debug)]
pub enum Cause {
    /// Go's own message of the evaluator
    Message(String),
    /// a field was asked of nil
    NilField(FieldOf),
    /// a field was asked of what has none, such as a string
    NoField(FieldOf),
    /// a limit of the render was reached
    Exceeded(Exceeded),
    /// a function or method returned an error
    Call { function: String, failure: Failure },
}

/// The field that was asked of a value that does not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOf {
    /// the expression whose value that is: `.Values.image`
    pub parent: String,
    /// the field asked of it: `tag`
    pub field: String,
    /// the parent's type in Go
    pub type_name: String,
}

/// What a function failed with.
#[derive(Clone, Debug)]
pub enum Failure {
    Message(String),
    /// `required` or `fail`: the chart's author says what is wrong
    Author(String),
    /// the template that `include` ran failed
    Include(Box<Error>),
    /// the text that `tpl` parsed failed
    Tpl {
        text: String,
        error: Box<Error>,
    },
}

impl Error {
    /// The error at the bottom: the last of a chain of `include` and `tpl` calls.
    pub fn innermost(&self) -> &Self {
        match self.inner() {
            Some(inner) => inner.innermost(),
            None => self,
        }
    }

    /// The error of the template that this one called.
    pub fn inner(&self) -> Option<&Self> {
        let Self::Execute(error) = self else { return None };
        match &error.cause {
            Cause::Call { failure: Failure::Include(error) | Failure::Tpl { error, .. }, .. } => Some(error),
            _ => None,
        }
    }

    /// The limit that was reached, where that is the reason.
    pub fn exceeded(&self) -> Option<Exceeded> {
        match self.innermost() {
            Self::Execute(error) => match error.cause {
                Cause::Exceeded(exceeded) => Some(exceeded),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for ExecuteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { template, line, column, executing, expression, cause } = self;
        let executing = quoted(executing);
        write!(f, "template: {template}:{line}:{column}: executing {executing} at <{expression}>: {cause}")
    }
}

impl std::error::Error for ExecuteError {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => f.write_str(message),
            Self::NilField(FieldOf { field, type_name, .. }) => {
                write!(f, "nil pointer evaluating {type_name}.{field}")
            }
            Self::NoField(FieldOf { field, type_name, .. }) => {
                write!(f, "can't evaluate field {field} in type {type_name}")
            }
            Self::Exceeded(exceeded) => exceeded.fmt(f),
            Self::Call { function, failure } => write!(f, "error calling {function}: {failure}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) | Self::Author(message) => f.write_str(message),
            Self::Include(error) => error.fmt(f),
            Self::Tpl { text, error } => {
                let text = quoted(text);
                match **error {
                    Error::Parse(_) => write!(f, "cannot parse template {text}: {error}"),
                    _ => write!(f, "error during tpl function execution for {text}: {error}"),
                }
            }
        }
    }
}

impl Cause {
    /// The cause of a failed call.
    pub(crate) fn of_call(function: &str, error: CallError) -> Self {
        let failure = match error {
            CallError::Exceeded(exceeded) => return Self::Exceeded(exceeded),
            CallError::Message(message) => Failure::Message(message),
            CallError::Author(message) => Failure::Author(message),
        };
        Self::Call { function: function.to_owned(), failure }
    }
}

fn quoted(text: &str) -> String {
    strconv::quote(text.as_bytes())
}
