//! Loading a chart from a folder or an archive (Helm 4.2, `pkg/chart/v2/loader`).

use std::collections::BTreeMap;
use std::sync::Arc;

use object::yaml::{self, YamlError};
use object::{EntryKind, FileTree, path};
use serde_json::Value;

use super::archive;
use super::budget::Budget;
use super::chart::{self, Chart, File};
use super::error::HelmError;
use super::ignore::IgnoreRules;
use super::metadata::Metadata;
use super::values_file;
use crate::Problem;
use crate::text::{not_in_lfs, plain};

/// Folders within folders of a chart: enough for any real one, an end for links that loop.
const FOLDER_DEPTH_MAX: usize = 60;

/// Loads the chart in the folder or archive at `location`.
///
/// # Errors
/// When there is no chart, one of its files cannot be read, or it is larger than the limits.
pub fn load(tree: &FileTree, location: &str) -> Result<Chart, HelmError> {
    load_within(tree, location, &mut Budget::default())
}

fn load_within(tree: &FileTree, location: &str, budget: &mut Budget) -> Result<Chart, HelmError> {
    let entry = tree.entry(location)?;
    let loaded = match entry.map(|e| e.kind) {
        Some(EntryKind::Folder) => {
            let files = folder_files(tree, location, budget)?;
            from_files(files, location, false, budget)
        }
        Some(EntryKind::File) => {
            let bytes = tree.read(location)?.unwrap_or_default();
            from_archive(&bytes, location, budget)
        }
        _ => Err(HelmError::new("there is no chart here").hint("name a folder with a Chart.yaml, or a packed chart")),
    };
    loaded.and_then(known_version).map_err(|error| error.about(location))
}

/// Helm looks at the version of the chart that it is asked for, not at those of subcharts.
fn known_version(chart: Chart) -> Result<Chart, HelmError> {
    match chart.metadata.api_version.as_str() {
        "v1" | "v2" => Ok(chart),
        other => {
            Err(HelmError::new(format!("unsupported chart version: apiVersion is {other:?}, but must be v1 or v2"))
                .in_file(path::child(&chart.location, "Chart.yaml"), 0, 0))
        }
    }
}

fn from_archive(bytes: &[u8], location: &str, budget: &mut Budget) -> Result<Chart, HelmError> {
    if !archive::is_gzip(bytes) {
        return Err(HelmError::new("this file is no gzipped chart archive").in_file(location, 0, 0));
    }
    let files = archive::files(bytes, budget).map_err(|e| e.about(location))?;
    from_files(files, location, true, budget)
}

/// The files of a chart's folder, without those that `.helmignore` names.
///
/// # Errors
/// When one cannot be read, or they are larger than the limits.
pub(crate) fn folder_files(tree: &FileTree, folder: &str, budget: &mut Budget) -> Result<Vec<File>, HelmError> {
    let place = path::join(folder, ".helmignore").unwrap_or_default();
    let text = tree.read(&place)?.unwrap_or_default();
    let rules = IgnoreRules::parse(&String::from_utf8_lossy(&text))
        .map_err(|(line, reason)| HelmError::new(reason).in_file(place, line, 0))?;
    let mut walk = Walk { tree, rules, files: Vec::new() };
    walk.folder(folder, "", FOLDER_DEPTH_MAX, budget)?;
    Ok(walk.files)
}

struct Walk<'a> {
    tree: &'a FileTree,
    rules: IgnoreRules,
    files: Vec<File>,
}

