//! `$NAME` in texts of an Application.

use std::collections::BTreeMap;

/// Replaces `$NAME` and `${NAME}` as Go's `os.Expand` does; what is not known becomes nothing, `$$` becomes `$`.
pub(crate) fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, after) = name(behind);
        match name {
            Some("$") => expanded.push('$'),
            Some(name) => expanded.push_str(variables.get(name).map_or("", String::as_str)),
            // a dollar sign that starts no name stays
            None if after.len() == behind.len() => expanded.push('$'),
            None => {}
        }
        rest = after;
    }
    expanded + rest
}

/// The name behind a dollar sign and what follows it. Bad syntax such as `${}` is eaten without a name.
fn name(text: &str) -> (Option<&str>, &str) {
    if let Some(inner) = text.strip_prefix('{') {
        return match inner.split_once('}') {
            Some(("", after)) => (None, after),
            Some((name, after)) => (Some(name), after),
            None => (None, inner),
        };
    }
    let special = |c: char| matches!(c, '*' | '#' | '$' | '@' | '!' | '?' | '-' | '0'..='9');
    if text.starts_with(special) {
        return (Some(&text[..1]), &text[1..]);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if end == 0 { (None, text) } else { (Some(&text[..end]), &text[end..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_as_in_go() {
        let variables = BTreeMap::from([("A".to_owned(), "x".to_owned()), ("A_B".to_owned(), "y".to_owned())]);
        for (text, expected) in [
            ("$A", "x"),
            ("a-$A_B.c", "a-y.c"),
            ("${A}_B", "x_B"),
            ("$$A", "$A"),
            ("$NONE!", "!"),
            ("a$", "a$"),
            ("$ a", "$ a"),
            ("${}a", "a"),
            ("$1a", "a"),
        ] {
            assert_eq!(expand(text, &variables), expected, "{text}");
        }
    }
}
