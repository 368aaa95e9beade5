//! The documents of a manifest file as kyaml's reader finds them: it splits the text at lines that start with `---`
//! and reads one document of each part.

use object::yaml::{self, Mark, Node, NodeKind};

use super::error::{KustomizeError, Result};

/// The documents of a text that have content.
///
/// # Errors
/// Syntax errors, and something else than a comment behind `---`, with their place.
pub(crate) fn documents(text: &str, file: &str) -> Result<Vec<Node>> {
    check_separators(text, file)?;
    // only then does a part hold more than the one document that is read
    if !text.contains("\n...") && !text.contains("\n%") && !text.starts_with('%') {
        return yaml::parse(text).map_err(|e| KustomizeError::yaml(file, &e));
    }
    let mut found = Vec::new();
    for (start, part) in parts(text) {
        let line = text[..start].matches('\n').count();
        let node = yaml::first_document(part).map_err(|mut error| {
            shift(&mut error.mark, start, line);
            KustomizeError::yaml(file, &error)
        })?;
        found.extend(node.map(|mut node| {
            shift_all(&mut node, start, line);
            node
        }));
    }
    Ok(found)
}

/// Whether a line ends a part: the first line of a text and one that no newline ends do not.
fn is_separator(line: &str, at: usize) -> bool {
    at > 0 && line.starts_with("---") && line.ends_with('\n')
}

fn check_separators(text: &str, file: &str) -> Result<()> {
    let mut at = 0;
    for (i, line) in text.split_inclusive('\n').enumerate() {
        let rest = line.get(3..).unwrap_or_default().trim();
        if is_separator(line, at) && !rest.is_empty() && !rest.starts_with('#') {
            let mark = Mark { index: at, line: i + 1, column: 4 };
            let error = KustomizeError::at(file, mark, "only a comment may follow --- on its line");
            return Err(error.hint("move what follows to the next line"));
        }
        at += line.len();
    }
    Ok(())
}

/// Each part with the byte where it starts.
fn parts(text: &str) -> Vec<(usize, &str)> {
    let (mut all, mut start, mut at) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        if is_separator(line, at) {
            all.push((start, &text[start..at]));
            start = at + line.len();
        }
        at += line.len();
    }
    all.push((start, &text[start..]));
    all
}

fn shift(mark: &mut Mark, bytes: usize, lines: usize) {
    mark.index += bytes;
    mark.line += lines;
}

fn shift_all(node: &mut Node, bytes: usize, lines: usize) {
    shift(&mut node.start, bytes, lines);
    shift(&mut node.end, bytes, lines);
    match &mut node.kind {
        NodeKind::Scalar(_) => {}
        NodeKind::Alias(_, target) => shift_all(target, bytes, lines),
        NodeKind::Sequence(items) => items.iter_mut().for_each(|item| shift_all(item, bytes, lines)),
        NodeKind::Mapping(pairs) => {
            for (key, value) in pairs {
                shift_all(key, bytes, lines);
                shift_all(value, bytes, lines);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(text: &str) -> std::result::Result<Vec<(usize, usize)>, String> {
        let found = documents(text, "f").map_err(|e| e.to_string())?;
        Ok(found.iter().map(|n| (n.start.index, n.start.line)).collect())
    }

    #[test]
    fn one_document_of_each_part_is_read() {
        for (text, expected) in [
            ("a: 1\n---\nb: 2\n", vec![(0, 1), (9, 3)]),
            ("a: 1\n...\nb: [\n---\nc: 3\n", vec![(0, 1), (18, 5)]),
            ("a: 1\n%YAML 1.2\n", vec![(0, 1)]),
            ("--- # x\na: 1\n--- # y\n---\nb: 2\n", vec![(8, 2), (25, 5)]),
            ("a: 1\n---", vec![(0, 1)]),
        ] {
            assert_eq!(starts(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn only_comments_follow_a_separator() {
        for text in ["a: 1\n--- b: 2\n", "a: 1\n----\nb: 2\n"] {
            assert!(starts(text).unwrap_err().contains("f:2:4"), "{text}");
        }
        assert!(starts("%YAML 1.2\n---\na: 1\n").is_err());
    }
}
