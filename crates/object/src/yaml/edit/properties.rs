//! Random edits of random texts, by a fixed sequence of numbers.

use serde_json::{Map, Value, json};

use super::super::{to_string, value};
use super::*;

/// A linear congruential generator: the same numbers on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end.max(1) as u64).unwrap()
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn scalar(&mut self) -> Value {
        const TEXTS: [&str; 14] =
            ["a", "1.10", "", "yes", "a: b", "# x", "x,y", "it's", "\"q\"", " lead", "ü", "- x", "{a}", "0o17"];
        match self.below(6) {
            0 => json!(self.below(100)),
            1 => json!(self.below(2) == 0),
            2 => json!("line one\nline two\n"),
            3 => json!("one\ntwo"),
            _ => json!(self.one(&TEXTS)),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        let size = self.below(4);
        match self.below(if depth == 0 { 1 } else { 4 }) {
            1 => (0..size).map(|_| self.value(depth - 1)).collect(),
            2 | 3 => Value::Object(self.map(size, depth)),
            _ => self.scalar(),
        }
    }

    fn map(&mut self, size: usize, depth: usize) -> Map<String, Value> {
        const KEYS: [&str; 8] = ["name", "image", "tag", "a.b/c", "yes", "1", "ü", "sp ace"];
        (0..size).map(|_| ((*self.one(&KEYS)).to_owned(), self.value(depth - 1))).collect()
    }

    /// A text that means `value`: block or flow style, with comments on and between lines, with either line break.
    fn text(&mut self, value: &Value) -> String {
        let plain = match self.below(4) {
            0 => format!("{}\n", serde_json::to_string_pretty(value).unwrap()),
            1 => format!("{}\n", write::flow(value, false)),
            2 => indented(value),
            _ => to_string(value),
        };
        let mut text = plain;
        for _ in 0..self.below(4) {
            let with = self.commented(&text);
            if super::super::value(&with).is_ok_and(|v| v == *value) {
                text = with;
            }
        }
        if self.below(3) == 0 { text.replace('\n', "\r\n") } else { text }
    }

    fn commented(&mut self, text: &str) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let at = self.below(lines.len());
        if self.below(2) == 0 {
            lines[at].push_str(" # behind");
        } else {
            let indent = lines[at].len() - lines[at].trim_start().len();
            lines.insert(at, format!("{:indent$}# above", ""));
        }
        lines.join("\n") + "\n"
    }

    /// A path to something in `value`.
    fn path(&mut self, value: &Value) -> Vec<Step> {
        let mut path = Vec::new();
        let mut at = value;
        loop {
            let (step, below): (Step, &Value) = match at {
                Value::Object(map) if !map.is_empty() && (path.is_empty() || self.below(4) > 0) => {
                    let keys: Vec<&String> = map.keys().collect();
                    let key = *self.one(&keys);
                    (key.as_str().into(), &map[key])
                }
                Value::Array(items) if !items.is_empty() && self.below(4) > 0 => {
                    let index = self.below(items.len());
                    (index.into(), &items[index])
                }
                _ => return path,
            };
            path.push(step);
            at = below;
        }
    }
}

/// As people with four columns write it.
fn indented(value: &Value) -> String {
    let layout = Layout { newline: "\n", step: 4, list: 2 };
    let Value::Object(map) = value else { return to_string(value) };
    let writer = Writer::under_key(layout, 0);
    let lines: Vec<String> = map.iter().flat_map(|(key, value)| writer.pair(0, key, value)).collect();
    if lines.is_empty() { "{}\n".to_owned() } else { lines.join("\n") + "\n" }
}

fn comments(text: &str, which: &str) -> usize {
    text.matches(which).count()
}

fn each(mut check: impl FnMut(&mut Random, &Value, &str)) {
    for seed in 0..800 {
        let mut random = Random(seed * 7919 + 1);
        let root = Value::Object(random.map(4, 3));
        let text = random.text(&root);
        check(&mut random, &root, &text);
    }
}

fn edited(text: &str, path: &[Step], edit: impl FnOnce(&mut Editor) -> Result<(), EditError>) -> Editor {
    let mut editor = Editor::new(text).unwrap();
    edit(&mut editor).unwrap_or_else(|e| panic!("{text}\n{}: {e}", shown(path)));
    editor
}

#[test]
fn setting_a_value_means_the_same_as_on_the_model() {
    each(|random, root, text| {
        let path = random.path(root);
        let new = random.value(2);
        let mut expected = root.clone();
        model::set(&mut expected, &path, new.clone()).unwrap();
        let done = edited(text, &path, |editor| editor.set(&path, &new));
        assert!(same(&[value(&done.text()).unwrap()], &[expected]), "{text}\n{}", done.text());
    });
}

#[test]
fn added_keys_and_items_keep_all_comments_and_can_be_taken_away_again() {
    each(|random, root, text| {
        let path = random.path(root);
        let new = random.value(2);
        let (added, step): (Value, Step) = match model::get(root, &path) {
            Some(Value::Array(items)) => (new, random.below(items.len() + 1).into()),
            Some(Value::Object(_)) => (new, "added".into()),
            _ => return,
        };
        let full = [path.as_slice(), std::slice::from_ref(&step)].concat();
        let add = |editor: &mut Editor| match &step {
            Step::Index(index) => editor.insert(&path, *index, &added),
            Step::Key(_) => editor.set(&full, &added),
        };
        let mut done = edited(text, &full, add);
        for which in ["# above", "# behind"] {
            assert!(comments(&done.text(), which) >= comments(text, which), "{text}\n{}", done.text());
        }
        let between = done.text();
        done.remove(&full).unwrap_or_else(|e| panic!("{between}\n{}: {e}", shown(&full)));
        // one that was empty has been written anew
        if model::get(root, &path).is_some_and(|v| *v != json!([]) && *v != json!({})) {
            assert_eq!(done.text(), text, "\n{text}\n{between}\n{}", done.text());
        }
    });
}

#[test]
fn taking_away_keeps_what_is_around() {
    each(|random, root, text| {
        let path = random.path(root);
        if path.is_empty() {
            return;
        }
        let mut expected = root.clone();
        model::remove(&mut expected, &path).unwrap();
        let done = edited(text, &path, |editor| editor.remove(&path));
        assert!(same(&[value(&done.text()).unwrap()], &[expected]), "{text}\n{}", done.text());
        let left = lines(text).into_iter().filter(|line| lines(&done.text()).contains(line)).count();
        let gone = lines(&to_string(model::get(root, &path).unwrap())).len();
        assert!(text.starts_with('{') || left + 3 * gone + 4 >= lines(text).len(), "{text}\n{}", done.text());
    });
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn renamed_keys_change_one_word() {
    each(|random, root, text| {
        let path = random.path(root);
        let Some(Step::Key(old)) = path.last() else { return };
        let mut done = edited(text, &path, |editor| editor.rename(&path, "renamed"));
        let new = [&path[..path.len() - 1], &["renamed".into()]].concat();
        let between = done.text();
        assert_eq!(lines(&between).len(), lines(text).len());
        done.rename(&new, old).unwrap();
        assert!(same(&[value(&done.text()).unwrap()], std::slice::from_ref(root)), "{text}\n{between}");
    });
}
