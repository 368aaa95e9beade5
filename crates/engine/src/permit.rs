//! What an Application may touch. [`Permits::write`] and [`Permits::removal`] are the only ways to a [`Permitted`], and
//! whoever writes to a cluster takes nothing else.
//!
//! The rules are those of Argo CD 3.5.1 (`app_project_types.go`, the permission validator of its sync engine), for hooks,
//! namespaces and what is deleted as well, and for the object as it will be written.

use api::argocd::{AppProject, AppProjectSpec, ClusterIdentity};
use object::{LiveObject, Manifest, ResourceKey};

use crate::scope::Scopes;

/// How far an Application reaches where it deploys.
#[derive(Debug, Clone, Default)]
pub struct Permits {
    reach: Reach,
    scopes: Scopes,
}

#[derive(Debug, Clone, Default)]
enum Reach {
    /// Nobody knows the project, so that nothing is permitted.
    #[default]
    Nothing,
    Project(Box<Project>),
    /// No project has a say: for comparisons that nobody writes from.
    Everything,
}

#[derive(Debug, Clone)]
struct Project {
    name: String,
    spec: AppProjectSpec,
    cluster: ClusterIdentity,
    own_clusters: Vec<ClusterIdentity>,
}

/// An object that may be written, or deleted, where the Application deploys. Only [`Permits`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Permitted<T> {
    key: ResourceKey,
    is_namespaced: bool,
    object: T,
}

/// One live object, and no other of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub uid: String,
}

/// Why an object may not be touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("resource {group}:{kind} is not permitted in project {project}")]
    Kind { group: String, kind: String, project: String },
    #[error("namespace {namespace} is not permitted in project '{project}'")]
    Namespace { namespace: String, project: String },
    #[error("nothing is permitted: the project is not known")]
    NoProject,
    /// Such a name would be read as another place of the API.
    #[error("{0:?} cannot be the name of an object or a namespace: it holds '/' or '%', or is '.' or '..'")]
    Name(String),
}

impl Permits {
    /// What the project permits on a cluster. `own_clusters` are those that belong to the project alone.
    pub fn of(
        project: &AppProject,
        cluster: ClusterIdentity,
        own_clusters: Vec<ClusterIdentity>,
        scopes: Scopes,
    ) -> Self {
        let (name, spec) = (project.metadata.name.clone(), project.spec.clone());
        Self { reach: Reach::Project(Box::new(Project { name, spec, cluster, own_clusters })), scopes }
    }

    /// For comparisons that nobody writes from.
    pub fn everything() -> Self {
        Self { reach: Reach::Everything, scopes: Scopes::default() }
    }

    /// The object as it will be written, if it may be.
    ///
    /// # Errors
    /// Why not.
    pub fn write(&self, manifest: Manifest) -> Result<Permitted<Manifest>, Denied> {
        self.permitted(manifest.key(), manifest)
    }

    /// The live object, if it may be deleted.
    ///
    /// # Errors
    /// Why not.
    pub fn removal(&self, live: &LiveObject) -> Result<Permitted<Removal>, Denied> {
        self.permitted(live.key(), Removal { uid: live.uid().to_owned() })
    }

    fn permitted<T>(&self, key: ResourceKey, object: T) -> Result<Permitted<T>, Denied> {
        self.check(&key)?;
        let is_namespaced = self.is_namespaced(&key);
        Ok(Permitted { key, is_namespaced, object })
    }

    /// Whether an object may be touched.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, key: &ResourceKey) -> Result<(), Denied> {
        if let Some(bad) = [&key.name, &key.namespace].into_iter().find(|name| !is_segment(name)) {
            return Err(Denied::Name(bad.clone()));
        }
        match &self.reach {
            Reach::Nothing => Err(Denied::NoProject),
            Reach::Everything => Ok(()),
            Reach::Project(project) => project.check(key, self.is_namespaced(key)),
        }
    }

    /// Whether anything may be touched where the object is, of whatever kind.
    pub fn reaches(&self, key: &ResourceKey) -> bool {
        match &self.reach {
            Reach::Nothing => false,
            Reach::Everything => true,
            Reach::Project(project) => project.permits_namespace(&key.namespace),
        }
    }

    /// A kind that nobody knows is what the object says.
    fn is_namespaced(&self, key: &ResourceKey) -> bool {
        self.scopes.is_namespaced(&key.group_kind()).unwrap_or(!key.namespace.is_empty())
    }
}

