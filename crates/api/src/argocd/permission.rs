//! What a project permits (Argo CD 3.5.1 `app_project_types.go`).

use super::git_url::{authority, normalize_git_url};
use object::go_match::{self, matches};

use super::glob::{MatchMode, glob_match, list_match};
use super::project::{AppProject, AppProjectSpec, ProjectDestination, ResourceRestriction, SourceNamespaceDenied};
use super::source::ApplicationSource;

/// A cluster as rules name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterIdentity {
    pub name: String,
    pub server: String,
}

/// What is made of what means nothing to Argo CD: a pattern that is not well-formed, a line that says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reading {
    /// It permits nothing, and where it denies, it denies all that may have been meant.
    #[default]
    Careful,
    /// It matches nothing, so it denies nothing either.
    AsArgoCd,
}

impl Reading {
    /// Whether a pattern matches; `None` where it is not well-formed.
    fn glob(self, pattern: &str, text: &str, separator: Option<char>) -> Option<bool> {
        self.of_whole(pattern, glob_match(pattern, text, separator).ok())
    }

    /// What a pattern that was cut off matches is not known: with alternatives that do not end, or a backslash before
    /// nothing, which Argo CD takes as if all were there.
    fn of_whole(self, pattern: &str, found: Option<bool>) -> Option<bool> {
        let is_cut_off = pattern.matches('{').count() > pattern.matches('}').count() || pattern.ends_with('\\');
        found.filter(|_| self == Self::AsArgoCd || !is_cut_off)
    }
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
    /// Patterns that are not well-formed, and the first part that may not be written so.
    pub(super) fn slips(&self) -> Vec<String> {
        let destinations = self.destinations.iter().flat_map(|rule| [&rule.server, &rule.name, &rule.namespace]);
        let white = self.namespace_resource_whitelist.iter().flatten().chain(&self.cluster_resource_whitelist);
        let kinds = white.chain(&self.namespace_resource_blacklist).chain(&self.cluster_resource_blacklist);
        let kinds = kinds.flat_map(|rule| [&rule.group, &rule.kind, &rule.name]);
        let is_bad = |pattern: &&String| Reading::Careful.glob(pattern.trim_start_matches('!'), "x", None).is_none();
        let patterns = self.source_repos.iter().chain(destinations).filter(is_bad);
        let patterns = patterns.chain(kinds.filter(|pattern| go_match::check(pattern).is_err()));
        let bad = |pattern: &String| {
            format!(
                "the pattern {pattern:?} is not well-formed: it permits nothing, and where it denies, it denies everything"
            )
        };
        let wrong = self.check().err().map(|error| error.to_string());
        patterns.map(bad).chain(wrong).collect()
    }

    /// Whether the source's repository is permitted: some rule is met and no rule denies it. A rule that denies others
    /// is met, as in Argo CD.
    pub fn permits_source(&self, source: &ApplicationSource) -> bool {
        self.permits_source_as(source, Reading::Careful)
    }

    /// As [`AppProjectSpec::permits_source`].
    pub fn permits_source_as(&self, source: &ApplicationSource, reading: Reading) -> bool {
        let address = normalize_git_url(&source.repo_url);
        let meets = |pattern: &str| reading.glob(pattern, &address, Some('/'));
        let written = |rule: &String| match rule.strip_prefix('!') {
            Some(denied) => format!("!{}", normalize_git_url(denied)),
            None => normalize_git_url(rule),
        };
        // what Argo CD makes of braces and brackets in an address matches nothing, and `*` is no `**`; read with care a
        // rule denies what was meant
        let is_meant = |rule: &str| {
            let denied = rule.trim().trim_start_matches('!');
            denied == "*" || meets(denied).unwrap_or(true) || meets(&normalize_git_url(denied)).unwrap_or(true)
        };
        let mut permitted = false;
        for rule in &self.source_repos {
            let normal = written(rule);
            match normal.strip_prefix('!') {
                Some(denied) => {
                    let careful = reading == Reading::Careful && !denied.starts_with('!') && is_meant(rule);
                    if careful || meets(denied).unwrap_or(false) {
                        return false;
                    }
                    permitted = true;
                }
                None => permitted |= normal == "*" || meets(&normal).unwrap_or(false),
            }
        }
        permitted
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
        self.permits_destination_as(cluster, namespace, scoped, Reading::Careful)
    }

