//! Why an object that its Application does not want any more stays all the same.

use std::fmt;

use object::ResourceKey;

/// Who or what still needs an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stay {
    /// Another Application wants it.
    Wanted { by: String },
    /// A Namespace that holds objects of Applications, or volumes: all of that would go with it. Only a person lets it go.
    Holds(Vec<Held>),
}

/// What a Namespace holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub object: ResourceKey,
    /// The Application that it belongs to.
    pub of: Option<String>,
}

impl Stay {
    /// Whether it goes where a person asks for just that.
    pub(crate) fn gives_way(&self) -> bool {
        matches!(self, Self::Holds(_))
    }
}

impl fmt::Display for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wanted { by } => write!(f, "application {by} wants it as well"),
            Self::Holds(all) => {
                let named: Vec<String> = all.iter().take(3).map(ToString::to_string).collect();
                let more = if all.len() > named.len() {
                    format!(" and {} more", all.len() - named.len())
                } else {
                    String::new()
                };
                write!(
                    f,
                    "it holds {}{more}, which would go with it: sync just this object with prune, or delete it by hand",
                    named.join(", ")
                )
            }
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.object.kind, self.object.name)?;
        match &self.of {
            Some(other) => write!(f, " of application {other}"),
            None => Ok(()),
        }
    }
}
