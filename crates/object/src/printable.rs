//! Text that came from outside, on its way to a terminal.

use std::borrow::Cow;

/// The text without what a terminal would obey: control characters (except line breaks and tabs), marks that change the
/// direction of text, and characters that nobody sees. Each becomes `\u001b`, as JSON writes it, so that JSON stays the
/// same JSON.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut printed = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let breaks_line = character == '\r' && characters.peek() == Some(&'\n');
        if is_obeyed(character) && !breaks_line {
            let mut units = [0; 2];
            character.encode_utf16(&mut units).iter().for_each(|unit| printed.push_str(&format!("\\u{unit:04x}")));
        } else {
            printed.push(character);
        }
    }
    Cow::Owned(printed)
}

fn is_obeyed(character: char) -> bool {
    let kept = matches!(character, '\n' | '\t');
    let turns =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(character, '\u{2028}' | '\u{2029}');
    let unseen = matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    (character.is_control() && !kept) || turns || breaks || unseen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        for (text, expected) in [
            ("\u{1b}]52;c;ZXZpbA==\u{7}", "\\u001b]52;c;ZXZpbA==\\u0007"),
            ("\u{9b}2J\u{7f}\u{0}\u{8}", "\\u009b2J\\u007f\\u0000\\u0008"),
            ("overwritten\rby this", "overwritten\\u000dby this"),
            ("user\u{202e}nimda\u{2066}", "user\\u202enimda\\u2066"),
            ("\u{e0041}\u{feff}", "\\udb40\\udc41\\ufeff"),
            ("lines\n\tand\r\ntabs, ümläuts, 日本, 👩‍💻", "lines\n\tand\r\ntabs, ümläuts, 日本, 👩‍💻"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({ "a": "\u{1b}[2J \u{202e} \u{9b} \u{e0041} \u{2028}\n" });
        let text = serde_json::to_string(&value).unwrap();
        let printed = printable(&text);
        assert_ne!(printed, text);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }
}
