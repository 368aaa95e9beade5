//! Pseudo-random texts and values, the same in every run.

use object::yaml::{self, Dialect};
use serde_json::{Map, Number, Value};

/// xorshift64*, enough to stir bytes.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const SEEDS: [&str; 8] = [
    "a: &x [1, 2, *y]\nb: {c: 'd', \"e\\n\": !!str 3}\n<<: *x\n",
    "- |2-\n   text\n- >+\n  folded\n\n  text\n\n- ? key\n  : value\n",
    "---\na: b # comment\n...\n---\n- - - x\n",
    "key: \"\\u00e9\\x41\\\n  continued\"\nother: 'it''s'\n",
    "%YAML 1.1\n---\n? [a, b]\n: {c}\n",
    "a:\n- b:\n    c: 0x1F\n  d: 1e3\n- e: 2001-01-01\n",
    "{a: [b, {c: d}], e: *f, <<: {g: h}}",
    "\u{feff}a: ~\nb: .inf\nc: 1_000\nd: 0o17\n",
];

const PIECES: [&str; 30] = [
    "- ",
    ": ",
    "? ",
    "&a ",
    "*a",
    "<<: *a",
    "|",
    ">",
    "|+2",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    "#",
    "\n",
    "\n  ",
    "\t",
    "\r\n",
    "---\n",
    "...\n",
    "!!binary ",
    "!x ",
    "%TAG ! x\n",
    "\\",
    "\u{0}",
    "\u{2028}",
    "é",
];

#[test]
fn no_text_panics_the_reader() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for _ in 0..20_000 {
        let mut text = dice.pick(&SEEDS).to_owned();
        for _ in 0..=dice.below(6) {
            let mut at = dice.below(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match dice.below(3) {
                0 => text.insert_str(at, dice.pick(&PIECES)),
                1 => text.truncate(at),
                _ if at < text.len() => drop(text.remove(at)),
                _ => {}
            }
        }
        for dialect in [Dialect::Kubernetes, Dialect::GoYaml3] {
            let _ = yaml::documents(&text, dialect);
        }
    }
}

const TEXTS: [&str; 34] = [
    "",
    " ",
    "a",
    "yes",
    "y",
    "on",
    "null",
    "~",
    "true",
    "1",
    "1.0",
    "1e3",
    "0x1F",
    "012",
    "0o17",
    "1_000",
    "1:30",
    "2001-01-01",
    ".inf",
    "-",
    "- a",
    "a: b",
    "a #b",
    "#a",
    "'",
    "\"",
    "a\nb",
    "a\n",
    "\na",
    "  a\n",
    "a\tb",
    "é\u{1F600}",
    "a  b   c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n o p",
    "x: |\n  y\n",
];

fn value(dice: &mut Dice, depth: usize) -> Value {
    match dice.below(if depth > 3 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => Value::Bool(dice.below(2) == 0),
        2 => Value::from(dice.next() as i64 >> dice.below(60)),
        3 => Number::from_f64(dice.next() as f64 / 1e7).map_or(Value::Null, Value::Number),
        4 => Value::String(format!("{}{}", dice.pick(&TEXTS), dice.pick(&TEXTS))),
        5 => (0..dice.below(4)).map(|_| value(dice, depth + 1)).collect(),
        _ => {
            let pairs = (0..dice.below(4)).map(|_| (dice.pick(&TEXTS).to_owned(), value(dice, depth + 1)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

/// What is written is read back as the same value, by the reader that Kubernetes uses.
#[test]
fn what_is_written_reads_the_same() {
    let mut dice = Dice(42);
    for _ in 0..5_000 {
        let written = value(&mut dice, 0);
        let text = yaml::to_string(&written);
        let read = yaml::value(&text).unwrap_or_else(|error| panic!("{error}\n{text}\n{written}"));
        assert_eq!(read, written, "\n{text}");
    }
}

#[test]
fn limits() {
    let head = "a: b\n".repeat(3);
    for (text, limit) in [
        (format!("{head}# {}", "x".repeat(10 << 20)), "more than 10 MiB"),
        (format!("a: [{}]", "x,".repeat(400_000)), "more than 400000 values"),
        ("[".repeat(100_000), "nested deeper than 200 levels"),
    ] {
        let error = yaml::parse(&text).unwrap_err().to_string();
        assert!(error.contains(limit), "{error}");
    }
}
