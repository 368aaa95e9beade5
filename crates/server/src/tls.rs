//! How callers reach the server: plain, or with which certificate.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::ScaledClock;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::certificate::OwnCertificate;

/// How callers reach the server.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Plain HTTP: allowed on loopback only.
    Plain,
    /// TLS with a certificate and key in PEM files.
    Files { certificate: PathBuf, key: PathBuf },
    /// TLS with a certificate made now, and again before its 90 days are over, for these names.
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

/// None for plain HTTP.
pub(crate) fn server_config(transport: &Transport) -> Result<Option<Arc<ServerConfig>>, ListenError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let broken = |error: rustls::Error| ListenError::Generate(error.to_string());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(broken)?
        .with_no_client_auth();
    let mut config = match transport {
        Transport::Plain => return Ok(None),
        Transport::Files { certificate, key } => {
            builder.with_single_cert(read_certificates(certificate)?, read_key(key)?).map_err(broken)?
        }
        Transport::Generated { names } => {
            builder.with_cert_resolver(Arc::new(OwnCertificate::new(names, Arc::new(ScaledClock::wall()))?))
        }
    };
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
