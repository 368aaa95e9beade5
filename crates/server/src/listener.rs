//! Where the server listens: connections in, requests to the router.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{self, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustix::process::{Resource, getrlimit};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::connections::{Connection, Connections, Limits, Peer, Request};
use crate::error::ApiError;
use crate::overview::pause;
use crate::proxies::{Network, origin};
use crate::tls::{self, ListenError, Transport};

/// How often connections are asked whether they have taken too long.
const SWEEP: Duration = Duration::from_secs(1);
/// After a connection could not be accepted, mostly for want of file descriptors.
const BREATH: Duration = Duration::from_millis(100);
/// Bytes of the head of a request, and of all headers together.
const LARGEST_HEAD: u32 = 32 * 1024;
/// Requests at a time on one connection.
const STREAMS: u32 = 64;

/// A bound socket, ready to serve.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    address: SocketAddr,
    limits: Limits,
    proxies: Arc<[Network]>,
}

impl Listener {
    /// # Errors
    /// When the address is taken, or plain HTTP is asked for beyond loopback, or a certificate cannot be read.
    pub async fn bind(address: SocketAddr, transport: &Transport) -> Result<Self, ListenError> {
        if matches!(transport, Transport::Plain) && !address.ip().is_loopback() {
            return Err(ListenError::PlainOffLoopback(address.ip()));
        }
        let tls = tls::server_config(transport)?;
        let bind = |source| ListenError::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(bind)?;
        let address = socket.local_addr().map_err(bind)?;
        let limits = Limits::of_files(getrlimit(Resource::Nofile).current);
        Ok(Self { socket, tls, address, limits, proxies: Arc::default() })
    }

    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Believes these in where requests come from.
    #[must_use]
    pub fn trusting(self, proxies: Vec<Network>) -> Self {
        Self { proxies: proxies.into(), ..self }
    }

    /// `http://127.0.0.1:8080`, with the port that was really taken.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled. A connection that fails costs only itself; one that asks for nothing goes after
    /// some seconds, or as soon as another one needs its place.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let door = Door { acceptor: self.tls.map(TlsAcceptor::from), router, proxies: self.proxies };
        let connections = Connections::new(self.limits);
        let mut sweep = tokio::time::interval(SWEEP);
        let mut failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                now = sweep.tick() => connections.sweep(now),
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, from)) => {
                        failing = false;
                        if let Some(connection) = connections.admit(from.ip()) {
                            tokio::spawn(attend(stream, door.clone(), connection, stop.clone()));
                        }
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut failing, true) {
                            tracing::warn!(%error, "connections cannot be accepted; it is tried again");
                        }
                        connections.make_room();
                        pause(BREATH).await;
                    }
                },
            }
        }
    }
}

/// What all connections come in by.
#[derive(Clone)]
struct Door {
    acceptor: Option<TlsAcceptor>,
    router: Router,
    proxies: Arc<[Network]>,
}

/// One connection to its end.
async fn attend(stream: TcpStream, door: Door, connection: Connection, stop: CancellationToken) {
    let end = connection.end.clone();
    let served = async {
        let _ = stream.set_nodelay(true);
        match door.acceptor.clone() {
            None => speak(stream, door, connection).await,
            Some(acceptor) => speak(acceptor.accept(stream).await.map_err(|e| e.to_string())?, door, connection).await,
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = end.cancelled() => {}
        result = served => if let Err(error) = result { tracing::debug!(%error, "connection ended") },
    }
}

async fn speak<S>(stream: S, door: Door, connection: Connection) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Arc::new(connection);
    let service = hyper::service::service_fn(move |request| answer(door.clone(), request, Arc::clone(&connection)));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().max_buf_size(LARGEST_HEAD as usize);
    server.http2().max_header_list_size(LARGEST_HEAD).max_concurrent_streams(STREAMS);
    server.serve_connection(TokioIo::new(stream), service).await.map_err(|error| error.to_string())
}

async fn answer(
    mut door: Door,
    mut request: http::Request<Incoming>,
    connection: Arc<Connection>,
) -> Result<Response, std::convert::Infallible> {
    let held = connection.begin();
    if connection.reserved && request.uri().path() != "/healthz" {
        return Ok(full());
    }
    let from = origin(&door.proxies, connection.address, request.headers());
    request.extensions_mut().insert(Peer(from));
    let response = door.router.call(request).await?;
    Ok(response.map(|body| Body::new(Held { body, held })))
}

fn full() -> Response {
    let message = "this server has as many connections as it can have: try again in some seconds";
    let mut response = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A body whose connection is at work until it ends.
#[derive(Debug)]
struct Held {
    body: Body,
    held: Request,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(_) => self.held.sends(),
            Poll::Pending => self.held.works(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
