//! Certificates: made and signed, and read as far as an issuer must be.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::der::{self, OCTET_STRING, SEQUENCE};
use super::key::{CURVE_STEPS, PrivateKey};
use super::pem::{Pem, decode_pem};
use crate::function::{CallError, Context};
use crate::layout;
use crate::value::Time;

const DAY: i64 = 86_400;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SERVER_AUTHENTICATION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT_AUTHENTICATION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// What a certificate is to say.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) common_name: String,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) dns_names: Vec<String>,
    pub(crate) days: i64,
    pub(crate) is_authority: bool,
}

/// Who signs a certificate: an authority with its key.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// Its name in DER.
    name: Vec<u8>,
    key_id: Option<Vec<u8>>,
}

impl Issuer {
    /// The issuer that a certificate in PEM is of; the errors are sprig's.
    pub(crate) fn from_pem(text: &str) -> Result<Self, CallError> {
        let pem = decode_pem(text).ok_or_else(|| CallError::new("unable to decode certificate"))?;
        let malformed = "error parsing certificate: decodedSignerCert.Bytes: x509: malformed certificate";
        Self::from_der(&pem.content).ok_or_else(|| CallError::new(malformed))
    }

    fn from_der(bytes: &[u8]) -> Option<Self> {
        let mut certificate = der::expect(&mut &*bytes, SEQUENCE)?.content;
        let mut body = der::expect(&mut certificate, SEQUENCE)?.content;
        let first = der::read(&mut body)?;
        if first.tag == 0xA0 {
            der::expect(&mut body, der::INTEGER)?;
        }
        // signature algorithm, issuer, validity
        for _ in 0..3 {
            der::expect(&mut body, SEQUENCE)?;
        }
        let name = der::expect(&mut body, SEQUENCE)?.whole.to_vec();
        der::expect(&mut body, SEQUENCE)?;
        let extensions = std::iter::from_fn(|| der::read(&mut body)).find(|part| part.tag == 0xA3);
        let key_id = extensions.and_then(|list| subject_key_id(list.content));
        Some(Self { name, key_id })
    }
}

fn subject_key_id(mut extensions: &[u8]) -> Option<Vec<u8>> {
    let mut list = der::expect(&mut extensions, SEQUENCE)?.content;
    while let Some(mut extension) = der::expect(&mut list, SEQUENCE).map(|e| e.content) {
        if der::expect(&mut extension, 0x06)?.content == SUBJECT_KEY_ID {
            let value = std::iter::from_fn(|| der::read(&mut extension)).last()?.content;
            return Some(der::expect(&mut &*value, OCTET_STRING)?.content.to_vec());
        }
    }
    None
}

/// Whether bytes are a certificate.
pub(crate) fn check(bytes: &[u8]) -> bool {
    Issuer::from_der(bytes).is_some()
}

impl Template {
    /// Signs a certificate for `key`: by itself, or by an issuer with its key. Gives it in PEM.
    pub(crate) fn sign(
        &self,
        key: &PrivateKey,
        by: Option<(&Issuer, &PrivateKey)>,
        context: &mut Context<'_>,
    ) -> Result<String, CallError> {
        context.spend(8 * CURVE_STEPS)?;
        let subject = name(&self.common_name);
        let (issuer, signer) = match by {
            Some((issuer, signer)) => (issuer.name.clone(), signer),
            None => (subject.clone(), key),
        };
        let authority = by.and_then(|(issuer, _)| issuer.key_id.as_ref()).filter(|_| issuer != subject);
        let algorithm = signer.signature_algorithm()?;
        let mut serial = [0; 16];
        context.random(&mut serial);
        let now = context.now();
        let parts = [
            der::element(0xA0, &der::integer(&[2])),
            der::integer(&serial),
            algorithm.clone(),
            issuer,
            validity(&now, self.days)?,
            subject,
            key.public_info()?,
            der::element(0xA3, &der::sequence(&self.extensions(key, authority.map(Vec::as_slice))?)),
        ];
        let body = der::sequence(&parts);
        let signature = der::bits(&signer.sign(&body)?);
        Ok(Pem::new("CERTIFICATE", der::sequence(&[body, algorithm, signature])).encode())
    }

