//! Pseudo-random repositories, the same in every run: whatever a commit holds, no render panics, and none takes long.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use object::{FileTree, MemoryTree};
use render::helm::{pack, unpack};
use render::{HelmOptions, HelmParameter, Source, ToolChoice, render};
use test_support::Dice;

/// The text with pieces put in, lines taken away or doubled, or cut off.
fn spoil(dice: &mut Dice, text: &str) -> String {
    const PIECES: [&str; 22] = [
        "\n",
        "- ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "*a",
        "&a ",
        "~",
        "!!binary ",
        "|\n",
        "../",
        "/",
        "{{ ",
        " }}",
        "\u{0}",
        "é",
        "1e999",
        "-1",
        "\t",
    ];
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=dice.below(3) {
        if lines.is_empty() {
            break;
        }
        let line = dice.below(lines.len());
        match dice.below(5) {
            0 => drop(lines.remove(line)),
            1 => lines.insert(line, lines[line].clone()),
            2 => lines.truncate(line),
            _ => {
                let chars: Vec<char> = lines[line].chars().collect();
                let at = dice.below(chars.len() + 1);
                let (before, after) = chars.split_at(at);
                let piece = PIECES[dice.below(PIECES.len())];
                lines[line] =
                    before.iter().collect::<String>() + piece + &after.iter().skip(dice.below(2)).collect::<String>();
            }
        }
    }
    lines.join("\n")
}

type Files = &'static [(&'static str, &'static str)];

