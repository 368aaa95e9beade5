//! Where charts are.

use std::fmt;

use url::Url;

use super::ChartError;

/// The parsed address of a chart repository, without user information.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    /// Folder of an `index.yaml`; its query goes with every request.
    Index(Url),
    /// Charts are repositories below this one.
    Oci { registry: String, path: String, plain: bool },
}

impl Address {
    /// Reads `https://…`, `oci://…` and, as Argo CD's `enableOCI` has it, `host/path` without a scheme.
    pub(crate) fn parse(text: &str, oci: bool, plain_http: bool) -> Result<Self, ChartError> {
        let bad = |reason: &str| ChartError::Address {
            url: object::shown_address(text).into_owned(),
            reason: reason.to_owned(),
        };
        match text.split_once("://") {
            Some(("oci", rest)) => Self::registry(rest, plain_http).ok_or_else(|| bad("no host and path")),
            None if oci => Self::registry(text, plain_http).ok_or_else(|| bad("no host and path")),
            Some(("http" | "https", rest)) if oci => {
                let plain = plain_http || text.starts_with("http://");
                Self::registry(rest, plain).ok_or_else(|| bad("no host and path"))
            }
            Some(("http" | "https", _)) => {
                let mut url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.set_fragment(None);
                Ok(Self::Index(url))
            }
            Some(_) => Err(bad("unknown scheme")),
            None => Err(bad("no scheme")),
        }
    }

    fn registry(rest: &str, plain: bool) -> Option<Self> {
        let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place).trim_end_matches('/');
        let (registry, path) = rest.split_once('/').unwrap_or((rest, ""));
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | '[' | ']');
        if registry.is_empty() || !rest.chars().all(fine) || path.split('/').any(|part| part == "..") {
            return None;
        }
        let plain = plain || is_loopback(registry);
        Some(Self::Oci { registry: registry.to_owned(), path: path.to_owned(), plain })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(url) => {
                let mut shown = url.clone();
                // a query may be a token
                shown.set_query(None);
                f.write_str(shown.as_str())
            }
            Self::Oci { registry, path, .. } if path.is_empty() => write!(f, "oci://{registry}"),
            Self::Oci { registry, path, .. } => write!(f, "oci://{registry}/{path}"),
        }
    }
}

/// Whether what is sent to `host:port` stays on this machine.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let name = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Where `reference` of an index leads: absolute, or below the repository, with the repository's query (Helm 4.2,
/// `ResolveReferenceURL`).
pub(crate) fn resolve(base: &Url, reference: &str) -> Result<Url, url::ParseError> {
    if let Ok(url) = Url::parse(reference) {
        return Ok(url);
    }
    let mut folder = base.clone();
    folder.set_path(&format!("{}/", base.path().trim_end_matches('/')));
    let mut url = folder.join(reference)?;
    url.set_query(base.query());
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, oci: bool) -> String {
        Address::parse(text, oci, false).map_or_else(|e| format!("error: {e}"), |a| format!("{a} {a:?}"))
    }

    #[test]
    fn addresses() {
        for (text, oci, part) in [
            ("https://u:p@charts.example.com/a?t=1", false, "https://charts.example.com/a Index"),
            ("oci://ghcr.io/acme/", false, "oci://ghcr.io/acme Oci"),
            ("ghcr.io/acme/charts", true, "oci://ghcr.io/acme/charts"),
            ("https://ghcr.io/acme", true, "oci://ghcr.io/acme"),
            ("oci://localhost:5000/x", false, "plain: true"),
            ("oci://[::1]:5000/x", false, "plain: true"),
            ("oci://localhost.example.com/x", false, "plain: false"),
            ("ghcr.io/acme", false, "error: chart repository ghcr.io/acme: no scheme"),
            ("ftp://u:secret@x/y", false, "error: chart repository ftp://x/y: unknown scheme"),
            ("oci://host/a/../b", false, "error"),
            ("oci://", false, "error"),
        ] {
            let found = parse(text, oci);
            assert!(found.contains(part), "{text}: {found}");
            assert!(!found.contains("secret") && !found.contains("u:p"), "{found}");
        }
    }

    #[test]
    fn references() {
        let base = Url::parse("https://h/charts?token=1").unwrap();
        for (reference, url) in [
            ("a-1.0.0.tgz", "https://h/charts/a-1.0.0.tgz?token=1"),
            ("sub/a.tgz?x=2", "https://h/charts/sub/a.tgz?token=1"),
            ("/a.tgz", "https://h/a.tgz?token=1"),
            ("../a.tgz", "https://h/a.tgz?token=1"),
            ("https://o/a.tgz?x=2", "https://o/a.tgz?x=2"),
        ] {
            assert_eq!(resolve(&base, reference).unwrap().as_str(), url, "{reference}");
        }
    }
}
