//! What a project permits (Argo CD 3.5.1 `app_project_types.go`).

use super::git_url::{authority, normalize_git_url};
use super::glob::{MatchMode, glob_match, list_match};
use super::project::{AppProject, AppProjectSpec, ProjectDestination, ResourceRestriction, SourceNamespaceDenied};
use super::source::ApplicationSource;

/// A cluster as rules name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterIdentity {
    pub name: String,
    pub server: String,
}

fn glob(pattern: &str, text: &str) -> bool {
    glob_match(pattern, text, None).unwrap_or(false)
}

impl AppProject {
    /// # Errors
    /// When the Application's namespace is neither the control plane's nor listed in the project.
    pub fn check_application_namespace(
        &self,
        namespace: &str,
        control_namespace: &str,
    ) -> Result<(), SourceNamespaceDenied> {
        let home = namespace.is_empty() || namespace == control_namespace;
        if home || list_match(&self.spec.source_namespaces, namespace, MatchMode::Regexp) {
            return Ok(());
        }
        Err(SourceNamespaceDenied { namespace: namespace.to_owned(), project: self.metadata.name.clone() })
    }
}

impl AppProjectSpec {
    /// Whether the source's repository is permitted: some rule is met and no rule denies it. A rule that denies others
    /// is met, as in Argo CD.
    pub fn permits_source(&self, source: &ApplicationSource) -> bool {
        let address = normalize_git_url(&source.repo_url);
        let hit = |pattern: &str| {
            let pattern = if pattern == "*" { return true } else { normalize_git_url(pattern) };
            glob_match(&pattern, &address, Some('/')).unwrap_or(false)
        };
        let (denying, allowing): (Vec<_>, Vec<_>) = self.source_repos.iter().partition(|rule| rule.starts_with('!'));
        let denied = denying.iter().any(|rule| hit(&rule[1..]));
        !denied && (!denying.is_empty() || allowing.iter().any(|rule| hit(rule)))
    }

    /// Whether a rule names the host and port of the address, without wildcards in them.
    pub fn names_host(&self, url: &str) -> bool {
        let wanted = authority(url);
        let allowing = self.source_repos.iter().filter(|rule| !rule.starts_with('!'));
        let named = allowing.filter_map(|rule| authority(rule));
        wanted
            .is_some_and(|wanted| named.filter(|host| !host.contains(['*', '?', '[', '{'])).any(|host| host == wanted))
    }

    /// Whether objects may live in the namespace of the cluster. `scoped` are the clusters that belong to the project
    /// alone; they count when only such clusters are permitted.
    pub fn permits_destination(&self, cluster: &ClusterIdentity, namespace: &str, scoped: &[ClusterIdentity]) -> bool {
        let allowed = self.destinations.iter().any(|rule| allows(rule, cluster, namespace));
        let denied = self.destinations.iter().any(|rule| denies(rule, cluster, namespace));
        let in_scope = !self.permit_only_project_scoped_clusters
            || scoped.iter().any(|own| own.server == cluster.server || own.name == cluster.name);
        allowed && !denied && in_scope
    }

    /// Whether objects of this kind (and, for cluster-scoped ones, of this name) are permitted.
    pub fn permits_kind(&self, group: &str, kind: &str, name: &str, namespaced: bool) -> bool {
        let listed = |list: &[ResourceRestriction]| list.iter().any(|r| restricts(r, group, kind, name));
        if namespaced {
            let white = self.namespace_resource_whitelist.as_ref().is_none_or(|list| listed(list));
            white && !listed(&self.namespace_resource_blacklist)
        } else {
            listed(&self.cluster_resource_whitelist) && !listed(&self.cluster_resource_blacklist)
        }
    }
}

fn restricts(rule: &ResourceRestriction, group: &str, kind: &str, name: &str) -> bool {
    glob(&rule.group, group) && glob(&rule.kind, kind) && (rule.name.is_empty() || glob(&rule.name, name))
}

fn allows(rule: &ProjectDestination, cluster: &ClusterIdentity, namespace: &str) -> bool {
    let at = (!rule.server.is_empty() && positive(&rule.server, &cluster.server))
        || (!rule.name.is_empty() && !cluster.name.is_empty() && positive(&rule.name, &cluster.name));
    at && positive(&rule.namespace, namespace)
}

/// A pattern that starts with `!` is met by everything that the rest does not match.
fn positive(pattern: &str, text: &str) -> bool {
    match pattern.strip_prefix('!') {
        Some(rest) => !glob(rest, text),
        None => glob(pattern, text),
    }
}

/// A deny on the cluster's name counts whatever the rule's namespace says; one on the namespace counts for the servers
/// of its rule (measured on Argo CD 3.5.1).
fn denies(rule: &ProjectDestination, cluster: &ClusterIdentity, namespace: &str) -> bool {
    let negated = |pattern: &str, text: &str| pattern.strip_prefix('!').is_some_and(|rest| glob(rest, text));
    let server = negated(&rule.server, &cluster.server) && glob(&rule.namespace, namespace);
    let name = negated(&rule.name, &cluster.name);
    let in_namespace = glob(&rule.server, &cluster.server) && negated(&rule.namespace, namespace);
    server || name || in_namespace
}
