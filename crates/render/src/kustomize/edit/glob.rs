//! Go's `filepath.Match` and `filepath.Glob` over a tree of files.

use object::{FileTree, path};

use super::super::error::{KustomizeError, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// `*`: anything but `/`.
    Star,
    /// `?`: one character but `/`.
    Any,
    One(char),
    /// `[a-z]`, or `[^a-z]`.
    Class {
        not: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::Star | Self::Any => c != '/',
            Self::One(one) => *one == c,
            Self::Class { not, ranges } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *not,
        }
    }
}

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Token>);

impl Pattern {
    /// None when the pattern is malformed.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Star,
                '?' => Token::Any,
                '\\' => Token::One(chars.next()?),
                '[' => class(&mut chars)?,
                c => Token::One(c),
            });
        }
        Some(Self(tokens))
    }

    /// Whether the whole of a text fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        // one bit per place in the pattern that the characters so far can have led to
        let mut reached = vec![false; self.0.len() + 1];
        reached[0] = true;
        self.skip_stars(&mut reached);
        for c in text.chars() {
            let mut next = vec![false; reached.len()];
            for (i, token) in self.0.iter().enumerate().filter(|(i, token)| reached[*i] && token.fits(c)) {
                next[if *token == Token::Star { i } else { i + 1 }] = true;
            }
            self.skip_stars(&mut next);
            reached = next;
        }
        reached[self.0.len()]
    }

    fn skip_stars(&self, reached: &mut [bool]) {
        for (i, token) in self.0.iter().enumerate() {
            if reached[i] && *token == Token::Star {
                reached[i + 1] = true;
            }
        }
    }
}

fn class(chars: &mut std::str::Chars<'_>) -> Option<Token> {
    let not = chars.as_str().starts_with('^');
    if not {
        chars.next();
    }
    let mut ranges = Vec::new();
    loop {
        if chars.as_str().starts_with(']') && !ranges.is_empty() {
            chars.next();
            return Some(Token::Class { not, ranges });
        }
        let low = class_char(chars)?;
        let high = if chars.as_str().starts_with('-') {
            chars.next();
            class_char(chars)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

fn class_char(chars: &mut std::str::Chars<'_>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

/// The entries of `tree` that a pattern, as seen from `folder`, stands for. Hidden ones only where the pattern names
/// them (a leading dot). A pattern without wildcards stands for itself if it is there.
///
/// # Errors
/// When the pattern is malformed or leaves the repository: the error is about `file`.
pub(crate) fn glob(tree: &FileTree, folder: &str, file: &str, pattern: &str) -> Result<Vec<String>> {
    let mut found = entries(tree, folder, file, pattern)?;
    if !path::file_name(pattern).starts_with('.') {
        found.retain(|entry| !path::file_name(entry).starts_with('.'));
    }
    Ok(found)
}

fn entries(tree: &FileTree, folder: &str, file: &str, pattern: &str) -> Result<Vec<String>> {
    let at = |entry: &str| {
        path::join(folder, entry).filter(|_| !entry.starts_with('/')).ok_or_else(|| {
            KustomizeError::new(file, format!("{entry} leaves the repository"))
                .hint("only files of this repository can be used, by paths relative to the folder")
        })
    };
    let failed = |e| KustomizeError::tree(file, &e);
    if !pattern.contains(['*', '?', '[', '\\']) {
        let there = !pattern.is_empty() && tree.entry(&at(pattern)?).map_err(failed)?.is_some();
        return Ok(if there { vec![pattern.to_owned()] } else { Vec::new() });
    }
    let (above, last) = pattern.rsplit_once('/').unwrap_or((".", pattern));
    let malformed = || KustomizeError::new(file, format!("the pattern {pattern:?} is malformed"));
    let wanted = Pattern::new(last).ok_or_else(|| malformed().hint("close [, and write \\ before a character"))?;
    let mut found = Vec::new();
    for above in entries(tree, folder, file, above)? {
        let listed = tree.list(&at(&above)?).map_err(failed)?.unwrap_or_default();
        found
            .extend(listed.iter().filter(|e| wanted.matches(&e.name)).map(|e| cleaned(&format!("{above}/{}", e.name))));
    }
    Ok(found)
}

/// Go's `path.Clean` of a relative path: without `.`, `//` and the `..` that can be resolved.
pub(crate) fn cleaned(relative: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in relative.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." && parts.last().is_some_and(|last| *last != "..") {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, text, expected) in [
            ("*.yaml", "a.yaml", Some(true)),
            ("*.yaml", "b/a.yaml", Some(false)),
            ("b/*", "b/a.yaml", Some(true)),
            ("?.yaml", "ä.yaml", Some(true)),
            ("[a-c]*x", "bbx", Some(true)),
            ("[^a-c]", "b", Some(false)),
            ("a\\*", "a*", Some(true)),
            ("a*b*c", "aXbXbc", Some(true)),
            ("", "", Some(true)),
            ("[", "x", None),
            ("[]a]", "]", None),
            ("a\\", "a", None),
        ] {
            assert_eq!(Pattern::new(pattern).map(|p| p.matches(text)), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn globs_find_entries_as_seen_from_the_folder() {
        let tree = MemoryTree::default();
        let tree = ["a/x.yaml", "a/.h.yaml", "a/b/y.yaml", "c/z.yaml"].iter().fold(tree, |t, f| t.file(f, "")).tree();
        let check = |pattern: &str, expected: &[&str]| {
            assert_eq!(glob(&tree, "a", "a/kustomization.yaml", pattern).unwrap(), expected, "{pattern}");
        };
        check("*.yaml", &["x.yaml"]);
        check("./*.yaml", &["x.yaml"]);
        check(".*", &[".h.yaml"]);
        check("./x.yaml", &["./x.yaml"]);
        check("../*", &["../a", "../c"]);
        check("*/*.yaml", &["b/y.yaml"]);
        check("../[c]/z.yaml", &["../c/z.yaml"]);
        check("none", &[]);
        assert!(
            glob(&tree, "a", "a/kustomization.yaml", "../../x")
                .unwrap_err()
                .to_string()
                .contains("leaves the repository")
        );
        assert!(glob(&tree, "a", "a/kustomization.yaml", "[").unwrap_err().to_string().contains("malformed"));
    }
}
