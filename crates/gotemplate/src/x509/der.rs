//! ASN.1 in DER: just what keys and certificates need.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// An element: tag, length, content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ ..0x80) => out.push(short),
        _ => {
            let length = content.len().to_be_bytes();
            let used = length.iter().position(|b| *b != 0).map_or(&length[..0], |at| &length[at..]);
            out.push(0x80 | u8::try_from(used.len()).unwrap_or_default());
            out.extend_from_slice(used);
        }
    }
    out.extend_from_slice(content);
    out
}

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// A number that is not negative, given in big-endian bytes.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let used = bytes.iter().position(|b| *b != 0).map_or(&bytes[..0], |at| &bytes[at..]);
    let padded = used.first().is_none_or(|first| *first >= 0x80);
    let content = if padded { [&[0], used].concat() } else { used.to_vec() };
    element(INTEGER, &content)
}

/// A bit string of whole bytes.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes].concat())
}

/// An object identifier, given encoded.
pub(super) fn oid(content: &[u8]) -> Vec<u8> {
    element(0x06, content)
}

/// An element that is read: its tag, its content, and the bytes of the whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'b> {
    pub(super) tag: u8,
    pub(super) content: &'b [u8],
    pub(super) whole: &'b [u8],
}

/// Takes the first element off `bytes`.
pub(super) fn read<'b>(bytes: &mut &'b [u8]) -> Option<Element<'b>> {
    let all = *bytes;
    let (tag, rest) = all.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ ..0x80 => (usize::from(short), rest),
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f)).filter(|(d, _)| d.len() <= 4)?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Element { tag: *tag, content, whole: &all[..all.len() - rest.len()] })
}

/// Takes the first element off `bytes`, which must have this tag.
pub(super) fn expect<'b>(bytes: &mut &'b [u8], tag: u8) -> Option<Element<'b>> {
    read(bytes).filter(|element| element.tag == tag)
}
