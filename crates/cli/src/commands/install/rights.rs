//! What the account of the control plane may do: with Kubernetes, and not only with Gantline, as the wall.

use api::argocd::{Destination, SECRET_TYPE_LABEL};
use control::{ACCOUNTS_SECRET, CONFIG_MAPS, LEDGER_SECRETS, SESSIONS_SECRET};
use serde_json::{Value, json};
use server::people::accounts::INITIAL_PASSWORD_SECRET;

use super::{NAME, metadata};

/// How far the account reaches beside the control plane's own namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Into the managed namespaces; there is no ClusterRole.
    Named,
    /// It reads the whole cluster, and writes in the managed namespaces.
    Read,
    All,
}

pub(super) struct Rights<'a> {
    /// The control plane's own namespace.
    pub(super) own: &'a str,
    pub(super) reach: Reach,
    /// Where Applications deploy to.
    pub(super) managed: &'a [String],
    /// Where Applications live beside the own namespace.
    pub(super) applications: &'a [String],
}

const READ: [&str; 3] = ["get", "list", "watch"];
/// What a sync does with an object. Neither `escalate`, `bind` nor `impersonate`: nobody gets more rights by way of Git
/// than the account has.
const WRITE: [&str; 4] = ["create", "patch", "update", "delete"];

impl Rights<'_> {
    pub(super) fn objects(&self) -> Vec<Value> {
        // the token comes into the pod that says so, and into no other that takes the account
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(NAME, self.own),
            "automountServiceAccountToken": false });
        let mut objects = vec![account];
        objects.extend(self.role(NAME, self.own, own_rules()));
        for namespace in self.applications {
            objects.extend(self.role("gantline-applications", namespace, application_rules()));
        }
        for namespace in self.managed {
            objects.extend(self.role(
                "gantline-manage",
                namespace,
                json!([on_all(&[READ.as_slice(), &WRITE].concat())]),
            ));
        }
        match self.reach {
            Reach::Named => {}
            Reach::Read => objects.extend(self.cluster_role(&json!([on_all(&READ)]))),
            Reach::All => objects.extend(self.cluster_role(&json!([on_all(&["*"])]))),
        }
        objects.push(self.own_cluster());
        objects
    }

    /// A Role and who has it.
    fn role(&self, name: &str, namespace: &str, rules: Value) -> [Value; 2] {
        let kind = |kind: &str| json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata(name, namespace) });
        let (mut role, mut binding) = (kind("Role"), kind("RoleBinding"));
        role["rules"] = rules;
        binding["roleRef"] = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name });
        binding["subjects"] = self.account();
        [role, binding]
    }

    /// Under one name whatever the reach: who applies a narrower one takes the wider one back.
    fn cluster_role(&self, rules: &Value) -> [Value; 2] {
        let reference = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME });
        [
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": NAME }, "rules": rules }),
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": NAME },
                "roleRef": reference, "subjects": self.account() }),
        ]
    }

    fn account(&self) -> Value {
        json!([{ "kind": "ServiceAccount", "name": NAME, "namespace": self.own }])
    }

    /// The Secret of the cluster itself, so that nothing is watched that may not be. Without rights on the cluster some
    /// namespace has to be named: none would mean all.
    fn own_cluster(&self) -> Value {
        let namespaces = match self.reach {
            Reach::Named if self.managed.is_empty() => self.own.to_owned(),
            Reach::Named => self.managed.join(","),
            Reach::Read | Reach::All => String::new(),
        };
        let mut metadata = metadata("cluster-in-cluster", self.own);
        metadata["labels"][SECRET_TYPE_LABEL] = "cluster".into();
        let (name, server) = (Destination::IN_CLUSTER_NAME, Destination::IN_CLUSTER_SERVER);
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque",
            "stringData": { "name": name, "server": server, "namespaces": namespaces } })
    }
}

fn on(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": resources, "verbs": verbs })
}

fn on_all(verbs: &[&str]) -> Value {
    on("*", &["*"], verbs)
}

/// The rule for objects of these names only. What lists or watches has to ask for one name then.
fn named(mut rule: Value, names: &[&str]) -> Value {
    rule["resourceNames"] = json!(names);
    rule
}

/// The Secrets that the control plane writes. Others it only reads.
fn own_secrets() -> Vec<&'static str> {
    let all = [ACCOUNTS_SECRET, SESSIONS_SECRET, INITIAL_PASSWORD_SECRET];
    all.into_iter().chain(LEDGER_SECRETS).collect()
}

/// What the control plane does with its own objects.
fn own_rules() -> Value {
    const OURS: &str = "gantline.dev";
    let records = ["pipelines", "releases", "promotions"];
    let statuses = ["pipelines/status", "releases/status", "promotions/status"];
    let mut rules = application_rules();
    let all = [
        on("argoproj.io", &["appprojects"], &["get", "list", "watch", "create"]),
        on(OURS, &records, &READ),
        on(OURS, &records[1..], &["create"]),
        on(OURS, &records[..1], &["patch"]),
        on(OURS, &statuses, &["patch"]),
        named(on("", &["configmaps"], &READ), &CONFIG_MAPS),
        // those of repositories and clusters have labels, and names that nobody knows before
        on("", &["secrets"], &["get", "list", "watch", "create"]),
        named(on("", &["secrets"], &["patch"]), &own_secrets()),
        on("coordination.k8s.io", &["leases"], &["get", "list", "create", "update", "delete"]),
    ];
    rules.as_array_mut().into_iter().for_each(|rules| rules.extend(all.clone()));
    rules
}

/// What it does where Applications live.
fn application_rules() -> Value {
    json!([
        on("argoproj.io", &["applications"], &["get", "list", "watch", "patch", "delete"]),
        on("", &["events"], &["list", "create"]),
    ])
}
