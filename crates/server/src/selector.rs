//! Label selectors as kubectl takes them: `a=b`, `a!=b`, `a in (b, c)`, `a notin (b)`, `a`, `!a`, with commas between.

use std::collections::BTreeMap;

/// One requirement of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Term {
    In(String, Vec<String>),
    /// Also where the label is absent, as Kubernetes has it.
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Term {
    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
        }
    }
}

/// The requirements of a selector; an empty text has none. The error says which part is wrong.
pub(crate) fn parse(text: &str) -> Result<Vec<Term>, String> {
    parts(text).into_iter().map(term).collect()
}

/// Cuts at the commas outside of parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let cut = |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    };
    text.split(cut).map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn term(part: &str) -> Result<Term, String> {
    if let Some(key) = part.strip_prefix('!') {
        return Ok(Term::Absent(key_of(key, part)?));
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Ok(Term::NotIn(key_of(key, part)?, vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = part.split_once('=') {
        return Ok(Term::In(key_of(key, part)?, vec![value.trim_start_matches('=').trim().to_owned()]));
    }
    let Some((head, values)) = part.strip_suffix(')').and_then(|rest| rest.split_once('(')) else {
        return Ok(Term::Exists(key_of(part, part)?));
    };
    let values = values.split(',').map(|value| value.trim().to_owned()).collect();
    match head.split_whitespace().collect::<Vec<_>>()[..] {
        [key, "in"] => Ok(Term::In(key_of(key, part)?, values)),
        [key, "notin"] => Ok(Term::NotIn(key_of(key, part)?, values)),
        _ => Err(wrong(part)),
    }
}

fn key_of(key: &str, part: &str) -> Result<String, String> {
    let key = key.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if key.is_empty() || !key.chars().all(plain) { Err(wrong(part)) } else { Ok(key.to_owned()) }
}

fn wrong(part: &str) -> String {
    format!("{part:?} is no part of a label selector: write such as environment=dev or environment in (dev, staging)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_choose_as_kubectl_does() {
        let labels =
            BTreeMap::from([("environment".to_owned(), "dev".to_owned()), ("team".to_owned(), "a".to_owned())]);
        let check = |text: &str, expected: Option<bool>| {
            let found = parse(text).ok().map(|terms| terms.iter().all(|term| term.matches(&labels)));
            assert_eq!(found, expected, "{text}");
        };
        check("", Some(true));
        check("environment=dev", Some(true));
        check("environment==dev, team=a", Some(true));
        check("environment=dev,team=b", Some(false));
        check("environment!=dev", Some(false));
        check("absent!=x", Some(true));
        check("environment in (dev, staging),team", Some(true));
        check("environment notin (dev, staging)", Some(false));
        check("!team", Some(false));
        check("!absent", Some(true));
        check("environment of (dev)", None);
        check("=dev", None);
        check("a b", None);
    }
}
