//! What a chart says that it is built on, beside what lies in its `charts/`.

use std::collections::BTreeSet;

use gotemplate::semver::{Constraints, Version};
use object::{EntryKind, FileTree, path};

use super::chart::Chart;
use super::error::HelmError;
use super::load::load;
use super::lock::Lock;
use super::metadata::Dependency;
use super::versions::in_range;

/// What `charts/` has for a dependency (Helm 4.2, `dependencyStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyStatus {
    /// Packed, in a version that is asked for.
    Ok,
    /// The same as a folder.
    Unpacked,
    Missing,
    WrongVersion,
    /// One of the versions cannot be read.
    InvalidVersion,
    TooManyMatches,
    /// The packed chart cannot be loaded.
    Corrupt,
    /// The packed chart has another name than its file.
    Misnamed,
}

impl DependencyStatus {
    /// As Helm prints it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unpacked => "unpacked",
            Self::Missing => "missing",
            Self::WrongVersion => "wrong version",
            Self::InvalidVersion => "invalid version",
            Self::TooManyMatches => "too many matches",
            Self::Corrupt => "corrupt",
            Self::Misnamed => "misnamed",
        }
    }
}

/// The lock of the chart in `folder`; `None` when it has none.
///
/// # Errors
/// When the file cannot be read.
pub fn lock(tree: &FileTree, folder: &str) -> Result<Option<Lock>, HelmError> {
    // the older name wins, as in Helm's loader
    for name in ["requirements.lock", "Chart.lock"] {
        let file = path::child(folder, name);
        if let Some(bytes) = tree.read(&file)? {
            return Lock::parse(&bytes, &file).map(Some);
        }
    }
    Ok(None)
}

/// What `charts/` of `chart` has for `dependency`.
///
/// # Errors
/// When the tree cannot be read.
pub fn dependency_status(
    tree: &FileTree,
    chart: &Chart,
    dependency: &Dependency,
) -> Result<DependencyStatus, HelmError> {
    let packed = packed(tree, chart, dependency)?;
    let versioned: Vec<&String> =
        packed.iter().filter(|file| Version::is_strict(version_of(file, dependency))).collect();
    match (packed.as_slice(), versioned.as_slice()) {
        ([file], _) => Ok(archive_status(tree, file, dependency)),
        ([_, _, ..], [file]) => Ok(archive_status(tree, file, dependency)),
        ([_, _, ..], [_, _, ..]) => Ok(DependencyStatus::TooManyMatches),
        _ => Ok(loaded_status(chart, dependency)),
    }
}

/// The files `charts/<name>-*.tgz`.
fn packed(tree: &FileTree, chart: &Chart, dependency: &Dependency) -> Result<Vec<String>, HelmError> {
    let folder = path::child(&chart.location, "charts");
    let prefix = format!("{}-", dependency.name);
    let entries = if chart.packed { None } else { tree.list(&folder)? };
    let names = entries.into_iter().flatten().map(|entry| entry.name);
    let fitting = names.filter(|name| name.strip_prefix(&prefix).is_some_and(|rest| rest.ends_with(".tgz")));
    Ok(fitting.map(|name| path::child(&folder, &name)).collect())
}

fn version_of<'f>(file: &'f str, dependency: &Dependency) -> &'f str {
    let name = path::file_name(file).trim_end_matches(".tgz");
    name.strip_prefix(&dependency.name).and_then(|rest| rest.strip_prefix('-')).unwrap_or(name)
}

fn archive_status(tree: &FileTree, file: &str, dependency: &Dependency) -> DependencyStatus {
    match load(tree, file) {
        Err(_) => DependencyStatus::Corrupt,
        Ok(chart) if chart.name() != dependency.name => DependencyStatus::Misnamed,
        Ok(chart) => version_status(&chart, dependency, DependencyStatus::Ok),
    }
}

fn loaded_status(chart: &Chart, dependency: &Dependency) -> DependencyStatus {
    match chart.subcharts.iter().rfind(|sub| sub.name() == dependency.name) {
        None => DependencyStatus::Missing,
        Some(sub) => version_status(sub, dependency, DependencyStatus::Unpacked),
    }
}

fn version_status(chart: &Chart, dependency: &Dependency, fine: DependencyStatus) -> DependencyStatus {
    if chart.metadata.version == dependency.version {
        return fine;
    }
    match (Constraints::parse(&dependency.version), Version::parse(&chart.metadata.version)) {
        (Ok(wanted), Ok(version)) if wanted.check(&version) => fine,
        (Ok(_), Ok(_)) => DependencyStatus::WrongVersion,
        _ => DependencyStatus::InvalidVersion,
    }
}

