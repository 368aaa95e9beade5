//! Charts that were loaded before. What is parsed of a chart stays with it, so that renders of one chart (of several
//! Applications, or of one with other values) share the work.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use object::{FileTree, ObjectId, ReadSet};

use super::chart::Chart;
use super::error::HelmError;
use super::load::load;

/// The charts that are kept, and the bytes of their files: the least recently used go first.
const CHARTS_MAX: usize = 64;
const BYTES_MAX: usize = 64 << 20;

static SHELF: Mutex<VecDeque<Kept>> = Mutex::new(VecDeque::new());

struct Kept {
    location: String,
    id: ObjectId,
    chart: Arc<Chart>,
    /// Everything that loading looked at, links out of the chart's folder too.
    reads: ReadSet,
    bytes: usize,
}

/// The chart in the folder or archive at `location`, loaded at most once for the same files. Its reads are recorded
/// either way.
///
/// # Errors
/// As [`load`].
pub(crate) fn chart(tree: &FileTree, location: &str) -> Result<Arc<Chart>, HelmError> {
    let Some(entry) = tree.entry(location)? else { return load(tree, location).map(Arc::new) };
    if let Some(known) = known(tree, location, &entry.id) {
        return Ok(known);
    }
    let reading = tree.fresh();
    let loaded = load(&reading, location);
    let reads = reading.reads();
    tree.record(&reads);
    let chart = Arc::new(loaded?);
    let kept =
        Kept { location: location.to_owned(), id: entry.id, bytes: size(&chart), chart: Arc::clone(&chart), reads };
    keep(kept);
    Ok(chart)
}

fn known(tree: &FileTree, location: &str, id: &ObjectId) -> Option<Arc<Chart>> {
    let mut shelf = SHELF.lock().unwrap_or_else(PoisonError::into_inner);
    let is = |kept: &Kept| kept.location == location && kept.id == *id && kept.reads.holds_in(tree);
    let kept = shelf.iter().position(is).and_then(|at| shelf.remove(at))?;
    tree.record(&kept.reads);
    let chart = Arc::clone(&kept.chart);
    shelf.push_back(kept);
    Some(chart)
}

fn keep(kept: Kept) {
    let mut shelf = SHELF.lock().unwrap_or_else(PoisonError::into_inner);
    shelf.push_back(kept);
    while shelf.len() > CHARTS_MAX || shelf.iter().map(|kept| kept.bytes).sum::<usize>() > BYTES_MAX {
        shelf.pop_front();
    }
}

/// Bytes of the files of a chart and its subcharts.
fn size(chart: &Chart) -> usize {
    let own: usize = chart.templates.iter().chain(&chart.files).map(|file| file.data.len()).sum();
    own + chart.subcharts.iter().map(|chart| size(chart)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use object::MemoryTree;

    use super::*;

    fn files(template: &str) -> FileTree {
        let tree = MemoryTree::default().file("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");
        tree.file("c/templates/a.yaml", template).tree()
    }

    #[test]
    fn a_chart_is_loaded_once_and_its_reads_are_recorded_each_time() {
        let (first, same, other) = (files("a: 1\n"), files("a: 1\n"), files("a: 2\n"));
        let chart = |tree: &FileTree| super::chart(tree, "c").unwrap();
        let loaded = chart(&first);
        assert!(Arc::ptr_eq(&loaded, &chart(&same)));
        assert_eq!(first.reads(), same.reads());
        assert!(!Arc::ptr_eq(&loaded, &chart(&other)));
        assert!(first.reads().paths().any(|path| path == "c/templates/a.yaml"));
    }
}
