//! The language of health rules: what stands behind a status, read once.
//!
//! ```text
//! Ready == True                      the status of the condition Ready; Ready.reason and the like are its fields
//! condition("ACK.Terminal") == True  the same for names that are no words
//! status.phase in ["Failed", "Error"]     fields, of the object or of the item that is looked at
//! any(status.parents, Accepted == False)  one of the items, whose own conditions and fields stand inside
//! ```
//!
//! `root` is the whole object inside of an item and `self` the item; `stale` is a status of an older generation, `deleting`
//! an object that is on its way out, and `otherwise` always holds. What is missing is `null`: it is equal to nothing else
//! and neither less nor more than anything.

use thiserror::Error;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Root,
    Itself,
    /// A field of what is looked at.
    Own(String),
    Condition(String),
    Field(Box<Self>, String),
    Entry(Box<Self>, usize),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Compare(Box<Self>, Comparison, Box<Self>),
    Plus(Box<Self>, Box<Self>),
    Minus(Box<Self>, Box<Self>),
    Call(Function, Vec<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    /// One of a list.
    In,
    /// A pattern, or one of a list of them, in which `*` stands for any text.
    Like,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Any,
    All,
    First,
    Count,
    Sum,
    Join,
    Default,
    Number,
    Before,
    After,
    Annotation,
    Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} at column {column} of `{text}`")]
pub(super) struct ExpressionError {
    what: String,
    column: usize,
    text: String,
}

const STALE: &str = "root.status.observedGeneration < root.metadata.generation";
const DELETING: &str = "root.metadata.deletionTimestamp != null";

