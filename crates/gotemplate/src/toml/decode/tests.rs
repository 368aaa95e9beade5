use super::*;
use crate::function::Host;
use crate::json::{Html, encode};
use crate::limits::{Budget, Limits};
use crate::value::Time;

struct Nowhere;

impl Host for Nowhere {
    fn now(&self) -> Time {
        Time::utc(0, 0)
    }

    fn random(&mut self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

fn read(text: &str) -> String {
    let mut host = Nowhere;
    let mut context = Context::new(Budget::new(Limits::default()), &mut host);
    match decode(text, &mut context) {
        Ok(map) => encode(&Value::Map(map), Html::Raw, None, &mut context).expect("JSON"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn reads_documents() {
    let cases = [
        ("a = 1\nb.c = \"x\\ty\"\n[t]\nd = 'raw\\'", r#"{"a":1,"b":{"c":"x\ty"},"t":{"d":"raw\\"}}"#),
        ("[[x]]\ny = 1\n[[x]]\n[x.z]\nw = true", r#"{"x":[{"y":1},{"z":{"w":true}}]}"#),
        ("a = {b = 1, c.d = [1, 2.5,\n 'x',]} # end", r#"{"a":{"b":1,"c":{"d":[1,2.5,"x"]}}}"#),
        (
            "a = 0xff\nb = 1_000\nc = 2020-01-02T03:04:05Z\nd = 2020-01-02",
            r#"{"a":255,"b":1000,"c":"2020-01-02T03:04:05Z","d":"2020-01-02T00:00:00Z"}"#,
        ),
        ("a = \"\"\"\nx\\\n   y\"\"\"\"", r#"{"a":"xy\""}"#),
        ("[a.b]\nc = 1\n[a]\nd = 2", r#"{"a":{"b":{"c":1},"d":2}}"#),
        ("\"a.b\" = 1\n'' = 2", r#"{"":2,"a.b":1}"#),
    ];
    for (text, want) in cases {
        assert_eq!(read(text), want, "{text}");
    }
}

#[test]
fn says_what_is_wrong() {
    let cases = [
        ("[a]\n[a]", "toml: line 2: Key 'a' has already been defined."),
        ("a = 1\na = 2", "toml: line 2 (last key \"a\"): Key 'a' has already been defined."),
        ("a = ", "toml: line 1 (last key \"a\"): unexpected EOF; expected value"),
        ("a = 01", "toml: line 1 (last key \"a\"): Invalid integer \"01\": cannot have leading zeroes"),
        ("x", "toml: line 1: unexpected EOF; expected key separator '='"),
        ("a = x", "toml: line 1 (last key \"a\"): expected value but found \"x\" instead"),
    ];
    for (text, want) in cases {
        assert_eq!(read(text), want, "{text}");
    }
}
