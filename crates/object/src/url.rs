//! URLs as Go's `net/url` (1.26) takes them apart and puts them together.

mod escape;

use bstr::ByteSlice;

use escape::{Part, escape, is_valid, unescape};

/// Why a text is no URL, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("net/url: invalid control character in URL")]
    ControlCharacter,
    #[error("missing protocol scheme")]
    MissingScheme,
    #[error("first path segment in URL cannot contain colon")]
    ColonInFirstSegment,
    #[error("net/url: invalid userinfo")]
    InvalidUser,
    #[error("invalid IP-literal")]
    InvalidIpLiteral,
    #[error("missing ']' in host")]
    MissingBracket,
    #[error("invalid host: ParseAddr({0:?}): unable to parse IP")]
    InvalidIp(String),
    #[error("invalid port {0:?} after host")]
    InvalidPort(String),
    #[error("invalid URL escape {0:?}")]
    InvalidEscape(String),
    #[error("invalid character {0:?} in host name")]
    InvalidHostCharacter(String),
}

/// A URL in its parts, unescaped but for the query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Url {
    pub scheme: Vec<u8>,
    /// What follows the scheme where that is no path.
    pub opaque: Vec<u8>,
    pub user: Option<User>,
    /// With the port.
    pub host: Vec<u8>,
    pub path: Vec<u8>,
    pub query: Vec<u8>,
    pub fragment: Vec<u8>,
    /// The path as it was written, where it would be escaped in another way.
    pub raw_path: Vec<u8>,
    /// A question mark with nothing behind it.
    pub bare_query: bool,
    /// A scheme, and a path that begins with one slash.
    pub no_host: bool,
}

/// Who a URL says asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

impl Url {
    /// Takes a URL apart; relative ones, too.
    ///
    /// # Errors
    /// When the text is no URL.
    pub fn parse(text: &[u8]) -> Result<Self, UrlError> {
        let (text, fragment) = text.split_once_str(b"#").unwrap_or((text, b""));
        if text.iter().any(u8::is_ascii_control) {
            return Err(UrlError::ControlCharacter);
        }
        if text == b"*" {
            return Ok(Self { path: b"*".to_vec(), fragment: unescape(fragment, Part::Fragment)?, ..Self::default() });
        }
        let (scheme, rest) = scheme(text)?;
        let (rest, query, bare_query) = match rest.split_once_str(b"?") {
            Some((rest, query)) => (rest, query, query.is_empty()),
            None => (rest, &b""[..], false),
        };
        let mut url =
            Self { scheme: scheme.to_ascii_lowercase(), query: query.to_vec(), bare_query, ..Self::default() };
        url.locate(rest)?;
        url.fragment = unescape(fragment, Part::Fragment)?;
        Ok(url)
    }

    /// Reads host and path, or what stands in their place.
    fn locate(&mut self, rest: &[u8]) -> Result<(), UrlError> {
        let schemed = !self.scheme.is_empty();
        if !rest.starts_with(b"/") {
            if schemed {
                self.opaque = rest.to_vec();
                return Ok(());
            }
            if first_segment(rest).contains(&b':') {
                return Err(UrlError::ColonInFirstSegment);
            }
        }
        let mut path = rest;
        if let Some(authority) = rest.strip_prefix(b"//").filter(|_| schemed || !rest.starts_with(b"///")) {
            let end = authority.find_byte(b'/').unwrap_or(authority.len());
            self.authority(&authority[..end])?;
            path = &authority[end..];
        } else {
            self.no_host = schemed;
        }
        self.path = unescape(path, Part::Path)?;
        if escape(&self.path, Part::Path) != path {
            self.raw_path = path.to_vec();
        }
        Ok(())
    }

    fn authority(&mut self, authority: &[u8]) -> Result<(), UrlError> {
        let (user, host) = match authority.rsplit_once_str(b"@") {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        self.host = host_of(&self.scheme, host)?;
        self.user = user.map(User::parse).transpose()?;
        Ok(())
    }

    /// The host without its port and brackets.
    pub fn host_name(&self) -> &[u8] {
        let host = match self.host.rfind_byte(b':') {
            Some(colon) if is_port(&self.host[colon..]) => &self.host[..colon],
            _ => &self.host,
        };
        host.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(host)
    }

    /// The URL as text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.write_location(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if self.bare_query || !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, Part::Fragment));
        }
        out
    }

    fn escaped_path(&self) -> Vec<u8> {
        let is_as_written = unescape(&self.raw_path, Part::Path).as_ref() == Ok(&self.path);
        match &self.raw_path {
            raw if !raw.is_empty() && is_valid(raw) && is_as_written => raw.clone(),
            _ if self.path == b"*" => b"*".to_vec(),
            _ => escape(&self.path, Part::Path),
        }
    }

    fn write_location(&self, out: &mut Vec<u8>) {
        let located = !self.host.is_empty() || self.user.is_some();
        if located || (!self.scheme.is_empty() && !self.path.is_empty() && !self.no_host) {
            out.extend_from_slice(b"//");
        }
        if let Some(user) = &self.user {
            out.extend(user.to_bytes());
            out.push(b'@');
        }
        out.extend(escape(&self.host, Part::Host));
        let path = self.escaped_path();
        if !path.is_empty() && !path.starts_with(b"/") && !self.host.is_empty() {
            out.push(b'/');
        }
        if out.is_empty() && first_segment(&path).contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend(path);
    }
}

