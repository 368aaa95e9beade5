//! `argocd-cm` and the accounts in `argocd-secret`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use object::yaml;
use serde_json::Value;

use super::customizations::{HealthScript, health_scripts};
use super::duration::parse_go_duration;
use super::glob::glob_match;
use super::names;

/// How live objects are known to belong to an Application.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrackingMethod {
    #[default]
    Annotation,
    AnnotationAndLabel,
    Label,
}

impl TrackingMethod {
    /// Anything that is not known means the default, as in Argo CD.
    pub fn parse(text: &str) -> Self {
        match text {
            "annotation+label" => Self::AnnotationAndLabel,
            "label" => Self::Label,
            _ => Self::Annotation,
        }
    }
}

/// A key of `argocd-cm` that could not be used; its default holds instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argocd-cm: {key} is not valid: {reason}; its default is used")]
pub struct SettingsProblem {
    pub key: String,
    pub reason: String,
}

/// A local account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub enabled: bool,
    /// May log in with a password.
    pub login: bool,
    /// May have tokens.
    pub api_key: bool,
}

/// What `argocd-secret` holds for one account.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AccountSecrets {
    /// bcrypt.
    pub password_hash: String,
    /// Sessions issued before it are not valid any more.
    pub password_modified: Option<Timestamp>,
    /// The ids of tokens that are valid.
    pub tokens: Vec<String>,
}

impl std::fmt::Debug for AccountSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountSecrets").field("password_modified", &self.password_modified).finish_non_exhaustive()
    }
}

impl AccountSecrets {
    /// Reads the account's keys: `admin.password`, or `accounts.NAME.password` for the others.
    pub fn of(name: &str, data: &BTreeMap<String, String>) -> Self {
        let prefix = if name == "admin" { "admin".to_owned() } else { format!("accounts.{name}") };
        let text = |key: &str| data.get(&format!("{prefix}.{key}")).map(|v| v.trim().to_owned()).unwrap_or_default();
        let tokens: Vec<Value> = serde_json::from_str(&text("tokens")).unwrap_or_default();
        Self {
            password_hash: text("password"),
            password_modified: text("passwordMtime").parse().ok(),
            tokens: tokens.iter().filter_map(|t| Some(t.get("id")?.as_str()?.to_owned())).collect(),
        }
    }
}

/// One entry of `resource.exclusions` or `resource.inclusions`: globs, an empty list matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceFilter {
    pub api_groups: Vec<String>,
    pub kinds: Vec<String>,
    pub clusters: Vec<String>,
}

impl ResourceFilter {
    fn matches(&self, group: &str, kind: &str, cluster: &str) -> bool {
        let hit = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|p| glob_match(p, text, None).unwrap_or(false))
        };
        hit(&self.api_groups, group) && hit(&self.kinds, kind) && hit(&self.clusters, cluster)
    }
}

/// The settings that this version reads from `argocd-cm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The time between two comparisons; 120 s, plus up to `reconciliation_jitter`.
    pub reconciliation: SignedDuration,
    pub reconciliation_jitter: SignedDuration,
    pub instance_label_key: String,
    pub tracking_method: TrackingMethod,
    pub installation_id: Option<String>,
    pub exclusions: Vec<ResourceFilter>,
    pub inclusions: Vec<ResourceFilter>,
    pub accounts: Vec<Account>,
    /// Every account, and what else its person is called in Git, in lower case: `gantline.people`, which Argo CD does not
    /// know.
    pub people: Arc<BTreeMap<String, BTreeSet<String>>>,
    /// The address of the web page, as people reach it.
    pub url: String,
    pub kustomize_build_options: String,
    /// Tools that are switched off by `TOOL.enable: "false"`: they are rendered as plain directories.
    pub disabled_tools: BTreeSet<String>,
    /// Whether Applications may deploy to the control plane's own cluster.
    pub in_cluster: bool,
    /// Whether a sync to another revision than the Application's needs the right to `override`.
    pub override_for_revisions: bool,
    /// How well the objects of some kinds do, in the words of people.
    pub health_scripts: Vec<HealthScript>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reconciliation: SignedDuration::from_secs(120),
            reconciliation_jitter: SignedDuration::from_secs(60),
            instance_label_key: names::INSTANCE_LABEL.to_owned(),
            tracking_method: TrackingMethod::default(),
            installation_id: None,
            exclusions: Vec::new(),
            inclusions: Vec::new(),
            accounts: vec![admin(true)],
            people: Arc::new(BTreeMap::from([("admin".to_owned(), BTreeSet::new())])),
            url: String::new(),
            kustomize_build_options: String::new(),
            disabled_tools: BTreeSet::new(),
            in_cluster: true,
            override_for_revisions: false,
            health_scripts: Vec::new(),
        }
    }
}

