//! The only place that reads the environment and the user's configuration file.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::args::Arguments;
use crate::failure::Failure;

#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Colour and progress are for people at terminals.
pub(crate) fn colour() -> bool {
    std::io::stdout().is_terminal() && environment("NO_COLOR").is_none()
}

pub(crate) fn progress() -> bool {
    std::io::stderr().is_terminal()
}

/// Characters of a line of the terminal; none where nobody looks on, unless `$COLUMNS` is handed over.
pub(crate) fn width() -> Option<usize> {
    let size = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0));
    size.or_else(|| environment("COLUMNS")?.parse().ok()).filter(|width| *width > 0)
}

pub(crate) fn log(arguments: &Arguments) {
    // a certificate that is not trusted is told as the error that it is
    let default = if arguments.verbose { "info,kube=warn" } else { "error,rustls_platform_verifier=off" };
    let filter = environment("GANTLINE_LOG").unwrap_or_else(|| default.to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_default();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| Log);
    let _ = if environment("GANTLINE_LOG_FORMAT").as_deref() == Some("json") {
        builder.json().try_init()
    } else {
        builder.with_target(false).try_init()
    };
}

/// Where a test ends this process; a release takes no notice.
pub(crate) fn arm_failpoints() {
    if let Some(folder) = failpoint::VARIABLE.and_then(environment) {
        failpoint::arm(folder.as_ref());
    }
}

/// Standard error. What a log tells may come from anywhere.
struct Log;

impl Write for Log {
    /// tracing hands over whole lines.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        std::io::stderr().write_all(object::printable(&object::without_credentials(&text)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// The kubeconfig that kubectl would take: `$KUBECONFIG`, else `~/.kube/config`.
pub(crate) fn default_kubeconfig() -> Option<PathBuf> {
    match environment("KUBECONFIG") {
        Some(list) => list.split(':').find(|p| !p.is_empty()).map(PathBuf::from),
        None => home().map(|home| home.join(".kube/config")).filter(|path| path.exists()),
    }
}

pub(crate) fn home() -> Option<PathBuf> {
    environment("HOME").map(PathBuf::from)
}

/// Where programs keep their configuration: `$XDG_CONFIG_HOME`, else `~/.config`.
pub(crate) fn config_home() -> Option<PathBuf> {
    environment("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| home().map(|home| home.join(".config")))
}

/// Where caches go: `$XDG_CACHE_HOME/gantline`, else `~/.cache/gantline`.
pub(crate) fn cache() -> PathBuf {
    let base = environment("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| home().map(|h| h.join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("gantline")
}

/// `~/.config/gantline/config`: the servers that somebody logged in to, and the one that is meant without `--server`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) current: String,
    /// URL to session token.
    #[serde(default)]
    pub(crate) servers: BTreeMap<String, String>,
}

impl Config {
    fn path() -> Option<PathBuf> {
        if let Some(path) = environment("GANTLINE_CONFIG") {
            return Some(path.into());
        }
        Some(config_home()?.join("gantline/config.json"))
    }

    pub(crate) fn load() -> Self {
        let text = Self::path().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// # Errors
    /// When the file cannot be written. It holds tokens, so only its owner may read it.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let path = Self::path()
            .ok_or_else(|| Failure::new("no HOME to keep the session in").hint("set GANTLINE_CONFIG to a file"))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(self)?;
        let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(())
    }
}
