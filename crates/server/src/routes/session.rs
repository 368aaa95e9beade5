//! Log in, log out, who am I: Argo CD's `/api/v1/session`.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use control::SESSIONS_SECRET;
use serde::Deserialize;
use utoipa::ToSchema;

use super::guard::{self, COOKIE};
use crate::Server;
use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::Body;
use crate::people::session::{Claims, sign};
use crate::people::{Identity, accounts};
use crate::server::Access;
use crate::views::{Done, Token, UserInfo};

type SetCookie = [(HeaderName, String); 1];

/// An account and its password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    username: String,
    password: String,
}

/// A hash of nothing anybody knows: an account that does not exist takes as long to refuse as one that does.
const NOBODY: &str = "$2b$10$7EqJtq98hPqEX7fNZaFWoOhi5BWX4YfFpQmL9l0NoXQzfxzuRZ5xG";

pub(super) async fn log_in(
    State(server): State<Server>,
    headers: HeaderMap,
    Body(credentials): Body<Credentials>,
) -> Result<(SetCookie, Json<Token>), ApiError> {
    let Credentials { username, password } = credentials;
    let now = server.config.clock.now();
    if let Some(until) = server.throttle.closed_until(&username, now) {
        let message = format!("too many wrong passwords for {username:?}: try again after {until}");
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, message));
    }
    let account = server.directory.login_of(&username);
    let hash = account.as_ref().map_or(NOBODY, |account| account.password_hash.as_str()).to_owned();
    // bcrypt is slow on purpose: not on the threads that serve others
    let matches = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false)).await;
    if account.is_none() || !matches.unwrap_or(false) {
        server.throttle.failed(&username, now);
        return Err(ApiError::unauthenticated("Invalid username or password"));
    }
    server.throttle.succeeded(&username);
    let key = server.directory.signing_key();
    let key = key.ok_or_else(|| {
        ApiError::unauthenticated("argocd-secret has no server.secretkey yet: wait for the first start to finish")
    })?;
    let claims = Claims::new(&username, server.config.ids.uuid(), now, server.config.session);
    let token =
        sign(&claims, &key).map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let cookie = cookie(&token, server.config.session.as_secs(), is_secure(&server, &headers));
    Ok(([(header::SET_COOKIE, cookie)], Json(Token { token })))
}

pub(super) async fn log_out(
    State(server): State<Server>,
    headers: HeaderMap,
    asker: Asker,
) -> Result<(SetCookie, Json<Done>), ApiError> {
    let identity = asker.identity();
    if !identity.session.is_empty() {
        let (cluster, namespace) = (&server.config.cluster, &server.config.namespace);
        let ended = BTreeMap::from([(identity.session.clone(), identity.expires.to_string())]);
        server.stores().secrets.note(accounts::write(cluster, namespace, SESSIONS_SECRET, ended).await?);
    }
    Ok(([(header::SET_COOKIE, cookie("", 0, is_secure(&server, &headers)))], Json(Done {})))
}

pub(super) async fn user_info(State(server): State<Server>, headers: HeaderMap) -> Json<UserInfo> {
    Json(guard::identify(&server, &headers).map_or_else(|_| UserInfo::default(), |identity| known(&server, &identity)))
}

fn known(server: &Server, identity: &Identity) -> UserInfo {
    let pipelines = server.pipelines();
    let groups = pipelines.iter().flat_map(|pipeline| identity.gate_groups(&pipeline.spec.environments));
    let issuer = if matches!(server.config.access, Access::Accounts) { "argocd" } else { "kubeconfig" };
    UserInfo {
        logged_in: true,
        username: Some(identity.user.clone()),
        iss: Some(issuer.to_owned()),
        groups: Some(groups.collect::<BTreeSet<_>>().into_iter().collect()),
        admin: Some(identity.rights.is_admin()),
    }
}

/// Where TLS ends here or at a proxy, the cookie is for TLS only.
fn is_secure(server: &Server, headers: &HeaderMap) -> bool {
    server.config.tls || headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https")
}

fn cookie(token: &str, seconds: u64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}