/// # Errors
/// When the version of a dependency is no constraint.
pub fn check_constraint(dependency: &Dependency) -> Result<(), HelmError> {
    let Dependency { name, version, .. } = dependency;
    match Constraints::parse(version) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(HelmError::new(format!("dependency {name:?} has an invalid version/constraint format: {error}"))
                .hint("write a version or a constraint such as ^1.2.0 into Chart.yaml"))
        }
    }
}

/// Whether a chart of this version is what a dependency asks for.
pub fn fulfils(dependency: &Dependency, version: &str) -> bool {
    in_range(&dependency.version, version)
}

/// Packed charts that are in the way of the dependencies of a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outdated {
    /// Names in `charts/`.
    pub files: BTreeSet<String>,
    /// Names of files that are no charts, and why: they are left alone.
    pub unreadable: Vec<(String, String)>,
}

/// The packed charts in `charts/` that are neither in `kept` nor dependencies without a repository (Helm 4.2,
/// `safeMoveDeps`).
///
/// # Errors
/// When the tree cannot be read.
pub fn outdated(
    tree: &FileTree,
    folder: &str,
    kept: &[&str],
    dependencies: &[Dependency],
) -> Result<Outdated, HelmError> {
    let charts = path::child(folder, "charts");
    let mut found = Outdated::default();
    for entry in tree.list(&charts)?.unwrap_or_default() {
        let place = path::child(&charts, &entry.name);
        if kept.contains(&entry.name.as_str()) || !tree.is_file(&place)? {
            continue;
        }
        match load(tree, &place) {
            Err(error) => found.unreadable.push((entry.name, error.problem.message.clone())),
            Ok(chart) if dependencies.iter().any(|d| d.repository.is_empty() && d.name == chart.name()) => {}
            Ok(_) => drop(found.files.insert(entry.name)),
        }
    }
    Ok(found)
}

/// What `helm dependency list` prints for the chart in the folder or archive at `location`; `shown` is how the user
/// wrote it, `width` the largest width of a column (0: any).
///
/// # Errors
/// When the chart cannot be loaded.
pub fn dependency_list(tree: &FileTree, location: &str, shown: &str, width: usize) -> Result<String, HelmError> {
    let chart = load(tree, location)?;
    let shown = if shown == "." { String::new() } else { format!("{}/", shown.trim_end_matches('/')) };
    let Some(dependencies) = &chart.metadata.dependencies else {
        return Ok(format!("WARNING: no dependencies at {shown}charts\n"));
    };
    let mut rows = vec![["NAME", "VERSION", "REPOSITORY", "STATUS"].map(str::to_owned)];
    for dependency in dependencies {
        let Dependency { name, version, repository, .. } = dependency;
        let status = dependency_status(tree, &chart, dependency)?.text().to_owned();
        rows.push([name.clone(), version.clone(), repository.clone(), status]);
    }
    let mut text = format!("{}\n\n", table(&rows, width));
    for (name, problem) in strangers(tree, &chart, dependencies)? {
        text.push_str(&format!("WARNING: \"{shown}charts/{name}\" {problem}.\n"));
    }
    Ok(text)
}

/// What lies in `charts/` without being asked for.
fn strangers(
    tree: &FileTree,
    chart: &Chart,
    dependencies: &[Dependency],
) -> Result<Vec<(String, &'static str)>, HelmError> {
    let folder = path::child(&chart.location, "charts");
    let entries = if chart.packed { None } else { tree.list(&folder)? };
    let mut found = Vec::new();
    for entry in entries.into_iter().flatten() {
        let place = path::child(&folder, &entry.name);
        let is_folder = tree.entry(&place)?.is_some_and(|e| e.kind == EntryKind::Folder);
        if !is_folder && !entry.name.ends_with(".tgz") {
            continue;
        }
        match load(tree, &place) {
            Err(_) => found.push((entry.name, "is not a chart")),
            Ok(sub) if dependencies.iter().all(|d| d.name != sub.name()) => {
                found.push((entry.name, "is not in Chart.yaml"));
            }
            Ok(_) => {}
        }
    }
    Ok(found)
}

