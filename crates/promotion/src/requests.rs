//! What people ask for: promote, decide, roll back, unpin, lift. Each says what follows, or why not; whoever offers one
//! offers just what it accepts.

use std::borrow::Cow;
use std::sync::Arc;

use api::gantline::{
    Approval, Ask, Environment, Pipeline, Promotion, PromotionPhase, PromotionSpec, PromotionStatus, Release,
    ReleasePhase, ReleaseStatus, Verdict,
};
use jiff::Timestamp;

use crate::about::{is_distrust, to_lift};
use crate::change_set::ChangeSet;
use crate::facts::{Fact, What};
use crate::gates::{Evidence, Judge, bound};
use crate::identity::{identity, label, promotion_name, short};
use crate::ledger::Ledger;
use crate::members::Members;
use crate::plan::{Action, Draft, Known, Observed, Step};

/// What follows from a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The Promotion that it is about; empty where there is none.
    pub promotion: String,
    pub steps: Vec<Step>,
}

/// Why nothing follows, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// One person's word about a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote<'a> {
    pub verdict: Verdict,
    pub user: &'a str,
    /// The groups of the environment's gates that the user belongs to.
    pub groups: &'a [String],
    pub reason: &'a str,
}

/// Asks for a release in an environment. The gates still decide; a pin is lifted, because somebody asked.
///
/// # Errors
/// When there is no such environment or release, it is quarantined, or there already.
pub fn promote(seen: &Observed, environment: &str, release: &str, actor: &str, reason: &str) -> Result<Asked, Refused> {
    stands(seen)?;
    let draft = Draft::of(seen);
    let environment = environment_of(seen, environment)?;
    let release = release_of(&draft, release)?;
    let (name, tag) = (&seen.pipeline.metadata.name, label(&release.spec.images));
    if let Some(quarantine) = &release.status.quarantine {
        let (by, why) = (quarantine.whose(), &quarantine.reason);
        let lift = to_lift(quarantine, &release.metadata.name);
        return refuse(format!(
            "{name} {tag} is quarantined by {by}: {why}: promote another release, or lift that ({lift})"
        ));
    }
    if is_there(&draft, environment, release) {
        return refuse(format!("{name} {tag} is in {} already", environment.name));
    }
    let mut steps: Vec<Step> = unpinned(&draft, environment, actor).into_iter().collect();
    let same = |p: &&Known<'_, Promotion>| {
        p.spec.environment == environment.name && p.spec.release == release.metadata.name && !p.spec.rollback
    };
    if let Some(open) = draft.promotions.iter().filter(same).find(|p| p.status.phase.is_open()) {
        steps.extend(joined(open, actor, reason, seen.now));
        return Ok(Asked { promotion: open.metadata.name.clone(), steps });
    }
    let promotion = free_name(&draft, promotion_name(environment, release));
    let spec = draft.promotion_spec(environment, release, actor, reason);
    steps.push(Draft::opened(environment, spec, promotion.clone()));
    Ok(Asked { promotion, steps })
}

/// Who asks for what is open already is one of those who asked: their approval does not count from then on.
fn joined(open: &Promotion, actor: &str, reason: &str, now: Timestamp) -> Option<Step> {
    let (name, spec, status) = (&open.metadata.name, &open.spec, &open.status);
    let ask = Ask { by: actor.to_owned(), reason: reason.to_owned(), at: Some(now) };
    let same = |by: &str, said: &str| by.eq_ignore_ascii_case(actor) && (reason.is_empty() || reason == said);
    let known = same(&spec.requested_by, &spec.reason) || status.asked.iter().any(|ask| same(&ask.by, &ask.reason));
    if known || status.phase != PromotionPhase::Waiting {
        return None;
    }
    let others = status.asked.iter().filter(|ask| !ask.by.eq_ignore_ascii_case(actor)).cloned();
    let asked = others.chain([ask]).collect();
    let what = What::Wants { environment: spec.environment.clone(), by: actor.to_owned() };
    let action = Action::SetPromotion { name: name.clone(), status: PromotionStatus { asked, ..status.clone() } };
    Some(Step { action, facts: vec![Fact::of_promotion(name, spec, what)] })
}

