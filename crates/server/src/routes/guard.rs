//! What every request passes: same-site writes only, headers that keep the page to itself, and who is asking.

use std::sync::Arc;

use api::argocd::Subject;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Server;
use crate::asker::Asker;
use crate::error::ApiError;
use crate::input;
use crate::people::{Identity, session};
use crate::rights::{Needs, Rights};
use crate::server::Access;

/// Argo CD's cookie.
pub(crate) const COOKIE: &str = "argocd.token";

/// A browser that was sent here by another site may not write: cookies would let it act as the user.
pub(super) async fn same_site(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) || is_same_site(request.headers()) {
        return next.run(request).await;
    }
    ApiError::forbidden("this request comes from another site: open the page of this server and act there")
        .into_response()
}

fn is_same_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match (text("origin"), text("host")) {
        // programs send no origin
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, origin)| origin == host),
        (Some(_), None) => false,
    }
}

pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                  connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// By the server's own clock, which runs faster in a demo: whoever says how long ago something was counts from here.
pub(super) async fn dated(State(server): State<Server>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let now = server.config.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    response.headers_mut().extend(HeaderValue::from_str(&now).ok().map(|now| (header::DATE, now)));
    response
}

/// The session token: a bearer header, or the cookie.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    bearer.or_else(|| {
        let cookies = text(header::COOKIE)?.split(';').map(str::trim);
        cookies.filter_map(|cookie| cookie.split_once('=')).find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
    })
}

/// A filter that a route does not know would give another answer than was asked for.
pub(super) async fn known_query(State(known): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    let said = match input::pairs(request.uri()) {
        Ok(said) => said,
        Err(error) => return error.into_response(),
    };
    // what follows the page's address is between it and its browser
    let ours = request.uri().path().starts_with("/api/");
    let Some((name, _)) = said.into_iter().find(|(name, _)| ours && !known.contains(name)) else {
        return next.run(request).await;
    };
    let takes = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
    let path = request.uri().path();
    ApiError::invalid(format!("{path} knows no ?{name}=: after the question mark it takes {takes}")).into_response()
}

/// Lets in who may ask, before anything of the request is read.
pub(super) async fn admit(
    State((server, needs)): State<(Server, Needs)>,
    mut request: Request,
    next: Next,
) -> Response {
    if needs == Needs::Nothing {
        return next.run(request).await;
    }
    match identify(&server, request.headers()) {
        Ok(identity) => {
            request.extensions_mut().insert(Asker::new(server, identity, needs));
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// Who asks, by their session.
///
/// # Errors
/// 401 when there is no session that holds.
pub(crate) fn identify(server: &Server, headers: &HeaderMap) -> Result<Identity, ApiError> {
    if let Access::Core { user } = &server.config.access {
        return Ok(Identity::core(user));
    }
    let refused = |error: session::SessionError| ApiError::unauthenticated(error.to_string());
    let token = token(headers).ok_or_else(|| ApiError::unauthenticated("no session: log in first (gantline login)"))?;
    let key = server.directory.signing_key().ok_or_else(|| {
        ApiError::unauthenticated("argocd-secret has no server.secretkey yet: nobody can be let in until it has")
    })?;
    let claims = session::verify(token, &key, server.config.clock.now()).map_err(refused)?;
    server.directory.vouch(&claims, &key).map_err(refused)?;
    let subject = Subject { user: claims.account().to_owned(), groups: Vec::new() };
    let rights = Rights::of(&subject, &server.directory.policy(), &server.projects());
    Ok(Identity { user: subject.user, session: Some(claims), rights })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| ((*k).parse().unwrap(), v.parse().unwrap()))
            .collect::<Vec<(axum::http::HeaderName, HeaderValue)>>()
            .into_iter()
            .collect()
    }

    #[test]
    fn other_sites_may_not_write() {
        let check = |pairs: &[(&'static str, &str)], expected: bool| {
            assert_eq!(is_same_site(&headers(pairs)), expected, "{pairs:?}");
        };
        check(&[("host", "cd.acme.io")], true);
        check(&[("host", "cd.acme.io"), ("origin", "https://cd.acme.io")], true);
        check(&[("host", "cd.acme.io"), ("origin", "https://evil.example")], false);
        check(&[("host", "cd.acme.io"), ("origin", "null")], false);
        check(&[("host", "x"), ("origin", "http://x"), ("sec-fetch-site", "cross-site")], false);
        check(&[("host", "x"), ("sec-fetch-site", "same-origin")], true);
    }

    #[test]
    fn a_token_comes_by_header_or_cookie() {
        assert_eq!(token(&headers(&[("authorization", "Bearer a.b.c")])), Some("a.b.c"));
        assert_eq!(token(&headers(&[("cookie", "x=1; argocd.token=a.b.c")])), Some("a.b.c"));
        assert_eq!(token(&headers(&[("authorization", "Basic eDp5")])), None);
        assert_eq!(token(&headers(&[])), None);
    }
}
