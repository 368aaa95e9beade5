//! Where the server listens, and with which certificate.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How callers reach the server.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Plain HTTP: allowed on loopback only.
    Plain,
    /// TLS with a certificate and key in PEM files.
    Files { certificate: PathBuf, key: PathBuf },
    /// TLS with a certificate made now, for these names.
    Generated { names: Vec<String> },
}

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(
        "{0} is not a loopback address, and there the server only speaks TLS: give --tls-cert and --tls-key, or --tls-generate"
    )]
    PlainOffLoopback(IpAddr),
    #[error("cannot listen on {address}: {source}: choose another address with --listen")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("cannot use the certificate {path}: {reason}")]
    Certificate { path: PathBuf, reason: String },
    #[error("cannot generate a certificate: {0}")]
    Generate(String),
}

/// A bound socket, ready to serve.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    address: SocketAddr,
}

impl Listener {
    /// # Errors
    /// When the address is taken, or plain HTTP is asked for beyond loopback, or a certificate cannot be read.
    pub async fn bind(address: SocketAddr, transport: &Transport) -> Result<Self, ListenError> {
        if matches!(transport, Transport::Plain) && !address.ip().is_loopback() {
            return Err(ListenError::PlainOffLoopback(address.ip()));
        }
        let tls = server_config(transport)?;
        let bind = |source| ListenError::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(bind)?;
        let address = socket.local_addr().map_err(bind)?;
        Ok(Self { socket, tls, address })
    }

    /// `http://127.0.0.1:8080`, with the port that was really taken.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled. A connection that fails costs only itself.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let acceptor = self.tls.map(TlsAcceptor::from);
        loop {
            let stream = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        // out of file descriptors: give others the time to close some
                        tokio::task::yield_now().await;
                        continue;
                    }
                },
            };
            let (router, acceptor, stop) = (router.clone(), acceptor.clone(), stop.clone());
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let service = TowerToHyperService::new(router);
                let server = auto::Builder::new(TokioExecutor::new());
                let served = async {
                    match acceptor {
                        None => server.serve_connection(TokioIo::new(stream), service).await.map_err(|e| e.to_string()),
                        Some(acceptor) => {
                            let stream = acceptor.accept(stream).await.map_err(|e| e.to_string())?;
                            server.serve_connection(TokioIo::new(stream), service).await.map_err(|e| e.to_string())
                        }
                    }
                };
                tokio::select! {
                    () = stop.cancelled() => {}
                    result = served => if let Err(error) = result { tracing::debug!(%error, "connection ended") },
                }
            });
        }
    }
}

fn server_config(transport: &Transport) -> Result<Option<Arc<ServerConfig>>, ListenError> {
    let (chain, key) = match transport {
        Transport::Plain => return Ok(None),
        Transport::Files { certificate, key } => (read_certificates(certificate)?, read_key(key)?),
        Transport::Generated { names } => generate(names)?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let broken = |error: rustls::Error| ListenError::Generate(error.to_string());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(broken)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(broken)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ListenError> {
    let bad = |reason: String| ListenError::Certificate { path: path.to_owned(), reason };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(|e| bad(e.to_string()))?.collect();
    let chain = chain.map_err(|e| bad(e.to_string()))?;
    if chain.is_empty() { Err(bad("it holds no certificate: expected PEM".into())) } else { Ok(chain) }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, ListenError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| ListenError::Certificate { path: path.to_owned(), reason: error.to_string() })
}

fn generate(names: &[String]) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ListenError> {
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| ListenError::Generate(error.to_string()))?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .map_err(|error| ListenError::Generate(error.to_owned()))?;
    Ok((vec![made.cert.der().clone()], key))
}
