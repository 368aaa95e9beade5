//! Which fields there are, and the nearest one to a slip.

use serde_json::Value;

/// Fields of a mapping that are not in `known`, each with the nearest known name.
pub(super) fn unknown_fields(value: &Value, known: &[&str], at: &str, found: &mut Vec<String>) {
    let Value::Object(map) = value else { return };
    for field in map.keys().filter(|f| !known.contains(&f.as_str())) {
        let place = if at.is_empty() { field.clone() } else { format!("{at}.{field}") };
        found.push(match nearest(field, known) {
            Some(name) => format!("{place} is not a field: did you mean {name}?"),
            None => format!("{place} is not a field: there are {}", known.join(", ")),
        });
    }
}

/// The known name with the smallest edit distance, if it is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = |k: &&str| distance(&name.to_lowercase(), &k.to_lowercase());
    let best = known.iter().min_by_key(|k| near(k))?;
    (near(best) <= name.len().max(best.len()) / 2).then_some(best)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_word() {
        let known = ["application", "auto", "gates", "verify"];
        assert_eq!(nearest("aplication", &known), Some("application"));
        assert_eq!(nearest("Gate", &known), Some("gates"));
        assert_eq!(nearest("xyz", &known), None);
    }
}
