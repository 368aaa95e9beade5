use super::*;
use crate::value::{List, Map, Str};

fn check(format: &str, values: &[Value], expected: &str) {
    let out = sprintf(format.as_bytes(), values, 1 << 20).unwrap();
    assert_eq!(String::from_utf8_lossy(&out), expected, "{format}");
}

#[test]
fn verbs_fit_or_are_noted() {
    check("%d", &[Value::float(3.0)], "%!d(float64=3)");
    check("%s|%v", &[Value::Nil, Value::Nil], "%!s(<nil>)|<nil>");
    check("%d %d", &[Value::int(1)], "1 %!d(MISSING)");
    check("%d", &[Value::int(1), Value::string("x"), Value::Nil], "1%!(EXTRA string=x, <nil>)");
    check("%", &[], "%!(NOVERB)");
    check("%!", &[], "%!!(MISSING)");
    check("%z", &[Value::int(3)], "%!z(int=3)");
    check("100%%", &[], "100%");
}

#[test]
fn width_and_precision_apply() {
    check(
        "%05.2f|%-6d|%+d|% d|%6.2f%%",
        &[3.25, 0.0, 0.0, 0.0, 2.5].map(Value::float),
        "03.25|%!d(float64=0     )|%!d(float64=+0)|%!d(float64= 0)|  2.50%",
    );
    check(
        "%-10s|%5s|%.2s|%05d|%x|%X|%#x|%o|%b|%c|%q|%U",
        &[
            Value::string("ab"),
            Value::string("ab"),
            Value::string("héllo"),
            Value::int(-42),
            Value::int(255),
            Value::int(255),
            Value::int(255),
            Value::int(8),
            Value::int(5),
            Value::int(65),
            Value::int(65),
            Value::int(65),
        ],
        "ab        |   ab|hé|-0042|ff|FF|0xff|10|101|A|'A'|U+0041",
    );
    check(
        "%*d|%-*d|%.*f",
        &[Value::int(5), Value::int(1), Value::int(4), Value::int(2), Value::int(1), Value::float(2.55)],
        "    1|2   |2.5",
    );
    check("%[2]d %[1]d|%[3]d", &[Value::int(1), Value::int(2)], "2 1|%!d(BADINDEX)");
}

#[test]
fn containers_print_as_go_prints_them() {
    let map = Value::Map(Map::from_iter([
        (Str::from("b"), Value::Nil),
        (Str::from("a"), Value::list(vec![Value::float(1.5), Value::string("x")])),
    ]));
    check("%v|%s", &[map.clone(), map.clone()], "map[a:[1.5 x] b:<nil>]|map[a:[%!s(float64=1.5) x] b:<nil>]");
    check(
        "%#v",
        std::slice::from_ref(&map),
        r#"map[string]interface {}{"a":[]interface {}{1.5, "x"}, "b":interface {}(nil)}"#,
    );
    check("%T %T", &[map, Value::List(List::strings(["a"]))], "map[string]interface {} []string");
    check(
        "%v %s %x",
        &[Value::Bytes(b"ab".as_slice().into()), Value::Bytes(b"ab".as_slice().into()), Value::string("ab")],
        "[97 98] ab 6162",
    );
}

#[test]
fn print_puts_spaces_between_values_that_are_no_strings() {
    let values = [Value::int(1), Value::int(2), Value::string("a"), Value::string("b"), Value::int(3)];
    assert_eq!(sprint(&values, 100).unwrap(), b"1 2ab3");
    assert_eq!(sprintln(&values, 100).unwrap(), b"1 2 a b 3\n");
}

#[test]
fn printing_without_end_is_an_error() {
    let map = Map::default();
    map.insert("self", Value::Map(map.clone()));
    assert!(matches!(sprint(&[Value::Map(map)], usize::MAX >> 1), Err(Exceeded::Nesting(_))));
    assert!(sprintf(b"%1000000d", &[Value::int(1)], 1000).is_err());
}
