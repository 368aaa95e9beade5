//! The text of a file that is to be read as YAML or JSON.

use std::borrow::Cow;

use crate::Problem;

/// How the file begins that Git LFS leaves in place of a large one.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// UTF-8, or UTF-16 where a byte order mark says so, as Argo CD reads manifests (`utfutil`). Without the mark.
///
/// # Errors
/// When the bytes are no text, with the line, or stand for a file that Git LFS has.
pub(crate) fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<Cow<'a, str>, Box<Problem>> {
    not_in_lfs(file, bytes)?;
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(file, rest, u16::from_le_bytes)?),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(file, rest, u16::from_be_bytes)?),
        _ => Cow::Borrowed(utf8(file, bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))?),
    };
    without_nul(file, &text)?;
    Ok(text)
}

/// As [`text`], where Helm reads: UTF-8 alone.
///
/// # Errors
/// As [`text`].
pub(crate) fn plain(file: &str, bytes: &[u8]) -> Result<(), Box<Problem>> {
    not_in_lfs(file, bytes)?;
    without_nul(file, utf8(file, bytes)?)
}

/// # Errors
/// When Git LFS has the file, and only a pointer is here.
pub(crate) fn not_in_lfs(file: &str, bytes: &[u8]) -> Result<(), Box<Problem>> {
    if !bytes.starts_with(LFS_POINTER) {
        return Ok(());
    }
    let problem = Problem::error("this is a Git LFS pointer: the file itself is not in the repository");
    let hint =
        "take the file out of LFS (`git lfs untrack`, then commit it again): manifests and values are read from Git";
    Err(Box::new(problem.in_file(file, 1, 0).hint(hint)))
}

fn utf8<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, Box<Problem>> {
    std::str::from_utf8(bytes).map_err(|error| {
        let problem = Problem::error("the file is not UTF-8").in_file(file, line(&bytes[..error.valid_up_to()]), 0);
        Box::new(problem.hint("save it as UTF-8, or decrypt it if it is encrypted"))
    })
}

fn utf16(file: &str, bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Box<Problem>> {
    let (units, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(units.len());
    for unit in char::decode_utf16(units.iter().map(|pair| unit(*pair))) {
        match unit {
            Ok(c) => text.push(c),
            Err(_) => return Err(broken_utf16(file, &text)),
        }
    }
    if rest.is_empty() { Ok(text) } else { Err(broken_utf16(file, &text)) }
}

fn broken_utf16(file: &str, before: &str) -> Box<Problem> {
    let problem = Problem::error("the file begins as UTF-16, but is broken here");
    Box::new(problem.in_file(file, line(before.as_bytes()), 0).hint("save it as UTF-8"))
}

fn without_nul(file: &str, text: &str) -> Result<(), Box<Problem>> {
    let Some(at) = text.find('\0') else { return Ok(()) };
    let problem = Problem::error("the file holds a NUL character: it is UTF-16 without a byte order mark, or no text");
    Err(Box::new(problem.in_file(file, line(&text.as_bytes()[..at]), 0).hint("save it as UTF-8")))
}

/// The number of the line on which the text ends.
fn line(before: &[u8]) -> usize {
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, mark: &[u8], bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        mark.iter().copied().chain(text.encode_utf16().flat_map(bytes)).collect()
    }

    #[test]
    fn what_is_text_is_read() {
        for bytes in [
            "a: é\n".as_bytes().to_vec(),
            "\u{feff}a: é\n".as_bytes().to_vec(),
            utf16("a: é\n", b"\xff\xfe", u16::to_le_bytes),
            utf16("a: é\n", b"\xfe\xff", u16::to_be_bytes),
        ] {
            assert_eq!(text("x", &bytes).unwrap(), "a: é\n");
        }
    }

    #[test]
    fn what_is_none_says_where_and_why() {
        let odd = [b"\xff\xfe\x0a\x00".as_slice(), b"a"].concat();
        let alone = b"\xff\xfe\x0a\x00\x00\xd8".to_vec();
        for (bytes, start) in [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n".to_vec(), "x:1: this is a Git LFS pointer"),
            (b"a: 1\nb: \xff\n".to_vec(), "x:2: the file is not UTF-8"),
            (b"a: 1\nb: \0\n".to_vec(), "x:2: the file holds a NUL"),
            (utf16("a: 1\n", b"", u16::to_le_bytes), "x:1: the file holds a NUL"),
            (utf16("a: 1\n", b"", u16::to_be_bytes), "x:1: the file holds a NUL"),
            (odd, "x:2: the file begins as UTF-16"),
            (alone, "x:2: the file begins as UTF-16"),
        ] {
            let problem = text("x", &bytes).unwrap_err().to_string();
            assert!(problem.starts_with(start), "{problem}");
        }
    }
}
