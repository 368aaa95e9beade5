//! Character classes and escapes.

use super::RegexError;

/// A class in brackets, written for the `regex` crate.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) text: String,
}

impl Class {
    /// Reads the class at the start of `pattern`; gives the rest, too.
    pub(super) fn parse(pattern: &str) -> Result<(Self, &str), RegexError> {
        let missing = || RegexError::new("missing closing ]", pattern);
        let mut rest = &pattern[1..];
        let mut text = "[".to_owned();
        if let Some(behind) = rest.strip_prefix('^') {
            text.push('^');
            rest = behind;
        }
        let mut first = true;
        loop {
            if let Some(behind) = rest.strip_prefix(']').filter(|_| !first) {
                text.push(']');
                return Ok((Self { text }, behind));
            }
            if rest.is_empty() {
                return Err(missing());
            }
            first = false;
            rest = item(rest, &mut text, pattern)?;
        }
    }
}

/// Reads one character, range or named set into `text`.
fn item<'p>(rest: &'p str, text: &mut String, pattern: &str) -> Result<&'p str, RegexError> {
    if let Some((set, behind)) = posix_set(rest)? {
        text.push_str(&set);
        return Ok(behind);
    }
    if let Some((set, behind)) = escaped_set(rest)? {
        text.push_str(&set);
        return Ok(behind);
    }
    let (low, behind) = class_char(rest, pattern)?;
    let ranged = behind.strip_prefix('-').filter(|more| !more.is_empty() && !more.starts_with(']'));
    let (high, behind) = match ranged {
        Some(more) => class_char(more, pattern)?,
        None => (low, behind),
    };
    if high < low {
        return Err(RegexError::new("invalid character class range", &rest[..rest.len() - behind.len()]));
    }
    push_range(text, low, high);
    Ok(behind)
}

fn class_char<'p>(rest: &'p str, pattern: &str) -> Result<(u32, &'p str), RegexError> {
    if rest.starts_with('\\') {
        return escaped_code(rest);
    }
    let c = rest.chars().next().ok_or_else(|| RegexError::new("missing closing ]", pattern))?;
    Ok((u32::from(c), &rest[c.len_utf8()..]))
}

/// Surrogates occur in no text; a range that ends at one stops before.
fn push_range(text: &mut String, low: u32, high: u32) {
    let low = if (0xD800..0xE000).contains(&low) { 0xE000 } else { low };
    let high = if (0xD800..0xE000).contains(&high) { 0xD7FF } else { high };
    if low <= high {
        text.push_str(&format!(r"\x{{{low:X}}}-\x{{{high:X}}}"));
    }
}

/// `[:alpha:]`, inside a class.
fn posix_set(rest: &str) -> Result<Option<(String, &str)>, RegexError> {
    let Some((name, behind)) = rest.strip_prefix("[:").and_then(|body| body.split_once(":]")) else { return Ok(None) };
    let (negated, plain) = name.strip_prefix('^').map_or((false, name), |plain| (true, plain));
    let members = match plain {
        "alnum" => "0-9A-Za-z",
        "alpha" => "A-Za-z",
        "ascii" => r"\x00-\x7F",
        "blank" => r"\t ",
        "cntrl" => r"\x00-\x1F\x7F",
        "digit" => "0-9",
        "graph" => "!-\\~",
        "lower" => "a-z",
        "print" => " -\\~",
        "punct" => r"!-/:-@\[-`\{-\~",
        "space" => r"\t\n\x0B\f\r ",
        "upper" => "A-Z",
        "word" => "0-9A-Za-z_",
        "xdigit" => "0-9A-Fa-f",
        _ => return Err(RegexError::new("invalid character class range", format!("[:{name}:]"))),
    };
    Ok(Some((bracketed(members, negated), behind)))
}

fn bracketed(members: &str, negated: bool) -> String {
    format!("[{}{members}]", if negated { "^" } else { "" })
}