/// # Errors
/// Where the text stops being an expression.
pub(super) fn parse(text: &str) -> Result<Expression, ExpressionError> {
    let mut reader = Reader { text, at: 0 };
    let found = reader.either()?;
    if reader.rest().is_empty() { Ok(found) } else { Err(reader.error("something is left over")) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        self.at = self.text.len() - rest.trim_start().len();
        &self.text[self.at..]
    }

    fn error(&self, what: &str) -> ExpressionError {
        ExpressionError { what: what.to_owned(), column: self.at + 1, text: self.text.to_owned() }
    }

    /// Takes `mark` if it comes next.
    fn takes(&mut self, mark: &str) -> bool {
        let found = self.rest().starts_with(mark);
        self.at += if found { mark.len() } else { 0 };
        found
    }

    fn needs(&mut self, mark: &str) -> Result<(), ExpressionError> {
        if self.takes(mark) { Ok(()) } else { Err(self.error(&format!("`{mark}` is missing"))) }
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = self.rest().strip_prefix(word).is_some_and(|rest| !rest.starts_with(is_part_of_word));
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn either(&mut self) -> Result<Expression, ExpressionError> {
        let mut left = self.both()?;
        while self.takes_word("or") {
            left = Expression::Or(left.into(), self.both()?.into());
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Expression, ExpressionError> {
        let mut left = self.one()?;
        while self.takes_word("and") {
            left = Expression::And(left.into(), self.one()?.into());
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Expression, ExpressionError> {
        if self.takes_word("not") {
            return Ok(Expression::Not(self.one()?.into()));
        }
        let left = self.sum()?;
        let Some(comparison) = self.comparison() else { return Ok(left) };
        Ok(Expression::Compare(left.into(), comparison, self.sum()?.into()))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        const MARKS: [(&str, Comparison); 6] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<", Comparison::Less),
            (">", Comparison::More),
        ];
        let mark = MARKS.into_iter().find(|(mark, _)| self.takes(mark));
        let word = |reader: &mut Self| match () {
            () if reader.takes_word("in") => Some(Comparison::In),
            () if reader.takes_word("like") => Some(Comparison::Like),
            () => None,
        };
        mark.map(|(_, comparison)| comparison).or_else(|| word(self))
    }

    fn sum(&mut self) -> Result<Expression, ExpressionError> {
        let mut left = self.access()?;
        loop {
            left = match () {
                () if self.takes("+") => Expression::Plus(left.into(), self.access()?.into()),
                () if self.takes("-") => Expression::Minus(left.into(), self.access()?.into()),
                () => return Ok(left),
            };
        }
    }

    /// A value and the fields of it: `a.b["c"][0]`.
    fn access(&mut self) -> Result<Expression, ExpressionError> {
        let mut found = self.value()?;
        loop {
            if self.takes(".") {
                found = Expression::Field(found.into(), self.word()?.to_owned());
            } else if self.takes("[") {
                found = self.entry(found)?;
            } else {
                return Ok(found);
            }
        }
    }

    fn entry(&mut self, of: Expression) -> Result<Expression, ExpressionError> {
        let found = match self.value()? {
            Expression::Text(name) => Expression::Field(of.into(), name),
            Expression::Number(index) if index >= 0.0 => Expression::Entry(of.into(), index as usize),
            _ => return Err(self.error("neither a name nor a number")),
        };
        self.needs("]").map(|()| found)
    }

    fn value(&mut self) -> Result<Expression, ExpressionError> {
        let rest = self.rest();
        match rest.chars().next() {
            Some('"') => self.text().map(Expression::Text),
            Some('0'..='9') => self.number(),
            Some('(') => {
                self.needs("(")?;
                let inner = self.either()?;
                self.needs(")").map(|()| inner)
            }
            Some('[') => {
                self.needs("[")?;
                self.list("]").map(Expression::List)
            }
            _ => {
                let word = self.word()?;
                self.named(word)
            }
        }
    }

    fn text(&mut self) -> Result<String, ExpressionError> {
        self.needs("\"")?;
        let rest = &self.text[self.at..];
        let end = rest.find('"').ok_or_else(|| self.error("a text does not end"))?;
        self.at += end + 1;
        Ok(rest[..end].to_owned())
    }

    fn number(&mut self) -> Result<Expression, ExpressionError> {
        let rest = self.rest();
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        self.at += digits;
        rest[..digits].parse().map(Expression::Number).map_err(|_| self.error("no number"))
    }

    fn word(&mut self) -> Result<&'a str, ExpressionError> {
        let rest = self.rest();
        let end = rest.find(|c| !is_part_of_word(c)).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.error("a value is missing"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    /// Values up to `end`.
    fn list(&mut self, end: &str) -> Result<Vec<Expression>, ExpressionError> {
        let mut values = Vec::new();
        while !self.takes(end) {
            if !values.is_empty() {
                self.needs(",")?;
            }
            values.push(self.either()?);
        }
        Ok(values)
    }

    fn named(&mut self, word: &str) -> Result<Expression, ExpressionError> {
        Ok(match word {
            "null" => Expression::Null,
            "true" | "otherwise" => Expression::Flag(true),
            "false" => Expression::Flag(false),
            "True" | "False" | "Unknown" => Expression::Text(word.to_owned()),
            "root" => Expression::Root,
            "self" => Expression::Itself,
            "stale" => parse(STALE)?,
            "deleting" => parse(DELETING)?,
            _ if self.takes("(") => return self.call(word),
            _ if word.starts_with(|c: char| c.is_ascii_uppercase()) => Expression::Condition(word.to_owned()),
            _ => Expression::Own(word.to_owned()),
        })
    }

    fn call(&mut self, name: &str) -> Result<Expression, ExpressionError> {
        let mut arguments = self.list(")")?;
        if let ("condition", [Expression::Text(kind)]) = (name, arguments.as_mut_slice()) {
            return Ok(Expression::Condition(std::mem::take(kind)));
        }
        let (function, least, most) = function(name).ok_or_else(|| self.error(&format!("`{name}` is no function")))?;
        if !(least..=most).contains(&arguments.len()) {
            return Err(self.error(&format!("`{name}` takes {least} to {most} values")));
        }
        Ok(Expression::Call(function, arguments))
    }
}

/// The function of that name, and how many values it takes.
fn function(name: &str) -> Option<(Function, usize, usize)> {
    Some(match name {
        "any" => (Function::Any, 2, 2),
        "all" => (Function::All, 2, 2),
        "first" => (Function::First, 2, 2),
        "count" => (Function::Count, 1, 1),
        "sum" => (Function::Sum, 2, 2),
        "join" => (Function::Join, 1, 2),
        "default" => (Function::Default, 2, 2),
        "number" => (Function::Number, 1, 1),
        "before" => (Function::Before, 2, 2),
        "after" => (Function::After, 2, 2),
        "annotation" => (Function::Annotation, 1, 1),
        "label" => (Function::Label, 1, 1),
        _ => return None,
    })
}

fn is_part_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_expression_is_refused_with_its_place() {
        let refused = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(refused("Ready == "), "a value is missing at column 10 of `Ready == `");
        assert_eq!(refused("Ready True"), "something is left over at column 7 of `Ready True`");
        assert_eq!(refused("most(a)"), "`most` is no function at column 8 of `most(a)`");
        assert_eq!(refused("count(a, b)"), "`count` takes 1 to 1 values at column 12 of `count(a, b)`");
        assert_eq!(refused("a == \"b"), "a text does not end at column 7 of `a == \"b`");
        assert_eq!(refused("(a == b"), "`)` is missing at column 8 of `(a == b`");
    }

    #[test]
    fn and_binds_more_than_or() {
        let all = |text: &str| parse(text).unwrap();
        assert_eq!(all("a or b and c"), all("a or (b and c)"));
        assert_ne!(all("a or b and c"), all("(a or b) and c"));
        assert_eq!(all("not a == b"), all("not (a == b)"));
    }
}