impl Walk<'_> {
    fn folder(&mut self, place: &str, inner: &str, depth: usize, budget: &mut Budget) -> Result<(), HelmError> {
        if depth == 0 {
            return Err(HelmError::new("folders are nested too deeply").in_file(place, 0, 0));
        }
        budget.take(0)?;
        for entry in self.tree.list(place)?.unwrap_or_default() {
            let (mut place, inner) = (path::child(place, &entry.name), path::child(inner, &entry.name));
            let mut kind = entry.kind;
            if kind == EntryKind::Symlink {
                (place, kind) = self.linked(&place)?;
            }
            let is_folder = matches!(kind, EntryKind::Folder | EntryKind::Submodule);
            if self.rules.ignores(&inner, is_folder) {
                continue;
            }
            match kind {
                EntryKind::Folder => self.folder(&place, &inner, depth - 1, budget)?,
                EntryKind::File => self.file(&place, inner, budget)?,
                EntryKind::Submodule if PARTS.iter().any(|part| format!("{inner}/").starts_with(part)) => {
                    let error =
                        HelmError::new("this is a Git submodule, whose files are not read").in_file(place, 0, 0);
                    return Err(error.hint("commit the files, or leave it out with .helmignore"));
                }
                EntryKind::Symlink | EntryKind::Submodule => {}
            }
        }
        Ok(())
    }

    /// What a link points to, links on the way followed.
    fn linked(&self, place: &str) -> Result<(String, EntryKind), HelmError> {
        let failed = |error| HelmError::from(error).in_file(place, 0, 0);
        let target = self.tree.resolve(place).map_err(failed)?;
        match self.tree.entry(&target).map_err(failed)? {
            Some(entry) => Ok((target, entry.kind)),
            None => Err(HelmError::new(format!("the symbolic link points to {target:?}, which does not exist"))
                .in_file(place, 0, 0)),
        }
    }

    fn file(&mut self, place: &str, name: String, budget: &mut Budget) -> Result<(), HelmError> {
        let data = self.tree.read(place)?.unwrap_or_default();
        if data.len() as u64 > budget.file {
            let error = HelmError::new(format!("a file of a chart may not be larger than {} bytes", budget.file));
            return Err(error.in_file(place, 0, 0).hint("leave it out with .helmignore if the chart does not need it"));
        }
        budget.take(data.len())?;
        self.files.push(File { name, data: archive::without_bom(data) });
        Ok(())
    }
}

/// The folders of a chart that objects come from.
const PARTS: [&str; 3] = ["templates/", "crds/", "charts/"];
fn from_files(files: Vec<File>, location: &str, packed: bool, budget: &mut Budget) -> Result<Chart, HelmError> {
    let mut loading =
        Loading { chart: Chart { location: location.to_owned(), packed, ..Chart::default() }, nested: BTreeMap::new() };
    loading.metadata(&files)?;
    for file in files {
        loading.file(file)?;
    }
    loading.validate()?;
    loading.subcharts(budget)?;
    Ok(loading.chart)
}

struct Loading {
    chart: Chart,
    /// Files below `charts/` by their first path part, which they no longer have.
    nested: BTreeMap<String, Vec<File>>,
}

impl Loading {
    fn metadata(&mut self, files: &[File]) -> Result<(), HelmError> {
        let missing = || {
            HelmError::new("Chart.yaml file is missing").hint("a chart needs a Chart.yaml with apiVersion, name and version; if there is one, .helmignore leaves it out")
        };
        let mut found = files.iter().filter(|f| f.name == "Chart.yaml").peekable();
        if found.peek().is_none() && !files.iter().any(|f| f.name.starts_with("requirements.")) {
            return Err(missing());
        }
        for file in found {
            self.read_metadata(file)?;
            if self.chart.metadata.api_version.is_empty() {
                "v1".clone_into(&mut self.chart.metadata.api_version);
            }
        }
        Ok(())
    }

    fn read_metadata(&mut self, file: &File) -> Result<(), HelmError> {
        let value = self.yaml(file)?;
        let metadata: &mut Metadata = &mut self.chart.metadata;
        metadata.read(&value).map_err(|error| {
            let line = line_of(file, &error.field);
            HelmError::new(error.to_string()).in_file(self.place(&file.name), line, 0)
        })
    }

    fn place(&self, name: &str) -> String {
        path::child(&self.chart.location, name)
    }

    fn yaml(&self, file: &File) -> Result<Value, HelmError> {
        let read = values_file::utf8(&file.data).and_then(yaml::value);
        read.map_err(|error| self.yaml_error(file, error))
    }

    fn yaml_error(&self, file: &File, error: YamlError) -> HelmError {
        HelmError::new(error.reason).in_file(self.place(&file.name), error.mark.line, error.mark.column)
    }

