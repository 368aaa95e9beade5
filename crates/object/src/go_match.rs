//! Go's `filepath.Match`: `*` and `?` within one path segment, `[a-z]` classes, `\` escapes.

/// The pattern is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPattern;

/// Whether `name` as a whole matches `pattern`.
///
/// # Errors
/// When the part of the pattern that is needed for the answer is malformed, as in Go.
pub fn matches(pattern: &str, name: &str) -> Result<bool, BadPattern> {
    let (mut pattern, mut name) = (pattern, name);
    while !pattern.is_empty() {
        let (star, chunk, rest) = scan_chunk(pattern);
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(!name.contains('/'));
        }
        // a chunk at the end has to eat all of the name
        if let Some(left) = match_chunk(chunk, name)?.filter(|left| left.is_empty() || !pattern.is_empty()) {
            name = left;
            continue;
        }
        match star.then(|| after_star(chunk, name, pattern.is_empty())).transpose()?.flatten() {
            Some(left) => name = left,
            None => return check(pattern).map(|()| false),
        }
    }
    Ok(name.is_empty())
}

/// What is left of `name` when the star before `chunk` eats some characters that are no `/`.
fn after_star<'n>(chunk: &str, name: &'n str, last: bool) -> Result<Option<&'n str>, BadPattern> {
    for (at, c) in name.char_indices() {
        if c == '/' {
            break;
        }
        match match_chunk(chunk, &name[at + c.len_utf8()..])? {
            Some(left) if !last || left.is_empty() => return Ok(Some(left)),
            _ => {}
        }
    }
    Ok(None)
}

/// # Errors
/// When any part of the pattern is malformed.
pub fn check(mut pattern: &str) -> Result<(), BadPattern> {
    while !pattern.is_empty() {
        let (_, chunk, rest) = scan_chunk(pattern);
        match_chunk(chunk, "")?;
        pattern = rest;
    }
    Ok(())
}

/// Whether stars lead, the text up to the next star outside of a class, and what follows.
fn scan_chunk(pattern: &str) -> (bool, &str, &str) {
    let rest = pattern.trim_start_matches('*');
    let (mut escaped, mut in_class) = (false, false);
    let end = rest.char_indices().find(|(_, c)| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '*' => return !in_class,
            _ => {}
        }
        false
    });
    let end = end.map_or(rest.len(), |(at, _)| at);
    (rest.len() < pattern.len(), &rest[..end], &rest[end..])
}

/// What `name` has left after the chunk; the whole chunk is checked even when the name does not match.
fn match_chunk<'n>(chunk: &str, name: &'n str) -> Result<Option<&'n str>, BadPattern> {
    let (mut chunk, mut name, mut failed) = (chunk, name, false);
    while let Some(c) = chunk.chars().next() {
        failed = failed || name.is_empty();
        let got = if failed { None } else { name.chars().next() };
        let fits = match c {
            '[' => {
                let (fits, rest) = class(&chunk[1..], got)?;
                chunk = rest;
                fits
            }
            '?' => {
                chunk = &chunk[1..];
                got.is_some_and(|g| g != '/')
            }
            c => {
                let literal = if c == '\\' { chunk[1..].chars().next().ok_or(BadPattern)? } else { c };
                chunk = &chunk[literal.len_utf8() + usize::from(c == '\\')..];
                got == Some(literal)
            }
        };
        failed = failed || !fits;
        name = &name[got.map_or(0, char::len_utf8)..];
    }
    Ok((!failed).then_some(name))
}

/// Reads a class behind its `[`; whether it holds `got`, and what follows the class.
fn class(text: &str, got: Option<char>) -> Result<(bool, &str), BadPattern> {
    let negated = text.starts_with('^');
    let mut rest = &text[usize::from(negated)..];
    let (mut found, mut ranges) = (false, 0);
    loop {
        if let Some(behind) = rest.strip_prefix(']').filter(|_| ranges > 0) {
            return Ok((got.is_some() && found != negated, behind));
        }
        let low;
        (low, rest) = class_character(rest)?;
        let mut high = low;
        if let Some(behind) = rest.strip_prefix('-') {
            (high, rest) = class_character(behind)?;
        }
        found = found || got.is_some_and(|g| low <= g && g <= high);
        ranges += 1;
    }
}

fn class_character(text: &str) -> Result<(char, &str), BadPattern> {
    let text = match text.chars().next() {
        None | Some('-' | ']') => return Err(BadPattern),
        Some('\\') => &text[1..],
        Some(_) => text,
    };
    let c = text.chars().next().ok_or(BadPattern)?;
    let rest = &text[c.len_utf8()..];
    // the class has to end somewhere
    if rest.is_empty() { Err(BadPattern) } else { Ok((c, rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_those_of_go() {
        for (pattern, name, expected) in [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "a", Ok(true)),
            ("a*", "ab/c", Ok(false)),
            ("a*/b", "abc/b", Ok(true)),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", Ok(true)),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", Ok(false)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[^e-g]", "abc", Ok(true)),
            ("ab[^b-d]", "abc", Ok(false)),
            ("a\\*b", "a*b", Ok(true)),
            ("a???b", "aßßßb", Ok(true)),
            ("[a-ζ]*", "α", Ok(true)),
            ("a?b", "a/b", Ok(false)),
            ("[\\]a]", "]", Ok(true)),
            ("[]a]", "]", Err(BadPattern)),
            ("[-x]", "x", Err(BadPattern)),
            ("[a-b-c]", "a", Err(BadPattern)),
            ("[", "a", Err(BadPattern)),
            ("a[", "a", Err(BadPattern)),
            ("a[", "ab", Err(BadPattern)),
            ("a[", "x", Err(BadPattern)),
            ("a/b[", "x", Err(BadPattern)),
            ("*x", "xxx", Ok(true)),
            ("templates/.?*", "templates/.x", Ok(true)),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
