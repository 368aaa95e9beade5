//! Where in a document an edit happens, and why it may be refused.

use std::fmt;

use crate::yaml::YamlError;

/// One step down from a mapping or list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

impl Step {
    /// Reads `image.tag`, `hosts[0].name`, `"a.b".c` or `a\.b.c`. None when it is malformed.
    pub fn path(text: &str) -> Option<Vec<Self>> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            rest = match rest.strip_prefix('[') {
                Some(inner) => {
                    let (index, behind) = inner.split_once(']')?;
                    steps.push(Self::Index(index.parse().ok()?));
                    behind
                }
                None => {
                    let rest = if steps.is_empty() { rest } else { rest.strip_prefix('.')? };
                    let (key, behind) = key(rest)?;
                    steps.push(Self::Key(key));
                    behind
                }
            };
        }
        Some(steps)
    }
}

/// A key, perhaps in quotes, and what is behind it.
fn key(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (key, behind) = quoted.split_once('"')?;
        return Some((key.to_owned(), behind));
    }
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => key.push(chars.next()?.1),
            '.' | '[' => return (!key.is_empty()).then_some((key, &text[at..])),
            c => key.push(c),
        }
    }
    (!key.is_empty()).then_some((key, ""))
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<String> for Step {
    fn from(key: String) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// `images[0].newTag`; a key with a dot or bracket in it is quoted.
pub fn shown(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Index(index) => out.push_str(&format!("[{index}]")),
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                let plain = !key.is_empty() && !key.contains(['.', '[', ']', '"', ' ']);
                out.push_str(&if plain { key.clone() } else { format!("{key:?}") });
            }
        }
    }
    if out.is_empty() { "the document".to_owned() } else { out }
}

/// Why an edit was not made. The text is unchanged then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct EditError {
    /// 1-based.
    pub line: usize,
    pub reason: EditReason,
}

/// What stands in the way of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditReason {
    /// The text is no YAML.
    Syntax(String),
    /// Nothing is at the path.
    Missing(String),
    /// The way leads through `*anchor`.
    Alias { path: String, anchor: String },
    /// The key comes from a merge (`<<`), it does not stand in the mapping itself.
    Merged(String),
    /// A key is asked of something that is no mapping.
    NoMapping(String),
    /// An item is asked of something that is no list.
    NoList(String),
    /// The key stands in the mapping more than once.
    Repeated(String),
    /// An anchor in the part that would go is used elsewhere.
    AnchorInUse { path: String, anchor: String },
    /// It stands in something anchored that is used elsewhere, so that both would change.
    Shared { path: String, anchor: String },
    /// So many edits of so large a text would take too long.
    TooMany,
    /// The new text would not mean what the edit asks for; the second text says what would differ.
    Unsafe { path: String, what: String },
}

impl fmt::Display for EditReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(reason) => f.write_str(reason),
            Self::Missing(path) => write!(f, "{path} is not there"),
            Self::Alias { path, anchor } => {
                write!(f, "{path} is written as *{anchor}: edit what is anchored there, or write the value out")
            }
            Self::Merged(path) => write!(f, "{path} comes from a merge (<<): edit what is merged"),
            Self::NoMapping(path) => write!(f, "{path} is no mapping"),
            Self::NoList(path) => write!(f, "{path} is no list"),
            Self::Repeated(path) => write!(f, "{path} is written more than once: remove all but one"),
            Self::AnchorInUse { path, anchor } => {
                write!(f, "{path} holds the anchor &{anchor}, which is used elsewhere: write the value out there first")
            }
            Self::Shared { path, anchor } => {
                write!(f, "{path} stands in &{anchor}, which is used elsewhere, too: write the value out there first")
            }
            Self::TooMany => f.write_str("the text needs more edits than are made at once: edit it in steps"),
            Self::Unsafe { path, what } => {
                write!(f, "{path} cannot be edited without changing the rest ({what}): edit it by hand")
            }
        }
    }
}

impl EditError {
    pub(crate) fn new(line: usize, reason: EditReason) -> Self {
        Self { line, reason }
    }
}

impl From<YamlError> for EditError {
    fn from(error: YamlError) -> Self {
        Self::new(error.mark.line, EditReason::Syntax(error.reason))
    }
}
