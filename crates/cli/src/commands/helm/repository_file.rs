//! The repositories that somebody added to helm: its `repositories.yaml`.

use std::path::PathBuf;

use git::{Credentials, Secret};
use serde_json::Value;

use crate::failure::Failure;
use crate::settings::{config_home, environment};

/// A repository with a name.
#[derive(Debug, Clone)]
pub(crate) struct NamedRepository {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) credentials: Credentials,
    pub(crate) pass_credentials: bool,
}

/// Where helm keeps the file: the flag, `$HELM_REPOSITORY_CONFIG`, or its configuration folder.
fn place(flag: Option<&PathBuf>) -> Option<PathBuf> {
    let named = flag.cloned().or_else(|| environment("HELM_REPOSITORY_CONFIG").map(PathBuf::from));
    named.or_else(|| {
        let own = environment("HELM_CONFIG_HOME").map(PathBuf::from);
        own.or_else(|| config_home().map(|folder| folder.join("helm"))).map(|folder| folder.join("repositories.yaml"))
    })
}

/// The repositories of the file; none when there is no file.
///
/// # Errors
/// When the file, or a certificate that it names, cannot be read.
pub(crate) fn read(flag: Option<&PathBuf>) -> Result<Vec<NamedRepository>, Failure> {
    let Some(path) = place(flag) else { return Ok(Vec::new()) };
    let failed = |reason: &dyn std::fmt::Display| Failure::new(format!("{}: {reason}", path.display()));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && flag.is_none() => return Ok(Vec::new()),
        Err(error) => return Err(failed(&error)),
    };
    let value = object::yaml::value(&text).map_err(|error| failed(&error))?;
    let entries = value.get("repositories").and_then(Value::as_array).into_iter().flatten();
    entries.map(|entry| repository(entry).map_err(|reason| failed(&reason))).collect()
}

fn repository(entry: &Value) -> Result<NamedRepository, String> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let flag = |key: &str| entry.get(key).and_then(Value::as_bool).unwrap_or_default();
    let ca_pem = match text("caFile") {
        file if file.is_empty() => String::new(),
        file => std::fs::read_to_string(&file).map_err(|error| format!("caFile {file}: {error}"))?,
    };
    let credentials = Credentials {
        username: text("username"),
        password: Secret::new(text("password")),
        ca_pem,
        insecure: flag("insecure_skip_tls_verify"),
        ..Credentials::default()
    };
    Ok(NamedRepository {
        name: text("name"),
        url: text("url"),
        credentials,
        pass_credentials: flag("pass_credentials_all"),
    })
}
