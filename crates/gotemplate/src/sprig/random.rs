//! Randomness from the source that the render is given.

use crate::function::Context;

/// A random number below `bound`, all equally likely; zero if the bound is.
pub(super) fn below(bound: u64, context: &mut Context<'_>) -> u64 {
    if bound == 0 {
        return 0;
    }
    // The numbers above the last whole multiple would make small results likelier.
    let limit = u64::MAX - u64::MAX % bound;
    let mut number = u64::MAX;
    // A source that gives the same again and again must not hang the render.
    for _ in 0..64 {
        let mut bytes = [0; 8];
        context.random(&mut bytes);
        number = u64::from_le_bytes(bytes);
        if number < limit {
            break;
        }
    }
    number % bound
}

/// As many random characters, each one of `characters`.
pub(super) fn text(characters: &[u8], count: usize, context: &mut Context<'_>) -> String {
    let mut pick = || usize::try_from(below(characters.len() as u64, context)).unwrap_or_default();
    (0..count).map(|_| char::from(characters[pick()])).collect()
}
