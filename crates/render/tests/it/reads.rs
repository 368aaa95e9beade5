//! What counts as read: a push that changes nothing of it concerns nobody.

use object::MemoryTree;
use render::{DirectoryOptions, Source, ToolChoice, render};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

#[test]
fn what_changes_beside_a_source_is_not_read_whatever_the_tool() {
    let tree = |beside: &str| {
        MemoryTree::default()
            .file("apps/plain/a.yaml", MAP)
            .file("apps/overlay/kustomization.yaml", "resources: [a.yaml]\n")
            .file("apps/overlay/a.yaml", MAP)
            .file("apps/chart/Chart.yaml", "apiVersion: v2\nname: chart\nversion: 1.0.0\n")
            .file("apps/chart/templates/a.yaml", MAP)
            .file("apps/beside/a.yaml", beside)
            .tree()
    };
    for (path, tool) in [
        ("apps/plain", ToolChoice::Directory(DirectoryOptions::default())),
        ("apps/overlay", ToolChoice::Auto),
        ("apps/chart", ToolChoice::Helm(Box::default())),
    ] {
        let rendered = render(&tree("1"), &Source { path: path.into(), tool, ..Source::default() });
        assert!(rendered.complete() && rendered.manifests.len() == 1, "{path}: {:?}", rendered.problems);
        assert!(rendered.reads.holds_in(&tree("2")), "{path}: {:?}", rendered.reads);
    }
}
