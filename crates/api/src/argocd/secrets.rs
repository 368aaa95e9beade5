//! Repository and cluster Secrets.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use object::LiveObject;
use serde::Deserialize;
use serde_json::Value;

use super::application::Destination;
use super::git_url::{authority, lies_below, normalize_git_url};
use super::permission::ClusterIdentity;

/// The label that says what a Secret in the control plane's namespace is for.
pub const SECRET_TYPE_LABEL: &str = "argocd.argoproj.io/secret-type";

/// Why a Secret cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("Secret {secret}: the key {key} is missing or empty; add it")]
    Missing { secret: String, key: &'static str },
    #[error("Secret {secret}: the key config is not the JSON that cluster Secrets hold: {reason}")]
    Config { secret: String, reason: String },
    /// No programs are run, and no cloud is asked.
    #[error(
        "Secret {secret}: config.{field} is not supported: no program is run to log in. Make a ServiceAccount on the \
         cluster, and put its token into config.bearerToken instead"
    )]
    Program { secret: String, field: &'static str },
    #[error(
        "Secret {secret}: config.tlsClientConfig has insecure and caData: certificates are either not verified, or by \
         caData; take one of them out"
    )]
    InsecureAuthority { secret: String },
    #[error(
        "Secret {secret}: {server} is reached as the control plane itself is: take username, password and bearerToken \
         out, or give the cluster's outside address as server"
    )]
    OwnCredentials { secret: String, server: String },
}

/// The texts of a Secret: `data` decoded, `stringData` over it. Values that are not base64 of UTF-8 are left out.
pub fn secret_data(secret: &Value) -> BTreeMap<String, String> {
    let texts = |field: &str| secret.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut data: BTreeMap<String, String> = texts("data")
        .into_iter()
        .filter_map(|(k, v)| Some((k, String::from_utf8(STANDARD.decode(v.as_str()?.trim()).ok()?).ok()?)))
        .collect();
    data.extend(texts("stringData").into_iter().filter_map(|(k, v)| Some((k, v.as_str()?.to_owned()))));
    data
}

/// How to log in to a repository. Never printed: `Debug` shows which fields are set.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RepositoryCredentials {
    pub username: String,
    pub password: String,
    pub bearer_token: String,
    pub ssh_private_key: String,
    pub tls_client_cert_data: String,
    pub tls_client_cert_key: String,
    /// Do not verify the server's certificate or host key.
    pub insecure: bool,
    pub enable_lfs: bool,
    /// The repository of charts is a registry.
    pub enable_oci: bool,
    pub force_http_basic_auth: bool,
    pub proxy: String,
    pub no_proxy: String,
}

impl fmt::Debug for RepositoryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryCredentials")
            .field("username", &self.username)
            .field("password", &!self.password.is_empty())
            .field("bearer_token", &!self.bearer_token.is_empty())
            .field("ssh_private_key", &!self.ssh_private_key.is_empty())
            .field("tls_client_cert", &!self.tls_client_cert_data.is_empty())
            .field("insecure", &self.insecure)
            .finish_non_exhaustive()
    }
}

impl RepositoryCredentials {
    fn from_data(data: &BTreeMap<String, String>) -> Self {
        let text = |key: &str| data.get(key).cloned().unwrap_or_default();
        let flag =
            |key: &str| data.get(key).is_some_and(|v| matches!(v.trim(), "true" | "True" | "TRUE" | "t" | "T" | "1"));
        Self {
            username: text("username"),
            password: text("password"),
            bearer_token: text("bearerToken"),
            ssh_private_key: text("sshPrivateKey"),
            tls_client_cert_data: text("tlsClientCertData"),
            tls_client_cert_key: text("tlsClientCertKey"),
            insecure: flag("insecure") || flag("insecureIgnoreHostKey"),
            enable_lfs: flag("enableLfs"),
            enable_oci: flag("enableOCI"),
            force_http_basic_auth: flag("forceHttpBasicAuth"),
            proxy: text("proxy"),
            no_proxy: text("noProxy"),
        }
    }

