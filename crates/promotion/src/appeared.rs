//! Which releases came to a Pipeline, and who was behind each: whoever deletes a Release has nobody forgotten.

use std::collections::BTreeSet;

use api::gantline::{ReleaseImage, ReleaseSpec};
use object::ImageDigest;
use serde::{Deserialize, Serialize};

use crate::identity::identity;

/// So many are kept with their people. Of those before them it is known whether one may have been among them.
const KEPT: usize = 100;
/// Bytes of those that are kept: names may be long.
const ROOM: usize = 24 * 1024;
/// Of one release, and the characters of a person and of a reason.
const PEOPLE: usize = 20;
const CHARACTERS: usize = 200;
/// Digits of a digest that tell it apart.
const DIGITS: usize = 16;

/// In the order in which they came, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Appeared {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last: Vec<Appearance>,
    #[serde(skip_serializing_if = "Digests::is_empty")]
    pub before: Digests,
}

/// One release, and the change that brought it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Appearance {
    /// The first digits of what stands for all its images.
    pub release: String,
    /// Those of the images that were new then; empty: it has one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// As `Dana Smith <dana@acme.io>`.
    pub people: Vec<String>,
    /// Why these are not all; empty where they are.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub unread: String,
    /// That brought it; of the last one alone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub commit: String,
}

impl Appearance {
    /// `before` is the release that came before it.
    pub(crate) fn of(spec: &ReleaseSpec, before: Option<&[ReleaseImage]>) -> Option<Self> {
        let release = start(&identity(&spec.images)?).to_owned();
        let images = brought(&spec.images, before).map(|image| start(&image.digest).to_owned());
        let images = if spec.images.len() > 1 { images.collect() } else { Vec::new() };
        let (mut people, mut unread) = (BTreeSet::new(), spec.source.unread.chars().take(CHARACTERS).collect());
        for person in spec.source.everybody() {
            if people.len() < PEOPLE && person.chars().count() <= CHARACTERS {
                people.insert(person.into_owned());
            } else {
                unread = format!("more people were behind it than the {PEOPLE} that are kept");
            }
        }
        Some(Self { release, images, people: people.into_iter().collect(), unread, commit: spec.source.commit.clone() })
    }

    fn size(&self) -> usize {
        let texts = self.people.iter().chain(&self.images).chain([&self.release, &self.unread, &self.commit]);
        texts.map(|text| text.len() + 3).sum()
    }

    pub(crate) fn is_of(&self, release: &ImageDigest) -> bool {
        self.release == start(release)
    }

    fn brought(&self, digest: &str) -> bool {
        if self.images.is_empty() { self.release == digest } else { self.images.iter().any(|image| image == digest) }
    }
}

/// The images that are others than in the release before; all, where there is none, or none is another one.
pub(crate) fn brought<'a>(
    images: &'a [ReleaseImage],
    before: Option<&'a [ReleaseImage]>,
) -> impl Iterator<Item = &'a ReleaseImage> {
    let was = move |image: &ReleaseImage| {
        before.is_some_and(|before| before.iter().any(|old| (&old.name, &old.digest) == (&image.name, &image.digest)))
    };
    let nothing = images.iter().all(was);
    images.iter().filter(move |image| nothing || !was(image))
}

fn start(digest: &ImageDigest) -> &str {
    let text = digest.as_str();
    let digits = text.split_once(':').map_or(text, |(_, digits)| digits);
    digits.get(..DIGITS).unwrap_or(digits)
}

impl Appeared {
    pub(crate) fn is_empty(&self) -> bool {
        self.last.is_empty() && self.before.is_empty()
    }

    pub(crate) fn has(&self, release: &ImageDigest) -> bool {
        self.last.iter().any(|it| it.release == start(release)) || self.before.may_have(start(release))
    }

    /// What came again is another one, behind the rest: who is between two of them does not change.
    pub(crate) fn note(&mut self, appearance: Appearance) {
        if self.last.last() == Some(&appearance) {
            return;
        }
        self.last.iter_mut().rev().take(1).for_each(|before| before.commit.clear());
        self.last.push(appearance);
        let mut room = ROOM;
        let fits = |it: &&Appearance| {
            let left = room.checked_sub(it.size());
            room = left.unwrap_or_default();
            left.is_some()
        };
        let kept = self.last.iter().rev().take(KEPT).take_while(fits).count();
        self.keep(kept);
    }

