//! Templates without a sensible end: each ends in an error that names the template and the line.

use std::sync::Arc;

use gotemplate::Render;
use gotemplate::functions::Functions;
use gotemplate::limits::Limits;
use gotemplate::templates::{Options, Parsed, Templates};

use crate::chart;

/// A tenth of what a render may use, to be quick in a debug build.
const LIMITS: Limits = Limits { steps: 2_000_000, output: 4 << 20, allocated: 12 << 20, depth: 1100, stack: 1 << 20 };

fn render(functions: &Arc<Functions>, text: &str) -> Result<Vec<u8>, String> {
    let mut templates = Templates::new(functions.clone(), Options::helm());
    templates.add(&Parsed::new("bomb.yaml", text, functions).map_err(|error| error.to_string())?);
    let mut world = chart::StillWorld;
    let data = chart::root(&serde_json::json!({}));
    Render::new(&templates, LIMITS, &mut world).execute("bomb.yaml", &data).map_err(|error| error.to_string())
}

#[test]
fn bombs_end_in_an_error_with_their_place() {
    let functions = Arc::new(Functions::helm());
    for text in [
        "{{ range until 1000000000 }}{{ end }}",
        "{{ untilStep 0 1000000000 1 }}",
        "{{ seq 1 1000000000 }}",
        "{{ repeat 1000000000 \"ab\" }}",
        "{{ indent 1000000000 \"a\\nb\" }}",
        "{{ randAlphaNum 1000000000 }}",
        "{{ $x := \"aaaa\" }}{{ range 64 }}{{ $x = replace \"a\" \"aa\" $x }}{{ end }}",
        "{{ $x := \"aaaa\" }}{{ range 64 }}{{ $x = regexReplaceAll \"a\" $x \"aa\" }}{{ end }}",
        "{{ $x := list 1 }}{{ range 64 }}{{ $x = concat $x $x }}{{ end }}",
        "{{ $x := list 1 }}{{ range 64 }}{{ $x = list $x $x $x $x }}{{ end }}{{ toYaml $x }}",
        "{{ $x := list 1 }}{{ range 64 }}{{ $x = list $x $x $x $x }}{{ end }}{{ deepCopy $x }}",
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $d }}{{ unset $d \"d\" }}",
        "{{ range 1000000 }}{{ tpl (printf \"{{ %d }}\" .) $ }}{{ end }}",
        "{{ tpl (repeat 100000 \"{{ if 1 }}\") . }}",
        "{{ $d := dict }}{{ range 1000000 }}{{ $_ := set $d (toString .) (repeat 1000 \"x\") }}{{ end }}",
        "{{ $x := repeat 100000 \"a\" }}{{ range 1000000 }}{{ if contains \"aab\" $x }}{{ end }}{{ end }}",
        "{{ $x := repeat 100000 \"a\" }}{{ range 1000000 }}{{ if regexMatch \"(a+)+$\" (print $x \"b\") }}{{ end }}{{ end }}",
        "{{ range 1000000 }}{{ $x := bcrypt \"a\" }}{{ end }}",
        "{{ range 1000000 }}{{ $x := derivePassword 1 \"long\" \"a\" \"b\" \"c\" }}{{ end }}",
        "{{ range 1000000 }}{{ $x := genPrivateKey \"rsa\" }}{{ end }}",
        "{{ range 1000000 }}{{ $x := genCA \"a\" 365 }}{{ end }}",
        "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
        "{{ define \"a\" }}{{ tpl \"{{ include \\\"a\\\" . }}\" . }}{{ end }}{{ include \"a\" . }}",
    ] {
        let error = render(&functions, &format!("\n{text}")).expect_err(text);
        assert!(error.starts_with("template: bomb.yaml:2:"), "{text}: {error}");
    }
}
