//! Addresses of servers as people write them, and why nobody answers at one.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use crate::failure::Failure;

/// So long the other way is tried, to say whether it would work.
const GLANCE: Duration = Duration::from_secs(3);
const FORM: &str = "write http://HOST:PORT or https://HOST:PORT";

/// The URL that somebody means, without a slash at its end; https unless they say otherwise.
///
/// # Errors
/// When it cannot be the address of a server.
pub(crate) fn parse(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let said = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let wrong = |why: &str| {
        Failure::usage(format!("{:?} is no address of a server: {why}", object::without_credentials(text))).hint(FORM)
    };
    let url = Url::parse(&said).map_err(|error| wrong(&error.to_string()))?;
    match url.scheme() {
        _ if url.host_str().is_none() => Err(wrong("it names no host")),
        "http" | "https" if !url.username().is_empty() || url.password().is_some() => {
            Err(wrong("it names a user: say who logs in with --username"))
        }
        "http" | "https" if url.query().is_some() || url.fragment().is_some() => {
            Err(wrong("nothing may follow a ? or #"))
        }
        "http" | "https" => Ok(url.as_str().trim_end_matches('/').to_owned()),
        other => Err(wrong(&format!("{other} is neither http nor https"))),
    }
}

/// Why nobody answered at `base`. Where the same address would work by the other scheme, that one is named: it is asked for
/// its version, and nothing else is said to it.
pub(crate) async fn silent(base: &str, error: reqwest::Error, http: &reqwest::Client) -> Failure {
    let place = place(base);
    let check = "is it running there (gantline serve, gantline demo), and is the port right?";
    let causes = causes(&error);
    let io = causes.iter().find_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    if let Some(refused) = untrusted(&causes) {
        return Failure::new(format!("the certificate of {place} is not trusted: {refused}"))
            .hint("--ca FILE trusts the authority that signed it; --insecure trusts any");
    }
    if io == Some(ErrorKind::ConnectionRefused) {
        return Failure::new(format!("nothing listens at {base}: the connection is refused")).hint(check);
    }
    if error.is_timeout() {
        return Failure::new(format!("{base} does not answer")).hint(check);
    }
    if causes.iter().any(|cause| cause.to_string().starts_with("dns error")) {
        return Failure::new(format!("there is no host {place}: its name cannot be resolved")).hint(FORM);
    }
    let other = swapped(base);
    let (spoken, tried) = if other.starts_with("https") { ("HTTPS", "plain HTTP") } else { ("plain HTTP", "HTTPS") };
    let speaks = |hint: String| Failure::new(format!("{place} speaks {spoken}, not {tried}")).hint(hint);
    match glance(&other, http).await {
        Glance::Ours => speaks(format!("use {other}")),
        Glance::Untrusted => speaks(format!(
            "use {other} with --ca FILE or --insecure: its certificate is signed by nobody who is trusted"
        )),
        Glance::Foreign => speaks(format!("and what answers {other} is no Gantline server: is the port right?")),
        Glance::Silent => {
            let why = Failure::from(error).message;
            Failure::new(format!("{base} does not answer as a server does: {why}")).hint(check)
        }
    }
}

/// What answered at `base` is something else.
pub(crate) fn foreign(base: &str, what: &str) -> Failure {
    Failure::new(format!("{base} is no Gantline server: it answers {what}"))
        .hint("name the address of a Gantline server: gantline login URL")
}

/// What is at an address.
enum Glance {
    Ours,
    /// By TLS, with a certificate that is not trusted.
    Untrusted,
    Foreign,
    Silent,
}

async fn glance(base: &str, http: &reqwest::Client) -> Glance {
    let answer = match http.get(format!("{base}/api/version")).timeout(GLANCE).send().await {
        Ok(answer) => answer.json::<Value>().await,
        Err(error) if untrusted(&causes(&error)).is_some() => return Glance::Untrusted,
        Err(_) => return Glance::Silent,
    };
    if answer.is_ok_and(|answer| answer["Version"].is_string()) { Glance::Ours } else { Glance::Foreign }
}

/// Why a certificate is not believed.
fn untrusted(causes: &[Cause<'_>]) -> Option<String> {
    causes.iter().find_map(|cause| match cause.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(why) => Some(format!("{why}")),
        _ => None,
    })
}

type Cause<'e> = &'e (dyn Error + 'static);

/// An error and all that it came of.
fn causes(error: Cause<'_>) -> Vec<Cause<'_>> {
    std::iter::successors(Some(error), |last| cause(*last)).collect()
}

/// Errors of the system hold theirs inside.
fn cause(error: Cause<'_>) -> Option<Cause<'_>> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// Host and port.
fn place(base: &str) -> String {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

/// By the other scheme.
fn swapped(base: &str) -> String {
    match base.strip_prefix("https://") {
        Some(rest) => format!("http://{rest}"),
        None => base.replacen("http://", "https://", 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, url) in [
            ("127.0.0.1:8080", "https://127.0.0.1:8080"),
            ("cd.example.com/", "https://cd.example.com"),
            (" http://127.0.0.1:8080/ ", "http://127.0.0.1:8080"),
            ("https://host/gantline/", "https://host/gantline"),
            ("[::1]:8080", "https://[::1]:8080"),
        ] {
            assert_eq!(parse(text).unwrap(), url, "{text}");
        }
        for (text, why) in [
            ("not a url", "invalid"),
            ("", "empty host"),
            ("ftp://host", "ftp is neither http nor https"),
            ("http://host:99999", "port"),
            ("http://me:secret@host", "--username"),
            ("http://host/?x", "follow"),
            ("http://", "empty host"),
        ] {
            let failure = parse(text).unwrap_err();
            assert_eq!(failure.code, crate::failure::Code::Usage, "{text}");
            assert!(failure.message.contains(why), "{text}: {}", failure.message);
            assert_eq!(failure.hint.as_deref(), Some(FORM));
        }
    }

    #[test]
    fn an_address_has_another_scheme_and_a_place() {
        assert_eq!(swapped("https://h:1/x"), "http://h:1/x");
        assert_eq!(swapped("http://h:1"), "https://h:1");
        assert_eq!(place("http://h:1/x"), "h:1");
    }
}
