//! Base 64 and base 32, whose decoders give what is wrong as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::function::{CallError, Context, Function, Param, string};
use crate::value::{Str, Value};

const TEXT: &[Param] = &[Param::String];
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("b64enc", TEXT, base64_encode),
    Function::new("b64dec", TEXT, |args, context| {
        decoded(args, context, |text| {
            base64_decode(text).map_err(|at| format!("illegal base64 data at input byte {at}"))
        })
    }),
    Function::new("b32enc", TEXT, base32_encode),
    Function::new("b32dec", TEXT, |args, context| {
        decoded(args, context, |text| {
            base32_decode(text).map_err(|at| format!("illegal base32 data at input byte {at}"))
        })
    }),
];

fn base64_encode(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let text = string(args, 0)?.as_bytes();
    context.allocate(text.len().saturating_mul(2))?;
    Ok(Value::string(STANDARD.encode(text)))
}

fn decoded(
    args: &[Value],
    context: &mut Context<'_>,
    decode: fn(&[u8]) -> Result<Vec<u8>, String>,
) -> Result<Value, CallError> {
    let text = string(args, 0)?.as_bytes();
    context.allocate(text.len())?;
    Ok(match decode(text) {
        Ok(bytes) => Value::String(Str::from(bytes)),
        Err(message) => Value::string(message),
    })
}

fn is_newline(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Decodes base 64, newlines skipped; the error is the place of the first bad byte as Go counts it.
pub(crate) fn base64_decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    if let Ok(bytes) = STANDARD.decode(text) {
        return Ok(bytes);
    }
    let (mut out, mut at) = (Vec::with_capacity(text.len() / 4 * 3), 0);
    while let Some((bits, count)) = quantum(text, &mut at)? {
        out.extend_from_slice(&bits.to_be_bytes()[1..count]);
    }
    Ok(out)
}

/// The next four digits in 24 bits, and how many of them there are; none at the end.
fn quantum(text: &[u8], at: &mut usize) -> Result<Option<(u32, usize)>, usize> {
    let (mut bits, mut count) = (0, 0);
    while count < 4 {
        let Some(byte) = text.get(*at).copied() else {
            return if count == 0 { Ok(None) } else { Err(*at - count) };
        };
        *at += 1;
        if is_newline(byte) {
            continue;
        }
        if let Some(digit) = base64_digit(byte) {
            bits = bits << 6 | digit;
            count += 1;
        } else {
            padding(text, at, byte, count)?;
            return Ok(Some((bits << (6 * (4 - count)), count)));
        }
    }
    Ok(Some((bits, 4)))
}

/// Checks that `=` or `==` stands where `count` digits are read, and nothing behind.
fn padding(text: &[u8], at: &mut usize, byte: u8, count: usize) -> Result<(), usize> {
    if byte != b'=' || count < 2 {
        return Err(*at - 1);
    }
    let skip = |at: &mut usize| {
        *at += text[*at..].iter().take_while(|b| is_newline(**b)).count();
    };
    if count == 2 {
        skip(at);
        match text.get(*at) {
            None => return Err(text.len()),
            Some(b'=') => *at += 1,
            Some(_) => return Err(*at - 1),
        }
    }
    skip(at);
    if *at < text.len() { Err(*at) } else { Ok(()) }
}

fn base64_digit(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

fn base32_encode(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let text = string(args, 0)?.as_bytes();
    context.allocate(text.len().saturating_mul(2))?;
    let mut out = String::with_capacity(text.len().div_ceil(5) * 8);
    for group in text.chunks(5) {
        let mut padded = [0; 8];
        padded[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(padded);
        let digits = (group.len() * 8).div_ceil(5);
        for i in 0..8 {
            let digit = ALPHABET[(bits >> (35 - 5 * i)) as usize & 31];
            out.push(if i < digits { char::from(digit) } else { '=' });
        }
    }
    Ok(Value::string(out))
}

/// Decodes base 32; the error is the place of the first bad byte as Go counts it, newlines left out.
fn base32_decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    let text: Vec<u8> = text.iter().copied().filter(|b| !is_newline(*b)).collect();
    let (mut out, mut at) = (Vec::with_capacity(text.len() / 8 * 5), 0);
    while at < text.len() {
        let (mut bits, mut count) = (0_u64, 0);
        let mut ended = false;
        while count < 8 {
            let Some(byte) = text.get(at).copied() else { return Err(at - count) };
            at += 1;
            if byte == b'=' && count >= 2 && text.len() - at < 8 {
                base32_padding(&text, at, count)?;
                ended = true;
                break;
            }
            let digit = ALPHABET.iter().position(|known| *known == byte).ok_or(at - 1)?;
            bits = bits << 5 | digit as u64;
            count += 1;
        }
        let whole = bits << (5 * (8 - count));
        out.extend_from_slice(&whole.to_be_bytes()[3..3 + count * 5 / 8]);
        if ended {
            break;
        }
    }
    Ok(out)
}

/// Checks the `=` behind the first one, which stands before `at`, where `count` digits are read.
fn base32_padding(text: &[u8], at: usize, count: usize) -> Result<(), usize> {
    let rest = &text[at..];
    if rest.len() + count < 7 {
        return Err(text.len());
    }
    if let Some(wrong) = rest.iter().take(7 - count).position(|b| *b != b'=') {
        return Err(at + wrong - 1);
    }
    if matches!(count, 1 | 3 | 6) { Err(at - 1) } else { Ok(()) }
}
