//! What a chart says about itself: `helm show` of Helm 4.2.4.

use object::{FileTree, yaml};
use serde_json::{Map, Value, json};

use super::archive::without_bom;
use super::chart::{Chart, File};
use super::error::HelmError;
use super::load::load;
use super::lock::{dependency, is_empty};
use super::metadata::{Maintainer, Metadata};
use super::unpack;

/// What of a chart is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    All,
    Chart,
    Values,
    Readme,
    Crds,
}

/// The text of `helm show` for the chart in the folder or archive at `location`.
///
/// # Errors
/// When the chart cannot be loaded.
pub fn show(tree: &FileTree, location: &str, what: Show) -> Result<String, HelmError> {
    let chart = load(tree, location)?;
    let all = what == Show::All;
    let mut text = String::new();
    if all || what == Show::Chart {
        text.push_str(&yaml::to_string(&chart.metadata.to_value()));
        text.push('\n');
    }
    if let Some(values) = values(tree, location, &chart)?.filter(|_| all || what == Show::Values) {
        text.push_str(if all { "---\n" } else { "" });
        text.push_str(&String::from_utf8_lossy(&values));
        text.push('\n');
    }
    if let Some(readme) = readme(&chart.files).filter(|_| all || what == Show::Readme) {
        text.push_str(if all { "---\n" } else { "" });
        text.push_str(&String::from_utf8_lossy(&readme.data));
        text.push('\n');
    }
    if all || what == Show::Crds {
        crds(&chart, &mut text);
    }
    Ok(text)
}

/// The bytes of values.yaml, comments and all.
fn values(tree: &FileTree, location: &str, chart: &Chart) -> Result<Option<std::sync::Arc<[u8]>>, HelmError> {
    let found = if chart.packed {
        let bytes = tree.read(location)?.unwrap_or_default();
        unpack(&bytes)?.read("values.yaml")?
    } else {
        tree.read(&object::path::child(location, "values.yaml"))?
    };
    Ok(found.map(without_bom))
}

fn readme(files: &[File]) -> Option<&File> {
    let names = ["readme.md", "readme.txt", "readme"];
    files.iter().find(|file| names.iter().any(|name| file.name.eq_ignore_ascii_case(name)))
}

/// Those of the chart first, then those of its subcharts.
fn crds(chart: &Chart, text: &mut String) {
    for file in chart.crds() {
        let data = String::from_utf8_lossy(&file.data);
        if !data.starts_with("---") {
            text.push_str("---\n");
        }
        text.push_str(&data);
        text.push('\n');
    }
    chart.subcharts.iter().for_each(|sub| crds(sub, text));
}

impl Metadata {
    /// The fields that are set, by their names in Chart.yaml.
    pub(crate) fn to_value(&self) -> Value {
        let maintainers: Vec<Value> = self.maintainers.iter().map(Maintainer::to_value).collect();
        let dependencies: Vec<Value> = self.dependencies.iter().flatten().map(dependency).collect();
        let annotations = self.annotations.as_ref().filter(|map| !map.is_empty());
        set_fields([
            ("name", json!(self.name)),
            ("home", json!(self.home)),
            ("sources", json!(self.sources)),
            ("version", json!(self.version)),
            ("description", json!(self.description)),
            ("keywords", json!(self.keywords)),
            ("maintainers", json!(maintainers)),
            ("icon", json!(self.icon)),
            ("apiVersion", json!(self.api_version)),
            ("condition", json!(self.condition)),
            ("tags", json!(self.tags)),
            ("appVersion", json!(self.app_version)),
            ("deprecated", json!(self.deprecated)),
            ("annotations", json!(annotations)),
            ("kubeVersion", json!(self.kube_version)),
            ("dependencies", json!(dependencies)),
            ("type", json!(self.kind)),
        ])
    }
}

impl Maintainer {
    fn to_value(&self) -> Value {
        set_fields([("name", json!(self.name)), ("email", json!(self.email)), ("url", json!(self.url))])
    }
}

fn set_fields<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let set = fields.into_iter().filter(|(_, value)| !is_empty(value));
    set.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;
    use crate::helm::pack;

    #[test]
    fn the_parts_of_a_chart() {
        let chart = "# comment\ntype: library\napiVersion: v2\nname: c\nversion: 1.0.0\nmaintainers: [{name: ann}]\n";
        let tree = MemoryTree::default()
            .file("c/Chart.yaml", chart)
            .file("c/values.yaml", "a: 1 # one\n")
            .file("c/ReadMe.md", "# C")
            .file("c/crds/a.yaml", "kind: A\n")
            .file("c/charts/kid/Chart.yaml", "apiVersion: v2\nname: kid\nversion: 1.0.0\n")
            .file("c/charts/kid/crds/b.yaml", "--- \nkind: B\n")
            .tree();
        let packed = tree.with_file("c.tgz", pack(&tree, "c").unwrap().1);
        let chart = "apiVersion: v2\nmaintainers:\n- name: ann\nname: c\ntype: library\nversion: 1.0.0\n\n";
        let crds = "---\nkind: A\n\n--- \nkind: B\n\n";
        for (what, text) in [
            (Show::Chart, chart.to_owned()),
            (Show::Values, "a: 1 # one\n\n".to_owned()),
            (Show::Readme, "# C\n".to_owned()),
            (Show::Crds, crds.to_owned()),
            (Show::All, format!("{chart}---\na: 1 # one\n\n---\n# C\n{crds}")),
        ] {
            assert_eq!(show(&tree, "c", what).unwrap(), text);
            assert_eq!(show(&packed, "c.tgz", what).unwrap(), text);
        }
    }
}