    /// Whether anything is set that a server would ask for.
    pub fn is_anonymous(&self) -> bool {
        [&self.username, &self.password, &self.bearer_token, &self.ssh_private_key, &self.tls_client_cert_data]
            .iter()
            .all(|field| field.is_empty())
    }
}

/// A Secret of the type `repository` (one address) or `repo-creds` (every address that begins so).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositorySecret {
    /// The Secret's own name.
    pub secret: String,
    pub url: String,
    /// `git`, `helm` or `oci`; empty in the Secret means `git`.
    pub kind: String,
    pub name: String,
    pub project: String,
    /// Whether `url` is a prefix.
    pub template: bool,
    pub credentials: RepositoryCredentials,
}

impl RepositorySecret {
    /// `None` when the Secret is not of these types.
    ///
    /// # Errors
    /// When it has no `url`.
    pub fn from_secret(secret: &LiveObject) -> Result<Option<Self>, SecretError> {
        let template = match secret.label(SECRET_TYPE_LABEL) {
            Some("repository") => false,
            Some("repo-creds") => true,
            _ => return Ok(None),
        };
        let data = secret_data(secret.value());
        let text = |key: &str| data.get(key).cloned().unwrap_or_default();
        if text("url").is_empty() {
            return Err(SecretError::Missing { secret: secret.name().to_owned(), key: "url" });
        }
        let kind = if text("type").is_empty() { "git".to_owned() } else { text("type") };
        Ok(Some(Self {
            secret: secret.name().to_owned(),
            url: text("url"),
            kind,
            name: text("name"),
            project: text("project"),
            template,
            credentials: RepositoryCredentials::from_data(&data),
        }))
    }
}

/// All repository Secrets, asked by address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialStore {
    secrets: Vec<RepositorySecret>,
    /// The places of those of repositories, by normalized address.
    repositories: HashMap<String, Vec<usize>>,
    /// The beginnings of addresses, normalized, the longest first.
    templates: Vec<(String, usize)>,
}

impl CredentialStore {
    pub fn new(secrets: impl IntoIterator<Item = RepositorySecret>) -> Self {
        let mut store = Self { secrets: secrets.into_iter().collect(), ..Self::default() };
        for (place, secret) in store.secrets.iter().enumerate() {
            let address = normalize_git_url(&secret.url);
            match secret.template {
                true => store.templates.push((address, place)),
                false => store.repositories.entry(address).or_default().push(place),
            }
        }
        let length = |place: usize| store.secrets[place].url.len();
        store.templates.sort_by_key(|(_, place)| std::cmp::Reverse((length(*place), *place)));
        store
    }

    /// The repositories that are written down by their whole address.
    pub fn repositories(&self) -> impl Iterator<Item = &RepositorySecret> {
        self.secrets.iter().filter(|secret| !secret.template)
    }

    /// Whether a Secret that serves the project is for something on the same host and port: then an administrator knows
    /// that machine.
    pub fn knows_host(&self, url: &str, project: &str) -> bool {
        let wanted = authority(url);
        let mut serving = self.secrets.iter().filter(|secret| secret.serves(project));
        wanted.is_some() && serving.any(|secret| authority(&secret.url) == wanted)
    }

    /// The credentials for an address used in a project: those of the repository itself (the project's own before those
    /// of no project), else of the longest matching prefix. A repository without any falls back to the prefix as well.
    pub fn find(&self, url: &str, project: &str) -> Option<&RepositorySecret> {
        let wanted = normalize_git_url(url);
        let own = self.repositories.get(&wanted).into_iter().flatten().map(|place| &self.secrets[*place]);
        let own = own.filter(|secret| secret.serves(project));
        let exact = own.max_by_key(|secret| !secret.project.is_empty());
        let prefix = || {
            let matching = self.templates.iter().filter(|(address, _)| lies_below(&wanted, address));
            let mut matching = matching.map(|(_, place)| &self.secrets[*place]);
            matching.find(|secret| secret.serves(project))
        };
        match exact {
            Some(own) if !own.credentials.is_anonymous() => Some(own),
            Some(own) => prefix().or(Some(own)),
            None => prefix(),
        }
    }
}

