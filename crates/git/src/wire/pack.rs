//! Pack files (version 2) with whole objects: what a promotion pushes is a commit, a few folders and a file.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gix::objs::Kind;

/// The bytes of a pack with these objects.
///
/// # Errors
/// When compressing or hashing fails.
pub(crate) fn write(objects: &[(Kind, Vec<u8>)]) -> Result<Vec<u8>, String> {
    let count = u32::try_from(objects.len()).map_err(|e| e.to_string())?;
    let mut pack = b"PACK".to_vec();
    pack.extend_from_slice(&2_u32.to_be_bytes());
    pack.extend_from_slice(&count.to_be_bytes());
    for (kind, data) in objects {
        header(&mut pack, *kind, data.len());
        let mut encoder = ZlibEncoder::new(&mut pack, Compression::default());
        encoder.write_all(data).and_then(|()| encoder.finish().map(|_| ())).map_err(|e| e.to_string())?;
    }
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&pack);
    let sum = hasher.try_finalize().map_err(|e| e.to_string())?;
    pack.extend_from_slice(sum.as_slice());
    Ok(pack)
}

/// Type and size: three bits of type and four of size, then seven bits of size a byte, the lowest first.
fn header(pack: &mut Vec<u8>, kind: Kind, size: usize) {
    let code = match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    };
    let (mut byte, mut rest) = ((code << 4) | (size & 0x0f) as u8, size >> 4);
    while rest > 0 {
        pack.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    pack.push(byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_base_128() {
        let check = |size: usize, expected: &[u8]| {
            let mut bytes = Vec::new();
            header(&mut bytes, Kind::Blob, size);
            assert_eq!(bytes, expected, "{size}");
        };
        check(0, &[0x30]);
        check(15, &[0x3f]);
        check(16, &[0xb0, 0x01]);
        check(3000, &[0xb8, 0xbb, 0x01]);
    }
}
