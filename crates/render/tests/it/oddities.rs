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

#[test]
fn kinds_without_a_rank_go_round_in_a_circle_as_go_sorts_them() {
    let options = r#"{"order": "legacy", "legacySortOptions": {"orderFirst": ["Pod", "Pod", "Event"]}}"#;
    check(
        &[
            ("top/kustomization.yaml", &format!("resources: [a.yaml]\nsortOptions: {options}\n")),
            ("top/a.yaml", include_str!("circle/objects.yaml")),
        ],
        Some(include_str!("circle/expected.yaml")),
    );
}

#[test]
fn a_source_is_known_by_a_former_name_that_it_brings_along() {
    check(
        &[
            (
                "top/kustomization.yaml",
                "resources:\n- zz-input.yaml\nreplacements:\n- source:\n    kind: CronJob\n    name: deploy\n    fieldPath: spec.template.spec.containers.0.image\n  targets:\n  - select:\n      kind: Deployment\n      name: deploy\n    fieldPaths:\n    - spec.template.spec.containers.1.image\n",
            ),
            (
                "top/zz-input.yaml",
                "apiVersion: v1\nkind: Deployment\nmetadata:\n  name: pre-deploy\n  annotations:\n    internal.config.kubernetes.io/previousNames: deploy,deploy\n    internal.config.kubernetes.io/previousKinds: CronJob,Deployment\n    internal.config.kubernetes.io/previousNamespaces: default,default\nspec:\n  template:\n    spec:\n      containers:\n      - image: nginx:1.7.9\n        name: nginx-tagged\n      - image: postgres:1.8.0\n        name: postgresdb\n",
            ),
        ],
        Some(
            "apiVersion: v1\nkind: Deployment\nmetadata:\n  name: pre-deploy\nspec:\n  template:\n    spec:\n      containers:\n      - image: nginx:1.7.9\n        name: nginx-tagged\n      - image: nginx:1.7.9\n        name: postgresdb\n",
        ),
    );
}

#[test]
fn flow_collections_inside_texts_stay_in_one_line() {
    check(
        &[
            (
                "top/kustomization.yaml",
                "resources:\n- zz-input.yaml\nreplacements:\n- source:\n    kind: ConfigMap\n    name: environment-config\n    fieldPath: data.env\n  targets:\n  - select:\n      kind: ConfigMap\n      name: prometheus-config\n    fieldPaths:\n    - data.prometheus\\.yml.global.external_labels.prometheus_env\n",
            ),
            (
                "top/zz-input.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: environment-config\ndata:\n  env: dev\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: prometheus-config\ndata:\n  prometheus.yml: |-\n    global:\n      external_labels:\n        prometheus_env: TARGET_ENVIRONMENT\n    scrape_configs:\n      - job_name: \"prometheus\"\n        static_configs:\n          - targets: [\"localhost:9090\"]\n",
            ),
        ],
        Some(
            "apiVersion: v1\ndata:\n  env: dev\nkind: ConfigMap\nmetadata:\n  name: environment-config\n---\napiVersion: v1\ndata:\n  prometheus.yml: |-\n    global:\n      external_labels:\n        prometheus_env: dev\n    scrape_configs:\n    - job_name: \"prometheus\"\n      static_configs:\n      - targets: [\"localhost:9090\"]\nkind: ConfigMap\nmetadata:\n  name: prometheus-config\n",
        ),
    );
    check(
        &[
            (
                "top/kustomization.yaml",
                "resources:\n- zz-input.yaml\nreplacements:\n- source:\n    kind: ConfigMap\n    name: source-values\n    fieldPath: data.app_name\n  targets:\n  - select:\n      kind: ConfigMap\n      name: target-config\n    fieldPaths:\n    - data.config\\.yaml.labels.app\n    - data.config\\.yaml.spec.selector.matchLabels.app\n",
            ),
            (
                "top/zz-input.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: source-values\ndata:\n  app_name: \"my-awesome-app\"\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: target-config\ndata:\n  config.yaml: |-\n    labels: {\n      app: \"REPLACE_APP_NAME\",\n      version: \"1.0.0\",\n      env: \"production\",\n    }\n    spec: {\n      replicas: 3,\n      selector: {\n        matchLabels: {\n          app: \"REPLACE_APP_NAME\"\n        }\n      }\n    }",
            ),
        ],
        Some(
            "apiVersion: v1\ndata:\n  app_name: my-awesome-app\nkind: ConfigMap\nmetadata:\n  name: source-values\n---\napiVersion: v1\ndata:\n  config.yaml: |-\n    labels: {app: \"my-awesome-app\", version: \"1.0.0\", env: \"production\"}\n    spec: {replicas: 3, selector: {matchLabels: {app: \"my-awesome-app\"}}}\nkind: ConfigMap\nmetadata:\n  name: target-config\n",
        ),
    );
}

#[test]
fn a_folded_annotation_is_as_it_is_written_and_a_label_is_folded_again() {
    check(
        &[
            ("top/kustomization.yaml", "resources: [cm.yaml]\n"),
            (
                "top/cm.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    note: >\n      one\n       two\n",
            ),
        ],
        Some(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  annotations:\n    note: |\n      one\n       two\n  name: a\n",
        ),
    );
}
