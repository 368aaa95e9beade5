//! The sandbox's certificate, made anew for each start, and the listener that shows it. `kubectl` sends a token to nobody who
//! has none.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// Who says nothing for so long while a connection begins is forgotten.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Certificate {
    /// Whom to trust, in PEM.
    pub(crate) authority: String,
    config: Arc<ServerConfig>,
}

impl Certificate {
    /// For these names and addresses.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub(crate) fn make(names: Vec<String>) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut root = CertificateParams::new(Vec::new())?;
        root.distinguished_name.push(DnType::CommonName, "gantline sandbox");
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let root_key = KeyPair::generate()?;
        let authority = root.self_signed(&root_key)?.pem();
        let mut leaf = CertificateParams::new(names)?;
        leaf.distinguished_name.push(DnType::CommonName, "gantline sandbox API");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &Issuer::new(root, root_key))?;
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Self { authority, config: Arc::new(config) })
    }
}

/// Connections that have shown each other who they are. Each does so by itself: who is slow holds up nobody.
pub(crate) struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    pub(crate) fn new(listener: TcpListener, certificate: &Certificate, stop: CancellationToken) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(Arc::clone(&certificate.config));
        let (send, ready) = mpsc::channel(64);
        tokio::spawn(async move {
            stop.run_until_cancelled(accept(listener, acceptor, send)).await;
        });
        Ok(Self { address, ready })
    }
}

async fn accept(
    mut listener: TcpListener,
    acceptor: TlsAcceptor,
    send: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    loop {
        // axum's waits where the machine has no more file descriptors
        let (stream, from) = Listener::accept(&mut listener).await;
        let (acceptor, send) = (acceptor.clone(), send.clone());
        tokio::spawn(async move {
            // answers are small and waited for
            let _ = stream.set_nodelay(true);
            match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                // nobody takes it any more when the sandbox has stopped
                Ok(Ok(stream)) => drop(send.send((stream, from)).await),
                Ok(Err(error)) => tracing::debug!(%error, "a connection did not begin"),
                Err(_) => tracing::debug!("a connection did not begin in time"),
            }
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
