//! What people may be called as accounts.

use std::borrow::Cow;
use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;

/// What a person may be called as an account: `Dana Smith <dana@acme.io>` is the name, the address, and what stands
/// before its `@`. Git lets people write anything here: better one too many than an author who approves.
pub(crate) fn names_of(person: &str) -> BTreeSet<String> {
    let person = folded(person);
    let (name, address) = person.split_once('<').unwrap_or((&*person, ""));
    let address = address.trim_end_matches(['>', ' ']);
    let local = |text: &str| text.split('@').next().unwrap_or_default().to_owned();
    // `12345+dana@users.noreply.github.com`, `dana+git@acme.io`
    let parts = local(address).split('+').map(str::to_owned).collect::<Vec<_>>();
    let all = [name.to_owned(), local(name), address.to_owned(), local(address)];
    all.into_iter().chain(parts).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

/// A name as it is compared: without regard to case, width, and what nobody sees (Unicode's NFKC and default ignorable
/// code points).
pub(crate) fn folded(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !byte.is_ascii_uppercase()) && !text.contains("  ") {
        return Cow::Borrowed(text);
    }
    let seen: String = text.nfkc().filter(|character| !is_unseen(*character)).collect();
    // upper case first: `ß` and `ss`, `ς` and `σ` are one
    let lower = seen.to_uppercase().to_lowercase().nfkc().collect::<String>();
    Cow::Owned(lower.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn is_unseen(character: char) -> bool {
    let unseen = matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    unseen || (character.is_control() && !character.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        for (written, name) in [
            ("Dana  Smith", "dana smith"),
            ("da\u{200b}na", "dana"),
            ("\u{202e}dana\u{202c}", "dana"),
            ("d\u{ad}an\u{e0061}a\u{feff}", "dana"),
            ("ｄａｎａ", "dana"),
            ("dana\u{a0}smith", "dana smith"),
            ("Ren\u{65}\u{301}", "ren\u{e9}"),
            ("STRASSE", "stra\u{df}e"),
            ("\u{3164}dana", "dana"),
        ] {
            assert_eq!(folded(written), folded(name), "{written:?}");
        }
        assert!(names_of("x ＜da\u{200d}na＠acme.io＞").contains("dana"));
        assert_ne!(folded("dana"), folded("diana"));
    }
}
