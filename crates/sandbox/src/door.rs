//! Who may come in by HTTP: whoever calls the server by a name that is its own, from no other page, with its token.
//!
//! A browser sends requests for whatever page it shows. A page whose name is made to lead to this machine still says its own
//! name in `Host`; a page that calls this machine by the right name still says where it comes from in `Origin`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use subtle::ConstantTimeEq;

use crate::http::refused;
use crate::status::{Answer, Failure};

/// What a request must have to get in.
#[derive(Clone)]
pub struct Door {
    address: IpAddr,
    names: Arc<[String]>,
    token: Option<Arc<str>>,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, names) = (&self.address, &self.names);
        f.debug_struct("Door").field("address", address).field("names", names).finish_non_exhaustive()
    }
}

impl Door {
    /// For a server at this address: it may be called so, by the names of loopback, and by `names`.
    pub fn new(address: SocketAddr, names: &[String]) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { address: address.ip(), names, token: None }
    }

    /// Demands `Authorization: Bearer TOKEN` as well.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// The same service behind the door.
    pub fn guard(self, router: Router) -> Router {
        router.layer(from_fn_with_state(self, enter))
    }

    fn check(&self, request: &Parts) -> Answer<()> {
        let asked = request.headers.get_all(HOST).iter().map(|host| host.to_str().ok()?.parse::<Authority>().ok());
        let called: Option<Vec<Authority>> =
            request.uri.authority().cloned().map(Some).into_iter().chain(asked).collect();
        let called = called.unwrap_or_default();
        if called.is_empty() || !called.iter().all(|name| self.is_own(name.host())) {
            let name = called.first().map_or("no name", Authority::as_str);
            let why = "call it localhost or by the address it listens on, or let it know the name with --sandbox-host";
            return Err(Failure::new(421, "MisdirectedRequest", format!("the sandbox is not called {name}: {why}")));
        }
        if request.headers.get_all(ORIGIN).iter().any(|origin| !is_same(origin.as_bytes(), &called)) {
            let why = "the sandbox answers no requests of web pages from elsewhere";
            return Err(Failure::new(403, "Forbidden", why));
        }
        match &self.token {
            Some(token) if !bears(request, token) => Err(Failure::new(401, "Unauthorized", "Unauthorized")),
            _ => Ok(()),
        }
    }

    fn is_own(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().map(|ip| ip.to_canonical());
        match address {
            Ok(address) => address.is_loopback() || address == self.address || self.names.contains(&host),
            Err(_) => host == "localhost" || self.names.contains(&host),
        }
    }
}

/// Whether a page comes from the very server that it asks.
fn is_same(origin: &[u8], called: &[Authority]) -> bool {
    let origin = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
    origin.is_some_and(|origin| called.iter().all(|name| origin.eq_ignore_ascii_case(name.as_str().as_bytes())))
}

fn bears(request: &Parts, token: &str) -> bool {
    let mut given = request.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return false };
    let bearer = value.as_bytes().split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    bearer.is_some_and(|(_, given)| given.trim_ascii().ct_eq(token.as_bytes()).into())
}

async fn enter(State(door): State<Door>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match door.check(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(failure) => refused(&failure),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn check(door: &Door, headers: &[(&str, &str)], expected: u16) {
        let router = door.clone().guard(Router::new().route("/", get(|| async { "a Secret" })));
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), expected, "{headers:?}");
    }

    #[tokio::test]
    async fn only_names_of_its_own_open_the_door() {
        let door = Door::new(([192, 0, 2, 7], 6443).into(), &["Stage.internal".to_owned()]);
        let own = ["localhost", "LOCALHOST:1", "localhost.:8001", "127.0.0.1:8001", "127.9.9.9", "[::1]:8001"];
        for host in own.into_iter().chain(["[::ffff:127.0.0.1]", "192.0.2.7:6443", "stage.internal:6443"]) {
            check(&door, &[("host", host)], 200).await;
        }
        let foreign = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8001", "192.0.2.8", "0.0.0.0"];
        for host in foreign.into_iter().chain(["", "user@evil.example", "2130706433", "[::2]", "evil\\localhost"]) {
            check(&door, &[("host", host)], 421).await;
        }
        check(&door, &[], 421).await;
        check(&door, &[("host", "localhost"), ("host", "evil.example")], 421).await;
    }

    #[tokio::test]
    async fn pages_from_elsewhere_stay_outside() {
        let door = Door::new(([127, 0, 0, 1], 8001).into(), &[]);
        let host = ("host", "localhost:8001");
        check(&door, &[host, ("origin", "http://localhost:8001")], 200).await;
        check(&door, &[host, ("origin", "https://localhost:8001")], 200).await;
        for origin in ["null", "", "http://localhost:3000", "http://localhost", "http://evil.example", "file://"] {
            check(&door, &[host, ("origin", origin)], 403).await;
        }
    }

    #[tokio::test]
    async fn a_token_is_demanded_where_there_is_one() {
        let door = Door::new(([127, 0, 0, 1], 8001).into(), &[]).with_token("c0ffee");
        let host = ("host", "localhost:8001");
        check(&door, &[host, ("authorization", "Bearer c0ffee")], 200).await;
        check(&door, &[host, ("authorization", "bearer  c0ffee ")], 200).await;
        for given in ["Bearer c0ffe", "Bearer c0ffee0", "Bearer ", "Bearer", "c0ffee", "Basic c0ffee", ""] {
            check(&door, &[host, ("authorization", given)], 401).await;
        }
        check(&door, &[host], 401).await;
        check(&door, &[host, ("authorization", "Bearer x"), ("authorization", "Bearer c0ffee")], 401).await;
        // who calls it by another name is not told whether the token is right
        check(&door, &[("host", "evil.example"), ("authorization", "Bearer c0ffee")], 421).await;
    }
}