    /// Of no more than so many, and of the last one at least, it is kept who was behind them.
    pub(crate) fn keep(&mut self, most: usize) {
        let over = self.last.len().saturating_sub(most.max(1));
        for old in self.last.drain(..over) {
            self.before.add(&old.release);
            old.images.iter().for_each(|image| self.before.add(image));
        }
    }

    /// The commit that brought the newest; empty where none is known.
    pub(crate) fn commit(&self) -> &str {
        self.last.last().map_or("", |it| &it.commit)
    }

    /// Whenever these images came.
    pub(crate) fn of_images<'a>(
        &'a self,
        images: impl IntoIterator<Item = &'a ReleaseImage>,
    ) -> impl Iterator<Item = &'a Appearance> {
        images.into_iter().flat_map(|image| self.last.iter().filter(|it| it.brought(start(&image.digest))))
    }

    /// Whether an image may be older than all that is kept.
    pub(crate) fn may_be_forgotten(&self, image: &ReleaseImage) -> bool {
        self.before.may_have(start(&image.digest))
    }

    /// What came between two releases, and whenever `wanted` came. Without `there`, all up to it.
    pub(crate) fn between<'a>(
        &'a self,
        wanted: &'a ImageDigest,
        there: Option<&ImageDigest>,
    ) -> impl Iterator<Item = &'a Appearance> {
        let behind =
            |digest: &ImageDigest| self.last.iter().rposition(|it| it.release == start(digest)).map(|at| at + 1);
        // one that is not noted yet is the newest
        let newest = if self.before.may_have(start(wanted)) { 0 } else { self.last.len() };
        let (wanted_at, there_at) = (behind(wanted).unwrap_or(newest), there.and_then(behind).unwrap_or(0));
        let range = wanted_at.min(there_at)..wanted_at.max(there_at);
        let all = self.last.iter().enumerate();
        all.filter(move |(at, it)| range.contains(at) || it.release == start(wanted)).map(|(_, it)| it)
    }
}

/// Digests of which only is kept that they may be among them: a Bloom filter with four bits for each, as hexadecimal text.
/// None that is in it is ever taken for a new one; of four thousand, one new digest in forty is taken for one of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digests(String);

/// A quarter of the bits of each digit of the text.
const NIBBLES: usize = 8192;

impl Digests {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the four bits are: digests are as good as chance.
    fn places(digest: &str) -> impl Iterator<Item = (usize, u8)> {
        let words = digest.as_bytes().chunks(4).filter_map(|word| std::str::from_utf8(word).ok());
        let bits = words.filter_map(|word| usize::from_str_radix(word, 16).ok());
        bits.map(|bit| ((bit / 4) % NIBBLES, 1 << (bit % 4)))
    }

    fn add(&mut self, digest: &str) {
        let mut digits: Vec<u8> = self.0.bytes().collect();
        digits.resize(NIBBLES, b'0');
        for (at, bit) in Self::places(digest) {
            let was = char::from(digits[at]).to_digit(16).unwrap_or(15) as u8;
            digits[at] = b"0123456789abcdef"[usize::from(was | bit)];
        }
        self.0 = String::from_utf8(digits).unwrap_or_default();
    }

    fn may_have(&self, digest: &str) -> bool {
        let has = |(at, bit): (usize, u8)| {
            let digit = self.0.as_bytes().get(at).map(|digit| char::from(*digit).to_digit(16).unwrap_or(15));
            digit.is_some_and(|digit| digit as u8 & bit != 0)
        };
        !self.is_empty() && Self::places(digest).all(has)
    }
}

