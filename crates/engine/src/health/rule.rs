//! A health rule: for some kinds, which status holds when, and what is said then. The first that holds counts.

use std::cell::Cell;

use api::argocd::{HealthStatus, HealthStatusCode};
use object::yaml::{self, YamlError};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::evaluate::Scope;
use super::expression::{self, Expression, ExpressionError};

#[derive(Debug)]
pub(super) struct Rule {
    /// `group/Kind`; `*` for each kind of a group, and at the start of a group for each group that ends so.
    pub(super) kinds: Vec<String>,
    /// Where the conditions are.
    conditions: String,
    /// What is said where neither a clause nor a condition says something.
    say: Option<Sentence>,
    clauses: Vec<Clause>,
}

#[derive(Debug)]
struct Clause {
    status: HealthStatusCode,
    when: Expression,
    say: Option<Sentence>,
    /// Objects of which this clause holds, as the rule's author sees it: the rule's test data.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by tests"))]
    examples: Vec<Value>,
}

#[derive(Debug, Error)]
pub(super) enum RuleError {
    #[error("no YAML: {0}")]
    Yaml(#[from] YamlError),
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    #[error("{0} is missing, or is something else than it should be")]
    Field(&'static str),
}

impl Rule {
    /// # Errors
    /// Which part of the text is not what a rule consists of.
    pub(super) fn parse(text: &str) -> Result<Self, RuleError> {
        let value = yaml::value(text)?;
        let kinds = value.get("kinds").and_then(Value::as_array).ok_or(RuleError::Field("kinds"))?;
        let clauses = value.get("rules").and_then(Value::as_array).ok_or(RuleError::Field("rules"))?;
        let conditions = value.get("conditions").and_then(Value::as_str).unwrap_or("status.conditions");
        Ok(Self {
            kinds: kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            conditions: format!("/{}", conditions.replace('.', "/")),
            say: Sentence::of(&value)?,
            clauses: clauses.iter().map(Clause::parse).collect::<Result<_, _>>()?,
        })
    }

    /// What the rule says of `object`; Unknown where it says nothing.
    pub(super) fn judge(&self, object: &Value) -> HealthStatus {
        let witness = Cell::new(None);
        let scope = Scope::new(object, &self.conditions, &witness);
        let Some(clause) = self.clauses.iter().find(|clause| scope.holds(&clause.when)) else {
            return HealthStatus::new(HealthStatusCode::Unknown, "");
        };
        HealthStatus::new(clause.status, self.message(clause, scope, witness.get()))
    }

    /// What the clause says, else the condition that decided, else the rule; where nothing did, why it is not ready.
    fn message<'a>(&'a self, clause: &'a Clause, scope: Scope<'a>, witness: Option<&Value>) -> String {
        if let Some(say) = &clause.say {
            return say.render(scope);
        }
        let said = || self.say.as_ref().map(|say| say.render(scope)).filter(|text| !text.is_empty());
        let unready =
            || scope.condition("Ready").and_then(words).filter(|_| clause.status != HealthStatusCode::Healthy);
        let waits = clause.status == HealthStatusCode::Progressing;
        let silent = || if waits { "Waiting for its controller to report" } else { "" }.to_owned();
        witness.and_then(words).or_else(said).or_else(unready).unwrap_or_else(silent)
    }
}

/// What a condition says, or an item that is like one.
fn words(condition: &Value) -> Option<String> {
    let text = |name: &str| condition.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    text("message").or_else(|| text("reason"))
}

impl Clause {
    fn parse(value: &Value) -> Result<Self, RuleError> {
        let fields = value.as_object().ok_or(RuleError::Field("a clause of rules"))?;
        let (name, when) = fields
            .iter()
            .find(|(name, _)| !matches!(name.as_str(), "say" | "eg"))
            .ok_or(RuleError::Field("a status"))?;
        let status = HealthStatusCode::deserialize(&json!(name)).ok().filter(|status| status.as_str() == name);
        Ok(Self {
            status: status.ok_or(RuleError::Field("a status"))?,
            when: expression::parse(when.as_str().ok_or(RuleError::Field("the expression of a status"))?)?,
            say: Sentence::of(value)?,
            examples: examples(fields),
        })
    }
}

fn examples(fields: &Map<String, Value>) -> Vec<Value> {
    match fields.get("eg") {
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    }
}

/// A text with expressions in braces.
#[derive(Debug)]
struct Sentence(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(String),
    Found(Expression),
}

impl Sentence {
    fn of(value: &Value) -> Result<Option<Self>, RuleError> {
        value.get("say").and_then(Value::as_str).map(Self::parse).transpose()
    }

    fn parse(text: &str) -> Result<Self, RuleError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inner, after) = after.split_once('}').ok_or(RuleError::Field("the end of an expression in say"))?;
            pieces.extend([Piece::Text(before.to_owned()), Piece::Found(expression::parse(inner)?)]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    fn render<'a>(&'a self, scope: Scope<'a>) -> String {
        let text = |piece: &'a Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Found(expression) => scope.find(expression).to_string(),
        };
        self.0.iter().map(text).collect::<String>().trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::rules::SOURCES;

