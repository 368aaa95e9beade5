//! Where a repository is tried: a control plane in a sandbox, and further sandboxes for paths that want the same objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::argocd::{Application, ClusterConfig, ClusterSecret, OperationPhase};
use clock::{Clock, Ids, ScaledClock};
use cluster::{Cluster, ClusterError};
use control::Connector;
use git::RegistryClient;
use jiff::Timestamp;
use object::{GroupKind, Manifest, ResourceKey};
use sandbox::{AnyImage, Sandbox, SandboxOptions};
use serde_json::{Value, json};
use server::Access;
use tokio_util::sync::CancellationToken;

use super::survey::{Deployable, Found, What};
use super::verdict::{Verdict, is_healthy, verdict};
use crate::commands::render_worker::Rendering;
use crate::failure::Failure;
use crate::plane::{self, Plan, Plane};
use crate::settings;

/// How often the Applications are looked at, in real time.
const LOOK: Duration = Duration::from_millis(200);
/// What this machine may need for something that takes no time in the sandbox.
const REAL: Duration = Duration::from_secs(5);
/// When nothing else ends the wait, in real time.
const AT_MOST: Duration = Duration::from_secs(900);

/// See the module.
pub(super) struct Stage {
    pub(super) plane: Plane,
    clock: Arc<dyn Clock>,
    /// The control plane's own first.
    rooms: Vec<Room>,
    stop: CancellationToken,
}

/// One cluster, and what is deployed there.
struct Room {
    sandbox: Sandbox,
    cluster: Cluster,
    keys: BTreeSet<ResourceKey>,
}

/// The clusters of this process by their server.
#[derive(Debug, Default)]
struct Rooms(BTreeMap<String, Cluster>);

impl Connector for Rooms {
    fn connect(&self, secret: &ClusterSecret, _: &ClusterConfig) -> Result<Cluster, ClusterError> {
        let known = self.0.get(&secret.server).cloned();
        known.ok_or_else(|| ClusterError::Config { message: format!("nothing is at {}", secret.server) })
    }
}

