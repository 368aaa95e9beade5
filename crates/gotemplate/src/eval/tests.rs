use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::function::{CallError, Function, Param};
use crate::functions::Functions;
use crate::templates::Options;
use crate::value::Time;

struct NoWorld;

impl Host for NoWorld {
    fn now(&self) -> Time {
        Time::utc(0, 0)
    }

    fn random(&mut self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

static TEST_FUNCTIONS: &[Function] = &[
    Function::new("fail", &[Param::String], |arguments, _| {
        Err(CallError::Author(crate::function::string(arguments, 0)?.to_text().into_owned()))
    }),
    Function::variadic("list", &[], Param::Any, |arguments, _| Ok(Value::list(arguments.to_vec()))),
    Function::new("set", &[Param::Map, Param::String, Param::Any], |arguments, _| {
        let map = crate::function::map(arguments, 0)?;
        map.insert(crate::function::string(arguments, 1)?.clone(), arguments[2].clone());
        Ok(arguments[0].clone())
    }),
    Function::new("double", &[Param::INT], |arguments, _| Ok(Value::int(2 * crate::function::integer(arguments, 0)?))),
];

fn render_within(limits: Limits, text: &str, data: &serde_json::Value) -> Result<String, String> {
    let functions = Functions::builtin().with(TEST_FUNCTIONS).with_include();
    let parsed = Parsed::new("t.yaml", text, &functions).map_err(|error| error.to_string())?;
    let mut templates = Templates::new(Arc::new(functions), Options::helm());
    templates.add(&parsed);
    let mut world = NoWorld;
    let out = Render::new(&templates, limits, &mut world).execute("t.yaml", &Value::from_json(data));
    out.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(|error| error.to_string())
}

fn render(text: &str) -> Result<String, String> {
    let data = json!({
        "s": "hello", "i": 3, "n": null, "l": ["a", "b"], "e": {}, "m": {"x": {"y": "z"}, "f": false}, "t": true,
    });
    render_within(Limits::default(), text, &data)
}

fn check(text: &str, expected: &str) {
    assert_eq!(render(text).as_deref(), Ok(expected), "{text}");
}

fn check_error(text: &str, expected: &str) {
    assert_eq!(render(text), Err(expected.to_owned()), "{text}");
}

#[test]
fn values_print_as_go_prints_them() {
    check("{{ .s }} {{ .i }} {{ .n }}{{ .missing }} {{ .l }} {{ .m }}", "hello 3  [a b] map[f:false x:map[y:z]]");
    check("{{ 'a' }} {{ 017 }} {{ 1.0 }} {{ 1e6 }} {{ 0x1F }} {{ 1_000 }} {{ 2i }}", "97 15 1 1e+06 31 1000 (0+2i)");
    check("{{ .m.x.y }} {{ (.m).x.y }} {{ $.m.x.y }} {{ (index .l 1) }}", "z z z b");
    check("{{ print 1 2 \"a\" \"b\" 3 }}|{{ \"q\" | printf \"%s-%d\" \"p\" | len }}", "1 2ab3|15");
}

#[test]
fn space_is_trimmed_where_a_marker_says_so() {
    check("a  {{- 1 -}}  b {{- /* c */ -}} d {{/* e */}} f", "a1bd  f");
    check("{{ `raw\n{{` }}{{- \"\\t\" }}", "raw\n{{\t");
}

#[test]
fn branches_choose() {
    check("{{ if .t }}1{{ else }}2{{ end }}{{ if .n }}1{{ else if .e }}2{{ else if .l }}3{{ else }}4{{ end }}", "13");
    check(
        "{{ with .m.x }}{{ .y }}{{ end }}{{ with .n }}1{{ else with .s }}{{ . }}{{ else }}{{ .s }}{{ end }}",
        "zhello",
    );
    check("{{ and .n .n.x }}|{{ or .s (fail \"x\") }}|{{ not .n }}|{{ and 1 0 2 }}|{{ or \"\" 0 }}", "|hello|true|0|0");
}

#[test]
fn loops_run_over_lists_maps_and_counts() {
    check(
        "{{ range 3 }}{{ . }}{{ end }}{{ range $i := 2 }}{{ $i }}{{ end }}{{ range .e }}x{{ else }}none{{ end }}",
        "01201none",
    );
    check(
        "{{ range $i, $v := .l }}{{ $i }}{{ $v }}{{ end }}{{ range $k, $v := .m }}{{ $k }}={{ $v }};{{ end }}",
        "0a1bf=false;x=map[y:z];",
    );
    check(
        "{{ range 9 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ if gt . 4 }}{{ break }}{{ end }}{{ . }}{{ end }}",
        "0134",
    );
    check("{{ range $v := .n }}x{{ else }}{{ $v }}-{{ end }}", "-");
    check_error(
        "{{ range .s }}{{ end }}",
        "template: t.yaml:1:9: executing \"t.yaml\" at <.s>: range can't iterate over hello",
    );
}

#[test]
fn variables_live_until_the_end_of_their_block() {
    check("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ $x = 3 }}{{ $x }}{{ end }}{{ $x }}", "231");
    check("{{ $x := 1 }}{{ range .l }}{{ $x = double $x }}{{ end }}{{ $x }}{{ $x := double $x }}{{ $x }}", "48");
    check("{{ $a := .l }}{{ $i := 9 }}{{ range $i, $a = $a }}{{ end }}{{ $i }}{{ $a }}", "1b");
    check("{{ $x := 1 }}{{ if .n }}{{ $x := 2 }}{{ else }}{{ $x }}{{ $x = 3 }}{{ end }}{{ $x }}", "13");
    check("{{ if $x := .n }}{{ else if $y := .s }}{{ $x }}{{ $y }}{{ else }}{{ $y }}{{ end }}", "hello");
    check_error(
        "{{ if .n }}{{ $x := 2 }}{{ else }}{{ $x }}{{ end }}",
        "template: t.yaml:1:37: executing \"t.yaml\" at <$x>: undefined variable: $x",
    );
    check_error("{{ $x }}", "template: t.yaml:1: undefined variable \"$x\"");
    check_error("{{ if true }}{{ $y := 1 }}{{ end }}{{ $y }}", "template: t.yaml:1: undefined variable \"$y\"");
}

#[test]
fn templates_call_each_other() {
    check(
        "{{ define \"a\" }}<{{ . }}{{ $ }}>{{ end }}{{ template \"a\" 1 }}{{ template \"a\" }}{{ include \"a\" .s }}",
        "<11><><hellohello>",
    );
    check("{{ block \"b\" .s }}[{{ . }}]{{ end }}{{ include \"b\" 2 | printf \"%q\" }}", "[hello]\"[2]\"");
    check("{{ tpl \"{{ include \\\"z\\\" . }}{{ define \\\"z\\\" }}Z{{ .s }}{{ end }}\" . }}", "Zhello");
    check_error(
        "{{ define \"a\" }}1{{ end }}{{ define \"a\" }}2{{ end }}",
        "template: t.yaml:1: template: multiple definition of template \"a\"",
    );
    check_error(
        "{{ include \"no\" . }}",
        "template: t.yaml:1:3: executing \"t.yaml\" at <include \"no\" .>: error calling include: template: no template \"no\" associated with template \"gotpl\"",
    );
    check_error(
        "{{ template \"no\" }}",
        "template: t.yaml:1:12: executing \"t.yaml\" at <{{template \"no\"}}>: template \"no\" not defined",
    );
}

#[test]
fn maps_are_shared() {
    check("{{ $m := .m }}{{ $_ := set $m \"new\" 1 }}{{ .m.new }}{{ $m.new }}", "11");
}

#[test]
fn comparisons_keep_kinds_apart() {
    check(
        "{{ eq 1 1 }}{{ eq .i 3.0 }}{{ eq .s \"x\" \"hello\" }}{{ ne 1 2 }}{{ lt 1 2 }}{{ ge \"b\" \"a\" }}{{ eq .n nil }}",
        "truetruetruetruetruetruetrue",
    );
    check_error(
        "{{ eq 1 1.0 }}",
        "template: t.yaml:1:3: executing \"t.yaml\" at <eq 1 1.0>: error calling eq: incompatible types for comparison: int and float64",
    );
    check_error(
        "{{ lt .n 1 }}",
        "template: t.yaml:1:3: executing \"t.yaml\" at <lt .n 1>: error calling lt: invalid type for comparison",
    );
}

#[test]
fn errors_name_place_and_expression() {
    check_error(
        "a\n  {{ .n.x }}",
        "template: t.yaml:2:7: executing \"t.yaml\" at <.n.x>: nil pointer evaluating interface {}.x",
    );
    check_error(
        "{{ .s.x }}",
        "template: t.yaml:1:5: executing \"t.yaml\" at <.s.x>: can't evaluate field x in type interface {}",
    );
    check_error(
        "{{ double .i }}",
        "template: t.yaml:1:10: executing \"t.yaml\" at <.i>: wrong type for value; expected int; got float64",
    );
    check_error(
        "{{ double \"x\" }}",
        "template: t.yaml:1:10: executing \"t.yaml\" at <\"x\">: expected integer; found \"x\"",
    );
    check_error(
        "{{ double 1 2 }}",
        "template: t.yaml:1:3: executing \"t.yaml\" at <double>: wrong number of args for double: want 1 got 2",
    );
    check_error(
        "{{ .s 1 }}",
        "template: t.yaml:1:3: executing \"t.yaml\" at <.s>: s is not a method but has arguments",
    );
    check_error("{{ nope }}", "template: t.yaml:1: function \"nope\" not defined");
    check_error("{{ if }}{{ end }}", "template: t.yaml:1: missing value for if");
    check_error("{{ if 1 }}", "template: t.yaml:1: unexpected EOF");
    check_error("\n{{ 1 }", "template: t.yaml:2: unexpected \"}\" in operand");
    check_error("{{ 1 | 2 }}", "template: t.yaml:1: non executable command in pipeline stage 2");
    check_error(
        "{{ tpl \"{{ fail \\\"no\\\" }}\" . }}",
        "template: t.yaml:1:3: executing \"t.yaml\" at <tpl \"{{ fail \\\"no\\\" }}\" .>: error calling tpl: error during tpl function execution for \"{{ fail \\\"no\\\" }}\": template: gotpl:1:3: executing \"gotpl\" at <fail \"no\">: error calling fail: no",
    );
}

#[test]
fn the_nil_part_of_an_expression_is_told() {
    let functions = Functions::builtin();
    let parsed = Parsed::new("t", "{{ with .a }}{{ $.a.b.c.d }}{{ end }}", &functions).unwrap();
    let mut templates = Templates::new(Arc::new(functions), Options::helm());
    templates.add(&parsed);
    let mut world = NoWorld;
    let data = Value::from_json(&json!({"a": {"b": {}}}));
    let error = Render::new(&templates, Limits::default(), &mut world).execute("t", &data).unwrap_err();
    let Error::Execute(error) = error else { panic!("{error}") };
    let Cause::NilField(nil) = error.cause else { panic!("{error}") };
    assert_eq!((nil.parent.as_str(), nil.field.as_str()), ("$.a.b.c", "d"));
}

#[test]
fn what_has_no_end_ends_in_an_error() {
    for text in [
        "{{ range 1000000000 }}{{ end }}",
        "{{ range 1000000000 }}{{ $.s }}{{ end }}",
        "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
        "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}",
        "{{ define \"a\" }}x{{ include \"a\" . }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
        "{{ $t := \"{{ tpl .t . }}\" }}{{ tpl $t (set .m \"t\" $t) }}",
        "{{ $x := \"aaaaaaaaaaaaaaaa\" }}{{ range 64 }}{{ $x = print $x $x }}{{ end }}",
        "{{ $x := list }}{{ range 64 }}{{ $x = list $x $x $x $x }}{{ end }}{{ $x }}",
        "{{ $x := list }}{{ range 5000 }}{{ $x = list $x }}{{ end }}{{ $x }}",
    ] {
        let limits = Limits { steps: 1_000_000, output: 1 << 20, allocated: 1 << 24, ..Limits::default() };
        let error = render_within(limits, text, &json!({"s": "x", "m": {}})).unwrap_err();
        assert!(error.contains("t.yaml:1:"), "{text}: {error}");
    }
}

#[test]
fn nesting_of_blocks_and_parentheses_is_limited() {
    for (open, close) in [("{{ if 1 }}", "{{ end }}"), ("(", ")")] {
        let inside = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let text = if open == "(" { format!("{{{{ {inside} }}}}") } else { inside };
        let error = render(&text).unwrap_err();
        assert!(error.contains("nested too deeply"), "{error}");
    }
    let chain = format!("{{{{ if 0 }}}}{}{{{{ end }}}}", "{{ else if 0 }}".repeat(10_000));
    check(&chain, "");
}
