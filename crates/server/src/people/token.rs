//! Signed tokens (JWT) with HS256, as Argo CD writes them. The claims are read by `jsonwebtoken`, the signature is `ring`'s:
//! what that library brings along for RSA and curves is not linked.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use ring::hmac;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// # Errors
/// When the claims are no JSON.
pub(crate) fn sign(claims: &impl Serialize, key: &[u8]) -> Result<String, Error> {
    with_ring();
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(key))
}

/// What it says; times in it are the caller's to judge, whose clock may be another than the machine's.
///
/// # Errors
/// When it was not signed with this key and HS256, is by another issuer than one that is named, or does not fit the type.
pub(crate) fn read<T>(token: &str, key: &[u8], issuer: Option<&str>) -> Result<T, Error>
where
    T: DeserializeOwned + Clone,
{
    with_ring();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.required_spec_claims.clear();
    issuer.iter().for_each(|issuer| validation.set_issuer(&[issuer]));
    decode(token, &DecodingKey::from_secret(key), &validation).map(|read| read.claims)
}

/// The library asks the process for its provider, and panics where there is none. The first one stays.
fn with_ring() {
    static RING: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.family(), Ok(key.as_bytes()))?)),
        verifier_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.family(), key.try_get_as_bytes())?)),
        key_utils: KeyUtils::new_unimplemented(),
    };
    let _ = RING.install_default();
}

struct Hs256(hmac::Key);

impl Hs256 {
    fn new(algorithm: Algorithm, family: AlgorithmFamily, key: Result<&[u8], Error>) -> Result<Self, Error> {
        match (algorithm, family) {
            (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key?))),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        }
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Sessions that an Argo CD, or an earlier Gantline, signed go on.
    #[test]
    fn the_signature_is_that_of_the_standard() {
        // RFC 7515, A.1
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly\
                     9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let key = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, key).unwrap();
        assert_eq!(read::<Value>(token, &key, Some("joe")).unwrap()["exp"], 1_300_819_380);
        assert!(read::<Value>(token, &key, Some("jane")).is_err());
        let signed = sign(&json!({ "iss": "joe" }), &key).unwrap();
        assert!(read::<Value>(&signed, &key, Some("joe")).is_ok() && read::<Value>(&signed, b"x", None).is_err());
    }

    #[test]
    fn no_other_algorithm_is_taken() {
        use base64::Engine;
        let part = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        for algorithm in ["none", "HS384", "HS512", "RS256", "ES256", "EdDSA"] {
            let message = format!("{}.{}", part(&json!({ "alg": algorithm })), part(&json!({ "iss": "joe" })));
            let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"k"), message.as_bytes());
            let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature);
            for signature in [signature.as_str(), ""] {
                assert!(read::<Value>(&format!("{message}.{signature}"), b"k", None).is_err(), "{algorithm}");
            }
        }
    }
}
