//! Files in which an image may be written, and whether a commit wrote it there.

use std::collections::HashMap;

use git::CommitId;
use object::{FileTree, ImageRef, ObjectId, TreeError, yaml};

use super::history::Look;

/// How an image shows in a file: by its tag, its digest, or both.
#[derive(Debug, Clone)]
pub(super) struct Marks(Vec<String>);

impl Marks {
    pub(super) fn of(image: &ImageRef) -> Self {
        let digest = image.digest.as_ref().map(|digest| digest.as_str().to_owned());
        Self(image.tag.iter().cloned().chain(digest).collect())
    }

    /// How often they stand in a text: as values of its YAML, whatever their quotes and escapes, or as they are where it is
    /// none.
    fn values(&self, text: &str) -> usize {
        let Ok(documents) = yaml::parse(text) else { return self.plain(text) };
        documents.iter().map(|node| self.in_node(node)).sum()
    }

    fn in_node(&self, node: &yaml::Node) -> usize {
        match &node.kind {
            yaml::NodeKind::Scalar(text) => self.plain(text),
            yaml::NodeKind::Sequence(items) => items.iter().map(|item| self.in_node(item)).sum(),
            yaml::NodeKind::Mapping(entries) => {
                entries.iter().map(|(key, value)| self.in_node(key) + self.in_node(value)).sum()
            }
            // what it names stands elsewhere
            yaml::NodeKind::Alias(..) => 0,
        }
    }

    /// `v1` stands in `shop:v1` and not in `v12`.
    fn plain(&self, text: &str) -> usize {
        let is_part = |part: Option<char>| part.is_some_and(char::is_alphanumeric);
        let alone = |(at, mark): &(usize, &str)| {
            !is_part(text[..*at].chars().next_back()) && !is_part(text[*at + mark.len()..].chars().next())
        };
        self.0.iter().map(|mark| text.match_indices(mark.as_str()).filter(alone).count()).sum()
    }
}

/// What one file has of an image.
pub(super) struct Written {
    pub(super) path: String,
    /// `None`: how it shows is not known, so any change may be one of the image.
    marks: Option<Marks>,
    counts: HashMap<ObjectId, Option<(usize, usize)>>,
}

/// The file itself where any change counts; else how often the image stands in it, in values and anywhere.
#[derive(Debug, PartialEq)]
pub(super) enum Seen {
    Nothing,
    File(ObjectId),
    Counts(usize, usize),
}

impl Written {
    pub(super) fn new(path: &str, marks: Option<&Marks>) -> Self {
        Self { path: path.to_owned(), marks: marks.cloned(), counts: HashMap::new() }
    }

    /// Another file that is looked at in the same way.
    pub(super) fn like(&self, path: &str) -> Self {
        Self::new(path, self.marks.as_ref())
    }

    /// Whether the image stands in a value of it; `None` where nobody can tell.
    pub(super) fn shows(&mut self, tree: &FileTree) -> Option<bool> {
        match self.seen(tree).ok()? {
            Seen::Nothing => Some(false),
            Seen::Counts(values, _) => Some(values > 0),
            Seen::File(_) => None,
        }
    }

    /// Whether anything of it is in the file; where nobody can tell it is.
    pub(super) fn is_in(&mut self, tree: &FileTree) -> bool {
        !matches!(self.seen(tree), Ok(Seen::Nothing))
    }

    fn seen(&mut self, tree: &FileTree) -> Result<Seen, TreeError> {
        let Some(entry) = tree.reader().entry(&self.path)? else { return Ok(Seen::Nothing) };
        let Some(marks) = &self.marks else { return Ok(Seen::File(entry.id)) };
        let counts = match self.counts.get(&entry.id) {
            Some(known) => *known,
            None => {
                let bytes = tree.reader().read(&self.path)?;
                let text = bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
                let counts = text.map(|text| (marks.values(text), marks.plain(text)));
                self.counts.insert(entry.id.clone(), counts);
                counts
            }
        };
        Ok(match counts {
            Some((0, 0)) => Seen::Nothing,
            Some((values, anywhere)) => Seen::Counts(values, anywhere),
            None => Seen::File(entry.id),
        })
    }
}

impl Look for Written {
    type Seen = Seen;

    async fn at(&mut self, tree: &FileTree, _: CommitId) -> Option<Seen> {
        self.seen(tree).ok()
    }
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;

    #[test]
    fn an_image_shows_in_values_however_they_are_written() {
        let marks = Marks::of(&"acme/shop:v9".parse().unwrap());
        for (text, shows) in [
            ("tag: v9\n", true),
            ("tag: \"v\\x39\"\n", true),
            ("image: acme/shop:v9@sha256:ab\n", true),
            ("patch: |-\n  value: acme/shop:v9\n", true),
            ("IMAGE=acme/shop:v9\n", true),
            ("{{ define \"image\" }}acme/shop:v9{{ end }}\n", true),
            ("tag: v8 # not v9 yet\n", false),
            ("tag: v91\n", false),
            ("tag: rev9\n", false),
        ] {
            let tree = MemoryTree::default().file("a", text).tree();
            assert_eq!(Written::new("a", Some(&marks)).shows(&tree), Some(shows), "{text}");
        }
        assert_eq!(Written::new("gone", Some(&marks)).shows(&MemoryTree::default().tree()), Some(false));
    }
}
