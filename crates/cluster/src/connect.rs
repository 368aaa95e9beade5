//! How a cluster is reached.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clock::Clock;
use http::{Request, Response, Uri};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use kube::Config;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tokio::sync::Semaphore;
use tower::{BoxError, Service, ServiceBuilder};

use crate::ClusterError;
use crate::discovery::Discovered;

/// Which API server to talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A kubeconfig file (absent: where kubectl looks) and a context in it (absent: the current one).
    Kubeconfig { path: Option<PathBuf>, context: Option<String> },
    /// The cluster that this process runs in, by its service account.
    InCluster,
}

/// An API server by its address, and how to log in: a token, a name with a password, or a certificate. The fields that
/// end in `data` are base64 of PEM. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    pub server: String,
    pub token: String,
    pub username: String,
    pub password: String,
    pub certificate_data: String,
    pub key_data: String,
    /// Who signs the server's certificate; empty: whom the system trusts.
    pub authority_data: String,
    /// Do not verify the server's certificate.
    pub insecure: bool,
    /// The name in the server's certificate; empty: the address's.
    pub server_name: String,
    /// `http`, `https` or `socks5`; empty: none.
    pub proxy: String,
}

/// What one API server is asked at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests under way; watches count until they are open.
    pub at_once: usize,
    /// From the wish to the whole answer, or to the beginning of a stream.
    pub answer_within: Duration,
}

impl Default for Limits {
    /// The time is longer than the API server's own limit for one request (60 s).
    fn default() -> Self {
        Self { at_once: 64, answer_within: Duration::from_secs(70) }
    }
}

const SILENT: Duration = Duration::from_secs(180);
/// So long a connection says nothing before it is asked whether the other side is still there; then how often, and when
/// again.
const ALIVE: Duration = Duration::from_secs(30);
const ALIVE_AGAIN: Duration = Duration::from_secs(10);
const ALIVE_TRIES: u32 = 3;

/// A connection to one Kubernetes API. Clones share it.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: kube::Client,
    pub(crate) discovered: Arc<Discovered>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) answer_within: Duration,
    /// The server sends a bookmark every minute: a watch that says nothing for so long is asked anew.
    pub(crate) silent_after: Duration,
    /// Until when the server wants to be left alone.
    pub(crate) left_alone: Arc<Mutex<Timestamp>>,
    address: Arc<str>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("address", &self.address).finish_non_exhaustive()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Reads the configuration. No request is made yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the configuration cannot be read or names files that are not there.
    pub async fn connect(target: &Target, clock: Arc<dyn Clock>) -> Result<Self, ClusterError> {
        Self::configured(configuration(target).await?, clock)
    }

    /// As [`Cluster::connect`], with what somebody wrote down.
    ///
    /// # Errors
    /// When something in it cannot be read.
    pub fn log_in(login: &Login, clock: Arc<dyn Clock>) -> Result<Self, ClusterError> {
        Self::configured(login.configuration()?, clock)
    }

    fn configured(mut config: Config, clock: Arc<dyn Clock>) -> Result<Self, ClusterError> {
        // watches are renewed by the server within ten minutes; reconcilers do their own retries
        config.read_timeout = Some(std::time::Duration::from_secs(660));
        config.default_retry = false;
        let address = config.cluster_url.to_string();
        let client = client(config).map_err(|error| failure(&error))?;
        Ok(Self::with_client(client, clock, &address))
    }

    /// A cluster served by a tower service in this process: an `axum::Router`, or anything that answers like one.
    pub fn from_service<S, B>(service: S, clock: Arc<dyn Clock>) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::with_client(kube::Client::new(service, "default"), clock, "http://in-process")
    }

    fn with_client(client: kube::Client, clock: Arc<dyn Clock>, address: &str) -> Self {
        let Limits { at_once, answer_within } = Limits::default();
        Self {
            client,
            discovered: Arc::default(),
            clock,
            turns: Arc::new(Semaphore::new(at_once)),
            answer_within,
            silent_after: SILENT,
            left_alone: Arc::new(Mutex::new(Timestamp::MIN)),
            address: address.trim_end_matches('/').into(),
        }
    }

    /// The same server within other limits.
    #[must_use]
    pub fn limited(self, limits: Limits) -> Self {
        let turns = Arc::new(Semaphore::new(limits.at_once.max(1)));
        Self { turns, answer_within: limits.answer_within, ..self }
    }

    /// The same server, whose watches are taken up anew when they say nothing for so long.
    #[must_use]
    pub fn silent_after(self, silent_after: Duration) -> Self {
        Self { silent_after, ..self }
    }

    /// The server asks to be left alone for a time, whoever asks.
    pub(crate) fn leave_alone(&self, time: Duration) {
        let until = clock::after(self.clock.now(), time);
        let mut left_alone = self.left_alone.lock().unwrap_or_else(PoisonError::into_inner);
        *left_alone = until.max(*left_alone);
    }

    /// Ends when the server may be asked.
    pub(crate) async fn may_be_asked(&self) {
        let until = *self.left_alone.lock().unwrap_or_else(PoisonError::into_inner);
        if until > self.clock.now() {
            self.clock.sleep_until(until).await;
        }
    }

    /// The API server's address, for people.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}

