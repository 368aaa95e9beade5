//! Words in identifiers: snake, kebab and camel case as `huandu/xstrings` 1.5 splits them.

use super::letters::{is_punctuation, is_space, is_upper, lower, upper};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Upper,
    /// Letters, the first of them possibly a capital.
    Letters,
    Connector,
    Punctuation,
    Other,
}

/// A run of characters of one kind.
#[derive(Debug, Clone, Copy)]
struct Word<'t> {
    kind: Kind,
    text: &'t str,
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || is_space(c)
}

/// A letter of an alphabet; Chinese characters are none.
fn is_letter(c: char) -> bool {
    let chinese = ('\u{4E00}'..='\u{9FCC}').contains(&c)
        || ('\u{3400}'..='\u{4D85}').contains(&c)
        || ('\u{20000}'..='\u{2B81D}').contains(&c);
    c.is_alphabetic() && !c.is_numeric() && !chinese
}

/// Takes the first word off `rest`.
fn next_word<'t>(rest: &mut &'t str) -> Option<Word<'t>> {
    let first = rest.chars().next()?;
    let (kind, length) = if is_connector(first) {
        (Kind::Connector, run(rest, is_connector))
    } else if is_punctuation(first) {
        (Kind::Punctuation, run(rest, is_punctuation))
    } else if is_upper(first) {
        (Kind::Upper, capitals(rest))
    } else if is_letter(first) {
        (Kind::Letters, run(rest, is_small))
    } else if first.is_numeric() {
        (Kind::Number, run(rest, char::is_numeric))
    } else {
        let other = |c: char| !(is_connector(c) || is_letter(c) || c.is_numeric() || is_punctuation(c));
        (Kind::Other, run(rest, other))
    };
    let (text, behind) = rest.split_at(length);
    *rest = behind;
    Some(Word { kind, text })
}

fn is_small(c: char) -> bool {
    is_letter(c) && !is_upper(c)
}

fn run(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|c| !fits(c)).unwrap_or(text.len())
}

/// `HTTP` of `HTTPStatus`, `Status` of `StatusCode`.
fn capitals(text: &str) -> usize {
    let length = run(text, is_upper);
    let last = text[..length].chars().next_back().map_or(0, char::len_utf8);
    let one = length == last;
    match text[length..].chars().next() {
        Some(c) if is_letter(c) && one => length + run(&text[length..], is_small),
        Some(c) if is_letter(c) => length - last,
        _ => length,
    }
}

/// Writes a word in lower case, connectors as `connector`.
fn write(out: &mut String, word: Word<'_>, connector: char) {
    if !matches!(word.kind, Kind::Upper | Kind::Connector) {
        out.push_str(word.text);
        return;
    }
    out.extend(word.text.chars().map(|c| match c {
        c if is_connector(c) => connector,
        c if is_upper(c) => lower(c),
        c => c,
    }));
}

/// `FirstName` as `first_name` or `first-name`.
pub(super) fn separated(text: &str, connector: char) -> String {
    let mut splitter = Splitter { out: String::with_capacity(text.len() + 8), rest: text, word: None, connector };
    splitter.advance();
    while !splitter.rest.is_empty() {
        splitter.step();
    }
    if let Some(word) = splitter.word {
        write(&mut splitter.out, word, connector);
    }
    splitter.out
}

struct Splitter<'t> {
    out: String,
    rest: &'t str,
    /// The word to be written next.
    word: Option<Word<'t>>,
    connector: char,
}

impl<'t> Splitter<'t> {
    fn advance(&mut self) {
        self.word = next_word(&mut self.rest);
    }

    fn kind(&self) -> Option<Kind> {
        self.word.map(|word| word.kind)
    }

    fn write(&mut self, word: Option<Word<'t>>) {
        if let Some(word) = word {
            write(&mut self.out, word, self.connector);
        }
    }

    /// Writes one word, and the connector behind it where the next one needs it.
    fn step(&mut self) {
        let last = self.word;
        if self.kind() != Some(Kind::Connector) {
            self.write(last);
        }
        self.advance();
        match last.map(|word| word.kind) {
            Some(Kind::Number) => {
                self.letters_and_numbers();
                self.connect();
            }
            Some(Kind::Connector) => self.write(last),
            Some(Kind::Punctuation) | None => {}
            Some(_) if self.kind() != Some(Kind::Number) => self.connect(),
            Some(_) if self.rest.is_empty() => {}
            Some(_) => self.number_behind_letters(),
        }
    }

    /// A number goes with the word before it, but with letters behind it in `http_2xx`.
    fn number_behind_letters(&mut self) {
        let number = self.word;
        self.advance();
        if self.kind() == Some(Kind::Letters) {
            self.out.push(self.connector);
            self.write(number);
            self.letters_and_numbers();
        } else {
            self.write(number);
        }
        self.connect();
    }

    fn letters_and_numbers(&mut self) {
        while matches!(self.kind(), Some(Kind::Letters | Kind::Number)) {
            self.write(self.word);
            self.advance();
        }
    }

    fn connect(&mut self) {
        if !matches!(self.kind(), None | Some(Kind::Connector | Kind::Punctuation)) {
            self.out.push(self.connector);
        }
    }
}

/// `http_server` as `HttpServer`; connectors at the start and doubled ones stay.
pub(super) fn pascal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut last = None;
    let mut after_capital = false;
    for c in chars.by_ref() {
        if !is_connector(c) {
            after_capital = is_upper(c);
            last = Some(upper(c));
            break;
        }
        out.push(c);
    }
    let Some(mut last) = last else {
        // A text of connectors alone shows its last one twice.
        out.extend(text.chars().next_back());
        return out;
    };
    for mut c in chars {
        if is_connector(c) && is_connector(last) {
            out.push(last);
            last = c;
            continue;
        }
        if is_connector(last) {
            after_capital = is_upper(c);
            c = upper(c);
        } else {
            if after_capital && is_upper(c) {
                c = lower(c);
            } else {
                after_capital = false;
            }
            out.push(last);
        }
        last = c;
    }
    out.push(last);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separates_words() {
        let cases = [
            ("FirstName", "first_name"),
            ("HTTPServer", "http_server"),
            ("NoHTTPS", "no_https"),
            ("GO PATH", "go_path"),
            ("http2xx", "http_2xx"),
            ("HTTP20xOK", "http_20x_ok"),
            ("Duration2m3s", "duration_2m3s"),
            ("Bld4Floor3rd", "bld4_floor_3rd"),
            ("a.b", "a.b"),
            ("", ""),
        ];
        for (text, want) in cases {
            assert_eq!(separated(text, '_'), want, "{text}");
        }
    }

    #[test]
    fn joins_words() {
        let cases = [
            ("http_server", "HttpServer"),
            ("_complex__case_", "_Complex_Case_"),
            ("GOLANG_IS_GREAT", "GolangIsGreat"),
            ("some words", "SomeWords"),
            ("a", "A"),
            ("__", "___"),
        ];
        for (text, want) in cases {
            assert_eq!(pascal(text), want, "{text}");
        }
    }
}
