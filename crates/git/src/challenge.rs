//! How a registry asks for a login (the Bearer challenge of the OCI distribution).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use url::Url;

/// What the registry wants with the next request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token of the server at `realm`.
    Bearer { realm: Url, service: Option<String> },
    /// Name and password.
    Basic,
}

impl Challenge {
    /// The challenge of an answer; Bearer where several are offered.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let offered: Vec<Self> = texts.filter_map(Self::parse).collect();
        offered.iter().find(|c| **c != Self::Basic).or(offered.first()).cloned()
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameters = parameters(rest);
        let parameter = |name: &str| parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v);
        let realm = Url::parse(parameter("realm")?).ok()?;
        Some(Self::Bearer { realm, service: parameter("service").cloned() })
    }
}

/// Where the token to read `repository` is.
pub(crate) fn token_url(realm: &Url, service: Option<&str>, repository: &str) -> Url {
    let mut url = realm.clone();
    url.query_pairs_mut().append_pair("scope", &format!("repository:{repository}:pull"));
    if let Some(service) = service {
        url.query_pairs_mut().append_pair("service", service);
    }
    url
}

/// The token in a token server's answer.
pub(crate) fn token(answer: &serde_json::Value) -> Option<&str> {
    answer.get("token").or_else(|| answer.get("access_token"))?.as_str()
}

/// `name="value"` pairs; values may hold commas.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((name.trim().to_owned(), value.trim().to_owned()));
        rest = next.trim_start_matches([',', ' ']);
    }
    found
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn challenge(texts: &[&'static str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(text));
        }
        Challenge::of(&headers)
    }

    #[test]
    fn challenges() {
        let bearer = challenge(&[
            "Basic realm=x",
            r#"Bearer scope="repository:a:pull,push",realm="https://auth/token",service="reg""#,
        ]);
        let Some(Challenge::Bearer { realm, service }) = bearer else { panic!("{bearer:?}") };
        let url = token_url(&realm, service.as_deref(), "a/b");
        assert_eq!(url.as_str(), "https://auth/token?scope=repository%3Aa%2Fb%3Apull&service=reg");
        assert_eq!(challenge(&["basic"]), Some(Challenge::Basic));
        assert_eq!(challenge(&["Bearer service=\"x\""]), None);
        assert_eq!(challenge(&["Digest realm=\"x\""]), None);
        assert_eq!(challenge(&[]), None);
    }
}
