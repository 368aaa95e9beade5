//! What a project permits (Argo CD 3.5.1 `app_project_types.go`).

use super::git_url::{authority, normalize_git_url};
use super::glob::{MatchMode, glob_match, list_match};
use super::project::{AppProject, AppProjectSpec, ProjectDestination, ResourceRestriction, SourceNamespaceDenied};
use super::source::ApplicationSource;
use super::window::SyncWindow;

/// A cluster as rules name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterIdentity {
    pub name: String,
    pub server: String,
}

/// What a pattern that is not well-formed matches: where it permits nothing, and where it denies everything.
fn glob(pattern: &str, text: &str, usage: Usage) -> bool {
    glob_match(pattern, text, None).unwrap_or(usage == Usage::Deny)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Usage {
    Permit,
    Deny,
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
    /// Patterns that are not well-formed, and the first sync window that cannot be obeyed.
    pub(super) fn slips(&self) -> Vec<String> {
        let destinations = self.destinations.iter().flat_map(|rule| [&rule.server, &rule.name, &rule.namespace]);
        let white = self.namespace_resource_whitelist.iter().flatten().chain(&self.cluster_resource_whitelist);
        let kinds = white.chain(&self.namespace_resource_blacklist).chain(&self.cluster_resource_blacklist);
        let kinds = kinds.flat_map(|rule| [&rule.group, &rule.kind, &rule.name]);
        let patterns = self.source_repos.iter().chain(destinations).chain(kinds);
        let is_bad = |pattern: &&String| glob_match(pattern.trim_start_matches('!'), "x", None).is_err();
        let bad = |pattern: &String| {
            format!(
                "the pattern {pattern:?} is not well-formed: it permits nothing, and where it denies, it denies everything"
            )
        };
        let windows = SyncWindow::check_all(&self.sync_windows).err().map(|error| error.to_string());
        patterns.filter(is_bad).map(bad).chain(windows).collect()
    }

    /// Whether the source's repository is permitted: some rule is met and no rule denies it. A rule that denies others
    /// is met, as in Argo CD.
    pub fn permits_source(&self, source: &ApplicationSource) -> bool {
        let address = normalize_git_url(&source.repo_url);
        let glob =
            |pattern: &str, usage: Usage| glob_match(pattern, &address, Some('/')).unwrap_or(usage == Usage::Deny);
        let allows = |rule: &str| rule == "*" || glob(&normalize_git_url(rule), Usage::Permit);
        // what Argo CD makes of braces and brackets in an address matches nothing; here they deny what was meant
        let denies =
            |rule: &str| allows(rule) || glob(&normalize_git_url(rule), Usage::Deny) || glob(rule, Usage::Deny);
        let (denying, allowing): (Vec<_>, Vec<_>) = self.source_repos.iter().partition(|rule| rule.starts_with('!'));
        let denied = denying.iter().any(|rule| denies(&rule[1..]));
        !denied && (!denying.is_empty() || allowing.iter().any(|rule| allows(rule)))
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
        let listed =
            |list: &[ResourceRestriction], usage: Usage| list.iter().any(|r| restricts(r, group, kind, name, usage));
        if namespaced {
            let white = self.namespace_resource_whitelist.as_ref().is_none_or(|list| listed(list, Usage::Permit));
            white && !listed(&self.namespace_resource_blacklist, Usage::Deny)
        } else {
            listed(&self.cluster_resource_whitelist, Usage::Permit)
                && !listed(&self.cluster_resource_blacklist, Usage::Deny)
        }
    }
}

fn restricts(rule: &ResourceRestriction, group: &str, kind: &str, name: &str, usage: Usage) -> bool {
    let glob = |pattern: &str, text: &str| glob(pattern, text, usage);
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
        Some(rest) => !glob(rest, text, Usage::Deny),
        None => glob(pattern, text, Usage::Permit),
    }
}

