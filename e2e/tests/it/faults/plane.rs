//! Three servers on one sandbox, each behind a proxy, with a Git host; and what they promise, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use e2e::{Api, ApiProxy, Rest, Started, WorkTree, binary, eventually, has, real_cluster, run};
use serde_json::{Value, json};
use test_support::{Answer, Request, WebServer, git_answer};

pub(crate) const NAMESPACE: &str = "argocd";
/// Objects of an Application that nothing touches: not one of them may go.
const KEPT: usize = 5;
const REPLICAS: [&str; 3] = ["a", "b", "c"];
const IMAGE: &str = "registry.example/shop";

/// Where objects of ours are.
pub(crate) const OURS: &str = "/apis/gantline.dev/v1alpha1/namespaces/argocd";
pub(crate) const APPLICATIONS: &str = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications";

/// What becomes of an answer of the Git host.
type Spoil = Arc<dyn Fn(&Request, Answer) -> Answer + Send + Sync>;

pub(crate) struct Plane {
    pub(crate) binary: PathBuf,
    pub(crate) room: tempfile::TempDir,
    pub(crate) proxies: Vec<ApiProxy>,
    pub(crate) replicas: Vec<Started>,
    pub(crate) sandbox: Option<Started>,
    pub(crate) api: Api,
    spoil: Arc<Mutex<Spoil>>,
    host: WebServer,
    /// For the servers.
    environment: Vec<(String, String)>,
    /// Where a test ends the sandbox.
    pub(crate) sandbox_points: PathBuf,
}

/// What the invariants come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    /// Deleted, and was to live.
    pub(crate) deletes: usize,
    /// Promotions whose id more than one commit carries, or commits of the same release into the same environment.
    pub(crate) duplicates: usize,
    /// What somebody was told is done, and is not there.
    pub(crate) lost: usize,
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} deletes, {} duplicates, {} losses", self.deletes, self.duplicates, self.lost)
    }
}

impl Plane {
    /// With as many servers; nothing where the sandbox is not what is tested, or a program is missing.
    pub(crate) fn start(seed: u64, servers: usize, environment: &[(&str, &str)]) -> Option<Self> {
        let binary = binary().filter(|_| real_cluster().is_none() && has("git"))?;
        let room = tempfile::tempdir().expect("a folder");
        let spoil: Arc<Mutex<Spoil>> = Arc::new(Mutex::new(Arc::new(|_, answer| answer)));
        let (bare, hold) = (room.path().join("apps.git"), Arc::clone(&spoil));
        run(Command::new("git").args(["init", "--quiet", "--bare", "-b", "main"]).arg(&bare)).succeeds();
        let host = WebServer::start(move |request| {
            let spoil = Arc::clone(&hold.lock().unwrap_or_else(PoisonError::into_inner));
            spoil(request, git_answer(&bare, request))
        });
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sandbox_points = room.path().join("sandbox-points");
        std::fs::create_dir(&sandbox_points).expect("a folder");
        let api = Api::of(&room.path().join("sandbox"));
        let mut plane = Self {
            binary,
            room,
            api,
            proxies: vec![],
            replicas: vec![],
            sandbox: None,
            spoil,
            host,
            environment,
            sandbox_points,
        };
        plane.start_sandbox();
        plane.sandbox.iter().for_each(|sandbox| drop(sandbox.url()));
        plane.prepare();
        plane.proxies = (0..3).map(|number| ApiProxy::start(&plane.folder(), seed * 10 + number)).collect();
        plane.start_servers(servers);
        Some(plane)
    }

    pub(crate) fn start_servers(&mut self, servers: usize) {
        self.replicas = REPLICAS.iter().take(servers).map(|replica| self.serve(replica)).collect();
        self.replicas.iter().for_each(|replica| drop(replica.url()));
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.room.path().join("sandbox")
    }

    /// With a controller that has nothing to do.
    pub(crate) fn start_sandbox(&mut self) {
        drop(self.sandbox.take());
        let folder = self.folder().display().to_string();
        let words = ["serve", "--sandbox", &folder, "--namespace", "idle", "--listen", "127.0.0.1:0"];
        let points = self.sandbox_points.display().to_string();
        let armed = [("GANTLINE_FAILPOINTS", points.as_str())];
        self.sandbox = Some(Started::with(&self.binary, self.room.path(), &words, &armed));
    }

