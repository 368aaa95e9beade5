//! PEM blocks.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A block between `-----BEGIN …-----` and `-----END …-----`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pem {
    pub(crate) label: String,
    pub(crate) content: Vec<u8>,
}

impl Pem {
    pub(super) fn new(label: &str, content: Vec<u8>) -> Self {
        Self { label: label.to_owned(), content }
    }

    /// The block as text, in lines of 64 characters.
    pub(crate) fn encode(&self) -> String {
        let body = BASE64_STANDARD.encode(&self.content);
        let mut out = format!("-----BEGIN {}-----\n", self.label);
        for line in body.as_bytes().chunks(64) {
            out.extend(line.iter().map(|b| char::from(*b)));
            out.push('\n');
        }
        out.push_str(&format!("-----END {}-----\n", self.label));
        out
    }
}

/// The first block of a text; headers in it are skipped.
pub(crate) fn decode_pem(text: &str) -> Option<Pem> {
    let (_, from_label) = text.split_once("-----BEGIN ")?;
    let (label, rest) = from_label.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body = match body.trim_start().split_once("\n\n") {
        Some((headers, body)) if headers.contains(':') => body,
        _ => body,
    };
    let digits: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    Some(Pem::new(label, BASE64_STANDARD.decode(digits).ok()?))
}
