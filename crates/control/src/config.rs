//! What a controller is made of.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids};
use cluster::Cluster;
use promotion::WriteStep;

use crate::panics::Killed;
use crate::repositories::Remotes;
use crate::shares::Replica;
use crate::sites::{BySecret, Connector};
use crate::workers::Renderer;

/// See the module.
#[derive(Debug, Clone)]
pub struct ControllerConfig {
    pub clock: Arc<dyn Clock>,
    pub ids: Ids,
    /// The cluster that holds the Applications, and that `https://kubernetes.default.svc` means.
    pub cluster: Cluster,
    /// How other clusters are reached.
    pub connector: Arc<dyn Connector>,
    pub remotes: Arc<dyn Remotes>,
    /// Where Applications live.
    pub namespace: String,
    /// The time between two questions to a repository, plus up to `jitter`.
    pub poll: Duration,
    pub jitter: Duration,
    /// How many Applications are worked on at once; those that wait for a slow render do not count.
    pub workers: usize,
    pub renderer: Renderer,
    /// Which of several processes this is; without it everything belongs to this one.
    pub replica: Option<Replica>,
    /// Asked for the digests of tags; without it only what pods report is known.
    pub registry: Option<git::RegistryClient>,
    /// Objects are applied as `kubectl apply` does where no `ServerSideApply` says otherwise, as in Argo CD.
    pub client_side_apply: bool,
    /// Called before (`true`) and after each durable step of a promotion: where tests stop the process.
    pub at_step: Option<AtStep>,
}

/// See [`ControllerConfig::at_step`].
#[derive(Clone)]
pub struct AtStep(pub Arc<dyn Fn(WriteStep, bool) + Send + Sync>);

impl AtStep {
    /// Where it unwinds, the controller ends at once.
    pub(crate) fn reached(&self, step: WriteStep, before: bool) {
        if catch_unwind(AssertUnwindSafe(|| (self.0)(step, before))).is_err() {
            resume_unwind(Box::new(Killed));
        }
    }
}

impl fmt::Debug for AtStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtStep")
    }
}

impl ControllerConfig {
    /// Namespace `argocd`, repositories asked every three to four minutes, eight workers.
    pub fn new(
        clock: Arc<dyn Clock>,
        ids: Ids,
        cluster: Cluster,
        remotes: Arc<dyn Remotes>,
        renderer: Renderer,
    ) -> Self {
        let (poll, jitter) = (Duration::from_secs(180), Duration::from_secs(60));
        Self {
            connector: Arc::new(BySecret(Arc::clone(&clock))),
            clock,
            ids,
            cluster,
            remotes,
            namespace: "argocd".to_owned(),
            poll,
            jitter,
            workers: 8,
            renderer,
            replica: None,
            registry: None,
            client_side_apply: false,
            at_step: None,
        }
    }
}
