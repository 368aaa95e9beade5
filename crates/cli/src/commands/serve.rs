//! `gantline serve`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use clap::Args;
use clock::{Clock, Ids, ScaledClock, SteadyClock};
use cluster::{Cluster, Target};
use control::{AtStep, Replica};
use promotion::WriteStep;
use server::people::accounts;
use server::{Access, Listener, Network, Transport};
use tokio_util::sync::CancellationToken;

use crate::args::{ClusterReach, Reach};
use crate::commands::render_worker::Rendering;
use crate::failure::{Code, Failure, Outcome};
use crate::output;
use crate::plane::{self, Plan, Plane};
use crate::program::quoted;
use crate::sandbox_folder::{SandboxFolder, Starting};
use crate::settings;

/// Run the controller and the server against a cluster
#[derive(Debug, Args)]
#[command(after_help = "Without a flag: the kubeconfig that kubectl would take, or the cluster that this runs in.")]
pub(crate) struct Serve {
    /// The cluster that this process runs in, by its service account
    #[arg(long, conflicts_with = "sandbox")]
    in_cluster: bool,
    /// A sandbox kept in this folder: joined where it runs, else started
    #[arg(long, value_name = "DIR")]
    sandbox: Option<PathBuf>,
    /// How fast the sandbox's clock runs
    #[arg(long, default_value_t = 1.0, value_name = "N", requires = "sandbox")]
    speed: f64,
    /// Start a sandbox whose store is damaged: keep what is whole, list what is lost
    #[arg(long, requires = "sandbox")]
    recover: bool,
    /// What the sandbox may be called beside localhost and its address
    #[arg(long, value_name = "NAME", requires = "sandbox")]
    sandbox_host: Vec<String>,
    /// Where to listen; beyond loopback only with TLS
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Names for a certificate that is made now [default beyond loopback: the address]
    #[arg(long, value_name = "NAME", conflicts_with = "tls_cert")]
    tls_generate: Vec<String>,
    /// A proxy, or a network of proxies, whose X-Forwarded-For counts: attempts to log in are counted by address
    #[arg(long, value_name = "NETWORK")]
    trusted_proxy: Vec<Network>,
    /// Apply the CustomResourceDefinitions first
    #[arg(long)]
    install_crds: bool,
    /// Apply objects as `kubectl apply` and Argo CD do, where no sync option ServerSideApply says otherwise
    #[arg(long)]
    client_side_apply: bool,
    /// How often repositories are asked for news, in seconds
    #[arg(long, default_value_t = 180, value_name = "SECONDS")]
    poll: u64,
    /// Copies of remote repositories [default: ~/.cache/gantline/git]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Ask this URL instead of a registry host; * stands for all hosts
    #[arg(long, value_name = "HOST=URL", value_parser = host_url)]
    registry: Vec<(String, String)>,
    /// What this process is called among others that share the work [default: the host and the port]
    #[arg(long, value_name = "NAME", value_parser = replica_name)]
    replica: Option<String>,
    #[command(flatten)]
    rendering: Rendering,
    /// For tests: make a file at a durable step (`Pushed:after`), the first time, and wait while it is there
    #[arg(long, value_name = "STEP:before|after", value_parser = stopping_point, requires = "stop_file", hide = true)]
    stop_at: Option<(WriteStep, bool)>,
    #[arg(long, value_name = "FILE", hide = true)]
    stop_file: Option<PathBuf>,
}

fn host_url(text: &str) -> Result<(String, String), String> {
    let (host, url) = text.split_once('=').ok_or("write HOST=URL")?;
    Ok((host.to_owned(), url.trim_end_matches('/').to_owned()))
}

/// A Lease is called so.
fn replica_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = |end: Option<char>| end.is_some_and(|c| c != '-');
    if text.len() <= 200 && text.chars().all(fits) && ends(text.chars().next()) && ends(text.chars().next_back()) {
        return Ok(text.to_owned());
    }
    Err("write up to 200 lower case letters, digits and - between them, as replica-1".to_owned())
}

/// The same after a restart, so that the process takes up its share at once, and another for each process of a host.
fn own_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let host = host.get(..host.len().min(190)).unwrap_or_default().trim_matches('-');
    if host.is_empty() { format!("port-{port}") } else { format!("{host}-{port}") }
}

fn stopping_point(text: &str) -> Result<(WriteStep, bool), String> {
    let (step, when) = text.split_once(':').ok_or("write STEP:before or STEP:after")?;
    let names = WriteStep::ALL.map(WriteStep::as_str).join(", ");
    Ok((WriteStep::parse(step).ok_or_else(|| format!("the steps are {names}"))?, when == "before"))
}

