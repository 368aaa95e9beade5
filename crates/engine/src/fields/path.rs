//! A place inside an object.

use std::fmt;

use serde_json::Value;

/// One step into an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Field(String),
    /// An element of a list that is a map by these keys.
    Key(Vec<(String, Value)>),
    /// An element of a list of plain values.
    Item(Value),
    Index(usize),
}

/// A place inside an object, as server-side apply names it: `.spec.containers[name="app"].image`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FieldPath(pub Vec<Step>);

impl FieldPath {
    pub(crate) fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            match step {
                Step::Field(name) if name.contains(['.', '/']) => write!(f, "[{name:?}]")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Key(keys) => {
                    let keys: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                    write!(f, "[{}]", keys.join(","))?;
                }
                Step::Item(value) => write!(f, "[={value}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
