//! What travels between the controller and a worker: frames of a kind, a JSON head and bytes.

use std::io::{self, ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest part of a frame, in bytes: more than the limits of a render let it give.
const PART_MAX: usize = 256 << 20;

/// What a frame is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From the worker, once: how far it is confined.
    Ready,
    /// To the worker: a job.
    Order,
    /// From the worker: what is at a path is wanted. Answered by a frame of the same kind.
    Near,
    /// From the worker: the entries of a folder are wanted. Answered by a frame of the same kind.
    Folder,
    /// From the worker: a file is wanted. Answered by a frame of the same kind.
    File,
    /// From the worker: what came of the job.
    Done,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Ready, Self::Order, Self::Near, Self::Folder, Self::File, Self::Done];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    /// JSON.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

fn malformed(what: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.into())
}

impl Frame {
    /// # Errors
    /// When the head is not what this kind of frame says.
    pub(crate) fn head<T: DeserializeOwned>(&self) -> io::Result<T> {
        serde_json::from_slice(&self.head).map_err(|error| malformed(format!("{:?} frame: {error}", self.kind)))
    }

    /// The next frame; `None` when the other side closed.
    ///
    /// # Errors
    /// When reading fails, or what comes is no frame.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut start = [0; 9];
        match from.read_exact(&mut start[..1]) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        from.read_exact(&mut start[1..])?;
        let [kind, lengths @ ..] = start;
        let kind = Kind::from_byte(kind).ok_or_else(|| malformed(format!("no frame starts with {kind}")))?;
        let (head, body) = lengths.split_at(4);
        Ok(Some(Self { kind, head: part(from, head)?, body: part(from, body)? }))
    }
}

fn part(from: &mut impl Read, length: &[u8]) -> io::Result<Vec<u8>> {
    let length = length.iter().rev().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    if length > PART_MAX {
        return Err(malformed(format!("a part of {length} bytes is larger than {PART_MAX}")));
    }
    // room comes with the bytes, not with the length that was promised
    let mut bytes = Vec::with_capacity(length.min(1 << 20));
    if from.take(length as u64).read_to_end(&mut bytes)? < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Writes one frame.
///
/// # Errors
/// When writing fails, or a part is too large.
pub(crate) fn send(to: &mut impl Write, kind: Kind, head: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let mut bytes = vec![kind as u8, 0, 0, 0, 0, 0, 0, 0, 0];
    serde_json::to_writer(&mut bytes, head)?;
    let length = bytes.len() - 9;
    bytes[1..5].copy_from_slice(&length_of(length)?);
    bytes[5..9].copy_from_slice(&length_of(body.len())?);
    if body.len() <= 4096 {
        bytes.extend_from_slice(body);
        to.write_all(&bytes)?;
    } else {
        to.write_all(&bytes)?;
        to.write_all(body)?;
    }
    to.flush()
}

fn length_of(length: usize) -> io::Result<[u8; 4]> {
    let fits = u32::try_from(length).ok().filter(|_| length <= PART_MAX);
    fits.map(u32::to_le_bytes).ok_or_else(|| malformed(format!("{length} bytes are too many for a frame")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_as_they_were_sent() {
        for (kind, body) in [(Kind::Ready, vec![]), (Kind::Done, vec![7; 10]), (Kind::File, vec![1; 3_000_000])] {
            let mut wire = Vec::new();
            send(&mut wire, kind, &"über", &body).unwrap();
            let frame = Frame::read(&mut wire.as_slice()).unwrap().unwrap();
            assert_eq!((frame.kind, frame.head::<String>().unwrap()), (kind, "über".to_owned()));
            assert_eq!(frame.body, body);
        }
    }

    #[test]
    fn what_is_no_frame_is_an_error_and_takes_no_memory() {
        let check = |mut bytes: &[u8], kind: ErrorKind| {
            assert_eq!(Frame::read(&mut bytes).unwrap_err().kind(), kind, "{bytes:?}");
        };
        assert_eq!(Frame::read(&mut [].as_slice()).unwrap(), None);
        check(&[9, 0, 0, 0, 0, 0, 0, 0, 0], ErrorKind::InvalidData);
        check(&[0, 255, 255, 255, 255, 0, 0, 0, 0], ErrorKind::InvalidData);
        check(&[0, 255, 255, 255, 15, 0, 0, 0, 0, 1], ErrorKind::UnexpectedEof);
        check(&[0, 255, 255, 255, 0, 0, 0, 0, 0, 1], ErrorKind::UnexpectedEof);
        check(&[0, 1, 0], ErrorKind::UnexpectedEof);
    }
}
