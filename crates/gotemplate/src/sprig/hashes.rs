//! Digests and check sums, in hexadecimal digits.

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::function::{CallError, Context, Function, Param, string};
use crate::value::Value;

const TEXT: &[Param] = &[Param::String];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("sha1sum", TEXT, digest::<Sha1>),
    Function::new("sha256sum", TEXT, digest::<Sha256>),
    Function::new("sha512sum", TEXT, digest::<Sha512>),
    Function::new("adler32sum", TEXT, |args, _| Ok(Value::string(adler32(string(args, 0)?.as_bytes()).to_string()))),
];

fn digest<D: Digest>(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let text = string(args, 0)?.as_bytes();
    context.spend(text.len() / 16)?;
    Ok(Value::string(hex::encode(D::digest(text))))
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (mut a, mut b) = (1_u32, 0_u32);
    // So many bytes at once cannot exceed 32 bits.
    for chunk in bytes.chunks(5552) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        a %= MODULUS;
        b %= MODULUS;
    }
    b << 16 | a
}
