//! The indexes of repositories on disk, asked for again only when they are old, and sent again only when they changed.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::artifacts::{sha256, write};
use super::index::{self, IndexError};
use super::version::ChartVersion;
use super::web::Web;
use super::{ChartError, INDEX_MAX, address};

const WHAT: &str = "the index.yaml";

/// All indexes of one cache.
#[derive(Debug, Clone)]
pub(crate) struct IndexCache {
    folder: PathBuf,
    states: Arc<Mutex<HashMap<PathBuf, State>>>,
}

/// When the copy was last known to be the server's. Whoever holds the lock asks; others wait for the answer.
type State = Arc<tokio::sync::Mutex<Option<Instant>>>;

/// The index of one repository.
#[derive(Debug, Clone)]
pub(crate) struct Indexed {
    path: PathBuf,
    state: State,
    age: Duration,
}

impl IndexCache {
    pub(crate) fn new(cache: &Path) -> Self {
        Self { folder: cache.join("indexes"), states: Arc::default() }
    }

    /// Who logs in otherwise may see another index.
    pub(crate) fn of(&self, url: &Url, authorization: Option<&str>, age: Duration) -> Indexed {
        let key = sha256(format!("{url}\n{}", authorization.unwrap_or_default()).as_bytes());
        let path = self.folder.join(key.trim_start_matches("sha256:"));
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = Arc::clone(states.entry(path.clone()).or_default());
        Indexed { path, state, age }
    }
}

impl Indexed {
    /// The versions of `chart`, the newest first.
    pub(crate) async fn versions(
        &self,
        web: &Web,
        repository: &Url,
        authorization: Option<&str>,
        chart: &str,
    ) -> Result<Vec<ChartVersion>, ChartError> {
        self.refresh(web, repository, authorization).await?;
        let (path, name) = (self.path.clone(), chart.to_owned());
        let read = move || index::versions(BufReader::with_capacity(1 << 16, File::open(path)?), &name);
        let found = tokio::task::spawn_blocking(read).await.map_err(|error| web.malformed(WHAT, error))?;
        if found.is_err() {
            // it is not used again
            *self.state.lock().await = None;
            let _ = std::fs::remove_file(self.path.with_extension("json"));
        }
        let missing = || ChartError::NotFound { url: web.shown().to_owned(), what: format!("chart {chart}") };
        found.map_err(|error: IndexError| web.malformed(WHAT, error))?.ok_or_else(missing)
    }

    /// Asks for the index unless the copy is young.
    pub(crate) async fn refresh(
        &self,
        web: &Web,
        repository: &Url,
        authorization: Option<&str>,
    ) -> Result<(), ChartError> {
        let mut asked = self.state.lock().await;
        let young = asked.map_or(self.age == Duration::MAX, |at| at.elapsed() < self.age);
        if young && self.path.exists() {
            return Ok(());
        }
        let url = address::resolve(repository, "index.yaml").map_err(|error| web.malformed(WHAT, error))?;
        let answer = web.get(&url, &self.conditions(), authorization).await?;
        if answer.status() != StatusCode::NOT_MODIFIED {
            self.store(web, web.checked(answer, "index.yaml")?).await?;
        }
        *asked = Some(Instant::now());
        Ok(())
    }

    /// The index is wanted only if it is not the one that is here.
    fn conditions(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let known = std::fs::read(self.path.with_extension("json")).ok().filter(|_| self.path.exists());
        let known: Value = known.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let value = |key: &str| known.get(key)?.as_str().and_then(|text| HeaderValue::from_str(text).ok());
        match (value("etag"), value("lastModified")) {
            (Some(tag), _) => headers.insert(IF_NONE_MATCH, tag),
            (None, Some(date)) => headers.insert(IF_MODIFIED_SINCE, date),
            (None, None) => None,
        };
        headers
    }

    async fn store(&self, web: &Web, answer: Response) -> Result<(), ChartError> {
        let text = |name: HeaderName| answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let known = json!({ "etag": text(ETAG), "lastModified": text(LAST_MODIFIED) });
        let packed = text(CONTENT_ENCODING).is_some_and(|encoding| encoding.eq_ignore_ascii_case("gzip"));
        let draft = self.draft(web, answer, packed).await?;
        let condition = self.path.with_extension("json");
        let _ = std::fs::remove_file(&condition);
        std::fs::rename(&draft, &self.path).map_err(|error| storage(&self.path, &error))?;
        write(&condition, known.to_string().as_bytes())
    }

    /// The body beside the index, unpacked. Nothing stays when it is not complete.
    async fn draft(&self, web: &Web, answer: Response, packed: bool) -> Result<PathBuf, ChartError> {
        let draft = self.path.with_extension(format!("{}.tmp", std::process::id()));
        let failed = |error: std::io::Error| storage(&draft, &error);
        self.path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
        let file = Limited { file: File::create(&draft).map_err(failed)?, left: INDEX_MAX };
        let written = if packed {
            receive(web, answer, MultiGzDecoder::new(file), |unpacked| unpacked.finish().map(drop)).await
        } else {
            receive(web, answer, file, |_| Ok(())).await
        };
        match written {
            Ok(()) => Ok(draft),
            Err(error) => {
                let _ = std::fs::remove_file(&draft);
                Err(error)
            }
        }
    }
}

async fn receive<W: std::io::Write>(
    web: &Web,
    answer: Response,
    mut out: W,
    finish: impl FnOnce(W) -> std::io::Result<()>,
) -> Result<(), ChartError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => {
            ChartError::TooLarge { url: web.shown().to_owned(), what: WHAT.to_owned(), limit: INDEX_MAX }
        }
        _ => web.malformed(WHAT, error),
    };
    let mut stream = answer.bytes_stream();
    while let Some(chunk) = stream.next().await {
        out.write_all(&chunk.map_err(|error| web.unreachable(error))?).map_err(failed)?;
    }
    out.flush().and_then(|()| finish(out)).map_err(failed)
}

/// A file that does not grow beyond a limit.
struct Limited {
    file: File,
    left: u64,
}

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(std::io::ErrorKind::FileTooLarge)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn storage(path: &Path, error: &std::io::Error) -> ChartError {
    ChartError::Storage { path: path.display().to_string(), reason: error.to_string() }
}
