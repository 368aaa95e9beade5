//! Pseudo-random templates, the same in every run: none panics, and none goes on beyond its limits.

use std::sync::Arc;

use gotemplate::Render;
use gotemplate::functions::Functions;
use gotemplate::limits::Limits;
use gotemplate::templates::{Options, Parsed, Templates};
use test_support::Dice;

use crate::chart;

const LIMITS: Limits = Limits { steps: 20_000, output: 1 << 18, allocated: 1 << 20, depth: 200, stack: 1 << 20 };

const PIECES: [&str; 44] = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{/*",
    "*/}}",
    " | ",
    "(",
    ")",
    "$",
    "$x",
    ":=",
    "=",
    ".",
    ".Values",
    ".a.b",
    "\"",
    "`",
    "'x'",
    "\\",
    "1",
    "-1",
    "1e400",
    "0x",
    "99999999999999999999",
    "nil",
    "true",
    "range ",
    "if ",
    "else ",
    "end",
    "with ",
    "define \"a\"",
    "block \"a\" .",
    "template \"a\" .",
    "include \"a\" .",
    "break",
    "tpl \"{{ . }}\" .",
    ", ",
    "\n",
    "\u{0}",
    "é",
    "\u{202e}",
    "{{ $x := list 1 }}",
];

const SEEDS: [&str; 6] = [
    "{{ range $i, $x := until 3 }}{{ $x | printf \"%05.2f %q\" $i }}{{ else }}{{ end }}",
    "{{ define \"a\" }}{{ with .Values }}{{ toYaml . | nindent 2 }}{{ end }}{{ end }}{{ include \"a\" . }}",
    "{{- $x := dict \"a\" (list 1 \"b\" nil) -}}{{ get $x \"a\" | toJson | fromJson }}",
    "{{ if and (eq 1 1) (not .x) }}{{ tpl \"{{ .Release.Name }}\" . }}{{ else if lt 1 2 }}{{ end }}",
    "{{ regexReplaceAll \"(a+)+$\" \"aaaa\" \"${1}\" }}{{ semverCompare \">=1.2 <2\" \"1.3.0\" }}",
    "{{ \"a,b\" | splitList \",\" | join \"-\" | trunc -3 | upper | b64enc }}{{ date \"2006\" now }}",
];

fn place(dice: &mut Dice, text: &str) -> usize {
    let mut at = dice.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn render(functions: &Arc<Functions>, text: &str) -> bool {
    let mut templates = Templates::new(functions.clone(), Options::helm());
    let Ok(parsed) = Parsed::new("fuzz.yaml", text, functions) else { return false };
    templates.add(&parsed);
    let data = chart::root(&serde_json::json!({"a": {"b": [1, "x", null]}}));
    Render::new(&templates, LIMITS, &mut chart::StillWorld).execute("fuzz.yaml", &data).is_ok()
}

#[test]
fn no_template_panics_or_goes_on_for_ever() {
    let functions = Arc::new(Functions::helm());
    let mut dice = Dice::new(0x9E37_79B9_7F4A_7C15);
    let mut rendered = 0;
    for _ in 0..3_000 {
        let mut text = SEEDS[dice.below(SEEDS.len())].to_owned();
        for _ in 0..=dice.below(3) {
            let at = place(&mut dice, &text);
            match dice.below(4) {
                0 | 1 => text.insert_str(at, PIECES[dice.below(PIECES.len())]),
                2 => text = format!("{}{}", &text[..at], &SEEDS[dice.below(SEEDS.len())]),
                _ if at < text.len() => drop(text.remove(at)),
                _ => {}
            }
        }
        rendered += usize::from(render(&functions, &text));
    }
    assert!(rendered > 150, "{rendered} rendered: the pieces are too wild to get anywhere");
}
