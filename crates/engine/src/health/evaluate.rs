//! What an expression of a health rule says of an object.

use std::borrow::Cow;
use std::cell::Cell;

use serde_json::Value;

use super::at;
use super::expression::{Comparison, Expression, Function};

/// What was found. Texts and numbers are the same whether they stand in the object or in the rule.
#[derive(Debug, Clone)]
pub(super) enum Found<'a> {
    Nothing,
    Flag(bool),
    Number(f64),
    Text(Cow<'a, str>),
    /// A list or a mapping of the object.
    Part(&'a Value),
    List(Vec<Self>),
}

/// Where an expression looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    root: &'a Value,
    here: &'a Value,
    conditions: Option<&'a Value>,
    /// The condition, or item, that made the expression true: its message tells why.
    witness: &'a Cell<Option<&'a Value>>,
}

impl<'a> Scope<'a> {
    /// Looks at the whole object, whose conditions are at the pointer `conditions`.
    pub(super) fn new(root: &'a Value, conditions: &str, witness: &'a Cell<Option<&'a Value>>) -> Self {
        Self { root, here: root, conditions: at(root, conditions), witness }
    }

    fn inside(self, item: &'a Value) -> Self {
        Self { here: item, conditions: item.get("conditions"), ..self }
    }

    pub(super) fn holds(self, expression: &'a Expression) -> bool {
        let before = self.witness.get();
        let holds = self.holds_with_witness(expression);
        if !holds {
            self.witness.set(before);
        }
        holds
    }

    fn holds_with_witness(self, expression: &'a Expression) -> bool {
        match expression {
            Expression::And(left, right) => self.holds(left) && self.holds(right),
            Expression::Or(left, right) => self.holds(left) || self.holds(right),
            Expression::Not(inner) => {
                let before = self.witness.get();
                let holds = self.holds(inner);
                self.witness.set(before);
                !holds
            }
            Expression::Compare(left, comparison, right) => {
                let holds = compare(&self.find(left), *comparison, &self.find(right));
                if holds {
                    self.testify(self.condition_of(left));
                }
                holds
            }
            Expression::Call(Function::Any, arguments) => self.any(&arguments[0], &arguments[1]),
            Expression::Call(Function::All, arguments) => {
                self.items(&arguments[0]).all(|item| self.inside(item).holds(&arguments[1]))
            }
            _ => self.find(expression).is_true(),
        }
    }

    fn any(self, list: &'a Expression, expression: &'a Expression) -> bool {
        let found = self.items(list).find(|item| self.inside(item).holds(expression));
        self.testify(found.filter(|item| item.get("message").or_else(|| item.get("reason")).is_some()));
        found.is_some()
    }

    fn testify(self, witness: Option<&'a Value>) {
        self.witness.set(self.witness.get().or(witness));
    }

    pub(super) fn find(self, expression: &'a Expression) -> Found<'a> {
        match expression {
            Expression::Null => Found::Nothing,
            Expression::Flag(flag) => Found::Flag(*flag),
            Expression::Number(number) => Found::Number(*number),
            Expression::Text(text) => Found::Text(Cow::Borrowed(text)),
            Expression::List(list) => Found::List(list.iter().map(|item| self.find(item)).collect()),
            Expression::Condition(kind) => self.condition(kind).map_or(Found::Nothing, condition_status),
            Expression::Plus(left, right) => plus(self.find(left), self.find(right)),
            Expression::Minus(left, right) => Found::Number(self.find(left).amount() - self.find(right).amount()),
            Expression::Call(function, arguments) => self.call(*function, arguments),
            Expression::Not(_) | Expression::And(..) | Expression::Or(..) | Expression::Compare(..) => {
                Found::Flag(self.holds(expression))
            }
            _ => self.part(expression).map_or(Found::Nothing, Found::from),
        }
    }

    /// The part of the object that an expression names.
    fn part(self, expression: &'a Expression) -> Option<&'a Value> {
        match expression {
            Expression::Root => Some(self.root),
            Expression::Itself => Some(self.here),
            Expression::Own(name) => self.here.get(name),
            Expression::Condition(kind) => self.condition(kind),
            Expression::Field(of, name) => self.part(of)?.get(name),
            Expression::Entry(of, index) => self.part(of)?.get(index),
            Expression::Call(Function::First, arguments) => {
                self.items(&arguments[0]).find(|item| self.inside(item).holds(&arguments[1]))
            }
            Expression::Call(Function::Default, arguments) => {
                self.part(&arguments[0]).filter(|part| !part.is_null()).or_else(|| self.part(&arguments[1]))
            }
            _ => None,
        }
    }

    pub(super) fn condition(self, kind: &str) -> Option<&'a Value> {
        let list = self.conditions.and_then(Value::as_array)?;
        list.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
    }

    fn condition_of(self, expression: &Expression) -> Option<&'a Value> {
        match expression {
            Expression::Condition(kind) => self.condition(kind),
            Expression::Field(of, _) => self.condition_of(of),
            _ => None,
        }
    }