impl Stage {
    /// Starts the clusters and the control plane, and gives it an Application for each path.
    pub(super) async fn set(found: &[Found], speed: f64) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::starting_now(speed));
        let ids = Ids::random();
        let first = Room::open(&clock, &ids)?;
        plane::install_definitions(&first.cluster, &*clock).await?;
        first.namespace("argocd").await?;
        let mut rooms = vec![first];
        let mut places = Vec::new();
        for item in found {
            let What::Deployable(deployable) = &item.what else { continue };
            let keys = keys(&rooms[0].cluster, deployable);
            let free = rooms.iter().position(|room| room.keys.is_disjoint(&keys));
            let place = match free {
                Some(place) => place,
                None => {
                    rooms.push(Room::open(&clock, &ids)?);
                    rooms.len() - 1
                }
            };
            rooms[place].keys.extend(keys);
            places.push((deployable, place));
        }
        for (at, room) in rooms.iter().enumerate() {
            let of = |own: bool| {
                let all = places.iter().filter(move |(_, place)| (*place == at) == own);
                all.map(|(deployable, _)| &***deployable).collect::<Vec<&Deployable>>()
            };
            room.furnish(&of(true), &of(false)).await?;
        }
        let connector = Rooms(rooms.iter().enumerate().map(|(at, room)| (server(at), room.cluster.clone())).collect());
        let plane = Plane::new(Plan {
            cluster: rooms[0].cluster.clone(),
            clock: Arc::clone(&clock),
            ids,
            namespace: "argocd".to_owned(),
            cache: settings::cache().join("git"),
            registry: RegistryClient::new(BTreeMap::new()).map_err(Failure::new)?,
            poll: Duration::from_secs(3600 * 24),
            speed,
            simulated: true,
            tls: false,
            access: Access::Core { user: "try".to_owned() },
            replica: None,
            client_side_apply: false,
            at_step: None,
            rendering: Rendering::default(),
            connector: Some(Arc::new(connector)),
        });
        for at in 1..rooms.len() {
            plane::apply(&rooms[0].cluster, [secret(at)]).await?;
        }
        for (deployable, place) in &places {
            plane::apply(&rooms[0].cluster, [application(deployable, *place)]).await?;
        }
        let stop = CancellationToken::new();
        plane.run(stop.clone());
        Ok(Self { plane, clock, rooms, stop })
    }

    /// Waits until everything is healthy, or cannot become so, or has not changed for the whole patience.
    pub(super) async fn settle(&self, count: usize, patience: Duration, bar: &indicatif::ProgressBar) {
        let began = real_now();
        let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
        while began.elapsed() < AT_MOST {
            let apps = self.plane.controller.stores().applications.all();
            let open: Vec<&Arc<Application>> =
                apps.iter().filter(|app| !self.is_settled(app, patience, &mut seen)).collect();
            bar.set_position((apps.len() - open.len()) as u64);
            bar.set_message(open.first().map(|app| waiting_for(app)).unwrap_or_default());
            if apps.len() >= count && open.is_empty() {
                break;
            }
            pause(LOOK).await;
        }
    }

    fn is_settled(&self, app: &Application, patience: Duration, seen: &mut BTreeMap<String, Seen>) -> bool {
        if is_healthy(app) || has_given_up(app) {
            return true;
        }
        let now = self.clock.now();
        let state = state(app);
        let fresh = || Seen { state: state.clone(), since: now, real: real_now() };
        let known = seen.entry(app.metadata.name.clone()).or_insert_with(fresh);
        if known.state != state {
            *known = fresh();
        }
        now >= clock::after(known.since, patience) && known.real.elapsed() >= REAL
    }

    /// What came of each path.
    pub(super) async fn judge(&self, found: &[Found]) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for item in found {
            let unknown = self.unknown_kinds(item);
            verdicts.push(verdict(&self.plane.controller, item, &unknown).await);
        }
        verdicts
    }

    /// The kinds of a path that none of the clusters has.
    fn unknown_kinds(&self, found: &Found) -> BTreeSet<String> {
        let What::Deployable(deployable) = &found.what else { return BTreeSet::new() };
        let kinds: BTreeSet<GroupKind> = deployable.manifests.iter().map(|it| it.gvk().group_kind()).collect();
        let has = |kind: &GroupKind| {
            self.rooms.iter().any(|room| room.cluster.known_resource(kind).is_some())
                || definitions(&deployable.manifests).any(|definition| defines(definition, kind))
        };
        kinds.iter().filter(|kind| !has(kind)).map(GroupKind::to_string).collect()
    }

    pub(super) fn end(self) {
        self.stop.cancel();
        self.rooms.into_iter().for_each(|room| room.sandbox.stop());
    }
}

/// An Application as it was found, and since when it has been so.
struct Seen {
    state: String,
    since: Timestamp,
    real: Instant,
}

/// What changes while something goes on.
fn state(app: &Application) -> String {
    let operation = app.status.operation_state.as_ref();
    let operation = operation.map(|it| (it.phase, it.retry_count, it.message.clone()));
    let resources: Vec<_> = app.status.resources.iter().map(|it| (it.key(), it.status, it.health.clone())).collect();
    format!("{:?} {:?} {operation:?} {resources:?}", app.status.sync.status, app.status.health)
}

/// Whether no sync follows by itself.
fn has_given_up(app: &Application) -> bool {
    let ended = app.status.operation_state.as_ref().filter(|it| it.finished_at.is_some());
    let failed = ended.is_some_and(|it| matches!(it.phase, OperationPhase::Failed | OperationPhase::Error));
    failed && app.operation.is_none()
}

fn waiting_for(app: &Application) -> String {
    let operation = app.status.operation_state.as_ref().filter(|it| !it.phase.completed());
    let health = &app.status.health;
    let why = operation.map_or(&*health.message, |it| &*it.message);
    format!("{}: {:?} {why}", app.metadata.name, health.status)
}

