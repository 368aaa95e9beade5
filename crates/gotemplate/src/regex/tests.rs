use super::*;

#[test]
fn reads_the_syntax_of_go() {
    let cases = [
        (r"\Qa.b*\E+", "xa.b**y", Some("a.b**")),
        (r"[\w-]+", "é a-b", Some("a-b")),
        (r"[a&&b]+", "x&ab", Some("&ab")),
        (r"[-~~[]+", "x[-~y", Some("[-~")),
        (r"[]a]+", "x]a", Some("]a")),
        (r"[[:^digit:]x]+", "12xy", Some("xy")),
        (r"\d+", "٣ 12", Some("12")),
        (r"\bé", "a é", None),
        (r"a{,3}", "a{,3}", Some("a{,3}")),
        (r"(?i)STRASSE", "straSSe", Some("straSSe")),
        (r"(?s:.)$", "a\n", Some("\n")),
        (r"(?m)^b$", "a\nb\nc", Some("b")),
        (r"(?U)a+", "aaa", Some("a")),
        (r"\pL+", "1éa", Some("éa")),
        (r"\p{^Greek}+", "αb", Some("b")),
        (r"\x41\x{42}\103", "ABC", Some("ABC")),
        (r"\<\>\_\#", "<>_#", Some("<>_#")),
        (r"x*", "aaa", Some("")),
        ("", "a", Some("")),
    ];
    for (pattern, text, want) in cases {
        let regex = Regex::new(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
        assert_eq!(regex.find(text.as_bytes()).map(|r| &text[r]), want, "{pattern}");
    }
}

#[test]
fn refuses_what_go_refuses() {
    let patterns = [
        "(",
        ")",
        "[",
        "[a",
        "a**",
        "a{2}{3}",
        "*",
        "(*)",
        "|*",
        "a{1001}",
        "(a{100}){100}",
        r"\",
        r"\1",
        r"\8",
        r"\Z",
        r"\pX",
        r"\p{Alphabetic}",
        "(?=a)",
        "(?<!a)",
        "(?x)a",
        "[z-a]",
        "[[:foo:]]",
        "(?P<n>a)(?P<n>b)",
        r"[\b]",
        r"[a-\d]",
        "a{3,2}",
        r"\xZZ",
    ];
    for pattern in patterns {
        assert!(Regex::new(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn replaces() {
    let cases = [
        ("a(x*)b", "-ab-axxb-", "${1}W", "-W-xxW-"),
        ("a(x*)b", "-ab-axxb-", "$1W", "---"),
        ("(?P<first>[a-z]+) ([a-z]+)", "ann bob", "$2 ${first}", "bob ann"),
        ("a", "banana", "$$1", "b$1n$1n$1"),
        ("a", "ba", "$", "b$"),
        ("a", "ba", "${", "b${"),
        ("x*", "abc", "-", "-a-b-c-"),
        (r"\B", "éab", "|", "|éa|b"),
        ("a*", "baaac", "x", "xbxcx"),
    ];
    for (pattern, text, template, want) in cases {
        let got =
            Regex::new(pattern).expect(pattern).replace_all(text.as_bytes(), template.as_bytes(), |_| Ok::<_, ()>(()));
        assert_eq!(got.as_deref(), Ok(want.as_bytes()), "{pattern} {template}");
    }
}

#[test]
fn splits() {
    let cases: [(&str, &str, Option<usize>, &[&str]); 6] = [
        ("z+", "pizza", None, &["pi", "a"]),
        ("z", "pizza", Some(2), &["pi", "za"]),
        ("z", "pizza", Some(0), &[]),
        ("", "abc", None, &["a", "b", "c"]),
        ("a", "", None, &[""]),
        ("a", "aba", None, &["", "b", ""]),
    ];
    for (pattern, text, limit, want) in cases {
        let regex = Regex::new(pattern).expect(pattern);
        let want: Vec<&[u8]> = want.iter().map(|part| part.as_bytes()).collect();
        assert_eq!(regex.split(text.as_bytes(), limit), want, "{pattern} {text}");
    }
}

#[test]
fn quotes() {
    assert_eq!(quote_meta("a.b+[c]^$"), r"a\.b\+\[c\]\^\$");
}
