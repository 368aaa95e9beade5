//! What people may be called as accounts.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// What a person may be called as an account: `Dana Smith <dana@acme.io>` is the name, the address, and what stands
/// before its `@`. Git lets people write anything here: better one too many than an author who approves.
///
/// A handful, each once: a list of them is quicker than a set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names(Vec<String>);

impl Names {
    pub(crate) fn of(person: &str) -> Self {
        let person = folded(person);
        let (name, address) = person.split_once('<').unwrap_or((&*person, ""));
        let address = address.trim_end_matches(['>', ' ']);
        let local = |text| str::split(text, '@').next().unwrap_or_default();
        // `12345+dana@users.noreply.github.com`, `dana+git@acme.io`
        let parts = local(address).split('+');
        let mut names = Self::default();
        [name, local(name), address, local(address)].into_iter().chain(parts).for_each(|name| names.add(name.trim()));
        names
    }

    pub(crate) fn add(&mut self, name: &str) {
        if !name.is_empty() && !self.hold(name) {
            self.0.push(name.to_owned());
        }
    }

    pub(crate) fn hold(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    /// Whether both may be one person.
    pub(crate) fn meet(&self, other: &Self) -> bool {
        self.0.iter().any(|name| other.hold(name))
    }
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
        assert!(Names::of("x ＜da\u{200d}na＠acme.io＞").hold("dana"));
        assert_ne!(folded("dana"), folded("diana"));
    }
}