impl Serve {
    pub(crate) async fn run(self, reach: &ClusterReach) -> Outcome {
        take_all_files();
        survive_full_disks()?;
        let stop = CancellationToken::new();
        let folder = match &self.sandbox {
            Some(path) => Some(SandboxFolder::open(path, &self.starting()).await?),
            None => None,
        };
        let listener = Listener::bind(self.listen, &self.transport()).await?.trusting(self.trusted_proxy.clone());
        let host = rustix::system::uname();
        let name = || own_name(&host.nodename().to_string_lossy(), listener.address().port());
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::starting_now());
        let replica = Replica { name: self.replica.clone().unwrap_or_else(name), clock };
        let plan = Plan { replica: Some(replica), ..self.plan(reach, folder.as_ref()).await? };
        let (cluster, clock, ids, namespace) =
            (plan.cluster.clone(), Arc::clone(&plan.clock), plan.ids.clone(), plan.namespace.clone());
        if self.install_crds || folder.is_some() {
            plane::install_definitions(&cluster, &*clock).await?;
        }
        if folder.is_some() {
            let object =
                serde_json::json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
            plane::apply(&cluster, [object]).await?;
        }
        accounts::prepare(&cluster, &namespace, &*clock, &ids).await?;
        let plane = Plane::new(plan);
        let running = plane.run(stop.clone());
        plane.server.ready().await;
        let (url, router) = (listener.url(), plane.server.router());
        let serving = tokio::spawn(listener.serve(router, stop.clone()));
        // who reads that it serves may end it
        let interrupted = interrupted();
        output::line(format!("gantline serves {url} for {}", cluster.address()));
        let sandbox = folder.as_ref().map(|folder| std::path::absolute(&folder.kubeconfig)).transpose()?;
        output::line(format!(
            "The first password of admin: {} -n {namespace} get secret {} -o jsonpath='{{.data.password}}' | base64 -d",
            kubectl(reach, sandbox.as_deref()),
            accounts::INITIAL_PASSWORD_SECRET
        ));
        if let Some(kubeconfig) = &sandbox {
            output::line(format!("kubectl reaches the sandbox by: export KUBECONFIG={}", quoted(kubeconfig)));
        }
        interrupted.await;
        stop.cancel();
        folder.iter().for_each(SandboxFolder::stop);
        let _ = tokio::join!(running, serving);
        Ok(Code::Done.into())
    }

    async fn plan(&self, reach: &ClusterReach, folder: Option<&SandboxFolder>) -> Result<Plan, Failure> {
        let overrides: BTreeMap<String, String> = self.registry.iter().cloned().collect();
        let (cluster, clock, ids, speed, registry) = match folder {
            Some(folder) => (
                folder.cluster.clone(),
                Arc::clone(&folder.clock),
                folder.ids.clone(),
                folder.speed,
                folder.registry_client()?,
            ),
            None => {
                let clock: Arc<dyn Clock> = Arc::new(ScaledClock::wall());
                let cluster = Cluster::connect(&target(reach, self.in_cluster), Arc::clone(&clock)).await?;
                let registry = git::RegistryClient::new(overrides).map_err(Failure::new)?;
                (cluster, clock, Ids::random(), 1.0, registry)
            }
        };
        Ok(Plan {
            cluster,
            clock,
            ids,
            namespace: reach.namespace(),
            cache: self.cache.clone().unwrap_or_else(|| settings::cache().join("git")),
            registry,
            poll: Duration::from_secs(self.poll.max(1)),
            speed,
            simulated: folder.is_some(),
            tls: !matches!(self.transport(), Transport::Plain),
            access: Access::Accounts,
            replica: None,
            client_side_apply: self.client_side_apply,
            at_step: self.stopper(),
            rendering: self.rendering.clone(),
            connector: None,
        })
    }

    fn starting(&self) -> Starting {
        Starting { speed: self.speed, recover: self.recover, names: self.sandbox_host.clone() }
    }

    fn transport(&self) -> Transport {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Transport::Files { certificate: certificate.clone(), key: key.clone() },
            _ if !self.tls_generate.is_empty() => Transport::Generated { names: self.tls_generate.clone() },
            _ if !self.listen.ip().is_loopback() => {
                Transport::Generated { names: vec![self.listen.ip().to_string(), "localhost".to_owned()] }
            }
            _ => Transport::Plain,
        }
    }

    fn stopper(&self) -> Option<AtStep> {
        let ((step, before), file) = (self.stop_at?, self.stop_file.clone()?);
        let stopped = AtomicBool::new(false);
        Some(AtStep(Arc::new(move |at, is_before| {
            if (at, is_before) == (step, before) && !stopped.swap(true, Ordering::Relaxed) {
                let _ = std::fs::write(&file, step.as_str());
                // the test kills or stops this process now
                while file.exists() {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        })))
    }
}

/// Lets this process have as many files open as the system allows: connections, clusters and repositories take some each.
fn take_all_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Lets a limit of the file size be an error of the write, as a full disk is, instead of the end of the process.
pub(crate) fn survive_full_disks() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    // once anybody has asked for a signal, it ends no process any more
    drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
    Ok(())
}

