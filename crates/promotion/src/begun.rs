//! Which promotions began lately. A record that has no status yet is believed by the seal of its making; one that is deleted
//! and made again as it was made is another one, though it has that seal.

use std::collections::BTreeMap;

use api::gantline::{Promotion, SEAL_ANNOTATION};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::seal::{NEW, Record};

/// More than begin while a seal of making counts; older ones go.
const MANY: usize = 200;
/// Digits of a seal that tell it apart.
const DIGITS: usize = 16;

/// By the seal with which each was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Begun(BTreeMap<String, Beginning>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Beginning {
    uid: String,
    at: Timestamp,
}

impl Begun {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is said to be made by the seal of one that was there before it.
    pub(crate) fn is_made_again(&self, promotion: &Promotion) -> bool {
        let before = made(promotion).and_then(|(seal, _)| self.0.get(seal));
        promotion.is_new() && before.is_some_and(|before| before.uid != promotion.metadata.uid)
    }

    /// With the new ones that are not known yet, all of them believed; `None`: there are none. Of others anybody may have
    /// written what they are said to be made by.
    pub(crate) fn with<'a>(&self, all: impl IntoIterator<Item = &'a Promotion>, now: Timestamp) -> Option<Self> {
        let is_young = |at: Timestamp| now.duration_since(at).abs() < NEW * 2;
        let new = all.into_iter().filter(|it| it.is_new()).filter_map(|it| Some((made(it)?, &it.metadata.uid)));
        let new = new.filter(|((seal, at), _)| is_young(*at) && !self.0.contains_key(*seal));
        let new: Vec<_> = new.map(|((seal, at), uid)| (seal.to_owned(), Beginning { uid: uid.clone(), at })).collect();
        if new.is_empty() {
            return None;
        }
        let mut next = self.clone();
        next.0.extend(new);
        next.0.retain(|_, begun| is_young(begun.at));
        while next.0.len() > MANY {
            let oldest = next.0.iter().min_by_key(|(_, begun)| begun.at).map(|(seal, _)| seal.clone());
            oldest.map(|seal| next.0.remove(&seal));
        }
        Some(next)
    }
}

/// The start of the seal with which it was made, and when that was.
fn made(promotion: &Promotion) -> Option<(&str, Timestamp)> {
    let (at, seal) = promotion.metadata.annotations.get(SEAL_ANNOTATION)?.split_once(' ')?;
    Some((seal.get(..DIGITS)?, at.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests::time;

    fn promotion(uid: &str, number: i64, minute: i64) -> Promotion {
        let mut promotion = Promotion::default();
        let seal = format!("{} {number:064}", time(minute));
        let seal = seal.chars().rev().take(64).collect::<String>();
        promotion.metadata.uid = uid.to_owned();
        promotion.metadata.annotations.insert(SEAL_ANNOTATION.to_owned(), format!("{} {seal}", time(minute)));
        promotion
    }

    #[test]
    fn one_that_is_made_again_is_another_one() {
        let (first, again) = (promotion("u1", 1, 0), promotion("u2", 1, 0));
        assert!(!Begun::default().is_made_again(&again), "as far as anybody knows");
        let begun = Begun::default().with([&first], time(1)).unwrap();
        assert!(begun.is_made_again(&again) && !begun.is_made_again(&first));
        assert!(!begun.is_made_again(&promotion("u2", 2, 0)), "by a seal of its own");
        assert_eq!(begun.with([&first, &again], time(2)), None, "the first one stays");
        let mut written = again;
        written.status.attempts = 1;
        assert!(!begun.is_made_again(&written), "that has a seal of its own");
        let later = begun.with([&promotion("u3", 3, 180)], time(180)).unwrap();
        assert_eq!(later.0.len(), 1, "no longer than its seal could count");
        assert_eq!(later.with([&promotion("u4", 4, 0), &written], time(180)), None, "nor is one of before noted");
        let many: Vec<Promotion> = (0..300).map(|number| promotion("u", number, number / 10)).collect();
        assert_eq!(begun.with(&many, time(30)).unwrap().0.len(), MANY);
    }
}
