//! Private keys: made, read, written, and used to sign.

use ed25519_dalek::Signer;
use rsa::BoxedUint;
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey, EncodeRsaPublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::der::{self, OCTET_STRING, SEQUENCE};
use super::dsa;
use super::pem::{Pem, decode_pem};
use super::prime::random_prime;
use crate::function::{CallError, Context};

const EXPONENT: u32 = 65_537;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_WITH_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
const ECDSA_WITH_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// What stands before a SHA-256 digest in an RSA signature (RFC 8017, section 9.2).
const DIGEST_PREFIX: &[u8] =
    &[0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
const NULL: [u8; 2] = [5, 0];

/// A private key of one of the kinds that sprig knows.
#[derive(Debug)]
pub(crate) enum PrivateKey {
    Rsa(Box<rsa::RsaPrivateKey>),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    /// In DER; it signs nothing.
    Dsa(Vec<u8>),
}

fn failed(what: &str) -> impl Fn(&dyn std::fmt::Display) -> CallError + '_ {
    move |error| CallError::new(format!("{what}: {error}"))
}

/// Steps that making a key on an elliptic curve counts for, and a signature.
pub(super) const CURVE_STEPS: usize = 30_000;

/// Steps that making a DSA key counts for.
const DSA_STEPS: usize = 1_000_000;

impl PrivateKey {
    pub(crate) fn new_rsa(bits: usize, context: &mut Context<'_>) -> Result<Self, CallError> {
        let p = random_prime(bits / 2, EXPONENT, None, context)?;
        let q = random_prime(bits / 2, EXPONENT, Some(&p), context)?;
        let [p, q] = [p, q].map(|prime| BoxedUint::from_be_slice_vartime(&prime.to_bytes_be()));
        let key = rsa::RsaPrivateKey::from_p_q(p, q, BoxedUint::from(EXPONENT));
        Ok(Self::Rsa(Box::new(key.map_err(|e| failed("error generating rsa key")(&e))?)))
    }

    pub(crate) fn new_ecdsa(context: &mut Context<'_>) -> Result<Self, CallError> {
        context.spend(CURVE_STEPS)?;
        for _ in 0..64 {
            let mut bytes = [0; 32];
            context.random(&mut bytes);
            if let Ok(key) = p256::SecretKey::from_slice(&bytes) {
                return Ok(Self::P256(key));
            }
        }
        Err(CallError::new("failed to generate private key from the random source"))
    }

