use serde_json::json;

use super::*;

fn steps(path: &str) -> Vec<Step> {
    let step = |part: &str| part.parse::<usize>().map_or_else(|_| Step::from(part), Step::from);
    path.split('/').filter(|p| !p.is_empty()).map(step).collect()
}

/// The text after one edit.
fn check(text: &str, edit: impl Fn(&mut Editor) -> Result<(), EditError>, expected: &str) {
    for newline in ["\n", "\r\n"] {
        let (text, expected) = (text.replace('\n', newline), expected.replace('\n', newline));
        let mut editor = Editor::new(&text).unwrap();
        edit(&mut editor).unwrap_or_else(|e| panic!("{text}\n{e}"));
        assert_eq!(editor.text(), expected, "\n{}", editor.text());
    }
}

fn set(text: &str, path: &str, value: Value, expected: &str) {
    check(text, |editor| editor.set(&steps(path), &value), expected);
}

fn remove(text: &str, path: &str, expected: &str) {
    check(text, |editor| editor.remove(&steps(path)), expected);
}

fn push(text: &str, path: &str, value: Value, expected: &str) {
    check(text, |editor| editor.push(&steps(path), &value), expected);
}

#[test]
fn scalars_keep_their_quotes_and_comments() {
    set("a: 1 # one\nb: 2\n", "a", json!(3), "a: 3 # one\nb: 2\n");
    set("a: 'x'   # one\n", "a", json!("it's"), "a: 'it''s'   # one\n");
    set("a: \"x\"", "a", json!("1.10"), "a: \"1.10\"");
    set("a: x", "a", json!("1.10"), "a: \"1.10\"");
    set("a: x", "a", json!("0o17"), "a: \"0o17\"");
    set("a:\nb: 1\n", "a", json!("x"), "a: x\nb: 1\n");
    set("a: # none\nb: 1\n", "a", json!("x"), "a: x # none\nb: 1\n");
    set("- a\n-\n- c\n", "1", json!("b"), "- a\n- b\n- c\n");
    set("a: !!str 1 # t\n", "a", json!("2"), "a: !!str \"2\" # t\n");
    set("a: &x 1 # t\n", "a", json!(2), "a: &x 2 # t\n");
    set("é: ü # x\nb: 1\n", "b", json!("ä"), "é: ü # x\nb: ä\n");
}

#[test]
fn keys_are_added_in_the_layout_of_the_text() {
    set("a:\n    b: 1 # x\n# end\n", "a/c/d", json!("v"), "a:\n    b: 1 # x\n    c:\n        d: v\n# end\n");
    set("c: 2\na: 1", "b", json!(["x"]), "c: 2\na: 1\nb:\n- x");
    set("l:\n  - a\n", "m", json!(["x", {"k": 1, "o": [2]}]), "l:\n  - a\nm:\n  - x\n  - k: 1\n    o:\n      - 2\n");
    set("{a: 1}\n", "b", json!({"c": [1, "x y"]}), "{a: 1, b: {c: [1, x y]}}\n");
    set("{\"a\": 1}\n", "b", json!("x"), "{\"a\": 1, \"b\": \"x\"}\n");
    set("a: {} # c\n", "a/b", json!("x,y"), "a: # c\n  b: x,y\n");
    set("a: {c: 1}\n", "a/b", json!("x,y"), "a: {c: 1, b: \"x,y\"}\n");
    set("{a: {}}\n", "a/b", json!("x"), "{a: {b: x}}\n");
    set("# only a comment\n", "a", json!(1), "# only a comment\na: 1\n");
    set("a: |+\n  x\n\n", "b", json!(1), "a: |+\n  x\n\nb: 1\n");
    set("a: |\n  x\n\n# c\nz: 1\n", "a", json!("y\nz\n"), "a: |\n  y\n  z\n\n# c\nz: 1\n");
    set("a: 1 # c\nb: 2\n", "a", json!({"x": 1}), "a: # c\n  x: 1\nb: 2\n");
    set("a: # c\n  x: 1\n  # in\n  y: 2\nb: 2\n", "a", json!(7), "a: 7 # c\nb: 2\n");
    set("- a.yaml # c\n- b\n", "0", json!({"path": "a.yaml"}), "- path: a.yaml # c\n- b\n");
}