impl User {
    fn parse(text: &[u8]) -> Result<Self, UrlError> {
        let fine = |b: &u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(b);
        if !text.iter().all(fine) {
            return Err(UrlError::InvalidUser);
        }
        let (name, password) = match text.split_once_str(b":") {
            Some((name, password)) => (name, Some(unescape(password, Part::User)?)),
            None => (text, None),
        };
        Ok(Self { name: unescape(name, Part::User)?, password })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = escape(&self.name, Part::User);
        if let Some(password) = &self.password {
            out.push(b':');
            out.extend(escape(password, Part::User));
        }
        out
    }
}

/// Splits the scheme off; empty where there is none.
fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), UrlError> {
    let length = text.iter().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
    let lettered = text.first().is_some_and(u8::is_ascii_alphabetic);
    match text[length..].strip_prefix(b":") {
        Some(_) if length == 0 => Err(UrlError::MissingScheme),
        Some(rest) if lettered => Ok((&text[..length], rest)),
        _ => Ok((b"", text)),
    }
}

fn first_segment(path: &[u8]) -> &[u8] {
    path.split_once_str(b"/").map_or(path, |(first, _)| first)
}

fn is_port(text: &[u8]) -> bool {
    text.is_empty() || text.strip_prefix(b":").is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
}

fn host_of(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, UrlError> {
    match host.rfind_byte(b'[') {
        Some(0) => return bracketed_host(host),
        Some(_) => return Err(UrlError::InvalidIpLiteral),
        None => {}
    }
    // Lists of hosts with ports are usual for databases, so only web addresses are strict.
    let strict = scheme == b"http" || scheme == b"https";
    let colon = if strict { host.find_byte(b':') } else { host.rfind_byte(b':') };
    if let Some(port) = colon.map(|at| &host[at..]).filter(|port| !is_port(port)) {
        return Err(UrlError::InvalidPort(port.to_str_lossy().into_owned()));
    }
    unescape(host, Part::Host)
}

/// `[fe80::1%25en0]:80`
fn bracketed_host(host: &[u8]) -> Result<Vec<u8>, UrlError> {
    let close = host.rfind_byte(b']').ok_or(UrlError::MissingBracket)?;
    let (name, port) = (&host[1..close], &host[close + 1..]);
    if !is_port(port) {
        return Err(UrlError::InvalidPort(port.to_str_lossy().into_owned()));
    }
    let name = match name.find(b"%25") {
        Some(zone) => [unescape(&name[..zone], Part::Host)?, unescape(&name[zone..], Part::Zone)?].concat(),
        None => unescape(name, Part::Host)?,
    };
    let address = name.split_once_str(b"%").map_or(name.as_slice(), |(address, _)| address);
    let text = address.to_str_lossy();
    match text.parse::<core::net::IpAddr>() {
        Ok(core::net::IpAddr::V6(_)) => Ok([b"[", name.as_slice(), b"]", port].concat()),
        Ok(core::net::IpAddr::V4(_)) => Err(UrlError::InvalidIpLiteral),
        Err(_) => Err(UrlError::InvalidIp(text.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_back_and_forth() {
        let cases = [
            ("https://user:p%40w@host.example:8443/p/a%20th?q=1&r=a%20b#frag", None),
            ("http://[::1]:80/", None),
            ("mailto:joe@example.com", None),
            ("/only/path", None),
            ("//host/x", None),
            ("", None),
            ("HTTP://host", Some("http://host")),
            ("http://h?", None),
            ("x:/p", None),
            ("file:///p", None),
            ("http://h/a%2fb(c)[d]", None),
            ("http://h/a%2fb c", Some("http://h/a/b%20c")),
            ("postgres://a:1,b:2/db", None),
            ("file:///etc/x", None),
            ("a b", Some("a%20b")),
        ];
        for (text, want) in cases {
            let url = Url::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(String::from_utf8_lossy(&url.to_bytes()), want.unwrap_or(text), "{text}");
        }
    }

    #[test]
    fn refuses() {
        let cases = [
            ("a:b:c/d", None),
            ("1a:b", Some(UrlError::ColonInFirstSegment)),
            (":x", Some(UrlError::MissingScheme)),
            ("http://h:p/", Some(UrlError::InvalidPort(":p".to_owned()))),
            ("http://a:1:2/", Some(UrlError::InvalidPort(":1:2".to_owned()))),
            ("http://h/%zz", Some(UrlError::InvalidEscape("%zz".to_owned()))),
            ("http://a b/", Some(UrlError::InvalidHostCharacter(" ".to_owned()))),
            ("http://[1.2.3.4]/", Some(UrlError::InvalidIpLiteral)),
            ("http://x\n/", Some(UrlError::ControlCharacter)),
            ("http://u\"@h/", Some(UrlError::InvalidUser)),
        ];
        for (text, want) in cases {
            assert_eq!(Url::parse(text.as_bytes()).err(), want, "{text}");
        }
    }
}
