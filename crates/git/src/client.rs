//! All HTTP requests: which machines they may go to, who sees credentials, and how redirects are followed.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION};
use reqwest::{Method, Response};
use url::{Host, Url};

use crate::policy::Zone;
use crate::{Credentials, Policy, Reach};

const CONNECT: Duration = Duration::from_secs(10);
/// No byte for this long: the server is gone.
const SILENCE: Duration = Duration::from_secs(30);
const REDIRECTS_MAX: usize = 5;

/// HTTP clients by what they trust and reach: making one takes longer than a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients(Arc<Mutex<HashMap<Key, reqwest::Client>>>);

/// Certificates to trust, whether any is trusted, and where it may go.
type Key = (String, bool, Zone);

impl Clients {
    fn get(&self, trust: &(String, bool), zone: Zone) -> Result<reqwest::Client, String> {
        let key = (trust.0.clone(), trust.1, zone);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(&key) {
            return Ok(client.clone());
        }
        let client =
            build(trust, Resolver { zone: key.2.clone(), names: look_up }).map_err(|error| error.to_string())?;
        known.insert(key, client.clone());
        Ok(client)
    }
}

fn build(
    (ca_pem, insecure): &(String, bool),
    resolver: Resolver<impl Names>,
) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent("git/gantline")
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(resolver)
        .tls_danger_accept_invalid_certs(*insecure);
    if !ca_pem.is_empty() {
        builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(ca_pem.as_bytes())?);
    }
    builder.build()
}

/// Gives only addresses that may be connected to: what was checked is what is connected to.
struct Resolver<N> {
    zone: Zone,
    names: N,
}

/// Says where a host is: the machine's own resolver.
trait Names: Fn(String, u16) -> Found + Clone + Send + Sync + 'static {}

impl<F: Fn(String, u16) -> Found + Clone + Send + Sync + 'static> Names for F {}

type Found = BoxFuture<'static, std::io::Result<Vec<SocketAddr>>>;

fn look_up(host: String, port: u16) -> Found {
    Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
}

impl<N: Names> Resolve for Resolver<N> {
    fn resolve(&self, name: Name) -> Resolving {
        let (zone, names) = (self.zone.clone(), self.names.clone());
        Box::pin(async move {
            let found = checked(&zone, name.as_str(), names(name.as_str().to_owned(), 0).await)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The addresses of a host. One that may not be asked spoils them all: the name is not what it seems.
///
/// # Errors
/// When there are none, or the zone does not hold one of them.
pub(crate) async fn resolve(zone: &Zone, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    checked(zone, host, look_up(host.to_owned(), port).await)
}

fn checked(zone: &Zone, host: &str, found: std::io::Result<Vec<SocketAddr>>) -> Result<Vec<SocketAddr>, String> {
    let found = found.map_err(|error| format!("{host}: {error}"))?;
    found.iter().try_for_each(|address| zone.check(host, address.ip()))?;
    Ok(found)
}

/// Why there is no answer, without credentials.
#[derive(Debug)]
pub(crate) struct NoAnswer(String);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<reqwest::Error> for NoAnswer {
    /// The last cause says most, and holds no address with a token in it.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Self(cause.to_string())
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) body: Vec<u8>,
    /// Longest time for the whole answer.
    pub(crate) timeout: Option<Duration>,
    /// What is sent must not come to another server, wherever that one redirects to.
    pub(crate) confidential: bool,
    /// The first server may see the credentials although it is not the home.
    pub(crate) everywhere: bool,
}

impl<'a> Ask<'a> {
    pub(crate) fn get(url: Url, authorization: Option<&'a str>) -> Self {
        let (headers, body) = Default::default();
        let (timeout, confidential, everywhere) = (None, false, false);
        Self { method: Method::GET, url, headers, authorization, body, timeout, confidential, everywhere }
    }
}

/// An answer, and whether it is of a server that may see the credentials: only such a one may ask for a login.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) trusted: bool,
}

/// Asks on behalf of one place.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    clients: Clients,
    trust: (String, bool),
    /// Credentials go there, and if it was configured its address may be private.
    home: Url,
    reach: Reach,
}

impl Client {
    /// # Errors
    /// When the certificates cannot be read.
    pub(crate) fn new(clients: &Clients, home: &Url, from: &Credentials, policy: &Policy) -> Result<Self, String> {
        let trust = (from.ca_pem.clone(), from.insecure);
        let client = Self { clients: clients.clone(), trust, home: home.clone(), reach: policy.reach.clone() };
        client.clients.get(&client.trust, client.zone(home, true))?;
        Ok(client)
    }

    /// On behalf of a server that another one named.
    pub(crate) fn at(&self, home: &Url) -> Self {
        let reach = match &self.reach {
            Reach::Configured(permitted) if home.origin() != self.home.origin() => Reach::Found(permitted.clone()),
            reach => reach.clone(),
        };
        Self { home: home.clone(), reach, ..self.clone() }
    }

    pub(crate) fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.home.origin()
    }

