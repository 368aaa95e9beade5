//! What opens a repository or a registry.

use std::fmt;

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { "(hidden)" })
    }
}

/// How to log in. Everything is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// With a token as password most hosts take any name here.
    pub username: String,
    pub password: Secret,
    /// Sent as `Authorization: Bearer` instead of name and password.
    pub bearer_token: Secret,
    /// An OpenSSH private key in PEM.
    pub ssh_private_key: Secret,
    /// Lines of a known_hosts file.
    pub known_hosts: String,
    /// Certificate authorities to trust beside the system's, in PEM.
    pub ca_pem: String,
    /// Do not check the server's certificate or host key.
    pub insecure: bool,
}

impl Credentials {
    /// The value of the `Authorization` header, if there is anything to say.
    pub(crate) fn authorization(&self) -> Option<String> {
        use base64::Engine;
        if !self.bearer_token.reveal().is_empty() {
            return Some(format!("Bearer {}", self.bearer_token.reveal()));
        }
        if self.username.is_empty() && self.password.reveal().is_empty() {
            return None;
        }
        let name = if self.username.is_empty() { "git" } else { &self.username };
        let pair = format!("{name}:{}", self.password.reveal());
        Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
    }
}
