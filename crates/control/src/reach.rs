//! How far one may go on a cluster that Applications deploy to: everybody reads, and writes are for who has an
//! [`engine::Permitted`] in hand.

use std::sync::Arc;

use api::argocd::names;
use clock::Clock;
use cluster::{
    ApiResource, ApplyOptions, Cluster, ClusterError, DeleteOptions, LogOptions, Patch, PatchOptions, Propagation,
    Scope,
};
use engine::{Permitted, Removal};
use futures::Stream;
use object::{GroupKind, LiveObject, Manifest, ResourceKey};
use serde_json::Value;

/// So much of a name stays where it is made another one: the shortest limit is 63 characters, and CronJobs have 52.
const NAME_TAKEN: usize = 44;

/// A cluster that can be read.
#[derive(Debug, Clone)]
pub(crate) struct Reader(Cluster);

/// The way to one object of a cluster that may be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hand<'a, T> {
    cluster: &'a Cluster,
    permitted: &'a Permitted<T>,
}

impl From<Cluster> for Reader {
    fn from(cluster: Cluster) -> Self {
        Self(cluster)
    }
}

impl Reader {
    pub(crate) fn hand<'a, T>(&'a self, permitted: &'a Permitted<T>) -> Hand<'a, T> {
        Hand { cluster: &self.0, permitted }
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.0.clock()
    }

    /// # Errors
    /// As [`Cluster::resource`].
    pub(crate) async fn resource(&self, kind: &GroupKind) -> Result<Arc<ApiResource>, ClusterError> {
        self.0.resource(kind).await
    }

    pub(crate) fn known_resource(&self, kind: &GroupKind) -> Option<Arc<ApiResource>> {
        self.0.known_resource(kind)
    }

    /// # Errors
    /// As [`Cluster::resources`].
    pub(crate) async fn resources(&self) -> Result<Vec<Arc<ApiResource>>, ClusterError> {
        self.0.resources().await
    }

    /// # Errors
    /// As [`Cluster::version`].
    pub(crate) async fn version(&self) -> Result<String, ClusterError> {
        self.0.version().await
    }

    /// # Errors
    /// As [`Cluster::list`].
    pub(crate) async fn list(&self, scope: &Scope) -> Result<Vec<LiveObject>, ClusterError> {
        self.0.list(scope).await
    }

    /// # Errors
    /// As [`Cluster::logs`].
    pub(crate) async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: &LogOptions,
    ) -> Result<impl Stream<Item = Result<String, ClusterError>> + Send + use<>, ClusterError> {
        self.0.logs(namespace, pod, options).await
    }

    /// What the server would make of an object: nothing is written.
    ///
    /// # Errors
    /// As [`Cluster::apply`].
    pub(crate) async fn predict(&self, manifest: &Manifest) -> Result<LiveObject, ClusterError> {
        let options = ApplyOptions { manager: names::FIELD_MANAGER, force: true, dry_run: true, validate: false };
        self.0.apply(manifest, options).await
    }

    /// What the server would make of an object by a JSON merge patch: nothing is written.
    ///
    /// # Errors
    /// As [`Cluster::patch`].
    pub(crate) async fn predict_patch(&self, key: &ResourceKey, patch: Value) -> Result<LiveObject, ClusterError> {
        let options = PatchOptions { manager: names::FIELD_MANAGER, dry_run: true, ..PatchOptions::default() };
        self.0.patch(key, &Patch::Merge(patch), options).await
    }

    /// What the server would make of an object if there were none of its name: nothing is written.
    ///
    /// # Errors
    /// As [`Cluster::apply`].
    pub(crate) async fn predict_new(&self, manifest: &Manifest, validate: bool) -> Result<LiveObject, ClusterError> {
        let mut free = manifest.clone();
        let name: String = manifest.name().chars().take(NAME_TAKEN).chain("-new".chars()).collect();
        if let Some(metadata) = free.value_mut().get_mut("metadata").and_then(|metadata| metadata.as_object_mut()) {
            metadata.insert("name".to_owned(), name.into());
        }
        let options = ApplyOptions { manager: names::FIELD_MANAGER, force: true, dry_run: true, validate };
        self.0.apply(&free, options).await
    }
}

/// Every error of these is the cluster's, or that the server or the object is not what was permitted.
impl<T> Hand<'_, T> {
    pub(crate) fn key(&self) -> &ResourceKey {
        self.permitted.key()
    }

    pub(crate) async fn get(&self) -> Result<Option<LiveObject>, ClusterError> {
        self.cluster.get(self.key()).await
    }

    pub(crate) async fn patch(&self, patch: &Patch, options: PatchOptions<'_>) -> Result<LiveObject, ClusterError> {
        self.verify(self.key()).await?;
        self.cluster.patch(self.key(), patch, options).await
    }

    /// Deletes the object with this uid and no other; the answer is whether it was there.
    async fn remove(&self, uid: &str, propagation: Propagation) -> Result<bool, ClusterError> {
        self.verify(self.key()).await?;
        let options = DeleteOptions { propagation, uid: Some(uid.to_owned()), ..DeleteOptions::default() };
        self.cluster.delete(self.key(), &options).await
    }

    /// A kind may have changed its scope since it was judged, and a manifest its name.
    async fn verify(&self, key: &ResourceKey) -> Result<(), ClusterError> {
        let resource = self.cluster.resource(&key.group_kind()).await?;
        if key == self.key() && resource.namespaced == self.permitted.is_namespaced() {
            return Ok(());
        }
        let permitted = self.key();
        let message = format!("it is not what was permitted, {permitted}: nothing was written, compare again");
        Err(ClusterError::Malformed { object: key.to_string(), message })
    }
}

impl Hand<'_, Removal> {
    pub(crate) async fn delete(&self, propagation: Propagation) -> Result<bool, ClusterError> {
        self.remove(&self.permitted.object().uid, propagation).await
    }
}

impl Hand<'_, Manifest> {
    /// As it was permitted.
    pub(crate) fn manifest(&self) -> &Manifest {
        self.permitted.object()
    }

    pub(crate) async fn apply(&self, options: ApplyOptions<'_>) -> Result<LiveObject, ClusterError> {
        self.verify(self.key()).await?;
        self.cluster.apply(self.manifest(), options).await
    }

    /// What there is of its name, in its version.
    pub(crate) async fn get_of(&self) -> Result<Option<LiveObject>, ClusterError> {
        self.cluster.get_of(self.manifest()).await
    }

    /// Patches that.
    pub(crate) async fn patch_of(&self, patch: &Patch, options: PatchOptions<'_>) -> Result<LiveObject, ClusterError> {
        self.verify(self.key()).await?;
        self.cluster.patch_of(self.manifest(), patch, options).await
    }

    /// Makes the object, with what `manifest` has besides.
    pub(crate) async fn create(
        &self,
        manifest: &Manifest,
        options: PatchOptions<'_>,
    ) -> Result<LiveObject, ClusterError> {
        self.verify(&manifest.key()).await?;
        self.cluster.create_as(manifest, options).await
    }

    /// Puts the object, with what `manifest` has besides.
    pub(crate) async fn put(&self, manifest: &Manifest, options: PatchOptions<'_>) -> Result<LiveObject, ClusterError> {
        self.verify(&manifest.key()).await?;
        self.cluster.replace(manifest, options).await
    }

    /// Deletes what is there, to make it anew.
    pub(crate) async fn delete_live(&self, live: &LiveObject) -> Result<bool, ClusterError> {
        self.remove(live.uid(), Propagation::Foreground).await
    }
}