    /// Asks, and follows redirects. Credentials are seen by the home, and by itself once it asks for https; who was
    /// sent elsewhere never brings them again, not even back to the home.
    ///
    /// # Errors
    /// When nobody answers, an address may not be asked, or redirects lead nowhere.
    pub(crate) async fn send(&self, ask: Ask<'_>) -> Result<Answer, NoAnswer> {
        let mut url = ask.url.clone();
        let mut trusted = self.is_home(&url) || ask.everywhere;
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send_once(&ask, &url, trusted).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(Answer { response, trusted });
            }
            let target = redirected(&url, &response)?;
            trusted &= target.origin() == url.origin() || is_upgrade(&url, &target);
            if ask.confidential && !trusted {
                return Err(NoAnswer(format!("it redirects what is confidential to {}", shown(&target))));
            }
            url = target;
        }
        Err(NoAnswer(format!("more than {REDIRECTS_MAX} redirects")))
    }

    async fn send_once(&self, ask: &Ask<'_>, url: &Url, trusted: bool) -> Result<Response, NoAnswer> {
        let zone = self.zone(url, trusted);
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(_)) | None => None,
        };
        // names are checked when they are resolved
        literal.map_or(Ok(()), |ip| zone.check(&ip.to_string(), ip)).map_err(NoAnswer)?;
        let client = self.clients.get(&self.trust, zone).map_err(NoAnswer)?;
        let mut request = client.request(ask.method.clone(), url.clone()).headers(ask.headers.clone());
        if let Some(value) = ask.authorization.filter(|_| trusted) {
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(timeout) = ask.timeout {
            request = request.timeout(timeout);
        }
        if !ask.body.is_empty() {
            request = request.body(ask.body.clone());
        }
        Ok(request.send().await?)
    }

    fn zone(&self, url: &Url, trusted: bool) -> Zone {
        let Some(permitted) = self.reach.permitted().cloned() else { return Zone::Anywhere };
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        if permitted.names(host, port) {
            return Zone::Anywhere;
        }
        match &self.reach {
            Reach::Configured(_) if self.is_home(url) || (trusted && is_upgrade(&self.home, url)) => {
                Zone::Private(permitted)
            }
            _ => Zone::Public(permitted),
        }
    }
}

/// Where it leads, without user information: nobody is logged in by an address.
fn redirected(from: &Url, response: &Response) -> Result<Url, NoAnswer> {
    let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = target.and_then(|value| from.join(value).ok());
    let mut target = target.ok_or_else(|| NoAnswer("a redirect without a target".to_owned()))?;
    if !matches!(target.scheme(), "http" | "https") || (from.scheme() == "https" && target.scheme() == "http") {
        return Err(NoAnswer(format!("it redirects from {} to {}", from.scheme(), target.scheme())));
    }
    let _ = target.set_username("");
    let _ = target.set_password(None);
    Ok(target)
}

/// Whether this is the same host on the usual ports, with TLS from now on.
fn is_upgrade(from: &Url, to: &Url) -> bool {
    let usual = from.port().is_none() && to.port().is_none();
    from.scheme() == "http" && to.scheme() == "https" && usual && from.host_str() == to.host_str()
}

/// Without a query, which may be a token.
fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use test_support::{Answer, WebServer};

    use super::*;
    use crate::Permitted;

    /// A name that is something else each time: the connection goes to the address that was checked, and who is asked
    /// again is checked again.
    #[tokio::test]
    async fn a_name_that_changes_its_address_leads_to_none_that_was_not_checked() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let public = WebServer::start(|_| Answer::ok("public").header("connection", "close"));
        let port: u16 = public.host().rsplit_once(':').unwrap().1.parse().unwrap();
        let [outside, inside] = [1, 2].map(|last| SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port)));
        let private = std::net::TcpListener::bind(inside).unwrap();
        private.set_nonblocking(true).unwrap();
        // what is public here
        let zone = Zone::Public(Permitted::new("127.0.0.1"));
        let answers = [vec![outside], vec![inside], vec![outside, inside], vec![outside]];
        let asked = Arc::new(AtomicUsize::new(0));
        let names = {
            let asked = Arc::clone(&asked);
            move |_: String, _: u16| -> Found {
                let found = answers[asked.fetch_add(1, Ordering::SeqCst)].clone();
                Box::pin(async move { Ok(found) })
            }
        };
        let client = build(&(String::new(), false), Resolver { zone, names }).unwrap();
        for (number, passes) in [true, false, false, true].into_iter().enumerate() {
            let answer = client.get(format!("http://rebinds.test:{port}/")).send().await;
            assert_eq!(asked.load(Ordering::SeqCst), number + 1, "a name is asked for once for each connection");
            assert_eq!(answer.is_ok(), passes, "{number}: {answer:?}");
            if let Err(error) = answer {
                let error = NoAnswer::from(error).to_string();
                assert!(error.contains("127.0.0.2, a private address"), "{error}");
            }
        }
        assert_eq!(public.requests().len(), 2);
        assert_eq!(private.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody came here");
    }
}