#[test]
fn items_are_added_and_taken_away() {
    push("l:\n- a # x\n# end\nm: 1\n", "l", json!("b"), "l:\n- a # x\n- b\n# end\nm: 1\n");
    push(
        "l:\n-   name: a\n    tag: b\n",
        "l",
        json!({"name": "c", "tag": "d"}),
        "l:\n-   name: a\n    tag: b\n-   name: c\n    tag: d\n",
    );
    push("l: [a, b]\n", "l", json!("c"), "l: [a, b, c]\n");
    push("l: [\n  a, # x\n  b # y\n]\n", "l", json!("c"), "l: [\n  a, # x\n  b, # y\n  c\n]\n");
    push("l: [\n  a,\n  b, # y\n]\n", "l", json!("c"), "l: [\n  a,\n  b, # y\n  c,\n]\n");
    push("l: []\n", "l", json!("c"), "l:\n- c\n");
    push("l:\nm: 1\n", "l", json!("c"), "l:\n- c\nm: 1\n");
    let first = |editor: &mut Editor| editor.insert(&steps("l"), 0, &json!("z"));
    check("l: # c\n# about a\n- a\n", first, "l: # c\n- z\n# about a\n- a\n");
    check("l: [a]\n", first, "l: [z, a]\n");
    check("l:\n- - a\n", |e| e.insert(&steps("l/0"), 0, &json!("z")), "l:\n- - z\n  - a\n");
    remove("l:\n- a # x\n# about b\n- b\n", "l/0", "l:\n# about b\n- b\n");
    remove("l:\n- a\n- b # y", "l/1", "l:\n- a");
    remove("l:\n- a # only\nm: 1\n", "l/0", "l: []\nm: 1\n");
    remove("l: [a, b, c]\n", "l/1", "l: [a, c]\n");
    remove("l: [a, b, c]\n", "l/0", "l: [b, c]\n");
    remove("l: [a]\n", "l/0", "l: []\n");
    remove("- name: a # n\n  # about tag\n  tag: b\n", "0/name", "- # about tag\n  tag: b\n");
    remove("- name: a\n  tag: b\n", "0/name", "- tag: b\n");
    remove("a: 1\n# about b\nb: |\n  x\n\n\nc: 2\n", "b", "a: 1\n# about b\n\n\nc: 2\n");
    remove("a:\n  b: 1\n", "a/b", "a: {}\n");
    remove("# head\na: 1\n", "a", "# head\n");
    remove("l:\n- - a\n  - b\n", "l/0/0", "l:\n- - b\n");
}

#[test]
fn keys_are_renamed() {
    let rename = |editor: &mut Editor| editor.rename(&steps("bases"), "resources");
    check("# c\nbases: # x\n- a\n", rename, "# c\nresources: # x\n- a\n");
    check("{\"bases\": [\"a\"]}\n", rename, "{\"resources\": [\"a\"]}\n");
}

#[test]
fn what_is_not_safe_is_refused_and_nothing_changes() {
    let refused = |text: &str, path: &str, value: Option<Value>, expected: &str| {
        let mut editor = Editor::new(text).unwrap();
        let path = steps(path);
        let result = match &value {
            Some(value) => editor.set(&path, value),
            None => editor.remove(&path),
        };
        assert_eq!(result.unwrap_err().to_string(), expected);
        assert_eq!(editor.text(), text);
    };
    refused(
        "b: &b {x: 1}\na: *b\n",
        "a/x",
        Some(json!(2)),
        "line 2: a is written as *b: edit what is anchored there, or write the value out",
    );
    refused(
        "b: &b {x: 1}\na:\n  <<: *b\n  y: 1\n",
        "a/x",
        None,
        "line 2: a.x comes from a merge (<<): edit what is merged",
    );
    refused(
        "b: &b {x: 1}\na: *b\n",
        "b",
        None,
        "line 1: b holds the anchor &b, which is used elsewhere: write the value out there first",
    );
    refused(
        "b: &b {x: 1}\na: *b\n",
        "b/x",
        Some(json!(2)),
        "line 1: b.x stands in &b, which is used elsewhere, too: write the value out there first",
    );
    refused("a: 1\na: 2\n", "a", Some(json!(3)), "line 2: a is written more than once: remove all but one");
    refused("a: x\n", "a/b", Some(json!(3)), "line 1: a is no mapping");
    refused("a: {b: 1}\n", "a/0", Some(json!(3)), "line 1: a is no list");
    let mut editor = Editor::new("b: &b [x]\na: *b\n").unwrap();
    assert!(editor.push(&steps("a"), &json!("y")).unwrap_err().to_string().starts_with("line 2: a is written as *b"));
    refused("a: 1\n", "b", None, "line 1: b is not there");
}

#[test]
fn merged_values_may_be_overridden_and_aliases_replaced() {
    set("b: &b {x: 1}\na:\n  <<: *b\n", "a/x", json!(2), "b: &b {x: 1}\na:\n  <<: *b\n  x: 2\n");
    set("b: &b 1\na: *b # c\n", "a", json!(2), "b: &b 1\na: 2 # c\n");
}

#[test]
fn other_documents_and_the_byte_order_mark_stay() {
    set("\u{feff}# c\n---\na: 1\n---\na: 2\n", "a", json!(3), "\u{feff}# c\n---\na: 3\n---\na: 2\n");
}

