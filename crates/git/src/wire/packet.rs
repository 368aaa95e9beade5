//! Packet lines: four hexadecimal digits of length, then the bytes. `0000` ends a section.

use crate::GitError;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    Flush,
    Line(Vec<u8>),
}

/// Appends one line.
pub(crate) fn line(out: &mut Vec<u8>, text: impl AsRef<[u8]>) {
    let text = text.as_ref();
    out.extend_from_slice(format!("{:04x}", text.len() + 4).as_bytes());
    out.extend_from_slice(text);
}

pub(crate) fn flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// Takes whole packets from a buffer that grows as bytes arrive.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    buffer: Vec<u8>,
    at: usize,
}

impl Packets {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether all bytes were taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.buffer.len()
    }

    /// The next packet, or nothing when more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are no packet: the address is probably not a Git server.
    pub(crate) fn next(&mut self, url: &str) -> Result<Option<Packet>, GitError> {
        let rest = &self.buffer[self.at..];
        let Some(head) = rest.get(..4) else { return Ok(None) };
        let length = std::str::from_utf8(head).ok().and_then(|h| usize::from_str_radix(h, 16).ok());
        let reason = || String::from("the answer is not Git's protocol");
        let length = length.ok_or_else(|| GitError::NotFound { url: url.to_owned(), reason: reason() })?;
        match length {
            0 => {
                self.at += 4;
                Ok(Some(Packet::Flush))
            }
            // those of version 2, which is not asked for
            1..=3 => Err(GitError::NotFound { url: url.to_owned(), reason: reason() }),
            length if rest.len() < length => Ok(None),
            length => {
                let line = rest[4..length].to_vec();
                self.at += length;
                Ok(Some(Packet::Line(line)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_whole_however_the_bytes_arrive() {
        let mut bytes = Vec::new();
        line(&mut bytes, "hello\n");
        flush(&mut bytes);
        line(&mut bytes, "");
        let (mut packets, mut seen) = (Packets::default(), Vec::new());
        for byte in bytes {
            packets.feed(&[byte]);
            while let Some(packet) = packets.next("u").unwrap() {
                seen.push(packet);
            }
        }
        assert_eq!(seen, [Packet::Line(b"hello\n".to_vec()), Packet::Flush, Packet::Line(Vec::new())]);
        let mut bad = Packets::default();
        bad.feed(b"<html>");
        assert!(bad.next("u").is_err());
    }
}
