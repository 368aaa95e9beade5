//! Log in, log out, who am I: Argo CD's `/api/v1/session`.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use super::guard::{self, COOKIE};
use crate::Server;
use crate::asker::Asker;
use crate::error::ApiError;
use crate::input::{Body, Caller};
use crate::people::Identity;
use crate::people::ended::Book;
use crate::people::session::{Capability, Claims, sign};
use crate::people::throttle::Attempt;
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

/// Bytes. What is longer is refused before anything of it is kept: a key of `argocd-cm` cannot name such an account.
const LONGEST_NAME: usize = 244;
/// Bytes; bcrypt takes 72.
const LONGEST_PASSWORD: usize = 1024;
/// Bytes of the whole body.
pub(super) const BODY_LIMIT: usize = 16 * 1024;

pub(super) async fn log_in(
    State(server): State<Server>,
    headers: HeaderMap,
    Caller(address): Caller,
    Body(credentials): Body<Credentials>,
) -> Result<(SetCookie, Json<Token>), ApiError> {
    let Credentials { username, password } = credentials;
    if username.len() > LONGEST_NAME || password.len() > LONGEST_PASSWORD {
        let limits = format!("a name has {LONGEST_NAME} bytes at most, a password {LONGEST_PASSWORD}");
        return Err(ApiError::invalid(format!("this is no account of this server: {limits}")));
    }
    let exists = server.directory.knows(&username);
    try_password(&server, &Attempt { account: username.clone(), exists, address }, password).await?;
    let token = issue(&server, &username).await?;
    let cookie = cookie(&token, server.config.session.as_secs(), is_secure(&server, &headers));
    Ok(([(header::SET_COOKIE, cookie)], Json(Token { token })))
}

/// The attempt counts from before the password is tried, so that many at once are no more than one after the other.
async fn try_password(server: &Server, attempt: &Attempt, password: String) -> Result<(), ApiError> {
    let (throttle, clock) = (&server.throttle, &server.config.clock);
    let closed = |until: Timestamp| {
        let message = format!("too many attempts to log in as {:?}, or from this address", attempt.account);
        let seconds = until.duration_since(clock.now()).as_secs();
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, format!("{message}: try again after {until}")).retry_after(seconds)
    };
    throttle.check(attempt, clock.now()).map_err(closed)?;
    let busy = "too many people log in at this moment: try again in some seconds";
    let turn = server
        .passwords
        .turn()
        .await
        .ok_or_else(|| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, busy).retry_after(5))?;
    let admitted = clock.now();
    throttle.admit(attempt, admitted).map_err(closed)?;
    let hash = server.directory.login_of(&attempt.account).map(|account| account.password_hash);
    if !turn.matches(password, hash, server.directory.nobody()).await {
        return Err(ApiError::unauthenticated("Invalid username or password"));
    }
    throttle.succeeded(attempt, admitted);
    Ok(())
}

/// A token of the epoch that the cluster has now: it is made where there is none.
async fn issue(server: &Server, account: &str) -> Result<String, ApiError> {
    let key = signing_key(server)?;
    let epoch = match server.directory.ended(&key) {
        Some(ended) => ended.epoch.clone(),
        None => {
            let (live, ended) = book(server, &key).open().await?;
            server.stores().secrets.note(live);
            ended.epoch
        }
    };
    let config = &server.config;
    let claims = Claims::new(account, config.ids.uuid(), config.clock.now(), config.session).of_epoch(epoch);
    sign(&claims, &key).map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn signing_key(server: &Server) -> Result<Vec<u8>, ApiError> {
    server.directory.signing_key().ok_or_else(|| {
        ApiError::unauthenticated("argocd-secret has no server.secretkey yet: wait for the first start to finish")
    })
}

fn book<'a>(server: &'a Server, key: &'a [u8]) -> Book<'a> {
    let config = &server.config;
    Book { cluster: &config.cluster, namespace: &config.namespace, key, ids: &config.ids }
}

pub(super) async fn log_out(
    State(server): State<Server>,
    headers: HeaderMap,
    asker: Asker,
) -> Result<(SetCookie, Json<Done>), ApiError> {
    if let Some(claims) = &asker.identity().session {
        end(&server, claims).await?;
    }
    Ok(([(header::SET_COOKIE, cookie("", 0, is_secure(&server, &headers)))], Json(Done {})))
}

async fn end(server: &Server, claims: &Claims) -> Result<(), ApiError> {
    if claims.capability() == Some(Capability::ApiKey) {
        let list = format!("accounts.{}.tokens of argocd-secret", claims.account());
        return Err(ApiError::invalid(format!(
            "an API token ends when its id is taken out of {list}, not by a logout"
        )));
    }
    let (key, expires) = (signing_key(server)?, claims.exp.unwrap_or(i64::MAX));
    let live = book(server, &key).end(&claims.jti, expires, server.config.clock.now()).await?;
    server.stores().secrets.note(live);
    Ok(())
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
        slips: identity.rights.is_admin().then(|| server.stores().slips()),
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