    /// An example as an object: a name in capitals at the top is a condition, `True` or with its fields.
    fn object(example: &Value) -> Value {
        let mut object = json!({"apiVersion": "example.io/v1", "kind": "Example", "metadata": {"name": "example"}});
        for (name, value) in example.as_object().expect("a mapping") {
            if !name.starts_with(char::is_uppercase) {
                object[name] = value.clone();
            }
        }
        let conditions = example.as_object().unwrap().iter().filter(|(name, _)| name.starts_with(char::is_uppercase));
        for (name, value) in conditions {
            let mut condition = if value.is_object() { value.clone() } else { json!({"status": value}) };
            if let Value::Bool(flag) = condition["status"] {
                condition["status"] = json!(if flag { "True" } else { "False" });
            }
            condition["type"] = json!(name);
            if object["status"]["conditions"].is_null() {
                object["status"]["conditions"] = json!([]);
            }
            object["status"]["conditions"].as_array_mut().unwrap().push(condition);
        }
        object
    }

    #[test]
    fn each_clause_of_each_rule_holds_of_its_examples_and_no_earlier_one_does() {
        let mut wrong = Vec::new();
        for (name, text) in SOURCES {
            let rule = Rule::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let otherwise = rule.clauses.last().is_some_and(|last| last.when == Expression::Flag(true));
            assert!(otherwise, "{name}: the last clause has to hold `otherwise`");
            for (index, clause) in rule.clauses.iter().enumerate() {
                assert!(!clause.examples.is_empty(), "{name}: clause {index} has no example (eg)");
                wrong.extend(clause.examples.iter().filter_map(|example| {
                    let found = rule.place(&object(example));
                    (found != Some(index)).then(|| format!("{name}: {example} is of clause {found:?}, not {index}"))
                }));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    impl Rule {
        /// Which clause holds of an object.
        fn place(&self, object: &Value) -> Option<usize> {
            let witness = Cell::new(None);
            let scope = Scope::new(object, &self.conditions, &witness);
            self.clauses.iter().position(|clause| scope.holds(&clause.when))
        }
    }

    #[test]
    fn the_message_is_the_clauses_else_the_conditions_else_the_rules() {
        let rule = Rule::parse(
            "{kinds: [a/A], say: 'it is {status.phase}', rules: [\
             {Degraded: Failed == True}, \
             {Healthy: 'not Failed == Unknown and Ready == True', say: '{count(status.pods)} pods: {join(status.pods, name)}'}, \
             {Progressing: otherwise}]}",
        )
        .unwrap();
        let said = |example: Value| rule.judge(&object(&example)).message;
        assert_eq!(said(json!({"Failed": {"status": "True", "message": "no space", "reason": "Disk"}})), "no space");
        assert_eq!(said(json!({"Failed": {"status": "True", "message": "", "reason": "Disk"}})), "Disk");
        assert_eq!(said(json!({"Failed": true, "status": {"phase": "Lost"}})), "it is Lost");
        let pods = json!({"pods": [{"name": "a"}, {"name": "b"}]});
        assert_eq!(said(json!({"Ready": {"status": "True", "message": "x"}, "status": pods})), "2 pods: a, b");
        assert_eq!(said(json!({"status": {"phase": "Pending"}})), "it is Pending");
        let silent =
            Rule::parse("{kinds: [a/A], rules: [{Healthy: Ready == True}, {Progressing: otherwise}]}").unwrap();
        let said = |example: Value| silent.judge(&object(&example)).message;
        assert_eq!(
            said(json!({"Ready": {"status": "Unknown", "message": "creating the bucket"}})),
            "creating the bucket"
        );
        assert_eq!(said(json!({})), "Waiting for its controller to report");
    }

    #[test]
    fn a_condition_that_did_not_decide_has_no_say() {
        let rule = "{kinds: [a/A], rules: [{Degraded: 'Ready == True and Failed == True or any(status.parts, Accepted == False)'}]}";
        let rule = Rule::parse(rule).unwrap();
        let parts = json!([{"conditions": [{"type": "Accepted", "status": "False", "message": "no such port"}]}]);
        let object =
            object(&json!({"Ready": {"status": "True", "message": "all is well"}, "status": {"parts": parts}}));
        assert_eq!(rule.judge(&object).message, "no such port");
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let refused = |text: &str| Rule::parse(text).unwrap_err().to_string();
        assert_eq!(refused("rules: []"), "kinds is missing, or is something else than it should be");
        assert_eq!(
            refused("{kinds: [a/A], rules: [{Fine: otherwise}]}"),
            "a status is missing, or is something else than it should be"
        );
        assert!(refused("{kinds: [a/A], rules: [{Healthy: Ready ==}]}").starts_with("a value is missing at column"));
    }
}