fn admin(enabled: bool) -> Account {
    Account { name: "admin".to_owned(), enabled, login: true, api_key: false }
}

impl Settings {
    /// Reads the data of `argocd-cm`; keys that cannot be read are reported and keep their default.
    pub fn from_config_map(data: &BTreeMap<String, String>) -> (Self, Vec<SettingsProblem>) {
        let mut settings = Self::default();
        let mut problems = Vec::new();
        let text = |key: &str| data.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
        for (key, field) in [
            ("timeout.reconciliation", &mut settings.reconciliation),
            ("timeout.reconciliation.jitter", &mut settings.reconciliation_jitter),
        ] {
            match text(key).map(parse_go_duration) {
                Some(Ok(duration)) => *field = duration,
                Some(Err(error)) => problems.push(SettingsProblem { key: key.into(), reason: error.to_string() }),
                None => {}
            }
        }
        if let Some(key) = text("application.instanceLabelKey") {
            key.clone_into(&mut settings.instance_label_key);
        }
        settings.tracking_method =
            TrackingMethod::parse(text("application.resourceTrackingMethod").unwrap_or_default());
        settings.installation_id = text("installationID").map(str::to_owned);
        settings.url = text("url").unwrap_or_default().to_owned();
        settings.kustomize_build_options = text("kustomize.buildOptions").unwrap_or_default().to_owned();
        let tools = ["kustomize", "helm", "jsonnet"].into_iter();
        settings.disabled_tools =
            tools.filter(|tool| text(&format!("{tool}.enable")) == Some("false")).map(str::to_owned).collect();
        settings.in_cluster = text("cluster.inClusterEnabled") != Some("false");
        settings.override_for_revisions =
            text("application.sync.requireOverridePrivilegeForRevisionSync") == Some("true");
        for (key, field) in
            [("resource.exclusions", &mut settings.exclusions), ("resource.inclusions", &mut settings.inclusions)]
        {
            match text(key).map(filters) {
                Some(Ok(list)) => *field = list,
                Some(Err(reason)) => problems.push(SettingsProblem { key: key.into(), reason }),
                None => {}
            }
        }
        let (scripts, slips) = health_scripts(data);
        settings.health_scripts = scripts;
        problems.extend(slips);
        settings.accounts = accounts(data);
        let named = text("gantline.people").map_or_else(|| Ok(BTreeMap::new()), people).unwrap_or_else(|reason| {
            problems.push(SettingsProblem { key: "gantline.people".into(), reason });
            BTreeMap::new()
        });
        let all = settings.accounts.iter().map(|account| (account.name.clone(), BTreeSet::new()));
        settings.people = Arc::new(all.chain(named).collect());
        (settings, problems)
    }

    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    /// Whether objects of this kind are left alone on this cluster. Events and metrics always are.
    pub fn excludes(&self, group: &str, kind: &str, cluster: &str) -> bool {
        let always = matches!(group, "events.k8s.io" | "metrics.k8s.io") || (group.is_empty() && kind == "Event");
        let included = self.inclusions.is_empty() || self.inclusions.iter().any(|f| f.matches(group, kind, cluster));
        always || !included || self.exclusions.iter().any(|f| f.matches(group, kind, cluster))
    }
}

