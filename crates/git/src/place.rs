//! Where a repository is.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::GitError;

/// A parsed repository address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A bare repository or a work tree on this machine: read and written in place.
    Local(PathBuf),
    /// `http://` or `https://`, without user information.
    Http(Url),
    /// `ssh://user@host:port/path` or `user@host:path`.
    Ssh { user: String, host: String, port: u16, path: String },
}

impl Place {
    /// # Errors
    /// When the text is none of the known forms.
    pub fn parse(text: &str) -> Result<Self, GitError> {
        let bad = |reason: &str| GitError::Address {
            url: object::shown_address(text).into_owned(),
            reason: reason.to_owned(),
        };
        if text.contains(char::is_control) {
            return Err(bad("it has control characters"));
        }
        if let Some(path) = text.strip_prefix("file://") {
            return Ok(Self::Local(PathBuf::from(path)));
        }
        if text.starts_with('/') || text.starts_with("./") || text.starts_with("../") || text == "." {
            return Ok(Self::Local(PathBuf::from(text)));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let mut url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
            return match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" => {
                    // credentials come from Secrets: an address is logged and shown
                    let _ = url.set_username("");
                    let _ = url.set_password(None);
                    Ok(Self::Http(url))
                }
                "ssh" => Ok(Self::Ssh {
                    user: if url.username().is_empty() { "git".into() } else { url.username().into() },
                    host: url.host_str().ok_or_else(|| bad("no host"))?.to_owned(),
                    port: url.port().unwrap_or(22),
                    path: url.path().to_owned(),
                }),
                _ => Err(bad("unknown scheme")),
            };
        }
        let scp = text.split_once(':').and_then(|(login, path)| Some((login.split_once('@')?, path)));
        match scp {
            // a program over there would take it for an option
            Some((_, path)) if path.starts_with('-') => Err(bad("a path does not begin with -")),
            Some(((user, host), path)) if !path.is_empty() && !host.contains('/') => {
                Ok(Self::Ssh { user: user.into(), host: host.into(), port: 22, path: path.into() })
            }
            _ => Err(bad("not understood")),
        }
    }

    /// Another one for every other place, also where they look the same to people.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Http(url) => url.as_str().trim_end_matches('/').to_owned(),
            other => other.to_string(),
        }
    }

    /// Whether what is sent there stays on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Http(url) => match url.host() {
                Some(url::Host::Domain(name)) => name == "localhost",
                Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                None => false,
            },
            Self::Ssh { host, .. } => host == "localhost" || host == "127.0.0.1",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "file://{}", path.display()),
            Self::Http(url) => f.write_str(object::without_credentials(url.as_str()).trim_end_matches('/')),
            Self::Ssh { user, host, port: 22, path } => write!(f, "{user}@{host}:{path}"),
            Self::Ssh { user, host, port, path } => write!(f, "ssh://{user}@{host}:{port}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_and_shown_without_secrets() {
        let check = |text: &str, shown: &str| assert_eq!(Place::parse(text).unwrap().to_string(), shown, "{text}");
        check("/srv/git/a.git", "file:///srv/git/a.git");
        check("file:///srv/git/a.git", "file:///srv/git/a.git");
        check("https://me:secret@example.com/a/b.git", "https://example.com/a/b.git");
        check("git@example.com:a/b.git", "git@example.com:a/b.git");
        check("ssh://git@example.com:2222/a/b.git", "ssh://git@example.com:2222/a/b.git");
        check("https://example.com/a/b.git?token=secret", "https://example.com/a/b.git?token=***");
        let identity = |text: &str| Place::parse(text).unwrap().identity();
        assert_ne!(identity("https://example.com/a?repo=1"), identity("https://example.com/a?repo=2"));
        let error = Place::parse("ftp://me:secret@example.com/a").unwrap_err().to_string();
        assert!(error.contains("example.com") && !error.contains("secret"), "{error}");
        assert!(Place::parse("nonsense").is_err());
    }

    /// Forms that make Git start a program, or leave the machine's programs an option.
    #[test]
    fn addresses_start_no_programs() {
        for text in [
            "ext::sh -c 'touch /tmp/x'",
            "ext::sh%20-c%20x@y:z",
            "fd::17/x",
            "--upload-pack=/tmp/x",
            "-oProxyCommand=touch /tmp/x",
            "git@example.com:-oProxyCommand=x",
            "git@example.com:--upload-pack=x",
            "FILE:///etc/passwd",
            "git://example.com/a",
            "http+unix://x/y",
            "https://example.com/a\nwant x",
            "git@example.com:a\0b",
            "file:///srv/a\u{1b}[2J",
            "",
        ] {
            let error = Place::parse(text).expect_err(text).to_string();
            assert!(!error.contains("control") || text.contains(char::is_control), "{error}");
        }
    }
}
