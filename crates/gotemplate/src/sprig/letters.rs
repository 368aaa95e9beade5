//! Single characters as Go's `unicode` package sees them: one character maps to one.

/// The upper case; the character itself where that is not one character.
pub(super) fn upper(c: char) -> char {
    single(c.to_uppercase()).or_else(|| with_iota(c)).unwrap_or(c)
}

/// Greek letters with an iota below have a capital of their own.
fn with_iota(c: char) -> Option<char> {
    let distance = match c {
        'ᾀ'..='ᾇ' | 'ᾐ'..='ᾗ' | 'ᾠ'..='ᾧ' => 8,
        'ᾳ' | 'ῃ' | 'ῳ' => 9,
        _ => return None,
    };
    char::from_u32(u32::from(c) + distance)
}

/// The lower case; the character itself where that is not one character.
pub(super) fn lower(c: char) -> char {
    // Capital dotted I: the mapping of one to one is the plain i.
    if c == 'İ' { 'i' } else { single(c.to_lowercase()).unwrap_or(c) }
}

/// The title case; it differs from the upper case for digraphs alone.
pub(super) fn title(c: char) -> char {
    match c {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        _ => upper(c),
    }
}

pub(super) fn is_title(c: char) -> bool {
    matches!(c, 'ǅ' | 'ǈ' | 'ǋ' | 'ǲ')
        || ('ᾈ'..='ᾯ').contains(&c) && (c as u32) % 16 >= 8
        || matches!(c, 'ᾼ' | 'ῌ' | 'ῼ')
}

pub(super) fn is_upper(c: char) -> bool {
    c.is_uppercase() && !c.is_numeric() && !is_title(c) && c.is_alphabetic()
}

pub(super) fn is_lower(c: char) -> bool {
    c.is_lowercase() && !c.is_numeric()
}

/// Punctuation in the sense of Unicode; `$+<=>^`|~` are symbols.
pub(super) fn is_punctuation(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_punctuation() && !"$+<=>^`|~".contains(c);
    }
    !c.is_alphanumeric() && crate::regex::Regex::cached(r"^\pP").is_ok_and(|set| set.is_match(c.to_string().as_bytes()))
}

/// Go's `unicode.IsSpace`.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace()
}

fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next()?;
    mapped.next().is_none().then_some(first)
}

/// Every character mapped; bytes that are not UTF-8 come out as U+FFFD.
pub(super) fn map(text: &crate::value::Str, each: fn(char) -> char) -> String {
    text.to_text().chars().map(each).collect()
}