/// The release that somebody could ask for in an environment: the one that the environment before runs.
pub fn promotable(seen: &Observed, environment: &str) -> Option<String> {
    let draft = Draft::of(seen);
    let before = seen.pipeline.before(environment)?;
    let release = draft.runs(&before.name)?.metadata.name.clone();
    promote(seen, environment, &release, "somebody", "").is_ok().then_some(release)
}

/// Notes what one person decides, bound to the release, the environment and its gates as they are.
///
/// # Errors
/// When the promotion does not wait any more, nobody is asked, or this word does not count.
pub fn decide(seen: &Observed, promotion: &str, vote: &Vote<'_>) -> Result<Asked, Refused> {
    ballot(seen, promotion)?.decide(vote, seen.now)
}

/// What decides about a word on a promotion: so much of what was observed, and no more.
#[derive(Debug, Clone, PartialEq)]
pub struct Ballot {
    promotion: Arc<Promotion>,
    release: Arc<Release>,
    pipeline: Arc<Pipeline>,
    environment: Environment,
    change_set: ChangeSet,
}

/// # Errors
/// When there is no such promotion, or nothing to decide about it.
pub fn ballot(seen: &Observed, promotion: &str) -> Result<Ballot, Refused> {
    let pipeline = &seen.pipeline;
    let promotion = seen.promotions.iter().find(|known| known.metadata.name == promotion);
    let promotion = promotion.ok_or_else(|| Refused(format!("{} has no such promotion", pipeline.metadata.name)))?;
    let (name, spec, phase) = (&promotion.metadata.name, &promotion.spec, promotion.status.phase);
    if phase != PromotionPhase::Waiting {
        return refuse(format!("{name} is {}: there is nothing to decide any more", phase.as_str()));
    }
    if spec.rollback {
        return refuse(format!("{name} goes back, and waits for nobody's word"));
    }
    let environment = environment_of(seen, &spec.environment)?.clone();
    let gone = || Refused(format!("the release of {name} does not exist any more"));
    let release = seen.releases.iter().find(|known| known.metadata.name == spec.release).ok_or_else(gone)?;
    Ok(Ballot {
        promotion: Arc::clone(promotion),
        release: Arc::clone(release),
        pipeline: Arc::clone(pipeline),
        environment,
        change_set: Draft::of(seen).change_set(promotion),
    })
}

impl Ballot {
    /// What follows from a person's word.
    ///
    /// # Errors
    /// When it does not count for any gate, or was said already.
    pub fn decide(&self, vote: &Vote<'_>, now: Timestamp) -> Result<Asked, Refused> {
        let (name, spec, status) = (&self.promotion.metadata.name, &self.promotion.spec, &self.promotion.status);
        let word = Approval {
            user: vote.user.to_owned(),
            groups: vote.groups.to_vec(),
            decision: vote.verdict,
            reason: vote.reason.to_owned(),
            at: Some(now),
            digest: spec.digest.clone(),
            environment: spec.environment.clone(),
            policy: bound(&self.environment, &self.change_set),
        };
        self.counts(&word, now)?;
        let mut approvals = status.approvals.clone();
        approvals.retain(|known| !same_person(known, vote.user));
        approvals.push(word);
        let (by, reason) = (vote.user.to_owned(), vote.reason.to_owned());
        let what = What::Decided { environment: spec.environment.clone(), verdict: vote.verdict, by, reason };
        let facts = vec![Fact::of_promotion(name, spec, what)];
        let status = PromotionStatus { approvals, ..status.clone() };
        let action = Action::SetPromotion { name: name.clone(), status };
        Ok(Asked { promotion: name.clone(), steps: vec![Step { action, facts }] })
    }

