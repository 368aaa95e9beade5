//! Repository and cluster Secrets.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use object::LiveObject;
use serde::Deserialize;
use serde_json::Value;

use super::git_url::normalize_git_url;

/// The label that says what a Secret in the control plane's namespace is for.
pub const SECRET_TYPE_LABEL: &str = "argocd.argoproj.io/secret-type";

/// Why a Secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("Secret {secret}: the key {key} is missing or empty; add it")]
    Missing { secret: String, key: &'static str },
    #[error("Secret {secret}: the key config is not the JSON that cluster Secrets hold: {source}")]
    Config {
        secret: String,
        #[source]
        source: serde_json::Error,
    },
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
}

impl CredentialStore {
    pub fn new(secrets: impl IntoIterator<Item = RepositorySecret>) -> Self {
        Self { secrets: secrets.into_iter().collect() }
    }

    /// The repositories that are written down by their whole address.
    pub fn repositories(&self) -> impl Iterator<Item = &RepositorySecret> {
        self.secrets.iter().filter(|secret| !secret.template)
    }

    /// The credentials for an address used in a project: those of the repository itself (the project's own before those
    /// of no project), else of the longest matching prefix. A repository without any falls back to the prefix as well.
    pub fn find(&self, url: &str, project: &str) -> Option<&RepositorySecret> {
        let wanted = normalize_git_url(url);
        let exact = self
            .repositories()
            .filter(|s| normalize_git_url(&s.url) == wanted && (s.project.is_empty() || s.project == project))
            .max_by_key(|s| !s.project.is_empty());
        let prefix = self
            .secrets
            .iter()
            .filter(|s| s.template && wanted.starts_with(&normalize_git_url(&s.url)))
            .max_by_key(|s| s.url.len());
        match exact {
            Some(own) if !own.credentials.is_anonymous() => Some(own),
            Some(own) => prefix.or(Some(own)),
            None => prefix,
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
    fn is_registry(&self) -> bool {
        self.kind == "oci" || (self.kind == "helm" && (self.credentials.enable_oci || self.url.starts_with("oci://")))
    }

    /// The address without a scheme.
    fn place(&self) -> &str {
        self.url.split_once("://").map_or(self.url.as_str(), |(_, place)| place).trim_end_matches('/')
    }
}

/// A Secret of the type `cluster`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterSecret {
    pub secret: String,
    pub name: String,
    pub server: String,
    /// Empty means all namespaces.
    pub namespaces: Vec<String>,
    pub cluster_resources: bool,
    pub project: String,
    pub config: ClusterConfig,
}

/// `config` of a cluster Secret.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterConfig {
    pub username: String,
    pub password: String,
    pub bearer_token: String,
    pub tls_client_config: TlsClientConfig,
    #[serde(rename = "awsAuthConfig")]
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
    /// When `server` is missing or `config` is not its JSON.
    pub fn from_secret(secret: &LiveObject) -> Result<Option<Self>, SecretError> {
        if secret.label(SECRET_TYPE_LABEL) != Some("cluster") {
            return Ok(None);
        }
        let data = secret_data(secret.value());
        let text = |key: &str| data.get(key).cloned().unwrap_or_default();
        let own = || secret.name().to_owned();
        if text("server").is_empty() {
            return Err(SecretError::Missing { secret: own(), key: "server" });
        }
        let config = match text("config").trim() {
            "" => ClusterConfig::default(),
            json => serde_json::from_str(json).map_err(|source| SecretError::Config { secret: own(), source })?,
        };
        Ok(Some(Self {
            secret: own(),
            name: text("name"),
            server: text("server").trim_end_matches('/').to_owned(),
            namespaces: text("namespaces")
                .split(',')
                .map(str::trim)
                .filter(|n| !n.is_empty())
                .map(str::to_owned)
                .collect(),
            cluster_resources: text("clusterResources") == "true",
            project: text("project"),
            config,
        }))
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
        let data = json!({"server": "https://p:6443/", "name": "prod", "config": "{\"bearerToken\":\"t0k3n\"}"});
        let cluster = ClusterSecret::from_secret(&secret("cluster", data)).unwrap().unwrap();
        assert_eq!((cluster.server.as_str(), cluster.config.bearer_token.as_str()), ("https://p:6443", "t0k3n"));
        assert!(!format!("{cluster:?}").contains("t0k3n"));
        assert!(ClusterSecret::from_secret(&secret("cluster", json!({"server": "x", "config": "{"}))).is_err());
    }
}
