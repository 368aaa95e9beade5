use super::super::node::{first_document_fully, parse_fully};
use super::super::to_value;
use super::*;

/// The quick reader gives what the full one does: the same nodes and marks, or nothing.
fn agrees(text: &str) -> bool {
    let quick = read(text);
    if let Some(documents) = &quick {
        assert_eq!(Ok(documents), parse_fully(text).as_ref(), "{text:?}");
    }
    if let Some(first) = read_first(text) {
        assert_eq!(Ok(first), first_document_fully(text), "{text:?}");
    }
    for dialect in [Dialect::Kubernetes, Dialect::GoYaml3] {
        let full = |nodes: &Vec<Node>| nodes.iter().map(|n| Some((n.start.line, to_value(n, dialect).ok()?))).collect();
        if let Some(values) = values(text, dialect) {
            assert_eq!(Some(values), parse_fully(text).ok().as_ref().and_then(full), "{text:?}");
        }
        if let Some(Some(value)) = first_value(text, dialect) {
            assert_eq!(Some(value), first_document_fully(text).ok().flatten().and_then(|n| to_value(&n, dialect).ok()));
        }
    }
    quick.is_some()
}

#[test]
fn usual_texts_are_read_with_the_same_nodes_and_marks() {
    for text in [
        "",
        "# only\n",
        "a: 1\n",
        "a: 1",
        "a:",
        "a:\n  ",
        "---\na: 1\n---\n# c\n---\nb: 2\n---\n",
        "  a: 1\n  b:\n  - c\n  -\n  - d: e\n    f: g\n",
        "a:\n- - b\n  - c\n- d\ne: f\n",
        "a: b c # d\ne: #f\n  g: h\n# i\nj: k\n",
        "a: b\n  c\n\n\n  d # e\nf: g\n  - h\n",
        "a: 'it''s'\nb: \"c\\n\\\"\\\\\"\n'd e': f\n\"g\" : h\n",
        "a: 'b\n  c\n\n  d'\ne: \"f \n g\"\n",
        "a: |\n  b\n   c\n\n  d\n\ne: |-\n    f\n\n\ng: |+\n  h\n\n",
        "a: >\n  b\n  c\n\n  d\n   e\n  f\n  g\nh: >-\n  i\n  j\nk: >+\n  l\n\nm: |\n\n\n   n\n",
        "a: |\nb: |+\n\nc: 1\n",
        "a: [b, \"c\", -d, [e], {}]\nf: {g: h, \"i\":j, k: [l m]}\nn: []\n",
        "ä: ö ü\nb: 'ß' # ñ\nc: [é, à]\nd: |\n  ẞ\n",
        "- a\n- b: c\n  d: e\n-\n  f: g\n- [h]\n",
        "a: -b\nc: --d\ne: http://f:g/h#i\n",
        "a: ~\nb: null\nc: <<\n<<: d\n",
    ] {
        assert!(agrees(text), "not read: {text:?}");
    }
}

#[test]
fn other_texts_are_left_to_the_full_reader() {
    for text in [
        "a: b: c\n",
        "a: &b c\n",
        "a: *b\n",
        "a: !c d\n",
        "? a\n: b\n",
        "a\n",
        "a: 1\n b: 2\n",
        "a:\n    b: 1\n  c: 2\n",
        "a: |2\n  b\n",
        "a: |\n  b",
        "a: 'b\n",
        "a: [b\n]\n",
        "a: \tb\n",
        "a: b\r\n",
        "%YAML 1.1\n---\na: b\n",
        "a: b\n...\n",
        "a: \"\\x41\"\n",
        "a: b\n  c: d\n",
        "- a\nb: c\n",
        "a: 'b'c\n",
        "a: [b]c\n",
        "--- a\n",
    ] {
        assert!(!agrees(text), "read: {text:?}");
    }
    assert!(!agrees(&"[".repeat(1000)) && !agrees(&format!("a: {}1{}\n", "[".repeat(150), "]".repeat(150))));
    assert!(!agrees(&"- ".repeat(150)) && !agrees(&"- 1\n".repeat(NODES_MAX)));
}

/// Texts put together from fragments in an order that a fixed sequence decides.
#[test]
fn fragments_in_any_order_agree() {
    const PARTS: &[&str] = &[
        "a", "b: ", "c:", "- ", "-", "\n", "\n", "\n", "  ", " ", "    ", "'", "\"", "x y", "#", " # c", "|", ">",
        "|-\n", ">-\n", "[", "]", "{", "}", ",", ": ", "d: e\n", "  f: g\n", "- h\n", "  i\n", "\\", "\t", "ä",
        "---\n", "...", "&", "*", "!", "?", "'j k'", "\"l\"", "~", "\n\n", "m:\n", "n: |\n", "o: >+\n", "<<", "%", "@",
        "-p", ":q", "r:s",
    ];
    let (mut state, mut read) = (1_u64, 0);
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or_default() % below
    };
    for _ in 0..30_000 {
        let text: String = (0..=next(12)).map(|_| PARTS[next(PARTS.len())]).collect();
        read += usize::from(agrees(&text));
    }
    assert!(read > 1000, "{read} were read");
}