    fn started(&self, words: &[&str]) -> Started {
        let variables: Vec<_> = self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Started::with(&self.binary, self.room.path(), words, &variables)
    }

    pub(crate) fn serve(&self, replica: &str) -> Started {
        let number = REPLICAS.iter().position(|known| *known == replica).unwrap_or_default();
        let kubeconfig = self.proxies[number].kubeconfig().display().to_string();
        let cache = self.room.path().join(replica).display().to_string();
        let serve = ["serve", "--listen", "127.0.0.1:0", "--poll", "1", "--replica", replica];
        let registry = format!("registry.example={}", self.host.url());
        let places = ["--cache", &cache, "--kubeconfig", &kubeconfig, "--registry", &registry];
        self.started(&[&serve[..], &places].concat())
    }

    /// Starts those again that have ended; they may end again before they serve.
    pub(crate) fn revive(&mut self) {
        if self.sandbox.as_mut().is_some_and(Started::has_ended) {
            self.start_sandbox();
        }
        let ended = self.replicas.iter_mut().enumerate().filter_map(|(number, it)| it.has_ended().then_some(number));
        let ended: Vec<usize> = ended.collect();
        ended.into_iter().for_each(|number| self.replicas[number] = self.serve(REPLICAS[number]));
    }

    pub(crate) fn spoil(&self, spoil: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static) {
        *self.spoil.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(spoil);
    }

    fn bare(&self) -> String {
        format!("file://{}", self.room.path().join("apps.git").display())
    }

    pub(crate) fn repository(&self) -> String {
        format!("{}/apps.git", self.host.url())
    }

    pub(crate) fn apply(&self, object: &Value) {
        let path = path_of(object);
        eventually("it is applied", || self.api.apply(&path, object));
    }

    pub(crate) fn commit(&self, files: &[(String, String)], message: &str) {
        let clone = WorkTree::clone_of(&self.bare(), "dana");
        files.iter().for_each(|(path, text)| clone.write(path, text));
        clone.push(message);
    }