/// As kube makes it, with connections that ask whether the server is still there: one that went without a word, as by a
/// firewall that forgot it, costs the patience of one request else. Behind a proxy the connection is the proxy's, and kube traces
/// the requests.
fn client(config: Config) -> Result<kube::Client, kube::Error> {
    if config.proxy_url.is_some() {
        return kube::Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_keepalive(Some(ALIVE));
    tcp.set_keepalive_interval(Some(ALIVE_AGAIN));
    tcp.set_keepalive_retries(Some(ALIVE_TRIES));
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector));
    Ok(ClientBuilder::new(service, config.default_namespace).build())
}

impl Login {
    fn configuration(&self) -> Result<Config, ClusterError> {
        let mut config = Config::new(uri("server", &self.server)?);
        config.accept_invalid_certs = self.insecure;
        config.root_cert = some(&self.authority_data).map(certificates).transpose()?;
        config.tls_server_name = some(&self.server_name).map(str::to_owned);
        config.proxy_url = some(&self.proxy).map(|proxy| uri("proxyUrl", proxy)).transpose()?;
        let user = json!({
            "token": some(&self.token),
            "username": some(&self.username),
            "password": some(&self.password),
            "client-certificate-data": some(&self.certificate_data),
            "client-key-data": some(&self.key_data),
        });
        config.auth_info = serde_json::from_value(user).map_err(|error| failure(&error))?;
        Ok(config)
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn uri(field: &str, text: &str) -> Result<Uri, ClusterError> {
    let parsed: Result<Uri, _> = text.parse();
    let whole = parsed.ok().filter(|uri| uri.scheme().is_some() && uri.host().is_some());
    whole.ok_or_else(|| ClusterError::Config { message: format!("{field} {text:?} is not an address with a scheme") })
}

/// The certificates in base64 of PEM, as DER.
fn certificates(data: &str) -> Result<Vec<Vec<u8>>, ClusterError> {
    let unreadable = |why: String| ClusterError::Config { message: format!("caData is not base64 of PEM: {why}") };
    let pem = STANDARD.decode(data.trim()).map_err(|error| unreadable(error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| unreadable(error.to_string()))?;
    if found.is_empty() {
        return Err(unreadable("there is no certificate in it".to_owned()));
    }
    Ok(found.iter().map(|certificate| certificate.to_vec()).collect())
}

async fn configuration(target: &Target) -> Result<Config, ClusterError> {
    match target {
        Target::InCluster => Config::incluster().map_err(|error| failure(&error)),
        Target::Kubeconfig { path, context } => {
            let file = match path {
                Some(path) => Kubeconfig::read_from(path),
                None => Kubeconfig::read(),
            };
            let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
            let file = file.map_err(|error| failure(&error))?;
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| failure(&error))
        }
    }
}

fn failure(error: &dyn std::error::Error) -> ClusterError {
    ClusterError::Config { message: crate::request::chain(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong, if anything is.
    fn check(change: impl FnOnce(&mut Login), expected: Option<&str>) {
        let mut login = Login { server: "https://x:6443".to_owned(), ..Login::default() };
        change(&mut login);
        let problem = login.configuration().err().map(|error| error.to_string());
        assert_eq!(problem.as_deref(), expected);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        check(|_| {}, None);
        check(|login| login.proxy = "socks5://proxy:1080".to_owned(), None);
        check(
            |login| login.server = "x".to_owned(),
            Some(r#"cannot connect: server "x" is not an address with a scheme"#),
        );
        check(
            |login| login.proxy = "proxy".to_owned(),
            Some(r#"cannot connect: proxyUrl "proxy" is not an address with a scheme"#),
        );
        check(
            |login| login.authority_data = "eA==".to_owned(),
            Some("cannot connect: caData is not base64 of PEM: there is no certificate in it"),
        );
    }

    #[test]
    fn a_login_is_not_printed() {
        let login = Login { token: "t0k3n".to_owned(), password: "s3cret".to_owned(), ..Login::default() };
        assert_eq!(format!("{login:?}"), "Login { server: \"\", .. }");
    }

    /// The kind of the timer of the connection to a port here, and when it goes off.
    #[cfg(target_os = "linux")]
    fn timer_to(port: u16) -> (String, String) {
        // local address, its own; remote address, the server's; state; queues; timer
        let all = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        let to_server = format!("0100007F:{port:04X}");
        let mut rows = all.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| row.get(2) == Some(&to_server.as_str())).unwrap();
        let (kind, at) = row[5].split_once(':').unwrap();
        (kind.to_owned(), at.to_owned())
    }

    /// By what the kernel says of the connection: which timer runs, and when it goes off.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_connection_asks_whether_the_server_is_still_there() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        const KEEPALIVE: &str = "02";
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let login = Login { server: format!("http://127.0.0.1:{port}"), ..Login::default() };
        let cluster =
            Cluster::log_in(&login, Arc::new(clock::ManualClock::starting_at(Timestamp::UNIX_EPOCH))).unwrap();
        let client = cluster.client.clone();
        let asked = async move { client.apiserver_version().await };
        let answered = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut begun = [0; 1024];
            let _ = connection.read(&mut begun).await.unwrap();
            let mut timer = timer_to(port);
            // until what was sent is acknowledged another one runs
            for _ in 0..1000 {
                if timer.0 == KEEPALIVE {
                    break;
                }
                tokio::task::yield_now().await;
                timer = timer_to(port);
            }
            connection.write_all(b"HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            timer
        };
        let (_, timer) = tokio::join!(asked, answered);
        let (kind, at) = timer;
        let hundredths = u64::from_str_radix(&at, 16).unwrap();
        assert!(kind == KEEPALIVE && hundredths <= 3_100, "{kind}: in {hundredths} hundredths of a second");
    }
}
