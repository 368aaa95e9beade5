//! The locks of the corpus' charts: digests that other people's helm wrote.

use std::path::PathBuf;

use render::helm;

use crate::folder::Folder;
use crate::helm_cases::corpus;

/// Chart.yaml was changed after the lock; Helm 4.2.4 says so, too.
const OUT_OF_SYNC: [&str; 4] =
    ["helm-dependent-chart-alias", "helm-frobnitz", "helm-frobnitz-with-bom", "helm-reqtest"];

#[test]
fn digests_of_real_locks() {
    let Some(corpus) = corpus() else {
        eprintln!("SKIPPED: ../shared/conformance/helm is absent");
        return;
    };
    let (mut fitting, mut others) = (0, Vec::new());
    for case in std::fs::read_dir(&corpus).unwrap().flatten().map(|entry| entry.path()) {
        match fits(case.join("chart")) {
            Some(true) => fitting += 1,
            Some(false) => others.push(case.file_name().unwrap().to_string_lossy().into_owned()),
            None => {}
        }
    }
    others.sort();
    assert_eq!(others, OUT_OF_SYNC);
    assert!(fitting > 5, "{fitting}");
}

fn fits(folder: PathBuf) -> Option<bool> {
    let tree = Folder::tree(folder);
    let (chart, lock) = (helm::load(&tree, "").ok()?, helm::lock(&tree, "").ok()??);
    let dependencies = chart.metadata.dependencies.unwrap_or_default();
    Some(lock.fits(&dependencies, (chart.metadata.api_version == "v1").then_some(dependencies.as_slice())))
}
