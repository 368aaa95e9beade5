//! Flags, width and precision of one verb, and padding.

use crate::value::runes;

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`
    pub(super) plus_v: bool,
    /// `%#v`
    pub(super) sharp_v: bool,
}

/// Numbers above this are no width or precision.
const TOO_LARGE: usize = 1_000_000;

impl Flags {
    pub(super) fn without_zero(self) -> Self {
        Self { zero: false, ..self }
    }

    /// Padding: spaces, or zeros on the left.
    pub(super) fn fill(&self, out: &mut Vec<u8>, count: usize) {
        let byte = if self.zero && !self.minus { b'0' } else { b' ' };
        out.extend(std::iter::repeat_n(byte, count));
    }

    /// Writes bytes, filled up to the width.
    pub(super) fn pad(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        let missing = self.width.map_or(0, |width| width.saturating_sub(rune_count(bytes)));
        if !self.minus {
            self.fill(out, missing);
        }
        out.extend_from_slice(bytes);
        if self.minus {
            self.fill(out, missing);
        }
    }

    /// The first runes of a string, as many as the precision allows.
    pub(super) fn truncate<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(precision) = self.precision else { return bytes };
        let mut end = 0;
        let mut left = precision;
        for chunk in bytes.utf8_chunks() {
            let widths = chunk.valid().chars().map(char::len_utf8).chain(chunk.invalid().iter().map(|_| 1));
            for width in widths {
                if left == 0 {
                    return &bytes[..end];
                }
                left -= 1;
                end += width;
            }
        }
        bytes
    }
}

/// Reads a number; none where there is none or it is too large, and then the whole format counts as read.
pub(super) fn parse_number(format: &[u8], start: usize) -> (Option<usize>, usize) {
    let mut at = start;
    let mut number = None;
    while let Some(digit) = format.get(at).filter(|byte| byte.is_ascii_digit()) {
        let so_far = number.unwrap_or(0);
        if so_far > TOO_LARGE {
            return (None, format.len());
        }
        number = Some(so_far * 10 + usize::from(digit - b'0'));
        at += 1;
    }
    (number, at)
}

/// Whether an argument's value is too large to be a width or precision.
pub(super) fn is_too_large(number: i64) -> bool {
    number.unsigned_abs() > TOO_LARGE as u64
}

pub(super) fn rune_count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() { bytes.len() } else { runes(bytes).count() }
}