/// The cluster that the flags and the environment mean.
pub(crate) fn target(reach: &ClusterReach, in_cluster: bool) -> Target {
    let path = reach.kubeconfig.clone().or_else(settings::default_kubeconfig);
    let inside = in_cluster || (path.is_none() && settings::environment("KUBERNETES_SERVICE_HOST").is_some());
    if inside { Target::InCluster } else { Target::Kubeconfig { path, context: reach.context.clone() } }
}

/// `kubectl` for the cluster that is served, in whatever shell it is pasted into.
fn kubectl(reach: &ClusterReach, sandbox: Option<&Path>) -> String {
    let named = reach.kubeconfig.as_deref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    let kubeconfig = sandbox.or(named.as_deref()).map(|path| format!(" --kubeconfig {}", quoted(path)));
    let context = reach.context.as_deref().filter(|_| sandbox.is_none());
    let context = context.map(|context| format!(" --context {}", quoted(Path::new(context))));
    format!("kubectl{}{}", kubeconfig.unwrap_or_default(), context.unwrap_or_default())
}

/// The server's routes on the cluster itself, for `--core`: no controller runs, who asks has the kubeconfig's rights.
///
/// # Errors
/// When the cluster cannot be reached.
pub(crate) async fn core_router(reach: &Reach) -> Result<Router, Failure> {
    let (reach, clock): (_, Arc<dyn Clock>) = (&reach.cluster, Arc::new(ScaledClock::wall()));
    let cluster = Cluster::connect(&target(reach, false), Arc::clone(&clock)).await?;
    cluster.version().await?;
    let user = settings::environment("USER").unwrap_or_else(|| "kubeconfig".to_owned());
    let plane = Plane::new(Plan {
        cluster,
        clock,
        ids: Ids::random(),
        namespace: reach.namespace(),
        cache: settings::cache().join("git"),
        registry: git::RegistryClient::new(BTreeMap::new()).map_err(Failure::new)?,
        poll: Duration::from_secs(180),
        speed: 1.0,
        simulated: false,
        tls: false,
        access: Access::Core { user },
        replica: None,
        client_side_apply: false,
        at_step: None,
        rendering: Rendering::default(),
        connector: None,
    });
    plane.controller.stores().ready().await;
    plane.server.ready().await;
    Ok(plane.server.router())
}

/// Ends at Ctrl-C or SIGTERM, from the call on.
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = signal(SignalKind::terminate()).and_then(|term| Ok((term, signal(SignalKind::interrupt())?)));
    async move {
        match signals {
            Ok((mut terminate, mut interrupt)) => tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            },
            Err(_) => drop(tokio::signal::ctrl_c().await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_replicas_fit_a_lease() {
        for name in ["a", "replica-1", "0"] {
            assert_eq!(replica_name(name), Ok(name.to_owned()));
        }
        for name in ["", "A", "-a", "a-", "a_b", "a.b", &"a".repeat(201)] {
            assert!(replica_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn kubectl_is_called_for_the_cluster_that_is_served() {
        let said = |kubeconfig: Option<&str>, context: Option<&str>| ClusterReach {
            kubeconfig: kubeconfig.map(PathBuf::from),
            context: context.map(str::to_owned),
            namespace: None,
        };
        assert_eq!(kubectl(&said(None, None), None), "kubectl");
        let both = said(Some("/home/me/a b"), Some("prod"));
        assert_eq!(kubectl(&both, None), "kubectl --kubeconfig '/home/me/a b' --context prod");
        assert_eq!(kubectl(&both, Some(Path::new("/stage/kubeconfig"))), "kubectl --kubeconfig /stage/kubeconfig");
    }

    #[test]
    fn a_process_is_called_as_its_host_and_port() {
        let check = |host: &str, expected: &str| {
            assert_eq!(own_name(host, 8080), expected);
            assert_eq!(replica_name(expected), Ok(expected.to_owned()));
        };
        check("gantline-6b9-x2x", "gantline-6b9-x2x-8080");
        check("Tina's MacBook.local", "tina-s-macbook-local-8080");
        check("", "port-8080");
        check("...", "port-8080");
        check(&"h".repeat(300), &format!("{}-8080", "h".repeat(190)));
    }
}