impl Project {
    fn check(&self, key: &ResourceKey, is_namespaced: bool) -> Result<(), Denied> {
        let ResourceKey { group, kind, namespace, name } = key;
        let project = || self.name.clone();
        if !self.spec.permits_kind(group, kind, name, is_namespaced) {
            return Err(Denied::Kind { group: group.clone(), kind: kind.clone(), project: project() });
        }
        if is_namespaced && !self.permits_namespace(namespace) {
            return Err(Denied::Namespace { namespace: namespace.clone(), project: project() });
        }
        Ok(())
    }

    fn permits_namespace(&self, namespace: &str) -> bool {
        self.spec.permits_destination(&self.cluster, namespace, &self.own_clusters)
    }
}

/// As Kubernetes' `IsValidPathSegmentName`; one that is yet to be made has no name.
fn is_segment(name: &str) -> bool {
    !matches!(name, "." | "..") && !name.contains(['/', '%'])
}

impl<T> Permitted<T> {
    pub fn key(&self) -> &ResourceKey {
        &self.key
    }

    /// As what it was permitted; a server that says otherwise is not written to.
    pub fn is_namespaced(&self) -> bool {
        self.is_namespaced
    }

    pub fn object(&self) -> &T {
        &self.object
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn permits(spec: serde_json::Value) -> Permits {
        let project = json!({"metadata": {"name": "team-a"}, "spec": spec});
        let cluster = ClusterIdentity { name: "in-cluster".into(), server: "https://kubernetes.default.svc".into() };
        Permits::of(&AppProject::from_value(project).unwrap(), cluster, Vec::new(), Scopes::default())
    }

    #[test]
    fn nothing_outside_of_the_project_is_touched() {
        let a = permits(json!({"destinations": [{"server": "*", "namespace": "team-a"}],
            "namespaceResourceBlacklist": [{"group": "", "kind": "ServiceAccount"}]}));
        let check = |group: &str, kind: &str, namespace: &str, why: &str| {
            let found = a.check(&ResourceKey::new(group, kind, namespace, "x"));
            assert_eq!(found.map_err(|denied| denied.to_string()).err().unwrap_or_default(), why);
        };
        check("", "ConfigMap", "team-a", "");
        check("", "ConfigMap", "argocd", "namespace argocd is not permitted in project 'team-a'");
        check("", "ConfigMap", "", "namespace  is not permitted in project 'team-a'");
        check("", "ServiceAccount", "team-a", "resource :ServiceAccount is not permitted in project team-a");
        let role = "resource rbac.authorization.k8s.io:ClusterRoleBinding is not permitted in project team-a";
        check("rbac.authorization.k8s.io", "ClusterRoleBinding", "", role);
        check("", "Namespace", "", "resource :Namespace is not permitted in project team-a");
        // a kind that nobody knows is not taken for one of a namespace
        check("example.com", "Cluster", "", "resource example.com:Cluster is not permitted in project team-a");
    }

    #[test]
    fn names_lead_to_no_other_place() {
        let all = Permits::everything();
        for name in ["../../secrets/x", "a%2fb", "..", "."] {
            assert_eq!(all.check(&ResourceKey::new("", "ConfigMap", "a", name)), Err(Denied::Name(name.into())));
            assert_eq!(all.check(&ResourceKey::new("", "ConfigMap", name, "a")), Err(Denied::Name(name.into())));
        }
        assert_eq!(all.check(&ResourceKey::new("rbac.authorization.k8s.io", "ClusterRole", "", "system:x")), Ok(()));
    }

    #[test]
    fn without_a_project_nothing_is_permitted() {
        assert_eq!(Permits::default().check(&ResourceKey::new("", "ConfigMap", "a", "b")), Err(Denied::NoProject));
    }
}