impl CredentialStore {
    /// The credentials for an image `host/repository`: of the Secrets of registries on its host that belong to no
    /// project, the one whose address begins as the image does the longest.
    pub fn of_image(&self, image: &str) -> Option<&RepositorySecret> {
        let host = image.split('/').next().unwrap_or_default();
        let common = |place: &str| image.split('/').zip(place.split('/')).take_while(|(a, b)| a == b).count();
        self.secrets
            .iter()
            .filter(|s| s.is_registry() && s.project.is_empty() && !s.credentials.is_anonymous())
            .filter(|s| s.place().split('/').next() == Some(host))
            .max_by_key(|s| common(s.place()))
    }
}

impl RepositorySecret {
    /// A Secret of a project serves no other one.
    fn serves(&self, project: &str) -> bool {
        self.project.is_empty() || self.project == project
    }

    fn is_registry(&self) -> bool {
        self.kind == "oci" || (self.kind == "helm" && (self.credentials.enable_oci || self.url.starts_with("oci://")))
    }

    /// The address without a scheme.
    fn place(&self) -> &str {
        self.url.split_once("://").map_or(self.url.as_str(), |(_, place)| place).trim_end_matches('/')
    }
}

/// A Secret of the type `cluster`. `shard` is not read: work is shared by Application, not by cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterSecret {
    pub secret: String,
    /// The server where the Secret names none.
    pub name: String,
    pub server: String,
    /// Empty means all namespaces.
    pub namespaces: Vec<String>,
    /// Whether cluster-scoped objects are managed although only some namespaces are.
    pub cluster_resources: bool,
    /// The cluster belongs to this project; empty: to none.
    pub project: String,
    /// How to log in, or why that is not known: such a cluster is there all the same.
    pub config: Result<ClusterConfig, SecretError>,
}

/// `config` of a cluster Secret.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterConfig {
    pub username: String,
    pub password: String,
    pub bearer_token: String,
    pub tls_client_config: TlsClientConfig,
    pub aws_auth_config: Option<Value>,
    pub exec_provider_config: Option<Value>,
    pub proxy_url: String,
    pub disable_compression: bool,
}

impl fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterConfig")
            .field("username", &self.username)
            .field("bearer_token", &!self.bearer_token.is_empty())
            .field("tls_client_config", &self.tls_client_config)
            .finish_non_exhaustive()
    }
}

/// TLS towards a cluster; the data fields are base64 of PEM.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsClientConfig {
    pub insecure: bool,
    pub server_name: String,
    pub ca_data: String,
    pub cert_data: String,
    pub key_data: String,
}

impl fmt::Debug for TlsClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClientConfig")
            .field("insecure", &self.insecure)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl ClusterSecret {
    /// `None` when the Secret is not of this type.
    ///
    /// # Errors
    /// When `server` is missing: then nobody can mean this cluster.
    pub fn from_secret(secret: &LiveObject) -> Result<Option<Self>, SecretError> {
        if secret.label(SECRET_TYPE_LABEL) != Some("cluster") {
            return Ok(None);
        }
        let data = secret_data(secret.value());
        let text = |key: &str| data.get(key).map(|text| text.trim().to_owned()).unwrap_or_default();
        let (own, server) = (secret.name().to_owned(), text("server").trim_end_matches('/').to_owned());
        if server.is_empty() {
            return Err(SecretError::Missing { secret: own, key: "server" });
        }
        let namespaces = text("namespaces");
        let namespaces = namespaces.split(',').map(str::trim).filter(|n| !n.is_empty());
        Ok(Some(Self {
            name: Some(text("name")).filter(|name| !name.is_empty()).unwrap_or_else(|| server.clone()),
            namespaces: namespaces.map(str::to_owned).collect(),
            cluster_resources: text("clusterResources") == "true",
            project: text("project"),
            config: ClusterConfig::read(&own, &server, &text("config")),
            secret: own,
            server,
        }))
    }

    /// The cluster that the control plane runs in, where no Secret says otherwise.
    pub fn in_cluster() -> Self {
        Self {
            secret: String::new(),
            name: Destination::IN_CLUSTER_NAME.to_owned(),
            server: Destination::IN_CLUSTER_SERVER.to_owned(),
            namespaces: Vec::new(),
            cluster_resources: false,
            project: String::new(),
            config: Ok(ClusterConfig::default()),
        }
    }

    /// As rules of projects name it.
    pub fn identity(&self) -> ClusterIdentity {
        ClusterIdentity { name: self.name.clone(), server: self.server.clone() }
    }
}

