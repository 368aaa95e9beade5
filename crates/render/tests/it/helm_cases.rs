//! The recorded commands of the Helm corpus.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("GANTLINE_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let corpus = shared.join("conformance/helm");
    corpus.is_dir().then_some(corpus)
}

/// One recorded command: it runs in `folder`.
pub(crate) struct Case {
    pub(crate) folder: PathBuf,
    pub(crate) id: String,
    /// Of `helm template`.
    pub(crate) arguments: Vec<String>,
}

fn texts(value: &Value) -> impl Iterator<Item = String> + '_ {
    value.as_array().into_iter().flatten().filter_map(|v| Some(v.as_str()?.to_owned()))
}

/// Those of one chart.
pub(crate) fn cases(folder: &Path) -> Vec<Case> {
    let Ok(text) = fs::read_to_string(folder.join("case.json")) else { return Vec::new() };
    let file: Value = serde_json::from_str(&text).unwrap();
    let case = |case: &Value| {
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        let mut arguments = vec![text("release"), case["chart"].as_str().unwrap_or("chart").to_owned()];
        arguments.retain(|name| !name.is_empty());
        arguments.extend(["-n".to_owned(), text("namespace"), "--kube-version".to_owned(), text("kube_version")]);
        arguments.extend(texts(&case["api_versions"]).flat_map(|v| ["--api-versions".to_owned(), v]));
        arguments.extend(case["include_crds"].as_bool().unwrap_or_default().then(|| "--include-crds".to_owned()));
        arguments.extend(texts(&case["values"]).flat_map(|v| ["-f".to_owned(), v]));
        arguments.extend(texts(&case["args"]));
        Case { folder: folder.to_owned(), id: text("id"), arguments }
    };
    file["cases"].as_array().unwrap().iter().map(case).collect()
}