    /// As [`AppProjectSpec::permits_destination`].
    pub fn permits_destination_as(
        &self,
        cluster: &ClusterIdentity,
        namespace: &str,
        scoped: &[ClusterIdentity],
        reading: Reading,
    ) -> bool {
        let judged = self.destinations.iter().map(|rule| Met::of(rule, cluster, namespace, reading));
        let mut allowed = false;
        for (rule, met) in self.destinations.iter().zip(judged) {
            allowed |= met.allows();
            if met.denies(rule) && !(met.allows() && reading == Reading::AsArgoCd) {
                return false;
            }
        }
        let in_scope = !self.permit_only_project_scoped_clusters
            || scoped.iter().any(|own| own.server == cluster.server || own.name == cluster.name);
        allowed && in_scope
    }

    /// Whether objects of this kind (and, for cluster-scoped ones, of this name) are permitted.
    pub fn permits_kind(&self, group: &str, kind: &str, name: &str, namespaced: bool) -> bool {
        self.permits_kind_as([group, kind, name], namespaced, Reading::Careful)
    }

    /// As [`AppProjectSpec::permits_kind`], of group, kind and name.
    pub fn permits_kind_as(&self, [group, kind, name]: [&str; 3], namespaced: bool, reading: Reading) -> bool {
        let listed = |list: &[ResourceRestriction], on_error: bool| {
            let found = |pattern: &str, text: &str| reading.of_whole(pattern, matches(pattern, text).ok());
            let meets = |pattern: &str, text: &str| found(pattern, text).unwrap_or(on_error);
            // Argo CD knows names of cluster-scoped objects alone
            let is_any = namespaced && reading == Reading::AsArgoCd;
            let names = |rule: &ResourceRestriction| is_any || rule.name.is_empty() || meets(&rule.name, name);
            list.iter().any(|rule| meets(&rule.kind, kind) && meets(&rule.group, group) && names(rule))
        };
        let denied = |list: &[ResourceRestriction]| listed(list, reading == Reading::Careful);
        if namespaced {
            let white = self.namespace_resource_whitelist.as_ref().is_none_or(|list| listed(list, false));
            white && !denied(&self.namespace_resource_blacklist)
        } else {
            listed(&self.cluster_resource_whitelist, false) && !denied(&self.cluster_resource_blacklist)
        }
    }
}

/// Which parts of a rule for destinations are met.
#[derive(Debug, Clone, Copy)]
struct Met {
    server: bool,
    name: bool,
    namespace: bool,
}

impl Met {
    fn of(rule: &ProjectDestination, cluster: &ClusterIdentity, namespace: &str, reading: Reading) -> Self {
        let meets = |pattern: &str, text: &str| meets(pattern, text, reading);
        Self {
            server: !cluster.server.is_empty() && meets(&rule.server, &cluster.server),
            name: !cluster.name.is_empty() && meets(&rule.name, &cluster.name),
            namespace: meets(&rule.namespace, namespace),
        }
    }

    fn allows(self) -> bool {
        (self.server || self.name) && self.namespace
    }

    /// A deny on the cluster's name counts whatever the rule's namespace says; one on the namespace counts for the servers
    /// of its rule (measured on Argo CD 3.5.1). To Argo CD a rule that allows does not deny.
    fn denies(self, rule: &ProjectDestination) -> bool {
        let is_denial = |pattern: &str| pattern.starts_with('!');
        let name = !self.name && is_denial(&rule.name);
        let server = !self.server && is_denial(&rule.server) && self.namespace;
        let namespace = !self.namespace && is_denial(&rule.namespace) && self.server;
        name || server || namespace
    }
}

/// A pattern that starts with `!` is met by everything that the rest does not match.
fn meets(pattern: &str, text: &str, reading: Reading) -> bool {
    match pattern.strip_prefix('!') {
        Some(rest) => !reading.glob(rest, text, None).unwrap_or(reading == Reading::Careful),
        None => reading.glob(pattern, text, None).unwrap_or(false),
    }
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