    fn file(&mut self, file: File) -> Result<(), HelmError> {
        self.is_legible(&file).map_err(|problem| HelmError::from(*problem))?;
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => drop(self.yaml(&file)?),
            "values.yaml" => {
                self.chart.values = values_file::read(&file.data).map_err(|error| self.yaml_error(&file, error))?;
            }
            "values.schema.json" => self.chart.schema = Some(file.data),
            "requirements.yaml" => {
                self.read_metadata(&file)?;
                self.old_file(file, "dependencies are named in Chart.yaml");
            }
            "requirements.lock" => {
                drop(self.yaml(&file)?);
                self.old_file(file, "dependencies are locked in Chart.lock");
            }
            name if name.starts_with("templates/") => self.chart.templates.push(file),
            name if name.starts_with("charts/") && !name.ends_with(".prov") => self.nested_file(file),
            _ => self.chart.files.push(file),
        }
        Ok(())
    }

    /// What stands for a file, or is no text, would be taken for a file without objects.
    fn is_legible(&self, file: &File) -> Result<(), Box<Problem>> {
        let place = self.place(&file.name);
        match file.name.as_str() {
            "Chart.yaml" | "Chart.lock" | "values.yaml" | "values.schema.json" => plain(&place, &file.data),
            name if name.starts_with("crds/") && chart::is_manifest(name) => plain(&place, &file.data),
            name if name.starts_with("templates/") => not_in_lfs(&place, &file.data),
            _ => Ok(()),
        }
    }

    fn old_file(&mut self, file: File, instead: &str) {
        if self.chart.metadata.api_version == "v1" {
            self.chart.files.push(file);
        } else {
            let warning = format!("{}: with apiVersion v2 {instead}; move them there", self.place(&file.name));
            self.chart.warnings.push(warning);
        }
    }

    fn nested_file(&mut self, file: File) {
        let rest = file.name.strip_prefix("charts/").unwrap_or_default();
        let (first, name) = rest.split_once('/').unwrap_or((rest, ""));
        let nested = File { name: name.to_owned(), data: Arc::clone(&file.data) };
        self.nested.entry(first.to_owned()).or_default().push(nested);
    }

    fn validate(&mut self) -> Result<(), HelmError> {
        let checked = self.chart.metadata.validate();
        checked.map_err(|reason| HelmError::new(reason).in_file(self.place("Chart.yaml"), 0, 0))
    }

    fn subcharts(&mut self, budget: &mut Budget) -> Result<(), HelmError> {
        for (name, files) in std::mem::take(&mut self.nested) {
            if name.starts_with(['_', '.']) {
                continue;
            }
            let location = self.place(&format!("charts/{name}"));
            let loaded = budget.nested(|budget| subchart(&name, files, &location, self.chart.packed, budget));
            if let Some(chart) = loaded.map_err(|e| e.about(&location))? {
                self.chart.subcharts.push(Arc::new(chart));
            }
        }
        Ok(())
    }
}

/// The chart in one entry of `charts/`; a file there that is no archive is a chart without files.
fn subchart(
    name: &str,
    mut files: Vec<File>,
    location: &str,
    packed: bool,
    budget: &mut Budget,
) -> Result<Option<Chart>, HelmError> {
    if !name.ends_with(".tgz") {
        files.retain(|f| !f.name.is_empty());
        return from_files(files, location, packed, budget).map(Some);
    }
    match files.first() {
        Some(file) if file.name.is_empty() => from_archive(&file.data, location, budget).map(Some),
        _ => Err(HelmError::new("a folder in charts/ may not be named like an archive").in_file(location, 0, 0)),
    }
}

