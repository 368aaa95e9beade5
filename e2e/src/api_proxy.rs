//! What stands between a control plane and its API server, and does harm: by a seed, and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::api::entrance;
use crate::dice::Dice;

type Trouble = std::io::Error;
type Answer = Response<UnsyncBoxBody<Bytes, Trouble>>;

/// What is done to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiFault {
    /// 500, and nothing is done.
    ServerError,
    /// 429 with `Retry-After`, and nothing is done. Whoever asks before is counted.
    TooMany,
    /// 410 to a watch: as the answer, or as its first event.
    Gone,
    /// Done; the answer ends in its middle.
    Cut,
    /// Done a while later.
    Late,
    /// Done; the connection ends without an answer.
    Lost,
    /// Nothing is done, and no answer comes until the proxy is calm.
    Stall,
}

/// How many of 10,000 requests meet each fault.
pub type Rates = &'static [(ApiFault, u64)];

/// How long a server that is asked too much wants to be left alone.
const LEFT_ALONE: Duration = Duration::from_secs(2);
/// What is under way when it says so is no disobedience.
const GRACE: Duration = Duration::from_millis(500);

/// A server on loopback in front of a sandbox, one for each client whose manners are looked at.
#[derive(Debug)]
pub struct ApiProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Shared {
    /// Of the sandbox.
    folder: PathBuf,
    client: reqwest::Client,
    dice: Dice,
    rates: watch::Sender<Rates>,
    seen: Mutex<Seen>,
    hasty: AtomicU64,
}

#[derive(Debug, Default)]
struct Seen {
    faults: BTreeMap<ApiFault, u64>,
    /// Method and path of what the API server has done.
    writes: Vec<(String, String)>,
    left_alone: Option<(Instant, Instant)>,
}

