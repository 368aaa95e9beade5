//! What kustomize 5.8.1 does on odd input, as recorded from the program itself.

use object::MemoryTree;
use render::kustomize::{self, BuildOptions};

/// The build of the folder `top` of `files`: its text, none for an error.
fn check(files: &[(&str, &str)], expected: Option<&str>) {
    let tree = files.iter().fold(MemoryTree::default(), |tree, (name, text)| tree.file(name, text));
    let build = kustomize::build(&tree.tree(), "top", &BuildOptions::default());
    assert_eq!(build.as_ref().ok().map(|b| b.text()).as_deref(), expected, "{build:?}");
}

#[test]
fn labels_made_together_change_together() {
    check(
        &[
            ("base/kustomization.yaml", "resources: [a.yaml]\ncommonLabels: {app: one}\n"),
            (
                "base/a.yaml",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        image: nginx\n",
            ),
            ("top/kustomization.yaml", "resources: [../base]\nlabels:\n- pairs: {app: two}\n"),
        ],
        Some(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  labels:\n    app: two\n  name: d\nspec:\n  selector:\n    matchLabels:\n      app: two\n  template:\n    metadata:\n      labels:\n        app: two\n    spec:\n      containers:\n      - image: nginx\n        name: c\n",
        ),
    );
}

#[test]
fn a_patch_that_replaces_the_whole_object_does_nothing() {
    check(
        &[
            (
                "top/kustomization.yaml",
                "resources: [a.yaml]\npatches:\n- patch: \"{$patch: replace, apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\"\n",
            ),
            ("top/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n"),
        ],
        Some("apiVersion: v1\ndata:\n  x: \"y\"\nkind: ConfigMap\nmetadata:\n  name: a\n"),
    );
}

#[test]
fn a_source_that_is_replaced_gives_its_new_value() {
    check(
        &[
            (
                "top/kustomization.yaml",
                "resources: [a.yaml]\nreplacements:\n- source: {kind: ConfigMap, fieldPath: data.x}\n  targets:\n  - {select: {kind: ConfigMap}, fieldPaths: [data.x, data.z], options: {delimiter: \"-\", index: 9}}\n",
            ),
            ("top/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n  z: q\n"),
        ],
        Some("apiVersion: v1\ndata:\n  x: y-y\n  z: q-y-y\nkind: ConfigMap\nmetadata:\n  name: a\n"),
    );
}

#[test]
fn copied_metadata_has_the_state_of_the_build() {
    check(
        &[
            ("base/kustomization.yaml", "resources: [a.yaml]\nnamePrefix: p-\n"),
            ("base/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n"),
            (
                "top/kustomization.yaml",
                "resources: [../base]\npatches:\n- target: {kind: ConfigMap}\n  patch: \"[{op: copy, from: /metadata/annotations, path: /data}]\"\n",
            ),
        ],
        None,
    );
}

#[test]
fn a_patch_of_all_annotations_takes_the_origin_away() {
    check(
        &[
            (
                "top/kustomization.yaml",
                "resources: [a.yaml]\nbuildMetadata: [originAnnotations, transformerAnnotations]\nnamePrefix: p-\npatches:\n- target: {kind: ConfigMap}\n  patch: \"[{op: add, path: /metadata/annotations, value: {x: y}}]\"\n",
            ),
            ("top/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n"),
        ],
        None,
    );
}

#[test]
fn missing_values_between_brackets_are_empty_texts() {
    check(
        &[
            ("top/kustomization.yaml", "resources: [a.yaml]\n"),
            (
                "top/a.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n  f: {a, b: , c: ~}\n  <<: {m}\n",
            ),
        ],
        Some(
            "apiVersion: v1\ndata:\n  f:\n    a: \"\"\n    b: \"\"\n    c: null\n  m: null\n  x: \"y\"\nkind: ConfigMap\nmetadata:\n  name: a\n",
        ),
    );
}

#[test]
fn a_tag_outweighs_quotes() {
    check(
        &[
            ("top/kustomization.yaml", "resources: [a.yaml]\n"),
            (
                "top/a.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n  n: !!int \"1\"\n  s: !!str 2\n",
            ),
        ],
        Some("apiVersion: v1\ndata:\n  \"n\": 1\n  s: \"2\"\n  x: \"y\"\nkind: ConfigMap\nmetadata:\n  name: a\n"),
    );
}

#[test]
fn numbers_of_a_patched_object_are_floats() {
    check(
        &[
            (
                "top/kustomization.yaml",
                "resources: [a.yaml]\npatches:\n- target: {kind: Foo}\n  patch: \"[{op: add, path: /metadata/annotations, value: {}}]\"\nreplacements:\n- source: {kind: Foo, fieldPath: spec.n}\n  targets:\n  - {select: {kind: Foo}, fieldPaths: [metadata.annotations.n], options: {create: true}}\n",
            ),
            ("top/a.yaml", "apiVersion: x/v1\nkind: Foo\nmetadata:\n  name: f\nspec:\n  n: 2000000\n"),
        ],
        None,
    );
}