impl Room {
    fn open(clock: &Arc<dyn Clock>, ids: &Ids) -> Result<Self, Failure> {
        let options =
            SandboxOptions { clock: Arc::clone(clock), ids: ids.clone(), folder: None, images: Arc::new(AnyImage) };
        let sandbox = Sandbox::start(options)?;
        let cluster = Cluster::from_service(sandbox.router(), Arc::clone(clock));
        Ok(Self { sandbox, cluster, keys: BTreeSet::new() })
    }

    async fn namespace(&self, name: &str) -> Result<(), Failure> {
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        plane::apply(&self.cluster, [object]).await
    }

    /// What people have in a cluster beforehand: the namespaces that the paths name and do not make, and the definitions
    /// that other paths bring.
    async fn furnish(&self, here: &[&Deployable], elsewhere: &[&Deployable]) -> Result<(), Failure> {
        let namespaces: BTreeSet<String> = here.iter().flat_map(|it| named_namespaces(it)).collect();
        for name in &namespaces {
            self.namespace(name).await?;
        }
        for definition in elsewhere.iter().flat_map(|it| definitions(&it.manifests)) {
            // one that the API refuses is told of where it is deployed
            let _ = plane::apply(&self.cluster, [definition.value().clone()]).await;
        }
        Ok(())
    }
}

/// The namespaces in which a path has objects, without those that it makes itself.
fn named_namespaces(deployable: &Deployable) -> BTreeSet<String> {
    let manifests = || deployable.manifests.iter();
    let made: BTreeSet<&str> =
        manifests().filter(|it| it.kind() == "Namespace").map(Manifest::name).chain([&*deployable.namespace]).collect();
    let named = manifests().map(Manifest::namespace).filter(|it| !it.is_empty() && !made.contains(it));
    named.map(str::to_owned).collect()
}

fn definitions(manifests: &[Manifest]) -> impl Iterator<Item = &Manifest> {
    manifests.iter().filter(|it| it.kind() == "CustomResourceDefinition")
}

fn defines(definition: &Manifest, kind: &GroupKind) -> bool {
    let text = |pointer: &str| definition.value().pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    text("/spec/group") == kind.group && text("/spec/names/kind") == kind.kind
}

/// What a path wants, as the cluster will call it.
fn keys(cluster: &Cluster, deployable: &Deployable) -> BTreeSet<ResourceKey> {
    let key = |manifest: &Manifest| {
        let mut key = manifest.key();
        let resource = cluster.known_resource(&key.group_kind());
        match resource.map(|it| it.namespaced) {
            Some(false) => key.namespace.clear(),
            _ if key.namespace.is_empty() => key.namespace.clone_from(&deployable.namespace),
            _ => {}
        }
        key
    };
    deployable.manifests.iter().map(key).filter(|key| !key.name.is_empty()).collect()
}

/// The address of a cluster by its place.
fn server(at: usize) -> String {
    if at == 0 { "https://kubernetes.default.svc".to_owned() } else { format!("https://sandbox-{}.test", at + 1) }
}

fn secret(at: usize) -> Value {
    let name = format!("sandbox-{}", at + 1);
    let labels = json!({ "argocd.argoproj.io/secret-type": "cluster" });
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": "argocd", "labels": labels },
        "stringData": { "name": name, "server": server(at), "config": "{}" },
    })
}

fn application(deployable: &Deployable, at: usize) -> Value {
    let Deployable { name, namespace, sources, sync_options, .. } = deployable;
    let mut options = sync_options.clone();
    options.push("CreateNamespace=true".to_owned());
    options.dedup();
    let mut spec = json!({
        "project": "default",
        "destination": { "server": server(at), "namespace": namespace },
        "syncPolicy": {
            "automated": {}, "syncOptions": options,
            "retry": { "limit": 3, "backoff": { "duration": "10s", "factor": 2, "maxDuration": "1m" } },
        },
    });
    match sources.as_slice() {
        [source] => spec["source"] = source.clone(),
        several => spec["sources"] = json!(several),
    }
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": { "name": name, "namespace": "argocd" }, "spec": spec,
    })
}

#[expect(clippy::disallowed_methods, reason = "a slow machine is waited for in real time")]
fn real_now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a person at a terminal waits in real time")]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