    /// The items of a list, or the values of a mapping.
    fn items(self, list: &'a Expression) -> impl Iterator<Item = &'a Value> {
        let part = self.part(list);
        let items = part.and_then(Value::as_array).into_iter().flatten();
        items.chain(part.and_then(Value::as_object).into_iter().flat_map(serde_json::Map::values))
    }

    fn call(self, function: Function, arguments: &'a [Expression]) -> Found<'a> {
        let first = &arguments[0];
        let second = arguments.get(1);
        match function {
            Function::Any | Function::All => Found::Flag(second.is_some_and(|inner| match function {
                Function::Any => self.any(first, inner),
                _ => self.items(first).all(|item| self.inside(item).holds(inner)),
            })),
            Function::First => self
                .items(first)
                .find(|item| second.is_some_and(|inner| self.inside(item).holds(inner)))
                .map_or(Found::Nothing, Found::from),
            Function::Count => Found::Number(self.items(first).count() as f64),
            Function::Sum => Found::Number(
                self.items(first).map(|item| second.map_or(0.0, |inner| self.inside(item).find(inner).amount())).sum(),
            ),
            Function::Join => self.join(first, second),
            Function::Default => {
                let found = self.find(first);
                let missing =
                    matches!(&found, Found::Nothing) || matches!(&found, Found::Text(text) if text.is_empty());
                if missing { second.map_or(Found::Nothing, |other| self.find(other)) } else { found }
            }
            Function::Number => Found::Number(self.find(first).amount()),
            Function::Before | Function::After => self.cut(function, first, second),
            Function::Annotation => self.metadata("annotations", first),
            Function::Label => self.metadata("labels", first),
        }
    }

    fn join(self, list: &'a Expression, each: Option<&'a Expression>) -> Found<'a> {
        let text = |item| each.map_or_else(|| Found::from(item), |each| self.inside(item).find(each)).to_string();
        let texts: Vec<String> = self.items(list).map(text).filter(|text| !text.is_empty()).collect();
        if texts.is_empty() { Found::Nothing } else { Found::Text(texts.join(", ").into()) }
    }

    fn cut(self, function: Function, text: &'a Expression, mark: Option<&'a Expression>) -> Found<'a> {
        let text = self.find(text).to_string();
        let mark = mark.map(|mark| self.find(mark).to_string()).unwrap_or_default();
        let parts = text.split_once(&mark);
        parts.map_or(Found::Nothing, |(before, after)| {
            Found::Text(if function == Function::Before { before } else { after }.to_owned().into())
        })
    }

    fn metadata(self, map: &str, name: &'a Expression) -> Found<'a> {
        let Expression::Text(name) = name else { return Found::Nothing };
        let entry = self.root.get("metadata").and_then(|metadata| metadata.get(map)?.get(name));
        entry.map_or(Found::Nothing, Found::from)
    }
}

impl<'a> From<&'a Value> for Found<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::Bool(flag) => Self::Flag(*flag),
            Value::Number(number) => Self::Number(number.as_f64().unwrap_or_default()),
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(_) | Value::Object(_) => Self::Part(value),
        }
    }
}

impl std::fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing | Self::Part(_) | Self::List(_) => Ok(()),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Found<'_> {
    fn is_true(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Flag(false)) && !matches!(self, Self::Text(text) if text.is_empty())
    }

    /// The number that it is, also as a text; `None` for what is none, such as a hash.
    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Flag(flag) => Some(f64::from(u8::from(*flag))),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn amount(&self) -> f64 {
        self.number().unwrap_or_default()
    }

    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, Self::Nothing) => true,
            (Self::Flag(left), Self::Flag(right)) => left == right,
            (Self::Number(left), Self::Number(right)) => left == right,
            (Self::Text(left), Self::Text(right)) => left == right,
            (Self::Part(left), Self::Part(right)) => left == right,
            _ => false,
        }
    }
}

/// `True` in words, also where it was written as a boolean.
fn condition_status(condition: &Value) -> Found<'_> {
    match condition.get("status") {
        Some(Value::Bool(flag)) => Found::Text(if *flag { "True" } else { "False" }.into()),
        other => other.map_or(Found::Nothing, Found::from),
    }
}

fn compare(left: &Found<'_>, comparison: Comparison, right: &Found<'_>) -> bool {
    let numbers = || Some((left.number()?, right.number()?));
    match comparison {
        Comparison::Equal => left.equals(right),
        Comparison::Unequal => !left.equals(right),
        Comparison::Less => numbers().is_some_and(|(left, right)| left < right),
        Comparison::AtMost => numbers().is_some_and(|(left, right)| left <= right),
        Comparison::More => numbers().is_some_and(|(left, right)| left > right),
        Comparison::AtLeast => numbers().is_some_and(|(left, right)| left >= right),
        Comparison::In => each(right).iter().any(|item| left.equals(item)),
        Comparison::Like => each(right).iter().any(|pattern| is_like(left, pattern)),
    }
}

fn each<'b, 'a>(found: &'b Found<'a>) -> &'b [Found<'a>] {
    match found {
        Found::List(list) => list,
        other => std::slice::from_ref(other),
    }
}

fn is_like(text: &Found<'_>, pattern: &Found<'_>) -> bool {
    let (Found::Text(text), Found::Text(pattern)) = (text, pattern) else { return false };
    match pattern.split_once('*') {
        None => text == pattern,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

fn plus<'a>(left: Found<'a>, right: Found<'a>) -> Found<'a> {
    match (left, right) {
        (Found::Number(left), Found::Number(right)) => Found::Number(left + right),
        (left, right) => Found::Text(format!("{left}{right}").into()),
    }
}