#[test]
fn a_bracket_that_repeats_nothing_is_a_character() {
    check(
        &[
            (
                "top/kustomization.yaml",
                "resources: [a.yaml]\npatches:\n- target: {name: \"x{APP}|a\"}\n  patch: \"[{op: add, path: /data/z, value: w}]\"\n",
            ),
            ("top/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n"),
        ],
        None,
    );
}

#[test]
fn operations_that_are_not_used_may_be_wrong() {
    check(
        &[
            (
                "top/kustomization.yaml",
                "resources: [a.yaml]\npatches:\n- target: {name: none}\n  patch: \"[{op: change, path: /data/z}]\"\n",
            ),
            ("top/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n"),
        ],
        None,
    );
}

#[test]
fn operations_that_are_used_may_not_be_wrong() {
    check(
        &[
            (
                "top/kustomization.yaml",
                "resources: [a.yaml]\npatches:\n- target: {name: a}\n  patch: \"[{op: change, path: /data/z}]\"\n",
            ),
            ("top/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n"),
        ],
        None,
    );
}

#[test]
fn only_the_first_document_of_a_part_counts() {
    check(
        &[
            ("top/kustomization.yaml", "resources: [a.yaml]\n...\nnope: [\n"),
            (
                "top/a.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n...\nwrong: [\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\ndata:\n  x: y\n",
            ),
        ],
        Some(
            "apiVersion: v1\ndata:\n  x: \"y\"\nkind: ConfigMap\nmetadata:\n  name: a\n---\napiVersion: v1\ndata:\n  x: \"y\"\nkind: ConfigMap\nmetadata:\n  name: b\n",
        ),
    );
}

#[test]
fn an_empty_first_document_is_an_empty_kustomization() {
    check(
        &[
            ("top/kustomization.yaml", "---\n---\nresources: [a.yaml]\n"),
            ("top/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n"),
        ],
        None,
    );
}

#[test]
fn keys_of_an_object_itself_are_texts() {
    check(
        &[
            ("top/kustomization.yaml", "resources: [a.yaml]\n"),
            ("top/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\ntrue: 1\n"),
        ],
        Some("apiVersion: v1\ndata:\n  x: \"y\"\nkind: ConfigMap\nmetadata:\n  name: a\n\"true\": 1\n"),
    );
}

#[test]
fn nulls_in_lists_are_empty_elements() {
    check(
        &[
            ("top/kustomization.yaml", "resources: [a.yaml]\nimages: [null]\nlabels: [null]\nbuildMetadata: [null]\n"),
            ("top/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n"),
        ],
        Some("apiVersion: v1\ndata:\n  x: \"y\"\nkind: ConfigMap\nmetadata:\n  name: a\n"),
    );
}

#[test]
fn labels_of_old_patches_become_texts() {
    check(
        &[
            (
                "top/kustomization.yaml",
                "resources: [a.yaml]\npatchesStrategicMerge:\n- \"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {n: 7, m: {}}}}\"\n",
            ),
            ("top/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n"),
        ],
        Some(
            "apiVersion: v1\ndata:\n  x: \"y\"\nkind: ConfigMap\nmetadata:\n  labels:\n    m: \"\"\n    \"n\": \"7\"\n  name: a\n",
        ),
    );
}

#[test]
fn next_line_in_a_literal_becomes_a_space() {
    check(
        &[("top/kustomization.yaml", "configMapGenerator:\n- name: g\n  literals: [\"a=x\\Ny\"]\n")],
        Some("apiVersion: v1\ndata:\n  a: x y\nkind: ConfigMap\nmetadata:\n  name: g-bfh2h5998m\n"),
    );
}

#[test]
fn delete_characters_are_refused() {
    check(&[("top/kustomization.yaml", "configMapGenerator:\n- name: g\n  literals: [\"a=x\\x7fy\"]\n")], None);
}

#[test]
fn a_block_cannot_start_with_a_tab() {
    check(
        &[
            ("top/kustomization.yaml", "resources: [a.yaml]\n"),
            ("top/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: y\n  t: |\n    \tb\n"),
        ],
        None,
    );
}

#[test]
fn references_are_checked_though_nothing_is_renamed() {
    check(
        &[
            ("top/kustomization.yaml", "resources: [a.yaml]\n"),
            (
                "top/a.yaml",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        image: nginx\n        envFrom: [x]\n",
            ),
        ],
        None,
    );
}