impl ClusterConfig {
    /// # Errors
    /// When it cannot be read, or wants what is not supported.
    fn read(secret: &str, server: &str, json: &str) -> Result<Self, SecretError> {
        let own = || secret.to_owned();
        let unreadable = |error: serde_json::Error| {
            // what the library says may quote a password
            let reason = format!("line {}, column {}: it is not as expected there", error.line(), error.column());
            SecretError::Config { secret: own(), reason }
        };
        let config: Self =
            if json.is_empty() { Self::default() } else { serde_json::from_str(json).map_err(unreadable)? };
        let programs =
            [("execProviderConfig", &config.exec_provider_config), ("awsAuthConfig", &config.aws_auth_config)];
        if let Some((field, _)) = programs.into_iter().find(|(_, program)| program.is_some()) {
            return Err(SecretError::Program { secret: own(), field });
        }
        if config.tls_client_config.insecure && !config.tls_client_config.ca_data.is_empty() {
            return Err(SecretError::InsecureAuthority { secret: own() });
        }
        let tls = &config.tls_client_config;
        let own_names = [&config.username, &config.password, &config.bearer_token, &tls.cert_data, &tls.key_data];
        let named = own_names.iter().any(|text| !text.is_empty());
        if server == Destination::IN_CLUSTER_SERVER && named {
            return Err(SecretError::OwnCredentials { secret: own(), server: server.to_owned() });
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret(kind: &str, data: Value) -> LiveObject {
        LiveObject::new(json!({"apiVersion": "v1", "kind": "Secret", "stringData": data,
            "metadata": {"name": "s", "labels": {SECRET_TYPE_LABEL: kind}}}))
        .unwrap()
    }

    #[test]
    fn the_longest_prefix_wins_and_own_credentials_before_it() {
        let all = [
            secret("repo-creds", json!({"url": "https://h/", "username": "short"})),
            secret("repo-creds", json!({"url": "https://h/org", "username": "long"})),
            secret("repository", json!({"url": "https://h/org/own.git", "username": "own"})),
            secret("repository", json!({"url": "https://h/org/none"})),
        ];
        let store = CredentialStore::new(all.iter().filter_map(|s| RepositorySecret::from_secret(s).unwrap()));
        for (url, user) in [
            ("https://h/x", Some("short")),
            ("https://h/org/y.git", Some("long")),
            ("https://h/Org/own", Some("own")),
            ("https://h/org/none", Some("long")),
            ("https://other/x", None),
        ] {
            assert_eq!(store.find(url, "default").map(|s| s.credentials.username.as_str()), user, "{url}");
        }
        assert!(RepositorySecret::from_secret(&secret("repository", json!({}))).is_err());
    }

    #[test]
    fn prefixes_are_whole_parts_of_one_project() {
        let all = [
            secret("repo-creds", json!({"url": "https://h/org", "username": "org"})),
            secret("repo-creds", json!({"url": "https://h/org/a", "username": "theirs", "project": "a"})),
            secret("repo-creds", json!({"url": "http://p:710", "username": "port"})),
            secret("repo-creds", json!({"url": "git@h:team", "username": "ssh"})),
        ];
        let store = CredentialStore::new(all.iter().filter_map(|s| RepositorySecret::from_secret(s).unwrap()));
        for (url, project, user) in [
            ("https://h/org/x.git", "b", Some("org")),
            ("https://h/org", "b", Some("org")),
            ("https://h/org2/x", "b", None),
            ("https://h/org.evil/x", "b", None),
            ("https://h/org/../other/x", "b", None),
            ("https://h/org/%2E./other/x", "b", None),
            ("https://h/org\\..\\other", "b", None),
            ("https://h/org/.\t./x", "b", None),
            ("https://h/org/a/x", "a", Some("theirs")),
            ("https://h/org/a/x", "b", Some("org")),
            ("http://p:710/x", "b", Some("port")),
            ("http://p:7101/x", "b", None),
            ("http://p:710@evil/x", "b", None),
            ("http://p:710.evil/x", "b", None),
            ("git@h:team/x.git", "b", Some("ssh")),
            ("git@h:team2/x.git", "b", None),
        ] {
            assert_eq!(store.find(url, project).map(|s| s.credentials.username.as_str()), user, "{url} {project}");
        }
        assert!(store.knows_host("https://h:443/other", "b") && store.knows_host("ssh://git@h/x", "b"));
        assert!(store.knows_host("http://p:710/x", "b") && !store.knows_host("http://p/x", "b"));
        assert!(!store.knows_host("file:///h", "b") && !store.knows_host("http://h/x", "b"));
    }

    #[test]
    fn secrets_of_registries_serve_for_images() {
        let all = [
            secret(
                "repository",
                json!({"type": "helm", "url": "ghcr.io/acme/charts", "enableOCI": "true", "username": "charts"}),
            ),
            secret("repo-creds", json!({"type": "oci", "url": "oci://ghcr.io/acme/shop", "username": "shop"})),
            secret("repository", json!({"type": "helm", "url": "https://quay.io/charts", "username": "index"})),
            secret("repository", json!({"type": "oci", "url": "oci://r.io", "username": "theirs", "project": "other"})),
            secret("repository", json!({"url": "https://git.io/a", "username": "git"})),
        ];
        let store = CredentialStore::new(all.iter().filter_map(|s| RepositorySecret::from_secret(s).unwrap()));
        for (image, user) in [
            ("ghcr.io/acme/shop/web", Some("shop")),
            ("ghcr.io/acme/charts/x", Some("charts")),
            ("quay.io/charts/x", None),
            ("r.io/x", None),
            ("git.io/a", None),
        ] {
            assert_eq!(store.of_image(image).map(|s| s.credentials.username.as_str()), user, "{image}");
        }
    }

    #[test]
    fn cluster_secrets_hold_json_and_are_not_printed() {
        let read = |data: Value| ClusterSecret::from_secret(&secret("cluster", data)).unwrap().unwrap();
        let data = json!({"server": "https://p:6443/", "name": "prod", "namespaces": " a, b ,",
            "config": "{\"bearerToken\":\"t0k3n\"}"});
        let cluster = read(data);
        assert_eq!((cluster.server.as_str(), cluster.namespaces.join("+").as_str()), ("https://p:6443", "a+b"));
        assert_eq!(cluster.config.as_ref().map(|config| config.bearer_token.as_str()), Ok("t0k3n"));
        assert!(!format!("{cluster:?}").contains("t0k3n"));
        assert_eq!(read(json!({"server": "https://q"})).name, "https://q", "the name of a cluster without one");
        assert!(ClusterSecret::from_secret(&secret("cluster", json!({"name": "x"}))).is_err());
    }

    #[test]
    fn what_a_cluster_secret_wants_in_vain_is_said_with_the_way_out() {
        let own = Destination::IN_CLUSTER_SERVER;
        for (server, config, words) in [
            ("https://x", "{", "Secret s: the key config is not the JSON"),
            (
                "https://x",
                r#"{"execProviderConfig": {"command": "gke"}}"#,
                "config.execProviderConfig is not supported",
            ),
            ("https://x", r#"{"awsAuthConfig": {"clusterName": "c"}}"#, "its token into config.bearerToken"),
            ("https://x", r#"{"tlsClientConfig": {"insecure": true, "caData": "eA=="}}"#, "take one of them out"),
            (own, r#"{"bearerToken": "t"}"#, "give the cluster's outside address"),
            (
                own,
                r#"{"tlsClientConfig": {"certData": "eA==", "keyData": "eA=="}}"#,
                "give the cluster's outside address",
            ),
        ] {
            let secret = secret("cluster", json!({"server": server, "config": config}));
            let problem = ClusterSecret::from_secret(&secret).unwrap().unwrap().config.unwrap_err().to_string();
            assert!(problem.contains(words), "{problem}");
        }
    }
}
