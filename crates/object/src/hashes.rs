//! Hashes as people see them.

/// Characters of a digest, and of a commit hash, by which they are still told apart.
const DIGEST: usize = 12;
const COMMIT: usize = 10;

/// A word that is the hexadecimal digits of a digest or of a commit hash, cut; any other word whole.
pub fn short_hash(word: &str) -> &str {
    let is_hash = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match word.len() {
        64 if is_hash => &word[..DIGEST],
        40 if is_hash => &word[..COMMIT],
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_hashes_are_cut() {
        let (commit, digest) = ("4f2a9c1e7b".repeat(4), "ab".repeat(32));
        for (word, expected) in
            [(commit.as_str(), "4f2a9c1e7b"), (&digest, "abababababab"), ("v2026.11.30-build7", "v2026.11.30-build7")]
        {
            assert_eq!(short_hash(word), expected);
        }
    }
}
