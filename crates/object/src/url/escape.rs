//! Percent signs in URLs.

use super::UrlError;

/// Where in a URL a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Path,
    User,
    Host,
    /// The zone of an IPv6 address.
    Zone,
    Fragment,
}

/// Whether a byte must be written as `%XX`.
fn is_special(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return false;
    }
    let plain: &[u8] = match part {
        Part::Path => b"$&+,/:;=@",
        Part::User => b"$&+,;=",
        Part::Host | Part::Zone => b"!$&'()*+,;=:[]<>\"",
        Part::Fragment => b"$&+,/:;=?@!()*",
    };
    !plain.contains(&byte)
}

/// Whether a path needs no escapes that it does not have.
pub(super) fn is_valid(path: &[u8]) -> bool {
    path.iter().all(|byte| b"!$&'()*+,;=:@[]%".contains(byte) || !is_special(*byte, Part::Path))
}

pub(super) fn escape(text: &[u8], part: Part) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if is_special(*byte, part) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
    out
}

pub(super) fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, UrlError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'%' {
            let (byte, behind) = escaped(rest, part)?;
            out.push(byte);
            rest = behind;
        } else if matches!(part, Part::Host | Part::Zone) && first.is_ascii() && is_special(*first, part) {
            return Err(UrlError::InvalidHostCharacter(char::from(*first).to_string()));
        } else {
            out.push(*first);
        }
    }
    Ok(out)
}

/// The byte of the two digits at the start of `rest`.
fn escaped(rest: &[u8], part: Part) -> Result<(u8, &[u8]), UrlError> {
    let invalid = || {
        let shown = &rest[..rest.len().min(2)];
        UrlError::InvalidEscape(format!("%{}", String::from_utf8_lossy(shown)))
    };
    let (digits, behind) = rest.split_at_checked(2).ok_or_else(invalid)?;
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let byte = digit(digits[0]).zip(digit(digits[1])).map(|(high, low)| high << 4 | low).ok_or_else(invalid)?;
    let allowed = match part {
        Part::Host => byte >= 0x80 || byte == b'%',
        Part::Zone => byte == b'%' || byte == b' ' || !is_special(byte, Part::Host),
        Part::Path | Part::User | Part::Fragment => true,
    };
    if allowed { Ok((byte, behind)) } else { Err(invalid()) }
}
