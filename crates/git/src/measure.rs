//! What a pack will unpack to, found out in a few kilobytes of memory: before anything holds one of its objects whole.

use std::io::{BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::bufread::ZlibDecoder;
use gix_pack::data;

use crate::Limits;

const ID: usize = 20;
const CHUNK: usize = 64 << 10;

/// Reads the pack from its start to its last object.
///
/// # Errors
/// When it goes beyond a limit, is no pack, or `stop` was set.
pub(crate) fn measure(mut pack: impl BufRead, limits: &Limits, stop: &AtomicBool) -> Result<(), String> {
    let mut head = [0; data::header::SIZE];
    pack.read_exact(&mut head).map_err(broken)?;
    let (_, objects) = data::header::decode(&head).map_err(broken)?;
    limits.objects().check(objects.into())?;
    let (mut all, mut chunk) = (0_u64, vec![0; CHUNK]);
    for _ in 0..objects {
        let object = data::Entry::from_read(&mut pack, 0, ID).map_err(broken)?;
        limits.object().check(object.decompressed_size)?;
        let left = Left { object: object.decompressed_size, unpacked: limits.unpacked.saturating_sub(all) };
        let start = inflate(&mut pack, left, &mut chunk, stop)?;
        let result = match object.header {
            data::entry::Header::OfsDelta { .. } | data::entry::Header::RefDelta { .. } => result_size(&start)?,
            _ => 0,
        };
        limits.object().check(result)?;
        all = all.saturating_add(object.decompressed_size).saturating_add(result);
        limits.unpacked().check(all)?;
    }
    Ok(())
}

struct Left {
    /// What the object says of itself.
    object: u64,
    unpacked: u64,
}

/// Goes past one object; its first bytes.
fn inflate(pack: &mut impl BufRead, left: Left, chunk: &mut [u8], stop: &AtomicBool) -> Result<Vec<u8>, String> {
    let (mut object, mut start, mut size) = (ZlibDecoder::new(pack), Vec::new(), 0_u64);
    loop {
        let read = object.read(chunk).map_err(broken)?;
        size += read as u64;
        if stop.load(Ordering::Relaxed) {
            return Err("it was given up".to_owned());
        }
        if start.is_empty() {
            start.extend_from_slice(&chunk[..read.min(2 * MOST_DIGITS)]);
        }
        // beyond the limit of the whole it does not matter what it says of itself
        if size > left.object || (read == 0 && size < left.object) {
            return Err(format!("the pack is damaged: an object of {} bytes unpacks to others", left.object));
        }
        if read == 0 || size > left.unpacked {
            return Ok(start);
        }
    }
}

/// Seven bits each.
const MOST_DIGITS: usize = 10;

/// A delta begins with the size of what it changes, then the size of what comes out.
fn result_size(delta: &[u8]) -> Result<u64, String> {
    let mut bytes = delta.iter();
    let mut number = || {
        let mut value = 0_u64;
        for (digit, byte) in bytes.by_ref().take(MOST_DIGITS).enumerate() {
            value |= u64::from(byte & 0x7f).checked_shl(7 * u32::try_from(digit).ok()?)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    };
    number().and_then(|_| number()).ok_or_else(|| "the pack is damaged: a delta without sizes".to_owned())
}

fn broken(error: impl std::fmt::Display) -> String {
    format!("the pack is damaged: {error}")
}
