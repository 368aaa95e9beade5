//! Label selectors as kubectl takes them: `a=b`, `a!=b`, `a in (b, c)`, `a notin (b)`, `a`, `!a`, `a>1`, with commas
//! between.

/// What labels must be. An empty selector chooses everything.
#[derive(Debug, Default)]
pub struct LabelSelector(Vec<Requirement>);

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no label selector: look at {part:?}, and write such as environment=dev or environment in (dev, staging)"
)]
pub struct SelectorError {
    pub text: String,
    pub part: String,
}

#[derive(Debug)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    /// Also where the label is absent, as Kubernetes has it.
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl LabelSelector {
    /// # Errors
    /// When a part is none; the error says which.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let wrong = |part: &str| SelectorError { text: text.to_owned(), part: part.to_owned() };
        let parts = parts(text).into_iter();
        parts.map(|part| requirement(part).ok_or_else(|| wrong(part))).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object with these labels is chosen.
    pub fn matches<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.0.iter().all(|requirement| requirement.test.holds(label(&requirement.key)))
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::In(values) => value.is_some_and(|value| values.iter().any(|known| known == value)),
            Self::NotIn(values) => value.is_none_or(|value| !values.iter().any(|known| known == value)),
            Self::Greater(than) => number().is_some_and(|number| number > *than),
            Self::Less(than) => number().is_some_and(|number| number < *than),
        }
    }
}

/// Cuts at the commas outside of parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let cut = |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    };
    text.split(cut).map(str::trim).collect()
}

fn requirement(part: &str) -> Option<Requirement> {
    let single = |key: &str, value: &str, test: fn(Vec<String>) -> Test| {
        Some(Requirement { key: checked_key(key)?, test: test(vec![checked_value(value)?]) })
    };
    let number = |key: &str, value: &str, test: fn(i64) -> Test| {
        Some(Requirement { key: checked_key(key)?, test: test(value.trim().parse().ok()?) })
    };
    if let Some(key) = part.strip_prefix('!') {
        return Some(Requirement { key: checked_key(key)?, test: Test::Absent });
    }
    if let Some((head, rest)) = part.split_once('(') {
        return listed(head, rest.strip_suffix(')')?);
    }
    if let Some((key, value)) = part.split_once("!=") {
        return single(key, value, Test::NotIn);
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return single(key, value, Test::In);
    }
    if let Some((key, value)) = part.split_once('>') {
        return number(key, value, Test::Greater);
    }
    if let Some((key, value)) = part.split_once('<') {
        return number(key, value, Test::Less);
    }
    Some(Requirement { key: checked_key(part)?, test: Test::Exists })
}

fn listed(head: &str, values: &str) -> Option<Requirement> {
    let [key, word] = head.split_whitespace().collect::<Vec<_>>()[..] else { return None };
    let values = values.split(',').map(checked_value).collect::<Option<Vec<String>>>()?;
    let test = match word {
        "in" => Test::In(values),
        "notin" => Test::NotIn(values),
        _ => return None,
    };
    Some(Requirement { key: checked_key(key)?, test })
}

fn checked_key(text: &str) -> Option<String> {
    let text = text.trim();
    let name = text.rsplit('/').next().unwrap_or_default();
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    let ok = plain && !name.is_empty() && is_word(name) && text.matches('/').count() <= 1;
    ok.then(|| text.to_owned())
}

fn checked_value(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    (plain && is_word(text)).then(|| text.to_owned())
}

/// Not too long, and with a letter or digit at both ends.
fn is_word(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.is_empty() || (text.len() <= 63 && text.starts_with(edge) && text.ends_with(edge))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_choose_as_kubectl_does() {
        let label = |name: &str| match name {
            "environment" => Some("dev"),
            "team" => Some("a"),
            "size" => Some("3"),
            _ => None,
        };
        let check = |text: &str, expected: Option<bool>| {
            let found = LabelSelector::parse(text).ok().map(|selector| selector.matches(label));
            assert_eq!(found, expected, "{text}");
        };
        check("", Some(true));
        check("environment=dev", Some(true));
        check("environment==dev, team=a", Some(true));
        check("environment=dev,team=b", Some(false));
        check("environment!=dev", Some(false));
        check("absent!=x", Some(true));
        check("environment in (dev, staging),team", Some(true));
        check("environment notin (dev, staging)", Some(false));
        check("!team", Some(false));
        check("!absent", Some(true));
        check("size>2,size<4", Some(true));
        check("size>3", Some(false));
        check("team>1", Some(false));
        check("size>x", None);
        check("environment of (dev)", None);
        check("a=b=c", None);
        check("=dev", None);
        check("a b", None);
        check("a=b,", None);
        assert!(LabelSelector::parse("").is_ok_and(|selector| selector.is_empty()));
    }
}
