//! Why a chart does not render.

use std::fmt;

use object::TreeError;

use crate::Problem;

/// Why a chart does not render: what, in which chart and file, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Displayed(self))]
pub struct HelmError {
    /// The file is a path in the repository where it is known, else a path as Helm writes it (`chart/templates/x.yaml`).
    pub problem: Box<Problem>,
    /// Name of the chart that is to blame; empty when it is none.
    pub chart: String,
    /// The template expression that failed, such as `.Values.image.tag`; empty when it is none.
    pub expression: String,
}

impl HelmError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { problem: Box::new(Problem::error(message)), chart: String::new(), expression: String::new() }
    }

    #[must_use]
    pub(crate) fn in_file(mut self, file: impl Into<String>, line: usize, column: usize) -> Self {
        *self.problem = self.problem.in_file(file, line, column);
        self
    }

    /// As [`HelmError::in_file`], where no file is named yet.
    #[must_use]
    pub(crate) fn about(self, file: &str) -> Self {
        if self.problem.file.is_empty() { self.in_file(file, 0, 0) } else { self }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = hint.into();
        self
    }

    #[must_use]
    pub(crate) fn of_chart(mut self, chart: &str) -> Self {
        if self.chart.is_empty() {
            chart.clone_into(&mut self.chart);
        }
        self
    }

    #[must_use]
    pub(crate) fn expression(mut self, expression: impl Into<String>) -> Self {
        self.expression = expression.into();
        self
    }
}

impl HelmError {
    /// The problem, with the expression, and with the name of the chart unless its place tells.
    pub fn into_problem(self) -> Problem {
        let mut problem = *self.problem;
        if !self.expression.is_empty() {
            problem.message = format!("at <{}>: {}", self.expression, problem.message);
        }
        if !self.chart.is_empty() && !problem.place().contains(&self.chart) {
            problem.message = format!("chart {}: {}", self.chart, problem.message);
        }
        problem
    }
}

impl From<HelmError> for Box<Problem> {
    fn from(error: HelmError) -> Self {
        Self::new(error.into_problem())
    }
}

impl From<Problem> for HelmError {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), ..Self::new("") }
    }
}

impl From<TreeError> for HelmError {
    fn from(error: TreeError) -> Self {
        let (path, text) = (error.path(), error.to_string());
        let message = text.strip_prefix(path).and_then(|text| text.strip_prefix(": ")).unwrap_or(&text);
        Self::new(message).in_file(path, 0, 0)
    }
}

struct Displayed<'a>(&'a HelmError);

impl fmt::Display for Displayed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.clone().into_problem())
    }
}