    fn extensions(&self, key: &PrivateKey, authority: Option<&[u8]>) -> Result<Vec<Vec<u8>>, CallError> {
        // digital signature, key encipherment; an authority signs certificates, too
        let usage: &[u8] = if self.is_authority { &[2, 0xA4] } else { &[5, 0xA0] };
        let extended = der::sequence(&[der::oid(SERVER_AUTHENTICATION), der::oid(CLIENT_AUTHENTICATION)]);
        let constraints = if self.is_authority { vec![vec![1, 1, 0xFF]] } else { Vec::new() };
        let mut list = vec![
            extension(KEY_USAGE, true, &der::element(der::BIT_STRING, usage)),
            extension(EXTENDED_KEY_USAGE, false, &extended),
            extension(BASIC_CONSTRAINTS, true, &der::sequence(&constraints)),
        ];
        if self.is_authority {
            // the first 160 bits of the digest of the key (RFC 7093, method 1)
            let id = &Sha256::digest(key.public_bits()?)[..20];
            list.push(extension(SUBJECT_KEY_ID, false, &der::element(OCTET_STRING, id)));
        }
        if let Some(id) = authority {
            list.push(extension(AUTHORITY_KEY_ID, false, &der::sequence(&[der::element(0x80, id)])));
        }
        if !self.dns_names.is_empty() || !self.addresses.is_empty() {
            let critical = self.common_name.is_empty();
            list.push(extension(ALTERNATIVE_NAMES, critical, &self.alternative_names()?));
        }
        Ok(list)
    }

    fn alternative_names(&self) -> Result<Vec<u8>, CallError> {
        let mut names = Vec::new();
        for dns in &self.dns_names {
            if !dns.is_ascii() {
                let message = format!("error creating certificate: x509: {dns:?} cannot be encoded as an IA5String");
                return Err(CallError::new(message));
            }
            names.push(der::element(0x82, dns.as_bytes()));
        }
        for address in &self.addresses {
            names.push(match address.to_canonical() {
                IpAddr::V4(four) => der::element(0x87, &four.octets()),
                IpAddr::V6(six) => der::element(0x87, &six.octets()),
            });
        }
        Ok(der::sequence(&names))
    }
}

fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let flag = if critical { vec![1, 1, 0xFF] } else { Vec::new() };
    der::sequence(&[der::oid(id), flag, der::element(OCTET_STRING, value)])
}

/// A name that consists of a common name; without that it is empty.
fn name(common_name: &str) -> Vec<u8> {
    if common_name.is_empty() {
        return der::sequence(&[]);
    }
    let printable = |b: u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b);
    let tag = if common_name.bytes().all(printable) { 0x13 } else { 0x0C };
    let attribute = der::sequence(&[der::oid(COMMON_NAME), der::element(tag, common_name.as_bytes())]);
    der::sequence(&[der::element(der::SET, &attribute)])
}

fn validity(now: &Time, days: i64) -> Result<Vec<u8>, CallError> {
    let start = Time::utc(now.unix_seconds, 0);
    let end = Time::utc(now.unix_seconds.saturating_add(days.saturating_mul(DAY)), 0);
    Ok(der::sequence(&[date(&start)?, date(&end)?]))
}

fn date(time: &Time) -> Result<Vec<u8>, CallError> {
    match layout::Civil::of(time).year {
        1950..2050 => Ok(der::element(0x17, layout::format(time, "060102150405Z").as_bytes())),
        0..=9999 => Ok(der::element(0x18, layout::format(time, "20060102150405Z").as_bytes())),
        _ => Err(CallError::new("error creating certificate: cannot represent time as GeneralizedTime")),
    }
}
