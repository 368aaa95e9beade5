//! Over the network: who asks for nothing is in nobody's way.

use std::net::SocketAddr;
use std::time::Duration;

use server::{Limits, Listener, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::house::House;

async fn serve(house: &House, limits: Limits) -> (SocketAddr, DropGuard) {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &Transport::Plain).await.unwrap();
    let (address, stop) = (listener.address(), CancellationToken::new());
    tokio::spawn(listener.with_limits(limits).serve(house.router(), stop.clone()));
    (address, stop.drop_guard())
}

async fn begun(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// The status of a request of its own; 0 when the connection is closed without one.
async fn ask(address: SocketAddr, path: &str) -> u16 {
    let asked = async {
        let mut stream = begun(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    };
    tokio::time::timeout(Duration::from_secs(20), asked).await.expect("an answer in time")
}

#[tokio::test]
async fn requests_that_never_end_make_room_for_those_that_do() {
    let house = House::start().await;
    let (address, _stop) = serve(&house, Limits { total: 20, per_address: 20 }).await;
    let mut open = Vec::new();
    for kind in ["", "GET", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-a", "PRI * HTTP/2.0\r\n\r\n", "\u{16}\u{3}\u{1}"] {
        for _ in 0..20 {
            open.push(begun(address, kind).await);
        }
        for path in ["/healthz", "/api/version"] {
            assert_eq!(ask(address, path).await, 200, "{path} beside {} of {kind:?}", open.len());
        }
    }
}

#[tokio::test]
async fn where_all_connections_are_at_work_health_is_still_told() {
    let house = House::start().await;
    let (address, _stop) = serve(&house, Limits { total: 4, per_address: 4 }).await;
    let post =
        "POST /api/v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(begun(address, post).await);
    }
    let full = async {
        while ask(address, "/api/version").await != 503 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), full).await.expect("the bodies are waited for, for ten seconds");
    assert_eq!(ask(address, "/healthz").await, 200);
    for mut slow in open {
        let mut answer = [0; 12];
        slow.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 408");
    }
    assert_eq!(ask(address, "/api/version").await, 200);
}