    /// Everything but the servers: namespaces, what may be asked, the first commit.
    fn prepare(&self) {
        for name in [NAMESPACE, "shop"] {
            self.apply(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }));
        }
        let hosts = json!({ "repositories.private.hosts": "*" });
        self.apply(&config_map("argocd-cmd-params-cm", hosts));
        let kept = (0..KEPT).map(|n| (format!("kept/{n}.yaml"), map(&format!("kept-{n}"), json!({})).to_string()));
        let files: Vec<_> = kept.chain(overlays()).chain(round(0)).collect();
        self.commit(&files, "Begin");
    }

    /// The Applications and their Pipeline.
    pub(crate) fn deploy(&self) {
        for path in ["kept", "staging", "production"] {
            self.apply(&self.application(&format!("shop-{path}"), path));
        }
        let environment = |name: &str| json!({ "name": name, "application": format!("shop-{name}"), "auto": true });
        self.apply(&json!({
            "apiVersion": "gantline.dev/v1alpha1", "kind": "Pipeline", "metadata": { "name": "shop", "namespace": NAMESPACE },
            "spec": { "images": [{ "name": IMAGE }], "environments": [environment("staging"), environment("production")] },
        }));
    }

    pub(crate) fn application(&self, name: &str, path: &str) -> Value {
        let retry = json!({ "limit": -1, "backoff": { "duration": "1s", "factor": 1, "maxDuration": "2s" } });
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": { "name": name, "namespace": NAMESPACE },
            "spec": {
                "project": "default",
                "source": { "repoURL": self.repository(), "targetRevision": "main", "path": path },
                "destination": { "server": "https://kubernetes.default.svc", "namespace": "shop" },
                // as in Argo CD, a sync that failed is tried again only where that is asked for
                "syncPolicy": { "automated": { "prune": true, "selfHeal": true }, "retry": retry },
            },
        })
    }

    /// Somebody asks an Application to look at its repository.
    pub(crate) fn refresh(&self, name: &str) {
        let patch = json!({ "metadata": { "annotations": { "argocd.argoproj.io/refresh": "normal" } } });
        let _ = self.api.merge(&format!("{APPLICATIONS}/{name}"), &patch);
    }

    /// CI's commit: another image in staging, and another name of an object that is pruned under its old one.
    pub(crate) fn release(&self, number: u64) {
        self.commit(&round(number).into_iter().collect::<Vec<_>>(), &format!("Build {number}"));
    }

    /// How far the release of a round has come.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn has_arrived(&self, number: u64) -> Result<(), String> {
        let status = self.api.get(&format!("{OURS}/pipelines/shop"))["status"].take();
        let tag = digest(number);
        let there =
            |environment: &Value| environment["sync"] == "Synced" && environment["digest"].as_str() == Some(&tag);
        let environments = status["environments"].as_array().cloned().unwrap_or_default();
        if environments.len() != 2 || !environments.iter().all(there) {
            return Err(status.to_string());
        }
        let wanted: BTreeSet<String> = ["staging", "production"].map(|it| format!("round-{number}-{it}")).into();
        let mut found = self.names("/api/v1/namespaces/shop/configmaps");
        found.retain(|name| name.starts_with("round-"));
        if found != wanted {
            return Err(format!("{found:?} {}", self.api.get(APPLICATIONS)));
        }
        let promotions = self.api.get(&format!("{OURS}/promotions"));
        let open = items(&promotions)
            .find(|item| !["Succeeded", "Superseded"].contains(&item["status"]["phase"].as_str().unwrap_or_default()));
        open.map_or(Ok(()), |open| Err(open.to_string()))
    }

    pub(crate) fn names(&self, path: &str) -> BTreeSet<String> {
        let list = self.api.get(path);
        items(&list).filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned)).collect()
    }

    /// Counts what may never happen, after `rounds` releases.
    pub(crate) fn losses(&self, promised: &BTreeMap<String, String>) -> Losses {
        let deleted: BTreeSet<String> = self.proxies.iter().flat_map(ApiProxy::deleted).collect();
        let may_go = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            ["round-", "hook-", "gone-"].iter().any(|start| name.starts_with(start)) || path.contains("/events/")
        };
        let live = self.names("/api/v1/namespaces/shop/configmaps");
        let kept = (0..KEPT).filter(|n| !live.contains(&format!("kept-{n}")));
        let wrong: Vec<&String> = deleted.iter().filter(|path| !may_go(path)).collect();
        let deletes = wrong.len() + kept.count();
        assert_eq!(deletes, 0, "deleted, and was to live: {wrong:?}");
        let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
        let lost =
            promised.iter().filter(|(name, text)| self.api.get(&format!("{maps}/{name}"))["data"]["text"] != ***text);
        Losses { deletes, duplicates: self.duplicates(), lost: lost.count() }
    }

    fn duplicates(&self) -> usize {
        let format = "%(trailers:key=Promotion-Id,valueonly,separator=%x2C) %s";
        let bare = self.room.path().join("apps.git").display().to_string();
        let log =
            run(Command::new("git").args(["-C", &bare, "log", &format!("--format={format}"), "main"])).succeeds().out;
        let (mut ids, mut subjects) = (BTreeMap::new(), BTreeMap::new());
        for (id, subject) in log.lines().filter_map(|line| line.split_once(' ')).filter(|(id, _)| !id.is_empty()) {
            *ids.entry(id.to_owned()).or_insert(0usize) += 1;
            *subjects.entry(subject.to_owned()).or_insert(0usize) += 1;
        }
        let twice = |counts: &BTreeMap<String, usize>| counts.values().map(|count| count - 1).sum::<usize>();
        let promotions = self.api.get(&format!("{OURS}/promotions"));
        let mut made = BTreeMap::new();
        for item in items(&promotions) {
            let key = format!("{} {}", item["spec"]["environment"], item["spec"]["release"]);
            *made.entry(key).or_insert(0usize) += 1;
        }
        twice(&ids) + twice(&subjects) + twice(&made)
    }

    /// A promise of the sandbox: a write that was acknowledged.
    pub(crate) fn promise(&self, name: &str, promised: &mut BTreeMap<String, String>) {
        let text = format!("{name} of {}", promised.len());
        let object = config_map(name, json!({ "text": text }));
        if self.api.apply(&path_of(&object), &object).is_ok() {
            promised.insert(name.to_owned(), text);
        }
    }

    /// A session of admin, with the password of the first start; none where the server has just ended.
    pub(crate) fn admin(&self) -> Option<Rest> {
        let secret = self.api.get(&format!("/api/v1/namespaces/{NAMESPACE}/secrets/argocd-initial-admin-secret"));
        let password = secret["data"]["password"].as_str().unwrap_or_default();
        let mut decode = Command::new("sh");
        let password = run(decode.args(["-c", "printf %s \"$0\" | base64 -d", password])).succeeds().out;
        Rest::log_in(&self.replicas[0].url(), "admin", &password)
    }

    /// Somebody logs in and out, where the first server is there.
    pub(crate) fn end_a_session(&self) {
        if self.replicas[0].said().contains("gantline serves") {
            self.admin().map(|admin| admin.ask("DELETE", "/api/v1/session", None));
        }
    }

    pub(crate) fn said(&self) -> String {
        self.replicas.iter().map(|replica| replica.said()).collect()
    }
}

pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

/// Where an object is.
fn path_of(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (text("/apiVersion"), text("/kind").to_lowercase());
    let root = if version.contains('/') { "apis" } else { "api" };
    let inside = match text("/metadata/namespace") {
        "" => String::new(),
        namespace => format!("/namespaces/{namespace}"),
    };
    let plural = if kind.ends_with('y') { format!("{}ies", &kind[..kind.len() - 1]) } else { format!("{kind}s") };
    format!("/{root}/{version}{inside}/{plural}/{}", text("/metadata/name"))
}

pub(crate) fn config_map(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": NAMESPACE,
        "labels": { "app.kubernetes.io/part-of": "argocd" } }, "data": data })
}

/// A manifest without a namespace.
fn map(name: &str, annotations: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "annotations": annotations }, "data": {} })
}

pub(crate) fn digest(number: u64) -> String {
    // the beginning is the round's
    format!("sha256:{:08x}{}", number + 0x1000_0000, "a".repeat(56))
}

/// The files of both environments that no round changes.
fn overlays() -> impl Iterator<Item = (String, String)> {
    let labels = json!({ "app": "shop" });
    // nothing runs, and so nothing is pulled
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "shop" },
        "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "shop", "image": IMAGE }] } } },
    });
    let hook = |phase: &str| {
        let policies = if phase == "PreSync" { "BeforeHookCreation" } else { "HookSucceeded" };
        let annotations =
            json!({ "argocd.argoproj.io/hook": phase, "argocd.argoproj.io/hook-delete-policy": policies });
        map(&format!("hook-{}", phase.to_lowercase()), annotations).to_string()
    };
    let production =
        format!("resources: [../base]\nnameSuffix: -production\nimages:\n- name: {IMAGE}\n  digest: {}\n", digest(0));
    [
        ("base/kustomization.yaml", "resources: [deployment.yaml, round.yaml]\n".to_owned()),
        ("base/deployment.yaml", deployment.to_string()),
        ("staging/before.yaml", hook("PreSync")),
        ("staging/after.yaml", hook("PostSync")),
        ("production/kustomization.yaml", production),
    ]
    .map(|(path, text)| (path.to_owned(), text))
    .into_iter()
}

fn round(number: u64) -> [(String, String); 2] {
    let staging = format!(
        "resources: [../base, before.yaml, after.yaml]\nnameSuffix: -staging\nimages:\n- name: {IMAGE}\n  digest: {}\n",
        digest(number)
    );
    let round = map(&format!("round-{number}"), json!({})).to_string();
    [("staging/kustomization.yaml".to_owned(), staging), ("base/round.yaml".to_owned(), round)]
}

/// Every path below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let below = |path: PathBuf| if path.is_dir() && !path.is_symlink() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.path())).collect()
}
