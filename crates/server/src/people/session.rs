//! Sessions: signed tokens as Argo CD issues them (HS256 with `server.secretkey`), on our clock, revocable.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::token;

/// What a token says. `sub` is `ACCOUNT:login`, as Argo CD writes it for sessions that began with a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    /// Seconds since 1970, like all times here.
    pub iat: i64,
    pub nbf: i64,
    /// API tokens may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Names this one token: what is revoked at logout, or what `accounts.X.tokens` lists.
    #[serde(default)]
    pub jti: String,
    /// Of a login: what its list of ended sessions is called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub epoch: String,
}

/// What an account did to get a token, and must still be allowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    Login,
    ApiKey,
}

const ISSUER: &str = "argocd";

impl Claims {
    /// Of a login.
    pub fn new(account: &str, jti: String, now: Timestamp, lifetime: Duration) -> Self {
        let iat = now.as_second();
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        Self {
            iss: ISSUER.into(),
            sub: format!("{account}:login"),
            iat,
            nbf: iat,
            exp: Some(iat.saturating_add(seconds)),
            jti,
            epoch: String::new(),
        }
    }

    #[must_use]
    pub fn of_epoch(self, epoch: String) -> Self {
        Self { epoch, ..self }
    }

    /// None for what this server gives no tokens for.
    pub fn capability(&self) -> Option<Capability> {
        match self.sub.split_once(':')?.1 {
            "login" => Some(Capability::Login),
            "apiKey" => Some(Capability::ApiKey),
            _ => None,
        }
    }

    pub fn account(&self) -> &str {
        self.sub.split(':').next().unwrap_or_default()
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error("the session token is not one of this server: log in again (gantline login)")]
    Invalid,
    #[error("the session has expired: log in again (gantline login)")]
    Expired,
    #[error(
        "the session was ended: by a logout, a new password, a change of its account, or the loss of the list of those \
         that were ended; log in again (gantline login)"
    )]
    Revoked,
    #[error("the API token is not, or not any more, among accounts.{account}.tokens of argocd-secret: make a new one")]
    Unlisted { account: String },
    #[error("the session could not be signed: {0}")]
    Signing(String),
}

/// Signs `claims` with the server's secret key.
///
/// # Errors
/// When the signing library refuses.
pub fn sign(claims: &Claims, key: &[u8]) -> Result<String, SessionError> {
    token::sign(claims, key).map_err(|error| SessionError::Signing(error.to_string()))
}

/// Checks signature, issuer and times. Whether the account still vouches for it is the caller's.
///
/// # Errors
/// [`SessionError::Invalid`] or [`SessionError::Expired`].
pub fn verify(token: &str, key: &[u8], now: Timestamp) -> Result<Claims, SessionError> {
    let claims: Claims = token::read(token, key, Some(ISSUER)).map_err(|_| SessionError::Invalid)?;
    if claims.exp.is_some_and(|expiry| now.as_second() >= expiry) {
        return Err(SessionError::Expired);
    }
    if now.as_second() < claims.nbf {
        return Err(SessionError::Invalid);
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn tokens_hold_until_they_expire_and_only_for_their_key() {
        let claims = Claims::new("alice", "t1".into(), time("2026-01-01T00:00:00Z"), Duration::from_secs(3600));
        let token = sign(&claims, b"secret").unwrap();
        assert_eq!(verify(&token, b"secret", time("2026-01-01T00:59:59Z")).unwrap().account(), "alice");
        assert_eq!(verify(&token, b"secret", time("2026-01-01T01:00:00Z")), Err(SessionError::Expired));
        assert_eq!(verify(&token, b"other", time("2026-01-01T00:00:01Z")), Err(SessionError::Invalid));
        assert_eq!(verify("x.y.z", b"secret", time("2026-01-01T00:00:01Z")), Err(SessionError::Invalid));
        assert_eq!(verify(&token, b"secret", time("2025-12-31T23:00:00Z")), Err(SessionError::Invalid));
    }

    #[test]
    fn an_unsigned_token_is_refused() {
        use base64::Engine;
        let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let claims = r#"{"iss":"argocd","sub":"admin:login","iat":0,"nbf":0,"exp":99999999999,"jti":"x"}"#;
        let token = format!("{}.{}.", part(r#"{"alg":"none","typ":"JWT"}"#), part(claims));
        assert_eq!(verify(&token, b"secret", time("2026-01-01T00:00:00Z")), Err(SessionError::Invalid));
    }

    /// Right claims, signed with the right key, in every way that is not ours.
    #[test]
    fn only_one_way_to_sign_counts() {
        use base64::Engine;
        use ring::hmac;
        let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let now = time("2026-01-01T00:00:10Z");
        let claims = Claims::new("admin", "t1".into(), time("2026-01-01T00:00:00Z"), Duration::from_secs(3600));
        let good = sign(&claims, b"secret").unwrap();
        assert!(verify(&good, b"secret", now).is_ok());
        let [header, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
        let mut bad = Vec::new();
        for (name, algorithm) in [("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
            let said = format!("{}.{body}", part(&format!(r#"{{"alg":"{name}","typ":"JWT"}}"#)));
            let tag = hmac::sign(&hmac::Key::new(algorithm, b"secret"), said.as_bytes());
            bad.push(format!("{said}.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(tag)));
        }
        for name in ["none", "None", "NONE", "", "RS256", "ES256", "EdDSA", "HS384", "hs256", "PS512"] {
            let header = part(&format!(r#"{{"alg":"{name}","typ":"JWT","kid":"../../dev/null","jwk":{{"k":""}}}}"#));
            bad.extend([
                format!("{header}.{body}.{signature}"),
                format!("{header}.{body}."),
                format!("{header}.{body}"),
            ]);
        }
        let other = part(&serde_json::to_string(&claims).unwrap().replace("admin", "eve"));
        bad.extend([
            format!("{header}.{other}.{signature}"),
            format!("{header}.{body}"),
            format!("{header}.{body}.{signature}."),
            format!("{header}.{body}.{signature}=="),
            format!(".{body}.{signature}"),
            format!("{header}..{signature}"),
            format!(" {good}"),
            sign(&claims, b"").unwrap(),
            sign(&Claims { iss: "gitlab".into(), ..claims.clone() }, b"secret").unwrap(),
            sign(&Claims { nbf: i64::MAX, ..claims.clone() }, b"secret").unwrap(),
            "a".repeat(1 << 20),
            ".".repeat(1 << 20),
            format!("{}.{body}.{signature}", part(&"[".repeat(100_000))),
            format!("{header}.{}.{signature}", part(&"{\"a\":".repeat(100_000))),
        ]);
        for token in bad {
            let shown: String = token.chars().take(200).collect();
            assert_eq!(verify(&token, b"secret", now), Err(SessionError::Invalid), "{shown}");
        }
        let ended = Claims { exp: Some(i64::MIN), ..claims };
        assert_eq!(verify(&sign(&ended, b"secret").unwrap(), b"secret", now), Err(SessionError::Expired));
    }
}
