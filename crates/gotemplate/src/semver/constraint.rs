//! Constraints: `>=1.2 <2 || ~3.1`, `^0.2`, `1.x`, `1.2 - 1.4`.

use std::cmp::Ordering;

use super::{SemverError, Shape, Version, compare_prerelease, run};

/// Longer constraint texts are refused.
const LENGTH_MAX: usize = 512;
/// More alternatives (`||`) are refused.
const GROUPS_MAX: usize = 32;

/// Alternatives (`||`), each a group of comparisons that must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraints {
    groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    comparisons: Vec<Comparison>,
    /// One of the comparisons names a pre-release, so pre-releases are let in.
    admits_prereleases: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    bound: Version,
    precision: Precision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// How much of the bound was written: the rest was left out or a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Nothing,
    Major,
    Minor,
    Full,
}

/// Longest first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 11] = [
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("!=", Operator::NotEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

impl Constraints {
    /// Reads a constraint.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        if text.len() > LENGTH_MAX {
            return Err(SemverError::ConstraintTooLong);
        }
        let text = without_hyphen_ranges(text);
        let groups: Vec<&str> = text.split("||").collect();
        if groups.len() > GROUPS_MAX {
            return Err(SemverError::TooManyGroups);
        }
        Ok(Self { groups: groups.into_iter().map(Group::parse).collect::<Result<_, _>>()? })
    }

    /// Whether `version` satisfies one of the alternatives.
    pub fn check(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| group.check(version))
    }
}

impl Group {
    fn parse(text: &str) -> Result<Self, SemverError> {
        let improper = || SemverError::ImproperConstraint(text.to_owned());
        let mut raw = Vec::new();
        let mut rest = trim_space(text);
        loop {
            let (operator, after) = operator(rest);
            let shape = Shape::read(trim_space(after), is_constraint_number).ok_or_else(improper)?;
            let behind = &trim_space(after)[shape.length..];
            raw.push((operator, shape));
            rest = trim_space(behind);
            if rest.is_empty() {
                break;
            }
            let spaced = rest.len() < behind.len();
            match rest.strip_prefix(',') {
                Some(next) => rest = trim_space(next),
                None if spaced => {}
                None => return Err(improper()),
            }
        }
        let comparisons = raw.into_iter().map(|(o, s)| Comparison::new(o, &s)).collect::<Result<Vec<_>, _>>()?;
        let admits_prereleases = comparisons.iter().any(|c| !c.bound.prerelease.is_empty());
        Ok(Self { comparisons, admits_prereleases })
    }

    fn check(&self, version: &Version) -> bool {
        let admitted = version.prerelease.is_empty() || self.admits_prereleases;
        admitted && self.comparisons.iter().all(|c| c.check(version))
    }
}

impl Comparison {
    fn new(operator: Operator, shape: &Shape<'_>) -> Result<Self, SemverError> {
        let open = |part: &str| matches!(part, "" | "x" | "X" | "*");
        let (numbers, precision) = if open(shape.major) {
            ("0".to_owned(), Precision::Nothing)
        } else if open(shape.minor) {
            (shape.major.to_owned(), Precision::Major)
        } else if open(shape.patch) {
            (format!("{}.{}", shape.major, shape.minor), Precision::Minor)
        } else {
            (format!("{}.{}.{}", shape.major, shape.minor, shape.patch), Precision::Full)
        };
        let mut text = numbers;
        if !shape.prerelease.is_empty() {
            text.push('-');
            text.push_str(shape.prerelease);
        }
        let bound = Version::parse(&text).map_err(|_| SemverError::ConstraintParser)?;
        Ok(Self { operator, bound, precision })
    }

    fn check(&self, version: &Version) -> bool {
        let order = version.compare(&self.bound);
        match self.operator {
            Operator::Equal if self.precision == Precision::Full => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => order != Ordering::Less && self.within_tilde(version),
            Operator::NotEqual => self.differs(version),
            Operator::Greater => self.is_below(version, order),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::LessOrEqual => self.is_reached_by(version, order),
            Operator::Caret => order != Ordering::Less && self.within_caret(version),
        }
    }

    fn same_major(&self, version: &Version) -> bool {
        version.major == self.bound.major
    }

    fn same_minor(&self, version: &Version) -> bool {
        version.minor == self.bound.minor
    }

    /// `!=`: a partly written bound stands for all versions that share what is written.
    fn differs(&self, version: &Version) -> bool {
        match self.precision {
            Precision::Full => version.compare(&self.bound) != Ordering::Equal,
            // `!=x` compares as `!=0.0.0` does.
            Precision::Nothing => {
                (version.major, version.minor, version.patch) != (0, 0, 0)
                    || version.compare(&self.bound) != Ordering::Equal
            }
            Precision::Major => !self.same_major(version),
            Precision::Minor => {
                !self.same_major(version)
                    || !self.same_minor(version)
                    || compare_prerelease(&version.prerelease, &self.bound.prerelease) != Ordering::Equal
            }
        }
    }

    /// `>`: `>11` means 12 or later, `>11.1` means 11.2 or later.
    fn is_below(&self, version: &Version, order: Ordering) -> bool {
        match self.precision {
            Precision::Full => order == Ordering::Greater,
            Precision::Major => version.major > self.bound.major,
            Precision::Minor => {
                version.major > self.bound.major || (self.same_major(version) && version.minor > self.bound.minor)
            }
            Precision::Nothing => version.major > self.bound.major || order == Ordering::Greater,
        }
    }

