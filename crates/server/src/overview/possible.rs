//! What could be done now, and whether somebody may: by the functions that answer the request itself.

use api::gantline::{Environment, Pipeline, Release, Verdict};
use jiff::Timestamp;
use promotion::requests::{self, Asked, Ballot, Vote};
use promotion::{Action, Observed};

use super::lane::Open;
use crate::people::Identity;
use crate::rights::{Object, Verb, allowed, permit};
use crate::views::{Offer, Offered};

/// How many quarantined releases of a Pipeline are offered.
const LIFTS: usize = 3;

/// Something that would be done for whoever may ask for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Possible {
    offer: Offer,
    /// Who may not get all of this is offered nothing.
    about: Vec<Object>,
    needs: Need,
    /// Whose word it is counts here.
    word: Option<(Verdict, Box<Ballot>)>,
}

/// A right, and what it is a right to, in words.
#[derive(Debug, Clone, PartialEq)]
struct Need {
    verb: Verb,
    object: Object,
    what: String,
}

impl Possible {
    /// What somebody is offered: with the reason, where they would be refused. None to whom it is not shown.
    pub(crate) fn offered_to(&self, who: &Identity, now: Timestamp) -> Option<Offer> {
        if !self.about.iter().all(|object| permit(&who.rights, Verb::Get, object)) {
            return None;
        }
        let Need { verb, object, what } = &self.needs;
        let refused = allowed(who, *verb, object, what).and_then(|()| self.heard(who, now)).err();
        Some(Offer { refused, ..self.offer.clone() })
    }

    fn heard(&self, who: &Identity, now: Timestamp) -> Result<(), String> {
        let Some((verdict, ballot)) = &self.word else { return Ok(()) };
        let groups = who.gate_groups(std::slice::from_ref(ballot.environment()));
        let vote = Vote { verdict: *verdict, user: &who.user, groups: &groups, reason: "" };
        ballot.decide(&vote, now).map(drop).map_err(|refused| refused.0)
    }
}

/// What could be done in an environment, with its open promotion.
pub(super) fn in_environment(seen: &Observed, environment: &Environment, open: Option<&Open<'_>>) -> Vec<Possible> {
    let name = &environment.name;
    let mut all = open.map_or_else(Vec::new, |open| words(&seen.pipeline, environment, open));
    if open.is_none() {
        let wanted = requests::promotable(seen, name).and_then(|release| known(seen, &release));
        all.extend(wanted.map(|release| promote(&seen.pipeline, environment, release)));
    }
    if let Ok(asked) = requests::roll_back(seen, name, "somebody", "") {
        let back = target(&asked).and_then(|release| known(seen, &release));
        let offer = match back {
            Some(release) => Offer::of(Offered::RollBack, release),
            None => Offer::to(Offered::RollBack),
        };
        let consequences = requests::roll_back_does(seen, name).unwrap_or_default();
        all.push(at(&seen.pipeline, environment, Verb::RollBack, Offer { consequences, ..offer }));
    }
    if requests::unpin(seen, name, "somebody").is_ok() {
        all.push(at(&seen.pipeline, environment, Verb::Unpin, Offer::to(Offered::Unpin)));
    }
    all
}

/// The releases whose quarantine could be lifted, the newest first.
pub(super) fn lifts(seen: &Observed) -> Vec<Possible> {
    let newest = requests::liftable(seen).into_iter().take(LIFTS);
    newest.filter_map(|release| Some(lift(&seen.pipeline, known(seen, &release)?))).collect()
}

/// Of a release that is quarantined.
pub(crate) fn lift(pipeline: &Pipeline, release: &Release) -> Possible {
    let object = Object::release(release, Some(pipeline));
    Possible {
        offer: Offer::of(Offered::Lift, release),
        about: vec![object.clone(), Object::pipeline(pipeline)],
        needs: Need { verb: Verb::Lift, object, what: release.metadata.name.clone() },
        word: None,
    }
}

/// Yes and no to a promotion that waits. Yes is offered while it is missing, no as long as it counts.
fn words(pipeline: &Pipeline, environment: &Environment, open: &Open<'_>) -> Vec<Possible> {
    let (promotion, Some(ballot)) = (open.promotion, &open.ballot) else { return Vec::new() };
    let all = [
        (Verdict::Approve, Verb::Approve, Offered::Approve, open.needs_approval()),
        (Verdict::Reject, Verb::Reject, Offered::Reject, open.asks_people),
    ];
    let word = |(verdict, verb, action, _)| {
        let spec = &promotion.spec;
        let offer = Offer {
            promotion: promotion.metadata.name.clone(),
            release: spec.release.clone(),
            tag: spec.tag.clone(),
            ..Offer::to(action)
        };
        let mut possible = at(pipeline, environment, verb, offer);
        possible.about.push(Object::promotion(promotion, Some(pipeline)));
        Possible { word: Some((verdict, Box::new(ballot.clone()))), ..possible }
    };
    all.into_iter().filter(|(.., offered)| *offered).map(word).collect()
}

fn promote(pipeline: &Pipeline, environment: &Environment, release: &Release) -> Possible {
    let mut possible = at(pipeline, environment, Verb::Promote, Offer::of(Offered::Promote, release));
    possible.about.push(Object::release(release, Some(pipeline)));
    possible
}

fn at(pipeline: &Pipeline, environment: &Environment, verb: Verb, offer: Offer) -> Possible {
    let what = format!("{} in {}", pipeline.metadata.name, environment.name);
    let object = Object::environment(pipeline, environment);
    Possible { offer, about: vec![Object::pipeline(pipeline)], needs: Need { verb, object, what }, word: None }
}

fn known<'a>(seen: &'a Observed, name: &str) -> Option<&'a Release> {
    seen.releases.iter().find(|known| known.metadata.name == name).map(|release| &**release)
}

/// The release that a rollback goes back to.
fn target(asked: &Asked) -> Option<String> {
    asked.steps.iter().find_map(|step| match &step.action {
        Action::OpenPromotion { spec, .. } => Some(spec.release.clone()),
        _ => None,
    })
}