/// Columns of equal width, with tabs in between, as Helm prints tables.
fn table(rows: &[[String; 4]], limit: usize) -> String {
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        if limit == 0 { widest } else { widest.min(limit) }
    };
    let widths = [0, 1, 2, 3].map(width);
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| resized(cell, width));
        cells.collect::<Vec<_>>().join("\t")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn resized(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return format!("{cell:width$}");
    }
    let kept: String = cell.chars().take(width.saturating_sub(3).max(1)).collect();
    format!("{kept}...")
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;
    use crate::helm::pack::packed_files;

    fn chart(name: &str, version: &str) -> String {
        format!("apiVersion: v2\nname: {name}\nversion: {version}\n")
    }

    fn tgz(name: &str, version: &str) -> Vec<u8> {
        packed_files(name, &[("Chart.yaml".to_owned(), chart(name, version).into_bytes().into())]).unwrap()
    }

    /// The status of a dependency on `kid` in version `^1` with these files in `charts/`.
    fn check(files: &[(&str, Vec<u8>)], status: DependencyStatus) {
        let head = format!("{}dependencies:\n- {{name: kid, version: ^1}}\n", chart("c", "1.0.0"));
        let tree = files
            .iter()
            .fold(MemoryTree::default().file("c/Chart.yaml", head), |tree, (name, data)| {
                tree.file(&format!("c/charts/{name}"), data)
            })
            .tree();
        let chart = load(&tree, "c").unwrap();
        let dependency = &chart.metadata.dependencies.as_ref().unwrap()[0];
        assert_eq!(dependency_status(&tree, &chart, dependency).unwrap(), status, "{files:?}");
    }

    #[test]
    fn statuses() {
        let folder = |version| ("kid/Chart.yaml", chart("kid", version).into_bytes());
        check(&[], DependencyStatus::Missing);
        check(&[folder("1.2.0")], DependencyStatus::Unpacked);
        check(&[folder("2.0.0")], DependencyStatus::WrongVersion);
        check(&[("kid-1.0.0.tgz", tgz("kid", "1.0.0"))], DependencyStatus::Ok);
        check(&[("kid-x.tgz", tgz("kid", "2.0.0"))], DependencyStatus::WrongVersion);
        check(&[("kid-1.0.0.tgz", tgz("other", "1.0.0"))], DependencyStatus::Misnamed);
        let two = [("kid-1.0.0.tgz", tgz("kid", "1.0.0")), ("kid-1.1.0.tgz", tgz("kid", "1.1.0"))];
        check(&two, DependencyStatus::TooManyMatches);
        let other = [("kid-1.0.0.tgz", tgz("kid", "1.0.0")), ("kid-more-1.1.0.tgz", tgz("kid-more", "1.1.0"))];
        check(&other, DependencyStatus::Ok);
    }

    #[test]
    fn packed_charts_that_nobody_wants_go() {
        let tree = MemoryTree::default()
            .file("c/charts/kid-1.0.0.tgz", tgz("kid", "1.0.0"))
            .file("c/charts/kid-1.1.0.tgz", tgz("kid", "1.1.0"))
            .file("c/charts/own-1.0.0.tgz", tgz("own", "1.0.0"))
            .file("c/charts/notes.txt", "mine")
            .file("c/charts/folder/Chart.yaml", chart("folder", "1.0.0"))
            .tree();
        let own = Dependency { name: "own".into(), ..Dependency::default() };
        let found = outdated(&tree, "c", &["kid-1.1.0.tgz"], &[own]).unwrap();
        assert_eq!(found.files, BTreeSet::from(["kid-1.0.0.tgz".to_owned()]));
        assert_eq!(found.unreadable.len(), 1);
        assert_eq!(outdated(&tree, "d", &[], &[]).unwrap(), Outdated::default());
    }

    #[test]
    fn constraints_are_checked() {
        let kid = |version: &str| Dependency { name: "kid".into(), version: version.into(), ..Dependency::default() };
        assert!(fulfils(&kid("^1"), "1.2.0") && !fulfils(&kid("^1"), "2.0.0"));
        assert!(check_constraint(&kid("^1")).is_ok());
        let error = check_constraint(&kid("")).unwrap_err().to_string();
        assert!(error.contains("dependency \"kid\" has an invalid version"), "{error}");
    }

    #[test]
    fn the_list() {
        let head = "dependencies:\n- {name: kid, version: ^1, repository: 'https://h/very/long'}\n- name: b\n";
        let tree = MemoryTree::default()
            .file("c/Chart.yaml", chart("c", "1.0.0") + head)
            .file("c/charts/kid-1.0.0.tgz", tgz("kid", "1.0.0"))
            .file("c/charts/extra/Chart.yaml", chart("extra", "1.0.0"))
            .file("c/charts/_none/x", "")
            .file("c/charts/_read.md", "")
            .file("d/Chart.yaml", chart("d", "1.0.0"))
            .tree();
        let lines = [
            "NAME\tVERSION\tREPOSITORY\tSTATUS ",
            "kid \t^1     \thttps:/...\tok     ",
            "b   \t       \t          \tmissing",
            "",
            "WARNING: \"charts/_none\" is not a chart.",
            "WARNING: \"charts/extra\" is not in Chart.yaml.",
            "",
        ];
        assert_eq!(dependency_list(&tree, "c", ".", 10).unwrap(), lines.join("\n"));
        assert_eq!(dependency_list(&tree, "d", "x/d/", 80).unwrap(), "WARNING: no dependencies at x/d/charts\n");
    }
}
