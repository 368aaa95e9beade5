//! The API server of a sandbox, asked without kubectl: a program's start each time takes longer than the answer.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::blocking::Client;
use serde_json::Value;

/// The sandbox of a folder, wherever it listens now.
#[derive(Debug, Clone)]
pub struct Api {
    folder: PathBuf,
    client: Client,
}

/// Where a sandbox is, and the token that it takes.
///
/// # Errors
/// When it does not run.
pub(crate) fn entrance(folder: &Path) -> std::io::Result<(String, String)> {
    let running: Value = serde_json::from_str(&fs::read_to_string(folder.join("sandbox.json"))?)?;
    let server = running["server"].as_str().unwrap_or_default().to_owned();
    let config = fs::read_to_string(folder.join("kubeconfig"))?;
    let token = config.split("token").nth(1).unwrap_or_default();
    let token = token.split(|c: char| !c.is_ascii_hexdigit()).find(|word| word.len() >= 32).unwrap_or_default();
    Ok((server, token.to_owned()))
}

impl Api {
    /// # Panics
    /// When no client can be made.
    pub fn of(folder: &Path) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().tls_danger_accept_invalid_certs(true).http1_only().build().expect("a client");
        Self { folder: folder.to_owned(), client }
    }

    /// The answer; null where there is none, or it is no success.
    pub fn get(&self, path: &str) -> Value {
        self.ask("GET", path, None).unwrap_or_default()
    }

    /// Server-side applies an object, by its path.
    ///
    /// # Errors
    /// When it is not acknowledged.
    pub fn apply(&self, path: &str, object: &Value) -> Result<Value, String> {
        self.ask("PATCH", &format!("{path}?fieldManager=e2e&force=true"), Some(object))
    }

    /// Merges something into an object.
    ///
    /// # Errors
    /// When it is not acknowledged.
    pub fn merge(&self, path: &str, patch: &Value) -> Result<Value, String> {
        self.ask("PATCH", path, Some(patch))
    }

    /// # Errors
    /// When it is not acknowledged.
    pub fn delete(&self, path: &str) -> Result<Value, String> {
        self.ask("DELETE", path, None)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let (server, token) = entrance(&self.folder).map_err(|error| error.to_string())?;
        let method = method.parse().map_err(|_| "no method".to_owned())?;
        let request = self.client.request(method, format!("{server}{path}")).bearer_auth(token);
        let request = match body {
            Some(body) => {
                let kind = if path.contains("fieldManager") { "apply-patch+yaml" } else { "merge-patch+json" };
                request.header("content-type", format!("application/{kind}")).body(body.to_string())
            }
            None => request,
        };
        let answer = request.send().map_err(|error| error.to_string())?;
        let (status, text) = (answer.status(), answer.text().map_err(|error| error.to_string())?);
        if !status.is_success() {
            return Err(format!("{status} {text}"));
        }
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }
}
