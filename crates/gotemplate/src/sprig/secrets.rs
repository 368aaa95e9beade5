//! Passwords, random bytes and identifiers, encryption.

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::encoding::base64_decode;
use crate::function::{CallError, Context, Function, Param, integer, string};
use crate::value::{Str, UintType, Value};

const BLOCK: usize = 16;
/// bcrypt's work factor: 2^10 rounds.
const BCRYPT_COST: u32 = 10;
/// Steps that one bcrypt counts for, which is made to take long.
const BCRYPT_STEPS: usize = 4_000_000;
/// Steps that one scrypt counts for, which takes longer.
const SCRYPT_STEPS: usize = 8_000_000;

const TWO: &[Param] = &[Param::String, Param::String];
const MASTER_PASSWORD: &[Param] =
    &[Param::Uint(UintType::Uint32), Param::String, Param::String, Param::String, Param::String];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("bcrypt", &[Param::String], |args, context| Ok(Value::string(bcrypt(string(args, 0)?, context)?))),
    Function::new("htpasswd", TWO, htpasswd),
    Function::new("derivePassword", MASTER_PASSWORD, derive_password),
    Function::new("randBytes", &[Param::INT], random_bytes),
    Function::new("uuidv4", &[], uuid),
    Function::new("encryptAES", TWO, encrypt),
    Function::new("decryptAES", TWO, decrypt),
];

fn bcrypt(password: &Str, context: &mut Context<'_>) -> Result<String, CallError> {
    if password.len() > 72 {
        let reason = "bcrypt: password length exceeds 72 bytes";
        return Ok(format!("failed to encrypt string with bcrypt: {reason}"));
    }
    context.spend(BCRYPT_STEPS)?;
    let mut salt = [0; 16];
    context.random(&mut salt);
    let hash = bcrypt::hash_with_salt(password.as_bytes(), BCRYPT_COST, salt);
    Ok(match hash {
        Ok(hash) => hash.format_for_version(bcrypt::Version::TwoA),
        Err(error) => format!("failed to encrypt string with bcrypt: {error}"),
    })
}

fn htpasswd(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let user = string(args, 0)?.to_text();
    if user.contains(':') {
        return Ok(Value::string(format!("invalid username: {user}")));
    }
    Ok(Value::string(format!("{user}:{}", bcrypt(string(args, 1)?, context)?)))
}

fn random_bytes(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let count = usize::try_from(integer(args, 0)?);
    let count = count.map_err(|_| CallError::new("runtime error: makeslice: len out of range"))?;
    context.spend(count)?;
    context.allocate(count.saturating_mul(2))?;
    let mut bytes = vec![0; count];
    context.random(&mut bytes);
    Ok(Value::string(BASE64_STANDARD.encode(bytes)))
}

fn uuid(_: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let mut bytes = [0; 16];
    context.random(&mut bytes);
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let digits = hex::encode(bytes);
    let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(Value::string(groups.join("-")))
}

/// The key: the password's first 32 bytes, filled up with zeros.
fn cipher(password: &Str) -> Aes256 {
    let mut key = [0; 32];
    let length = password.len().min(key.len());
    key[..length].copy_from_slice(&password.as_bytes()[..length]);
    Aes256::new(&key.into())
}

/// AES-256 in CBC mode with PKCS#7 padding, the initialization vector before it, in base 64.
fn encrypt(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (cipher, text) = (cipher(string(args, 0)?), string(args, 1)?.as_bytes());
    if text.is_empty() {
        return Ok(Value::string(""));
    }
    context.allocate(text.len().saturating_mul(3))?;
    let padding = BLOCK - text.len() % BLOCK;
    let padded = [text, &vec![u8::try_from(padding).unwrap_or_default(); padding]].concat();
    let mut last = [0; BLOCK];
    context.random(&mut last);
    let mut out = last.to_vec();
    for block in padded.chunks(BLOCK) {
        last.iter_mut().zip(block).for_each(|(l, b)| *l ^= b);
        let mut inner = last.into();
        cipher.encrypt_block(&mut inner);
        last = inner.into();
        out.extend_from_slice(&last);
    }
    Ok(Value::string(BASE64_STANDARD.encode(out)))
}

fn decrypt(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (cipher, text) = (cipher(string(args, 0)?), string(args, 1)?.as_bytes());
    if text.is_empty() {
        return Ok(Value::string(""));
    }
    context.allocate(text.len())?;
    let bytes = base64_decode(text).map_err(|at| CallError::new(format!("illegal base64 data at input byte {at}")))?;
    if bytes.len() < 2 * BLOCK || bytes.len() % BLOCK != 0 {
        return Err(CallError::new("crypto/cipher: input not full blocks"));
    }
    let mut out = Vec::with_capacity(bytes.len());
    for pair in bytes.windows(2 * BLOCK).step_by(BLOCK) {
        let (before, block) = pair.split_at(BLOCK);
        let mut inner = [0; BLOCK];
        inner.copy_from_slice(block);
        let mut inner = inner.into();
        cipher.decrypt_block(&mut inner);
        out.extend(inner.iter().zip(before).map(|(a, b)| a ^ b));
    }
    let padding = usize::from(out.last().copied().unwrap_or_default());
    let end = out.len().checked_sub(padding);
    let end = end.ok_or_else(|| CallError::new("runtime error: slice bounds out of range"))?;
    Ok(Value::String(Str::from(&out[..end])))
}

/// The shapes of passwords: each letter stands for a set of characters.
fn shapes(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn characters(letter: u8) -> &'static [u8] {
    match letter {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// The Master Password algorithm: the same password for the same site again.
fn derive_password(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let counter = match args.first() {
        Some(Value::Uint(_, counter)) => u32::try_from(*counter).unwrap_or_default(),
        _ => 0,
    };
    let kind = string(args, 1)?.to_text();
    let Some(shapes) = shapes(&kind) else {
        return Ok(Value::string(format!("cannot find password template {kind}")));
    };
    context.spend(SCRYPT_STEPS)?;
    let (password, user, site) = (string(args, 2)?, string(args, 3)?, string(args, 4)?);
    let failed = || CallError::new("failed to derive password");
    let key = master_key(password, user).ok_or_else(failed)?;
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&key).map_err(|_| failed())?;
    mac.update(&scoped(site));
    mac.update(&counter.to_be_bytes());
    let seed = mac.finalize().into_bytes();
    let shape = shapes[usize::from(seed[0]) % shapes.len()];
    let chosen = shape.bytes().zip(&seed[1..]).map(|(letter, random)| {
        let set = characters(letter);
        char::from(set[usize::from(*random) % set.len()])
    });
    Ok(Value::string(chosen.collect::<String>()))
}

/// The algorithm's own name, and a text with its length.
fn scoped(text: &Str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
    [b"com.lyndir.masterpassword", length.as_slice(), text.as_bytes()].concat()
}

fn master_key(password: &Str, user: &Str) -> Option<[u8; 64]> {
    let mut key = [0; 64];
    let parameters = scrypt::Params::new(15, 8, 2).ok()?;
    scrypt::scrypt(password.as_bytes(), &scoped(user), &parameters, &mut key).ok()?;
    Some(key)
}