impl ApiProxy {
    /// In front of the sandbox of that folder, also when it is started again. It is calm at first.
    ///
    /// # Panics
    /// When the sandbox does not run.
    pub fn start(folder: &Path, seed: u64) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).http1_only();
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            client: client.build().expect("a client"),
            dice: Dice::new(seed),
            rates: watch::Sender::new(&[]),
            seen: Mutex::default(),
            hasty: AtomicU64::new(0),
        });
        runtime.spawn(serve(listener, Arc::clone(&shared)));
        let proxy = Self { address, shared, runtime: Some(runtime) };
        let text = fs::read_to_string(folder.join("kubeconfig")).expect("the sandbox's kubeconfig");
        let (server, _) = entrance(folder).expect("a sandbox");
        fs::write(proxy.kubeconfig(), text.replace(&server, &format!("http://{address}"))).expect("a kubeconfig");
        proxy
    }

    /// A kubeconfig that leads here; the token in it is of no importance.
    pub fn kubeconfig(&self) -> PathBuf {
        self.shared.folder.join(format!("kubeconfig-{}", self.address.port()))
    }

    /// From now on it does harm.
    pub fn disturb(&self, rates: Rates) {
        self.shared.rates.send_replace(rates);
    }

    /// From now on it does none, and who waits for an answer is told that none comes.
    pub fn calm(&self) {
        self.shared.rates.send_replace(&[]);
    }

    /// How often it did what.
    pub fn faults(&self) -> BTreeMap<ApiFault, u64> {
        self.shared.seen().faults.clone()
    }

    /// How often somebody asked who had been told to wait.
    pub fn hasty(&self) -> u64 {
        self.shared.hasty.load(Ordering::Relaxed)
    }

    /// The paths that the API server was asked to delete, and did; without what a controller makes for itself.
    pub fn deleted(&self) -> BTreeSet<String> {
        let seen = self.shared.seen();
        let deleted = seen.writes.iter().filter(|(method, path)| method == "DELETE" && !path.contains("/leases/"));
        deleted.map(|(_, path)| path.clone()).collect()
    }

    /// How often the API server has done what this method asks of this path.
    pub fn done(&self, method: &str, path: &str) -> usize {
        self.shared.seen().writes.iter().filter(|(m, p)| m == method && p == path).count()
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { shared.answer(request).await }
        });
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // one that ends without an answer is what is wanted
        tokio::spawn(async move { drop(connection.await) });
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// When the connection is to end without an answer.
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Trouble> {
        self.look_at_manners();
        let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let Some(fault) = self.chosen(&request, watch) else { return self.pass(request).await };
        *self.seen().faults.entry(fault).or_default() += 1;
        match fault {
            ApiFault::ServerError => Ok(status(500, "InternalError")),
            ApiFault::TooMany => {
                let now = now();
                self.seen().left_alone = Some((now + GRACE, now + LEFT_ALONE));
                let mut answer = status(429, "TooManyRequests");
                answer.headers_mut().insert(RETRY_AFTER, LEFT_ALONE.as_secs().into());
                Ok(answer)
            }
            ApiFault::Gone if request.uri().path().len().is_multiple_of(2) => Ok(status(410, "Expired")),
            ApiFault::Gone => {
                let gone = format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", problem(410, "Expired"));
                Ok(Response::new(whole(gone)))
            }
            ApiFault::Cut => self.pass(request).await.map(cut),
            ApiFault::Late => {
                let wait = self.dice.throw("how late") / 10;
                pause(Duration::from_millis(wait)).await;
                self.pass(request).await
            }
            ApiFault::Lost => {
                drop(self.pass(request).await?.into_body().collect().await);
                Err(Trouble::other("the answer is lost"))
            }
            ApiFault::Stall => {
                let _ = self.rates.subscribe().wait_for(|rates| rates.is_empty()).await;
                Err(Trouble::other("the connection is closed"))
            }
        }
    }

    fn look_at_manners(&self) {
        let now = now();
        if self.seen().left_alone.is_some_and(|(from, until)| from < now && now < until) {
            self.hasty.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn chosen(&self, request: &Request<Incoming>, watch: bool) -> Option<ApiFault> {
        let rates = *self.rates.borrow();
        let fits = |fault: &ApiFault| match fault {
            ApiFault::Gone => watch,
            // what a watch has said is done, whatever comes after
            ApiFault::Lost => !watch,
            _ => true,
        };
        if rates.is_empty() {
            return None;
        }
        let mut thrown = self.dice.throw(&format!("{} {}", request.method(), request.uri().path()));
        rates.iter().filter(|(fault, _)| fits(fault)).find_map(|(fault, rate)| {
            let hit = thrown < *rate;
            thrown = thrown.saturating_sub(*rate);
            hit.then_some(*fault)
        })
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Answer, Trouble> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(Trouble::other)?.to_bytes();
        let (server, token) = entrance(&self.folder)?;
        let mut headers = parts.headers;
        [HOST, CONTENT_LENGTH, TRANSFER_ENCODING].iter().for_each(|name| drop(headers.remove(name)));
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().map_err(Trouble::other)?);
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let sent = self.client.request(parts.method.clone(), format!("{server}{path}")).headers(headers).body(body);
        let answer = sent.send().await.map_err(Trouble::other)?;
        if parts.method != Method::GET && answer.status().is_success() && !path.contains("dryRun=All") {
            // some clients encode more than they have to
            let plain = parts.uri.path().replace("%2D", "-").replace("%2E", ".");
            self.seen().writes.push((parts.method.to_string(), plain));
        }
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove(TRANSFER_ENCODING);
        let frames = answer.bytes_stream().map_ok(Frame::data).map_err(Trouble::other);
        // what was opened in calm does not outlast it, nor the other way round
        let (mut rates, watched) = (self.rates.subscribe(), path.contains("watch=true"));
        let frames = frames.take_until(Box::pin(async move {
            match watched {
                true => drop(rates.changed().await),
                false => std::future::pending().await,
            }
        }));
        let mut answer = Response::new(StreamBody::new(frames).boxed_unsync());
        (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
        Ok(answer)
    }
}

/// Of what comes first a half, and then no more.
fn cut(answer: Answer) -> Answer {
    answer.map(|body| {
        let first = body.into_data_stream().take(1);
        let half = first.map_ok(|bytes| Frame::data(bytes.slice(..bytes.len() / 2)));
        let end = stream::once(async { Err(Trouble::other("cut")) });
        StreamBody::new(half.chain(end)).boxed_unsync()
    })
}

fn problem(code: u16, reason: &str) -> String {
    format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","code":{code},"reason":"{reason}","message":"a fault"}}"#
    )
}

fn status(code: u16, reason: &str) -> Answer {
    let mut answer = Response::new(whole(problem(code, reason)));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    answer
}

fn whole(text: String) -> UnsyncBoxBody<Bytes, Trouble> {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

#[expect(clippy::disallowed_methods, reason = "clients keep their promises in real time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a late answer is late in real time")]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