/// `\d`, `\W`, `\pL`, `\P{Greek}` and their like at the start of `rest`; good inside a class and outside.
pub(super) fn escaped_set(rest: &str) -> Result<Option<(String, &str)>, RegexError> {
    let Some(body) = rest.strip_prefix('\\') else { return Ok(None) };
    let Some(letter) = body.chars().next() else { return Ok(None) };
    let members = match letter.to_ascii_lowercase() {
        'd' => "0-9",
        's' => r"\t\n\f\r ",
        'w' => "0-9A-Za-z_",
        'p' => return unicode_set(rest, letter == 'P').map(Some),
        _ => return Ok(None),
    };
    Ok(Some((bracketed(members, letter.is_ascii_uppercase()), &body[1..])))
}

fn unicode_set(rest: &str, negated: bool) -> Result<(String, &str), RegexError> {
    let body = &rest[2..];
    let invalid = || RegexError::new("invalid character class range", rest);
    let (name, behind) = match body.strip_prefix('{') {
        Some(braced) => braced.split_once('}').ok_or_else(invalid)?,
        None => body.split_at(body.chars().next().ok_or_else(invalid)?.len_utf8()),
    };
    let (inverted, plain) = name.strip_prefix('^').map_or((false, name), |plain| (true, plain));
    if plain.is_empty() || !plain.chars().all(|c| c.is_ascii_alphanumeric() || " _-".contains(c)) {
        return Err(invalid());
    }
    let sign = if negated == inverted { 'p' } else { 'P' };
    // Go knows general categories and scripts, not the other properties.
    let forms = [format!(r"\{sign}{{gc={plain}}}"), format!(r"\{sign}{{sc={plain}}}")];
    let known = forms.into_iter().find(|form| regex_syntax::parse(form).is_ok());
    Ok((known.ok_or_else(invalid)?, behind))
}

/// An escaped character; none for a surrogate, which no text holds.
pub(super) fn escaped_char(rest: &str) -> Result<(Option<char>, &str), RegexError> {
    let (code, behind) = escaped_code(rest)?;
    Ok((char::from_u32(code), behind))
}

fn escaped_code(rest: &str) -> Result<(u32, &str), RegexError> {
    let body = &rest[1..];
    let Some(c) = body.chars().next() else {
        return Err(RegexError::new("trailing backslash at end of expression", ""));
    };
    let behind = &body[c.len_utf8()..];
    let invalid = || RegexError::new("invalid escape sequence", format!("\\{c}"));
    let simple = |code: u32| Ok((code, behind));
    match c {
        'a' => simple(0x07),
        'f' => simple(0x0C),
        'n' => simple(0x0A),
        'r' => simple(0x0D),
        't' => simple(0x09),
        'v' => simple(0x0B),
        'x' => hexadecimal(behind).ok_or_else(invalid),
        // A single digit would be a back reference.
        '1'..='7' if !behind.starts_with(|d: char| d.is_digit(8)) => Err(invalid()),
        '0'..='7' => Ok(octal(body)),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => simple(u32::from(c)),
        _ => Err(invalid()),
    }
}

/// Up to three octal digits.
fn octal(body: &str) -> (u32, &str) {
    let digits = body.bytes().take(3).take_while(|b| (b'0'..b'8').contains(b)).count();
    (u32::from_str_radix(&body[..digits], 8).unwrap_or_default(), &body[digits..])
}

/// `7F` or `{10FFFF}`.
fn hexadecimal(text: &str) -> Option<(u32, &str)> {
    let (digits, behind) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => text.split_at_checked(2)?,
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let code = u32::from_str_radix(digits, 16).ok().filter(|code| *code <= 0x0010_FFFF)?;
    Some((code, behind))
}

/// Adds a character that stands for itself.
pub(super) fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_punctuation() && c != '<' && c != '>' {
        out.push('\\');
    }
    out.push(c);
}
