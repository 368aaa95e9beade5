//! A server with a few objects and four people. Nothing reconciles: what a test writes stays.

use std::sync::Arc;
use std::time::Duration;

use api::gantline::{Promotion, PromotionSpec, Release, ReleaseSpec, SEAL_ANNOTATION};
use axum::Router;
use axum::body::{Body, BodyDataStream, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clock::{Clock, Ids, ScaledClock};
use cluster::{ApplyOptions, Cluster, Patch, PatchOptions};
use control::workers::Renderer;
use control::{Access, Controller, ControllerConfig, Remote, RemoteError, Remotes};
use jiff::Timestamp;
use object::{Manifest, ResourceKey};
use promotion::Seal;
use sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};
use server::people::accounts;
use server::{Server, ServerConfig};
use tower::ServiceExt;

pub(crate) const NAMESPACE: &str = "argocd";
pub(crate) const POLICY: &str = "g, rita, role:readonly\ng, tina, team-leads\ng, otto, role:admin\n";

/// There is no Git here.
#[derive(Debug)]
struct Nowhere;

impl Remotes for Nowhere {
    fn open(&self, url: &str, _: &Access) -> Result<Arc<dyn Remote>, RemoteError> {
        Err(RemoteError::Unreachable(url.to_owned()))
    }

    fn open_chart(&self, url: &str, _: &str, _: &Access) -> Result<Arc<dyn Remote>, RemoteError> {
        Err(RemoteError::Unreachable(url.to_owned()))
    }
}

pub(crate) struct House {
    pub(crate) cluster: Cluster,
    pub(crate) controller: Controller,
    router: Router,
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::behind(|api| api).await
    }

    /// Whose cluster is reached through something.
    pub(crate) async fn behind(line: impl FnOnce(Router) -> Router) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::starting_now(1.0));
        let cluster = Cluster::from_service(line(empty_api(&clock)), Arc::clone(&clock));
        for object in [vec![api::argocd::application_crd(), api::argocd::project_crd()], api::gantline::crds()].concat()
        {
            apply(&cluster, object).await;
        }
        cluster.forget_unknown_kinds().await;
        for object in objects(&*clock) {
            apply(&cluster, object).await;
        }
        accounts::prepare(&cluster, NAMESPACE, &*clock, &Ids::random()).await.unwrap();
        let remotes = Arc::new(Nowhere);
        let config =
            ControllerConfig::new(Arc::clone(&clock), Ids::random(), cluster.clone(), remotes, Renderer::InProcess);
        let controller = Controller::new(config);
        let server = Server::new(ServerConfig {
            controller: controller.clone(),
            cluster: cluster.clone(),
            clock,
            ids: Ids::random(),
            namespace: NAMESPACE.to_owned(),
            access: server::Access::Accounts,
            tls: false,
            session: Duration::from_secs(3600),
            speed: 1.0,
            simulated: true,
        });
        controller.ready().await;
        server.ready().await;
        Self { cluster, controller, router: server.router() }
    }

    /// Sets the status of a Release or a Promotion as Gantline does.
    pub(crate) async fn record(&self, kind: &str, name: &str, status: Value) {
        let key = ResourceKey::new("gantline.dev", kind, NAMESPACE, name);
        let mut value = self.cluster.get(&key).await.unwrap().unwrap().value().clone();
        value["status"] = status;
        let status = if kind == "Release" {
            let mut release = Release::from_value(value).unwrap();
            release.status.seal = seal().of_record(&release);
            json!(release.status)
        } else {
            let mut promotion = Promotion::from_value(value).unwrap();
            promotion.status.seal = seal().of_record(&promotion);
            json!(promotion.status)
        };
        let patch = json!([{ "op": "add", "path": "/status", "value": status }]);
        let options = PatchOptions { subresource: "status", ..PatchOptions::default() };
        self.cluster.patch(&key, &Patch::Json(patch), options).await.unwrap();
    }

    /// A session of an account whose password is its name.
    pub(crate) async fn log_in(&self, name: &str) -> String {
        let body = json!({ "username": name, "password": name });
        let (status, answer) = self.call("", "POST", "/api/v1/session", Some(body)).await;
        assert_eq!(status, 200, "{name}: {answer}");
        answer["token"].as_str().unwrap().to_owned()
    }

    /// Without a session when the token is empty.
    pub(crate) async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let response = self.send(token, method, path, body, None).await;
        let status = response.status();
        if response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
            return (status.as_u16(), Value::Null);
        }
        let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status.as_u16(), serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        self.call(token, "GET", path, None).await
    }

    /// A body that need not be JSON.
    pub(crate) async fn send_text(&self, token: &str, path: &str, body: &'static str) -> (u16, Value) {
        let request = Request::builder().method("POST").uri(path).header(header::CONTENT_TYPE, "application/json");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub(crate) async fn send(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        last_event: Option<&str>,
    ) -> Response {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(id) = last_event {
            request = request.header("last-event-id", id);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.ask(request.body(body).unwrap()).await
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// Opens the stream.
    pub(crate) async fn listen(&self, token: &str, last_event: Option<&str>) -> BodyDataStream {
        let response = self.send(token, "GET", "/api/v1/stream/overview", None, last_event).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().into_data_stream()
    }
}

/// With nothing of ours in it.
pub(crate) fn empty_cluster(clock: &Arc<dyn Clock>) -> Cluster {
    Cluster::from_service(empty_api(clock), Arc::clone(clock))
}

fn empty_api(clock: &Arc<dyn Clock>) -> Router {
    let images = Arc::new(sandbox::AnyImage);
    let options = SandboxOptions { clock: Arc::clone(clock), ids: Ids::random(), folder: None, images };
    Sandbox::start(options).unwrap().router()
}

pub(crate) async fn apply(cluster: &Cluster, value: Value) {
    let options = ApplyOptions { manager: "test", force: true, dry_run: false, validate: false };
    cluster.apply(&Manifest::new(value).unwrap(), options).await.unwrap();
}

fn objects(clock: &dyn Clock) -> Vec<Value> {
    let people = ["eve", "rita", "tina", "otto"];
    let logins: serde_json::Map<_, _> =
        people.iter().map(|name| (format!("accounts.{name}"), "login".into())).collect();
    let passwords: Vec<_> =
        people.iter().flat_map(|name| accounts::password_entries(name, name, clock).unwrap()).collect();
    let passwords: serde_json::Map<_, _> = passwords.into_iter().map(|(key, value)| (key, value.into())).collect();
    vec![
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }),
        config_map("argocd-cm", Value::Object(logins)),
        policy(POLICY),
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata("gantline-records"),
            "data": { "key": STANDARD.encode(KEY) } }),
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata("argocd-secret"), "stringData": passwords }),
        application("web", "shop"),
        pipeline("shop"),
        gantline(
            "Release",
            "shop-1",
            json!({ "pipeline": "shop", "images": [{ "name": "shop", "digest": digest() }] }),
        ),
        gantline(
            "Promotion",
            "shop-production-1",
            json!({ "pipeline": "shop", "environment": "production", "release": "shop-1", "digest": digest() }),
        ),
    ]
}