    pub(crate) fn new_ed25519(context: &mut Context<'_>) -> Result<Self, CallError> {
        context.spend(CURVE_STEPS)?;
        let mut seed = [0; 32];
        context.random(&mut seed);
        Ok(Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed))))
    }

    pub(crate) fn new_dsa(context: &mut Context<'_>) -> Result<Self, CallError> {
        context.spend(DSA_STEPS)?;
        dsa::generate(context).map(Self::Dsa)
    }

    /// Reads a key in PEM; the errors are sprig's.
    pub(crate) fn from_pem(text: &str) -> Result<Self, CallError> {
        let pem = decode_pem(text).ok_or_else(|| CallError::new("no PEM data in input"))?;
        let malformed = || CallError::new(format!("parsing {} from PEM: asn1: structure error", pem.label));
        match pem.label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8(&pem.content)
                .ok_or_else(|| CallError::new("decoding PEM as PKCS#8: asn1: structure error")),
            "RSA PRIVATE KEY" => Self::from_pkcs1(&pem.content).ok_or_else(malformed),
            "EC PRIVATE KEY" => Self::from_sec1(&pem.content, None).ok_or_else(malformed),
            "DSA PRIVATE KEY" => {
                let sound = der::expect(&mut pem.content.as_slice(), SEQUENCE).is_some();
                if sound { Ok(Self::Dsa(pem.content)) } else { Err(malformed()) }
            }
            label => Err(match label.strip_suffix(" PRIVATE KEY") {
                Some(kind) => CallError::new(format!("invalid private key type {kind}")),
                None => CallError::new(format!("no private key data in PEM block of type {label}")),
            }),
        }
    }

    fn from_pkcs1(bytes: &[u8]) -> Option<Self> {
        rsa::RsaPrivateKey::from_pkcs1_der(bytes).ok().map(|key| Self::Rsa(Box::new(key)))
    }

    /// `curve` is named outside of the key in PKCS#8.
    fn from_sec1(bytes: &[u8], curve: Option<&[u8]>) -> Option<Self> {
        let mut body = der::expect(&mut &*bytes, SEQUENCE)?.content;
        der::expect(&mut body, der::INTEGER)?;
        let secret = der::expect(&mut body, OCTET_STRING)?.content;
        let named = der::expect(&mut body, 0xA0).and_then(|p| der::expect(&mut &*p.content, 0x06));
        match curve.or(named.map(|oid| oid.content))? {
            P256 => p256::SecretKey::from_slice(secret).ok().map(Self::P256),
            P384 => p384::SecretKey::from_slice(secret).ok().map(Self::P384),
            P521 => p521::SecretKey::from_slice(secret).ok().map(Self::P521),
            _ => None,
        }
    }

    fn from_pkcs8(bytes: &[u8]) -> Option<Self> {
        let mut body = der::expect(&mut &*bytes, SEQUENCE)?.content;
        der::expect(&mut body, der::INTEGER)?;
        let mut algorithm = der::expect(&mut body, SEQUENCE)?.content;
        let inner = der::expect(&mut body, OCTET_STRING)?.content;
        match der::expect(&mut algorithm, 0x06)?.content {
            RSA => Self::from_pkcs1(inner),
            EC => Self::from_sec1(inner, Some(der::expect(&mut algorithm, 0x06)?.content)),
            ED25519 => {
                let seed: [u8; 32] = der::expect(&mut &*inner, OCTET_STRING)?.content.try_into().ok()?;
                Some(Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed))))
            }
            _ => None,
        }
    }

    /// The key in the form that Go's tools write for its kind.
    pub(crate) fn to_pem(&self) -> Result<String, CallError> {
        let (label, content) = match self {
            Self::Rsa(key) => {
                let content = key.to_pkcs1_der().map_err(|e| failed("error encoding rsa key")(&e))?;
                ("RSA PRIVATE KEY", content.as_bytes().to_vec())
            }
            Self::P256(key) => ("EC PRIVATE KEY", sec1(&key.to_bytes(), P256, &self.public_bits()?)),
            Self::P384(key) => ("EC PRIVATE KEY", sec1(&key.to_bytes(), P384, &self.public_bits()?)),
            Self::P521(key) => ("EC PRIVATE KEY", sec1(&key.to_bytes(), P521, &self.public_bits()?)),
            Self::Ed25519(key) => {
                let inner = der::element(OCTET_STRING, &key.to_bytes());
                let parts =
                    [der::integer(&[0]), der::sequence(&[der::oid(ED25519)]), der::element(OCTET_STRING, &inner)];
                ("PRIVATE KEY", der::sequence(&parts))
            }
            Self::Dsa(content) => ("DSA PRIVATE KEY", content.clone()),
        };
        Ok(Pem::new(label, content).encode())
    }

    /// The bits of the public key.
    pub(super) fn public_bits(&self) -> Result<Vec<u8>, CallError> {
        use p256::elliptic_curve::sec1::ToSec1Point;
        Ok(match self {
            Self::Rsa(key) => {
                let public = key.to_public_key().to_pkcs1_der().map_err(|e| failed("error encoding rsa key")(&e))?;
                public.as_bytes().to_vec()
            }
            Self::P256(key) => key.public_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::P384(key) => key.public_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::P521(key) => key.public_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
            Self::Dsa(_) => return Err(no_signer()),
        })
    }

    /// The public key with its algorithm, as certificates hold it.
    pub(super) fn public_info(&self) -> Result<Vec<u8>, CallError> {
        let algorithm = match self {
            Self::Rsa(_) => [der::oid(RSA), NULL.to_vec()],
            Self::P256(_) => [der::oid(EC), der::oid(P256)],
            Self::P384(_) => [der::oid(EC), der::oid(P384)],
            Self::P521(_) => [der::oid(EC), der::oid(P521)],
            Self::Ed25519(_) => [der::oid(ED25519), Vec::new()],
            Self::Dsa(_) => return Err(no_signer()),
        };
        Ok(der::sequence(&[der::sequence(&algorithm), der::bits(&self.public_bits()?)]))
    }

    /// The algorithm that the key signs with.
    pub(super) fn signature_algorithm(&self) -> Result<Vec<u8>, CallError> {
        let parts = match self {
            Self::Rsa(_) => vec![der::oid(SHA256_WITH_RSA), NULL.to_vec()],
            Self::P256(_) => vec![der::oid(ECDSA_WITH_SHA256)],
            Self::P384(_) => vec![der::oid(ECDSA_WITH_SHA384)],
            Self::P521(_) => vec![der::oid(ECDSA_WITH_SHA512)],
            Self::Ed25519(_) => vec![der::oid(ED25519)],
            Self::Dsa(_) => return Err(no_signer()),
        };
        Ok(der::sequence(&parts))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CallError> {
        use p256::ecdsa::signature::hazmat::PrehashSigner;
        let error = |e: &dyn std::fmt::Display| failed("error creating certificate")(e);
        match self {
            Self::Rsa(key) => {
                let padding = rsa::Pkcs1v15Sign { hash_len: Some(32), prefix: DIGEST_PREFIX.into() };
                key.sign(padding, &Sha256::digest(message)).map_err(|e| error(&e))
            }
            Self::P256(key) => {
                let signature: Result<p256::ecdsa::DerSignature, _> =
                    p256::ecdsa::SigningKey::from(key).sign_prehash(&Sha256::digest(message));
                signature.map(|s| s.as_bytes().to_vec()).map_err(|e| error(&e))
            }
            Self::P384(key) => {
                let signature: Result<p384::ecdsa::DerSignature, _> =
                    p384::ecdsa::SigningKey::from(key).sign_prehash(&Sha384::digest(message));
                signature.map(|s| s.as_bytes().to_vec()).map_err(|e| error(&e))
            }
            Self::P521(key) => {
                let signature: Result<p521::ecdsa::DerSignature, _> =
                    p521::ecdsa::SigningKey::from(key).sign_prehash(&Sha512::digest(message));
                signature.map(|s| s.as_bytes().to_vec()).map_err(|e| error(&e))
            }
            Self::Ed25519(key) => Ok(key.sign(message).to_bytes().to_vec()),
            Self::Dsa(_) => Err(no_signer()),
        }
    }
}

fn no_signer() -> CallError {
    CallError::new("error creating certificate: x509: certificate private key does not implement crypto.Signer")
}

fn sec1(secret: &[u8], curve: &[u8], public: &[u8]) -> Vec<u8> {
    let parts = [
        der::integer(&[1]),
        der::element(OCTET_STRING, secret),
        der::element(0xA0, &der::oid(curve)),
        der::element(0xA1, &der::bits(public)),
    ];
    der::sequence(&parts)
}