    /// Whose gates decide.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Whether a person's word counts for any gate, and is a new one.
    fn counts(&self, word: &Approval, now: Timestamp) -> Result<(), Refused> {
        let (name, status) = (&self.promotion.metadata.name, &self.promotion.status);
        let evidence = Evidence {
            pipeline: &self.pipeline,
            environment: &self.environment,
            release: &self.release,
            promotion: &self.promotion,
            change_set: &self.change_set,
            // a word counts whoever else could give one
            members: &Members::default(),
            blind: &[],
            now,
        };
        let said: Vec<_> = self.environment.gates.iter().filter_map(|gate| gate.counts(&evidence, word)).collect();
        let none = || Refused(format!("{name} waits for nobody's approval: its gates ask no group"));
        let first = said.first().cloned().ok_or_else(none)?;
        if !said.iter().any(Result::is_ok) {
            return first.map_err(Refused);
        }
        let same = |known: &&Approval| {
            let about = |vote: &Approval| (vote.decision, vote.digest.clone(), vote.policy.clone());
            same_person(known, &word.user) && about(known) == about(word)
        };
        match status.approvals.iter().find(same) {
            Some(_) if word.decision == Verdict::Approve => {
                refuse(format!("{} approved already: one person is one vote", word.user))
            }
            Some(_) => refuse(format!("{} rejected it already", word.user)),
            None => Ok(()),
        }
    }
}

fn same_person(known: &Approval, user: &str) -> bool {
    known.user.to_lowercase() == user.to_lowercase()
}

/// Goes back to the release that ran in the environment before, by a revert commit; what was put there last is
/// quarantined, and the environment is pinned.
///
/// # Errors
/// When nothing ran there before, or a rollback is under way.
pub fn roll_back(seen: &Observed, environment: &str, actor: &str, reason: &str) -> Result<Asked, Refused> {
    stands(seen)?;
    let draft = Draft::of(seen);
    let environment = environment_of(seen, environment)?;
    let rollbacks = || draft.promotions.iter().filter(|p| p.spec.rollback && p.spec.environment == environment.name);
    if let Some(open) = rollbacks().find(|p| p.status.phase.is_open()) {
        let (name, phase) = (&open.metadata.name, open.status.phase.as_str());
        return refuse(format!("{name} goes back in {} already: it is {phase}", environment.name));
    }
    let current = draft.put_last(&environment.name);
    let target = before(&draft, environment, current);
    let none = || Refused(format!("no release ran in {} before: there is nothing to go back to", environment.name));
    let target = target.ok_or_else(none)?;
    let replaces = current.map_or_else(String::new, |current| current.metadata.name.clone());
    let bad = current.and_then(|current| identity(&current.spec.images));
    let spec = PromotionSpec {
        rollback: true,
        replaces,
        from: String::new(),
        ..draft.promotion_spec(environment, target, actor, reason)
    };
    let (name, count) = (&seen.pipeline.metadata.name, rollbacks().count() + 1);
    let promotion = format!("{name}-{}-rollback-{}-{count}", environment.name, short(bad.as_ref()));
    let step = Draft::opened(environment, spec, promotion.clone());
    Ok(Asked { promotion, steps: vec![step] })
}