    /// `<=`: `<=11` lets 11.5 in, `<=11.1` lets 11.1.7 in.
    fn is_reached_by(&self, version: &Version, order: Ordering) -> bool {
        let below = version.major < self.bound.major;
        match self.precision {
            Precision::Full => order != Ordering::Greater,
            Precision::Major => below || self.same_major(version),
            Precision::Minor | Precision::Nothing => {
                below || (self.same_major(version) && version.minor <= self.bound.minor)
            }
        }
    }

    /// `~`: the same minor version, or the same major version if no minor is written; `~0.0.0` and `~x` take any.
    fn within_tilde(&self, version: &Version) -> bool {
        let zero = (self.bound.major, self.bound.minor, self.bound.patch) == (0, 0, 0);
        match self.precision {
            Precision::Full | Precision::Nothing if zero => true,
            Precision::Major => self.same_major(version),
            _ => self.same_major(version) && self.same_minor(version),
        }
    }

    /// `^`: the leftmost number that is not zero stays.
    fn within_caret(&self, version: &Version) -> bool {
        if self.bound.major > 0 || self.precision == Precision::Major {
            return self.same_major(version);
        }
        if version.major > 0 {
            return false;
        }
        if self.bound.minor > 0 || self.precision == Precision::Minor {
            return self.same_minor(version);
        }
        version.minor == 0 && version.patch == self.bound.patch
    }
}

fn operator(text: &str) -> (Operator, &str) {
    let found = OPERATORS.iter().find_map(|(sign, operator)| text.strip_prefix(sign).map(|rest| (*operator, rest)));
    found.unwrap_or((Operator::Equal, text))
}

/// What the reference takes for a number; `|` is in there by its own mistake and decides what is an error.
fn is_constraint_number(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, 'x' | 'X' | '*' | '|')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

fn trim_space(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// `1.2 - 1.4` becomes `>= 1.2, <= 1.4 `.
fn without_hyphen_ranges(text: &str) -> String {
    let mut out = text.to_owned();
    let mut rest = text;
    while let Some((whole, low, high)) = hyphen_range(rest) {
        let end = whole.as_ptr() as usize - rest.as_ptr() as usize + whole.len();
        out = out.replacen(whole, &format!(">= {low}, <= {high} "), 1);
        rest = &rest[end..];
    }
    out
}

/// The first `low - high` of a text, with the white space around it.
fn hyphen_range(text: &str) -> Option<(&str, &str, &str)> {
    let starts = text.char_indices().map(|(i, _)| i);
    starts.filter_map(|start| hyphen_range_at(text, start)).next()
}

fn hyphen_range_at(text: &str, start: usize) -> Option<(&str, &str, &str)> {
    let (low, rest) = version_at(trim_space(&text[start..]))?;
    let rest = spaced(rest)?.strip_prefix('-')?;
    let (high, rest) = version_at(spaced(rest)?)?;
    let (_, behind) = run(rest, is_space);
    Some((&text[start..text.len() - behind.len()], low, high))
}

fn version_at(text: &str) -> Option<(&str, &str)> {
    Shape::read(text, is_constraint_number).map(|shape| text.split_at(shape.length))
}

/// The text behind at least one space.
fn spaced(text: &str) -> Option<&str> {
    let rest = trim_space(text);
    (rest.len() < text.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(constraint: &str, version: &str) -> Result<bool, SemverError> {
        Ok(Constraints::parse(constraint)?.check(&Version::parse(version)?))
    }

    #[test]
    fn compares() {
        let holds = [
            (">=1.21-0", "1.33.4-gke.1"),
            ("^1.2", "1.9"),
            ("^0.2.3", "0.2.9"),
            ("~1.2.3", "1.2.9"),
            ("~>1", "1.9"),
            ("1.x", "1.7.3"),
            ("*", "3.4.5"),
            ("1.2 - 1.4", "1.4.9"),
            (">1.0, <2 || 5", "5.6"),
            ("<=11", "11.5"),
            ("!=1.2", "1.3.0"),
            ("=1.2.3+meta", "1.2.3"),
            ("=> 1.2", "1.2"),
            ("1 - 2 || 3 - 4", "3.5"),
        ];
        for (constraint, version) in holds {
            assert_eq!(check(constraint, version), Ok(true), "{constraint} {version}");
        }
        let fails = [(">1.2", "1.3.0-beta"), (">11", "11.1"), ("^0.0.3", "0.0.4"), ("!=1.2", "1.2.7"), ("1.x", "2.0")];
        for (constraint, version) in fails {
            assert_eq!(check(constraint, version), Ok(false), "{constraint} {version}");
        }
    }

    #[test]
    fn refuses() {
        let improper = |text: &str| Err(SemverError::ImproperConstraint(text.to_owned()));
        let cases = [
            ("", improper("")),
            ("1 ||", improper("")),
            (">", improper(">")),
            (">1<2", improper(">1<2")),
            ("1.2.3.4", improper("1.2.3.4")),
            ("x.y", improper("x.y")),
            ("1|2", Err(SemverError::ConstraintParser)),
            ("1.2.3-01", Err(SemverError::ConstraintParser)),
        ];
        for (constraint, want) in cases {
            assert_eq!(check(constraint, "1.0"), want, "{constraint}");
        }
    }
}