/// `accounts.NAME: apiKey, login` with `accounts.NAME.enabled: "false"`; the account admin is there unless switched off.
fn accounts(data: &BTreeMap<String, String>) -> Vec<Account> {
    let off = |key: &str| data.get(key).is_some_and(|value| value.trim() == "false");
    let mut accounts = vec![admin(!off("admin.enabled"))];
    for (key, value) in data {
        let Some(name) = key.strip_prefix("accounts.").filter(|name| !name.contains('.') && *name != "admin") else {
            continue;
        };
        let can = |capability: &str| value.split(',').any(|c| c.trim() == capability);
        accounts.push(Account {
            name: name.to_owned(),
            enabled: !off(&format!("accounts.{name}.enabled")),
            login: can("login"),
            api_key: can("apiKey"),
        });
    }
    accounts
}

/// `dana: [Dana Smith, dana@home.example]`, or one name without the list.
fn people(text: &str) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let value = yaml::value(text).map_err(|error| error.to_string())?;
    let Value::Object(people) = value else { return Err("expected ACCOUNT: [NAME OR ADDRESS IN GIT, ...]".to_owned()) };
    let names = |account: String, value: Value| {
        let list = if let Value::Array(list) = value { list } else { vec![value] };
        let lower = |name: Value| match name {
            Value::String(name) => Ok(name.trim().to_lowercase()),
            other => Err(format!("{account}: {other} is no name or address in Git")),
        };
        let names = list.into_iter().map(lower).collect::<Result<_, _>>()?;
        Ok((account, names))
    };
    people.into_iter().map(|(account, value)| names(account, value)).collect()
}

fn filters(text: &str) -> Result<Vec<ResourceFilter>, String> {
    let value = yaml::value(text).map_err(|error| error.to_string())?;
    let Value::Array(items) = value else { return Err("expected a list".to_owned()) };
    let list = |item: &Value, key: &str| {
        let texts = item.get(key).and_then(Value::as_array).into_iter().flatten();
        texts.filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let filter = |item: &Value| ResourceFilter {
        api_groups: list(item, "apiGroups"),
        kinds: list(item, "kinds"),
        clusters: list(item, "clusters"),
    };
    Ok(items.iter().map(filter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_config_map_and_names_slips() {
        let data = [
            ("timeout.reconciliation", "180s"),
            ("timeout.reconciliation.jitter", "soon"),
            ("accounts.developer", "login"),
            ("cluster.inClusterEnabled", "false"),
            ("accounts.ci", "apiKey"),
            ("accounts.ci.enabled", "false"),
            ("resource.exclusions", "- apiGroups: [\"*.cilium.io\"]\n  kinds: [CiliumIdentity]\n"),
        ];
        let data = data.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let (settings, problems) = Settings::from_config_map(&data);
        assert_eq!(settings.reconciliation, SignedDuration::from_secs(180));
        assert_eq!(problems.len(), 1);
        let ci = Account { name: "ci".into(), enabled: false, login: false, api_key: true };
        assert_eq!(settings.account("ci"), Some(&ci));
        assert!(settings.account("developer").is_some_and(|a| a.login && a.enabled));
        assert!(!settings.in_cluster && Settings::default().in_cluster);
        assert!(settings.account("admin").is_some_and(|a| a.enabled));
        assert!(settings.excludes("x.cilium.io", "CiliumIdentity", ""));
        assert!(!settings.excludes("apps", "Deployment", ""));
        assert!(settings.excludes("", "Event", ""));
    }

    #[test]
    fn people_are_called_otherwise_in_git() {
        let settings = |people: &str| {
            let data = [("accounts.tina", "login"), ("gantline.people", people)];
            Settings::from_config_map(&data.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
        };
        let (told, problems) = settings("dana: [Dana Smith, DANA@home.example]\ntina: TT\n");
        assert!(problems.is_empty());
        let called = |name: &str| told.people[name].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(called("dana"), ["dana smith", "dana@home.example"]);
        assert_eq!((called("tina"), called("admin")), (vec!["tt"], vec![]));
        for slip in ["- dana", "dana: [1]", "dana: {a: b}", "dana: ["] {
            let (told, problems) = settings(slip);
            assert_eq!((problems.len(), told.people.len()), (1, 2), "{slip}");
        }
    }
}
