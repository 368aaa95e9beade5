//! `.argocd-source.yaml` and `.argocd-source-APPNAME.yaml`: files beside the manifests that change how they are rendered
//! (Argo CD 3.5, `mergeSourceParameters`).

use std::borrow::Cow;

use api::argocd::ApplicationSource;
use object::{FileTree, ReadSet, path, yaml};
use serde_json::{Map, Value};

/// The source with the files in its folder merged over it, those of the Application last, and what was read for that.
///
/// # Errors
/// Names the file that cannot be read or does not fit.
pub(crate) fn merged<'s>(
    source: &'s ApplicationSource,
    tree: &FileTree,
    app: &str,
) -> Result<(Cow<'s, ApplicationSource>, ReadSet), String> {
    let tree = tree.fresh();
    let folder = if source.chart.is_empty() { source.path.as_str() } else { "" };
    let mut merged = Cow::Borrowed(source);
    for name in [".argocd-source.yaml".to_owned(), format!(".argocd-source-{app}.yaml")] {
        let Some(file) = path::join(folder, &name) else { continue };
        let text = tree.is_file(&file).and_then(|is| if is { tree.read(&file) } else { Ok(None) });
        let Some(text) = text.map_err(|error| format!("{file}: {error}"))? else { continue };
        merged = Cow::Owned(with(&merged, &text).map_err(|reason| format!("{file}: {reason}"))?);
    }
    Ok((merged, tree.reads()))
}

fn with(source: &ApplicationSource, text: &[u8]) -> Result<ApplicationSource, String> {
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    let change = match yaml::value(text).map_err(|error| error.to_string())? {
        Value::Object(change) => change,
        Value::Null => return Ok(source.clone()),
        _ => return Err("this is no mapping: write fields of spec.source, such as helm: or kustomize:".to_owned()),
    };
    let mut value = serde_json::to_value(source).map_err(|error| error.to_string())?;
    merge(&mut value, change, false);
    let merged: ApplicationSource = serde_json::from_value(value).map_err(|error| error.to_string())?;
    // where the files come from is not theirs to say
    Ok(ApplicationSource {
        repo_url: source.repo_url.clone(),
        path: source.path.clone(),
        target_revision: source.target_revision.clone(),
        chart: source.chart.clone(),
        ..merged
    })
}

/// A JSON merge patch. A null takes nothing away, because Argo CD reads the result into the source that is there; in
/// `valuesObject`, which is replaced as a whole, it does.
fn merge(value: &mut Value, change: Map<String, Value>, nulls_delete: bool) {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Some(map) = value.as_object_mut() else { return };
    for (key, change) in change {
        let nulls_delete = nulls_delete || key == "valuesObject";
        match change {
            Value::Null if nulls_delete => drop(map.remove(&key)),
            Value::Null => {}
            Value::Object(change) => merge(map.entry(key).or_insert(Value::Null), change, nulls_delete),
            change => drop(map.insert(key, change)),
        }
    }
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;
    use serde_json::json;

    use super::*;

    fn check(files: &[(&str, &str)], wanted: &Value) {
        let tree = files.iter().fold(MemoryTree::default(), |tree, (path, text)| tree.file(path, text)).tree();
        let source: ApplicationSource = serde_json::from_value(json!({
            "repoURL": "https://git.test/a", "path": "app", "targetRevision": "main",
            "helm": {
                "releaseName": "r", "valueFiles": ["a.yaml"], "valuesObject": {"a": 1, "b": {"c": 2}},
                "parameters": [{"name": "x", "value": "1"}],
            },
        }))
        .unwrap();
        let (found, reads) = merged(&source, &tree, "shop").unwrap();
        let mut expected = serde_json::to_value(&source).unwrap();
        for (pointer, value) in wanted.as_object().unwrap() {
            *expected.pointer_mut(pointer).unwrap() = value.clone();
        }
        assert_eq!(serde_json::to_value(&found).unwrap(), expected);
        let read: Vec<&str> = reads.paths().filter(|path| path.contains("argocd")).collect();
        assert_eq!(read, ["app/.argocd-source-shop.yaml", "app/.argocd-source.yaml"]);
    }

    #[test]
    fn files_beside_the_manifests() {
        check(&[("other/.argocd-source.yaml", "helm: {releaseName: no}")], &json!({}));
        let all = "repoURL: https://evil.test\npath: other\ntargetRevision: x\nhelm:\n  releaseName: all\n  parameters: [{name: z, value: '2'}]\n  valueFiles: ~\n  valuesObject: {a: ~, b: {d: 3}}\n";
        let changed = json!({
            "/helm/releaseName": "all", "/helm/parameters": [{"name": "z", "value": "2"}],
            "/helm/valuesObject": {"b": {"c": 2, "d": 3}},
        });
        check(&[("app/.argocd-source.yaml", all)], &changed);
        let own = "helm: {releaseName: own}\n";
        let mut both = changed;
        both["/helm/releaseName"] = json!("own");
        check(&[("app/.argocd-source.yaml", all), ("app/.argocd-source-shop.yaml", own)], &both);
        check(&[("app/.argocd-source-other.yaml", own), ("app/.argocd-source.yaml", "# nothing\n")], &json!({}));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for text in ["- a\n", "helm: [1]\n", "helm: {parameters: text}\n", "a: [\n"] {
            let tree = MemoryTree::default().file(".argocd-source.yaml", text).tree();
            let error = merged(&ApplicationSource::default(), &tree, "shop").unwrap_err();
            assert!(error.starts_with(".argocd-source.yaml: "), "{error}");
        }
    }
}