/// The line of the first `field:` in a file; 0 when there is none.
fn line_of(file: &File, field: &str) -> usize {
    let text = String::from_utf8_lossy(&file.data);
    let name = field.split('.').next().unwrap_or_default();
    let found = text.lines().position(|l| l.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(':')));
    found.map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use object::MemoryTree;

    use super::*;

    const HEAD: &str = "apiVersion: v2\nname: kid\nversion: 1.0.0\n";

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, data) in files {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, *data).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn names(files: &[File]) -> Vec<&str> {
        files.iter().map(|f| f.name.as_str()).collect()
    }

    #[test]
    fn a_folder_is_sorted_into_parts() {
        let kid =
            packed(&[("kid/Chart.yaml", HEAD.as_bytes()), ("kid/templates/a.yaml", b"x"), ("kid/.helmignore", b"*")]);
        let tree = MemoryTree::default()
            .file("c/Chart.yaml", HEAD.replace("kid", "c"))
            .file("c/.helmignore", "*.txt\n")
            .file("c/values.yaml", "\u{feff}a: 1\n")
            .file("c/values.schema.json", "{}")
            .file("c/templates/x.yaml", "x")
            .file("c/templates/.hidden", "x")
            .file("c/crds/b.yaml", "x")
            .file("c/README.txt", "x")
            .file("c/charts/kid.tgz", kid)
            .file("c/charts/_off/x", "")
            .link("c/linked", "crds")
            .tree();
        let chart = load(&tree, "c").unwrap();
        assert_eq!(names(&chart.templates), ["templates/x.yaml"]);
        assert_eq!(names(&chart.files), [".helmignore", "crds/b.yaml", "linked/b.yaml"]);
        assert_eq!(chart.crds().count(), 1);
        assert_eq!(Value::Object(chart.values), serde_json::json!({"a": 1.0}));
        assert_eq!((chart.subcharts[0].name(), chart.subcharts[0].location.as_str()), ("kid", "c/charts/kid.tgz"));
        assert_eq!(names(&chart.subcharts[0].files), [".helmignore"]);
    }

    fn check_error(tree: MemoryTree, location: &str, part: &str) {
        let mut budget = Budget { file: 10_000, bytes: 40_000, ..Budget::default() };
        let error = load_within(&tree.tree(), location, &mut budget).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn bad_charts_are_refused() {
        let chart = |text: &str| MemoryTree::default().file("c/Chart.yaml", text);
        check_error(MemoryTree::default().file("c/x", ""), "c", "Chart.yaml file is missing");
        check_error(chart(HEAD), "d", "there is no chart here");
        check_error(chart(HEAD).file("c/.helmignore", "a\n**"), "c", "c/.helmignore:2");
        check_error(chart("name: [\n"), "c", "c/Chart.yaml:2");
        check_error(chart("apiVersion: v2\nname: {}\n"), "c", "c/Chart.yaml:2");
        check_error(chart(&HEAD.replace("v2", "v3")), "c", "c/Chart.yaml: unsupported chart version");
        check_error(chart(HEAD).file("c/values.yaml", "a: b: c"), "c", "c/values.yaml:1");
        check_error(chart(HEAD).link("c/l", "../../../etc"), "c", "outside of the repository");
        check_error(chart(HEAD).link("c/l", "../c"), "c", "nested too deeply");
        check_error(chart(HEAD).file("c/big", vec![0; 10_001]), "c", "c/big: a file of a chart");
        check_error(chart(HEAD).file("c/charts/k/x", ""), "c", "c/charts/k: Chart.yaml file is missing");
        check_error(chart(HEAD).file("c/charts/k.tgz", "text"), "c", "no gzipped chart archive");
    }

    #[test]
    fn bad_archives_are_refused() {
        for (name, part) in [
            ("kid/../../x", "outside"),
            ("Chart.yaml", "outside"),
            ("kid//etc/x", "outside"),
            ("kid\\..\\..\\x", "outside"),
            ("kid/c:/x", "outside"),
        ] {
            check_error(MemoryTree::default().file("k.tgz", packed(&[(name, b"x")])), "k.tgz", part);
        }
        let large = vec![0; 10_001];
        check_error(MemoryTree::default().file("k.tgz", packed(&[("k/x", &large)])), "k.tgz", "larger than");
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        let file = vec![0; 10_000];
        let mut header = tar::Header::new_gnu();
        header.set_path("k/x").unwrap();
        header.set_size(file.len() as u64);
        header.set_cksum();
        for _ in 0..10 {
            bomb.write_all(header.as_bytes()).unwrap();
            bomb.write_all(&file).unwrap();
            bomb.write_all(&[0; 240]).unwrap();
        }
        check_error(MemoryTree::default().file("k.tgz", bomb.finish().unwrap()), "k.tgz", "larger than");
    }
}