const KEY: [u8; 32] = *b"the key that each house here has";

fn digest() -> String {
    format!("sha256:{}", "ab".repeat(32))
}

fn metadata(name: &str) -> Value {
    json!({ "name": name, "namespace": NAMESPACE })
}

fn config_map(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name), "data": data })
}

pub(crate) fn policy(lines: &str) -> Value {
    config_map("argocd-rbac-cm", json!({ "policy.csv": lines }))
}

pub(crate) fn application(name: &str, project: &str) -> Value {
    let source = json!({ "repoURL": "https://git.test/repo", "path": "app", "targetRevision": "main" });
    let destination = json!({ "server": "https://kubernetes.default.svc", "namespace": "shop" });
    json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata(name),
        "spec": { "project": project, "source": source, "destination": destination } })
}

pub(crate) fn pipeline(name: &str) -> Value {
    let gates = json!([{ "approval": { "group": "team-leads" } }]);
    let environments = json!([{ "name": "staging", "application": "web" }, { "name": "production", "application": "web", "gates": gates }]);
    gantline("Pipeline", name, json!({ "images": [{ "name": "shop" }], "environments": environments }))
}

/// As Gantline makes it: a record carries its seal.
pub(crate) fn gantline(kind: &str, name: &str, spec: Value) -> Value {
    let spec = match kind {
        "Release" => json!(serde_json::from_value::<ReleaseSpec>(spec).unwrap()),
        "Promotion" => json!(serde_json::from_value::<PromotionSpec>(spec).unwrap()),
        _ => spec,
    };
    let mut metadata = metadata(name);
    metadata["annotations"] = json!({ SEAL_ANNOTATION: seal().of_new(kind, name, &spec, now()) });
    json!({ "apiVersion": "gantline.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec })
}

/// Of the key that every house has.
pub(crate) fn seal() -> Seal {
    Seal::new(KEY)
}

#[expect(clippy::disallowed_methods, reason = "the test waits for the program")]
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[expect(clippy::disallowed_methods, reason = "the house runs on the wall clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