const CHART: Files = &[
    (
        "app/Chart.yaml",
        "apiVersion: v2\nname: shop\nversion: 1.2.3\nkubeVersion: \">=1.20.0-0\"\ndependencies:\n- name: kid\n  version: ^1\n  condition: kid.enabled\n  tags: [a]\n  import-values: [{child: a, parent: b}]\n",
    ),
    ("app/values.yaml", "a: 1\nkid:\n  enabled: true\nlist: [a, {b: c}]\n"),
    (
        "app/values.schema.json",
        "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\", \"minimum\": 0}}}",
    ),
    ("app/.helmignore", "*.txt\n/x/\n"),
    ("app/charts/kid/Chart.yaml", "apiVersion: v2\nname: kid\nversion: 1.0.0\n"),
    ("app/templates/_helpers.tpl", "{{ define \"name\" }}{{ .Release.Name }}{{ end }}\n"),
    (
        "app/templates/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include \"name\" . }}\n  annotations:\n    helm.sh/hook: pre-install\ndata: {{ toYaml .Values | nindent 2 }}\n",
    ),
    ("app/crds/x.yaml", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n"),
];

const OVERLAY: Files = &[
    (
        "app/kustomization.yaml",
        "namespace: a\nnamePrefix: p-\nresources:\n- ../base\n- a.yaml\nimages:\n- name: x\n  newTag: '1'\nlabels:\n- pairs: {a: b}\n  includeSelectors: true\npatches:\n- path: patch.yaml\n- target: {kind: Deployment}\n  patch: |-\n    - op: replace\n      path: /spec/replicas\n      value: 3\nconfigMapGenerator:\n- name: c\n  literals: [a=b]\n  files: [a.yaml]\nreplacements:\n- source: {kind: ConfigMap, fieldPath: data.a}\n  targets:\n  - select: {kind: Deployment}\n    fieldPaths: [\"spec.template.spec.containers.[name=c].image\"]\n    options: {delimiter: ':', index: 1}\n",
    ),
    (
        "app/a.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n  - {port: 80, protocol: TCP}\n",
    ),
    (
        "app/patch.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  template:\n    spec:\n      containers:\n      - name: c\n        env: [{name: A, value: b}]\n      - $patch: delete\n        name: other\n",
    ),
    ("base/kustomization.yaml", "resources: [d.yaml]\n"),
    (
        "base/d.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  replicas: 1\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n    spec:\n      containers:\n      - {name: c, image: x}\n      - {name: other, image: y}\n",
    ),
];

fn spoiled(files: Files, dice: &mut Dice) -> FileTree {
    let which = dice.below(files.len());
    let one = |(number, (path, text)): (usize, &(&'static str, &'static str))| {
        (*path, if number == which { spoil(dice, text) } else { (*text).to_owned() })
    };
    let files: Vec<_> = files.iter().enumerate().map(one).collect();
    files.iter().fold(MemoryTree::default(), |tree, (path, text)| tree.file(path, text)).tree()
}

/// How many of the repositories still gave a whole set.
fn each(rounds: usize, files: Files, source: impl Fn(&mut Dice) -> Source) -> usize {
    let mut dice = Dice::new(0x9E37_79B9_7F4A_7C15);
    (0..rounds).filter(|_| render(&spoiled(files, &mut dice), &source(&mut dice)).complete()).count()
}

#[test]
fn no_file_of_a_chart_panics() {
    let whole = each(1_000, CHART, |_| Source::auto("app"));
    assert!((100..1_000).contains(&whole), "{whole}");
}

#[test]
fn no_kustomization_panics() {
    let whole = each(1_000, OVERLAY, |_| Source::auto("app"));
    assert!((50..1_000).contains(&whole), "{whole}");
}

#[test]
fn no_parameter_panics() {
    let mut dice = Dice::new(7);
    let tree = CHART.iter().fold(MemoryTree::default(), |tree, (path, text)| tree.file(path, *text)).tree();
    let mut whole = 0;
    for _ in 0..600 {
        let (name, value) = (dice.below(4), dice.below(4));
        let name = spoil(&mut dice, ["a.b[0].c", "list[1].b", "kid.enabled", "a\\.b"][name]);
        let value = spoil(&mut dice, ["{x,y}", "1", "null", "a=b,c[2]=d"][value]);
        let parameters = vec![HelmParameter { name, value, force_string: dice.below(2) == 0 }];
        let options = HelmOptions { parameters, ..HelmOptions::default() };
        let source = Source { path: "app".into(), tool: ToolChoice::Helm(Box::new(options)), ..Source::default() };
        whole += usize::from(render(&tree, &source).complete());
    }
    for name in ["a[999999999]", &"a.".repeat(100_000), &"a[0]".repeat(10_000)] {
        let parameters = vec![HelmParameter { name: name.to_owned(), value: "1".into(), force_string: false }];
        let options = HelmOptions { parameters, ..HelmOptions::default() };
        let source = Source { path: "app".into(), tool: ToolChoice::Helm(Box::new(options)), ..Source::default() };
        assert!(!render(&tree, &source).complete(), "{name:.40}");
    }
    assert!(whole > 100, "{whole}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn no_archive_panics() {
    let tree = CHART.iter().fold(MemoryTree::default(), |tree, (path, text)| tree.file(path, *text)).tree();
    let (_, packed) = pack(&tree, "app").unwrap();
    let mut plain = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut plain).unwrap();
    let mut dice = Dice::new(99);
    let mut whole = 0;
    for round in 0..2_000 {
        let mut bytes = if round % 4 == 0 { packed.clone() } else { plain.clone() };
        for _ in 0..=dice.below(4) {
            // headers are where the meaning is
            let block = dice.below(bytes.len() / 512 + 1) * 512;
            let at = (block + dice.below(512)).min(bytes.len() - 1);
            bytes[at] = b"0/.\\\x00\xff57gxLKS"[dice.below(13)];
        }
        bytes.truncate(bytes.len() - if dice.below(3) == 0 { dice.below(bytes.len()) } else { 0 });
        let bytes = if round % 4 == 0 { bytes } else { gzip(&bytes) };
        let Ok(tree) = unpack(&bytes) else { continue };
        whole += 1;
        let _ = render(&tree, &Source::auto(""));
    }
    assert!(whole > 50, "{whole}");
}