/// All that a rollback does, as sentences for whoever is about to ask for it.
///
/// # Errors
/// As [`roll_back`].
pub fn roll_back_does(seen: &Observed, environment: &str) -> Result<Vec<String>, Refused> {
    let asked = roll_back(seen, environment, "", "")?;
    let spec = asked.steps.iter().find_map(|step| match &step.action {
        Action::OpenPromotion { spec, .. } => Some(spec),
        _ => None,
    });
    let Some(spec) = spec else { return Ok(Vec::new()) };
    let draft = Draft::of(seen);
    let called = |name: &str| draft.release(name).map(|release| label(&release.spec.images).into_owned());
    let mut all = Vec::new();
    if let Some(target) = draft.release(&spec.release) {
        let entry = target.in_environment(environment);
        let commit = entry.map(|entry| entry.commit.as_str()).filter(|commit| !commit.is_empty());
        let commit = commit.or(Some(target.spec.source.commit.as_str()).filter(|commit| !commit.is_empty()));
        let commit = commit.map_or_else(String::new, |commit| format!(", commit {}", brief(commit)));
        let since = entry.and_then(|entry| entry.deployed_at);
        let since = since.map_or_else(String::new, |since| format!(", which came there {since}"));
        all.push(format!("a revert commit brings back {} ({}{commit}){since}", spec.tag, target.metadata.name));
    }
    if let Some(bad) = called(&spec.replaces) {
        let already = draft.release(&spec.replaces).is_some_and(|bad| bad.status.quarantine.is_some());
        let runs =
            seen.pipeline.spec.environments.iter().map(|it| it.name.as_str()).filter(|it| {
                *it != environment && draft.runs(it).is_some_and(|here| here.metadata.name == spec.replaces)
            });
        let runs: Vec<&str> = runs.collect();
        let stays =
            if runs.is_empty() { String::new() } else { format!("; it goes on running in {}", runs.join(", ")) };
        all.push(match already {
            true => format!("{bad} stays quarantined: it goes nowhere until somebody lifts that{stays}"),
            false => format!("{bad} is quarantined: it goes nowhere until somebody lifts that{stays}"),
        });
    }
    all.push(format!(
        "{environment} is pinned: nothing comes there by itself until somebody unpins it, or asks for a release"
    ));
    Ok(all)
}