#[cfg(test)]
mod tests {
    use api::gantline::ReleaseSource;
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn image(number: usize) -> ReleaseImage {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(number.to_string()))).parse().unwrap();
        ReleaseImage { name: "shop".into(), tag: format!("v{number}"), digest, parts: Vec::new() }
    }

    fn spec(images: &[usize], people: &[String]) -> ReleaseSpec {
        let source = ReleaseSource { people: people.to_vec(), ..ReleaseSource::default() };
        ReleaseSpec { images: images.iter().map(|number| image(*number)).collect(), source, ..ReleaseSpec::default() }
    }

    fn noted(releases: usize) -> Appeared {
        let mut all = Appeared::default();
        for number in 0..releases {
            all.note(Appearance::of(&spec(&[number], &[format!("P{number}")]), None).unwrap());
        }
        all
    }

    #[test]
    fn what_is_older_than_all_that_is_kept_may_have_been_there() {
        let all = noted(4_000);
        let size = serde_json::to_string(&all).unwrap().len();
        assert!(size < 20_000, "{size}");
        assert!((0..4_000).all(|number| all.has(&image(number).digest)));
        assert_eq!(all.of_images(&[image(3_950)]).next().unwrap().people, ["P3950"]);
        assert_eq!(all.of_images(&[image(3)]).count(), 0);
        assert!(all.may_be_forgotten(&image(3)) && !all.may_be_forgotten(&image(3_999)));
        let wrong = (4_000..14_000).filter(|number| all.has(&image(*number).digest)).count();
        assert!(wrong < 400, "{wrong} of 10000");
        let again: Appeared = serde_json::from_value(serde_json::to_value(&all).unwrap()).unwrap();
        assert_eq!(again, all);
    }

    #[test]
    fn people_beyond_the_bound_are_said() {
        let people: Vec<String> = (0..30).map(|number| format!("P{number}")).collect();
        let kept = Appearance::of(&spec(&[1], &people), None).unwrap();
        assert_eq!((kept.people.len(), kept.unread.contains("more people")), (PEOPLE, true), "{kept:?}");
        let kept = Appearance::of(&spec(&[1], &["x".repeat(300)]), None).unwrap();
        assert_eq!((kept.people.len(), kept.unread.contains("more people")), (0, true), "{kept:?}");
        assert_eq!(Appearance::of(&spec(&[1], &people[..20]), None).unwrap().unread, "");
    }

    #[test]
    fn long_names_do_not_fill_a_ledger() {
        let mut all = Appeared::default();
        for number in 0..100 {
            let people: Vec<String> = (0..20).map(|other| format!("{number} {other} {}", "ß".repeat(180))).collect();
            all.note(Appearance::of(&spec(&[number], &people), None).unwrap());
        }
        let size = serde_json::to_string(&all).unwrap().len();
        assert!(size < ROOM + 9_000, "{size}");
        assert!(all.last.len() > 1 && (0..100).all(|number| all.has(&image(number).digest)));
    }

    #[test]
    fn what_lies_between_two_releases_is_found_in_either_direction() {
        let mut all = noted(5);
        let people = |all: &Appeared, wanted: usize, there: Option<usize>| {
            let there = there.map(|number| image(number).digest);
            let wanted = image(wanted).digest;
            all.between(&wanted, there.as_ref()).flat_map(|it| it.people.clone()).collect::<Vec<_>>()
        };
        assert_eq!(people(&all, 3, Some(1)), ["P2", "P3"]);
        assert_eq!(people(&all, 1, Some(3)), ["P1", "P2", "P3"], "what goes, and what comes");
        assert_eq!(people(&all, 1, None), ["P0", "P1"]);
        assert_eq!(people(&all, 9, Some(3)), ["P4"], "not noted yet");
        all.note(Appearance::of(&spec(&[2], &["again".to_owned()]), None).unwrap());
        assert_eq!(people(&all, 3, Some(1)), ["P2", "P3"], "that it came again hides nobody");
    }

    #[test]
    fn of_a_set_those_that_are_new_came() {
        let before = spec(&[1, 2], &[]).images;
        let kept = |numbers: &[usize]| Appearance::of(&spec(numbers, &[]), Some(&before)).unwrap();
        let mut all = Appeared::default();
        all.note(kept(&[1, 3]));
        let came = |number: usize| all.of_images(&[image(number)]).count();
        assert_eq!([came(1), came(2), came(3)], [0, 0, 1]);
        assert_eq!(kept(&[2, 1]).images.len(), 2, "nothing is new: any of them may be meant");
    }
}