#[test]
fn what_moves_takes_its_comments_along() {
    let merge = |from: &'static str, to: &'static str| move |e: &mut Editor| e.merge_into(&steps(from), &steps(to));
    check(
        "a:\n  # about x\n  - k: x # ours\n    l: |\n      t\n\n      u\n\n  - y\nb:\n  - z\n",
        merge("a", "b"),
        "b:\n  - z\n  # about x\n  - k: x # ours\n    l: |\n      t\n\n      u\n\n  - y\n",
    );
    check("a: # c\n- x # ours\nb:\n- z\n", merge("a", "b"), "b:\n- z\n# c\n- x # ours\n");
    check(
        "a:\n  # k\n  k: 1 # ours\n  j: 2\nb:\n- p: {}\n",
        merge("a", "b/0/p"),
        "b:\n- p:\n    # k\n    k: 1 # ours\n    j: 2\n",
    );
    check("a: {k: 1, l: 2}\nb: {}\n", merge("a", "b"), "b:\n  k: 1\n  l: 2\n");
    check("a: [k]\nb: [l]\n", merge("a", "b"), "b: [l, k]\n");
    let mut editor = Editor::new("a: {k: 1}\nb: {k: 2}\n").unwrap();
    assert_eq!(
        editor.merge_into(&steps("a"), &steps("b")).unwrap_err().to_string(),
        "line 2: b.k is written more than once: remove all but one"
    );
}

#[test]
fn many_items_at_once() {
    let texts = |texts: &[&str]| texts.iter().map(|t| json!(t)).collect::<Vec<_>>();
    check("l:\n- a # x\n", |e| e.extend(&steps("l"), &texts(&["b", "c"])), "l:\n- a # x\n- b\n- c\n");
    check("l: [a]\n", |e| e.extend(&steps("l"), &texts(&["b", "c"])), "l: [a, b, c]\n");
    check("m: 1\n", |e| e.extend(&steps("l"), &texts(&["b", "c"])), "m: 1\nl:\n- b\n- c\n");
    let some = |e: &mut Editor| e.remove_items(&steps("l"), &[true, false, true]);
    check("l:\n- a\n# b\n- b # x\n- c # y\nm: 1\n", some, "l:\n# b\n- b # x\nm: 1\n");
    check("l: [a, b, c]\n", some, "l: [b]\n");
    let all = |e: &mut Editor| e.remove_items(&steps("l"), &[true, true]);
    check("l:\n# a\n- a\n- b\n", all, "l: []\n# a\n");
}

#[test]
fn paths_are_read() {
    let path = |text| Step::path(text).map(|steps| shown(&steps));
    assert_eq!(Step::path("hosts[0].name"), Some(vec!["hosts".into(), 0.into(), "name".into()]));
    assert_eq!(Step::path("\"a.b\".c"), Some(vec!["a.b".into(), "c".into()]));
    assert_eq!(Step::path("a\\.b.c"), Some(vec!["a.b".into(), "c".into()]));
    assert_eq!(path("a[1][2]"), Some("a[1][2]".to_owned()));
    for malformed in ["a..b", ".a", "a.", "a[x]", "a[1", "\"a", "a[0]b"] {
        assert_eq!(Step::path(malformed), None, "{malformed}");
    }
}

#[test]
fn values_of_charts() {
    let values = "# values of dev\nglobal: &g {env: dev}\nimage:\n    repository: ghcr.io/acme/shop # ours\n    tag: \"1.9\"  # {\"$imagepolicy\": \"x\"}\n\nhosts:\n    - name: a.example # main\n      tls: {enabled: true}\nother:\n    <<: *g\n";
    let to = |path: &'static str, value: Value| move |e: &mut Editor| e.set(&Step::path(path).unwrap(), &value);
    check(values, to("image.tag", json!("1.10")), &values.replace("\"1.9\"", "\"1.10\""));
    check(values, to("image.digest", json!("sha256:ab")), &values.replace("x\"}\n", "x\"}\n    digest: sha256:ab\n"));
    check(values, to("hosts[0].tls.enabled", json!(false)), &values.replace("true}", "false}"));
    check(
        values,
        to("hosts[1].name", json!("b.example")),
        &values.replace("true}\n", "true}\n    - name: b.example\n"),
    );
    check(values, to("other.env", json!("x")), &format!("{values}    env: x\n"));
    check("# none\n", to("image.tag", json!("1.10")), "# none\nimage:\n  tag: \"1.10\"\n");
    check("# none\n{}\n", to("image.tag", json!("v1")), "# none\nimage:\n  tag: v1\n");
}

#[test]
fn written_scalars_keep_their_form() {
    for (written, content, expected) in [
        ("v1", "v2", "v2"),
        ("v1", "1.10", "\"1.10\""),
        ("'v1'", "1.10", "'1.10'"),
        ("\"v1\"", "v2", "\"v2\""),
        ("!!str v1", "v2", "!!str v2"),
        ("&a 'v1'", "v2", "&a 'v2'"),
    ] {
        assert_eq!(scalar_like(written, content), expected);
    }
}

#[test]
fn too_many_edits_are_refused_before_they_take_long() {
    let mut editor = Editor::new("a: 1\n").unwrap();
    editor.work = WORK_MAX;
    let refused = (0..200).find_map(|number| editor.set(&steps("a"), &json!(number + 2)).err()).unwrap();
    assert_eq!(refused.reason, EditReason::TooMany);
}
