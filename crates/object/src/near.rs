//! "Did you mean …": the nearest of the names that there are.

/// Edit distance (insert, delete, replace) in characters.
pub fn distance(a: &str, b: &str) -> usize {
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

/// The candidate that is nearest to `wanted`, if one is near enough to be a slip of the pen.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wanted.to_lowercase();
    let (far, best) = candidates.into_iter().map(|c| (distance(&lower, &c.to_lowercase()), c)).min()?;
    (far <= wanted.chars().count() / 3 + 1).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_near() {
        assert_eq!(nearest("namePrefx", ["namePrefix", "nameSuffix"]), Some("namePrefix"));
        assert_eq!(nearest("foo", ["namePrefix", "resources"]), None);
        assert_eq!(nearest("Gate", ["application", "auto", "gates"]), Some("gates"));
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
