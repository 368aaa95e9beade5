//! Why an object that its Application does not want any more stays all the same.

use std::fmt;

use object::ResourceKey;

/// Another Application, as far as people of this one are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Other {
    Named(String),
    /// Of another project: its name is not for everybody.
    OfProject(String),
}

/// Who or what still needs an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stay {
    /// Another Application wants it.
    Wanted { by: Other },
    /// A Namespace that holds what is not the Application's own going with it: all of that would go.
    Holds(Vec<Held>),
    /// A Namespace of which nobody can tell what it holds.
    Unknown { why: String },
    /// A Namespace of the control plane, or of Kubernetes.
    Vital,
}

/// What a Namespace holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub object: ResourceKey,
    /// The Application that it belongs to.
    pub of: Option<Other>,
}

impl Other {
    /// Beside the Application itself: `applications web and …`.
    pub(crate) fn beside(&self) -> String {
        match self {
            Self::Named(name) => name.clone(),
            Self::OfProject(project) => format!("one of project {project}"),
        }
    }
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "application {name}"),
            Self::OfProject(project) => write!(f, "an application of project {project}"),
        }
    }
}

impl fmt::Display for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wanted { by } => write!(f, "{by} wants it as well"),
            Self::Holds(all) => {
                let named: Vec<String> = all.iter().take(3).map(ToString::to_string).collect();
                let more = if all.len() > named.len() {
                    format!(" and {} more", all.len() - named.len())
                } else {
                    String::new()
                };
                let named = named.join(", ");
                write!(f, "it holds {named}{more}, which would go with it: take that out first, or delete it by hand")
            }
            Self::Unknown { why } => write!(
                f,
                "nobody can tell what it holds, all of which would go with it ({why}): let Gantline list that, or \
                 delete it by hand"
            ),
            Self::Vital => write!(
                f,
                "namespaces of the control plane and of Kubernetes (default, kube-…) are deleted by hand only"
            ),
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.object.kind, self.object.name)?;
        match &self.of {
            Some(other) => write!(f, " of {other}"),
            None => Ok(()),
        }
    }
}