/// A deny on the cluster's name counts whatever the rule's namespace says; one on the namespace counts for the servers
/// of its rule (measured on Argo CD 3.5.1).
fn denies(rule: &ProjectDestination, cluster: &ClusterIdentity, namespace: &str) -> bool {
    let glob = |pattern: &str, text: &str| glob(pattern, text, Usage::Deny);
    let negated = |pattern: &str, text: &str| pattern.strip_prefix('!').is_some_and(|rest| glob(rest, text));
    let server = negated(&rule.server, &cluster.server) && glob(&rule.namespace, namespace);
    let name = negated(&rule.name, &cluster.name);
    let in_namespace = glob(&rule.server, &cluster.server) && negated(&rule.namespace, namespace);
    server || name || in_namespace
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use test_support::Dice;

    use super::*;

    fn spec(spec: Value) -> AppProjectSpec {
        serde_json::from_value(spec).unwrap()
    }

    const BAD: [&str; 4] = ["[x", "{x", "x\\", "[]"];

    #[test]
    fn a_pattern_that_is_not_well_formed_permits_nothing_and_denies_everything() {
        let cluster = ClusterIdentity { name: "far".into(), server: "https://far.test".into() };
        let source = |url: &str| ApplicationSource { repo_url: url.into(), ..ApplicationSource::default() };
        for bad in BAD {
            let project = spec(json!({"sourceRepos": [bad]}));
            assert!(!project.permits_source(&source("https://git.test/a")), "{bad}");
            let project = spec(json!({"sourceRepos": ["*", format!("!{bad}")]}));
            assert!(!project.permits_source(&source("https://git.test/a")), "!{bad}");
            for field in ["server", "name", "namespace"] {
                let mut rule = json!({"server": "*", "namespace": "*"});
                rule[field] = json!(bad);
                if field != "name" {
                    let project = spec(json!({"destinations": [rule]}));
                    assert!(!project.permits_destination(&cluster, "web", &[]), "{field}: {bad}");
                }
                rule[field] = json!(format!("!{bad}"));
                let project = spec(json!({"destinations": [{"server": "*", "namespace": "*"}, rule]}));
                assert!(!project.permits_destination(&cluster, "web", &[]), "{field}: !{bad}");
            }
            for field in ["group", "kind", "name"] {
                let mut rule = json!({"group": "*", "kind": "*"});
                rule[field] = json!(bad);
                for (white, black, namespaced) in [
                    ("namespaceResourceWhitelist", "namespaceResourceBlacklist", true),
                    ("clusterResourceWhitelist", "clusterResourceBlacklist", false),
                ] {
                    let project = spec(json!({white: [rule]}));
                    assert!(!project.permits_kind("apps", "Deployment", "web", namespaced), "{white}: {rule}");
                    let project = spec(json!({white: [{"group": "*", "kind": "*"}], black: [rule]}));
                    assert!(!project.permits_kind("apps", "Deployment", "web", namespaced), "{black}: {rule}");
                }
            }
        }
    }

    /// Whatever else the rules say. (Beyond what it means a denial permits, as in Argo CD.)
    #[test]
    fn what_a_denial_means_is_never_permitted() {
        let mut dice = Dice::new(0x9E37_79B9_7F4A_7C15);
        let patterns = ["*", "a", "b", "a*", "?", "[ab]", "{a,b}", "!a", "!b*", "[a", "", "!*"];
        let (mut permitted, mut taken) = (0, 0);
        for _ in 0..150 {
            let mut rule = || {
                let [server, namespace] = [dice.pick(&patterns), dice.pick(&patterns)];
                json!({"server": server, "namespace": namespace, "name": dice.pick(&patterns)})
            };
            let rules = [rule(), rule()];
            let denial = dice.pick(&["!a", "!b", "!a*", "!?", "![ab]", "!{a,b}", "![a", "!*"]);
            let cluster =
                ClusterIdentity { name: dice.pick(&["a", "b"]).into(), server: dice.pick(&["a", "b"]).into() };
            let namespace = dice.pick(&["a", "b", "ab"]);
            let more = json!({"server": "*", "namespace": denial});
            let (before, after) =
                (spec(json!({"destinations": rules})), spec(json!({"destinations": [rules[0], rules[1], more]})));
            let permits = |spec: &AppProjectSpec| spec.permits_destination(&cluster, namespace, &[]);
            let is_meant = glob_match(&denial[1..], namespace, None).unwrap_or(true);
            assert!(!(is_meant && permits(&after)), "{after:?} {cluster:?} {namespace}");
            permitted += usize::from(permits(&before));
            taken += usize::from(permits(&before) && !permits(&after));
            let (before, after) = (
                spec(json!({"sourceRepos": [dice.pick(&patterns), "a"]})),
                spec(json!({"sourceRepos": ["a", denial]})),
            );
            let source = ApplicationSource { repo_url: namespace.into(), ..ApplicationSource::default() };
            assert!(!(is_meant && after.permits_source(&source)), "{before:?} {after:?}");
        }
        assert!(permitted > 20 && taken > 10, "{permitted} {taken}");
    }
}