fn brief(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// The release that was in the environment before the present one, and may be there again.
fn before<'a>(draft: &'a Draft<'_>, environment: &Environment, current: Option<&Release>) -> Option<&'a Release> {
    let name = |release: &Release| release.metadata.name.clone();
    let here =
        draft.releases.iter().filter_map(|release| Some((&**release, release.in_environment(&environment.name)?)));
    let others = here.filter(|(release, _)| current.is_none_or(|current| name(current) != name(release)));
    // what came past the gates once does not come by a rollback, which waits for nobody
    let good = others.filter(|(release, entry)| {
        release.status.quarantine.is_none() && entry.phase != ReleasePhase::Failed && !entry.by_hand
    });
    good.max_by_key(|(_, entry)| entry.deployed_at).map(|(release, _)| release)
}

/// Lets releases come by themselves again.
///
/// # Errors
/// When the environment is not pinned.
pub fn unpin(seen: &Observed, environment: &str, actor: &str) -> Result<Asked, Refused> {
    let environment = environment_of(seen, environment)?;
    let none = || Refused(format!("{} is not pinned", environment.name));
    let step = unpinned(&Draft::of(seen), environment, actor).ok_or_else(none)?;
    Ok(Asked { promotion: String::new(), steps: vec![step] })
}

/// Lifts a quarantine: the release may be asked for again. Pins stay, and the gates still decide.
///
/// # Errors
/// When there is no such release, or it is not quarantined.
pub fn lift(seen: &Observed, release: &str, actor: &str, reason: &str) -> Result<Asked, Refused> {
    let draft = Draft::of(seen);
    lifted(&draft, release_of(&draft, release)?, actor, reason)
}

/// The releases whose quarantine somebody could lift, the newest first.
pub fn liftable(seen: &Observed) -> Vec<String> {
    let draft = Draft::of(seen);
    let all = draft.releases.iter().filter(|release| lifted(&draft, release, "somebody", "").is_ok());
    all.map(|release| release.metadata.name.clone()).collect()
}

fn lifted(draft: &Draft<'_>, release: &Release, actor: &str, reason: &str) -> Result<Asked, Refused> {
    let (name, tag) = (&draft.seen.pipeline.metadata.name, label(&release.spec.images));
    let said = draft.seen.releases.iter().find(|seen| seen.metadata.name == release.metadata.name);
    let said = said.and_then(|seen| seen.status.quarantine.as_ref());
    let Some(quarantine) = release.status.quarantine.as_ref().or(said) else {
        let ask = format!("gantline promote {name} --to ENVIRONMENT --release {}", release.metadata.name);
        return refuse(format!("{name} {tag} is not quarantined: there is nothing to lift; ask for it ({ask})"));
    };
    let what = What::Lifted { by: actor.to_owned(), reason: reason.to_owned() };
    let fact = Fact::of_release(&release.metadata.name, &release.spec, what);
    let mut ledger = Ledger::clone(&draft.seen.ledger);
    ledger.lift(release, quarantine, &draft.seen.elsewhere);
    let mut freed = release.clone();
    freed.status.quarantine = None;
    // others may hold it still
    let held = ledger.quarantine_of(&freed, &draft.seen.elsewhere).map(Cow::into_owned);
    let status = ReleaseStatus { quarantine: held, ..freed.status };
    // in the ledger it is lifted, whatever comes in between: where that was done before, it is not told again
    let is_news = ledger != *draft.seen.ledger;
    let noted = Action::SetRelease { name: release.metadata.name.clone(), status };
    // what only a record says that was not believed is in no ledger
    let facts = if is_distrust(quarantine) && !is_news { vec![fact.clone()] } else { Vec::new() };
    let lifted = is_news.then(|| Step { action: Action::SetLedger { ledger }, facts: vec![fact] });
    let steps = lifted.into_iter().chain([Step { action: noted, facts }]).collect();
    Ok(Asked { promotion: String::new(), steps })
}

/// Whether it was put there last and has not failed there.
fn is_there(draft: &Draft<'_>, environment: &Environment, release: &Release) -> bool {
    let last = draft.put_last(&environment.name).filter(|last| last.metadata.name == release.metadata.name);
    last.and_then(|last| last.in_environment(&environment.name)).is_some_and(|e| e.phase != ReleasePhase::Failed)
}

fn unpinned(draft: &Draft<'_>, environment: &Environment, actor: &str) -> Option<Step> {
    let (name, pipeline) = (&environment.name, &draft.seen.pipeline);
    pipeline.pin_of(name)?;
    let what = What::Unpinned { environment: name.clone(), by: actor.to_owned() };
    Some(Step {
        action: Action::Unpin { environment: name.clone() },
        facts: vec![Fact::of_pipeline(&pipeline.metadata.name, what)],
    })
}

/// The first name, or the first free one of the later attempts.
fn free_name(draft: &Draft<'_>, first: String) -> String {
    let taken = |name: &String| draft.promotions.iter().any(|p| p.metadata.name == *name);
    let mut names = std::iter::once(first.clone()).chain((2..).map(|n| format!("{first}-{n}")));
    names.find(|name| !taken(name)).unwrap_or(first)
}

/// A Pipeline that stands still does nothing of what is asked of it.
fn stands(seen: &Observed) -> Result<(), Refused> {
    let error = seen.problems.iter().find(|problem| problem.error);
    let Some(error) = error else { return Ok(()) };
    refuse(format!("{} stands still until this is mended: {}", seen.pipeline.metadata.name, error.message))
}

fn environment_of<'a>(seen: &'a Observed, name: &str) -> Result<&'a Environment, Refused> {
    let pipeline = &seen.pipeline;
    pipeline.environment(name).ok_or_else(|| {
        let names: Vec<&str> = pipeline.spec.environments.iter().map(|known| known.name.as_str()).collect();
        Refused(format!("{} has no environment {name}: there are {}", pipeline.metadata.name, names.join(", ")))
    })
}

fn release_of<'a>(draft: &'a Draft<'_>, name: &str) -> Result<&'a Release, Refused> {
    let pipeline = &draft.seen.pipeline.metadata.name;
    draft.release(name).ok_or_else(|| Refused(format!("{pipeline} has no release {name}")))
}

fn refuse<T>(text: String) -> Result<T, Refused> {
    Err(Refused(text))
}
